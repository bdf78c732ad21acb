// SPDX-License-Identifier: MIT
/*
 * The device itself: making, opening and dropping the memfd with its mapping, and
 * the one question that a DAX file system asks of it, direct_access.
 */
#include "backends/pmem/label.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

static_assert(sizeof(uuid_t) == PMEM_UUID_LEN, "libuuid agrees on the length");

/* Map all of @fd and fill in @dev, which owns @fd from then on. On error it does not. */
static int pmem_map(struct pmem *dev, int fd, const struct pmem_label_info *info)
{
	/* No swap is reserved: 16 TiB of address space need not exist as memory. */
	void *base = mmap(NULL, info->size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	*dev = (struct pmem){
		.base = base,
		.fd = fd,
		.size = info->size,
		.nr_blocks = info->size >> PAGE_SHIFT,
	};
	memcpy(dev->uuid, info->uuid, sizeof(dev->uuid));
	memcpy(dev->name, info->name, sizeof(dev->name));
	return 0;
}

/* Size an empty memfd and give it its label. */
static int pmem_format(int fd, const struct pmem_label_info *info)
{
	struct pmem_label label;
	ssize_t n;

	if (ftruncate(fd, info->size))
		return -errno;
	pmem_label_encode(&label, info);
	/* Not a store: that would be a SIGBUS instead of an error when memory is short. */
	n = pwrite(fd, &label, sizeof(label), 0);
	if (n < 0)
		return -errno;
	return n == sizeof(label) ? 0 : -EIO;
}

int pmem_create(struct pmem *dev, const char *name, u64 size, const u8 *uuid)
{
	struct pmem_label_info info = { .size = size };
	int fd, err;

	if (size < PMEM_MIN_SIZE || size % PAGE_SIZE)
		return -EINVAL;
	if (size > PMEM_MAX_SIZE)
		return -EFBIG;
	if (strlen(name) >= sizeof(info.name))
		return -ENAMETOOLONG;
	strcpy(info.name, name);
	if (uuid)
		memcpy(info.uuid, uuid, sizeof(info.uuid));
	else
		uuid_generate(info.uuid);

	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = pmem_format(fd, &info);
	if (!err)
		err = pmem_map(dev, fd, &info);
	if (err)
		close(fd);
	return err;
}

int pmem_open_fd(struct pmem *dev, int fd, char *why, size_t len)
{
	struct pmem_label_info info;
	struct pmem_label label;
	struct stat st;
	ssize_t n;
	int own, err;

	if (fstat(fd, &st))
		return pmem_reject(why, len, -errno, "cannot look at the image: %m");
	if (!S_ISREG(st.st_mode))
		return pmem_reject(why, len, -EINVAL,
				   "not an image: expected a regular file, found mode %07o",
				   st.st_mode);
	n = pread(fd, &label, sizeof(label), 0);
	if (n < 0)
		return pmem_reject(why, len, -errno, "cannot read the label: %m");
	if (n < (ssize_t)sizeof(label))
		return pmem_reject(why, len, -ENODATA,
				   "image is too short for a label: expected %zu bytes, found %zd",
				   sizeof(label), n);
	err = pmem_label_decode(&label, st.st_size, &info, why, len);
	if (err)
		return err;

	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return pmem_reject(why, len, -errno, "cannot duplicate the file descriptor: %m");
	err = pmem_map(dev, own, &info);
	if (err) {
		pmem_reject(why, len, err, "cannot map %" PRIu64 " bytes: %m", info.size);
		close(own);
	}
	return err;
}

int pmem_part(struct pmem *dev)
{
	void *base = mmap(dev->base, dev->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, dev->fd, 0);

	return base == MAP_FAILED ? -errno : 0;
}

static size_t bitmap_bytes(const struct pmem *dev)
{
	return DIV_ROUND_UP(dev->nr_blocks, 64) * sizeof(u64);
}

int pmem_track_zeroes(struct pmem *dev)
{
	u64 *p = mmap(NULL, 2 * bitmap_bytes(dev), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	dev->dirty = p;
	dev->made = p + bitmap_bytes(dev) / sizeof(*p);
	return 0;
}

void pmem_destroy(struct pmem *dev)
{
	if (dev->base) {
		munmap(dev->base, dev->size);
		close(dev->fd);
	}
	if (dev->dirty)
		munmap(dev->dirty, 2 * bitmap_bytes(dev));
	*dev = (struct pmem){ .fd = -1 };
}

long pmem_direct_access(struct pmem *dev, sector_t sector, void **addr, u64 *pfn, long size)
{
	u64 sectors = dev->size >> SECTOR_SHIFT;
	u64 avail;

	if (size < 0)
		return size;
	if (sector > sectors || DIV_ROUND_UP((u64)size, 1UL << SECTOR_SHIFT) > sectors - sector)
		return -ERANGE;
	if (sector % SECTORS_PER_PAGE)
		return -EINVAL;
	avail = (sectors - sector) << SECTOR_SHIFT;
	if (!avail)
		return -ERANGE;
	*pfn = sector / SECTORS_PER_PAGE;
	*addr = pmem_block(dev, *pfn);
	return min_t(u64, avail, size);
}

u64 pmem_materialised(const struct pmem *dev)
{
	struct stat st;

	/* Cannot fail on a file descriptor of our own; st_blocks has its own unit of 512. */
	return fstat(dev->fd, &st) ? 0 : (u64)st.st_blocks * 512;
}

// SPDX-License-Identifier: MIT
/* Getting a userfaultfd that can do what is needed, or saying why not. */
#include "backends/mmu/uffd_pt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daxsim/sim/sim.h"

#define UFFD_FLAGS (O_CLOEXEC | O_NONBLOCK)

static const struct {
	u64 bit;
	const char *name;
	const char *since;	/* Linux */
} needed[] = {
	{ UFFD_FEATURE_MISSING_SHMEM, "UFFD_FEATURE_MISSING_SHMEM", "4.11" },
	{ UFFD_FEATURE_THREAD_ID, "UFFD_FEATURE_THREAD_ID", "4.14" },
	{ UFFD_FEATURE_PAGEFAULT_FLAG_WP, "UFFD_FEATURE_PAGEFAULT_FLAG_WP", "5.7" },
	{ UFFD_FEATURE_MINOR_SHMEM, "UFFD_FEATURE_MINOR_SHMEM", "5.14" },
	{ UFFD_FEATURE_WP_HUGETLBFS_SHMEM, "UFFD_FEATURE_WP_HUGETLBFS_SHMEM", "5.19" },
};

static int by_device(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd, err;

	if (dev < 0)
		return -1;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, UFFD_FLAGS);
	err = errno;
	close(dev);
	errno = err;
	return fd;
}

static int by_syscall(void)
{
	return syscall(SYS_userfaultfd, UFFD_FLAGS);
}

static int for_user_mode(void)
{
	return syscall(SYS_userfaultfd, UFFD_FLAGS | UFFD_USER_MODE_ONLY);
}

/* Best first. The last one needs no privilege, but Linux itself cannot fault then. */
static const struct {
	const char *name;
	int (*get)(void);
	bool user_mode_only;
} ways[] = {
	{ "/dev/userfaultfd", by_device, false },
	{ "userfaultfd(2)", by_syscall, false },
	{ "UFFD_USER_MODE_ONLY", for_user_mode, true },
};

int uffd_fail(char *why, size_t size, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

_Noreturn void uffd_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "daxsim: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

static const char *advice(int err)
{
	switch (err) {
	case ENOSYS:
		return "this kernel was built without CONFIG_USERFAULTFD: use --mmu soft";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files (ulimit -n), or use --mmu soft";
	default:
		return "set sysctl vm.unprivileged_userfaultfd=1, or make /dev/userfaultfd "
		       "readable and writable, or in a container let seccomp pass "
		       "userfaultfd, or use --mmu soft";
	}
}

static int get_fd(struct uffd_pt *pt, char *why, size_t size)
{
	size_t len = 0;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		pt->fd = ways[i].get();
		pt->user_mode_only = ways[i].user_mode_only;
		if (pt->fd >= 0)
			return 0;
		err = errno;
		uffd_fail(why + len, size - len, 0, "%s: %m; ", ways[i].name);
		len += strnlen(why + len, size - len);
	}
	return uffd_fail(why + len, size - len, -err, "%s", advice(err));
}

static int check_features(struct uffd_pt *pt, u64 features, char *why, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		api.features |= needed[i].bit;
	if (!ioctl(pt->fd, UFFDIO_API, &api))
		return 0;
	err = -errno;

	/* Refused: ask again for nothing, and be told what there is. */
	api = (struct uffdio_api){ .api = UFFD_API };
	if (!ioctl(pt->fd, UFFDIO_API, &api))
		for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
			if (!(api.features & needed[i].bit))
				return uffd_fail(why, size, -EOPNOTSUPP,
						 "this kernel lacks %s, which is in Linux since %s "
						 "(5.19 or later is needed): use --mmu soft",
						 needed[i].name, needed[i].since);
	errno = -err;
	return uffd_fail(why, size, err, "UFFDIO_API: %m: use --mmu soft");
}

static int get_files(struct uffd_pt *pt, char *why, size_t size)
{
	pt->hole = memfd_create("daxsim-hole", MFD_CLOEXEC);
	pt->eof = memfd_create("daxsim-eof", MFD_CLOEXEC);
	if (pt->hole < 0 || pt->eof < 0)
		return uffd_fail(why, size, -errno, "cannot create a memfd: %m");
	/* As long as a file can be: it is indexed by the page offsets of all files. */
	if (ftruncate(pt->hole, INT64_MAX & PAGE_MASK))
		return uffd_fail(why, size, -errno, "cannot make a sparse memfd: %m");
	pt->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* The device may be an image in any file, but only those on tmpfs can be watched. */
static int check_device(struct uffd_pt *pt, char *why, size_t size)
{
	void *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pt->sim->pmem.fd, 0);
	int err;

	if (page == MAP_FAILED)
		return uffd_fail(why, size, -errno, "cannot map the device: %m");
	err = uffd_register(pt, (u64)page, PAGE_SIZE);
	munmap(page, PAGE_SIZE);
	if (!err)
		return 0;
	errno = -err;
	return uffd_fail(why, size, err,
			 "the device cannot be watched (%m): put its image on tmpfs, /dev/shm for "
			 "instance, or use --mmu soft");
}

int uffd_pt_open(struct uffd_pt *pt, struct sim *sim, u64 features, char *why, size_t size)
{
	int err;

	*pt = (struct uffd_pt){ .sim = sim, .fd = -1, .hole = -1, .eof = -1, .pagemap = -1 };
	err = get_fd(pt, why, size);
	if (!err)
		err = check_features(pt, features, why, size);
	if (!err)
		err = check_device(pt, why, size);
	return err ? err : get_files(pt, why, size);
}

void uffd_pt_close(struct uffd_pt *pt)
{
	const int fds[] = { pt->fd, pt->hole, pt->eof, pt->pagemap };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

// SPDX-License-Identifier: MIT
/*
 * Writing and checking the label of a device. An image comes from outside and may
 * be anything, so each way of being wrong has an errno and a sentence of its own.
 */
#include "backends/pmem/label.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

int pmem_reject(char *why, size_t len, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, len, fmt, args);
	va_end(args);
	return err;
}

static u64 label_checksum(const struct pmem_label *label)
{
	struct pmem_label copy = *label;

	copy.checksum = 0;
	return XXH3_64bits(&copy, sizeof(copy));
}

void pmem_label_encode(struct pmem_label *label, const struct pmem_label_info *info)
{
	*label = (struct pmem_label){
		.magic = htole64(PMEM_LABEL_MAGIC),
		.version = htole32(PMEM_LABEL_VERSION),
		.block_size = htole32(PAGE_SIZE),
		.size = htole64(info->size),
	};
	memcpy(label->uuid, info->uuid, sizeof(label->uuid));
	memcpy(label->name, info->name, sizeof(label->name));
	label->checksum = htole64(label_checksum(label));
}

/*
 * The order matters: only the right magic number makes the version meaningful, only
 * a known version says where the checksum is, and only after that can the rest be
 * believed enough to be compared with the medium.
 */
int pmem_label_decode(const struct pmem_label *label, u64 size, struct pmem_label_info *info,
		      char *why, size_t len)
{
	u64 magic = le64toh(label->magic);
	u32 version = le32toh(label->version);
	u32 block_size = le32toh(label->block_size);
	u64 labelled = le64toh(label->size);
	u64 found = le64toh(label->checksum);
	u64 sum = label_checksum(label);

	if (magic != PMEM_LABEL_MAGIC)
		return pmem_reject(why, len, -EMEDIUMTYPE,
				   "not a pmem image: expected magic %016llx, found %016" PRIx64,
				   PMEM_LABEL_MAGIC, magic);
	if (version != PMEM_LABEL_VERSION)
		return pmem_reject(why, len, -EPROTONOSUPPORT,
				   "unknown label version: expected %d, found %" PRIu32,
				   PMEM_LABEL_VERSION, version);
	if (found != sum)
		return pmem_reject(why, len, -EBADMSG,
				   "damaged label: expected checksum %016" PRIx64
				   ", found %016" PRIx64, sum, found);
	if (block_size != PAGE_SIZE)
		return pmem_reject(why, len, -EUCLEAN,
				   "impossible block size: expected %lu bytes, found %" PRIu32,
				   PAGE_SIZE, block_size);
	if (labelled < PMEM_MIN_SIZE || labelled > PMEM_MAX_SIZE || labelled % PAGE_SIZE)
		return pmem_reject(why, len, -EUCLEAN,
				   "impossible size in label: expected a multiple of %lu from %lu "
				   "to %lu bytes, found %" PRIu64,
				   PAGE_SIZE, PMEM_MIN_SIZE, PMEM_MAX_SIZE, labelled);
	if (!memchr(label->name, 0, sizeof(label->name)))
		return pmem_reject(why, len, -EUCLEAN,
				   "endless name in label: expected a NUL within %d bytes, "
				   "found none", PMEM_NAME_LEN);
	if (size != labelled)
		return pmem_reject(why, len, size < labelled ? -ENODATA : -EFBIG,
				   "image is too %s: expected %" PRIu64 " bytes, found %" PRIu64,
				   size < labelled ? "short" : "long", labelled, size);

	info->size = labelled;
	memcpy(info->uuid, label->uuid, sizeof(info->uuid));
	memcpy(info->name, label->name, sizeof(info->name));
	return 0;
}

int pmem_label_read(const struct pmem *dev, struct pmem_label_info *info, char *why, size_t len)
{
	struct pmem_label label;

	/* A copy: the mapping can change between two looks at it. */
	memcpy(&label, pmem_block(dev, 0), sizeof(label));
	return pmem_label_decode(&label, dev->size, info, why, len);
}

/* SPDX-License-Identifier: MIT */
/*
 * The label as it lies on the medium, at the start of block 0. Integers are
 * little-endian, and there is no padding, so that an image made on one machine
 * opens on any other.
 */
#ifndef DAXSIM_PMEM_LABEL_H
#define DAXSIM_PMEM_LABEL_H

#include <assert.h>

#include "backends/pmem/pmem.h"

#define PMEM_LABEL_MAGIC 0x4d454d5053584144ULL	/* the bytes "DAXSPMEM" */
#define PMEM_LABEL_VERSION 1

struct pmem_label {
	u64 magic;
	u32 version;			/* stands before everything that may change with it */
	u32 block_size;			/* bytes; always PAGE_SIZE */
	u64 size;			/* of the device, bytes */
	u8 uuid[PMEM_UUID_LEN];		/* in the byte order of RFC 4122 */
	char name[PMEM_NAME_LEN];	/* filled up with NULs, at least one */
	u64 checksum;			/* XXH3 of the label with this field zero */
};

static_assert(offsetof(struct pmem_label, version) == 8, "label layout");
static_assert(offsetof(struct pmem_label, block_size) == 12, "label layout");
static_assert(offsetof(struct pmem_label, size) == 16, "label layout");
static_assert(offsetof(struct pmem_label, uuid) == 24, "label layout");
static_assert(offsetof(struct pmem_label, name) == 40, "label layout");
static_assert(offsetof(struct pmem_label, checksum) == 72, "label layout");
static_assert(sizeof(struct pmem_label) == 80, "label layout");

/** pmem_label_encode() - make the on-media form of @info, checksum included */
void pmem_label_encode(struct pmem_label *label, const struct pmem_label_info *info);

/**
 * pmem_label_decode() - verify an on-media label and take it apart
 * @label: the bytes found on the medium, whatever they are
 * @size: bytes that the medium really has
 * @info: filled in on success, left alone otherwise
 * @why: as for pmem_open_fd()
 * @len: size of @why, bytes
 *
 * Return: as pmem_label_read().
 */
int pmem_label_decode(const struct pmem_label *label, u64 size, struct pmem_label_info *info,
		      char *why, size_t len);

/** pmem_reject() - format into @why, of @len bytes, what is wrong with an image; returns @err */
__printf(4, 5)
int pmem_reject(char *why, size_t len, int err, const char *fmt, ...);

#endif

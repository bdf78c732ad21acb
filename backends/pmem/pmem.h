/* SPDX-License-Identifier: MIT */
/*
 * The persistent-memory device: a sparse memfd, mapped whole and shared, so
 * that every further mapping of its fd is an alias of the same pages. Block 0
 * holds the label; the other blocks belong to the file system. The device never
 * zeroes anything: a freed block keeps its bytes, as it does on real pmem.
 */
#ifndef DAXSIM_PMEM_H
#define DAXSIM_PMEM_H

#include "daxsim/sim/types.h"

#define PMEM_MIN_SIZE (64UL << 10)	/* bytes */
#define PMEM_MAX_SIZE (16UL << 40)
#define PMEM_UUID_LEN 16
#define PMEM_NAME_LEN 32		/* with the terminating NUL */
#define PMEM_WHY_LEN 160		/* enough for every message of pmem_open_fd() */

/* A device that is not open has no base; the other fields then mean nothing. */
struct pmem {
	char *base;			/* where block 0 is mapped; never moves */
	int fd;				/* owned; whoever maps it sees the same pages */
	u64 size;			/* bytes, a multiple of PAGE_SIZE */
	u64 nr_blocks;			/* size / PAGE_SIZE, block 0 included */
	u8 uuid[PMEM_UUID_LEN];
	char name[PMEM_NAME_LEN];
	struct pmem_undo *undo;		/* undo.h: remembers blocks before they change; or NULL */
	u64 *dirty;			/* bit per block that may not be all zero; or NULL: no idea */
	u64 *made;			/* and that the memfd may have a page for */
};

/* What a label says about its device. */
struct pmem_label_info {
	u64 size;			/* bytes */
	u8 uuid[PMEM_UUID_LEN];
	char name[PMEM_NAME_LEN];
};

/**
 * pmem_create() - make an empty device
 * @dev: filled in on success, left alone otherwise
 * @name: shorter than PMEM_NAME_LEN; need not be unique
 * @size: bytes, a multiple of PAGE_SIZE from PMEM_MIN_SIZE to PMEM_MAX_SIZE. This
 *	much address space is taken; memory is used only for pages that are touched
 * @uuid: PMEM_UUID_LEN bytes, for runs that must be reproducible; NULL makes a new one
 *
 * Return: 0; -EINVAL for a size that is too small or not in whole pages; -EFBIG for
 * one that is too large; -ENAMETOOLONG; -ENOMEM when the address space is not to be
 * had (sanitizers take most of it); or what memfd_create(2), ftruncate(2) or pwrite(2)
 * said.
 */
int pmem_create(struct pmem *dev, const char *name, u64 size, const u8 *uuid);

/**
 * pmem_open_fd() - open an image that pmem_create() once made
 * @dev: filled in on success, left alone otherwise
 * @fd: a memfd or any regular file, open for reading and writing. The device takes
 *	a duplicate; the caller keeps @fd. Only files on tmpfs, which memfds are,
 *	can be watched with userfaultfd
 * @why: on error, a sentence with what was expected and what was found
 * @len: size of @why, bytes; PMEM_WHY_LEN is enough, 0 allows a NULL @why
 *
 * Return: 0, an error of pmem_label_read(), -EINVAL when @fd is not a regular file,
 * or what fstat(2), pread(2), fcntl(2) or mmap(2) said.
 */
int pmem_open_fd(struct pmem *dev, int fd, char *why, size_t len);

/**
 * pmem_destroy() - unmap and close a device
 * @dev: an open device, one already destroyed, or a zeroed struct
 *
 * The memory goes away with the last other mapping or duplicate of the fd.
 */
void pmem_destroy(struct pmem *dev);

/**
 * pmem_part() - make what is stored from now on private to this process and those it forks
 * @dev: an open device; its address stays, and so do its contents
 *
 * Other mappings of the fd do not see such stores, nor do these see theirs.
 * Return: 0, or what mmap(2) said.
 */
int pmem_part(struct pmem *dev);

/**
 * pmem_direct_access() - address of a piece of the device: bdev_direct_access() of 4.0
 * @dev: the device
 * @sector: where, in 512-byte sectors
 * @addr: set to the address, on success only
 * @pfn: set to the page number within the device, on success only
 * @size: bytes wanted
 *
 * The checks stand in the kernel's order, and so does its habit of refusing a request
 * that starts inside the device and ends beyond it.
 *
 * Return: bytes usable at *@addr, at most @size; @size itself when it is negative;
 * -ERANGE for anything beyond the end; -EINVAL when @sector does not start a page.
 */
long pmem_direct_access(struct pmem *dev, sector_t sector, void **addr, u64 *pfn, long size);

/**
 * pmem_label_read() - read and verify the label that block 0 holds now
 * @dev: an open device
 * @info: filled in on success, left alone otherwise
 * @why: as for pmem_open_fd()
 * @len: size of @why, bytes
 *
 * Return: 0; -EMEDIUMTYPE for a wrong magic number; -EPROTONOSUPPORT for an unknown
 * version; -EBADMSG for a wrong checksum; -EUCLEAN for a label that is intact and makes
 * no sense; -ENODATA when there is less device than the label says, -EFBIG when more.
 */
int pmem_label_read(const struct pmem *dev, struct pmem_label_info *info, char *why, size_t len);

/** pmem_materialised() - bytes of memory (or of disk, for an image file) in use */
u64 pmem_materialised(const struct pmem *dev);

/* The slow half of pmem_dirty(), in undo.c. */
void pmem_undo_note(struct pmem *dev, block_t block);

/**
 * pmem_track_zeroes() - know from now on which blocks are all zero
 * @dev: an open device that nobody has written to
 *
 * Return: 0 or -ENOMEM.
 */
int pmem_track_zeroes(struct pmem *dev);

static inline bool pmem_bit(const u64 *bits, block_t block)
{
	return __atomic_load_n(&bits[block / 64], __ATOMIC_RELAXED) >> block % 64 & 1;
}

static inline void pmem_set_bit(u64 *bits, block_t block)
{
	if (!pmem_bit(bits, block))
		__atomic_fetch_or(&bits[block / 64], 1ULL << block % 64, __ATOMIC_RELAXED);
}

/** pmem_is_zero() - whether a block is known to be all zero; any thread may ask */
static inline bool pmem_is_zero(const struct pmem *dev, block_t block)
{
	return dev->dirty && !pmem_bit(dev->dirty, block);
}

/** pmem_is_new() - whether a block is not even in memory yet, as far as one knows */
static inline bool pmem_is_new(const struct pmem *dev, block_t block)
{
	return dev->dirty && !pmem_bit(dev->made, block);
}

/** pmem_zeroed() - a block was filled with zeroes, and nobody is writing to it */
static inline void pmem_zeroed(struct pmem *dev, block_t block)
{
	pmem_set_bit(dev->made, block);
	__atomic_fetch_and(&dev->dirty[block / 64], ~(1ULL << block % 64), __ATOMIC_RELAXED);
}

/** pmem_dirty() - a block is about to change; costs two branches unless somebody remembers */
static inline void pmem_dirty(struct pmem *dev, block_t block)
{
	if (unlikely(dev->undo))
		pmem_undo_note(dev, block);
	if (unlikely(dev->dirty)) {
		pmem_set_bit(dev->dirty, block);
		pmem_set_bit(dev->made, block);
	}
}

/** pmem_block() - address of a block; @block must be below nr_blocks */
static inline void *pmem_block(const struct pmem *dev, block_t block)
{
	return dev->base + (block << PAGE_SHIFT);
}

#endif

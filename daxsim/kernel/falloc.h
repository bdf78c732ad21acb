/* SPDX-License-Identifier: MIT */
/*
 * fallocate(2) for file systems with unwritten extents, and the pieces they
 * punch and truncate with, each in its own order, because that order is what
 * races are about. All take inode->i_alloc themselves to touch the extent map.
 */
#ifndef DAXSIM_FALLOC_H
#define DAXSIM_FALLOC_H

#include "daxsim/sim/types.h"

struct inode;

/**
 * falloc_range() - fallocate(2) for file systems with unwritten extents
 * @inode: the file
 * @mode: FALLOC_FL_*
 * @start: first byte
 * @len: bytes
 *
 * Takes i_mutex. Return: 0; -EOPNOTSUPP for a mode that fallocate(2) does not
 * have; -EINVAL for a shift that is not alone, not in whole blocks, or not inside
 * the file; -EFBIG for one that makes it too large; -ENOSPC; -ENOMEM.
 */
int falloc_range(struct inode *inode, u32 mode, s64 start, s64 len);

/**
 * alloc_extent() - allocate and map one extent in a hole
 * @inode: the file; i_alloc is held
 * @iblock: block of the file, not mapped
 * @want: blocks wanted at most
 * @unwritten: its state
 * @block: set to its first device block
 * @len: set to its blocks, 1 to @want
 *
 * Goes on behind the block before, if that has one. Return: 0, -ENOSPC or -ENOMEM.
 */
int alloc_extent(struct inode *inode, u64 iblock, u64 want, bool unwritten, block_t *block,
		 u64 *len);

/**
 * falloc_dio_wait() - wait for I/O in flight once page tables are cut
 * @inode: the file
 *
 * Does nothing where falloc_range() has waited before it took i_mmap_sem.
 */
void falloc_dio_wait(struct inode *inode);

/*
 * Blocks go, and the nodes that the extent tree needs no more, all under i_alloc as in
 * ext4_ext_remove_space() and xfs_bunmapi().
 */

/** falloc_remove() - free the blocks of [first, end). Return: 0, -ENOMEM, or -ENOSPC: for a node */
int falloc_remove(struct inode *inode, u64 first, u64 end);

/** falloc_cut() - free the blocks from @first on. Return: 0 or -ENOMEM */
int falloc_cut(struct inode *inode, u64 first);

/** falloc_zero_edges() - zero the parts of [start, end) bytes that are not whole pages */
int falloc_zero_edges(struct inode *inode, s64 start, s64 end);

/**
 * convert_unwritten() - make the unwritten blocks of a range written
 * @inode: the file
 * @first: first block of the file
 * @end: block behind the last
 *
 * Holes and written blocks are left alone; the extent tree gets the nodes it
 * needs if there is space. Return: 0 or -ENOMEM.
 */
int convert_unwritten(struct inode *inode, u64 first, u64 end);

#endif

// SPDX-License-Identifier: MIT
/* Filling, emptying and moving ranges of a file, for ext4 and XFS. */
#include "daxsim/kernel/falloc.h"

#include <errno.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

#define SHIFTS (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)
#define FILLS (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

/* vfs_fallocate() */
static int check_mode(u32 mode)
{
	bool zero = mode & FALLOC_FL_ZERO_RANGE, keep_size = mode & FALLOC_FL_KEEP_SIZE;

	if (mode & ~(SHIFTS | FILLS))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && (zero || !keep_size))
		return -EOPNOTSUPP;
	/* A shift comes alone. */
	return mode & SHIFTS && mode & (mode - 1) ? -EINVAL : 0;
}

/* ext4_ext_find_goal(): as far from the nearest extent on the device as in the file. */
static block_t find_goal(const struct inode *inode, u64 iblock, const struct extent *next)
{
	const struct extent *before = extent_find_prev(&inode->extents, iblock);

	if (before)
		return before->pblk + (iblock - before->lblk);
	return next && next->pblk > next->lblk - iblock ? next->pblk - (next->lblk - iblock) : 0;
}

int alloc_extent(struct inode *inode, u64 iblock, u64 want, bool unwritten, block_t *block,
		 u64 *len)
{
	const struct extent *next = extent_find_next(&inode->extents, iblock);
	int err;

	if (next)
		want = min_t(u64, want, next->lblk - iblock);
	err = alloc_blocks(inode, find_goal(inode, iblock, next), want, block, len);
	if (err)
		return err;
	err = extent_add(inode, iblock, *block, *len, unwritten);
	if (err) {
		free_blocks(inode->i_sb, *block, *len);
		return err;
	}
	err = inode->i_sb->ops->fit_tree(inode);
	if (err)
		extent_free(inode, iblock, *len);
	return err;
}

/*
 * Kernels that zero a block before they show it as written cannot tell whether an unwritten
 * one was zeroed already. Where zeroed blocks are known, as in live machines, that is done at
 * once, so that no fault has to. i_alloc is held: nobody converts them meanwhile.
 */
static void zero_early(struct super_block *sb, block_t block, u64 len)
{
	struct pmem *pmem = &sb->sim->pmem;

	if (!pmem->dirty || !has(sb, PREZEROED_BLOCKS))
		return;
	for (; len; block++, len--) {
		if (pmem_is_zero(pmem, block))
			continue;
		media_zero(pmem_block(pmem, block), PAGE_SIZE);
		pmem_zeroed(pmem, block);
	}
}

static int fill_range(struct inode *inode, u64 first, u64 end)
{
	int err = 0;

	down_write(&inode->i_alloc);
	while (first < end && !err) {
		struct extent e;
		block_t block;
		u64 len;

		if (extent_lookup(inode, first, &e) && e.lblk <= first) {
			first = extent_end(&e);
		} else {
			err = alloc_extent(inode, first, end - first, true, &block, &len);
			if (err)
				break;
			zero_early(inode->i_sb, block, len);
			first += len;
		}
	}
	up_write(&inode->i_alloc);
	return err;
}

/* Set the state of the mapped blocks of a range. i_alloc is held. */
static int set_state(struct inode *inode, u64 first, u64 end, bool unwritten)
{
	int err = 0;

	while (first < end && !err) {
		struct extent e;
		u64 from, to;

		if (!extent_lookup(inode, first, &e) || e.lblk >= end)
			break;
		from = max_t(u64, first, e.lblk);
		to = min_t(u64, end, extent_end(&e));
		if (e.unwritten != unwritten)
			err = extent_set_unwritten(inode, from, to - from, unwritten);
		first = to;
	}
	return err;
}

static int unwrite_range(struct inode *inode, u64 first, u64 end)
{
	int err;

	down_write(&inode->i_alloc);
	err = set_state(inode, first, end, true);
	if (!err)
		err = inode->i_sb->ops->fit_tree(inode);
	up_write(&inode->i_alloc);
	return err;
}

int convert_unwritten(struct inode *inode, u64 first, u64 end)
{
	int err;

	down_write(&inode->i_alloc);
	err = set_state(inode, first, end, false);
	/* The data is there: for want of a tree node that must not fail, there are reserves. */
	if (!err)
		inode->i_sb->ops->fit_tree(inode);
	up_write(&inode->i_alloc);
	return err;
}

int falloc_remove(struct inode *inode, u64 first, u64 end)
{
	int err = 0;

	down_write(&inode->i_alloc);
	if (first < end)
		err = extent_free(inode, first, end - first);
	if (!err)
		err = inode->i_sb->ops->fit_tree(inode);
	up_write(&inode->i_alloc);
	return err;
}

int falloc_cut(struct inode *inode, u64 first)
{
	int err;

	down_write(&inode->i_alloc);
	err = extent_free(inode, first, U64_MAX - first);
	/* A node that converting could not have is missing still: that is no failure here either. */
	if (!err)
		inode->i_sb->ops->fit_tree(inode);
	up_write(&inode->i_alloc);
	return err;
}

/* Move what is behind a range that is taken out or put in; @err_tree: if the tree lacks a node then. */
static int shift_extents(struct inode *inode, u64 first, s64 delta, int *err_tree)
{
	int err = 0;

	down_write(&inode->i_alloc);
	if (delta < 0)
		err = extent_free(inode, first + delta, -delta);
	if (!err)
		err = extent_move(inode, first, delta);
	if (!err)
		*err_tree = inode->i_sb->ops->fit_tree(inode);
	up_write(&inode->i_alloc);
	return err;
}

int falloc_zero_edges(struct inode *inode, s64 start, s64 end)
{
	u64 head = start & ~PAGE_MASK, tail = end & ~PAGE_MASK;
	int err = 0;

	if ((start & (s64)PAGE_MASK) == (end & (s64)PAGE_MASK))
		return dax_zero_page_range(inode, start, end - start);
	if (head)
		err = dax_zero_page_range(inode, start, PAGE_SIZE - head);
	if (!err && tail)
		err = dax_zero_page_range(inode, end - tail, tail);
	return err;
}

static bool waits_first(const struct inode *inode)
{
	return inode->i_sb->ops->waits_before_i_mmap_sem && has(inode->i_sb, I_MMAP_SEM);
}

void falloc_dio_wait(struct inode *inode)
{
	if (!waits_first(inode))
		inode_dio_wait(inode);
}

/* What a failed fallocate left past i_size goes; what one with KEEP_SIZE put there stays. */
static void give_back(struct inode *inode)
{
	falloc_cut(inode, max_t(u64, i_size_pages(inode), inode->i_prealloc_end));
}

/* Preallocate, and for ZERO_RANGE turn what is there into unwritten too. */
static int preallocate(struct inode *inode, u32 mode, s64 start, s64 end)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	u64 behind = DIV_ROUND_UP((u64)end, PAGE_SIZE);
	bool zero = mode & FALLOC_FL_ZERO_RANGE;
	int err;

	if (zero) {
		truncate_pagecache_range(inode, start, end - 1);
		falloc_dio_wait(inode);
	}
	/* XFS grows the file through its own setattr, which cleans up behind the old end. */
	err = ops->write_begin && !(mode & FALLOC_FL_KEEP_SIZE) ? ops->write_begin(inode, end) : 0;
	if (!err)
		err = ops->trans_begin(inode);
	if (err)
		return err;
	err = fill_range(inode, (u64)start >> PAGE_SHIFT, behind);
	if (!err && zero) {
		err = falloc_zero_edges(inode, start, end);
		if (!err)
			err = unwrite_range(inode, DIV_ROUND_UP((u64)start, PAGE_SIZE),
					    (u64)end >> PAGE_SHIFT);
	}
	if (mode & FALLOC_FL_KEEP_SIZE)
		inode->i_prealloc_end = max_t(u64, inode->i_prealloc_end, behind);
	else if (err)
		give_back(inode);
	else if (end > i_size(inode))
		i_size_write(inode, end);
	ops->trans_end(inode);
	return err;
}

static int check_shift(const struct inode *inode, u32 mode, s64 start, s64 len)
{
	s64 limit = mode & FALLOC_FL_COLLAPSE_RANGE ? start + len : start;

	/* Neither may reach the end of the file: truncate is for that. */
	if ((start | len) & ~PAGE_MASK || limit >= i_size(inode))
		return -EINVAL;
	if (mode & FALLOC_FL_INSERT_RANGE && i_size(inode) > s_maxbytes(inode->i_sb) - len)
		return -EFBIG;
	return 0;
}

/* Collapse or insert. Everything from @start on moves, so its page tables go first. */
static int shift_range(struct inode *inode, u32 mode, s64 start, s64 len)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	bool collapse = mode & FALLOC_FL_COLLAPSE_RANGE;
	u64 first = (u64)start >> PAGE_SHIFT, nr = (u64)len >> PAGE_SHIFT;
	u64 from = collapse ? first + nr : first;
	s64 delta = collapse ? -(s64)nr : (s64)nr;
	int err = check_shift(inode, mode, start, len), err_tree;

	if (err)
		return err;
	truncate_pagecache(inode, start);
	falloc_dio_wait(inode);
	err = ops->trans_begin(inode);
	if (err)
		return err;
	mark(P_truncate_blocks);
	err = shift_extents(inode, from, delta, &err_tree);
	if (!err) {
		/* What KEEP_SIZE left past end of file moves along. */
		if (inode->i_prealloc_end > from)
			inode->i_prealloc_end += delta;
		i_size_write(inode, i_size(inode) + (collapse ? -len : len));
		err = err_tree;
	}
	ops->trans_end(inode);
	return err;
}

int falloc_range(struct inode *inode, u32 mode, s64 start, s64 len)
{
	int err = check_mode(mode);

	if (err)
		return err;
	inode_lock(inode);
	if (waits_first(inode))
		inode_dio_wait(inode);
	i_mmap_lock_write(inode);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = inode->i_sb->ops->punch_hole(inode, start, start + len);
	else if (mode & SHIFTS)
		err = shift_range(inode, mode, start, len);
	else
		err = preallocate(inode, mode, start, start + len);
	i_mmap_unlock_write(inode);
	inode_unlock(inode);
	return err;
}

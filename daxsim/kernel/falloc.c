// SPDX-License-Identifier: MIT
/* Filling, emptying and moving ranges of a file, for ext4 and XFS. */
#include "daxsim/kernel/falloc.h"

#include <errno.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

static int check_mode(u32 mode)
{
	static const u32 modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (modes[i] == mode)
			return 0;
	return -EOPNOTSUPP;
}

int alloc_extent(struct inode *inode, u64 iblock, u64 want, bool unwritten, block_t *block,
		 u64 *len)
{
	const struct extent *next = extent_find_next(&inode->extents, iblock);
	const struct extent *before = iblock ? extent_find(&inode->extents, iblock - 1) : NULL;
	int err;

	if (next)
		want = min_t(u64, want, next->lblk - iblock);
	err = alloc_blocks(inode, before ? before->pblk + before->len : 0, want, block, len);
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

static int fill_range(struct inode *inode, u64 first, u64 end)
{
	int err = 0;

	down_write(&inode->i_alloc);
	while (first < end && !err) {
		const struct extent *e = extent_lookup(inode, first);
		block_t block;
		u64 len;

		if (e && e->lblk <= first) {
			first = extent_end(e);
		} else {
			err = alloc_extent(inode, first, end - first, true, &block, &len);
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
		const struct extent *e = extent_lookup(inode, first);
		u64 from, to;

		if (!e || e->lblk >= end)
			break;
		from = max_t(u64, first, e->lblk);
		to = min_t(u64, end, extent_end(e));
		if (e->unwritten != unwritten)
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
	up_write(&inode->i_alloc);
	return err;
}

int convert_unwritten(struct inode *inode, u64 first, u64 end)
{
	int err;

	down_write(&inode->i_alloc);
	err = set_state(inode, first, end, false);
	up_write(&inode->i_alloc);
	return err;
}

int falloc_remove(struct inode *inode, u64 first, u64 end)
{
	int err = 0;

	down_write(&inode->i_alloc);
	if (first < end)
		err = extent_free(inode, first, end - first);
	up_write(&inode->i_alloc);
	return err;
}

static int shift_extents(struct inode *inode, u64 first, s64 delta)
{
	int err;

	down_write(&inode->i_alloc);
	err = extent_move(inode, first, delta);
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

/* Preallocate, and for ZERO_RANGE turn what is there into unwritten too. */
static int preallocate(struct inode *inode, u32 mode, s64 start, s64 end)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	u64 behind = DIV_ROUND_UP((u64)end, PAGE_SIZE);
	bool zero = mode & FALLOC_FL_ZERO_RANGE;
	int err;

	if (zero) {
		truncate_pagecache_range(inode, start, end - 1);
		inode_dio_wait(inode);
	}
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
	if (!err)
		err = ops->fit_tree(inode);
	if (mode & FALLOC_FL_KEEP_SIZE)
		inode->i_prealloc_end = max_t(u64, inode->i_prealloc_end, behind);
	else if (err)
		falloc_remove(inode, DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE), U64_MAX);
	else if (end > inode->i_size)
		i_size_write(inode, end);
	ops->trans_end(inode);
	return err;
}

static int check_shift(const struct inode *inode, u32 mode, s64 start, s64 len)
{
	s64 limit = mode & FALLOC_FL_COLLAPSE_RANGE ? start + len : start;

	/* Neither may reach the end of the file: truncate is for that. */
	return (start | len) & ~PAGE_MASK || limit >= inode->i_size ? -EINVAL : 0;
}

/* Collapse or insert. Everything from @start on moves, so its page tables go first. */
static int shift_range(struct inode *inode, u32 mode, s64 start, s64 len)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	bool collapse = mode & FALLOC_FL_COLLAPSE_RANGE;
	u64 first = (u64)start >> PAGE_SHIFT, nr = (u64)len >> PAGE_SHIFT;
	int err = check_shift(inode, mode, start, len);

	if (err)
		return err;
	truncate_pagecache(inode, start);
	inode_dio_wait(inode);
	err = ops->trans_begin(inode);
	if (err)
		return err;
	mark(P_truncate_blocks);
	if (collapse)
		err = falloc_remove(inode, first, first + nr);
	if (!err)
		err = collapse ? shift_extents(inode, first + nr, -(s64)nr) :
				 shift_extents(inode, first, nr);
	if (!err) {
		i_size_write(inode, inode->i_size + (collapse ? -len : len));
		err = ops->fit_tree(inode);
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
	i_mmap_lock_write(inode);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = inode->i_sb->ops->punch_hole(inode, start, start + len);
	else if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		err = shift_range(inode, mode, start, len);
	else
		err = preallocate(inode, mode, start, start + len);
	i_mmap_unlock_write(inode);
	inode_unlock(inode);
	return err;
}

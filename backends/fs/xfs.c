// SPDX-License-Identifier: MIT
/*
 * XFS: IOLOCK beside i_mutex, ILOCK around the extent map, transactions that
 * nobody waits for. Every block a fault or a write(2) needs is allocated
 * unwritten and converted by XFS's own end_io once it holds data; that is the
 * example ext4's patch (p5) follows (Linux 4.0 fs/xfs).
 */
#include <errno.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/falloc.h"
#include "daxsim/kernel/fault.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

#define INLINE_EXTENTS 19	/* in an inode of 512 bytes */
#define LEAF_EXTENTS 251	/* in a block of the bmap btree */

/* A transaction reserves log space, which here is never short; it holds no lock of its own. */
static int xfs_trans_begin(struct inode *inode)
{
	(void)inode;
	mark(P_journal_start);
	return 0;
}

static void xfs_trans_end(struct inode *inode)
{
	(void)inode;
	mark(P_journal_stop);
}

/* The bmap btree grows with its extents, and goes only when they are all gone. */
static int xfs_fit_tree(struct inode *inode)
{
	u64 nr = i_nr_extents(inode);
	u64 want = nr <= INLINE_EXTENTS ? 0 : DIV_ROUND_UP(nr, LEAF_EXTENTS);

	return set_meta_blocks(inode, nr ? max_t(u64, want, i_nr_meta(inode)) : 0);
}

static int convert(struct inode *inode, u64 first, u64 end)
{
	int err = xfs_trans_begin(inode);

	if (err)
		return err;
	err = convert_unwritten(inode, first, end);
	xfs_trans_end(inode);
	return err;
}

static void xfs_end_io_direct_write(struct buffer_head *bh, bool uptodate)
{
	if (uptodate)
		convert(bh->b_inode, bh->b_iblock, bh->b_iblock + (bh->b_size >> PAGE_SHIFT));
}

/* Allocate unwritten blocks into the hole at bh->b_iblock. ILOCK is held exclusively. */
static int xfs_iomap_write_direct(struct inode *inode, struct buffer_head *bh)
{
	u64 len;
	int err = alloc_extent(inode, bh->b_iblock, bh->b_size >> PAGE_SHIFT, true,
			       &bh->b_blocknr, &len);

	if (err)
		return err;
	bh->b_state = BH_New | BH_Mapped | BH_Unwritten;
	bh->b_size = len << PAGE_SHIFT;
	return 0;
}

/* Since 4.4: zero and convert under ILOCK, so that nobody else ever sees it unwritten. */
static int xfs_zero_and_convert(struct inode *inode, struct buffer_head *bh)
{
	int err = dax_clear_blocks(inode, bh->b_iblock, bh->b_blocknr, bh->b_size);

	if (!err)
		err = extent_set_unwritten(inode, bh->b_iblock, bh->b_size >> PAGE_SHIFT, false);
	/* As in convert_unwritten(), a node that is not to be had is no failure. */
	if (!err)
		xfs_fit_tree(inode);
	bh->b_state = BH_Mapped;
	return err;
}

/*
 * Without create an unwritten extent is reported as a hole (__xfs_get_blocks):
 * there is nothing to read in it.
 */
static int xfs_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	const struct buffer_head asked = *bh;
	bool found, prezero;
	int err = 0;

	down_read(&inode->i_alloc);
	found = map_bh(inode, iblock, bh);
	up_read(&inode->i_alloc);
	if (!create) {
		if (buffer_unwritten(bh))
			*bh = asked;
		return 0;
	}
	prezero = has(inode->i_sb, PREZEROED_BLOCKS);
	if (!found || (prezero && buffer_unwritten(bh))) {
		*bh = asked;
		err = xfs_trans_begin(inode);
		if (err)
			return err;
		down_write(&inode->i_alloc);
		if (!map_bh(inode, iblock, bh))
			err = xfs_iomap_write_direct(inode, bh);
		if (!err && prezero && buffer_unwritten(bh))
			err = xfs_zero_and_convert(inode, bh);
		up_write(&inode->i_alloc);
		xfs_trans_end(inode);
	}
	if (!err && buffer_unwritten(bh)) {
		bh->b_state |= BH_Mapped;
		bh->b_end_io = xfs_end_io_direct_write;
	}
	return err;
}

/* xfs_zero_eof(): what was stored past i_size in the last page must not show when it grows. */
static int xfs_zero_eof(struct inode *inode, s64 newsize)
{
	return newsize > i_size(inode) ? dax_truncate_page(inode, i_size(inode)) : 0;
}

static int xfs_write_end(struct inode *inode, s64 pos, s64 len)
{
	return convert(inode, (u64)pos >> PAGE_SHIFT, DIV_ROUND_UP((u64)(pos + len), PAGE_SIZE));
}

/* xfs_itruncate_extents() */
static int xfs_truncate_blocks(struct inode *inode)
{
	int err = xfs_trans_begin(inode);

	if (err)
		return err;
	mark(P_truncate_blocks);
	err = falloc_cut(inode, i_size_pages(inode));
	inode->i_prealloc_end = 0;
	xfs_trans_end(inode);
	return err;
}

static int xfs_setattr_size(struct inode *inode, s64 newsize)
{
	bool grow = newsize > i_size(inode);
	int err = xfs_zero_eof(inode, newsize);

	if (err)
		return err;
	inode_dio_wait(inode);
	if (!grow)
		err = dax_truncate_page(inode, newsize);
	if (err)
		return err;
	truncate_setsize(inode, newsize);
	return grow ? 0 : xfs_truncate_blocks(inode);
}

/* xfs_vn_setattr(): MMAPLOCK comes with IOLOCK, so readers are waited for under it. */
static int xfs_setsize(struct inode *inode, s64 newsize)
{
	int err;

	i_mmap_lock_write(inode);
	err = xfs_setattr_size(inode, newsize);
	i_mmap_unlock_write(inode);
	return err;
}

static void xfs_write_failed(struct inode *inode, s64 end)
{
	if (end <= i_size(inode))
		return;
	truncate_pagecache(inode, i_size(inode));
	xfs_truncate_blocks(inode);
}

static void xfs_evict_inode(struct inode *inode)
{
	falloc_cut(inode, 0);
}

/* xfs_free_file_space(): page tables go once, before and outside of any transaction. */
static int xfs_punch_hole(struct inode *inode, s64 start, s64 end)
{
	int err;

	inode_dio_wait(inode);
	truncate_pagecache_range(inode, start, end - 1);
	err = falloc_zero_edges(inode, start, end);
	if (err)
		return err;
	err = xfs_trans_begin(inode);
	if (err)
		return err;
	mark(P_truncate_blocks);
	err = falloc_remove(inode, DIV_ROUND_UP((u64)start, PAGE_SIZE), (u64)end >> PAGE_SHIFT);
	xfs_trans_end(inode);
	return err;
}

const struct fs_ops xfs_fs_ops = {
	.name = "xfs",
	.what = "IOLOCK and ILOCK, unwritten allocation with its own end_io",
	.needs = BIT(CHECK_CLEAR_ERROR) | BIT(UNLOCK_ON_RACE) | BIT(CLEAR_UNDER_I_MMAP) |
		 BIT(NO_BUFFERED_FALLBACK),
	.alloc_lock = LOCK_ILOCK,
	.has_iolock = true,
	.evict_inode = xfs_evict_inode,
	.get_block = xfs_get_block,
	.setsize = xfs_setsize,
	.write_failed = xfs_write_failed,
	.write_begin = xfs_zero_eof,
	.write_end = xfs_write_end,
	.fallocate = falloc_range,
	.trans_begin = xfs_trans_begin,
	.trans_end = xfs_trans_end,
	.fit_tree = xfs_fit_tree,
	.punch_hole = xfs_punch_hole,
};

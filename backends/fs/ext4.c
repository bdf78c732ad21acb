// SPDX-License-Identifier: MIT
/*
 * ext4: extents with an unwritten state, jbd2 handles around every change,
 * i_data_sem around the extent tree (Linux 4.0 fs/ext4/inode.c, extents.c). A
 * hole that a fault fills becomes a written extent at once, before anybody has
 * zeroed it; that is how it was.
 */
#include <errno.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/falloc.h"
#include "daxsim/kernel/fault.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/journal.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

#define JOURNAL_MAX 1024		/* blocks of one transaction */
#define CREDITS 8			/* of a handle that changes an extent tree */
#define INLINE_EXTENTS 4		/* in the inode itself */
#define LEAF_EXTENTS 340		/* in a block of the tree */
#define ZEROOUT_BLOCKS 8		/* extent_max_zeroout_kb = 32 */
#define MAX_CONVERT (1ULL << 32)	/* blocks: logical block numbers have 32 bits */

static struct journal *journal_of(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}

static int ext4_trans_begin(struct inode *inode)
{
	return journal_start(journal_of(inode), CREDITS);
}

static void ext4_trans_end(struct inode *inode)
{
	journal_stop(journal_of(inode));
}

static int ext4_fill_super(struct super_block *sb)
{
	struct journal *j = arena_alloc(&sb->sim->arena, sizeof(*j));

	if (!j)
		return -ENOMEM;
	journal_init(sb->sim, j, "ext4", JOURNAL_MAX);
	sb->s_fs_info = j;
	return 0;
}

/* The tree has the nodes that its extents need; blocks for shrinking are always there. */
static int ext4_fit_tree(struct inode *inode)
{
	u64 nr = i_nr_extents(inode);
	u64 leaves = nr <= INLINE_EXTENTS ? 0 : DIV_ROUND_UP(nr, LEAF_EXTENTS);
	u64 index = leaves <= INLINE_EXTENTS ? 0 : DIV_ROUND_UP(leaves, LEAF_EXTENTS);

	return set_meta_blocks(inode, leaves + index);
}

/*
 * What v11 hands to the fault path with an unwritten extent (p5). An extent
 * that cannot be: the end of the range has to be a block number too, which is
 * where a file of 16 TiB would wrap.
 */
static void ext4_end_io_unwritten(struct buffer_head *bh, bool uptodate)
{
	struct inode *inode = bh->b_inode;
	u64 len = bh->b_size >> PAGE_SHIFT;

	if (!uptodate || bh->b_iblock + len > MAX_CONVERT)
		return;
	if (ext4_trans_begin(inode))
		return;
	if (!journal_dirty(journal_of(inode)))
		convert_unwritten(inode, bh->b_iblock, bh->b_iblock + len);
	ext4_trans_end(inode);
}

/* Whether the block before, or behind, is written and lies beside on the device. */
static bool joins_written(const struct inode *inode, u64 iblock, block_t block)
{
	const struct extent *e = extent_find(&inode->extents, iblock);

	return e && !e->unwritten && e->pblk + (iblock - e->lblk) == block;
}

/*
 * ext4_ext_convert_to_initialized(): what joins a written neighbour is moved
 * there as it is. Otherwise, to keep extents few, up to 32 KiB of what remains
 * of the unwritten extent behind, or of what lies before, is zeroed and goes
 * along; not past end of file. Sets [*first, *end) to what becomes written.
 */
static void choose_conversion(const struct inode *inode, const struct buffer_head *bh, u64 *first,
			      u64 *end)
{
	const struct extent *e = extent_find(&inode->extents, bh->b_iblock);
	u64 left = extent_end(e) - *first;

	if ((*first == e->lblk && *first && joins_written(inode, *first - 1, e->pblk - 1)) ||
	    (*end == extent_end(e) && joins_written(inode, *end, e->pblk + e->len)))
		return;
	/* A fault does not have i_mutex. */
	also(P_READ, obj(OBJ_I_SIZE, inode->i_ino, 0));
	if (extent_end(e) > i_size_pages(inode) || extent_end(e) == *end)
		return;
	if (left <= ZEROOUT_BLOCKS)
		*end = extent_end(e);
	else if (*end - e->lblk < ZEROOUT_BLOCKS)
		*first = e->lblk;
}

/* Zero blocks [first, end) of the unwritten extent that holds bh. */
static int zero_unwritten(struct inode *inode, const struct buffer_head *bh, u64 first, u64 end)
{
	if (first >= end)
		return 0;
	return dax_clear_blocks(inode, first, bh->b_blocknr + first - bh->b_iblock,
				(end - first) << PAGE_SHIFT);
}

static int convert_to_initialized(struct inode *inode, struct buffer_head *bh)
{
	bool prezero = has(inode->i_sb, PREZEROED_BLOCKS);
	u64 asked = bh->b_iblock, behind = asked + (bh->b_size >> PAGE_SHIFT);
	u64 first = asked, end = behind;
	int err;

	choose_conversion(inode, bh, &first, &end);
	err = zero_unwritten(inode, bh, first, prezero ? behind : asked);
	if (!err)
		err = zero_unwritten(inode, bh, behind, end);
	if (!err)
		err = extent_set_unwritten(inode, first, end - first, false);
	bh->b_state = prezero ? BH_Mapped : BH_New | BH_Mapped;
	return err;
}

/* Allocate into the hole at bh->b_iblock. i_data_sem is held. */
static int ext4_alloc(struct inode *inode, struct buffer_head *bh, bool unwritten)
{
	u64 len;
	int err = alloc_extent(inode, bh->b_iblock, bh->b_size >> PAGE_SHIFT, unwritten,
			       &bh->b_blocknr, &len);

	if (err)
		return err;
	bh->b_size = len << PAGE_SHIFT;
	if (has(inode->i_sb, PREZEROED_BLOCKS)) {
		bh->b_state = BH_Mapped;
		return dax_clear_blocks(inode, bh->b_iblock, bh->b_blocknr, bh->b_size);
	}
	bh->b_state = unwritten ? BH_New | BH_Unwritten : BH_New | BH_Mapped;
	return 0;
}

/*
 * write(2) that ends inside i_size allocates unwritten and converts when the
 * bytes are there; one that extends the file does not (ext4_ext_direct_IO).
 */
static bool wants_unwritten(const struct inode *inode, const struct buffer_head *bh, int create)
{
	return create == GET_BLOCK_WRITE && !has(inode->i_sb, PREZEROED_BLOCKS) &&
	       bh->b_iblock + (bh->b_size >> PAGE_SHIFT) <=
		       i_size_pages(inode);
}

static int ext4_create(struct inode *inode, struct buffer_head *bh, int create)
{
	bool unwritten = wants_unwritten(inode, bh, create);
	int err = journal_dirty(journal_of(inode));

	if (err)
		return err;
	if (!map_bh(inode, bh->b_iblock, bh))
		return ext4_alloc(inode, bh, unwritten);
	if (!buffer_unwritten(bh) || unwritten)
		return 0;
	err = convert_to_initialized(inode, bh);
	/* Converted is converted, as in convert_unwritten(). */
	if (!err)
		ext4_fit_tree(inode);
	return err;
}

static int ext4_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	int err;

	if (!create) {
		down_read(&inode->i_alloc);
		map_bh(inode, iblock, bh);
		up_read(&inode->i_alloc);
		if (buffer_unwritten(bh) && has(inode->i_sb, CONVERT_UNWRITTEN))
			bh->b_end_io = ext4_end_io_unwritten;
		return 0;
	}
	err = ext4_trans_begin(inode);
	if (err)
		return err;
	down_write(&inode->i_alloc);
	err = ext4_create(inode, bh, create);
	up_write(&inode->i_alloc);
	ext4_trans_end(inode);
	return err;
}

static int ext4_write_end(struct inode *inode, s64 pos, s64 len)
{
	int err = ext4_trans_begin(inode);

	if (err)
		return err;
	err = convert_unwritten(inode, (u64)pos >> PAGE_SHIFT,
				DIV_ROUND_UP((u64)(pos + len), PAGE_SIZE));
	ext4_trans_end(inode);
	return err;
}

/* Zero the new tail and free what lies behind it, all in one handle. */
static int ext4_truncate(struct inode *inode)
{
	int err = ext4_trans_begin(inode), err2;

	if (err)
		return err;
	mark(P_truncate_blocks);
	err = dax_truncate_page(inode, i_size(inode));
	err2 = falloc_cut(inode, i_size_pages(inode));
	inode->i_prealloc_end = 0;
	ext4_trans_end(inode);
	return err ? err : err2;
}

/*
 * ext4_setattr(): i_size in a handle of its own, then page tables, then blocks. Only these two
 * keep faults out; whoever reads or writes is waited for before, because a fault on his buffer
 * takes the same lock.
 */
static int ext4_setsize(struct inode *inode, s64 newsize)
{
	s64 oldsize = i_size(inode);
	int err = ext4_trans_begin(inode);

	if (err)
		return err;
	mark(P_truncate_setsize);
	down_write(&inode->i_alloc);
	i_size_write(inode, newsize);
	up_write(&inode->i_alloc);
	ext4_trans_end(inode);
	if (newsize < oldsize)
		inode_dio_wait(inode);
	i_mmap_lock_write(inode);
	truncate_pagecache(inode, newsize);
	err = newsize > oldsize ? 0 : ext4_truncate(inode);
	i_mmap_unlock_write(inode);
	return err;
}

static void ext4_write_failed(struct inode *inode, s64 end)
{
	if (end <= i_size(inode))
		return;
	truncate_pagecache(inode, i_size(inode));
	ext4_truncate(inode);
}

static void ext4_evict_inode(struct inode *inode)
{
	if (ext4_trans_begin(inode))
		return;
	falloc_cut(inode, 0);
	ext4_trans_end(inode);
}

/*
 * Page tables are cut before the handle is open, and again inside it, "to
 * reduce the race window": that second time takes i_mmap_mutex inside a handle.
 */
static int ext4_punch_hole(struct inode *inode, s64 start, s64 end)
{
	int err;

	if (start >= i_size(inode))
		return 0;
	end = min_t(s64, end, (i_size(inode) + (s64)PAGE_SIZE - 1) & (s64)PAGE_MASK);
	truncate_pagecache_range(inode, start, end - 1);
	falloc_dio_wait(inode);
	err = ext4_trans_begin(inode);
	if (err)
		return err;
	err = falloc_zero_edges(inode, start, end);
	mark(P_truncate_blocks);
	if (!err)
		err = falloc_remove(inode, DIV_ROUND_UP((u64)start, PAGE_SIZE),
				    (u64)end >> PAGE_SHIFT);
	mark(P_truncate_range_again);
	truncate_pagecache_range(inode, start, end - 1);
	ext4_trans_end(inode);
	return err;
}

/* ext4_sync_file(): commit what the file may be in. */
static int ext4_sync(struct inode *inode)
{
	journal_commit(journal_of(inode));
	return 0;
}

const struct fs_ops ext4_fs_ops = {
	.name = "ext4",
	.what = "extents with unwritten state, jbd2 handles, i_data_sem",
	.needs = BIT(CHECK_CLEAR_ERROR) | BIT(UNLOCK_ON_RACE) | BIT(CLEAR_UNDER_I_MMAP) |
		 BIT(UNWRITTEN_IS_ALLOCATED) | BIT(CONVERT_UNWRITTEN) |
		 BIT(NO_BUFFERED_FALLBACK) | BIT(END_IO_OUTSIDE_I_MMAP),
	.alloc_lock = LOCK_I_DATA_SEM,
	.fill_super = ext4_fill_super,
	.evict_inode = ext4_evict_inode,
	.get_block = ext4_get_block,
	.setsize = ext4_setsize,
	.write_failed = ext4_write_failed,
	.write_end = ext4_write_end,
	.fallocate = falloc_range,
	.trans_begin = ext4_trans_begin,
	.trans_end = ext4_trans_end,
	.fit_tree = ext4_fit_tree,
	.punch_hole = ext4_punch_hole,
	.waits_before_i_mmap_sem = true,
	.sync = ext4_sync,
};

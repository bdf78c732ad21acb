// SPDX-License-Identifier: MIT
/*
 * A file system that does nothing: every file owns a fixed slot of the device
 * from its creation on, so get_block is an addition. It measures the tool
 * itself. Truncation zeroes what it cuts off, since the blocks stay.
 */
#include <errno.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

#define NULL_SLOTS 8	/* files that fit on a device */

static int null_init_inode(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	u64 len = (sb->sim->pmem.nr_blocks - 1) / NULL_SLOTS, got;
	block_t block;
	int err = alloc_blocks(inode, 0, len, &block, &got);

	if (err)
		return err;
	if (got < len) {
		free_blocks(sb, block, got);
		return -ENOSPC;
	}
	return extent_add(inode, 0, block, len, false);
}

static int null_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	struct extent slot;

	if (!extent_lookup(inode, 0, &slot) || iblock >= slot.len)
		return create ? -ENOSPC : 0;
	bh->b_state = BH_Mapped;
	bh->b_blocknr = slot.pblk + iblock;
	bh->b_size = min_t(u64, bh->b_size, (slot.len - iblock) << PAGE_SHIFT);
	return 0;
}

/* Zero [from, to) of the file, as far as its slot goes. */
static int null_zero(struct inode *inode, s64 from, s64 to)
{
	s64 end = min_t(s64, to, inode->extents.nr_blocks << PAGE_SHIFT);
	int err = 0;

	while (from < end && !err) {
		s64 page_end = (from & (s64)PAGE_MASK) + PAGE_SIZE;

		err = dax_zero_page_range(inode, from, min_t(s64, page_end, end) - from);
		from = page_end;
	}
	return err;
}

static s64 page_align(s64 size)
{
	return (size + (s64)PAGE_SIZE - 1) & (s64)PAGE_MASK;
}

/* Since get_block never zeroes, a slot is left clean for the next file. */
static void null_evict_inode(struct inode *inode)
{
	null_zero(inode, 0, page_align(i_size(inode)));
	extent_free(inode, 0, U64_MAX);
}

static int null_setsize(struct inode *inode, s64 newsize)
{
	s64 oldsize = i_size(inode);
	int err;

	inode_dio_wait(inode);
	i_mmap_lock_write(inode);
	truncate_setsize(inode, newsize);
	mark(P_truncate_blocks);
	err = null_zero(inode, newsize, page_align(oldsize));
	i_mmap_unlock_write(inode);
	return err;
}

static void null_write_failed(struct inode *inode, s64 end)
{
	null_zero(inode, i_size(inode), page_align(end));
}

const struct fs_ops null_fs_ops = {
	.name = "null",
	.what = "a fixed slot of the device for each of 8 files; measures the tool itself",
	.alloc_lock = LOCK_TRUNCATE_MUTEX,
	.init_inode = null_init_inode,
	.evict_inode = null_evict_inode,
	.get_block = null_get_block,
	.setsize = null_setsize,
	.write_failed = null_write_failed,
	.keeps_blocks_past_eof = true,
};

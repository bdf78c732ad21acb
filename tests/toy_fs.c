// SPDX-License-Identifier: MIT
/* ext4 of 2014 with all that the fault path does not look at left out. */
#include "tests/toy_fs.h"

#include <errno.h>

#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

static int toy_init_inode(struct inode *inode)
{
	inode->i_private = arena_alloc(&inode->i_sb->sim->arena, sizeof(struct toy_counts));
	return inode->i_private ? 0 : -ENOMEM;
}

static void toy_evict_inode(struct inode *inode)
{
	extent_free(inode, 0, U64_MAX);
	arena_free(&inode->i_sb->sim->arena, inode->i_private, sizeof(struct toy_counts));
}

static void toy_end_io(struct buffer_head *bh, bool uptodate)
{
	struct inode *inode = bh->b_inode;

	(void)uptodate;
	toy_counts(inode)->end_ios++;
	toy_counts(inode)->end_ios_locked += lock_is_held(&inode->i_data.i_mmap_mutex);
	extent_set_unwritten(inode, bh->b_iblock, bh->b_size >> PAGE_SHIFT, false);
}

static int toy_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	struct extent e;
	block_t block;
	u64 len;
	int err;

	toy_counts(inode)->creates += create;
	if (extent_lookup(inode, iblock, &e) && e.lblk <= iblock) {
		bh->b_blocknr = e.pblk + (iblock - e.lblk);
		bh->b_size = min_t(u64, bh->b_size, (extent_end(&e) - iblock) << PAGE_SHIFT);
		bh->b_state = e.unwritten ? BH_Unwritten : BH_Mapped;
		if (!e.unwritten)
			return 0;
		if (create) {
			/* As ext4 did it for DAX: written before anybody has zeroed it. */
			bh->b_state = BH_Mapped | BH_New;
			return extent_set_unwritten(inode, iblock, bh->b_size >> PAGE_SHIFT, false);
		}
		if (has(inode->i_sb, CONVERT_UNWRITTEN)) {
			bh->b_end_io = toy_end_io;
			bh->b_inode = inode;
			bh->b_iblock = iblock;
		}
		return 0;
	}
	if (!create)
		return 0;
	err = alloc_blocks(inode, 0, bh->b_size >> PAGE_SHIFT, &block, &len);
	if (err)
		return err;
	err = extent_add(inode, iblock, block, len, false);
	if (err) {
		free_blocks(inode->i_sb, block, len);
		return err;
	}
	bh->b_state = BH_Mapped | BH_New;
	bh->b_blocknr = block;
	bh->b_size = len << PAGE_SHIFT;
	return 0;
}

static int toy_setsize(struct inode *inode, s64 newsize)
{
	int err = dax_truncate_page(inode, newsize);

	if (err)
		return err;
	truncate_setsize(inode, newsize);
	mark(P_truncate_blocks);
	return extent_free(inode, DIV_ROUND_UP((u64)newsize, PAGE_SIZE), U64_MAX);
}

static void toy_write_failed(struct inode *inode, s64 end)
{
	if (end > inode->i_size)
		toy_setsize(inode, inode->i_size);
}

static int toy_fallocate(struct inode *inode, u32 mode, s64 offset, s64 len)
{
	block_t block;
	u64 got;
	int err;

	if (mode || (offset | len) & ~PAGE_MASK)
		return -EOPNOTSUPP;
	err = alloc_blocks(inode, 0, len >> PAGE_SHIFT, &block, &got);
	return err ? err : extent_add(inode, offset >> PAGE_SHIFT, block, got, true);
}

const struct fs_ops toy_fs = {
	.name = "toy",
	.what = "for tests",
	.alloc_lock = LOCK_I_DATA_SEM,
	.init_inode = toy_init_inode,
	.evict_inode = toy_evict_inode,
	.get_block = toy_get_block,
	.setsize = toy_setsize,
	.write_failed = toy_write_failed,
	.fallocate = toy_fallocate,
};

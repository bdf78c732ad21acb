// SPDX-License-Identifier: MIT
/*
 * The blocks of an inode as file systems change them: data and mapping metadata, its extent map
 * and the free space, and the device behind them.
 */
#include "daxsim/kernel/inode.h"

#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define FINE_EXTENT 4		/* blocks; accesses up to this size are announced block by block */

/* Read a counter that i_lock guards; taking a guard does not change the inode. */
static u64 read_count(const struct inode *inode, const u64 *count)
{
	struct guard *i_lock = (struct guard *)&inode->i_lock;
	u64 nr;

	guard_lock(i_lock);
	nr = *count;
	guard_unlock(i_lock);
	return nr;
}

u64 i_blocks(const struct inode *inode)
{
	return (read_count(inode, &inode->extents.nr_blocks) + i_nr_meta(inode)) * SECTORS_PER_PAGE;
}

u64 i_nr_extents(const struct inode *inode)
{
	return read_count(inode, &inode->extents.nr_extents);
}

u64 i_nr_meta(const struct inode *inode)
{
	also(P_READ, obj(OBJ_META, inode->i_ino, 0));
	return read_count(inode, &inode->meta.nr_blocks);
}

int get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	struct injection *inj = &inode->i_sb->inject[INJECT_GET_BLOCK];

	mark(P_get_block);
	if (inject_fires(inj))
		return inject_error(inj);
	bh->b_inode = inode;
	bh->b_iblock = iblock;
	return inode->i_sb->ops->get_block(inode, iblock, bh, create);
}

/* Blocks of the file are looked at, or are about to change, all at once. */
static void extent_point(const struct inode *inode, sector_t iblock, u64 len, enum point_id id,
			 enum point_kind kind)
{
	if (len > FINE_EXTENT) {
		point(id, kind, obj(OBJ_EXTENT, inode->i_ino, EXTENT_ALL));
		return;
	}
	point(id, kind, obj(OBJ_EXTENT, inode->i_ino, iblock));
	for (u64 i = 1; i < len; i++)
		also(kind, obj(OBJ_EXTENT, inode->i_ino, iblock + i));
}

/* A copy of the extent at or behind a block; false if none follows. */
static bool next_extent(struct inode *inode, sector_t iblock, struct extent *e)
{
	const struct extent *found;

	guard_lock(&inode->i_lock);
	found = extent_find_next(&inode->extents, iblock);
	if (found)
		*e = *found;
	guard_unlock(&inode->i_lock);
	return found;
}

bool map_bh(struct inode *inode, sector_t iblock, struct buffer_head *bh)
{
	struct extent e;

	/* How far the extent goes is part of the answer. */
	extent_point(inode, iblock, DIV_ROUND_UP(bh->b_size, PAGE_SIZE), P_extent_lookup, P_READ);
	if (!next_extent(inode, iblock, &e) || e.lblk > iblock)
		return false;
	bh->b_state = e.unwritten ? BH_Unwritten : BH_Mapped;
	bh->b_blocknr = e.pblk + (iblock - e.lblk);
	bh->b_size = min_t(u64, bh->b_size, (extent_end(&e) - iblock) << PAGE_SHIFT);
	return true;
}

/* From the middle of the device, out of the way of data that wants to lie in a row. */
static int alloc_meta(struct inode *inode, block_t *block)
{
	u64 len;

	return alloc_blocks(inode, inode->i_sb->sim->pmem.nr_blocks / 2, 1, block, &len);
}

/* A block of mapping metadata comes or goes. */
static void also_meta(const struct inode *inode)
{
	also(P_WRITE, obj(OBJ_META, inode->i_ino, 0));
}

int add_meta_block(struct inode *inode, u64 n)
{
	block_t block;
	int err = alloc_meta(inode, &block);

	if (err)
		return err;
	also_meta(inode);
	guard_lock(&inode->i_lock);
	err = extent_insert(&inode->meta, n, block, 1, false);
	guard_unlock(&inode->i_lock);
	if (err)
		free_blocks(inode->i_sb, block, 1);
	return err;
}

/* Take number @n out of the map. i_lock is held. Returns whether *@block is to be freed. */
static bool take_meta(struct inode *inode, u64 n, block_t *block)
{
	const struct extent *e = extent_find(&inode->meta, n);

	if (!e)
		return false;
	*block = e->pblk + (n - e->lblk);
	return !extent_remove(&inode->meta, n, 1, NULL, NULL);
}

void drop_meta_block(struct inode *inode, u64 n)
{
	block_t block;
	bool taken;

	also_meta(inode);
	guard_lock(&inode->i_lock);
	taken = take_meta(inode, n, &block);
	guard_unlock(&inode->i_lock);
	if (taken)
		free_blocks(inode->i_sb, block, 1);
}

/* Others may be at the same, without i_alloc: what the next number is shows under i_lock. */
static int add_last_meta(struct inode *inode, u64 want)
{
	block_t block;
	int err = alloc_meta(inode, &block);
	bool needed;

	if (err)
		return err;
	also_meta(inode);
	guard_lock(&inode->i_lock);
	needed = inode->meta.nr_blocks < want;
	if (needed)
		err = extent_insert(&inode->meta, inode->meta.nr_blocks, block, 1, false);
	guard_unlock(&inode->i_lock);
	if (err || !needed)
		free_blocks(inode->i_sb, block, 1);
	return err;
}

static void drop_last_meta(struct inode *inode, u64 want)
{
	block_t block;
	bool taken;

	also_meta(inode);
	guard_lock(&inode->i_lock);
	taken = inode->meta.nr_blocks > want && take_meta(inode, inode->meta.nr_blocks - 1, &block);
	guard_unlock(&inode->i_lock);
	if (taken)
		free_blocks(inode->i_sb, block, 1);
}

int set_meta_blocks(struct inode *inode, u64 want)
{
	int err = 0;

	while (i_nr_meta(inode) < want && !err)
		err = add_last_meta(inode, want);
	while (i_nr_meta(inode) > want)
		drop_last_meta(inode, want);
	return err;
}

long bdev_direct_access(struct super_block *sb, block_t block, void **addr, long size)
{
	struct injection *inj = &sb->inject[INJECT_DIRECT_ACCESS];
	bool fires = inject_fires(inj);
	long avail;
	u64 pfn;

	if (fires && inject_error(inj))
		return inject_error(inj);
	avail = pmem_direct_access(&sb->sim->pmem, block * SECTORS_PER_PAGE, addr, &pfn, size);
	return fires && avail > 0 ? min_t(long, avail, inject_short_len(inj)) : avail;
}

bool extent_lookup(struct inode *inode, sector_t iblock, struct extent *e)
{
	extent_point(inode, iblock, 1, P_extent_lookup, P_READ);
	return next_extent(inode, iblock, e);
}

int extent_add(struct inode *inode, sector_t iblock, block_t block, u64 len, bool unwritten)
{
	int err;

	extent_point(inode, iblock, len, P_extent_insert, P_WRITE);
	guard_lock(&inode->i_lock);
	err = extent_insert(&inode->extents, iblock, block, len, unwritten);
	guard_unlock(&inode->i_lock);
	if (!err)
		check_extent_added(inode->i_sb->sim->check, inode, iblock, block, len);
	return err;
}

int extent_set_unwritten(struct inode *inode, sector_t iblock, u64 len, bool unwritten)
{
	struct check *check = inode->i_sb->sim->check;
	int err;

	extent_point(inode, iblock, len, P_extent_convert, P_WRITE);
	guard_lock(&inode->i_lock);
	err = extent_mark(&inode->extents, iblock, len, unwritten);
	guard_unlock(&inode->i_lock);
	if (check && !err)
		check_extent_marked(check, inode, iblock, len, unwritten);
	return err;
}

int extent_move(struct inode *inode, sector_t iblock, s64 delta)
{
	struct check *check = inode->i_sb->sim->check;
	int err;

	extent_point(inode, iblock, U64_MAX, P_extent_move, P_WRITE);
	guard_lock(&inode->i_lock);
	err = extent_shift(&inode->extents, iblock, delta);
	guard_unlock(&inode->i_lock);
	if (check && !err)
		check_extent_moved(check, inode, iblock, delta);
	return err;
}

struct freed_pieces {
	struct inode *inode;
	struct extent_piece piece;
	bool any;
};

static void note_piece(void *ctx, const struct extent_piece *piece)
{
	struct freed_pieces *freed = ctx;

	freed->piece = *piece;
	freed->any = true;
	check_extent_removed(freed->inode->i_sb->sim->check, freed->inode, piece->lblk, piece->pblk,
			     piece->len);
}

int extent_free(struct inode *inode, sector_t iblock, u64 len)
{
	u64 end = len > U64_MAX - iblock ? U64_MAX : iblock + len;

	/* One extent at a time, so that others can get in between as they can in the kernel. */
	for (;;) {
		struct freed_pieces freed = { .inode = inode };
		struct extent e;
		u64 from, to;
		int err;

		if (!next_extent(inode, iblock, &e) || e.lblk >= end)
			return 0;
		from = max_t(u64, e.lblk, iblock);
		to = min_t(u64, extent_end(&e), end);
		extent_point(inode, from, to - from, P_extent_remove, P_WRITE);
		guard_lock(&inode->i_lock);
		err = extent_remove(&inode->extents, from, to - from, note_piece, &freed);
		guard_unlock(&inode->i_lock);
		if (err)
			return err;
		if (freed.any)
			free_blocks(inode->i_sb, freed.piece.pblk, freed.piece.len);
		iblock = to;
	}
}

int alloc_blocks(struct inode *inode, block_t goal, u64 max_len, block_t *block, u64 *len)
{
	struct super_block *sb = inode->i_sb;
	int err;

	point(P_alloc_blocks, P_WRITE, obj(OBJ_FREE_LIST, 0, 0));
	guard_lock(&sb->s_balloc_lock);
	err = balloc_alloc(sb->balloc, goal, max_len, block, len);
	guard_unlock(&sb->s_balloc_lock);
	if (!err)
		check_alloc(sb->sim->check, *block, *len);
	return err;
}

void free_blocks(struct super_block *sb, block_t block, u64 len)
{
	int err;

	point(P_free_blocks, P_WRITE, obj(OBJ_FREE_LIST, 0, 0));
	guard_lock(&sb->s_balloc_lock);
	err = balloc_free(sb->balloc, block, len);
	guard_unlock(&sb->s_balloc_lock);
	check_free(sb->sim->check, block, len, err);
}

u64 nr_free_blocks(struct super_block *sb)
{
	u64 nr;

	guard_lock(&sb->s_balloc_lock);
	nr = balloc_nr_free(sb->balloc);
	guard_unlock(&sb->s_balloc_lock);
	return nr;
}

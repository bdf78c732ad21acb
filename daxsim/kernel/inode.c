// SPDX-License-Identifier: MIT
/* Super blocks and inodes, and what file systems do to an inode's blocks. */
#include "daxsim/kernel/inode.h"

#include <errno.h>
#include <string.h>

#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define LABEL_BLOCKS 1		/* block 0 of the device is its label */
#define FINE_EXTENT 64		/* blocks; changes up to this size are announced block by block */

const struct fs_ops *fs_find(const char *name)
{
	for (int i = 0; fs_table[i]; i++)
		if (!strcmp(fs_table[i]->name, name))
			return fs_table[i];
	return NULL;
}

int mount_fs(struct sim *sim, const struct fs_ops *ops, profile_t profile)
{
	struct super_block *sb = arena_alloc(&sim->arena, sizeof(*sb));

	if (!sb)
		return -ENOMEM;
	sb->sim = sim;
	sb->ops = ops;
	sb->profile = profile;
	sb->balloc = balloc_create(&sim->arena, LABEL_BLOCKS, sim->pmem.nr_blocks - LABEL_BLOCKS);
	if (!sb->balloc)
		return -ENOMEM;
	lock_init(sim, &sb->s_writers, LOCK_SB_WRITERS, ops->name);
	lock_init(sim, &sb->s_pagefault, LOCK_SB_PAGEFAULT, ops->name);
	LIST_INIT(&sb->s_inodes);
	sim->sb = sb;
	return ops->fill_super ? ops->fill_super(sb) : 0;
}

int create_inode(struct super_block *sb, const char *name, struct inode **inodep)
{
	struct sim *sim = sb->sim;
	struct inode *inode = arena_alloc(&sim->arena, sizeof(*inode));
	int err;

	if (!inode)
		return -ENOMEM;
	inode->i_sb = sb;
	inode->name = name;
	inode->i_ino = sim_next_id(sim);
	inode->i_nlink = 1;
	inode->i_count = 1;
	lock_init(sim, &inode->i_mutex, LOCK_I_MUTEX, name);
	lock_init(sim, &inode->i_mmap_sem, LOCK_I_MMAP_SEM, name);
	lock_init(sim, &inode->i_dio, LOCK_DIO_WAIT, name);
	lock_init(sim, &inode->i_iolock, LOCK_IOLOCK, name);
	lock_init(sim, &inode->i_alloc, sb->ops->alloc_lock, name);
	lock_init(sim, &inode->i_data.i_mmap_mutex, LOCK_I_MMAP_MUTEX, name);
	inode->i_data.host = inode;
	LIST_INIT(&inode->i_data.i_mmap);
	RB_INIT(&inode->i_data.pages);
	RB_INIT(&inode->i_data.entries);
	extent_map_init(&inode->extents, &sim->arena);
	extent_map_init(&inode->meta, &sim->arena);
	err = sb->ops->init_inode ? sb->ops->init_inode(inode) : 0;
	if (err) {
		arena_free(&sim->arena, inode, sizeof(*inode));
		return err;
	}
	guard_lock(&sb->s_lock);
	LIST_INSERT_HEAD(&sb->s_inodes, inode, i_sb_list);
	guard_unlock(&sb->s_lock);
	*inodep = inode;
	return 0;
}

void ihold(struct inode *inode)
{
	guard_lock(&inode->i_lock);
	inode->i_count++;
	guard_unlock(&inode->i_lock);
}

void iput(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	bool last;

	point(P_iput, P_WRITE, obj(OBJ_I_COUNT, inode->i_ino, 0));
	guard_lock(&inode->i_lock);
	last = !--inode->i_count && !inode->i_nlink;
	guard_unlock(&inode->i_lock);
	if (!last)
		return;
	truncate_inode_pages_range(&inode->i_data, 0, U64_MAX);
	sb->ops->evict_inode(inode);
	dax_free_entries(&inode->i_data);
	guard_lock(&sb->s_lock);
	LIST_REMOVE(inode, i_sb_list);
	guard_unlock(&sb->s_lock);
	check_evict(sb->sim->check, inode);
	if (inode->owns_name)
		arena_free(&sb->sim->arena, (char *)inode->name, strlen(inode->name) + 1);
	arena_free(&sb->sim->arena, inode, sizeof(*inode));
}

void unlink_inode(struct inode *inode)
{
	also(P_WRITE, obj(OBJ_I_COUNT, inode->i_ino, 0));
	guard_lock(&inode->i_lock);
	inode->i_nlink--;
	guard_unlock(&inode->i_lock);
	iput(inode);
}

void inode_lock(struct inode *inode)
{
	mutex_lock(&inode->i_mutex);
	if (inode->i_sb->ops->has_iolock)
		down_write(&inode->i_iolock);
}

void inode_unlock(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		up_write(&inode->i_iolock);
	mutex_unlock(&inode->i_mutex);
}

void inode_lock_shared(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		down_read(&inode->i_iolock);
	else
		mutex_lock(&inode->i_mutex);
}

void inode_unlock_shared(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		up_read(&inode->i_iolock);
	else
		mutex_unlock(&inode->i_mutex);
}

void i_mmap_lock_write(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		down_write(&inode->i_mmap_sem);
}

void i_mmap_unlock_write(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		up_write(&inode->i_mmap_sem);
}

void i_mmap_lock_read(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		down_read(&inode->i_mmap_sem);
}

void i_mmap_unlock_read(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		up_read(&inode->i_mmap_sem);
}

void file_update_time(struct inode *inode)
{
	const struct task *t = current;

	/* Updates commute: each task has an object of its own, and who looks reads them all. */
	if (t)
		also(P_WRITE, obj(OBJ_MTIME, inode->i_ino, t->id));
	guard_lock(&inode->i_lock);
	inode->i_mtime++;
	guard_unlock(&inode->i_lock);
}

s64 i_size_read(const struct inode *inode)
{
	point(P_i_size_read, P_READ, obj(OBJ_I_SIZE, inode->i_ino, 0));
	return i_size(inode);
}

void i_size_write(struct inode *inode, s64 size)
{
	point(P_i_size_write, P_WRITE, obj(OBJ_I_SIZE, inode->i_ino, 0));
	__atomic_store_n(&inode->i_size, size, __ATOMIC_RELEASE);
}

s64 s_maxbytes(const struct super_block *sb)
{
	return sb->ops->max_bytes ? sb->ops->max_bytes : (s64)UINT32_MAX << PAGE_SHIFT;
}

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

bool map_bh(struct inode *inode, sector_t iblock, struct buffer_head *bh)
{
	struct extent e;

	if (!extent_lookup(inode, iblock, &e) || e.lblk > iblock)
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

static void extent_point(const struct inode *inode, sector_t iblock, u64 len, enum point_id id,
			 enum point_kind kind)
{
	if (len > FINE_EXTENT) {
		point(id, kind, obj(OBJ_EXTENT, inode->i_ino, EXTENT_ALL));
		return;
	}
	for (u64 i = 0; i < len; i++)
		point(id, kind, obj(OBJ_EXTENT, inode->i_ino, iblock + i));
}

/* The same without a point. */
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

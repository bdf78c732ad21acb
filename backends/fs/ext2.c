// SPDX-License-Identifier: MIT
/*
 * ext2: no unwritten extents, no journal; one truncate_mutex per inode guards
 * its block map (Linux 4.0 fs/ext2/inode.c). Which indirect blocks exist is
 * kept exactly, because they take space and show in st_blocks; what is in them
 * is not, because the extent map says it.
 */
#include <errno.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/fault.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/truncate.h"
#include "daxsim/sim/sim.h"

#define NDIR 12ULL			/* blocks that the inode points to itself */
#define PTRS 1024ULL			/* pointers in an indirect block */
#define MAX_DEPTH 3

/*
 * Indirect blocks are numbered so that a parent comes before its children:
 * first the single one, then the double root and its leaves, then the triple
 * root, its middle blocks and its leaves. The map has number -> device block.
 */
#define DIND_ROOT 1ULL
#define DIND_LEAF (DIND_ROOT + 1)
#define TIND_ROOT (DIND_LEAF + PTRS)
#define TIND_MID (TIND_ROOT + 1)
#define TIND_LEAF (TIND_MID + PTRS)
#define DIND_START (NDIR + PTRS)
#define TIND_START (DIND_START + PTRS * PTRS)

/* The numbers of the indirect blocks on the way to @iblock, root first. Returns how many. */
static unsigned int indirect_path(u64 iblock, u64 path[MAX_DEPTH])
{
	if (iblock < NDIR)
		return 0;
	if (iblock < DIND_START) {
		path[0] = 0;
		return 1;
	}
	if (iblock < TIND_START) {
		path[0] = DIND_ROOT;
		path[1] = DIND_LEAF + (iblock - DIND_START) / PTRS;
		return 2;
	}
	path[0] = TIND_ROOT;
	path[1] = TIND_MID + (iblock - TIND_START) / (PTRS * PTRS);
	path[2] = TIND_LEAF + (iblock - TIND_START) / PTRS;
	return 3;
}

/* The blocks of the file, [*first, *end), that indirect block @n leads to. */
static void indirect_range(u64 n, u64 *first, u64 *end)
{
	u64 len = PTRS;

	if (n == 0) {
		*first = NDIR;
	} else if (n == DIND_ROOT) {
		*first = DIND_START;
		len = PTRS * PTRS;
	} else if (n < TIND_ROOT) {
		*first = DIND_START + (n - DIND_LEAF) * PTRS;
	} else if (n == TIND_ROOT) {
		*first = TIND_START;
		len = PTRS * PTRS * PTRS;
	} else if (n < TIND_LEAF) {
		len = PTRS * PTRS;
		*first = TIND_START + (n - TIND_MID) * len;
	} else {
		*first = TIND_START + (n - TIND_LEAF) * PTRS;
	}
	*end = *first + len;
}

/* How many blocks from @iblock on have their pointers side by side. */
static u64 pointers_left(u64 iblock)
{
	return iblock < NDIR ? NDIR - iblock : PTRS - (iblock - NDIR) % PTRS;
}

/* Free the indirect blocks that reach past @iblock and lead to nothing any more. */
static void ext2_free_branches(struct inode *inode, u64 iblock)
{
	u64 n = 0;

	for (;;) {
		const struct extent *e = extent_find_next(&inode->meta, n), *data;
		u64 first, end;

		if (!e)
			return;
		n = max_t(u64, n, e->lblk);
		indirect_range(n, &first, &end);
		data = extent_find_next(&inode->extents, first);
		if (end > iblock && (!data || data->lblk >= end))
			drop_meta_block(inode, n);
		n++;
	}
}

/* Allocate the indirect blocks that the way to @iblock lacks. */
static int ext2_alloc_branch(struct inode *inode, u64 iblock)
{
	u64 path[MAX_DEPTH];
	unsigned int depth = indirect_path(iblock, path);
	int err = 0;

	for (unsigned int i = 0; i < depth && !err; i++)
		if (!extent_find(&inode->meta, path[i]))
			err = add_meta_block(inode, path[i]);
	return err;
}

/* Where to go on: behind the block of the file before, if that has one. */
static block_t ext2_find_goal(const struct inode *inode, u64 iblock)
{
	const struct extent *before = iblock ? extent_find(&inode->extents, iblock - 1) : NULL;

	return before ? before->pblk + before->len : 0;
}

/* Allocate at @iblock, a hole. truncate_mutex is held. */
static int ext2_alloc(struct inode *inode, sector_t iblock, struct buffer_head *bh)
{
	const struct extent *next = extent_find_next(&inode->extents, iblock);
	u64 want = min_t(u64, bh->b_size >> PAGE_SHIFT, pointers_left(iblock)), len;
	block_t block;
	bool prezero;
	int err;

	if (next)
		want = min_t(u64, want, next->lblk - iblock);
	err = ext2_alloc_branch(inode, iblock);
	if (err)
		return err;
	err = alloc_blocks(inode, ext2_find_goal(inode, iblock), want, &block, &len);
	if (err)
		return err;
	/*
	 * Before anybody can find the block it is zeroed, but only the first one:
	 * the others stay as they are until write(2) covers them (mended in 4.7).
	 */
	prezero = has(inode->i_sb, PREZEROED_BLOCKS);
	err = dax_clear_blocks(inode, iblock, block, prezero ? len << PAGE_SHIFT : PAGE_SIZE);
	if (!err)
		err = extent_add(inode, iblock, block, len, false);
	if (err) {
		free_blocks(inode->i_sb, block, len);
		return err;
	}
	bh->b_state = prezero ? BH_Mapped : BH_New | BH_Mapped;
	bh->b_blocknr = block;
	bh->b_size = len << PAGE_SHIFT;
	return 0;
}

static int ext2_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	int err = 0;

	if (map_bh(inode, iblock, bh) || !create)
		return 0;
	mutex_lock(&inode->i_alloc);
	if (!map_bh(inode, iblock, bh)) {
		err = ext2_alloc(inode, iblock, bh);
		if (err)
			ext2_free_branches(inode, iblock);
	}
	mutex_unlock(&inode->i_alloc);
	return err;
}

static int ext2_truncate_blocks(struct inode *inode, s64 size)
{
	u64 first = DIV_ROUND_UP((u64)size, PAGE_SIZE);
	int err;

	mark(P_truncate_blocks);
	mutex_lock(&inode->i_alloc);
	err = extent_free(inode, first, U64_MAX);
	ext2_free_branches(inode, first);
	mutex_unlock(&inode->i_alloc);
	return err;
}

static int ext2_setsize(struct inode *inode, s64 newsize)
{
	int err;

	inode_dio_wait(inode);
	err = dax_truncate_page(inode, newsize);
	if (err)
		return err;
	/* Its name there is dax_sem. */
	i_mmap_lock_write(inode);
	truncate_setsize(inode, newsize);
	err = ext2_truncate_blocks(inode, newsize);
	i_mmap_unlock_write(inode);
	return err;
}

static void ext2_write_failed(struct inode *inode, s64 end)
{
	if (end <= i_size(inode))
		return;
	truncate_pagecache(inode, i_size(inode));
	ext2_truncate_blocks(inode, i_size(inode));
}

static void ext2_evict_inode(struct inode *inode)
{
	ext2_truncate_blocks(inode, 0);
}

const struct fs_ops ext2_fs_ops = {
	.name = "ext2",
	.what = "no unwritten extents, no journal; truncate_mutex guards the block map",
	.needs = BIT(UNLOCK_ON_RACE) | BIT(CLEAR_UNDER_I_MMAP) |
		 BIT(NO_BUFFERED_FALLBACK),
	.max_bytes = 2LL << 40,		/* i_blocks counts sectors in 32 bits */
	.alloc_lock = LOCK_TRUNCATE_MUTEX,
	.evict_inode = ext2_evict_inode,
	.get_block = ext2_get_block,
	.setsize = ext2_setsize,
	.write_failed = ext2_write_failed,
};

// SPDX-License-Identifier: MIT
/*
 * What must be true of any machine at rest, found out without having watched it: every
 * block has one owner or is free, files end where their size says, and page tables hold
 * what files own. For live machines, which nobody watches.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"
#include "daxsim/sim/state.h"

struct fsck {
	struct sim *sim;
	u64 *owned;		/* bit per block */
	u64 nr_owned;
	char *why;
	size_t size;
};

__printf(2, 3) static int wrong(struct fsck *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, f->size, fmt, ap);
	va_end(ap);
	return -EUCLEAN;
}

static int own(struct fsck *f, const struct inode *inode, const struct extent *e)
{
	if (e->pblk + e->len > f->sim->pmem.nr_blocks)
		return wrong(f, "%s has blocks from %llu on, beyond the end of the device", inode->name,
			     (unsigned long long)e->pblk);
	for (block_t block = e->pblk; block < e->pblk + e->len; block++) {
		u64 *word = &f->owned[block / 64], bit = 1ULL << block % 64;

		if (*word & bit)
			return wrong(f, "block %llu of %s has another owner", (unsigned long long)block,
				     inode->name);
		if (balloc_is_free(f->sim->sb->balloc, block))
			return wrong(f, "block %llu of %s is free", (unsigned long long)block,
				     inode->name);
		*word |= bit;
	}
	f->nr_owned += e->len;
	return 0;
}

static int own_map(struct fsck *f, const struct inode *inode, const struct extent_map *map)
{
	const struct extent *e;
	int err = 0;

	if (extent_map_check(map))
		return wrong(f, "the extent map of %s is broken", inode->name);
	for (e = extent_find_next(map, 0); e && !err; e = extent_find_next(map, extent_end(e)))
		err = own(f, inode, e);
	return err;
}

/* fallocate -k may leave blocks there, and so may a file system that lays them out itself. */
static int check_end(struct fsck *f, const struct inode *inode)
{
	u64 end = max_t(u64, i_size_pages(inode), inode->i_prealloc_end);
	const struct extent *e = extent_find_next(&inode->extents, end);

	if (!e || inode->i_sb->ops->keeps_blocks_past_eof)
		return 0;
	return wrong(f, "%s has blocks at page %llu, but ends at page %llu", inode->name,
		     (unsigned long long)max_t(u64, e->lblk, end), (unsigned long long)end);
}

static int check_page(struct fsck *f, const struct vma *vma, u64 page)
{
	const struct pte *pte = &vma->pte[page];
	const struct inode *inode = vma->inode;
	pgoff_t pgoff = vma->pgoff + page;
	const struct extent *e;

	if (pte->kind == PTE_NONE || pte->kind == PTE_ANON)
		return 0;
	if (pgoff >= i_size_pages(inode))
		return wrong(f, "page %llu of %s is mapped, past its end",
			     (unsigned long long)pgoff, inode->name);
	e = extent_find(&inode->extents, pgoff);
	if (pte->kind == PTE_PFN && (!e || e->pblk + (pgoff - e->lblk) != pte->pfn))
		return wrong(f, "page %llu of %s is mapped to block %llu, which is not its own",
			     (unsigned long long)pgoff, inode->name, (unsigned long long)pte->pfn);
	return 0;
}

static int check_inode(struct fsck *f, const struct inode *inode)
{
	const struct vma *vma;
	int err = own_map(f, inode, &inode->extents);

	if (!err)
		err = own_map(f, inode, &inode->meta);
	if (!err)
		err = check_end(f, inode);
	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link)
		for (u64 page = 0; page < vma->nr_pages && !err; page++)
			err = check_page(f, vma, page);
	return err;
}

int state_fsck(struct sim *sim, char *why, size_t size)
{
	const struct balloc *balloc = sim->sb->balloc;
	u64 words = DIV_ROUND_UP(sim->pmem.nr_blocks, 64), usable = sim->pmem.nr_blocks - 1, left;
	struct fsck f = { .sim = sim, .why = why, .size = size, .owned = calloc(words, sizeof(u64)) };
	const struct inode *inode;
	const char *broken;
	int err = 0;

	if (!f.owned)
		return -ENOMEM;
	broken = balloc_check((struct balloc *)balloc);
	if (broken)
		err = wrong(&f, "free space: %s", broken);
	LIST_FOREACH(inode, &sim->sb->s_inodes, i_sb_list)
		if (!err)
			err = check_inode(&f, inode);
	left = nr_free_blocks(sim->sb);
	if (!err && f.nr_owned + left != usable)
		err = wrong(&f, "of %llu blocks files own %llu and %llu are free",
			    (unsigned long long)usable, (unsigned long long)f.nr_owned,
			    (unsigned long long)left);
	free(f.owned);
	return err ? err : state_audit(sim, why, size);
}

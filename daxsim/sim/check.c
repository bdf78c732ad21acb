// SPDX-License-Identifier: MIT
/*
 * Ground truth about blocks and page tables: who owns what, and who may point
 * to it. What files ought to hold is in model.c.
 */
#include "daxsim/sim/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/model.h"
#include "daxsim/sim/sim.h"

#define CHUNK_SHIFT 8
#define CHUNK_BLOCKS (1UL << CHUNK_SHIFT)

typedef unsigned long long ull;	/* for printf */

/* What is known of one block. */
struct shadow {
	struct inode *owner;	/* NULL: none; a block being set up has none yet */
	u64 lblk : 63;		/* block of the owner */
	u64 allocated : 1;
};

struct check {
	struct sim *sim;
	u64 ignored;
	check_report_fn report;
	void *data;
	struct shadow **chunks;	/* by block >> CHUNK_SHIFT; NULL: all free and unowned */
	struct model model;
};

int check_create(struct sim *sim, u64 ignored, check_report_fn report, void *data)
{
	struct check *c = arena_alloc(&sim->arena, sizeof(*c));
	u64 nr_chunks = DIV_ROUND_UP(sim->pmem.nr_blocks, CHUNK_BLOCKS);

	if (!c)
		return -ENOMEM;
	*c = (struct check){ .sim = sim, .ignored = ignored, .report = report, .data = data };
	c->chunks = arena_alloc(&sim->arena, nr_chunks * sizeof(*c->chunks));
	if (!c->chunks)
		return -ENOMEM;
	model_init(&c->model, &sim->arena);
	sim->check = c;
	return 0;
}

void check_report(struct check *c, enum invariant inv, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!c || c->ignored >> inv & 1)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->report(c->data, inv, text);
}

static struct shadow *shadow(struct check *c, block_t block)
{
	struct shadow **chunk = &c->chunks[block >> CHUNK_SHIFT];

	if (unlikely(!*chunk))
		*chunk = watcher_alloc(&c->sim->arena, CHUNK_BLOCKS * sizeof(**chunk));
	return &(*chunk)[block & (CHUNK_BLOCKS - 1)];
}

/* Whose a block is, for people. */
static const char *describe(const struct shadow *s, char *buf, size_t size)
{
	if (!s->allocated)
		snprintf(buf, size, "is free");
	else if (!s->owner)
		snprintf(buf, size, "belongs to no file");
	else
		snprintf(buf, size, "is page %llu of %s", (unsigned long long)s->lblk,
			 s->owner->name);
	return buf;
}

#define DESCRIBE(s) describe(s, (char[80]){ 0 }, 80)

void check_alloc(struct check *c, block_t block, u64 len)
{
	if (!c)
		return;
	for (u64 i = 0; i < len; i++) {
		struct shadow *s = shadow(c, block + i);

		if (s->allocated)
			check_report(c, INV_DOUBLE_ALLOC, "block %llu is allocated, but it %s",
				     (ull)(block + i), DESCRIBE(s));
		s->allocated = true;
	}
}

void check_free(struct check *c, block_t block, u64 len, int err)
{
	if (!c)
		return;
	if (err)
		check_report(c, INV_DOUBLE_ALLOC, "freeing blocks %llu+%llu failed: %s", (ull)(block),
			     (ull)(len), strerror(-err));
	for (u64 i = 0; i < len && !err; i++) {
		struct shadow *s = shadow(c, block + i);

		if (s->owner)
			check_report(c, INV_DOUBLE_ALLOC, "block %llu is freed, but it %s",
				     (ull)(block + i), DESCRIBE(s));
		*s = (struct shadow){ 0 };
	}
}

void check_extent_added(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len)
{
	if (!c)
		return;
	for (u64 i = 0; i < len; i++) {
		struct shadow *s = shadow(c, block + i);

		if (!s->allocated || s->owner)
			check_report(c, INV_DOUBLE_ALLOC,
				     "block %llu becomes page %llu of %s, but it %s", (ull)(block + i),
				     (ull)(lblk + i), inode->name, DESCRIBE(s));
		s->owner = inode;
		s->lblk = lblk + i;
	}
}

/* The PTEs of a file's pages [lblk, lblk + len) that still point to blocks it gives up. */
static void check_still_mapped(struct check *c, struct inode *inode, u64 lblk, block_t block,
			       u64 len)
{
	struct vma *vma;

	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
		u64 from = max_t(u64, lblk, vma->pgoff);
		u64 to = min_t(u64, lblk + len, vma->pgoff + vma->nr_pages);

		for (u64 i = from; i < to; i++) {
			const struct pte *pte = &vma->pte[i - vma->pgoff];

			if (pte->kind == PTE_PFN && pte->pfn == block + (i - lblk))
				check_report(c, INV_STALE_PTE,
					     "%s gives up block %llu, but page %llu of mapping %s still points to it",
					     inode->name, (ull)(pte->pfn),
					     (ull)(vma->page_base + i - vma->pgoff), vma->name);
		}
	}
}

void check_extent_removed(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len)
{
	if (!c)
		return;
	check_still_mapped(c, inode, lblk, block, len);
	for (u64 i = 0; i < len; i++)
		shadow(c, block + i)->owner = NULL;
	model_drop(&c->model, inode->i_ino, lblk, len);
}

void check_evict(struct check *c, struct inode *inode)
{
	if (c)
		model_drop(&c->model, inode->i_ino, 0, U64_MAX);
}

/* The kernel writes a block for a page: nobody else may own it, and it may not be free. */
static void check_owner(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block,
			const char *verb)
{
	const struct shadow *s = shadow(c, block);

	if (s->allocated && (!s->owner || (s->owner == inode && s->lblk == pgoff)))
		return;
	check_report(c, INV_FOREIGN_WRITE, "%s block %llu as page %llu of %s, but it %s", verb,
		     (ull)(block), (ull)(pgoff), inode->name, DESCRIBE(s));
}

void check_block_init(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len)
{
	u8 want;
	s64 at;

	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "zeroes");
	at = model_diff(&c->model, inode->i_ino, pgoff, off, NULL, len, &want);
	if (at >= 0)
		check_report(c, INV_LOST_STORE,
			     "zeroing block %llu for page %llu of %s wipes out 0x%02x, stored at byte %llu of it",
			     (ull)(block), (ull)(pgoff), inode->name, want, (ull)(off + at));
}

void check_block_zero(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len)
{
	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "zeroes");
	model_write(&c->model, inode->i_ino, pgoff, off, NULL, len);
}

void check_block_write(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		       const u8 *data, u64 len)
{
	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "writes");
	model_write(&c->model, inode->i_ino, pgoff, off, data, len);
}

/* The byte of a file that lies on the device; false if that page has no block. */
static bool media_byte(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, u8 *byte)
{
	const struct extent *e = extent_find(&inode->extents, pgoff);

	if (!e)
		return false;
	*byte = *((u8 *)pmem_block(&c->sim->pmem, e->pblk + pgoff - e->lblk) + off);
	return true;
}

/*
 * Somebody saw @data at @off of a page. A byte that nobody ever stored there
 * comes from another owner of the block; one that differs from what was stored
 * is another view if the device still has the right one, else a lost store.
 */
static void check_seen(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off,
		       const u8 *data, u64 len, const char *how)
{
	u8 want, got, media;
	s64 at = model_diff(&c->model, inode->i_ino, pgoff, off, data, len, &want);

	if (at < 0)
		return;
	got = data ? data[at] : 0;
	off += at;
	if (!want)
		check_report(c, INV_STALE_DATA,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, which was never stored there",
			     how, got, (ull)(off), (ull)(pgoff), inode->name);
	else if (media_byte(c, inode, pgoff, off, &media) && media == want)
		check_report(c, INV_INCOHERENT,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, but the file holds 0x%02x",
			     how, got, (ull)(off), (ull)(pgoff), inode->name, want);
	else
		check_report(c, INV_LOST_STORE,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, where 0x%02x was stored",
			     how, got, (ull)(off), (ull)(pgoff), inode->name, want);
}

void check_block_read(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      const u8 *data, u64 len)
{
	char how[40];

	if (!c)
		return;
	snprintf(how, sizeof(how), "a read of block %llu", (ull)(block));
	check_seen(c, inode, pgoff, off, data, len, how);
}

void check_hole_read(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, u64 len)
{
	if (c)
		check_seen(c, inode, pgoff, off, NULL, len, "a read of a hole");
}

void check_user_access(struct check *c, struct vma *vma, u64 addr, const u8 *data, u64 len,
		       bool write)
{
	u64 page = (addr - vma->start) >> PAGE_SHIFT, off = addr & ~PAGE_MASK;
	const struct pte *pte = &vma->pte[page];
	struct inode *inode = vma->inode;
	char how[80];

	if (!c || pte->kind == PTE_ANON)
		return;
	if (write) {
		const struct shadow *s = shadow(c, pte->pfn);

		if (s->owner == inode && s->lblk == vma->pgoff + page)
			model_write(&c->model, inode->i_ino, s->lblk, off, data, len);
		return;
	}
	snprintf(how, sizeof(how), "a load from page %llu of mapping %s",
		 (ull)(vma->page_base + page), vma->name);
	check_seen(c, inode, vma->pgoff + page, off, data, len, how);
}

static bool past_eof(const struct inode *inode, pgoff_t pgoff)
{
	return pgoff >= DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE);
}

static void check_past_eof(struct check *c, const struct vma *vma, u64 page)
{
	const struct pte *pte = &vma->pte[page];

	if ((pte->kind == PTE_PFN || pte->kind == PTE_HOLE) &&
	    past_eof(vma->inode, vma->pgoff + page))
		check_report(c, INV_PTE_PAST_EOF,
			     "page %llu of mapping %s is present, but %s ends at byte %lld",
			     (ull)(vma->page_base + page), vma->name, vma->inode->name,
			     (long long)vma->inode->i_size);
}

static void check_points_home(struct check *c, const struct vma *vma, u64 page)
{
	const struct pte *pte = &vma->pte[page];
	const struct shadow *s;

	if (pte->kind != PTE_PFN)
		return;
	s = shadow(c, pte->pfn);
	if (s->owner != vma->inode || s->lblk != vma->pgoff + page)
		check_report(c, INV_STALE_PTE,
			     "page %llu of mapping %s (page %llu of %s) points to block %llu, which %s",
			     (ull)(vma->page_base + page), vma->name, (ull)(vma->pgoff + page),
			     vma->inode->name, (ull)(pte->pfn), DESCRIBE(s));
}

void check_pte(struct check *c, struct vma *vma, u64 page)
{
	if (!c)
		return;
	check_points_home(c, vma, page);
	/* While truncate is on its way, it may still come and remove the PTE. */
	if (!vma->inode->i_in_truncate)
		check_past_eof(c, vma, page);
}

void check_truncate_begins(struct check *c, struct inode *inode)
{
	if (c)
		inode->i_in_truncate = true;
}

/* Look at every PTE of the file. */
static void check_mappings(struct check *c, struct inode *inode)
{
	struct vma *vma;

	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link)
		for (u64 page = 0; page < vma->nr_pages; page++) {
			check_points_home(c, vma, page);
			check_past_eof(c, vma, page);
		}
}

void check_truncate_ends(struct check *c, struct inode *inode)
{
	if (!c)
		return;
	inode->i_in_truncate = false;
	check_mappings(c, inode);
}

void check_return_to_user(struct check *c, struct task *t)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < t->nr_held; i++)
		check_report(c, INV_LOCK_LEAK, "%s returns to user mode holding %s(%s)", t->name,
			     lock_class_table[t->held[i].lock->class].name, t->held[i].lock->of);
}

void check_unlock_imbalance(struct check *c, struct task *t, const struct lock *lock)
{
	check_report(c, INV_LOCK_LEAK, "%s drops %s(%s), which it does not hold", t->name,
		     lock_class_table[lock->class].name, lock->of);
}

static void check_leak(struct check *c, struct inode *inode)
{
	u64 end = DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE);
	const struct extent *e = extent_find_next(&inode->extents, end);

	if (!e || inode->i_sb->ops->keeps_blocks_past_eof)
		return;
	check_report(c, INV_LEAK_PAST_EOF,
		     "%s ends at byte %lld, but block %llu stays allocated for page %llu of it",
		     inode->name, (long long)inode->i_size,
		     (ull)(e->pblk + (max_t(u64, end, e->lblk) - e->lblk)),
		     (ull)(max_t(u64, end, e->lblk)));
}

/* Every byte that was stored is on the device, and no hole page hides it. */
static void check_contents(struct check *c, struct inode *inode)
{
	struct vma *vma;
	const struct model_page *p = NULL;

	while ((p = model_next(&c->model, p))) {
		const struct extent *e;

		if (p->ino != inode->i_ino)
			continue;
		e = extent_find(&inode->extents, p->pgoff);
		check_seen(c, inode, p->pgoff, 0,
			   e ? pmem_block(&c->sim->pmem, e->pblk + p->pgoff - e->lblk) : NULL,
			   PAGE_SIZE, "the device at rest");
		LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
			u64 page = p->pgoff - vma->pgoff;

			if (page < vma->nr_pages && vma->pte[page].kind == PTE_HOLE)
				check_seen(c, inode, p->pgoff, 0, NULL, PAGE_SIZE,
					   "a mapped hole page");
		}
	}
}

void check_quiescent(struct check *c)
{
	struct inode *inode;

	if (!c || !c->sim->sb)
		return;
	LIST_FOREACH(inode, &c->sim->sb->s_inodes, i_sb_list) {
		check_leak(c, inode);
		check_mappings(c, inode);
		check_contents(c, inode);
	}
}

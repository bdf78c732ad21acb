// SPDX-License-Identifier: MIT
/* Watching page tables: where PTEs point, and what user code sees through them. */
#include <stdio.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check_private.h"
#include "daxsim/sim/sim.h"

static bool past_eof(const struct inode *inode, pgoff_t pgoff)
{
	return pgoff >= DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE);
}

/* Whether truncate is on its way, as an object: it changes before i_size does. */
static u64 truncate_object(const struct inode *inode)
{
	return obj(OBJ_I_SIZE, inode->i_ino, 1);
}

static bool in_truncate(const struct inode *inode)
{
	also(P_READ, truncate_object(inode));
	return inode->i_in_truncate;
}

static void check_past_eof(struct check *c, const struct vma *vma, u64 page, bool may_still_go)
{
	const struct pte *pte = &vma->pte[page];

	if (pte->kind != PTE_PFN && pte->kind != PTE_HOLE)
		return;
	also(P_READ, obj(OBJ_I_SIZE, vma->inode->i_ino, 0));
	if (past_eof(vma->inode, vma->pgoff + page) &&
	    !(may_still_go && in_truncate(vma->inode)))
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
	s = check_shadow(c, pte->pfn);
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
	check_past_eof(c, vma, page, true);
}

static void note_pte(const struct vma *vma, u64 page)
{
	also(P_READ, obj(OBJ_PTE, vma->id, page));
}

/* The PTEs of a file's pages [lblk, lblk + len) that still point to blocks it gives up. */
void check_still_mapped(struct check *c, struct inode *inode, u64 lblk, block_t block,
			       u64 len)
{
	struct vma *vma;

	also(P_READ, obj(OBJ_I_MMAP, inode->i_ino, 0));
	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
		u64 from = max_t(u64, lblk, vma->pgoff);
		u64 to = min_t(u64, lblk + len, vma->pgoff + vma->nr_pages);

		for (u64 i = from; i < to; i++) {
			const struct pte *pte = &vma->pte[i - vma->pgoff];

			note_pte(vma, vma->page_base + i - vma->pgoff);
			if (pte->kind == PTE_PFN && pte->pfn == block + (i - lblk))
				check_report(c, INV_STALE_PTE,
					     "%s gives up block %llu, but page %llu of mapping %s still points to it",
					     inode->name, (ull)(pte->pfn),
					     (ull)(vma->page_base + i - vma->pgoff), vma->name);
		}
	}
}

/* Look at every PTE of the file. */
void check_mappings(struct check *c, struct inode *inode)
{
	struct vma *vma;

	also(P_READ, obj(OBJ_I_MMAP, inode->i_ino, 0));
	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
		note_pte(vma, EXTENT_ALL);
		for (u64 page = 0; page < vma->nr_pages; page++) {
			check_points_home(c, vma, page);
			check_past_eof(c, vma, page, false);
		}
	}
}

void check_truncate_begins(struct check *c, struct inode *inode)
{
	if (!c)
		return;
	also(P_WRITE, truncate_object(inode));
	inode->i_in_truncate = true;
}

void check_truncate_ends(struct check *c, struct inode *inode)
{
	if (!c)
		return;
	check_mappings(c, inode);
	also(P_WRITE, truncate_object(inode));
	inode->i_in_truncate = false;
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
		const struct shadow *s = check_shadow(c, pte->pfn);

		if (s->owner == inode && s->lblk == vma->pgoff + page)
			model_write(&c->model, inode->i_ino, s->lblk, off, data, len);
		return;
	}
	if (check_as_stored(c, inode, vma->pgoff + page, off, data, len))
		return;
	snprintf(how, sizeof(how), "a load from page %llu of mapping %s",
		 (ull)(vma->page_base + page), vma->name);
	check_seen(c, inode, vma->pgoff + page, off, data, len, how);
}

s64 check_cow(struct check *c, struct inode *inode, pgoff_t pgoff, const u8 *page)
{
	u8 want;

	return c ? model_diff(&c->model, inode->i_ino, pgoff, 0, page, PAGE_SIZE, &want) : -1;
}

void check_cow_mapped(struct check *c, struct inode *inode, const struct vm_fault *vmf)
{
	if (c && vmf->cow_stale >= 0)
		check_report(c, INV_STALE_DATA,
			     "the private copy of page %llu of %s, made from block %llu, has 0x%02x at byte %lld, which is not the file's",
			     (ull)(vmf->pgoff), inode->name, (ull)(vmf->cow_block),
			     ((const u8 *)vmf->cow_page)[vmf->cow_stale], (long long)vmf->cow_stale);
}

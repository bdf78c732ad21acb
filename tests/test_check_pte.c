// SPDX-License-Identifier: MIT
/* Tests of the watchers: what a page table may point to, and how far it may reach. */
#include "tests/check_machine.h"

/*
 * stale-pte
 */

Test(check, pte_inserted)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 2, 4);

	own(w, w->f, 0, 5, 8);
	own(w, w->g, 0, 20, 1);
	vma->page_base = 10;
	set_pte(vma, 1, PTE_PFN, 8);
	check_pte(w->sim.check, vma, 1);
	expect_silent(w);

	set_pte(vma, 1, PTE_PFN, 7);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_STALE_PTE, "page 11 of mapping m (page 3 of f) points to block 7, "
		    "which is page 2 of f");
	set_pte(vma, 1, PTE_PFN, 20);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_STALE_PTE, "page 11 of mapping m (page 3 of f) points to block 20, "
		    "which is page 0 of g");
	set_pte(vma, 1, PTE_PFN, 30);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_STALE_PTE, "page 11 of mapping m (page 3 of f) points to block 30, "
		    "which is free");
	check_alloc(w->sim.check, 30, 1);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_STALE_PTE, "page 11 of mapping m (page 3 of f) points to block 30, "
		    "which belongs to no file");

	/* what points to no block cannot be stale */
	set_pte(vma, 1, PTE_HOLE, 30);
	check_pte(w->sim.check, vma, 1);
	set_pte(vma, 1, PTE_ANON, 30);
	check_pte(w->sim.check, vma, 1);
	set_pte(vma, 1, PTE_NONE, 30);
	check_pte(w->sim.check, vma, 1);
	unwatch(w);
}

Test(check, block_given_up_while_mapped)
{
	struct watched *w = watch("ext2", 0);
	struct vma *m = map(w, "m", w->f, 0, 4), *tail = map(w, "tail", w->f, 2, 2);

	own(w, w->f, 0, 5, 4);
	set_pte(m, 1, PTE_PFN, 6);
	set_pte(tail, 1, PTE_PFN, 8);
	tail->page_base = 7;

	/* its neighbours may go */
	check_extent_removed(w->sim.check, w->f, 0, 5, 1);
	check_extent_removed(w->sim.check, w->f, 2, 7, 1);
	expect_silent(w);
	check_extent_removed(w->sim.check, w->f, 1, 6, 1);
	expect_said(w, INV_STALE_PTE,
		    "f gives up block 6, but page 1 of mapping m still points to it");
	check_extent_removed(w->sim.check, w->f, 1, 6, 3);
	expect_said(w, INV_STALE_PTE,
		    "f gives up block 8, but page 8 of mapping tail still points to it");
	expect_said(w, INV_STALE_PTE,
		    "f gives up block 6, but page 1 of mapping m still points to it");

	/* nothing mapped, or a hole page, or a page of its own */
	set_pte(m, 1, PTE_NONE, 6);
	set_pte(m, 2, PTE_HOLE, 7);
	set_pte(m, 3, PTE_ANON, 8);
	set_pte(tail, 1, PTE_NONE, 0);
	check_extent_removed(w->sim.check, w->f, 0, 5, 4);
	unwatch(w);
}

Test(check, stale_pte_at_rest)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 0, 2);

	own(w, w->f, 0, 5, 2);
	own(w, w->g, 0, 7, 1);
	set_pte(vma, 0, PTE_PFN, 5);
	check_quiescent(w->sim.check);
	check_truncate_ends(w->sim.check, w->f);
	expect_silent(w);
	set_pte(vma, 1, PTE_PFN, 7);
	check_quiescent(w->sim.check);
	expect_said(w, INV_STALE_PTE,
		    "page 1 of mapping m (page 1 of f) points to block 7, which is page 0 of g");
	check_truncate_ends(w->sim.check, w->g);
	expect_silent(w);
	check_truncate_ends(w->sim.check, w->f);
	expect_said(w, INV_STALE_PTE,
		    "page 1 of mapping m (page 1 of f) points to block 7, which is page 0 of g");
	unwatch(w);
}

/*
 * pte-past-eof
 */

static const char past_eof[] = "page 1 of mapping m is present, but f ends at byte 4096";

Test(check, pte_inserted_past_eof)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 0, 2);

	own(w, w->f, 0, 5, 2);
	set_pte(vma, 1, PTE_PFN, 6);
	w->f->i_size = 4097;		/* the last page is the last, with one byte or with all */
	check_pte(w->sim.check, vma, 1);
	expect_silent(w);
	w->f->i_size = 4096;
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_PTE_PAST_EOF, past_eof);
	set_pte(vma, 1, PTE_HOLE, 0);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_PTE_PAST_EOF, past_eof);
	set_pte(vma, 1, PTE_ANON, 0);
	check_pte(w->sim.check, vma, 1);
	set_pte(vma, 1, PTE_NONE, 0);
	check_pte(w->sim.check, vma, 1);
	unwatch(w);
}

Test(check, pte_past_eof_while_truncate_is_on_its_way)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 0, 2);

	own(w, w->f, 0, 5, 2);
	set_pte(vma, 0, PTE_PFN, 5);
	set_pte(vma, 1, PTE_PFN, 6);
	check_truncate_begins(w->sim.check, w->f);
	w->f->i_size = 4096;
	check_pte(w->sim.check, vma, 1);
	expect_silent(w);
	check_truncate_ends(w->sim.check, w->f);
	expect_said(w, INV_PTE_PAST_EOF, past_eof);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_PTE_PAST_EOF, past_eof);

	/* had truncate come by, all would be well */
	check_truncate_begins(w->sim.check, w->f);
	check_pte(w->sim.check, vma, 1);
	set_pte(vma, 1, PTE_NONE, 0);
	check_truncate_ends(w->sim.check, w->f);
	unwatch(w);
}

Test(check, truncate_of_another_file)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 0, 2);

	own(w, w->f, 0, 5, 2);
	w->f->i_size = 4096;
	set_pte(vma, 1, PTE_PFN, 6);
	check_truncate_begins(w->sim.check, w->g);
	check_pte(w->sim.check, vma, 1);
	expect_said(w, INV_PTE_PAST_EOF, past_eof);
	unwatch(w);
}

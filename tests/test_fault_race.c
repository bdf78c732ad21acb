// SPDX-License-Identifier: MIT
/* The fault path against truncate(2), munmap(2), write(2), freezing, and other faults. */
#include "tests/fault_stage.h"

/* truncate(2) between the fault's look-up of a hole page and its lock on it. */
Test(fault_race, truncate_is_noticed_under_the_page_lock)
{
	struct stage *s = ext2("v11", SHARED_RW);
	struct call cut = call_truncate(s->f, 0);

	rig_peek(s->r, C, s->n + PAGES(1));
	a_stops(s, true, 1, P_find_get_page, 1);
	rig_start(s->r, B, &cut);
	rig_until(s->r, B, P_truncate_pagecache, 1);
	cr_assert_eq(rig_cached(s->f), 1);
	a_ends(s, SIGBUS);
	cr_expect_eq(rig_cached(s->f), 1);
	rig_finish(s->r, B);
	cr_expect_eq(rig_cached(s->f), 0);
	rig_expect_clean(s->r);
	drop(s);
}

Test(fault_race, truncate_is_noticed_by_dax_load_hole)
{
	struct stage *s = ext2("v11", SHARED_RW);

	a_stops(s, false, 1, P_dax_load_hole, 1);
	rig_truncate(s->r, B, s->f, 0);
	a_ends(s, SIGBUS);
	/* The page it made stays, unmapped, for nobody: i_size is 0. */
	cr_expect_eq(rig_pte(s->r, A, s->m + PAGES(1))->kind, PTE_NONE);
	rig_expect_clean(s->r);
	drop(s);
}

/* The handler returns with the mutex, so that truncate cannot pass before the PTE is set. */
Test(fault_race, cow_holds_mutex_until_pte_is_set)
{
	for (int hole_page = 0; hole_page < 2; hole_page++) {
		struct stage *s = ext2("v11", PRIVATE_RW);
		struct call cut = call_truncate(s->f, 0);
		struct lock *mutex = &s->f->inode->i_data.i_mmap_mutex;

		if (hole_page)
			rig_peek(s->r, C, s->n + PAGES(1));
		a_stops(s, true, 1, P_set_pte, 1);
		cr_expect_eq(mutex->writer, hole_page ? NULL : s->r->task[A]);
		rig_start(s->r, B, &cut);
		cr_assert_eq(rig_go(s->r, B), TASK_BLOCKED);
		cr_expect_eq(s->r->task[B]->waiting->class,
			     hole_page ? LOCK_PAGE_LOCK : LOCK_I_MMAP_MUTEX);
		/* The copy is made, and truncate takes it away again, in either order. */
		rig_until(s->r, A, P_user_store, 1);
		cr_expect_eq(mutex->writer, NULL);
		cr_expect_eq(rig_pte(s->r, A, s->m + PAGES(1))->kind, PTE_ANON);
		rig_finish(s->r, B);
		cr_expect_eq(rig_pte(s->r, A, s->m + PAGES(1))->kind, PTE_NONE);
		a_ends(s, SIGBUS);
		rig_expect_clean(s->r);
		drop(s);
	}
}

/*
 * Two threads of one process in the same fault: the second finds the PTE there. In a hole
 * it has allocated the block and zeroes it all the same, over what the winner stored.
 */
Test(fault_race, both_fault_one_page)
{
	for (int page = 0; page < 2; page++) {
		struct stage *s = ext2("v11", SHARED_RW);

		a_stops(s, true, page, P_dax_insert_mapping, 1);
		cr_expect_eq(rig_store(s->r, B, s->m + PAGES(page) + 1, 0x43), 0);
		a_ends(s, 0);
		cr_expect_eq(rig_byte(s->r, s->f, PAGES(page)), 0x42);
		cr_expect_eq(i_blocks(s->f->inode), page ? 16 : 8);
		if (page)
			rig_expect_seen(s->r, INV_LOST_STORE);
		else
			rig_expect_clean(s->r);
		cr_expect_eq(rig_byte(s->r, s->f, PAGES(page) + 1), page ? 0 : 0x43);
		drop(s);
	}
}

/* A load decided for a hole; meanwhile the page is stored to. 2014 maps the hole all the same. */
Test(fault_race, hole_page_over_new_block)
{
	struct stage *s = ext2("v11", SHARED_RW);

	a_stops(s, false, 1, P_dax_load_hole, 1);
	cr_expect_eq(rig_store(s->r, C, s->n + PAGES(1), 0x66), 0);
	rig_expect_clean(s->r);
	a_ends(s, 0);
	cr_expect_eq(s->byte, 0);
	rig_expect_seen(s->r, INV_INCOHERENT);
	drop(s);
}

/* A page a reader has just made is locked from the moment others can find it. */
Test(fault_race, new_hole_page_is_found_locked)
{
	struct stage *s = ext2("v11", SHARED_RW);
	u8 byte = 0x66;
	struct call store = call_store(s->n + PAGES(1), &byte, 1);
	enum task_state c;

	a_stops(s, false, 1, P_page_cache_insert, 1);
	cr_assert(rig_step(s->r, A, 1));
	cr_expect_eq(rig_cached(s->f), 1);
	rig_start(s->r, C, &store);
	c = rig_go(s->r, C);
	a_ends(s, 0);
	if (c == TASK_BLOCKED)
		rig_finish(s->r, C);
	cr_expect_eq(rig_peek(s->r, A, s->m + PAGES(1)), 0x66);
	rig_expect_clean(s->r);
	drop(s);
}

/* do_wp_page acts on the PTE that the fault saw: it must see that truncate took it. */
Test(fault_race, private_store_loses_its_page)
{
	struct stage *s = ext2("v11", PRIVATE_RW);

	rig_peek(s->r, A, s->m);
	a_stops(s, true, 0, P_do_wp_page, 1);
	rig_truncate(s->r, B, s->f, 0);
	a_ends(s, SIGBUS);
	cr_expect_eq(rig_pte(s->r, A, s->m)->kind, PTE_NONE);
	drop(s);

	s = ext2("v11", PRIVATE_RW);
	rig_peek(s->r, A, s->m + PAGES(1));
	a_stops(s, true, 1, P_do_wp_page, 1);
	rig_fill(s->r, B, s->f, 0x55, PAGE_SIZE, PAGES(1));	/* the hole page goes */
	a_ends(s, 0);
	cr_expect_eq(rig_peek(s->r, A, s->m + PAGES(1) + 1), 0x55);
	rig_expect_clean(s->r);
	drop(s);
}

/* A private copy of a block must not be entered if the PTE has come to mean another block. */
Test(fault_race, private_copy_of_former_block)
{
	struct stage *s = ext2("v11", PRIVATE_RW);
	struct file *g = rig_create(s->r, "g");

	rig_peek(s->r, A, s->m);
	a_stops(s, true, 0, P_set_pte, 1);
	rig_truncate(s->r, B, s->f, 0);
	rig_fill(s->r, B, g, 0x77, PAGE_SIZE, 0);
	rig_fill(s->r, B, s->f, 0x22, PAGE_SIZE, 0);
	cr_expect_eq(rig_peek(s->r, B, s->m), 0x22);
	a_ends(s, 0);
	cr_expect_eq(rig_peek(s->r, A, s->m + 1), 0x22);
	rig_expect_clean(s->r);
	drop(s);
}

/* munmap() of the front of a mapping, while a fault on its rest is on its way. */
Test(fault_race, mapping_is_split_during_fault)
{
	struct stage *s = ext2("v11", SHARED_RW);
	struct call c = call_munmap(s->r, B, s->m, 1);

	a_stops(s, true, 1, P_handle_mm_fault, 1);
	rig_start(s->r, B, &c);
	rig_finish(s->r, B);
	a_ends(s, 0);
	cr_expect_eq(rig_byte(s->r, s->f, PAGES(1)), 0x42);
	rig_expect_clean(s->r);
	drop(s);
}

Test(fault_race, mapping_is_gone_during_fault)
{
	struct stage *s = ext2("v11", SHARED_RW);

	a_stops(s, true, 1, P_handle_mm_fault, 1);
	rig_munmap(s->r, B, s->m, 2);
	a_ends(s, SIGSEGV);
	rig_expect_clean(s->r);
	drop(s);
}

/*
 * Truncate between any two accesses of a fault: v11 gets through all of them, but for a block
 * that a store may leave allocated past the end. A file that grows again is another
 * matter.
 */
Test(fault_race, truncate_anywhere_in_a_fault)
{
	for (int kind = 0; kind < 8; kind++) {
		bool store = kind & 1, page = kind & 2, private = kind & 4, more = true;
		unsigned int leaks = 0;

		for (unsigned int nth = 1; more; nth++) {
			struct stage *s = ext2("v11", private ? PRIVATE_RW : SHARED_RW);
			u64 addr = s->m + PAGES(page);

			s->call = store ? call_store(addr, &s->byte, 1) :
					  call_load(addr, &s->byte, 1);
			rig_start(s->r, A, &s->call);
			more = rig_step(s->r, A, nth);
			if (more) {
				struct call cut = call_truncate(s->f, 0);

				rig_start(s->r, B, &cut);
				rig_go(s->r, B);
				rig_finish(s->r, A);
				if (s->r->task[B]->state == TASK_READY)
					rig_finish(s->r, B);
				cr_assert_eq(s->r->task[B]->state, TASK_IDLE);
				cr_expect_eq(rig_pte(s->r, A, addr)->kind, PTE_NONE);
				leaks += rig_nr_free(s->r) < 63;
			} else {
				cr_assert_gt(nth, 8);
				cr_expect_eq(!!leaks, store && !private);
			}
			for (int i = 0; i < NR_INVARIANTS; i++)
				cr_expect_eq(s->r->seen[i], 0, "kind %d point %u: %s", kind, nth,
					     s->r->text[i]);
			drop(s);
		}
	}
}

static void freeze(struct call *c)
{
	c->ret = freeze_super(c->arg);
}

static void thaw(struct call *c)
{
	c->ret = thaw_super(c->arg);
}

/* What a call that takes the super block returns to B. */
static int on_super(struct rig *r, void (*fn)(struct call *c))
{
	struct call c = { .fn = fn, .arg = r->sb };

	rig_start(r, B, &c);
	rig_finish(r, B);
	return c.ret;
}

/* A frozen file system stops write faults, private ones too, and nothing else. */
Test(fault_race, freeze_stops_write_faults)
{
	for (int private = 0; private < 2; private++) {
		struct stage *s = ext2("v11", private ? PRIVATE_RW : SHARED_RW);
		u64 addr = s->m + PAGES(1);

		cr_assert_eq(on_super(s->r, freeze), 0);
		cr_expect_eq(on_super(s->r, freeze), -EBUSY);
		cr_expect_eq(rig_peek(s->r, C, s->n + PAGES(1)), 0);
		s->call = call_store(addr, &s->byte, 1);
		rig_start(s->r, A, &s->call);
		cr_assert_eq(rig_go(s->r, A), TASK_BLOCKED);
		cr_expect_eq(s->r->task[A]->waiting->class, LOCK_SB_PAGEFAULT);
		cr_expect(!sched_deadlocked(s->r->task[A]));
		cr_assert_eq(on_super(s->r, thaw), 0);
		cr_expect_eq(on_super(s->r, thaw), -EINVAL);
		a_ends(s, 0);
		rig_expect_clean(s->r);
		drop(s);
	}
}

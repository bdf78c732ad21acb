// SPDX-License-Identifier: MIT
/*
 * Tests of the watchers: who owns which block, and what a task may hold. Each
 * invariant is broken on purpose, and just not broken. PTEs are in
 * test_check_pte.c, what files hold in test_check_data.c, unwritten extents and
 * the page cache in test_check_extent.c; deadlocks and lock order need sessions
 * and are in test_run_stuck.c.
 */
#include "tests/check_machine.h"

#include <errno.h>

Test(check, nobody_watches)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 0, 1);
	struct task t = { .name = "t" };
	u8 byte = 1;

	own(w, w->f, 0, 5, 1);
	set_pte(vma, 0, PTE_PFN, 9);
	check_report(NULL, INV_DEADLOCK, "nothing");
	check_alloc(NULL, 5, 1);
	check_free(NULL, 5, 1, -EEXIST);
	check_extent_added(NULL, w->g, 0, 5, 1);
	check_extent_removed(NULL, w->f, 0, 5, 1);
	check_evict(NULL, w->f);
	check_block_init(NULL, w->g, 0, 5, 0, 1);
	check_block_zero(NULL, w->g, 0, 5, 0, 1);
	check_block_write(NULL, w->g, 0, 5, 0, &byte, 1);
	check_block_read(NULL, w->f, 0, 5, 0, &byte, 1);
	check_hole_read(NULL, w->f, 0, 0, 1);
	check_user_access(NULL, vma, vma->start, &byte, 1, true);
	check_pte(NULL, vma, 0);
	check_truncate_begins(NULL, w->f);
	cr_expect_not(w->f->i_in_truncate);
	check_truncate_ends(NULL, w->f);
	check_return_to_user(NULL, &t);
	check_unlock_imbalance(NULL, &t, &w->f->i_mutex);
	check_quiescent(NULL);
	expect_silent(w);

	/* none of it reached the watchers that are there */
	set_pte(vma, 0, PTE_PFN, 5);
	check_quiescent(w->sim.check);
	unwatch(w);
}

Test(check, nothing_mounted)
{
	struct sim sim;
	char why[200];

	cr_assert_eq(sim_init(&sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0);
	cr_assert_eq(check_create(&sim, 0, note_said, NULL), 0);
	check_quiescent(sim.check);
	sim_destroy(&sim);
}

Test(check, no_memory)
{
	struct sim sim = { .pmem.nr_blocks = 1ULL << 32 };

	cr_assert_eq(arena_init(&sim.arena, 64 << 10), 0);
	cr_expect_eq(check_create(&sim, 0, note_said, NULL), -ENOMEM);
	cr_expect_null(sim.check);
	arena_destroy(&sim.arena);
}

Test(check, report)
{
	struct watched *w = watch("ext2", 0);
	char word[400];

	check_report(w->sim.check, INV_DEADLOCK, "%s %d", "step", 7);
	expect_said(w, INV_DEADLOCK, "step 7");
	memset(word, 'a', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	check_report(w->sim.check, INV_STALE_DATA, "%s", word);
	word[255] = '\0';
	expect_said(w, INV_STALE_DATA, word);
	unwatch(w);
}

/* Break everything that one call can break; only what is not ignored is said. */
Test(check, ignored)
{
	for (int inv = 0; inv < NR_INVARIANTS; inv++) {
		struct watched *w = watch("ext2", ~(1ULL << inv));

		for (int other = 0; other < NR_INVARIANTS; other++)
			check_report(w->sim.check, other, "it");
		expect_said(w, inv, "it");
		unwatch(w);
	}
}

Test(check, ignored_at_the_source)
{
	struct watched *w = watch("ext2", 1ULL << INV_FOREIGN_WRITE);

	check_block_zero(w->sim.check, w->f, 0, 5, 0, 8);
	expect_silent(w);
	check_extent_added(w->sim.check, w->f, 0, 5, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "block 5 becomes page 0 of f, but it is free");
	unwatch(w);
}

/*
 * foreign-write
 */

Test(check, write_to_a_free_block)
{
	struct watched *w = watch("ext2", 0);
	u8 byte = 1;

	check_block_init(w->sim.check, w->f, 0, 5, 0, PAGE_SIZE);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 5 for page 0 of f, but that block is free");
	check_block_zero(w->sim.check, w->f, 1, 6, 0, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 6 for page 1 of f, but that block is free");
	check_block_write(w->sim.check, w->f, 2, 7, 0, &byte, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel writes block 7 for page 2 of f, but that block is free");
	unwatch(w);
}

Test(check, write_to_another_files_block)
{
	struct watched *w = watch("ext2", 0);
	u8 byte = 1;

	own(w, w->g, 3, 5, 2);
	check_block_init(w->sim.check, w->f, 0, 5, 0, PAGE_SIZE);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 5 for page 0 of f, but that block is page 3 of g");
	check_block_zero(w->sim.check, w->f, 0, 6, 0, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 6 for page 0 of f, but that block is page 4 of g");
	check_block_write(w->sim.check, w->f, 3, 5, 0, &byte, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel writes block 5 for page 3 of f, but that block is page 3 of g");
	/* right file, wrong page */
	check_block_write(w->sim.check, w->g, 4, 5, 0, &byte, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel writes block 5 for page 4 of g, but that block is page 3 of g");
	unwatch(w);
}

Test(check, write_to_the_own_block)
{
	struct watched *w = watch("ext2", 0);
	u8 byte = 1;

	/* being set up: allocated, and nobody's yet */
	check_alloc(w->sim.check, 5, 1);
	check_block_init(w->sim.check, w->f, 0, 5, 0, PAGE_SIZE);
	check_block_zero(w->sim.check, w->f, 0, 5, 0, PAGE_SIZE);
	check_block_write(w->sim.check, w->f, 0, 5, 0, &byte, 0);
	own(w, w->f, 1, 6, 2);
	check_block_init(w->sim.check, w->f, 2, 7, 0, PAGE_SIZE);
	check_block_zero(w->sim.check, w->f, 2, 7, 0, PAGE_SIZE);
	check_block_write(w->sim.check, w->f, 2, 7, 0, &byte, 1);
	expect_silent(w);

	/* given up, it is being set up again; freed, it is not */
	check_extent_removed(w->sim.check, w->f, 1, 6, 2);
	check_block_init(w->sim.check, w->g, 9, 7, 0, PAGE_SIZE);
	expect_silent(w);
	check_free(w->sim.check, 6, 2, 0);
	check_block_init(w->sim.check, w->f, 2, 7, 0, PAGE_SIZE);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 7 for page 2 of f, but that block is free");
	unwatch(w);
}

/* Blocks of a device with more than one chunk of shadows are kept apart. */
Test(check, far_blocks)
{
	struct watched *w = watch("ext2", 0);

	cr_assert_eq(w->sim.pmem.nr_blocks, 256);
	check_alloc(w->sim.check, 255, 1);
	check_block_init(w->sim.check, w->f, 0, 255, 0, 1);
	expect_silent(w);
	check_block_init(w->sim.check, w->f, 0, 254, 0, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 254 for page 0 of f, but that block is free");
	unwatch(w);
}

/*
 * double-alloc
 */

Test(check, allocated_twice)
{
	struct watched *w = watch("ext2", 0);

	check_alloc(w->sim.check, 5, 2);
	check_alloc(w->sim.check, 7, 1);
	check_alloc(w->sim.check, 4, 1);
	expect_silent(w);
	check_alloc(w->sim.check, 6, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "block 6 is allocated, but it belongs to no file");
	own(w, w->f, 2, 9, 1);
	check_alloc(w->sim.check, 8, 2);
	expect_said(w, INV_DOUBLE_ALLOC, "block 9 is allocated, but it is page 2 of f");
	unwatch(w);
}

Test(check, two_owners)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 3);
	expect_silent(w);
	check_extent_added(w->sim.check, w->g, 8, 7, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "block 7 becomes page 8 of g, but it is page 2 of f");
	check_extent_added(w->sim.check, w->f, 9, 5, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "block 5 becomes page 9 of f, but it is page 0 of f");
	check_extent_added(w->sim.check, w->f, 3, 20, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "block 20 becomes page 3 of f, but it is free");
	/* one owner after the other is fine */
	check_extent_removed(w->sim.check, w->f, 1, 6, 1);
	check_extent_added(w->sim.check, w->g, 0, 6, 1);
	unwatch(w);
}

Test(check, freed_while_owned)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 3);
	check_extent_removed(w->sim.check, w->f, 0, 5, 2);
	check_free(w->sim.check, 5, 2, 0);
	expect_silent(w);
	check_free(w->sim.check, 7, 1, 0);
	expect_said(w, INV_DOUBLE_ALLOC, "block 7 is freed, but it is page 2 of f");
	unwatch(w);
}

Test(check, freed_twice)
{
	struct watched *w = watch("ext2", 0);

	check_alloc(w->sim.check, 5, 2);
	check_free(w->sim.check, 5, 2, -EEXIST);
	expect_said(w, INV_DOUBLE_ALLOC, "freeing blocks 5+2 failed: File exists");
	/* a free that failed has freed nothing */
	check_block_init(w->sim.check, w->f, 0, 5, 0, 1);
	check_free(w->sim.check, 5, 2, 0);
	expect_silent(w);
	/* the allocator may believe in it, the watchers do not */
	check_free(w->sim.check, 6, 1, 0);
	expect_said(w, INV_DOUBLE_ALLOC, "block 6 is freed, but it is free");
	unwatch(w);
}

/* The same through the allocator: it refuses, and the refusal is reported. */
Test(check, freed_twice_by_the_kernel)
{
	struct watched *w = watch("ext2", 0);
	block_t block;
	u64 len;

	cr_assert_eq(alloc_blocks(w->f, 0, 1, &block, &len), 0);
	free_blocks(w->sim.sb, block, 1);
	expect_silent(w);
	free_blocks(w->sim.sb, block, 1);
	cr_assert_eq(w->nr_said, 1);
	expect_said(w, INV_DOUBLE_ALLOC, "freeing blocks 1+1 failed: File exists");
	unwatch(w);
}

/*
 * leak-past-eof
 */

Test(check, leak)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 1, 5, 3);
	w->f->i_size = 3 * PAGE_SIZE + 1;
	check_quiescent(w->sim.check);
	expect_silent(w);
	w->f->i_size = 3 * PAGE_SIZE;
	check_quiescent(w->sim.check);
	expect_said(w, INV_LEAK_PAST_EOF,
		    "f ends at byte 12288, but block 7 stays allocated for page 3 of it");
	w->f->i_size = 0;
	check_quiescent(w->sim.check);
	expect_said(w, INV_LEAK_PAST_EOF,
		    "f ends at byte 0, but block 5 stays allocated for page 1 of it");
	unwatch(w);
}

/* The null file system keeps a slot of the device for each file, whatever its size. */
Test(check, blocks_that_may_stay)
{
	struct watched *w = watch("null", 0);

	cr_assert_neq(w->f->extents.nr_blocks, 0);
	check_quiescent(w->sim.check);
	unwatch(w);
}

/*
 * lock-leak
 */

Test(check, return_with_locks)
{
	struct watched *w = watch("ext2", 0);
	struct task t = { .name = "t" };

	check_return_to_user(w->sim.check, &t);
	expect_silent(w);
	t.held[t.nr_held++] = (struct held_lock){ &w->f->i_mutex, LOCK_EXCLUSIVE };
	t.held[t.nr_held++] = (struct held_lock){ &w->g->i_data.i_mmap_mutex, LOCK_EXCLUSIVE };
	check_return_to_user(w->sim.check, &t);
	expect_said(w, INV_LOCK_LEAK, "t returns to user mode holding i_mutex(f)");
	expect_said(w, INV_LOCK_LEAK, "t returns to user mode holding i_mmap_mutex(g)");
	unwatch(w);
}

static void lock_and_unlock(struct task *t, void *arg)
{
	struct watched *w = arg;

	(void)t;
	mutex_lock(&w->f->i_mutex);
	mutex_unlock(&w->f->i_mutex);
	expect_silent(w);
	mutex_unlock(&w->f->i_mutex);
	expect_said(w, INV_LOCK_LEAK, "t drops i_mutex(f), which it does not hold");
	down_read(&w->mm.mmap_sem);
	mutex_unlock(&w->f->i_mutex);
	expect_said(w, INV_LOCK_LEAK, "t drops i_mutex(f), which it does not hold");
	up_write(&w->mm.mmap_sem);
	expect_said(w, INV_LOCK_LEAK, "t drops mmap_sem(main), which it does not hold");
	up_read(&w->mm.mmap_sem);
}

Test(check, unlock_imbalance)
{
	struct watched *w = watch("ext2", 0);
	struct task *t = sched_add_task(&w->sim, "t", &w->mm);

	cr_assert_not_null(t);
	lock_init(&w->sim, &w->mm.mmap_sem, LOCK_MMAP_SEM, "main");
	sched_start(t, lock_and_unlock, w);
	cr_expect_eq(sched_run(t), TASK_IDLE);
	unwatch(w);
}

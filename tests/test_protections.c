// SPDX-License-Identifier: MIT
/*
 * Every protection at the place where it acts: one task is held there, or its
 * locks are looked at, and another comes along; with the protection and without.
 */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PG ((s64)PAGE_SIZE)

/* What a task has at a point of its way: the first time it comes there. */
struct sight {
	enum point_id at;
	u32 seen;	/* times */
	bool i_mmap, i_mmap_sem, page_lock;
	u32 handles, journal_starts;
};

static void look(struct fs_machine *m, struct task *t, enum point_id id)
{
	struct sight *s = m->see_data;
	const struct inode *f = m->f.inode;

	if (id != s->at || s->seen++)
		return;
	s->i_mmap = lock_is_held(&f->i_data.i_mmap_mutex);
	s->i_mmap_sem = lock_is_held(&f->i_mmap_sem);
	s->handles = t->handle_depth;
	s->journal_starts = m->hits[P_journal_start];
	for (unsigned int i = 0; i < t->nr_held; i++)
		s->page_lock |= t->held[i].lock->class == LOCK_PAGE_LOCK;
}

/* One call on a new file of 8 unwritten pages (a hole without fallocate). */
static struct sight sight_of(const char *variant, bool unwritten, bool load, enum point_id at)
{
	struct fs_machine *m = fs_boot(variant, 0);
	struct sight s = { .at = at };

	if (unwritten)
		expect_ret(m, fs_falloc(&m->f, 0, 0, 8 * PG), 0);
	else
		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
	m->hits[P_journal_start] = 0;
	m->see = look;
	m->see_data = &s;
	expect_ret(m, load ? fs_load(m, 0) : fs_store(m, 0, 1), 1);
	m->see = NULL;
	cr_assert_gt(s.seen, 0, "%s never comes to %s", variant, point_table[at].name);
	sim_destroy(&m->sim);
	free(m);
	return s;
}

static struct sight store_to_unwritten(const char *variant, enum point_id at)
{
	return sight_of(variant, true, false, at);
}

static struct sight store_to_hole(const char *variant, enum point_id at)
{
	return sight_of(variant, false, false, at);
}

Test(protections, p7_end_io_outside_i_mmap)
{
	cr_expect_not(store_to_unwritten("ext4@v11", P_end_io).i_mmap);
	cr_expect(store_to_unwritten("ext4@v11 -p7", P_end_io).i_mmap);
	cr_expect_not(store_to_hole("xfs@v11", P_end_io).i_mmap);
	cr_expect(store_to_hole("xfs@v11 -p7", P_end_io).i_mmap);
	/* Zeroing, before it, is inside in any case. */
	cr_expect(store_to_unwritten("ext4@v11", P_clear_page).i_mmap);
	cr_expect(store_to_unwritten("ext4@v11 -p7", P_clear_page).i_mmap);
}

Test(protections, p3_clear_under_i_mmap)
{
	cr_expect(store_to_hole("ext4@v11", P_clear_page).i_mmap);
	cr_expect_not(store_to_hole("ext4@v11 -p3", P_clear_page).i_mmap);
	cr_expect(store_to_hole("xfs@v11", P_clear_page).i_mmap);
	cr_expect_not(store_to_hole("xfs@v11 -p3", P_clear_page).i_mmap);
	cr_expect_not(store_to_hole("xfs@v10", P_dax_clear_blocks).i_mmap);
}

Test(protections, b2_i_mmap_around_insert)
{
	cr_expect(store_to_hole("ext4@v11", P_vm_insert_mixed).i_mmap);
	cr_expect_not(store_to_hole("ext4@v11 -b2", P_vm_insert_mixed).i_mmap);
	cr_expect(store_to_hole("xfs@v10", P_vm_insert_mixed).i_mmap);
	cr_expect_not(store_to_hole("xfs@v10 -b2", P_vm_insert_mixed).i_mmap);
}

Test(protections, l2_i_mmap_sem)
{
	cr_expect(store_to_hole("ext4@4.7", P_find_get_page).i_mmap_sem);
	cr_expect(store_to_hole("ext4@4.7", P_vm_insert_mixed).i_mmap_sem);
	cr_expect(sight_of("xfs@4.7", false, true, P_dax_load_hole).i_mmap_sem);
	cr_expect_not(store_to_hole("ext4@4.7 -l2", P_find_get_page).i_mmap_sem);
	cr_expect_not(store_to_hole("xfs@v11", P_vm_insert_mixed).i_mmap_sem);
}

/* The handle comes before the page lock, for writes only; XFS just has the place. */
Test(protections, l1_handle_before_fault)
{
	cr_expect_eq(store_to_hole("ext4@4.7", P_find_get_page).handles, 1);
	cr_expect_eq(store_to_hole("ext4@4.7 -l1", P_find_get_page).handles, 0);
	cr_expect_eq(store_to_hole("ext4@v11", P_find_get_page).handles, 0);
	cr_expect_eq(store_to_hole("ext4@v11 +l1", P_find_get_page).handles, 1);
	cr_expect_eq(sight_of("ext4@4.7", false, true, P_find_get_page).handles, 0);
	cr_expect_eq(store_to_hole("xfs@v11 +l1", P_find_get_page).journal_starts, 1);
	cr_expect_eq(store_to_hole("xfs@v11", P_find_get_page).journal_starts, 0);
	/* Without: get_block opens it, by when a hole page may be locked. */
	cr_expect_eq(store_to_hole("ext4@v11", P_alloc_blocks).handles, 1);
}

/*
 * A race: f is prepared, A is held at a point, B comes. Returns whether B has to
 * wait; if so A finishes first, else B. *lock is what it waits for.
 */
struct race {
	const char *variant;
	bool waits;
	enum lock_class class;	/* what for */
	enum invariant bug;	/* NR_INVARIANTS: none */
};

static void run_race(const struct race *r, struct fs_machine *m, struct call a, enum point_id at,
		     struct call b)
{
	enum task_state state;

	fs_hold(m, 0, a, at, 1);
	fs_start(m, 1, b);
	state = fs_run(m, 1);
	cr_expect_eq(state, r->waits ? TASK_BLOCKED : TASK_IDLE, "%s: B %s", r->variant,
		     state == TASK_BLOCKED ? "waits" : "does not wait");
	if (state == TASK_BLOCKED) {
		cr_expect_eq(m->tasks[1]->waiting->class, r->class, "%s: for %s", r->variant,
			     lock_class_table[m->tasks[1]->waiting->class].name);
		cr_expect_not(sched_deadlocked(m->tasks[1]));
	}
	fs_finish(m, 0);
	if (state == TASK_BLOCKED)
		fs_finish(m, 1);
	if (r->bug != NR_INVARIANTS)
		cr_expect_gt(fs_said(m, r->bug), 0, "%s shows no %s", r->variant,
			     invariant_table[r->bug].name);
}

#define NONE NR_INVARIANTS
#define NO_LOCK 0

/* What is left behind by bugs that a test is not about is thrown away with the machine. */
static void drop(struct fs_machine *m)
{
	sim_destroy(&m->sim);
	free(m);
}

/* A zeroes a new block, B truncates the file. */
Test(protections, p3_zeroing_against_truncate)
{
	static const struct race races[] = {
		{ "ext4@v11", true, LOCK_I_MMAP_MUTEX, NONE },
		{ "xfs@v11", true, LOCK_I_MMAP_MUTEX, NONE },
		{ "ext4@v11 -p3", false, NO_LOCK, INV_FOREIGN_WRITE },
		{ "xfs@v11 -p3", false, NO_LOCK, INV_FOREIGN_WRITE },
		{ "ext4@v10", false, NO_LOCK, INV_FOREIGN_WRITE },
		{ "xfs@v10", false, NO_LOCK, INV_FOREIGN_WRITE },
		{ "ext4@v10 +l2", true, LOCK_I_MMAP_SEM, NONE },
		{ "xfs@4.7 -l3", true, LOCK_I_MMAP_SEM, NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(races); i++) {
		struct fs_machine *m = fs_boot(races[i].variant, 0);

		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
		run_race(&races[i], m, fs_store(m, 0, 1), P_clear_page, fs_truncate(&m->f, 0));
		fs_halt(m);
	}
}

/* A knows its block, B takes the file away: i_size is looked at again. */
Test(protections, b1_recheck_i_size)
{
	static const struct {
		struct race race;
		int signal;
	} rows[] = {
		{ { "ext4@v11", false, NO_LOCK, NONE }, SIGBUS },
		{ { "ext4@v11 -b1", false, NO_LOCK, INV_PTE_PAST_EOF }, 0 },
		{ { "xfs@v11 -b1", false, NO_LOCK, INV_PTE_PAST_EOF }, 0 },
		{ { "ext4@4.7 -b1", true, LOCK_I_MMAP_SEM, NONE }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].race.variant, 0);

		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
		run_race(&rows[i].race, m, fs_store(m, 0, 1), P_dax_insert_mapping,
			 fs_truncate(&m->f, 0));
		cr_expect_eq(m->calls[0].signal, rows[i].signal, "%s", rows[i].race.variant);
		cr_expect_eq(m->tasks[0]->nr_held, 0);
		drop(m);
	}
}

/* A private store copies its page, B truncates: who drops i_mmap_mutex? */
Test(protections, p2_unlock_on_race)
{
	static const struct {
		struct race race;
		u32 held;
	} rows[] = {
		{ { "ext4@v11", false, NO_LOCK, NONE }, 0 },
		{ { "xfs@v11", false, NO_LOCK, NONE }, 0 },
		{ { "ext4@v11 -p2", false, NO_LOCK, INV_LOCK_LEAK }, 1 },
		{ { "xfs@v11 -p2", false, NO_LOCK, INV_LOCK_LEAK }, 1 },
		{ { "ext4@v10", false, NO_LOCK, INV_LOCK_LEAK }, 1 },
		{ { "xfs@4.7 -p2", true, LOCK_I_MMAP_SEM, NONE }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].race.variant, 0);

		expect_ret(m, fs_write(&m->f, 0, PG, 1), PG);
		run_race(&rows[i].race, m, fs_private_store(m, 0, 2), P_copy_user_bh,
			 fs_truncate(&m->f, 0));
		cr_expect_eq(m->calls[0].signal, rows[i].race.waits ? 0 : SIGBUS);
		cr_expect_eq(m->tasks[0]->nr_held, rows[i].held, "%s", rows[i].race.variant);
		if (rows[i].held) {
			/* The next one who wants the mutex waits for ever. */
			fs_start(m, 1, fs_truncate(&m->f, 0));
			cr_expect_eq(fs_run(m, 1), TASK_BLOCKED);
			cr_expect(sched_deadlocked(m->tasks[1]));
		}
		drop(m);
	}
}

/* An error while zeroing: reported, or a page full of somebody else's bytes. */
Test(protections, p1_check_clear_error)
{
	static const struct {
		const char *variant;
		int signal;
		u32 end_ios;
	} rows[] = {
		{ "ext4@v11", SIGBUS, 0 },
		{ "xfs@v11 -p7", SIGBUS, 0 },
		{ "xfs@v11", SIGBUS, 1 },		/* B1: after an error too */
		{ "ext4@v11 -p1", 0, 0 },
		{ "xfs@v11 -p1", 0, 0 },
		{ "ext4@v11 -p3", SIGBUS, 0 },
		{ "xfs@v11 -p3", SIGBUS, 0 },
		{ "ext4@v10", 0, 0 },
		{ "ext4@4.7", SIGBUS, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);
		struct call *c;

		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
		m->sim.sb->inject[INJECT_CLEAR] = (struct injection){ .error = -EIO, .times = 1 };
		c = fs_do(m, fs_store(m, 0, 1));
		cr_expect_eq(c->signal, rows[i].signal, "%s", rows[i].variant);
		cr_expect_eq(m->hits[P_end_io], rows[i].end_ios, "%s", rows[i].variant);
		if (!rows[i].signal)
			cr_expect_eq(fs_media(m->f.inode, 0)[1], FS_STALE);
		drop(m);
	}
}

/* And end_io follows zeroing wherever that is; v10 has neither. */
Test(protections, p1_calls_end_io)
{
	static const struct {
		const char *variant;
		u32 end_ios;
	} rows[] = {
		{ "xfs@v11", 1 }, { "xfs@v11 -p7", 1 }, { "xfs@v11 -p3", 1 }, { "xfs@v11 -p1", 0 },
		{ "xfs@v10", 0 }, { "xfs@v10 +p1", 1 }, { "xfs@v10 +p3", 0 }, { "ext4@v11", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);

		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
		expect_ret(m, fs_store(m, 0, 1), 1);
		cr_expect_eq(m->hits[P_end_io], rows[i].end_ios, "%s", rows[i].variant);
		drop(m);
	}
}

/* Touching an unwritten page: how often get_block is asked, and what becomes of it. */
Test(protections, p4_and_p5_on_unwritten)
{
	static const struct {
		const char *variant;
		bool load;
		u32 get_blocks, hole_pages, end_ios;
		const char *extents;
	} rows[] = {
		{ "ext4@v11", false, 1, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "ext4@v11 -p5", false, 1, 0, 0, "[0+40 U]" },
		/* b_end_io of the first call is still there after the second, and finds nothing to do */
		{ "ext4@v11 -p4", false, 2, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "ext4@v11 -p4 -p5", false, 2, 0, 0, "[0+20 U][20+1 W][21+19 U]" },
		{ "ext4@4.7", false, 2, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "xfs@v11", false, 2, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "xfs@v11 -p4 -p5", false, 2, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "ext4@v11", true, 1, 0, 1, "[0+20 U][20+1 W][21+19 U]" },
		{ "ext4@v11 -p5", true, 1, 0, 0, "[0+40 U]" },
		{ "ext4@v11 -p4", true, 1, 1, 0, "[0+40 U]" },
		{ "ext4@4.7", true, 1, 1, 0, "[0+40 U]" },
		{ "xfs@v11", true, 1, 1, 0, "[0+40 U]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);
		u32 before;

		expect_ret(m, fs_falloc(&m->f, 0, 0, 40 * PG), 0);
		before = m->hits[P_get_block];
		expect_ret(m, rows[i].load ? fs_load(m, 20 * PG) : fs_store(m, 20 * PG, 1), 1);
		cr_expect_eq(m->hits[P_get_block] - before, rows[i].get_blocks, "row %zu", i);
		cr_expect_eq(m->tasks[0]->pgmajfault, rows[i].get_blocks - 1, "row %zu", i);
		cr_expect_eq(m->hits[P_dax_load_hole], rows[i].hole_pages, "row %zu", i);
		cr_expect_eq(m->hits[P_end_io], rows[i].end_ios, "row %zu", i);
		expect_extents(m->f.inode, rows[i].extents);
		drop(m);
	}
}

/* ext4's end_io opens a handle; punch has one and wants i_mmap_mutex; a commit is between. */
Test(protections, p7_three_wait_for_each_other)
{
	for (int p7 = 0; p7 < 2; p7++) {
		struct fs_machine *m = fs_boot(p7 ? "ext4@v11" : "ext4@v11 -p7", 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, 40 * PG), 0);
		fs_hold(m, 0, fs_store(m, 0, 1), P_end_io, 1);
		fs_hold(m, 1, fs_falloc(&m->f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * PG, PG),
			p7 ? P_truncate_range_again : P_truncate_pagecache, 1);
		fs_start(m, 2, fs_fsync(&m->g));
		if (p7) {
			cr_assert_eq(fs_run(m, 2), TASK_BLOCKED);
			cr_assert_eq(fs_run(m, 0), TASK_BLOCKED);
			cr_expect_eq(m->tasks[0]->waiting->class, LOCK_JBD2_COMMIT);
			cr_expect_not(sched_deadlocked(m->tasks[0]));
			fs_finish(m, 1);
			fs_finish(m, 2);
			fs_finish(m, 0);
		} else {
			/* Its first pass, outside the handle, waits already. */
			cr_assert_eq(fs_run(m, 1), TASK_BLOCKED);
			cr_expect_eq(m->tasks[1]->waiting, &m->f.inode->i_data.i_mmap_mutex);
			fs_finish(m, 2);
			fs_finish(m, 0);
			fs_finish(m, 1);
		}
		fs_halt(m);
	}
}

Test(protections, p7_deadlock)
{
	struct fs_machine *m = fs_boot("ext4@v11 -p7", 0);

	expect_ret(m, fs_falloc(&m->f, 0, 0, 40 * PG), 0);
	fs_hold(m, 1, fs_falloc(&m->f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * PG, PG),
		P_truncate_range_again, 1);
	fs_hold(m, 0, fs_store(m, 0, 1), P_end_io, 1);
	fs_start(m, 2, fs_fsync(&m->g));
	cr_assert_eq(fs_run(m, 2), TASK_BLOCKED);
	cr_assert_eq(fs_run(m, 1), TASK_BLOCKED);
	cr_expect_not(sched_deadlocked(m->tasks[1]));
	cr_assert_eq(fs_run(m, 0), TASK_BLOCKED);
	for (int i = 0; i < 3; i++)
		cr_expect(sched_deadlocked(m->tasks[i]));
	drop(m);
}

/* Who cuts or moves a file waits for the faults on it, and they do not wait for each other. */
Test(protections, l2_against_faults)
{
	static const struct {
		u32 mode;
		bool truncate;
	} cuts[] = {
		{ 0, true },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, false },
		{ FALLOC_FL_ZERO_RANGE, false },
		{ FALLOC_FL_COLLAPSE_RANGE, false },
		{ FALLOC_FL_INSERT_RANGE, false },
	};
	static const struct race races[] = {
		{ "ext4@4.7", true, LOCK_I_MMAP_SEM, NONE },
		{ "xfs@4.7", true, LOCK_I_MMAP_SEM, NONE },
		{ "ext4@v11", false, NO_LOCK, NONE },
		{ "xfs@v11", false, NO_LOCK, NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cuts) * ARRAY_SIZE(races); i++) {
		const struct race *r = &races[i % ARRAY_SIZE(races)];
		struct fs_machine *m = fs_boot(r->variant, 0);
		u32 mode = cuts[i / ARRAY_SIZE(races)].mode;
		bool cut = cuts[i / ARRAY_SIZE(races)].truncate;

		expect_ret(m, fs_write(&m->f, 0, 8 * PG, 1), 8 * PG);
		run_race(r, m, fs_load(m, 0), P_dax_insert_mapping,
			 cut ? fs_truncate(&m->f, 0) : fs_falloc(&m->f, mode, 0, PG));
		drop(m);
		m = fs_boot(r->variant, 0);
		expect_ret(m, fs_write(&m->f, 0, 8 * PG, 1), 8 * PG);
		fs_hold(m, 0, fs_load(m, 0), P_dax_insert_mapping, 1);
		fs_start(m, 1, fs_store(m, PG, 2));
		cr_expect_eq(fs_finish(m, 1)->ret, 1);
		fs_finish(m, 0);
		fs_halt(m);
	}
}

/* A has allocated; what does B see of the block before A has zeroed it? */
Test(protections, l3_prezeroed_blocks)
{
	static const struct {
		const char *variant;
		u8 byte;
	} rows[] = {
		{ "ext4@v11", FS_STALE }, { "ext4@v11 +l3", 0 },
		/* Unwritten until it is zeroed: a hole to others. */
		{ "xfs@v11", 0 }, { "xfs@v11 +l3", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);

		expect_ret(m, fs_truncate(&m->f, 8 * PG), 0);
		fs_hold(m, 0, fs_store(m, 0, 1), P_dax_insert_mapping, 1);
		fs_start(m, 1, fs_load(m, 5));
		cr_expect_eq(fs_finish(m, 1)->byte, rows[i].byte, "%s", rows[i].variant);
		cr_expect_eq(fs_said(m, INV_STALE_DATA) > 0, rows[i].byte != 0);
		m->hits[P_clear_page] = 0;
		fs_finish(m, 0);
		/* With l3 get_block has done it, and nobody does it again. */
		cr_expect_eq(m->hits[P_clear_page], i & 1 ? 0 : 1);
		drop(m);
	}
}

static void freeze(struct fs_machine *m, struct call *c)
{
	c->ret = freeze_super(m->sim.sb);
}

/* A store to what is mapped read-only asks the file system since 4.1, which may be frozen. */
Test(protections, l5_pfn_mkwrite)
{
	static const struct race races[] = {
		{ "ext4@v11", false, NO_LOCK, NONE },
		{ "xfs@4.7 -l5", false, NO_LOCK, NONE },
		{ "ext4@v11 +l5", true, LOCK_SB_PAGEFAULT, NONE },
		{ "xfs@4.7", true, LOCK_SB_PAGEFAULT, NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(races); i++) {
		struct fs_machine *m = fs_boot(races[i].variant, 0);
		u64 mtime;

		expect_ret(m, fs_write(&m->f, 0, PG, 1), PG);
		expect_ret(m, fs_load(m, 0), 1);
		mtime = m->f.inode->i_mtime;
		fs_do(m, (struct call){ .fn = freeze });
		fs_start(m, 1, fs_store(m, 0, 2));
		cr_expect_eq(fs_run(m, 1), races[i].waits ? TASK_BLOCKED : TASK_IDLE);
		if (races[i].waits)
			cr_expect_eq(m->tasks[1]->waiting->class, races[i].class);
		else
			cr_expect_eq(m->f.inode->i_mtime, mtime);
		drop(m);
	}
}

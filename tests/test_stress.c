// SPDX-License-Identifier: MIT
/*
 * daxsim stress: a short run is clean on every file system, and whatever is wrong is found: a
 * protection that is missing, a byte that somebody has changed, and, of the shadow alone, each
 * kind of wrong value.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "daxsim/live/live.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/stress/shadow.h"
#include "daxsim/stress/stress.h"

static struct stress_options options(const char *fs, enum daxsim_engine engine)
{
	return (struct stress_options){
		.fs = fs, .engine = engine, .threads = 3, .seed = 7, .check_every = 50, .ops = 500,
	};
}

static void expect_clean(const char *fs)
{
	for (int engine = 0; engine < 2; engine++) {
		struct stress_options o = options(fs, engine);
		struct stress_result r;
		u64 total = 0;

		cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
		cr_expect_eq(r.violations, 0, "%s", r.report);
		cr_expect_str_empty(r.report);
		cr_expect(!r.stuck && !r.interrupted);
		for (int op = 0; op < NR_STRESS_OPS; op++)
			total += r.ops[op];
		cr_expect_eq(total, 3 * 500);
		cr_expect_gt(r.ops[STRESS_TRUNCATE], 0);
		cr_expect_gt(r.cells, 1000);
		cr_expect_geq(r.checks, 1);
		cr_expect_gt(r.signals, 0);
		cr_expect_gt(r.statistics.faults, 0);
		stress_free(&r);
	}
}

Test(stress, ext2_is_clean)
{
	expect_clean("ext2@4.7");
}

Test(stress, ext4_is_clean)
{
	expect_clean("ext4@4.7");
}

Test(stress, xfs_is_clean)
{
	expect_clean("xfs@4.7");
}

Test(stress, one_thread_is_clean_in_every_kernel)
{
	static const char *const all[] = { "ext2@v11", "ext4@v11", "xfs@v11" };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct stress_options o = options(all[i], DAXSIM_ENGINE_INLINE);
		struct stress_result r;

		o.threads = 1;
		cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
		cr_expect_eq(r.violations, 0, "%s: %s", all[i], r.report);
		stress_free(&r);
	}
}

/* XFS in v10 zeroes what has been stored: every store is lost that another fault follows. */
Test(stress, lost_stores_are_found)
{
	for (int engine = 0; engine < 2; engine++) {
		struct stress_options o = options("xfs@v10", engine);
		struct stress_result r;

		o.ops = 100000;
		cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
		cr_expect_gt(r.violations, 0);
		cr_expect_not_null(strstr(r.report, "thread "), "%s", r.report);
		stress_free(&r);
	}
}

/* The race of the first patches, which takes two threads and a neighbour. */
Test(stress, a_missing_protection_is_found)
{
	struct stress_options o = options("ext4@v10", DAXSIM_ENGINE_INLINE);
	struct stress_result r;

	o.ops = 1000000;
	cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
	cr_expect_gt(r.violations, 0);
	cr_expect_str_not_empty(r.report);
	stress_free(&r);
}

/* Change a byte of the first block that a file has. */
static void change_byte(void *ctx, struct daxsim *d)
{
	bool *changed = ctx;
	const struct inode *inode;

	LIST_FOREACH(inode, &d->sim.sb->s_inodes, i_sb_list) {
		const struct extent *e = extent_find_next(&inode->extents, 0);

		if (*changed || !e || e->unwritten || (e->lblk << PAGE_SHIFT) >= (u64)i_size(inode))
			continue;
		((u8 *)pmem_block(&d->sim.pmem, e->pblk))[5] ^= 0x40;
		*changed = true;
	}
}

Test(stress, a_changed_byte_is_found)
{
	struct stress_options o = options("ext4@4.7", DAXSIM_ENGINE_INLINE);
	struct stress_result r;
	bool changed = false;

	o.at_rest = change_byte;
	o.ctx = &changed;
	cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
	cr_expect(changed);
	cr_expect_gt(r.violations, 0);
	cr_expect_not_null(strstr(r.report, "which nobody stored"), "%s", r.report);
	stress_free(&r);
}

/* Take a block away from a file; fsck has to see it. */
static void free_block(void *ctx, struct daxsim *d)
{
	bool *freed = ctx;
	const struct inode *inode;

	LIST_FOREACH(inode, &d->sim.sb->s_inodes, i_sb_list) {
		const struct extent *e = extent_find_next(&inode->extents, 0);

		if (*freed || !e)
			continue;
		*freed = !balloc_free(d->sim.sb->balloc, e->pblk, 1);
	}
}

Test(stress, a_lost_block_is_found)
{
	struct stress_options o = options("ext4@4.7", DAXSIM_ENGINE_INLINE);
	struct stress_result r;
	bool freed = false;

	o.at_rest = free_block;
	o.ctx = &freed;
	cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
	cr_expect(freed);
	cr_expect_gt(r.violations, 0);
	cr_expect_not_null(strstr(r.report, "at rest"), "%s", r.report);
	stress_free(&r);
}

Test(stress, interrupts_end_it)
{
	struct stress_options o = options("ext2@4.7", DAXSIM_ENGINE_INLINE);
	volatile sig_atomic_t interrupted = 1;
	struct stress_result r;

	o.ops = 0;
	o.interrupted = &interrupted;
	cr_assert_eq(stress(&o, &r), 0, "%s", daxsim_error());
	cr_expect(r.interrupted);
	cr_expect_eq(r.violations, 0, "%s", r.report);
	stress_free(&r);
}

Test(stress, what_cannot_be_mounted_is_told)
{
	struct stress_options o = options("ext5@4.7", DAXSIM_ENGINE_INLINE);
	struct stress_result r;

	cr_expect_eq(stress(&o, &r), -EINVAL);
	cr_expect_not_null(strstr(daxsim_error(), "ext5"), "%s", daxsim_error());
}

/*
 * The shadow alone, one thread: what a cell may be between two looks.
 */

#define C 9	/* some cell of page 0 */
#define GRAIN_AT ((C) / GRAIN_CELLS * (s64)GRAIN)

static struct sfile *shadow(void)
{
	struct sfile *f = calloc(1, sizeof(*f));

	f->id = 3;
	f->threads = 1;
	cr_assert_eq(shadow_init(f, 4), 0);
	shadow_born(f, 10);
	resize_begins(f, 4 * PAGE_SIZE);
	resize_ends(f, 4 * PAGE_SIZE, 11, 12);
	return f;
}

static void drop(struct sfile *f)
{
	shadow_destroy(f);
	free(f);
}

static void store(struct sfile *f, u32 began, u32 ended)
{
	store_begins(f, C, 1, began);
	store_ends(f, C, 1, 1, began, ended);
}

static void zero(struct sfile *f, u32 began, u32 ended)
{
	zero_begins(f, GRAIN_AT, GRAIN_AT + GRAIN);
	zero_ends(f, GRAIN_AT, GRAIN_AT + GRAIN, true, began, ended);
}

static bool may_be(struct sfile *f, u64 value)
{
	struct facts now = facts_of(f, C);
	char why[200];

	return cell_judge(f, C, &now, value, why, sizeof(why));
}

static u64 stored(u32 when)
{
	return cell_value(3, C, when);
}

Test(shadow, a_new_file_is_zero)
{
	struct sfile *f = shadow();

	cr_expect(may_be(f, 0));
	cr_expect(!may_be(f, stored(5)), "of a former file");
	cr_expect(!may_be(f, stored(20)), "not stored yet");
	cr_expect(!may_be(f, 1), "nobody's");
	drop(f);
}

Test(shadow, a_store_stays)
{
	struct sfile *f = shadow();

	store(f, 20, 21);
	cr_expect(may_be(f, stored(20)));
	cr_expect(!may_be(f, 0), "lost");
	cr_expect(!may_be(f, cell_value(3, C + 1, 20)), "another cell's");
	cr_expect(!may_be(f, cell_value(4, C, 20)), "another file's");
	cr_expect(!may_be(f, stored(20) ^ 1ULL << 40), "changed");
	store(f, 30, 31);
	cr_expect(may_be(f, stored(30)));
	cr_expect(!may_be(f, stored(20)), "older");
	drop(f);
}

Test(shadow, a_store_under_way_may_be_there)
{
	struct sfile *f = shadow();

	store(f, 20, 21);
	store_begins(f, C, 1, 30);
	cr_expect(may_be(f, stored(20)));
	cr_expect(may_be(f, stored(30)));
	cr_expect(!may_be(f, 0));
	/* It came to nothing. */
	store_ends(f, C, 0, 1, 30, 31);
	cr_expect(may_be(f, stored(20)));
	cr_expect(!may_be(f, stored(30)));
	drop(f);
}

Test(shadow, zeroing_lasts)
{
	struct sfile *f = shadow();

	store(f, 20, 21);
	zero_begins(f, GRAIN_AT, GRAIN_AT + GRAIN);
	cr_expect(may_be(f, stored(20)));
	cr_expect(may_be(f, 0));
	zero_ends(f, GRAIN_AT, GRAIN_AT + GRAIN, true, 30, 31);
	cr_expect(may_be(f, 0));
	cr_expect(!may_be(f, stored(20)), "should be gone");
	store(f, 40, 41);
	cr_expect(!may_be(f, 0));
	/* Both at once: either may be the last. */
	store_begins(f, C, 1, 50);
	zero(f, 51, 52);
	store_ends(f, C, 1, 1, 50, 53);
	cr_expect(may_be(f, 0));
	cr_expect(may_be(f, stored(50)));
	cr_expect(!may_be(f, stored(40)));
	drop(f);
}

Test(shadow, pages_come_and_go)
{
	struct sfile *f = shadow();

	store(f, 20, 21);
	cr_expect(has_block(f, 0, f->pages[0].stored));
	cr_expect(!has_block(f, 1, f->pages[1].stored));
	cr_expect(!may_be_gone(f, 0, 13));
	resize_begins(f, 0);
	cr_expect(may_be_gone(f, 0, 13));
	cr_expect_eq(f->pages[0].gone, 0);
	resize_ends(f, 0, 30, 31);
	cr_expect_eq(f->pages[0].gone, 31);
	cr_expect(!may_be(f, stored(20)));
	resize_begins(f, PAGE_SIZE);
	cr_expect_eq(f->pages[0].gone, 0);
	resize_ends(f, PAGE_SIZE, 40, 41);
	cr_expect(may_be_gone(f, 0, 35), "it was, until 41");
	cr_expect(!may_be_gone(f, 0, 42));
	cr_expect(may_be_gone(f, 1, 42));
	cr_expect(!has_block(f, 0, f->pages[0].stored));
	drop(f);
}

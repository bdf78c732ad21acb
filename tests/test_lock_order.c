// SPDX-License-Identifier: MIT
/*
 * The lock validator in a running machine: what the locks tell it, and what
 * scenarios show. The rules themselves are in test_lockdep.c.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/script/report.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"

/* A machine whose only task runs what a test wants. */
struct bench {
	struct sim sim;
	struct lock a, b, c;
	struct task *task;
	char said[600];
};

static void note_said(void *data, enum invariant inv, const char *text)
{
	struct bench *b = data;
	size_t used = strlen(b->said);

	snprintf(b->said + used, sizeof(b->said) - used, "%s: %s\n", invariant_table[inv].name,
		 text);
}

static struct bench *bench(struct lockdep *ld)
{
	struct bench *b = calloc(1, sizeof(*b));
	char why[200];

	cr_assert_not_null(b);
	cr_assert_eq(sim_init(&b->sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(check_create(&b->sim, 0, note_said, b), 0);
	b->sim.lockdep = ld;
	lock_init(&b->sim, &b->a, LOCK_MMAP_SEM, "main");
	lock_init(&b->sim, &b->b, LOCK_I_MUTEX, "f");
	lock_init(&b->sim, &b->c, LOCK_I_MMAP_MUTEX, "f");
	b->task = sched_add_task(&b->sim, "user", mm_create(&b->sim, "main"));
	cr_assert_not_null(b->task);
	return b;
}

static void run(struct bench *b, void (*work)(struct task *t, void *arg))
{
	sched_start(b->task, work, b);
	sched_run(b->task);
}

static void bench_free(struct bench *b)
{
	sim_destroy(&b->sim);
	free(b);
}

static bool saw(const struct lockdep *ld, enum lock_class outer, enum lock_mode outer_mode,
		enum lock_class inner, enum lock_mode inner_mode)
{
	return ld->seen[lock_modes(outer_mode, inner_mode)][outer] & lock_bit(inner);
}

static unsigned int nr_edges(const struct lockdep *ld)
{
	const struct lock_edge *e;
	unsigned int n = 0;

	STAILQ_FOREACH(e, &ld->edges, link)
		n++;
	return n;
}

static void unlock_twice(struct task *t, void *arg)
{
	struct bench *b = arg;

	(void)t;
	mutex_lock(&b->b);
	mutex_unlock(&b->b);
	mutex_unlock(&b->b);
	/* In the wrong mode is no better. */
	down_read(&b->a);
	up_write(&b->a);
	up_read(&b->a);
}

Test(lock_order, unlock_imbalance)
{
	struct lockdep *ld = lockdep_create();
	struct bench *b = bench(ld);

	run(b, unlock_twice);
	cr_expect_str_eq(b->said,
			 "lock-leak: user drops i_mutex(f), which it does not hold\n"
			 "lock-leak: user drops mmap_sem(main), which it does not hold\n");
	cr_expect_eq(nr_edges(ld), 0);
	bench_free(b);
	lockdep_destroy(ld);
}

static void take_in_turn(struct task *t, void *arg)
{
	struct bench *b = arg;

	t->step = "one";
	mark(P_do_read);
	down_read(&b->a);
	mark(P_do_write);
	mutex_lock(&b->b);
	/* Dropped out of order: what is left keeps where it was taken. */
	up_read(&b->a);
	t->step = "two";
	mark(P_do_mmap);
	mutex_lock(&b->c);
	mutex_unlock(&b->b);
	mutex_unlock(&b->c);
	/* Nothing is held any more. */
	down_write(&b->a);
	up_write(&b->a);
	/* A wait counts, and holds nothing. */
	mutex_lock(&b->c);
	lock_wait(&b->a, LOCK_EXCLUSIVE);
	mutex_unlock(&b->c);
	mutex_lock(&b->b);
	mutex_unlock(&b->b);
}

Test(lock_order, locks_tell)
{
	struct lockdep *ld = lockdep_create();
	struct bench *b = bench(ld);
	const struct lock_edge *e;

	run(b, take_in_turn);
	cr_expect_eq(nr_edges(ld), 3);
	cr_expect(saw(ld, LOCK_MMAP_SEM, LOCK_SHARED, LOCK_I_MUTEX, LOCK_EXCLUSIVE));
	cr_expect(saw(ld, LOCK_I_MUTEX, LOCK_EXCLUSIVE, LOCK_I_MMAP_MUTEX, LOCK_EXCLUSIVE));
	cr_expect(saw(ld, LOCK_I_MMAP_MUTEX, LOCK_EXCLUSIVE, LOCK_MMAP_SEM, LOCK_EXCLUSIVE));
	e = STAILQ_NEXT(STAILQ_FIRST(&ld->edges), link);
	cr_expect_str_eq(e->outer.at.function, "do_write");
	cr_expect_str_eq(e->outer.at.step, "one");
	cr_expect_str_eq(e->inner.at.function, "do_mmap");
	cr_expect_str_eq(e->inner.at.step, "two");
	cr_expect_str_eq(e->session, "user");
	cr_expect_str_eq(b->said, "lock-order: i_mmap_mutex -> mmap_sem -> i_mutex -> i_mmap_mutex\n");
	bench_free(b);
	lockdep_destroy(ld);
}

Test(lock_order, nobody_need_listen)
{
	struct bench *b = bench(NULL);

	run(b, take_in_turn);
	cr_expect_str_empty(b->said);
	bench_free(b);
}

/* Who hangs on himself is told of the cycle first. */
static void take_twice(struct task *t, void *arg)
{
	struct bench *b = arg;

	(void)t;
	mutex_lock(&b->b);
	mutex_lock(&b->b);
}

Test(lock_order, the_cycle_comes_before_the_wait)
{
	struct lockdep *ld = lockdep_create();
	struct bench *b = bench(ld);

	run(b, take_twice);
	cr_expect_eq(b->task->state, TASK_BLOCKED);
	cr_expect(sched_deadlocked(b->task));
	cr_expect_str_eq(b->said, "lock-order: i_mutex -> i_mutex\n");
	bench_free(b);
	lockdep_destroy(ld);
}

/*
 * A file system made for this: its end_io takes the lock that guards the
 * extents, and a punched hole is unmapped under that lock, as on ext4 a handle
 * is. With end_io under i_mmap_mutex (patch 7 taken away) that is ABBA.
 */
static void abba_end_io(struct buffer_head *bh, bool uptodate)
{
	(void)uptodate;
	mutex_lock(&bh->b_inode->i_alloc);
	mutex_unlock(&bh->b_inode->i_alloc);
}

static int abba_get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create)
{
	int err = fs_find("ext2")->get_block(inode, iblock, bh, create);

	bh->b_end_io = abba_end_io;
	bh->b_inode = inode;
	return err;
}

static int abba_fallocate(struct inode *inode, u32 mode, s64 offset, s64 len)
{
	(void)mode;
	(void)offset;
	(void)len;
	mutex_lock(&inode->i_alloc);
	unmap_mapping_range(inode, 0, 0, false);
	mutex_unlock(&inode->i_alloc);
	return 0;
}

#define ABBA(fs)                                                                                   \
	"scenario abba\n" fs "\n"                                                                  \
	"setup { create f; pwrite f 0 4k; mmap m f 0 4k shared }\n"                                \
	"session fault { step store { mwrite m 0 8 } }\n"                                          \
	"session punch { step hole { fpunch f 0 4k } }\n"                                          \
	"schedule fault-alone { store }\n"                                                         \
	"schedule punch-alone { hole }\n"                                                          \
	"schedule fault-again { store }\n"

static struct scenario *parse(const char *text)
{
	struct scenario *s = scenario_parse("abba.scn", text, strlen(text), stderr);

	cr_assert_not_null(s);
	return s;
}

/* Judge the first variant of a scenario on that file system, as if in two MMUs. */
static void judge_abba(const struct scenario *s, struct fs_ops *fs, struct variant *v,
		       struct verdict *verdict)
{
	static const struct mmu_ops *const mmus[] = { &soft_mmu, &soft_mmu };

	*fs = *fs_find("ext2");
	fs->get_block = abba_get_block;
	fs->fallocate = abba_fallocate;
	*v = *s->variants;
	v->fs = fs;
	judge(s, v, NULL, mmus, 2, NULL, verdict);
}

static char *reported(const struct scenario *s, const struct verdict *verdict)
{
	char *text = NULL;
	struct report rep;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	report_begin(&rep, to, false, false);
	report_scenario(&rep, s);
	report_verdict(&rep, verdict);
	fclose(to);
	return text;
}

/* No schedule can hang: in each only one of the two runs. All of them together show it. */
Test(lock_order, abba_over_schedules)
{
	struct scenario *s = parse(ABBA("fs ext2@v11 -p7 expect bug lock-order"));
	struct verdict verdict;
	struct variant v;
	struct fs_ops fs;
	char *text;

	judge_abba(s, &fs, &v, &verdict);
	cr_expect(verdict.ok, "%s", verdict.why);
	cr_assert_eq(verdict.nr_schedules, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct execution *x = verdict.schedules[i].x;

		cr_expect_null(verdict.schedules[i].disagreement);
		cr_expect_eq(!!x[0].lock_report, i > 0);
		cr_expect_eq(x[0].findings[INV_LOCK_ORDER].seen, i > 0);
		cr_expect_not(x[0].findings[INV_DEADLOCK].seen);
	}
	text = reported(s, &verdict);
	cr_expect_not_null(strstr(
		text,
		"# lock-order in punch-alone, session punch, step hole: truncate_mutex -> i_mmap_mutex -> truncate_mutex\n"
		"#   possible circular locking dependency: truncate_mutex -> i_mmap_mutex -> truncate_mutex\n"
		"#   punch is about to take\n"
		"#       i_mmap_mutex(f), in unmap_mapping_range, step hole\n"
		"#   while it holds\n"
		"#       sb_writers(ext2) shared, taken in do_fallocate, step hole\n"
		"#       truncate_mutex(f), taken in do_fallocate, step hole\n"
		"#   the existing dependency chain, in reverse order:\n"
		"#   -> #1 truncate_mutex(f), taken in end_io, step store\n"
		"#         inside i_mmap_mutex(f), taken in dax_insert_mapping, step store\n"
		"#         by session fault of scenario abba\n"
		"#   -> #0 i_mmap_mutex(f), taken in unmap_mapping_range, step hole\n"
		"#         inside truncate_mutex(f), taken in do_fallocate, step hole\n"
		"#         by session punch of scenario abba\n"
		"#   how it can deadlock:\n"
		"#       punch                       fault\n"
		"#       lock truncate_mutex\n"
		"#                                   lock i_mmap_mutex\n"
		"#                                   lock truncate_mutex\n"
		"#       lock i_mmap_mutex\n"), "%s", text);
	cr_expect_not_null(strstr(text, "\nObservation abba ext2@v11,-p7 lock-order Sometimes 2 3\n"),
			   "%s", text);
	free(text);
	verdict_free(&verdict);
	scenario_free(s);
}

Test(lock_order, expected_clean_is_a_failure)
{
	struct scenario *s = parse(ABBA("fs ext2@v11 -p7"));
	struct verdict verdict;
	struct variant v;
	struct fs_ops fs;
	char *text;

	judge_abba(s, &fs, &v, &verdict);
	cr_expect_not(verdict.ok);
	cr_assert_not_null(verdict.why);
	cr_expect_str_eq(verdict.why,
			 "lock-order: truncate_mutex -> i_mmap_mutex -> truncate_mutex");
	cr_expect_eq(verdict.culprit, 1);
	text = reported(s, &verdict);
	cr_expect_not_null(strstr(text, "  message: |\n    lock-order: truncate_mutex -> "
					"i_mmap_mutex -> truncate_mutex\n  expected: clean\n"),
			   "%s", text);
	cr_expect_not_null(strstr(text, "  timeline: |\n"), "%s", text);
	free(text);
	verdict_free(&verdict);
	scenario_free(s);
}

static void expect_clean(const char *text)
{
	struct scenario *s = parse(text);
	struct verdict verdict;
	struct variant v;
	struct fs_ops fs;

	judge_abba(s, &fs, &v, &verdict);
	cr_expect(verdict.ok, "%s", verdict.why);
	for (unsigned int i = 0; i < verdict.nr_schedules; i++)
		cr_expect_not(verdict.schedules[i].x[0].findings[INV_LOCK_ORDER].seen);
	verdict_free(&verdict);
	scenario_free(s);
}

Test(lock_order, patch_7_cures_it)
{
	expect_clean(ABBA("fs ext2@v11"));
}

Test(lock_order, ignored_is_silent)
{
	expect_clean(ABBA("fs ext2@v11 -p7\nignore lock-order"));
}

/* Patch 2 taken away: who returns with i_mmap_mutex and faults again turns the order round. */
Test(lock_order, leaked_mutex)
{
	static const struct mmu_ops *const mmus[] = { &soft_mmu };
	struct scenario *s = parse("scenario leak\nfs ext2@v11 -p2 expect bug lock-leak, lock-order\n"
				   "setup {\n\tcreate f; pwrite f 0 4k; mmap m f 0 4k private\n"
				   "\tcreate g; pwrite g 0 4k; mmap o g 0 4k shared\n}\n"
				   "session fault {\n\tstep store { mwrite m 0 8 = SIGBUS }\n"
				   "\tstep again { mread o 0 8 }\n}\n"
				   "session trunc { step shrink { truncate f 0 } }\n"
				   "schedule overtaken { store until i_mmap_mutex; shrink; store; again }\n");
	const struct finding *f;
	struct verdict verdict;

	judge(s, s->variants, NULL, mmus, 1, NULL, &verdict);
	cr_expect(verdict.ok, "%s", verdict.why);
	f = &verdict.schedules[0].x[0].findings[INV_LOCK_ORDER];
	cr_assert(f->seen);
	cr_expect_str_eq(f->text, "i_mmap_mutex -> mmap_sem -> i_mmap_mutex");
	cr_expect_str_eq(f->step, "again");
	verdict_free(&verdict);
	scenario_free(s);
}

/* Truncate and fallocate wait for I/O in flight before or under the lock that faults share. */
Test(lock_order, waiting_for_io)
{
	static const struct {
		const char *fs;
		bool under;
	} cases[] = { { "ext2@4.7", false }, { "ext4@4.7", false }, { "xfs@4.7", true } };
	static const struct mmu_ops *const mmus[] = { &soft_mmu };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct verdict verdict;
		struct scenario *s;
		char text[300];

		snprintf(text, sizeof(text), "scenario io\nfs %s\nsetup { create f; pwrite f 0 16k }\n"
			 "session a {\n\ttruncate f 12k; truncate f 16k\n"
			 "\tfpunch f 4k 4k = ...; fzero f 0 4k = ...; fcollapse f 0 4k = ...\n}\n",
			 cases[i].fs);
		s = parse(text);
		judge(s, s->variants, NULL, mmus, 1, NULL, &verdict);
		cr_expect(verdict.ok, "%s", verdict.why);
		cr_expect(saw(verdict.lockdeps[0], LOCK_I_MUTEX, LOCK_EXCLUSIVE, LOCK_DIO_WAIT,
			      LOCK_EXCLUSIVE), "%s", cases[i].fs);
		cr_expect_eq(saw(verdict.lockdeps[0], LOCK_I_MMAP_SEM, LOCK_EXCLUSIVE, LOCK_DIO_WAIT,
				 LOCK_EXCLUSIVE), cases[i].under, "%s", cases[i].fs);
		verdict_free(&verdict);
		scenario_free(s);
	}
}

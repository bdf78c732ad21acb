// SPDX-License-Identifier: MIT
/*
 * Tests of runs that do not go on: deadlocks, steps without end, interruption,
 * and MMUs that fail. Also of what is noted about a violation when one is found.
 */
#include "tests/scenario_run.h"

#include <errno.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"

#define HEAD                                                                                       \
	"scenario t\n"                                                                             \
	"fs ext2@v11\n"                                                                            \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"

static const struct finding *finding_of(const struct trial *t, enum invariant inv)
{
	return &execution_of(t, 0)->findings[inv];
}

/* Truncation that wants mmap_sem while it holds truncate_mutex; a fault takes them in turn. */
static int setsize_against_the_order(struct inode *inode, s64 newsize)
{
	mutex_lock(&inode->i_alloc);
	down_write(&current->mm->mmap_sem);
	up_write(&current->mm->mmap_sem);
	mutex_unlock(&inode->i_alloc);
	return fs_find("ext2")->setsize(inode, newsize);
}

static void run_wrong_order(struct trial *t, const char *more)
{
	struct fs_ops fs = *fs_find("ext2");
	char text[500];

	fs.setsize = setsize_against_the_order;
	snprintf(text, sizeof(text), "%s%s", HEAD "session a { mwrite m 0 1 }\n"
		 "session b { truncate f 4k }\nsession c { fsync f }\nfinal { stat f }\n", more);
	t->s = parse_text(text);
	t->s->variants->fs = &fs;
	/* setup truncates too, but alone */
	run_soft(t);
	t->s->variants->fs = fs_find("ext2");
}

Test(run_stuck, deadlock)
{
	static const char graph[] =
		"a wait that never ends: a waits for truncate_mutex(f), held by b; "
		"b waits for mmap_sem(main), held by a";
	struct trial t;
	char why[200];

	run_wrong_order(&t, "ignore lock-order\nschedule { a until truncate_mutex; b; a; c }");
	snprintf(why, sizeof(why), "deadlock: %s", graph);
	cr_expect_not(t.v.ok);
	cr_expect_not(t.v.bad_input);
	cr_expect_str_eq(t.v.why, why);
	cr_expect_str_eq(finding_of(&t, INV_DEADLOCK)->text, graph);
	cr_expect_not(execution_of(&t, 0)->ran_finals);
	cr_expect_str_eq(execution_of(&t, 0)->state, "", "there is no state at rest");
	expect_story(&t, 0, "a: step a\n"
		     "a: held at lock truncate_mutex\n"
		     "b: step b\n"
		     "b: waits for mmap_sem(main), held by a\n"
		     "a: waits for truncate_mutex(f), held by b\n"
		     "nobody: ! deadlock: a wait that never ends: a waits for truncate_mutex(f), "
		     "held by b; b waits for mmap_sem(main), held by a\n");
	end_trial(&t);
}

/* The same locks in the same wrong order, but never both ways at once: waiting is no deadlock. */
Test(run_stuck, no_deadlock)
{
	struct trial t;

	run_wrong_order(&t, "ignore lock-order\nschedule { a until unlock; b; c; a }");
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(finding_of(&t, INV_DEADLOCK)->seen);
	expect_story(&t, 0, "a: step a\n"
		     "a: held at unlock truncate_mutex\n"
		     "b: step b\n"
		     "b: waits for truncate_mutex(f), held by a\n"
		     "c: step c\n"
		     "c: waits for i_mutex(f), held by b\n"
		     "a: mwrite m 0 1 = 1\n"
		     "b: truncate f 4k = 0\n"
		     "c: fsync f = 0\n");
	end_trial(&t);
}

/* The order alone is a bug, even if nobody comes to wait for anybody. */
Test(run_stuck, wrong_order)
{
	struct trial t;
	const struct finding *f;

	run_wrong_order(&t, "");
	f = finding_of(&t, INV_LOCK_ORDER);
	cr_assert(f->seen);
	cr_expect_str_eq(f->text, "mmap_sem -> truncate_mutex -> mmap_sem");
	cr_expect_str_eq(f->session, "a");
	cr_expect_not(finding_of(&t, INV_DEADLOCK)->seen);
	end_trial(&t);

	run_text(&t, HEAD "session a { mwrite m 0 1 }\nsession b { truncate f 4k }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(finding_of(&t, INV_LOCK_ORDER)->seen);
	end_trial(&t);
}

/* v10: the COW path returns to user mode holding i_mmap_mutex; nothing will drop it. */
static void run_cow(struct trial *t, const char *fs)
{
	char text[500];

	snprintf(text, sizeof(text), "scenario t\nfs %s\n"
		 "setup { create f; pwrite f 0 4k; mmap p f 0 4k private }\n"
		 "session cow { mwrite p 0 1 = SIGBUS }\n"
		 "session trunc { step shrink { truncate f 0 } step again { truncate f 0 } }\n"
		 "schedule { cow until i_mmap_mutex; shrink; cow; again }\n", fs);
	run_text(t, text);
}

Test(run_stuck, holder_has_returned)
{
	struct trial t;

	run_cow(&t, "ext2@v11 -p2 expect bug lock-leak, deadlock");
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_str_eq(finding_of(&t, INV_LOCK_LEAK)->text,
			 "cow returns to user mode holding i_mmap_mutex(f)");
	cr_expect_str_eq(finding_of(&t, INV_LOCK_LEAK)->session, "cow");
	cr_expect_str_eq(finding_of(&t, INV_DEADLOCK)->text, "a wait that never ends: trunc waits "
			 "for i_mmap_mutex(f), held by cow (which has returned)");
	cr_expect_null(finding_of(&t, INV_DEADLOCK)->session);
	end_trial(&t);

	run_cow(&t, "ext2@v11");
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

Test(run_stuck, waiting_at_the_end)
{
	struct trial t;

	run_text(&t, HEAD "session a { freeze }\nsession b { mwrite m 0 1 }\n");
	cr_expect_str_eq(t.v.why, "deadlock: at the end of the schedule: b waits for "
			 "sb_pagefault(ext2), which no session holds: the file system is frozen");
	end_trial(&t);

	run_text(&t, HEAD "session a { freeze }\nsession b { mwrite m 0 1 }\nsession c { thaw }\n"
		 "final { mread m 0 1 = 0x58 }");
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

static const struct event *find_step(const struct trial *t)
{
	const struct execution *x = execution_of(t, 0);

	for (size_t i = 0; i < x->trace.nr; i++)
		if (x->trace.events[i].type == EVENT_STEP)
			return &x->trace.events[i];
	return NULL;
}

Test(run_stuck, setup_or_final_waits)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2\nsetup { create f; truncate f 4k; mmap m f 0 4k shared\n"
		 "freeze; mwrite m 0 1 }\nsession a { thaw }");
	cr_expect_str_eq(t.v.why, "deadlock: with nobody left to wait for: setup waits for "
			 "sb_pagefault(ext2), which no session holds: the file system is frozen");
	cr_expect_null(find_step(&t), "no session begins after that");
	end_trial(&t);

	run_text(&t, HEAD "session a { freeze }\nfinal { mwrite m 0 1 }");
	cr_expect_str_eq(t.v.why, "deadlock: with nobody left to wait for: final waits for "
			 "sb_pagefault(ext2), which no session holds: the file system is frozen");
	cr_expect_not(execution_of(&t, 0)->ran_finals);
	end_trial(&t);
}

/*
 * v10 enters no PTE when direct_access comes back with nothing, and calls that
 * success: the fault comes again, for ever.
 */
static void run_short_answers(struct trial *t, const char *fs, u64 times)
{
	char text[400];
	struct cmd *inject;

	snprintf(text, sizeof(text), "scenario t\nfs %s\n"
		 "setup { create f; pwrite f 0 4k; mmap m f 0 4k shared; create g }\n"
		 "session a { step first { fsync f }\n"
		 "step load { inject direct_access short 1; mread m 0 1 = ... } }\n"
		 "session b { fsync g }\n", fs);
	t->s = parse_text(text);
	inject = t->s->sessions->steps->next->cmds;
	inject->short_len = 0;		/* the language has no word for it */
	inject->times = times;
	run_soft(t);
}

static u64 points_of_last_step(const struct trial *t)
{
	const struct trace *tr = &execution_of(t, 0)->trace;
	u64 n = 0;

	for (size_t i = 0; i < tr->nr; i++) {
		n += tr->events[i].type == EVENT_POINT && tr->events[i].task == 1;
		if (tr->events[i].type == EVENT_STEP && tr->events[i].task == 1)
			n = 0;
	}
	return n;
}

Test(run_stuck, step_without_end)
{
	struct trial t;
	const struct finding *f;

	run_short_answers(&t, "ext2@v10", U64_MAX);
	f = finding_of(&t, INV_DEADLOCK);
	cr_expect_not(t.v.ok);
	cr_assert(f->seen);
	cr_expect_eq(strncmp(f->text, "step load goes round and does not end: it has passed 1000000 "
			     "points, and is in ", 79), 0, "%s", f->text);
	cr_expect_str_eq(f->session, "a");
	cr_expect_str_eq(f->step, "load");
	cr_expect_eq(execution_of(&t, 0)->trace.events[execution_of(&t, 0)->trace.nr - 1].type,
		     EVENT_VIOLATION, "nobody runs after that");
	cr_expect_eq(points_of_last_step(&t), 1000000);
	end_trial(&t);
}

Test(run_stuck, step_with_an_end)
{
	struct trial t;

	run_short_answers(&t, "ext2@v10", 1000);
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(finding_of(&t, INV_DEADLOCK)->seen);
	end_trial(&t);

	run_short_answers(&t, "ext2@v11", U64_MAX);
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

/* The limit is for one step, not for all that a session does. */
Test(run_stuck, long_steps)
{
	struct trial t;
	u64 n, per_step;
	struct cmd *inject;

	run_short_answers(&t, "ext2@v10", 1000);
	per_step = points_of_last_step(&t);
	end_trial(&t);
	n = 600000 * 1000 / per_step;
	t.s = parse_text("scenario t\nfs ext2@v10\n"
			 "setup { create f; pwrite f 0 4k; mmap m f 0 4k shared; mmap n f 0 4k "
			 "shared }\n"
			 "session a { step one { inject direct_access short 1; mread m 0 1 }\n"
			 "step two { inject direct_access short 1; mread n 0 1 } }\n");
	for (struct step *step = t.s->sessions->steps; step; step = step->next) {
		inject = step->cmds;
		inject->short_len = 0;
		inject->times = n;
	}
	run_soft(&t);
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_gt(points_of_last_step(&t), 500000);
	end_trial(&t);
}

/*
 * Interruption
 */

static volatile sig_atomic_t stop;

/* Control-C during the first load. */
static enum mmu_result interrupting_access(struct mmu_access *a)
{
	stop = 1;
	return soft_mmu.access(a);
}

Test(run_stuck, interrupted)
{
	struct mmu_ops mmu = soft_mmu;
	const struct mmu_ops *const mmus[] = { &mmu };
	struct trial t;

	mmu.access = interrupting_access;
	t.s = parse_text(HEAD "session a { step load { mread m 0 1 } step sync { fsync f } }\n"
			 "schedule one { load sync }\nschedule two { load sync }\n"
			 "final { stat f = size 1 }");
	judge(t.s, t.s->variants, NULL, mmus, 1, &stop, &t.v);
	cr_expect(t.v.interrupted);
	cr_expect_not(t.v.ok);
	cr_expect_not(t.v.bad_input);
	cr_expect_eq(t.v.nr_schedules, 1);
	cr_expect_null(t.v.why);
	cr_expect(execution_of(&t, 0)->interrupted);
	cr_expect_not(execution_of(&t, 0)->ran_finals);
	expect_story(&t, 0, "a: step load\na: mread m 0 1 = 0x00\n");
	end_trial(&t);
}

Test(run_stuck, not_interrupted)
{
	volatile sig_atomic_t never = 0;
	struct execution x;
	struct scenario *s = parse_text(HEAD "session a { fsync f }\nsession b { fsync g }");

	execute(s, s->variants, NULL, &soft_mmu, &never, &x);
	cr_expect_not(x.interrupted);
	cr_expect(x.ran_finals);
	execution_free(&x);
	scenario_free(s);
}

/*
 * MMUs that fail
 */

static int broken_open(struct sim *sim, char *why, size_t size)
{
	(void)sim;
	snprintf(why, size, "there is none");
	return -ENODEV;
}

Test(run_stuck, mmu_cannot_run)
{
	struct mmu_ops mmu = { .name = "broken", .open = broken_open };
	const struct mmu_ops *const mmus[] = { &soft_mmu, &mmu };
	struct trial t = { .s = parse_text("# comment\nscenario t\nfs ext2\n") };

	run_in(&t, mmus, 2);
	cr_expect(t.v.bad_input);
	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why, "t.scn:2:1: error: the broken MMU cannot run: there is none");
	cr_expect_null(t.v.schedules[0].disagreement);
	end_trial(&t);
}

static int strict_audit(struct vma *vma, u64 page, char *why, size_t size)
{
	if (vma->pte[page].kind != PTE_PFN)
		return 0;
	snprintf(why, size, "page %llu is odd", (unsigned long long)page);
	return -EUCLEAN;
}

Test(run_stuck, audit)
{
	struct mmu_ops mmu = soft_mmu;
	const struct mmu_ops *const mmus[] = { &mmu };
	struct trial t = { .s = parse_text(HEAD "session a { step load { mread m 4k 1 }\n"
					   "step store { mwrite m 4k 1 } "
					   "step sync { fsync f } }") };

	mmu.audit = strict_audit;
	run_in(&t, mmus, 1);
	cr_expect(t.v.bad_input);
	cr_expect_str_eq(t.v.why, "t.scn:1:1: error: bug of daxsim: page tables are not what the "
			 "kernel believes: page 1 is odd");
	/* a hole page was fine, and the first step behind the odd one was not reached */
	expect_story(&t, 0, "a: step load\n"
		     "a: mread m 4k 1 = 0x00\n"
		     "a: step store\n"
		     "a: mwrite m 4k 1 = 1\n");
	end_trial(&t);
}

/*
 * What is noted about a violation
 */

#define OVERTAKEN                                                                                  \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"                      \
	"session fault { step store { mwrite m 4k 8 = SIGBUS } }\n"                                \
	"session trunc { step shrink { truncate f 0 } }\n"                                         \
	"session reuse { step grab { pwrite -S 0x77 g 0 4k = 4k } step sync { fsync g } }\n"

Test(run_stuck, finding_of_a_session)
{
	struct trial t;
	const struct finding *f;
	const struct event *e;

	run_text(&t, "scenario t\nfs ext2@v11 -p3 expect bug foreign-write\n" OVERTAKEN
		 "schedule { store until dax_clear_blocks 2; shrink; grab; store; sync }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	f = finding_of(&t, INV_FOREIGN_WRITE);
	cr_assert(f->seen);
	cr_expect_str_eq(f->session, "fault");
	cr_expect_str_eq(f->step, "store");
	cr_expect_str_eq(f->text, "the kernel zeroes block 1 for page 1 of f, but that block is "
		 "page 0 of g");
	cr_assert_lt(f->event, execution_of(&t, 0)->trace.nr);
	e = &execution_of(&t, 0)->trace.events[f->event];
	cr_expect_eq(e->type, EVENT_VIOLATION);
	cr_expect_eq(e->task, 1);
	cr_expect_str_eq(e->text, "foreign-write: the kernel zeroes block 1 for page 1 of f, but "
		 "that block is "
			 "page 0 of g");
	end_trial(&t);
}

/* Found at rest, and seen again at each rest after that: the first time counts. */
Test(run_stuck, finding_at_rest)
{
	struct trial t;
	const struct finding *f;
	const struct execution *x;

	run_text(&t, "scenario t\nfs ext2@v11 expect bug leak-past-eof\n" OVERTAKEN
		 "schedule { store until truncate_mutex; shrink; store; grab; sync }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	f = finding_of(&t, INV_LEAK_PAST_EOF);
	x = execution_of(&t, 0);
	cr_assert(f->seen);
	cr_expect_null(f->session);
	cr_expect_str_eq(f->text, "f ends at byte 0, but block 1 stays allocated for page 1 of it");
	expect_story(&t, 0, "fault: step store\n"
		     "fault: held at lock truncate_mutex\n"
		     "trunc: step shrink\n"
		     "trunc: truncate f 0 = 0\n"
		     "fault: mwrite m 4k 8 = SIGBUS\n"
		     "nobody: ! leak-past-eof: f ends at byte 0, but block 1 stays allocated for "
		     "page 1 of it\n"
		     "reuse: step grab\n"
		     "reuse: pwrite -S 0x77 g 0 4k = 4096\n"
		     "reuse: step sync\n"
		     "reuse: fsync g = 0\n");
	cr_expect_eq(x->trace.events[f->event].type, EVENT_VIOLATION);
	end_trial(&t);

	run_text(&t, "scenario t\nfs ext2@v11\nignore leak-past-eof\n" OVERTAKEN
		 "schedule { store until truncate_mutex; shrink; store; grab; sync }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(finding_of(&t, INV_LEAK_PAST_EOF)->seen);
	end_trial(&t);
}

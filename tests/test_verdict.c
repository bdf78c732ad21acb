// SPDX-License-Identifier: MIT
/*
 * Tests of what executions come to: final conditions, expected and unexpected
 * bugs, and MMUs that disagree.
 */
#include "tests/scenario_run.h"

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"

/* An ext2 whose truncation of a file called g only says that it is smaller: leak-past-eof. */
static int leaky_setsize(struct inode *inode, s64 newsize)
{
	if (strcmp(inode->name, "g"))
		return fs_find("ext2")->setsize(inode, newsize);
	i_size_write(inode, newsize);
	return 0;
}

/*
 * In schedule ab the file f ends as twos, in ba as ones. Only ab truncates g, and
 * only with @leaky does that leak.
 */
static void run_leaky(struct trial *t, bool leaky, const char *expect, const char *finals)
{
	static struct fs_ops fs;
	char text[800];

	snprintf(text, sizeof(text),
		 "scenario t\nfs ext2@v11 %s\n"
		 "setup { create f; create g; pwrite g 0 4k }\n"
		 "session a { step a { pwrite -S 1 f 0 4k } }\n"
		 "session b { step b { pwrite -S 2 f 0 4k } step cut { truncate g 0 } }\n"
		 "schedule ab { a b cut }\n"
		 "schedule ba { b a }\n"
		 "%s", expect, finals);
	t->s = parse_text(text);
	fs = *t->s->variants->fs;
	if (leaky)
		fs.setsize = leaky_setsize;
	t->s->variants->fs = &fs;
	run_soft(t);
}

#define LEAK "leak-past-eof: g ends at byte 0, but block 1 stays allocated for page 0 of it"

struct row {
	const char *finals;	/* begin at line 8 */
	const char *why;	/* NULL: fine */
	int culprit;
};

static void judge_rows(const struct row *rows, size_t nr, bool leaky, const char *expect)
{
	for (size_t i = 0; i < nr; i++) {
		struct trial t;

		run_leaky(&t, leaky, expect, rows[i].finals);
		cr_expect_str_eq(t.v.why ? t.v.why : "fine", rows[i].why ? rows[i].why : "fine",
				 "%s gave %s", rows[i].finals, t.v.why);
		cr_expect_eq(t.v.ok, !rows[i].why);
		cr_expect_eq(t.v.culprit, rows[i].why ? rows[i].culprit : -1, "%s blamed %d",
			     rows[i].finals, t.v.culprit);
		cr_expect_not(t.v.bad_input);
		cr_expect_eq(t.v.nr_schedules, 2);
		end_trial(&t);
	}
}

Test(verdict, finals_of_a_clean_variant)
{
	static const struct row rows[] = {
		{ "", NULL, 0 },
		{ "final { pread f 0 1 = 0x01 or 0x02 }", NULL, 0 },
		{ "final { pread f 0 1 = 0x01 }",
		  "t.scn:8:9: pread f 0 1 gave 0x02, expected 0x01", 0 },
		{ "final { pread f 0 1 = 0x02 }",
		  "t.scn:8:9: pread f 0 1 gave 0x01, expected 0x02", 1 },
		{ "final always {\nstat f\npread f 0 1 = 0x02\n}",
		  "t.scn:10:1: pread f 0 1 gave 0x01, expected 0x02", 1 },
		{ "final sometimes { pread f 0 1 = 0x01 }", NULL, 0 },
		{ "final sometimes { pread f 0 1 = 0x02 }", NULL, 0 },
		{ "\nfinal sometimes { pread f 0 1 = 0x03 }",
		  "t.scn:9: final sometimes: no execution ended so", 0 },
		{ "final sometimes { pread f 0 1 = 0x01; pread f 1 1 = 0x02 }",
		  "t.scn:8: final sometimes: no execution ended so", 0 },
		{ "final never { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final never { pread f 0 1 = 0x02 }",
		  "t.scn:8: final never: 1 of 2 executions ended so", 0 },
		{ "final never { pread f 0 1 = 0x01 }",
		  "t.scn:8: final never: 1 of 2 executions ended so", 1 },
		{ "final never { pread f 0 1 != 0x03 }",
		  "t.scn:8: final never: 2 of 2 executions ended so", 0 },
		{ "final if clean { pread f 0 1 = 0x01 or 0x02 }", NULL, 0 },
		{ "final if clean { pread f 0 1 = 0x01 }", "t.scn:8: final: 1 of 2 executions did "
		  "not end so: pread f 0 1 gave 0x02", 0 },
		{ "final if clean { pread f 0 1 = 0x02 }", "t.scn:8: final: 1 of 2 executions did "
		  "not end so: pread f 0 1 gave 0x01", 1 },
		/* what another final came to, rightly, is not told of this one */
		{ "final never { pread f 0 2 = 0x03 }\nfinal if clean { pread f 0 1 = 0x01 }",
		  "t.scn:9: final: 1 of 2 executions did not end so: pread f 0 1 gave 0x02", 0 },
		{ "final if clean { pread f 0 2 = 0x01 or 0x02 ; pread f 1 1 = 0x03 }", "t.scn:8: "
		  "final: 2 of 2 executions did not end so: pread f 1 1 gave 0x02", 0 },
		{ "final sometimes if clean { pread f 0 1 = 0x03 }",
		  "t.scn:8: final sometimes: no execution ended so", 0 },
		{ "final never if clean { pread f 0 1 = 0x01 }",
		  "t.scn:8: final never: 1 of 2 executions ended so", 1 },
		{ "final if bug { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final sometimes if bug { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final never if bug { pread f 0 1 = 0x01 }", NULL, 0 },
		{ "final if bug { truncate f 0 }\nfinal { pread f 0 1 = 0x01 or 0x02 }", NULL, 0 },
		/* each is held against its own result, and the first reason is told */
		{ "final never { pread f 0 1 = 0x03 }\nfinal sometimes { pread f 0 1 = 0x01 }\n"
		  "final never { pread f 0 1 = 0x01 }\nfinal sometimes { pread f 0 1 = 0x03 }",
		  "t.scn:10: final never: 1 of 2 executions ended so", 1 },
	};

	judge_rows(rows, ARRAY_SIZE(rows), false, "expect clean");
}

/* Where a bug is expected it may do damage: only what is said of bugs counts. */
Test(verdict, finals_of_a_buggy_variant)
{
	static const struct row rows[] = {
		{ "", NULL, 0 },
		{ "final { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final never { pread f 0 1 = 0x01 }", NULL, 0 },
		{ "final sometimes { pread f 0 1 = 0x01 }", NULL, 0 },
		{ "final sometimes { pread f 0 1 = 0x03 }",
		  "t.scn:8: final sometimes: no execution ended so", 0 },
		{ "final if bug { pread f 0 1 = 0x02 }",
		  "t.scn:8: final: 1 of 2 executions did not end so: pread f 0 1 gave 0x01", 1 },
		{ "final never if bug { pread f 0 1 = 0x01 }",
		  "t.scn:8: final never: 1 of 2 executions ended so", 1 },
		{ "final sometimes if bug { pread f 0 1 = 0x03 }",
		  "t.scn:8: final sometimes: no execution ended so", 0 },
		{ "final if bug { pread f 0 1 = 0x01 or 0x02 }", NULL, 0 },
		{ "final if clean { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final never if clean { pread f 0 1 = 0x01 }", NULL, 0 },
		{ "final sometimes if clean { pread f 0 1 = 0x03 }", NULL, 0 },
		{ "final if clean { truncate f 0 }\nfinal if bug { pread f 0 1 = 0x01 or 0x02 }",
		  NULL, 0 },
	};

	judge_rows(rows, ARRAY_SIZE(rows), true, "expect bug leak-past-eof");
}

Test(verdict, expected_bugs)
{
	static const struct {
		const char *expect;
		bool leaky;
		const char *why;
		int culprit, shown;
		unsigned int shown_in;
	} rows[] = {
		{ "expect clean", false, NULL, -1, -1, 0 },
		{ "expect clean", true, LEAK, 0, INV_LEAK_PAST_EOF, 1 },
		{ "expect bug leak-past-eof", true, NULL, -1, INV_LEAK_PAST_EOF, 1 },
		{ "expect bug leak-past-eof", false,
		  "expected bug leak-past-eof, but no schedule showed it", -1, INV_LEAK_PAST_EOF,
		  0 },
		{ "expect bug leak-past-eof, stale-pte", true,
		  "expected bug stale-pte, but no schedule showed it", -1, INV_STALE_PTE, 0 },
		{ "expect bug lost-store", true,
		  "expected bug lost-store, but no schedule showed it", -1, INV_LOST_STORE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trial t;

		run_leaky(&t, rows[i].leaky, rows[i].expect, "");
		cr_expect_str_eq(t.v.why ? t.v.why : "fine", rows[i].why ? rows[i].why : "fine");
		cr_expect_eq(t.v.ok, !rows[i].why);
		cr_expect_eq(t.v.culprit, rows[i].culprit, "row %zu", i);
		cr_expect_eq(t.v.shown, rows[i].shown, "row %zu", i);
		cr_expect_eq(t.v.shown_in, rows[i].shown_in, "row %zu", i);
		end_trial(&t);
	}
}

/* A step whose result is wrong: a failure, unless a bug is expected. */
Test(verdict, failure_or_damage)
{
	static const char body[] = "setup { create f }\n"
				   "session a { pread f 0 1 = 1; fiemap f = [0+1 W] }\n";
	static const char what[] =
		"t.scn:4:13: pread f 0 1 gave 0, expected 1";
	struct trial t;
	char text[300];

	snprintf(text, sizeof(text), "scenario t\nfs ext2\n%s", body);
	run_text(&t, text);
	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why, what);
	cr_expect_str_eq(execution_of(&t, 0)->failure, what, "the first one stays");
	cr_expect_null(execution_of(&t, 0)->damage);
	end_trial(&t);

	snprintf(text, sizeof(text), "scenario t\nfs ext2 expect bug stale-pte\n%s", body);
	run_text(&t, text);
	cr_expect_str_eq(t.v.why, "expected bug stale-pte, but no schedule showed it");
	cr_expect_str_eq(execution_of(&t, 0)->damage, what);
	cr_expect_null(execution_of(&t, 0)->failure);
	end_trial(&t);
}

/* Executions that do not come to their end say nothing about it. */
Test(verdict, finals_after_a_deadlock)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2 expect bug deadlock\n"
		 "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		 "session a { step ice { freeze } step water { thaw } }\n"
		 "session b { mwrite m 0 1 }\n"
		 "schedule { ice b }\nschedule { ice b water }\n"
		 "final sometimes { mread m 0 1 = 0x58 }\nfinal if bug { mread m 0 1 = 0x58 }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(execution_of(&t, 0)->ran_finals);
	cr_expect(execution_of(&t, 1)->ran_finals);
	cr_expect_eq(t.v.shown, INV_DEADLOCK);
	cr_expect_eq(t.v.shown_in, 1);
	end_trial(&t);

	/* not even that it never ended so */
	run_text(&t, "scenario t\nfs ext2 expect bug deadlock\n"
		 "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		 "session a { freeze }\nsession b { mwrite m 0 1 }\n"
		 "final sometimes { mread m 0 1 = 0x58 }\nfinal if bug { mread m 0 1 = 0x58 }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

/* What several schedules show counts as often; the first of them is the one to look at. */
Test(verdict, shown_twice)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2\n"
		 "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		 "session a { step ice { freeze } step water { thaw } }\n"
		 "session b { mwrite m 0 1 }\n"
		 "schedule { ice water b }\nschedule { ice b }\nschedule { b ice }\n"
		 "schedule { ice b until lock; b }\n");
	cr_expect_not(t.v.ok);
	cr_expect_eq(t.v.culprit, 1);
	cr_expect_eq(t.v.shown, INV_DEADLOCK);
	cr_expect_eq(t.v.shown_in, 2);
	end_trial(&t);
}

/* A bug may do damage, but a run that stops says nothing of what would have come. */
Test(verdict, unexpected_deadlock)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2 expect bug leak-past-eof\n"
		 "setup { create f; truncate f 8k; mmap m f 0 8k shared }\n"
		 "session fault { step store { mwrite m 4k 8 = SIGBUS }\n"
		 "step again { mwrite m 0 1 } }\n"
		 "session trunc { step shrink { truncate f 0 } step ice { freeze } }\n"
		 "schedule { store until truncate_mutex; shrink; store; ice; again }\n");
	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why, "deadlock: at the end of the schedule: fault waits for "
			 "sb_pagefault(ext2), which no session holds: the file system is frozen");
	cr_expect(execution_of(&t, 0)->findings[INV_LEAK_PAST_EOF].seen);
	end_trial(&t);
}

/* A scenario that makes no sense is not run to its last schedule. */
Test(verdict, bad_input_ends_it)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2\nsetup { create f }\nsession a { fsync f }\n"
		 "schedule one { a }\nschedule two { a; a }\nschedule three { a }\n");
	cr_expect(t.v.bad_input);
	cr_expect_eq(t.v.nr_schedules, 2);
	cr_expect_eq(t.v.culprit, 1);
	end_trial(&t);
}

Test(verdict, only_one_schedule)
{
	static const struct mmu_ops *const soft[] = { &soft_mmu };
	struct trial t;
	struct schedule *only;

	t.s = parse_text("scenario t\nfs ext2\nsetup { create f }\nsession a { fsync f }\n"
			 "session b { stat f }\nschedule { a b }\nschedule { b a }\n");
	only = scenario_parse_schedule(t.s, "b a:1 a", stderr);
	cr_assert_not_null(only);
	judge(t.s, t.s->variants, only, soft, 1, NULL, &t.v);
	cr_expect(t.v.ok);
	cr_expect_eq(t.v.nr_schedules, 1);
	cr_expect_eq(t.v.schedules[0].schedule, only);
	end_trial(&t);
}

/* As many as there are bits; the last one counts like the first. */
Test(verdict, many_finals)
{
	static const char head[] = "scenario t\nfs ext2\nsetup { create f }\n";
	char text[4000];
	struct trial t;

	strcpy(text, head);
	for (int i = 0; i < MAX_FINALS - 1; i++)
		strcat(text, "final sometimes { stat f = size 0 }\n");
	strcat(text, "final never { stat f = size 0 }\n");
	run_text(&t, text);
	cr_expect_str_eq(t.v.why, "t.scn:35: final never: 1 of 1 execution ended so");
	end_trial(&t);
	strcat(text, "final { stat f }\n");
	cr_expect_null(scenario_parse("t.scn", text, strlen(text), NULL));
}

/*
 * MMUs that lie
 */

#define LOADS_AND_STORES                                                                           \
	"scenario t\nfs ext2\nsetup { create f; truncate f 8k; mmap m f 0 8k shared }\n"           \
	"session a { step load { mread m 0 1 } step store { mwrite m 4k 1 } }\n"

/* Judge in the soft MMU and in a liar, which must be found out as saying @lie instead of @truth. */
static void expect_disagreement(const struct mmu_ops *liar, const char *truth, const char *lie)
{
	const struct mmu_ops *const mmus[] = { &soft_mmu, liar };
	struct trial t = { .s = parse_text(LOADS_AND_STORES) };
	char want[200];
	const char *at;

	run_in(&t, mmus, 2);
	cr_expect_not(t.v.ok);
	cr_expect_eq(t.v.culprit, 0);
	cr_assert_not_null(t.v.why);
	cr_expect_str_eq(t.v.why, t.v.schedules[0].disagreement);
	at = "bug of daxsim: the MMUs disagree at event ";
	cr_expect_eq(strncmp(t.v.why, at, strlen(at)), 0, "%s", t.v.why);
	snprintf(want, sizeof(want), ": soft has \"%s\", liar has \"%s\"", truth, lie);
	cr_expect_not_null(strstr(t.v.why, want), "%s", t.v.why);
	end_trial(&t);
}

static int set_pte_writable(struct vma *vma, u64 page, const struct pte *new)
{
	struct pte pte = *new;

	pte.writable = true;
	return soft_mmu.set_pte(vma, page, &pte);
}

static int set_no_pte(struct vma *vma, u64 page, const struct pte *new)
{
	(void)vma, (void)page, (void)new;
	return 0;
}

static enum mmu_result load_ones(struct mmu_access *a)
{
	enum mmu_result r = soft_mmu.access(a);

	if (r == MMU_DONE && !a->write)
		memset(a->buf, 1, a->len);
	return r;
}

static enum mmu_result resume_with_ones(struct mmu_access *a, bool fail)
{
	return fail ? soft_mmu.resume(a, true) : load_ones(a);
}

static enum mmu_result resume_with_sigbus(struct mmu_access *a, bool fail)
{
	(void)fail;
	return soft_mmu.resume(a, true);
}

Test(verdict, mmu_that_lies)
{
	struct mmu_ops liar = soft_mmu;

	liar.name = "liar";
	liar.set_pte = set_pte_read_only;
	expect_disagreement(&liar, "mwrite m 4k 1 = 1", "handle_mm_fault");
	liar.set_pte = set_pte_writable;
	expect_disagreement(&liar, "handle_mm_fault", "mwrite m 4k 1 = 1");
	liar.set_pte = set_no_pte;
	expect_disagreement(&liar, "mread m 0 1 = 0x00", "handle_mm_fault");
	liar.set_pte = soft_mmu.set_pte;

	liar.access = load_ones;
	liar.resume = resume_with_ones;
	expect_disagreement(&liar, "mread m 0 1 = 0x00", "! stale-data: a load from page 0 of "
			    "mapping m sees 0x01 at byte 0 of page 0 of f, where the file holds "
			    "0x00");
	liar.access = soft_mmu.access;
	liar.resume = resume_with_sigbus;
	expect_disagreement(&liar, "mread m 0 1 = 0x00", "mread m 0 1 = SIGBUS");
}

/* It does all right, but what it leaves behind is not the same. */
static enum mmu_result resume_counting_twice(struct mmu_access *a, bool fail)
{
	a->task->min_flt++;
	return soft_mmu.resume(a, fail);
}

Test(verdict, mmu_that_ends_elsewhere)
{
	struct mmu_ops liar = soft_mmu;
	const struct mmu_ops *const mmus[] = { &soft_mmu, &liar };
	struct trial t = { .s = parse_text(LOADS_AND_STORES) };

	liar.name = "liar";
	liar.resume = resume_counting_twice;
	run_in(&t, mmus, 2);
	cr_expect_not(t.v.ok);
	cr_assert_not_null(t.v.why);
	cr_expect_not_null(strstr(t.v.why, "bug of daxsim: soft and liar end in different states:"),
			   "%s", t.v.why);
	cr_expect_not_null(strstr(t.v.why, "task a in main min 2 maj 1 "));
	cr_expect_not_null(strstr(t.v.why, "task a in main min 5 maj 1 "));
	end_trial(&t);
}

Test(verdict, mmus_that_agree)
{
	struct mmu_ops twin = soft_mmu;
	const struct mmu_ops *const mmus[] = { &soft_mmu, &twin };
	struct trial t = { .s = parse_text(LOADS_AND_STORES) };

	run_in(&t, mmus, 2);
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_null(t.v.schedules[0].disagreement);
	cr_expect_str_eq(t.v.schedules[0].x[0].state, t.v.schedules[0].x[1].state);
	end_trial(&t);
}

/* What only the liar saw is no result of the scenario, but it is noted. */
Test(verdict, failure_in_the_second_mmu)
{
	struct mmu_ops liar = soft_mmu;
	const struct mmu_ops *const mmus[] = { &soft_mmu, &liar };
	struct trial t = { .s = parse_text("scenario t\nfs ext2\nsetup { create f; truncate f 4k\n"
					   "mmap m f 0 4k shared }\n"
					   "session a { mread m 0 1 = 0x00 }\n") };

	liar.name = "liar";
	liar.resume = resume_with_ones;
	run_in(&t, mmus, 2);
	cr_assert_not_null(t.v.schedules[0].disagreement);
	cr_expect_str_eq(t.v.why, t.v.schedules[0].disagreement);
	cr_expect_str_eq(t.v.schedules[0].x[1].failure,
			 "t.scn:5:13: mread m 0 1 gave 0x01, expected 0x00");
	cr_expect_null(t.v.schedules[0].x[0].failure);
	end_trial(&t);
}

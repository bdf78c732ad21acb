// SPDX-License-Identifier: MIT
/* Tests of what a run prints: TAP to the letter, JSON by its keys. */
#include "tests/scenario_run.h"

#include <jansson.h>

#include "daxsim/script/report.h"

/* What a report about one trial says, to be freed. */
static char *print_report(const struct trial *t, bool json, bool trace, const char *why)
{
	struct report rep;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	report_begin(&rep, to, json, trace);
	if (t) {
		report_scenario(&rep, t->s);
		report_verdict(&rep, &t->v);
	}
	report_end(&rep, why);
	fclose(to);
	return text;
}

/* A short story in place of what the kernel did: that is not what is tested here. */
static void retell(const struct trial *t)
{
	struct task a = { .name = "a", .id = 1 };
	struct task b = { .name = "b", .id = t->s->nr_sessions > 1 ? 2 : 1 };

	for (unsigned int i = 0; i < t->v.nr_schedules; i++) {
		struct trace *tr = &t->v.schedules[i].x[0].trace;

		trace_free(tr);
		trace_event(tr, EVENT_STEP, &a, 0, "one");
		trace_point(tr, &a, P_get_block, P_MARK, 0);
		trace_event(tr, EVENT_RESULT, &b, 0, "two = %u", i);
	}
}

static void expect_tap(const char *scenario, const char *want)
{
	struct trial t;
	char *text;

	run_text(&t, scenario);
	retell(&t);
	text = print_report(&t, false, false, NULL);
	cr_expect_str_eq(text, want);
	free(text);
	end_trial(&t);
}

/* Overtaken by truncate, a write fault leaves a block behind; only in one schedule. */
#define LEAKY                                                                                      \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared }\n"                                \
	"session fault { step store { mwrite m 4k 8 = SIGBUS } }\n"                                \
	"session trunc { step shrink { truncate f 0 = 0 } }\n"                                     \
	"schedule early { shrink; store }\n"                                                       \
	"schedule late { store until truncate_mutex; shrink; store }\n"
#define LEAK "f ends at byte 0, but block 1 stays allocated for page 1 of it"

Test(report, clean)
{
	expect_tap("scenario quiet\nfs ext2 -p3\nsetup { create f }\nsession a { fsync f }",
		   "TAP version 13\n"
		   "# t.scn\n"
		   "ok 1 - quiet ext2@v11 -p3: clean (soft, 1 schedule)\n"
		   "Observation quiet ext2@v11,-p3 violation Never 0 1\n"
		   "1..1\n"
		   "1 passed, 0 failed\n");
}

Test(report, expected_bug)
{
	expect_tap("scenario leak\nfs ext2 expect bug leak-past-eof\n" LEAKY,
		   "TAP version 13\n"
		   "# t.scn\n"
		   "ok 1 - leak ext2@v11: shows leak-past-eof (soft, 2 schedules)\n"
		   "# leak-past-eof in late: " LEAK "\n"
		   "Observation leak ext2@v11 leak-past-eof Sometimes 1 2\n"
		   "1..1\n"
		   "1 passed, 0 failed\n");
}

/* Each invariant is told once, of the first schedule that showed it. */
Test(report, bug_in_two_schedules)
{
	expect_tap("scenario leak\nfs ext2 expect bug leak-past-eof\n" LEAKY
		   "schedule again { store@truncate_mutex shrink store }\n",
		   "TAP version 13\n"
		   "# t.scn\n"
		   "ok 1 - leak ext2@v11: shows leak-past-eof (soft, 3 schedules)\n"
		   "# leak-past-eof in late: " LEAK "\n"
		   "Observation leak ext2@v11 leak-past-eof Sometimes 2 3\n"
		   "1..1\n"
		   "1 passed, 0 failed\n");
}

Test(report, bug_in_every_schedule)
{
	expect_tap("scenario wait\nfs ext2 expect bug deadlock\n"
		   "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		   "session a { freeze }\nsession b { mwrite m 0 1 }\n"
		   "schedule one { a b }\nschedule two { a b until do_wp_page }\n",
		   "TAP version 13\n"
		   "# t.scn\n"
		   "ok 1 - wait ext2@v11: shows deadlock (soft, 2 schedules)\n"
		   "# deadlock in one: at the end of the schedule: b waits for sb_pagefault(ext2), "
		   "which no session holds: the file system is frozen\n"
		   "Observation wait ext2@v11 deadlock Always 2 2\n"
		   "1..1\n"
		   "1 passed, 0 failed\n");
}

Test(report, unexpected_bug)
{
	expect_tap("scenario leak\nfs ext2\n" LEAKY,
		   "TAP version 13\n"
		   "# t.scn\n"
		   "not ok 1 - leak ext2@v11: leak-past-eof: " LEAK " (soft, 2 schedules)\n"
		   "# leak-past-eof in late: " LEAK "\n"
		   "  ---\n"
		   "  message: |\n"
		   "    leak-past-eof: " LEAK "\n"
		   "  expected: clean\n"
		   "  schedule: late\n"
		   "  replay: daxsim run --fs 'ext2@v11' --schedule "
		   "'store@truncate_mutex shrink store' t.scn\n"
		   "  timeline: |\n"
		   "           fault                                           trunc\n"
		   "       0   step one\n"
		   "       1     get_block\n"
		   "       2                                                   two = 1\n"
		   "  ...\n"
		   "Observation leak ext2@v11 leak-past-eof Sometimes 1 2\n"
		   "1..1\n"
		   "0 passed, 1 failed\n");
}

/* The command is there to be copied into a shell. */
Test(report, replay_is_quoted)
{
	static const struct {
		const char *path, *want;
	} paths[] = {
		{ "a/b-c_1.scn", " a/b-c_1.scn\n" },
		{ "my file.scn", " 'my file.scn'\n" },
		{ "it's $HOME.scn", " 'it'\\''s $HOME.scn'\n" },
		{ "-o.scn", " ./-o.scn\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct trial t;
		char *text, *replay;

		run_text(&t, "scenario leak\nfs ext2\n" LEAKY);
		t.s->path = paths[i].path;
		text = print_report(&t, false, false, NULL);
		replay = strstr(text, "--schedule 'store@truncate_mutex shrink store'");
		cr_assert_not_null(replay, "%s", text);
		replay += strlen("--schedule 'store@truncate_mutex shrink store'");
		cr_expect_eq(strncmp(replay, paths[i].want, strlen(paths[i].want)), 0, "%s", replay);
		free(text);
		end_trial(&t);
	}
}

/* No schedule is to blame for what none of them did. */
Test(report, missing_bug)
{
	expect_tap("scenario dry\nfs ext2 expect bug stale-pte, lost-store\nsetup { create f }\n"
		   "session a { pread f 0 2 = 2 }\n",
		   "TAP version 13\n"
		   "# t.scn\n"
		   "not ok 1 - dry ext2@v11: expected bug stale-pte, but no schedule showed it "
		   "(soft, 1 schedule)\n"
		   "# damage in one after the other: t.scn:4:13: pread f 0 2 gave 0, expected 2\n"
		   "  ---\n"
		   "  message: |\n"
		   "    expected bug stale-pte, but no schedule showed it\n"
		   "  expected: shows stale-pte lost-store\n"
		   "  ...\n"
		   "Observation dry ext2@v11 stale-pte Never 0 1\n"
		   "1..1\n"
		   "0 passed, 1 failed\n");
}

Test(report, wrong_result)
{
	expect_tap("scenario wrong\nfs ext2\nsetup { create f }\n"
		   "session a { pread f 0 2 = 0x11 }\n",
		   "TAP version 13\n"
		   "# t.scn\n"
		   "not ok 1 - wrong ext2@v11: t.scn:4:13: pread f 0 2 gave 0, expected 0x11 "
		   "(soft, 1 schedule)\n"
		   "  ---\n"
		   "  message: |\n"
		   "    t.scn:4:13: pread f 0 2 gave 0, expected 0x11\n"
		   "  expected: clean\n"
		   "  schedule: one after the other\n"
		   "  replay: daxsim run --fs 'ext2@v11' t.scn\n"
		   "  timeline: |\n"
		   "           a\n"
		   "       0   step one\n"
		   "       1     get_block\n"
		   "       2   two = 0\n"
		   "  ...\n"
		   "Observation wrong ext2@v11 violation Never 0 1\n"
		   "1..1\n"
		   "0 passed, 1 failed\n");
}

/* A finding of a session names it; a message of several lines stays inside its block. */
Test(report, session_and_lines)
{
	struct trial t;
	char *text;

	run_text(&t, "scenario over\nfs ext2@v11 -p3 expect bug foreign-write\n"
		 "setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"
		 "session fault { step store { mwrite m 4k 8 = SIGBUS } }\n"
		 "session trunc { step shrink { truncate f 0 } step grab { pwrite g 0 4k } }\n"
		 "schedule { store until dax_clear_blocks 2; shrink; grab; store }\n");
	cr_assert(t.v.ok, "%s", t.v.why);
	t.v.ok = false;
	t.v.why = strdup("two\n\nlines");
	text = print_report(&t, false, false, NULL);
	cr_expect_not_null(strstr(text, "not ok 1 - over ext2@v11 -p3: two (soft, 1 schedule)\n"
				  "# foreign-write in schedule, session fault, step store: the "
				  "kernel zeroes block 1 for page 1 of f, but that block is page 0 "
				  "of g\n"
				  "# lost-store in schedule: the device at rest "), "%s", text);
	cr_expect_not_null(strstr(text, "  ---\n"
				  "  message: |\n    two\n    \n    lines\n  expected: "), "%s",
			   text);
	free(text);
	end_trial(&t);
}

Test(report, two_mmus)
{
	struct mmu_ops twin = soft_mmu;
	const struct mmu_ops *const mmus[] = { &soft_mmu, &twin };
	struct trial t = { .s = parse_text("scenario t\nfs ext2\n") };
	char *text;

	twin.name = "twin";
	run_in(&t, mmus, 2);
	text = print_report(&t, false, false, NULL);
	cr_expect_not_null(strstr(text, "ok 1 - t ext2@v11: clean (soft = twin, 1 schedule)\n"));
	free(text);
	end_trial(&t);
}

Test(report, several_verdicts)
{
	struct report rep;
	struct trial good, bad;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	run_text(&good, "scenario good\nfs ext2\n");
	run_text(&bad, "scenario bad\nfs ext2 expect bug deadlock\n");
	report_begin(&rep, to, false, false);
	report_verdict(&rep, &good.v);
	report_verdict(&rep, &bad.v);
	report_verdict(&rep, &good.v);
	cr_expect_eq(rep.sums.passed, 2);
	cr_expect_eq(rep.sums.failed, 1);
	report_end(&rep, NULL);
	fclose(to);
	cr_expect_not_null(strstr(text, "\nok 1 - good"));
	cr_expect_not_null(strstr(text, "\nnot ok 2 - bad"));
	cr_expect_not_null(strstr(text, "\nok 3 - good"));
	cr_expect_not_null(strstr(text, "\n1..3\n2 passed, 1 failed\n"));
	free(text);
	end_trial(&good);
	end_trial(&bad);
}

Test(report, cut_short)
{
	char *text = print_report(NULL, false, false, "bad input");

	cr_expect_str_eq(text, "TAP version 13\nBail out! bad input\n0 passed, 0 failed\n");
	free(text);
}

Test(report, with_trace)
{
	struct trial t;
	char *text;

	run_text(&t, "scenario t\nfs ext2 expect bug leak-past-eof\n" LEAKY);
	retell(&t);
	text = print_report(&t, false, true, NULL);
	cr_expect_not_null(strstr(text, "# early\n"
				  "#          fault                                           "
				  "trunc\n"
				  "#      0   step one\n"
				  "#      1     get_block\n"
				  "#      2                                                   two "
				  "= 0\n"
				  "# late\n"), "%s", text);
	free(text);
	end_trial(&t);
}

/* What it says to run again is read as the schedule that it was. */
Test(report, replay)
{
	static const char schedule[] =
		"a1 a2@dax_io#2 b:3 a2@i_mutex b:1 a2 until unlock 2 or end a2 until do_write or "
		"end "
		"a2@lock";
	struct trial t;
	struct schedule *again;
	char *text, *from, *to;

	t.s = parse_text("scenario t\nfs ext2\nsetup { create f }\n"
			 "session a { step a1 { fsync f } step a2 { pwrite f 0 8k } }\n"
			 "session b { fsync f }\n");
	t.s->schedules = scenario_parse_schedule(t.s, schedule, stderr);
	cr_assert_not_null(t.s->schedules);
	run_soft(&t);
	t.v.ok = false;
	free(t.v.why);
	t.v.why = strdup("no reason");
	t.v.culprit = 0;
	text = print_report(&t, false, false, NULL);
	from = strstr(text, "--schedule '");
	cr_assert_not_null(from);
	from += strlen("--schedule '");
	to = strchr(from, '\'');
	*to = '\0';
	cr_expect_str_eq(from, schedule);
	again = scenario_parse_schedule(t.s, from, stderr);
	cr_assert_not_null(again);
	for (const struct sched_entry *e = t.s->schedules->entries, *f = again->entries; e;
	     e = e->next, f = f->next) {
		cr_assert_not_null(f);
		cr_expect_eq(e->until, f->until);
		cr_expect_eq(e->until_lock, f->until_lock);
		cr_expect_eq(e->nth, f->nth);
		cr_expect_eq(e->or_end, f->or_end);
	}
	free(text);
	end_trial(&t);
}

// SPDX-License-Identifier: MIT
/*
 * Tests of driving sessions by a schedule: where they are held, who goes next,
 * and which schedules make no sense. Deadlocks are in test_run_stuck.c, what
 * executions come to in test_verdict.c.
 */
#include "tests/scenario_run.h"

#define HEAD                                                                                       \
	"scenario t\n"                                                                             \
	"fs ext2@v11\n"                                                                            \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"

/* Points that a session passed between two events of the trace. */
static u64 points_passed(const struct execution *x, u32 task, size_t from, size_t to)
{
	u64 n = 0;

	for (size_t i = from; i < to; i++)
		n += x->trace.events[i].type == EVENT_POINT && x->trace.events[i].task == task;
	return n;
}

/* The index in the trace of the n-th event of a type, from 1. */
static size_t find_event(const struct execution *x, enum event_type type, unsigned int n)
{
	for (size_t i = 0; i < x->trace.nr; i++)
		if (x->trace.events[i].type == type && !--n)
			return i;
	cr_assert_fail("no such event");
	return 0;
}

Test(run, one_session_after_the_other)
{
	struct trial t;

	run_text(&t, HEAD "session b { step b1 { fiemap f = none } step b2 { fsync f; fsync g } }\n"
		 "session a { truncate f 1k }\n");
	expect_story(&t, 0, "b: step b1\n"
		     "b: fiemap f = none\n"
		     "b: step b2\n"
		     "b: fsync f = 0\n"
		     "b: fsync g = 0\n"
		     "a: step a\n"
		     "a: truncate f 1k = 0\n");
	cr_expect(t.v.ok);
	cr_expect_eq(t.v.nr_schedules, 1);
	cr_expect_null(t.v.schedules[0].schedule);
	end_trial(&t);
}

Test(run, scenario_without_sessions)
{
	struct trial t;

	run_text(&t, HEAD "final { stat f = size 8k }");
	cr_expect(t.v.ok);
	cr_expect(execution_of(&t, 0)->ran_finals);
	end_trial(&t);
}

/* Held just before the n-th hit, counted from where the step goes on. */
Test(run, until)
{
	struct trial t;
	const struct execution *x;
	size_t first, second;

	run_text(&t, HEAD "session a { pwrite f 0 16k = 16k }\n"
		 "session b { fiemap g = none }\n"
		 "schedule { a until dax_io 2; b; a until dax_io; a }\n");
	expect_story(&t, 0, "a: step a\n"
		     "a: held at dax_io\n"
		     "b: step b\n"
		     "b: fiemap g = none\n"
		     "a: held at dax_io\n"
		     "a: pwrite f 0 16k = 16384\n");
	cr_expect(t.v.ok);
	x = execution_of(&t, 0);
	first = find_event(x, EVENT_HELD, 1);
	second = find_event(x, EVENT_HELD, 2);
	cr_expect_eq(x->trace.events[first].point, P_dax_io);
	for (size_t i = 0, hits = 0; i < x->trace.nr; i++) {
		const struct event *e = &x->trace.events[i];

		hits += e->type == EVENT_POINT && e->point == P_dax_io;
		cr_expect(i != first || hits == 1, "it passed %zu before it was held", hits);
		cr_expect(i != second || hits == 2, "it passed %zu before it was held again", hits);
	}
	end_trial(&t);
}

/* A session's own hits count, and only those since the entry began. */
Test(run, until_counts_one_session)
{
	struct trial t;

	run_text(&t, HEAD "session a { step a1 { fsync f } step a2 { fsync f; fsync g } }\n"
		 "session b { fsync g }\n"
		 "schedule { a1; b; a2 until sync_file 2; a2 }\n");
	expect_story(&t, 0, "a: step a1\n"
		     "a: fsync f = 0\n"
		     "b: step b\n"
		     "b: fsync g = 0\n"
		     "a: step a2\n"
		     "a: fsync f = 0\n"
		     "a: held at sync_file\n"
		     "a: fsync g = 0\n");
	cr_expect(t.v.ok);
	end_trial(&t);
}

Test(run, until_lock_class)
{
	struct trial t;
	const struct execution *x;
	const struct event *next;

	run_text(&t, HEAD "session a { mwrite m 0 1 = 1 }\n"
		 "schedule { a until i_mmap_mutex; a until lock; a }\n"
		 "schedule { a until lock; a }\n"
		 "schedule { a until i_mutex }\n");
	x = execution_of(&t, 0);
	next = &x->trace.events[find_event(x, EVENT_HELD, 1) + 1];
	cr_expect_eq(next->point, P_lock);
	cr_expect_str_eq(next->text, "i_mmap_mutex(f)");
	/* what it went on to is a lock again, whichever */
	next = &x->trace.events[find_event(x, EVENT_HELD, 2) + 1];
	cr_expect_eq(next->point, P_lock);
	cr_expect_str_eq(next->text, "mmap_sem(main)");

	x = execution_of(&t, 1);
	next = &x->trace.events[find_event(x, EVENT_HELD, 1) + 1];
	cr_expect_str_eq(next->text, "mmap_sem(main)", "a fault begins with it");

	/* a store needs no i_mutex */
	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why,
			 "t.scn:7:12: step a ended without coming to i_mutex (hit 0 of 1)");
	cr_expect_eq(t.v.culprit, 2);
	end_trial(&t);
}

Test(run, until_missed)
{
	struct trial t;

	run_text(&t, HEAD "session a { pwrite f 0 8k = 8k }\n"
		 "schedule {\n  a until dax_io 3\n}\n");
	cr_expect_not(t.v.ok);
	cr_expect_not(t.v.bad_input);
	cr_expect_str_eq(t.v.why, "t.scn:6:3: step a ended without coming to dax_io (hit 2 of 3)");
	end_trial(&t);
}

/* With `or end` it may also never come there; naming the step again is fine then. */
Test(run, until_or_end)
{
	struct trial t;

	run_text(&t, HEAD "session a { pwrite f 0 8k = 8k }\n"
		 "schedule { a until dax_io 2 or end; a }\n"
		 "schedule { a until dax_io 3 or end; a }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	expect_story(&t, 0, "a: step a\na: held at dax_io\na: pwrite f 0 8k = 8192\n");
	expect_story(&t, 1, "a: step a\na: pwrite f 0 8k = 8192\n");
	end_trial(&t);
}

/* However a session was stopped before, SESSION:COUNT lets it pass COUNT points. */
Test(run, count)
{
	static const u64 counts[] = { 3, 1, 4, 2 };
	struct trial t;
	const struct execution *x;
	size_t from = 0, to;

	run_text(&t, HEAD "session a { pwrite f 0 16k = 16k }\n"
		 "schedule { a:3 a:1 a:4 a until dax_io 2; a:2; a }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	x = execution_of(&t, 0);
	for (unsigned int i = 0; i < 5; i++, from = to) {
		to = find_event(x, EVENT_HELD, i + 1);
		if (i != 3)
			cr_expect_eq(points_passed(x, 1, from, to), counts[i - (i > 3)],
				     "entry %u passed %llu", i,
				     (unsigned long long)points_passed(x, 1, from, to));
	}
	end_trial(&t);
}

Test(run, count_to_the_end)
{
	struct trial t;

	run_text(&t, HEAD "session a { step one { pwrite f 0 4k } step two { fsync f } }\n"
		 "session b { step other { truncate f 0 } }\n"
		 "schedule { a:2 b:end a:end a:end }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	expect_story(&t, 0, "a: step one\na: held at lock i_mutex\nb: step other\nb: truncate f 0 = 0\n"
		     "a: pwrite f 0 4k = 4096\na: step two\na: fsync f = 0\n");
	end_trial(&t);
}

/* The same session after it had to wait for a lock. */
Test(run, count_after_waiting)
{
	struct trial t;
	const struct execution *x;

	run_text(&t, HEAD "session a { fsync f }\n"
		 "session b { fsync f }\n"
		 "schedule { a until unlock; b [blocks on i_mutex]; a:1 b }\n"
		 "schedule { a:2 b:2 a:1 }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	/* sync_file and lock; then the unlock, and b goes on by itself */
	x = execution_of(&t, 1);
	cr_expect_eq(points_passed(x, 1, 0, find_event(x, EVENT_HELD, 1)), 2);
	end_trial(&t);
}

/* What is counted ends with its step; the next entry begins the next one. */
Test(run, count_over_steps)
{
	struct trial t;
	const struct execution *x;

	run_text(&t, HEAD "session a { step one { pwrite f 0 4k = 4k } step two { fsync f } }\n"
		 "schedule { a:2 a:end a:1 two }\n"
		 "schedule { a:end a:end a:1 }\n");
	x = execution_of(&t, 0);
	cr_expect_eq(points_passed(x, 1, 0, find_event(x, EVENT_HELD, 1)), 2);
	cr_expect_lt(find_event(x, EVENT_STEP, 2), find_event(x, EVENT_HELD, 2));
	cr_expect_eq(points_passed(x, 1, find_event(x, EVENT_STEP, 2),
				   find_event(x, EVENT_HELD, 2)), 1);
	cr_expect(t.v.bad_input);
	cr_expect_str_eq(t.v.why, "t.scn:6:24: error: session a has no step left to run");
	end_trial(&t);
}

/* More points than a step has left are not what somebody counted. */
Test(run, count_beyond_the_end)
{
	static const char text[] = HEAD "session a { step one { fsync f } step two { fsync f } }\n"
				   "schedule { a:2 a:1 a:end }\nschedule { a:2 a:2 }\n";
	struct trial t;
	char *why;

	run_text(&t, text);
	cr_expect_not(t.v.ok);
	cr_expect_not(t.v.bad_input);
	cr_expect_null(execution_of(&t, 0)->failure);
	cr_expect_str_eq(t.v.why, "t.scn:6:16: step one ended after 1 of 2 points; 'a:end' is all it has");
	end_trial(&t);

	/* Given by hand that is no failure of the scenario. */
	t.s = parse_text(text);
	t.s->variants->expect = EXPECT_BUG;
	judge(t.s, t.s->variants, scenario_parse_schedule(t.s, "a:2 a:2", stderr),
	      (const struct mmu_ops *[]){ &soft_mmu }, 1, NULL, &t.v);
	cr_expect(t.v.bad_input);
	why = strchr(t.v.why, '\n');
	cr_assert_not_null(why);
	*why = '\0';
	cr_expect_str_eq(t.v.why, "--schedule:1:5: error: step one ended after 1 of 2 points; "
			 "'a:end' is all it has");
	end_trial(&t);
}

/* A step that ends where it was held leaves nothing to count to the next one. */
Test(run, count_after_the_last_point)
{
	struct trial t;
	const struct execution *x;

	run_text(&t, HEAD "session a { step one { fsync f } step two { fsync g } }\n"
		 "schedule { one until unlock; one; a:1 two }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	x = execution_of(&t, 0);
	cr_expect_eq(points_passed(x, 1, find_event(x, EVENT_STEP, 2),
				   find_event(x, EVENT_HELD, 2)), 1);
	end_trial(&t);
}

/*
 * Waiting
 */

#define TWO_WRITERS                                                                                \
	"session a { pwrite -S 1 f 0 4k = 4k }\n"                                                  \
	"session b { pwrite -S 2 f 0 4k = 4k }\n"                                                  \
	"session c { pwrite -S 3 f 0 4k = 4k }\n"

Test(run, blocked_steps_go_on_by_themselves)
{
	struct trial t;

	run_text(&t, HEAD TWO_WRITERS
		 "schedule { a until dax_io; c; b [blocks on i_mutex(f)]; a }\n"
		 "final { pread f 0 1 = 0x03 }");
	/* in the order of their declaration, whoever came first */
	expect_story(&t, 0, "a: step a\n"
		     "a: held at dax_io\n"
		     "c: step c\n"
		     "c: waits for i_mutex(f), held by a\n"
		     "b: step b\n"
		     "b: waits for i_mutex(f), held by a\n"
		     "a: pwrite -S 1 f 0 4k = 4096\n"
		     "b: pwrite -S 2 f 0 4k = 4096\n"
		     "c: pwrite -S 3 f 0 4k = 4096\n");
	end_trial(&t);
}

/* Naming it afterwards is no mistake: who waits for what need not be known. */
Test(run, named_after_it_went_on)
{
	struct trial t;

	run_text(&t, HEAD TWO_WRITERS "schedule { a until dax_io; b; a; b; c }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	expect_story(&t, 0, "a: step a\n"
		     "a: held at dax_io\n"
		     "b: step b\n"
		     "b: waits for i_mutex(f), held by a\n"
		     "a: pwrite -S 1 f 0 4k = 4096\n"
		     "b: pwrite -S 2 f 0 4k = 4096\n"
		     "c: step c\n"
		     "c: pwrite -S 3 f 0 4k = 4096\n");
	end_trial(&t);
}

/* A session that went on can be held further on, at the place it was to be held at. */
Test(run, held_after_waiting)
{
	struct trial t;

	run_text(&t, HEAD TWO_WRITERS
		 "schedule { a until dax_io; b until copy_from_iter; a; c; b }\n");
	expect_story(&t, 0, "a: step a\n"
		     "a: held at dax_io\n"
		     "b: step b\n"
		     "b: waits for i_mutex(f), held by a\n"
		     "a: pwrite -S 1 f 0 4k = 4096\n"
		     "b: held at copy_from_iter\n"
		     "c: step c\n"
		     "c: waits for i_mutex(f), held by b\n"
		     "b: pwrite -S 2 f 0 4k = 4096\n"
		     "c: pwrite -S 3 f 0 4k = 4096\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

Test(run, drain)
{
	struct trial t;

	run_text(&t, HEAD TWO_WRITERS "schedule { b until dax_io; c; a until do_write }\n");
	cr_expect(t.v.ok, "%s", t.v.why);
	expect_story(&t, 0, "b: step b\n"
		     "b: held at dax_io\n"
		     "c: step c\n"
		     "c: waits for i_mutex(f), held by b\n"
		     "a: step a\n"
		     "a: held at do_write\n"
		     "a: waits for i_mutex(f), held by b\n"
		     "b: pwrite -S 2 f 0 4k = 4096\n"
		     "a: pwrite -S 1 f 0 4k = 4096\n"
		     "c: pwrite -S 3 f 0 4k = 4096\n");
	end_trial(&t);
}

/* A step that no schedule names does not run. */
Test(run, drain_starts_nothing)
{
	struct trial t;

	run_text(&t, HEAD TWO_WRITERS "schedule { a }\nfinal { pread f 0 1 = 0x01 }");
	cr_expect(t.v.ok, "%s", t.v.why);
	expect_story(&t, 0, "a: step a\na: pwrite -S 1 f 0 4k = 4096\n");
	end_trial(&t);
}

static void expect_blocks_on(const char *schedule, const char *why)
{
	char text[600];
	struct trial t;

	snprintf(text, sizeof(text), "%s", HEAD TWO_WRITERS);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "schedule { %s }", schedule);
	run_text(&t, text);
	cr_expect_eq(t.v.ok, !why);
	if (why)
		cr_expect_str_eq(t.v.why ? t.v.why : "nothing", why);
	cr_expect_not(t.v.bad_input);
	end_trial(&t);
}

Test(run, blocks_on)
{
	expect_blocks_on("a until dax_io; b [blocks on i_mutex]; a", NULL);
	expect_blocks_on("a until dax_io; b [blocks on i_mutex(f)]; a", NULL);
	expect_blocks_on("a until dax_io; b until copy_from_iter [blocks on i_mutex(f)]; a", NULL);
	expect_blocks_on("a until dax_io; b [blocks on i_mutex(g)]; a", "t.scn:7:28: step b was to "
			 "block on i_mutex(g), but waits for i_mutex(f), held by a");
	expect_blocks_on("a until dax_io; b [blocks on mmap_sem]; a", "t.scn:7:28: step b was to "
			 "block on mmap_sem, but waits for i_mutex(f), held by a");
	expect_blocks_on("a; b [blocks on i_mutex(f)]",
			 "t.scn:7:15: step b was to block on i_mutex(f), but it ended");
	expect_blocks_on("a until dax_io [blocks on i_mutex]; a",
			 "t.scn:7:12: step a was to block on i_mutex, but it is held");
}

/*
 * Schedules and commands that make no sense
 */

static void expect_rejected(const char *text, const char *why)
{
	struct trial t;

	run_text(&t, text);
	cr_expect(t.v.bad_input);
	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why ? t.v.why : "nothing", why);
	end_trial(&t);
}

Test(run, rejected_schedules)
{
	expect_rejected(HEAD "session a { fsync f }\nschedule { a; a }",
			"t.scn:5:15: error: step a has already ended; name it once for each stop");
	expect_rejected(HEAD "session a { step one { fsync f } step two { fsync f } }\n"
			"schedule { one until lock; two }",
			"t.scn:5:28: error: step two cannot begin while its session a is still in "
			"step one");
	expect_rejected(HEAD TWO_WRITERS "schedule { a until dax_io; b; b; a }",
			"t.scn:7:31: error: step b cannot go on yet: it waits for i_mutex(f), held "
			"by a; let that one run first");
	expect_rejected(HEAD TWO_WRITERS "schedule { a until dax_io; b; b:3; a }",
			"t.scn:7:31: error: step b cannot go on yet: it waits for i_mutex(f), held "
			"by a; let that one run first");
}

Test(run, rejected_commands)
{
	expect_rejected(HEAD "session a { close f; stat f }",
			"t.scn:4:22: error: file f is not open here; create or open it first");
	expect_rejected(HEAD "session a { munmap m; mread m 0 1 }",
			"t.scn:4:23: error: there is no mapping m here; mmap it first");
	expect_rejected(HEAD "session a in p2 { mread m 0 1 }",
			"t.scn:4:19: error: mapping m belongs to process main, and a runs in p2; "
			"mmap it there too");
	expect_rejected(HEAD "final { mmap m f 0 4k shared }",
			"t.scn:4:9: error: mapping m exists already; munmap it or use another "
			"name");
}

/* What went wrong before does not hide that the scenario makes no sense; nothing follows. */
Test(run, rejected_after_a_failure)
{
	struct trial t;

	run_text(&t, HEAD "session a { fiemap f = [0+1 W]; close f; stat f; fsync g }\n"
		 "final { stat g }");
	cr_expect(t.v.bad_input);
	cr_expect_str_eq(t.v.why,
			 "t.scn:4:42: error: file f is not open here; create or open it first");
	cr_expect_not(execution_of(&t, 0)->ran_finals);
	expect_story(&t, 0, "a: step a\n"
		     "a: fiemap f = none\n"
		     "a: close f = 0\n"
		     "a: stat f = file f is not open here; create or open it first\n");
	end_trial(&t);
}

/* Set-up that fails ends the run, be a bug expected or not. */
Test(run, setup_fails)
{
	struct trial t;

	run_text(&t, "scenario t\nfs ext2@v10 expect bug stale-data\n"
		 "setup { create f; truncate f 4k\n pread f 0 1 = 0x11 }\n"
		 "session a { fsync f }\n");
	cr_expect_str_eq(t.v.why, "t.scn:4:2: pread f 0 1 gave 0x00, expected 0x11");
	cr_expect_null(execution_of(&t, 0)->damage);
	expect_story(&t, 0, "");
	end_trial(&t);
}

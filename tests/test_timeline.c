// SPDX-License-Identifier: MIT
/* Tests of the timeline: columns, what is worth telling, and lines that are too long. */
#include "tests/scenario_run.h"

#include "daxsim/script/report.h"

static struct task setup = { .name = "setup", .id = 0 }, one = { .name = "one", .id = 1 },
		   two = { .name = "two", .id = 2 }, three = { .name = "three", .id = 3 };

/* Print @tr for a scenario of @nr sessions, hold it against @want, and drop it. */
static void expect_timeline(struct trace *tr, unsigned int nr, bool all, const char *want)
{
	static const char *const names[MAX_SESSIONS] = { "one", "two", "three", "four",
							 "five", "six", "seven", "eight" };
	struct session sessions[MAX_SESSIONS] = { 0 };
	struct scenario s = { .sessions = nr ? sessions : NULL, .nr_sessions = nr };
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	for (unsigned int i = 0; i < nr; i++) {
		sessions[i].name = names[i];
		sessions[i].index = i;
		sessions[i].next = i + 1 < nr ? &sessions[i + 1] : NULL;
	}
	timeline_print(&s, tr, all, "| ", to);
	fclose(to);
	cr_expect_str_eq(text, want);
	free(text);
	trace_free(tr);
}

Test(timeline, columns)
{
	struct trace tr;

	trace_init(&tr);
	trace_event(&tr, EVENT_STEP, &one, 0, "store");
	trace_point(&tr, &one, P_get_block, P_MARK, 0);
	trace_event(&tr, EVENT_HELD, &one, P_end_io, "end_io");
	trace_event(&tr, EVENT_BLOCKED, &two, 0, "i_mutex(f), held by one");
	trace_event(&tr, EVENT_RESULT, &two, 0, "fsync f = 0");
	expect_timeline(&tr, 2, false,
			"|        one                                             two\n"
			"|    0   step store\n"
			"|    1     get_block\n"
			"|    2   held at end_io\n"
			"|    3                                                   waits for i_mutex(f), "
			"held by one\n"
			"|    4                                                   fsync f = 0\n");
}

/* Columns never get so narrow that nothing fits. */
Test(timeline, many_columns)
{
	struct trace tr;

	trace_init(&tr);
	for (u8 id = 1; id <= MAX_SESSIONS; id++) {
		const struct task t = { .id = id };

		trace_point(&tr, &t, id == 2 ? P_get_block : P_i_size_read, P_READ, 0);
	}
	trace_point(&tr, &two, P_get_block, P_MARK, 0);
	expect_timeline(&tr, 8, false,
			"|        one               two               three             four"
			"              five              six               seven             eight\n"
			"|    8                       get_block\n");
	trace_init(&tr);
	expect_timeline(&tr, 0, false, "|        \n");
}

/* Who takes no part takes no room; without anybody all are named. */
Test(timeline, only_who_takes_part)
{
	struct trace tr;

	trace_init(&tr);
	trace_event(&tr, EVENT_RESULT, &three, 0, "fsync f = 0");
	trace_event(&tr, EVENT_RESULT, &one, 0, "fsync g = 0");
	expect_timeline(&tr, 8, false,
			"|        one                                             three\n"
			"|    0                                                   fsync f = 0\n"
			"|    1   fsync g = 0\n");
	trace_init(&tr);
	trace_event(&tr, EVENT_RESULT, &setup, 0, "create f = 0");
	expect_timeline(&tr, 2, false,
			"|        one                                             two\n");
}

/* What was there before, what each step does, what it came to, and who broke it. */
Test(timeline, the_whole_story)
{
	struct trace tr;

	trace_init(&tr);
	trace_event(&tr, EVENT_COMMAND, &setup, 0, "create f");
	trace_event(&tr, EVENT_RESULT, &setup, 0, "create f = 0");
	trace_event(&tr, EVENT_COMMAND, &setup, 0, "truncate f 8k");
	trace_event(&tr, EVENT_STEP, &one, 0, "store");
	trace_event(&tr, EVENT_COMMAND, &one, 0, "mwrite m 0 8");
	trace_point(&tr, &one, P_clear_page, P_WRITE, 0);
	trace_point(&tr, &one, P_i_size_read, P_READ, 0);
	trace_event(&tr, EVENT_VIOLATION, &one, 0, "foreign-write: x");
	trace_event(&tr, EVENT_RESULT, &one, 0, "mwrite m 0 8 = 8");
	trace_event(&tr, EVENT_COMMAND, &one, 0, "fsync f");
	trace_point(&tr, &one, P_sync_file, P_MARK, 0);
	trace_event(&tr, EVENT_RESULT, &one, 0, "fsync f = 0");
	trace_event(&tr, EVENT_COMMAND, &one, 0, "faults");
	trace_event(&tr, EVENT_RESULT, &one, 0, "faults = min 1 maj 0");
	trace_event(&tr, EVENT_VIOLATION, NULL, 0, "leak-past-eof: y");
	trace_event(&tr, EVENT_COMMAND, &setup, 0, "fiemap f");
	trace_event(&tr, EVENT_RESULT, &setup, 0, "fiemap f = none");
	expect_timeline(&tr, 1, false,
			"|        setup: create f; truncate f 8k\n"
			"|        one\n"
			"|    3   step store: mwrite m 0 8\n"
			"|    5 >   clear_page\n"
			"|    7 > foreign-write: x\n"
			"|    8   mwrite m 0 8 = 8\n"
			"|    9   fsync f\n"
			"|   10     sync_file\n"
			"|   11   fsync f = 0\n"
			"|   13   faults = min 1 maj 0\n"
			"|   14 > leak-past-eof: y\n"
			"|        final: fiemap f = none\n");
}

/* Of what goes on for ever nobody wants to see all. */
Test(timeline, too_long)
{
	struct trace tr;
	char *text;
	size_t size, lines = 0;
	FILE *to = open_memstream(&text, &size);
	struct session ses = { .name = "one" };
	struct scenario s = { .sessions = &ses, .nr_sessions = 1 };

	trace_init(&tr);
	for (int i = 0; i < 5000; i++)
		trace_point(&tr, &one, i == 4999 ? P_end_io : P_get_block, P_MARK, 0);
	timeline_print(&s, &tr, false, "", to);
	fclose(to);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	cr_expect_eq(lines, 202);	/* the head, and the line below */
	cr_expect_not_null(strstr(text, "       ... 4800 more ...\n"));
	cr_expect_not_null(strstr(text, "\n4999     end_io\n"));
	free(text);
	trace_free(&tr);
}

/* Set-up is not the story; neither are reads and releases. */
static void record(struct trace *tr)
{
	trace_init(tr);
	trace_event(tr, EVENT_RESULT, &setup, 0, "create f = 0");
	trace_point(tr, &setup, P_get_block, P_MARK, 0);
	trace_event(tr, EVENT_COMMAND, &one, 0, "fsync f");
	trace_point(tr, &one, P_i_size_read, P_READ, 1);
	trace_point(tr, &one, P_i_size_write, P_WRITE, 1);
	trace_point(tr, &one, P_lock, P_LOCK, 1);
	trace_point(tr, &one, P_lock, P_RLOCK, 1);
	trace_point(tr, &one, P_lock, P_WAIT, 1);
	trace_point(tr, &one, P_unlock, P_UNLOCK, 1);
	trace_point(tr, &one, P_zap_pte, P_WRITE, 1);
	trace_event(tr, EVENT_RESULT, &one, 0, "fsync f = 0");
}

Test(timeline, worth_telling)
{
	struct trace tr;

	record(&tr);
	expect_timeline(&tr, 1, false,
			"|        one\n"
			"|    2   fsync f\n"
			"|    4     i_size_write\n"
			"|    5     lock\n"
			"|    7     lock\n"
			"|   10   fsync f = 0\n");
	record(&tr);
	expect_timeline(&tr, 1, true,
			"|        one\n"
			"|    2   fsync f\n"
			"|    3     i_size_read\n"
			"|    4     i_size_write\n"
			"|    5     lock\n"
			"|    6     lock\n"
			"|    7     lock\n"
			"|    8     unlock\n"
			"|    9     zap_pte\n"
			"|   10   fsync f = 0\n");
}

/* Whoever broke it, a violation stands over the whole width. */
Test(timeline, violation)
{
	struct trace tr;

	trace_init(&tr);
	trace_event(&tr, EVENT_VIOLATION, &two, 0, "stale-pte: a long text that goes over more "
		    "than the column of the session that it was found in");
	trace_event(&tr, EVENT_VIOLATION, NULL, 0, "deadlock: x");
	trace_event(&tr, EVENT_VIOLATION, &setup, 0, "lost-store: y");
	expect_timeline(&tr, 3, false,
			"|        two\n"
			"|    0 > stale-pte: a long text that goes over more than the column of the "
			"session that it was found in\n"
			"|    1 > deadlock: x\n"
			"|    2 > lost-store: y\n");
}

/* A text that does not fit goes on below, cut at a blank if there is one in its second half. */
Test(timeline, long_lines)
{
	struct trace tr;

	trace_init(&tr);
	trace_event(&tr, EVENT_RESULT, &two, 0, "pread f 0 4k = 0x11 x 100, 0x22 x 3996");
	trace_event(&tr, EVENT_RESULT, &one, 0, "stat a-name-that-is-longer-than-a-column = 0");
	trace_event(&tr, EVENT_RESULT, &one, 0, "as wide as the column can take.");
	trace_event(&tr, EVENT_RESULT, &one, 0, "one wider than the column takes.");
	trace_event(&tr, EVENT_RESULT, &three, 0, "sync = 0");
	expect_timeline(&tr, 3, false,
			"|        one                             two                             three\n"
			"|    0                                   pread f 0 4k = 0x11 x 100, 0x22\n"
			"|                                        x 3996\n"
			"|    1   stat a-name-that-is-longer-than\n"
			"|        -a-column = 0\n"
			"|    2   as wide as the column can take.\n"
			"|    3   one wider than the column\n"
			"|        takes.\n"
			"|    4                                                                   sync = 0\n");
}

/* Names can be long; a point's text is indented without running over its end. */
Test(timeline, long_point)
{
	char name[128], want[400];
	struct lock lock = { .class = LOCK_I_MUTEX, .of = name };
	struct trace tr;

	memset(name, 'f', sizeof(name));
	name[127] = '\0';
	one.at_lock = &lock;
	trace_init(&tr);
	trace_point(&tr, &one, P_lock, P_LOCK, 1);
	one.at_lock = NULL;
	snprintf(want, sizeof(want), "|        one\n|    0     lock i_mutex(%.80s\n"
		 "|        %.47s)\n", name, name);
	expect_timeline(&tr, 1, false, want);
}

// SPDX-License-Identifier: MIT
/* Tests of comparing what a command came to with what was asked of it, and of saying both. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/machine.h"

static struct scenario *parse_cmd_text(const char *cmd)
{
	char text[400];
	struct scenario *s;

	snprintf(text, sizeof(text), "scenario t\nfs ext2\n"
		 "setup { create f; mmap m f 0 4k shared }\nsession a { %s }\n", cmd);
	s = scenario_parse("t.scn", text, strlen(text), stderr);
	cr_assert_not_null(s);
	return s;
}

struct row {
	const char *cmd;
	struct outcome out;
	bool matches;
	const char *got;	/* the outcome in words; NULL: not looked at */
	const char *want;	/* the result in words; NULL: not looked at */
};

static void expect_rows(const struct row *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct row *r = &rows[i];
		struct scenario *s = parse_cmd_text(r->cmd);
		const struct cmd *cmd = s->sessions->steps->cmds;
		char buf[200];

		cr_expect_eq(outcome_matches(cmd, &r->out), r->matches, "row %zu: %s", i, r->cmd);
		if (r->got)
			cr_expect_str_eq(outcome_print(cmd, &r->out, buf, sizeof(buf)), r->got);
		if (r->want)
			cr_expect_str_eq(result_print(cmd, buf, sizeof(buf)), r->want);
		scenario_free(s);
	}
}

#define RETURNS(n) { .ret = (n) }
#define SIGNAL(n) { .signal = (n) }
#define BYTES(text) { .ret = sizeof(text) - 1, .data = (u8 *)(text), .nr_data = sizeof(text) - 1 }
#define FIELDS(...) { .fields = { __VA_ARGS__ } }
#define EXTENTS(n, ...) { .nr_extents = (n), .extents = (struct extent_value[]){ __VA_ARGS__ } }

Test(outcome, nothing_asked)
{
	static const struct row rows[] = {
		{ "fsync f", RETURNS(0), true, "0", "success" },
		{ "fsync f", RETURNS(-EIO), false, "-EIO", "success" },
		{ "pwrite f 0 8", RETURNS(3), true, "3", "success" },
		{ "mwrite m 0 8", RETURNS(8), true, "8", "success" },
		{ "mwrite m 0 8", SIGNAL(SIGBUS), false, "SIGBUS", "success" },
		{ "mread m 0 4", BYTES("ZZZZ"), true, "0x5a x 4", "success" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, any)
{
	static const struct row rows[] = {
		{ "mwrite m 0 8 = ...", RETURNS(8), true, "8", "..." },
		{ "mwrite m 0 8 = ...", SIGNAL(SIGSEGV), true, "SIGSEGV", "..." },
		{ "fsync f = ...", RETURNS(-ENOSPC), true, "-ENOSPC", "..." },
		/* but a command that makes no sense comes to nothing at all */
		{ "fsync f = ...", { .error = "file f is not open" }, false, "file f is not open",
		  "..." },
		{ "fsync f != -EIO", { .error = "file f is not open" }, false, NULL, NULL },
		{ "fsync f", { .error = "file f is not open" }, false, NULL, NULL },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, number)
{
	static const struct row rows[] = {
		{ "pwrite f 0 8 = 8", RETURNS(8), true, "8", "8" },
		{ "pwrite f 0 8 = 8", RETURNS(7), false, "7", "8" },
		{ "pwrite f 0 8k = 4k", RETURNS(4096), true, "4096", "4096" },
		{ "pwrite f 0 8 = 0", RETURNS(0), true, "0", "0" },
		{ "pwrite f 0 8 = 0", RETURNS(-EIO), false, "-EIO", "0" },
		{ "mread m 0 4 = 4", BYTES("ZZZZ"), true, "4", "4" },
		{ "mread m 0 4 = 4", SIGNAL(SIGBUS), false, "SIGBUS", "4" },
		{ "pread f 0 4 = 2", BYTES("ab"), true, "2", "2" },
		{ "pread f 0 4 = 0", RETURNS(0), true, "0", "0" },
		/* bytes that arrived before the signal do not count */
		{ "mread m 0 4 = 4", { .ret = 4, .signal = SIGBUS }, false, "SIGBUS", NULL },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, error)
{
	static const struct row rows[] = {
		{ "truncate f 1k = -ENOSPC", RETURNS(-ENOSPC), true, "-ENOSPC", "-ENOSPC" },
		{ "truncate f 1k = -ENOSPC", RETURNS(-EIO), false, "-EIO", "-ENOSPC" },
		{ "truncate f 1k = -ENOSPC", RETURNS(0), false, "0", "-ENOSPC" },
		{ "truncate f 1k = 0", RETURNS(-EFBIG), false, "-EFBIG", "0" },
		{ "stat f = -EIO", RETURNS(-EIO), true, "-EIO", "-EIO" },
		{ "fiemap f = -EIO", RETURNS(-EIO), true, "-EIO", "-EIO" },
		{ "pread f 0 4 = -EIO", RETURNS(-EIO), true, "-EIO", "-EIO" },
		{ "truncate f 1k", RETURNS(-100000), false, "-100000", NULL },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, signal)
{
	static const struct row rows[] = {
		{ "mread m 0 4 = SIGBUS", SIGNAL(SIGBUS), true, "SIGBUS", "SIGBUS" },
		{ "mread m 0 4 = SIGBUS", SIGNAL(SIGSEGV), false, "SIGSEGV", "SIGBUS" },
		{ "mread m 0 4 = SIGSEGV", BYTES("ZZZZ"), false, "0x5a x 4", "SIGSEGV" },
		{ "mwrite m 0 4 = SIGBUS", RETURNS(4), false, "4", "SIGBUS" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, one_byte)
{
	static const struct row rows[] = {
		{ "pread f 0 4 = 0x5a", BYTES("ZZZZ"), true, "0x5a x 4", "0x5a" },
		{ "pread f 0 4 = \"Z\"", BYTES("ZZZZ"), true, "0x5a x 4", "0x5a" },
		{ "pread f 0 4 = 0x00", BYTES("\0\0\0\0"), true, "0x00 x 4", "0x00" },
		{ "pread f 0 4 = 0x5a", BYTES("ZZZz"), false, "0x5a x 3, 0x7a", "0x5a" },
		{ "pread f 0 4 = 0x5a", BYTES("\0ZZZ"), false, "0x00, 0x5a x 3", "0x5a" },
		/* it stands for all that was asked for */
		{ "pread f 0 4 = 0x5a", BYTES("ZZ"), false, "0x5a x 2", "0x5a" },
		{ "pread f 0 4 = 0x5a", RETURNS(0), false, "0", "0x5a" },
		{ "pread f 0 4 = 0x5a", RETURNS(-EIO), false, "-EIO", "0x5a" },
		{ "pread f 0 1 = 0x5a", BYTES("Z"), true, "0x5a", "0x5a" },
		{ "mread m 0 4 = 0x00", { .ret = 4, .signal = SIGBUS, .data = (u8 *)"\0\0\0\0",
					  .nr_data = 4 }, false, "SIGBUS", "0x00" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, bytes)
{
	static const struct row rows[] = {
		{ "pread f 0 4 = \"abcd\"", BYTES("abcd"), true, "0x61, 0x62, 0x63, 0x64",
		  "0x61, 0x62, 0x63, 0x64" },
		{ "pread f 0 4 = \"abcd\"", BYTES("abcX"), false, NULL, NULL },
		{ "pread f 0 4 = \"ab\"", BYTES("abcd"), false, NULL, "0x61, 0x62" },
		{ "pread f 0 4 = \"ab\"", BYTES("ab"), true, NULL, NULL },
		{ "pread f 0 4 = \"abcd\"", BYTES("ab"), false, NULL, NULL },
		{ "pread f 0 6 = \"aabb\\x00\\x00\"", BYTES("aabb\0\0"), true,
		  "0x61 x 2, 0x62 x 2, 0x00 x 2", "0x61 x 2, 0x62 x 2, 0x00 x 2" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, extents)
{
	const struct row rows[] = {
		{ "fiemap f = none", RETURNS(0), true, "none", "none" },
		{ "fiemap f = none", EXTENTS(1, { 0, 1, false }), false, "[0+1 W]", "none" },
		{ "fiemap f = [0+1 W]", RETURNS(0), false, "none", "[0+1 W]" },
		{ "fiemap f = [0+3 U][3+1 W]", EXTENTS(2, { 0, 3, true }, { 3, 1, false }), true,
		  "[0+3 U][3+1 W]", "[0+3 U][3+1 W]" },
		{ "fiemap f = [0+3 U][3+1 W]", EXTENTS(2, { 0, 3, true }, { 3, 1, true }), false,
		  "[0+3 U][3+1 U]", NULL },
		{ "fiemap f = [0+3 U][3+1 W]", EXTENTS(2, { 0, 3, true }, { 4, 1, false }), false,
		  NULL, NULL },
		{ "fiemap f = [0+3 U][3+1 W]", EXTENTS(2, { 0, 2, true }, { 3, 1, false }), false,
		  NULL, NULL },
		{ "fiemap f = [0+3 U]", EXTENTS(2, { 0, 3, true }, { 3, 1, false }), false, NULL,
		  NULL },
		{ "fiemap f = [0+3 U][3+1 W]", EXTENTS(1, { 0, 3, true }), false, NULL, NULL },
		{ "fiemap f = none", RETURNS(-EIO), false, "-EIO", NULL },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, fields)
{
	static const struct row rows[] = {
		{ "stat f = size 8k", FIELDS(8192, 16, 1, 3), true,
		  "size 8192 blocks 16 nlink 1 mtime 3", "size 8192" },
		{ "stat f = size 8k", FIELDS(4096, 16, 1), false, NULL, NULL },
		{ "stat f = blocks 16 size 8k", FIELDS(8192, 16, 1), true, NULL,
		  "blocks 16 size 8192" },
		{ "stat f = blocks 16 size 8k", FIELDS(8192, 8, 1), false, NULL, NULL },
		{ "stat f = blocks 8 size 8k", FIELDS(8192, 16, 1), false, NULL, NULL },
		{ "stat f = nlink 1 mtime 3", FIELDS(8192, 16, 1, 3), true, NULL, NULL },
		{ "stat f = nlink 0", FIELDS(0, 0, 1, 0), false, NULL, NULL },
		{ "stat f = mtime 2", FIELDS(0, 0, 1, 3), false, NULL, NULL },
		{ "stat f = size 0", RETURNS(-EIO), false, "-EIO", NULL },
		{ "faults = min 2 maj 1", FIELDS(2, 1, 4, 5), true,
		  "min 2 maj 1 pgfault 4 pgmajfault 5", "min 2 maj 1" },
		{ "faults = maj 1", FIELDS(2, 1), true, NULL, NULL },
		{ "faults = maj 2", FIELDS(2, 1), false, NULL, NULL },
		{ "faults = pgmajfault 5", FIELDS(2, 1, 4, 5), true, NULL, NULL },
		{ "faults = pgfault 5", FIELDS(2, 1, 4, 5), false, NULL, NULL },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, alternatives)
{
	const struct row rows[] = {
		{ "mwrite m 0 8 = 8 or SIGBUS", RETURNS(8), true, NULL, "8 or SIGBUS" },
		{ "mwrite m 0 8 = 8 or SIGBUS", SIGNAL(SIGBUS), true, NULL, NULL },
		{ "mwrite m 0 8 = 8 or SIGBUS", SIGNAL(SIGSEGV), false, NULL, NULL },
		{ "mwrite m 0 8 = 8 or SIGBUS", RETURNS(4), false, NULL, NULL },
		{ "pread f 0 2 = 0x11 or 0x22 or -EIO", BYTES("\x22\x22"), true, NULL,
		  "0x11 or 0x22 or -EIO" },
		{ "pread f 0 2 = 0x11 or 0x22 or -EIO", BYTES("\x11\x22"), false, "0x11, 0x22",
		  NULL },
		{ "pread f 0 2 = 0x11 or 0x22 or -EIO", RETURNS(-EIO), true, NULL, NULL },
		{ "fiemap f = none or [0+1 W]", EXTENTS(1, { 0, 1, false }), true, NULL,
		  "none or [0+1 W]" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(outcome, negated)
{
	static const struct row rows[] = {
		{ "pread f 0 2 != 0x11", BYTES("\x11\x11"), false, NULL, "anything but 0x11" },
		{ "pread f 0 2 != 0x11", BYTES("\x11\x12"), true, NULL, NULL },
		{ "pread f 0 2 != 0x11", RETURNS(-EIO), true, NULL, NULL },
		{ "mread m 0 2 != SIGBUS", SIGNAL(SIGBUS), false, NULL, "anything but SIGBUS" },
		{ "mread m 0 2 != SIGBUS", BYTES("ab"), true, NULL, NULL },
		{ "truncate f 0 != 0", RETURNS(0), false, NULL, "anything but 0" },
		{ "stat f != size 0", FIELDS(1), true, NULL, "anything but size 0" },
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

/* However long it is, it stays in its buffer, and is terminated. */
Test(outcome, small_buffer)
{
	struct scenario *s = parse_cmd_text("pread f 0 200 = \"ab\"");
	const struct cmd *cmd = s->sessions->steps->cmds;
	struct outcome out = { .ret = 200, .nr_data = 200 };
	u8 data[200];
	char buf[20];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	out.data = data;
	memset(buf, 'x', sizeof(buf));
	cr_expect_eq(outcome_print(cmd, &out, buf, 16), buf);
	cr_expect_str_eq(buf, "0x00, 0x01, 0x0");
	cr_expect_eq(buf[16], 'x');
	cr_expect_str_eq(result_print(cmd, buf, 8), "0x61, 0");
	scenario_free(s);
}

/* What came of a command in two executions is told apart by all that it may be asked for. */
Test(outcome, told_apart)
{
	const struct {
		const char *cmd;
		struct outcome a, b;
	} pairs[] = {
		{ "fsync f", RETURNS(0), RETURNS(-EIO) },
		{ "mread m 0 8", RETURNS(8), SIGNAL(SIGBUS) },
		{ "pread f 0 2", BYTES("ab"), BYTES("ac") },
		{ "stat f", FIELDS(4096, 8, 1), FIELDS(4096, 8, 1, 1) },
		{ "fiemap f", EXTENTS(1, { 0, 2, false }), EXTENTS(1, { 0, 2, true }) },
		{ "fiemap f", EXTENTS(1, { 0, 2, false }), RETURNS(0) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct scenario *s = parse_cmd_text(pairs[i].cmd);
		const struct cmd *cmd = s->sessions->steps->cmds;
		u64 a = outcome_hash(cmd, &pairs[i].a), b = outcome_hash(cmd, &pairs[i].b);

		cr_expect_neq(a, b, "pair %zu: %s", i, pairs[i].cmd);
		cr_expect_eq(a, outcome_hash(cmd, &pairs[i].a));
		scenario_free(s);
	}
}

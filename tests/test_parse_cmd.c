// SPDX-License-Identifier: MIT
/* Tests of the scenario parser: arguments and results of every command. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "daxsim/script/scenario.h"

/* The setup of a scenario around one command; f, g are files, m is a mapping. */
static struct scenario *parse_one(const char *cmd)
{
	struct scenario *s;
	char text[512];

	snprintf(text, sizeof(text),
		 "scenario t\nfs ext2\nfinal { %s }\n"
		 "setup { create f; create g; mmap m f 0 8k shared }\n", cmd);
	s = scenario_parse("t.scn", text, strlen(text), stderr);
	cr_assert_not_null(s);
	return s;
}

Test(parse_cmd, arguments)
{
	static const struct {
		const char *text;
		struct cmd cmd;
	} cases[] = {
		{ "create new", { .verb = VERB_CREATE, .name = "new" } },
		{ "open f", { .verb = VERB_OPEN, .name = "f" } },
		{ "open f ro as h", { .verb = VERB_OPEN, .name = "f", .name2 = "h",
				      .flags = CMD_RDONLY } },
		{ "open f rw as h", { .verb = VERB_OPEN, .name = "f", .name2 = "h" } },
		{ "close f", { .verb = VERB_CLOSE, .name = "f" } },
		{ "unlink f", { .verb = VERB_UNLINK, .name = "f" } },
		{ "truncate f 0", { .verb = VERB_TRUNCATE, .name = "f" } },
		{ "truncate f 3p", { .verb = VERB_TRUNCATE, .name = "f", .len = 12288 } },
		{ "fallocate f 4k 8k", { .verb = VERB_FALLOCATE, .name = "f", .off = 4096,
					 .len = 8192 } },
		{ "fallocate -k f 0 0x1000", { .verb = VERB_FALLOCATE, .name = "f", .len = 4096,
					       .flags = CMD_KEEP_SIZE } },
		{ "fpunch f 1 2", { .verb = VERB_FPUNCH, .name = "f", .off = 1, .len = 2 } },
		{ "fzero -k f 1 2", { .verb = VERB_FZERO, .name = "f", .off = 1, .len = 2,
				      .flags = CMD_KEEP_SIZE } },
		{ "fcollapse f 1 2", { .verb = VERB_FCOLLAPSE, .name = "f", .off = 1, .len = 2 } },
		{ "finsert f 1 2", { .verb = VERB_FINSERT, .name = "f", .off = 1, .len = 2 } },
		{ "pread f 1 2", { .verb = VERB_PREAD, .name = "f", .off = 1, .len = 2 } },
		{ "pread f 1 2 to m 3", { .verb = VERB_PREAD, .name = "f", .off = 1, .len = 2,
					  .name2 = "m", .off2 = 3, .flags = CMD_USER_BUFFER } },
		{ "pwrite f 1 1g", { .verb = VERB_PWRITE, .name = "f", .off = 1, .len = 1 << 30,
				     .byte = 0xcd } },
		{ "pwrite -S 7 f 1 2", { .verb = VERB_PWRITE, .name = "f", .off = 1, .len = 2,
					 .byte = 7 } },
		{ "pwrite f 1 2 from m 3", { .verb = VERB_PWRITE, .name = "f", .off = 1, .len = 2,
					     .name2 = "m", .off2 = 3, .byte = 0xcd,
					     .flags = CMD_USER_BUFFER } },
		{ "mmap n g 4k 8k private ro", { .verb = VERB_MMAP, .name = "n", .name2 = "g",
						 .off = 4096, .len = 8192,
						 .flags = CMD_PRIVATE | CMD_RDONLY } },
		{ "mmap n g 0 8k shared rw", { .verb = VERB_MMAP, .name = "n", .name2 = "g",
					       .len = 8192 } },
		{ "munmap m", { .verb = VERB_MUNMAP, .name = "m", .flags = CMD_WHOLE } },
		{ "munmap m 4k 8k", { .verb = VERB_MUNMAP, .name = "m", .off = 4096,
				      .len = 8192 } },
		{ "mprotect m 4k 8k ro", { .verb = VERB_MPROTECT, .name = "m", .off = 4096,
					   .len = 8192, .flags = CMD_RDONLY } },
		{ "mprotect m 4k 0 rw", { .verb = VERB_MPROTECT, .name = "m", .off = 4096 } },
		{ "mprotect m 0 1 none", { .verb = VERB_MPROTECT, .name = "m", .len = 1,
					   .flags = CMD_NO_ACCESS } },
		{ "mremap m 8k", { .verb = VERB_MREMAP, .name = "m", .len = 8192 } },
		{ "mread m 1 2", { .verb = VERB_MREAD, .name = "m", .off = 1, .len = 2 } },
		{ "mwrite m 1 2", { .verb = VERB_MWRITE, .name = "m", .off = 1, .len = 2,
				    .byte = 0x58 } },
		{ "mwrite m 1 2 255", { .verb = VERB_MWRITE, .name = "m", .off = 1, .len = 2,
					.byte = 255 } },
		{ "mwrite -S 0x00 m 1 2", { .verb = VERB_MWRITE, .name = "m", .off = 1,
					    .len = 2 } },
		{ "msync m", { .verb = VERB_MSYNC, .name = "m" } },
		{ "fsync f", { .verb = VERB_FSYNC, .name = "f" } },
		{ "fiemap f", { .verb = VERB_FIEMAP, .name = "f" } },
		{ "stat f", { .verb = VERB_STAT, .name = "f" } },
		{ "faults", { .verb = VERB_FAULTS } },
		{ "freeze", { .verb = VERB_FREEZE } },
		{ "thaw", { .verb = VERB_THAW } },
		{ "inject get_block -ENOSPC", { .verb = VERB_INJECT, .site = INJECT_GET_BLOCK,
						.error = -ENOSPC, .times = 1 } },
		{ "inject direct_access short 512 after 2 times 3",
		  { .verb = VERB_INJECT, .site = INJECT_DIRECT_ACCESS, .short_len = 512,
		    .after = 2, .times = 3 } },
		{ "inject clear -EIO times 2", { .verb = VERB_INJECT, .site = INJECT_CLEAR,
						 .error = -EIO, .times = 2 } },
		{ "inject copy fault after 4k", { .verb = VERB_INJECT, .site = INJECT_COPY,
						  .error = -EFAULT, .after = 4096, .times = 1 } },
	};
	bool seen[NR_VERBS] = { false };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		const struct cmd *want = &cases[i].cmd;
		struct scenario *s = parse_one(text);
		const struct cmd *c = s->finals->cmds;

		cr_expect_str_eq(c->text, text);
		cr_expect_eq(c->verb, want->verb, "%s", text);
		cr_expect_eq(c->pos.line, 3);
		cr_expect_eq(c->pos.col, 9);
		if (want->name)
			cr_expect_str_eq(c->name, want->name);
		else
			cr_expect_null(c->name, "%s", text);
		if (want->name2)
			cr_expect_str_eq(c->name2, want->name2);
		else
			cr_expect_null(c->name2, "%s", text);
		cr_expect_eq(c->off, want->off, "%s", text);
		cr_expect_eq(c->len, want->len, "%s", text);
		cr_expect_eq(c->off2, want->off2, "%s", text);
		cr_expect_eq(c->byte, want->byte, "%s", text);
		cr_expect_eq(c->flags, want->flags, "%s", text);
		cr_expect_eq(c->site, want->site, "%s", text);
		cr_expect_eq(c->error, want->error, "%s", text);
		cr_expect_eq(c->short_len, want->short_len, "%s", text);
		cr_expect_eq(c->after, want->after, "%s", text);
		cr_expect_eq(c->times, want->times, "%s", text);
		cr_expect_null(c->result, "%s", text);
		seen[c->verb] = true;
		scenario_free(s);
	}
	for (int verb = 0; verb < NR_VERBS; verb++)
		cr_expect(seen[verb], "%s is not tested", verb_table[verb].name);
}

Test(parse_cmd, command_text)
{
	struct scenario *s = parse_one("pread   f\t0  4k   =  ... ");

	cr_expect_str_eq(s->finals->cmds->text, "pread f 0 4k");
	scenario_free(s);
}

Test(parse_cmd, sizes)
{
	static const struct {
		const char *text;
		u64 size;
	} cases[] = {
		{ "0", 0 }, { "4096", 4096 }, { "0x1000", 4096 }, { "0xFf", 255 }, { "010", 10 },
		{ "4k", 4096 }, { "1m", 1 << 20 }, { "2g", 2ULL << 30 }, { "1t", 1ULL << 40 },
		{ "3p", 12288 }, { "0x10k", 16384 }, { "8388607t", 8388607ULL << 40 },
		{ "9223372036854775807", INT64_MAX }, { "0x7fffffffffffffff", INT64_MAX },
	};
	char cmd[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scenario *s;

		snprintf(cmd, sizeof(cmd), "truncate f %s", cases[i].text);
		s = parse_one(cmd);
		cr_expect_eq(s->finals->cmds->len, cases[i].size, "%s", cases[i].text);
		scenario_free(s);
	}
}

Test(parse_cmd, results)
{
	const struct {
		const char *text;
		struct value value;
	} cases[] = {
		{ "truncate f 0 = 0", { .type = VALUE_NUMBER } },
		{ "truncate f 0 = -ENOSPC", { .type = VALUE_ERRNO, .number = -ENOSPC } },
		{ "truncate f 0 = -EOPNOTSUPP", { .type = VALUE_ERRNO, .number = -EOPNOTSUPP } },
		{ "truncate f 0 = -ENOTSUP", { .type = VALUE_ERRNO, .number = -EOPNOTSUPP } },
		{ "truncate f 0 = -EWOULDBLOCK", { .type = VALUE_ERRNO, .number = -EAGAIN } },
		{ "truncate f 0 = -EHWPOISON", { .type = VALUE_ERRNO, .number = -EHWPOISON } },
		{ "truncate f 0=...", { .type = VALUE_ANY } },
		{ "inject clear -EIO = 0", { .type = VALUE_NUMBER } },
		{ "pread f 0 4k = 0", { .type = VALUE_NUMBER } },
		{ "pread f 0 4k = 4k", { .type = VALUE_NUMBER, .number = 4096 } },
		{ "pread f 0 4k = 0x00", { .type = VALUE_BYTES, .bytes = (u8[]){ 0 },
					   .nr_bytes = 1 } },
		{ "pread f 0 8 = \"a\\0\\xff\\n\"", { .type = VALUE_BYTES,
						      .bytes = (u8[]){ 'a', 0, 0xff, '\n' },
						      .nr_bytes = 4 } },
		{ "pread f 0 8 = -EFAULT", { .type = VALUE_ERRNO, .number = -EFAULT } },
		{ "pwrite f 0 8 = 8", { .type = VALUE_NUMBER, .number = 8 } },
		{ "mread m 0 8 = 8", { .type = VALUE_NUMBER, .number = 8 } },
		{ "mread m 0 8 = 0x5a", { .type = VALUE_BYTES, .bytes = (u8[]){ 0x5a },
					  .nr_bytes = 1 } },
		{ "mread m 0 2 = \"hi\"", { .type = VALUE_BYTES, .bytes = (u8[]){ 'h', 'i' },
					    .nr_bytes = 2 } },
		{ "mread m 0 8 = SIGBUS", { .type = VALUE_SIGNAL, .number = SIGBUS } },
		{ "mwrite m 0 8 = SIGSEGV", { .type = VALUE_SIGNAL, .number = SIGSEGV } },
		{ "mwrite m 0 4k 1 = 4k", { .type = VALUE_NUMBER, .number = 4096 } },
		{ "fiemap f = none", { .type = VALUE_EXTENTS } },
		{ "fiemap f = [0+3 U][3+1 W][2m+8k W]",
		  { .type = VALUE_EXTENTS, .nr_extents = 3,
		    .extents = (struct extent_value[]){ { 0, 3, true }, { 3, 1, false },
							{ 512, 2, false } } } },
		{ "fiemap f = [0+1 U][1+1 W][2+1 U][3+1 W][4+1 U]",
		  { .type = VALUE_EXTENTS, .nr_extents = 5,
		    .extents = (struct extent_value[]){ { 0, 1, true }, { 1, 1, false },
							{ 2, 1, true }, { 3, 1, false },
							{ 4, 1, true } } } },
		{ "stat f = nlink 1 size 8k blocks 16",
		  { .type = VALUE_FIELDS, .nr_fields = 3,
		    .fields = { { "nlink", 1 }, { "size", 8192 }, { "blocks", 16 } } } },
		{ "stat f = -ENOENT", { .type = VALUE_ERRNO, .number = -ENOENT } },
		{ "faults = min 1 maj 0",
		  { .type = VALUE_FIELDS, .nr_fields = 2,
		    .fields = { { "min", 1 }, { "maj", 0 } } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		const struct value *want = &cases[i].value, *v;
		struct scenario *s = parse_one(text);

		v = s->finals->cmds->result;
		cr_assert_not_null(v, "%s", text);
		cr_expect_null(v->next);
		cr_expect_eq(v->type, want->type, "%s", text);
		cr_expect_eq(v->number, want->number, "%s", text);
		cr_expect_eq(v->pos.line, 3);
		cr_expect_eq(v->pos.col, 9 + (strchr(text, '=') + 1 - text) +
			     strspn(strchr(text, '=') + 1, " "), "%s", text);
		cr_assert_eq(v->nr_bytes, want->nr_bytes, "%s", text);
		if (v->nr_bytes)
			cr_expect_arr_eq(v->bytes, want->bytes, v->nr_bytes, "%s", text);
		cr_assert_eq(v->nr_extents, want->nr_extents, "%s", text);
		for (u32 j = 0; j < v->nr_extents; j++) {
			cr_expect_eq(v->extents[j].lblk, want->extents[j].lblk, "%s", text);
			cr_expect_eq(v->extents[j].len, want->extents[j].len, "%s", text);
			cr_expect_eq(v->extents[j].unwritten, want->extents[j].unwritten);
		}
		cr_assert_eq(v->nr_fields, want->nr_fields, "%s", text);
		for (u32 j = 0; j < v->nr_fields; j++) {
			cr_expect_str_eq(v->fields[j].name, want->fields[j].name);
			cr_expect_eq(v->fields[j].number, want->fields[j].number, "%s", text);
		}
		scenario_free(s);
	}
}

Test(parse_cmd, alternatives)
{
	struct scenario *s = parse_one("pread f 0 8 = 0 or 0x77 or -EIO");
	const struct value *v = s->finals->cmds->result;

	cr_expect_eq(v->type, VALUE_NUMBER);
	cr_expect_eq(v->next->type, VALUE_BYTES);
	cr_expect_eq(v->next->next->type, VALUE_ERRNO);
	cr_expect_null(v->next->next->next);
	scenario_free(s);
}

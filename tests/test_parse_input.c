// SPDX-License-Identifier: MIT
/* Tests of the scenario parser: input from anywhere, however odd, and the command line's. */
#include <unistd.h>

#include "daxsim/script/lex.h"
#include "tests/parse_message.h"

Test(parse_input, odd_texts)
{
	static const char nul[] = H "setup { create f\0 }\n";
	char *big = malloc(MAX_SCENARIO_SIZE + 1);

	expect_error(errors_of("", 0), " error: the file is empty", "nothing");
	expect_error(errors_of(NULL, 0), " error: the file is empty", "nothing");
	expect_error(errors_of(nul, sizeof(nul) - 1),
		     "3:17: error: NUL byte: is this a text file?", "a NUL byte");
	memset(big, '\n', MAX_SCENARIO_SIZE + 1);
	expect_error(errors_of(big, MAX_SCENARIO_SIZE + 1), " error: larger than 1 MiB",
		     "too much");
	memcpy(big, H, strlen(H));
	cr_expect_null(errors_of(big, MAX_SCENARIO_SIZE));
	free(big);
}

Test(parse_input, no_stream)
{
	cr_expect_null(scenario_parse("t.scn", "x", 1, NULL));
	cr_expect_null(scenario_load("/", NULL));
	scenario_free(NULL);
}

Test(parse_input, session_limit)
{
	char text[512] = H;

	for (int i = 0; i < MAX_SESSIONS; i++)
		sprintf(text + strlen(text), "session s%d { thaw }\n", i);
	cr_expect_null(errors_of(text, strlen(text)));
	strcat(text, "session more { thaw }\n");
	expect_error(errors_of(text, strlen(text)),
		     "11:9: error: a scenario has at most 8 sessions", text);
}

/* Frees what scenario_load() says of @path after comparing it. */
static void expect_load_error(const char *path, const char *error)
{
	char *out, want[128];
	size_t size;
	FILE *f = open_memstream(&out, &size);

	cr_expect_null(scenario_load(path, f));
	fclose(f);
	snprintf(want, sizeof(want), "%s: error: %s\n", path, error);
	cr_expect_str_eq(out, want);
	free(out);
}

Test(parse_input, load)
{
	char path[] = "/tmp/test_parse_XXXXXX";
	int fd = mkstemp(path);
	struct scenario *s;

	cr_assert_geq(fd, 0);
	expect_load_error(path, "the file is empty");
	cr_assert_eq(write(fd, H, strlen(H)), (ssize_t)strlen(H));
	close(fd);
	s = scenario_load(path, stderr);
	cr_assert_not_null(s);
	cr_expect_str_eq(s->path, path);
	scenario_free(s);
	unlink(path);
	expect_load_error(path, "cannot open it: No such file or directory");
	expect_load_error("/", "cannot read it: Is a directory");
	expect_load_error("/dev/zero", "larger than 1 MiB");
}

static const char small[] = H "session a { step a1 { thaw }; step a2 { thaw } }\n";

Test(parse_input, command_line)
{
	static const struct error_case cases[] = {
		{ "", "1:1: error: expected a step, or SESSION:COUNT, found the end of the text" },
		{ "a1 a3", "1:4: error: unknown step 'a3'; did you mean 'a1'?" },
		{ "a2", "1:1: error: step 'a1' must come first: it stands before 'a2' in session "
			"'a'" },
		{ "a:1x", "1:3: error: expected a number from 1 to 4294967294, found '1x'" },
		{ "a:ends", "1:3: error: expected a number from 1 to 4294967294, found 'ends'" },
		{ "a1 }", "1:4: error: expected a step, or SESSION:COUNT, found '}'" },
		{ "a1 [blocks on mmap_sem(x)]", "1:24: error: unknown file or process 'x'; known: "
						"main" },
	}, variants[] = {
		{ "", "1:1: error: expected a file system such as ext2@v11, found the end of the "
		      "text" },
		{ "ext2\next2", "1:5: error: expected one variant, found the end of the line" },
		{ "ext2 -p3 -p3", "1:10: error: protection 'p3' is given twice" },
	};
	struct scenario *s = scenario_parse("t.scn", small, strlen(small), stderr);
	char *out;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(cases) + ARRAY_SIZE(variants); i++) {
		bool variant = i >= ARRAY_SIZE(cases);
		const struct error_case *c = variant ? &variants[i - ARRAY_SIZE(cases)] : &cases[i];
		const char *prefix = variant ? "--fs:" : "--schedule:";
		FILE *f = open_memstream(&out, &size);

		if (variant)
			cr_expect_null(scenario_parse_variant(s, c->text, f));
		else
			cr_expect_null(scenario_parse_schedule(s, c->text, f));
		fclose(f);
		cr_expect_eq(strncmp(out, prefix, strlen(prefix)), 0);
		*strchrnul(out, '\n') = '\0';
		cr_expect_str_eq(out + strlen(prefix), c->error);
		free(out);
	}
	scenario_free(s);
}

Test(parse_input, out_of_memory)
{
	struct scenario *s = scenario_parse("t.scn", small, strlen(small), stderr);
	char *text = malloc(MAX_SCENARIO_SIZE), *out;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	for (size_t i = 0; i < MAX_SCENARIO_SIZE; i += 4)
		memcpy(text + i, "a:1 ", 4);
	text[MAX_SCENARIO_SIZE - 1] = '\0';
	cr_expect_not_null(scenario_parse_schedule(s, text, f));
	while (scenario_parse_schedule(s, text, f))
		;
	fclose(f);
	cr_expect_not_null(strstr(out, "error: out of memory: the scenario is too big\n"));
	free(out);
	free(text);
	scenario_free(s);
}

static u64 random_state = 1;

/* xorshift64*: the same sequence in every run */
static u32 rnd(u32 below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dULL >> 32) % below;
}

static const char seed_text[] =
	"scenario truncate-vs-fault # \xc3\xa9\ndevice 2m\nexpect bug stale-pte, pte-past-eof\n"
	"fs ext2@v11 expect bug leak-past-eof\nfs null -p3 +recheck-i_size; ignore lost-store\n"
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; open f ro as g }\n"
	"session fault { step store { mwrite -S 0x5a m 4k 8 = 8 or SIGBUS } }\n"
	"session trunc in p2 {\n\tstep shrink { truncate f 0 = 0 }\n\tstep look {\n"
	"\t\tfiemap f = [0+3 U][3+1 W]; stat f = size 8k blocks 16 nlink 1\n\t}\n}\n"
	"session w { pwrite g 0 4k from m 1 = -EFAULT; fallocate -k f 0 3p; faults = min 1 }\n"
	"schedule x {\n\tstore until get_block 2 [blocks on i_mutex(f)]\n\tshrink\n}\n"
	"schedule { store@i_mmap_mutex#3 shrink store w:7 }\n"
	"final never if bug { pread f 0 8 != \"a\\n\\x00\\\"\";\n"
	"inject copy fault after 3 times 2 }\n";

/* A few edits of @text, which has room for @size bytes; returns its new length. */
static size_t mutate(char *text, size_t len, size_t size)
{
	static const char interesting[] = "{}[]();,=!#\"\\@:+-.0x9 \n\tk\0\xff";

	for (u32 edits = 1 + rnd(4); edits && len; edits--) {
		size_t at = rnd(len), n = 1 + rnd(min_t(u32, len - at, 40));

		switch (rnd(6)) {
		case 0:		/* flip a bit */
			text[at] ^= 1 << rnd(8);
			break;
		case 1:		/* put a character that means something */
			text[at] = interesting[rnd(sizeof(interesting))];
			break;
		case 2:		/* cut off */
			len = at;
			break;
		case 3:		/* take a piece out */
			memmove(text + at, text + at + n, len - at - n);
			len -= n;
			break;
		case 4:		/* repeat a piece */
			if (len + n > size)
				break;
			memmove(text + at + n, text + at, len - at);
			len += n;
			break;
		case 5:		/* put a piece of the text elsewhere */
			memmove(text + rnd(len - n + 1), text + at, n);
			break;
		}
	}
	return len;
}

/* Whether @out is one message: a first line of the right form, and nothing or line and mark. */
static bool one_message(const char *out)
{
	const char *line = strchr(out, '\n'), *mark;
	unsigned int nr, col;

	if (!line)
		return false;
	if (!strcmp(out, "t.scn: error: the file is empty\n"))
		return true;
	if (sscanf(out, "t.scn:%u:%u: error: ", &nr, &col) != 2 || !nr || !col)
		return false;
	if (!line[1])
		return true;
	mark = strchr(line + 1, '\n');
	return mark && !strncmp(mark + 1, "      | ", 8) &&
	       !strcmp(mark + 9 + strspn(mark + 9, " "), "^\n");
}

/* Whatever the text is, there is a scenario or exactly one message, and never a crash. */
Test(parse_input, fuzz)
{
	char text[2 * sizeof(seed_text)], *out;
	u32 accepted = 0, rounds = 30000;

	cr_expect_null(errors_of(seed_text, strlen(seed_text)));
	for (u32 i = 0; i < rounds; i++) {
		size_t len = strlen(seed_text);

		memcpy(text, seed_text, len);
		len = mutate(text, len, sizeof(text));
		out = errors_of(text, len);
		accepted += !out;
		cr_assert(!out || one_message(out), "round %u: %s", i, out);
		free(out);
	}
	cr_expect_gt(accepted, rounds / 100, "the edits are too wild to reach far");
	cr_expect_lt(accepted, rounds / 2, "the edits hardly change anything");
}

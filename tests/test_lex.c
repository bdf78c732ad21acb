// SPDX-License-Identifier: MIT
/* Tests of the scenario language's tokens. */
#include <criterion/criterion.h>
#include <string.h>

#include "daxsim/script/lex.h"

/* Every token of @text as "type@line:col", words with their text; "error" if it is refused. */
static const char *tokens(const char *text, size_t len, char *out)
{
	static struct lexer lx;
	static struct token t;
	static size_t n;

	n = 0;
	lex_init(&lx, "t", text, len, NULL);
	if (setjmp(lx.bail))
		return strcpy(out, "error");
	lex_check(&lx);
	do {
		lex_next(&lx, &t);
		n += sprintf(out + n, "%s%s@%u:%u", n ? " " : "",
			     t.type == TOKEN_WORD ? t.word : t.type == TOKEN_STRING ? "str" :
			     t.type == TOKEN_NOT_EQUAL ? "!=" : t.type == TOKEN_NEWLINE ? "nl" :
			     t.type == TOKEN_END ? "end" : (char[]){ t.type, 0 },
			     t.pos.line, t.pos.col);
	} while (t.type != TOKEN_END);
	return out;
}

Test(lex, tokens)
{
	static const struct {
		const char *text, *tokens;
	} cases[] = {
		{ "", "end@1:1" },
		{ "  \t ", "end@1:1" },
		{ "a b", "a@1:1 b@1:3 end@1:4" },
		{ "a # b\r\n  c", "a@1:1 nl@1:2 c@2:3 end@2:4" },
		{ "s@p#2 #c", "s@p#2@1:1 end@1:6" },
		{ "{a;}#x", "{@1:1 a@1:2 ;@1:3 }@1:4 end@1:5" },
		{ "x=8", "x@1:1 =@1:2 8@1:3 end@1:4" },
		{ "x!=-EIO", "x@1:1 !=@1:2 -EIO@1:4 end@1:8" },
		{ "[0+3 U](f),", "[@1:1 0+3@1:2 U@1:6 ]@1:7 (@1:8 f@1:9 )@1:10 ,@1:11 end@1:12" },
		{ "\"a b\\\"\" x", "str@1:1 x@1:9 end@1:10" },
		{ "# caf\xc3\xa9\n\"\xe2\x82\xac\"", "nl@1:1 str@2:1 end@2:6" },
		{ "!", "error" },
		{ "a!b", "error" },
		{ "\"a", "error" },
		{ "\"a\n\"", "error" },
		{ "\"a\\", "error" },
		{ "\"a\\\n\"", "error" },
		{ "caf\xc3\xa9", "error" },
		{ "a\x01", "error" },
		{ "a\vb", "error" },
		{ "# \xff", "error" },
		{ "# \xc3", "error" },		/* cut off */
		{ "# \xc0\xaf", "error" },	/* overlong */
		{ "# \xe0\x80\xaf", "error" },
		{ "# \xed\xa0\x80", "error" },	/* a surrogate */
		{ "# \xf4\x90\x80\x80", "error" },
		{ "# \xf4\x8f\xbf\xbf", "end@1:1" },
	};
	char out[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(tokens(cases[i].text, strlen(cases[i].text), out),
				 cases[i].tokens, "case %zu gives %s", i, out);
	cr_expect_str_eq(tokens("a\0b", 3, out), "error");
	cr_expect_str_eq(tokens(NULL, 0, out), "end@1:1");
}

Test(lex, longest_word)
{
	char text[MAX_WORD + 2], out[256];

	memset(text, 'x', sizeof(text));
	cr_expect_str_neq(tokens(text, MAX_WORD, out), "error");
	cr_expect_str_eq(tokens(text, MAX_WORD + 1, out), "error");
}

Test(lex, largest_text)
{
	char *text = malloc(MAX_SCENARIO_SIZE + 1), out[256];

	memset(text, ' ', MAX_SCENARIO_SIZE + 1);
	cr_expect_str_eq(tokens(text, MAX_SCENARIO_SIZE, out), "end@1:1");
	cr_expect_str_eq(tokens(text, MAX_SCENARIO_SIZE + 1, out), "error");
	free(text);
}

/* The bytes of the one string in @text, or -1. */
static ssize_t unescape(const char *text, u8 *out)
{
	static struct lexer lx;
	static struct token t;

	lex_init(&lx, "t", text, strlen(text), NULL);
	if (setjmp(lx.bail))
		return -1;
	lex_next(&lx, &t);
	return lex_unescape(&lx, &t, out);
}

Test(lex, escapes)
{
	u8 out[64];

	cr_assert_eq(unescape("\"a\\n\\t\\\\\\\"\\0\\x5A\\xff\xc3\xa9\"", out), 10);
	cr_expect_arr_eq(out, "a\n\t\\\"\0\x5a\xff\xc3\xa9", 10);
	cr_expect_eq(unescape("\"\"", out), 0);
	cr_expect_eq(unescape("\"\\q\"", out), -1);
	cr_expect_eq(unescape("\"\\x\"", out), -1);
	cr_expect_eq(unescape("\"\\x4\"", out), -1);
	cr_expect_eq(unescape("\"\\x4g\"", out), -1);
}

static void message(struct pos pos, const char *text, FILE *errors)
{
	static struct lexer lx;

	lex_init(&lx, "f.scn", text, strlen(text), errors);
	if (!setjmp(lx.bail))
		lex_fail(&lx, pos, "bad %s", "luck");
}

/* The mark stands below the right character, whatever is on the line. */
Test(lex, excerpt)
{
	static const struct {
		struct pos pos;
		const char *text, *message;
	} cases[] = {
		{ { 1, 3 }, "a b", "f.scn:1:3: error: bad luck\n    1 | a b\n      |   ^\n" },
		{ { 2, 2 }, "a\n\tb\r\nc", "f.scn:2:2: error: bad luck\n"
		  "    2 |         b\n      |         ^\n" },
		{ { 1, 4 }, "\xc3\xa9 x", "f.scn:1:4: error: bad luck\n"
		  "    1 | \xc3\xa9 x\n      |   ^\n" },
		{ { 1, 3 }, "\x1b\xffx", "f.scn:1:3: error: bad luck\n"
		  "    1 | \\x1b\\xffx\n      |         ^\n" },
		{ { 1, 3 }, "\xc2\x9bx", "f.scn:1:3: error: bad luck\n"
		  "    1 | \\xc2\\x9bx\n      |         ^\n" },
		{ { 1, 1 }, "", "f.scn:1:1: error: bad luck\n" },
		{ { 0, 0 }, "abc", "f.scn: error: bad luck\n" },
	};
	char *out;
	size_t len;
	FILE *f;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f = open_memstream(&out, &len);
		message(cases[i].pos, cases[i].text, f);
		fclose(f);
		cr_expect_str_eq(out, cases[i].message, "case %zu gives %s", i, out);
		free(out);
	}
}

Test(lex, excerpt_of_a_long_line)
{
	char text[1001] = "", *out, *line, *mark;
	size_t len;
	FILE *f;

	memset(text, 'x', 1000);
	text[699] = 'M';
	f = open_memstream(&out, &len);
	message((struct pos){ 1, 700 }, text, f);
	fclose(f);
	line = strchr(out, '\n') + 1;
	mark = strchr(line, '\n') + 1;
	mark[-1] = '\0';
	cr_expect_eq(strlen(line), strlen("    1 | ") + 3 + 160 + 3);
	cr_expect_eq(strncmp(line + 8, "...xx", 5), 0);
	cr_expect_str_eq(line + strlen(line) - 4, "x...");
	cr_expect_eq(strchr(line, 'M') - line, strchr(mark, '^') - mark, "mark is elsewhere");
	free(out);
}

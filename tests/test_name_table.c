// SPDX-License-Identifier: MIT
/* Finding names, and guessing what a misspelt one may have meant. */
#include <criterion/criterion.h>
#include <string.h>

#include "daxsim/sim/name_table.h"

#define WORD_48 "abcdefghijklmnopqrstuvwxabcdefghijklmnopqrstuvwx"

/* As in the real tables, the name is only the first member. */
struct row {
	const char *name;
	u64 payload[3];
};

static const struct row rows[] = {
	{ "truncate", { 1 } }, { "fallocate", { 2 } }, { "fcollapse", { 3 } }, { "pread", { 4 } },
	{ "pwrite", { 5 } },   { "ro", { 6 } },	       { WORD_48, { 7 } },
};
static const struct name_table table = NAME_TABLE(rows);

static void expect_nearest(const char *word, const char *meant)
{
	const char *got = name_nearest(&table, word);

	if (!meant)
		cr_assert_null(got, "'%s' suggests '%s'", word, got);
	else
		cr_assert_str_eq(got ? got : "nothing", meant, "'%s' suggests '%s'", word, got);
}

Test(name_table, exact)
{
	cr_assert_eq(table.nr, ARRAY_SIZE(rows));
	for (unsigned int i = 0; i < table.nr; i++) {
		cr_assert_str_eq(name_at(&table, i), rows[i].name);
		cr_assert_eq(name_find(&table, rows[i].name), (int)i);
		expect_nearest(rows[i].name, rows[i].name);
	}
}

Test(name_table, find_wants_the_whole_name)
{
	cr_assert_eq(name_find(&table, "trunc"), -1);
	cr_assert_eq(name_find(&table, "truncated"), -1);
	cr_assert_eq(name_find(&table, "Truncate"), -1);
	cr_assert_eq(name_find(&table, ""), -1);
}

Test(name_table, one_edit)
{
	expect_nearest("truncte", "truncate");
	expect_nearest("trunkate", "truncate");
	expect_nearest("truncatee", "truncate");
	expect_nearest("xtruncate", "truncate");
	expect_nearest("prad", "pread");
}

/* A swap is one edit, also at either end. For the two-letter word two edits would be too many. */
Test(name_table, transposition)
{
	expect_nearest("or", "ro");
	expect_nearest("rpead", "pread");
	expect_nearest("preda", "pread");
	expect_nearest("pwriet", "pwrite");
}

/* As many edits as a third of the word, and one more, are a guess; beyond that it is noise. */
Test(name_table, limit)
{
	expect_nearest("tuncaxx", "truncate");
	expect_nearest("xxxncate", "truncate");
	expect_nearest("xxxxcate", NULL);
	expect_nearest("x", NULL);
	expect_nearest("r", NULL); /* one edit, but then it is all edits */
	expect_nearest("xy", NULL);
	expect_nearest("zzzzzzzz", NULL);
	expect_nearest("", NULL);
}

/* The nearest wins wherever it stands, and of two equally near ones the first. */
Test(name_table, nearest_of_several)
{
	static const struct row near[] = {
		{ "aabb", { 0 } }, { "aaab", { 0 } }, { "aaac", { 0 } }, { "bbbb", { 0 } }
	};
	const struct name_table t = NAME_TABLE(near);

	cr_assert_str_eq(name_nearest(&t, "aaaa"), "aaab");
	cr_assert_str_eq(name_nearest(&t, "aaac"), "aaac");
	cr_assert_str_eq(name_nearest(&t, "bbb"), "bbbb");
}

/* Words beyond the length that is compared suggest nothing, however long the word asked for is. */
Test(name_table, long_words)
{
	static const struct row near[] = { { WORD_48 "y", { 0 } } };
	const struct name_table t = NAME_TABLE(near);
	char word[301];

	cr_assert_null(name_nearest(&t, WORD_48));
	cr_assert_eq(name_find(&t, WORD_48 "y"), 0);
	expect_nearest(WORD_48, WORD_48);
	expect_nearest("x" WORD_48, NULL);
	for (size_t len = 1; len < sizeof(word); len++) {
		memset(word, 'z', len);
		word[len] = '\0';
		expect_nearest(word, NULL);
	}
}

Test(name_table, empty_table)
{
	const struct name_table t = { rows, sizeof(rows[0]), 0 };

	cr_assert_eq(name_find(&t, "ro"), -1);
	cr_assert_null(name_nearest(&t, "ro"));
}

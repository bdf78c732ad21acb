// SPDX-License-Identifier: MIT
/* What the lock validator prints: the report of a cycle, and the order of locks as text and graph. */
#include "tests/lockdep_fixture.h"

/* A is mmap_sem, B sb_pagefault, C i_mutex. */
Test(lockdep_report, cycle)
{
	struct bench *b = bench(0);
	char *report;

	lockdep_begin(b->ld, "one");
	take(b, "aBC");
	lockdep_begin(b->ld, "two");
	take(b, "Bc C2a");
	report = lockdep_take_report(b->ld);
	cr_assert_not_null(report);
	cr_expect_str_eq(
		report,
		"possible circular locking dependency: i_mutex -> mmap_sem -> i_mutex\n"
		"t2 is about to take\n"
		"    mmap_sem(f) shared, in take_a, step C2a\n"
		"while it holds\n"
		"    i_mutex(g), taken in take_c, step C2a\n"
		"the existing dependency chain, in reverse order:\n"
		"-> #1 i_mutex(f), taken in take_c, step aBC\n"
		"      inside mmap_sem(f) shared, taken in take_a, step aBC\n"
		"      by session t1 of scenario one\n"
		"-> #0 mmap_sem(f) shared, taken in take_a, step C2a\n"
		"      inside i_mutex(g), taken in take_c, step C2a\n"
		"      by session t2 of scenario two\n"
		"how it can deadlock:\n"
		"    t2                          t1\n"
		"    lock i_mutex\n"
		"                                lock mmap_sem shared\n"
		"                                lock i_mutex\n"
		"    lock mmap_sem shared\n"
		"    mmap_sem is shared on both sides: a task that waits for it exclusively has to come in between\n",
		"%s", report);
	free(report);
	bench_free(b);
}

/* Of an edge that was seen in several modes, the witness is who stands most in the way. */
Test(lockdep_report, shows_the_strongest_witness)
{
	struct bench *b = bench(0);
	char *report;

	take(b, "ab aB AB BA");
	report = lockdep_take_report(b->ld);
	cr_assert_not_null(report);
	cr_expect_not_null(strstr(report, "-> #1 sb_pagefault(f), taken in take_b, step AB\n"
					  "      inside mmap_sem(f), taken in take_a, step AB\n"
					  "      by session t3\n"), "%s", report);
	cr_expect_null(strstr(report, "shared"), "%s", report);
	free(report);
	bench_free(b);
}

/* Names are copied: the scenario and its steps are gone when they are printed. */
Test(lockdep_report, order_as_text)
{
	struct bench *b = bench(0);
	char *name = strdup("one"), *text;

	lockdep_begin(b->ld, name);
	take(b, "aBC");
	memset(name, 'x', 3);
	free(name);
	lockdep_begin(b->ld, NULL);
	take(b, "Ab");
	text = printed(b->ld, NULL);
	cr_expect_str_eq(
		text,
		"  from the outermost lock inwards:\n"
		"    mmap_sem\n"
		"    sb_pagefault\n"
		"    i_mutex\n"
		"  what was taken inside of what, and by whom first (! is part of a cycle):\n"
		"    mmap_sem       shared -> sb_pagefault           one, t1: take_a in aBC, then take_b in aBC\n"
		"    mmap_sem              -> sb_pagefault   shared  t1: take_a in Ab, then take_b in Ab\n"
		"    mmap_sem       shared -> i_mutex                one, t1: take_a in aBC, then take_c in aBC\n"
		"    sb_pagefault          -> i_mutex                one, t1: take_b in aBC, then take_c in aBC\n",
		"%s", text);
	free(text);
	bench_free(b);
}

Test(lockdep_report, cyclic_order_as_text)
{
	struct bench *b = bench(0);
	char *text;

	take(b, "AB BC CB CD DD");
	text = printed(b->ld, NULL);
	cr_expect_not_null(strstr(text, "    mmap_sem\n"
					"    sb_pagefault <-> i_mutex\n"
					"    i_mmap_mutex\n"), "%s", text);
	cr_expect_not_null(strstr(text, "\n  ! sb_pagefault          -> i_mutex "), "%s", text);
	cr_expect_not_null(strstr(text, "\n  ! i_mutex               -> sb_pagefault "), "%s", text);
	cr_expect_not_null(strstr(text, "\n  ! i_mmap_mutex          -> i_mmap_mutex "), "%s", text);
	cr_expect_not_null(strstr(text, "\n    mmap_sem              -> sb_pagefault "), "%s", text);
	free(text);
	bench_free(b);
}

Test(lockdep_report, order_for_graphviz)
{
	struct bench *b = bench(0);
	char *text;

	take(b, "ABC Ad BCD CB");
	text = printed(b->ld, "ext2@v11 -p7");
	cr_expect_str_eq(
		text,
		"// Red: part of a cycle. Dashed: the inner lock is only ever taken shared.\n"
		"// Edges that follow from others are left out.\n"
		"digraph \"ext2@v11 -p7\" {\n"
		"\tnode [shape=box];\n"
		"\t\"mmap_sem\" -> \"sb_pagefault\" [style=solid, color=black];\n"
		"\t\"mmap_sem\" -> \"i_mutex\" [style=solid, color=black];\n"
		"\t\"sb_pagefault\" -> \"i_mutex\" [style=solid, color=red];\n"
		"\t\"sb_pagefault\" -> \"i_mmap_mutex\" [style=solid, color=black];\n"
		"\t\"i_mutex\" -> \"sb_pagefault\" [style=solid, color=red];\n"
		"\t\"i_mutex\" -> \"i_mmap_mutex\" [style=solid, color=black];\n"
		"}\n", "%s", text);
	free(text);
	bench_free(b);

	b = bench(0);
	take(b, "Ab");
	text = printed(b->ld, "x");
	cr_expect_not_null(strstr(text, "\"mmap_sem\" -> \"sb_pagefault\" [style=dashed, color=black]"),
			   "%s", text);
	free(text);
	bench_free(b);
}

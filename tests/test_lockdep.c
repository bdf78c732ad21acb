// SPDX-License-Identifier: MIT
/*
 * The lock validator. Most tests take locks by the letter: "AB bA2" is two
 * tasks, one after the other; each takes its locks in order and drops them all.
 * A letter is one of the classes below; a small one is taken shared, and a digit
 * behind it picks one of several locks of the class.
 */
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/lock_news.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define MAX_SAID 1000

/* A and so on, in the order of the table of classes. E merely counts. */
static const u8 classes[] = {
	LOCK_MMAP_SEM, LOCK_SB_PAGEFAULT, LOCK_I_MUTEX, LOCK_I_MMAP_MUTEX, LOCK_DIO_WAIT,
};

/* The functions that take them. */
static const char *const takers[] = { "take_a", "take_b", "take_c", "take_d", "take_e" };

/* A machine without a kernel in it, and what its watchers report. */
struct bench {
	struct sim sim;
	struct lockdep *ld;
	struct lock locks[ARRAY_SIZE(classes)][10];
	char said[MAX_SAID];
};

static void note_said(void *data, enum invariant inv, const char *text)
{
	struct bench *b = data;
	size_t used = strlen(b->said);

	snprintf(b->said + used, sizeof(b->said) - used, "%s%s: %s", used ? "; " : "",
		 invariant_table[inv].name, text);
}

static struct bench *bench(u64 ignored)
{
	struct bench *b = calloc(1, sizeof(*b));
	char why[200];

	cr_assert_not_null(b);
	cr_assert_eq(sim_init(&b->sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(check_create(&b->sim, ignored, note_said, b), 0);
	b->ld = lockdep_create();
	cr_assert_not_null(b->ld);
	for (size_t c = 0; c < ARRAY_SIZE(classes); c++)
		for (unsigned int i = 0; i < ARRAY_SIZE(b->locks[c]); i++)
			lock_init(&b->sim, &b->locks[c][i], classes[c], i ? "g" : "f");
	return b;
}

static void bench_free(struct bench *b)
{
	lockdep_destroy(b->ld);
	sim_destroy(&b->sim);
	free(b);
}

/* One task takes what a word says. Its name is in @name, the step is the word. */
static void take_word(struct bench *b, const char *name, const char *word, size_t len)
{
	char *step = strndup(word, len);
	struct task t = { .sim = &b->sim, .name = name, .step = step };

	for (const char *p = step; *p; p++) {
		unsigned int letter = toupper((unsigned char)*p) - 'A';
		enum lock_mode mode = isupper((unsigned char)*p) ? LOCK_EXCLUSIVE : LOCK_SHARED;
		unsigned int i = isdigit((unsigned char)p[1]) ? p[1] - '0' : 0;
		struct lock *lock = &b->locks[letter][i];

		p += i > 0;
		t.function = takers[letter];
		lockdep_acquire(b->ld, &t, lock, mode);
		t.held_at[t.nr_held] = (struct lock_site){ t.step, t.function };
		t.held[t.nr_held++] = (struct held_lock){ lock, mode };
	}
	free(step);
}

static void take(struct bench *b, const char *words)
{
	char name[] = "t0";

	while (*words) {
		size_t len = strcspn(words, " ");

		name[1]++;
		take_word(b, name, words, len);
		words += len + strspn(words + len, " ");
	}
}

/* "A -> B -> A, C -> C" as the watchers would say it. */
static const char *spell(const char *cycles, char *buf, size_t size)
{
	size_t used = 0;
	bool first = true;

	*buf = '\0';
	for (const char *p = cycles; *p; p++) {
		if (first)
			used += snprintf(buf + used, size - used, "lock-order: ");
		first = *p == ',';
		if (first)
			used += snprintf(buf + used, size - used, "; ");
		else if (isupper((unsigned char)*p))
			used += snprintf(buf + used, size - used, "%s",
					 lock_class_table[classes[*p - 'A']].name);
		else
			used += snprintf(buf + used, size - used, "%c", *p);
		p += first;	/* the blank behind the comma */
	}
	return buf;
}

#define expect_cycles(b, words, cycles)                                                            \
	do {                                                                                       \
		char want[MAX_SAID];                                                               \
		cr_expect_str_eq((b)->said, spell(cycles, want, sizeof(want)),                     \
				 "\"%s\" gave \"%s\", not \"%s\"", words, (b)->said, want);        \
	} while (0)

struct word_case {
	const char *words;
	const char *cycles;
};

static void run_cases(const struct word_case *cases, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct bench *b = bench(0);

		take(b, cases[i].words);
		expect_cycles(b, cases[i].words, cases[i].cycles);
		bench_free(b);
	}
}

Test(lockdep, cycles)
{
	static const struct word_case cases[] = {
		{ "AA", "A -> A" },
		{ "ABA", "A -> A, B -> A -> B" },
		{ "AB BA", "B -> A -> B" },
		{ "AB BC CA", "C -> A -> B -> C" },
		{ "AB CA BC", "B -> C -> A -> B" },
		{ "AB BC CD DA", "D -> A -> B -> C -> D" },
		{ "AB CD BC DA", "D -> A -> B -> C -> D" },
		{ "AB CD BD DA", "D -> A -> B -> D" },
		/* Every lock that is held counts: the shortest way is found. */
		{ "ABC CA", "C -> A -> C" },
		{ "AC ABCD DB", "D -> B -> D" },
		/* One acquisition, two cycles. */
		{ "AB AC BCA", "B -> A -> B, C -> A -> C" },
		/* Two cycles with one edge in common; each is told once. */
		{ "AB BA AB BA BC CA AB", "B -> A -> B, C -> A -> B -> C" },
	};

	run_cases(cases, ARRAY_SIZE(cases));
}

Test(lockdep, clean_orders)
{
	static const struct word_case cases[] = {
		{ "A B A B", "" },
		{ "AB AB AB", "" },
		{ "AB BC AC ABC", "" },
		{ "AC BC AB", "" },
		{ "CD BD AD BC AC AB", "" },
	};

	run_cases(cases, ARRAY_SIZE(cases));
}

Test(lockdep, shared)
{
	static const struct word_case cases[] = {
		/* A writer may wait in between: shared on both sides is a cycle as well. */
		{ "aB bA", "B -> A -> B" },
		{ "ab ba", "B -> A -> B" },
		{ "AB ba", "B -> A -> B" },
		{ "ab BA", "B -> A -> B" },
		/* Inside of itself it is none, be it one lock or two; each other pair is. */
		{ "aa", "" },
		{ "aa2", "" },
		{ "aba", "B -> A -> B" },
		{ "aA", "A -> A" },
		{ "Aa", "A -> A" },
		{ "aA2", "A -> A" },
		{ "Aa2", "A -> A" },
		{ "AA2", "A -> A" },
		{ "ab ab bc ac", "" },
	};

	run_cases(cases, ARRAY_SIZE(cases));
}

Test(lockdep, nestable)
{
	struct bench *b = bench(0);

	b->ld->nestable = lock_bit(classes[0]);
	take(b, "AA2 A2A aA2 A2BA3");
	expect_cycles(b, "AA2 A2A aA2 A2BA3", "B -> A -> B");
	/* Nobody gets the same lock twice. */
	take(b, "A1A1");
	expect_cycles(b, "A1A1", "B -> A -> B, A -> A");
	take(b, "BB2");
	expect_cycles(b, "BB2", "B -> A -> B, A -> A, B -> B");
	bench_free(b);
}

Test(lockdep, a_count_is_always_to_be_had)
{
	struct bench *b = bench(0);

	take(b, "eA Ae");
	expect_cycles(b, "eA Ae", "");
	cr_expect(b->ld->seen[lock_modes(LOCK_EXCLUSIVE, LOCK_SHARED)][classes[0]] &
		  lock_bit(LOCK_DIO_WAIT));
	/* But to wait until nobody counts any more is to wait. */
	take(b, "AE");
	expect_cycles(b, "AE", "A -> E -> A");
	bench_free(b);
}

/* Truth for the closure: Warshall's, and a cycle where the last edge leads back. */
Test(lockdep, closure_of_random_edges)
{
	unsigned int seed = 2014, cyclic = 0;

	for (int round = 0; round < 200; round++) {
		struct lockdep *ld = lockdep_create();
		struct sim sim = { .check = NULL };
		bool reach[NR_LOCK_CLASSES][NR_LOCK_CLASSES] = { 0 };
		struct lock locks[NR_LOCK_CLASSES];

		for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++)
			lock_init(&sim, &locks[c], c, "f");
		for (int i = 0; i < 2 * NR_LOCK_CLASSES; i++) {
			unsigned int a = rand_r(&seed) % NR_LOCK_CLASSES;
			unsigned int d = rand_r(&seed) % NR_LOCK_CLASSES;
			struct task t = { .sim = &sim, .name = "t", .nr_held = 1 };
			char *report;

			t.held[0] = (struct held_lock){ &locks[a], LOCK_EXCLUSIVE };
			lockdep_begin(ld, "random");
			lockdep_acquire(ld, &t, &locks[d], LOCK_EXCLUSIVE);
			reach[a][d] = true;
			for (unsigned int k = 0; k < NR_LOCK_CLASSES; k++)
				for (unsigned int x = 0; x < NR_LOCK_CLASSES; x++)
					for (unsigned int y = 0; y < NR_LOCK_CLASSES; y++)
						reach[x][y] |= reach[x][k] && reach[k][y];
			for (unsigned int x = 0; x < NR_LOCK_CLASSES; x++)
				for (unsigned int y = 0; y < NR_LOCK_CLASSES; y++)
					cr_assert_eq(!!(ld->reach[x] & lock_bit(y)), reach[x][y]);
			report = lockdep_take_report(ld);
			cr_assert_eq(!!report, reach[d][a]);
			cyclic += !!report;
			free(report);
		}
		lockdep_destroy(ld);
	}
	/* Both outcomes were met. */
	cr_expect_gt(cyclic, 100);
	cr_expect_lt(cyclic, 200 * 2 * NR_LOCK_CLASSES - 100);
}

Test(lockdep, an_execution_forgets_its_report_but_no_edge)
{
	struct bench *b = bench(0);
	char *report;

	lockdep_begin(b->ld, "one");
	take(b, "AB");
	lockdep_begin(b->ld, "two");
	take(b, "BA BA");
	expect_cycles(b, "BA after AB", "B -> A -> B");
	report = lockdep_take_report(b->ld);
	cr_assert_not_null(report);
	free(report);
	cr_expect_null(lockdep_take_report(b->ld));

	/* Either edge shows the cycle again, once. */
	lockdep_begin(b->ld, "three");
	take(b, "AB BA");
	expect_cycles(b, "AB again", "B -> A -> B, A -> B -> A");
	lockdep_begin(b->ld, "four");
	cr_expect_null(lockdep_take_report(b->ld));
	bench_free(b);
}

Test(lockdep, ignored_is_silent)
{
	struct bench *b = bench(1ULL << INV_LOCK_ORDER);

	take(b, "AB BA");
	cr_expect_str_empty(b->said);
	bench_free(b);
}

/* A is mmap_sem, B sb_pagefault, C i_mutex. */
Test(lockdep, report)
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
Test(lockdep, report_shows_the_strongest_witness)
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

static char *printed(const struct lockdep *ld, const char *graph)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	if (graph)
		lockdep_print_dot(ld, graph, to);
	else
		lockdep_print_order(ld, to);
	fclose(to);
	return text;
}

/* Names are copied: the scenario and its steps are gone when they are printed. */
Test(lockdep, order_as_text)
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

Test(lockdep, cyclic_order_as_text)
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

Test(lockdep, order_for_graphviz)
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

/* The order as text, to be freed. */
static char *order_of(const struct lockdep *ld)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	lockdep_print_order(ld, to);
	fclose(to);
	return text;
}

/*
 * One validator sees @first and @mine, another one @first and @theirs, of which it passes on
 * the news. Returns whether the first one took them; then it knows as much as if it had seen it all.
 */
static bool pass_on(const char *first, const char *mine, const char *theirs)
{
	struct bench *here = bench(0), *there = bench(0), *all = bench(0);
	struct lock_news *n = calloc(1, sizeof(*n));
	struct lock_memory m;
	bool taken;

	take(here, first);
	take(there, first);
	lock_memory_take(&m, there->ld);
	take(here, mine);
	take(there, theirs);
	taken = lock_news_write(n, &m, there->ld) && lock_news_learn(n, here->ld);
	free(n);
	take(all, first);
	take(all, mine);
	if (taken)
		take(all, theirs);
	cr_expect_eq(memcmp(here->ld->seen, all->ld->seen, sizeof(all->ld->seen)), 0);
	cr_expect_eq(memcmp(here->ld->waits, all->ld->waits, sizeof(all->ld->waits)), 0);
	cr_expect_eq(memcmp(here->ld->reach, all->ld->reach, sizeof(all->ld->reach)), 0);
	cr_expect_str_eq(here->said, all->said);
	/* Tasks are called after their place in a string, so witnesses are the same only of one. */
	if (!*mine && !*first) {
		char *a = order_of(here->ld), *b = order_of(all->ld);

		cr_expect_str_eq(a, b);
		free(a);
		free(b);
	}
	bench_free(here);
	bench_free(there);
	bench_free(all);
	return taken;
}

Test(lockdep, news_are_learned)
{
	cr_expect(pass_on("", "", "ABC Ad bC"));
	cr_expect(pass_on("AB", "BC", "AC CD bD"));
	cr_expect(pass_on("AB", "BC", "BC"));
	cr_expect(pass_on("AB BA", "BC", "CD AD"));
	cr_expect(pass_on("AB", "", ""));
}

/* Neither knows the cycle that both together would close; or one has told of one. */
Test(lockdep, news_that_close_a_cycle_are_refused)
{
	cr_expect(!pass_on("", "AB", "BA"));
	cr_expect(!pass_on("AB", "BC", "CA"));
	cr_expect(!pass_on("", "AB CD", "BC DA"));
	cr_expect(!pass_on("AB", "", "BA"));
	cr_expect(!pass_on("AB", "BA", "CD"));
	cr_expect(!pass_on("AB", "CC1", "CD"));
}

Test(lockdep, news_that_are_too_much)
{
	struct bench *b = bench(0);
	struct lock_news *n = calloc(1, sizeof(*n));
	struct lock_memory m;
	char *name = malloc(LOCK_NEWS_TEXT + 1);

	lock_memory_take(&m, b->ld);
	memset(name, 'n', LOCK_NEWS_TEXT);
	name[LOCK_NEWS_TEXT] = '\0';
	take_word(b, name, "AB", 2);
	cr_expect(!lock_news_write(n, &m, b->ld));
	free(name);
	free(n);
	bench_free(b);
}

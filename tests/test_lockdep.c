// SPDX-License-Identifier: MIT
/*
 * The lock validator: which orders of locks are cycles, which are not, and when it says so. What
 * the letters mean is in lockdep_fixture.h.
 */
#include "tests/lockdep_fixture.h"

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

/* Whoever counts holds what keeps the one who waits from getting there meanwhile. */
Test(lockdep, a_count_that_is_sheltered)
{
	static const struct word_case cases[] = {
		{ "CeA CAE", "" },
		{ "ceA CAE", "" },
		{ "CeA cAE", "" },
		{ "CAE ceA", "" },
		/* both can be there at a time */
		{ "ceA cAE", "A -> E -> A" },
		{ "eA CAE", "A -> E -> A" },
		{ "CeA AE", "A -> E -> A" },
		/* another file's mutex, or no mutex */
		{ "C1eA C1AE", "A -> E -> A" },
		{ "DeA DAE", "A -> E -> A" },
		/* not everybody does, and that shows late */
		{ "CeA CAE eA", "E -> A -> E" },
		{ "CAE CeD eA", "E -> A -> E" },
		{ "CeA CAE AE", "A -> E -> A" },
	};

	run_cases(cases, ARRAY_SIZE(cases));
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

		/* None is sheltered. */
		ld->counts = 0;
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

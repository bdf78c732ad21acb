// SPDX-License-Identifier: MIT
/*
 * The reduction held against complete enumeration, on many small random programs:
 * no class is missed, none is explored twice, and what the programs themselves
 * noted of their executions agrees with the happens-before graphs.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/toy_program.h"

#define SEEDS 24

static const struct explore_options dpor = { .strategy = EXPLORE_DPOR, .want_class = true };
static const struct explore_options naive = { .strategy = EXPLORE_NAIVE };

static void compare_with_naive(bool locks)
{
	u64 deadlocks = 0, cut = 0, classes = 0;

	for (u64 seed = 0; seed < SEEDS; seed++) {
		struct toy toy = toy_random(seed, locks);
		struct behaviours a = toy_explore(&toy, dpor), b = toy_explore(&toy, naive);

		cr_expect(!a.err && !b.err);
		cr_expect(same_behaviours(&a, &b), "seed %llu: %zu of %zu behaviours",
			  (unsigned long long)seed, a.nr, b.nr);
		cr_expect_eq(a.result.classes, a.nr, "seed %llu: a class was explored twice",
			     (unsigned long long)seed);
		cr_expect_eq(b.result.classes, b.nr, "seed %llu: %llu graphs, %zu behaviours",
			     (unsigned long long)seed, (unsigned long long)b.result.classes, b.nr);
		cr_expect_eq(a.result.deadlocks, b.result.deadlocks);
		deadlocks += a.result.deadlocks;
		cut += a.result.cut;
		classes += a.nr;
		free(a.hashes);
		free(b.hashes);
	}
	cr_expect_gt(classes, 10 * SEEDS);
	cr_expect_lt(cut, classes / 10);
	cr_expect(!locks || deadlocks, "no program had a deadlock: too tame");
}

Test(explore_naive, memory_only)
{
	compare_with_naive(false);
}

Test(explore_naive, with_locks)
{
	compare_with_naive(true);
}

/* What came of each thread's schedule is the same graph whenever the behaviour is the same. */
struct pairing {
	struct toy *toy;
	u64 class[4096], behaviour[4096];
	size_t nr;
	bool agree;
};

static bool pair_up(void *ctx, const struct explore_run *run)
{
	struct pairing *p = ctx;

	for (size_t i = 0; i < p->nr; i++)
		if (p->class[i] == run->class || p->behaviour[i] == p->toy->hash) {
			p->agree &= p->class[i] == run->class && p->behaviour[i] == p->toy->hash;
			return true;
		}
	p->class[p->nr] = run->class;
	p->behaviour[p->nr] = p->toy->hash;
	return ++p->nr < ARRAY_SIZE(p->class);
}

Test(explore_naive, graphs_are_behaviours)
{
	static struct pairing p;

	for (u64 seed = 0; seed < SEEDS; seed++) {
		struct toy toy = toy_random(seed, seed & 1);
		const struct explore_program prog = toy_program(&toy);
		const struct explore_options o = { .strategy = EXPLORE_RANDOM, .runs = 2000,
						   .seed = seed, .visit = pair_up, .ctx = &p };
		struct explore_result r;

		p = (struct pairing){ .toy = &toy, .agree = true };
		cr_assert_eq(explore(&prog, &o, &r), 0);
		cr_expect(p.agree, "seed %llu", (unsigned long long)seed);
	}
}

/*
 * Mutations: each kind of access in turn is kept from the explorer. It must then miss
 * behaviours of some of the programs, or else the comparison above would prove nothing.
 */
Test(explore_naive, hidden_dependence_is_noticed)
{
	static const u8 kinds[] = { EXPLORE_READ, EXPLORE_WRITE, EXPLORE_LOCK, EXPLORE_RLOCK,
				    EXPLORE_WAIT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned int missed = 0;

		for (u64 seed = 0; seed < SEEDS && !missed; seed++) {
			struct toy toy = toy_random(seed, true), mutant = toy;
			struct behaviours a, b = toy_explore(&toy, dpor);

			mutant.hidden = 1U << kinds[i];
			a = toy_explore(&mutant, dpor);
			missed += a.err || !same_behaviours(&a, &b);
			free(a.hashes);
			free(b.hashes);
		}
		cr_expect_gt(missed, 0, "kind %u", kinds[i]);
	}
}

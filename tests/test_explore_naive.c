// SPDX-License-Identifier: MIT
/*
 * The reduction held against complete enumeration, on many small random programs:
 * no class is missed, none is explored twice, and what the programs themselves
 * noted of their executions agrees with the happens-before graphs.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/toy_program.h"

#define SEEDS 48
#define FORKING_SEEDS 32

static const struct explore_options dpor = { .strategy = EXPLORE_DPOR, .want_class = true };
static const struct explore_options naive = { .strategy = EXPLORE_NAIVE };

static void compare_with_naive(struct toy draw(u64 seed, bool locks), u64 seeds, bool locks)
{
	u64 deadlocks = 0, cut = 0, classes = 0;

	for (u64 seed = 0; seed < seeds; seed++) {
		struct toy toy = draw(seed, locks);
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
	cr_expect_gt(classes, 10 * seeds);
	cr_expect_lt(cut, classes / 5);
	cr_expect(!locks || deadlocks, "no program had a deadlock: too tame");
}

Test(explore_naive, memory_only)
{
	compare_with_naive(toy_random, SEEDS, false);
}

Test(explore_naive, with_locks)
{
	compare_with_naive(toy_random, SEEDS, true);
}

/*
 * What an event accesses may hang on what it reads: a dependence is gone when something else has
 * come between, and if that is asleep when it matters, only sleepers that were woken tell of it.
 */
Test(explore_naive, forking_events)
{
	compare_with_naive(toy_random_forks, FORKING_SEEDS, false);
}

Test(explore_naive, forking_events_with_locks)
{
	compare_with_naive(toy_random_forks, FORKING_SEEDS, true);
}

/* The smallest of those: thread 1 reads 0 only if it finds 2 as it was. */
Test(explore_naive, vanished_dependence)
{
	struct toy toy = {
		.nr_threads = 3,
		.code = {
			{ { EXPLORE_WRITE, 0, 0, 0 } },
			{ { EXPLORE_READ, 2, EXPLORE_READ, 0 } },
			{ { EXPLORE_READ, 0, 0, 0 }, { EXPLORE_WRITE, 2, 0, 0 } },
		},
		.forks = { [1] = { { true, EXPLORE_NONE, 0 } } },
	};
	struct behaviours a = toy_explore(&toy, dpor), b = toy_explore(&toy, naive);

	cr_expect(same_behaviours(&a, &b), "%zu of %zu", a.nr, b.nr);
	cr_expect_eq(a.nr, 6);
	free(a.hashes);
	free(b.hashes);
}

/*
 * Fewer and larger events come to the same, with as many classes and deadlocks. The locks of
 * deadlocked threads count, too: the taking of one may not join that of another.
 */
Test(explore_naive, joined_events)
{
	u64 steps[2] = { 0 }, deadlocks = 0;

	for (u64 seed = 0; seed < 4 * SEEDS; seed++) {
		struct toy toy = toy_random(seed, true), joined = toy;
		struct behaviours a, b = toy_explore(&toy, dpor), c;

		joined.joined = true;
		a = toy_explore(&joined, dpor);
		c = toy_explore(&joined, naive);
		cr_expect(!a.err && !b.err && !c.err);
		cr_expect(same_behaviours(&a, &b) && same_behaviours(&a, &c), "seed %llu: %zu, %zu, %zu",
			  (unsigned long long)seed, a.nr, b.nr, c.nr);
		cr_expect_eq(a.result.classes, b.result.classes);
		cr_expect_eq(a.result.classes, c.result.classes);
		cr_expect_eq(a.result.deadlocks, b.result.deadlocks);
		steps[0] += a.result.steps;
		steps[1] += b.result.steps;
		deadlocks += a.result.deadlocks;
		free(a.hashes);
		free(b.hashes);
		free(c.hashes);
	}
	cr_expect_lt(steps[0], steps[1]);
	cr_expect_gt(deadlocks, 0);
}

#define X 0	/* a variable, */
#define A 3	/* and locks */
#define B 4

/* By hand: what waits for a lock for ever, and more than one step that keeps it from being had. */
Test(explore_naive, entangled_locks)
{
	static const struct {
		struct toy_op code[3][4];
		u64 classes;
	} programs[] = {
		/* Who waits is cut short with those who sleep. */
		{ { { { EXPLORE_LOCK, A, EXPLORE_READ, X } }, { { EXPLORE_RLOCK, A, 0, 0 } },
		    { { EXPLORE_LOCK, B, EXPLORE_WRITE, X }, { EXPLORE_RLOCK, A, 0, 0 } } }, 3 },
		/* The holder comes before another step that the waiter races with. */
		{ { { { EXPLORE_READ, X, 0, 0 } },
		    { { EXPLORE_READ, X + 1, 0, 0 }, { EXPLORE_RLOCK, A, EXPLORE_WRITE, X } },
		    { { EXPLORE_WAIT, A, EXPLORE_WRITE, X } } }, 5 },
		{ { { { EXPLORE_RLOCK, A, EXPLORE_WRITE, X } }, { { EXPLORE_RLOCK, A, EXPLORE_READ, X } },
		    { { EXPLORE_WAIT, A, 0, 0 } } }, 4 },
		{ { { { EXPLORE_LOCK, A, 0, 0 }, { EXPLORE_RLOCK, B, 0, 0 } }, { { EXPLORE_LOCK, B, 0, 0 } },
		    { { EXPLORE_LOCK, A, 0, 0 }, { EXPLORE_RLOCK, B, 0, 0 }, { EXPLORE_UNLOCK, A, 0, 0 } } },
		  4 },
		{ { { { EXPLORE_LOCK, B, 0, 0 }, { EXPLORE_RLOCK, A, 0, 0 }, { EXPLORE_UNLOCK, B, 0, 0 } },
		    { { EXPLORE_RLOCK, B, 0, 0 }, { EXPLORE_RLOCK, A, 0, 0 } }, { { EXPLORE_LOCK, A, 0, 0 } } },
		  4 },
		/* What the waiter does with its lock is not known as long as it waits. */
		{ { { { EXPLORE_RLOCK, A, EXPLORE_READ, X } }, { { EXPLORE_LOCK, B, EXPLORE_WRITE, X } },
		    { { EXPLORE_LOCK, A, 0, 0 }, { EXPLORE_UNLOCK, A, 0, 0 }, { EXPLORE_LOCK, B, 0, 0 } } },
		  5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct toy toy = { .nr_threads = 3 };
		struct behaviours a, b;

		for (int t = 0; t < 3; t++)
			memcpy(toy.code[t], programs[i].code[t], sizeof(programs[i].code[t]));
		a = toy_explore(&toy, dpor);
		b = toy_explore(&toy, naive);
		cr_expect(!a.err && same_behaviours(&a, &b), "program %zu: %zu of %zu", i, a.nr, b.nr);
		cr_expect_eq(a.result.classes, programs[i].classes, "program %zu: %llu classes", i,
			     (unsigned long long)a.result.classes);
		free(a.hashes);
		free(b.hashes);
	}
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

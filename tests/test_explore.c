// SPDX-License-Identifier: MIT
/* The strategies on programs whose classes are known. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/toy_program.h"

static const struct explore_options dpor = { .strategy = EXPLORE_DPOR };

static void check_classes(struct toy toy, u64 classes)
{
	struct behaviours b = toy_explore(&toy, dpor);

	cr_expect_eq(b.result.classes, classes, "%llu classes", (unsigned long long)b.result.classes);
	cr_expect_eq(b.nr, classes, "%zu behaviours", b.nr);
	cr_expect_eq(b.result.executions, classes + b.result.cut);
	cr_expect(!b.err && b.result.complete);
	free(b.hashes);
}

Test(explore, lastzero)
{
	static const u64 classes[] = { 2, 5, 12, 28, 64, 144, 320, 704, 1536 };

	for (u32 n = 1; n <= ARRAY_SIZE(classes); n++)
		check_classes(toy_lastzero(n), classes[n - 1]);
}

Test(explore, readers)
{
	for (u32 n = 1; n <= 10; n++)
		check_classes(toy_readers(n), 1ULL << n);
}

Test(explore, readers_need_no_cut_runs)
{
	struct toy toy = toy_readers(8);
	struct behaviours b = toy_explore(&toy, dpor);

	cr_expect_eq(b.result.cut, 0);
	free(b.hashes);
}

/* Thread @t of @toy runs @code. */
#define CODE(toy, t, ...)                                                                          \
	memcpy((toy).code[t], ((struct toy_op[]){ __VA_ARGS__ }),                                  \
	       sizeof((struct toy_op[]){ __VA_ARGS__ }))

#define READ(v) { EXPLORE_READ, v, 0, 0 }
#define WRITE(v) { EXPLORE_WRITE, v, 0, 0 }
#define LOCK(v) { EXPLORE_LOCK, v, 0, 0 }
#define RLOCK(v) { EXPLORE_RLOCK, v, 0, 0 }
#define UNLOCK(v) { EXPLORE_UNLOCK, v, 0, 0 }
#define RUNLOCK(v) { EXPLORE_RUNLOCK, v, 0, 0 }
#define WAIT(v) { EXPLORE_WAIT, v, 0, 0 }

Test(explore, nothing_shared_is_one_class)
{
	struct toy toy = { .nr_threads = 3 };

	for (int t = 0; t < 3; t++)
		CODE(toy, t, WRITE(t), READ(t), READ(11), WRITE(t + 3));
	check_classes(toy, 1);
}

Test(explore, no_threads_and_no_events)
{
	check_classes((struct toy){ .nr_threads = 0 }, 1);
	check_classes((struct toy){ .nr_threads = 4 }, 1);
}

Test(explore, critical_sections_change_places_as_a_whole)
{
	struct toy toy = { .nr_threads = 3 };

	for (int t = 0; t < 3; t++)
		CODE(toy, t, LOCK(9), READ(0), WRITE(0), UNLOCK(9));
	check_classes(toy, 6);
}

Test(explore, readers_of_a_lock_are_independent)
{
	struct toy toy = { .nr_threads = 3 };

	for (int t = 0; t < 3; t++)
		CODE(toy, t, RLOCK(9), READ(0), RUNLOCK(9));
	check_classes(toy, 1);
	CODE(toy, 0, LOCK(9), WRITE(0), UNLOCK(9));
	check_classes(toy, 4);
}

Test(explore, waiting_for_a_lock_takes_nothing)
{
	struct toy toy = { .nr_threads = 3 };

	CODE(toy, 0, RLOCK(9), WRITE(0), RUNLOCK(9));
	CODE(toy, 1, WAIT(9));
	CODE(toy, 2, WAIT(9));
	check_classes(toy, 4);
}

/* Two readers whose critical sections depend on each other can only be overtaken together. */
Test(explore, writer_overtakes_entangled_readers)
{
	struct toy toy = { .nr_threads = 3 };
	struct behaviours a, b;

	CODE(toy, 0, RLOCK(9), WRITE(0), READ(1), RUNLOCK(9));
	CODE(toy, 1, RLOCK(9), READ(0), WRITE(1), RUNLOCK(9));
	CODE(toy, 2, LOCK(9), UNLOCK(9));
	a = toy_explore(&toy, dpor);
	b = toy_explore(&toy, (struct explore_options){ .strategy = EXPLORE_NAIVE });
	cr_expect(same_behaviours(&a, &b), "%zu, not %zu", a.nr, b.nr);
	free(a.hashes);
	free(b.hashes);
}

Test(explore, deadlock_is_found)
{
	struct toy toy = { .nr_threads = 2 };
	struct behaviours b;

	CODE(toy, 0, LOCK(8), LOCK(9), UNLOCK(9), UNLOCK(8));
	CODE(toy, 1, LOCK(9), LOCK(8), UNLOCK(8), UNLOCK(9));
	b = toy_explore(&toy, dpor);
	cr_expect_eq(b.result.classes, 3);
	cr_expect_eq(b.result.deadlocks, 1);
	free(b.hashes);

	/* An outer lock keeps them apart. */
	CODE(toy, 0, LOCK(7), LOCK(8), LOCK(9), UNLOCK(9), UNLOCK(8), UNLOCK(7));
	CODE(toy, 1, LOCK(7), LOCK(9), LOCK(8), UNLOCK(8), UNLOCK(9), UNLOCK(7));
	b = toy_explore(&toy, dpor);
	cr_expect_eq(b.result.classes, 2);
	cr_expect_eq(b.result.deadlocks, 0);
	free(b.hashes);
}

struct first {
	u8 schedule[64];
	u32 len;
	u32 preemptions;
	u64 runs;
	u64 limit;
	u32 worst;
	bool in_order;
};

static bool note_first(void *ctx, const struct explore_run *run)
{
	struct first *f = ctx;

	if (!f->runs++) {
		memcpy(f->schedule, run->schedule, run->len);
		f->len = run->len;
		f->preemptions = run->preemptions;
		f->in_order = true;
	}
	f->in_order &= run->preemptions >= f->worst;
	f->worst = run->preemptions > f->worst ? run->preemptions : f->worst;
	return f->runs != f->limit;
}

Test(explore, first_execution_has_no_preemption)
{
	struct toy toy = toy_lastzero(4);
	struct explore_program p = toy_program(&toy);
	struct first f = { 0 };
	struct explore_options o = { .visit = note_first, .ctx = &f };
	struct explore_result r;

	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(f.preemptions, 0);
	cr_expect_eq(f.len, 9);
	cr_expect_arr_eq(f.schedule, ((u8[]){ 0, 1, 1, 2, 2, 3, 3, 4, 4 }), 9);
	cr_expect_eq(explore_replay(&p, f.schedule, f.len), f.len);
}

Test(explore, replay_stops_at_what_cannot_be)
{
	struct toy toy = { .nr_threads = 2 };
	struct explore_program p = toy_program(&toy);

	CODE(toy, 0, LOCK(9), UNLOCK(9));
	CODE(toy, 1, LOCK(9), UNLOCK(9));
	cr_expect_eq(explore_replay(&p, (u8[]){ 0, 1, 0, 1 }, 4), 1);
	cr_expect_eq(explore_replay(&p, (u8[]){ 0, 0, 1, 1 }, 4), 4);
}

#define ONCE 4

/* One event for each thread, which is always possible. */
struct once {
	struct explore_event events[ONCE];
	u32 left;
};

static void once_reset(void *data)
{
	((struct once *)data)->left = BIT(ONCE) - 1;
}

static u32 once_enabled(void *data, u32 *unfinished)
{
	return *unfinished = ((struct once *)data)->left;
}

static void once_pending(void *data, unsigned int thread, struct explore_event *e)
{
	*e = ((struct once *)data)->events[thread];
}

static void once_step(void *data, unsigned int thread, struct explore_event *e)
{
	struct once *o = data;

	o->left &= ~BIT(thread);
	*e = o->events[thread];
}

/* Three depend on each other, and a fourth on the one that is about everything: 3! * 2 orders. */
Test(explore, objects_that_stand_for_many)
{
	static const struct explore_event events[ONCE] = {
		{ { 1ULL << 32 | EXPLORE_ALL }, { EXPLORE_WRITE } },
		{ { 1ULL << 32 | 3 }, { EXPLORE_READ } },
		{ { 2ULL << 32 | 7, 3ULL << 32 }, { EXPLORE_LOCK, EXPLORE_WRITE } },
		{ { EXPLORE_EVERYTHING }, { EXPLORE_WRITE } },
	};
	const struct explore_options naive = { .strategy = EXPLORE_NAIVE };
	struct once o;
	const struct explore_program p = {
		.data = &o, .nr_threads = ONCE, .reset = once_reset, .enabled = once_enabled,
		.pending = once_pending, .step = once_step,
	};
	struct explore_result r;

	/* The first execution has them in this order, so each comes first once, and last. */
	for (int first = 0; first < ONCE; first++) {
		for (int i = 0; i < ONCE; i++)
			o.events[i] = events[(first + i) % ONCE];
		cr_assert_eq(explore(&p, &naive, &r), 0);
		cr_expect_eq(r.executions, 24);
		cr_expect_eq(r.classes, 12);
		cr_assert_eq(explore(&p, &dpor, &r), 0);
		cr_expect_eq(r.classes, 12);
		cr_expect_eq(r.executions, 12);
	}
}

static struct explore_event one_access(u64 object, u8 kind)
{
	return (struct explore_event){ { object }, { kind } };
}

/* Those of one kind of object are told apart no more, from the second on; the rest stay. */
Test(explore, more_accesses_than_there_is_room_for)
{
	const u64 lock = 9ULL << 32;
	struct explore_event e = one_access(lock, EXPLORE_LOCK);
	struct explore_event other;

	/* 1, 2, 3, 1, 2, 3, ... */
	for (u32 i = 0; i < 2 * EXPLORE_ACCESSES; i++)
		explore_add(&e, (1ULL + i % 3) << 32 | i, i ? EXPLORE_READ : EXPLORE_WRITE);
	cr_expect_eq(e.object[0], lock);
	cr_expect_eq(e.kind[0], EXPLORE_LOCK);
	for (u32 i = 0; i < 2 * EXPLORE_ACCESSES; i++) {
		other = one_access((1ULL + i % 3) << 32 | i, EXPLORE_WRITE);
		cr_expect(explore_dependent(&e, &other), "%u", i);
	}
	other = one_access(4ULL << 32 | 1, EXPLORE_WRITE);
	cr_expect(!explore_dependent(&e, &other));
	other = one_access(2ULL << 32 | 1, EXPLORE_READ);
	cr_expect(!explore_dependent(&e, &other));

	/* A lock that is free for sure finds room, too. */
	explore_add(&e, 8ULL << 32, EXPLORE_LOCK);
	other = one_access(8ULL << 32, EXPLORE_LOCK);
	cr_expect(explore_dependent(&e, &other));
	other.object[0] = 7ULL << 32;
	cr_expect(!explore_dependent(&e, &other));

	/* No two alike: about everything. */
	e = (struct explore_event){ 0 };
	for (u32 i = 0; i <= EXPLORE_ACCESSES; i++)
		explore_add(&e, (1ULL + i) << 32, EXPLORE_READ);
	other = one_access(99ULL << 32, EXPLORE_READ);
	cr_expect(explore_dependent(&e, &other));
}

#define SLOTS 3

/* A toy that can be saved. It comes first, so that its functions take this for one. */
struct saved_toy {
	struct toy toy, slots[SLOTS];
	u32 nr_slots;
	u64 saves, loads;
	u64 hash;		/* of what the executions came to, in turn */
	u32 most;		/* saves before one fails */
};

static bool toy_save(void *data, u32 slot)
{
	struct saved_toy *s = data;

	cr_assert_lt(slot, s->nr_slots);
	s->slots[slot] = s->toy;
	return ++s->saves <= s->most;
}

static void toy_load(void *data, u32 slot)
{
	struct saved_toy *s = data;

	s->toy = s->slots[slot];
	s->loads++;
}

static bool add_hash(void *ctx, const struct explore_run *run)
{
	struct saved_toy *s = ctx;

	s->hash = s->hash * 31 + s->toy.hash + run->len;
	return true;
}

static struct saved_toy explore_saved(struct toy toy, u32 nr_slots, u32 saves, u64 *classes)
{
	struct saved_toy s = { .toy = toy, .nr_slots = nr_slots, .most = saves };
	struct explore_program p = toy_program(&s.toy);
	const struct explore_options o = { .visit = add_hash, .ctx = &s };
	struct explore_result r;

	p.nr_slots = nr_slots;
	p.save = toy_save;
	p.load = toy_load;
	cr_assert_eq(explore(&p, &o, &r), 0);
	*classes = r.classes;
	return s;
}

/* Whether states are saved, and how many can be, makes no difference to what is found. */
Test(explore, saved_states_change_nothing)
{
	const struct toy toy = toy_lastzero(9);
	u64 want, classes;
	struct saved_toy none = explore_saved(toy, 0, UINT32_MAX, &want);

	cr_expect_eq(none.saves, 0);
	for (u32 slots = 1; slots <= SLOTS; slots++) {
		struct saved_toy s = explore_saved(toy, slots, UINT32_MAX, &classes);

		cr_expect_eq(classes, want);
		cr_expect_eq(s.hash, none.hash, "%u slots", slots);
		cr_expect_eq(s.loads > 1000, slots > 1, "%u slots", slots);
	}
	for (u32 saves = 0; saves < 4; saves++) {
		struct saved_toy s = explore_saved(toy, SLOTS, saves, &classes);

		cr_expect_eq(s.saves, saves + 1, "asked again after it had failed");
		cr_expect_eq(s.hash, none.hash, "%u saves", saves);
	}
}

Test(explore, visit_can_stop)
{
	struct toy toy = toy_lastzero(5);
	struct explore_program p = toy_program(&toy);
	struct first f = { .limit = 3 };
	struct explore_options o = { .visit = note_first, .ctx = &f };
	struct explore_result r;

	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(f.runs, 3);
	cr_expect_not(r.complete);
	cr_expect_str_eq(r.guarantee, "3 classes, not all");
}

Test(explore, interrupt_stops)
{
	volatile sig_atomic_t interrupted = 1;
	struct toy toy = toy_lastzero(5);
	struct explore_program p = toy_program(&toy);
	struct explore_options o = { .interrupted = &interrupted };
	struct explore_result r;

	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_not(r.complete);
	cr_expect_eq(r.executions, 1);
}

/* Preemption bounding: fewest first, none twice, and everything once the bound is high enough. */
Test(explore, preemptions)
{
	struct toy toy = toy_lastzero(3);
	struct explore_program p = toy_program(&toy);
	struct behaviours all = toy_explore(&toy, dpor), some;
	u64 executions = 0, naive;
	struct explore_result r;

	some = toy_explore(&toy, (struct explore_options){ .strategy = EXPLORE_NAIVE });
	naive = some.result.executions;
	cr_expect(same_behaviours(&all, &some));
	free(some.hashes);
	for (u32 bound = 0; bound <= 8; bound++) {
		struct first f = { 0 };
		struct explore_options o = { .strategy = EXPLORE_PREEMPT, .bound = bound,
					     .visit = note_first, .ctx = &f };

		cr_assert_eq(explore(&p, &o, &r), 0);
		cr_expect(f.in_order);
		cr_expect_leq(f.worst, bound);
		cr_expect_geq(r.executions, executions);
		executions = r.executions;
		if (bound == 2)
			cr_expect_str_eq(r.guarantee, "all with at most 2 preemptions");
	}
	cr_expect_eq(executions, naive);
	cr_expect_eq(r.classes, all.nr);
	free(all.hashes);
}

Test(explore, random_strategies_repeat_and_find)
{
	static const enum explore_strategy strategies[] = { EXPLORE_PCT, EXPLORE_RANDOM };
	struct toy toy = toy_lastzero(3);
	struct behaviours all = toy_explore(&toy, dpor);

	for (size_t i = 0; i < ARRAY_SIZE(strategies); i++) {
		struct explore_options o = { .strategy = strategies[i], .bound = 3, .runs = 3000,
					     .seed = 7 };
		struct behaviours a = toy_explore(&toy, o), b = toy_explore(&toy, o), c;

		cr_expect_eq(a.result.executions, 3000);
		cr_expect(same_behaviours(&a, &b));
		cr_expect_eq(a.result.classes, a.nr);
		cr_expect(same_behaviours(&a, &all), "%zu of %zu", a.nr, all.nr);
		o.runs = 3;
		c = toy_explore(&toy, o);
		cr_expect_leq(c.nr, 3);
		free(a.hashes);
		free(b.hashes);
		free(c.hashes);
	}
	free(all.hashes);
}

Test(explore, dependence)
{
	const struct explore_event w = { { 5ULL << 32 | 1 }, { EXPLORE_WRITE } };
	const struct explore_event r = { { 5ULL << 32 | 1 }, { EXPLORE_READ } };
	const struct explore_event other = { { 5ULL << 32 | 2 }, { EXPLORE_WRITE } };
	const struct explore_event all = { { 5ULL << 32 | EXPLORE_ALL }, { EXPLORE_READ } };
	const struct explore_event owner = { { 6ULL << 32 | EXPLORE_ALL }, { EXPLORE_WRITE } };
	const struct explore_event two = { { 9ULL << 32, 5ULL << 32 | 2 },
					   { EXPLORE_READ, EXPLORE_READ } };

	cr_expect(explore_dependent(&w, &r));
	cr_expect(explore_dependent(&w, &w));
	cr_expect_not(explore_dependent(&r, &r));
	cr_expect_not(explore_dependent(&w, &other));
	cr_expect(explore_dependent(&all, &other));
	cr_expect(explore_dependent(&w, &all));
	cr_expect_not(explore_dependent(&owner, &w));
	cr_expect(explore_dependent(&two, &other));
	cr_expect_not(explore_dependent(&two, &w));
}

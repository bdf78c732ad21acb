/* SPDX-License-Identifier: MIT */
/*
 * The sessions of a scenario as a program for explore(), without what
 * explore_scenario() makes of it: here every execution is looked at, and the
 * distinct things that executions came to are collected.
 */
#ifndef DAXSIM_TEST_WALKED_H
#define DAXSIM_TEST_WALKED_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/state.h"

/* Distinct numbers. */
struct u64_set {
	u64 *members;
	size_t nr, room;
};

static inline bool set_has(const struct u64_set *s, u64 member)
{
	for (size_t i = 0; i < s->nr; i++)
		if (s->members[i] == member)
			return true;
	return false;
}

static inline void set_add(struct u64_set *s, u64 member)
{
	if (set_has(s, member))
		return;
	if (s->nr == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->members = reallocarray(s->members, s->room, sizeof(*s->members));
		cr_assert_not_null(s->members);
	}
	s->members[s->nr++] = member;
}

/* How many members of @a are not in @b. */
static inline size_t set_missing(const struct u64_set *a, const struct u64_set *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nr; i++)
		n += !set_has(b, a->members[i]);
	return n;
}

static inline bool set_equal(const struct u64_set *a, const struct u64_set *b)
{
	return !set_missing(a, b) && !set_missing(b, a);
}

struct walked {
	struct explorer x;
	u32 hidden;			/* objects that are kept from explore(), bit per enum obj_type */
	struct u64_set outcomes;	/* hashes of final states, violations and wrong results */
	struct u64_set classes;		/* hashes of happens-before graphs */
	u64 findings;			/* seen in any execution, bit per invariant */
	u64 noted;			/* sum of hashes of all violations so far */
	u32 guesses;			/* at what is calm, the last of which was right */
	struct explore_result result;
	int err;			/* what explore() returned */
	explore_done *done;		/* of the run at hand */
	void *done_ctx;
};

static inline void walked_note(void *data, enum invariant inv, const char *text)
{
	struct walked *w = data;
	struct explorer *x = &w->x;

	/* The lock validator tells of a cycle once, and what it heard of is kept. */
	if (inv != INV_LOCK_ORDER)
		w->noted += XXH3_64bits_withSeed(text, strlen(text), inv);
	if (!(x->seen >> inv & 1))
		snprintf(x->texts[inv], sizeof(x->texts[inv]), "%s", text);
	x->seen |= 1ULL << inv;
}

/* What an execution came to: everything at rest, what was violated, what results were wrong. */
static inline u64 walked_outcome(struct explorer *x)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	u64 hash;

	cr_assert_not_null(to);
	state_print(&x->m.sim, to);
	for (int i = 0; i < NR_INVARIANTS; i++)
		if (x->seen >> i & 1)
			fprintf(to, "%s: %s\n", invariant_table[i].name, x->texts[i]);
	fputs(x->mismatch, to);
	fclose(to);
	hash = XXH3_64bits(text, size);
	free(text);
	return hash;
}

static inline bool walked_visit(void *ctx, const struct explore_run *run)
{
	struct walked *w = ctx;

	if (w->x.stirred)
		return false;
	if (run->deadlock)
		walk_stuck(&w->x, ~0U, run->bounded);
	else
		check_quiescent(w->x.m.sim.check);
	w->findings |= w->x.seen;
	set_add(&w->outcomes, walked_outcome(&w->x));
	set_add(&w->classes, run->class);
	return true;
}

static inline void walked_hide(const struct walked *w, struct explore_event *e)
{
	for (int i = EXPLORE_ACCESSES - 1; i >= 0; i--)
		if (e->kind[i] && obj_type(e->object[i]) < 32 &&
		    w->hidden >> obj_type(e->object[i]) & 1) {
			memmove(&e->object[i], &e->object[i + 1],
				(EXPLORE_ACCESSES - 1 - i) * sizeof(e->object[0]));
			memmove(&e->kind[i], &e->kind[i + 1], EXPLORE_ACCESSES - 1 - i);
			e->kind[EXPLORE_ACCESSES - 1] = EXPLORE_NONE;
			e->object[EXPLORE_ACCESSES - 1] = 0;
		}
}

static inline void walked_reset(void *data)
{
	walk_reset(&((struct walked *)data)->x);
}

static inline u32 walked_enabled(void *data, u32 *unfinished)
{
	return walk_enabled(&((struct walked *)data)->x, unfinished);
}

static inline void walked_pending(void *data, unsigned int thread, struct explore_event *e)
{
	struct walked *w = data;

	walk_pending(&w->x, thread, e);
	walked_hide(w, e);
}

static inline void walked_step(void *data, unsigned int thread, struct explore_event *e)
{
	struct walked *w = data;

	walk_step(&w->x, thread, e);
	walked_hide(w, e);
}

static inline bool walked_save(void *data, u32 slot)
{
	return walk_save(&((struct walked *)data)->x, slot);
}

static inline void walked_load(void *data, u32 slot)
{
	walk_load(&((struct walked *)data)->x, slot);
}

static inline bool walked_done(void *data, const struct explore_event *e)
{
	struct walked *w = data;
	struct explore_event seen = *e;

	walked_hide(w, &seen);
	return w->done(w->done_ctx, &seen);
}

static inline void walked_run(void *data, unsigned int thread, explore_done *done, void *ctx)
{
	struct walked *w = data;

	w->done = done;
	w->done_ctx = ctx;
	walk_run(&w->x, thread, walked_done, w);
}

/* The sessions as a program; @w must not move. */
static inline struct explore_program walked_program(struct walked *w)
{
	return (struct explore_program){
		.data = w, .nr_threads = w->x.s->nr_sessions, .reset = walked_reset,
		.enabled = walked_enabled, .pending = walked_pending, .step = walked_step,
		.run = walked_run, .nr_slots = NR_SAVED, .save = walked_save, .load = walked_load,
	};
}

/* A machine for a variant of a scenario, set up; nothing is explored. What is calm may be guessed. */
static inline struct walked *walked_new(const struct scenario *s, const struct variant *v,
					u32 hidden, bool apart, const struct calm *calm)
{
	struct walked *w = calloc(1, sizeof(*w));
	char why[200];

	cr_assert_not_null(w);
	w->hidden = hidden;
	w->x.apart = apart;
	w->x.calm = *calm;
	w->x.s = s;
	w->x.v = v;
	cr_assert_eq(machine_init(&w->x.m, s, v, &soft_mmu, why, sizeof(why)), 0);
	cr_assert_eq(check_create(&w->x.m.sim, s->ignored, walked_note, w), 0);
	cr_assert(walk_set_up(&w->x), "%s", w->x.mismatch);
	if (!apart && !calm->guessed)
		walk_probe(&w->x);
	return w;
}

static inline void walked_free(struct walked *w)
{
	walk_tear_down(&w->x);
	machine_destroy(&w->x.m);
	free(w->outcomes.members);
	free(w->classes.members);
	free(w);
}

/* walk_all(), perhaps with each access an event of its own; anew where a guess was wrong. */
static inline struct walked *walk_so(const struct scenario *s, u32 hidden, bool apart,
				     struct explore_options o)
{
	struct calm calm = { .guessed = false };

	for (u32 guesses = 1;; guesses++) {
		struct walked *w = walked_new(s, s->variants, hidden, apart, &calm);
		struct explore_program p = walked_program(w);

		o.visit = walked_visit;
		o.ctx = w;
		o.want_class = true;
		w->err = explore(&p, &o, &w->result);
		if (!w->x.stirred) {
			cr_assert(!w->err || hidden, "explore() returned %d", w->err);
			w->guesses = guesses;
			return w;
		}
		calm = w->x.calm;
		walked_free(w);
	}
}

/**
 * walk_all() - run the first variant of a scenario in many interleavings
 * @s: the scenario; its finals do not run
 * @hidden: objects that explore() is not told of, bit per enum obj_type
 * @o: how; visit and ctx are filled in
 *
 * Return: what came of it; walked_free() it.
 */
static inline struct walked *walk_all(const struct scenario *s, u32 hidden,
				      struct explore_options o)
{
	return walk_so(s, hidden, false, o);
}

#endif

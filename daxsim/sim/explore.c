// SPDX-License-Identifier: MIT
/* Building executions step by step, and what every strategy does the same. */
#include "daxsim/sim/explore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/explorer.h"

#define SEEN_SHIFT 20			/* classes that can be told apart, log2 */
#define SEEN_SLOTS (1UL << SEEN_SHIFT)
#define SEEN_MAX (SEEN_SLOTS / 4 * 3)
#define PROGRESS_EVERY 1024		/* executions */

void explorer_run(struct explorer *x, unsigned int thread, explore_done *done, void *ctx)
{
	struct explore_event e;

	if (x->prog->run) {
		x->prog->run(x->prog->data, thread, done, ctx);
		return;
	}
	do {
		memset(&e, 0, sizeof(e));
		x->prog->step(x->prog->data, thread, &e);
	} while (done(ctx, &e));
}

u32 explorer_push(struct explorer *x, unsigned int thread, const struct explore_event *e,
		  u32 *races)
{
	struct step_taken *s = &x->steps[x->depth];
	const struct step_taken *prev = x->depth ? s - 1 : NULL;
	u32 nr = happens_after(x, thread, e, 0, &s->clock, races);

	s->event = *e;
	s->thread = thread;
	s->index = s->clock.of[thread];
	s->preemptions = 0;
	if (prev)
		s->preemptions = prev->preemptions +
				 (prev->thread != thread && x->enabled >> prev->thread & 1);
	x->schedule[x->depth] = thread;
	history_push(x);
	x->res->steps++;
	return nr;
}

/* Whether a class is new; if there are too many to remember, none is any more. */
static bool first_of_class(struct explorer *x, u64 class)
{
	u64 slot = class >> (64 - SEEN_SHIFT);

	class |= !class;	/* 0 marks a free slot */
	for (; x->seen[slot]; slot = (slot + 1) & (SEEN_SLOTS - 1))
		if (x->seen[slot] == class)
			return false;
	if (x->res->classes >= SEEN_MAX) {
		x->res->uncounted = true;
		return false;
	}
	x->seen[slot] = class;
	return true;
}

/* Whether opt->most executions were made; if others come first, how many may turn out too late. */
static bool all_spent(struct explorer *x)
{
	u64 before = x->before ? *x->before : 1, last = x->finished, most = x->opt->most;

	x->finished = x->res->executions;
	if (!most || (!before && x->finished < most))
		return false;
	x->too_many = !before || before - 1 + last >= most;
	x->spent_all = before - 1 + x->finished >= most;
	return x->too_many || x->spent_all;
}

/*
 * Threads that can never go on, when no thread is let go on. Where none was stopped that is whoever
 * has not ended. Else it takes a lock of a thread that has ended, or can never go on itself: a thread
 * that was stopped may drop what it has, and do for others what they wait for.
 */
static u32 stuck_threads(const struct explorer *x)
{
	u32 hope = x->bounded, waiting = x->unfinished & ~hope, before = 0;

	while (waiting && hope != before) {
		before = hope;
		for (u32 left = waiting & ~hope; left; left &= left - 1) {
			unsigned int thread = __builtin_ctz(left);
			struct explore_event e;

			x->prog->pending(x->prog->data, thread, &e);
			if (!(history_holders(x, &e, x->depth) & ~hope))
				hope |= 1U << thread;
		}
	}
	return waiting & ~hope;
}

void explorer_finish(struct explorer *x)
{
	struct explore_result *r = x->res;
	struct explore_run run = {
		.schedule = x->schedule,
		.len = x->depth,
		.preemptions = x->depth ? x->steps[x->depth - 1].preemptions : 0,
		.deadlock = stuck_threads(x),
		.bounded = x->bounded,
	};

	r->executions++;
	if (x->seen || x->opt->want_class)
		run.class = class_hash(x);
	if (!x->seen || first_of_class(x, run.class)) {
		run.number = ++r->classes;
		r->deadlocks += run.deadlock;
		r->bounded += run.bounded;
	}
	if (x->opt->visit && !x->opt->visit(x->opt->ctx, &run))
		x->stop = true;
	if (all_spent(x))
		x->stop = true;
	if (x->opt->interrupted && *x->opt->interrupted)
		x->stop = true;
	if (x->opt->progress && r->executions % PROGRESS_EVERY == 0 &&
	    !x->opt->progress(x->opt->ctx, r))
		x->stop = true;
}

static const struct {
	int (*run)(struct explorer *x);
	bool repeats;		/* may meet a class more than once */
	bool draws;		/* needs a number of runs */
} strategies[] = {
	[EXPLORE_DPOR] = { explore_dpor, false, false },
	[EXPLORE_NAIVE] = { explore_naive, true, false },
	[EXPLORE_PREEMPT] = { explore_preempt, true, false },
	[EXPLORE_PCT] = { explore_pct, true, true },
	[EXPLORE_RANDOM] = { explore_random, true, true },
};

static void name_guarantee(const struct explorer *x)
{
	const struct explore_options *o = x->opt;
	struct explore_result *r = x->res;
	char *to = r->guarantee;
	size_t size = sizeof(r->guarantee);
	unsigned long long classes = r->classes, runs = r->executions;

	switch (o->strategy) {
	case EXPLORE_DPOR:
	case EXPLORE_NAIVE:
		if (r->complete)
			snprintf(to, size, "all %llu class%s", classes, classes == 1 ? "" : "es");
		else
			snprintf(to, size, "%llu class%s, not all", classes,
				 classes == 1 ? "" : "es");
		break;
	case EXPLORE_PREEMPT:
		snprintf(to, size, "%s with at most %u preemption%s", r->complete ? "all" : "not all",
			 o->bound, o->bound == 1 ? "" : "s");
		break;
	case EXPLORE_PCT:
		snprintf(to, size, "PCT, %llu runs, d=%u", runs, o->bound);
		break;
	case EXPLORE_RANDOM:
		snprintf(to, size, "random, %llu runs", runs);
		break;
	}
}

static bool makes_sense(const struct explore_program *p, const struct explore_options *o)
{
	return p->nr_threads <= EXPLORE_THREADS && o->max_events <= VCLOCK_MAX &&
	       (!strategies[o->strategy].draws || o->runs) &&
	       (o->strategy != EXPLORE_PCT || (o->bound && o->bound <= EXPLORE_MAX_DEPTH));
}

/*
 * The deeper parts of all this are hardly ever touched, and cost nothing then. In one piece, because
 * many pieces would be given back to the system at the end of each exploration.
 */
static bool make_room(struct explorer *x)
{
	size_t depths = x->max_depth + 1, accesses = (x->max_depth << STEP_SHIFT) + 1;
	size_t size = depths * (sizeof(*x->steps) + sizeof(*x->depths) + sizeof(*x->schedule)) +
		      accesses * (sizeof(*x->links) + sizeof(*x->lock_links));
	size_t align = _Alignof(struct step_taken);

	x->steps = aligned_alloc(align, (size + align - 1) & ~(align - 1));
	if (!x->steps)
		return false;
	x->links = (struct access_link *)(x->steps + depths);
	x->lock_links = (struct lock_link *)(x->links + accesses);
	x->depths = (u32 *)(x->lock_links + accesses);
	x->schedule = (u8 *)(x->depths + depths);
	return true;
}

int explore(const struct explore_program *p, const struct explore_options *o,
	    struct explore_result *r)
{
	struct explorer x = { .prog = p, .opt = o, .res = r };
	bool tells_apart = strategies[o->strategy].repeats && !o->no_classes, has_room;
	int err = -ENOMEM;

	*r = (struct explore_result){ .diverged = -1 };
	if (!makes_sense(p, o))
		return -EINVAL;
	x.max_events = o->max_events ? o->max_events : EXPLORE_MAX_EVENTS;
	x.max_depth = p->nr_threads * x.max_events;
	has_room = make_room(&x);
	x.nr_slots = p->save && p->nr_slots > 1 ? min_t(u32, p->nr_slots, EXPLORE_MAX_SLOTS) : 0;
	for (u32 i = 0; i < x.nr_slots; i++)
		x.saved[i].slot = i;
	if (tells_apart)
		x.seen = calloc(SEEN_SLOTS, sizeof(*x.seen));
	if (has_room && (x.seen || !tells_apart)) {
		err = strategies[o->strategy].run(&x);
		r->complete = !err && !x.stop && !r->bounded;
		if (r->diverged >= 0)
			err = -EUCLEAN;
		name_guarantee(&x);
	}
	free(x.steps);
	free(x.seen);
	return err;
}

u32 explore_replay(const struct explore_program *p, const u8 *schedule, u32 len)
{
	struct explore_event e;
	u32 unfinished, i;

	p->reset(p->data);
	for (i = 0; i < len && p->enabled(p->data, &unfinished) >> schedule[i] & 1; i++)
		p->step(p->data, schedule[i], &e);
	return i;
}

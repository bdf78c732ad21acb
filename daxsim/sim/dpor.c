// SPDX-License-Identifier: MIT
/*
 * One execution of every class: source-DPOR with sleep sets (Abdulla, Aronis,
 * Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014).
 *
 * At each depth of the execution that is on the stack stands a choice. Whenever
 * an event turns out to race with an earlier one, the choice before the earlier
 * one gets a further thread to try, unless one that it has leads there as well.
 *
 * That takes for granted that two events which depend on each other still do so when
 * something else has come between that depends on one of them only. Ours may not: what an event
 * accesses may hang on what it reads. A load that finds a PTE accesses the block behind it;
 * once the PTE was zapped it does not, and whoever writes the block has nothing to do with it
 * any more. Where that load sleeps, having been tried, no other is looked at. So it is
 * remembered what sleepers would have done where they were woken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/ahead.h"
#include "daxsim/sim/explorer.h"
#include "daxsim/sim/reversal.h"

/* What a thread did that was tried, and would do again. */
struct sleeper {
	struct explore_event event;
	u64 marks;
	u64 rest_marks;		/* of accesses that may hang on what the first one finds */
};

/* A sleeper that was woken by a step. Had others come before that, it would sleep no more either. */
struct woken {
	u64 marks;		/* the sleeper's rest_marks */
	const struct sleeper *sleeper;
	u32 depth;		/* of the step */
	s16 index;		/* of the same in its thread */
	u8 waker, thread;	/* whose the step is, and the sleeper's */
};

/* Who goes on at one depth. Threads are bits. */
struct choice {
	u32 enabled;
	u32 backtrack;	/* those to be tried */
	u32 sleep;	/* those that need not be: what they lead to has been explored */
	u32 nr_woken;	/* on the way to here */
	u8 thread;	/* the one that is being tried */
	u64 begun;	/* executions before it */
	const struct sleeper *asleep[EXPLORE_THREADS];
};

struct dpor {
	struct explorer *x;
	struct choice *choices;	/* by depth */
	struct sleeper *tried;		/* by depth and thread */
	struct woken *woken;		/* in the order of the steps on the stack */
	u32 *races;
	u32 base;		/* choices below this depth are another process's */
	struct ahead ahead;
};

/* See to it that one of @initials is tried at a depth: @pick unless one of them is anyway. */
static void demand(struct dpor *d, u32 depth, u32 initials, u32 pick)
{
	struct choice *c = &d->choices[depth];

	if (initials & (c->backtrack | c->sleep))
		return;
	if (depth < d->base)
		ahead_request(&d->ahead, depth, initials, pick);
	else
		c->backtrack |= pick;
}

static void reverse_all(struct dpor *d, const struct late_event *late, u32 nr)
{
	struct reversal r;

	for (; nr; nr--)
		if (race_reversal(d->x, late, d->races[nr - 1], &r))
			demand(d, r.depth, r.initials, r.pick);
}

/* Choose who goes on from the end of the stack. False: nobody can, or all who can are asleep. */
static bool choose(struct dpor *d)
{
	struct explorer *x = d->x;
	struct choice *c = &d->choices[x->depth];

	if (!(explorer_look(x) & ~c->sleep))
		return false;
	c->thread = explorer_stay(x, x->enabled & ~c->sleep);
	c->enabled = x->enabled;
	c->backtrack = 1U << c->thread;
	c->begun = x->res->executions;
	return true;
}

/* Whether what @e finds, other than by its last access, is another thing behind @waker. */
static bool changes(const struct explore_event *waker, const struct explore_event *e)
{
	for (u32 i = 0; i + 1 < EXPLORE_ACCESSES && e->kind[i + 1]; i++)
		for (u32 j = 0; j < EXPLORE_ACCESSES && waker->kind[j]; j++)
			if (same_object(e->object[i], waker->object[j]) &&
			    (waker->kind[j] == EXPLORE_WRITE || explore_asks(e->kind[i])))
				return true;
	return false;
}

/* The step at @depth has happened, which @q does not sleep through. */
static void wake(struct dpor *d, u32 depth, unsigned int q)
{
	const struct step_taken *waker = &d->x->steps[depth];
	const struct sleeper *s = d->choices[depth].asleep[q];

	if (s->rest_marks && changes(&waker->event, &s->event))
		d->woken[d->choices[depth + 1].nr_woken++] = (struct woken){
			s->rest_marks, s, depth, waker->index, waker->thread, q,
		};
}

/* Pass on who sleeps, which is those whose event does not depend on the step at @depth. */
static void pass_on(struct dpor *d, u32 depth)
{
	const struct step_taken *s = &d->x->steps[depth];
	const struct choice *c = &d->choices[depth];
	struct choice *next = &d->choices[depth + 1];

	next->sleep = 0;
	next->nr_woken = c->nr_woken;
	for (u32 left = c->sleep; left; left &= left - 1) {
		unsigned int q = __builtin_ctz(left);

		if (c->asleep[q]->marks & s->marks &&
		    explore_dependent(&c->asleep[q]->event, &s->event)) {
			wake(d, depth, q);
			continue;
		}
		next->sleep |= 1U << q;
		next->asleep[q] = c->asleep[q];
	}
}

/* The data that an event accesses but by its first access, which it makes whatever it finds. */
static struct explore_event rest_of(const struct explore_event *event)
{
	struct explore_event rest = { 0 };

	for (u32 i = 1; i < EXPLORE_ACCESSES; i++)
		if (event->kind[i] == EXPLORE_READ || event->kind[i] == EXPLORE_WRITE)
			explore_add(&rest, event->object[i], event->kind[i]);
	return rest;
}

static bool rest_depends(const struct sleeper *s, const struct explore_event *other)
{
	struct explore_event rest = rest_of(&s->event);

	return explore_dependent(&rest, other);
}

/* The last step may have to come before what sleepers would have done where they were woken. */
static void reverse_woken(struct dpor *d, const struct late_event *late)
{
	const struct step_taken *last = &d->x->steps[late->depth];
	struct reversal r;

	for (u32 i = d->choices[late->depth].nr_woken; i--;) {
		const struct woken *w = &d->woken[i];

		if (w->marks & last->marks && w->index > last->clock.of[w->waker] &&
		    w->thread != last->thread && rest_depends(w->sleeper, &last->event) &&
		    sleeper_reversal(d->x, late, w->thread, &w->sleeper->event, w->depth, &r))
			demand(d, r.depth, r.initials, r.pick);
	}
}

/*
 * What was chosen has happened: see to sleep, and to the races. Returns whether the same thread is
 * to go on at once.
 */
static bool taken(void *ctx, const struct explore_event *event)
{
	struct dpor *d = ctx;
	struct explorer *x = d->x;
	const struct choice *c = &d->choices[x->depth];
	const struct late_event late = {
		.thread = c->thread, .event = event, .depth = x->depth, .last = x->last[c->thread],
	};
	u32 nr = explorer_push(x, c->thread, event, d->races);

	pass_on(d, late.depth);
	reverse_all(d, &late, nr);
	reverse_woken(d, &late);
	return choose(d) && c[1].thread == c->thread;
}

/* Those who cannot go on never executed the event that races. */
static void reverse_pending(struct dpor *d)
{
	struct explorer *x = d->x;

	for (u32 left = x->unfinished & ~x->enabled & ~x->bounded; left; left &= left - 1) {
		unsigned int thread = __builtin_ctz(left);
		struct explore_event e = { 0 };
		const struct late_event late = {
			.thread = thread, .event = &e, .depth = x->depth, .last = x->last[thread],
			.pending = true,
		};
		u32 holders, nr;
		struct vclock clock;

		x->prog->pending(x->prog->data, thread, &e);
		memset(&e.kind[1], EXPLORE_NONE, sizeof(e.kind) - 1);
		holders = history_holders(x, &e, x->depth);
		nr = happens_after(x, thread, &e, holders, &clock, d->races);
		reverse_all(d, &late, nr);
	}
}

/* Go on with what was chosen. */
static void go(struct dpor *d)
{
	explorer_run(d->x, d->choices[d->x->depth].thread, taken, d);
}

/* Go on until nobody can, or until all who can are asleep. */
static void extend(struct dpor *d)
{
	struct explorer *x = d->x;

	while (choose(d))
		go(d);
	/* What those who sleep would do, others have seen to; not so what waits for a lock here. */
	reverse_pending(d);
	if (x->enabled) {
		x->res->cut++;
		x->res->executions++;
		return;
	}
	explorer_finish(x);
}

/* The thread at the head of a choice was tried, did @event, and sleeps from now on. */
static void retire(struct dpor *d, u32 depth, const struct explore_event *event)
{
	struct choice *c = &d->choices[depth];
	struct sleeper *tried = &d->tried[(size_t)depth * d->x->prog->nr_threads + c->thread];
	struct explore_event rest = rest_of(event);

	*tried = (struct sleeper){ *event, event_marks(event), event_marks(&rest) };
	c->sleep |= 1U << c->thread;
	c->asleep[c->thread] = tried;
}

static u32 left_to_try(const struct choice *c)
{
	return c->backtrack & ~(c->sleep | 1U << c->thread);
}

static _Noreturn void explore_part(struct dpor *d, u32 depth, unsigned int thread);

/*
 * Let a process try what comes next at the lowest depth below @depth at which that is likely to
 * take long.
 */
static void work_ahead(struct dpor *d, u32 depth)
{
	for (u32 i = d->base; i < depth && ahead_wanted(&d->ahead); i++) {
		const struct choice *c = &d->choices[i];
		u32 left = left_to_try(c);

		if (!left || d->x->res->executions - c->begun < d->ahead.how->worth ||
		    ahead_has(&d->ahead, i))
			continue;
		if (ahead_fork(&d->ahead, i, __builtin_ctz(left), c->sleep | 1U << c->thread))
			explore_part(d, i, __builtin_ctz(left));
	}
}

/* Whose turn has come, while a process that tried a thread there is still at it. */
struct turn {
	struct dpor *d;
	u32 depth;
	unsigned int thread;
};

static void wait_turn(void *data)
{
	const struct turn *t = data;

	work_ahead(t->d, t->depth);
}

/* What another process did is as if it had been done here. */
static void take_turn(void *data, const struct ahead_area *from)
{
	const struct turn *t = data;
	struct choice *c = &t->d->choices[t->depth];

	for (u32 i = 0; i < from->nr_requests; i++) {
		const struct ahead_request *r = &from->requests[i];

		demand(t->d, r->depth, r->initials, r->pick);
	}
	c->thread = t->thread;
	retire(t->d, t->depth, &from->event);
}

/*
 * Put to sleep what was tried, from the top, and take over what other processes have tried;
 * returns the first thread still to be tried, or -1.
 */
static int next_choice(struct dpor *d, u32 *depth)
{
	for (*depth = d->x->depth; *depth > d->base && !d->x->stop;) {
		struct choice *c = &d->choices[--*depth];
		u32 left;

		if (!left_to_try(c)) {
			c->sleep |= 1U << c->thread;
			continue;
		}
		retire(d, *depth, &d->x->steps[*depth].event);
		while ((left = left_to_try(c)) && !d->x->stop) {
			struct turn t = { d, *depth, __builtin_ctz(left) };

			if (!ahead_take(&d->ahead, t.depth, t.thread, c->sleep, wait_turn, take_turn, &t))
				return t.thread;
		}
	}
	return -1;
}

/*
 * About which part of the tree is done, taking what each choice still has to try to be as large
 * as what it has tried. Too large as a rule: later races add to what is to be tried.
 */
static double part_explored(const struct dpor *d, u32 depth)
{
	double part = 1, done = 0;

	for (u32 i = 0; i <= depth; i++) {
		const struct choice *c = &d->choices[i];

		part /= __builtin_popcount(c->backtrack);
		done += part * __builtin_popcount(c->backtrack & c->sleep);
	}
	return done;
}

/* The depth at or below @depth, of those that are ours, at which more is to be tried; 0: none. */
static u32 comes_back_to(const struct dpor *d, u32 depth)
{
	while (depth > d->base && !left_to_try(&d->choices[depth]))
		depth--;
	return depth > d->base ? depth : 0;
}

/* Try a thread, and all that can follow it. */
static void try_thread(struct dpor *d, u32 depth, unsigned int thread)
{
	struct explorer *x = d->x;
	struct choice *c = &d->choices[depth];

	if (x->stop)
		return;
	c->thread = thread;
	explorer_rewind(x, depth, comes_back_to(d, depth));
	x->enabled = c->enabled;
	/* A thread that some equivalent execution could take here must be enabled. */
	if (!x->stop && !(x->enabled >> thread & 1)) {
		x->res->diverged = depth;
		x->stop = true;
	}
	if (x->stop)
		return;
	c->begun = x->res->executions;
	go(d);
	extend(d);
}

/* Try what is left to be tried. */
static void try_all(struct dpor *d)
{
	struct explorer *x = d->x;
	u32 depth;
	int thread;

	while (!x->stop && (thread = next_choice(d, &depth)) >= 0) {
		if (x->opt->progress && !(x->res->executions & 63))
			x->res->explored = part_explored(d, depth);
		if (ahead_wanted(&d->ahead))
			work_ahead(d, depth);
		ahead_look(&d->ahead);
		try_thread(d, depth, thread);
	}
	ahead_end(&d->ahead);
}

/* In a process of its own: what can follow a thread at one depth. */
static _Noreturn void explore_part(struct dpor *d, u32 depth, unsigned int thread)
{
	const struct explore_event *first = &d->x->steps[depth].event;

	retire(d, depth, first);
	d->base = depth + 1;
	try_thread(d, depth, thread);
	try_all(d);
	ahead_exit(&d->ahead, first);
}

int explore_dpor(struct explorer *x)
{
	size_t depths = x->max_depth + 1, nr = depths * x->prog->nr_threads;
	struct dpor d = { .x = x };

	/* In one piece, as the explorer's. */
	d.choices = malloc(depths * (sizeof(*d.choices) + sizeof(*d.races)) +
			   nr * (sizeof(*d.tried) + sizeof(*d.woken)));
	if (!d.choices)
		return -ENOMEM;
	d.tried = (struct sleeper *)(d.choices + depths);
	d.woken = (struct woken *)(d.tried + nr);
	d.races = (u32 *)(d.woken + nr);
	ahead_begin(&d.ahead, x);
	d.choices[0].sleep = 0;
	d.choices[0].nr_woken = 0;
	explorer_rewind(x, 0, 0);
	extend(&d);
	try_all(&d);
	free(d.choices);
	return 0;
}

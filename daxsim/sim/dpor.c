// SPDX-License-Identifier: MIT
/*
 * One execution of every class: source-DPOR with sleep sets (Abdulla, Aronis,
 * Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014).
 *
 * At each depth of the execution that is on the stack stands a choice. Whenever
 * an event turns out to race with an earlier one, the choice before the earlier
 * one gets a further thread to try, unless one that it has leads there as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "daxsim/sim/ahead.h"
#include "daxsim/sim/explorer.h"

/* Who goes on at one depth. Threads are bits. */
struct choice {
	u32 enabled;
	u32 backtrack;	/* those to be tried */
	u32 sleep;	/* those that need not be: what they lead to has been explored */
	u8 thread;	/* the one that is being tried */
	u64 begun;	/* executions before it */
	struct explore_event tried[EXPLORE_THREADS];		/* what they did that were tried */
	const struct explore_event *asleep[EXPLORE_THREADS];	/* what sleepers would do */
};

struct dpor {
	struct explorer *x;
	struct choice *choices;	/* by depth */
	u32 *races;
	u32 base;		/* choices below this depth are another process's */
	struct ahead ahead;
};

/* Events that are to come before the step they raced with. */
struct reversal {
	u32 initials;	/* threads whose first event depends on no other of them */
	u32 holders;	/* threads that still have the lock which is asked for */
};

static bool after_any(const struct step_taken *s, const struct step_taken *steps,
		      const u32 *races, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		const struct step_taken *e = &steps[races[i]];

		if (s->clock.of[e->thread] >= e->index)
			return true;
	}
	return false;
}

/* An event that races with some before it: pending, or the last on the stack. */
struct late_event {
	unsigned int thread;
	const struct explore_event *event;
	u32 depth;		/* steps before it */
	u32 last;		/* 1 + depth of its thread's event before it; 0: none */
};

/* Steps that are to come after the event they race with. */
struct overtaken {
	u32 depths[EXPLORE_THREADS];
	u32 nr;
};

static const u8 takes[NR_EXPLORE_KINDS] = {
	[EXPLORE_LOCK] = 1, [EXPLORE_RLOCK] = 1, [EXPLORE_WAIT] = 1,
};

/*
 * Who still has the lock that @late asks for, of all that comes before it. Going back, the
 * first thing a thread did to the lock says whether it has it. @clock is set to that of @late.
 */
static u32 come_before(const struct explorer *x, const struct late_event *late, u32 from,
		       const struct overtaken *o, struct vclock *clock)
{
	static const struct vclock none;
	const struct explore_event *e = late->event;
	u32 holders = 0, decided = 0;
	struct history_walk w;
	enum relation rel;
	s64 depth;

	history_walk(&w, x, e, late->depth, UINT32_MAX, &none);
	*clock = late->last ? x->steps[late->last - 1].clock : (struct vclock){ 0 };
	clock->of[late->thread]++;
	while ((depth = history_next(&w, &none, &rel)) > (s64)from) {
		const struct step_taken *s = &x->steps[depth];
		u32 bit = 1U << s->thread;

		if (after_any(s, x->steps, o->depths, o->nr))
			continue;
		if (rel != NOTHING)
			vclock_join(clock, &s->clock);
		if (s->event.object[0] != e->object[0])
			continue;
		if (s->event.kind[0] == EXPLORE_UNLOCK) {
			decided = UINT32_MAX;
		} else if (s->event.kind[0] == EXPLORE_LOCK ||
			   (s->event.kind[0] == EXPLORE_RLOCK && e->kind[0] != EXPLORE_RLOCK)) {
			holders |= bit & ~decided;
			decided |= bit;
		} else if (s->event.kind[0] == EXPLORE_RUNLOCK) {
			decided |= bit;
		}
	}
	if (!takes[e->kind[0]])
		return 0;
	return holders | (history_holders(x, e, from) & ~decided);
}

/*
 * All that follows the step at depth @from and need not come after what is overtaken, then
 * @late. What a thread does once it has come after that, it does later too; so it is the
 * first event of each thread that counts.
 */
static struct reversal reversal(const struct explorer *x, const struct late_event *late, u32 from,
				const struct overtaken *o)
{
	struct vclock clock;
	struct reversal v = { .holders = come_before(x, late, from, o, &clock) };
	const struct vclock *clocks[EXPLORE_THREADS];
	s16 first[EXPLORE_THREADS];
	u32 threads = 0;

	for (unsigned int t = 0; t < x->prog->nr_threads; t++) {
		s64 depth = history_first(x, t, from + 1);
		const struct step_taken *s;

		if (depth < 0 || depth >= late->depth)
			continue;
		s = &x->steps[depth];
		if (after_any(s, x->steps, o->depths, o->nr))
			continue;
		clocks[t] = &s->clock;
		first[t] = s->index;
		threads |= 1U << t;
	}
	if (!(threads >> late->thread & 1)) {
		clocks[late->thread] = &clock;
		first[late->thread] = clock.of[late->thread];
		threads |= 1U << late->thread;
	}
	v.initials = threads;
	for (u32 left = threads; left; left &= left - 1) {
		unsigned int t = __builtin_ctz(left);

		for (u32 others = threads & ~(1U << t); others; others &= others - 1) {
			unsigned int u = __builtin_ctz(others);

			if (clocks[t]->of[u] >= first[u])
				v.initials &= ~(1U << t);
		}
	}
	return v;
}

/* Overtake those, too, that keep the lock which is asked for; returns whether there are any. */
static bool overtake_holders(const struct explorer *x, struct overtaken *o, u32 holders,
			     const u32 *races, u32 nr)
{
	u32 before = o->nr;

	for (u32 i = 0; i < o->nr; i++)
		holders &= ~(1U << x->steps[o->depths[i]].thread);
	for (u32 i = 0; i < nr; i++)
		if (holders >> x->steps[races[i]].thread & 1)
			o->depths[o->nr++] = races[i];
	return o->nr > before;
}

/* See to it that one of @initials is tried at a depth. */
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

/*
 * An event races with the steps at races[0..nr), latest first. Reverse the last of
 * these races: see to it that some execution goes on before that step with all that
 * need not come after it, then with the event.
 *
 * The event may ask for a lock that later readers have as well and, if their end
 * depends on the step, keep; then it must come before these, too.
 */
static void reverse(struct dpor *d, const struct late_event *late, const u32 *races, u32 nr)
{
	u32 from = races[nr - 1];
	struct overtaken o = { { from }, 1 };
	struct reversal v = reversal(d->x, late, from, &o);

	while (v.holders) {
		if (!overtake_holders(d->x, &o, v.holders, races, nr - 1))
			return;
		v = reversal(d->x, late, from, &o);
	}
	demand(d, from, v.initials, v.initials >> late->thread & 1 ? 1U << late->thread :
								     v.initials & -v.initials);
}

static void reverse_all(struct dpor *d, const struct late_event *late, u32 nr)
{
	for (; nr; nr--)
		reverse(d, late, d->races, nr);
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

/*
 * What was chosen has happened. Pass on who sleeps, which is those whose event does not depend
 * on this one, and see to the races. Returns whether the same thread is to go on at once.
 */
static bool taken(void *ctx, const struct explore_event *event)
{
	struct dpor *d = ctx;
	struct explorer *x = d->x;
	struct choice *c = &d->choices[x->depth], *next = c + 1;
	const struct late_event late = {
		.thread = c->thread, .event = event, .depth = x->depth, .last = x->last[c->thread],
	};
	u32 nr = explorer_push(x, c->thread, event, d->races);

	next->sleep = 0;
	for (u32 left = c->sleep; left; left &= left - 1) {
		unsigned int q = __builtin_ctz(left);

		if (explore_dependent(c->asleep[q], event))
			continue;
		next->sleep |= 1U << q;
		next->asleep[q] = c->asleep[q];
	}
	reverse_all(d, &late, nr);
	return choose(d) && next->thread == c->thread;
}

/* Those who cannot go on never executed the event that races. */
static void reverse_pending(struct dpor *d)
{
	struct explorer *x = d->x;

	for (u32 left = x->unfinished & ~x->bounded; left; left &= left - 1) {
		unsigned int thread = __builtin_ctz(left);
		struct explore_event e = { 0 };
		const struct late_event late = {
			.thread = thread, .event = &e, .depth = x->depth, .last = x->last[thread],
		};
		u32 holders, nr;
		struct vclock clock;

		x->prog->pending(x->prog->data, thread, &e);
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
	if (x->enabled) {
		x->res->cut++;
		x->res->executions++;
		return;
	}
	reverse_pending(d);
	explorer_finish(x);
}

/* The thread at the head of a choice was tried, did @event, and sleeps from now on. */
static void retire(struct choice *c, const struct explore_event *event)
{
	c->tried[c->thread] = *event;
	c->sleep |= 1U << c->thread;
	c->asleep[c->thread] = &c->tried[c->thread];
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
	retire(c, &from->event);
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
		retire(c, &d->x->steps[*depth].event);
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

/* Try a thread, and all that can follow it. */
static void try_thread(struct dpor *d, u32 depth, unsigned int thread)
{
	struct explorer *x = d->x;
	struct choice *c = &d->choices[depth];

	if (x->stop)
		return;
	explorer_rewind(x, depth);
	x->enabled = c->enabled;
	/* A thread that some equivalent execution could take here must be enabled. */
	if (!x->stop && !(x->enabled >> thread & 1)) {
		x->res->diverged = depth;
		x->stop = true;
	}
	if (x->stop)
		return;
	c->thread = thread;
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

	retire(&d->choices[depth], first);
	d->base = depth + 1;
	try_thread(d, depth, thread);
	try_all(d);
	ahead_exit(&d->ahead, first);
}

int explore_dpor(struct explorer *x)
{
	struct dpor d = {
		.x = x,
		.choices = malloc((x->max_depth + 1) * sizeof(*d.choices)),
		.races = malloc((x->max_depth + 1) * sizeof(*d.races)),
	};
	int err = -ENOMEM;

	if (d.choices && d.races) {
		err = 0;
		ahead_begin(&d.ahead, x);
		d.choices[0].sleep = 0;
		explorer_rewind(x, 0);
		extend(&d);
		try_all(&d);
	}
	free(d.choices);
	free(d.races);
	return err;
}

// SPDX-License-Identifier: MIT
/*
 * What has to come first for a race to come out the other way: all that need not come after the
 * earlier of two events, then the later one. Locks make it more than that. An event may ask for a
 * lock that somebody has there and, because its end depends on the earlier event, keeps.
 */
#include "daxsim/sim/reversal.h"

/*
 * Steps that are to come after the event, with all that comes after them: of each thread the
 * first, by its index; 0: none.
 */
struct overtaken {
	s16 first[EXPLORE_THREADS];
	u32 threads;
};

static void overtake(struct overtaken *o, const struct step_taken *s)
{
	if (!o->first[s->thread] || o->first[s->thread] > s->index)
		o->first[s->thread] = s->index;
	o->threads |= 1U << s->thread;
}

static bool comes_after(const struct step_taken *s, const struct overtaken *o)
{
	for (u32 left = o->threads; left; left &= left - 1) {
		unsigned int t = __builtin_ctz(left);

		if (s->clock.of[t] >= o->first[t])
			return true;
	}
	return false;
}

/* Who still has a lock. Going back, the first thing that a thread did to it decides. */
struct lock_trail {
	u32 holders;
	u32 decided;
};

static void go_back(struct lock_trail *t, const struct step_taken *s, const struct explore_event *e)
{
	u32 bit = 1U << s->thread;

	for (u32 i = s->nr_accesses; i-- > 0;) {
		if (s->event.object[i] != e->object[0])
			continue;
		switch (s->event.kind[i]) {
		case EXPLORE_UNLOCK:
			t->decided = UINT32_MAX;
			break;
		case EXPLORE_RLOCK:
			if (e->kind[0] == EXPLORE_RLOCK)
				break;
			fallthrough;
		case EXPLORE_LOCK:
			t->holders |= bit & ~t->decided;
			fallthrough;
		case EXPLORE_RUNLOCK:
			t->decided |= bit;
			break;
		}
	}
}

/*
 * Who still has the lock that @late asks for, of all that comes before it. @clock is set to
 * that of @late.
 */
static u32 come_before(const struct explorer *x, const struct late_event *late, u32 from,
		       const struct overtaken *o, struct vclock *clock)
{
	static const struct vclock none;
	const struct explore_event *e = late->event;
	struct lock_trail trail = { 0 };
	struct history_walk w;
	enum relation rel;
	s64 depth;

	history_walk(&w, x, e, late->depth, UINT32_MAX, &none);
	*clock = late->last ? x->steps[late->last - 1].clock : (struct vclock){ 0 };
	clock->of[late->thread]++;
	while ((depth = history_next(&w, &none, &rel)) >= (s64)from) {
		const struct step_taken *s = &x->steps[depth];

		if (comes_after(s, o))
			continue;
		if (rel != NOTHING)
			vclock_join(clock, &s->clock);
		go_back(&trail, s, e);
	}
	if (!explore_asks(e->kind[0]))
		return 0;
	return trail.holders | (history_holders(x, e, from) & ~trail.decided);
}

/* What is to come before the steps that are overtaken. */
struct overtaking {
	u32 initials;	/* threads whose first event depends on no other of them */
	u32 holders;	/* threads that still have the lock which is asked for */
};

/*
 * All from depth @from on that need not come after what is overtaken, then @late. What a thread
 * does once it has come after that, it does later too; so it is the first event of each thread
 * that counts.
 */
static struct overtaking overtaking(const struct explorer *x, const struct late_event *late, u32 from,
				const struct overtaken *o)
{
	struct vclock clock;
	struct overtaking v = { .holders = come_before(x, late, from, o, &clock) };
	const struct vclock *clocks[EXPLORE_THREADS];
	s16 first[EXPLORE_THREADS];
	u32 threads = 0;

	for (unsigned int t = 0; t < x->prog->nr_threads; t++) {
		s64 depth = history_first(x, t, from);
		const struct step_taken *s;

		if (depth < 0 || depth >= late->depth)
			continue;
		s = &x->steps[depth];
		if (comes_after(s, o))
			continue;
		clocks[t] = &s->clock;
		first[t] = s->index;
		threads |= 1U << t;
	}
	/* It may depend on any of the others; only they are sure to come first in some order. */
	if (!threads || !(late->pending || threads >> late->thread & 1)) {
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

/* The step in which a thread took the lock that it has where @late asks for it. */
static const struct step_taken *taken_by(const struct explorer *x, const struct late_event *late,
					 unsigned int thread, const struct overtaken *o)
{
	u32 depth = late->depth;

	do
		depth = history_taken(x, late->event->object[0], thread, depth);
	while (comes_after(&x->steps[depth], o));
	return &x->steps[depth];
}

/* Have @late come before what is overtaken, and whatever else that takes. */
static bool reverse(const struct explorer *x, const struct late_event *late, struct overtaken *o,
		    struct reversal *r)
{
	const struct step_taken *last = late->last ? &x->steps[late->last - 1] : NULL;
	struct overtaking v;
	u32 bit = 1U << late->thread;

	while ((v = overtaking(x, late, r->depth, o)).holders) {
		const struct step_taken *s = taken_by(x, late, __builtin_ctz(v.holders), o);

		if (last && last->clock.of[s->thread] >= s->index)
			return false;
		overtake(o, s);
		r->depth = min_t(u32, r->depth, s - x->steps);
	}
	r->initials = v.initials;
	r->pick = v.initials & bit ? bit : v.initials & -v.initials;
	return true;
}

bool race_reversal(const struct explorer *x, const struct late_event *late, u32 race,
		   struct reversal *r)
{
	struct overtaken o = { 0 };

	r->depth = race;
	overtake(&o, &x->steps[race]);
	return reverse(x, late, &o, r);
}

bool sleeper_reversal(const struct explorer *x, const struct late_event *late, unsigned int thread,
		      const struct explore_event *e, u32 depth, struct reversal *r)
{
	const struct step_taken *s = &x->steps[depth];
	struct overtaken o = { 0 };

	r->depth = depth;
	for (; s < &x->steps[late->depth]; s++)
		if (s->thread == thread || explore_dependent(&s->event, e))
			overtake(&o, s);
	return !comes_after(s, &o) && reverse(x, late, &o, r);
}

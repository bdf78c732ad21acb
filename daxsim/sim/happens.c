// SPDX-License-Identifier: MIT
/*
 * Which events depend on each other, and what happens before what. Everything a
 * strategy knows of events is in the table below.
 */
#include "daxsim/sim/explorer.h"

/* [kind of the earlier][kind of the later] */
const u8 explore_relations[NR_EXPLORE_KINDS][NR_EXPLORE_KINDS] = {
	[EXPLORE_READ] = { [EXPLORE_WRITE] = RACE },
	[EXPLORE_WRITE] = { [EXPLORE_READ] = RACE, [EXPLORE_WRITE] = RACE },
	[EXPLORE_LOCK] = { [EXPLORE_LOCK] = SWAP, [EXPLORE_RLOCK] = SWAP, [EXPLORE_WAIT] = SWAP },
	[EXPLORE_RLOCK] = { [EXPLORE_LOCK] = SWAP, [EXPLORE_WAIT] = SWAP },
	[EXPLORE_WAIT] = { [EXPLORE_LOCK] = RACE, [EXPLORE_RLOCK] = RACE },
	[EXPLORE_UNLOCK] = { [EXPLORE_LOCK] = ORDER, [EXPLORE_RLOCK] = ORDER,
			     [EXPLORE_WAIT] = ORDER },
	[EXPLORE_RUNLOCK] = { [EXPLORE_LOCK] = ORDER, [EXPLORE_WAIT] = ORDER },
};

enum relation events_relation(const struct explore_event *a, const struct explore_event *b)
{
	enum relation strongest = NOTHING;

	for (int i = 0; i < EXPLORE_ACCESSES && a->kind[i]; i++)
		for (int j = 0; j < EXPLORE_ACCESSES && b->kind[j]; j++)
			if (same_object(a->object[i], b->object[j]))
				strongest = max_t(enum relation, strongest,
						  explore_relations[a->kind[i]][b->kind[j]]);
	return strongest;
}

static bool is_data(u8 kind)
{
	return kind == EXPLORE_READ || kind == EXPLORE_WRITE;
}

/* Make the access @i of an event also one to @object. */
static void widen(struct explore_event *e, int i, u64 object, enum explore_kind kind)
{
	e->object[i] = object;
	e->kind[i] = max_t(u8, e->kind[i], kind);
}

/*
 * The latest access before number @i to data that has the high half in common with @object; 0: there
 * is none. The first of all is not looked at, and stays what it is.
 */
static int similar_access(const struct explore_event *e, int i, u64 object)
{
	while (--i > 0)
		if (e->object[i] >> 32 == object >> 32 && is_data(e->kind[i]))
			break;
	return max_t(int, i, 0);
}

/* Make one access of two, the last of which goes. Returns the place behind all; 0: none are alike. */
static int merge_accesses(struct explore_event *e)
{
	for (int i = EXPLORE_ACCESSES - 1; i > 1; i--) {
		int same = is_data(e->kind[i]) ? similar_access(e, i, e->object[i]) : 0;

		if (!same)
			continue;
		widen(e, same, e->object[i] | EXPLORE_ALL, e->kind[i]);
		for (; i < EXPLORE_ACCESSES - 1; i++) {
			e->object[i] = e->object[i + 1];
			e->kind[i] = e->kind[i + 1];
		}
		e->kind[i] = EXPLORE_NONE;
		return i;
	}
	return 0;
}

void explore_add(struct explore_event *e, u64 object, enum explore_kind kind)
{
	int i, last = EXPLORE_ACCESSES - 1;

	for (i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++)
		if (e->object[i] == object && is_data(e->kind[i])) {
			widen(e, i, object, kind);
			return;
		}
	if (i < EXPLORE_ACCESSES)
		widen(e, i, object, kind);
	else if ((i = similar_access(e, EXPLORE_ACCESSES, object)))
		widen(e, i, object | EXPLORE_ALL, kind);
	else if ((i = merge_accesses(e)))
		widen(e, i, object, kind);
	else
		widen(e, last, EXPLORE_EVERYTHING, EXPLORE_WRITE);
}

bool explore_dependent(const struct explore_event *a, const struct explore_event *b)
{
	return events_relation(a, b) != NOTHING || events_relation(b, a) != NOTHING;
}

/*
 * Walk back over the steps that could matter. A step races with the event if the event depends on
 * it and nothing lies between them in the order. If the event takes a lock, what
 * its last holder did from there to the release must not count as lying between:
 * critical sections change places as a whole. So there are two clocks, one without
 * those edges.
 */
u32 happens_after(const struct explorer *x, unsigned int thread, const struct explore_event *e,
		  u32 inside, struct vclock *clock, u32 *races)
{
	struct vclock released = { 0 };
	struct history_walk w;
	enum relation rel;
	u32 nr = 0;
	s16 index;
	s64 depth;

	*clock = x->last[thread] ? x->steps[x->last[thread] - 1].clock : released;
	index = clock->of[thread] + 1;
	history_walk(&w, x, e, x->depth, ~(1U << thread), clock);
	while ((depth = history_next(&w, clock, &rel)) >= 0) {
		const struct step_taken *s = &x->steps[depth];
		u32 bit = 1U << s->thread;

		if (rel == SWAP)
			inside &= ~bit;
		else if (inside & bit && rel == RACE)
			rel = ORDER;
		switch (rel) {
		case SWAP:
		case RACE:
			vclock_join(clock, &s->clock);
			if (races)
				races[nr] = depth;
			nr++;
			break;
		case ORDER:
			vclock_join(&released, &s->clock);
			inside |= bit;
			break;
		case NOTHING:
			break;
		}
	}
	vclock_join(clock, &released);
	clock->of[thread] = index;
	return nr;
}

/* Steele, Lea, Flood: the finaliser of SplitMix64. */
static u64 mix(u64 h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return h ^ h >> 31;
}

/* A sum over the events does not depend on which of the class's executions this is. */
u64 class_hash(const struct explorer *x)
{
	u64 sum = 0;

	for (u32 i = 0; i < x->depth; i++) {
		const struct step_taken *s = &x->steps[i];
		u64 h = s->thread + 1;

		for (unsigned int t = 0; t < x->prog->nr_threads; t++)
			h = mix(h + s->clock.of[t]) + 0x9e3779b97f4a7c15ULL;
		for (int a = 0; a < EXPLORE_ACCESSES; a++)
			h = mix(h ^ s->event.object[a]) + s->event.kind[a];
		sum += mix(h);
	}
	return sum;
}

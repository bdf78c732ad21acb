// SPDX-License-Identifier: MIT
/*
 * The steps on the stack by object, by lock and by thread. All of it grows and
 * shrinks with the stack, so nothing is ever searched from one end to the other.
 */
#include "daxsim/sim/explorer.h"

/* Of data there are ranges, which have the high half of an object in common; of locks, none. */
static u32 bucket(u64 object, u8 kind)
{
	u64 key = kind >= EXPLORE_LOCK ? object : object >> 32;

	if (object == EXPLORE_EVERYTHING)
		return ANY_OBJECT;
	return key * 0x9e3779b97f4a7c15ULL >> (64 - ACCESS_SHIFT);
}

/* Of no access: more than there is. */
static u32 depth_of(u32 access)
{
	return (access - 1) / EXPLORE_ACCESSES;
}

/* The latest step below @depth that is about a lock; NULL: none. */
static const struct step_taken *last_use(const struct explorer *x, u64 lock, u32 depth)
{
	u32 at = x->top[bucket(lock, EXPLORE_LOCK)];

	for (; at; at = x->links[at].below) {
		const struct step_taken *s = &x->steps[depth_of(at)];

		if (depth_of(at) < depth && s->event.object[0] == lock &&
		    s->event.kind[0] >= EXPLORE_LOCK)
			return s;
	}
	return NULL;
}

static void note_holders(const struct explorer *x, struct step_taken *s)
{
	const struct step_taken *last = last_use(x, s->event.object[0], x->depth);
	u16 bit = 1U << s->thread;

	s->holders.exclusive = last ? last->holders.exclusive : 0;
	s->holders.shared = last ? last->holders.shared : 0;
	switch (s->event.kind[0]) {
	case EXPLORE_LOCK:
		s->holders.exclusive |= bit;
		break;
	case EXPLORE_RLOCK:
		s->holders.shared |= bit;
		break;
	case EXPLORE_RUNLOCK:
		s->holders.exclusive &= ~bit;
		s->holders.shared &= ~bit;
		break;
	case EXPLORE_UNLOCK:
		/* The thread that drops an exclusive lock need not be the one that took it. */
		s->holders.exclusive = s->holders.shared = 0;
		break;
	}
}

void history_push(struct explorer *x)
{
	struct step_taken *s = &x->steps[x->depth];
	const struct explore_event *e = &s->event;
	u32 access = x->depth * EXPLORE_ACCESSES + 1;

	if (e->kind[0] >= EXPLORE_LOCK)
		note_holders(x, s);
	for (int i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++, access++) {
		u32 b = bucket(e->object[i], e->kind[i]), below = x->top[b];
		const struct access_link *l = &x->links[below];

		x->links[access] = (struct access_link){
			.below = below, .other = l->thread == s->thread ? l->other : below,
			.threads = 1U << s->thread | l->threads, .thread = s->thread, .bucket = b,
		};
		x->top[b] = access;
	}
	x->depths[s->thread * x->max_events + s->index - 1] = x->depth;
	x->last[s->thread] = ++x->depth;
	x->spent |= (u32)((u32)s->index >= x->max_events) << s->thread;
}

/* @s was on top of the stack. */
void history_pop(struct explorer *x, u32 keep)
{
	while (x->depth > keep) {
		const struct step_taken *s = &x->steps[--x->depth];
		u32 access = x->depth * EXPLORE_ACCESSES + 1;
		int nr = 0;

		while (nr < EXPLORE_ACCESSES && s->event.kind[nr])
			nr++;
		while (nr--)
			x->top[x->links[access + nr].bucket] = x->links[access + nr].below;
		x->spent &= ~(1U << s->thread);
		x->last[s->thread] = s->index < 2 ? 0 :
			x->depths[s->thread * x->max_events + s->index - 2] + 1;
	}
}

static void visit_bucket(struct history_walk *w, u32 b, u32 depth)
{
	u32 at = w->x->top[b];

	while (at && depth_of(at) >= depth)
		at = w->x->links[at].below;
	if (at)
		w->at[w->nr++] = at;
}

void history_walk(struct history_walk *w, const struct explorer *x, const struct explore_event *e,
		  u32 depth)
{
	bool data = false;

	w->x = x;
	w->all = w->nr = 0;
	for (int i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++) {
		/* Nothing that is done to a lock keeps anybody from dropping it. */
		if (e->kind[i] == EXPLORE_UNLOCK || e->kind[i] == EXPLORE_RUNLOCK)
			continue;
		if (e->object[i] == EXPLORE_EVERYTHING) {
			w->all = depth;
			w->nr = 0;
			return;
		}
		data |= e->kind[i] < EXPLORE_LOCK;
		visit_bucket(w, bucket(e->object[i], e->kind[i]), depth);
	}
	if (data)
		visit_bucket(w, ANY_OBJECT, depth);
}

s64 history_next(struct history_walk *w, u32 threads)
{
	const struct access_link *links = w->x->links;
	u32 latest = 0, depth;

	if (w->all)
		return --w->all;
	for (u32 i = 0; i < w->nr;) {
		u32 at = w->at[i];

		while (at && !(threads >> links[at].thread & 1))
			at = links[at].threads & threads ? links[at].other : 0;
		w->at[i] = at;
		if (!at) {
			w->at[i] = w->at[--w->nr];
			continue;
		}
		latest = max_t(u32, latest, at);
		i++;
	}
	if (!latest)
		return -1;
	depth = depth_of(latest);
	for (u32 i = 0; i < w->nr; i++)
		while (depth_of(w->at[i]) == depth)
			w->at[i] = links[w->at[i]].below;
	return depth;
}

u32 history_holders(const struct explorer *x, const struct explore_event *e, u32 depth)
{
	const struct step_taken *s = last_use(x, e->object[0], depth);

	if (!s)
		return 0;
	return s->holders.exclusive | (e->kind[0] == EXPLORE_RLOCK ? 0 : s->holders.shared);
}

s64 history_first(const struct explorer *x, unsigned int thread, u32 depth)
{
	const u32 *depths = &x->depths[thread * x->max_events];
	u32 from = 0, to = x->last[thread] ? x->steps[x->last[thread] - 1].index : 0;
	u32 nr = to;

	while (from < to) {
		u32 middle = (from + to) / 2;

		if (depths[middle] < depth)
			from = middle + 1;
		else
			to = middle;
	}
	return from < nr ? (s64)depths[from] : -1;
}

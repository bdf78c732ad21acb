// SPDX-License-Identifier: MIT
/*
 * The steps on the stack by object, by lock and by thread. All of it grows and
 * shrinks with the stack, so nothing is ever searched from one end to the other.
 */
#include "daxsim/sim/explorer.h"

/* In a pair of buckets, the second. */
static const u8 shares[NR_EXPLORE_KINDS] = {
	[EXPLORE_READ] = 1, [EXPLORE_RLOCK] = 1, [EXPLORE_RUNLOCK] = 1,
};

/* Of data there are ranges, which have the high half of an object in common; of locks, none. */
static u32 buckets(u64 object, u8 kind)
{
	u64 key = kind >= EXPLORE_LOCK ? object : object >> 32;

	if (object == EXPLORE_EVERYTHING)
		return ANY_OBJECT;
	return 2 * (key * 0x9e3779b97f4a7c15ULL >> (64 - ACCESS_SHIFT));
}

/* Of no access: more than there is. */
static u32 depth_of(u32 access)
{
	return (access - 1) >> STEP_SHIFT;
}

/* Which one of its step it is. */
static u32 nr_of(u32 access)
{
	return (access - 1) % (1U << STEP_SHIFT);
}

static u64 object_at(const struct explorer *x, u32 access)
{
	return x->steps[depth_of(access)].event.object[nr_of(access)];
}

/* From @at on downwards, the latest access about a lock; 0: none. */
static u32 latest_use(const struct explorer *x, u32 at, u64 lock)
{
	while (at && object_at(x, at) != lock)
		at = x->lock_links[at].below;
	return at;
}

/* Enter an access about a lock, number @nr of the step on top of the stack. */
static void push_lock(struct explorer *x, const struct step_taken *s, u32 nr, u32 pair)
{
	u32 at = (x->depth << STEP_SHIFT) + 1 + nr, *top = &x->lock_top[pair];
	u32 last = latest_use(x, *top, s->event.object[nr]);
	u16 exclusive = last ? x->lock_links[last].exclusive : 0;
	u16 shared = last ? x->lock_links[last].shared : 0;
	u16 bit = 1U << s->thread;

	switch (s->event.kind[nr]) {
	case EXPLORE_LOCK:
		exclusive |= bit;
		break;
	case EXPLORE_RLOCK:
		shared |= bit;
		break;
	case EXPLORE_RUNLOCK:
		exclusive &= ~bit;
		shared &= ~bit;
		break;
	case EXPLORE_UNLOCK:
		/* The thread that drops an exclusive lock need not be the one that took it. */
		exclusive = shared = 0;
		break;
	}
	x->lock_links[at] = (struct lock_link){ *top, exclusive, shared };
	*top = at;
}

static u64 mark(u32 bucket)
{
	return bucket >= ANY_OBJECT ? ~0ULL : 1ULL << bucket / 2 % 64;
}

u64 event_marks(const struct explore_event *e)
{
	u64 marks = 0;

	for (u32 i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++)
		marks |= mark(buckets(e->object[i], e->kind[i]));
	return marks;
}

void history_push(struct explorer *x)
{
	struct step_taken *s = &x->steps[x->depth];
	const struct explore_event *e = &s->event;
	u32 first = (x->depth << STEP_SHIFT) + 1, nr = 0;

	s->marks = 0;
	for (; nr < EXPLORE_ACCESSES && e->kind[nr]; nr++) {
		u32 b = buckets(e->object[nr], e->kind[nr]) + shares[e->kind[nr]];
		u32 *top = &x->top[b][s->thread];

		s->marks |= mark(b);
		x->links[first + nr] = (struct access_link){ *top, b, s->index };
		*top = first + nr;
		if (e->kind[nr] >= EXPLORE_LOCK)
			push_lock(x, s, nr, b / 2);
		x->threads[b] |= 1U << s->thread;
	}
	s->nr_accesses = nr;
	x->depths[s->thread * x->max_events + s->index - 1] = x->depth;
	s->before = x->last[s->thread];
	x->last[s->thread] = ++x->depth;
	if (unlikely((u32)s->index >= x->max_events))
		x->spent |= 1U << s->thread;
}

/* @s was on top of the stack. */
void history_pop(struct explorer *x, u32 keep)
{
	while (x->depth > keep) {
		const struct step_taken *s = &x->steps[--x->depth];
		const struct access_link *links = &x->links[(x->depth << STEP_SHIFT) + 1];

		for (u32 i = s->nr_accesses; i-- > 0;) {
			u32 b = links[i].bucket;

			x->top[b][s->thread] = links[i].below;
			x->threads[b] ^= (u32)!links[i].below << s->thread;
			if (s->event.kind[i] >= EXPLORE_LOCK)
				x->lock_top[b / 2] = x->lock_links[(x->depth << STEP_SHIFT) + 1 + i].below;
		}
		if (unlikely((u32)s->index >= x->max_events))
			x->spent &= ~(1U << s->thread);
		x->last[s->thread] = s->before;
	}
}

/* Thread by thread: most of what is in a bucket is known, and so is what lies below. */
static inline void visit(struct history_walk *w, u32 b, u32 which, u32 depth, u32 threads,
			 const struct vclock *known)
{
	const struct access_link *links = w->x->links;

	for (u32 left = w->x->threads[b] & threads; left; left &= left - 1) {
		u32 t = __builtin_ctz(left), at = w->x->top[b][t];

		if (links[at].index <= known->of[t])
			continue;
		while (at && depth_of(at) >= depth)
			at = links[at].below;
		w->cursors[w->nr] = (struct history_cursor){ at, t, which };
		w->nr += at > 0;
	}
}

void history_walk(struct history_walk *w, const struct explorer *x, const struct explore_event *e,
		  u32 depth, u32 threads, const struct vclock *known)
{
	bool data = false;

	w->x = x;
	w->event = e;
	w->all = w->nr = 0;
	for (u32 i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++) {
		u32 b;

		/* Nothing that is done to a lock keeps anybody from dropping it. */
		if (e->kind[i] == EXPLORE_UNLOCK || e->kind[i] == EXPLORE_RUNLOCK)
			continue;
		if (e->object[i] == EXPLORE_EVERYTHING) {
			w->all = depth;
			w->nr = 0;
			return;
		}
		data |= e->kind[i] < EXPLORE_LOCK;
		b = buckets(e->object[i], e->kind[i]);
		visit(w, b, i, depth, threads, known);
		if (!shares[e->kind[i]])
			visit(w, b + 1, i, depth, threads, known);
	}
	for (u32 b = ANY_OBJECT; data && b < ANY_OBJECT + 2; b++)
		visit(w, b, EXPLORE_ACCESSES, depth, threads, known);
}

static enum relation relation_at(const struct history_walk *w, const struct history_cursor *c)
{
	const struct explore_event *earlier = &w->x->steps[depth_of(c->at)].event, *e = w->event;
	u32 i = nr_of(c->at);

	if (c->which == EXPLORE_ACCESSES)
		return events_relation(earlier, e);
	if (!same_object(earlier->object[i], e->object[c->which]))
		return NOTHING;
	return explore_relations[earlier->kind[i]][e->kind[c->which]];
}

/* The next step of all that is left. */
static s64 next_of_all(struct history_walk *w, const struct vclock *known, enum relation *rel)
{
	while (w->all) {
		const struct step_taken *s = &w->x->steps[--w->all];

		if (s->index <= known->of[s->thread])
			continue;
		*rel = events_relation(&s->event, w->event);
		return w->all;
	}
	return -1;
}

s64 history_go_on(struct history_walk *w, const struct vclock *known, enum relation *rel)
{
	const struct access_link *links = w->x->links;
	u32 latest = 0, depth;

	if (w->all)
		return next_of_all(w, known, rel);
	for (u32 i = 0; i < w->nr;) {
		struct history_cursor *c = &w->cursors[i];

		if (!c->at || links[c->at].index <= known->of[c->thread]) {
			*c = w->cursors[--w->nr];
			continue;
		}
		latest = max_t(u32, latest, c->at);
		i++;
	}
	if (!latest)
		return -1;
	depth = depth_of(latest);
	*rel = NOTHING;
	for (u32 i = 0; i < w->nr; i++)
		for (struct history_cursor *c = &w->cursors[i]; depth_of(c->at) == depth;
		     c->at = links[c->at].below)
			*rel = max_t(enum relation, *rel, relation_at(w, c));
	return depth;
}

u32 history_holders(const struct explorer *x, const struct explore_event *e, u32 depth)
{
	u32 at = latest_use(x, x->lock_top[buckets(e->object[0], EXPLORE_LOCK) / 2], e->object[0]);

	while (at && depth_of(at) >= depth)
		at = latest_use(x, x->lock_links[at].below, e->object[0]);
	if (!at)
		return 0;
	return x->lock_links[at].exclusive |
	       (e->kind[0] == EXPLORE_RLOCK ? 0 : x->lock_links[at].shared);
}

u32 history_taken(const struct explorer *x, u64 lock, unsigned int thread, u32 depth)
{
	u32 at = latest_use(x, x->lock_top[buckets(lock, EXPLORE_LOCK) / 2], lock);

	for (;; at = latest_use(x, x->lock_links[at].below, lock)) {
		const struct step_taken *s = &x->steps[depth_of(at)];
		u8 kind = s->event.kind[nr_of(at)];

		if (depth_of(at) < depth && s->thread == thread &&
		    (kind == EXPLORE_LOCK || kind == EXPLORE_RLOCK))
			return depth_of(at);
	}
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

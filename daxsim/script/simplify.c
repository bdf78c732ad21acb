// SPDX-License-Identifier: MIT
/* Making the schedule of a finding shorter, by trying. */
#include <string.h>

#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"

/* Points: with others left out, a session may wait for one of them in a loop, for ever. */
#define ENDLESS (2 * EXPLORE_MAX_EVENTS)

/* A schedule to try. */
struct candidate {
	struct chunk chunks[MAX_CHUNKS];
	u32 nr;
};

static bool can_step(struct explorer *x, unsigned int session)
{
	u32 unfinished;

	return walk_enabled(x, &unfinished) >> session & 1;
}

/* Let a session pass @count points. Returns whether it could have gone on. */
static bool walk_chunk(struct explorer *x, unsigned int session, u32 count)
{
	struct walker *w = &x->walkers[session];
	struct explore_event e;
	u32 from = w->total;

	while (w->total - from < count && w->total < ENDLESS && can_step(x, session))
		walk_step(x, session, &e);
	return can_step(x, session);
}

/*
 * Run a schedule, and after it whoever took part to the end. Returns whether
 * all come to an end, or stop, and the finding shows; x->chunks then says how it went.
 */
static bool shows(struct explorer *x, const struct candidate *c, int inv, u32 *preemptions)
{
	u32 part = 0, unfinished;
	bool went_on = true;

	walk_reset(x);
	*preemptions = 0;
	for (u32 i = 0; i < c->nr; i++) {
		bool able = walk_chunk(x, c->chunks[i].session, c->chunks[i].count);

		part |= 1U << c->chunks[i].session;
		*preemptions += able && i + 1 < c->nr &&
				c->chunks[i + 1].session != c->chunks[i].session;
	}
	while (went_on) {
		went_on = false;
		for (u32 i = 0; i < x->s->nr_sessions; i++)
			if (part >> i & 1 && can_step(x, i)) {
				if (walk_chunk(x, i, UINT32_MAX))
					return false;
				went_on = true;
			}
	}
	walk_enabled(x, &unfinished);
	if (unfinished & part)
		walk_stuck(x);
	else
		check_quiescent(x->m.sim.check);
	return inv < 0 ? x->mismatch[0] != 0 : x->seen >> inv & 1;
}

/* Take a candidate if it shows the same and is simpler. */
static bool try(struct explorer *x, struct explore_finding *f, int inv, const struct candidate *c)
{
	u32 preemptions;

	if (!shows(x, c, inv, &preemptions) || preemptions > f->preemptions ||
	    (preemptions == f->preemptions && x->nr_chunks >= f->nr_chunks))
		return false;
	f->preemptions = preemptions;
	f->nr_chunks = x->nr_chunks;
	memcpy(f->chunks, x->chunks, x->nr_chunks * sizeof(*f->chunks));
	snprintf(f->text, sizeof(f->text), "%s", inv < 0 ? x->mismatch : x->texts[inv]);
	return true;
}

static bool drop_session(struct explorer *x, struct explore_finding *f, int inv, u8 session)
{
	struct candidate c = { .nr = 0 };

	for (u32 i = 0; i < f->nr_chunks; i++)
		if (f->chunks[i].session != session)
			c.chunks[c.nr++] = f->chunks[i];
	return c.nr && c.nr < f->nr_chunks && try(x, f, inv, &c);
}

/* Put chunk @from where it joins chunk @to of the same session. */
static bool join(struct explorer *x, struct explore_finding *f, int inv, u32 from, u32 to)
{
	struct candidate c = { .nr = 0 };

	for (u32 i = 0; i < f->nr_chunks; i++) {
		if (i == from)
			continue;
		if (i == to && from < to)
			c.chunks[c.nr++] = f->chunks[from];
		c.chunks[c.nr++] = f->chunks[i];
		if (i == to && from > to)
			c.chunks[c.nr++] = f->chunks[from];
	}
	return try(x, f, inv, &c);
}

static bool simplify_once(struct explorer *x, struct explore_finding *f, int inv)
{
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		if (drop_session(x, f, inv, i))
			return true;
	for (u32 i = 0; i < f->nr_chunks; i++)
		for (u32 j = i + 2; j < f->nr_chunks; j++)
			if (f->chunks[i].session == f->chunks[j].session)
				if (join(x, f, inv, j, i) || join(x, f, inv, i, j))
					return true;
	return false;
}

void simplify(struct explorer *x, struct explore_finding *f, int inv)
{
	while (simplify_once(x, f, inv))
		;
}

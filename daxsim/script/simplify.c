// SPDX-License-Identifier: MIT
/* Making the schedule of a finding shorter, by trying, and noting how it goes. */
#include <string.h>

#include "daxsim/script/course.h"
#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"

/* Points, of which an event is a few: with others left out, a session may wait for one of them for ever. */
#define ENDLESS (8 * EXPLORE_MAX_EVENTS)

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
static bool shows(struct explorer *x, const struct candidate *c, int goal, u32 *preemptions)
{
	u32 part = goal < GOAL_FINAL ? 0 : (1U << x->s->nr_sessions) - 1, unfinished, finals;
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
	if (goal == GOAL_RESULT)
		return x->mismatch[0];
	if (goal < GOAL_FINAL)
		return x->seen >> goal & 1;
	x->judging = false;
	if (goal == GOAL_END)
		return end_hash(x, unfinished) == x->end;
	return walk_finals(x, &finals) && final_forbids(x->s, goal - GOAL_FINAL, finals);
}

/* Take a candidate if it shows the same and is simpler. */
static bool try(struct explorer *x, struct explore_finding *f, int goal, const struct candidate *c)
{
	u32 preemptions;

	if (!shows(x, c, goal, &preemptions) || preemptions > f->preemptions ||
	    (preemptions == f->preemptions && x->nr_chunks >= f->nr_chunks))
		return false;
	f->preemptions = preemptions;
	f->nr_chunks = x->nr_chunks;
	memcpy(f->chunks, x->chunks, x->nr_chunks * sizeof(*f->chunks));
	if (goal < GOAL_FINAL)
		snprintf(f->text, sizeof(f->text), "%s",
			 goal == GOAL_RESULT ? x->mismatch : x->texts[goal]);
	return true;
}

static bool drop_session(struct explorer *x, struct explore_finding *f, int goal, u8 session)
{
	struct candidate c = { .nr = 0 };

	for (u32 i = 0; i < f->nr_chunks; i++)
		if (f->chunks[i].session != session)
			c.chunks[c.nr++] = f->chunks[i];
	return c.nr && c.nr < f->nr_chunks && try(x, f, goal, &c);
}

/* Put chunk @from where it joins chunk @to of the same session. */
static bool join(struct explorer *x, struct explore_finding *f, int goal, u32 from, u32 to)
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
	return try(x, f, goal, &c);
}

/*
 * Stop a session one access later or earlier than it was. If that is about a lock, others may
 * have to wait for it, and who waits was not interrupted.
 */
static bool shift(struct explorer *x, struct explore_finding *f, int goal, u32 at, int by)
{
	struct candidate c = { .nr = f->nr_chunks };
	u32 next = at + 1;

	memcpy(c.chunks, f->chunks, f->nr_chunks * sizeof(*c.chunks));
	while (next < c.nr && c.chunks[next].session != c.chunks[at].session)
		next++;
	if (next == c.nr)
		return false;
	c.chunks[at].count += by;
	c.chunks[next].count -= by;
	return c.chunks[at].count && c.chunks[next].count && try(x, f, goal, &c);
}

static bool simplify_once(struct explorer *x, struct explore_finding *f, int goal)
{
	for (u32 i = 0; i < x->s->nr_sessions && goal < GOAL_FINAL; i++)
		if (drop_session(x, f, goal, i))
			return true;
	for (u32 i = 0; i < f->nr_chunks; i++)
		for (u32 j = i + 2; j < f->nr_chunks; j++)
			if (f->chunks[i].session == f->chunks[j].session)
				if (join(x, f, goal, j, i) || join(x, f, goal, i, j))
					return true;
	for (u32 i = 0; i < f->nr_chunks; i++)
		if (shift(x, f, goal, i, 1) || shift(x, f, goal, i, -1))
			return true;
	return false;
}

void simplify(struct explorer *x, struct explore_finding *f, int goal)
{
	while (simplify_once(x, f, goal))
		;
}

void record_course(struct explorer *x, struct explore_finding *f)
{
	bool outcomes = x->limits.outcomes;
	struct course c = { 0 };
	struct trace tr;

	trace_init(&tr);
	x->limits.outcomes = true;
	walk_reset(x);
	x->m.sim.trace = &tr;
	for (u32 i = 0; i < f->nr_chunks; i++) {
		walk_chunk(x, f->chunks[i].session, f->chunks[i].count);
		f->course[i] = course_add(&c, &tr, &x->m.sim, x->results);
	}
	x->m.sim.trace = NULL;
	x->limits.outcomes = outcomes;
	trace_free(&tr);
}

void let_run_on(struct explorer *x, struct explore_finding *f)
{
	u32 unfinished, able = walk_enabled(x, &unfinished), i = f->nr_chunks;

	while (i && !(able >> f->chunks[i - 1].session & 1))
		i--;
	if (!i)
		return;
	f->nr_chunks = i;
	f->chunks[i - 1].count = UINT32_MAX;
	f->course[i - 1] = 0;
}

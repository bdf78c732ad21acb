// SPDX-License-Identifier: MIT
/* Making the schedule of a finding shorter, by trying, and noting how it goes. */
#include <stdlib.h>

#include "daxsim/script/course.h"
#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"

/* Points; an event is a few. With others left out, a session may wait for one of them for ever. */
#define ENDLESS (8 * EXPLORE_MAX_EVENTS)

/* Points, of all that is tried for one finding: half a second. What is short takes some thousand. */
#define ENOUGH 1000000

/* A finding whose schedule is made simpler. */
struct simplifier {
	struct explorer *x;
	struct explore_finding *f;
	int goal;
	struct chunks candidate;	/* to be tried */
	u64 walked;			/* points passed so far */
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
static bool shows(struct explorer *x, const struct chunks *c, int goal, u32 *preemptions)
{
	u32 part = goal < GOAL_FINAL ? 0 : (1U << x->s->nr_sessions) - 1, unfinished, finals;
	bool went_on = true;

	walk_reset(x);
	*preemptions = 0;
	for (u32 i = 0; i < c->nr; i++) {
		bool able = walk_chunk(x, c->at[i].session, c->at[i].count);

		part |= 1U << c->at[i].session;
		*preemptions += able && i + 1 < c->nr && c->at[i + 1].session != c->at[i].session;
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
		walk_stuck(x, false);
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

/* Take the candidate if it shows the same and is simpler. */
static bool try(struct simplifier *s)
{
	struct explore_finding *f = s->f;
	struct explorer *x = s->x;
	u32 preemptions;
	bool so;

	if (s->walked > ENOUGH)
		return false;
	so = shows(x, &s->candidate, s->goal, &preemptions);
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		s->walked += x->walkers[i].total;
	if (!so || preemptions > f->preemptions ||
	    (preemptions == f->preemptions && x->chunks.nr >= f->chunks.nr) ||
	    !chunks_copy(&f->chunks, &x->chunks))
		return false;
	f->preemptions = preemptions;
	if (s->goal < GOAL_FINAL)
		snprintf(f->text, sizeof(f->text), "%s",
			 s->goal == GOAL_RESULT ? x->mismatch : x->texts[s->goal]);
	return true;
}

static bool drop_session(struct simplifier *s, u8 session)
{
	const struct chunks *all = &s->f->chunks;
	struct chunks *c = &s->candidate;

	c->nr = 0;
	if (!chunks_reserve(c, all->nr))
		return false;
	for (u32 i = 0; i < all->nr; i++)
		if (all->at[i].session != session)
			c->at[c->nr++] = all->at[i];
	return c->nr && c->nr < all->nr && try(s);
}

/* Put the chunks from @from to @end where they join chunk @to of the same session. */
static bool join(struct simplifier *s, u32 from, u32 end, u32 to)
{
	const struct chunks *all = &s->f->chunks;
	struct chunks *c = &s->candidate;

	c->nr = 0;
	if (!chunks_reserve(c, all->nr))
		return false;
	for (u32 i = 0; i < all->nr; i++) {
		if (i >= from && i < end)
			continue;
		if (i == to && from > to)
			c->at[c->nr++] = all->at[i];
		for (u32 k = from; k < end && i == to; k++)
			c->at[c->nr++] = all->at[k];
		if (i != to || from < to)
			c->at[c->nr++] = all->at[i];
	}
	return try(s);
}

/*
 * Stop a session, behind its chunk @at, one access later or earlier than it was. If that is about
 * a lock, others may have to wait for it, and who waits was not interrupted.
 */
static bool shift(struct simplifier *s, u32 at, int by)
{
	const struct chunks *all = &s->f->chunks;
	struct chunks *c = &s->candidate;
	u32 next = at + 1;

	while (next < all->nr && all->at[next].session != all->at[at].session)
		next++;
	if (next == all->nr || !(all->at[at].count + by) || !(all->at[next].count - by) ||
	    !chunks_copy(c, all))
		return false;
	c->at[at].count += by;
	c->at[next].count -= by;
	return try(s);
}

/* The first chunk behind chunk @i that is another session's. */
static u32 left_at(const struct chunks *c, u32 i)
{
	u8 session = c->at[i].session;

	while (i < c->nr && c->at[i].session == session)
		i++;
	return i;
}

/*
 * What a session does in one go, from @i to @end, and what it does in a later one: put them
 * together, or else the part of one that is next to the other. Within a go nothing changes.
 */
static bool simplify_once(struct simplifier *s)
{
	const struct chunks *c = &s->f->chunks;

	for (u32 i = 0; i < s->x->s->nr_sessions && s->goal < GOAL_FINAL; i++)
		if (drop_session(s, i))
			return true;
	for (u32 i = 0, end; i < c->nr; i = end) {
		end = left_at(c, i);
		for (u32 j = end, next; j < c->nr; j = next) {
			next = left_at(c, j);
			if (c->at[i].session != c->at[j].session)
				continue;
			if (join(s, j, next, end - 1) || join(s, i, end, j) ||
			    (next - j > 1 && join(s, j, j + 1, end - 1)) ||
			    (end - i > 1 && join(s, end - 1, end, j)))
				return true;
		}
	}
	for (u32 i = 0; i < c->nr; i = left_at(c, i))
		if (shift(s, left_at(c, i) - 1, 1) || shift(s, left_at(c, i) - 1, -1))
			return true;
	return false;
}

void simplify(struct explorer *x, struct explore_finding *f, int goal)
{
	struct simplifier s = { .x = x, .f = f, .goal = goal };

	while (simplify_once(&s))
		;
	chunks_drop(&s.candidate);
}

void record_course(struct explorer *x, struct explore_finding *f)
{
	bool outcomes = x->limits.outcomes;
	const struct chunks *chunks = &f->chunks;
	struct course c = { 0 };
	struct trace tr;

	free(f->course);
	f->course = calloc(chunks->nr, sizeof(*f->course));
	if (!f->course && chunks->nr) {
		x->no_memory = true;
		return;
	}
	trace_init(&tr);
	x->limits.outcomes = true;
	walk_reset(x);
	x->m.sim.trace = &tr;
	for (u32 i = 0; i < chunks->nr; i++) {
		walk_chunk(x, chunks->at[i].session, chunks->at[i].count);
		f->course[i] = course_add(&c, &tr, &x->m.sim, x->results);
	}
	x->m.sim.trace = NULL;
	x->limits.outcomes = outcomes;
	trace_free(&tr);
}

void let_run_on(struct explorer *x, struct explore_finding *f)
{
	u32 unfinished, able = walk_enabled(x, &unfinished), i = f->chunks.nr;

	while (i && !(able >> f->chunks.at[i - 1].session & 1))
		i--;
	if (!i || x->no_memory)
		return;
	f->chunks.nr = i;
	f->chunks.at[i - 1].count = COUNT_TO_END;
	f->course[i - 1] = 0;
}

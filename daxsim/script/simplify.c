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

	/* The execution at hand. */
	u32 asked[MAX_SESSIONS];	/* steps that the schedule asks a session for */
	int last;			/* who went on last; -1: nobody */
	u32 between;			/* who was left between two steps, bit each */
	u32 preemptions;
};

static bool can_step(struct explorer *x, unsigned int session)
{
	u32 unfinished;

	return walk_enabled(x, &unfinished) >> session & 1;
}

/* A step without an access is over when the session has come to stand before the next one. */
static bool has_passed(const struct walker *w, u32 count)
{
	return w->total - w->asked >= count;
}

/* Let a session pass @count points, at most up to the end of its step. Returns how many it did. */
static u32 walk_chunk(struct explorer *x, unsigned int session, u32 count)
{
	struct walker *w = &x->walkers[session];
	const struct step *step = w->step;
	struct explore_event e;

	while (w->step == step && !has_passed(w, count) && w->total < ENDLESS &&
	       can_step(x, session))
		walk_step(x, session, &e);
	count = min_t(u32, count, w->total - w->asked);
	w->asked += count;
	return count;
}

/* The same for a schedule that is tried. Who is left between two steps may stay where it is. */
static void go_on(struct simplifier *s, int session, u32 count)
{
	const struct walker *w = &s->x->walkers[session];

	if (has_passed(w, count)) {
		walk_chunk(s->x, session, count);
		return;
	}
	if (w->step)
		s->asked[session] = max_t(u32, s->asked[session], w->step->index + 1);
	if (!can_step(s->x, session))
		return;
	if (s->last >= 0 && s->last != session && can_step(s->x, s->last)) {
		if (s->x->walkers[s->last].first_event)
			s->between |= 1U << s->last;
		else
			s->preemptions++;
	}
	s->preemptions += s->between >> session & 1;
	s->between &= ~(1U << session);
	s->last = session;
	walk_chunk(s->x, session, count);
}

/* Whether a session is in a step that it is asked for. */
static bool is_busy(const struct simplifier *s, int session)
{
	const struct walker *w = &s->x->walkers[session];

	return w->step && w->step->index < s->asked[session];
}

/* At the end of a schedule: whoever can end his step, the one that went on last before others. */
static int next_to_end(const struct simplifier *s)
{
	if (s->last >= 0 && is_busy(s, s->last) && can_step(s->x, s->last))
		return s->last;
	for (u32 i = 0; i < s->x->s->nr_sessions; i++)
		if (is_busy(s, i) && can_step(s->x, i))
			return i;
	return -1;
}

/* Whether the finding has shown: nothing that comes after it is needed. */
static bool has_shown(const struct simplifier *s)
{
	return s->goal == GOAL_RESULT ? s->x->mismatch[0] :
	       s->goal < GOAL_RESULT && s->x->seen >> s->goal & 1;
}

/*
 * Run a schedule as it is run from a scenario: who is in a step at its end goes on to the end of
 * that. But what stands at the end is a matter of all steps. Returns whether all of them
 * end, or wait, and the finding shows; x->chunks then says how it went up to there.
 */
static bool shows(struct simplifier *s, const struct chunks *c)
{
	struct explorer *x = s->x;
	u32 unfinished, finals, busy = 0;
	int i;

	walk_reset(x);
	for (u32 k = 0; k < x->s->nr_sessions; k++)
		s->asked[k] = s->goal < GOAL_FINAL ? 0 : UINT32_MAX;
	s->last = -1;
	s->between = s->preemptions = 0;
	for (u32 k = 0; k < c->nr && !has_shown(s); k++)
		go_on(s, c->at[k].session, c->at[k].to_end ? UINT32_MAX : c->at[k].count);
	while ((i = next_to_end(s)) >= 0 && (i == s->last || !has_shown(s))) {
		go_on(s, i, UINT32_MAX);
		if (x->walkers[i].total >= ENDLESS)
			return false;
	}
	if (has_shown(s))
		return true;
	for (u32 k = 0; k < x->s->nr_sessions; k++)
		busy |= (u32)is_busy(s, k) << k;
	if (busy)
		walk_stuck(x, busy, false);
	else
		check_quiescent(x->m.sim.check);
	if (s->goal < GOAL_FINAL)
		return has_shown(s);
	x->judging = false;
	walk_enabled(x, &unfinished);
	if (s->goal == GOAL_END)
		return end_hash(x, unfinished) == x->end;
	return walk_finals(x, &finals) && final_forbids(x->s, s->goal - GOAL_FINAL, finals);
}

static unsigned int nr_sessions(const struct chunks *c)
{
	u32 part = 0;

	for (u32 i = 0; i < c->nr; i++)
		part |= 1U << c->at[i].session;
	return __builtin_popcount(part);
}

/* Fewer preemptions, then fewer sessions, then fewer parts. */
static bool is_simpler(const struct simplifier *s)
{
	const struct chunks *now = &s->x->chunks, *before = &s->f->chunks;
	unsigned int a = nr_sessions(now), b = nr_sessions(before);

	if (s->preemptions != s->f->preemptions)
		return s->preemptions < s->f->preemptions;
	return a == b ? now->nr < before->nr : a < b;
}

/* Take the candidate if it shows the same and is simpler. */
static bool try(struct simplifier *s)
{
	struct explore_finding *f = s->f;
	struct explorer *x = s->x;
	bool so;

	if (s->walked > ENOUGH)
		return false;
	so = shows(s, &s->candidate);
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		s->walked += x->walkers[i].total;
	if (!so || !is_simpler(s) || !chunks_copy(&f->chunks, &x->chunks))
		return false;
	f->preemptions = s->preemptions;
	if (s->goal < GOAL_FINAL)
		snprintf(f->text, sizeof(f->text), "%s",
			 s->goal == GOAL_RESULT ? x->mismatch : x->texts[s->goal]);
	return true;
}

/* Leave out the chunks from @from to @end that are a session's. */
static bool leave_out(struct simplifier *s, u8 session, u32 from, u32 end)
{
	const struct chunks *all = &s->f->chunks;
	struct chunks *c = &s->candidate;

	c->nr = 0;
	if (!chunks_reserve(c, all->nr))
		return false;
	for (u32 i = 0; i < all->nr; i++)
		if (i < from || i >= end || all->at[i].session != session)
			c->at[c->nr++] = all->at[i];
	return c->nr && c->nr < all->nr && try(s);
}

/* Leave out all that a session does, or half of it from its end, or a quarter, ... */
static bool shorten(struct simplifier *s, u8 session)
{
	const struct chunks *all = &s->f->chunks;
	u32 nr = 0, from = all->nr;

	for (u32 i = 0; i < all->nr; i++)
		nr += all->at[i].session == session;
	for (; nr; nr /= 2, from = all->nr) {
		for (u32 left = nr; left; left -= all->at[from].session == session)
			from--;
		if (leave_out(s, session, from, all->nr))
			return true;
	}
	return false;
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
	if (next == all->nr || all->at[at].to_end || !(all->at[at].count + by) ||
	    !(all->at[next].count - by) || !chunks_copy(c, all))
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
 * First leave out what need not happen at all. Then, of what a session does in one go, from @i to
 * @end, and what it does in a later one: put them together, or else the part of one that is next to
 * the other. Within a go nothing changes. At last leave out single goes, so that others stop
 * elsewhere.
 */
static bool simplify_once(struct simplifier *s)
{
	const struct chunks *c = &s->f->chunks;

	for (u32 i = 0; i < s->x->s->nr_sessions && s->goal < GOAL_FINAL; i++)
		if (shorten(s, i))
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
	for (u32 i = 0, end; i < c->nr && s->goal < GOAL_FINAL; i = end) {
		end = left_at(c, i);
		if (leave_out(s, c->at[i].session, i, end))
			return true;
	}
	return false;
}

void simplify(struct explorer *x, struct explore_finding *f, int goal)
{
	struct simplifier s = { .x = x, .f = f, .goal = goal };

	/* As it is, it may go on after the finding has shown. */
	if (chunks_copy(&s.candidate, &f->chunks))
		try(&s);
	while (simplify_once(&s))
		;
	chunks_drop(&s.candidate);
}

/* Whether any session has passed what it is not asked for yet: steps without an access. */
static bool is_ahead(const struct explorer *x)
{
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		if (has_passed(&x->walkers[i], 1))
			return true;
	return false;
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
		u32 count = chunks->at[i].count;

		/* Who comes to wait has no further point behind it here, but in a replay. */
		if (walk_chunk(x, chunks->at[i].session, count) == count && !is_ahead(x))
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

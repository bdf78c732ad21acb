// SPDX-License-Identifier: MIT
/* The course of an execution as a running hash. */
#include "daxsim/script/course.h"

#include <xxhash.h>

#include "daxsim/sim/sim.h"
#include "daxsim/sim/state.h"

/*
 * Marks do not count: a session that is explored always stands before its next access, so it
 * passes the marks before that earlier than one that is replayed.
 */
static bool counts(const struct event *e)
{
	return e->type == EVENT_POINT && e->task && e->kind != P_MARK;
}

u64 course_add(struct course *c, const struct trace *tr, struct sim *sim, u64 results)
{
	u64 hash;

	for (; c->read < tr->nr; c->read++) {
		const struct event *e = &tr->events[c->read];
		const u64 facts[] = { e->task, e->point, e->kind, e->object };

		if (counts(e))
			c->hash = XXH3_64bits_withSeed(facts, sizeof(facts), c->hash);
	}
	hash = XXH3_64bits_withSeed(&(u64[]){ results, state_hash(sim) }, 2 * sizeof(u64), c->hash);
	return hash | !hash;
}

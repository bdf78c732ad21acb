/* SPDX-License-Identifier: MIT */
/*
 * The schedule of an execution that is explored: who went on, and for how many points. It may
 * be long: a session is left or a step ends as often as the explorer lets it.
 */
#ifndef DAXSIM_CHUNKS_H
#define DAXSIM_CHUNKS_H

#include "daxsim/sim/types.h"

/* A session passes a number of points: SESSION:COUNT. */
struct chunk {
	u8 session;		/* index */
	u32 count;
	bool to_end;		/* of its step, or to a lock that it never gets: @count came of that */
};

/* All zero: none. */
struct chunks {
	struct chunk *at;
	u32 nr;
	u32 room;
};

/** chunks_reserve() - make room for @nr in all; false without memory, and all is as it was */
bool chunks_reserve(struct chunks *c, u32 nr);

/** chunks_set() - put @nr others in their place; false without memory, and all is as it was */
bool chunks_set(struct chunks *c, const struct chunk *at, u32 nr);

/** chunks_drop() - give the memory back; there are none then */
void chunks_drop(struct chunks *c);

/** chunks_copy() - make @to the same as @from; false without memory, and @to is as it was */
static inline bool chunks_copy(struct chunks *to, const struct chunks *from)
{
	return chunks_set(to, from->at, from->nr);
}

/** chunks_add() - one more at the end; false without memory, and it is not there */
static inline bool chunks_add(struct chunks *c, struct chunk chunk)
{
	if (c->nr == c->room && !chunks_reserve(c, c->nr + 1))
		return false;
	c->at[c->nr++] = chunk;
	return true;
}

#endif

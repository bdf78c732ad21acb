// SPDX-License-Identifier: MIT
/* The schedule of an execution that is explored, as long as it gets. */
#include "daxsim/script/chunks.h"

#include <stdlib.h>
#include <string.h>

#define FEW 64	/* enough as a rule */

bool chunks_reserve(struct chunks *c, u32 nr)
{
	u32 room = max_t(u32, c->room, FEW);
	struct chunk *at;

	if (nr <= c->room)
		return true;
	while (room < nr)
		room *= 2;
	at = reallocarray(c->at, room, sizeof(*at));
	if (!at)
		return false;
	c->at = at;
	c->room = room;
	return true;
}

bool chunks_set(struct chunks *c, const struct chunk *at, u32 nr)
{
	if (!chunks_reserve(c, nr))
		return false;
	if (nr)
		memcpy(c->at, at, nr * sizeof(*at));
	c->nr = nr;
	return true;
}

void chunks_drop(struct chunks *c)
{
	free(c->at);
	*c = (struct chunks){ 0 };
}

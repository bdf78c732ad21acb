// SPDX-License-Identifier: MIT
/* Going on from a prefix of an execution to its end, for strategies that only choose who goes on. */
#include "daxsim/sim/explorer.h"

struct extension {
	struct explorer *x;
	explorer_choose *choose;
	void *ctx;
	int thread;	/* who is going on; -1: nobody can */
};

static int next(const struct extension *e)
{
	return explorer_look(e->x) ? (int)e->choose(e->ctx) : -1;
}

/* What was chosen has happened. Whoever is chosen again goes on at once. */
static bool taken(void *ctx, const struct explore_event *event)
{
	struct extension *e = ctx;
	int thread = e->thread;

	explorer_push(e->x, thread, event, NULL);
	e->thread = next(e);
	return e->thread == thread;
}

void explorer_extend(struct explorer *x, explorer_choose *choose, void *ctx)
{
	struct extension e = { x, choose, ctx, -1 };

	e.thread = next(&e);
	while (e.thread >= 0)
		explorer_run(x, e.thread, taken, &e);
}

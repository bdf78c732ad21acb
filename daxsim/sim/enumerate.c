// SPDX-License-Identifier: MIT
/*
 * Complete enumeration, of all executions or of those with few preemptions. No
 * reduction: this is what the others are checked against, and what is left when a
 * program has too many classes.
 */
#include <errno.h>
#include <stdlib.h>

#include "daxsim/sim/explorer.h"

struct enumeration {
	struct explorer *x;
	u32 *left;		/* by depth: threads still to be tried there */
	u32 most;		/* preemptions allowed */
	bool exactly;		/* report only executions with so many */
	bool pruned;		/* some execution would have had more */
	bool back;		/* at the end of the stack stands a choice of which some is left */
};

/* Who may go on without exceeding the preemptions allowed. */
static u32 allowed(struct enumeration *n)
{
	const struct explorer *x = n->x;
	const struct step_taken *prev = x->depth ? &x->steps[x->depth - 1] : NULL;

	if (!prev || !(x->enabled >> prev->thread & 1) || prev->preemptions < n->most)
		return x->enabled;
	n->pruned |= x->enabled != 1U << prev->thread;
	return 1U << prev->thread;
}

static unsigned int choose(void *ctx)
{
	struct enumeration *n = ctx;
	struct explorer *x = n->x;
	u32 *left = &n->left[x->depth];
	unsigned int thread;

	if (n->back) {
		thread = __builtin_ctz(*left);
	} else {
		*left = allowed(n);
		thread = explorer_stay(x, *left);
	}
	n->back = false;
	*left &= ~(1U << thread);
	return thread;
}

static void extend(struct enumeration *n)
{
	struct explorer *x = n->x;

	explorer_extend(x, choose, n);
	if (n->exactly && (x->depth ? x->steps[x->depth - 1].preemptions : 0) < n->most)
		return;
	explorer_finish(x);
}

/* All executions with at most n->most preemptions. */
static void enumerate(struct enumeration *n)
{
	struct explorer *x = n->x;
	u32 depth;

	explorer_rewind(x, 0, 0);
	n->back = false;
	extend(n);
	while (!x->stop) {
		for (depth = x->depth; depth > 0 && !n->left[depth - 1]; depth--)
			;
		if (!depth--)
			return;
		explorer_rewind(x, depth, 0);
		if (x->stop)
			return;
		n->back = true;
		extend(n);
	}
}

static int enumerate_bounded(struct explorer *x, u32 first, u32 last, bool exactly)
{
	struct enumeration n = {
		.x = x, .exactly = exactly, .left = malloc((x->max_depth + 1) * sizeof(*n.left)),
	};

	if (!n.left)
		return -ENOMEM;
	for (n.most = first, n.pruned = true; n.pruned && !x->stop && n.most <= last; n.most++) {
		n.pruned = false;
		enumerate(&n);
	}
	free(n.left);
	return 0;
}

int explore_naive(struct explorer *x)
{
	return enumerate_bounded(x, UINT16_MAX, UINT16_MAX, false);
}

int explore_preempt(struct explorer *x)
{
	return enumerate_bounded(x, 0, x->opt->bound, true);
}

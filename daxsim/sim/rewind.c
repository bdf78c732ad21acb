// SPDX-License-Identifier: MIT
/*
 * Going back to a prefix of an execution. The program has a few places to save its
 * state in, which is cheaper to put back than many steps are to repeat.
 */
#include "daxsim/sim/explorer.h"

/* Saving costs as much as repeating some four steps. */
#define LONG_REPLAY 8
#define SHORT_REPLAY 2

static bool same_event(const struct explore_event *a, const struct explore_event *b)
{
	for (int i = 0; i < EXPLORE_ACCESSES && (a->kind[i] || b->kind[i]); i++)
		if (a->object[i] != b->object[i] || a->kind[i] != b->kind[i])
			return false;
	return true;
}

struct replay {
	struct explorer *x;
	u32 depth;	/* of the event that comes next */
	u32 end;
};

/* An event must come out as it did before. Goes on if the next one is of the same thread. */
static bool replayed(void *ctx, const struct explore_event *e)
{
	struct replay *r = ctx;
	struct explorer *x = r->x;
	const struct step_taken *s = &x->steps[r->depth];

	if (!same_event(e, &s->event)) {
		x->res->diverged = r->depth;
		x->stop = true;
		return false;
	}
	return ++r->depth < r->end && s[1].thread == s->thread;
}

static void replay(struct replay *r, u32 end)
{
	struct explorer *x = r->x;

	r->end = end;
	while (r->depth < end && !x->stop)
		explorer_run(x, x->steps[r->depth].thread, replayed, r);
}

/*
 * When all places are taken, every second one is given up: the latest states, which are
 * needed most often, lie close together, and there are some all the way down.
 */
static void thin_out(struct explorer *x)
{
	u32 nr = 0;

	for (u32 i = 0; i < x->nr_saved; i++) {
		struct saved_state s = x->saved[i];

		if (i % 2)
			continue;
		x->saved[i] = x->saved[nr];
		x->saved[nr++] = s;
	}
	x->nr_saved = nr;
}

static void save(struct explorer *x, u32 depth)
{
	if (!x->nr_slots)
		return;
	if (x->nr_saved == x->nr_slots)
		thin_out(x);
	if (!x->prog->save(x->prog->data, x->saved[x->nr_saved].slot)) {
		x->nr_slots = x->nr_saved = 0;
		return;
	}
	x->saved[x->nr_saved++].depth = depth;
}

/*
 * Where the search comes back to next is saved on the way there. It may find more to come back to
 * further on; so a long replay saves the state at two thirds, and again from there.
 */
void explorer_rewind(struct explorer *x, u32 keep, u32 next)
{
	const struct explore_program *p = x->prog;
	struct replay r = { .x = x };

	history_pop(x, keep);
	x->bounded = 0;
	while (x->nr_saved && x->saved[x->nr_saved - 1].depth > keep)
		x->nr_saved--;
	if (x->nr_saved) {
		p->load(p->data, x->saved[x->nr_saved - 1].slot);
		r.depth = x->saved[x->nr_saved - 1].depth;
	} else {
		p->reset(p->data);
		if (keep)
			save(x, 0);
	}
	while (r.depth < keep && !x->stop) {
		u32 end = next >= r.depth + SHORT_REPLAY ? next :
			  keep >= r.depth + LONG_REPLAY ? (r.depth + 2 * keep) / 3 : keep;

		replay(&r, end);
		if ((end < keep || end == next) && !x->stop)
			save(x, end);
	}
	x->res->steps += keep;
}

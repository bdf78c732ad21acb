// SPDX-License-Identifier: MIT
/*
 * Random executions: a walk that takes any enabled thread, and probabilistic
 * concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized
 * Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010), which finds
 * a bug of depth d among n threads and k events in one run with probability 1/(n k^(d-1)).
 */
#include "daxsim/sim/explorer.h"

/* Sebastiano Vigna's SplitMix64. */
static u64 draw(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static u32 draw_below(u64 *state, u32 n)
{
	return (draw(state) >> 32) * n >> 32;
}

struct random {
	struct explorer *x;
	u64 state;
};

static unsigned int choose_any(void *ctx)
{
	struct random *r = ctx;
	u32 left = r->x->enabled, nth = draw_below(&r->state, __builtin_popcount(left));

	while (nth--)
		left &= left - 1;
	return __builtin_ctz(left);
}

int explore_random(struct explorer *x)
{
	struct random r = { x, x->opt->seed };

	for (u64 run = 0; run < x->opt->runs && !x->stop; run++) {
		explorer_rewind(x, 0, 0);
		explorer_extend(x, choose_any, &r);
		explorer_finish(x);
	}
	return 0;
}

/* Threads in the order of their priority, the highest first, and where that changes. */
struct priorities {
	struct explorer *x;
	u8 order[EXPLORE_THREADS];
	unsigned int nr;
	u32 changes[EXPLORE_MAX_DEPTH];	/* depths */
	u32 nr_changes;
};

static void shuffle(struct priorities *p, u64 *state)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		unsigned int j = draw_below(state, i + 1);

		p->order[i] = p->order[j];
		p->order[j] = i;
	}
}

static unsigned int highest(const struct priorities *p)
{
	unsigned int i = 0;

	while (!(p->x->enabled >> p->order[i] & 1))
		i++;
	return i;
}

static void make_lowest(struct priorities *p, unsigned int i)
{
	u8 thread = p->order[i];

	for (; i + 1 < p->nr; i++)
		p->order[i] = p->order[i + 1];
	p->order[i] = thread;
}

static bool is_change(const struct priorities *p, u32 depth)
{
	for (u32 i = 0; i < p->nr_changes; i++)
		if (p->changes[i] == depth)
			return true;
	return false;
}

/* Whoever is about to do a drawn event gets the lowest priority. */
static unsigned int choose_highest(void *ctx)
{
	struct priorities *p = ctx;

	if (is_change(p, p->x->depth))
		make_lowest(p, highest(p));
	return p->order[highest(p)];
}

int explore_pct(struct explorer *x)
{
	struct priorities p = {
		.x = x, .nr = x->prog->nr_threads, .nr_changes = x->opt->bound - 1,
	};
	u64 state = x->opt->seed;
	u32 longest = 0;	/* execution so far: where changes may be */

	for (u64 run = 0; run < x->opt->runs && !x->stop; run++) {
		shuffle(&p, &state);
		for (u32 i = 0; i < p.nr_changes; i++)
			p.changes[i] = longest ? draw_below(&state, longest) : UINT32_MAX;
		explorer_rewind(x, 0, 0);
		explorer_extend(x, choose_highest, &p);
		longest = max_t(u32, longest, x->depth);
		explorer_finish(x);
	}
	return 0;
}

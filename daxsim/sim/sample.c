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

int explore_random(struct explorer *x)
{
	u64 state = x->opt->seed;

	for (u64 run = 0; run < x->opt->runs && !x->stop; run++) {
		explorer_rewind(x, 0);
		while (explorer_look(x)) {
			u32 nth = draw_below(&state, __builtin_popcount(x->enabled));
			u32 left = x->enabled;

			while (nth--)
				left &= left - 1;
			explorer_step(x, __builtin_ctz(left));
		}
		explorer_finish(x);
	}
	return 0;
}

/* Threads in the order of their priority, the highest first. */
struct priorities {
	u8 order[EXPLORE_THREADS];
	unsigned int nr;
};

static void shuffle(struct priorities *p, u64 *state)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		unsigned int j = draw_below(state, i + 1);

		p->order[i] = p->order[j];
		p->order[j] = i;
	}
}

static unsigned int highest(const struct priorities *p, u32 enabled)
{
	unsigned int i = 0;

	while (!(enabled >> p->order[i] & 1))
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

/* Whoever is about to do a drawn event gets the lowest priority. */
static bool is_change(const u32 *changes, u32 nr, u32 depth)
{
	for (u32 i = 0; i < nr; i++)
		if (changes[i] == depth)
			return true;
	return false;
}

int explore_pct(struct explorer *x)
{
	u32 changes[EXPLORE_MAX_DEPTH], nr = x->opt->bound - 1;
	u64 state = x->opt->seed;
	u32 longest = 0;	/* execution so far: where changes may be */

	for (u64 run = 0; run < x->opt->runs && !x->stop; run++) {
		struct priorities p = { .nr = x->prog->nr_threads };

		shuffle(&p, &state);
		for (u32 i = 0; i < nr; i++)
			changes[i] = longest ? draw_below(&state, longest) : UINT32_MAX;
		explorer_rewind(x, 0);
		while (explorer_look(x)) {
			unsigned int i = highest(&p, x->enabled);

			if (is_change(changes, nr, x->depth)) {
				make_lowest(&p, i);
				i = highest(&p, x->enabled);
			}
			explorer_step(x, p.order[i]);
		}
		longest = max_t(u32, longest, x->depth);
		explorer_finish(x);
	}
	return 0;
}

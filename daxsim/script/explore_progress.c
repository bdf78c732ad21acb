// SPDX-License-Identifier: MIT
/* What somebody who waits at a terminal for an exploration wants to know: how long still. */
#include "daxsim/script/explore_private.h"

typedef unsigned long long ull;	/* for printf */

#define LONG_RUN 1.0	/* seconds after which an estimate is worth a line of its own */

static void print_duration(double seconds, FILE *to)
{
	if (seconds < 100)
		fprintf(to, "%.0f s", seconds);
	else if (seconds < 100 * 60)
		fprintf(to, "%.0f min", seconds / 60);
	else
		fprintf(to, "%.0f h", seconds / 3600);
}

/*
 * How much longer. Chance stops after so many runs. What is left of a tree follows from the part
 * behind it, which looks larger than it is, but is never more than the budget; of preemptions
 * only the budget is known.
 */
static void print_left(const struct explorer *x, const struct explore_result *r, double took,
		       FILE *to)
{
	bool draws = x->how->strategy == EXPLORE_PCT || x->how->strategy == EXPLORE_RANDOM;
	u64 last = draws ? min_t(u64, x->how->runs, x->limits.executions) : x->limits.executions;
	double longest = took * (last - r->executions) / r->executions;
	double guess = r->explored > 0 ? took * (1 - r->explored) / r->explored : longest;

	if (guess < longest) {
		print_duration(guess, to);
		fputs(" or more left, ", to);
	}
	if (!draws)
		fputs("at most ", to);
	print_duration(longest, to);
	fputs(guess < longest ? "" : " left", to);
}

void explore_progress(struct explorer *x, const struct explore_result *r)
{
	FILE *to = x->limits.progress;
	double took = explore_seconds() - x->begun;
	int bugs = 0;

	for (int i = 0; i < NR_INVARIANTS; i++)
		bugs += x->out->findings[i].classes > 0;
	if (!x->estimated && took > LONG_RUN) {
		x->estimated = true;
		fprintf(to, "\r\033[K%s %s takes long: %llu executions in the first %.0f s, ",
			x->s->name, x->v->text, (ull)r->executions, took);
		if (r->explored > 0)
			fprintf(to, "%.2g%% of all or less; ", 100 * r->explored);
		print_left(x, r, took, to);
		fprintf(to, ", until the budget of %llu is spent; Ctrl-C shows what was found so far\n",
			(ull)x->limits.executions);
	}
	fprintf(to, "\r\033[K%s %s: %llu classes, %llu executions, %.0f/s, %d kinds of violation; ",
		x->s->name, x->v->text, (ull)r->classes, (ull)r->executions, r->executions / took,
		bugs);
	print_left(x, r, took, to);
	fflush(to);
}

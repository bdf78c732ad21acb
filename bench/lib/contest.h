/* SPDX-License-Identifier: MIT */
/*
 * Sides that touch pages in turns, a chunk each, so that a machine which gets slower gets
 * slower for all of them: the simulator under several engines, and bare round trips.
 */
#ifndef DAXSIM_BENCH_CONTEST_H
#define DAXSIM_BENCH_CONTEST_H

#include "bench/lib/bare_uffd.h"
#include "bench/lib/samples.h"

#define MAX_SIDES 8

/* The state of the pages of a file, all of them. */
enum page_state {
	PAGE_ANY,		/* as the file system makes a file of that size */
	PAGE_HOLE,
	PAGE_FALLOCATED,	/* unwritten */
	PAGE_WRITTEN,
};

/* How pages are touched. */
struct touch {
	enum page_state state;
	bool loaded;		/* after they were loaded from, which is not measured */
	bool store;
};

/* What is measured: a touch, and the bare round trip beside it. */
struct fault_case {
	const char *name, *what;
	struct touch touch;
	enum bare_trip bare;
};

struct side {
	const char *name;
	void *self;
	/* Make @nr_pages pages ready to be touched once; 0 or a negative errno. */
	int (*begin)(void *self, const struct fault_case *c, u64 nr_pages);
	/* Around turns, in the thread that gives them; or NULL. */
	void (*enter)(void *self);
	void (*leave)(void *self);
	/* Touch @nr pages from @first on; @ns: set to samples, or NULL. */
	void (*touch)(void *self, u64 first, u64 nr, u64 *ns);
	/* All were touched: see whether the right bytes are there; 0 or a negative errno. */
	int (*end)(void *self);
};

/* What became of one side. */
struct contestant {
	u64 *ns;			/* samples of all runs, sorted in each of them */
	double p50[MAX_RUNS];		/* nanoseconds */
	struct summary summary[MAX_RUNS];
};

struct contest {
	unsigned int runs, nr_sides;
	u64 pages;			/* in each run */
	struct contestant by_side[MAX_SIDES];
};

/** bare_side() - bare round trips as a side */
struct side bare_side(struct bare *b, const char *name);

/**
 * contest_run() - have all sides do the same
 * @c: its contents are ignored; contest_free() frees it
 * @sides: the sides
 * @nr_sides: MAX_SIDES at most
 * @what: the touch
 * @runs: MAX_RUNS at most
 * @pages: in each run
 * @chunk: pages in a turn
 * @clock_ns: what one reading of the clock costs: taken off each sample
 *
 * Ends the program if something fails.
 */
void contest_run(struct contest *c, const struct side *sides, unsigned int nr_sides,
		 const struct fault_case *what, unsigned int runs, u64 pages, u64 chunk,
		 double clock_ns);

/** contest_free() - free the samples */
void contest_free(struct contest *c);

#endif

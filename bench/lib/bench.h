/* SPDX-License-Identifier: MIT */
/*
 * What all benchmarks of several sections share: options, the line about the machine, the
 * order of things, and the files that are written in the end.
 */
#ifndef DAXSIM_BENCH_BENCH_H
#define DAXSIM_BENCH_BENCH_H

#include "bench/lib/plot.h"
#include "bench/lib/report.h"

#define EXIT_UNUSABLE 2		/* bad options, or no userfaultfd */

struct bench {
	unsigned int runs;
	u64 pages;		/* in a run of one kind */
	bool full;		/* take your time */
	const char *dir;	/* for pictures, exists */
	struct report report;
	bool no_gnuplot;	/* it was missing */
};

struct section {
	const char *name, *what;
	void (*run)(struct bench *b);
};

/**
 * bench_main() - the whole program
 * @argc: from main()
 * @argv: from main()
 * @doc: one line
 * @sections: in this order; ends with a NULL name
 *
 * Return: the exit status; a target that is missed does not count.
 */
int bench_main(int argc, char **argv, const char *doc, const struct section *sections);

/** bench_plot() - plot_write(); complains about everything but a missing gnuplot */
void bench_plot(struct bench *b, const char *name, const struct plot_panel *panels,
		unsigned int nr);

#endif

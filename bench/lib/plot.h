/* SPDX-License-Identifier: MIT */
/*
 * Pictures for people, drawn by gnuplot. The script with its data stays beside the
 * picture, so that they can be drawn later, where gnuplot is.
 */
#ifndef DAXSIM_BENCH_PLOT_H
#define DAXSIM_BENCH_PLOT_H

#include "daxsim/sim/types.h"

#define PLOT_MAX_SERIES 8
#define PLOT_MAX_POINTS 256

struct plot_series {
	char title[48];
	unsigned int nr;
	double x[PLOT_MAX_POINTS], y[PLOT_MAX_POINTS];
};

/* One set of axes. */
struct plot_panel {
	char title[64];
	const char *xlabel, *ylabel;
	const char *settings;		/* more lines for gnuplot, or NULL */
	bool bars;			/* one on top of the other, for each x; labels name them */
	char labels[PLOT_MAX_SERIES][48];
	unsigned int nr_series;
	struct plot_series series[PLOT_MAX_SERIES];
};

/**
 * plot_write() - write a script and draw it
 * @dir: existing folder
 * @name: of the picture, without .svg; the script is name.gp
 * @panels: side by side, three in a row
 * @nr: how many
 *
 * Return: 0 if the picture is there; -ENOENT if gnuplot is missing; another negative errno.
 */
int plot_write(const char *dir, const char *name, const struct plot_panel *panels,
	       unsigned int nr);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark found: rows of a value beside another one, with the ratio of the two and
 * what it should be, as a table, as JSON and as CSV; and whatever else belongs into the JSON.
 */
#ifndef DAXSIM_BENCH_REPORT_H
#define DAXSIM_BENCH_REPORT_H

#include "bench/lib/machine_line.h"
#include "daxsim/sim/types.h"

/* Zero is no target. */
struct target {
	double at_most, at_least;	/* the ratio */
};

/* A comparison, as it is handed over; all strings are copied. */
struct comparison {
	const char *section, *name;
	const char *unit;
	const char *versus;		/* NULL: there is nothing to compare with */
	const double *values, *versus_values;	/* one for each run; the runs go together */
	unsigned int nr;
	bool inverse;			/* the ratio is of the other value to this one */
	struct target target;
};

struct report_row {
	char section[40], name[56], unit[16], versus[40];
	double value, versus_value;	/* medians; the second is 0 if there is none */
	double ratio, low, high;	/* of the runs: median, least, greatest */
	struct target target;
	bool met;
};

struct report {
	const char *name;	/* of the benchmark */
	struct machine_line machine;
	struct report_row *rows;
	size_t nr_rows;
	json_t *details;	/* an object: what belongs to no row */
};

/** report_open() - an empty report about this machine; ends the program without memory */
void report_open(struct report *r, const char *name);

/** report_close() - free it */
void report_close(struct report *r);

/** report_compare() - add a row; ends the program without memory */
void report_compare(struct report *r, const struct comparison *c);

/** report_value() - add a row that is a single value */
void report_value(struct report *r, const char *section, const char *name, double value,
		  const char *unit);

/** report_print() - the table from row @first on, to stdout */
void report_print(const struct report *r, size_t first);

/** report_verdict() - the last line: how many targets were met, and which were not */
void report_verdict(const struct report *r);

/** report_write_json(), report_write_csv() - to a file; "-" is stdout. 0 or a negative errno */
int report_write_json(const struct report *r, const char *path);
int report_write_csv(const struct report *r, const char *path);

#endif

/* SPDX-License-Identifier: MIT */
/* What a benchmark ran on: figures mean nothing without it. */
#ifndef DAXSIM_BENCH_MACHINE_LINE_H
#define DAXSIM_BENCH_MACHINE_LINE_H

#include <jansson.h>
#include <stdio.h>

struct machine_line {
	char cpu[96];		/* model, as the kernel calls it */
	char release[96];	/* of the kernel */
	long cores;		/* online */
	char virtualised[64];	/* "bare metal", "virtualised", with the vendor where known */
	char clock[32];		/* what CLOCK_MONOTONIC is made of */
	double clock_ns;	/* what one reading of it costs */
};

/** machine_line_get() - find out; what cannot be known is "unknown" */
void machine_line_get(struct machine_line *m);

/** machine_line_print() - one line */
void machine_line_print(const struct machine_line *m, FILE *to);

/** machine_line_json() - the same as an object; NULL without memory */
json_t *machine_line_json(const struct machine_line *m);

#endif

/* SPDX-License-Identifier: MIT */
/* Samples of a latency: the clock, percentiles, medians of runs, and how they are written. */
#ifndef DAXSIM_BENCH_SAMPLES_H
#define DAXSIM_BENCH_SAMPLES_H

#include <jansson.h>
#include <time.h>

#include "daxsim/sim/types.h"

#define MAX_RUNS 99

/* Nanoseconds. */
struct summary {
	double p50, p99, p999;
};

/** now_ns() - nanoseconds since some point */
static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * samples_summary() - percentiles, each a sample that occurred (nearest rank)
 * @ns: the samples; sorted afterwards
 * @nr: how many, above 0
 */
struct summary samples_summary(u64 *ns, size_t nr);

/** samples_median() - of @nr values, which stay in their order, at most MAX_RUNS of them */
double samples_median(const double *values, unsigned int nr);

/** summary_median() - of @nr runs, field by field */
struct summary summary_median(const struct summary *runs, unsigned int nr);

/** summary_print() - three columns of 8 characters, in microseconds, to stdout */
void summary_print(const struct summary *s);

/** summary_json() - the median of @nr runs and each of them; NULL without memory */
json_t *summary_json(const struct summary *runs, unsigned int nr);

#endif

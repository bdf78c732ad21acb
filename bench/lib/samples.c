// SPDX-License-Identifier: MIT
/* Percentiles and medians. */
#include "bench/lib/samples.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The smallest sample that @permille of all do not exceed. */
static double percentile(const u64 *sorted, size_t nr, unsigned int permille)
{
	return sorted[DIV_ROUND_UP(nr * permille, 1000) - 1];
}

struct summary samples_summary(u64 *ns, size_t nr)
{
	qsort(ns, nr, sizeof(*ns), compare_u64);
	return (struct summary){ percentile(ns, nr, 500), percentile(ns, nr, 990),
				 percentile(ns, nr, 999) };
}

double samples_median(const double *values, unsigned int nr)
{
	double sorted[MAX_RUNS];

	assert(nr && nr <= MAX_RUNS);
	memcpy(sorted, values, nr * sizeof(*values));
	qsort(sorted, nr, sizeof(*sorted), compare_double);
	return (sorted[(nr - 1) / 2] + sorted[nr / 2]) / 2;
}

struct summary summary_median(const struct summary *runs, unsigned int nr)
{
	double p50[MAX_RUNS], p99[MAX_RUNS], p999[MAX_RUNS];

	for (unsigned int i = 0; i < nr; i++) {
		p50[i] = runs[i].p50;
		p99[i] = runs[i].p99;
		p999[i] = runs[i].p999;
	}
	return (struct summary){ samples_median(p50, nr), samples_median(p99, nr),
				 samples_median(p999, nr) };
}

void summary_print(const struct summary *s)
{
	printf("%8.2f%8.2f%8.2f", s->p50 / 1000, s->p99 / 1000, s->p999 / 1000);
}

static json_t *one_json(const struct summary *s)
{
	return json_pack("{s:f, s:f, s:f}", "p50_ns", s->p50, "p99_ns", s->p99, "p99.9_ns",
			 s->p999);
}

json_t *summary_json(const struct summary *runs, unsigned int nr)
{
	struct summary median = summary_median(runs, nr);
	json_t *root = one_json(&median), *list = json_array();

	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(list, one_json(&runs[i]));
	json_object_set_new(root, "runs", list);
	return root;
}

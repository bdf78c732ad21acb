/* SPDX-License-Identifier: MIT */
/* What the files that print reports share. */
#ifndef DAXSIM_REPORT_PRIVATE_H
#define DAXSIM_REPORT_PRIVATE_H

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/report.h"

/* What a word ends with behind a number. */
static inline const char *plural_s(u64 n)
{
	return n == 1 ? "" : "s";
}

static inline const char *plural_es(u64 n)
{
	return n == 1 ? "" : "es";
}

/** print_lines() - text of several lines, each after @prefix */
void print_lines(const char *text, const char *prefix, FILE *to);

/**
 * print_words() - the schedule of an execution that exploration found, by points
 *
 * Of a finding, as far as what it stands for has shown: whoever is held there goes on by itself.
 */
void print_words(const struct schedule_verdict *sv, FILE *to);

/** print_replay() - the command that runs one schedule of a verdict again */
void print_replay(const struct verdict *v, const struct schedule_verdict *sv, FILE *to);

/**
 * print_run() - the command that runs a schedule
 * @v: of its scenario and variant
 * @schedule: NULL, or empty: none is named
 * @by_points: what it came to, to say it in points instead of as it was given; or NULL
 */
void print_run(const struct verdict *v, const struct schedule *schedule,
	       const struct schedule_verdict *by_points, FILE *to);

/** print_explored_findings() - what exploration found, the simplest first, as far as it is news */
void print_explored_findings(const struct report *rep, const struct verdict *v, u64 *told);

/** print_explored() - how much was explored, and what it came to over all executions */
void print_explored(const struct report *rep, const struct verdict *v);

#endif

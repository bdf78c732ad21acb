/* SPDX-License-Identifier: MIT */
/* Telling people and machines what a run came to: TAP 13 with YAML, or JSON. */
#ifndef DAXSIM_REPORT_H
#define DAXSIM_REPORT_H

#include <stdio.h>

#include "daxsim/script/run.h"

struct json_t;

/* How much is said of what exploration found. */
enum report_detail {
	REPORT_USUAL,		/* each finding with its schedule */
	REPORT_BRIEF,		/* of variants that pass, only what they show */
	REPORT_FULL,		/* each finding with what it means, and a timeline */
};

/* How a run is going, over all scenarios. */
struct report {
	FILE *to;
	bool trace;		/* print every execution's timeline in full */
	enum report_detail detail;
	unsigned int passed;
	unsigned int failed;
	unsigned int explored;	/* variants, and over all of them: */
	u64 classes;
	u64 executions;
	u64 findings;		/* kinds of violation, added up */
	double seconds;
	struct json_t *json;	/* an array of results, or NULL: TAP is printed at once */
};

/** report_begin() - start; @json: one JSON document at the end instead of TAP */
void report_begin(struct report *rep, FILE *to, bool json, bool trace);

/** report_scenario() - the next verdicts belong to this file */
void report_scenario(struct report *rep, const struct scenario *s);

/** report_verdict() - one variant was judged */
void report_verdict(struct report *rep, const struct verdict *v);

/** report_end() - the plan and a summary; @why: what cut the run short, or NULL */
void report_end(struct report *rep, const char *why);

/* What report_verdict() does with JSON. */
struct json_t *verdict_to_json(const struct verdict *v);

/**
 * timeline_print() - an execution as a table with a column per session
 * @s: the scenario
 * @tr: what happened
 * @all: every point, or only those that change something
 * @prefix: begins each line
 * @to: where to
 */
void timeline_print(const struct scenario *s, const struct trace *tr, bool all,
		    const char *prefix, FILE *to);

#endif

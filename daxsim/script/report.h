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

/* What verdicts come to. */
struct report_sums {
	unsigned int passed;
	unsigned int failed;
	unsigned int explored;	/* variants, and over all of them: */
	u64 classes;
	u64 executions;
	u64 findings;		/* kinds of violation, added up */
	double seconds;
};

/* How a run is going, over all scenarios. */
struct report {
	FILE *to;
	bool trace;		/* print every execution's timeline in full */
	enum report_detail detail;
	unsigned int number;	/* of the last verdict, from 1 */
	struct report_sums sums;
	struct json_t *json;	/* an array of results, or NULL: TAP is printed at once */
};

/** report_begin() - start; @json: one JSON document at the end instead of TAP */
void report_begin(struct report *rep, FILE *to, bool json, bool trace);

/** report_scenario() - the next verdicts belong to this file */
void report_scenario(struct report *rep, const struct scenario *s);

/** report_verdict() - one variant was judged */
void report_verdict(struct report *rep, const struct verdict *v);

/**
 * report_apart() - begin a report of some verdicts that report_join() adds to another one
 * @part: the report of these; its sums are what to join
 * @rep: the other one
 * @number: how many verdicts come before them there
 * @to: where what is to be joined goes
 */
void report_apart(struct report *part, const struct report *rep, unsigned int number, FILE *to);

/** report_apart_end() - end such a report */
void report_apart_end(struct report *part);

/** report_join() - add what another process perhaps reported apart; what it wrote is @text */
void report_join(struct report *rep, const struct report_sums *sums, const char *text);

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

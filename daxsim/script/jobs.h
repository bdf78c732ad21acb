/* SPDX-License-Identifier: MIT */
/*
 * Pieces of work that have nothing to do with each other, several at a time, each in
 * a process of its own. What they print and come to is handed over one by one in the
 * order in which they were added, so nobody can tell how many there were at a time.
 */
#ifndef DAXSIM_JOBS_H
#define DAXSIM_JOBS_H

#include <bsd/sys/queue.h>
#include <signal.h>
#include <stdio.h>

#include "daxsim/sim/types.h"

#define JOBS_MAX 1024		/* at a time */

/* Where a piece of work writes to. */
struct job_streams {
	FILE *out;
	FILE *errors;
	FILE *progress;		/* seen while everything before it has been handed over; or NULL */
	volatile s32 *free;	/* processes that it may make; all of them share this. NULL: none */
};

/* What came of it. */
struct job_end {
	const char *out;	/* what it wrote */
	const char *errors;
	const void *result;	/* result_size bytes; NULL: its process died */
	char death[80];		/* how, in words */
};

struct job_kind {
	size_t result_size;	/* bytes; all zero before work() */

	/* Do it. Also called in the process that added it if there is to be one job at a time. */
	void (*work)(void *arg, const struct job_streams *to, void *result);

	/* It is done, and so is all before it. False: what comes after it does not count. */
	bool (*done)(void *arg, const struct job_end *end);

	/* Nobody needs @arg any more, whether or not it was done. */
	void (*drop)(void *arg);
};

struct job;
struct jobs_shared;

struct jobs {
	const struct job_kind *kind;
	unsigned int at_a_time;
	FILE *progress;
	const volatile sig_atomic_t *interrupted;
	STAILQ_HEAD(, job) queue;	/* what was not handed over yet */
	unsigned int running;
	u64 added;
	struct jobs_shared *shared;	/* by all processes */
	bool told;			/* the processes know of the interruption */
	bool stopped;
};

/**
 * jobs_default() - how many at a time make sense
 *
 * Return: the number of CPUs that this process may use.
 */
unsigned int jobs_default(void);

/**
 * jobs_begin() - no jobs so far
 * @j: jobs_end() it
 * @kind: what they are; lives as long as @j
 * @at_a_time: 1 to JOBS_MAX. 1: no process is made
 * @progress: for job_streams.progress, unbuffered; or NULL
 * @interrupted: set by a handler of SIGINT and SIGTERM, in each process: jobs end soon then, and
 *	are handed over. May be NULL
 *
 * With more than one at a time no thread may run besides the one that calls.
 * Return: 0 or -ENOMEM.
 */
int jobs_begin(struct jobs *j, const struct job_kind *kind, unsigned int at_a_time,
	       FILE *progress, const volatile sig_atomic_t *interrupted);

/**
 * jobs_add() - one more; waits until one of those that are running is done, if there are enough
 * @j: the jobs
 * @arg: for work(), done() and drop()
 *
 * Return: false if no more are wanted: done() said so, or all is interrupted.
 */
bool jobs_add(struct jobs *j, void *arg);

/** jobs_end() - wait for all jobs, and hand them over */
void jobs_end(struct jobs *j);

#endif

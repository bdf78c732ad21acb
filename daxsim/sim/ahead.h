/* SPDX-License-Identifier: MIT */
/*
 * Exploring a tree of choices in several processes, as if one did it alone.
 *
 * While a process tries the first of the threads that a choice near the root still has
 * to try, a second process, made by fork(), tries the next one. What that one comes to is
 * taken over when its turn comes. Its work does not depend on what else is tried in the
 * meantime: only on the steps up to the choice, and on who sleeps there, which is known
 * unless a thread that comes earlier turns up after all; then it was in vain. What it has
 * to say about choices outside of its part of the tree it keeps until it is taken over.
 */
#ifndef DAXSIM_AHEAD_H
#define DAXSIM_AHEAD_H

#include <sys/types.h>

#include "daxsim/sim/explorer.h"

#define AHEAD_TASKS 32		/* that a process has at a time */
#define AHEAD_REQUESTS 4096	/* different ones, of one process */

/* Some thread of @initials is to be tried at a depth: @pick unless there is one. */
struct ahead_request {
	u32 depth;
	u16 initials;
	u16 pick;
};

/* What a process leaves in memory that it shares with the one that made it. */
struct ahead_area {
	struct explore_result result;	/* so far */
	volatile u64 before;		/* for explorer.before: its maker says so when it knows */
	volatile bool unwanted;		/* its maker does not need it any more */
	bool idle;			/* its place is free for another process */
	bool done;			/* all below is there */
	bool complete;			/* and nothing stopped it */
	bool spent_all;			/* it stopped where options.most executions were made */
	u64 finished;			/* as in struct explorer */
	struct explore_event event;	/* the first step */
	u32 nr_requests;
	struct ahead_request requests[AHEAD_REQUESTS];
	u16 slots[2 * AHEAD_REQUESTS];	/* a hash table: 1 + index of a request; 0: none */
	_Alignas(16) char visits[];	/* explore_ahead.size bytes */
};

/* A process that tries @thread at @depth. */
struct ahead_task {
	u32 depth;
	u32 sleep;	/* who is taken to sleep there */
	u8 thread;
	pid_t pid;
	int fd;		/* the reading end of a pipe: at its end the process has ended */
	struct ahead_area *area;
};

struct ahead {
	struct explorer *x;
	const struct explore_ahead *how;	/* NULL: all is done in this process */
	struct explore_options options;		/* of this process, if it was made by another one */
	struct ahead_area *area;		/* where to leave things then; else NULL */
	bool overflow;				/* there were more requests than fit */
	struct ahead_task tasks[AHEAD_TASKS];
	u32 nr_tasks;
};

/** ahead_begin() - no processes yet */
void ahead_begin(struct ahead *a, struct explorer *x);

/** ahead_wanted() - whether there is a place for a process */
bool ahead_wanted(const struct ahead *a);

/** ahead_has() - whether there is a process for a depth */
bool ahead_has(const struct ahead *a, u32 depth);

/**
 * ahead_fork() - make a process that tries @thread at @depth
 * @a: of the explorer
 * @depth: in the stack
 * @thread: one that is still to be tried
 * @sleep: who will sleep at that depth then
 *
 * Return: true in the new process, which has no counts yet: it is to explore that part and then
 * ahead_exit().
 */
bool ahead_fork(struct ahead *a, u32 depth, unsigned int thread, u32 sleep);

/** ahead_request() - in such a process: ask for a thread to be tried outside of its part */
void ahead_request(struct ahead *a, u32 depth, u32 initials, u32 pick);

/** ahead_look() - in such a process, now and then: say how far it is, and stop if nobody needs it */
void ahead_look(struct ahead *a);

/** ahead_exit() - leave the result; @event: what the first step did */
_Noreturn void ahead_exit(struct ahead *a, const struct explore_event *event);

/**
 * ahead_take() - take over what a process came to, waiting for it
 * @a: of the explorer
 * @depth: whose turn it is
 * @thread: who would be tried there now
 * @sleep: who sleeps there now
 * @wait: called while there is nothing to do but to wait, when there is a place for a process
 * @data: for @wait
 * @done: called for the first step and the requests of what was taken over
 *
 * Counts and visits are added to those of the explorer.
 * Return: false if @thread must be tried here.
 */
bool ahead_take(struct ahead *a, u32 depth, unsigned int thread, u32 sleep,
		void (*wait)(void *data), void (*done)(void *data, const struct ahead_area *from),
		void *data);

/** ahead_end() - end all processes; interrupted, what they came to so far is taken over first */
void ahead_end(struct ahead *a);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the strategies share: the execution that is being built, as a stack of
 * steps that outlives the executions as far as they have a prefix in common.
 */
#ifndef DAXSIM_EXPLORER_H
#define DAXSIM_EXPLORER_H

#include "daxsim/sim/explore.h"
#include "daxsim/sim/vclock.h"

/* An event that was executed. A step never changes while it is on the stack. */
struct step_taken {
	struct explore_event event;
	u8 thread;
	s16 index;		/* of the event in its thread, from 1 */
	u16 preemptions;	/* up to here */
	struct vclock clock;		/* events of each thread that happen before or are this one */
};

struct explorer {
	const struct explore_program *prog;
	const struct explore_options *opt;
	struct explore_result *res;
	u32 max_events;
	u32 max_depth;
	struct step_taken *steps;
	u8 *schedule;			/* steps[i].thread, side by side */
	u32 depth;			/* steps on the stack; the program is behind the last */
	u32 last[EXPLORE_THREADS];	/* 1 + depth of each thread's last step; 0: none yet */
	u32 enabled;			/* threads, bit each, as of explorer_look() */
	u32 unfinished;
	u32 bounded;			/* ran into max_events */
	u64 *seen;			/* classes, for strategies that may meet one twice */
	bool stop;
};

/** explorer_rewind() - start an execution anew and replay the first @keep steps of the stack */
void explorer_rewind(struct explorer *x, u32 keep);

/** explorer_look() - find out who can go on; returns x->enabled */
u32 explorer_look(struct explorer *x);

/**
 * explorer_step() - let an enabled thread go on by one event; explorer_look() came before
 * @x: the explorer
 * @thread: who
 * @races: receives the depths of the steps that could have come after it instead, latest
 *	first; room for x->max_depth. NULL if nobody wants to know
 *
 * Return: how many races.
 */
u32 explorer_step(struct explorer *x, unsigned int thread, u32 *races);

/** explorer_finish() - count and report an execution in which nobody can go on any more */
void explorer_finish(struct explorer *x);

/** explorer_stay() - one of @threads: the one that ran last if it is among them */
unsigned int explorer_stay(const struct explorer *x, u32 threads);

/** class_hash() - of the happens-before graph of the steps on the stack */
u64 class_hash(const struct explorer *x);

/*
 * happens.c: the relation between events.
 */

/**
 * happens_after() - what an event that is not on the stack yet happens after, and races with
 * @x: the explorer
 * @thread: whose next event it is
 * @e: what it does
 * @inside: threads that have the lock it asks for, if it cannot have it
 * @clock: set to its clock
 * @races: as for explorer_step()
 */
u32 happens_after(const struct explorer *x, unsigned int thread, const struct explore_event *e,
		  u32 inside, struct vclock *clock, u32 *races);

/** comes_before() - whether an execution orders @a before @b if it has them in this order */
bool comes_before(const struct explore_event *a, const struct explore_event *b);


/* The strategies. Each returns 0 or -ENOMEM. */
int explore_dpor(struct explorer *x);
int explore_naive(struct explorer *x);
int explore_preempt(struct explorer *x);
int explore_pct(struct explorer *x);
int explore_random(struct explorer *x);

#endif

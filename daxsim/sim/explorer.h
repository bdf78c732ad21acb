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
	struct {		/* if it is about a lock: who has that now, bit per thread */
		u16 exclusive, shared;
	} holders;
	struct vclock clock;	/* events of each thread that happen before or are this one */
};

/*
 * An access on the stack, and the latest below it in the same bucket of a hash table by
 * object. Accesses count from 1: those of step d are d * EXPLORE_ACCESSES + 1 and on;
 * what stands for none has a link that is all zero.
 */
struct access_link {
	u32 below;		/* 0: none */
	u32 other;		/* the latest below it of another thread; 0: none */
	u16 threads;		/* whose accesses are in the bucket from here down, bit each */
	u8 thread;
	u8 bucket;
};

#define ACCESS_SHIFT 7		/* buckets, log2 */
#define ANY_OBJECT (1U << ACCESS_SHIFT)	/* one bucket more, for what is about all objects */

/* A state of the program that explorer_rewind() can start from. */
struct saved_state {
	u32 depth;
	u32 slot;
};

struct explorer {
	const struct explore_program *prog;
	const struct explore_options *opt;
	struct explore_result *res;
	u32 max_events;
	u32 max_depth;
	struct step_taken *steps;
	u8 *schedule;			/* steps[i].thread, side by side */
	u32 *depths;			/* of a thread's events, max_events for each thread */
	struct access_link *links;
	u32 top[ANY_OBJECT + 1];	/* the latest access in each bucket; 0: none */
	u32 depth;			/* steps on the stack; the program is behind the last */
	u32 last[EXPLORE_THREADS];	/* 1 + depth of each thread's last step; 0: none yet */
	u32 enabled;			/* threads, bit each, as of explorer_look() */
	u32 unfinished;
	u32 spent;			/* have max_events on the stack */
	u32 bounded;			/* and could go on */
	struct saved_state saved[EXPLORE_MAX_SLOTS];	/* on the way to here; then free slots */
	u32 nr_saved;
	u32 nr_slots;			/* 0: nothing can be saved */
	u64 *seen;			/* classes, for strategies that may meet one twice */
	bool stop;
};

/*
 * rewind.c: going back to a prefix of an execution, by replaying it from the start or from a
 * state that was saved on the way.
 */

/** explorer_rewind() - take the program back to behind the first @keep steps of the stack */
void explorer_rewind(struct explorer *x, u32 keep);

/** explorer_look() - find out who can go on; returns x->enabled */
u32 explorer_look(struct explorer *x);

/** explorer_step() - let an enabled thread go on by one event; explorer_look() came before */
void explorer_step(struct explorer *x, unsigned int thread);

/**
 * explorer_run() - let an enabled thread go on
 * @x: the explorer
 * @thread: who
 * @done: called after each of its events; must explorer_push() it; false: no further one
 * @ctx: for @done
 */
void explorer_run(struct explorer *x, unsigned int thread, explore_done *done, void *ctx);

/**
 * explorer_push() - put an event on the stack that was just executed
 * @x: the explorer
 * @thread: whose it is
 * @e: what it did
 * @races: receives the depths of the steps that could have come after it instead, latest
 *	first; room for x->max_depth. NULL if nobody wants to know
 *
 * Return: how many races.
 */
u32 explorer_push(struct explorer *x, unsigned int thread, const struct explore_event *e,
		  u32 *races);

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
 * @races: as for explorer_push()
 */
u32 happens_after(const struct explorer *x, unsigned int thread, const struct explore_event *e,
		  u32 inside, struct vclock *clock, u32 *races);

/** comes_before() - whether an execution orders @a before @b if it has them in this order */
bool comes_before(const struct explore_event *a, const struct explore_event *b);

/*
 * history.c: finding steps on the stack without looking at all of them.
 */

/** history_push() - enter the step at depth x->depth, its event and thread filled in */
void history_push(struct explorer *x);

/** history_pop() - forget the steps from depth @keep on */
void history_pop(struct explorer *x, u32 keep);

/* A walk down the stack past all steps that an event may have to come after, and some others. */
struct history_walk {
	const struct explorer *x;
	u32 all;				/* steps left, if it is about any object; else 0 */
	u32 at[EXPLORE_ACCESSES + 1];		/* the next access in each bucket of its objects */
	u32 nr;
};

/** history_walk() - begin at the step below @depth */
void history_walk(struct history_walk *w, const struct explorer *x, const struct explore_event *e,
		  u32 depth);

/** history_next() - depth of the next step, if there are any of @threads still; else -1 */
s64 history_next(struct history_walk *w, u32 threads);

/** history_holders() - who has the lock @e asks for in a mode that is in its way, at @depth */
u32 history_holders(const struct explorer *x, const struct explore_event *e, u32 depth);

/** history_first() - depth of the first event of a thread at @depth or behind it; -1: none */
s64 history_first(const struct explorer *x, unsigned int thread, u32 depth);

/* The strategies. Each returns 0 or -ENOMEM. */
int explore_dpor(struct explorer *x);
int explore_naive(struct explorer *x);
int explore_preempt(struct explorer *x);
int explore_pct(struct explorer *x);
int explore_random(struct explorer *x);

#endif

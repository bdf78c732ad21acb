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
	u8 nr_accesses;		/* of the event */
	s16 index;		/* of the event in its thread, from 1 */
	u16 preemptions;	/* up to here */
	u32 before;		/* 1 + depth of its thread's step before; 0: none */
	u64 marks;		/* of the event, as by event_marks() */
	struct vclock clock;	/* events of each thread that happen before or are this one */
};

/*
 * An access on the stack, and the latest below it of the same thread in the same bucket of a
 * hash table by object. Each object has two buckets, one for reading and sharing, one for the
 * rest: accesses of the first kind have nothing to do with each other, however many there are.
 * Accesses count from 1: those of step d are (d << STEP_SHIFT) + 1 and on.
 */
struct access_link {
	u32 below;		/* 0: none */
	u16 bucket;
	s16 index;		/* of the event in its thread */
};

/* The same for an access that is about a lock, and who has that then, bit per thread. */
struct lock_link {
	u32 below;		/* in x->lock_top; 0: none */
	u16 exclusive, shared;
};

#define STEP_SHIFT 3		/* numbers for the accesses of one step, log2 */
#define ACCESS_SHIFT 7		/* pairs of buckets, log2 */
#define ANY_OBJECT (2U << ACCESS_SHIFT)	/* one pair more, for what is about all objects */

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
	struct lock_link *lock_links;	/* by access as well */
	u32 top[ANY_OBJECT + 2][EXPLORE_THREADS];	/* the latest access in a bucket; 0: none */
	u16 threads[ANY_OBJECT + 2];	/* who has any in a bucket, bit each */
	u32 lock_top[ANY_OBJECT / 2 + 1];	/* the latest access about a lock in a pair; 0: none */
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
	u64 finished;			/* executions when the last complete one was */
	const volatile u64 *before;	/* 1 + executions of others that come first, 0: unknown; or NULL */
	bool spent_all;			/* opt->most were made */
	bool too_many;			/* more than that */
	bool stop;
};

/*
 * rewind.c: going back to a prefix of an execution, by replaying it from the start or from a
 * state that was saved on the way.
 */

/**
 * explorer_rewind() - take the program back to behind the first steps of the stack
 * @x: the explorer
 * @keep: so many
 * @next: how many it will be next time if nothing new is found, at most @keep; 0: nobody knows
 */
void explorer_rewind(struct explorer *x, u32 keep, u32 next);

/** explorer_look() - find out who can go on; returns x->enabled */
static inline u32 explorer_look(struct explorer *x)
{
	u32 enabled = x->prog->enabled(x->prog->data, &x->unfinished);

	x->bounded |= enabled & x->spent;
	x->enabled = enabled & ~x->bounded;
	return x->enabled;
}

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

/* Returns one of the threads in x->enabled, of which there is at least one. */
typedef unsigned int explorer_choose(void *ctx);

/**
 * explorer_extend() - let threads go on until nobody can
 * @x: the explorer
 * @choose: who does an event at the end of the stack
 * @ctx: for @choose
 */
void explorer_extend(struct explorer *x, explorer_choose *choose, void *ctx);

/** explorer_finish() - count and report an execution in which nobody can go on any more */
void explorer_finish(struct explorer *x);

/** explorer_stay() - one of @threads: the one that ran last if it is among them */
static inline unsigned int explorer_stay(const struct explorer *x, u32 threads)
{
	if (x->depth && threads >> x->steps[x->depth - 1].thread & 1)
		return x->steps[x->depth - 1].thread;
	return __builtin_ctz(threads);
}

/** class_hash() - of the happens-before graph of the steps on the stack */
u64 class_hash(const struct explorer *x);

/*
 * happens.c: the relation between events.
 */

/* What the order of two accesses of one object by two threads means. */
enum relation {
	NOTHING,	/* they commute */
	RACE,		/* the second could have come first, with another result */
	ORDER,		/* it could not: the first made it possible */
	SWAP,		/* both take a lock: all that either does with it could have come first */
};

/* [kind of the earlier][kind of the later] */
extern const u8 explore_relations[NR_EXPLORE_KINDS][NR_EXPLORE_KINDS];

static inline bool same_object(u64 a, u64 b)
{
	if (a >> 32 == b >> 32)
		return (u32)a == (u32)b || (u32)a == EXPLORE_ALL || (u32)b == EXPLORE_ALL;
	return a == EXPLORE_EVERYTHING || b == EXPLORE_EVERYTHING;
}

/** events_relation() - the strongest relation of any access of @a to any of @b, which is later */
enum relation events_relation(const struct explore_event *a, const struct explore_event *b);

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

/*
 * history.c: finding steps on the stack without looking at all of them.
 */

/** event_marks() - bits of which two events have none in common unless they may depend on each other */
u64 event_marks(const struct explore_event *e);

/** history_push() - enter the step at depth x->depth, its event and thread filled in */
void history_push(struct explorer *x);

/** history_pop() - forget the steps from depth @keep on */
void history_pop(struct explorer *x, u32 keep);

/* A walk down the stack past the steps that an event may have to come after. */
struct history_walk {
	const struct explorer *x;
	const struct explore_event *event;
	u32 all;			/* steps left, if it is about any object; else 0 */
	u32 nr;
	struct history_cursor {
		u32 at;			/* the next access in a bucket of a thread */
		u8 thread;
		u8 which;		/* access of the event led there; EXPLORE_ACCESSES: any */
	} cursors[(2 * EXPLORE_ACCESSES + 2) * EXPLORE_THREADS];
};

/**
 * history_walk() - begin a walk at the step below @depth
 * @w: the walk
 * @x: the explorer
 * @e: the event, which need not be on the stack
 * @depth: where to begin
 * @threads: whose steps are looked for
 * @known: steps that are in here are left out
 */
void history_walk(struct history_walk *w, const struct explorer *x, const struct explore_event *e,
		  u32 depth, u32 threads, const struct vclock *known);

/* The half of history_next() for a walk that is not over yet. */
s64 history_go_on(struct history_walk *w, const struct vclock *known, enum relation *rel);

/**
 * history_next() - go on to the next step
 * @w: the walk
 * @known: as before, or later
 * @rel: set to the relation of that step to the event
 *
 * Return: its depth, or -1 if there is none.
 */
static inline s64 history_next(struct history_walk *w, const struct vclock *known,
			       enum relation *rel)
{
	return w->nr | w->all ? history_go_on(w, known, rel) : -1;
}

/** history_holders() - who has the lock @e asks for in a mode that is in its way, at @depth */
u32 history_holders(const struct explorer *x, const struct explore_event *e, u32 depth);

/** history_taken() - depth of the last step below @depth in which a thread took a lock; it did */
u32 history_taken(const struct explorer *x, u64 lock, unsigned int thread, u32 depth);

/** history_first() - depth of the first event of a thread at @depth or behind it; -1: none */
s64 history_first(const struct explorer *x, unsigned int thread, u32 depth);

/* The strategies. Each returns 0 or -ENOMEM. */
int explore_dpor(struct explorer *x);
int explore_naive(struct explorer *x);
int explore_preempt(struct explorer *x);
int explore_pct(struct explorer *x);
int explore_random(struct explorer *x);

#endif

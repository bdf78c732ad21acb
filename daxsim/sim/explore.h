/* SPDX-License-Identifier: MIT */
/*
 * Exploring the interleavings of a small concurrent program, statelessly: the
 * program is run again from its start for every one of them. What is explored is
 * behind an interface, so that the simulated kernel and a toy of ten lines are
 * explored by the same code.
 *
 * A program is a few threads. Each of them is always stopped before its next
 * event, which is one access to something shared, or a few at once, with all the
 * code behind it up to the next event. The first access follows from what the
 * thread has found out before; the others may hang on what that one finds. Two
 * executions are of one class if they order all dependent events alike; they do
 * the same, and one of them is enough to look at (Mazurkiewicz traces).
 */
#ifndef DAXSIM_EXPLORE_H
#define DAXSIM_EXPLORE_H

#include <signal.h>

#include "daxsim/sim/types.h"

#define EXPLORE_THREADS 16
#define EXPLORE_ACCESSES 8
#define EXPLORE_MAX_SLOTS 64		/* more are not used */
#define EXPLORE_MAX_DEPTH 64		/* of EXPLORE_PCT */
#define EXPLORE_MAX_EVENTS 4096		/* the default bound on the events of one thread */

/*
 * What an access does to its object. Taking a lock that another thread has is
 * not possible: such a thread is not enabled. WAIT lets a thread pass once nobody
 * has the lock, in any mode, and takes nothing.
 */
enum explore_kind {
	EXPLORE_NONE,
	EXPLORE_READ,
	EXPLORE_WRITE,
	EXPLORE_LOCK,
	EXPLORE_RLOCK,
	EXPLORE_UNLOCK,
	EXPLORE_RUNLOCK,
	EXPLORE_WAIT,
	NR_EXPLORE_KINDS
};

/** explore_asks() - whether an access may have to wait for its lock */
static inline bool explore_asks(u8 kind)
{
	return kind == EXPLORE_LOCK || kind == EXPLORE_RLOCK || kind == EXPLORE_WAIT;
}

#define EXPLORE_ALL UINT32_MAX	/* low half of an object: all objects with the same high half */
#define EXPLORE_EVERYTHING UINT64_MAX	/* an object that is all objects */

struct explore_event {
	u64 object[EXPLORE_ACCESSES];
	u8 kind[EXPLORE_ACCESSES];	/* enum explore_kind; the rest of the array is NONE */
};

/* Called in the thread that called explore(), but perhaps on another stack of 100 KiB or more. */
typedef bool explore_done(void *ctx, const struct explore_event *e);

/* The program. All functions are called in the thread that called explore(). */
struct explore_program {
	void *data;
	unsigned int nr_threads;

	/* Go back to the start, with every thread before its first event. */
	void (*reset)(void *data);

	/*
	 * The threads that can execute their next event now, bit per thread;
	 * @unfinished is set to those that have a next event at all.
	 */
	u32 (*enabled)(void *data, u32 *unfinished);

	/*
	 * What lock the next event of an unfinished thread asks for: that is its first access. It
	 * is asked of threads that are not enabled; further accesses are not looked at.
	 */
	void (*pending)(void *data, unsigned int thread, struct explore_event *e);

	/* Let an enabled thread execute its next event; @e is set to what it did access. */
	void (*step)(void *data, unsigned int thread, struct explore_event *e);

	/*
	 * The same, and more of them: after each event, with the next one pending, done() is
	 * told what it did access, and as long as it returns true the thread goes on. May be
	 * NULL; it is for programs to which a stop between two events costs something.
	 */
	void (*run)(void *data, unsigned int thread, explore_done *done, void *ctx);

	/*
	 * Save in one of @nr_slots places how far the program is, and put that back instead of
	 * resetting it. May be NULL. False: it cannot be done, here or anywhere else.
	 */
	u32 nr_slots;
	bool (*save)(void *data, u32 slot);
	void (*load)(void *data, u32 slot);
};

struct explore_result;

enum explore_strategy {
	EXPLORE_DPOR,		/* one execution of every class */
	EXPLORE_NAIVE,		/* every execution */
	EXPLORE_PREEMPT,	/* every execution with at most @bound preemptions, fewest first */
	EXPLORE_PCT,		/* random priorities, lowered at @bound - 1 random places */
	EXPLORE_RANDOM,		/* whoever is enabled, all with the same probability */
};

/* A complete execution: every thread has ended, or none can go on. */
struct explore_run {
	const u8 *schedule;	/* thread indices in the order of events */
	u32 len;
	u64 number;		/* of its class, from 1; 0 if that class was seen before */
	u64 class;		/* hash of its happens-before graph; DPOR: 0 unless asked for */
	u32 preemptions;	/* events before which an enabled thread was left */
	bool deadlock;		/* some thread can never go on */
	bool bounded;		/* some thread was stopped after max_events */
};

/*
 * What it takes to explore in several processes, made by fork(). The program's state and all that
 * visit() changes must be private to a process, and no thread but the caller may run.
 */
struct explore_ahead {
	volatile s32 *free;	/* processes that may still be made; shared by all of them */
	u64 worth;		/* executions of what was tried before, from which on to make one */
	size_t size;		/* bytes that pack() may leave */
	/* In a new process: tell apart what visits come to from now on. */
	void (*begin)(void *ctx);
	/* At its end: leave what they came to. False: it cannot be told. */
	bool (*pack)(void *ctx, void *to);
	/*
	 * Take that over, as if the visits had been made here now. False, and nothing happens, if
	 * they would not all have been made, or would not have come to the same.
	 */
	bool (*take)(void *ctx, const void *from);
};

struct explore_options {
	enum explore_strategy strategy;
	u32 bound;		/* EXPLORE_PREEMPT: preemptions; EXPLORE_PCT: depth, 1 to EXPLORE_MAX_DEPTH */
	u64 runs;		/* EXPLORE_PCT, EXPLORE_RANDOM */
	u64 seed;
	u64 most;		/* executions, after which it stops at the first complete one; 0: any number */
	u32 max_events;		/* of one thread in one execution; 0: EXPLORE_MAX_EVENTS */
	bool no_classes;	/* nobody asks which executions are of one class: each counts as its own */
	bool want_class;	/* fill in explore_run.class with EXPLORE_DPOR too */

	/* Called for each complete execution, at its end. May be NULL. False: stop. */
	bool (*visit)(void *ctx, const struct explore_run *run);
	/* Called every few thousand executions with what there is so far. May be NULL. False: stop. */
	bool (*progress)(void *ctx, const struct explore_result *so_far);
	void *ctx;
	const volatile sig_atomic_t *interrupted;	/* may be NULL */
	/* EXPLORE_DPOR: in several processes. The result is the same. May be NULL. */
	const struct explore_ahead *ahead;
};

struct explore_result {
	u64 classes;
	u64 executions;		/* those cut short included */
	u64 cut;		/* abandoned, because what they led to was explored already */
	u64 deadlocks;		/* classes that end in one */
	u64 bounded;		/* classes with a thread that was stopped after max_events */
	u64 steps;		/* events of all executions, whether or not these share them */
	double explored;	/* DPOR: about which part of all executions lies behind it, 0 to 1 */
	bool complete;		/* the guarantee holds; else somebody stopped it or a thread was bounded */
	bool uncounted;		/* there are more classes than could be counted */
	s64 diverged;		/* index of an event that a replay could not repeat; -1: none */
	char guarantee[64];	/* "all 35 classes", "PCT, 10000 runs, d=3" */
};

/**
 * explore() - run a program in many interleavings
 * @p: the program
 * @o: how, and whom to tell
 * @r: filled in
 *
 * The first execution leaves no thread as long as it can go on. Memory does not
 * depend on the number of executions and none is taken on the way.
 *
 * Return: 0; -ENOMEM; -EINVAL for too many threads or a bound or number of runs that
 * makes no sense; -EUCLEAN if a replay diverged: the program is not deterministic, or it
 * makes accesses that it does not tell of.
 */
int explore(const struct explore_program *p, const struct explore_options *o,
	    struct explore_result *r);

/**
 * explore_add() - one more access of an event; where there is no room, a coarser one
 * @e: the event; if it takes or drops a lock, that stays its first access
 * @object: any
 * @kind: EXPLORE_READ or EXPLORE_WRITE; EXPLORE_LOCK if the event takes a lock that is free for sure.
 *	If the last access is free still, also EXPLORE_UNLOCK or EXPLORE_RUNLOCK
 */
void explore_add(struct explore_event *e, u64 object, enum explore_kind kind);

/** explore_dependent() - whether the order of two events of different threads matters */
bool explore_dependent(const struct explore_event *a, const struct explore_event *b);

/**
 * explore_replay() - run one schedule
 * @p: the program
 * @schedule: thread indices
 * @len: how many
 *
 * Return: how many of the events could be executed in turn.
 */
u32 explore_replay(const struct explore_program *p, const u8 *schedule, u32 len);

#endif

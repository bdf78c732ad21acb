/* SPDX-License-Identifier: MIT */
/*
 * A task: one thread of execution inside the simulated kernel and the program
 * above it. A scenario's session is a task; so is a thread of a live program, which
 * is current while that thread is in the simulated kernel or may come into it.
 */
#ifndef DAXSIM_TASK_H
#define DAXSIM_TASK_H

#include <setjmp.h>

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/fiber.h"
#include "daxsim/sim/types.h"

struct mm;
struct sim;

enum task_state {
	TASK_IDLE,		/* has no work: every system call and fault has returned */
	TASK_READY,		/* can go on */
	TASK_BLOCKED,		/* waits for a lock */
};

/* Where a lock was taken; NULL is before the first of either. */
struct lock_site {
	const char *step;
	const char *function;
};

struct task {
	struct sim *sim;
	const char *name;
	const char *step;	/* of a scenario, which it is in; NULL: in none */
	const char *function;	/* the last place it marked, or NULL */
	u32 id;			/* index in its scheduler */
	u32 nr_pages;		/* that it put into page caches */
	union {
		struct {
			bool deterministic;	/* points go to the scheduler; false in live mode */
			bool jittered;		/* live: points go to sim->jitter */
		};
		u16 announces;		/* either: what point() looks at */
	};
	enum task_state state;
	struct mm *mm;		/* the process it belongs to */

	struct held_lock held[MAX_HELD];
	struct lock_site held_at[MAX_HELD];	/* of each in held */
	unsigned int nr_held;
	struct lock *at_lock;	/* at the points P_lock and P_unlock: which lock */
	enum lock_mode at_mode;	/* and how it is wanted, or was held */
	bool dropped;		/* a lock, and made no access since */
	struct lock *waiting;	/* the lock it is blocked on, or NULL */
	enum lock_mode wait_mode;

	u32 handle_depth;	/* open journal handles, each inside the one before */
	u32 handle_credits;	/* blocks that the outermost may still change */

	u64 min_flt;		/* as getrusage(2) counts them */
	u64 maj_flt;
	u64 pgfault;		/* vm events: every fault, and those that had to allocate */
	u64 pgmajfault;

	void (*work)(struct task *t, void *arg);
	void *arg;		/* of work; in live mode its thread's own */
	struct fiber fiber;
	u64 nr_points;		/* points passed since its work began */
	void *mmu;		/* what the MMU keeps for it */
	sigjmp_buf *bad_buffer;	/* live: where to go if its program's memory is not to be had */
};

/** task_count() - add to one of a task's own counters, which other threads may read meanwhile */
static inline void task_count(u64 *counter, s64 by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

/* The task that the calling thread runs, the kernel's current; NULL outside of a machine. */
extern _Thread_local struct task *current_task;
#define current current_task

/**
 * live_task_create() - make a task for a real thread
 * @sim: the machine; what sim->jitter is now holds for the task
 * @name: for people; kept, not copied
 * @mm: the process it belongs to
 *
 * Any number of them, from any thread, in a signal handler too. A thread becomes the task by
 * setting current_task; the scheduler knows nothing of it.
 *
 * Return: the task, or NULL without memory.
 */
struct task *live_task_create(struct sim *sim, const char *name, struct mm *mm);

/** live_task_free() - drop one that is no thread's current any more; NULL is fine */
void live_task_free(struct task *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The deterministic driver: one thread, one fiber per task, and nothing but
 * sched_run() decides who goes next. A task runs until its driver holds it at
 * a point, until it blocks on a lock, or until its work is done.
 */
#ifndef DAXSIM_SCHED_H
#define DAXSIM_SCHED_H

#include "daxsim/sim/point.h"
#include "daxsim/sim/task.h"

#define MAX_TASKS 16
#define FIBER_STACK (256 << 10)

struct sched {
	struct sim *sim;
	struct fiber main;		/* the driver's own stack */
	struct task *tasks[MAX_TASKS];
	unsigned int nr_tasks;
	unsigned int nr_blocked;	/* at most so many tasks wait for a lock */

	/* Asked at every point of a running task: must it stop here? NULL: never. */
	bool (*hold)(void *data, struct task *t, enum point_id id, enum point_kind kind,
		     u64 object);
	/* Told of accesses that have no point of their own: also(), and the watchers. May be NULL. */
	void (*note)(void *data, enum point_kind kind, u64 object);
	void *hold_data;		/* for both */
};

/**
 * sched_add_task() - make a task
 * @sim: its machine
 * @name: for people; kept, not copied
 * @mm: the process it belongs to
 *
 * Return: the idle task, or NULL when memory or MAX_TASKS is exhausted.
 */
struct task *sched_add_task(struct sim *sim, const char *name, struct mm *mm);

/**
 * sched_start() - give an idle task work
 * @t: the task
 * @work: runs on the task's fiber at the next sched_run()
 * @arg: handed to @work
 */
void sched_start(struct task *t, void (*work)(struct task *t, void *arg), void *arg);

/**
 * sched_run() - let a ready task go on until it stops
 * @t: a task in TASK_READY
 *
 * Return: TASK_READY if it is held at a point, TASK_BLOCKED if it waits for
 * t->waiting, TASK_IDLE if its work is done.
 */
enum task_state sched_run(struct task *t);

/** sched_block() - stop the current task until @lock may be had in @mode; may return early */
void sched_block(struct lock *lock, enum lock_mode mode);

/** sched_wake() - make the tasks that wait for @lock ready again if they can have it */
void sched_wake(struct sim *sim, struct lock *lock);

/**
 * sched_deadlocked() - whether a blocked task waits, through others, for itself
 * @t: a task in TASK_BLOCKED
 *
 * A lock whose holder is idle counts too: nothing is left that would drop it.
 * Return: whether @t can never go on.
 */
bool sched_deadlocked(const struct task *t);

/**
 * sched_wait_one() - what a blocked task waits for, and who has it
 * @sched: the scheduler
 * @t: a task in TASK_BLOCKED
 * @buf: where to, always terminated: "i_mmap_mutex(f), held by trunc"
 * @size: bytes of @buf
 */
void sched_wait_one(const struct sched *sched, const struct task *t, char *buf, size_t size);

/** sched_wait_graph() - the same for all blocked tasks: "a waits for ..., b waits for ..." */
void sched_wait_graph(const struct sched *sched, char *buf, size_t size);

/** sched_destroy() - free the fibers; tasks abandoned half way are just dropped */
void sched_destroy(struct sched *sched);

#endif

// SPDX-License-Identifier: MIT
/*
 * The deterministic scheduler. Fibers only ever switch between their driver's
 * stack and their own, so the driver, a script or an explorer, decides at every
 * stop who goes next and nothing else does.
 */
#include "daxsim/sim/sched.h"

#include <assert.h>
#include <stdio.h>

#include "daxsim/sim/sim.h"
#include "daxsim/sim/trace.h"

_Thread_local struct task *current_task;

static void task_main(void *arg)
{
	struct task *t = arg;

	t->work(t, t->arg);
	t->state = TASK_IDLE;
	for (;;)
		fiber_switch(&t->fiber, &t->sim->sched.main);
}

struct task *sched_add_task(struct sim *sim, const char *name, struct mm *mm)
{
	struct sched *sched = &sim->sched;
	struct task *t;

	if (sched->nr_tasks == MAX_TASKS)
		return NULL;
	t = arena_alloc(&sim->arena, sizeof(*t));
	if (!t || fiber_init(&t->fiber, FIBER_STACK))
		return NULL;
	t->sim = sim;
	t->name = name;
	t->id = sched->nr_tasks;
	t->deterministic = true;
	t->mm = mm;
	sched->tasks[sched->nr_tasks++] = t;
	return t;
}

void sched_start(struct task *t, void (*work)(struct task *t, void *arg), void *arg)
{
	assert(t->state == TASK_IDLE);
	t->work = work;
	t->arg = arg;
	t->state = TASK_READY;
	t->nr_points = 0;
	t->dropped = false;
	fiber_prepare(&t->fiber, task_main, t);
}

enum task_state sched_run(struct task *t)
{
	assert(t->state == TASK_READY);
	current_task = t;
	fiber_switch(&t->sim->sched.main, &t->fiber);
	current_task = NULL;
	return t->state;
}

void sched_point(struct task *t, enum point_id id, enum point_kind kind, u64 object)
{
	struct sched *sched = &t->sim->sched;

	if (sched->hold && sched->hold(sched->hold_data, t, id, kind, object))
		fiber_switch(&t->fiber, &sched->main);
	t->nr_points++;
	if (kind == P_MARK)
		t->function = point_table[id].name;
	else
		t->dropped = kind == P_UNLOCK;
	if (t->sim->trace)
		trace_point(t->sim->trace, t, id, kind, object);
}

void sched_also(struct task *t, enum point_kind kind, u64 object)
{
	const struct sched *sched = &t->sim->sched;

	assert(!t->dropped || kind != P_LOCK);
	if (t->dropped)
		sched_point(t, P_also, kind, object);
	else if (sched->note)
		sched->note(sched->hold_data, kind, object);
}

void sched_block(struct lock *lock, enum lock_mode mode)
{
	struct task *t = current;

	t->waiting = lock;
	t->wait_mode = mode;
	t->state = TASK_BLOCKED;
	t->sim->sched.nr_blocked++;
	fiber_switch(&t->fiber, &t->sim->sched.main);
	t->sim->sched.nr_blocked--;
	t->waiting = NULL;
}

void sched_wake(struct sim *sim, struct lock *lock)
{
	for (unsigned int i = 0; sim->sched.nr_blocked && i < sim->sched.nr_tasks; i++) {
		struct task *t = sim->sched.tasks[i];

		if (t->state == TASK_BLOCKED && t->waiting == lock &&
		    !lock_conflicts(lock, t->wait_mode))
			t->state = TASK_READY;
	}
}

/* Whether @t holds @lock in a mode that keeps @mode from being granted. */
static bool stands_in_the_way(const struct task *t, const struct lock *lock, enum lock_mode mode)
{
	for (unsigned int i = 0; i < t->nr_held; i++)
		if (t->held[i].lock == lock &&
		    (mode == LOCK_EXCLUSIVE || t->held[i].mode == LOCK_EXCLUSIVE))
			return true;
	return false;
}

static bool never_goes_on(const struct task *t, u32 visited)
{
	const struct sched *sched = &t->sim->sched;

	if (visited & 1U << t->id)
		return true;
	visited |= 1U << t->id;
	for (unsigned int i = 0; i < sched->nr_tasks; i++) {
		const struct task *h = sched->tasks[i];

		if (!stands_in_the_way(h, t->waiting, t->wait_mode))
			continue;
		if (h->state == TASK_IDLE || (h->state == TASK_BLOCKED && never_goes_on(h, visited)))
			return true;
	}
	return false;
}

bool sched_deadlocked(const struct task *t)
{
	return t->state == TASK_BLOCKED && never_goes_on(t, 0);
}

void sched_wait_one(const struct sched *sched, const struct task *t, char *buf, size_t size)
{
	const char *sep = ", held by ";
	size_t used = snprintf(buf, size, "%s(%s)", lock_class_table[t->waiting->class].name,
			       t->waiting->of);

	for (unsigned int i = 0; i < sched->nr_tasks && used < size; i++) {
		const struct task *h = sched->tasks[i];

		if (!stands_in_the_way(h, t->waiting, t->wait_mode))
			continue;
		used += snprintf(buf + used, size - used, "%s%s%s", sep, h->name,
				 h->state == TASK_IDLE ? " (which has returned)" : "");
		sep = " and ";
	}
	if (*sep == ',' && used < size)
		snprintf(buf + used, size - used, ", which no session holds: the file system is frozen");
}

void sched_wait_graph(const struct sched *sched, char *buf, size_t size)
{
	const char *sep = "";
	size_t used = 0;

	if (size)
		*buf = '\0';
	for (unsigned int i = 0; i < sched->nr_tasks && used < size; i++) {
		const struct task *t = sched->tasks[i];
		char one[160];

		if (t->state != TASK_BLOCKED)
			continue;
		sched_wait_one(sched, t, one, sizeof(one));
		used += snprintf(buf + used, size - used, "%s%s waits for %s", sep, t->name, one);
		sep = "; ";
	}
}

void sched_destroy(struct sched *sched)
{
	for (unsigned int i = 0; i < sched->nr_tasks; i++)
		fiber_destroy(&sched->tasks[i]->fiber);
	*sched = (struct sched){ 0 };
}

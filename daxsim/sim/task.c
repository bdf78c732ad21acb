// SPDX-License-Identifier: MIT
/* Tasks of live mode. */
#include "daxsim/sim/task.h"

#include "daxsim/sim/sim.h"

struct task *live_task_create(struct sim *sim, const char *name, struct mm *mm)
{
	struct task *t = arena_alloc(&sim->arena, sizeof(*t));

	if (!t)
		return NULL;
	t->sim = sim;
	t->name = name;
	t->id = sim_next_id(sim);
	t->jittered = sim->jitter;
	t->mm = mm;
	return t;
}

void live_task_free(struct task *t)
{
	if (t)
		arena_free(&t->sim->arena, t, sizeof(*t));
}

// SPDX-License-Identifier: MIT
/* Saving a machine's arena and device, and putting them back. */
#include "daxsim/sim/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/pmem/undo.h"

int snapshot_take(struct snapshot *s, struct sim *sim)
{
	int err;

	*s = (struct snapshot){
		.sim = sim, .arena = sim->arena, .sb = sim->sb, .next_id = sim->next_id,
		.bytes = malloc(sim->arena.used),
	};
	if (!s->bytes)
		return -ENOMEM;
	err = pmem_undo_begin(&sim->pmem);
	if (err) {
		free(s->bytes);
		return err;
	}
	arena_save(&sim->arena, s->bytes);
	return 0;
}

void snapshot_restore(struct snapshot *s)
{
	struct sim *sim = s->sim;
	struct fiber fibers[MAX_TASKS];

	/* Stacks are outside of the arena and go on as they are; so must what is known of them. */
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++)
		fibers[i] = sim->sched.tasks[i]->fiber;
	arena_restore(&sim->arena, &s->arena, s->bytes);
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++)
		sim->sched.tasks[i]->fiber = fibers[i];
	sim->sb = s->sb;
	sim->next_id = s->next_id;
	pmem_undo_rollback(&sim->pmem);
}

void snapshot_drop(struct snapshot *s)
{
	pmem_undo_end(&s->sim->pmem);
	free(s->bytes);
	s->bytes = NULL;
}

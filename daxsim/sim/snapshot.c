// SPDX-License-Identifier: MIT
/* Saving a machine's arena, device and stacks, and putting them back. */
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

/* The part of a task's stack that it needs to go on. */
struct stack_part {
	char *from;
	size_t size;
};

static struct stack_part stack_part(const struct task *t)
{
	size_t size = t->state == TASK_IDLE ? 0 : fiber_in_use(&t->fiber);

	return (struct stack_part){ (char *)t->fiber.stack + t->fiber.stack_size - size, size };
}

/* Bytes to save; 0 if a stack cannot be. */
static size_t checkpoint_size(const struct sim *sim)
{
	size_t size = sim->arena.used + pmem_undo_size(&sim->pmem);

	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++) {
		const struct task *t = sim->sched.tasks[i];
		size_t part = stack_part(t).size;

		if (t->state != TASK_IDLE && !part)
			return 0;
		size += part;
	}
	return size;
}

static bool make_room(struct checkpoint *c, size_t size)
{
	if (size <= c->room)
		return true;
	free(c->bytes);
	c->bytes = malloc(2 * size);
	c->room = c->bytes ? 2 * size : 0;
	return c->bytes;
}

bool checkpoint_save(struct checkpoint *c, struct sim *sim)
{
	size_t size = checkpoint_size(sim);
	char *to;

	if (!size || !make_room(c, size))
		return false;
	c->arena = sim->arena;
	c->sb = sim->sb;
	c->next_id = sim->next_id;
	to = c->bytes;
	arena_save(&sim->arena, to);
	to += sim->arena.used;
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++) {
		struct stack_part part = stack_part(sim->sched.tasks[i]);

		memcpy(to, part.from, part.size);
		to += part.size;
	}
	pmem_undo_save(&sim->pmem, to);
	return true;
}

void checkpoint_load(const struct checkpoint *c, struct sim *sim)
{
	const char *from = c->bytes;

	arena_restore(&sim->arena, &c->arena, from);
	from += c->arena.used;
	/* The tasks are those of then again, and so are their stack pointers. */
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++) {
		struct stack_part part = stack_part(sim->sched.tasks[i]);

		memcpy(part.from, from, part.size);
		from += part.size;
	}
	sim->sb = c->sb;
	sim->next_id = c->next_id;
	pmem_undo_load(&sim->pmem, from);
}

void checkpoint_drop(struct checkpoint *c)
{
	free(c->bytes);
	*c = (struct checkpoint){ 0 };
}

/* SPDX-License-Identifier: MIT */
/*
 * Going back: a machine at rest in the soft MMU is saved once and put back as
 * often as one likes. That is what makes an execution of a few microseconds.
 */
#ifndef DAXSIM_SNAPSHOT_H
#define DAXSIM_SNAPSHOT_H

#include "daxsim/sim/sim.h"

struct snapshot {
	struct sim *sim;
	char *bytes;			/* of the arena */
	struct arena arena;
	struct super_block *sb;
	u32 next_id;
};

/**
 * snapshot_take() - save a machine
 * @s: filled in
 * @sim: every task is idle; its MMU keeps all it has in the arena, as soft does
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot_take(struct snapshot *s, struct sim *sim);

/**
 * snapshot_restore() - put the machine back as it was saved
 * @s: the snapshot
 *
 * Tasks that are in the middle of something are abandoned and idle again.
 */
void snapshot_restore(struct snapshot *s);

/*
 * The same for a machine whose tasks are in the middle of something, for as long as
 * there is a snapshot of it: their stacks are saved too.
 */
struct checkpoint {
	char *bytes;			/* of the arena, of stacks and of changed blocks, in turn */
	size_t room;
	struct arena arena;
	struct super_block *sb;
	u32 next_id;
};

/**
 * checkpoint_save() - save a machine that has a snapshot
 * @c: filled in; all zero, or saved before, or dropped
 * @sim: the machine; no task is running
 *
 * Return: false if that cannot be done, without memory or because stacks cannot be copied.
 */
bool checkpoint_save(struct checkpoint *c, struct sim *sim);

/** checkpoint_load() - put the machine back as it was saved, any number of times */
void checkpoint_load(const struct checkpoint *c, struct sim *sim);

/** checkpoint_drop() - give back its memory */
void checkpoint_drop(struct checkpoint *c);

/** snapshot_drop() - forget it; the machine stays as it is */
void snapshot_drop(struct snapshot *s);

#endif

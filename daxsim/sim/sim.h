/* SPDX-License-Identifier: MIT */
/*
 * One simulated machine: a device, a file system on it, processes, sessions and
 * the watchers of the invariants. There is no global state; any number of
 * machines live side by side.
 */
#ifndef DAXSIM_SIM_H
#define DAXSIM_SIM_H

#include "backends/mmu/mmu.h"
#include "backends/pmem/pmem.h"
#include "daxsim/sim/arena.h"
#include "daxsim/sim/sched.h"

struct check;
struct lockdep;
struct super_block;
struct trace;

struct sim {
	struct arena arena;		/* everything of the simulated kernel */
	struct pmem pmem;
	struct super_block *sb;
	const struct mmu_ops *mmu;
	void *mmu_data;
	struct sched sched;
	struct check *check;		/* watches the invariants; NULL: nobody does */
	struct trace *trace;		/* records what happens; NULL: nobody does */
	struct lockdep *lockdep;	/* validates the order of locks; NULL: nobody does */
	/*
	 * Live mode: called at every point of tasks made from then on, to delay their threads so
	 * that narrow windows are met. Locks may be held, guards are not; t->arg is the caller's.
	 */
	void (*jitter)(struct task *t, enum point_id id);
	u32 fault_around;		/* pages that one fault may map; 0: just its own */
	u32 next_id;			/* numbers locks, inodes, processes and tasks: sim_next_id() */
};

/** sim_next_id() - a number that nothing else in the machine has */
static inline u32 sim_next_id(struct sim *sim)
{
	return __atomic_fetch_add(&sim->next_id, 1, __ATOMIC_RELAXED);
}

/**
 * sim_init() - make a machine: memory, device and MMU, no file system yet
 * @sim: the machine, contents ignored
 * @device_size: bytes, as pmem_create() wants them
 * @mmu: how pages get into page tables
 * @why: on failure, one line that says what is missing and what to do
 * @why_size: bytes of @why
 *
 * Return: 0 or a negative errno, with nothing left behind.
 */
int sim_init(struct sim *sim, u64 device_size, const struct mmu_ops *mmu, char *why,
	     size_t why_size);

/**
 * sim_init_live() - the same for a live machine
 * @mmu_data: what @mmu works on; set up by the caller, who keeps it
 *
 * Its device is unlike every other, and so is its label.
 */
int sim_init_live(struct sim *sim, u64 device_size, const struct mmu_ops *mmu, void *mmu_data,
		  char *why, size_t why_size);

/** sim_destroy() - drop a machine in whatever state it is; nothing stays stuck */
void sim_destroy(struct sim *sim);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Guards: what spinlocks are to the kernel. In deterministic mode nothing comes between two
 * points, so the simulated kernel changes its trees and counters there as it likes; in live mode
 * the same few lines stand between guard_lock() and guard_unlock(). A guard is never held across
 * a point() or while anything is waited for, and is no lock to lockdep and the explorers.
 *
 * Order: i_lock or tree_lock, then the arena's; all others are innermost.
 */
#ifndef DAXSIM_GUARD_H
#define DAXSIM_GUARD_H

#include "daxsim/sim/task.h"
#include "daxsim/sim/types.h"

/* All zero: free. */
struct guard {
	u32 word;
};

/* The live halves, in guard.c. */
void guard_take(struct guard *g);
void guard_drop(struct guard *g);

/**
 * guard_lock() - keep other threads out; nothing happens in a deterministic task
 *
 * Safe in a signal handler, unless the thread holds it where the signal came. The guard may lie
 * in memory that goes away once whoever holds it last has dropped it.
 */
static inline void guard_lock(struct guard *g)
{
	const struct task *t = current;

	if (!t || !t->deterministic)
		guard_take(g);
}

/** guard_unlock() - let them in again */
static inline void guard_unlock(struct guard *g)
{
	/* Free only if it was not taken either. */
	if (__atomic_load_n(&g->word, __ATOMIC_RELAXED))
		guard_drop(g);
}

#endif

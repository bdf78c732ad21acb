/* SPDX-License-Identifier: MIT */
/*
 * The live half of struct lock: a reader-writer lock of one word, on which real threads spin for
 * a moment and then sleep. A writer that waits keeps new readers out, so it comes in once those
 * that are inside have left. Without contention there is no system call, and nothing here does
 * what a signal handler may not.
 */
#ifndef DAXSIM_LOCK_LIVE_H
#define DAXSIM_LOCK_LIVE_H

#include "daxsim/kernel/lock.h"

#define LIVE_WRITER 0x80000000u		/* held exclusively */
#define LIVE_WANTED 0x40000000u		/* a writer waits: new readers wait behind it */
#define LIVE_SLEEPERS 0x20000000u	/* somebody sleeps: whoever leaves it free wakes all */
#define LIVE_READERS 0x1fffffffu	/* shared holders */

/* The slow halves. */
void live_wait_acquire(u32 *word, enum lock_mode mode);
void live_wake(u32 *word);

/** live_acquire() - take a lock; waits */
static inline void live_acquire(u32 *word, enum lock_mode mode)
{
	u32 was = __atomic_load_n(word, __ATOMIC_RELAXED);
	u32 want = mode == LOCK_EXCLUSIVE ? LIVE_WRITER : was + 1;

	if (was & (mode == LOCK_EXCLUSIVE ? ~0u : LIVE_WRITER | LIVE_WANTED) ||
	    !__atomic_compare_exchange_n(word, &was, want, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		live_wait_acquire(word, mode);
}

/** live_release() - drop it */
static inline void live_release(u32 *word, enum lock_mode mode)
{
	u32 left = __atomic_sub_fetch(word, mode == LOCK_EXCLUSIVE ? LIVE_WRITER : 1,
				      __ATOMIC_SEQ_CST);

	if (unlikely((left & (LIVE_SLEEPERS | LIVE_READERS)) == LIVE_SLEEPERS))
		live_wake(word);
}

/** live_wait() - wait until nobody holds it in a way that conflicts with @mode; takes nothing */
void live_wait(u32 *word, enum lock_mode mode);

#endif

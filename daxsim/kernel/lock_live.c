// SPDX-License-Identifier: MIT
/*
 * Waiting for locks in live mode. Whoever goes to sleep says so in the word first, by the same
 * compare-and-exchange that finds the lock taken; so the holder cannot leave in between unseen.
 */
#include "daxsim/kernel/lock_live.h"

#include "daxsim/sim/futex.h"

void live_wake(u32 *word)
{
	__atomic_fetch_and(word, ~LIVE_SLEEPERS, __ATOMIC_RELAXED);
	futex_wake(word, INT_MAX);
}

/* Spin for a while, then sleep, while @word is @value. @flags are set in it before that. */
static void pause_on(u32 *word, u32 value, u32 flags, unsigned int *spins)
{
	if ((*spins)++ < SPINS) {
		cpu_relax();
		return;
	}
	flags |= LIVE_SLEEPERS;
	if ((value & flags) == flags ||
	    __atomic_compare_exchange_n(word, &value, value | flags, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		futex_wait(word, value | flags);
}

void live_wait_acquire(u32 *word, enum lock_mode mode)
{
	bool write = mode == LOCK_EXCLUSIVE;
	u32 conflicts = LIVE_WRITER | (write ? LIVE_READERS : LIVE_WANTED);
	unsigned int spins = 0;

	for (;;) {
		u32 was = __atomic_load_n(word, __ATOMIC_RELAXED);
		/* Other writers that wait say so again. */
		u32 want = write ? (was & ~LIVE_WANTED) | LIVE_WRITER : was + 1;

		if (was & conflicts)
			pause_on(word, was, write ? LIVE_WANTED : 0, &spins);
		else if (__atomic_compare_exchange_n(word, &was, want, true, __ATOMIC_SEQ_CST,
						     __ATOMIC_RELAXED))
			return;
	}
}

void live_wait(u32 *word, enum lock_mode mode)
{
	u32 conflicts = LIVE_WRITER | (mode == LOCK_EXCLUSIVE ? LIVE_READERS : 0);
	unsigned int spins = 0;
	u32 was;

	while ((was = __atomic_load_n(word, __ATOMIC_SEQ_CST)) & conflicts)
		pause_on(word, was, 0, &spins);
}

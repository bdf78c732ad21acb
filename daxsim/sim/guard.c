// SPDX-License-Identifier: MIT
/* Guards in live mode: mutexes of one word. */
#include "daxsim/sim/guard.h"

#include "daxsim/sim/futex.h"

enum {
	FREE,
	HELD,
	HELD_SLEEPERS,	/* somebody may sleep: whoever drops it wakes one */
};

static bool try_take(struct guard *g)
{
	u32 was = FREE;

	return __atomic_compare_exchange_n(&g->word, &was, HELD, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static noinline void take_slowly(struct guard *g)
{
	for (int i = 0; i < SPINS; i++) {
		cpu_relax();
		if (__atomic_load_n(&g->word, __ATOMIC_RELAXED) == FREE && try_take(g))
			return;
	}
	/* Once woken there may be others asleep, so it is taken as if there were. */
	while (__atomic_exchange_n(&g->word, HELD_SLEEPERS, __ATOMIC_ACQUIRE) != FREE)
		futex_wait(&g->word, HELD_SLEEPERS);
}

void guard_take(struct guard *g)
{
	if (unlikely(!try_take(g)))
		take_slowly(g);
}

void guard_drop(struct guard *g)
{
	if (unlikely(__atomic_exchange_n(&g->word, FREE, __ATOMIC_RELEASE) == HELD_SLEEPERS))
		futex_wake(&g->word, 1);
}

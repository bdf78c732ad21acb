/* SPDX-License-Identifier: MIT */
/* Vector clocks of a fixed number of threads: how many events of each one happen before. */
#ifndef DAXSIM_VCLOCK_H
#define DAXSIM_VCLOCK_H

#include "daxsim/sim/types.h"

#define VCLOCK_THREADS 16
#define VCLOCK_MAX INT16_MAX

/* Two vector registers. Signed, because that is what all of them can compare. */
struct vclock {
	_Alignas(16) s16 of[VCLOCK_THREADS];
};

/** vclock_join() - make @a the later of both, by thread */
static inline void vclock_join(struct vclock *a, const struct vclock *b)
{
	for (int i = 0; i < VCLOCK_THREADS; i++)
		a->of[i] = max_t(s16, a->of[i], b->of[i]);
}

#endif

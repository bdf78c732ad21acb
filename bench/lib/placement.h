/* SPDX-License-Identifier: MIT */
/* Which thread runs on which CPU: it matters more than anything else to a hand-off. */
#ifndef DAXSIM_BENCH_PLACEMENT_H
#define DAXSIM_BENCH_PLACEMENT_H

#include <sched.h>

#include "daxsim/sim/types.h"

struct placement {
	const char *name, *what;
	bool two_cpus;
};

/* Ends with a NULL name; the first one is what is usual. */
extern const struct placement placement_table[];

/** placement_find() - by name; NULL if there is none such */
const struct placement *placement_find(const char *name);

/**
 * placement_take() - bind the calling thread to the CPU that it is on
 * @p: the placement
 * @own: set to that CPU
 * @other: set to the one for the threads at the other end of a hand-off
 *
 * Return: 0, -ENODEV if that would take a CPU more, or what the system said.
 */
int placement_take(const struct placement *p, int *own, int *other);

/** placement_bind() - bind a thread to one CPU. Return: 0 or a negative errno */
int placement_bind(pid_t tid, int cpu);

#endif

/* SPDX-License-Identifier: MIT */
/* Threads that do something at the same time, and how long that takes. */
#ifndef DAXSIM_BENCH_CREW_H
#define DAXSIM_BENCH_CREW_H

#include "daxsim/sim/types.h"

#define MAX_CREW 64

/**
 * crew_time() - run a function in several threads at a time
 * @nr: threads, MAX_CREW at most
 * @cpus: where they run: thread i on cpus[i % nr_cpus]
 * @nr_cpus: how many there are
 * @work: the function; index is that of the thread
 * @arg: for it
 *
 * Return: nanoseconds from the first start to the last end. Ends the program if it cannot.
 */
u64 crew_time(unsigned int nr, const int *cpus, unsigned int nr_cpus,
	      void (*work)(void *arg, unsigned int index), void *arg);

#endif

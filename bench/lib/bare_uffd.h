/* SPDX-License-Identifier: MIT */
/*
 * Bare userfaultfd round trips, the least that a page fault handled by another
 * thread can cost: a thread in a blocking read(2), the ioctls that resolve the
 * fault, and nothing else. The yardstick for the simulator's MMU.
 */
#ifndef DAXSIM_BENCH_BARE_UFFD_H
#define DAXSIM_BENCH_BARE_UFFD_H

#include "daxsim/sim/types.h"

/* What happens to a page that is touched. */
enum bare_trip {
	BARE_HANDOFF,		/* no fault: wake another thread and be woken */
	BARE_COPY_WP,		/* load from a hole */
	BARE_RETARGET,		/* store to a hole: put a page of the device there */
	BARE_RETARGET_WP,	/* the same for a hole that has a write-protected page of zeroes */
	BARE_CONTINUE,		/* load from a page that the device has */
	BARE_CONTINUE_WRITE,	/* store to it */
	BARE_UNPROTECT,		/* store to it when it is mapped write-protected */
	NR_BARE_TRIPS
};

struct bare;

/**
 * bare_open() - start the threads
 * @nr_pages: that can be touched
 * @cpu: where the threads run that answer; the caller is the one that faults
 * @why: on failure, one line
 * @size: bytes of @why
 *
 * Return: the whole, or NULL.
 */
struct bare *bare_open(u64 nr_pages, int cpu, char *why, size_t size);

/** bare_close() - end the threads and free everything */
void bare_close(struct bare *b);

/** bare_name() - the calls of a round trip, for people */
const char *bare_name(enum bare_trip trip);

/** bare_begin() - make every page ready for one round trip. Return: 0 or a negative errno */
int bare_begin(struct bare *b, enum bare_trip trip);

/**
 * bare_touch() - touch pages, and note what each took
 * @b: after bare_begin()
 * @first: page
 * @nr: pages
 * @ns: set to @nr samples
 *
 * Each page can be touched once after each bare_begin(). Ends the program if a
 * fault cannot be resolved.
 */
void bare_touch(struct bare *b, u64 first, u64 nr, u64 *ns);

#endif

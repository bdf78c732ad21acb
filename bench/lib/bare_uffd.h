/* SPDX-License-Identifier: MIT */
/*
 * Bare userfaultfd round trips, the least that a page fault can cost which user space
 * resolves: the ioctls and nothing else, after a blocking read(2) in another thread, or
 * in a SIGBUS handler of the thread that faults. The yardstick for the simulator.
 */
#ifndef DAXSIM_BENCH_BARE_UFFD_H
#define DAXSIM_BENCH_BARE_UFFD_H

#include "daxsim/sim/types.h"

/* Who resolves faults. */
enum bare_engine {
	BARE_THREAD,		/* a thread */
	BARE_INLINE,		/* the one that faults: UFFD_FEATURE_SIGBUS */
};

/* What happens to a page that is touched. */
enum bare_trip {
	BARE_HANDOFF,		/* no fault: wake another thread and be woken */
	BARE_NATIVE,		/* store to a page that the file has, and no fault is reported */
	BARE_COPY_WP,		/* load from a hole */
	BARE_RETARGET,		/* store to a hole: put a new page of the device there */
	BARE_RETARGET_WP,	/* the same for a hole that has a write-protected page of zeroes */
	BARE_CONTINUE,		/* load from a page that the device has */
	BARE_CONTINUE_WRITE,	/* store to it */
	BARE_CONTINUE_ALONE,	/* no fault: the ioctl */
	BARE_UNPROTECT,		/* store to a page of the device that is mapped write-protected */
	NR_BARE_TRIPS
};

struct bare;

/**
 * bare_open() - get a userfaultfd, and start the threads that answer
 * @engine: who resolves faults
 * @nr_pages: that can be touched
 * @cpu: where the threads run that answer; the caller is the one that faults
 * @why: on failure, one line
 * @size: bytes of @why
 *
 * Return: the whole, or NULL.
 */
struct bare *bare_open(enum bare_engine engine, u64 nr_pages, int cpu, char *why, size_t size);

/** bare_close() - end the threads and free everything */
void bare_close(struct bare *b);

/** bare_name() - the calls of a round trip, for people */
const char *bare_name(enum bare_trip trip);

/** bare_begin() - make every page ready for one round trip. Return: 0 or a negative errno */
int bare_begin(struct bare *b, enum bare_trip trip);

/** bare_set_window() - have a fault resolved for @nr pages at a time, from the one touched */
void bare_set_window(struct bare *b, u64 nr);

/**
 * bare_enter() - let bare round trips have SIGBUS of this process until bare_leave()
 *
 * Does nothing for BARE_THREAD. Whoever has SIGBUS otherwise does not get to see it then.
 */
void bare_enter(struct bare *b);

/** bare_leave() - give SIGBUS back; no thread is in bare_touch() */
void bare_leave(struct bare *b);

/**
 * bare_touch() - touch pages, and note what each took
 * @b: after bare_begin() and bare_enter()
 * @first: page
 * @nr: pages
 * @ns: set to @nr samples, or NULL
 *
 * Each page can be touched once after each bare_begin(), several threads can do so at a
 * time. Ends the program if a fault cannot be resolved.
 */
void bare_touch(struct bare *b, u64 first, u64 nr, u64 *ns);

#endif

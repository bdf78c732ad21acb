/* SPDX-License-Identifier: MIT */
/*
 * A simulated machine for measuring: real page tables, one process with one
 * session, and one mapped file whose pages are all in the same state.
 */
#ifndef DAXSIM_BENCH_TOUCH_MACHINE_H
#define DAXSIM_BENCH_TOUCH_MACHINE_H

#include "bench/lib/contest.h"
#include "bench/lib/phases.h"
#include "daxsim/sim/sim.h"

struct fs_ops;

struct touch_machine {
	struct sim sim;
	struct touch touch;
	u64 nr_pages;		/* to touch; one more is mapped, for warming up */
	struct task *task;
	u64 addr;		/* of the mapping */
	const char *failed;	/* what the session could not do, or NULL */
	int error;		/* negative errno that belongs to it, or 0 */

	/* The request that the session is given. */
	u64 first, nr;		/* pages */
	u64 *ns;		/* a sample for each; unused with phases */
	struct phases phases;
	u64 *phase_ns[NR_PHASES];
};

/**
 * touch_machine_open() - make the machine, the file, and the session's thread
 * @m: contents ignored
 * @fs: the file system, under the kernel v11
 * @how: the state of the pages
 * @nr_pages: that can be touched, each once
 * @cpu: for the session's thread; the simulated kernel is where the caller is
 * @why: on failure, one line
 * @size: bytes of @why
 *
 * Return: 0; -ENODATA if the file system has no such pages; or a negative errno,
 * in all cases with nothing left behind.
 */
int touch_machine_open(struct touch_machine *m, const struct fs_ops *fs, const struct touch *how,
		       u64 nr_pages, int cpu, char *why, size_t size);

/** touch_machine_close() - drop it */
void touch_machine_close(struct touch_machine *m);

/**
 * touch_machine_time() - touch pages, and note what each took
 * @m: the machine
 * @first: page
 * @nr: pages
 * @ns: set to @nr samples
 *
 * Return: 0 or a negative errno, with m->failed set.
 */
int touch_machine_time(struct touch_machine *m, u64 first, u64 nr, u64 *ns);

/**
 * touch_machine_dissect() - touch all pages, and note how long each was in every phase
 * @m: the machine
 * @ns: room for NR_PHASES times nr_pages samples
 *
 * m->phases then tells what time stamps cost. Return: 0 or a negative errno, with
 * m->failed set.
 */
int touch_machine_dissect(struct touch_machine *m, u64 *ns);

/** touch_machine_faults() - page faults of the session so far */
static inline u64 touch_machine_faults(const struct touch_machine *m)
{
	return m->task->min_flt + m->task->maj_flt;
}

#endif

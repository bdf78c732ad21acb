/* SPDX-License-Identifier: MIT */
/*
 * Stress: threads that do everything at once to a few files on a small device that is nearly
 * full, so that a block which one file gives up is another's a moment later. Every 8 bytes of
 * every file say to which file they belong, where in it, and when they were stored; a shadow
 * knows what they may be at any time. See shadow.h for how.
 */
#ifndef DAXSIM_STRESS_H
#define DAXSIM_STRESS_H

#include <signal.h>
#include <stdio.h>

#include "daxsim/daxsim.h"
#include "daxsim/sim/types.h"

#define STRESS_MAX_THREADS 64

/* What the threads do: enumerator, name, how often, whether it takes fallocate(2) */
#define STRESS_OP_TABLE(O)                                                                         \
	O(LOAD, "load", 24, false)                                                                 \
	O(STORE, "store", 24, false)                                                               \
	O(READ, "pread", 8, false)                                                                 \
	O(WRITE, "pwrite", 8, false)                                                               \
	O(TRUNCATE, "truncate", 4, false)                                                          \
	O(PUNCH, "punch", 4, true)                                                                 \
	O(ZERO, "zero", 2, true)                                                                   \
	O(FALLOCATE, "fallocate", 2, true)                                                         \
	O(PRIVATE, "private", 6, false)                                                            \
	O(REUSE, "reuse", 6, false)                                                                \
	O(REMAP, "remap", 2, false)                                                                \
	O(POPULATE, "populate", 2, false)                                                          \
	O(SYNC, "sync", 1, false)                                                                  \
	O(STAT, "stat", 2, false)

enum stress_op {
#define STRESS_ENUM(id, name, weight, falloc) STRESS_##id,
	STRESS_OP_TABLE(STRESS_ENUM)
#undef STRESS_ENUM
	NR_STRESS_OPS
};

extern const char *const stress_op_names[NR_STRESS_OPS];

struct stress_options {
	const char *fs;			/* "ext4@4.7", as in struct daxsim_options */
	enum daxsim_engine engine;
	unsigned int threads;		/* 1 to STRESS_MAX_THREADS */
	u64 size;			/* of the device, bytes; 0: stress_min_size() */
	u64 seed;
	u64 milliseconds;		/* for how long; 0: until @ops are done */
	u64 ops;			/* of each thread; 0: until the time is over */
	u64 check_every;		/* milliseconds from one look at everything to the next */
	FILE *progress;			/* where a line about it goes; NULL: nowhere */
	const volatile sig_atomic_t *interrupted;	/* stop when it is set; NULL: never */
	/* Called when everybody rests, before everything is looked at; NULL: nobody is. */
	void (*at_rest)(void *ctx, struct daxsim *d);
	void *ctx;
};

struct stress_result {
	u64 ops[NR_STRESS_OPS];
	u64 cells;		/* of 8 bytes, whose contents were judged */
	u64 signals;		/* SIGBUS past the end of a file */
	u64 no_space;		/* SIGBUS and -ENOSPC for want of a block */
	u64 checks;		/* times that everything was looked at */
	u64 milliseconds;
	u64 violations;
	char *report;		/* the first of them, and what led there; "" if there is none */
	struct daxsim_statistics statistics;
	bool interrupted;
	bool stuck;		/* threads hang in the kernel, and stay there with the device */
};

/** stress_min_size() - bytes that the device should have for so many threads */
u64 stress_min_size(unsigned int threads);

/**
 * stress() - mount a device, and stress it until the time is over or something is wrong
 * @o: what to do
 * @r: set; for stress_free()
 *
 * SIGBUS and SIGSEGV are its own from the first call on, as long as the process lives.
 *
 * Return: 0 if it was done, whatever came of it; or a negative errno and daxsim_error() if the
 * device could not be mounted.
 */
int stress(const struct stress_options *o, struct stress_result *r);

/** stress_free() - drop what a result holds */
void stress_free(struct stress_result *r);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The library as a side of a contest: a mounted device, and a mapped file whose pages are
 * all in the state that a case asks for.
 */
#ifndef DAXSIM_BENCH_LIVE_SIDE_H
#define DAXSIM_BENCH_LIVE_SIDE_H

#include "bench/lib/contest.h"
#include "daxsim/daxsim.h"

struct live {
	struct daxsim *d;
	const char *name;
	unsigned int fault_around;
	unsigned int nr_files;		/* made so far */
	struct daxsim_file *file;	/* mapped at the moment */
	const struct fault_case *what;
	char *addr;
	u64 nr_pages;			/* one more is mapped, for warming up */
	u64 nr_filled;			/* pages of the written file that are as they should */
	u64 nr_wrong;			/* loads of wrong bytes, since live_begin() */
	u64 faults;			/* of the device, at live_begin() */
};

/**
 * live_open() - mount a device
 * @l: contents ignored
 * @name: for people
 * @o: what to mount
 *
 * Ends the program if it cannot: without userfaultfd there is nothing to measure.
 */
void live_open(struct live *l, const char *name, const struct daxsim_options *o);

/** live_close() - check the file system, and unmount; ends the program if it is inconsistent */
void live_close(struct live *l);

/**
 * live_begin() - map a file whose pages are as @c wants them, and none is in page tables
 * @l: the device
 * @c: the case
 * @nr_pages: of the file
 *
 * Blocks of holes that are filled are such as nothing was ever on; those of unwritten pages
 * were in use before, so that there is something to zero. Return: 0 or a negative errno.
 */
int live_begin(struct live *l, const struct fault_case *c, u64 nr_pages);

/** live_touch() - touch pages, and note what each took, unless @ns is NULL */
void live_touch(struct live *l, u64 first, u64 nr, u64 *ns);

/**
 * live_end() - unmap and close the file
 *
 * Return: 0; -EILSEQ if bytes were wrong, in the mapping or in the file; -ERANGE if there was
 * not one fault for each page, with a fault_around of 1.
 */
int live_end(struct live *l);

/** live_side() - these, as a side */
struct side live_side(struct live *l);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Finding accesses that are not announced, whatever they lead to. What a thread of a program does
 * next must follow from what happened before its last event: from that thread's events, from those
 * they depend on, and so on. Where two executions agree on all of that and the thread goes on
 * differently, it has found out something else by an access that it did not tell of.
 *
 * Here a program is explored with every event looked at, in executions that need not differ in
 * what depends on each other. That is noticed with the first event that differs, where a
 * comparison of what executions come to needs an outcome that only exists because of it.
 */
#ifndef TESTS_DETERMINED_H
#define TESTS_DETERMINED_H

#include <bsd/sys/tree.h>

#include "daxsim/sim/explore.h"

/* What an event did, and what its thread is to do next. */
struct determined_event {
	struct explore_event event;
	u64 came_to;
	u64 next_object;
	u8 next_kind;		/* NONE: the thread has ended, or what comes is hidden */
};

struct determined_past;
struct determined_step;
RB_HEAD(determined_tree, determined_past);

struct determined {
	/* What is explored. Neither run() nor save() and load() are used. */
	struct explore_program program;
	/* Anything else that events add to, and that must follow as well. May be NULL. */
	u64 (*sum)(void *data);

	/* What came of it. */
	u64 events;		/* that were looked at, without those known from the execution before */
	u64 pasts;		/* distinct ones that something followed from */
	u64 surprises;		/* things that did not follow from the past */
	char first[1000];	/* what is to be said of the first of them, for people */

	/* The execution at hand. */
	struct determined_step *steps;
	u32 depth, room;
	u32 known;		/* steps of the one before that lie there still */
	struct determined_tree seen;
};

/**
 * determined_program() - a program that does what d->program does, and looks at each event
 * @d: program and sum set, all else zero; must not move. determined_free() it
 */
struct explore_program determined_program(struct determined *d);

/**
 * determined_end() - say what an execution came to
 * @d: the execution at hand has ended
 * @class: of the execution
 * @end: what must be the same for all executions of the class
 */
void determined_end(struct determined *d, u64 class, u64 end);

/** determined_free() - free what it takes to remember pasts */
void determined_free(struct determined *d);

#endif

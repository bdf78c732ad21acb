/* SPDX-License-Identifier: MIT */
/* Turning races round. */
#ifndef DAXSIM_REVERSAL_H
#define DAXSIM_REVERSAL_H

#include "daxsim/sim/explorer.h"

/* An event that races with some before it: pending, or the last on the stack. */
struct late_event {
	unsigned int thread;
	const struct explore_event *event;
	u32 depth;		/* steps before it */
	u32 last;		/* 1 + depth of its thread's event before it; 0: none */
	bool pending;		/* nobody knows what it does once it has its lock */
};

/* Some execution must go on like this. */
struct reversal {
	u32 depth;	/* behind so many steps of the stack */
	u32 initials;	/* with one of these threads */
	u32 pick;	/* of them, whom to try */
};

/**
 * race_reversal() - how to have an event come before a step that it races with
 * @x: the explorer
 * @late: the event
 * @race: depth of the step
 * @r: filled in
 *
 * If somebody keeps the lock that the event asks for, it must come before that was taken, too,
 * wherever that is.
 *
 * Return: false if it cannot: its own thread has come after that already.
 */
bool race_reversal(const struct explorer *x, const struct late_event *late, u32 race,
		   struct reversal *r);

/**
 * sleeper_reversal() - how to have the last step come before what a thread would have done
 * @x: the explorer
 * @late: the last step on the stack
 * @thread: another one
 * @e: what that would have done at @depth, if it had gone on there; it races with @late
 * @depth: below that of @late
 * @r: filled in
 *
 * Return: false if it cannot: it has come after some step from @depth on which depends on @e.
 */
bool sleeper_reversal(const struct explorer *x, const struct late_event *late, unsigned int thread,
		      const struct explore_event *e, u32 depth, struct reversal *r);

#endif

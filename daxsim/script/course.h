/* SPDX-License-Identifier: MIT */
/*
 * The course of an execution as a running hash: which session accessed what, what
 * commands came to, and the state of the machine wherever the schedule goes over to
 * another session. Exploration, its replays in the soft MMU and those on real page
 * tables are the same execution only if they agree at each of these places.
 */
#ifndef DAXSIM_COURSE_H
#define DAXSIM_COURSE_H

#include "daxsim/sim/trace.h"

struct sim;

struct course {
	u64 hash;
	size_t read;	/* events of the trace that are in it */
};

/**
 * course_add() - take in what happened since the last call, and the state it led to
 * @c: the course; all zero at first
 * @tr: the trace; of it the accesses of sessions count
 * @sim: the machine
 * @results: outcome_hash() of the commands that sessions have completed, added up
 *
 * Return: the hash, which is never 0.
 */
u64 course_add(struct course *c, const struct trace *tr, struct sim *sim, u64 results);

#endif

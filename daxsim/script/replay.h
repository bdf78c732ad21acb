/* SPDX-License-Identifier: MIT */
/* Schedules in the words that --schedule and schedule { } read. */
#ifndef DAXSIM_REPLAY_H
#define DAXSIM_REPLAY_H

#include <stdio.h>

#include "daxsim/script/scenario.h"
#include "daxsim/sim/sched.h"
#include "daxsim/sim/trace.h"

/** schedule_print() - a schedule as it was given */
void schedule_print(const struct schedule *schedule, FILE *to);

/**
 * trace_print_schedule() - the schedule of an execution, by points
 * @tr: its trace; it ran by points or by counts, and nobody had to wait
 * @nr: up to the step that event @nr - 1 is part of; tr->nr: all of it
 * @to: where "store@dax_insert_mapping shrink grab store" goes
 */
void trace_print_schedule(const struct trace *tr, size_t nr, FILE *to);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef DAXSIM_WITNESS_H
#define DAXSIM_WITNESS_H

#include "daxsim/script/run.h"

/**
 * find_lock_witness() - a schedule that shows a cycle of locks in a single execution
 * @v: a verdict whose exploration found a cycle
 *
 * Tries the sessions one after the other, in both orders, and the execution that closed the
 * cycle. Return: the schedule, to free(); NULL if none of these shows a cycle.
 */
struct schedule *find_lock_witness(const struct verdict *v);

#endif

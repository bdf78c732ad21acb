/* SPDX-License-Identifier: MIT */
/* Loads and stores that survive a signal. */
#ifndef DAXSIM_STRESS_TOUCH_H
#define DAXSIM_STRESS_TOUCH_H

#include "daxsim/sim/types.h"

/** touch_init() - take over SIGBUS and SIGSEGV, before any device is mounted */
void touch_init(void);

/**
 * touch_load(), touch_store() - one cell of a mapping
 * @p: its address
 *
 * Return: 0, or the signal that it brought.
 */
int touch_load(const u64 *p, u64 *value);
int touch_store(u64 *p, u64 value);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The hunt: mixes of sessions, explored on every file system and kernel version
 * without being told where to look.
 */
#ifndef DAXSIM_HUNT_H
#define DAXSIM_HUNT_H

#include <stdio.h>

#include "daxsim/script/explore_scenario.h"

struct fs_ops;

/**
 * hunt_fs() - explore one scenario's sessions on a file system, and print its row
 * @s: the scenario; its fs lines and schedules do not count
 * @fs: the file system
 * @limits: of each exploration
 * @to: where a row of the table goes, in Markdown
 * @errors: where a message goes
 *
 * The kernels are v10, v11 without each patch that the file system needs, v11 and the latest
 * profile. Return: 0, -EINTR, or another negative errno with a message.
 */
int hunt_fs(const struct scenario *s, const struct fs_ops *fs, const struct explore_limits *limits,
	    FILE *to, FILE *errors);

/** hunt_header() - the head of the table */
void hunt_header(FILE *to);

#endif

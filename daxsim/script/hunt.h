/* SPDX-License-Identifier: MIT */
/*
 * The hunt: mixes of sessions, explored on every file system and kernel version
 * without being told where to look.
 */
#ifndef DAXSIM_HUNT_H
#define DAXSIM_HUNT_H

#include <stdio.h>

#include "daxsim/script/explore_scenario.h"

/**
 * hunt() - explore one scenario's sessions on all file systems, and print its rows
 * @s: the scenario; its fs lines and schedules do not count
 * @limits: of each exploration
 * @to: where a row of the table for each file system goes, in Markdown
 *
 * The kernels are v10, v11 without each patch that the file system needs, v11
 * and the latest profile. Return: 0, -EINTR, or another negative errno with a message on stderr.
 */
int hunt(struct scenario *s, const struct explore_limits *limits, FILE *to);

/** hunt_header() - the head of the table */
void hunt_header(FILE *to);

#endif

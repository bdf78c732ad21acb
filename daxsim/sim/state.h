/* SPDX-License-Identifier: MIT */
/* The state of a machine at rest, as text that two machines can be compared by. */
#ifndef DAXSIM_STATE_H
#define DAXSIM_STATE_H

#include <stdio.h>

#include "daxsim/sim/types.h"

struct sim;

/**
 * state_print() - write down all that the file system and page tables hold
 * @sim: the machine, with no task inside the kernel
 * @to: where to
 *
 * Files with size, blocks, extents and a hash of their bytes; free space; every
 * mapping with its PTEs; locks still held. No addresses: two MMUs that did the
 * same write the same.
 */
void state_print(struct sim *sim, FILE *to);

/**
 * state_hash() - one number for what programs could tell of a machine at rest
 * @sim: the machine
 *
 * Files with size, blocks and bytes, and which pages are mapped how. Where on the
 * device a block lies is no part of it.
 */
u64 state_hash(struct sim *sim);

/**
 * state_audit() - compare the MMU's page tables with the kernel's idea of them
 * @sim: the machine
 * @why: one line about the first difference
 * @size: bytes of @why
 *
 * Return: 0 or -EUCLEAN.
 */
int state_audit(struct sim *sim, char *why, size_t size);

/**
 * state_fsck() - check file system and page tables of a machine at rest
 * @sim: the machine
 * @why: one line about the first thing that is wrong
 * @size: bytes of @why
 *
 * Blocks past the end of a file count as wrong, which kernels before 4.7 may leave behind.
 * Return: 0, -EUCLEAN, or -ENOMEM.
 */
int state_fsck(struct sim *sim, char *why, size_t size);

#endif

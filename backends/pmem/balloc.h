/* SPDX-License-Identifier: MIT */
/*
 * The free space of a pmem device: which blocks no file owns, as runs of
 * contiguous blocks, and the policy that hands them out.
 *
 * The device is cut into allocation groups of BALLOC_GROUP_BLOCKS, counted from
 * its first block. An allocated extent never crosses a group boundary, so that
 * one group's free list is all that an allocation changes; a caller who goes on
 * with the goal just behind the last extent still gets the next group's blocks
 * in sequence. A freed extent may cross boundaries. Free runs coalesce across
 * them too: groups are a matter of policy, not of storage, which is why an empty
 * device of any size costs two small objects.
 *
 * What an allocation returns depends on the set of free blocks and on nothing
 * else, not on the order in which they became free. Every operation takes
 * O(log n) time in the number of free runs; a free run takes 64 bytes.
 *
 * There is no lock in here: callers hold the lock of the file system that the
 * blocks belong to.
 */
#ifndef DAXSIM_BALLOC_H
#define DAXSIM_BALLOC_H

#include "daxsim/sim/arena.h"
#include "daxsim/sim/types.h"

#define BALLOC_GROUP_SHIFT 15
#define BALLOC_GROUP_BLOCKS (1ULL << BALLOC_GROUP_SHIFT)	/* 128 MiB, as in ext4 */

struct balloc;

/**
 * balloc_create() - set up the free space of a device
 * @a: the arena that everything is allocated from, now and later
 * @first: first block
 * @nr_blocks: number of blocks; all of [first, first + nr_blocks) start out free
 *
 * A block that is in use from the start is claimed with balloc_alloc(), which
 * begins exactly at a goal that is free.
 *
 * Return: the allocator, or NULL when the arena is exhausted.
 */
struct balloc *balloc_create(struct arena *a, block_t first, u64 nr_blocks);

/**
 * balloc_alloc() - allocate one extent
 * @b: the allocator
 * @goal: block to start at if possible; 0 or a block off the device means none
 * @max_len: blocks wanted, above 0
 * @start: receives the first block of the extent
 * @len: receives its length in blocks, 1 to @max_len
 *
 * A goal that is free is where the extent starts, however short it gets.
 * Otherwise contiguity comes before locality: the extent is the first place
 * that holds @max_len blocks inside one group, or, when there is none, as many
 * as the largest place there is. "First" means, with a goal: at or after it in
 * its group, then anywhere in its group, then the groups after it, then the
 * groups before it; without a goal: the lowest address on the device.
 *
 * A caller that needs more than it got loops, with the end of the extent as goal.
 *
 * Return: 0; -ENOSPC if and only if not one block is free; -EINVAL for no blocks;
 * -ENOMEM when the arena is exhausted. Nothing has changed after an error.
 */
int balloc_alloc(struct balloc *b, block_t goal, u64 max_len, block_t *start, u64 *len);

/**
 * balloc_free() - give back blocks
 * @b: the allocator
 * @start: first block
 * @len: blocks, above 0; any part of an extent, or several that are adjacent
 *
 * Return: 0; -EINVAL if the range is empty or not all of it is on the device;
 * -EEXIST if any block of it is free already; -ENOMEM when the arena is
 * exhausted. Nothing has changed after an error.
 */
int balloc_free(struct balloc *b, block_t start, u64 len);

/** balloc_is_free() - whether a block is on the device and free */
bool balloc_is_free(struct balloc *b, block_t block);

/** balloc_nr_free() - number of free blocks */
u64 balloc_nr_free(struct balloc *b);

/**
 * balloc_group() - the allocation group that a block is in
 * @b: the allocator
 * @block: a block of the device
 *
 * Return: the number of the group, from 0. This is the free list to announce to
 * the scheduler.
 */
unsigned int balloc_group(struct balloc *b, block_t block);

/**
 * balloc_next_free() - look for free space, in address order
 * @b: the allocator
 * @from: first block to look at
 * @start: receives the first free block at or after @from
 * @len: receives the number of free blocks from there on, across groups
 *
 * All free runs: for (at = 0; balloc_next_free(b, at, &start, &len); at = start + len)
 *
 * Return: whether there is one.
 */
bool balloc_next_free(struct balloc *b, block_t from, block_t *start, u64 *len);

/**
 * balloc_check() - verify the allocator's own invariants, in O(n log n)
 * @b: the allocator
 *
 * Return: NULL if all hold, otherwise what is wrong, as a constant string.
 */
const char *balloc_check(struct balloc *b);

#endif

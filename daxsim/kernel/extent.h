/* SPDX-License-Identifier: MIT */
/*
 * The extent map of an inode: which block of the device holds which block of
 * the file, and whether it was ever written. A plain data structure: it takes
 * no locks and announces nothing; whoever calls it holds what its file system
 * says must be held.
 *
 * A map is always merged as far as it goes: no two neighbours could be one
 * extent. So walking it is fiemap, and without max_len two maps with the same
 * blocks have the same extents.
 */
#ifndef DAXSIM_EXTENT_H
#define DAXSIM_EXTENT_H

#include <bsd/sys/tree.h>

#include "daxsim/sim/types.h"

struct arena;

struct extent {
	RB_ENTRY(extent) link;
	u64 lblk;	/* first block of the file */
	u64 len;	/* blocks, above 0 */
	block_t pblk;	/* where lblk lies on the device */
	bool unwritten; /* allocated, but reads as zeroes */
};

/* One size class of the arena; a file of a million extents takes 64 MB. */
_Static_assert(sizeof(struct extent) <= 64, "an extent no longer fits its size class");

/* A range that extent_remove() took out of a map. */
struct extent_piece {
	u64 lblk, len;
	block_t pblk;
	bool unwritten;
};

typedef void (*extent_freed_fn)(void *ctx, const struct extent_piece *piece);

struct extent_map {
	RB_HEAD(extent_tree, extent) root; /* by lblk; no two overlap */
	struct arena *arena;
	u64 nr_extents;
	u64 nr_blocks; /* mapped, of either state */
	u64 max_len;   /* longest extent allowed, blocks; 0: no limit */
};

/** extent_end() - the first block of the file behind @e */
static inline u64 extent_end(const struct extent *e)
{
	return e->lblk + e->len;
}

/**
 * extent_map_init() - make an empty map, without a limit on the length of extents
 * @map: the map; max_len may be set afterwards, as long as the map is empty
 * @arena: where its extents come from
 */
void extent_map_init(struct extent_map *map, struct arena *arena);

/** extent_find() - the extent that holds block @lblk of the file, or NULL in a hole */
const struct extent *extent_find(const struct extent_map *map, u64 lblk);

/**
 * extent_find_next() - the first extent that ends behind a block
 * @map: the map
 * @lblk: a block of the file
 *
 * Tells how long a hole is, and walks the map: go on with extent_end().
 *
 * Return: the extent that holds @lblk, else the first that starts after it, else NULL.
 */
const struct extent *extent_find_next(const struct extent_map *map, u64 lblk);

/** extent_find_prev() - the last extent that begins before block @lblk, or NULL */
const struct extent *extent_find_prev(const struct extent_map *map, u64 lblk);

/**
 * extent_insert() - map blocks in a hole
 * @map: the map
 * @lblk: first block of the file
 * @pblk: first block of the device
 * @len: blocks
 * @unwritten: their state
 *
 * Return: 0; or, with nothing changed, -EEXIST if any of the blocks is mapped, -EINVAL if @len
 * is 0, above max_len, or goes past the last block number, -ENOMEM.
 */
int extent_insert(struct extent_map *map, u64 lblk, block_t pblk, u64 len, bool unwritten);

/**
 * extent_remove() - make a hole
 * @map: the map
 * @lblk: first block of the file
 * @len: blocks, of which any may be mapped; UINT64_MAX for all from @lblk on
 * @freed: called for each piece, in ascending order, once it is gone from the map; it may look at
 *	the map but not change it. May be NULL
 * @ctx: passed to @freed
 *
 * Only a hole inside one extent takes memory, so truncating never fails.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int extent_remove(struct extent_map *map, u64 lblk, u64 len, extent_freed_fn freed, void *ctx);

/**
 * extent_mark() - set the state of mapped blocks
 * @map: the map
 * @lblk: first block of the file
 * @len: blocks
 * @unwritten: their state from now on
 *
 * Return: 0; or, with nothing changed, -ENOENT if one of the blocks is in a hole, -EINVAL if @len
 * is 0 or goes past the last block number, -ENOMEM.
 */
int extent_mark(struct extent_map *map, u64 lblk, u64 len, bool unwritten);

/**
 * extent_shift() - move everything from a block on, to insert or to collapse a range
 * @map: the map
 * @lblk: the first block that moves; an extent that spans it is split
 * @delta: how far, in blocks; a negative @delta needs a hole that long before @lblk
 *
 * Linear in the number of extents that move.
 *
 * Return: 0; or, with nothing changed, -EINVAL if there is no such hole or the last extent would
 * go past the last block number, -ENOMEM.
 */
int extent_shift(struct extent_map *map, u64 lblk, s64 delta);

/** extent_map_clear() - give all extents back to the arena; the map is empty and can be used on */
void extent_map_clear(struct extent_map *map);

/** extent_map_check() - 0, or -EUCLEAN if the map breaks what this file promises about it */
int extent_map_check(const struct extent_map *map);

#endif

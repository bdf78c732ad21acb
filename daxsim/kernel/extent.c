// SPDX-License-Identifier: MIT
/*
 * The extent map: a red-black tree by first block. Each operation takes the
 * memory it may need first, then cuts the tree where a range begins and ends,
 * changes what lies between, and merges around the places it has touched.
 */
#include "daxsim/kernel/extent.h"

#include <errno.h>

#include "daxsim/sim/arena.h"

static int extent_cmp(const struct extent *a, const struct extent *b)
{
	return (a->lblk > b->lblk) - (a->lblk < b->lblk);
}

/* RB_GENERATE_STATIC() needs an __unused, which libbsd does not define. */
RB_GENERATE_INTERNAL(extent_tree, extent, link, extent_cmp, __attribute__((unused)) static)

static struct extent *next_of(struct extent *e)
{
	return RB_NEXT(extent_tree, NULL, e);
}

static struct extent *prev_of(struct extent *e)
{
	return RB_PREV(extent_tree, NULL, e);
}

static struct extent *find_next(const struct extent_map *map, u64 lblk)
{
	struct extent *e = RB_ROOT(&map->root), *best = NULL;

	while (e) {
		if (extent_end(e) > lblk) {
			best = e;
			e = RB_LEFT(e, link);
		} else {
			e = RB_RIGHT(e, link);
		}
	}
	return best;
}

/* Whether @b goes on where @a ends, so that they must be one extent. */
static bool joins(const struct extent_map *map, const struct extent *a, const struct extent *b)
{
	return extent_end(a) == b->lblk && a->pblk + a->len == b->pblk &&
	       a->unwritten == b->unwritten && (!map->max_len || a->len + b->len <= map->max_len);
}

static struct extent *new_extent(struct extent_map *map)
{
	return arena_alloc(map->arena, sizeof(struct extent));
}

static void free_extent(struct extent_map *map, struct extent *e)
{
	arena_free(map->arena, e, sizeof(*e));
}

static void link_extent(struct extent_map *map, struct extent *e)
{
	RB_INSERT(extent_tree, &map->root, e);
	map->nr_extents++;
}

static void drop(struct extent_map *map, struct extent *e)
{
	RB_REMOVE(extent_tree, &map->root, e);
	map->nr_extents--;
	free_extent(map, e);
}

/* Split @e before block @lblk, which lies inside; @tail is a new extent for the rest. */
static void cut(struct extent_map *map, struct extent *e, u64 lblk, struct extent *tail)
{
	u64 head = lblk - e->lblk;

	tail->lblk = lblk;
	tail->len = e->len - head;
	tail->pblk = e->pblk + head;
	tail->unwritten = e->unwritten;
	e->len = head;
	link_extent(map, tail);
}

/* Merge what follows into @e as far as it goes; returns the neighbour that stays. */
static struct extent *join_next(struct extent_map *map, struct extent *e)
{
	struct extent *next;

	while ((next = next_of(e)) && joins(map, e, next)) {
		e->len += next->len;
		drop(map, next);
	}
	return next;
}

/*
 * Merge in [from, to] and on both sides of it. With max_len the outer neighbours
 * count too: an extent that was cut shorter may now fit the one beside it.
 */
static void coalesce(struct extent_map *map, u64 from, u64 to)
{
	struct extent *e = find_next(map, from ? from - 1 : 0);

	if (e && prev_of(e))
		e = prev_of(e);
	while (e && e->lblk <= to)
		e = join_next(map, e);
}

void extent_map_init(struct extent_map *map, struct arena *arena)
{
	*map = (struct extent_map){ .root = RB_INITIALIZER(&map->root), .arena = arena };
}

const struct extent *extent_find(const struct extent_map *map, u64 lblk)
{
	const struct extent *e = find_next(map, lblk);

	return e && e->lblk <= lblk ? e : NULL;
}

const struct extent *extent_find_next(const struct extent_map *map, u64 lblk)
{
	return find_next(map, lblk);
}

const struct extent *extent_find_prev(const struct extent_map *map, u64 lblk)
{
	const struct extent *e = RB_ROOT(&map->root), *best = NULL;

	while (e) {
		if (e->lblk < lblk) {
			best = e;
			e = RB_RIGHT(e, link);
		} else {
			e = RB_LEFT(e, link);
		}
	}
	return best;
}

int extent_insert(struct extent_map *map, u64 lblk, block_t pblk, u64 len, bool unwritten)
{
	struct extent new = { .lblk = lblk, .len = len, .pblk = pblk, .unwritten = unwritten };
	struct extent *next, *prev, *e;

	if (!len || len > UINT64_MAX - lblk || len > UINT64_MAX - pblk ||
	    (map->max_len && len > map->max_len))
		return -EINVAL;
	next = find_next(map, lblk);
	if (next && next->lblk < extent_end(&new))
		return -EEXIST;
	prev = next ? prev_of(next) : RB_MAX(extent_tree, &map->root);

	/* Growing a neighbour takes no memory, and its place in the tree stays right. */
	if (prev && joins(map, prev, &new)) {
		prev->len += len;
		join_next(map, prev);
	} else if (next && joins(map, &new, next)) {
		next->lblk = lblk;
		next->pblk = pblk;
		next->len += len;
	} else {
		e = new_extent(map);
		if (!e)
			return -ENOMEM;
		*e = new;
		link_extent(map, e);
	}
	map->nr_blocks += len;
	return 0;
}

int extent_remove(struct extent_map *map, u64 lblk, u64 len, extent_freed_fn freed, void *ctx)
{
	u64 end = len > UINT64_MAX - lblk ? UINT64_MAX : lblk + len;
	struct extent *e, *tail;
	struct extent_piece piece;

	for (u64 at = lblk, to; at < end && (e = find_next(map, at)) && e->lblk < end; at = to) {
		at = max_t(u64, at, e->lblk);
		to = min_t(u64, end, extent_end(e));
		piece = (struct extent_piece){
			.lblk = at,
			.len = to - at,
			.pblk = e->pblk + (at - e->lblk),
			.unwritten = e->unwritten,
		};
		if (e->lblk < at) {
			/* Both ends stay only if this is the one extent touched. */
			if (to < extent_end(e)) {
				tail = new_extent(map);
				if (!tail)
					return -ENOMEM;
				cut(map, e, to, tail);
			}
			e->len = at - e->lblk;
		} else if (to < extent_end(e)) {
			e->lblk += piece.len;
			e->pblk += piece.len;
			e->len -= piece.len;
		} else {
			drop(map, e);
		}
		map->nr_blocks -= piece.len;
		if (freed)
			freed(ctx, &piece);
	}
	coalesce(map, lblk, end);
	return 0;
}

int extent_mark(struct extent_map *map, u64 lblk, u64 len, bool unwritten)
{
	struct extent *first, *last, *e, *head_rest = NULL, *tail_rest = NULL;
	u64 end = lblk + len;
	bool cut_head, cut_tail;

	if (!len || len > UINT64_MAX - lblk)
		return -EINVAL;
	first = find_next(map, lblk);
	if (!first || first->lblk > lblk)
		return -ENOENT;
	for (last = first; extent_end(last) < end; last = e) {
		e = next_of(last);
		if (!e || e->lblk != extent_end(last))
			return -ENOENT;
	}

	cut_head = first->lblk < lblk && first->unwritten != unwritten;
	cut_tail = extent_end(last) > end && last->unwritten != unwritten;
	if (cut_head)
		head_rest = new_extent(map);
	if (cut_tail)
		tail_rest = new_extent(map);
	if ((cut_head && !head_rest) || (cut_tail && !tail_rest)) {
		free_extent(map, head_rest);
		return -ENOMEM;
	}
	/* The tail first: both may be cuts of one extent. */
	if (cut_tail)
		cut(map, last, end, tail_rest);
	if (cut_head)
		cut(map, first, lblk, head_rest);
	for (e = find_next(map, lblk); e && e->lblk < end; e = next_of(e))
		e->unwritten = unwritten;
	coalesce(map, lblk, end);
	return 0;
}

int extent_shift(struct extent_map *map, u64 lblk, s64 delta)
{
	u64 by = delta < 0 ? -(u64)delta : (u64)delta;
	struct extent *last = RB_MAX(extent_tree, &map->root), *tail;
	struct extent *e = find_next(map, delta < 0 && by <= lblk ? lblk - by : lblk);

	if (delta < 0 && (by > lblk || (e && e->lblk < lblk)))
		return -EINVAL;
	if (!e || !delta)
		return 0;
	if (delta > 0 && by > UINT64_MAX - extent_end(last))
		return -EINVAL;
	if (e->lblk < lblk) {
		tail = new_extent(map);
		if (!tail)
			return -ENOMEM;
		cut(map, e, lblk, tail);
		e = tail;
	}
	/* All that follows moves alike, so the tree's order never changes. */
	for (; e; e = next_of(e))
		e->lblk += (u64)delta;
	if (delta < 0)
		coalesce(map, lblk - by, lblk - by);
	else
		coalesce(map, lblk, lblk + by);
	return 0;
}

/* Leaves first, so that no step looks at what is already free. */
void extent_map_clear(struct extent_map *map)
{
	struct extent *e = RB_ROOT(&map->root), *child, *parent;

	while (e) {
		child = RB_LEFT(e, link) ? RB_LEFT(e, link) : RB_RIGHT(e, link);
		if (child) {
			e = child;
			continue;
		}
		parent = RB_PARENT(e, link);
		if (parent && RB_LEFT(parent, link) == e)
			RB_LEFT(parent, link) = NULL;
		else if (parent)
			RB_RIGHT(parent, link) = NULL;
		free_extent(map, e);
		e = parent;
	}
	RB_INIT(&map->root);
	map->nr_extents = 0;
	map->nr_blocks = 0;
}

int extent_map_check(const struct extent_map *map)
{
	u64 nr_extents = 0, nr_blocks = 0;
	struct extent *next;

	for (struct extent *e = find_next(map, 0); e; e = next) {
		next = next_of(e);
		if (!e->len || e->len > UINT64_MAX - e->lblk || e->len > UINT64_MAX - e->pblk)
			return -EUCLEAN;
		if (map->max_len && e->len > map->max_len)
			return -EUCLEAN;
		if (next && (next->lblk < extent_end(e) || joins(map, e, next)))
			return -EUCLEAN;
		nr_extents++;
		nr_blocks += e->len;
	}
	return nr_extents == map->nr_extents && nr_blocks == map->nr_blocks ? 0 : -EUCLEAN;
}

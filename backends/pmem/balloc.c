// SPDX-License-Identifier: MIT
/*
 * The free runs of a device in one red-black tree ordered by address. Each node
 * also knows the longest extent that its subtree could yield, so that "the
 * lowest place at or after X that holds N blocks" is a walk along one path of
 * the tree, however many groups and runs lie between.
 *
 * Block numbers in here are relative to the first block of the device.
 */
#include "backends/pmem/balloc.h"

#include <errno.h>

/* libbsd calls this for each node that a rotation or a removal gives other children. */
#define RB_AUGMENT(run) ((run)->max = subtree_max(run))
#include <bsd/sys/tree.h>

#define NOWHERE UINT64_MAX

struct run {
	RB_ENTRY(run) node;
	u64 start;		/* key; no run overlaps or touches another */
	u64 len;		/* 0 only while the run is being linked in or out */
	u64 max;		/* largest longest_extent() of this run and those below it */
};

RB_HEAD(run_tree, run);

struct balloc {
	struct arena *arena;
	struct run_tree runs;
	u64 first;		/* block of the device that is block 0 in here */
	u64 nr_blocks;
	u64 nr_free;		/* sum of len over all runs */
};

static u64 run_end(const struct run *r)
{
	return r->start + r->len;
}

static u64 group_start(u64 block)
{
	return block & ~(BALLOC_GROUP_BLOCKS - 1);
}

static u64 group_end(u64 block)
{
	return group_start(block) + BALLOC_GROUP_BLOCKS;
}

/*
 * A run may go on through any number of groups and an extent may not. Only two
 * places in it matter: its head, up to the first boundary, and what follows,
 * which is either a whole group or all the rest of the run.
 */
static u64 head_len(u64 start, u64 end)
{
	return min_t(u64, end, group_end(start)) - start;
}

static u64 next_len(u64 start, u64 end)
{
	u64 boundary = group_end(start);

	return end > boundary ? min_t(u64, end - boundary, BALLOC_GROUP_BLOCKS) : 0;
}

static u64 longest_extent(const struct run *r)
{
	return max_t(u64, head_len(r->start, run_end(r)), next_len(r->start, run_end(r)));
}

/* The lowest block of the free blocks [start, end) at which @want of them lie in one group. */
static u64 fit_in(u64 start, u64 end, u64 want)
{
	if (head_len(start, end) >= want)
		return start;
	return next_len(start, end) >= want ? group_end(start) : NOWHERE;
}

static u64 max_of(const struct run *r)
{
	return r ? r->max : 0;
}

static u64 subtree_max(const struct run *r)
{
	u64 below = max_t(u64, max_of(RB_LEFT(r, node)), max_of(RB_RIGHT(r, node)));

	return max_t(u64, longest_extent(r), below);
}

static int run_cmp(const struct run *a, const struct run *b)
{
	return (a->start > b->start) - (a->start < b->start);
}

/* RB_GENERATE_STATIC needs a macro __unused, which glibc's own headers cannot live with. */
RB_GENERATE_INTERNAL(run_tree, run, node, run_cmp, __attribute__((unused)) static)

/* Change a run in place; its neighbours in the tree must stay its neighbours. */
static void run_set(struct run *r, u64 start, u64 len)
{
	u64 max;

	r->start = start;
	r->len = len;
	for (; r; r = RB_PARENT(r, node)) {
		max = subtree_max(r);
		if (max == r->max)
			break;
		r->max = max;
	}
}

/*
 * RB_AUGMENT alone does not carry a change up to the root. So a run is linked
 * in, and out, while it is empty: then no node's max depends on it, and
 * run_set() does the carrying before or afterwards.
 */
static int run_insert(struct balloc *b, u64 start, u64 len)
{
	struct run *r = arena_alloc(b->arena, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->start = start;
	RB_INSERT(run_tree, &b->runs, r);
	run_set(r, start, len);
	return 0;
}

static void run_remove(struct balloc *b, struct run *r)
{
	run_set(r, r->start, 0);
	RB_REMOVE(run_tree, &b->runs, r);
	arena_free(b->arena, r, sizeof(*r));
}

/* The last run that starts at or before @block: the only one that can contain it. */
static struct run *run_before(struct balloc *b, u64 block)
{
	struct run *r = RB_ROOT(&b->runs), *found = NULL;

	while (r) {
		if (r->start <= block) {
			found = r;
			r = RB_RIGHT(r, node);
		} else {
			r = RB_LEFT(r, node);
		}
	}
	return found;
}

static struct run *run_after(struct balloc *b, struct run *before)
{
	return before ? RB_NEXT(run_tree, &b->runs, before) : RB_MIN(run_tree, &b->runs);
}

static bool contains(const struct run *r, u64 block)
{
	return r && block < run_end(r);
}

/*
 * The first run at or after @r that can yield @want blocks. The walk climbs out
 * of subtrees that cannot, and never out of one that it has descended into, as
 * it only descends where max promises success: O(log n).
 */
static struct run *first_fit(struct run *r, u64 want)
{
	struct run *child;

	while (r && longest_extent(r) < want) {
		child = RB_RIGHT(r, node);
		if (max_of(child) >= want) {
			r = child;
			while (max_of(RB_LEFT(r, node)) >= want)
				r = RB_LEFT(r, node);
			continue;
		}
		do {
			child = r;
			r = RB_PARENT(r, node);
		} while (r && child == RB_RIGHT(r, node));
	}
	return r;
}

/* The lowest block at or after @from where @want blocks of one group are free, or NOWHERE. */
static u64 find_fit(struct balloc *b, u64 from, u64 want)
{
	struct run *r = run_before(b, from);
	u64 at;

	if (contains(r, from)) {
		at = fit_in(from, run_end(r), want);
		if (at != NOWHERE)
			return at;
	}
	r = first_fit(run_after(b, r), want);
	return r ? fit_in(r->start, run_end(r), want) : NOWHERE;
}

/* Where to put @want blocks when @goal is taken; some place must be large enough. */
static u64 find_near(struct balloc *b, u64 goal, u64 want)
{
	u64 after = find_fit(b, goal, want), near;

	if (after < group_end(goal))
		return after;
	near = find_fit(b, group_start(goal), want);
	if (near < group_end(goal))
		return near;
	return after != NOWHERE ? after : find_fit(b, 0, want);
}

/* Take [start, start + len) out of the free run @r, which contains it. */
static int take(struct balloc *b, struct run *r, u64 start, u64 len)
{
	u64 end = start + len, rest = run_end(r) - end;

	if (start > r->start) {
		/* What can fail comes first; runs sort by start and may overlap meanwhile. */
		if (rest && run_insert(b, end, rest))
			return -ENOMEM;
		run_set(r, r->start, start - r->start);
	} else if (rest) {
		run_set(r, end, rest);
	} else {
		run_remove(b, r);
	}
	b->nr_free -= len;
	return 0;
}

struct balloc *balloc_create(struct arena *a, block_t first, u64 nr_blocks)
{
	struct balloc *b = arena_alloc(a, sizeof(*b));

	if (!b)
		return NULL;
	*b = (struct balloc){ .arena = a, .first = first, .nr_blocks = nr_blocks,
			      .nr_free = nr_blocks };
	if (nr_blocks && run_insert(b, 0, nr_blocks)) {
		arena_free(a, b, sizeof(*b));
		return NULL;
	}
	return b;
}

int balloc_alloc(struct balloc *b, block_t goal, u64 max_len, block_t *start, u64 *len)
{
	/* A goal below the first block wraps around and is off the device, too. */
	bool has_goal = goal && goal - b->first < b->nr_blocks;
	u64 at = has_goal ? goal - b->first : 0, got;
	struct run *r;
	int err;

	if (!max_len)
		return -EINVAL;
	if (!b->nr_free)
		return -ENOSPC;

	r = run_before(b, at);
	if (!has_goal || !contains(r, at)) {
		got = min_t(u64, max_len, max_of(RB_ROOT(&b->runs)));
		at = has_goal ? find_near(b, at, got) : find_fit(b, 0, got);
		r = run_before(b, at);
	} else {
		got = min_t(u64, max_len, head_len(at, run_end(r)));
	}
	err = take(b, r, at, got);
	if (err)
		return err;
	*start = b->first + at;
	*len = got;
	return 0;
}

int balloc_free(struct balloc *b, block_t start, u64 len)
{
	u64 at = start - b->first, end = at + len;
	bool joins_before, joins_after;
	struct run *before, *after;

	if (!len || at >= b->nr_blocks || len > b->nr_blocks - at)
		return -EINVAL;
	before = run_before(b, at);
	after = run_after(b, before);
	if (contains(before, at) || (after && after->start < end))
		return -EEXIST;

	joins_before = before && run_end(before) == at;
	joins_after = after && after->start == end;
	if (joins_after)
		end = run_end(after);
	if (joins_before) {
		if (joins_after)
			run_remove(b, after);
		run_set(before, before->start, end - before->start);
	} else if (joins_after) {
		run_set(after, at, end - at);
	} else if (run_insert(b, at, len)) {
		return -ENOMEM;
	}
	b->nr_free += len;
	return 0;
}

bool balloc_is_free(struct balloc *b, block_t block)
{
	u64 at = block - b->first;

	return contains(run_before(b, at), at);
}

u64 balloc_nr_free(struct balloc *b)
{
	return b->nr_free;
}

unsigned int balloc_group(struct balloc *b, block_t block)
{
	return (block - b->first) >> BALLOC_GROUP_SHIFT;
}

bool balloc_next_free(struct balloc *b, block_t from, block_t *start, u64 *len)
{
	u64 at = from > b->first ? from - b->first : 0;
	struct run *r = run_before(b, at);

	if (!contains(r, at)) {
		r = run_after(b, r);
		if (!r)
			return false;
		at = r->start;
	}
	*start = b->first + at;
	*len = run_end(r) - at;
	return true;
}

/* Black nodes from @r up to the root: the same for every @r that lacks a child. */
static unsigned int black_height(struct run *r)
{
	unsigned int height = 0;

	for (; r; r = RB_PARENT(r, node))
		height += RB_COLOR(r, node) == RB_BLACK;
	return height;
}

const char *balloc_check(struct balloc *b)
{
	struct run *min = RB_MIN(run_tree, &b->runs), *prev = NULL, *r, *parent;
	u64 nr_free = 0;

	RB_FOREACH(r, run_tree, &b->runs) {
		parent = RB_PARENT(r, node);
		if (!r->len)
			return "a free run is empty";
		if (r->start >= b->nr_blocks || r->len > b->nr_blocks - r->start)
			return "a free run goes beyond the device";
		if (prev && r->start < run_end(prev))
			return "free runs overlap or are out of order";
		if (prev && r->start == run_end(prev))
			return "adjacent free runs are not merged";
		if (r->max != subtree_max(r))
			return "the longest extent of a subtree is wrong";
		if (RB_COLOR(r, node) == RB_RED && (!parent || RB_COLOR(parent, node) == RB_RED))
			return "the tree has a red node under a red node, or a red root";
		if ((!RB_LEFT(r, node) || !RB_RIGHT(r, node)) &&
		    black_height(r) != black_height(min))
			return "the tree is out of balance";
		nr_free += r->len;
		prev = r;
	}
	return nr_free == b->nr_free ? NULL : "the free runs do not add up to the free count";
}

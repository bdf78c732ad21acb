// SPDX-License-Identifier: MIT
/*
 * The extent allocator against a plain map of its blocks that follows the
 * policy of balloc.h by looking at every block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/balloc_fixture.h"

struct model {
	block_t first;
	u64 nr, nr_free;
	u8 *free;	/* by block, relative to first */
	u32 *fits;	/* free blocks from here to the end of the run or the group; scratch */
};

static struct model model_make(block_t first, u64 nr)
{
	struct model m = { .first = first, .nr = nr, .nr_free = nr };

	m.free = malloc(nr);
	m.fits = malloc(nr * sizeof(*m.fits));
	cr_assert(m.free && m.fits);
	memset(m.free, 1, nr);
	return m;
}

static void model_destroy(struct model *m)
{
	free(m->free);
	free(m->fits);
}

/* The first block in [from, to) from which @want blocks fit; @to if there is none. */
static u64 model_scan(struct model *m, u64 from, u64 to, u64 want)
{
	while (from < to && m->fits[from] < want)
		from++;
	return from;
}

static int model_alloc(struct model *m, block_t goal, u64 max_len, block_t *start, u64 *len)
{
	bool has_goal = goal && goal >= m->first && goal < m->first + m->nr;
	u64 g = has_goal ? goal - m->first : 0, at, want = 0, i, lo = 0, hi = m->nr;

	if (!m->nr_free)
		return -ENOSPC;
	for (i = m->nr; i-- > 0; want = max_t(u64, want, m->fits[i])) {
		bool last = i == m->nr - 1 || (i + 1) % GROUP == 0;

		m->fits[i] = m->free[i] ? 1 + (last ? 0 : m->fits[i + 1]) : 0;
	}
	want = min_t(u64, want, max_len);
	if (has_goal) {
		lo = g / GROUP * GROUP;
		hi = min_t(u64, lo + GROUP, m->nr);
	}
	if (has_goal && m->free[g]) {
		at = g;
		want = min_t(u64, m->fits[g], max_len);
	} else if ((at = model_scan(m, g, hi, want)) == hi &&
		   (at = model_scan(m, lo, g, want)) == g &&
		   (at = model_scan(m, hi, m->nr, want)) == m->nr) {
		at = model_scan(m, 0, lo, want);
	}
	memset(m->free + at, 0, want);
	m->nr_free -= want;
	*start = m->first + at;
	*len = want;
	return 0;
}

static int model_free(struct model *m, block_t start, u64 len)
{
	u64 at = start - m->first;

	if (!len || start < m->first || at >= m->nr || len > m->nr - at)
		return -EINVAL;
	if (memchr(m->free + at, 1, len))
		return -EEXIST;
	memset(m->free + at, 1, len);
	m->nr_free += len;
	return 0;
}

static void assert_same(struct balloc *b, struct model *m)
{
	u8 *seen = calloc(1, m->nr);
	block_t at, start;
	u64 len;

	assert_sound(b);
	for (at = 0; balloc_next_free(b, at, &start, &len); at = start + len) {
		cr_assert(start >= m->first && start + len <= m->first + m->nr);
		memset(seen + (start - m->first), 1, len);
	}
	cr_assert_eq(memcmp(seen, m->free, m->nr), 0);
	free(seen);
}

/* Mostly small, sometimes a good part of the device, seldom more than all of it. */
static u64 random_len(u64 *seed, u64 nr)
{
	switch (rnd(seed, 16)) {
	case 0:
		return 1 + rnd(seed, 2 * nr);
	case 1 ... 5:
		return 1 + rnd(seed, nr / 8 + 1);
	default:
		return 1 + rnd(seed, 8);
	}
}

static void random_alloc(struct balloc *b, struct model *m, u64 *seed, block_t *last)
{
	const block_t goals[] = { 0, *last, *last, m->first + rnd(seed, m->nr),
				  m->first + rnd(seed, m->nr), rnd(seed, 2 * (m->first + m->nr)) };
	block_t goal = goals[rnd(seed, ARRAY_SIZE(goals))];
	u64 max_len = random_len(seed, m->nr), len = 0, expected_len = 0;
	block_t start = 0, expected = 0;
	int err = model_alloc(m, goal, max_len, &expected, &expected_len);

	cr_assert_eq(balloc_alloc(b, goal, max_len, &start, &len), err);
	cr_assert(start == expected && len == expected_len,
		  "goal %lu max_len %lu: got %lu+%lu, expected %lu+%lu", goal, max_len, start, len,
		  expected, expected_len);
	*last = start + len;
}

/* Any range, or a part of what is allocated, which need not be one extent. */
static void random_free(struct balloc *b, struct model *m, u64 *seed)
{
	u64 at = rnd(seed, m->nr + 1), len = random_len(seed, m->nr) - rnd(seed, 2);
	u8 *used, *end;

	if (rnd(seed, 4) && (used = memchr(m->free + at, 0, m->nr - at))) {
		at = used - m->free;
		end = memchr(used, 1, m->nr - at);
		len = min_t(u64, len, (end ? end : m->free + m->nr) - used);
	}
	cr_assert_eq(balloc_free(b, m->first + at, len), model_free(m, m->first + at, len));
}

static void compare_with_model(block_t first, u64 nr, u64 seed)
{
	unsigned int nr_ops = min_t(u64, 20000, 100000000 / nr), i;
	struct arena a = make_arena();
	struct balloc *b = make(&a, first, nr);
	struct model m = model_make(first, nr);
	block_t last = 0, probe;

	for (i = 0; i < nr_ops; i++) {
		/* Fill up and drain in turn. */
		if (rnd(&seed, 4) < (i * 8 / nr_ops % 2 ? 1 : 3))
			random_alloc(b, &m, &seed, &last);
		else
			random_free(b, &m, &seed);
		cr_assert_eq(balloc_nr_free(b), m.nr_free);
		probe = rnd(&seed, nr);
		cr_assert_eq(balloc_is_free(b, first + probe), m.free[probe]);
		if (i % 64 == 0)
			assert_same(b, &m);
	}
	assert_same(b, &m);
	model_destroy(&m);
	arena_destroy(&a);
}

Test(balloc_model, one_group_follows_the_model)
{
	const u64 sizes[] = { 3000, 1, 7, 64, 256 };
	unsigned int i, seed;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (seed = 1; seed <= 3; seed++)
			compare_with_model(i * 20, sizes[i], seed * 7919);
}

Test(balloc_model, many_groups_follow_the_model)
{
	compare_with_model(0, GROUP, 11);
	compare_with_model(5, GROUP + 1, 12);
	compare_with_model(40, 2 * GROUP - 1, 13);
	compare_with_model(1, 3 * GROUP + 123, 14);
	compare_with_model(GROUP / 2, 6 * GROUP, 15);
}

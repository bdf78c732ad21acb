// SPDX-License-Identifier: MIT
/*
 * The extent allocator against a plain map of its blocks that follows the
 * policy of balloc.h by looking at every block, then case by case.
 */
#include "backends/pmem/balloc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GROUP BALLOC_GROUP_BLOCKS

static struct arena make_arena(void)
{
	struct arena a;

	cr_assert_eq(arena_init(&a, 64 << 20), 0);
	return a;
}

static struct balloc *make(struct arena *a, block_t first, u64 nr)
{
	struct balloc *b = balloc_create(a, first, nr);

	cr_assert_not_null(b);
	return b;
}

static void assert_sound(struct balloc *b)
{
	const char *wrong = balloc_check(b);

	cr_assert_null(wrong, "%s", wrong);
}

static void assert_alloc(struct balloc *b, block_t goal, u64 max_len, block_t start, u64 len)
{
	block_t got_start;
	u64 got_len;

	cr_assert_eq(balloc_alloc(b, goal, max_len, &got_start, &got_len), 0);
	cr_assert(got_start == start && got_len == len,
		  "goal %lu max_len %lu: got %lu+%lu, expected %lu+%lu", goal, max_len, got_start,
		  got_len, start, len);
}

static void take_all(struct balloc *b)
{
	block_t start;
	u64 len;

	while (balloc_nr_free(b))
		cr_assert_eq(balloc_alloc(b, 0, UINT64_MAX, &start, &len), 0);
}

struct extent {
	block_t start;
	u64 len;
};

/* Leave just these extents free: leave_free(b, { start, len }, ...) */
#define leave_free(b, ...) leave_extents(b, (const struct extent[]){ __VA_ARGS__, { 0, 0 } })

static void leave_extents(struct balloc *b, const struct extent *e)
{
	take_all(b);
	for (; e->len; e++)
		cr_assert_eq(balloc_free(b, e->start, e->len), 0);
}

static unsigned int count_runs(struct balloc *b)
{
	unsigned int n = 0;
	block_t start, at;
	u64 len;

	for (at = 0; balloc_next_free(b, at, &start, &len); at = start + len)
		n++;
	return n;
}

/* The model. */

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

static u64 rnd(u64 *state, u64 below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
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

Test(balloc, one_group_follows_the_model)
{
	const u64 sizes[] = { 3000, 1, 7, 64, 256 };
	unsigned int i, seed;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (seed = 1; seed <= 3; seed++)
			compare_with_model(i * 20, sizes[i], seed * 7919);
}

Test(balloc, many_groups_follow_the_model)
{
	compare_with_model(0, GROUP, 11);
	compare_with_model(5, GROUP + 1, 12);
	compare_with_model(40, 2 * GROUP - 1, 13);
	compare_with_model(1, 3 * GROUP + 123, 14);
	compare_with_model(GROUP / 2, 6 * GROUP, 15);
}

/* Case by case. */

Test(balloc, enospc_is_exact)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 8, 100);
	block_t start = 7;
	u64 len = 7;

	assert_alloc(b, 0, 99, 8, 99);
	assert_alloc(b, 0, 1000, 107, 1);
	cr_assert_eq(balloc_alloc(b, 0, 1, &start, &len), -ENOSPC);
	cr_assert_eq(balloc_alloc(b, 8, 1, &start, &len), -ENOSPC);
	cr_assert(start == 7 && len == 7);
	cr_assert_eq(balloc_free(b, 50, 1), 0);
	assert_alloc(b, 0, 1000, 50, 1);
	cr_assert_eq(balloc_alloc(make(&a, 0, 0), 0, 1, &start, &len), -ENOSPC);
}

Test(balloc, empty_requests_and_ranges_off_the_device_are_refused)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 8, 100);
	const struct extent bad[] = {
		{ 50, 0 }, { 7, 1 }, { 7, 2 }, { 0, 200 }, { 108, 1 }, { 107, 2 }, { 8, 101 },
		{ 9, UINT64_MAX }, { UINT64_MAX, 1 }, { UINT64_MAX, 20 },
	};
	block_t start;
	unsigned int i;
	u64 len;

	take_all(b);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(balloc_free(b, bad[i].start, bad[i].len), -EINVAL, "case %u", i);
	cr_assert_eq(balloc_nr_free(b), 0);
	cr_assert_eq(balloc_free(b, 8, 100), 0);
	cr_assert_eq(balloc_alloc(b, 0, 0, &start, &len), -EINVAL);
	cr_assert(!balloc_is_free(b, 7) && balloc_is_free(b, 8));
	cr_assert(balloc_is_free(b, 107) && !balloc_is_free(b, 108));
}

Test(balloc, double_free_is_found_and_changes_nothing)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 1, 100);
	const struct extent twice[] = {
		{ 40, 1 }, { 49, 1 }, { 40, 10 }, { 39, 2 }, { 49, 2 }, { 30, 30 }, { 1, 100 },
	};
	unsigned int i;

	leave_free(b, { 40, 10 });
	for (i = 0; i < ARRAY_SIZE(twice); i++)
		cr_assert_eq(balloc_free(b, twice[i].start, twice[i].len), -EEXIST, "case %u", i);
	cr_assert(balloc_nr_free(b) == 10 && count_runs(b) == 1);
	cr_assert_eq(balloc_free(b, 39, 1), 0);
	cr_assert_eq(balloc_free(b, 50, 1), 0);
	assert_sound(b);
}

Test(balloc, free_runs_coalesce_on_both_sides)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 0, 100);

	leave_free(b, { 10, 10 }, { 30, 10 });
	cr_assert_eq(count_runs(b), 2);
	cr_assert_eq(balloc_free(b, 20, 4), 0);
	cr_assert_eq(count_runs(b), 2);
	cr_assert_eq(balloc_free(b, 26, 4), 0);
	cr_assert_eq(count_runs(b), 2);
	cr_assert_eq(balloc_free(b, 24, 2), 0);
	cr_assert_eq(count_runs(b), 1);
	assert_sound(b);
	assert_alloc(b, 0, 100, 10, 30);
}

Test(balloc, without_a_goal_the_lowest_fit_is_taken_else_the_largest)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 1, 255);

	assert_alloc(b, 0, 4, 1, 4);
	assert_alloc(b, 0, 4, 5, 4);
	assert_alloc(b, 0, 4, 9, 4);
	cr_assert_eq(balloc_free(b, 5, 4), 0);
	assert_alloc(b, 0, 5, 13, 5);
	assert_alloc(b, 0, 1, 5, 1);
	assert_alloc(b, 0, 3, 6, 3);

	leave_free(b, { 20, 3 }, { 50, 6 }, { 90, 6 });
	assert_alloc(b, 0, 7, 50, 6);
	assert_alloc(b, 0, 7, 90, 6);
	assert_alloc(b, 0, 7, 20, 3);
}

Test(balloc, a_free_goal_is_taken_exactly)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 1, 255);

	assert_alloc(b, 100, 10, 100, 10);
	assert_alloc(b, 95, 10, 95, 5);
	assert_alloc(b, 110, 10, 110, 10);
	assert_alloc(b, 255, 10, 255, 1);
	assert_alloc(b, 256, 10, 1, 10);
}

Test(balloc, a_taken_goal_gets_the_next_fit_then_an_earlier_one)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 1, 255);

	leave_free(b, { 10, 8 }, { 120, 2 }, { 150, 8 });
	assert_alloc(b, 100, 4, 150, 4);
	assert_alloc(b, 100, 2, 120, 2);
	assert_alloc(b, 100, 5, 10, 5);
	assert_alloc(b, 100, 5, 154, 4);
	assert_alloc(b, 300, 1, 15, 1);
}

Test(balloc, other_groups_come_after_the_goals_own)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 0, 4 * GROUP);

	leave_free(b, { 100, 8 }, { 2 * GROUP + 100, 8 }, { 2 * GROUP + 400, 2 },
		   { 3 * GROUP + 100, 8 });
	assert_alloc(b, 2 * GROUP + 300, 8, 2 * GROUP + 100, 8);
	assert_alloc(b, 2 * GROUP + 300, 8, 3 * GROUP + 100, 8);
	assert_alloc(b, 2 * GROUP + 300, 8, 100, 8);
	assert_alloc(b, GROUP, 8, 2 * GROUP + 400, 2);
}

Test(balloc, an_extent_stays_inside_its_group)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 10, 3 * GROUP);
	block_t second = 10 + GROUP;

	assert_alloc(b, second - 5, 20, second - 5, 5);
	cr_assert_eq(balloc_group(b, second - 1), 0);
	assert_alloc(b, second, 20, second, 20);
	cr_assert_eq(balloc_group(b, second), 1);

	/* Freed across the boundary they are one run, but still not one extent. */
	cr_assert_eq(balloc_free(b, second - 5, 25), 0);
	cr_assert_eq(count_runs(b), 1);
	assert_alloc(b, 0, 3 * GROUP, 10, GROUP);
	leave_free(b, { second - 5, 25 });
	assert_alloc(b, 0, 30, second, 20);
	assert_alloc(b, 0, 30, second - 5, 5);
}

Test(balloc, history_does_not_matter)
{
	struct arena a = make_arena();
	struct balloc *up = make(&a, 1, 1000), *down = make(&a, 1, 1000);
	block_t s1, s2, at;
	u64 seed = 99, l1, l2, goal, max_len;

	take_all(up);
	take_all(down);
	for (at = 1; at < 1000; at += 3) {
		cr_assert_eq(balloc_free(up, at, 2), 0);
		cr_assert_eq(balloc_free(down, 999 - at, 1), 0);
		cr_assert_eq(balloc_free(down, 998 - at, 1), 0);
	}
	while (balloc_nr_free(up)) {
		goal = rnd(&seed, 1200);
		max_len = 1 + rnd(&seed, 4);
		cr_assert_eq(balloc_alloc(up, goal, max_len, &s1, &l1), 0);
		cr_assert_eq(balloc_alloc(down, goal, max_len, &s2, &l2), 0);
		cr_assert(s1 == s2 && l1 == l2);
	}
	cr_assert_eq(balloc_nr_free(down), 0);
}

Test(balloc, sixteen_tib_group_by_group)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 0, 1ULL << 32);
	u64 groups = 0, len;
	block_t start;

	assert_alloc(b, 77 * GROUP + 5, 3, 77 * GROUP + 5, 3);
	assert_alloc(b, 77 * GROUP + 5, GROUP, 78 * GROUP, GROUP);
	assert_alloc(b, 77 * GROUP + 5, GROUP - 8, 77 * GROUP + 8, GROUP - 8);
	while (!balloc_alloc(b, 0, UINT64_MAX, &start, &len))
		groups += len == GROUP;
	cr_assert_eq(groups, (1ULL << 32) / GROUP - 2);
	cr_assert_eq(balloc_nr_free(b), 0);
	cr_assert_eq(balloc_free(b, UINT32_MAX, 1), 0);
	assert_alloc(b, 12345, 9, UINT32_MAX, 1);
}

Test(balloc, memory_is_proportional_to_the_free_runs)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 0, 2000);
	size_t fragmented;
	unsigned int round;
	block_t at;

	cr_assert_leq(a.used, 256);
	for (round = 0; round < 3; round++) {
		take_all(b);
		for (at = 0; at < 2000; at += 2)
			cr_assert_eq(balloc_free(b, at, 1), 0);
		cr_assert_leq(a.used, 256 + 64 * 1000);
		fragmented = a.used;
	}
	cr_assert_eq(a.used, fragmented);
}

Test(balloc, an_exhausted_arena_changes_nothing)
{
	struct arena a;
	struct balloc *b;
	block_t at, start;
	u64 len, nr_free;

	cr_assert_eq(arena_init(&a, 4096), 0);
	b = make(&a, 0, 1000);
	leave_free(b, { 0, 3 });
	for (at = 10; !balloc_free(b, at, 1); at += 2)
		;
	nr_free = balloc_nr_free(b);
	cr_assert_eq(balloc_free(b, at, 1), -ENOMEM);
	cr_assert_eq(balloc_alloc(b, 1, 1, &start, &len), -ENOMEM);
	cr_assert_eq(balloc_nr_free(b), nr_free);
	cr_assert(balloc_is_free(b, 1) && !balloc_is_free(b, at));
	assert_sound(b);
	cr_assert_eq(balloc_free(b, 11, 1), 0);
	assert_alloc(b, 1, 1, 1, 1);
}

Test(balloc, a_failed_create_keeps_nothing)
{
	struct arena a;

	cr_assert_eq(arena_init(&a, 4096), 0);
	make(&a, 0, 0);
	while (balloc_create(&a, 0, 1))
		;
	/* Of the two objects that were needed there was room for one, and there still is. */
	make(&a, 0, 0);
	cr_assert_null(balloc_create(&a, 0, 0));
}

/* The words of a free run in the arena, counted from its start. */
enum { COLOUR = -1, START = 0, LEN = 1, MAX = 2 };

static const struct damage {
	u64 find;	/* a word that occurs once in the arena */
	int offset;	/* words from there to the one to overwrite */
	u64 with;
	const char *expect;
} damages[] = {
	{ 10, LEN, 0, "empty" },
	{ 500, START, 990, "beyond" },
	{ 100, START, 12, "overlap" },
	{ 100, START, 17, "not merged" },
	{ 500, MAX, 52, "longest" },
	{ 100, COLOUR, 1, "red" },
	{ 10, COLOUR, 0, "balance" },
	{ 81, 0, 82, "add up" },
};

/* The arena may have poisoned what lies between its objects. */
__attribute__((no_sanitize_address)) static u64 *find_word(struct arena *a, u64 value)
{
	u64 *word = (u64 *)a->base;

	for (; *word != value; word++)
		cr_assert_lt((char *)(word + 1), a->base + a->used);
	return word;
}

Test(balloc, check_notices_each_kind_of_damage)
{
	struct arena a = make_arena();
	struct balloc *b = make(&a, 0, 1000);
	u64 *word, saved;
	const struct damage *d;
	const char *wrong;

	leave_free(b, { 100, 23 }, { 10, 7 }, { 500, 51 });
	for (d = damages; d < damages + ARRAY_SIZE(damages); d++) {
		assert_sound(b);
		word = find_word(&a, d->find) + d->offset;
		saved = *word;
		*word = d->with;
		wrong = balloc_check(b);
		cr_assert(wrong && strstr(wrong, d->expect), "%s: %s", d->expect, wrong);
		*word = saved;
	}
}

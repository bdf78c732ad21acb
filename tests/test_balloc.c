// SPDX-License-Identifier: MIT
/* The extent allocator, case by case. */
#include <errno.h>
#include <string.h>

#include "tests/balloc_fixture.h"

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

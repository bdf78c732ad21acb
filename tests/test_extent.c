// SPDX-License-Identifier: MIT
/*
 * The extent map: each way to split and to merge, each error, and behaviour
 * without memory. test_extent_random.c has the random operations.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/extent.h"
#include "daxsim/sim/arena.h"

#define MAX_TEXT 4096

struct fixture {
	struct arena arena;
	struct extent_map map;
	char freed[MAX_TEXT]; /* what the last drop() handed back */
};

/* A map in an arena with room for @nr extents, which is never given back (the process ends). */
static struct fixture *make(size_t nr)
{
	struct fixture *f = calloc(1, sizeof(*f));

	cr_assert_not_null(f);
	cr_assert_eq(arena_init(&f->arena, nr * sizeof(struct extent)), 0);
	extent_map_init(&f->map, &f->arena);
	return f;
}

static void destroy(struct fixture *f)
{
	arena_destroy(&f->arena);
	free(f);
}

static void print(char *text, u64 lblk, u64 pblk, u64 len, bool unwritten)
{
	size_t at = strlen(text);

	snprintf(text + at, MAX_TEXT - at, "%s%ju+%ju@%ju%s", at ? " " : "", (uintmax_t)lblk,
		 (uintmax_t)len, (uintmax_t)pblk, unwritten ? "u" : "");
}

static void print_map(char *text, const struct extent_map *map)
{
	const struct extent *e;

	text[0] = '\0';
	for (u64 at = 0; (e = extent_find_next(map, at)); at = extent_end(e))
		print(text, e->lblk, e->pblk, e->len, e->unwritten);
}

/* Expect the extents of a map as "lblk+len@pblk[u] ...", and the map to be in order. */
static void expect(struct fixture *f, const char *extents)
{
	char text[MAX_TEXT];

	print_map(text, &f->map);
	cr_assert_str_eq(text, extents, "have %s, not %s", text, extents);
	cr_assert_eq(extent_map_check(&f->map), 0, "%s", text);
}

static void map_one(struct fixture *f, u64 lblk, u64 len, block_t pblk, bool unwritten)
{
	cr_assert_eq(extent_insert(&f->map, lblk, pblk, len, unwritten), 0);
}

static void note_piece(void *ctx, const struct extent_piece *p)
{
	struct fixture *f = ctx;

	/* It is gone already when it is handed back. */
	cr_assert_null(extent_find(&f->map, p->lblk));
	cr_assert_null(extent_find(&f->map, p->lblk + p->len - 1));
	print(f->freed, p->lblk, p->pblk, p->len, p->unwritten);
}

static int drop(struct fixture *f, u64 lblk, u64 len)
{
	f->freed[0] = '\0';
	return extent_remove(&f->map, lblk, len, note_piece, f);
}

/* drop(), which must work, hand back @pieces and leave @extents. */
static void expect_drop(struct fixture *f, u64 lblk, u64 len, const char *pieces,
			const char *extents)
{
	cr_assert_eq(drop(f, lblk, len), 0);
	cr_assert_str_eq(f->freed, pieces, "handed back %s, not %s", f->freed, pieces);
	expect(f, extents);
}

Test(extent, empty_map)
{
	struct fixture *f = make(1);

	expect(f, "");
	cr_assert_null(extent_find(&f->map, 0));
	cr_assert_null(extent_find_next(&f->map, 0));
	expect_drop(f, 0, UINT64_MAX, "", "");
	cr_assert_eq(extent_shift(&f->map, 5, 5), 0);
	cr_assert_eq(extent_shift(&f->map, 5, -5), 0);
	extent_map_clear(&f->map);
	expect(f, "");
	destroy(f);
}

Test(extent, find)
{
	struct fixture *f = make(8);
	const struct extent *a, *b;

	map_one(f, 10, 5, 100, false);
	map_one(f, 20, 1, 200, true);
	a = extent_find(&f->map, 10);
	b = extent_find(&f->map, 20);
	cr_assert(a && a->pblk == 100 && a->len == 5 && !a->unwritten);
	cr_assert(b && b->pblk == 200 && b->len == 1 && b->unwritten);
	cr_assert_eq(extent_find(&f->map, 14), a);
	cr_assert_null(extent_find(&f->map, 9));
	cr_assert_null(extent_find(&f->map, 15));
	cr_assert_null(extent_find(&f->map, 21));
	cr_assert_eq(extent_find_next(&f->map, 0), a);
	cr_assert_eq(extent_find_next(&f->map, 14), a);
	cr_assert_eq(extent_find_next(&f->map, 15), b);
	cr_assert_eq(extent_find_next(&f->map, 20), b);
	cr_assert_null(extent_find_next(&f->map, 21));
	cr_assert_eq(f->map.nr_blocks, 6);
	destroy(f);
}

Test(extent, insert_merges)
{
	struct fixture *f = make(16);

	map_one(f, 10, 5, 110, false);
	map_one(f, 15, 5, 115, false);
	expect(f, "10+10@110");
	map_one(f, 5, 5, 105, false);
	expect(f, "5+15@105");
	map_one(f, 25, 5, 125, false);
	expect(f, "5+15@105 25+5@125");
	map_one(f, 20, 5, 120, false);
	expect(f, "5+25@105");
	destroy(f);
}

Test(extent, insert_does_not_merge)
{
	struct fixture *f = make(16);

	map_one(f, 10, 5, 110, false);
	map_one(f, 16, 2, 116, false); /* not adjacent in the file */
	map_one(f, 15, 1, 114, false); /* not adjacent on the device */
	map_one(f, 18, 2, 118, true);  /* not of the same state */
	map_one(f, 8, 2, 109, false);
	map_one(f, 7, 1, 108, true);
	expect(f, "7+1@108u 8+2@109 10+5@110 15+1@114 16+2@116 18+2@118u");
	destroy(f);
}

Test(extent, insert_errors)
{
	struct fixture *f = make(4);

	map_one(f, 10, 5, 110, false);
	cr_assert_eq(extent_insert(&f->map, 10, 500, 1, false), -EEXIST);
	cr_assert_eq(extent_insert(&f->map, 14, 500, 1, false), -EEXIST);
	cr_assert_eq(extent_insert(&f->map, 9, 500, 2, false), -EEXIST);
	cr_assert_eq(extent_insert(&f->map, 0, 500, 100, false), -EEXIST);
	cr_assert_eq(extent_insert(&f->map, 20, 500, 0, false), -EINVAL);
	cr_assert_eq(extent_insert(&f->map, UINT64_MAX, 500, 1, false), -EINVAL);
	cr_assert_eq(extent_insert(&f->map, 20, UINT64_MAX - 1, 2, false), -EINVAL);
	cr_assert_eq(extent_insert(&f->map, 20, 500, UINT64_MAX - 19, false), -EINVAL);
	expect(f, "10+5@110");
	map_one(f, UINT64_MAX - 1, 1, UINT64_MAX - 1, false);
	expect(f, "10+5@110 18446744073709551614+1@18446744073709551614");
	destroy(f);
}

Test(extent, remove)
{
	struct fixture *f = make(16);

	map_one(f, 10, 10, 110, false);
	expect_drop(f, 10, 0, "", "10+10@110");
	expect_drop(f, 0, 10, "", "10+10@110");
	expect_drop(f, 20, 10, "", "10+10@110");
	expect_drop(f, 14, 2, "14+2@114", "10+4@110 16+4@116");
	expect_drop(f, 5, 7, "10+2@110", "12+2@112 16+4@116");
	expect_drop(f, 18, 9, "18+2@118", "12+2@112 16+2@116");
	expect_drop(f, 16, 2, "16+2@116", "12+2@112");
	expect_drop(f, 0, UINT64_MAX, "12+2@112", "");
	destroy(f);
}

Test(extent, remove_many)
{
	struct fixture *f = make(16);

	map_one(f, 10, 5, 110, false);
	map_one(f, 15, 5, 115, true);
	map_one(f, 30, 5, 330, false);
	map_one(f, 40, 5, 440, true);
	expect_drop(f, 12, 30, "12+3@112 15+5@115u 30+5@330 40+2@440u", "10+2@110 42+3@442u");
	expect_drop(f, 11, UINT64_MAX, "11+1@111 42+3@442u", "10+1@110");
	expect_drop(f, UINT64_MAX, UINT64_MAX, "", "10+1@110");
	cr_assert_eq(extent_remove(&f->map, 0, 100, NULL, NULL), 0);
	expect(f, "");
	destroy(f);
}

Test(extent, mark_splits)
{
	struct fixture *f = make(16);

	map_one(f, 10, 10, 110, true);
	cr_assert_eq(extent_mark(&f->map, 14, 2, false), 0);
	expect(f, "10+4@110u 14+2@114 16+4@116u");
	cr_assert_eq(extent_mark(&f->map, 10, 1, false), 0);
	expect(f, "10+1@110 11+3@111u 14+2@114 16+4@116u");
	cr_assert_eq(extent_mark(&f->map, 19, 1, false), 0);
	expect(f, "10+1@110 11+3@111u 14+2@114 16+3@116u 19+1@119");
	destroy(f);
}

Test(extent, mark_merges)
{
	struct fixture *f = make(16);

	map_one(f, 10, 10, 110, true);
	cr_assert_eq(extent_mark(&f->map, 14, 2, false), 0);
	cr_assert_eq(extent_mark(&f->map, 16, 2, false), 0);
	expect(f, "10+4@110u 14+4@114 18+2@118u");
	cr_assert_eq(extent_mark(&f->map, 12, 2, false), 0);
	expect(f, "10+2@110u 12+6@112 18+2@118u");
	cr_assert_eq(extent_mark(&f->map, 10, 10, false), 0);
	expect(f, "10+10@110");
	cr_assert_eq(extent_mark(&f->map, 12, 3, false), 0);
	expect(f, "10+10@110");
	cr_assert_eq(extent_mark(&f->map, 12, 3, true), 0);
	cr_assert_eq(extent_mark(&f->map, 12, 3, false), 0);
	expect(f, "10+10@110");
	destroy(f);
}

Test(extent, mark_across_extents)
{
	struct fixture *f = make(16);

	map_one(f, 10, 5, 110, true);
	map_one(f, 15, 5, 300, false);
	map_one(f, 20, 5, 120, true);
	cr_assert_eq(extent_mark(&f->map, 12, 11, false), 0);
	expect(f, "10+2@110u 12+3@112 15+5@300 20+3@120 23+2@123u");
	destroy(f);
}

Test(extent, mark_errors)
{
	struct fixture *f = make(16);

	map_one(f, 10, 5, 110, true);
	map_one(f, 16, 5, 116, true);
	cr_assert_eq(extent_mark(&f->map, 9, 2, false), -ENOENT);
	cr_assert_eq(extent_mark(&f->map, 12, 5, false), -ENOENT);
	cr_assert_eq(extent_mark(&f->map, 15, 1, false), -ENOENT);
	cr_assert_eq(extent_mark(&f->map, 18, 4, false), -ENOENT);
	cr_assert_eq(extent_mark(&f->map, 30, 1, false), -ENOENT);
	cr_assert_eq(extent_mark(&f->map, 10, 0, false), -EINVAL);
	cr_assert_eq(extent_mark(&f->map, 10, UINT64_MAX - 5, false), -EINVAL);
	expect(f, "10+5@110u 16+5@116u");
	destroy(f);
}

Test(extent, shift_away)
{
	struct fixture *f = make(16);

	map_one(f, 10, 10, 110, false);
	map_one(f, 30, 5, 330, true);
	cr_assert_eq(extent_shift(&f->map, 35, 7), 0);
	expect(f, "10+10@110 30+5@330u");
	cr_assert_eq(extent_shift(&f->map, 14, 6), 0);
	expect(f, "10+4@110 20+6@114 36+5@330u");
	cr_assert_eq(extent_shift(&f->map, 20, 1), 0);
	expect(f, "10+4@110 21+6@114 37+5@330u");
	cr_assert_eq(extent_shift(&f->map, 0, 5), 0);
	expect(f, "15+4@110 26+6@114 42+5@330u");
	cr_assert_eq(extent_shift(&f->map, 16, 0), 0);
	expect(f, "15+4@110 26+6@114 42+5@330u");
	destroy(f);
}

Test(extent, shift_back)
{
	struct fixture *f = make(16);

	map_one(f, 10, 4, 110, false);
	map_one(f, 20, 6, 114, false);
	map_one(f, 36, 5, 330, true);
	cr_assert_eq(extent_shift(&f->map, 20, -4), 0);
	expect(f, "10+4@110 16+6@114 32+5@330u");
	cr_assert_eq(extent_shift(&f->map, 16, -2), 0);
	expect(f, "10+10@110 30+5@330u");
	cr_assert_eq(extent_shift(&f->map, 30, -10), 0);
	expect(f, "10+10@110 20+5@330u");
	cr_assert_eq(extent_shift(&f->map, 10, -10), 0);
	expect(f, "0+10@110 10+5@330u");
	destroy(f);
}

Test(extent, shift_errors)
{
	struct fixture *f = make(16);

	map_one(f, 10, 10, 110, false);
	map_one(f, 30, 5, 330, false);
	cr_assert_eq(extent_shift(&f->map, 30, -11), -EINVAL);
	cr_assert_eq(extent_shift(&f->map, 15, -1), -EINVAL);
	cr_assert_eq(extent_shift(&f->map, 20, -1), -EINVAL);
	cr_assert_eq(extent_shift(&f->map, 5, -6), -EINVAL);
	cr_assert_eq(extent_shift(&f->map, 10, INT64_MIN), -EINVAL);
	map_one(f, UINT64_MAX - 6, 1, 900, false);
	cr_assert_eq(extent_shift(&f->map, 15, 6), -EINVAL);
	expect(f, "10+10@110 30+5@330 18446744073709551609+1@900");
	cr_assert_eq(extent_shift(&f->map, UINT64_MAX - 6, 5), 0);
	expect(f, "10+10@110 30+5@330 18446744073709551614+1@900");
	cr_assert_eq(extent_shift(&f->map, UINT64_MAX - 1, INT64_MIN), 0);
	expect(f, "10+10@110 30+5@330 9223372036854775806+1@900");
	destroy(f);
}

/* The limit holds, and an extent that was cut shorter joins a neighbour it did not fit before. */
Test(extent, max_len)
{
	struct fixture *f = make(16);

	f->map.max_len = 8;
	cr_assert_eq(extent_insert(&f->map, 0, 100, 9, false), -EINVAL);
	map_one(f, 0, 6, 100, false);
	map_one(f, 6, 6, 106, false);
	expect(f, "0+6@100 6+6@106");
	expect_drop(f, 8, 1, "8+1@108", "0+8@100 9+3@109");
	map_one(f, 12, 8, 112, false);
	expect(f, "0+8@100 9+3@109 12+8@112");
	expect_drop(f, 10, 6, "10+2@110 12+4@112", "0+8@100 9+1@109 16+4@116");
	cr_assert_eq(extent_mark(&f->map, 17, 1, true), 0);
	expect(f, "0+8@100 9+1@109 16+1@116 17+1@117u 18+2@118");
	map_one(f, 20, 7, 120, false);
	expect(f, "0+8@100 9+1@109 16+1@116 17+1@117u 18+2@118 20+7@120");
	cr_assert_eq(extent_mark(&f->map, 18, 1, true), 0);
	expect(f, "0+8@100 9+1@109 16+1@116 17+2@117u 19+8@119");
	destroy(f);
}

Test(extent, clear)
{
	struct fixture *f = make(100);

	for (int round = 0; round < 3; round++) {
		for (u64 i = 0; i < 100; i++)
			map_one(f, i * 37 % 100 * 2, 1, 5, false);
		cr_assert_eq(extent_map_check(&f->map), 0);
		cr_assert_eq(f->map.nr_extents, 100);
		extent_map_clear(&f->map);
		expect(f, "");
		cr_assert_eq(f->map.nr_extents, 0);
	}
	destroy(f);
}

Test(extent, no_memory)
{
	struct fixture *f = make(2);

	map_one(f, 10, 10, 110, true);
	/* Two cuts would take one extent too many. The one that was had is given back. */
	cr_assert_eq(extent_mark(&f->map, 12, 2, false), -ENOMEM);
	expect(f, "10+10@110u");
	map_one(f, 50, 5, 550, false);
	cr_assert_eq(extent_insert(&f->map, 30, 300, 1, false), -ENOMEM);
	cr_assert_eq(extent_mark(&f->map, 10, 2, false), -ENOMEM);
	cr_assert_eq(extent_mark(&f->map, 18, 2, false), -ENOMEM);
	cr_assert_eq(extent_shift(&f->map, 12, 5), -ENOMEM);
	cr_assert_eq(drop(f, 12, 2), -ENOMEM);
	cr_assert_str_eq(f->freed, "");
	expect(f, "10+10@110u 50+5@550");

	/* What needs no memory works all the same. */
	cr_assert_eq(extent_mark(&f->map, 12, 2, true), 0);
	map_one(f, 55, 5, 555, false);
	map_one(f, 5, 5, 105, true);
	cr_assert_eq(extent_mark(&f->map, 5, 15, false), 0);
	cr_assert_eq(extent_shift(&f->map, 20, 1), 0);
	expect(f, "5+15@105 51+10@550");
	expect_drop(f, 18, 40, "18+2@118 51+7@550", "5+13@105 58+3@557");
	expect_drop(f, 0, 10, "5+5@105", "10+8@110 58+3@557");
	expect_drop(f, 17, UINT64_MAX, "17+1@117 58+3@557", "10+7@110");
	cr_assert_eq(extent_mark(&f->map, 10, 2, true), 0);
	expect(f, "10+2@110u 12+5@112");
	destroy(f);
}

/* extent_map_check() must see each kind of damage, and only that. */
Test(extent, check_fires)
{
	struct fixture *f = make(8);
	struct extent *a, *b, was_a, was_b;

	map_one(f, 10, 5, 110, false);
	map_one(f, 20, 5, 220, false);
	a = (struct extent *)extent_find(&f->map, 10);
	b = (struct extent *)extent_find(&f->map, 20);
	was_a = *a;
	was_b = *b;

#define EXPECT_DAMAGE(damage)                                                 \
	do {                                                                  \
		struct extent_map was = f->map;                               \
		damage;                                                       \
		cr_assert_eq(extent_map_check(&f->map), -EUCLEAN, #damage);   \
		*a = was_a;                                                   \
		*b = was_b;                                                   \
		f->map = was;                                                 \
		cr_assert_eq(extent_map_check(&f->map), 0, "after " #damage); \
	} while (0)

	EXPECT_DAMAGE(f->map.nr_extents++);
	EXPECT_DAMAGE(f->map.nr_blocks--);
	EXPECT_DAMAGE(f->map.max_len = 4);
	EXPECT_DAMAGE((a->len = 0, f->map.nr_blocks -= 5));
	EXPECT_DAMAGE((a->len = 11, f->map.nr_blocks += 6));
	EXPECT_DAMAGE((a->lblk = 15, b->pblk = 115));
	EXPECT_DAMAGE((a->lblk = 20, b->lblk = 10));
	EXPECT_DAMAGE(b->lblk = UINT64_MAX - 4);
	EXPECT_DAMAGE(b->pblk = UINT64_MAX - 4);
	destroy(f);
}

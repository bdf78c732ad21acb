// SPDX-License-Identifier: MIT
/* Tests of the model of what files hold. */
#include <criterion/criterion.h>
#include <string.h>

#include "daxsim/sim/model.h"

struct fixture {
	struct arena arena;
	struct model m;
};

static void make_model(struct fixture *fx)
{
	cr_assert_eq(arena_init(&fx->arena, 16 << 20), 0);
	model_init(&fx->m, &fx->arena);
}

static void put(struct model *m, u32 ino, pgoff_t pgoff, u64 off, u8 byte)
{
	model_write(m, ino, pgoff, off, &byte, 1);
}

static u8 get(struct model *m, u32 ino, pgoff_t pgoff, u64 off)
{
	const u8 *page = model_find(m, ino, pgoff);

	return page ? page[off] : 0;
}

static unsigned int count(struct model *m)
{
	unsigned int n = 0;

	for (const struct model_page *p = NULL; (p = model_next(m, p));)
		n++;
	return n;
}

Test(model, empty)
{
	struct fixture fx;
	u8 want = 0xee, zero = 0;

	make_model(&fx);
	cr_expect_null(model_find(&fx.m, 1, 0));
	cr_expect_null(model_next(&fx.m, NULL));
	cr_expect_eq(model_diff(&fx.m, 1, 0, 0, NULL, PAGE_SIZE, &want), -1);
	cr_expect_eq(model_diff(&fx.m, 1, 0, 4095, &zero, 1, &want), -1);
	cr_expect_eq(want, 0xee, "set only where something differs");
	model_drop(&fx.m, 1, 0, U64_MAX);
	arena_destroy(&fx.arena);
}

Test(model, write)
{
	struct fixture fx;
	const u8 *page;

	make_model(&fx);
	model_write(&fx.m, 1, 7, 100, (const u8 *)"abcd", 4);
	page = model_find(&fx.m, 1, 7);
	cr_assert_not_null(page);
	cr_expect_arr_eq(page + 98, "\0\0abcd\0", 7);
	model_write(&fx.m, 1, 7, 102, (const u8 *)"XYZ", 3);
	cr_expect_arr_eq(page + 98, "\0\0abXYZ\0", 8);
	model_write(&fx.m, 1, 7, 101, NULL, 2);
	cr_expect_arr_eq(page + 98, "\0\0a\0\0YZ\0", 8);
	put(&fx.m, 1, 7, 4095, 0x11);
	cr_expect_eq(page[4095], 0x11);
	/* the same page of another file, and another page of the same, are something else */
	cr_expect_null(model_find(&fx.m, 2, 7));
	cr_expect_null(model_find(&fx.m, 1, 6));
	cr_expect_null(model_find(&fx.m, 1, 8));
	cr_expect_eq(count(&fx.m), 1);
	arena_destroy(&fx.arena);
}

Test(model, zeroes_need_no_page)
{
	struct fixture fx;

	make_model(&fx);
	model_write(&fx.m, 1, 0, 0, NULL, PAGE_SIZE);
	cr_expect_null(model_find(&fx.m, 1, 0));
	cr_expect_eq(count(&fx.m), 0);
	arena_destroy(&fx.arena);
}

Test(model, diff)
{
	struct fixture fx;
	u8 want = 0;

	make_model(&fx);
	model_write(&fx.m, 1, 0, 100, (const u8 *)"abcd", 4);
	cr_expect_eq(model_diff(&fx.m, 1, 0, 100, (const u8 *)"abcd", 4, &want), -1);
	cr_expect_eq(model_diff(&fx.m, 1, 0, 102, (const u8 *)"cd\0", 3, &want), -1);
	cr_expect_eq(model_diff(&fx.m, 1, 0, 100, (const u8 *)"abXX", 4, &want), 2);
	cr_expect_eq(want, 'c', "the right one, and the first");
	cr_expect_eq(model_diff(&fx.m, 1, 0, 99, (const u8 *)"\0abcdX", 6, &want), 5);
	cr_expect_eq(want, 0);
	/* zeroes on either side */
	cr_expect_eq(model_diff(&fx.m, 1, 0, 0, NULL, PAGE_SIZE, &want), 100);
	cr_expect_eq(want, 'a');
	cr_expect_eq(model_diff(&fx.m, 1, 0, 0, NULL, 100, &want), -1);
	cr_expect_eq(model_diff(&fx.m, 1, 0, 104, NULL, PAGE_SIZE - 104, &want), -1);
	cr_expect_eq(model_diff(&fx.m, 1, 1, 0, (const u8 *)"\0\0x", 3, &want), 2);
	cr_expect_eq(want, 0);
	arena_destroy(&fx.arena);
}

Test(model, drop)
{
	struct fixture fx;

	make_model(&fx);
	for (u32 ino = 1; ino <= 3; ino++)
		for (pgoff_t page = 0; page < 6; page++)
			put(&fx.m, ino, page, 0, 0x10 * ino + page);
	model_drop(&fx.m, 2, 2, 3);
	cr_expect_eq(count(&fx.m), 15);
	cr_expect_eq(get(&fx.m, 2, 1, 0), 0x21);
	for (pgoff_t page = 2; page < 5; page++)
		cr_expect_null(model_find(&fx.m, 2, page));
	cr_expect_eq(get(&fx.m, 2, 5, 0), 0x25);
	model_drop(&fx.m, 2, 2, 3);
	model_drop(&fx.m, 2, 3, 0);
	cr_expect_eq(count(&fx.m), 15);
	/* to the end of the file is not into the next file */
	model_drop(&fx.m, 2, 1, U64_MAX);
	cr_expect_eq(count(&fx.m), 13);
	cr_expect_eq(get(&fx.m, 2, 0, 0), 0x20);
	cr_expect_eq(get(&fx.m, 3, 1, 0), 0x31);
	cr_expect_eq(get(&fx.m, 1, 5, 0), 0x15);
	/* what comes back is a new page, without the old bytes */
	put(&fx.m, 2, 1, 9, 0x77);
	cr_expect_eq(get(&fx.m, 2, 1, 9), 0x77);
	cr_expect_eq(get(&fx.m, 2, 1, 0), 0);
	arena_destroy(&fx.arena);
}

Test(model, far_pages)
{
	struct fixture fx;

	make_model(&fx);
	put(&fx.m, 1, U64_MAX - 1, 0, 1);
	put(&fx.m, 1, 1ULL << 32, 0, 2);
	put(&fx.m, 1, 0, 0, 3);
	model_drop(&fx.m, 1, 1, 1ULL << 32);
	cr_expect_eq(count(&fx.m), 2);
	cr_expect_null(model_find(&fx.m, 1, 1ULL << 32));
	model_drop(&fx.m, 1, 1ULL << 32, U64_MAX);
	cr_expect_eq(count(&fx.m), 1);
	cr_expect_eq(get(&fx.m, 1, 0, 0), 3);
	arena_destroy(&fx.arena);
}

/* What moves keeps its bytes, and is found where it went. */
Test(model, shift)
{
	struct fixture fx;

	make_model(&fx);
	for (u32 ino = 1; ino <= 3; ino++)
		for (pgoff_t page = 0; page < 6; page += 1 + (page == 1))
			put(&fx.m, ino, page, 0, 0x10 * ino + page);
	/* page 2 is a hole: it can collapse */
	model_shift(&fx.m, 2, 3, -1);
	cr_expect_eq(get(&fx.m, 2, 1, 0), 0x21);
	cr_expect_eq(get(&fx.m, 2, 2, 0), 0x23);
	cr_expect_eq(get(&fx.m, 2, 4, 0), 0x25);
	cr_expect_null(model_find(&fx.m, 2, 5));
	cr_expect_eq(get(&fx.m, 1, 5, 0), 0x15);
	cr_expect_eq(get(&fx.m, 3, 3, 0), 0x33);
	model_shift(&fx.m, 2, 1, 1000);
	cr_expect_eq(get(&fx.m, 2, 0, 0), 0x20);
	cr_expect_eq(get(&fx.m, 2, 1001, 0), 0x21);
	cr_expect_eq(get(&fx.m, 2, 1004, 0), 0x25);
	put(&fx.m, 2, 1, 0, 0x77);
	cr_expect_eq(get(&fx.m, 2, 1, 0), 0x77);
	cr_expect_eq(count(&fx.m), 16);
	model_shift(&fx.m, 2, 1005, -1);
	model_shift(&fx.m, 9, 0, 1);
	cr_expect_eq(get(&fx.m, 2, 1004, 0), 0x25);
	cr_expect_eq(get(&fx.m, 3, 0, 0), 0x30);
	arena_destroy(&fx.arena);
}

Test(model, next_goes_in_order)
{
	struct fixture fx;
	static const struct {
		u32 ino;
		pgoff_t pgoff;
	} sorted[] = { { 1, 3 }, { 1, 9 }, { 2, 0 }, { 2, 9 }, { 10, 1 } };
	static const u8 order[] = { 3, 0, 4, 2, 1 };
	const struct model_page *p = NULL;

	make_model(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		put(&fx.m, sorted[order[i]].ino, sorted[order[i]].pgoff, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		p = model_next(&fx.m, p);
		cr_assert_not_null(p);
		cr_expect_eq(p->ino, sorted[i].ino);
		cr_expect_eq(p->pgoff, sorted[i].pgoff);
	}
	cr_expect_null(model_next(&fx.m, p));
	arena_destroy(&fx.arena);
}

#define FILES 3
#define PAGES 8

/* Against the plainest model there is, an array. */
Test(model, random)
{
	static u8 flat[FILES][PAGES][PAGE_SIZE], bytes[PAGE_SIZE];
	struct fixture fx;
	unsigned int seed = 1;

	make_model(&fx);
	for (int i = 0; i < 20000; i++) {
		unsigned int ino = rand_r(&seed) % FILES, page = rand_r(&seed) % PAGES;
		u64 off = rand_r(&seed) % PAGE_SIZE, len = 1 + rand_r(&seed) % (PAGE_SIZE - off);
		unsigned int nr = rand_r(&seed) % (PAGES - page + 1);
		u8 want = 0;

		switch (rand_r(&seed) % 8) {
		case 0:
			model_drop(&fx.m, ino, page, nr);
			memset(flat[ino][page], 0, nr * PAGE_SIZE);
			break;
		case 1:
			model_write(&fx.m, ino, page, off, NULL, len);
			memset(flat[ino][page] + off, 0, len);
			break;
		case 2:
			memset(bytes, rand_r(&seed), len);
			model_write(&fx.m, ino, page, off, bytes, len);
			memcpy(flat[ino][page] + off, bytes, len);
			break;
		default:
			memcpy(bytes, flat[ino][page] + off, len);
			cr_assert_eq(model_diff(&fx.m, ino, page, off, bytes, len, &want), -1);
			nr = rand_r(&seed) % len;
			bytes[nr] ^= 0x80;
			bytes[len - 1] ^= 0x01;
			cr_assert_eq(model_diff(&fx.m, ino, page, off, bytes, len, &want), nr);
			cr_assert_eq(want, flat[ino][page][off + nr]);
		}
	}
	arena_destroy(&fx.arena);
}

// SPDX-License-Identifier: MIT
/*
 * The arena: alignment, zeroing, size classes, exhaustion, large objects, and
 * that AddressSanitizer sees what is not handed out.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "daxsim/sim/arena.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif

#define LARGEST_CLASS (1UL << (ARENA_MIN_SHIFT + ARENA_CLASSES - 1))

static struct arena make(size_t reserve)
{
	struct arena a;

	cr_assert_eq(arena_init(&a, reserve), 0);
	return a;
}

static bool all_zero(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

static char *alloc_zeroed(struct arena *a, size_t size)
{
	char *p = arena_alloc(a, size);

	cr_assert_not_null(p, "%zu bytes", size);
	cr_assert_eq((uintptr_t)p % 16, 0, "%zu bytes are not aligned", size);
	cr_assert(all_zero(p, size), "%zu bytes are not zeroed", size);
	return p;
}

Test(arena, alignment_and_zeroing)
{
	struct arena a = make(1 << 20);

	for (size_t size = 1; size < 300; size++)
		memset(alloc_zeroed(&a, size), 0xff, size);
	arena_destroy(&a);
	cr_assert_null(a.base);
}

/* Raw memory is what was freed as it was, and of nobody else's. */
Test(arena, raw)
{
	struct arena a = make(1 << 20);
	char *p = arena_alloc_raw(&a, 1000), *q = alloc_zeroed(&a, 1000);

	cr_assert_not_null(p);
	cr_assert_eq((uintptr_t)p % 16, 0);
	memset(p, 0xaa, 1000);
	cr_expect(all_zero(q, 1000));
	arena_free(&a, p, 1000);
	cr_assert_eq(arena_alloc_raw(&a, 900), p);
	cr_expect_eq(p[899], (char)0xaa);
	arena_free(&a, p, 900);
	cr_assert_eq(alloc_zeroed(&a, 1000), p);
	cr_expect_null(arena_alloc_raw(&a, 2 << 20));
	arena_destroy(&a);
}

/* What is freed comes back for each size of its class, zeroed, and for no other size. */
Test(arena, size_classes)
{
	struct arena a = make(1 << 20);

	for (size_t class = 16; class <= 4096; class *= 2) {
		size_t least = class == 16 ? 1 : class / 2 + 1;
		char *p = alloc_zeroed(&a, class);

		memset(p, 0xff, class);
		arena_free(&a, p, class);
		cr_assert_neq(alloc_zeroed(&a, class + 1), p);
		cr_assert_eq(alloc_zeroed(&a, least), p, "class %zu", class);
		memset(p, 0xff, least);
		arena_free(&a, p, least);
		cr_assert_eq(alloc_zeroed(&a, class), p, "class %zu", class);
	}
	arena_destroy(&a);
}

Test(arena, last_freed_is_used_first)
{
	struct arena a = make(1 << 20);
	char *p[3];

	for (int i = 0; i < 3; i++)
		p[i] = alloc_zeroed(&a, 40);
	for (int i = 0; i < 3; i++)
		arena_free(&a, p[i], 40);
	arena_free(&a, NULL, 40);
	for (int i = 2; i >= 0; i--)
		cr_assert_eq(alloc_zeroed(&a, 40), p[i]);
	cr_assert(alloc_zeroed(&a, 40) > p[2]);
	arena_destroy(&a);
}

/* Random objects never overlap: each keeps its own pattern until it is freed. */
Test(arena, objects_keep_their_bytes)
{
	struct arena a = make(16 << 20);
	struct {
		u8 *p;
		size_t size;
	} live[64] = { 0 };
	u64 x = 88172645463325252;

	for (int i = 0; i < 20000; i++) {
		unsigned int at;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = x % ARRAY_SIZE(live);
		for (size_t j = 0; j < live[at].size; j++)
			cr_assert_eq(live[at].p[j], at + 1, "object %u, byte %zu", at, j);
		arena_free(&a, live[at].p, live[at].size);
		live[at].size = 1 + (x >> 32) % 1000;
		live[at].p = (u8 *)alloc_zeroed(&a, live[at].size);
		memset(live[at].p, at + 1, live[at].size);
	}
	arena_destroy(&a);
}

Test(arena, exhaustion)
{
	struct arena a = make(4096);
	char *p = alloc_zeroed(&a, 2048), *q;

	cr_assert_null(arena_alloc(&a, 2049));
	cr_assert_null(arena_alloc(&a, 4097));
	cr_assert_null(arena_alloc(&a, SIZE_MAX));
	cr_assert_null(arena_alloc(&a, SIZE_MAX - 14));
	q = alloc_zeroed(&a, 2048);
	cr_assert_eq(q, p + 2048);
	cr_assert_null(arena_alloc(&a, 1));
	cr_assert_null(arena_strdup(&a, "x"));

	/* What is given back can still be had, by its own class only. */
	memset(p, 0xff, 2048);
	arena_free(&a, p, 2048);
	cr_assert_null(arena_alloc(&a, 1));
	cr_assert_eq(alloc_zeroed(&a, 2000), p);
	cr_assert_null(arena_alloc(&a, 2000));
	arena_destroy(&a);
}

/* A reserve that is no multiple of 16 must not be overrun by rounding up. */
Test(arena, exhaustion_at_an_odd_reserve)
{
	struct arena a = make(LARGEST_CLASS + 8);

	cr_assert_null(arena_alloc(&a, LARGEST_CLASS + 8));
	cr_assert_not_null(arena_alloc(&a, LARGEST_CLASS));
	cr_assert_null(arena_alloc(&a, 8));
	arena_destroy(&a);
}

Test(arena, reserve_beyond_the_address_space)
{
	struct arena a;

	cr_assert_lt(arena_init(&a, 1UL << 60), 0);
}

Test(arena, large_objects)
{
	struct arena a = make(LARGEST_CLASS * 4);
	char *largest = arena_alloc(&a, LARGEST_CLASS), *beyond, *p;

	cr_assert_not_null(largest);
	largest[LARGEST_CLASS - 1] = 1;
	arena_free(&a, largest, LARGEST_CLASS);
	cr_assert_eq(arena_alloc(&a, LARGEST_CLASS), largest);
	cr_assert_eq(largest[LARGEST_CLASS - 1], 0, "not zeroed");

	/* Not rounded up to a power of two, and never used again. */
	beyond = arena_alloc(&a, LARGEST_CLASS + 1);
	cr_assert_not_null(beyond);
	cr_assert_eq((uintptr_t)beyond % 16, 0);
	beyond[LARGEST_CLASS] = 1;
	cr_assert_eq(a.used, 2 * LARGEST_CLASS + 16);
	arena_free(&a, beyond, LARGEST_CLASS + 1);
	p = arena_alloc(&a, LARGEST_CLASS + 1);
	cr_assert_eq(p, beyond + LARGEST_CLASS + 16);
	arena_destroy(&a);
}

/* After a saved state was put back, memory that was dirtied since is handed out zeroed again. */
Test(arena, zeroing_after_used_was_put_back)
{
	struct arena a = make(1 << 20);
	size_t used, clean;

	alloc_zeroed(&a, 100);
	used = a.used;
	memset(alloc_zeroed(&a, 1000), 0xff, 1000);
	clean = a.clean;
	a.used = used;
	memset(alloc_zeroed(&a, 500), 0xff, 500);
	cr_assert_eq(a.clean, clean, "the dirty part was forgotten");
	/* Half dirty, half fresh. */
	alloc_zeroed(&a, 2000);
	cr_assert_eq(a.clean, a.used);
	arena_destroy(&a);
}

static size_t nr_resident(const struct arena *a)
{
	static unsigned char vec[(64UL << 20) / PAGE_SIZE];
	size_t nr = 0;

	cr_assert_eq(mincore(a->base, a->used, vec), 0);
	for (size_t i = 0; i < a->used / PAGE_SIZE; i++)
		nr += vec[i] & 1;
	return nr;
}

/* Fresh memory must stay untouched: a machine reserves far more than it uses. */
Test(arena, fresh_memory_is_not_touched)
{
	struct arena a = make(64UL << 20);
	char *p = arena_alloc(&a, 64UL << 20);

	cr_assert_not_null(p);
	cr_assert_eq(nr_resident(&a), 0);
	p[0] = 1;
	cr_assert_geq(nr_resident(&a), 1);
	arena_destroy(&a);
}

Test(arena, strdup)
{
	struct arena a = make(4096);
	const char *s = "dax_insert_mapping";
	char *p = arena_strdup(&a, s);

	cr_assert_str_eq(p, s);
	cr_assert_neq(p, s);
	cr_assert_str_eq(arena_strdup(&a, ""), "");
	arena_destroy(&a);
}

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
Test(arena, poison)
{
	struct arena a = make(1 << 20);
	char *p, *base = a.base;

	cr_assert(__asan_address_is_poisoned(base), "nothing is handed out yet");
	p = arena_alloc(&a, 40);
	cr_assert_null(__asan_region_is_poisoned(p, 40));
	cr_assert(__asan_address_is_poisoned(p + 40), "the rest of the size class");
	cr_assert(__asan_address_is_poisoned(p + 64), "behind the last object");
	arena_free(&a, p, 40);
	cr_assert(__asan_address_is_poisoned(p), "freed");
	cr_assert(__asan_address_is_poisoned(p + 39), "freed");
	p = arena_alloc(&a, 33);
	cr_assert_null(__asan_region_is_poisoned(p, 33));
	cr_assert(__asan_address_is_poisoned(p + 33), "used again for less");
	p = arena_alloc(&a, 3);
	arena_free(&a, p, 3);
	cr_assert(__asan_address_is_poisoned(p), "too small for a link");

	/* The page behind the last object moves along; what was freed is clean when used again. */
	p = arena_alloc(&a, 16384);
	cr_assert(__asan_address_is_poisoned(p + 16384), "behind the last object");
	arena_free(&a, p, 16384);
	a.free[10] = NULL;
	a.used -= 16384;
	p = arena_alloc(&a, 16384);
	cr_assert_null(__asan_region_is_poisoned(p, 16384), "poison of an earlier object");
	arena_destroy(&a);
	cr_assert_null(__asan_region_is_poisoned(base, 1 << 20), "poison outlives the arena");
}
#endif

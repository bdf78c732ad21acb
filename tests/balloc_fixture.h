/* SPDX-License-Identifier: MIT */
/* What the tests of the extent allocator share. */
#ifndef DAXSIM_TEST_BALLOC_FIXTURE_H
#define DAXSIM_TEST_BALLOC_FIXTURE_H

#include <criterion/criterion.h>

#include "backends/pmem/balloc.h"

#define GROUP BALLOC_GROUP_BLOCKS

static inline struct arena make_arena(void)
{
	struct arena a;

	cr_assert_eq(arena_init(&a, 64 << 20), 0);
	return a;
}

static inline struct balloc *make(struct arena *a, block_t first, u64 nr)
{
	struct balloc *b = balloc_create(a, first, nr);

	cr_assert_not_null(b);
	return b;
}

static inline void assert_sound(struct balloc *b)
{
	const char *wrong = balloc_check(b);

	cr_assert_null(wrong, "%s", wrong);
}

static inline u64 rnd(u64 *state, u64 below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
}

#endif

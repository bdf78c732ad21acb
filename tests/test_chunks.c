// SPDX-License-Identifier: MIT
/* Schedules that grow: whatever their length, what was put in is there. */
#include "daxsim/script/chunks.h"

#include <criterion/criterion.h>

static struct chunks some(u32 nr)
{
	struct chunks c = { 0 };

	for (u32 i = 0; i < nr; i++)
		cr_assert(chunks_add(&c, (struct chunk){ .session = i % 7, .count = i }));
	return c;
}

static void expect_some(const struct chunks *c, u32 nr)
{
	cr_assert_eq(c->nr, nr);
	for (u32 i = 0; i < nr; i++)
		cr_assert(c->at[i].session == i % 7 && c->at[i].count == i, "%u of %u", i, nr);
}

Test(chunks, grow)
{
	for (u32 nr = 0; nr < 70000; nr = nr * 3 + 1) {
		struct chunks c = some(nr);

		expect_some(&c, nr);
		chunks_drop(&c);
		cr_expect_eq(c.nr, 0);
		expect_some(&c, 0);
	}
}

Test(chunks, reserve)
{
	struct chunks c = some(3);

	cr_assert(chunks_reserve(&c, 1000));
	cr_expect_geq(c.room, 1000);
	expect_some(&c, 3);
	/* What there is does not shrink. */
	cr_assert(chunks_reserve(&c, 1));
	cr_expect_geq(c.room, 1000);
	expect_some(&c, 3);
	chunks_drop(&c);
}

/* The copy is one of its own, longer or shorter than what was there. */
Test(chunks, copy)
{
	static const u32 lengths[] = { 0, 500, 2, 0, 66 };
	struct chunks to = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct chunks from = some(lengths[i]);

		cr_assert(chunks_copy(&to, &from));
		chunks_drop(&from);
		expect_some(&to, lengths[i]);
	}
	chunks_drop(&to);
}

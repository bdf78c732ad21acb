// SPDX-License-Identifier: MIT
/*
 * What is taken to be nobody else's business: it saves events and changes no result, and where it
 * turns out to be somebody's, nothing was taken for granted in the end.
 */
#include "daxsim/script/calm.h"

#include "tests/scenario_run.h"
#include "tests/walked.h"

static struct exploration *explore_all(const struct scenario *s, bool restless)
{
	static const struct explore_request how = { .strategy = EXPLORE_DPOR };
	const struct explore_limits limits = { .outcomes = true, .restless = restless };
	struct exploration *x = calloc(1, sizeof(*x));

	cr_assert_not_null(x);
	cr_assert_eq(explore_scenario(s, s->variants, &how, &limits, x), 0, "%s", x->failure);
	cr_assert(x->result.complete);
	return x;
}

static void end(struct exploration *x)
{
	exploration_free(x);
	free(x);
}

/* Returns how many guesses it took, and sets @saved to how many events that saved. */
static u32 expect_same(const char *text, s64 *saved)
{
	struct scenario *s = parse_text(text);
	struct exploration *calm = explore_all(s, false), *restless = explore_all(s, true);
	struct walked *w = walk_all(s, 0, (struct explore_options){ .strategy = EXPLORE_DPOR });
	u32 nr = w->guesses;

	cr_expect_eq(calm->result.classes, restless->result.classes, "%s: %llu, %llu classes", text,
		     (unsigned long long)calm->result.classes,
		     (unsigned long long)restless->result.classes);
	cr_expect_eq(calm->nr_outcomes, restless->nr_outcomes, "%s", text);
	for (u32 i = 0; i < calm->nr_outcomes; i++)
		cr_expect_eq(calm->outcomes[i].classes, restless->outcomes[i].classes, "%s", text);
	for (int i = 0; i < NR_INVARIANTS; i++)
		cr_expect_eq(calm->findings[i].classes, restless->findings[i].classes, "%s", text);
	*saved = restless->result.steps - calm->result.steps;
	end(calm);
	end(restless);
	walked_free(w);
	scenario_free(s);
	return nr;
}

Test(calm, same_classes)
{
	static const char *const sessions[] = {
		"session a { mwrite m 4k 8 1 }\nsession b { truncate f 0 }\n",
		"session a { mread m 4k 8 }\nsession b { pwrite f 4k 4k }\nsession c { fpunch f 0 8k = ... }\n",
		"session a { mwrite m 4k 8 1; fiemap f = ... }\nsession b { fzero f 0 8k = ... }\n",
		"session a { pwrite g 0 4k; stat g }\nsession b { truncate f 4k }\nsession c { mread m 0 8 }\n",
		"session a { mremap n 8k }\nsession b { truncate f 0; mprotect m 0 4k ro }\n",
	};
	static const char *const kernels[] = { "ext2@v10", "ext4@v11", "ext4@4.7", "xfs@v11" };

	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++)
		for (size_t j = 0; j < ARRAY_SIZE(kernels); j++) {
			char text[400];
			s64 saved;

			snprintf(text, sizeof(text), "scenario t\nfs %s\n"
				 "setup { create f; truncate f 8k; mmap m f 0 8k shared; create g\n"
				 "truncate g 4k; mmap n g 0 4k shared }\n%s",
				 kernels[j], sessions[i]);
			expect_same(text, &saved);
			cr_expect_gt(saved, 0, "%s", text);
		}
}

/* What only comes to pass when sessions take turns is not guessed at first. */
Test(calm, wrong_guesses)
{
	static const char closed[] =
		"scenario t\nfs ext2@v11\nsetup { create f; pwrite f 0 8k }\n"
		"session a { truncate f 0 }\nsession b { close f }\n";
	static const char told_at_once[] =
		"scenario t\nfs ext2@v11\nsetup { create f; truncate f 8k; mmap m f 0 8k shared }\n"
		"session a { mwrite m 4k 8 1 }\nsession b { truncate f 0 }\n";
	s64 saved;

	cr_expect_eq(expect_same(closed, &saved), 2);
	cr_expect_eq(expect_same(told_at_once, &saved), 1);
}

/* What two sessions do, one after the other, and what is concluded. */
Test(calm, conclusions)
{
	const u64 f = obj(OBJ_I_SIZE, 5, 0), g = obj(OBJ_I_SIZE, 6, 0), mtime = obj(OBJ_MTIME, 5, 0);
	const u64 lock = obj(OBJ_LOCK, 0, 1), other = obj(OBJ_LOCK, 0, 2);
	const struct {
		u64 object;
		u8 kinds[2];	/* of one session's accesses, and the other's; P_MARK: none */
		u8 allowed[2];	/* kinds that are calm from then on, bit each */
	} rows[] = {
		{ f, { P_READ, P_MARK }, { UINT8_MAX, 0 } },
		{ f, { P_MARK, P_WRITE }, { 0, UINT8_MAX } },
		{ f, { P_READ, P_READ }, { BIT(P_READ), BIT(P_READ) } },
		{ f, { P_READ, P_WRITE }, { 0, 0 } },
		{ f, { P_WRITE, P_WRITE }, { 0, 0 } },
		{ mtime, { P_WRITE, P_WRITE }, { BIT(P_WRITE), BIT(P_WRITE) } },
		{ mtime, { P_READ, P_WRITE }, { 0, 0 } },
		{ lock, { P_LOCK, P_MARK }, { UINT8_MAX, 0 } },
		{ lock, { P_LOCK, P_RLOCK }, { 0, 0 } },
		{ lock, { P_RLOCK, P_WAIT }, { 0, 0 } },
		{ lock, { P_WAIT, P_WAIT }, { BIT(P_WAIT), BIT(P_WAIT) } },
		{ lock, { P_RLOCK, P_RLOCK }, { BIT(P_RLOCK) | BIT(P_UNLOCK), BIT(P_RLOCK) | BIT(P_UNLOCK) } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct calm calm = { .guessed = false };
		struct calm_probe p = { .calm = &calm };
		const struct calm_object *o;

		for (u32 session = 0; session < 2; session++) {
			calm_see_start(&p);
			if (rows[i].kinds[session])
				calm_see_point(&p, session, rows[i].kinds[session], rows[i].object);
		}
		calm_conclude(&p);
		cr_expect(calm.guessed);
		o = calm_find(&calm, rows[i].object);
		for (u32 session = 0; session < 2; session++)
			for (enum point_kind kind = P_READ; kind <= P_WAIT; kind++)
				cr_expect_eq(calm_allows(o, session, kind),
					     rows[i].allowed[session] >> kind & 1, "row %zu: %u %d",
					     i, session, kind);
		cr_expect_eq(calm_find(&calm, g)->by, 0);
		cr_expect_eq(calm_find(&calm, other)->by, 0);
	}
}

/* What is not calm is accessed behind a point that is, without one of its own. */
Test(calm, loud_points)
{
	const u64 own = obj(OBJ_EXTENT, 5, 0), shared = obj(OBJ_BLOCK, 0, 1), calm_one = obj(OBJ_META, 5, 0);
	struct calm calm = { .guessed = false };
	struct calm_probe p = { .calm = &calm };

	calm_see_start(&p);
	calm_see_point(&p, 0, P_READ, own);
	calm_see_also(&p, 0, P_WRITE, calm_one);
	calm_see_point(&p, 0, P_WRITE, own);
	calm_see_also(&p, 0, P_WRITE, shared);
	calm_see_start(&p);
	calm_see_also(&p, 1, P_WRITE, shared);
	calm_conclude(&p);
	cr_expect_eq(calm_find(&calm, shared)->by, 0);
	cr_expect_eq(calm_find(&calm, own)->by, BIT(0));
	cr_expect_eq(calm_find(&calm, own)->loud, BIT(P_WRITE));
	cr_expect_eq(calm_find(&calm, calm_one)->loud, 0);
}

/* More than there is room for: whatever is not known is not calm. */
Test(calm, too_much)
{
	struct calm calm = { .guessed = false };
	struct calm_probe p = { .calm = &calm };
	u32 nr = 0;

	calm_see_start(&p);
	for (u32 i = 0; i < 2 * CALM_SLOTS; i++)
		calm_see_point(&p, 0, P_READ, obj(OBJ_I_SIZE, i, 0));
	calm_conclude(&p);
	for (u32 i = 0; i < 2 * CALM_SLOTS; i++)
		nr += calm_find(&calm, obj(OBJ_I_SIZE, i, 0))->by;
	cr_expect_eq(nr, p.nr_objects);
	cr_expect_lt(nr, CALM_SLOTS);

	/* Nor is a point behind which more comes than can be told. */
	calm = (struct calm){ .guessed = false };
	p = (struct calm_probe){ .calm = &calm, .nr_follows = CALM_FOLLOWS };
	calm_see_point(&p, 0, P_READ, obj(OBJ_I_SIZE, 5, 0));
	calm_see_also(&p, 0, P_READ, obj(OBJ_EXTENT, 5, 0));
	p.nr_follows = 0;
	calm_conclude(&p);
	cr_expect_eq(calm_find(&calm, obj(OBJ_I_SIZE, 5, 0))->by, 0);
}

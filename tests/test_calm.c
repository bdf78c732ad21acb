// SPDX-License-Identifier: MIT
/*
 * What is taken to be nobody else's business: it saves events and changes no result, and where it
 * turns out to be somebody's, nothing was taken for granted in the end.
 */
#include "daxsim/script/calm.h"

#include "daxsim/script/explore_scenario.h"
#include "tests/scenario_run.h"

static struct exploration *explore_all(const struct scenario *s)
{
	static const struct explore_request how = { .strategy = EXPLORE_DPOR };
	static const struct explore_limits limits = { .outcomes = true };
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

/* Returns how many events it saved. A session that might call anything leaves nothing calm. */
static u64 expect_same(const char *text)
{
	struct scenario *s = parse_text(text);
	struct exploration *calm = explore_all(s), *restless;
	u64 saved;

	s->verbs = ~0ULL;
	restless = explore_all(s);
	cr_expect_eq(calm->result.classes, restless->result.classes, "%s: %llu, %llu classes", text,
		     (unsigned long long)calm->result.classes,
		     (unsigned long long)restless->result.classes);
	cr_expect_eq(calm->nr_outcomes, restless->nr_outcomes, "%s", text);
	for (u32 i = 0; i < calm->nr_outcomes; i++)
		cr_expect_eq(calm->outcomes[i].classes, restless->outcomes[i].classes, "%s", text);
	for (int i = 0; i < NR_INVARIANTS; i++)
		cr_expect_eq(calm->findings[i].classes, restless->findings[i].classes, "%s", text);
	saved = restless->result.steps - calm->result.steps;
	end(calm);
	end(restless);
	scenario_free(s);
	return saved;
}

Test(calm, same_classes)
{
	static const char *const sessions[] = {
		"session a { mwrite m 4k 8 1 }\nsession b { truncate f 0 }\n",
		"session a { mread m 4k 8 }\nsession b { pwrite f 4k 4k }\nsession c { fpunch f 0 8k = ... }\n",
		"session a { mwrite m 4k 8 1; fiemap f = ... }\nsession b { fzero f 0 8k = ... }\n",
	};
	static const char *const kernels[] = { "ext2@v10", "ext4@v11", "ext4@4.7", "xfs@v11" };

	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++)
		for (size_t j = 0; j < ARRAY_SIZE(kernels); j++) {
			char text[400];

			snprintf(text, sizeof(text), "scenario t\nfs %s\n"
				 "setup { create f; truncate f 8k; mmap m f 0 8k shared }\n%s",
				 kernels[j], sessions[i]);
			cr_expect_gt(expect_same(text), 0, "%s", text);
		}
}

/* The handles of setup left just so much room in the journal that a session has to commit. */
Test(calm, full_journal)
{
	static char text[4000];
	int len = snprintf(text, sizeof(text), "scenario t\nfs ext4@v11\n"
			   "setup { create f; truncate f 8k; mmap m f 0 8k shared\n");

	for (int i = 0; i < 41; i++)
		len += snprintf(text + len, sizeof(text) - len, "truncate f 8k; truncate f 4k\n");
	snprintf(text + len, sizeof(text) - len,
		 "truncate f 8k }\nsession a { mwrite m 0 8 1 }\nsession b { truncate f 4k }\n");
	cr_expect_eq(expect_same(text), 0);
}

static struct calm calm_with(const char *command)
{
	char text[300];
	struct scenario *s;
	struct calm calm;

	snprintf(text, sizeof(text), "scenario t\nfs ext4\nsetup { create f; mmap m f 0 4k shared }\n"
		 "session a { %s }\nsession b { pread f 0 8 }\n", command);
	s = parse_text(text);
	calm = calm_in(s);
	scenario_free(s);
	return calm;
}

Test(calm, what_stirs_what)
{
	static const struct {
		const char *command;
		u32 locks, data;	/* that it stirs */
	} rows[] = {
		{ "pwrite f 0 8", 0, 0 },
		{ "munmap m", BIT(LOCK_MMAP_SEM), BIT(OBJ_MMAP) | BIT(OBJ_I_MMAP) },
		{ "freeze", BIT(LOCK_SB_WRITERS) | BIT(LOCK_SB_PAGEFAULT), 0 },
		{ "fsync f", BIT(LOCK_JBD2_COMMIT) | BIT(LOCK_JBD2_HANDLE), BIT(OBJ_JOURNAL) },
		{ "msync m", BIT(LOCK_JBD2_COMMIT) | BIT(LOCK_JBD2_HANDLE), BIT(OBJ_JOURNAL) },
		{ "stat f", BIT(LOCK_SB_PAGEFAULT), BIT(OBJ_MTIME) },
	};
	struct calm all = calm_with("pread f 0 8");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct calm calm = calm_with(rows[i].command);

		cr_expect_eq(calm.locks, all.locks & ~rows[i].locks, "%s", rows[i].command);
		cr_expect_eq(calm.data, all.data & ~rows[i].data, "%s", rows[i].command);
	}
	cr_expect(calm_stirred(&all, P_WRITE, obj(OBJ_JOURNAL, 0, 0)));
	cr_expect(!calm_stirred(&all, P_READ, obj(OBJ_JOURNAL, 0, 0)));
	cr_expect(calm_stirred(&all, P_READ, obj(OBJ_MTIME, 5, 0)));
	cr_expect(!calm_stirred(&all, P_WRITE, obj(OBJ_MTIME, 5, 0)));
	cr_expect(!calm_data(&all, obj(OBJ_I_SIZE, 5, 0)));
}

// SPDX-License-Identifier: MIT
/*
 * Exploring scenarios: what is counted, what each strategy promises and finds, and
 * what becomes of a search that is too large, interrupted, or of no use.
 */
#include <errno.h>

#include "daxsim/script/explore_scenario.h"
#include "tests/scenario_run.h"

#define HEAD(fs)                                                                                   \
	"scenario t\n"                                                                             \
	"fs " fs "\n"                                                                              \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"

/* Whose block is allocated behind the end of the file, if it comes at the wrong moment. */
#define LEAK                                                                                       \
	"session fault { mwrite m 4k 8 0x5a = 8 or SIGBUS }\n"                                     \
	"session trunc { truncate f 0 }\n"

struct search {
	struct scenario *s;
	struct exploration x;
	int err;
};

static struct search search_limited(const char *text, const char *strategy,
				    const struct explore_limits *limits)
{
	struct search r = { .s = parse_text(text) };
	struct explore_request how;

	cr_assert_eq(scenario_parse_explore(r.s, strategy, &how, stderr), 0);
	r.err = explore_scenario(r.s, r.s->variants, &how, limits, &r.x);
	return r;
}

static struct search search(const char *text, const char *strategy)
{
	const struct explore_limits limits = { .executions = 0 };
	struct search r = search_limited(text, strategy, &limits);

	cr_assert_eq(r.err, 0, "%s", r.x.failure);
	return r;
}

static void end_search(struct search *r)
{
	exploration_free(&r->x);
	scenario_free(r->s);
}

static u64 kinds_found(const struct exploration *x)
{
	u64 kinds = 0;

	for (int i = 0; i < NR_INVARIANTS; i++)
		kinds |= (u64)(x->findings[i].classes > 0) << i;
	return kinds;
}

/* Explore all, and expect so many classes, all of them clean. */
static void expect_clean_classes(const char *text, u64 classes)
{
	struct search r = search(text, "all");
	char guarantee[40];

	snprintf(guarantee, sizeof(guarantee), "all %llu class%s", (unsigned long long)classes,
		 classes == 1 ? "" : "es");
	cr_expect_eq(r.x.result.classes, classes, "%s: %llu", text,
		     (unsigned long long)r.x.result.classes);
	cr_expect_str_eq(r.x.result.guarantee, guarantee);
	cr_expect(r.x.result.complete);
	cr_expect_eq(r.x.result.executions, classes + r.x.result.cut);
	cr_expect_eq(kinds_found(&r.x), 0);
	cr_expect_eq(r.x.mismatch.classes, 0);
	cr_expect_eq(r.x.finals_run, classes);
	end_search(&r);
}

Test(explore_scenario, counts_of_classes)
{
	/* Whoever is in the directory first: n sessions, n! orders. */
	expect_clean_classes(HEAD("ext2@v11") "session a { create x }\nsession b { create y }\n", 2);
	expect_clean_classes(HEAD("ext2@v11") "session a { create x }\nsession b { create y }\n"
			     "session c { create z }\n", 6);
	/* Two steps of one session stay in order: 4! / (2! 2!) orders of two and two. */
	expect_clean_classes(HEAD("ext2@v11")
			     "session a { step a1 { create w } step a2 { create x } }\n"
			     "session b { step b1 { create y } step b2 { create z } }\n", 6);
	expect_clean_classes(HEAD("xfs@v11") "session a { mread m 0 8 }\n", 1);
}

Test(explore_scenario, sessions_with_little_to_do)
{
	expect_clean_classes(HEAD("ext2@v11"), 1);
	/* No access at all: these still run. */
	expect_clean_classes(HEAD("ext2@v11") "session a { faults }\n", 1);
	expect_clean_classes(HEAD("ext2@v11") "session a { faults }\n"
			     "session b { step b1 { faults } step b2 { fiemap f } }\n"
			     "session c { faults; faults = min 0 }\n", 1);
}

Test(explore_scenario, eight_sessions)
{
	char text[1000] = HEAD("ext4@v11");

	for (int i = 0; i < MAX_SESSIONS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "session s%d { fiemap f; fiemap g }\n", i);
	expect_clean_classes(text, 1);
	/* The others read: the one that writes comes before or after each of them. */
	strcat(text, "final never { fiemap f = none }\n");
	memcpy(strstr(text, "fiemap f; fiemap g"), "truncate f 0      ", 18);
	expect_clean_classes(text, 1);
}

/* All strategies show the same, with the schedules that chance or bounds allow. */
Test(explore_scenario, strategies_agree)
{
	static const struct {
		const char *strategy, *guarantee;
	} strategies[] = {
		{ "preempt 1", "all with at most 1 preemption" },
		{ "preempt 2", "all with at most 2 preemptions" },
		{ "pct 3 runs 1000 seed 1", "PCT, 1000 runs, d=3" },
		{ "random runs 3000 seed 1", "random, 3000 runs" },
	};
	struct search all = search(HEAD("ext4@v11") LEAK, "all");

	cr_expect_eq(kinds_found(&all.x), BIT(INV_LEAK_PAST_EOF));
	for (size_t i = 0; i < ARRAY_SIZE(strategies); i++) {
		struct search r = search(HEAD("ext4@v11") LEAK, strategies[i].strategy);
		const struct explore_finding *f = &r.x.findings[INV_LEAK_PAST_EOF];

		cr_expect_eq(kinds_found(&r.x), kinds_found(&all.x), "%s", strategies[i].strategy);
		cr_expect_str_eq(r.x.result.guarantee, strategies[i].guarantee);
		cr_expect_str_eq(f->text, all.x.findings[INV_LEAK_PAST_EOF].text);
		cr_expect_eq(f->preemptions, 1);
		/* A class that is met twice counts once. */
		cr_expect_leq(r.x.result.classes, all.x.result.classes);
		cr_expect_leq(f->classes, all.x.findings[INV_LEAK_PAST_EOF].classes,
			      "%s: %llu classes show it", strategies[i].strategy,
			      (unsigned long long)f->classes);
		cr_expect_leq(r.x.finals_run, r.x.result.classes, "%s: %llu classes ended",
			      strategies[i].strategy, (unsigned long long)r.x.finals_run);
		end_search(&r);
	}
	end_search(&all);
}

Test(explore_scenario, same_seed_same_result)
{
	struct search a = search(HEAD("xfs@v11") LEAK, "pct 2 runs 200 seed 5");
	struct search b = search(HEAD("xfs@v11") LEAK, "pct 2 runs 200 seed 5");

	cr_expect_eq(a.x.result.classes, b.x.result.classes);
	cr_expect_eq(a.x.result.steps, b.x.result.steps);
	cr_expect_eq(a.x.findings[INV_LEAK_PAST_EOF].classes, b.x.findings[INV_LEAK_PAST_EOF].classes);
	end_search(&a);
	end_search(&b);
}

/* Too much for "all", too much for three preemptions: what follows, and what it promises. */
Test(explore_scenario, budget_is_exceeded)
{
	static const char text[] =
		"scenario t\nfs ext4@v11\n"
		"setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		"session one { mwrite m 0 8 0x11 = 8 or SIGBUS }\n"
		"session two { mwrite m 64 8 0x22 = 8 or SIGBUS }\n"
		"session trunc { truncate f 0 }\n";
	const struct explore_limits limits = { .executions = 1000 };
	struct search r = search_limited(text, "all", &limits);

	cr_expect_eq(r.err, 0);
	cr_expect_not(r.x.result.complete);
	cr_expect(!strncmp(r.x.result.guarantee, "PCT, ", 5), "%s", r.x.result.guarantee);
	cr_expect(strstr(r.x.result.guarantee, " runs, d=3"), "%s", r.x.result.guarantee);
	cr_expect(kinds_found(&r.x) & BIT(INV_LEAK_PAST_EOF));
	cr_expect(r.x.too_many);
	cr_expect_eq(r.x.result.executions, 3 * limits.executions);
	/* What the first strategy did counts as much as what it found. */
	cr_expect_gt(r.x.result.classes, limits.executions);
	cr_expect_leq(r.x.findings[INV_LEAK_PAST_EOF].classes, r.x.result.classes);
	end_search(&r);
}

/* A bound that was asked for is not replaced by something else. */
Test(explore_scenario, budget_without_a_ladder)
{
	const struct explore_limits limits = { .executions = 1000 };
	struct search r = search_limited(HEAD("ext4@v11") LEAK, "random runs 5000", &limits);

	cr_expect_eq(r.err, 0);
	cr_expect_not(r.x.result.complete);
	cr_expect_eq(r.x.result.executions, 1000);
	end_search(&r);
}

/* On a terminal: how far it is, what comes next, and how long it can still take. */
Test(explore_scenario, progress_is_told)
{
	static const char text[] =
		"scenario t\nfs ext4@v11\n"
		"setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		"session one { mwrite m 0 8 0x11 = 8 or SIGBUS }\n"
		"session two { mwrite m 64 8 0x22 = 8 or SIGBUS }\n"
		"session trunc { truncate f 0 }\n";
	char *told;
	size_t size;
	FILE *to = open_memstream(&told, &size);
	struct explore_limits limits = { .executions = 3000, .progress = to };
	struct search r = search_limited(text, "all", &limits);

	fclose(to);
	cr_expect_eq(r.err, 0);
	cr_expect_not_null(strstr(told, " classes, 2048 executions, "), "%s", told);
	cr_expect_not_null(strstr(told, " at most "), "%s", told);
	cr_expect_not_null(strstr(told, " left"), "%s", told);
	cr_expect_not_null(strstr(told, "t ext4@v11: more than 3000 executions; going on with at most 3 "
				  "preemptions\n"), "%s", told);
	end_search(&r);
	free(told);
}

Test(explore_scenario, interrupted)
{
	volatile sig_atomic_t interrupted = 1;
	const struct explore_limits limits = { .interrupted = &interrupted };
	struct search r = search_limited(HEAD("ext4@v11") LEAK, "all", &limits);

	cr_expect_eq(r.err, 0);
	cr_expect_not(r.x.result.complete);
	cr_expect_eq(r.x.result.executions, 1);
	cr_expect_str_eq(r.x.result.guarantee, "1 class, not all");
	end_search(&r);
}

Test(explore_scenario, setup_fails)
{
	const struct explore_limits limits = { .executions = 0 };
	struct search r = search_limited("scenario t\nfs ext2\nsetup { create f; truncate f 0 = -EIO }",
					 "all", &limits);

	cr_expect_eq(r.err, -EINVAL);
	cr_expect_str_eq(r.x.failure, "t.scn:3:19: truncate f 0 gave 0, expected -EIO");
	end_search(&r);

	r = search_limited("scenario t\nfs ext4\n"
			   "setup { create f; truncate f 4k; mmap m f 0 4k shared; freeze; mwrite m 0 8 }",
			   "all", &limits);
	cr_expect_eq(r.err, -EINVAL);
	cr_expect_str_eq(r.x.failure, "setup does not come to its end");
	end_search(&r);
}

/* More accesses than any step that ends would make, as far as the explorer knows. */
Test(explore_scenario, step_that_does_not_end)
{
	struct search r = search("scenario t\ndevice 64m\nfs ext2@v11\nsetup { create f }\n"
				 "session a { pwrite f 0 32m }\n", "all");

	cr_expect_eq(r.x.result.bounded, 1);
	cr_expect_not(r.x.result.complete);
	/* Searching it in another way would not end it. */
	cr_expect_eq(r.x.result.executions, 1);
	cr_expect_str_eq(r.x.result.guarantee, "1 class, not all");
	cr_expect_eq(r.x.endless.classes, 1);
	/* Whether it ends is for a replay to say. */
	cr_expect_eq(kinds_found(&r.x), 0);
	end_search(&r);
}

Test(explore_scenario, wrong_results)
{
	struct search r = search(HEAD("ext2@v11") "session a { truncate f 0 }\n"
				 "session b { fiemap f = none; pread f 0 8 = 8 }\n", "all");

	cr_expect_gt(r.x.mismatch.classes, 0);
	cr_expect_lt(r.x.mismatch.classes, r.x.result.classes);
	cr_expect_str_eq(r.x.mismatch.text, "t.scn:5:30: pread f 0 8 gave 0, expected 8");
	cr_expect_eq(r.x.mismatch.preemptions, 0);
	cr_expect_eq(kinds_found(&r.x), 0);
	end_search(&r);
}

/* Of two classes: one ends with the longer file, one with the shorter, both with f in place. */
Test(explore_scenario, finals_are_counted_over_classes)
{
	struct search r = search(HEAD("ext2@v11")
				 "session a { truncate f 4k }\nsession b { truncate f 12k }\n"
				 "final sometimes { stat f = size 4k }\n"
				 "final sometimes { stat f = size 12k }\n"
				 "final never { stat f = size 8k }\n"
				 "final { stat f = nlink 1 }\n", "all");

	cr_expect_eq(r.x.result.classes, 2);
	cr_expect_eq(r.x.finals_run, 2);
	cr_expect_eq(r.x.finals[0], 1);
	cr_expect_eq(r.x.finals[1], 1);
	cr_expect_eq(r.x.finals[2], 0);
	cr_expect_eq(r.x.finals[3], 2);
	end_search(&r);
}

/* v10 returns with a lock held (p2); end_io under i_mmap_mutex waits for who waits for it (p7). */
Test(explore_scenario, deadlocks_are_found)
{
	static const char cow[] = "setup { create f; pwrite f 0 4k; mmap m f 0 4k private }\n"
				  "session fault { mwrite m 0 8 0x5a = 8 or SIGBUS }\n"
				  "session trunc { step cut { truncate f 0 } step grow { truncate f 4k } }\n";
	static const char end_io[] =
		"setup { create f; fallocate f 0 8k; mmap m f 0 8k shared; create g }\n"
		"session fault { mwrite m 0 8 0x5a }\n"
		"session punch { fpunch f 4k 4k }\n"
		"session sync { fsync g }\n";
	static const struct {
		const char *fs, *rest;
		u64 kinds;
	} cases[] = {
		{ "ext2@v11", cow, 0 },
		{ "ext2@v11 -p2", cow, BIT(INV_LOCK_LEAK) | BIT(INV_DEADLOCK) },
		{ "xfs@v11 -p2", cow, BIT(INV_LOCK_LEAK) | BIT(INV_DEADLOCK) },
		{ "ext4@v11", end_io, 0 },
		{ "ext4@v11 -p7", end_io, BIT(INV_DEADLOCK) | BIT(INV_LOCK_ORDER) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[600];
		struct search r;

		snprintf(text, sizeof(text), "scenario t\nfs %s\n%s", cases[i].fs, cases[i].rest);
		r = search(text, "all");
		cr_expect_eq(kinds_found(&r.x) & (BIT(INV_LOCK_LEAK) | BIT(INV_DEADLOCK) |
						  BIT(INV_LOCK_ORDER)),
			     cases[i].kinds, "%s: %llx", cases[i].fs,
			     (unsigned long long)kinds_found(&r.x));
		cr_expect_eq(r.x.result.deadlocks, r.x.findings[INV_DEADLOCK].classes);
		cr_expect_eq(r.x.finals_run + r.x.result.deadlocks, r.x.result.classes);
		if (cases[i].kinds & BIT(INV_DEADLOCK))
			cr_expect(strstr(r.x.findings[INV_DEADLOCK].text, "i_mmap_mutex(f), held by fault"),
				  "%s", r.x.findings[INV_DEADLOCK].text);
		end_search(&r);
	}
}

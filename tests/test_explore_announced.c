// SPDX-License-Identifier: MIT
/*
 * Accesses that are easily forgotten: what has no point of its own, what is found out before a
 * session's first point, and what names stand for. Were one of them not announced, exploring
 * would miss what these scenarios were counted to come to, or what few preemptions come to.
 */
#include "tests/walked.h"
#include "tests/scenario_run.h"

struct race {
	const char *fs, *setup;
	const char *sessions[3];	/* NULL: no third */
	u64 classes;			/* 0: not counted */
	size_t outcomes;
};

static struct scenario *scenario_of(const struct race *r)
{
	char text[900];
	int len = snprintf(text, sizeof(text), "scenario t\nfs %s\nsetup { %s }\n", r->fs, r->setup);

	for (int i = 0; i < 3 && r->sessions[i]; i++)
		len += snprintf(text + len, sizeof(text) - len, "session s%d { %s }\n", i,
				r->sessions[i]);
	return parse_text(text);
}

/* One execution of each class, held against all with at most two preemptions. */
static void expect_explored(const struct race *r)
{
	const struct explore_options dpor = { .strategy = EXPLORE_DPOR };
	const struct explore_options few = { .strategy = EXPLORE_PREEMPT, .bound = 2, .most = 8000 };
	const char *third = r->sessions[2] ? r->sessions[2] : "nobody";
	struct scenario *s = scenario_of(r);
	struct walked *all = walk_all(s, 0, dpor), *some = walk_all(s, 0, few);
	size_t classes = set_missing(&some->classes, &all->classes);
	size_t outcomes = set_missing(&some->outcomes, &all->outcomes);

	cr_expect(all->result.complete);
	cr_expect(!classes && !outcomes, "%s: %s | %s | %s: %zu classes, %zu outcomes are missed",
		  r->fs, r->sessions[0], r->sessions[1], third, classes, outcomes);
	cr_expect(all->outcomes.nr == r->outcomes, "%s: %s | %s | %s: %zu outcomes", r->fs,
		  r->sessions[0], r->sessions[1], third, all->outcomes.nr);
	cr_expect(!r->classes || all->classes.nr == r->classes, "%s: %s | %s | %s: %zu classes",
		  r->fs, r->sessions[0], r->sessions[1], third, all->classes.nr);
	cr_expect_eq(all->classes.nr, all->result.classes);
	walked_free(all);
	walked_free(some);
	scenario_free(s);
}

#define EXPECT_EXPLORED(races)                                                                    \
	do {                                                                                       \
		for (size_t i = 0; i < ARRAY_SIZE(races); i++)                                    \
			expect_explored(&(races)[i]);                                             \
	} while (0)

#define TWO_PAGES "create f; pwrite -S 1 f 0 8k; mmap m f 0 8k shared; mwrite m 0 8k 1"
#define HOLE_BEHIND "create f; truncate f 8k; mmap m f 0 8k shared; mwrite m 0 4k 1"
#define HOLE_BEFORE "create f; truncate f 8k; mmap m f 0 8k shared; mwrite m 4k 4k 1"

/* A load or store over two pages depends on who changes either of them. */
Test(explore_announced, second_page)
{
	static const struct race races[] = {
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "truncate f 4k" }, 4, 2 },
		{ "ext4@v11", TWO_PAGES, { "mwrite m 4092 8 7", "truncate f 4k" }, 5, 2 },
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "fpunch f 0 4k" }, 52, 20 },
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "fpunch f 4k 4k" }, 52, 20 },
		/* Whether one of the two faults, the other, or both. */
		{ "ext4@v11", HOLE_BEFORE, { "mread m 4092 8", "mread m 0 8" }, 16, 3 },
		{ "ext4@v11", HOLE_BEHIND, { "mread m 4092 8", "mread m 4k 8" }, 16, 3 },
	};

	EXPECT_EXPLORED(races);
}

/* An address in no mapping when the session came to use it, and then in one. */
Test(explore_announced, mapped_meanwhile)
{
	static const struct race races[] = {
		{ "ext4@v11", "create f; truncate f 4k; mmap m f 0 4k shared",
		  { "mread m 8k 8 = SIGSEGV", "mmap n f 0 4k shared; mread n 0 8" }, 17, 4 },
	};

	EXPECT_EXPLORED(races);
}

#define EMPTY "create f; truncate f 64k; mmap m f 0 8k shared; mmap n f 52k 4k shared"

/* The time is changed before the block comes, and that behind an indirect block if it needs one. */
Test(explore_announced, stat)
{
	static const struct race races[] = {
		{ "ext2@v11", EMPTY, { "stat f = mtime 1", "mwrite m 0 8 1" }, 3, 3 },
		{ "ext4@v11", EMPTY, { "stat f = mtime 1", "mwrite m 0 8 1" }, 3, 3 },
		{ "xfs@v11", EMPTY, { "stat f = mtime 1", "mwrite m 0 8 1" }, 4, 3 },
		{ "ext4@v11", EMPTY, { "stat f = mtime 1", "pwrite f 0 4k" }, 4, 3 },
		{ "ext4@v11", EMPTY, { "stat f = mtime 1", "fallocate f 0 4k" }, 3, 2 },
		{ "ext2@v11", EMPTY, { "stat f = blocks 0", "mwrite n 0 8 1" }, 4, 3 },
		/* Who looks does not disturb who looks; nor does a store of another file. */
		{ "ext4@v11", EMPTY, { "stat f = mtime 1", "stat f = mtime 1" }, 1, 1 },
		{ "ext4@v11", EMPTY "; create g", { "stat g = mtime 0", "mwrite m 0 8 1" }, 1, 1 },
	};

	EXPECT_EXPLORED(races);
}

/* Which file is mapped there is found out under mmap_sem, not before anything else. */
Test(explore_announced, msync)
{
	static const struct race races[] = {
		{ "ext4@v11", "create f; truncate f 8k; mmap m f 0 8k shared",
		  { "munmap m 0 8k", "msync m = 0" }, 3, 2 },
		{ "ext4@v11", "create f; truncate f 8k; mmap m f 0 8k shared",
		  { "munmap m 4k 4k", "msync m = 0" }, 0, 2 },
	};

	EXPECT_EXPLORED(races);
}

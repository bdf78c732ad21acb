// SPDX-License-Identifier: MIT
/*
 * The simulated kernel as a program to explore: what one execution of every class
 * comes to is all that any execution can come to. So every access that matters is
 * announced, on each file system. Where an access is hidden, this is noticed.
 */
#include "tests/walked.h"
#include "tests/scenario_run.h"

#define HEAD                                                                                       \
	"scenario t\n"                                                                             \
	"fs %s\n"                                                                                  \
	"setup {\n"                                                                                \
	"	create f; pwrite -S 1 f 0 4k; mmap m f 0 4k shared; mwrite m 0 8 1\n"              \
	"	create h; truncate h 4k; mmap n h 0 4k shared\n"                                   \
	"	create g\n"                                                                        \
	"}\n"

static const char *const kernels[] = { "ext2@v11", "ext4@v11", "xfs@v11" };

#define NR_KERNELS ARRAY_SIZE(kernels)
#define ANY 0	/* no number of classes to be held against */

static const struct explore_options dpor = { .strategy = EXPLORE_DPOR };
static const struct explore_options naive = { .strategy = EXPLORE_NAIVE };

static struct scenario *two_sessions(const char *kernel, const char *a, const char *b)
{
	char text[700];

	snprintf(text, sizeof(text), HEAD "session a { %s }\nsession b { %s }\n", kernel, a, b);
	return parse_text(text);
}

/*
 * In f page 0 has a block and is mapped, writable, at m; h is a hole, mapped at n
 * but not present; g is empty. All pairs are few enough accesses to try all orders.
 */
static const struct {
	const char *a, *b;
	u64 classes[NR_KERNELS];
} pairs[] = {
	/* Readers do not race; neither do those who have nothing in common. */
	{ "mread m 0 8", "mread m 0 8", { 1, 1, 1 } },
	{ "fiemap f", "fiemap f", { 1, 1, 1 } },
	{ "mread m 0 8", "mwrite n 0 8 2", { 1, 1, 1 } },
	{ "mwrite m 0 8 2", "stat h", { 1, 1, 1 } },
	{ "pread f 0 8", "unlink g", { 1, 1, 1 } },
	/* One access of each that conflicts: before or after. */
	{ "mread m 0 8 = 0x01", "mwrite m 0 8 2", { 2, 2, 2 } },
	{ "mwrite m 0 8 2", "mwrite m 8 8 3", { 2, 2, 2 } },
	{ "create a", "create b", { 2, 2, 2 } },
	{ "pread g 0 8 = 0", "truncate g 4k", { 2, 2, 2 } },
	{ "pread g 0 8 = 0", "pwrite g 0 8", { 2, 2, 2 } },
	{ "fiemap h = none", "mwrite n 0 8 2", { 2, 2, 3 } },	/* xfs: inserts, and converts */
	{ "pread f 0 8 = 0x01", "mwrite m 0 8 2", { 2, 2, 2 } },
	{ "pwrite -S 3 f 0 8", "mread m 0 8 = 0x01", { 2, 2, 2 } },
	/* Two stores, three places among them for a load. */
	{ "mread m 0 8 = 0x01", "mwrite m 0 8 2; mwrite m 0 8 3", { 3, 3, 3 } },
	/* i_mutex, and the freeze: one as a whole before the other. */
	{ "truncate f 0", "truncate f 4k", { 2, 2, 2 } },
	{ "fiemap f = [0+1 W]", "truncate f 0", { 2, 2, 2 } },
	{ "freeze", "mwrite n 0 8 2", { 2, 2, 2 } },
	/* A load that faults, before, between and behind the steps of the other. */
	{ "mread m 0 8 = 0x01", "truncate f 0", { 4, 4, 4 } },
	{ "pread f 0 8 = 0x01", "truncate f 0", { 3, 3, 3 } },
	/* The mapping goes, then its name, which others look up before they use it. */
	{ "munmap m", "mread m 0 8 = 0x01", { 3, 3, 3 } },
	{ "munmap m", "mwrite m 0 8 7", { 3, 3, 3 } },
	{ "mread n 0 8 = 0x00", "munmap n", { 5, 5, 5 } },
	/* Before, between and behind the two cuts, and behind the watchers' look at the end of each. */
	{ "mmap o f 0 4k shared", "truncate f 0", { 5, 5, 5 } },
	/* Protection, before and after, and for a fault in between; a place, which is taken first. */
	{ "mprotect m 0 4k none", "mread m 0 8 = 0x01", { 3, 3, 3 } },
	{ "mprotect m 0 4k ro", "mwrite m 0 8 7 = 8", { 3, 3, 3 } },
	{ "mprotect n 0 4k none", "mread n 0 8 = 0x00", { 6, 6, 6 } },
	{ "mprotect m 0 4k ro", "mprotect m 0 4k none", { 2, 2, 2 } },
	{ "mprotect m 0 4k ro", "truncate f 0", { 6, 6, 6 } },
	{ "mremap m 8k", "mread m 0 8 = 0x01", { 14, 14, 14 } },
	{ "mremap m 8k", "mwrite m 0 8 7", { 14, 14, 14 } },
	{ "mremap m 8k", "mremap m 12k", { 14, 14, 14 } },
	{ "mremap m 8k", "truncate f 0", { 13, 13, 13 } },
	/* What stat tells is read, too. */
	{ "stat h = blocks 0", "mwrite n 0 8 2", { 3, 3, 4 } },
	{ "stat g = nlink 1", "unlink g", { 3, 3, 3 } },	/* the name goes, then the file */
	/* ext4: who commits, and whether the other sees that it need not. Many ways; xfs has no tids. */
	{ "fsync f", "fsync g", { 1, ANY, 1 } },
	{ "fsync f", "mwrite m 0 8 3; mwrite m 8 8 3", { 1, 1, 1 } },
};

/* The classes, the outcomes and the violations of all executions are those of the explored ones. */
Test(explore_walk, nothing_is_missed)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs) * NR_KERNELS; i++) {
		const char *a = pairs[i / NR_KERNELS].a, *b = pairs[i / NR_KERNELS].b;
		const char *kernel = kernels[i % NR_KERNELS];
		u64 classes = pairs[i / NR_KERNELS].classes[i % NR_KERNELS];
		struct scenario *s = two_sessions(kernel, a, b);
		struct walked *some = walk_all(s, 0, dpor), *all = walk_all(s, 0, naive);

		cr_expect(classes == ANY || some->result.classes == classes,
			  "%s: %s | %s: %llu classes", kernel, a, b,
			  (unsigned long long)some->result.classes);
		cr_expect(some->result.complete && all->result.complete);
		cr_expect(set_equal(&some->outcomes, &all->outcomes),
			  "%s: %s | %s: %zu of %zu outcomes", kernel, a, b, some->outcomes.nr,
			  all->outcomes.nr);
		cr_expect(set_equal(&some->classes, &all->classes),
			  "%s: %s | %s: %zu of %zu classes", kernel, a, b, some->classes.nr,
			  all->classes.nr);
		cr_expect_eq(some->findings, all->findings);
		walked_free(some);
		walked_free(all);
		scenario_free(s);
	}
}

/* Accesses that join others leave as many classes as when each is an event of its own. */
Test(explore_walk, joined_accesses_lose_nothing)
{
	static const struct explore_options some = { .strategy = EXPLORE_NAIVE, .most = 50000 };
	u64 steps[2] = { 0 }, complete = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *a = pairs[i].a, *b = pairs[i].b;
		const char *kernel = kernels[i % NR_KERNELS];
		struct scenario *s = two_sessions(kernel, a, b);
		struct walked *joined = walk_all(s, 0, dpor), *apart = walk_so(s, 0, true, dpor);
		struct walked *all = walk_so(s, 0, true, some);

		cr_expect_eq(joined->result.classes, apart->result.classes, "%s: %s | %s: %llu, %llu", kernel,
			     a, b, (unsigned long long)joined->result.classes,
			     (unsigned long long)apart->result.classes);
		cr_expect(!set_missing(&all->classes, &apart->classes));
		cr_expect(!set_missing(&all->outcomes, &joined->outcomes), "%s: %s | %s", kernel, a, b);
		cr_expect(set_equal(&apart->outcomes, &joined->outcomes), "%s: %s | %s", kernel, a, b);
		cr_expect_eq(joined->findings, apart->findings);
		complete += all->result.complete;
		steps[0] += joined->result.steps;
		steps[1] += apart->result.steps;
		walked_free(joined);
		walked_free(apart);
		walked_free(all);
		scenario_free(s);
	}
	cr_expect_lt(steps[0], steps[1] * 3 / 4);
	cr_expect_gt(complete, ARRAY_SIZE(pairs) * 2 / 3);
}

/* No class is explored twice, and what cannot end is a deadlock in both. */
Test(explore_walk, each_class_once)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct scenario *s = two_sessions("ext4@v11", pairs[i].a, pairs[i].b);
		struct walked *w = walk_all(s, 0, dpor);

		cr_expect_eq(w->classes.nr, w->result.classes, "%s | %s", pairs[i].a, pairs[i].b);
		walked_free(w);
		scenario_free(s);
	}
}

/* Kinds of objects of which explore() hears nothing. Exploring must then miss something. */
Test(explore_walk, hidden_access_is_noticed)
{
	static const struct {
		const char *a, *b;
		u32 hidden;
	} mutants[] = {
		{ "pread g 0 8 = 0", "truncate g 4k", BIT(OBJ_I_SIZE) },
		{ "fiemap h = none", "mwrite n 0 8 2", BIT(OBJ_EXTENT) },
		{ "munmap m", "mread m 0 8 = 0x01", BIT(OBJ_PTE) | BIT(OBJ_MMAP) },
		{ "mprotect m 0 4k none", "mread m 0 8 = 0x01", BIT(OBJ_PTE) | BIT(OBJ_MMAP) },
		{ "mremap m 8k", "mread m 0 8 = 0x01", BIT(OBJ_PTE) | BIT(OBJ_MMAP) },
		{ "pread f 0 8 = 0x01", "mwrite m 0 8 2", BIT(OBJ_BLOCK) | BIT(OBJ_MODEL) },
		{ "truncate f 0", "truncate f 4k", BIT(OBJ_LOCK) },
		{ "create a", "create b", BIT(OBJ_DIR) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(mutants) * NR_KERNELS; i++) {
		const char *a = mutants[i / NR_KERNELS].a, *b = mutants[i / NR_KERNELS].b;
		struct scenario *s = two_sessions(kernels[i % NR_KERNELS], a, b);
		struct walked *mutant = walk_all(s, mutants[i / NR_KERNELS].hidden, dpor);
		struct walked *all = walk_all(s, 0, naive);

		cr_expect(mutant->err || !set_equal(&mutant->outcomes, &all->outcomes),
			  "%s: %s | %s", kernels[i % NR_KERNELS], a, b);
		walked_free(mutant);
		walked_free(all);
		scenario_free(s);
	}
}

#define DRAWN 2000

/* Larger ones cannot be enumerated, but wherever chance leads must have been explored. */
static const struct {
	const char *text;
} mixes[] = {
	{ "session a { mwrite n 0 8 2 = 8 or SIGBUS }\nsession b { truncate h 0 }\n"
	  "session c { pwrite -S 0x77 g 0 4k }\n" },
	{ "session a { mwrite n 0 8 2 }\nsession b { mwrite n 64 8 3 }\n" },
	{ "session a { mread n 0 8 }\nsession b { pwrite -S 9 h 0 64 }\n" },
	{ "session a { mread m 0 8 = 8 or SIGBUS }\nsession b { truncate f 0 }\n"
	  "session c { pwrite -S 0x77 g 0 4k }\n" },
	{ "session a { fsync f }\nsession b { mwrite n 0 8 2 }\nsession c { pread h 0 8 }\n" },
};

static void expect_explored(const struct walked *some, const struct scenario *s,
			    const struct explore_options *o, const char *what)
{
	struct walked *drawn = walk_all(s, 0, *o);
	size_t classes = set_missing(&drawn->classes, &some->classes);
	size_t outcomes = set_missing(&drawn->outcomes, &some->outcomes);

	cr_expect(!classes && !outcomes, "%s: %zu of %zu classes, %zu of %zu outcomes are new", what,
		  classes, drawn->classes.nr, outcomes, drawn->outcomes.nr);
	cr_expect_gt(drawn->classes.nr, 1, "%s: always the same class", what);
	walked_free(drawn);
}

Test(explore_walk, chance_finds_nothing_new)
{
	static const char *const versions[] = { "ext2@v11", "ext4@v11", "xfs@v11", "ext2@v10",
						"ext4@v10", "xfs@v10",	"ext4@4.7", "xfs@4.7" };

	for (size_t i = 0; i < ARRAY_SIZE(mixes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(versions); k++) {
			const struct explore_options random = {
				.strategy = EXPLORE_RANDOM, .runs = DRAWN, .seed = 20140925,
			};
			const struct explore_options pct = {
				.strategy = EXPLORE_PCT, .bound = 3, .runs = DRAWN,
				.seed = 20140925,
			};
			struct scenario *s;
			struct walked *some;
			char text[700], what[300];

			snprintf(text, sizeof(text), HEAD "%s", versions[k], mixes[i].text);
			snprintf(what, sizeof(what), "%s: %s", versions[k], mixes[i].text);
			s = parse_text(text);
			some = walk_all(s, 0, dpor);
			cr_expect(some->result.complete);
			expect_explored(some, s, &random, what);
			expect_explored(some, s, &pct, what);
			walked_free(some);
			scenario_free(s);
		}
}

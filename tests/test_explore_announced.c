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
static void expect_explored_so(const struct race *r, bool apart)
{
	const struct explore_options dpor = { .strategy = EXPLORE_DPOR };
	const struct explore_options few = { .strategy = EXPLORE_PREEMPT, .bound = 2, .most = 8000 };
	const char *third = r->sessions[2] ? r->sessions[2] : "nobody";
	struct scenario *s = scenario_of(r);
	struct walked *all = walk_so(s, 0, apart, dpor), *some = walk_so(s, 0, apart, few);
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

static void expect_explored(const struct race *r)
{
	expect_explored_so(r, false);
	expect_explored_so(r, true);
}

#define EXPECT_EXPLORED(races)                                                                    \
	do {                                                                                       \
		for (size_t i = 0; i < ARRAY_SIZE(races); i++)                                    \
			expect_explored(&(races)[i]);                                             \
	} while (0)

#define MAPPED "create f; pwrite -S 1 f 0 4k; mmap m f 0 4k shared"
#define TWO_PAGES "create f; pwrite -S 1 f 0 8k; mmap m f 0 8k shared; mwrite m 0 8k 1"
#define HOLE_BEHIND "create f; truncate f 8k; mmap m f 0 8k shared; mwrite m 0 4k 1"
#define HOLE_BEFORE "create f; truncate f 8k; mmap m f 0 8k shared; mwrite m 4k 4k 1"

/* A load or store over two pages depends on who changes either of them. */
Test(explore_announced, second_page)
{
	static const struct race races[] = {
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "truncate f 4k" }, 4, 2 },
		{ "ext4@v11", TWO_PAGES, { "mwrite m 4092 8 7", "truncate f 4k" }, 5, 2 },
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "fpunch f 0 4k" }, 62, 20 },
		{ "ext4@v11", TWO_PAGES, { "mread m 4092 8 = 0x01", "fpunch f 4k 4k" }, 62, 20 },
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

/* Extents go all at once, and get_block answers for as many blocks as it is asked about. */
Test(explore_announced, several_blocks)
{
	static const struct race races[] = {
		{ "ext2@v11", "create f; pwrite -S 1 f 0 8k; mmap m f 0 8k shared; mmap p f 0 8k private",
		  { "truncate f 0", "mwrite m 0 8" }, 0, 5 },
		{ "ext2@v11", "create f; truncate f 8k; mmap m f 0 8k shared",
		  { "pread f 0 8k", "mwrite m 4k 8 1", "pwrite f 0 4k" }, 0, 4 },
	};

	EXPECT_EXPLORED(races);
}

/* A private page's bytes are no block's, but whoever shares the mapping sees them. */
Test(explore_announced, private_pages)
{
	static const struct race races[] = {
		{ "ext4@v11", "create f; truncate f 4k; mmap p f 0 4k private; mwrite p 0 8 1",
		  { "mread p 0 8 = 0x01", "mwrite p 0 8 2" }, 2, 2 },
		{ "ext4@v11", "create f; truncate f 4k; mmap p f 0 4k private; mwrite p 0 8 1",
		  { "mread p 0 8 = 0x01", "mread p 0 8 = 0x01" }, 1, 1 },
	};

	EXPECT_EXPLORED(races);
}

/* Where a mapping is now is looked at again before its name is said to have moved. */
Test(explore_announced, moved_twice)
{
	static const struct race races[] = {
		{ "ext4@v11", "create f; truncate f 4k; mmap m f 0 4k shared",
		  { "mremap m 16k", "mremap m 4k" }, 0, 2 },
	};

	EXPECT_EXPLORED(races);
}

/* How far ext4 converts hangs on i_size; what a tree needs, on how many extents there are. */
Test(explore_announced, extent_trees)
{
	static const struct race races[] = {
		{ "ext4@v10", MAPPED, { "mwrite m 0 8 2", "fzero f 0 8k" }, 0, 13 },
		{ "ext4@v11", "create f; fallocate f 0 40k; pwrite f 4k 4k; mmap m f 0 40k shared",
		  { "mwrite m 12k 8 1", "fcollapse f 32k 4k" }, 0, 1 },
	};

	EXPECT_EXPLORED(races);
}

/* Whether a store is lost, or only not seen, hangs on what lies on the device. */
Test(explore_announced, bugs)
{
	static const struct race races[] = {
		{ "ext4@v11 -convert-unwritten",
		  "create f; fallocate f 0 4k; mmap m f 0 4k shared; mmap n f 0 4k shared",
		  { "mwrite m 0 8 0x5a; pread f 0 8", "mread n 0 8" }, 0, 3 },
	};

	EXPECT_EXPLORED(races);
}

/* Each call at a place that may be made to fail is counted, whether or not any is left to fail. */
Test(explore_announced, injections)
{
	static const struct race races[] = {
		{ "ext2@v10", "create f; truncate f 4k; mmap m f 0 4k shared; mmap p f 0 4k private",
		  { "inject direct_access -EIO; mread m 0 8", "inject get_block -ENOSPC", "mread p 0 8" },
		  0, 3 },
	};

	EXPECT_EXPLORED(races);
}

/* Who drops a page has it locked still when the next one is made in its place, with a lock too. */
Test(explore_announced, pages_in_the_same_place)
{
	static const struct race races[] = {
		{ "ext2@v11", "create f; truncate f 4k; mmap m f 0 8k shared; mmap p f 0 8k private",
		  { "mread m 0 8", "pwrite -S 0x33 f 0 4k" }, 33, 9 },
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

#define FILES "create f; create g; open f as h; pwrite -S 1 f 0 4k; pwrite -S 2 g 0 4k"

/* A name that one session binds or drops, and another uses: before, after, and in between. */
Test(explore_announced, names)
{
	static const struct race races[] = {
		/* Closed before the call, while it runs, behind it; of the latter two who is last? */
		{ "ext2@v11", FILES, { "fiemap f", "close f" }, 3, 2 },
		{ "ext2@v11", FILES, { "fiemap f = [0+1 W]", "open g as f" }, 3, 1 },
		{ "ext2@v11", FILES, { "pread f 0 8 = 0x01", "open g as f" }, 3, 2 },
		{ "ext2@v11", FILES, { "pread h 0 8 = 0x01", "open g as h" }, 3, 2 },
		{ "ext2@v11", FILES "; unlink f; close h", { "fiemap f", "close f" }, 3, 2 },
		/* Two calls in three places each, and the order of their ends if it is closed then. */
		{ "ext2@v11", FILES, { "fiemap f", "close f", "fiemap f" }, 10, 3 },
		{ "ext2@v11", FILES, { "close h", "close h" }, 2, 2 },
		/* Before it is mapped, or behind that; a stray address, whether or not its name is gone. */
		{ "ext2@v11", MAPPED, { "mread n 0 8 = 0x01", "mmap n f 0 4k shared" }, 2, 2 },
		{ "ext2@v11", MAPPED, { "mread m 0 8 = 0x01", "munmap m" }, 5, 3 },
		{ "ext2@v11", MAPPED, { "mmap n f 0 4k shared", "mmap n f 0 4k shared" }, 6, 4 },
		{ "ext2@v11", MAPPED, { "munmap m", "munmap m" }, 6, 3 },
		{ "ext2@v11", MAPPED, { "munmap m", "mremap m 8k" }, 10, 3 },
		/* A file is made for a name that is taken already. */
		{ "null@v11", FILES, { "create x", "open x as y" }, 3, 2 },
		{ "null@v11", FILES, { "create x", "unlink x" }, 3, 2 },
	};

	EXPECT_EXPLORED(races);
}

/* What is nobody else's is looked up for nothing. */
Test(explore_announced, names_of_ones_own)
{
	static const struct race races[] = {
		{ "ext2@v11", FILES, { "fiemap h; close h", "fiemap g" }, 1, 1 },
		{ "ext2@v11", FILES, { "fiemap f", "fiemap f; fiemap h" }, 1, 1 },
		{ "ext2@v11", FILES, { "open f as x; fiemap x; close x", "fiemap f" }, 1, 1 },
		{ "ext2@v11", MAPPED, { "mread m 0 8", "munmap m 0 4k" }, 4, 3 },
	};

	EXPECT_EXPLORED(races);
}

#define ALL_NAMES                                                                                  \
	"create f; pwrite -S 1 f 0 8k; create g; open f as h; mmap m f 0 8k shared; mread m 0 1\n"  \
	"mmap p f 0 8k private; mmap n g 0 4k shared"

static u32 surprises;

static void note_surprise(void *data, enum point_kind kind, u64 object)
{
	(void)data;
	surprises += kind != P_READ || obj_type(object) != OBJ_MMAP;
}

static char *state_text(struct explorer *x)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	state_print(&x->m.sim, to);
	fclose(to);
	return text;
}

static char *state_at_start(const char *fs, const char *cmd, const char *others)
{
	static const struct calm nothing = { .guessed = true };
	const struct race r = { fs, ALL_NAMES, { cmd, others }, 0, 0 };
	struct scenario *s = scenario_of(&r);
	struct walked *w = walked_new(s, s->variants, 0, false, &nothing);
	char *text;

	w->x.m.sim.sched.note = note_surprise;
	surprises = 0;
	walk_reset(&w->x);
	cr_expect_eq(surprises, 0, "%s: %s: %u", fs, cmd, surprises);
	cr_expect_eq(w->x.m.nr_files, w->x.names.nr_files, "%s: %s", fs, cmd);
	cr_expect_eq(w->x.m.nr_maps, w->x.names.nr_maps, "%s: %s", fs, cmd);
	cr_expect_eq(w->x.m.nr_dir, w->x.names.nr_dir, "%s: %s", fs, cmd);
	text = state_text(&w->x);
	walked_free(w);
	scenario_free(s);
	return text;
}

/* Nothing is done before a session's first point, nor found out but what is looked up again. */
Test(explore_announced, nothing_before_the_first_point)
{
	static const char *const kernels[] = { "ext2@v10", "ext4@v11", "xfs@4.7", "null@v11" };
	static const char *const cmds[] = {
		"create x", "open f", "open g as f", "close f", "close h", "unlink f", "truncate f 0",
		"fallocate f 0 4k = ...", "fpunch f 0 4k = ...", "fzero f 0 4k = ...",
		"fcollapse f 0 4k = ...", "finsert f 0 4k = ...", "pread f 0 8",
		"pread f 0 8 to n 0 = ...", "pwrite f 0 8", "pwrite f 0 8 from m 0", "mmap x f 0 4k shared",
		"mmap x f 1 4k shared = -EINVAL", "munmap m", "munmap m 0 4k", "mprotect m 0 4k ro",
		"mremap m 12k", "mread m 0 8", "mread m 64k 8 = SIGSEGV", "mwrite m 4092 8",
		"mwrite p 0 8", "msync m", "fsync f", "fiemap f", "stat f", "faults",
		"inject clear -EIO", "freeze", "thaw = -EINVAL",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		/* Who uses all the names shares those that the others bind and drop. */
		const char *others = "step u { faults; fsync f; fsync h; mread m 0 1 = ...; msync p }";
		char *nothing = state_at_start(kernels[i], "faults", others);

		for (size_t j = 0; j < ARRAY_SIZE(cmds); j++) {
			char *text = state_at_start(kernels[i], cmds[j], others);

			cr_expect_str_eq(text, nothing, "%s: %s", kernels[i], cmds[j]);
			free(text);
		}
		free(nothing);
	}
}

/* When a file system is frozen; the second of two waits if it comes before that. */
Test(explore_announced, freeze)
{
	static const struct race races[] = {
		{ "ext2@v11", "create f", { "freeze", "thaw" }, 3, 2 },
		{ "ext2@v11", "create f", { "freeze; thaw", "freeze" }, 7, 4 },
	};

	EXPECT_EXPLORED(races);
}

/* An entry is the same whoever makes it. A store that has to do with none of it doubles all. */
Test(explore_announced, entries)
{
	static const char setup[] = MAPPED "; create g; pwrite -S 2 g 0 4k; mmap n g 0 4k shared\n"
				    "mmap q g 0 4k shared; mwrite m 0 8 1";
	const struct race races[] = {
		{ "ext4@4.7", setup, { "mread q 0 8", "pread f 0 8 to n 0" }, 9, 1 },
		{ "ext4@4.7", setup, { "mread q 0 8", "pread f 0 8 to n 0", "mwrite m 0 8 3" }, 18, 2 },
	};

	EXPECT_EXPLORED(races);
}

/*
 * A page comes into the cache with its lock taken. Who finds it there waits, and cannot be made to
 * come first: explore() would say so.
 */
Test(explore_announced, adopted_locks)
{
	static const struct race race = {
		"xfs@v10", "create f; truncate f 8k; mmap m f 0 8k shared",
		{ "truncate f 4k", "mread m 4k 8", "mread m 4k 8" }, 0, 0,
	};
	const struct explore_options dpor = { .strategy = EXPLORE_DPOR };
	struct scenario *s = scenario_of(&race);
	struct walked *w = walk_all(s, 0, dpor);

	cr_expect(w->result.complete);
	cr_expect_gt(w->result.classes, 100);
	walked_free(w);
	scenario_free(s);
}

// SPDX-License-Identifier: MIT
/*
 * Whatever sessions find out about each other is announced: all they do follows from what happened
 * before it, so far as announced accesses tell. Executions of many scenarios are held against each
 * other. And where an access is hidden from that comparison it says which one follows from nothing.
 */
#include <glob.h>

#include "tests/determined.h"
#include "tests/scenario_run.h"
#include "tests/toy_program.h"
#include "tests/walked.h"

/* What commands came to, and what was violated. */
static u64 walked_sum(void *data)
{
	const struct walked *w = data;

	return w->x.results + w->noted;
}

struct watched {
	struct determined d;
	struct walked *w;
};

static bool watched_end(void *ctx, const struct explore_run *run)
{
	struct watched *o = ctx;
	struct explorer *x = &o->w->x;
	u64 before = o->w->noted;

	if (x->stirred)
		return false;
	if (run->deadlock)
		walk_stuck(x, ~0U, run->bounded);
	else
		check_quiescent(x->m.sim.check);
	if (!run->bounded)
		determined_end(&o->d, run->class,
			       end_hash(x, run->deadlock) + o->w->noted - before);
	return true;
}

/* Look at some executions of a variant: the first with two preemptions, and as many by chance. */
static int look_on(struct watched *o, u64 executions)
{
	struct explore_options few = {
		.strategy = EXPLORE_PREEMPT, .bound = 2, .most = executions,
		.visit = watched_end, .ctx = o,
	};
	struct explore_options chance = {
		.strategy = EXPLORE_RANDOM, .runs = executions, .seed = 20140925,
		.visit = watched_end, .ctx = o,
	};
	struct explore_program p;
	struct explore_result r;
	int err;

	o->w->x.limits.outcomes = true;
	o->d.program = walked_program(o->w);
	o->d.sum = walked_sum;
	p = determined_program(&o->d);
	err = explore(&p, &few, &r);
	return err ?: explore(&p, &chance, &r);
}

static void watched_free(struct watched *o)
{
	determined_free(&o->d);
	walked_free(o->w);
}

/* The same, anew whenever something was wrongly taken to be calm. */
static void watch(struct watched *o, const struct scenario *s, const struct variant *v, u32 hidden,
		  bool apart, u64 executions)
{
	struct calm calm = { .guessed = false };
	int err;

	for (;;) {
		*o = (struct watched){ .w = walked_new(s, v, hidden, apart, &calm) };
		err = look_on(o, executions);
		if (!o->w->x.stirred)
			break;
		calm = o->w->x.calm;
		watched_free(o);
	}
	cr_expect(!err || hidden, "%s %s: explore() returned %d", s->path, v->text, err);
}

/* With each access as an event of its own, and with those joined that may be. */
static void expect_nothing_hidden(const struct scenario *s, const struct variant *v, u64 executions)
{
	for (int apart = 0; apart < 2; apart++) {
		struct watched o;

		watch(&o, s, v, 0, apart, executions);
		cr_expect(!o.d.surprises, "%s %s%s: %s", s->path, v->text,
			  apart ? "" : ", joined", o.d.first);
		cr_expect_gt(o.d.pasts, 0);
		watched_free(&o);
	}
}

/* The first variant of each scenario, and the last, which is often another file system's. */
static void expect_nothing_hidden_in(const char *pattern, u64 executions)
{
	glob_t files;

	cr_assert_eq(glob(pattern, 0, NULL, &files), 0, "no scenarios here");
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct scenario *s = scenario_load(files.gl_pathv[i], stderr);
		const struct variant *last;

		cr_assert_not_null(s);
		for (last = s->variants; last->next; last = last->next)
			;
		expect_nothing_hidden(s, s->variants, executions);
		if (last != s->variants)
			expect_nothing_hidden(s, last, executions);
		scenario_free(s);
	}
	globfree(&files);
}

Test(explore_hidden, scenarios)
{
	expect_nothing_hidden_in("scenarios/*.scn", 30);
}

Test(explore_hidden, mixes)
{
	expect_nothing_hidden_in("scenarios/mixes/*.scn", 200);
}

static struct scenario *three_sessions(const char *fs, const char *setup, const char *const *cmds)
{
	char text[900];

	snprintf(text, sizeof(text),
		 "scenario t\nfs %s\nsetup { %s }\n"
		 "session a { %s }\nsession b { %s }\nsession c { %s }\n",
		 fs, setup, cmds[0], cmds[1], cmds[2]);
	return parse_text(text);
}

/* What the scenarios have none of: mappings that change, odd ends, errors, names that go. */
Test(explore_hidden, more)
{
	static const char setup[] =
		"create f; create g; pwrite -S 1 f 0 4k; truncate f 8k\n"
		"mmap m f 0 8k shared; mmap p f 0 8k private; mmap n g 0 4k shared; mread m 0 1";
	static const char *const kernels[] = {
		"ext2@v11", "ext2@4.7", "ext4@v10", "ext4@4.7", "xfs@v11", "xfs@4.7", "null@v11",
		"ext4@v11 -convert-unwritten",
	};
	static const char *const cmds[][3] = {
		{ "mremap m 12k", "fpunch f 0 4k", "mwrite m 4092 8 2" },
		{ "mprotect m 0 4k ro", "mwrite m 0 8 2", "munmap m 4k 4k" },
		{ "mmap x f 0 8k shared; mwrite x 4k 8 3", "truncate f 4k", "msync m" },
		{ "stat f", "mwrite m 4k 8 2", "pwrite -S 3 f 8k 100" },
		{ "fiemap f", "fallocate -k f 8k 8k", "truncate f 100" },
		{ "freeze; thaw", "mwrite p 0 8 2; mwrite m 4k 8 2", "fsync f" },
		{ "fcollapse f 0 4k", "finsert f 0 4k", "mread m 0 8k" },
		{ "fzero -k f 4k 8k", "mread m 4k 8; faults", "pread f 0 8k" },
		{ "inject get_block -ENOSPC", "mwrite m 4k 8 2", "pwrite -S 3 g 0 4k" },
		{ "inject copy fault", "pwrite -S 3 f 0 8k", "inject direct_access short 512" },
		{ "pread f 0 4k to n 0", "pwrite g 0 4k from m 4k", "truncate g 4k" },
		{ "close f", "open g as f; stat f", "unlink f; create f" },
		{ "fcollapse f 0 4k", "truncate f 100", "mwrite m 4k 8 2" },
		{ "mremap m 16k", "mremap m 4k", "mwrite m 0 8 2" },
		{ "fzero f 0 12k", "pread g 0 8", "mwrite m 4k 8 2" },
		{ "mwrite p 0 8 2; mread p 0 8", "mwrite p 0 8 3", "mremap p 4k; mremap p 16k" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		for (size_t k = 0; k < ARRAY_SIZE(kernels); k++) {
			struct scenario *s = three_sessions(kernels[k], setup, cmds[i]);

			expect_nothing_hidden(s, s->variants, 60);
			scenario_free(s);
		}
}

static bool str_begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Kinds of objects of which nothing is heard: something no longer follows from the rest. */
Test(explore_hidden, is_noticed)
{
	static const char setup[] =
		"create f; pwrite -S 1 f 0 4k; mmap m f 0 4k shared; mwrite m 0 8 1\n"
		"mmap p f 0 4k private; mwrite p 0 8 1; create g; create h; truncate h 4k\n"
		"mmap n h 0 4k shared";
	static const struct {
		const char *cmds[3];
		u32 hidden;
		const char *first;	/* how what is said of it begins */
	} mutants[] = {
		/* Where it goes on, or ends, and what it came to. */
		{ { "truncate g 4k", "pread g 0 8", "faults" }, BIT(OBJ_I_SIZE),
		  "thread 1, event 1:, then" },
		{ { "close g", "stat g", "faults" }, BIT(OBJ_NAME), "thread 1, event 1:, then" },
		{ { "inject direct_access -EIO", "pread f 0 8", "faults" }, BIT(OBJ_INJECT),
		  "thread 1, event 8:, then read" },
		/* Which further access it makes in its event. */
		{ { "munmap m", "mread m 0 8", "faults" }, BIT(OBJ_PTE) | BIT(OBJ_MMAP),
		  "thread 1, event 2:, then" },
		{ { "mremap m 8k", "mread m 0 8", "faults" }, BIT(OBJ_MMAP),
		  "thread 1, event 2:, then" },
		/* Only what it came to. */
		{ { "mwrite p 0 8 2", "mread p 0 8", "faults" }, BIT(OBJ_PTE),
		  "thread 1, event 1: read(11." },
		{ { "mwrite m 0 8 2", "pread f 0 8", "faults" }, BIT(OBJ_BLOCK) | BIT(OBJ_MODEL),
		  "thread 1" },
		{ { "fpunch f 0 4k", "stat f", "faults" }, BIT(OBJ_EXTENT), "thread 1" },
		{ { "mwrite n 0 8 2", "stat h", "faults" }, BIT(OBJ_MTIME), "thread 1" },
		{ { "create a", "create a", "faults" }, BIT(OBJ_DIR), "thread 1" },
		{ { "freeze", "thaw", "faults" }, BIT(OBJ_FREEZE) | BIT(OBJ_LOCK), "thread 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
		struct scenario *s = three_sessions("ext4@v11", setup, mutants[i].cmds);
		struct watched o;

		watch(&o, s, s->variants, mutants[i].hidden, true, 60);
		cr_expect(o.d.surprises && str_begins(o.d.first, mutants[i].first), "%s | %s: %s",
			  mutants[i].cmds[0], mutants[i].cmds[1], o.d.first);
		watched_free(&o);
		expect_nothing_hidden(s, s->variants, 60);
		scenario_free(s);
	}
}

/* Programs in which what is read decides what is accessed besides. */
static u64 toy_surprises(u32 hidden)
{
	const struct explore_options all = { .strategy = EXPLORE_NAIVE, .most = 300 };
	u64 surprises = 0;

	for (u64 seed = 0; seed < 16; seed++) {
		struct toy toy = toy_random_forks(seed, true);
		struct determined d = { .program = toy_program(&toy) };
		struct explore_program p = determined_program(&d);
		struct explore_result r;
		int err;

		toy.hidden = hidden;
		err = explore(&p, &all, &r);
		cr_expect(!err || hidden);
		cr_expect_gt(d.events, 0);
		surprises += d.surprises;
		determined_free(&d);
	}
	return surprises;
}

Test(explore_hidden, toys)
{
	cr_expect_eq(toy_surprises(0), 0);
	cr_expect_gt(toy_surprises(BIT(EXPLORE_WRITE)), 0);
	cr_expect_gt(toy_surprises(BIT(EXPLORE_READ)), 0);
}

// SPDX-License-Identifier: MIT
/*
 * Tests of the table of points: names that a schedule can tell apart, and for
 * each a place in the sources that announces it.
 */
#include "tests/scenario_run.h"

#include <ctype.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/lock.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"

Test(point, names_are_unique)
{
	for (int i = 0; i < NR_POINTS; i++)
		cr_expect_eq(name_find(&point_names, point_table[i].name), i, "%s stands twice",
			     point_table[i].name);
}

/* `until i_mutex` means the lock, `until lock` any lock: no point may be called like a class. */
Test(point, no_name_is_a_lock_class)
{
	for (int i = 0; i < NR_POINTS; i++)
		cr_expect_lt(name_find(&lock_class_names, point_table[i].name), 0, "%s",
			     point_table[i].name);
}

Test(point, no_name_is_a_word_of_the_language)
{
	static const char *const words[] = {
		"scenario", "device", "fs", "expect", "ignore", "setup", "session", "schedule",
		"final", "step", "until", "or", "end", "blocks", "on", "in", "clean", "bug",
		"always", "sometimes", "never", "if", "as", "to", "from", "ro", "rw", "shared",
		"private", "after", "times", "short", "fault", "none",
	};

	for (int i = 0; i < NR_POINTS; i++) {
		const char *name = point_table[i].name;

		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			cr_expect_str_neq(name, words[j]);
		cr_expect_lt(name_find(&verb_names, name), 0, "%s is a command", name);
	}
}

/* `daxsim points` prints them in a row: one line, no full stop. */
Test(point, descriptions)
{
	for (int i = 0; i < NR_POINTS; i++) {
		const char *what = point_table[i].what;

		cr_expect_geq(strlen(what), 10, "%s", point_table[i].name);
		cr_expect_leq(strlen(what), 90, "%s", point_table[i].name);
		cr_expect_null(strchr(what, '\n'));
		cr_expect_neq(what[strlen(what) - 1], '.', "%s", point_table[i].name);
		cr_expect_not(isupper((u8)what[0]) && islower((u8)what[1]), "%s", what);
	}
}

Test(point, every_name_can_be_waited_for)
{
	for (int i = 0; i < NR_POINTS; i++) {
		struct scenario *s;
		char text[200];

		snprintf(text, sizeof(text), "scenario t\nfs ext2\nsession a { thaw }\n"
			 "schedule { a until %s 2; a@%s#3 }", point_table[i].name,
			 point_table[i].name);
		s = parse_text(text);
		cr_expect_eq(s->schedules->entries->until, i);
		cr_expect_eq(s->schedules->entries->until_lock, -1);
		cr_expect_eq(s->schedules->entries->next->until, i);
		scenario_free(s);
	}
}

Test(point, objects)
{
	u64 o = obj(OBJ_EXTENT, 0x123456, 0x89abcdef);

	cr_expect_eq(obj_type(o), OBJ_EXTENT);
	cr_expect_eq(obj_owner(o), 0x123456);
	cr_expect_eq(obj_index(o), 0x89abcdef);
	cr_expect_neq(obj(OBJ_EXTENT, 1, 2), obj(OBJ_EXTENT, 2, 1));
	cr_expect_neq(obj(OBJ_EXTENT, 1, 2), obj(OBJ_PAGE, 1, 2));
	cr_expect_neq(obj(OBJ_BLOCK, 0, 0), 0, "0 is no object");
	cr_expect_eq(obj_index(obj(OBJ_BLOCK, 0, EXTENT_ALL)), EXTENT_ALL);
}

/* A session that does all there is, or is told that it cannot, and one that closes what it uses. */
static const char tour[] =
	"setup {\n"
	"	create f; truncate f 32k; mmap m f 0 32k shared; mmap p f 0 32k private\n"
	"	create g; pwrite g 0 8k; mmap mg g 0 8k shared; mmap q g 0 8k private\n"
	"}\n"
	"session a {\n"
	"	mread m 0 1; mwrite m 0 1; mread m 4k 1; pwrite f 4k 4k; mwrite m 8k 1\n"
	"	mwrite p 0 1; mread q 4k 1; mwrite q 4k 1\n"
	"	pread f 0 32k; pread g 0 4k to mg 0; pwrite f 20k 10\n"
	"	fallocate f 12k 16k = ...; mwrite m 12k 1 = ...; mread m 16k 1\n"
	"	fpunch f 13k 6k = ...; fzero f 20k 4k = ...\n"
	"	fcollapse f 4k 4k = ...; finsert f 4k 4k = ...; fiemap f; stat f\n"
	"	inject copy fault after 5000; pwrite f 0 8k = ...; pread f 0 8k = ...\n"
	"	inject copy fault after 5000; pread f 0 8k = ...; fsync f; pwrite f 0 8k = ...\n"
	"	fsync g; msync m; freeze; thaw; truncate f 100; faults\n"
	"	mprotect m 0 4k ro; mremap m 40k = ...; mprotect m 0 40k rw; mremap m 40k = ...\n"
	"	munmap m; munmap p; close f; unlink f; open g ro\n"
	"}\n"
	"session b { close g }\n";

static void count_hits(const struct execution *x, u64 hits[NR_POINTS])
{
	for (size_t i = 0; i < x->trace.nr; i++)
		if (x->trace.events[i].type == EVENT_POINT)
			hits[x->trace.events[i].point]++;
}

static void take_the_tour(const char *fs, u64 hits[NR_POINTS])
{
	char text[2000];
	struct trial t;

	snprintf(text, sizeof(text), "scenario t\nfs %s expect bug deadlock\n%s", fs, tour);
	run_text(&t, text);
	cr_expect_not(t.v.bad_input, "%s", t.v.why);
	cr_expect_null(execution_of(&t, 0)->failure, "%s", execution_of(&t, 0)->failure);
	count_hits(execution_of(&t, 0), hits);
	end_trial(&t);
}

/* Every point is passed by some file system of some version. */
Test(point, every_point_is_announced)
{
	u64 hits[NR_POINTS] = { 0 };
	char fs[40];

	for (int i = 0; fs_table[i]; i++)
		for (int j = 0; profile_names[j]; j++) {
			snprintf(fs, sizeof(fs), "%s@%s", fs_table[i]->name, profile_names[j]);
			take_the_tour(fs, hits);
		}
	for (int i = 0; i < NR_POINTS; i++)
		cr_expect_gt(hits[i], 0, "nothing announces %s", point_table[i].name);
}

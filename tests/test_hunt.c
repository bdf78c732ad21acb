// SPDX-License-Identifier: MIT
/* The table of what generic mixes of sessions show, row by row. */
#include <errno.h>

#include "backends/fs/fs.h"
#include "daxsim/script/hunt.h"
#include "tests/scenario_run.h"

#define MIX                                                                                        \
	"scenario mix\nfs null\n"                                                                  \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared }\n"                                \
	"session fault { mwrite m 4k 8 0x5a = 8 or SIGBUS }\n"                                     \
	"session trunc { truncate f 0 }\n"

/* What hunt_fs() writes of a file system, or NULL: all of them; to be freed. The last gives @want. */
static char *hunted_on(const char *fs, const char *text, const struct explore_limits *limits,
		       int want)
{
	struct scenario *s = parse_text(text);
	char *rows;
	size_t size;
	FILE *to = open_memstream(&rows, &size);
	int err = 0;

	cr_assert_not_null(to);
	for (int i = 0; fs_table[i] && !err; i++)
		if (fs ? !strcmp(fs_table[i]->name, fs) : fs_table[i]->needs != 0)
			err = hunt_fs(s, fs_table[i], limits, to, stderr);
	cr_expect_eq(err, want);
	fclose(to);
	scenario_free(s);
	return rows;
}

static char *hunted(const char *text, const struct explore_limits *limits, int want)
{
	return hunted_on(NULL, text, limits, want);
}

static const struct explore_limits enough = { .executions = 0 };

/* Cell @column of the row of a file system, from 0, to be freed. */
static char *cell(const char *rows, const char *fs, unsigned int column)
{
	const char *at;
	char name[40];
	size_t len;

	snprintf(name, sizeof(name), "| mix | %s | ", fs);
	at = strstr(rows, name);
	cr_assert_not_null(at, "no row for %s in: %s", fs, rows);
	for (at += strlen(name); column; column--)
		at = strstr(at, " | ") + 3;
	len = strcspn(at, "|\n");
	return strndup(at, len ? len - 1 : 0);
}

#define expect_cell(rows, fs, column, want)                                                        \
	do {                                                                                       \
		char *text = cell(rows, fs, column);                                               \
		cr_expect_str_eq(text, want);                                                      \
		free(text);                                                                        \
	} while (0)

/* Without the number of classes, which is tested elsewhere. */
static void expect_shows(const char *rows, const char *fs, unsigned int column, const char *want)
{
	char *text = cell(rows, fs, column);

	text[strcspn(text, "(")] = '\0';
	cr_expect_str_eq(text, want);
	free(text);
}

enum { V10, LACKING, V11, LATEST };

Test(hunt, a_row_for_each_file_system)
{
	char *rows = hunted(MIX, &enough, 0);
	unsigned int lines = 0;

	for (const char *c = rows; *c; c++)
		lines += *c == '\n';
	cr_expect_eq(lines, 3);
	/* v10 zeroes the block after truncate freed it, which patch 3 ended. */
	expect_shows(rows, "ext2", V10, "foreign-write, leak-past-eof ");
	expect_shows(rows, "ext4", V10, "foreign-write, leak-past-eof ");
	expect_cell(rows, "ext2", LACKING, "-p3: foreign-write");
	expect_cell(rows, "ext2", V11, "leak-past-eof");
	expect_cell(rows, "ext4", V11, "leak-past-eof");
	expect_shows(rows, "ext2", LATEST, "clean ");
	expect_shows(rows, "ext4", LATEST, "clean ");
	expect_shows(rows, "xfs", LATEST, "clean ");
	cr_expect(strstr(rows, "clean (all "));
	free(rows);
}

/* The COW path that forgets a lock: patch 2 is what v11 has over v10. */
Test(hunt, a_patch_that_matters_here)
{
	char *rows = hunted("scenario mix\nfs null\n"
			    "setup { create f; pwrite f 0 4k; mmap m f 0 4k private }\n"
			    "session fault { mwrite m 0 8 0x5a = 8 or SIGBUS }\n"
			    "session trunc { truncate f 0 }\n", &enough, 0);

	expect_cell(rows, "ext2", LACKING, "-p2: lock-leak, deadlock");
	expect_cell(rows, "ext2", V11, "clean");
	expect_shows(rows, "ext2", V10, "lock-leak, deadlock ");
	free(rows);
}

Test(hunt, not_all_of_it)
{
	const struct explore_limits little = { .executions = 1000 };
	char *rows = hunted("scenario mix\nfs null\n"
			    "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
			    "session one { mwrite m 0 8 0x11 = 8 or SIGBUS }\n"
			    "session two { mwrite m 64 8 0x22 = 8 or SIGBUS }\n"
			    "session trunc { truncate f 0 }\n", &little, 0);

	cr_expect(strstr(rows, " (PCT, "), "%s", rows);
	free(rows);
}

#define STOPPED(n) #n " with a session stopped after 4096 accesses)"

/* A store that faults for ever, which patch 3 ended: said, whatever else happens besides. */
Test(hunt, session_that_never_ends)
{
	char *rows = hunted("scenario mix\nfs null\n"
			    "setup { create f; pwrite f 0 4k; mmap m f 0 4k shared; create g\n"
			    "inject direct_access short 0 times 100000000 }\n"
			    "session fault { mwrite m 0 8 0x5a = 8 or SIGBUS }\n"
			    "session read { fiemap g }\n", &enough, 0);

	expect_cell(rows, "ext2", V10, "deadlock (1 class, " STOPPED(1));
	expect_cell(rows, "xfs", V10, "deadlock (1 class, " STOPPED(1));
	expect_cell(rows, "ext4", LACKING, "-p3: deadlock");
	expect_cell(rows, "ext4", V11, "clean");
	expect_cell(rows, "ext4", LATEST, "clean (all 1 class)");
	free(rows);
}

/* Much to do is no bug. */
Test(hunt, session_that_takes_long)
{
	char *rows = hunted_on("null", "scenario mix\nfs null\ndevice 32m\n"
			       "setup { create f; pwrite f 0 16m; mmap m f 0 16m shared; create g }\n"
			       "session load { mread m 0 16m }\n"
			       "session other { fiemap g }\n", &enough, 0);

	expect_cell(rows, "null", V10, "clean (1 class, " STOPPED(1));
	expect_cell(rows, "null", V11, "clean");
	expect_cell(rows, "null", LATEST, "clean (1 class, " STOPPED(1));
	free(rows);
}

/* Where there is too much of that, not even all classes are known. */
Test(hunt, classes_that_take_long)
{
	char *rows = hunted_on("null", "scenario mix\nfs null\ndevice 32m\n"
			       "setup { create f; pwrite f 0 16m; mmap m f 0 16m shared }\n"
			       "session load { mread m 0 16m }\n"
			       "session store { mwrite m 0 1m }\n", &enough, 0);

	expect_cell(rows, "null", V10, "clean (100 classes, not all, " STOPPED(100));
	free(rows);
}

Test(hunt, interrupted)
{
	volatile sig_atomic_t interrupted = 1;
	const struct explore_limits limits = { .interrupted = &interrupted };

	free(hunted(MIX, &limits, -EINTR));
}

Test(hunt, setup_that_fails)
{
	free(hunted("scenario mix\nfs null\nsetup { create f; truncate f 0 = -EIO }\n", &enough, -EINVAL));
}

Test(hunt, header)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	hunt_header(to);
	fclose(to);
	cr_expect_str_eq(text, "| mix | file system | v10 | v11 without a patch shows besides | v11 | 4.7 |\n"
			 "| --- | --- | --- | --- | --- | --- |\n");
	free(text);
}

// SPDX-License-Identifier: MIT
/*
 * The matrix of patches and bugs, out of small scenarios: one for each patch makes
 * it complete; anything missing or not as history says makes it fail.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/mmu/mmu.h"
#include "daxsim/script/matrix.h"

/* What happens, and which bug shows without the patch. */
struct story {
	const char *patch;
	const char *bugs;
	const char *fs;		/* names, blanks between */
	bool in_v10;		/* it shows there too */
	const char *body;
};

#define P1 0
#define P1_XFS 1
#define P2 2
#define P3 3
#define P4 4
#define P5 5
#define P6 6
#define P7 7

static const struct story stories[] = {
	[P1] = { "p1", "stale-data", "ext4", true,
	  "setup { create g; pwrite g 0 4k; truncate g 0; create f; truncate f 4k\n"
	  "mmap m f 0 4k shared; inject clear -EIO }\n"
	  "session a { step a { mwrite m 0 8 = SIGBUS } }\n"
	  "final if bug { mread m 8 8 = 0xcd }\n" },
	[P1_XFS] = { "p1", "incoherent", "xfs", true,
	  "setup { create f; fallocate f 0 4k; mmap m f 0 4k shared }\n"
	  "session a { step a { mwrite m 0 8; pread f 0 8 = \"X\" } }\n" },
	[P2] = { "p2", "lock-leak", "ext2 ext4 xfs", true,
	  "setup { create f; pwrite f 0 4k; mmap m f 0 4k private }\n"
	  "session a { step store { mwrite m 0 8 = SIGBUS } }\n"
	  "session b { step cut { truncate f 0 } }\n"
	  "schedule s { store until copy_user_bh; cut; store }\n" },
	[P3] = { "p3", "foreign-write", "ext2 ext4 xfs", true,
	  "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
	  "session a { step store { mwrite m 0 8 = 8 or SIGBUS } }\n"
	  "session b { step cut { truncate f 0 } }\n"
	  "schedule s { store until find_lock_page; cut; store }\n"
	  "schedule t { store until dax_clear_blocks or end; cut; store }\n"
	  "schedule u { store until dax_clear_blocks 2 or end; cut; store }\n" },
	[P4] = { "p4", "early-written", "ext4", true,
	  "setup { create f; fallocate f 0 64k; mmap m f 0 64k shared }\n"
	  "session a { step a { mwrite m 0 8 = 8 } }\n" },
	[P5] = { "p5", "incoherent", "ext4", false,
	  "setup { create f; fallocate f 0 64k; mmap m f 0 64k shared }\n"
	  "session a { step a { mwrite m 0 8 = 8 } }\n" },
	[P6] = { "p6", "cached-data", "ext2 ext4 xfs", true,
	  "setup { create f; pwrite f 0 4k; inject copy fault after 100 }\n"
	  "session a { step a { pread f 0 2k = 100 or 0xcd } }\n" },
	[P7] = { "p7", "deadlock", "ext4", false,
	  "setup { create f; fallocate f 0 64k; create g; mmap m f 0 64k shared }\n"
	  "session a { step store { mwrite m 0 8 = 8 } }\n"
	  "session b { step punch { fpunch f 32k 4k } }\n"
	  "session c { step sync { fsync g } }\n"
	  "schedule s { punch until truncate_range_again; store until end_io; sync; punch; store }\n" },
};

/* Judge every variant of a scenario and count it; the verdicts must be as wanted ("ok bad ..."). */
static void feed(struct matrix *m, const char *variants, const char *body, const char *want)
{
	static const struct mmu_ops *const soft[] = { &soft_mmu };
	struct verdict verdicts[16];
	char text[4000], got[100] = "";
	struct scenario *s;
	unsigned int nr = 0;

	snprintf(text, sizeof(text), "scenario t\ndevice 1m\n%s%s", variants, body);
	s = scenario_parse("t.scn", text, strlen(text), stderr);
	cr_assert_not_null(s);
	for (const struct variant *v = s->variants; v; v = v->next) {
		cr_assert_lt(nr, 16);
		judge(s, v, NULL, soft, 1, NULL, &verdicts[nr]);
		cr_assert_not(verdicts[nr].bad_input, "%s", verdicts[nr].why);
		if (want)
			strcat(strcat(got, *got ? " " : ""), verdicts[nr].ok ? "ok" : "bad");
		else
			cr_assert(verdicts[nr].ok, "%s: %s", v->text, verdicts[nr].why);
		nr++;
	}
	if (want)
		cr_expect_str_eq(got, want, "%s", got);
	matrix_add(m, verdicts, nr);
	for (unsigned int i = 0; i < nr; i++)
		verdict_free(&verdicts[i]);
	scenario_free(s);
}

static void tell(struct matrix *m, const struct story *story)
{
	char variants[1000] = "", names[40], *save, *fs;

	snprintf(names, sizeof(names), "%s", story->fs);
	for (fs = strtok_r(names, " ", &save); fs; fs = strtok_r(NULL, " ", &save)) {
		size_t used = strlen(variants);

		used += snprintf(variants + used, sizeof(variants) - used,
				 "fs %s@v11 expect clean\nfs %s@v11 -%s expect bug %s\n", fs, fs,
				 story->patch, story->bugs);
		if (story->in_v10)
			snprintf(variants + used, sizeof(variants) - used,
				 "fs %s@v10 expect bug %s\n", fs, story->bugs);
	}
	feed(m, variants, story->body, NULL);
}

/* All stories but one; -1: all. */
static void tell_all_but(struct matrix *m, int missing)
{
	*m = (struct matrix){ 0 };
	for (int i = 0; i < (int)ARRAY_SIZE(stories); i++)
		if (i != missing)
			tell(m, &stories[i]);
}

static char *text_of(const struct matrix *m, bool *good)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	*good = matrix_print(m, to);
	fclose(to);
	return text;
}

/* Whether it is good, and whether its table has that text somewhere (NULL: anything). */
static void expect_matrix(const struct matrix *m, bool want, const char *part)
{
	bool good;
	char *text = text_of(m, &good);

	cr_expect_eq(good, want, "%s", text);
	cr_expect(!part || strstr(text, part), "no \"%s\" in\n%s", part, text);
	free(text);
}

/* The table without blanks at the ends of lines. */
static char *trimmed(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '\n')
			while (to > text && to[-1] == ' ')
				to--;
		*to++ = *from;
	}
	*to = '\0';
	return text;
}

Test(matrix, complete)
{
	struct matrix m;
	bool good;
	char *text;

	tell_all_but(&m, -1);
	text = trimmed(text_of(&m, &good));
	cr_expect(good, "%s", text);
	cr_expect_str_eq(text,
"with the patch | without       ext2                          ext4                          xfs\n"
"p1  check-clear-error          -                             clean | stale-data            clean | incoherent\n"
"p2  unlock-on-race             clean | lock-leak             clean | lock-leak             clean | lock-leak\n"
"p3  clear-under-i_mmap         clean | foreign-write         clean | foreign-write         clean | foreign-write\n"
"p4  unwritten-is-allocated     -                             clean | early-written         -\n"
"p5  convert-unwritten          -                             clean | incoherent            -\n"
"p6  no-buffered-fallback       clean | cached-data           clean | cached-data           clean | cached-data\n"
"p7  end-io-outside-i_mmap      -                             clean | deadlock              -\n"
"v10                            0 clean, 3 show a bug         0 clean, 5 show a bug         0 clean, 4 show a bug\n"
"v11                            3 clean, 0 show a bug         7 clean, 0 show a bug         4 clean, 0 show a bug\n",
		"%s", text);
	free(text);
}

Test(matrix, a_cell_is_missing)
{
	struct matrix m;

	for (int i = 0; i < (int)ARRAY_SIZE(stories); i++) {
		tell_all_but(&m, i);
		expect_matrix(&m, false, "no scenario | no scenario");
	}
	m = (struct matrix){ 0 };
	expect_matrix(&m, false, "0 clean, 0 show a bug");
}

/* Without the v11 variant beside it, a bug of a missing patch proves nothing about the patch. */
Test(matrix, only_half_a_cell)
{
	struct matrix m;

	tell_all_but(&m, P5);
	feed(&m, "fs ext4@v11 -p5 expect bug incoherent\n", stories[P5].body, "ok");
	expect_matrix(&m, false, "no scenario | incoherent");
	/* In a scenario of its own it does not count either. */
	feed(&m, "fs ext4@v11 expect clean\n", stories[P5].body, "ok");
	expect_matrix(&m, false, "no scenario | incoherent");

	/* And what is rightly clean without the patch says nothing at all. */
	tell_all_but(&m, P5);
	feed(&m, "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect clean\n",
	     "setup { create f; pwrite f 0 4k }\n", "ok ok");
	expect_matrix(&m, false, "no scenario | no scenario");
	tell(&m, &stories[P5]);
	expect_matrix(&m, true, NULL);
}

/* A bug that v11 shows as well is no evidence that the patch helps. */
Test(matrix, shows_with_the_patch_too)
{
	static const char variants[] = "fs ext2@v11 expect bug stale-data\n"
				       "fs ext2@v11 -p6 expect bug stale-data\n";
	/* Two blocks of one write(2), of which ext2 zeroes the first. */
	static const char body[] =
		"setup { create g; pwrite g 0 8k; unlink g; close g\n"
		"create f; truncate f 8k; mmap m f 0 8k shared }\n"
		"session a { step write { pwrite -S 0x11 f 0 8k } }\n"
		"session b { step load { mread m 4k 8 = 0x00 } }\n"
		"schedule s { write until copy_from_iter 2; load; write }\n";
	struct matrix m = { 0 };

	feed(&m, variants, body, "ok ok");
	expect_matrix(&m, false, "no scenario | stale-data");
	expect_matrix(&m, false, "0 clean, 1 show a bug");

	/* The same on top of all others: the cell has its evidence from elsewhere. */
	tell_all_but(&m, -1);
	feed(&m, variants, body, "ok ok");
	expect_matrix(&m, true, "clean | stale-data ...");

	/* A patch that ext2 does not need, without which something shows: history is not so. */
	tell_all_but(&m, -1);
	feed(&m, "fs ext2@v11 expect bug stale-data\nfs ext2@v11 -p5 expect bug stale-data\n", body,
	     "ok ok");
	expect_matrix(&m, false, "no scenario | stale-data");
}

/* The scenario fails with the patch, or without, or in v10. */
Test(matrix, failing_cells)
{
	static const struct {
		const char *variants;
		const char *final;
		const char *verdicts;
		const char *part;
	} rows[] = {
		{ "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect bug incoherent\n",
		  "final if clean { fiemap f = none }", "bad ok", "FAILED | incoherent" },
		{ "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect bug incoherent\n",
		  "final if bug { fiemap f = none }", "ok bad", "clean | FAILED" },
		{ "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect bug double-alloc\n", "",
		  "ok bad", "clean | FAILED" },
		{ "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect clean\n", "", "ok bad",
		  "clean | FAILED" },
		{ "fs ext4@v11 expect clean\nfs ext4@v11 -p5 expect bug incoherent\n",
		  "final { fiemap f = none }\nfinal if bug { fiemap f = none }", "bad bad",
		  "FAILED | FAILED" },
		{ "fs ext4@v11 expect bug double-alloc\n", "", "bad", "1 FAILED" },
		{ "fs ext4@v10 expect clean\n", "", "bad", "1 FAILED" },
		{ "fs ext2@v11 expect clean\nfs ext2@v11 -p5 expect bug incoherent\n",
		  "", "bad bad", "FAILED | FAILED" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct matrix m;
		char body[1000];

		tell_all_but(&m, -1);
		snprintf(body, sizeof(body), "%s%s\n", stories[P5].body, rows[i].final);
		feed(&m, rows[i].variants, body, rows[i].verdicts);
		expect_matrix(&m, false, rows[i].part);
	}
}

/* Two patches less, later kernels and file systems without needs are in no cell. */
Test(matrix, other_variants_do_not_count)
{
	struct matrix m;

	tell_all_but(&m, P5);
	feed(&m, "fs ext4@v11 -p5 -p6 expect bug incoherent\nfs ext4@4.7 -p5 expect clean\n"
	     "fs ext4@v11 -p5 +l2 expect bug incoherent\nfs ext4@v11 expect clean\n"
	     "fs ext4@v11 -b1 expect clean\nfs ext4@4.7 expect clean\n", stories[P5].body,
	     "ok ok ok ok ok ok");
	expect_matrix(&m, false, "no scenario | no scenario");
	tell_all_but(&m, -1);
	feed(&m, "fs null expect clean\n", "setup { create f; pwrite f 0 4k }\n", "ok");
	expect_matrix(&m, true, NULL);
	cr_expect_eq(m.v10[0].bad + m.v11[0].bad, 0);
}

/* v10 must show something on every file system. */
Test(matrix, clean_v10)
{
	struct matrix m = { 0 };
	bool good;
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		struct story story = stories[i];

		story.in_v10 = false;
		tell(&m, &story);
	}
	feed(&m, "fs ext2@v10\nfs ext4@v10\nfs xfs@v10\n", "setup { create f; pwrite f 0 4k }\n",
	     "ok ok ok");
	text = text_of(&m, &good);
	cr_expect_not(good);
	cr_expect(strstr(text, "1 clean, 0 show a bug"), "%s", text);
	free(text);
}

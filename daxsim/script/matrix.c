// SPDX-License-Identifier: MIT
/* Gathering verdicts by file system and missing patch, and holding them against history. */
#include "daxsim/script/matrix.h"

#include <string.h>

#include "backends/fs/fs.h"

#define FIRST_COLUMN 31
#define CELL 30

/* The patches between v10 and v11. */
static u64 patches(void)
{
	return profile_named("v11") & ~profile_named("v10");
}

/* The one patch that a variant of v11 lacks, or -1. */
static int missing_patch(const struct variant *v)
{
	u64 missing = profile_named("v11") & ~v->profile;

	if (v->profile & ~profile_named("v11") || !(missing & patches()) || missing & (missing - 1))
		return -1;
	return __builtin_ctzll(missing);
}

static int fs_index(const struct fs_ops *fs)
{
	for (int i = 0; fs_table[i] && i < MATRIX_FS; i++)
		if (fs_table[i] == fs)
			return i;
	return -1;
}

/* The verdict on a whole profile, for a file system and among one scenario's. */
static const struct verdict *find(const struct verdict *verdicts, unsigned int nr,
				  const struct fs_ops *fs, profile_t p)
{
	for (unsigned int i = 0; i < nr; i++)
		if (verdicts[i].variant->fs == fs && verdicts[i].variant->profile == p)
			return &verdicts[i];
	return NULL;
}

static void add_off(struct matrix *m, const struct verdict *off, const struct verdict *on, int fs,
		    int patch)
{
	struct matrix_cell *cell = &m->cells[fs][patch];

	/* A variant without the patch that is rightly clean is a near miss, not a showing. */
	if (off->ok && off->variant->expect == EXPECT_CLEAN)
		return;
	cell->off_shown += off->ok;
	cell->off_bad += !off->ok;
	cell->bugs |= off->variant->bugs;
	if (!on)
		return;
	/* What v11 leaves open shows with the patch too: no evidence about it. */
	cell->on_clean += on->ok && on->variant->expect == EXPECT_CLEAN;
	cell->on_bad += !on->ok;
}

void matrix_add(struct matrix *m, const struct verdict *verdicts, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		const struct verdict *v = &verdicts[i];
		int fs = fs_index(v->variant->fs), patch = missing_patch(v->variant);
		bool bug = v->variant->expect == EXPECT_BUG;

		if (fs < 0)
			continue;
		if (patch >= 0)
			add_off(m, v, find(verdicts, nr, v->variant->fs, profile_named("v11")), fs, patch);
		if (v->variant->profile == profile_named("v10")) {
			m->v10[fs].shown += v->ok && bug;
			m->v10[fs].clean += v->ok && !bug;
			m->v10[fs].bad += !v->ok;
		}
		if (v->variant->profile == profile_named("v11")) {
			m->v11[fs].shown += v->ok && bug;
			m->v11[fs].clean += v->ok && !bug;
			m->v11[fs].bad += !v->ok;
		}
	}
}

/* One cell in words; *good is cleared if it is not as history says. */
static void print_cell(const struct matrix_cell *c, bool needed, FILE *to, bool *good)
{
	char text[160] = "";
	size_t used = 0;

	if (!needed && !c->off_shown && !c->off_bad) {
		fprintf(to, "%-*s", CELL, "-");
		return;
	}
	if (!needed || c->off_bad || c->on_bad || !c->off_shown || !c->on_clean)
		*good = false;
	used += snprintf(text, sizeof(text), "%s | ",
			 c->on_bad ? "FAILED" : c->on_clean ? "clean" : "no scenario");
	if (!c->off_shown || c->off_bad)
		snprintf(text + used, sizeof(text) - used, c->off_bad ? "FAILED" : "no scenario");
	for (int i = 0; i < NR_INVARIANTS && used < sizeof(text) && c->off_shown && !c->off_bad; i++)
		if (c->bugs >> i & 1) {
			snprintf(text + used, sizeof(text) - used, "%s%s", invariant_table[i].name,
				 c->bugs & (c->bugs - 1) ? " ..." : "");
			break;
		}
	fprintf(to, "%-*s", CELL, text);
}

static void print_total(unsigned int clean, unsigned int shown, unsigned int bad, FILE *to)
{
	char text[64];

	if (bad)
		snprintf(text, sizeof(text), "%u FAILED", bad);
	else
		snprintf(text, sizeof(text), "%u clean, %u show a bug", clean, shown);
	fprintf(to, "%-*s", CELL, text);
}

bool matrix_print(const struct matrix *m, FILE *to)
{
	bool good = true;

	fprintf(to, "%-*s", FIRST_COLUMN, "with the patch | without");
	for (int fs = 0; fs_table[fs] && fs < MATRIX_FS; fs++)
		if (fs_table[fs]->needs)
			fprintf(to, "%-*s", CELL, fs_table[fs]->name);
	fputc('\n', to);
	for (int p = 0; p < NR_PROTECTIONS; p++) {
		if (!(patches() >> p & 1))
			continue;
		fprintf(to, "%-4s%-*s", protection_table[p].id, FIRST_COLUMN - 4,
			protection_table[p].name);
		for (int fs = 0; fs_table[fs] && fs < MATRIX_FS; fs++)
			if (fs_table[fs]->needs)
				print_cell(&m->cells[fs][p], fs_table[fs]->needs >> p & 1, to,
					   &good);
		fputc('\n', to);
	}
	for (int old = 1; old >= 0; old--) {
		fprintf(to, "%-*s", FIRST_COLUMN, old ? "v10" : "v11");
		for (int fs = 0; fs_table[fs] && fs < MATRIX_FS; fs++) {
			if (!fs_table[fs]->needs)
				continue;
			if (old)
				print_total(m->v10[fs].clean, m->v10[fs].shown, m->v10[fs].bad, to);
			else
				print_total(m->v11[fs].clean, m->v11[fs].shown, m->v11[fs].bad, to);
			good &= !m->v10[fs].bad && !m->v11[fs].bad && m->v10[fs].shown;
		}
		fputc('\n', to);
	}
	return good;
}

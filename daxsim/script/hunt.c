// SPDX-License-Identifier: MIT
/* One mix of sessions on every file system and kernel: a row of the hunt's table each. */
#include "daxsim/script/hunt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs/fs.h"

typedef unsigned long long ull;	/* for printf */

/* A row of the table. */
struct row {
	const struct scenario *s;
	const struct fs_ops *fs;
	const struct explore_limits *limits;
	struct exploration *x;
	FILE *to, *errors;
};

/* Whether a session that the explorer stopped goes on for ever if nobody does. */
static bool never_ends(const struct row *r, const struct variant *v)
{
	struct schedule *schedule = finding_schedule(r->s, &r->x->endless);
	struct execution run;
	bool stuck;

	if (!schedule)
		return false;
	execute(r->s, v, schedule, &soft_mmu, r->limits->interrupted, &run);
	stuck = run.findings[INV_DEADLOCK].seen;
	execution_free(&run);
	free(schedule);
	return stuck;
}

/* Explore one kernel; *bugs is what it showed, bit per enum invariant. */
static int look(struct row *r, profile_t p, const char *text, u64 *bugs)
{
	static const struct explore_request all = { .strategy = EXPLORE_DPOR };
	const struct explore_limits *limits = r->limits;
	const struct variant v = {
		.text = text, .fs = r->fs, .profile = p, .expect = EXPECT_BUG,
	};
	int err = explore_scenario(r->s, &v, &all, limits, r->x);

	*bugs = 0;
	if (err) {
		fprintf(r->errors, "%s: %s on %s: %s\n", r->s->path, r->s->name, text,
			r->x->failure);
		return err;
	}
	for (int i = 0; i < NR_INVARIANTS; i++)
		*bugs |= (u64)(r->x->findings[i].classes > 0) << i;
	if (r->x->endless.classes && never_ends(r, &v))
		*bugs |= BIT(INV_DEADLOCK);
	return limits->interrupted && *limits->interrupted ? -EINTR : 0;
}

static void print_bugs(u64 bugs, FILE *to)
{
	const char *sep = "";

	for (int i = 0; i < NR_INVARIANTS; i++)
		if (bugs >> i & 1) {
			fprintf(to, "%s%s", sep, invariant_table[i].name);
			sep = ", ";
		}
	if (!bugs)
		fputs("clean", to);
}

/*
 * How many classes there are is known, unless the search was cut short, even if some of them were
 * not followed to their end.
 */
static void print_covered(const struct exploration *x, FILE *to)
{
	const struct explore_result *r = &x->result;

	if (r->bounded && !x->too_many && x->endless.classes < MAX_ENDLESS)
		fprintf(to, "%llu class%s", (ull)r->classes, r->classes == 1 ? "" : "es");
	else
		fputs(r->guarantee, to);
	if (r->bounded)
		fprintf(to, ", %llu with a session stopped after %d accesses", (ull)r->bounded,
			EXPLORE_MAX_EVENTS);
}

/* What a kernel showed, and in how much of it. */
static void print_cell(u64 bugs, const struct exploration *x, FILE *to)
{
	fputs(" | ", to);
	print_bugs(bugs, to);
	fputs(" (", to);
	print_covered(x, to);
	fputc(')', to);
}

/* What v11 shows without a patch that it does not show with it. */
static int print_lacking(struct row *r, u64 with)
{
	const char *sep = "";
	char text[64];
	u64 bugs;
	int err;

	fputs(" | ", r->to);
	for (int p = 0; p < NR_PROTECTIONS; p++) {
		if (!(r->fs->needs >> p & 1))
			continue;
		snprintf(text, sizeof(text), "%s@v11 -%s", r->fs->name, protection_table[p].id);
		err = look(r, profile_named("v11") & ~BIT(p), text, &bugs);
		exploration_free(r->x);
		if (err)
			return err;
		if (!(bugs & ~with))
			continue;
		fprintf(r->to, "%s-%s: ", sep, protection_table[p].id);
		print_bugs(bugs & ~with, r->to);
		sep = "; ";
	}
	return 0;
}

static const char *latest_profile(void)
{
	int i = 0;

	while (profile_names[i + 1])
		i++;
	return profile_names[i];
}

static int print_row(struct row *r)
{
	const struct fs_ops *fs = r->fs;
	char text[64];
	u64 bugs, in_v11;
	int err;

	fprintf(r->to, "| %s | %s", r->s->name, fs->name);
	snprintf(text, sizeof(text), "%s@v10", fs->name);
	err = look(r, profile_named("v10"), text, &bugs);
	if (!err)
		print_cell(bugs, r->x, r->to);
	exploration_free(r->x);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%s@v11", fs->name);
	err = look(r, profile_named("v11"), text, &in_v11);
	exploration_free(r->x);
	if (!err)
		err = print_lacking(r, in_v11);
	if (err)
		return err;
	fputs(" | ", r->to);
	print_bugs(in_v11, r->to);
	snprintf(text, sizeof(text), "%s@%s", fs->name, latest_profile());
	err = look(r, profile_named(latest_profile()), text, &bugs);
	if (!err)
		print_cell(bugs, r->x, r->to);
	exploration_free(r->x);
	fputs(" |\n", r->to);
	return err;
}

int hunt_fs(const struct scenario *s, const struct fs_ops *fs, const struct explore_limits *limits,
	    FILE *to, FILE *errors)
{
	struct row r = {
		.s = s, .fs = fs, .limits = limits, .x = calloc(1, sizeof(*r.x)), .to = to,
		.errors = errors,
	};
	int err = r.x ? print_row(&r) : -ENOMEM;

	free(r.x);
	return err;
}

void hunt_header(FILE *to)
{
	fprintf(to, "| mix | file system | v10 | v11 without a patch shows besides | v11 | %s |\n"
		    "| --- | --- | --- | --- | --- | --- |\n", latest_profile());
}

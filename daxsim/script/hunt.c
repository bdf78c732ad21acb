// SPDX-License-Identifier: MIT
/* One mix of sessions on every file system and kernel: a row of the hunt's table each. */
#include "daxsim/script/hunt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs/fs.h"

typedef unsigned long long ull;	/* for printf */

/* Explore one kernel; *bugs is what it showed, bit per enum invariant. */
static int look(struct scenario *s, const struct fs_ops *fs, profile_t p, const char *text,
		const struct explore_limits *limits, struct exploration *x, u64 *bugs)
{
	static const struct explore_request all = { .strategy = EXPLORE_DPOR };
	const struct variant v = {
		.text = text, .fs = fs, .profile = p, .expect = EXPECT_BUG,
	};
	int err = explore_scenario(s, &v, &all, limits, x);

	*bugs = 0;
	if (err) {
		fprintf(stderr, "%s: %s on %s: %s\n", s->path, s->name, text, x->failure);
		return err;
	}
	for (int i = 0; i < NR_INVARIANTS; i++)
		*bugs |= (u64)(x->findings[i].classes > 0) << i;
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

/* What a kernel showed, and in how much of it. */
static void print_cell(u64 bugs, const struct exploration *x, FILE *to)
{
	fputs(" | ", to);
	print_bugs(bugs, to);
	fprintf(to, " (%s)", x->result.guarantee);
}

/* What v11 shows without a patch that it does not show with it. */
static int print_lacking(struct scenario *s, const struct fs_ops *fs, u64 with,
			 const struct explore_limits *limits, struct exploration *x, FILE *to)
{
	const char *sep = "";
	char text[64];
	u64 bugs;
	int err;

	fputs(" | ", to);
	for (int p = 0; p < NR_PROTECTIONS; p++) {
		if (!(fs->needs >> p & 1))
			continue;
		snprintf(text, sizeof(text), "%s@v11 -%s", fs->name, protection_table[p].id);
		err = look(s, fs, profile_named("v11") & ~BIT(p), text, limits, x, &bugs);
		exploration_free(x);
		if (err)
			return err;
		if (!(bugs & ~with))
			continue;
		fprintf(to, "%s-%s: ", sep, protection_table[p].id);
		print_bugs(bugs & ~with, to);
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

static int hunt_fs(struct scenario *s, const struct fs_ops *fs, struct exploration *x,
		   const struct explore_limits *limits, FILE *to)
{
	char text[64];
	u64 bugs, in_v11;
	int err;

	fprintf(to, "| %s | %s", s->name, fs->name);
	snprintf(text, sizeof(text), "%s@v10", fs->name);
	err = look(s, fs, profile_named("v10"), text, limits, x, &bugs);
	if (!err)
		print_cell(bugs, x, to);
	exploration_free(x);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%s@v11", fs->name);
	err = look(s, fs, profile_named("v11"), text, limits, x, &in_v11);
	exploration_free(x);
	if (!err)
		err = print_lacking(s, fs, in_v11, limits, x, to);
	if (err)
		return err;
	fputs(" | ", to);
	print_bugs(in_v11, to);
	snprintf(text, sizeof(text), "%s@%s", fs->name, latest_profile());
	err = look(s, fs, profile_named(latest_profile()), text, limits, x, &bugs);
	if (!err)
		print_cell(bugs, x, to);
	exploration_free(x);
	fputs(" |\n", to);
	fflush(to);
	return err;
}

int hunt(struct scenario *s, const struct explore_limits *limits, FILE *to)
{
	struct exploration *x = calloc(1, sizeof(*x));
	int err = x ? 0 : -ENOMEM;

	for (int i = 0; fs_table[i] && !err; i++)
		if (fs_table[i]->needs)
			err = hunt_fs(s, fs_table[i], x, limits, to);
	free(x);
	return err;
}

void hunt_header(FILE *to)
{
	fprintf(to, "| mix | file system | v10 | v11 without a patch shows besides | v11 | %s |\n"
		    "| --- | --- | --- | --- | --- | --- |\n", latest_profile());
}

// SPDX-License-Identifier: MIT
/* daxsim run: scenario scripts, or folders of them, in one MMU or both. */
#include <argp.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/report.h"

#define MAX_FS 16

struct options {
	const struct mmu_ops *mmus[MAX_MMUS];
	unsigned int nr_mmus;
	const char *fs[MAX_FS];
	unsigned int nr_fs;
	const char *schedule;
	bool trace;
	bool json;
	char **paths;		/* ends with NULL */
};

static const struct argp_option option_table[] = {
	{ "mmu", 'm', "MMU", 0, "uffd: real page tables; soft: a model; both (default): the two must agree", 0 },
	{ "fs", 'f', "VARIANT", 0, "run as 'ext2@v11 -recheck-i_size' instead of the scenario's fs lines; may be repeated", 0 },
	{ "schedule", 's', "SCHEDULE", 0, "run 'store@dax_insert_mapping shrink store' or 'fault:6 trunc:11' instead of the scenario's schedules", 0 },
	{ "trace", 't', NULL, 0, "print every execution, point by point", 0 },
	{ "json", 'j', NULL, 0, "one JSON document instead of TAP", 0 },
	{ 0 },
};

static bool choose_mmus(struct options *o, const char *name)
{
	static const struct {
		const char *name;
		const struct mmu_ops *mmus[MAX_MMUS];
	} choices[] = {
		{ "soft", { &soft_mmu } },
		{ "uffd", { &uffd_mmu } },
		{ "both", { &soft_mmu, &uffd_mmu } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		if (!strcmp(choices[i].name, name)) {
			memcpy(o->mmus, choices[i].mmus, sizeof(o->mmus));
			o->nr_mmus = choices[i].mmus[1] ? 2 : 1;
			return true;
		}
	return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'm':
		if (!choose_mmus(o, arg))
			argp_error(state, "--mmu takes soft, uffd or both, not '%s'", arg);
		break;
	case 'f':
		if (o->nr_fs == MAX_FS)
			argp_error(state, "--fs can be given %d times at most", MAX_FS);
		o->fs[o->nr_fs++] = arg;
		break;
	case 's':
		o->schedule = arg;
		break;
	case 't':
		o->trace = true;
		break;
	case 'j':
		o->json = true;
		break;
	case ARGP_KEY_ARGS:
		o->paths = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no scenario given; name a file or a folder, such as scenarios");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* What --fs asks for instead of the file's own variants; NULL if one is wrong. */
static struct variant *chosen_variants(struct scenario *s, const struct options *o)
{
	struct variant *first = NULL, **tail = &first;

	if (!o->nr_fs)
		return s->variants;
	for (unsigned int i = 0; i < o->nr_fs; i++) {
		*tail = scenario_parse_variant(s, o->fs[i], stderr);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
	}
	return first;
}

static int run_file(const char *path, const struct options *o, struct report *rep)
{
	struct scenario *s = scenario_load(path, stderr);
	const struct schedule *only = NULL;
	const struct variant *v;
	int status = EXIT_BAD_INPUT;

	if (!s)
		return EXIT_BAD_INPUT;
	v = chosen_variants(s, o);
	if (o->schedule)
		only = scenario_parse_schedule(s, o->schedule, stderr);
	if (!v || (o->schedule && !only))
		goto out;
	status = EXIT_PASS;
	report_scenario(rep, s);
	for (; v && status <= EXIT_FAILED; v = v->next) {
		struct verdict verdict;

		judge(s, v, only, o->mmus, o->nr_mmus, &interrupted, &verdict);
		if (verdict.interrupted) {
			status = EXIT_INTERRUPTED;
		} else if (verdict.bad_input) {
			fflush(stdout);
			fprintf(stderr, "%s\n", verdict.why);
			status = EXIT_BAD_INPUT;
		} else {
			report_verdict(rep, &verdict);
			if (!verdict.ok)
				status = EXIT_FAILED;
		}
		verdict_free(&verdict);
	}
out:
	scenario_free(s);
	return status;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Every scenario under the paths, folders in the order of their names. */
static int run_paths(const struct options *o, struct report *rep)
{
	FTS *fts = fts_open(o->paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	int worst = EXIT_PASS;
	unsigned int nr = 0;
	FTSENT *e;

	if (!fts) {
		fprintf(stderr, "daxsim run: error: cannot look at the files: %s\n",
			strerror(errno));
		return EXIT_BAD_INPUT;
	}
	while (worst <= EXIT_FAILED && (e = fts_read(fts))) {
		size_t len = strlen(e->fts_name);
		bool named = e->fts_level == FTS_ROOTLEVEL;
		int status;

		if (e->fts_info == FTS_D || e->fts_info == FTS_DP)
			continue;
		if (!named && (len < 4 || strcmp(e->fts_name + len - 4, ".scn")))
			continue;
		nr++;
		status = run_file(e->fts_path, o, rep);
		worst = max_t(int, worst, status);
	}
	fts_close(fts);
	if (!nr) {
		fprintf(stderr, "daxsim run: error: no scenario under %s; expected files named *.scn\n",
			o->paths[0]);
		return EXIT_BAD_INPUT;
	}
	return worst;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "FILE|FOLDER...",
		.doc = "Run scenarios and print what came of each variant as TAP 13.",
	};
	struct options o = { .nr_mmus = 0 };
	struct report rep;
	int status;

	argv[0] = "daxsim run";
	choose_mmus(&o, "both");
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	catch_interrupts();
	report_begin(&rep, stdout, o.json, o.trace);
	status = run_paths(&o, &rep);
	report_end(&rep, status == EXIT_BAD_INPUT   ? "bad input" :
			 status == EXIT_INTERRUPTED ? "interrupted" :
						      NULL);
	return status;
}

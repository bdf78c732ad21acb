// SPDX-License-Identifier: MIT
/* daxsim matrix: every patch, with and without, on every file system. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/matrix.h"

struct matrix_run {
	const struct mmu_ops *mmus[MAX_MMUS];
	unsigned int nr_mmus;
	char **paths;
	struct matrix matrix;
};

static const struct argp_option option_table[] = {
	{ "mmu", 'm', "MMU", 0, "uffd, soft or both (default)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct matrix_run *r = state->input;

	switch (key) {
	case 'm':
		r->nr_mmus = choose_mmus(arg, r->mmus);
		if (!r->nr_mmus)
			argp_error(state, "--mmu takes soft, uffd or both, not '%s'", arg);
		break;
	default:
		return parse_paths(key, state, "scenarios", &r->paths);
	}
	return 0;
}

static int judge_file(const char *path, void *data)
{
	struct matrix_run *r = data;
	struct scenario *s = scenario_load(path, stderr);
	struct verdict *verdicts;
	unsigned int nr = 0, done = 0;
	int status = EXIT_PASS;

	if (!s)
		return EXIT_BAD_INPUT;
	for (const struct variant *v = s->variants; v; v = v->next)
		nr++;
	verdicts = calloc(nr, sizeof(*verdicts));
	for (const struct variant *v = s->variants; v && verdicts && !status; v = v->next) {
		struct verdict *verdict = &verdicts[done++];

		judge(s, v, NULL, r->mmus, r->nr_mmus, &interrupted, verdict);
		if (verdict->interrupted) {
			status = EXIT_INTERRUPTED;
		} else if (verdict->bad_input) {
			fprintf(stderr, "%s\n", verdict->why);
			status = EXIT_BAD_INPUT;
		}
	}
	if (!status)
		matrix_add(&r->matrix, verdicts, done);
	for (unsigned int i = 0; i < done; i++)
		verdict_free(&verdicts[i]);
	free(verdicts);
	scenario_free(s);
	return status;
}

int cmd_matrix(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "FILE|FOLDER...",
		.doc = "Run scenarios and print, for each of the seven patches and each file system, "
		       "what is seen with the patch and without. Exit status 0 only if every cell is "
		       "as history says.",
	};
	struct matrix_run r = { .nr_mmus = 0 };
	int status;

	argv[0] = "daxsim matrix";
	r.nr_mmus = choose_mmus("both", r.mmus);
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	catch_interrupts();
	status = for_each_scenario("matrix", r.paths, judge_file, &r);
	if (status)
		return status;
	return matrix_print(&r.matrix, stdout) ? EXIT_PASS : EXIT_FAILED;
}

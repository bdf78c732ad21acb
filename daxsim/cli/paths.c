// SPDX-License-Identifier: MIT
/* Finding scenarios: files as they are named, folders searched for *.scn. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>

#include "daxsim/cli/cli.h"

error_t parse_paths(int key, struct argp_state *state, const char *example, char ***paths)
{
	switch (key) {
	case ARGP_KEY_ARGS:
		*paths = state->argv + state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no scenario given; name a file or a folder, such as %s", example);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_scenario(const FTSENT *e)
{
	size_t len = strlen(e->fts_name);

	if (e->fts_info == FTS_D || e->fts_info == FTS_DP)
		return false;
	return e->fts_level == FTS_ROOTLEVEL ||
	       (len > 4 && !strcmp(e->fts_name + len - 4, ".scn"));
}

/* Visit what is under one path. Adds the number of scenarios to *nr. */
static int walk(const char *command, char *path, int (*visit)(const char *path, void *data),
		void *data, unsigned int *nr)
{
	char *paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	int worst = EXIT_PASS;
	FTSENT *e;

	if (!fts) {
		fprintf(stderr, "daxsim %s: error: cannot look at %s: %s\n", command, path,
			strerror(errno));
		return EXIT_BAD_INPUT;
	}
	while (worst <= EXIT_FAILED && (e = fts_read(fts))) {
		if (is_scenario(e)) {
			int status = visit(e->fts_path, data);

			worst = status > worst ? status : worst;
			++*nr;
		}
	}
	fts_close(fts);
	return worst;
}

int for_each_scenario(const char *command, char **paths,
		      int (*visit)(const char *path, void *data), void *data)
{
	int worst = EXIT_PASS;

	for (; *paths && worst <= EXIT_FAILED; paths++) {
		unsigned int nr = 0;
		int status = walk(command, *paths, visit, data, &nr);

		worst = status > worst ? status : worst;
		if (!nr && worst <= EXIT_FAILED) {
			fprintf(stderr,
				"daxsim %s: error: no scenario under %s; expected files named *.scn\n",
				command, *paths);
			return EXIT_BAD_INPUT;
		}
	}
	return worst;
}

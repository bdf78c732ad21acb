// SPDX-License-Identifier: MIT
/* daxsim hunt: the table of what exploration finds in generic mixes of sessions. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/hunt.h"

struct hunt_run {
	struct explore_limits limits;
	char **paths;
};

static const struct argp_option option_table[] = {
	{ "budget", 'b', "N", 0,
	  "executions a strategy may take before a cheaper one follows (2000000)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct hunt_run *r = state->input;
	char *end;

	switch (key) {
	case 'b':
		r->limits.executions = strtoull(arg, &end, 10);
		if (*end || !r->limits.executions)
			argp_error(state, "--budget takes a number of executions, not '%s'", arg);
		break;
	default:
		return parse_paths(key, state, "scenarios/mixes", &r->paths);
	}
	return 0;
}

static int hunt_file(const char *path, void *data)
{
	struct hunt_run *r = data;
	struct scenario *s = scenario_load(path, stderr);
	int err;

	if (!s)
		return EXIT_BAD_INPUT;
	err = hunt(s, &r->limits, stdout);
	scenario_free(s);
	return err == -EINTR ? EXIT_INTERRUPTED : err ? EXIT_BAD_INPUT : EXIT_PASS;
}

int cmd_hunt(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "FILE|FOLDER...",
		.doc = "Explore the sessions of scenarios on every file system: in v10, in v11 without "
		       "each of its patches, in v11, and in the latest kernel of the profiles. Prints a "
		       "table in Markdown.",
	};
	struct hunt_run r = { .limits = { .interrupted = &interrupted } };

	argv[0] = "daxsim hunt";
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	catch_interrupts();
	if (isatty(STDERR_FILENO))
		r.limits.progress = stderr;
	hunt_header(stdout);
	return for_each_scenario("hunt", r.paths, hunt_file, &r);
}

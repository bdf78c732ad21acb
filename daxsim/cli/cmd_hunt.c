// SPDX-License-Identifier: MIT
/* daxsim hunt: the table of what exploration finds in generic mixes of sessions. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/fs/fs.h"
#include "daxsim/cli/cli.h"
#include "daxsim/script/hunt.h"
#include "daxsim/script/jobs.h"

struct hunt_run {
	struct explore_limits limits;
	char **paths;
	unsigned int nr_jobs;
	struct jobs jobs;
	int status;
};

/* A row of the table: a job of its own. */
struct row_run {
	struct hunt_run *all;
	struct scenario *s;	/* its own */
	const struct fs_ops *fs;
};

static const struct argp_option option_table[] = {
	{ "budget", 'b', "N", 0,
	  "executions a strategy may take before a cheaper one follows (2000000)", 0 },
	JOBS_OPTION,
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct hunt_run *r = state->input;

	switch (key) {
	case 'b':
		r->limits.executions = parse_budget(arg, state);
		break;
	case 'j':
		r->nr_jobs = parse_jobs(arg, state);
		break;
	default:
		return parse_paths(key, state, "scenarios/mixes", &r->paths);
	}
	return 0;
}

static void hunt_row(void *arg, const struct job_streams *to, void *result)
{
	const struct row_run *r = arg;
	struct explore_limits limits = r->all->limits;

	limits.progress = to->progress;
	limits.free = to->free;
	*(int *)result = hunt_fs(r->s, r->fs, &limits, to->out, to->errors);
}

static bool print_row(void *arg, const struct job_end *end)
{
	const struct row_run *r = arg;
	int err = end->result ? *(const int *)end->result : 0, status = EXIT_PASS;

	fputs(end->out, stdout);
	fflush(stdout);
	fputs(end->errors, stderr);
	if (!end->result) {
		fprintf(stderr, "%s: bug of daxsim: the process that explored %s on %s %s\n",
			r->s->path, r->s->name, r->fs->name, end->death);
		status = EXIT_FAILED;
	} else if (err) {
		status = err == -EINTR ? EXIT_INTERRUPTED : EXIT_BAD_INPUT;
	}
	r->all->status = max_t(int, r->all->status, status);
	return status <= EXIT_FAILED;
}

static void drop_row(void *arg)
{
	struct row_run *r = arg;

	scenario_free(r->s);
	free(r);
}

static int hunt_file(const char *path, void *data)
{
	struct hunt_run *all = data;

	for (int i = 0; fs_table[i]; i++) {
		struct row_run *r;

		if (!fs_table[i]->needs)
			continue;
		r = calloc(1, sizeof(*r));
		if (!r)
			return EXIT_BAD_INPUT;
		*r = (struct row_run){ all, scenario_load(path, stderr), fs_table[i] };
		if (!r->s) {
			free(r);
			return EXIT_BAD_INPUT;
		}
		if (!jobs_add(&all->jobs, r))
			break;
	}
	return interrupted ? EXIT_INTERRUPTED : all->status;
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
	static const struct job_kind row_job = {
		.result_size = sizeof(int), .work = hunt_row, .done = print_row, .drop = drop_row,
	};
	struct hunt_run r = {
		.limits = { .interrupted = &interrupted }, .nr_jobs = jobs_default(),
	};
	int status;

	argv[0] = "daxsim hunt";
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	catch_interrupts();
	if (jobs_begin(&r.jobs, &row_job, r.nr_jobs, isatty(STDERR_FILENO) ? stderr : NULL,
		       &interrupted)) {
		fprintf(stderr, "daxsim hunt: error: out of memory\n");
		return EXIT_BAD_INPUT;
	}
	hunt_header(stdout);
	status = for_each_scenario("hunt", r.paths, hunt_file, &r);
	jobs_end(&r.jobs);
	return max_t(int, status, r.status);
}

// SPDX-License-Identifier: MIT
/*
 * daxsim run: scenario scripts, or folders of them, in one MMU or both; and daxsim
 * explore, which is the same without their schedules but in all interleavings.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/report.h"

struct options {
	const struct mmu_ops *mmus[MAX_MMUS];
	unsigned int nr_mmus;
	struct fs_choice fs;
	const char *schedule;
	const char *strategy;	/* explore so, whatever the scenario says; or NULL */
	bool no_schedules;
	bool outcomes;
	u64 budget;
	bool trace;
	bool verbose;
	bool quiet;
	bool json;
	char **paths;		/* ends with NULL */
	bool many;		/* they are more than one file */
};

#define BUDGET_OF_MANY 20000	/* executions: a fraction of a second each */

struct run_all {
	const struct options *o;
	struct report rep;
};

static const struct argp_option option_table[] = {
	{ "mmu", 'm', "MMU", 0,
	  "uffd: real page tables; soft: a model; both (default): the two must agree", 0 },
	{ "fs", 'f', "VARIANT", 0,
	  "run as 'ext2@v11 -recheck-i_size' instead of the scenario's fs lines; may be repeated", 0 },
	{ "schedule", 's', "SCHEDULE", 0,
	  "run 'store@dax_insert_mapping shrink store' or 'fault:6 trunc:11' instead of the "
	  "scenario's schedules", 0 },
	{ "strategy", 'x', "STRATEGY", 0,
	  "explore interleavings: 'all', 'preempt 2', 'pct 3 runs 10000 seed 1', 'random', "
	  "'naive'", 0 },
	{ "outcomes", 'o', NULL, 0,
	  "explore: list the distinct ends of executions, each with a witness", 0 },
	{ "budget", 'b', "N", 0,
	  "executions a strategy may take before a cheaper one follows (2000000; 20000 for each "
	  "of many files)", 0 },
	{ "verbose", 'v', NULL, 0,
	  "explore: print every finding with what it means and a timeline (the default for one file)",
	  0 },
	{ "quiet", 'q', NULL, 0,
	  "explore: of what passes, print only what it shows (the default for many files)", 0 },
	{ "trace", 't', NULL, 0, "print every execution, point by point", 0 },
	{ "json", 'j', NULL, 0, "one JSON document instead of TAP", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'm':
		o->nr_mmus = choose_mmus(arg, o->mmus);
		if (!o->nr_mmus)
			argp_error(state, "--mmu takes soft, uffd or both, not '%s'", arg);
		break;
	case 'f':
		if (o->fs.nr == MAX_FS)
			argp_error(state, "--fs can be given %d times at most", MAX_FS);
		o->fs.text[o->fs.nr++] = arg;
		break;
	case 's':
		o->schedule = arg;
		break;
	case 'x':
		o->strategy = arg;
		break;
	case 'o':
		o->outcomes = true;
		break;
	case 'b':
		o->budget = strtoull(arg, &end, 10);
		if (*end || !o->budget)
			argp_error(state, "--budget takes a number of executions, not '%s'", arg);
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	case 't':
		o->trace = true;
		break;
	case 'j':
		o->json = true;
		break;
	default:
		return parse_paths(key, state, "scenarios", &o->paths);
	}
	return 0;
}

static int run_file(const char *path, void *data)
{
	struct run_all *all = data;
	const struct options *o = all->o;
	struct report *rep = &all->rep;
	struct scenario *s = scenario_load(path, stderr);
	struct explore_request request;
	struct judge_how how = {
		.nr_mmus = o->nr_mmus, .no_schedules = o->no_schedules, .outcomes = o->outcomes,
		.budget = o->budget,
		.progress = isatty(STDERR_FILENO) ? stderr : NULL, .interrupted = &interrupted,
	};
	const struct variant *v;
	int status = EXIT_BAD_INPUT;

	if (!s)
		return EXIT_BAD_INPUT;
	v = chosen_variants(s, &o->fs);
	memcpy(how.mmus, o->mmus, sizeof(how.mmus));
	if (o->schedule)
		how.only = scenario_parse_schedule(s, o->schedule, stderr);
	if (!v || (o->schedule && !how.only))
		goto out;
	if (o->strategy) {
		if (scenario_parse_explore(s, o->strategy, &request, stderr))
			goto out;
		how.explore = &request;
	}
	status = EXIT_PASS;
	report_scenario(rep, s);
	for (; v && status <= EXIT_FAILED; v = v->next) {
		struct verdict verdict;
		struct variant own = *v;

		/* What a scenario says of its variants it says of what it lets them do. */
		own.survey = o->no_schedules && !o->fs.nr && !s->explore.wanted;
		judge_as(s, &own, &how, &verdict);
		if (verdict.interrupted) {
			/* What was found so far is worth telling. */
			if (verdict.explored)
				report_verdict(rep, &verdict);
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

/* One file is looked into, many are gone through. */
static enum report_detail choose_detail(const struct options *o)
{
	if (o->verbose)
		return REPORT_FULL;
	if (o->quiet)
		return REPORT_BRIEF;
	if (!o->no_schedules)
		return REPORT_USUAL;
	return o->many ? REPORT_BRIEF : REPORT_FULL;
}

static int run(const char *command, const char *doc, struct options *o, int argc, char **argv)
{
	const struct argp argp = {
		.options = option_table, .parser = parse_option, .args_doc = "FILE|FOLDER...",
		.doc = doc,
	};
	struct run_all all = { .o = o };
	char name[40];
	struct stat st;
	int status;

	snprintf(name, sizeof(name), "daxsim %s", command);
	argv[0] = name;
	o->nr_mmus = choose_mmus("both", o->mmus);
	argp_parse(&argp, argc, argv, 0, NULL, o);
	o->many = o->paths[1] || (!stat(o->paths[0], &st) && S_ISDIR(st.st_mode));
	if (!o->budget && o->no_schedules && o->many)
		o->budget = BUDGET_OF_MANY;
	catch_interrupts();
	report_begin(&all.rep, stdout, o->json, o->trace);
	all.rep.detail = choose_detail(o);
	status = for_each_scenario(command, o->paths, run_file, &all);
	report_end(&all.rep, status == EXIT_BAD_INPUT	? "bad input" :
			     status == EXIT_INTERRUPTED ? "interrupted" :
							  NULL);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct options o = { .nr_mmus = 0 };

	return run("run", "Run scenarios and print what came of each variant as TAP 13.", &o, argc,
		   argv);
}

int cmd_explore(int argc, char **argv)
{
	struct options o = { .strategy = "all", .no_schedules = true };

	return run("explore",
		   "Run the sessions of scenarios in all interleavings, or as --strategy says, without "
		   "their schedules. What is found is replayed in every MMU, and told with the simplest "
		   "way to it. A scenario that does not say explore by itself speaks of its schedules: a "
		   "bug it expects must be found, but what else is found does not fail it.", &o, argc,
		   argv);
}

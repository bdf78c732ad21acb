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
#include "daxsim/script/jobs.h"
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
	unsigned int jobs;
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
	struct jobs jobs;
	int status;		/* the worst of what was reported */
	unsigned int nr;	/* variants so far */
};

/* A scenario while some of its variants are still to be reported. */
struct file_run {
	struct run_all *all;
	struct scenario *s;
	struct explore_request request;
	struct judge_how how;
	char *errors;		/* why it cannot be run; empty: it can */
	size_t size;
	unsigned int users;	/* variants, and who adds these */
};

/* One variant: a job of its own. */
struct variant_run {
	struct file_run *file;
	struct variant v;
	unsigned int number;	/* of all variants, from 0 */
	bool first;		/* of its file */
};

/* What it leaves besides text. */
struct variant_result {
	struct report_sums sums;
	int status;
};

#define OPTION_JSON 256

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
	JOBS_OPTION,
	{ "verbose", 'v', NULL, 0,
	  "explore: print every finding with what it means and a timeline (the default for one file)",
	  0 },
	{ "quiet", 'q', NULL, 0,
	  "explore: of what passes, print only what it shows (the default for many files)", 0 },
	{ "trace", 't', NULL, 0, "print every execution, point by point", 0 },
	{ "json", OPTION_JSON, NULL, 0, "one JSON document instead of TAP", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

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
		o->budget = parse_budget(arg, state);
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
		o->jobs = parse_jobs(arg, state);
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	default:
		return parse_paths(key, state, "scenarios", &o->paths);
	}
	return 0;
}

/* Read a scenario and the options that are about it. Returns whether it can be run. */
static bool load(struct file_run *f, const char *path, const struct variant **v, FILE *errors)
{
	const struct options *o = f->all->o;

	f->s = scenario_load(path, errors);
	if (!f->s)
		return false;
	f->how = (struct judge_how){
		.nr_mmus = o->nr_mmus, .no_schedules = o->no_schedules, .outcomes = o->outcomes,
		.budget = o->budget, .interrupted = &interrupted,
	};
	memcpy(f->how.mmus, o->mmus, sizeof(f->how.mmus));
	*v = chosen_variants(f->s, &o->fs, errors);
	if (*v && o->schedule)
		f->how.only = scenario_parse_schedule(f->s, o->schedule, errors);
	if (!*v || (o->schedule && !f->how.only))
		return false;
	f->how.explore = o->strategy ? &f->request : NULL;
	return !o->strategy || !scenario_parse_explore(f->s, o->strategy, &f->request, errors);
}

static void put_file(struct file_run *f)
{
	if (--f->users)
		return;
	scenario_free(f->s);
	free(f->errors);
	free(f);
}

static struct variant_run *new_run(struct file_run *f, const struct variant *v)
{
	const struct options *o = f->all->o;
	struct variant_run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->file = f;
	r->number = f->all->nr;
	f->users++;
	if (!v)
		return r;
	f->all->nr++;
	r->v = *v;
	/* What a scenario says of its variants it says of what it lets them do. */
	r->v.survey = o->no_schedules && !o->fs.nr && !f->s->explore.wanted;
	return r;
}

static int run_file(const char *path, void *data)
{
	struct run_all *all = data;
	struct file_run *f = calloc(1, sizeof(*f));
	const struct variant *v = NULL;
	struct variant_run *r;
	bool first = true;
	FILE *errors;

	if (!f)
		return EXIT_BAD_INPUT;
	f->all = all;
	f->users = 1;
	errors = open_memstream(&f->errors, &f->size);
	if (!load(f, path, &v, errors))
		v = NULL;
	fclose(errors);
	do {
		r = new_run(f, v);
		if (!r)
			break;
		r->first = first;
		first = false;
		v = v ? v->next : NULL;
	} while (jobs_add(&all->jobs, r) && v);
	put_file(f);
	return interrupted ? EXIT_INTERRUPTED : all->status;
}

static void run_variant(void *arg, const struct job_streams *to, void *result)
{
	const struct variant_run *r = arg;
	struct file_run *f = r->file;
	struct variant_result *res = result;
	struct judge_how how = f->how;
	struct report part;
	struct verdict verdict;

	if (f->errors[0]) {
		fputs(f->errors, to->errors);
		res->status = EXIT_BAD_INPUT;
		return;
	}
	how.progress = to->progress;
	how.free = to->free;
	report_apart(&part, &f->all->rep, r->number, to->out);
	if (r->first)
		report_scenario(&part, f->s);
	judge_as(f->s, &r->v, &how, &verdict);
	if (verdict.interrupted) {
		/* What was found so far is worth telling. */
		if (verdict.explored)
			report_verdict(&part, &verdict);
		res->status = EXIT_INTERRUPTED;
	} else if (verdict.bad_input) {
		fprintf(to->errors, "%s\n", verdict.why);
		res->status = EXIT_BAD_INPUT;
	} else {
		report_verdict(&part, &verdict);
		res->status = verdict.ok ? EXIT_PASS : EXIT_FAILED;
	}
	verdict_free(&verdict);
	report_apart_end(&part);
	res->sums = part.sums;
}

/* The process that ran a variant told nothing: no scenario may bring that about. */
static void report_death(const struct variant_run *r, const char *death)
{
	struct report *rep = &r->file->all->rep;
	char why[160];
	const struct verdict verdict = {
		.scenario = r->file->s, .variant = &r->v, .nr_mmus = r->file->how.nr_mmus,
		.mmus = { r->file->how.mmus[0], r->file->how.mmus[1] },
		.daxsim_bug = true, .why = why, .culprit = -1, .shown = -1,
	};

	snprintf(why, sizeof(why), "bug of daxsim: the process that ran this %s", death);
	if (r->first)
		report_scenario(rep, r->file->s);
	rep->number = r->number;
	report_verdict(rep, &verdict);
}

static bool report_variant(void *arg, const struct job_end *end)
{
	const struct variant_run *r = arg;
	struct run_all *all = r->file->all;
	const struct variant_result *res = end->result;
	int status = EXIT_FAILED;

	if (res) {
		report_join(&all->rep, &res->sums, end->out);
		fputs(end->errors, stderr);
		status = res->status;
	} else {
		report_death(r, end->death);
	}
	all->status = max_t(int, all->status, status);
	return status != EXIT_BAD_INPUT;
}

static void drop_variant(void *arg)
{
	struct variant_run *r = arg;

	put_file(r->file);
	free(r);
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

static const struct job_kind variant_job = {
	.result_size = sizeof(struct variant_result),
	.work = run_variant, .done = report_variant, .drop = drop_variant,
};

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
	o->jobs = jobs_default();
	argp_parse(&argp, argc, argv, 0, NULL, o);
	o->many = o->paths[1] || (!stat(o->paths[0], &st) && S_ISDIR(st.st_mode));
	if (!o->budget && o->no_schedules && o->many)
		o->budget = BUDGET_OF_MANY;
	catch_interrupts();
	report_begin(&all.rep, stdout, o->json, o->trace);
	all.rep.detail = choose_detail(o);
	if (jobs_begin(&all.jobs, &variant_job, o->jobs, isatty(STDERR_FILENO) ? stderr : NULL,
		       &interrupted)) {
		fprintf(stderr, "daxsim %s: error: out of memory\n", command);
		return EXIT_BAD_INPUT;
	}
	status = for_each_scenario(command, o->paths, run_file, &all);
	jobs_end(&all.jobs);
	status = max_t(int, status, all.status);
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

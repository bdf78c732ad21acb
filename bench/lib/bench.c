// SPDX-License-Identifier: MIT
/* Options, sections in turn, and files. */
#include "bench/lib/bench.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bench/lib/samples.h"

#define DIR "build/bench-report"
#define MAX_SECTIONS 16
#define MIN_PAGES 256
#define MAX_PAGES 16384		/* each can become a mapping of its own: vm.max_map_count */

struct options {
	struct bench *b;
	const struct section *sections;
	bool wanted[MAX_SECTIONS], some;	/* all of them without --section */
	const char *json, *csv;			/* NULL: in the folder */
};

enum { OPT_FULL = 256, OPT_CSV, OPT_DIR };

static const struct argp_option option_table[] = {
	{ "section", 's', "NAME", 0, "only this part; may be repeated", 0 },
	{ "full", OPT_FULL, NULL, 0, "take minutes: more runs, and large devices", 0 },
	{ "pages", 'n', "N", 0, "pages of each kind in a run, 256 to 16384", 0 },
	{ "runs", 'r', "N", 0, "of which the median is taken, 1 to 99", 0 },
	{ "json", 'j', "FILE", 0, "where to write everything as JSON; -: to standard output", 0 },
	{ "csv", OPT_CSV, "FILE", 0, "the same for the table as CSV", 0 },
	{ "dir", OPT_DIR, "DIR", 0, "folder for these and for pictures (" DIR ")", 0 },
	{ 0 },
};

static unsigned long number(const struct argp_state *state, const char *name, const char *arg,
			    unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < min || n > max)
		argp_error(state, "--%s takes %lu to %lu, not '%s'", name, min, max, arg);
	return n;
}

static void want(const struct argp_state *state, struct options *o, const char *name)
{
	for (unsigned int i = 0; o->sections[i].name; i++)
		if (!strcmp(o->sections[i].name, name)) {
			o->wanted[i] = o->some = true;
			return;
		}
	argp_error(state, "there is no section '%s'", name);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 's':
		want(state, o, arg);
		return 0;
	case OPT_FULL:
		o->b->full = true;
		return 0;
	case 'n':
		o->b->pages = number(state, "pages", arg, MIN_PAGES, MAX_PAGES);
		return 0;
	case 'r':
		o->b->runs = number(state, "runs", arg, 1, MAX_RUNS);
		return 0;
	case 'j':
		o->json = arg;
		return 0;
	case OPT_CSV:
		o->csv = arg;
		return 0;
	case OPT_DIR:
		o->b->dir = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of sections, behind the options in --help. */
static char *help_filter(int key, const char *text, void *input)
{
	const struct options *o = input;
	size_t size;
	char *list;
	FILE *f;

	if (key != ARGP_KEY_HELP_POST_DOC || !o)
		return (char *)text;
	f = open_memstream(&list, &size);
	if (!f)
		return NULL;
	fprintf(f, "Sections:");
	for (const struct section *s = o->sections; s->name; s++)
		fprintf(f, "\n  %-15s %s", s->name, s->what);
	fclose(f);
	return list;
}

static void make_dir(const char *dir)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		errx(EXIT_UNUSABLE, "%s: %s", dir, strerror(ENAMETOOLONG));
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	if (mkdir(path, 0777) && errno != EEXIST)
		err(EXIT_UNUSABLE, "cannot make %s", dir);
}

static void write_file(const struct bench *b, const char *path, const char *suffix,
		       int (*write)(const struct report *r, const char *path))
{
	char usual[512];
	int ret;

	snprintf(usual, sizeof(usual), "%s/%s%s", b->dir, b->report.name, suffix);
	ret = write(&b->report, path ? path : usual);
	if (ret)
		errx(EXIT_FAILURE, "cannot write %s: %s", path ? path : usual, strerror(-ret));
}

void bench_plot(struct bench *b, const char *name, const struct plot_panel *panels,
		unsigned int nr)
{
	int ret = plot_write(b->dir, name, panels, nr);

	if (ret == -ENOENT)
		b->no_gnuplot = true;
	else if (ret)
		warnx("cannot draw %s/%s.svg: %s", b->dir, name, strerror(-ret));
}

int bench_main(int argc, char **argv, const char *doc, const struct section *sections)
{
	const struct argp argp = { option_table, parse_option, NULL, doc, NULL, help_filter, NULL };
	struct bench b = { .dir = DIR };
	struct options o = { .b = &b, .sections = sections };
	cpu_set_t cpus;
	bool raised;

	argp_err_exit_status = EXIT_UNUSABLE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (!b.runs)
		b.runs = b.full ? 15 : 5;
	if (!b.pages)
		b.pages = b.full ? 8192 : 2048;
	make_dir(b.dir);
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(EXIT_FAILURE, "cannot see the CPUs");
	/* Only where it is allowed. Threads that are made later have it, too. */
	raised = !setpriority(PRIO_PROCESS, 0, -20);
	report_open(&b.report, program_invocation_short_name);
	machine_line_print(&b.report.machine, stdout);
	printf("%u runs in turns of what is compared, at %s priority; values are medians of the "
	       "runs,\nratios the median of the ratio in each run\n", b.runs,
	       raised ? "high" : "normal");
	for (unsigned int i = 0; sections[i].name; i++) {
		size_t before = b.report.nr_rows;

		if (o.some && !o.wanted[i])
			continue;
		/* The one before may have bound this thread. */
		sched_setaffinity(0, sizeof(cpus), &cpus);
		sections[i].run(&b);
		report_print(&b.report, before);
	}
	report_verdict(&b.report);
	write_file(&b, o.json, ".json", report_write_json);
	write_file(&b, o.csv, ".csv", report_write_csv);
	if (b.no_gnuplot)
		printf("no pictures, gnuplot is missing; install gnuplot-nox, then: gnuplot "
		       "%s/*.gp\n", b.dir);
	report_close(&b.report);
	return EXIT_SUCCESS;
}

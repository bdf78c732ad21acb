// SPDX-License-Identifier: MIT
/*
 * The page tables of scenarios, where another thread touches and the simulated kernel runs
 * one step at a time: the first touch by kind of fault, beside a bare round trip; then, in
 * another pass, where that time goes.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs/fs.h"
#include "bench/lib/bench.h"
#include "bench/lib/placement.h"
#include "bench/lib/sections.h"
#include "bench/lib/touch_machine.h"

#define CHUNK 64		/* pages in turn */
#define MAX_TOUCHED 2048	/* pages */

static const struct fault_case cases[] = {
	{ "hand-off", "no fault: load from a page that is mapped", { PAGE_ANY, true, false },
	  BARE_HANDOFF },
	{ "hole read", "load from a hole", { PAGE_HOLE, false, false }, BARE_COPY_WP },
	{ "hole write", "store to a hole", { PAGE_HOLE, false, true }, BARE_RETARGET },
	{ "hole mkwrite", "store to a hole after a load", { PAGE_HOLE, true, true },
	  BARE_RETARGET_WP },
	{ "written read", "load from a written page", { PAGE_WRITTEN, false, false },
	  BARE_CONTINUE },
	{ "written write", "store to a written page", { PAGE_WRITTEN, false, true },
	  BARE_CONTINUE_WRITE },
	{ "written mkwrite", "store to a written page after a load", { PAGE_WRITTEN, true, true },
	  BARE_UNPROTECT },
};

#define NR_CASES ARRAY_SIZE(cases)

/* A simulated machine as a side of a contest. */
struct machine_side {
	struct touch_machine m;
	const struct fs_ops *fs;
	int cpu;		/* of the session's thread */
	int err;		/* of a touch */
	u64 before;		/* faults */
	double faults;		/* an access */
};

static int machine_open(struct machine_side *s, const struct fault_case *c, u64 nr_pages)
{
	char why[512];
	int err = touch_machine_open(&s->m, s->fs, &c->touch, nr_pages, s->cpu, why, sizeof(why));

	if (err && err != -ENODATA)
		errx(EXIT_UNUSABLE, "%s: %s", c->name, why);
	return err;
}

static int machine_begin(void *self, const struct fault_case *c, u64 nr_pages)
{
	struct machine_side *s = self;
	int err = machine_open(s, c, nr_pages);

	if (!err)
		s->before = touch_machine_faults(&s->m);
	s->err = 0;
	return err;
}

static void machine_touch(void *self, u64 first, u64 nr, u64 *ns)
{
	struct machine_side *s = self;

	if (!s->err)
		s->err = touch_machine_time(&s->m, first, nr, ns);
}

static int machine_end(void *self)
{
	struct machine_side *s = self;

	s->faults = (double)(touch_machine_faults(&s->m) - s->before) / s->m.nr_pages;
	touch_machine_close(&s->m);
	return s->err;
}

/* Not all file systems have holes. */
static bool possible(struct machine_side *s, const struct fault_case *c)
{
	bool yes = !machine_open(s, c, CHUNK);

	if (yes)
		touch_machine_close(&s->m);
	return yes;
}

/* The medians of all phases, of a run with time stamps. Returns how many an access took. */
static double dissect(struct machine_side *s, const struct fault_case *c, u64 pages,
		      double us[NR_PHASES], double *stamp_ns)
{
	u64 *ns = malloc(NR_PHASES * pages * sizeof(*ns));
	double stamps;
	int err;

	if (!ns || machine_open(s, c, pages))
		errx(EXIT_FAILURE, "%s: cannot prepare", c->name);
	err = touch_machine_dissect(&s->m, ns);
	if (err)
		errx(EXIT_FAILURE, "%s: cannot %s: %s", c->name, s->m.failed, strerror(-err));
	for (int p = 0; p < NR_PHASES; p++)
		us[p] = samples_summary(s->m.phase_ns[p], pages).p50 / 1000;
	*stamp_ns = s->m.phases.stamp_ns;
	stamps = (double)s->m.phases.nr_stamps / pages;
	touch_machine_close(&s->m);
	free(ns);
	return stamps;
}

static void report_case(struct bench *b, const char *section, const struct fault_case *what,
			const struct contest *c)
{
	double us[2][MAX_RUNS];

	for (unsigned int side = 0; side < 2; side++)
		for (unsigned int run = 0; run < b->runs; run++)
			us[side][run] = c->by_side[side].p50[run] / 1000;
	report_compare(&b->report, &(struct comparison){
		.section = section, .name = what->name, .unit = "us",
		.versus = bare_name(what->bare), .values = us[0], .versus_values = us[1], .nr = b->runs });
}

static void print_head(const struct fs_ops *fs)
{
	printf("\n%-17s%8s", fs->name, "faults");
	for (int p = 0; p < NR_PHASES; p++)
		printf("%10s", phase_table[p].name);
	printf("%10s\n", "stamps");
}

static void print_phases(const struct fault_case *c, double faults, const double us[NR_PHASES],
			 double stamps)
{
	printf("%-17s%8.2f", c->name, faults);
	for (int p = 0; p < NR_PHASES; p++)
		printf("%10.2f", us[p]);
	printf("%10.1f\n", stamps);
}

static json_t *phases_json(const struct fs_ops *fs, const struct fault_case *c, double faults,
			   const double us[NR_PHASES], double stamps)
{
	json_t *phases = json_object();

	for (int p = 0; p < NR_PHASES; p++)
		json_object_set_new(phases, phase_table[p].name, json_real(us[p]));
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "fs", fs->name, "name", c->name, "what",
			 c->what, "faults", faults, "stamps", stamps, "phases_us", phases);
}

static void add_bar(struct plot_panel *p, const char *name, const double us[NR_PHASES])
{
	snprintf(p->labels[p->series[0].nr], sizeof(p->labels[0]), "%s", name);
	for (int i = 0; i < NR_PHASES; i++) {
		struct plot_series *s = &p->series[i];

		snprintf(s->title, sizeof(s->title), "%s", phase_table[i].name);
		s->x[s->nr] = s->nr;
		s->y[s->nr++] = us[i];
	}
}

/* Returns the cost of a time stamp, in ns. */
static double run_fs(struct bench *b, struct machine_side *s, struct bare *bare, u64 pages,
		     struct plot_panel *panel, json_t *list)
{
	const struct side sides[] = {
		{ .name = s->fs->name, .self = s, .begin = machine_begin,
		  .touch = machine_touch, .end = machine_end },
		bare_side(bare, "bare"),
	};
	double us[NR_PHASES], stamps, stamp_ns = 0;
	struct contest c;
	char section[32];

	snprintf(section, sizeof(section), "scenarios, %s", s->fs->name);
	*panel = (struct plot_panel){ .xlabel = "", .ylabel = "us, medians", .bars = true,
				       .nr_series = NR_PHASES };
	snprintf(panel->title, sizeof(panel->title), "%s", section);
	print_head(s->fs);
	for (size_t i = 0; i < NR_CASES; i++) {
		if (!possible(s, &cases[i]))
			continue;
		contest_run(&c, sides, ARRAY_SIZE(sides), &cases[i], b->runs, pages, CHUNK,
			    b->report.machine.clock_ns);
		report_case(b, section, &cases[i], &c);
		contest_free(&c);
		stamps = dissect(s, &cases[i], pages, us, &stamp_ns);
		print_phases(&cases[i], s->faults, us, stamps);
		add_bar(panel, cases[i].name, us);
		json_array_append_new(list, phases_json(s->fs, &cases[i], s->faults, us, stamps));
	}
	return stamp_ns;
}

void deterministic_section(struct bench *b)
{
	static const char *const names[] = { "null", "ext2" };
	struct plot_panel *panels = calloc(ARRAY_SIZE(names), sizeof(*panels));
	u64 pages = min_t(u64, b->pages, MAX_TOUCHED);
	json_t *list = json_array();
	struct machine_side s = { 0 };
	double stamp_ns = 0;
	struct bare *bare;
	char why[256];
	int own;

	if (placement_take(placement_table, &own, &s.cpu))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	bare = bare_open(BARE_THREAD, pages, s.cpu, why, sizeof(why));
	if (!bare)
		errx(EXIT_UNUSABLE, "%s", why);
	if (!panels || !list)
		errx(EXIT_FAILURE, "out of memory");
	printf("\nscenarios: microseconds in each phase, by time stamps in a pass of its own\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		s.fs = fs_find(names[i]);
		stamp_ns = run_fs(b, &s, bare, pages, &panels[i], list);
	}
	printf("\n");
	for (int p = 0; p < NR_PHASES; p++)
		printf("  %-10s %s\n", phase_table[p].name, phase_table[p].what);
	printf("  a stamp takes %.0f ns, which are taken off; a store faults twice where the first "
	       "fault inserts read-only\n", stamp_ns);
	json_object_set_new(b->report.details, "scenarios", list);
	bench_plot(b, "phases-scenarios", panels, ARRAY_SIZE(names));
	bare_close(bare);
	free(panels);
}

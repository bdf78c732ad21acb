// SPDX-License-Identifier: MIT
/*
 * What the first touch of a page costs on a device of libdaxsim, by kind of fault and by
 * engine, beside the bare userfaultfd round trip of the same kind in the same place.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/bench.h"
#include "bench/lib/live_side.h"
#include "bench/lib/placement.h"
#include "bench/lib/sections.h"

#define CHUNK 64		/* pages in a turn */
#define DEVICE_SIZE (4ULL << 30)	/* sparse; holes are filled with new blocks in each run */

enum { THREAD, INLINE, BARE_THREAD_SIDE, BARE_INLINE_SIDE, NR_SIDES };

static const char *const side_names[NR_SIDES] = {
	[THREAD] = "daxsim thread",
	[INLINE] = "daxsim inline",
	[BARE_THREAD_SIDE] = "bare thread",
	[BARE_INLINE_SIDE] = "bare inline",
};

/* What is compared with what. */
enum { OF_THREAD, OF_INLINE, GAIN, NR_CLAIMS };

static const struct claim {
	const char *section;
	unsigned int side, versus;
	bool inverse;		/* how many times as fast, at least; else how many times as long */
} claims[NR_CLAIMS] = {
	[OF_THREAD] = { "engine thread", THREAD, BARE_THREAD_SIDE, false },
	[OF_INLINE] = { "engine inline", INLINE, BARE_INLINE_SIDE, false },
	[GAIN] = { "inline, times as fast as a thread", INLINE, BARE_THREAD_SIDE, true },
};

static const struct engine_case {
	struct fault_case c;
	double targets[NR_CLAIMS];	/* 0: none */
} cases[] = {
	{ { "written read", "load from a written page", { PAGE_WRITTEN, false, false },
	    BARE_CONTINUE }, { 1.10, 1.15, 1.4 } },
	{ { "written write", "store to a written page", { PAGE_WRITTEN, false, true },
	    BARE_CONTINUE_WRITE }, { 1.10, 1.15, 1.4 } },
	/* fallocate(2) has zeroed the blocks, so that neither side has to. */
	{ { "unwritten read", "load from a fallocated page", { PAGE_FALLOCATED, false, false },
	    BARE_CONTINUE }, { 1.10, 1.15, 1.4 } },
	{ { "unwritten write", "store to a fallocated page", { PAGE_FALLOCATED, false, true },
	    BARE_CONTINUE_WRITE }, { 1.10, 1.15, 1.4 } },
	{ { "hole write", "store to a hole", { PAGE_HOLE, false, true }, BARE_RETARGET },
	  { 1.25, 1.25, 0 } },
	{ { "hole read", "load from a hole", { PAGE_HOLE, false, false }, BARE_COPY_WP }, { 0 } },
	{ { "hole mkwrite", "store to a hole after a load", { PAGE_HOLE, true, true },
	    BARE_RETARGET_WP }, { 0 } },
	{ { "written mkwrite", "store to a written page after a load", { PAGE_WRITTEN, true, true },
	    BARE_UNPROTECT }, { 0 } },
};

#define NR_CASES ARRAY_SIZE(cases)

/* What a bare fault is made of, measured beside each other; none of it has to do with a case. */
static const struct part {
	enum bare_engine engine;
	struct fault_case c;
} parts[] = {
	{ BARE_INLINE, { "native fault", "of a page that the file has", { 0 }, BARE_NATIVE } },
	{ BARE_INLINE, { "ioctl", "UFFDIO_CONTINUE without a fault", { 0 }, BARE_CONTINUE_ALONE } },
};

struct engines {
	struct bench *b;
	struct live live[2];
	struct bare *bare[2];
	struct side sides[NR_SIDES];
	struct contest contests[NR_CASES];
	double part_ns[ARRAY_SIZE(parts)];
};

static void open_sides(struct engines *e)
{
	static const enum daxsim_engine engines[] = { DAXSIM_ENGINE_THREAD, DAXSIM_ENGINE_INLINE };
	static const enum bare_engine bare[] = { BARE_THREAD, BARE_INLINE };
	char why[256];
	int cpu, other;

	if (placement_take(placement_table, &cpu, &other))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	for (int i = 0; i < 2; i++) {
		const struct daxsim_options o = { .size = DEVICE_SIZE, .engine = engines[i],
						  .fault_around = 1 };

		live_open(&e->live[i], side_names[i], &o);
		e->sides[i] = live_side(&e->live[i]);
		e->bare[i] = bare_open(bare[i], e->b->pages, other, why, sizeof(why));
		if (!e->bare[i])
			errx(EXIT_UNUSABLE, "%s", why);
		e->sides[2 + i] = bare_side(e->bare[i], side_names[2 + i]);
	}
}

static void close_sides(struct engines *e)
{
	for (int i = 0; i < 2; i++) {
		live_close(&e->live[i]);
		bare_close(e->bare[i]);
	}
}

static void report_case(struct engines *e, unsigned int which, size_t i)
{
	const struct claim *claim = &claims[which];
	const struct contestant *by = e->contests[i].by_side;
	double us[2][MAX_RUNS], target = cases[i].targets[which];
	char versus[64];

	if (which == GAIN && !target)
		return;
	for (unsigned int run = 0; run < e->b->runs; run++) {
		us[0][run] = by[claim->side].p50[run] / 1000;
		us[1][run] = by[claim->versus].p50[run] / 1000;
	}
	snprintf(versus, sizeof(versus), "%s %s", side_names[claim->versus],
		 bare_name(cases[i].c.bare));
	report_compare(&e->b->report, &(struct comparison){
		.section = claim->section, .name = cases[i].c.name, .unit = "us", .versus = versus,
		.values = us[0], .versus_values = us[1], .nr = e->b->runs,
		.inverse = claim->inverse,
		.target = { claim->inverse ? 0 : target, claim->inverse ? target : 0 } });
}

static void measure_parts(struct engines *e)
{
	struct contest c;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct side side = e->sides[parts[i].engine == BARE_THREAD ?
						  BARE_THREAD_SIDE : BARE_INLINE_SIDE];

		contest_run(&c, &side, 1, &parts[i].c, e->b->runs, e->b->pages, e->b->pages,
			    e->b->report.machine.clock_ns);
		e->part_ns[i] = samples_median(c.by_side[0].p50, e->b->runs);
		report_value(&e->b->report, "parts of a bare fault", parts[i].c.name,
			     e->part_ns[i] / 1000, "us");
		contest_free(&c);
	}
}

/* The curve of one side in one case: which part of its samples took at most so long. */
static void curve(struct plot_series *s, const struct contest *c, unsigned int side)
{
	u64 nr = c->runs * c->pages, *all = c->by_side[side].ns;

	snprintf(s->title, sizeof(s->title), "%s", side_names[side]);
	samples_summary(all, nr);
	s->nr = PLOT_MAX_POINTS;
	for (unsigned int i = 0; i < s->nr; i++) {
		u64 at = (nr - 1) * i / (s->nr - 1);

		s->x[i] = all[at] / 1000.0;
		s->y[i] = 100.0 * (at + 1) / nr;
	}
}

/* Sorts the samples of all runs together: the last use of them. */
static void plot_latency(struct engines *e)
{
	struct plot_panel *panels = calloc(NR_CASES, sizeof(*panels));

	if (!panels)
		errx(EXIT_FAILURE, "out of memory");
	for (size_t i = 0; i < NR_CASES; i++) {
		struct plot_panel *p = &panels[i];

		*p = (struct plot_panel){ .xlabel = "us", .ylabel = "% of touches",
					  .settings = "set logscale x\nset xrange [0.5:100]",
					  .nr_series = NR_SIDES };
		snprintf(p->title, sizeof(p->title), "%s", cases[i].c.what);
		for (unsigned int s = 0; s < NR_SIDES; s++)
			curve(&p->series[s], &e->contests[i], s);
	}
	bench_plot(e->b, "latency", panels, NR_CASES);
	free(panels);
}

/* For each engine and case: the native fault, the ioctl, how the handler is reached, and daxsim. */
static void plot_phases(struct engines *e)
{
	static const char *const titles[] = {
		"native fault", "CONTINUE", "signal or thread, other calls", "the simulated kernel",
	};
	struct plot_panel *panels = calloc(2, sizeof(*panels));

	if (!panels)
		errx(EXIT_FAILURE, "out of memory");
	for (unsigned int side = THREAD; side <= INLINE; side++) {
		struct plot_panel *p = &panels[side];

		*p = (struct plot_panel){ .xlabel = "", .ylabel = "us, medians", .bars = true,
					  .nr_series = ARRAY_SIZE(titles) };
		snprintf(p->title, sizeof(p->title), "%s", side_names[side]);
		for (size_t i = 0; i < NR_CASES; i++) {
			const struct contestant *by = e->contests[i].by_side;
			double bare = samples_median(by[side + 2].p50, e->b->runs);
			double all = samples_median(by[side].p50, e->b->runs);
			double ns[] = { e->part_ns[0], e->part_ns[1],
					bare - e->part_ns[0] - e->part_ns[1], all - bare };

			snprintf(p->labels[i], sizeof(p->labels[i]), "%s", cases[i].c.name);
			for (size_t s = 0; s < ARRAY_SIZE(titles); s++) {
				struct plot_series *to = &p->series[s];

				snprintf(to->title, sizeof(to->title), "%s", titles[s]);
				to->x[to->nr] = i;
				to->y[to->nr++] = max_t(double, ns[s], 0) / 1000;
			}
		}
	}
	bench_plot(e->b, "phases", panels, 2);
	free(panels);
}

static json_t *details(const struct engines *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < NR_CASES; i++) {
		json_t *o = json_pack("{s:s, s:s}", "name", cases[i].c.name, "what",
				      cases[i].c.what);

		for (unsigned int s = 0; s < NR_SIDES; s++)
			json_object_set_new(o, side_names[s],
					    summary_json(e->contests[i].by_side[s].summary,
							 e->b->runs));
		json_array_append_new(list, o);
	}
	return list;
}

static void engines_section(struct bench *b)
{
	struct engines e = { .b = b };

	open_sides(&e);
	for (size_t i = 0; i < NR_CASES; i++)
		contest_run(&e.contests[i], e.sides, NR_SIDES, &cases[i].c, b->runs, b->pages,
			    CHUNK, b->report.machine.clock_ns);
	for (unsigned int which = 0; which < NR_CLAIMS; which++)
		for (size_t i = 0; i < NR_CASES; i++)
			report_case(&e, which, i);
	measure_parts(&e);
	json_object_set_new(b->report.details, "engines", details(&e));
	close_sides(&e);
	plot_latency(&e);
	plot_phases(&e);
	for (size_t i = 0; i < NR_CASES; i++)
		contest_free(&e.contests[i]);
}

int main(int argc, char **argv)
{
	static const struct section sections[] = {
		{ "engines", "each kind of fault under both engines", engines_section },
		{ "placement", "handler threads on the CPU of the fault and elsewhere",
		  placement_section },
		{ "scale", "a large device with many extents and files", scale_section },
		{ "deterministic", "the page tables of scenarios", deterministic_section },
		{ 0 },
	};

	return bench_main(argc, argv, "Latency of the first touch of a page, by kind of fault.",
			  sections);
}

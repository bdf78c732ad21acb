// SPDX-License-Identifier: MIT
/*
 * How many pages a second are touched for the first time: by two threads on two CPUs, by
 * several on one, and with fault-around, on devices of libdaxsim and in bare loops.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/bench.h"
#include "bench/lib/crew.h"
#include "bench/lib/live_side.h"
#include "bench/lib/placement.h"

/*
 * A run is several rounds, each too short for a time slice, and the best of them counts: what
 * else runs on the machine only ever slows one down, by a lot where it gets the CPU in between.
 */
#define ROUNDS 12
#define SHARE 512		/* pages of a thread in a round */
#define AROUND_SHARE 2048	/* where a fault maps many pages */
#define CROWD_PAGES 1024	/* of all threads */
#define DEFAULT_WINDOW 16	/* of a device as it comes */

/* Who touches what, how; each thread has pages of its own. */
struct entrant {
	char name[48];
	struct live *live;	/* or: */
	struct bare *bare[2];	/* one for each thread, or one for all */
	enum bare_trip trip;
	unsigned int threads, cpus;
	u64 share;		/* pages of a thread */
	double rate[MAX_RUNS];	/* thousand pages a second */
};

static const struct fault_case written = {
	"written read", "load from a written page", { PAGE_WRITTEN, false, false }, BARE_CONTINUE,
};

static void open_live(struct live *l, enum daxsim_engine engine, unsigned int fault_around)
{
	const struct daxsim_options o = { .engine = engine, .fault_around = fault_around };

	live_open(l, engine == DAXSIM_ENGINE_THREAD ? "daxsim thread" : "daxsim inline", &o);
}

static struct bare *open_bare(enum bare_engine engine, u64 nr_pages, u64 window, int cpu)
{
	char why[256];
	struct bare *bare = bare_open(engine, nr_pages, cpu, why, sizeof(why));

	if (!bare)
		errx(EXIT_UNUSABLE, "%s", why);
	bare_set_window(bare, window);
	return bare;
}

static void work(void *arg, unsigned int index)
{
	struct entrant *e = arg;

	if (e->live)
		live_touch(e->live, index * e->share, e->share, NULL);
	else if (e->bare[1])
		bare_touch(e->bare[index], 0, e->share, NULL);
	else
		bare_touch(e->bare[0], index * e->share, e->share, NULL);
}

static void must(int ret, const struct entrant *e, const char *what)
{
	if (ret)
		errx(EXIT_FAILURE, "%s: cannot %s: %s", e->name, what, strerror(-ret));
}

static void run_round(struct entrant *e, unsigned int run, const int *cpus)
{
	u64 pages = e->threads * e->share, ns;

	if (e->live)
		must(live_begin(e->live, &written, pages), e, "prepare");
	for (int i = 0; i < 2 && e->bare[i]; i++)
		must(bare_begin(e->bare[i], e->trip), e, "prepare");
	if (!e->live)
		bare_enter(e->bare[0]);
	ns = crew_time(e->threads, cpus, e->cpus, work, e);
	if (!e->live)
		bare_leave(e->bare[0]);
	else
		must(live_end(e->live), e, "find what it should");
	e->rate[run] = max_t(double, e->rate[run], pages * 1e6 / ns);
}

/* All of them in turns, run by run. */
static void race(struct bench *b, struct entrant *e, unsigned int nr, const int *cpus)
{
	for (unsigned int run = 0; run < b->runs; run++)
		for (unsigned int round = 0; round < ROUNDS; round++)
			for (unsigned int i = 0; i < nr; i++)
				run_round(&e[i], run, cpus);
}

static void compare(struct bench *b, const char *section, const struct entrant *e,
		    const struct entrant *versus, double at_least)
{
	report_compare(&b->report, &(struct comparison){
		.section = section, .name = e->name, .unit = "kpg/s",
		.versus = versus ? versus->name : NULL, .values = e->rate,
		.versus_values = versus ? versus->rate : NULL, .nr = b->runs,
		.target = { .at_least = at_least } });
}

static double median_rate(const struct bench *b, const struct entrant *e)
{
	return samples_median(e->rate, b->runs);
}

static struct plot_panel *new_panel(const char *title, const char *xlabel, const char *settings)
{
	struct plot_panel *p = calloc(1, sizeof(*p));

	if (!p)
		errx(EXIT_FAILURE, "out of memory");
	p->xlabel = xlabel;
	p->ylabel = "thousand pages a second";
	p->settings = settings;
	snprintf(p->title, sizeof(p->title), "%s", title);
	return p;
}

static void add_point(struct plot_series *s, const char *title, double x, double y)
{
	snprintf(s->title, sizeof(s->title), "%s", title);
	s->x[s->nr] = x;
	s->y[s->nr++] = y;
}

/* What two threads on two CPUs can do that one cannot. */
static const struct pair {
	const char *name;
	bool live;
	int engine;		/* enum daxsim_engine or bare_engine */
	bool each;		/* bare: a userfaultfd for each thread */
	enum bare_trip trip;
	double at_least;	/* times the throughput of one, or 0 */
} pairs[] = {
	{ "daxsim inline", true, DAXSIM_ENGINE_INLINE, false, 0, 1.7 },
	{ "bare inline, one userfaultfd", false, BARE_INLINE, false, BARE_CONTINUE, 0 },
	{ "bare inline, one for each", false, BARE_INLINE, true, BARE_CONTINUE, 0 },
	{ "daxsim thread", true, DAXSIM_ENGINE_THREAD, false, 0, 0 },
	{ "bare thread, one userfaultfd", false, BARE_THREAD, false, BARE_CONTINUE, 0 },
	{ "bare thread, one for each", false, BARE_THREAD, true, BARE_CONTINUE, 0 },
	{ "native faults", false, BARE_INLINE, false, BARE_NATIVE, 0 },
};

#define NR_PAIRS ARRAY_SIZE(pairs)

static void two_cpus_section(struct bench *b)
{
	struct plot_panel *panel = new_panel("faulting threads, a CPU each", "threads",
					     "set xrange [0.8:2.2]\nset xtics 1");
	struct entrant *e = calloc(2 * NR_PAIRS, sizeof(*e));
	struct live live[NR_PAIRS];
	int cpus[2];

	if (!e)
		errx(EXIT_FAILURE, "out of memory");
	if (placement_take(placement_find("other"), &cpus[0], &cpus[1])) {
		printf("\ntwo-cpus: there is only one CPU\n");
		goto out;
	}
	for (size_t i = 0; i < NR_PAIRS; i++) {
		const struct pair *p = &pairs[i];
		struct entrant one = { .live = p->live ? &live[i] : NULL, .trip = p->trip,
				       .threads = 1, .cpus = 1, .share = SHARE };

		if (p->live)
			open_live(&live[i], p->engine, 1);
		for (int k = 0; !p->live && k <= p->each; k++)
			one.bare[k] = open_bare(p->engine, (2 - p->each) * SHARE, 1, cpus[k]);
		e[2 * i] = e[2 * i + 1] = one;
		e[2 * i].bare[1] = NULL;
		e[2 * i + 1].threads = e[2 * i + 1].cpus = 2;
		for (int k = 0; k < 2; k++)
			snprintf(e[2 * i + k].name, sizeof(e->name), "%s%s", k ? "2: " : "1: ",
				 p->name);
	}
	race(b, e, 2 * NR_PAIRS, cpus);
	for (size_t i = 0; i < NR_PAIRS; i++) {
		compare(b, "two threads on two CPUs", &e[2 * i + 1], &e[2 * i], pairs[i].at_least);
		for (int k = 0; k < 2; k++)
			add_point(&panel->series[i], pairs[i].name, k + 1,
				  median_rate(b, &e[2 * i + k]));
		if (pairs[i].live)
			live_close(&live[i]);
		for (int k = 0; k < 2 && e[2 * i + 1].bare[k]; k++)
			bare_close(e[2 * i + 1].bare[k]);
	}
	panel->nr_series = NR_PAIRS;
	bench_plot(b, "two-cpus", panel, 1);
out:
	free(e);
	free(panel);
}

/* Both engines, and beside each of them the bare one. */
static const struct {
	const char *name, *bare_name;
	enum daxsim_engine engine;
	enum bare_engine bare;
} engines[] = {
	{ "daxsim inline", "bare inline", DAXSIM_ENGINE_INLINE, BARE_INLINE },
	{ "daxsim thread", "bare thread", DAXSIM_ENGINE_THREAD, BARE_THREAD },
};

static const unsigned int windows[] = { 1, 4, 16, 64 };

#define NR_WINDOWS ARRAY_SIZE(windows)

static void around_engine(struct bench *b, size_t engine, struct plot_panel *panel)
{
	static struct entrant e[2 * NR_WINDOWS];
	struct live live[NR_WINDOWS];
	int cpu, other;

	if (placement_take(placement_table, &cpu, &other))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	for (size_t i = 0; i < NR_WINDOWS; i++) {
		struct entrant *ours = &e[2 * i], *bare = &e[2 * i + 1];
		u64 share = windows[i] < DEFAULT_WINDOW ? SHARE : AROUND_SHARE;

		open_live(&live[i], engines[engine].engine, windows[i]);
		*ours = (struct entrant){ .live = &live[i], .threads = 1, .cpus = 1,
					  .share = share };
		*bare = (struct entrant){ .trip = BARE_CONTINUE, .threads = 1, .cpus = 1,
					  .share = share };
		bare->bare[0] = open_bare(engines[engine].bare, share, windows[i], cpu);
		snprintf(ours->name, sizeof(ours->name), "%s, %u pages a fault",
			 engines[engine].name, windows[i]);
		snprintf(bare->name, sizeof(bare->name), "%s, %u pages", engines[engine].bare_name,
			 windows[i]);
	}
	race(b, e, 2 * NR_WINDOWS, &cpu);
	for (size_t i = 0; i < NR_WINDOWS; i++) {
		if (i)
			compare(b, "fault-around", &e[2 * i], &e[0],
				windows[i] == DEFAULT_WINDOW ? 5 : 0);
		compare(b, "fault-around", &e[2 * i], &e[2 * i + 1], 0);
		for (size_t k = 0; k < 2; k++)
			add_point(&panel->series[2 * engine + k],
				  k ? engines[engine].bare_name : engines[engine].name, windows[i],
				  median_rate(b, &e[2 * i + k]));
		live_close(&live[i]);
		bare_close(e[2 * i + 1].bare[0]);
	}
}

static void around_section(struct bench *b)
{
	struct plot_panel *panel = new_panel("pages mapped by a fault", "pages",
					     "set logscale x 2");

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		around_engine(b, i, panel);
	panel->nr_series = 2 * ARRAY_SIZE(engines);
	bench_plot(b, "around", panel, 1);
	free(panel);
}

static const unsigned int crowds[] = { 1, 2, 4, 8, 16 };

#define NR_CROWDS ARRAY_SIZE(crowds)

/* Many threads whose faults wait at the same time, for whoever reads several at once. */
static void crowd_section(struct bench *b)
{
	struct plot_panel *panel = new_panel("faulting threads on one CPU", "threads",
					     "set logscale x 2");
	static struct entrant e[2 * NR_CROWDS];
	struct bare *bare;
	struct live live;
	int cpu, other;

	if (placement_take(placement_table, &cpu, &other))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	bare = open_bare(BARE_THREAD, CROWD_PAGES, 1, cpu);
	open_live(&live, DAXSIM_ENGINE_THREAD, 1);
	for (size_t i = 0; i < NR_CROWDS; i++)
		for (size_t k = 0; k < 2; k++) {
			struct entrant *to = &e[2 * i + k];

			*to = (struct entrant){ .live = k ? NULL : &live, .trip = BARE_CONTINUE,
						.threads = crowds[i], .cpus = 1,
						.share = CROWD_PAGES / crowds[i] };
			to->bare[0] = k ? bare : NULL;
			snprintf(to->name, sizeof(to->name), "%s, %u threads",
				 k ? "bare thread" : "daxsim thread", crowds[i]);
		}
	race(b, e, 2 * NR_CROWDS, &cpu);
	for (size_t i = 0; i < NR_CROWDS; i++) {
		compare(b, "threads on one CPU", &e[2 * i], &e[2 * i + 1], 0);
		for (size_t k = 0; k < 2; k++)
			add_point(&panel->series[k], k ? "bare, one message at a time" : "daxsim",
				  crowds[i], median_rate(b, &e[2 * i + k]));
	}
	panel->nr_series = 2;
	bench_plot(b, "crowd", panel, 1);
	live_close(&live);
	bare_close(bare);
	free(panel);
}

int main(int argc, char **argv)
{
	static const struct section sections[] = {
		{ "two-cpus", "two faulting threads on two CPUs, and one", two_cpus_section },
		{ "around", "several pages mapped by one fault", around_section },
		{ "crowd", "many faulting threads on one CPU", crowd_section },
		{ 0 },
	};

	return bench_main(argc, argv, "First touches of pages a second.", sections);
}

// SPDX-License-Identifier: MIT
/*
 * What the first touch of a page costs on real page tables, by kind of fault,
 * beside a bare userfaultfd round trip of the same kind; then, in another pass,
 * where that time goes. Bare and simulated faults take turns, so that a machine
 * that gets slower gets slower for both.
 */
#include <argp.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fs/fs.h"
#include "bench/lib/bare_uffd.h"
#include "bench/lib/machine_line.h"
#include "bench/lib/placement.h"
#include "bench/lib/samples.h"
#include "bench/lib/touch_machine.h"

#define EXIT_UNUSABLE 2		/* bad options, or no userfaultfd */
#define CHUNK 64		/* pages in turn */
#define MIN_PAGES CHUNK
#define MAX_PAGES 16384		/* each can become a mapping of its own: vm.max_map_count */
#define MAX_FS 8

static const struct kind {
	const char *name, *what;
	struct touch touch;
	enum bare_trip bare;
} kinds[] = {
	{ "hand-off", "no fault: load from a page that is mapped", { PAGE_ANY, true, false },
	  BARE_HANDOFF },
	{ "hole read", "load from a hole", { PAGE_HOLE, false, false }, BARE_COPY_WP },
	{ "hole write", "store to a hole", { PAGE_HOLE, false, true }, BARE_RETARGET },
	{ "mkwrite", "store to a hole after a load", { PAGE_HOLE, true, true }, BARE_RETARGET_WP },
	{ "written read", "load from a written page", { PAGE_WRITTEN, false, false },
	  BARE_CONTINUE },
	{ "written write", "store to a written page", { PAGE_WRITTEN, false, true },
	  BARE_CONTINUE_WRITE },
	{ "store after load", "store to a written page after a load", { PAGE_WRITTEN, true, true },
	  BARE_UNPROTECT },
};

#define NR_KINDS ARRAY_SIZE(kinds)
#define HANDOFF 0		/* index in kinds */

struct options {
	const struct fs_ops *fs[MAX_FS];
	unsigned int nr_fs;
	const struct placement *placement;
	unsigned long pages, runs;
	const char *json;	/* name of a file, "-" for stdout, or NULL */
};

/* A file system's results for one kind, by run. */
struct result {
	bool impossible;	/* the file system has no such pages */
	double faults;		/* an access */
	double stamps;		/* an access, in the pass that has any */
	struct summary sim[MAX_RUNS], bare[MAX_RUNS];
	double phases[NR_PHASES][MAX_RUNS];	/* p50, ns */
};

struct bench {
	struct options o;
	int cpu, other;		/* of the simulated kernel, and of its session's thread */
	struct machine_line machine;
	FILE *json;		/* or NULL */
	struct bare *bare;
	struct result (*results)[NR_KINDS];	/* by file system */
	double stamp_ns;
};

/* Returns false if the file system has no such pages. */
static bool open_machine(struct touch_machine *m, const struct bench *b, const struct fs_ops *fs,
			 const struct kind *kind)
{
	char why[512];
	int err = touch_machine_open(m, fs, &kind->touch, b->o.pages, b->other, why, sizeof(why));

	if (err && err != -ENODATA)
		errx(EXIT_UNUSABLE, "%s: %s", kind->name, why);
	return !err;
}

static void check(const struct touch_machine *m, int err, const struct kind *kind)
{
	if (err)
		errx(EXIT_FAILURE, "%s: cannot %s: %s", kind->name, m->failed, strerror(-err));
}

/* One run of a kind: simulated and bare faults in turns. */
static void measure(const struct bench *b, const struct fs_ops *fs, const struct kind *kind,
		    unsigned int run, struct result *r, u64 *ns)
{
	u64 pages = b->o.pages, *bare_ns = ns + pages, before;
	struct touch_machine m;
	int err;

	r->impossible = !open_machine(&m, b, fs, kind);
	if (r->impossible)
		return;
	err = bare_begin(b->bare, kind->bare);
	if (err)
		errx(EXIT_FAILURE, "%s: cannot prepare bare round trips: %s", kind->name,
		     strerror(-err));
	before = touch_machine_faults(&m);
	for (u64 first = 0; first < pages; first += CHUNK) {
		u64 nr = min_t(u64, CHUNK, pages - first);

		check(&m, touch_machine_time(&m, first, nr, ns + first), kind);
		bare_touch(b->bare, first, nr, bare_ns + first);
	}
	r->faults = (double)(touch_machine_faults(&m) - before) / pages;
	r->sim[run] = samples_summary(ns, pages);
	r->bare[run] = samples_summary(bare_ns, pages);
	touch_machine_close(&m);
}

/* The same once more with time stamps, which would have disturbed it. */
static void dissect(struct bench *b, const struct fs_ops *fs, const struct kind *kind,
		    unsigned int run, struct result *r, u64 *ns)
{
	u64 pages = b->o.pages;
	struct touch_machine m;

	if (!open_machine(&m, b, fs, kind))
		return;
	check(&m, touch_machine_dissect(&m, ns), kind);
	for (int p = 0; p < NR_PHASES; p++)
		r->phases[p][run] = samples_summary(m.phase_ns[p], pages).p50;
	r->stamps = (double)m.phases.nr_stamps / pages;
	b->stamp_ns = m.phases.stamp_ns;
	touch_machine_close(&m);
}

static void run_all(struct bench *b)
{
	/* For samples of both sides, or of all phases. */
	u64 *ns = malloc(NR_PHASES * b->o.pages * sizeof(*ns));

	b->results = calloc(b->o.nr_fs, sizeof(*b->results));
	if (!ns || !b->results)
		errx(EXIT_FAILURE, "out of memory");
	for (unsigned int i = 0; i < b->o.runs; i++)
		for (unsigned int f = 0; f < b->o.nr_fs; f++)
			for (size_t k = 0; k < NR_KINDS; k++) {
				struct result *r = &b->results[f][k];

				measure(b, b->o.fs[f], &kinds[k], i, r, ns);
				dissect(b, b->o.fs[f], &kinds[k], i, r, ns);
			}
	free(ns);
}

/* The figures of a kind that are derived from the medians of all runs. */
struct derived {
	struct summary sim, bare;
	double ratio;		/* of the two p50 */
	double net_ns;		/* p50 of the access without the hand-off */
	double net_ratio;	/* of that to the bare round trip */
	double phases[NR_PHASES], phase_sum;	/* ns */
};

static struct derived derive(const struct bench *b, unsigned int fs, size_t kind)
{
	const struct result *r = &b->results[fs][kind];
	struct derived d = {
		.sim = summary_median(r->sim, b->o.runs),
		.bare = summary_median(r->bare, b->o.runs),
	};

	d.ratio = d.sim.p50 / d.bare.p50;
	d.net_ns = d.sim.p50 - summary_median(b->results[fs][HANDOFF].sim, b->o.runs).p50;
	d.net_ratio = d.net_ns / d.bare.p50;
	for (int p = 0; p < NR_PHASES; p++) {
		d.phases[p] = samples_median(r->phases[p], b->o.runs);
		d.phase_sum += d.phases[p];
	}
	return d;
}

static void print_latency(const struct bench *b, unsigned int fs)
{
	printf("\n%-17s%7s%24s%26s\n", b->o.fs[fs]->name, "", "simulated access",
	       "bare round trip");
	printf("%-17s%7s%8s%8s%8s  %8s%8s%8s  %-18s%7s%8s%7s\n", "", "faults", "p50", "p99",
	       "p99.9", "p50", "p99", "p99.9", "by", "ratio", "net", "ratio");
	for (size_t k = 0; k < NR_KINDS; k++) {
		struct derived d = derive(b, fs, k);

		if (b->results[fs][k].impossible)
			continue;
		printf("%-17s%7.2f", kinds[k].name, b->results[fs][k].faults);
		summary_print(&d.sim);
		printf("  ");
		summary_print(&d.bare);
		printf("  %-18s%7.2f", bare_name(kinds[k].bare), d.ratio);
		if (k == HANDOFF)
			printf("%8s%7s\n", "-", "-");
		else
			printf("%8.2f%7.2f\n", d.net_ns / 1000, d.net_ratio);
	}
}

static void print_phases(const struct bench *b, unsigned int fs)
{
	printf("\n%-17s", b->o.fs[fs]->name);
	for (int p = 0; p < NR_PHASES; p++)
		printf("%10s", phase_table[p].name);
	printf("%10s%10s%8s\n", "sum", "p50", "stamps");
	for (size_t k = 0; k < NR_KINDS; k++) {
		struct derived d = derive(b, fs, k);

		if (b->results[fs][k].impossible)
			continue;
		printf("%-17s", kinds[k].name);
		for (int p = 0; p < NR_PHASES; p++)
			printf("%10.2f", d.phases[p] / 1000);
		printf("%10.2f%10.2f%8.1f\n", d.phase_sum / 1000, d.sim.p50 / 1000,
		       b->results[fs][k].stamps);
	}
}

static void print_text(const struct bench *b)
{
	for (unsigned int fs = 0; fs < b->o.nr_fs; fs++)
		print_latency(b, fs);
	printf("\nratio: p50 of the access to p50 of the bare round trip, which is one fault. net: "
	       "p50 of the access\nwithout the hand-off to the session's thread and back. A store "
	       "faults twice where the first fault\ninserts read-only, as Linux did in 2014.\n\n");
	for (size_t k = 0; k < NR_KINDS; k++)
		printf("  %-17s %s\n", kinds[k].name, kinds[k].what);
	printf("\nphases, from a pass with time stamps, of %.0f ns each, which are taken off; p50 "
	       "is without them\n", b->stamp_ns);
	for (unsigned int fs = 0; fs < b->o.nr_fs; fs++)
		print_phases(b, fs);
	printf("\n");
	for (int p = 0; p < NR_PHASES; p++)
		printf("  %-10s %s\n", phase_table[p].name, phase_table[p].what);
}

static json_t *kind_json(const struct bench *b, unsigned int fs, size_t kind)
{
	const struct result *r = &b->results[fs][kind];
	struct derived d = derive(b, fs, kind);
	json_t *phases = json_object();

	for (int p = 0; p < NR_PHASES; p++)
		json_object_set_new(phases, phase_table[p].name, json_real(d.phases[p]));
	return json_pack("{s:s, s:s, s:f, s:o, s:o, s:s, s:f, s:f, s:f, s:o, s:f}", "kind",
			 kinds[kind].name, "what", kinds[kind].what, "faults", r->faults,
			 "simulated", summary_json(r->sim, b->o.runs), "bare",
			 summary_json(r->bare, b->o.runs), "bare_calls",
			 bare_name(kinds[kind].bare), "ratio", d.ratio, "net_p50_ns", d.net_ns,
			 "net_ratio", d.net_ratio, "phases_p50_ns", phases, "stamps", r->stamps);
}

static void write_json(const struct bench *b)
{
	json_t *root, *all = json_array();

	for (unsigned int fs = 0; fs < b->o.nr_fs; fs++) {
		json_t *list = json_array();

		for (size_t k = 0; k < NR_KINDS; k++)
			if (!b->results[fs][k].impossible)
				json_array_append_new(list, kind_json(b, fs, k));
		json_array_append_new(all, json_pack("{s:s, s:o}", "fs", b->o.fs[fs]->name, "kinds",
						     list));
	}
	root = json_pack("{s:o, s:s, s:I, s:I, s:f, s:o}", "machine",
			 machine_line_json(&b->machine), "placement", b->o.placement->name, "pages",
			 (json_int_t)b->o.pages, "runs", (json_int_t)b->o.runs, "stamp_ns",
			 b->stamp_ns, "results", all);
	if (!root || json_dumpf(root, b->json, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ||
	    fputc('\n', b->json) == EOF || fclose(b->json))
		err(EXIT_FAILURE, "cannot write %s", b->o.json);
	json_decref(root);
}

static const struct argp_option option_table[] = {
	{ "fs", 'f', "FS", 0, "a file system, such as ext2; may be repeated (null and ext2)", 0 },
	{ "pages", 'n', "N", 0, "pages of each kind, 64 to 16384 (3072; 512 with --placement "
	  "other); each takes 16 KiB of memory at most", 0 },
	{ "runs", 'r', "N", 0, "of which the median is taken, 1 to 99 (5)", 0 },
	{ "placement", 'p', "PLACE", 0, "same: all threads on one CPU (default); other: faulting "
	  "and handling threads on two", 0 },
	{ "json", 'j', "FILE", 0, "write everything as JSON too; -: to standard output, instead "
	  "of the tables", 0 },
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

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'f':
		if (o->nr_fs == MAX_FS)
			argp_error(state, "--fs can be given %d times at most", MAX_FS);
		o->fs[o->nr_fs] = fs_find(arg);
		if (!o->fs[o->nr_fs++])
			argp_error(state, "there is no file system '%s'", arg);
		return 0;
	case 'n':
		o->pages = number(state, "pages", arg, MIN_PAGES, MAX_PAGES);
		return 0;
	case 'r':
		o->runs = number(state, "runs", arg, 1, MAX_RUNS);
		return 0;
	case 'p':
		o->placement = placement_find(arg);
		if (!o->placement)
			argp_error(state, "--placement takes same or other, not '%s'", arg);
		return 0;
	case 'j':
		o->json = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		option_table, parse_option, NULL,
		"Latency of the first touch of a page on the simulator's real page tables, by kind "
		"of fault, beside a bare userfaultfd round trip.", NULL, NULL, NULL,
	};
	struct bench b = { .o = { .placement = placement_table, .runs = 5 } };
	char why[256];
	int ret;

	argp_err_exit_status = EXIT_UNUSABLE;
	argp_parse(&argp, argc, argv, 0, NULL, &b.o);
	/* A switch to another CPU can take ten times as long. */
	if (!b.o.pages)
		b.o.pages = b.o.placement->two_cpus ? 512 : 3072;
	if (!b.o.nr_fs) {
		b.o.fs[b.o.nr_fs++] = fs_find("null");
		b.o.fs[b.o.nr_fs++] = fs_find("ext2");
	}
	if (b.o.json)
		b.json = strcmp(b.o.json, "-") ? fopen(b.o.json, "we") : stdout;
	if (b.o.json && !b.json)
		err(EXIT_UNUSABLE, "cannot write %s", b.o.json);
	ret = placement_take(b.o.placement, &b.cpu, &b.other);
	if (ret == -ENODEV)
		errx(EXIT_UNUSABLE, "--placement other needs a second CPU");
	if (ret)
		errx(EXIT_FAILURE, "cannot bind threads to CPUs: %s", strerror(-ret));
	b.bare = bare_open(b.o.pages, b.other, why, sizeof(why));
	if (!b.bare)
		errx(EXIT_UNUSABLE, "%s", why);
	machine_line_get(&b.machine);
	if (b.json != stdout) {
		machine_line_print(&b.machine, stdout);
		printf("%s, %lu pages of each kind, medians of %lu runs, microseconds\n",
		       b.o.placement->what, b.o.pages, b.o.runs);
		fflush(stdout);
	}
	run_all(&b);
	if (b.json != stdout)
		print_text(&b);
	if (b.json)
		write_json(&b);
	bare_close(b.bare);
	free(b.results);
	return EXIT_SUCCESS;
}

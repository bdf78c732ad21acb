// SPDX-License-Identifier: MIT
/*
 * How fast interleavings are explored: whole executions of the simulated kernel a
 * second, in the soft MMU with all invariants watched, beside a program of the same
 * shape with nothing behind its events, which shows what the explorer takes itself.
 *
 *	explore [--seconds S] [--json]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "bench/lib/machine_line.h"
#include "bench/lib/samples.h"
#include "daxsim/script/explore_scenario.h"

#define MIN_RUNS 3		/* of each row, however long they take */
#define GROWTH_RUNS 300000ULL	/* executions between two looks at the memory */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "explore: %s\n", what);
	exit(EXIT_FAILURE);
}

/*
 * The bare program: what truncate-vs-fault does to shared objects, by hand, as a list of
 * events for each of three threads: an access, with the taking of its lock before it and
 * the dropping of locks behind it. No kernel, no fibers, no invariants.
 */
enum object { NO_OBJECT, I_SIZE, EXTENT, PTE, FREE_LIST, BLOCK, MMAP_SEM, I_MMAP, ALLOC_F, I_MUTEX_F,
	      ALLOC_G, I_MUTEX_G, HANDLES, FROZEN, EXTENT_G, I_SIZE_G, NR_OBJECTS };

#define BARE_ACCESSES 5
#define BARE_EVENTS 16

struct bare_event {
	struct {
		u8 object;		/* enum object */
		u8 kind;		/* enum explore_kind */
	} accesses[BARE_ACCESSES];
};

#define R(o) { o, EXPLORE_READ }
#define W(o) { o, EXPLORE_WRITE }
#define L(o) { o, EXPLORE_LOCK }
#define RL(o) { o, EXPLORE_RLOCK }
#define U(o) { o, EXPLORE_UNLOCK }
#define RU(o) { o, EXPLORE_RUNLOCK }

static const struct bare_event bare_code[][BARE_EVENTS] = {
	{	/* the fault */
		{ { R(PTE) } }, { { RL(FROZEN) } }, { { RL(MMAP_SEM), R(PTE) } }, { { R(I_SIZE) } },
		{ { RL(ALLOC_F), R(EXTENT), RU(ALLOC_F) } }, { { RL(HANDLES) } },
		{ { L(ALLOC_F), R(EXTENT) } }, { { W(FREE_LIST) } },
		{ { W(EXTENT), U(ALLOC_F), RU(HANDLES) } }, { { L(I_MMAP), R(I_SIZE) } },
		{ { W(BLOCK) } }, { { W(PTE), U(I_MMAP), RU(MMAP_SEM), RU(FROZEN) } }, { { R(PTE) } },
	},
	{	/* truncate */
		{ { RL(FROZEN) } }, { { L(I_MUTEX_F), R(I_SIZE) } }, { { W(I_SIZE) } },
		{ { L(I_MMAP), W(PTE), U(I_MMAP) } }, { { RL(HANDLES) } }, { { L(ALLOC_F), W(EXTENT) } },
		{ { W(FREE_LIST), U(ALLOC_F), RU(HANDLES), U(I_MUTEX_F), RU(FROZEN) } },
	},
	{	/* reuse */
		{ { RL(FROZEN) } }, { { L(I_MUTEX_G), R(I_SIZE_G) } }, { { RL(HANDLES) } },
		{ { L(ALLOC_G), R(EXTENT_G) } }, { { W(FREE_LIST) } }, { { W(EXTENT_G), U(ALLOC_G) } },
		{ { W(BLOCK) } }, { { W(I_SIZE_G), RU(HANDLES), U(I_MUTEX_G), RU(FROZEN) } },
	},
};

struct bare {
	u32 at[ARRAY_SIZE(bare_code)];
	u32 writers;			/* locks that somebody has, bit per object */
	u8 readers[NR_OBJECTS];
};

static void bare_reset(void *data)
{
	memset(data, 0, sizeof(struct bare));
}

static bool bare_can(const struct bare *b, const struct bare_event *e)
{
	u8 object = e->accesses[0].object, kind = e->accesses[0].kind;

	if (kind == EXPLORE_RLOCK)
		return !(b->writers >> object & 1);
	return kind != EXPLORE_LOCK || !(b->writers >> object & 1 || b->readers[object]);
}

static u32 bare_enabled(void *data, u32 *unfinished)
{
	const struct bare *b = data;
	u32 can = 0, left = 0;

	for (u32 t = 0; t < ARRAY_SIZE(bare_code); t++) {
		const struct bare_event *e = &bare_code[t][b->at[t]];

		if (!e->accesses[0].kind)
			continue;
		left |= 1U << t;
		can |= (u32)bare_can(b, e) << t;
	}
	*unfinished = left;
	return can;
}

static void bare_pending(void *data, unsigned int thread, struct explore_event *e)
{
	const struct bare *b = data;
	const struct bare_event *next = &bare_code[thread][b->at[thread]];

	*e = (struct explore_event){ 0 };
	for (int i = 0; i < BARE_ACCESSES && next->accesses[i].kind; i++) {
		e->object[i] = next->accesses[i].object;
		e->kind[i] = next->accesses[i].kind;
	}
}

static void bare_step(void *data, unsigned int thread, struct explore_event *e)
{
	struct bare *b = data;

	bare_pending(data, thread, e);
	b->at[thread]++;
	for (int i = 0; i < BARE_ACCESSES && e->kind[i]; i++) {
		u32 o = e->object[i];

		b->writers |= (u32)(e->kind[i] == EXPLORE_LOCK) << o;
		b->writers &= ~((u32)(e->kind[i] == EXPLORE_UNLOCK) << o);
		b->readers[o] += (e->kind[i] == EXPLORE_RLOCK) - (e->kind[i] == EXPLORE_RUNLOCK);
	}
}

#define START                                                                                      \
	"scenario t\nfs ext4@v11\n"                                                                \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g; create h }\n"            \
	"session fault { mwrite m 4k 8 0x5a = 8 or SIGBUS }\n"                                     \
	"session trunc { truncate f 0 }\n"
#define MIX(name) { name, "scenarios/mixes/" name ".scn", NULL, "ext4@v11" }

/* What is measured. */
static const struct workload {
	const char *name;
	const char *path;	/* of a scenario, or */
	const char *text;	/* the scenario itself, or NULL for both: the bare program */
	const char *fs;
} workloads[] = {
	{ "bare program", NULL, NULL, "-" },
	{ "truncate-vs-fault", "scenarios/truncate-vs-fault.scn", NULL, "ext4@v11" },
	{ "truncate-vs-fault", "scenarios/truncate-vs-fault.scn", NULL, "ext2@v11" },
	{ "truncate-vs-fault", "scenarios/truncate-vs-fault.scn", NULL, "xfs@v11" },
	MIX("fault-and-truncate"),
	MIX("fault-punch-reuse"),
	MIX("fault-truncate-reuse"),
	MIX("load-and-store"),
	MIX("private-fault-and-truncate"),
	MIX("two-faults"),
	MIX("two-faults-and-truncate"),
	MIX("write-and-fault"),
	{ "2 sessions", NULL, START, "ext4@v11" },
	{ "3 sessions", NULL, START "session a { pwrite g 0 4k }\n", "ext4@v11" },
	{ "4 sessions", NULL, START "session a { pwrite g 0 4k }\nsession b { pwrite h 0 4k }\n",
	  "ext4@v11" },
	{ "2 steps more", NULL,
	  START "session a { step a1 { pread f 0 8 } step a2 { pread f 0 8 } }\n", "ext4@v11" },
	{ "4 steps more", NULL,
	  START "session a { step a1 { pread f 0 8 } step a2 { pread f 0 8 }"
		" step a3 { pread f 0 8 } step a4 { pread f 0 8 } }\n", "ext4@v11" },
};

#define MEMORY_WORKLOAD 1

#define SCALING_WORKLOAD 10
#define MAX_PROCESSES 2

/* What came of it. */
struct row {
	const struct workload *what;
	s32 processes;
	struct explore_result result;
	unsigned int nr_runs;
	double per_second[MAX_RUNS];	/* executions, in each run */
	double executions_s;		/* the median */
};

static double run_bare(struct explore_result *result)
{
	static struct bare bare;
	static const struct explore_options all = { .strategy = EXPLORE_DPOR };
	const struct explore_program p = {
		.data = &bare, .nr_threads = ARRAY_SIZE(bare_code), .reset = bare_reset,
		.enabled = bare_enabled, .pending = bare_pending, .step = bare_step,
	};
	u64 start = now_ns();

	if (explore(&p, &all, result))
		die("cannot explore the bare program");
	return (now_ns() - start) / 1e9;
}

/* The seconds are those of the search alone, without making the machine. */
static double run_scenario(struct scenario *s, const struct variant *v,
			   const struct explore_request *how, volatile s32 *helpers,
			   struct explore_result *result)
{
	const struct explore_limits limits = { .free = helpers };
	static struct exploration x;
	double took;

	if (explore_scenario(s, v, how, &limits, &x))
		die(x.failure);
	*result = x.result;
	took = x.seconds;
	exploration_free(&x);
	return took;
}

static struct scenario *load(const struct workload *w)
{
	struct scenario *s = w->path ? scenario_load(w->path, stderr) :
				       scenario_parse(w->name, w->text, strlen(w->text), stderr);

	if (!s)
		die("start it where the scenarios are");
	return s;
}

/* A number of processes that all of them see; it is the same again when they are gone. */
static volatile s32 *shared_number(s32 n)
{
	static volatile s32 *p;

	if (!p)
		p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("no memory");
	*p = n;
	return p;
}

/* Many explorations in turn, for @seconds; a run is some of them, the result their median. */
static void measure(struct row *row, double seconds)
{
	static const struct explore_request how = { .strategy = EXPLORE_DPOR };
	const struct workload *w = row->what;
	struct scenario *s = w->path || w->text ? load(w) : NULL;
	struct variant *v = s ? scenario_parse_variant(s, w->fs, stderr) : NULL;
	volatile s32 *helpers = row->processes > 1 ? shared_number(row->processes - 1) : NULL;
	double all = 0;

	while (row->nr_runs < MAX_RUNS && (row->nr_runs < MIN_RUNS || all < seconds)) {
		double took = 0;
		u64 executions = 0;

		do {
			took += s ? run_scenario(s, v, &how, helpers, &row->result) :
				    run_bare(&row->result);
			executions += row->result.executions;
		} while (took < seconds / 20);
		row->per_second[row->nr_runs++] = executions / took;
		all += took;
	}
	row->executions_s = samples_median(row->per_second, row->nr_runs);
	scenario_free(s);
}

static double steps_each(const struct row *row)
{
	return (double)row->result.steps / row->result.executions;
}

static double steps_s(const struct row *row)
{
	return row->executions_s * steps_each(row);
}

static long max_rss_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

struct memory {
	u64 executions[2];
	long kb[2];
};

/* The most memory that was ever in use, after some executions and after many more. */
static struct memory measure_memory(void)
{
	const struct workload *w = &workloads[MEMORY_WORKLOAD];
	struct scenario *s = load(w);
	struct variant *v = scenario_parse_variant(s, w->fs, stderr);
	struct explore_result result;
	struct memory m;

	for (int i = 0; i < 2; i++) {
		const struct explore_request how = {
			.strategy = EXPLORE_RANDOM, .seed = 1, .runs = i ? GROWTH_RUNS : GROWTH_RUNS / 100,
		};

		run_scenario(s, v, &how, NULL, &result);
		m.executions[i] = result.executions;
		m.kb[i] = max_rss_kb();
	}
	scenario_free(s);
	return m;
}

/* One exploration by several processes, scaling[i] by i + 1 of them. */
static void print_scaling(const struct row *scaling)
{
	printf("\n%s %s by", scaling->what->name, scaling->what->fs);
	for (s32 i = 0; i < MAX_PROCESSES; i++)
		printf("%s %d process%s: %.0f executions/s", i ? "," : "", i + 1, i ? "es" : "",
		       scaling[i].executions_s);
	printf(" (x %.2f)\n", scaling[MAX_PROCESSES - 1].executions_s / scaling[0].executions_s);
}

static void print_table(const struct row *rows, const struct row *scaling, const struct memory *m)
{
	printf("classes, and executions cut short; steps are accesses, replays included;\n"
	       "x bare: how many times as long a step takes as in the bare program\n\n");
	printf("%-28s %-9s %8s %6s %6s %12s %12s %7s\n", "", "", "classes", "cut", "steps",
	       "executions/s", "steps/s", "x bare");
	for (size_t i = 0; i < ARRAY_SIZE(workloads); i++) {
		const struct row *r = &rows[i];

		printf("%-28s %-9s %8llu %6llu %6.1f %12.0f %12.0f %7.2f\n", r->what->name, r->what->fs,
		       (unsigned long long)r->result.classes, (unsigned long long)r->result.cut,
		       steps_each(r), r->executions_s, steps_s(r), steps_s(&rows[0]) / steps_s(r));
	}
	print_scaling(scaling);
	printf("\nmemory: %ld kB after %llu executions, %ld kB after %llu more\n", m->kb[0],
	       (unsigned long long)m->executions[0], m->kb[1],
	       (unsigned long long)m->executions[1]);
}

static json_t *row_json(const struct row *r, const struct row *bare)
{
	json_t *runs = json_array();

	for (unsigned int i = 0; i < r->nr_runs; i++)
		json_array_append_new(runs, json_real(r->per_second[i]));
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "name", r->what->name,
			 "fs", r->what->fs, "classes", (json_int_t)r->result.classes, "executions",
			 (json_int_t)r->result.executions, "cut", (json_int_t)r->result.cut,
			 "steps_per_execution", steps_each(r), "executions_per_second",
			 r->executions_s, "steps_per_second", steps_s(r), "times_bare",
			 steps_s(bare) / steps_s(r), "runs", runs);
}

static void print_json(const struct machine_line *line, const struct row *rows,
		       const struct row *scaling, const struct memory *m)
{
	json_t *list = json_array(), *by_processes = json_array(), *root;

	for (size_t i = 0; i < ARRAY_SIZE(workloads); i++)
		json_array_append_new(list, row_json(&rows[i], &rows[0]));
	for (s32 i = 0; i < MAX_PROCESSES; i++)
		json_array_append_new(by_processes, row_json(&scaling[i], &rows[0]));
	root = json_pack("{s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}}", "machine",
			 machine_line_json(line), "rows", list, "by_processes", by_processes, "memory", "kb_before", (json_int_t)m->kb[0],
			 "executions_before", (json_int_t)m->executions[0], "kb_after",
			 (json_int_t)m->kb[1], "executions", (json_int_t)m->executions[1]);
	if (!root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
		die("cannot write JSON");
	putchar('\n');
	json_decref(root);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "seconds", required_argument, NULL, 's' },
		{ 0 },
	};
	static const char usage[] = "usage: explore [--seconds 0.01..60, for each row] [--json]";
	static struct row rows[ARRAY_SIZE(workloads)], scaling[MAX_PROCESSES];
	struct machine_line line;
	struct memory memory;
	double seconds = 1;
	bool json = false;
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 's':
			seconds = strtod(optarg, &end);
			if (*end || !(seconds >= 0.01 && seconds <= 60))
				die(usage);
			break;
		default:
			die(usage);
		}
	}
	if (optind < argc)
		die(usage);
	machine_line_get(&line);
	if (!json)
		machine_line_print(&line, stdout);
	for (size_t i = 0; i < ARRAY_SIZE(workloads); i++) {
		rows[i].what = &workloads[i];
		measure(&rows[i], seconds);
	}
	for (s32 i = 0; i < MAX_PROCESSES; i++) {
		scaling[i] = (struct row){ .what = &workloads[SCALING_WORKLOAD], .processes = i + 1 };
		measure(&scaling[i], seconds);
	}
	memory = measure_memory();
	if (json)
		print_json(&line, rows, scaling, &memory);
	else
		print_table(rows, scaling, &memory);
	return 0;
}

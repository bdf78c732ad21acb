// SPDX-License-Identifier: MIT
/*
 * What an operation of the extent allocator costs as free space fragments: a
 * device on which every other block is free, at ten times as many free extents
 * in each row. O(log n) shows as a ratio to the smallest size that grows by a
 * constant per row, until the tree outgrows the caches.
 *
 *	balloc_scale [--max EXTENTS] [--json]
 */
#include "backends/pmem/balloc.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MIN_EXTENTS 1000UL
#define MAX_EXTENTS 10000000UL
#define MAX_ROWS 5
#define OPS 200000U		/* of each kind and size, in batches of at most BATCH */
#define BATCH 8192U
#define WHOLE (2 * BATCH)	/* blocks of the one long run, behind the fragments */

struct extent {
	block_t start;
	u64 len;
};

/* Three ways to search: all take @len blocks a time, from a random goal or with none. */
static const struct workload {
	const char *name, *what;
	u64 len;
	bool random_goal;
} workloads[] = {
	{ "goal", "one block at a random goal", 1, true },
	{ "lowest", "one block without a goal", 1, false },
	{ "fit", "two blocks near a random goal, which only the last run holds", 2, true },
};

struct row {
	u64 extents;
	double bytes;		/* of arena per free extent */
	double build_ns;	/* to free one of them, in order */
	double alloc_ns[ARRAY_SIZE(workloads)];
	double free_ns[ARRAY_SIZE(workloads)];
};

static void die(const char *what)
{
	fprintf(stderr, "balloc_scale: %s\n", what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static u64 rnd(u64 *state, u64 below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
}

/* Free the even blocks of a full device, then a run of WHOLE blocks behind them. */
static struct balloc *build(struct arena *a, struct row *row)
{
	struct balloc *b = balloc_create(a, 0, 2 * row->extents + WHOLE);
	block_t at;
	double t;
	u64 len;

	if (!b)
		die("no memory");
	while (balloc_nr_free(b))
		if (balloc_alloc(b, 0, UINT64_MAX, &at, &len))
			die("cannot fill the device");
	t = now_ns();
	for (at = 0; at < 2 * row->extents; at += 2)
		if (balloc_free(b, at, 1))
			die("cannot fragment the device");
	row->build_ns = (now_ns() - t) / row->extents;
	row->bytes = (double)a->used / row->extents;
	if (balloc_free(b, 2 * row->extents + 1, WHOLE - 1))
		die("cannot free the last run");
	return b;
}

/*
 * Allocate a batch, then free it in another order; the device is the same after
 * each batch. Goals and order are made up outside of what is timed.
 */
static void measure(struct balloc *b, const struct workload *w, struct row *row, double *alloc_ns,
		    double *free_ns)
{
	unsigned int batch = min_t(u64, row->extents / 4, BATCH), rounds = OPS / batch, round, i, k;
	u64 seed = 20140925 + row->extents;
	struct extent e[BATCH], swap;
	block_t goals[BATCH];
	double t0, t1, t2;

	*alloc_ns = *free_ns = 0;
	for (round = 0; round < rounds; round++) {
		/* A goal for one block is free, a goal for two blocks is taken. */
		for (i = 0; i < batch; i++)
			goals[i] = w->random_goal ? 2 * rnd(&seed, row->extents) + w->len - 1 : 0;
		t0 = now_ns();
		for (i = 0; i < batch; i++)
			if (balloc_alloc(b, goals[i], w->len, &e[i].start, &e[i].len))
				die("an allocation failed");
		t1 = now_ns();
		*alloc_ns += t1 - t0;
		for (i = batch - 1; i > 0; i--) {
			k = rnd(&seed, i + 1);
			swap = e[i];
			e[i] = e[k];
			e[k] = swap;
		}
		t1 = now_ns();
		for (i = 0; i < batch; i++)
			if (balloc_free(b, e[i].start, e[i].len))
				die("a free failed");
		t2 = now_ns();
		*free_ns += t2 - t1;
	}
	*alloc_ns /= (double)batch * rounds;
	*free_ns /= (double)batch * rounds;
}

static void run_row(struct row *row)
{
	struct balloc *b;
	struct arena a;
	unsigned int w;

	if (arena_init(&a, row->extents * 128 + (1 << 20)))
		die("cannot reserve memory");
	b = build(&a, row);
	for (w = 0; w < ARRAY_SIZE(workloads); w++)
		measure(b, &workloads[w], row, &row->alloc_ns[w], &row->free_ns[w]);
	if (balloc_nr_free(b) != row->extents + WHOLE - 1)
		die("blocks were lost");
	arena_destroy(&a);
}

static double pair_ns(const struct row *row, unsigned int w)
{
	return row->alloc_ns[w] + row->free_ns[w];
}

static double setup_us(void)
{
	struct arena a;
	double t;

	if (arena_init(&a, 1 << 20))
		die("cannot reserve memory");
	t = now_ns();
	if (!balloc_create(&a, 0, 1ULL << 32))
		die("no memory");
	t = now_ns() - t;
	arena_destroy(&a);
	return t / 1000;
}

static void print_table(const struct row *rows, unsigned int nr_rows, double setup)
{
	unsigned int w, i;

	for (w = 0; w < ARRAY_SIZE(workloads); w++)
		printf("%-8s %s\n", workloads[w].name, workloads[w].what);
	printf("\nns per alloc / free, and the ratio of both to the smallest size\n\n");
	printf("%10s %8s %8s", "extents", "bytes/x", "build");
	for (w = 0; w < ARRAY_SIZE(workloads); w++)
		printf("   %18s %6s", workloads[w].name, "ratio");
	for (i = 0; i < nr_rows; i++) {
		printf("\n%10lu %8.1f %8.0f", rows[i].extents, rows[i].bytes, rows[i].build_ns);
		for (w = 0; w < ARRAY_SIZE(workloads); w++)
			printf("   %8.0f / %7.0f %6.2f", rows[i].alloc_ns[w], rows[i].free_ns[w],
			       pair_ns(&rows[i], w) / pair_ns(&rows[0], w));
	}
	printf("\n\nsetting up 16 TiB: %.1f us\n", setup);
}

static void print_json(const struct row *rows, unsigned int nr_rows, double setup)
{
	json_t *root, *list = json_array(), *row, *ops;
	unsigned int w, i;

	for (i = 0; i < nr_rows; i++) {
		ops = json_object();
		for (w = 0; w < ARRAY_SIZE(workloads); w++)
			json_object_set_new(ops, workloads[w].name,
					    json_pack("{s:f, s:f, s:f}",
						      "alloc_ns", rows[i].alloc_ns[w],
						      "free_ns", rows[i].free_ns[w], "ratio",
						      pair_ns(&rows[i], w) / pair_ns(&rows[0], w)));
		row = json_pack("{s:I, s:f, s:f, s:o}", "extents", (json_int_t)rows[i].extents,
				"bytes_per_extent", rows[i].bytes, "build_ns", rows[i].build_ns,
				"workloads", ops);
		json_array_append_new(list, row);
	}
	root = json_pack("{s:f, s:o}", "setup_16t_us", setup, "sizes", list);
	if (!root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
		die("cannot write JSON");
	putchar('\n');
	json_decref(root);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "max", required_argument, NULL, 'm' },
		{ 0 },
	};
	static const char usage[] = "usage: balloc_scale [--max 1000..10000000] [--json]";
	unsigned long max = MAX_EXTENTS, extents;
	struct row rows[MAX_ROWS];
	unsigned int nr_rows = 0;
	bool json = false;
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'm':
			max = strtoul(optarg, &end, 10);
			if (*end || max < MIN_EXTENTS || max > MAX_EXTENTS)
				die(usage);
			break;
		default:
			die(usage);
		}
	}
	if (optind < argc)
		die(usage);
	for (extents = MIN_EXTENTS; extents <= max; extents *= 10) {
		rows[nr_rows] = (struct row){ .extents = extents };
		run_row(&rows[nr_rows++]);
	}
	(json ? print_json : print_table)(rows, nr_rows, setup_us());
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * A program of several threads that knows nothing of simulation: each keeps a table of checked
 * records in a mapped file that grows and shrinks, and a log that it appends to by write(2) and
 * reads by mapping. They share the device and, now and then, read each other's logs.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <xxhash.h>

#include "tests/live_fixture.h"

TestSuite(live_threads, .timeout = 60);

#define WORKERS 4
#define OPS 1500
#define MIN_SLOTS 64
#define MAX_SLOTS 4096
#define KEYS 2000
#define LOG_RECORD 700		/* bytes: records lie across pages */
#define MAX_LOG 64		/* records */

struct slot {
	u64 key;		/* 0: free */
	u8 value[40];
	u64 sum;		/* of what is before */
};

struct log_record {
	u32 worker, nr;
	u8 bytes[LOG_RECORD - 16];
	u64 sum;
};

struct worker {
	struct daxsim *d;
	struct worker *all;
	unsigned int id;
	u64 rnd;
	pthread_t thread;
	struct daxsim_file *table_file, *log_file;
	struct slot *table;
	u64 nr_slots, nr_keys;
	u16 version[KEYS + 1];		/* of each key; 0: not there */
	unsigned int nr_log;
	atomic_uint nr_logged;		/* what others may read */
};

static u64 draw(struct worker *w, u64 below)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return (w->rnd >> 11) % below;
}

static u64 sum_of(const void *p, size_t bytes_before)
{
	return XXH64(p, bytes_before, 1);
}

static struct slot make_slot(const struct worker *w, u64 key)
{
	struct slot s = { .key = key };

	for (size_t i = 0; i < sizeof(s.value); i++)
		s.value[i] = key * 3 + w->version[key] * 7 + w->id * 11 + i;
	s.sum = sum_of(&s, offsetof(struct slot, sum));
	return s;
}

/* Where a key is, or would go; linear probing. */
static struct slot *find(struct slot *table, u64 nr_slots, u64 key)
{
	u64 at = key * 0x9e3779b97f4a7c15 % nr_slots;

	while (table[at].key && table[at].key != key)
		at = (at + 1) % nr_slots;
	return &table[at];
}

static struct slot *map_table(struct worker *w, u64 nr_slots)
{
	void *p = NULL;

	works(daxsim_mmap(w->table_file, nr_slots * sizeof(struct slot), RW, MAP_SHARED, 0, &p));
	return p;
}

/* Put all keys into a table of another size, by way of the program's own memory. */
static void resize(struct worker *w, u64 nr_slots)
{
	u64 old_bytes = w->nr_slots * sizeof(struct slot), bytes = nr_slots * sizeof(struct slot);
	struct slot *copy = malloc(old_bytes);

	memcpy(copy, w->table, old_bytes);
	works(daxsim_munmap(w->d, w->table, old_bytes));
	works(daxsim_ftruncate(w->table_file, 0));
	works(daxsim_ftruncate(w->table_file, bytes));
	w->table = map_table(w, nr_slots);
	for (u64 i = 0; i < w->nr_slots; i++)
		if (copy[i].key)
			*find(w->table, nr_slots, copy[i].key) = copy[i];
	w->nr_slots = nr_slots;
	free(copy);
}

static void put(struct worker *w)
{
	u64 key = 1 + draw(w, KEYS);

	if (w->nr_keys * 2 >= w->nr_slots) {
		if (w->nr_slots >= MAX_SLOTS)
			return;
		resize(w, w->nr_slots * 4);
	}
	w->nr_keys += !w->version[key];
	w->version[key]++;
	*find(w->table, w->nr_slots, key) = make_slot(w, key);
}

static void get(struct worker *w)
{
	u64 key = 1 + draw(w, KEYS);
	struct slot want = make_slot(w, key), *s = find(w->table, w->nr_slots, key);

	if (!w->version[key])
		cr_assert_eq(s->key, 0);
	else
		cr_assert_eq(memcmp(s, &want, sizeof(want)), 0, "key %ju", (uintmax_t)key);
}

/* Forget everything: the file gets small, and what was in it must not come back. */
static void forget(struct worker *w)
{
	works(daxsim_munmap(w->d, w->table, w->nr_slots * sizeof(struct slot)));
	works(daxsim_ftruncate(w->table_file, 0));
	works(daxsim_ftruncate(w->table_file, MIN_SLOTS * sizeof(struct slot)));
	w->nr_slots = MIN_SLOTS;
	w->table = map_table(w, MIN_SLOTS);
	memset(w->version, 0, sizeof(w->version));
	w->nr_keys = 0;
	for (u64 i = 0; i < MIN_SLOTS; i++)
		cr_assert_eq(w->table[i].key, 0);
}

static void append(struct worker *w)
{
	struct log_record rec = { .worker = w->id, .nr = w->nr_log };

	if (w->nr_log == MAX_LOG)
		return;
	for (size_t i = 0; i < sizeof(rec.bytes); i++)
		rec.bytes[i] = rec.nr + i;
	rec.sum = sum_of(&rec, offsetof(struct log_record, sum));
	cr_assert_eq(daxsim_pwrite(w->log_file, &rec, sizeof(rec), w->nr_log * sizeof(rec)),
		     sizeof(rec));
	works(daxsim_fsync(w->log_file));
	atomic_store(&w->nr_logged, ++w->nr_log);
}

/* Anybody's log, by a mapping of one's own. */
static void read_log(struct worker *w)
{
	struct worker *of = &w->all[draw(w, WORKERS)];
	unsigned int nr = atomic_load(&of->nr_logged);
	int flags = draw(w, 2) ? MAP_SHARED : MAP_PRIVATE | MAP_POPULATE;
	struct daxsim_file *f = NULL;
	struct log_record *log;
	char name[16];
	void *p = NULL;

	if (!nr)
		return;
	snprintf(name, sizeof(name), "log%u", of->id);
	works(daxsim_open(w->d, name, O_RDONLY, &f));
	works(daxsim_mmap(f, nr * sizeof(*log), PROT_READ, flags, 0, &p));
	daxsim_close(f);
	log = p;
	for (unsigned int i = 0; i < nr; i++) {
		cr_assert_eq(log[i].nr, i);
		cr_assert_eq(log[i].worker, of->id);
		cr_assert_eq(log[i].sum, sum_of(&log[i], offsetof(struct log_record, sum)));
	}
	works(daxsim_munmap(w->d, p, nr * sizeof(*log)));
}

/* The table as a whole, by read(2) and through a private mapping that is scribbled over. */
static void check_table(struct worker *w)
{
	u64 bytes = w->nr_slots * sizeof(struct slot), keys = 0;
	struct slot *copy = malloc(bytes);
	void *p = NULL;

	cr_assert_eq((u64)daxsim_pread(w->table_file, copy, bytes, 0), bytes);
	cr_assert_eq(memcmp(copy, w->table, bytes), 0);
	for (u64 i = 0; i < w->nr_slots; i++) {
		keys += copy[i].key != 0;
		if (copy[i].key)
			cr_assert_eq(copy[i].sum, sum_of(&copy[i], offsetof(struct slot, sum)));
	}
	cr_assert_eq(keys, w->nr_keys);
	works(daxsim_mmap(w->table_file, bytes, RW, MAP_PRIVATE, 0, &p));
	memset(p, 0xff, bytes);
	cr_assert_eq(memcmp(copy, w->table, bytes), 0);
	works(daxsim_munmap(w->d, p, bytes));
	free(copy);
}

static void watch(struct worker *w)
{
	struct daxsim_statistics s = stats_of(w->d);

	cr_assert_leq(s.regions, s.max_regions);
	cr_assert_gt(s.faults, 0);
	cr_assert_eq(s.files, 2 * WORKERS);
}

static const struct {
	void (*fn)(struct worker *w);
	unsigned int weight;
} ops[] = {
	{ put, 60 }, { get, 40 }, { append, 4 }, { read_log, 4 }, { check_table, 1 }, { forget, 1 },
	{ watch, 1 },
};

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	for (int n = 0; n < OPS; n++) {
		u64 at = draw(w, total);
		size_t i = 0;

		while (at >= ops[i].weight)
			at -= ops[i++].weight;
		ops[i].fn(w);
	}
	check_table(w);
	return NULL;
}

static void begin(struct worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "table%u", w->id);
	w->table_file = open_new(w->d, name, MIN_SLOTS * sizeof(struct slot));
	snprintf(name, sizeof(name), "log%u", w->id);
	w->log_file = open_new(w->d, name, 0);
	w->nr_slots = MIN_SLOTS;
	w->table = map_table(w, MIN_SLOTS);
}

static void end(struct worker *w)
{
	char name[16];

	works(daxsim_munmap(w->d, w->table, w->nr_slots * sizeof(struct slot)));
	daxsim_close(w->table_file);
	daxsim_close(w->log_file);
	snprintf(name, sizeof(name), "table%u", w->id);
	works(daxsim_unlink(w->d, name));
	snprintf(name, sizeof(name), "log%u", w->id);
	works(daxsim_unlink(w->d, name));
}

LIVE_TEST_FS(live_threads, tables_and_logs)
{
	struct worker *all = calloc(WORKERS, sizeof(*all));
	u64 free_blocks = stats_of(r->d).free_blocks;

	for (unsigned int i = 0; i < WORKERS; i++) {
		all[i].d = r->d;
		all[i].all = all;
		all[i].id = i;
		all[i].rnd = 4711 + i;
		begin(&all[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&all[i].thread, NULL, work, &all[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_join(all[i].thread, NULL), 0);
	works(daxsim_check(r->d));
	for (int i = 0; i < WORKERS; i++)
		end(&all[i]);
	cr_assert_eq(stats_of(r->d).free_blocks, free_blocks);
	cr_assert_eq(stats_of(r->d).regions, 0);
	cr_assert_eq(stats_of(r->d).signals, 0);
	free(all);
}

// SPDX-License-Identifier: MIT
/*
 * Whether cost stays flat: faults on a large device with very many extents and files, beside
 * the same faults on an empty small one; and the memory that an extent and a file take.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/lib/bench.h"
#include "bench/lib/live_side.h"
#include "bench/lib/placement.h"
#include "bench/lib/sections.h"

#define CHUNK 64
#define AT_MOST 1.3
#define EXTENTS 1000		/* of each file */

static const struct size {
	const char *device;
	u64 bytes;
	unsigned int files;
} quick = { "64 GiB", 64ULL << 30, 100 },
  full = { "1 TiB", 1ULL << 40, 10000 };

static const struct fault_case cases[] = {
	{ "written read", "load from a written page", { PAGE_WRITTEN, false, false },
	  BARE_CONTINUE },
	{ "unwritten write", "store to a fallocated page", { PAGE_FALLOCATED, false, true },
	  BARE_CONTINUE_WRITE },
	{ "hole write", "store to a hole", { PAGE_HOLE, false, true }, BARE_RETARGET },
};

static const struct {
	const char *section;
	enum daxsim_engine engine;
} engines[] = {
	{ "scale, engine inline", DAXSIM_ENGINE_INLINE },
	{ "scale, engine thread", DAXSIM_ENGINE_THREAD },
};

static void must(int ret, const char *what)
{
	if (ret)
		errx(EXIT_FAILURE, "scale: cannot %s: %s", what, daxsim_error());
}

static struct daxsim_statistics statistics(struct daxsim *d)
{
	struct daxsim_statistics s;

	daxsim_statistics(d, &s);
	return s;
}

/* Every other block of a file is allocated: as many extents as blocks. */
static void fill(struct daxsim *d, unsigned int number)
{
	struct daxsim_file *f;
	char name[32];

	snprintf(name, sizeof(name), "many-%u", number);
	must(daxsim_open(d, name, O_RDWR, &f), "open a file");
	for (u64 i = 0; i < EXTENTS; i++)
		must(daxsim_fallocate(f, 0, 2 * i * PAGE_SIZE, PAGE_SIZE), "allocate a block");
	daxsim_close(f);
}

static void create(struct daxsim *d, unsigned int number)
{
	struct daxsim_file *f;
	char name[32];

	snprintf(name, sizeof(name), "many-%u", number);
	must(daxsim_open(d, name, O_RDWR | O_CREAT | O_EXCL, &f), "create a file");
	daxsim_close(f);
}

/* Make all files and extents, and tell what memory and time they take. */
static void build(struct bench *b, const char *section, struct daxsim *d, const struct size *size)
{
	struct daxsim_statistics empty = statistics(d), files, all;
	u64 start = now_ns(), nr;

	for (unsigned int i = 0; i < size->files; i++)
		create(d, i);
	files = statistics(d);
	for (unsigned int i = 0; i < size->files; i++)
		fill(d, i);
	all = statistics(d);
	nr = all.extents - files.extents;
	if (nr != (u64)size->files * EXTENTS || all.files - empty.files != size->files)
		errx(EXIT_FAILURE, "scale: %lu extents in %lu files are not what was made",
		     (unsigned long)nr, (unsigned long)all.files);
	report_value(&b->report, section, "extents", nr, "");
	report_value(&b->report, section, "files", size->files, "");
	report_value(&b->report, section, "making one extent", (now_ns() - start) / (double)nr,
		     "ns");
	report_value(&b->report, section, "memory of an extent",
		     (double)(all.kernel_bytes - files.kernel_bytes) / nr, "bytes");
	report_value(&b->report, section, "memory of an empty file",
		     (double)(files.kernel_bytes - empty.kernel_bytes) / size->files, "bytes");
}

/* Such files as a side: each run stores to the blocks of another one, which are unwritten. */
struct scattered {
	struct daxsim *d;
	unsigned int next;	/* file */
	char *addr;
};

static volatile u64 *block_at(const struct scattered *s, u64 i)
{
	return (volatile u64 *)(s->addr + (2 * i << PAGE_SHIFT));
}

static int scattered_begin(void *self, const struct fault_case *c, u64 nr_pages)
{
	struct scattered *s = self;
	struct daxsim_file *f;
	char name[32];
	void *addr;
	int err;

	(void)c;
	snprintf(name, sizeof(name), "many-%u", s->next++);
	err = daxsim_open(s->d, name, O_RDWR, &f);
	if (err)
		return err;
	err = daxsim_mmap(f, 2 * nr_pages << PAGE_SHIFT, PROT_READ | PROT_WRITE, MAP_SHARED, 0,
			  &addr);
	daxsim_close(f);
	s->addr = addr;
	return err;
}

static void scattered_touch(void *self, u64 first, u64 nr, u64 *ns)
{
	for (u64 i = 0; i < nr; i++) {
		volatile u64 *at = block_at(self, first + i);
		u64 start = now_ns();

		*at = first + i;
		ns[i] = now_ns() - start;
	}
}

static int scattered_end(void *self)
{
	struct scattered *s = self;
	u64 nr_wrong = 0;

	for (u64 i = 0; i < EXTENTS; i++)
		nr_wrong += block_at(s, i)[0] != i || block_at(s, i)[1] != 0;
	return nr_wrong ? -EILSEQ : daxsim_munmap(s->d, s->addr, 2UL * EXTENTS << PAGE_SHIFT);
}

static struct side scattered_side(struct scattered *s, const char *name)
{
	return (struct side){ .name = name, .self = s, .begin = scattered_begin,
			      .touch = scattered_touch, .end = scattered_end };
}

static void compare(struct bench *b, const char *section, const struct side *sides,
		    const struct fault_case *what, u64 pages)
{
	double us[2][MAX_RUNS];
	struct contest c;

	contest_run(&c, sides, 2, what, b->runs, pages, CHUNK, b->report.machine.clock_ns);
	for (unsigned int s = 0; s < 2; s++)
		for (unsigned int run = 0; run < b->runs; run++)
			us[s][run] = c.by_side[s].p50[run] / 1000;
	report_compare(&b->report, &(struct comparison){
		.section = section, .name = what->name, .unit = "us", .versus = sides[1].name,
		.values = us[0], .versus_values = us[1], .nr = b->runs,
		.target = { .at_most = AT_MOST } });
	contest_free(&c);
}

static void run_engine(struct bench *b, const struct size *size, const char *section,
		       enum daxsim_engine engine)
{
	static const struct fault_case scattered_write = {
		"unwritten write, one extent a page", "", { PAGE_FALLOCATED, false, true },
		BARE_CONTINUE_WRITE,
	};
	struct daxsim_options o = { .engine = engine, .fault_around = 1 };
	struct scattered scattered[2];
	struct live small, large;
	struct side sides[2];

	live_open(&small, "an empty device of 1 GiB", &o);
	o.size = size->bytes;
	live_open(&large, size->device, &o);
	build(b, section, large.d, size);
	sides[0] = live_side(&large);
	sides[1] = live_side(&small);
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
		compare(b, section, sides, &cases[k], b->pages);
	for (unsigned int i = 0; i < b->runs; i++) {
		create(small.d, i);
		fill(small.d, i);
	}
	scattered[0] = (struct scattered){ .d = large.d };
	scattered[1] = (struct scattered){ .d = small.d };
	sides[0] = scattered_side(&scattered[0], size->device);
	sides[1] = scattered_side(&scattered[1], "a device with just these files");
	compare(b, section, sides, &scattered_write, EXTENTS);
	live_close(&large);
	live_close(&small);
}

void scale_section(struct bench *b)
{
	int cpu, other;

	if (placement_take(placement_table, &cpu, &other))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		run_engine(b, b->full ? &full : &quick, engines[i].section, engines[i].engine);
}

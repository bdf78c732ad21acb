// SPDX-License-Identifier: MIT
/* What a stress thread does to a file, and what may come of it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "daxsim/stress/private.h"
#include "daxsim/stress/touch.h"

/* Store to cells of one page by and by. Returns the signal that ended it. */
static int store_cells(struct worker *w, struct sfile *f, u32 cell, u32 nr)
{
	u32 page = cell / PAGE_CELLS;
	u32 gone = atomic_load(&f->pages[page].gone), stored = atomic_load(&f->pages[page].stored);
	struct deed *deed = deed_begins(w, f, "store", cell * CELL, nr * CELL);
	u32 when = deed->began, n;
	int sig = 0;

	store_begins(f, cell, nr, when);
	for (n = 0; n < nr && !sig; n += !sig)
		sig = touch_store((u64 *)w->map[f->id] + cell + n,
				  cell_value(f->id, cell + n, when));
	store_ends(f, cell, n, nr, when, deed_ends(w, deed, sig ? -sig : (s64)n * CELL));
	if (n)
		expect_no_page(w, f, "a store", cell, gone);
	if (sig)
		expect_signal(w, f, "a store", cell + n, sig, when, true, stored);
	return sig;
}

/* A page that is there, mostly. */
static u32 draw_page(struct worker *w, struct sfile *f)
{
	u64 pages = DIV_ROUND_UP((u64)atomic_load(&f->size), PAGE_SIZE);

	return draw(w, pages && draw(w, 8) ? pages : f->nr_pages);
}

/* A grain of that page which is this worker's; or -1. */
static s64 draw_own_grain(struct worker *w, struct sfile *f)
{
	u32 first = draw_page(w, f) * PAGE_GRAINS, at = draw(w, PAGE_GRAINS);

	for (u32 i = 0; i < PAGE_GRAINS; i++) {
		u32 grain = first + (at + i) % PAGE_GRAINS;

		if (grain_owner(f, grain) == (int)w->id)
			return grain;
	}
	return -1;
}

static void do_load(struct worker *w, struct sfile *f)
{
	u32 cell = draw_page(w, f) * PAGE_CELLS, nr = 1 + draw(w, 16);

	while (nr--) {
		u32 c = cell + draw(w, PAGE_CELLS);

		load_cell(w, f, "a load", (const u64 *)w->map[f->id] + c, c);
	}
}

static void do_store(struct worker *w, struct sfile *f)
{
	s64 grain = draw_own_grain(w, f);
	u32 first = draw(w, GRAIN_CELLS);

	if (grain >= 0)
		store_cells(w, f, grain * GRAIN_CELLS + first, 1 + draw(w, GRAIN_CELLS - first));
}

static void do_read(struct worker *w, struct sfile *f)
{
	s64 pos = PAGE_SIZE * draw_page(w, f) + GRAIN * draw(w, PAGE_GRAINS);
	s64 most = min_t(s64, MAX_RUN_PAGES * PAGE_SIZE, ((s64)f->nr_pages << PAGE_SHIFT) - pos);

	read_range(w, f, pos, GRAIN * (1 + draw(w, most / GRAIN)));
}

static void no_space(struct worker *w, struct sfile *f, const char *what, s64 result)
{
	if (result == -ENOSPC)
		w->no_space++;
	else
		violation(w->s, f, "%s of file %u returns %lld", what, f->id, (long long)result);
}

/* f->lock is held, as in all that follow. */
static void write_range(struct worker *w, struct sfile *f, s64 pos, s64 len)
{
	u32 first = pos / CELL, nr = len / CELL, before = tick(&w->s->clock), now;
	struct deed *deed = deed_begins(w, f, "pwrite", pos, len);
	s64 size = atomic_load(&f->size), n;
	bool grows = pos + len > size;

	if (grows)
		resize_begins(f, pos + len);
	store_begins(f, first, nr, deed->began);
	for (u32 i = 0; i < nr; i++)
		w->buf[i] = cell_value(f->id, first + i, deed->began);
	n = daxsim_pwrite(f->f, w->buf, len, pos);
	now = deed_ends(w, deed, n);
	if (grows)
		resize_ends(f, max_t(s64, size, n > 0 ? pos + n : 0), before, now);
	/* What was written was not zeroed after that. */
	if (grows && n > 0)
		zero_ends(f, pos, pos + n, false, 0, before);
	store_ends(f, first, n > 0 ? n / CELL : 0, nr, deed->began, now);
	if (n != len && (n <= 0 || n % CELL))
		no_space(w, f, "pwrite", n);
	else if (n != len)
		w->no_space++;
}

static void do_write(struct worker *w, struct sfile *f)
{
	s64 grain = draw_own_grain(w, f);
	u64 nr = 1, most;

	if (grain < 0)
		return;
	most = min_t(u64, MAX_RUN_PAGES * PAGE_GRAINS, f->nr_pages * PAGE_GRAINS - grain);
	if (f->owner != SHARED)
		nr += draw(w, most);
	write_range(w, f, grain * GRAIN, nr * GRAIN);
}

static s64 draw_size(struct worker *w, const struct sfile *f)
{
	s64 size = draw(w, 3) ? draw(w, f->nr_pages + 1) : draw(w, 3);

	return size * PAGE_SIZE - (size && !draw(w, 3) ? GRAIN * draw(w, PAGE_GRAINS) : 0);
}

static void do_truncate(struct worker *w, struct sfile *f)
{
	s64 size = draw_size(w, f), err;
	struct deed *deed = deed_begins(w, f, "truncate", 0, size);

	resize_begins(f, size);
	err = daxsim_ftruncate(f->f, size);
	if (err)
		size = atomic_load(&f->size);
	resize_ends(f, size, deed->began, deed_ends(w, deed, err));
	if (err)
		no_space(w, f, "truncate", err);
}

/* A range of grains, of a few pages mostly. */
static void draw_range(struct worker *w, const struct sfile *f, s64 *pos, s64 *len)
{
	u32 first = draw(w, f->nr_pages * PAGE_GRAINS), most = f->nr_pages * PAGE_GRAINS - first;
	u32 usual = PAGE_GRAINS * (draw(w, 8) ? 4 : 32);

	if (draw(w, 4))
		first -= first % PAGE_GRAINS;
	most = min_t(u32, most, usual);
	*pos = first * GRAIN;
	*len = GRAIN * (1 + draw(w, most));
}

static void fallocate_range(struct worker *w, struct sfile *f, const char *what, int mode)
{
	bool zeroes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE), grows;
	s64 size = atomic_load(&f->size), pos, len, end, err;
	struct deed *deed;
	u32 now;

	draw_range(w, f, &pos, &len);
	grows = !(mode & FALLOC_FL_KEEP_SIZE) && pos + len > size;
	deed = deed_begins(w, f, what, pos, len);
	if (grows)
		resize_begins(f, pos + len);
	if (zeroes)
		zero_begins(f, pos, pos + len);
	err = daxsim_fallocate(f->f, mode, pos, len);
	now = deed_ends(w, deed, err);
	if (grows)
		resize_ends(f, err ? size : pos + len, deed->began, now);
	/* What was stored past the end of the file may stay, or not. */
	end = max_t(s64, min_t(s64, pos + len, size), pos);
	if (zeroes) {
		zero_ends(f, pos, end, !err, deed->began, now);
		zero_ends(f, end, pos + len, false, 0, now);
	}
	if (err)
		no_space(w, f, what, err);
}

static void do_punch(struct worker *w, struct sfile *f)
{
	fallocate_range(w, f, "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static void do_zero(struct worker *w, struct sfile *f)
{
	int keep = draw(w, 2) ? FALLOC_FL_KEEP_SIZE : 0;

	fallocate_range(w, f, "zero", FALLOC_FL_ZERO_RANGE | keep);
}

static void do_fallocate(struct worker *w, struct sfile *f)
{
	fallocate_range(w, f, "fallocate", draw(w, 4) ? 0 : FALLOC_FL_KEEP_SIZE);
}

/*
 * A private mapping shows the file until it is stored to. Then it has a page of its own, as the
 * file was at some time since, until the file is cut off before it; and the file does not change.
 */
static void do_private(struct worker *w, struct sfile *f)
{
	u32 page = draw_page(w, f), first = page * PAGE_CELLS, at = draw(w, PAGE_CELLS);
	char *map = map_file(w, f, page, 1, MAP_PRIVATE);
	u64 own, seen = 0, *p = (u64 *)map;
	struct deed *deed;
	int sig = 0;

	if (!map)
		return;
	if (draw(w, 2))
		load_cell(w, f, "a load of a private mapping", p + at, first + at);
	for (u32 i = 0; i < PAGE_CELLS; i++)
		w->before[i] = facts_of(f, first + i);
	deed = deed_begins(w, f, "private", first * CELL, PAGE_SIZE);
	own = cell_value(UINT8_MAX, first + at, deed->began);
	sig = touch_store(p + at, own);
	sig = sig ? sig : touch_load(p + at, &seen);
	if (!sig && seen != own && !may_be_gone(f, page, deed->began))
		violation(w->s, f, "a private page of byte %llu of file %u has lost a store",
			  AT(first + at), f->id);
	for (u32 i = draw(w, 32); i < PAGE_CELLS && !sig; i += 1 + draw(w, 64)) {
		sig = touch_load(p + i, &seen);
		/* The page may be the file's again. */
		if (!sig && (i != at || seen != own))
			look_at(w, f, "a load of a private page", first + i, &w->before[i], seen);
	}
	if (sig)
		expect_signal(w, f, "a touch of a private page", first + at, sig, deed->began,
			      false, 0);
	deed_ends(w, deed, -sig);
	load_cell(w, f, "a load beside a private page", (const u64 *)w->map[f->id] + first + at,
		  first + at);
	daxsim_munmap(w->s->d, map, PAGE_SIZE);
}

/* The neighbour: take blocks and fill them, see that they stay so, give them back. */
static void do_reuse(struct worker *w, struct sfile *f)
{
	s64 size = atomic_load(&f->size), end = (s64)f->nr_pages << PAGE_SHIFT, len;

	if (size < end && draw(w, 4)) {
		len = PAGE_SIZE * (1 + draw(w, MAX_RUN_PAGES));
		write_range(w, f, size, min_t(s64, end - size, len));
		return;
	}
	for (s64 pos = 0; pos < size; pos += MAX_RUN_PAGES * PAGE_SIZE)
		read_range(w, f, pos, min_t(s64, end - pos, MAX_RUN_PAGES * PAGE_SIZE));
	if (draw(w, 2))
		return;
	daxsim_munmap(w->s->d, w->map[f->id], (size_t)f->nr_pages << PAGE_SHIFT);
	file_close(w->s, f);
	if (!file_open(w->s, f))
		w->map[f->id] = map_file(w, f, 0, f->nr_pages, MAP_SHARED);
}

static void do_remap(struct worker *w, struct sfile *f)
{
	size_t size = (size_t)f->nr_pages << PAGE_SHIFT;
	int populate = draw(w, 2) ? MAP_POPULATE : 0;

	if (daxsim_munmap(w->s->d, w->map[f->id], size))
		violation(w->s, f, "munmap: %s", daxsim_error());
	w->map[f->id] = map_file(w, f, 0, f->nr_pages, MAP_SHARED | populate);
}

static void do_populate(struct worker *w, struct sfile *f)
{
	u32 first = draw_page(w, f), nr = 1 + draw(w, min_t(u32, 8, f->nr_pages - first));
	u32 when = atomic_load(&w->s->clock.now), last = first + nr - 1;
	int err = daxsim_populate(w->s->d, w->map[f->id] + first * PAGE_SIZE, nr * PAGE_SIZE, 0);

	if (!err)
		return;
	if (err == -EFAULT && may_be_gone(f, last, when))
		w->signals++;
	else
		violation(w->s, f, "populate of %u pages at %u of file %u: %s", nr, first, f->id,
			  daxsim_error());
}

static void do_sync(struct worker *w, struct sfile *f)
{
	int err = draw(w, 2) ? daxsim_fsync(f->f) :
			       daxsim_msync(w->s->d, w->map[f->id], PAGE_SIZE);

	if (err)
		violation(w->s, f, "sync of file %u: %s", f->id, daxsim_error());
}

/* How an operation takes a file: which ones, and whether it needs its lock. */
static const struct op_desc {
	void (*fn)(struct worker *w, struct sfile *f);
	bool locks;
	bool to_private;	/* only to the thread's private file */
} op_table[NR_STRESS_OPS] = {
	[STRESS_LOAD] = { .fn = do_load },
	[STRESS_STORE] = { .fn = do_store },
	[STRESS_READ] = { .fn = do_read },
	[STRESS_WRITE] = { .fn = do_write, .locks = true },
	[STRESS_TRUNCATE] = { .fn = do_truncate, .locks = true },
	[STRESS_PUNCH] = { .fn = do_punch, .locks = true },
	[STRESS_ZERO] = { .fn = do_zero, .locks = true },
	[STRESS_FALLOCATE] = { .fn = do_fallocate, .locks = true },
	[STRESS_PRIVATE] = { .fn = do_private },
	[STRESS_REUSE] = { .fn = do_reuse, .locks = true, .to_private = true },
	[STRESS_REMAP] = { .fn = do_remap },
	[STRESS_POPULATE] = { .fn = do_populate },
	[STRESS_SYNC] = { .fn = do_sync },
	[STRESS_STAT] = { .fn = check_stat },
};

const char *const stress_op_names[NR_STRESS_OPS] = {
#define OP_NAME(id, name, weight, falloc) name,
	STRESS_OP_TABLE(OP_NAME)
#undef OP_NAME
};

static const struct {
	u8 weight;
	bool falloc;
} lots[NR_STRESS_OPS] = {
#define OP_LOT(id, name, weight, falloc) { weight, falloc },
	STRESS_OP_TABLE(OP_LOT)
#undef OP_LOT
};

static enum stress_op draw_op(struct worker *w)
{
	u32 total = 0, at;
	int op = 0;

	for (int i = 0; i < NR_STRESS_OPS; i++)
		total += lots[i].falloc && !w->s->has_fallocate ? 0 : lots[i].weight;
	at = draw(w, total);
	for (;; op++) {
		u32 weight = lots[op].falloc && !w->s->has_fallocate ? 0 : lots[op].weight;

		if (at < weight)
			return op;
		at -= weight;
	}
}

/* Shared ones for the most part; then its own, and others', which it may do all to but store. */
static struct sfile *draw_file(struct worker *w)
{
	struct stress *s = w->s;
	u64 lot = draw(w, 8);

	if (lot < 4)
		return &s->files[draw(w, NR_SHARED_FILES)];
	if (lot < 7)
		return &s->files[NR_SHARED_FILES + (lot < 6 ? w->id : draw(w, s->o->threads))];
	return &s->files[NR_SHARED_FILES + s->o->threads + w->id];
}

void stress_work(struct worker *w)
{
	struct stress *s = w->s;
	enum stress_op op = draw_op(w);
	const struct op_desc *desc = &op_table[op];
	struct sfile *f = desc->to_private ? &s->files[NR_SHARED_FILES + s->o->threads + w->id] :
					     draw_file(w);

	w->ops[op]++;
	if (desc->locks)
		pthread_mutex_lock(&f->lock);
	desc->fn(w, f);
	if (desc->locks)
		pthread_mutex_unlock(&f->lock);
}

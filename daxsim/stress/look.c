// SPDX-License-Identifier: MIT
/* What a stress thread sees of a file, by loads, reads and signals, judged by what it may see. */
#include <string.h>
#include <sys/mman.h>

#include "daxsim/stress/private.h"
#include "daxsim/stress/touch.h"

void look_at(struct worker *w, struct sfile *f, const char *how, u32 cell,
	     const struct facts *before, u64 value)
{
	char why[200], now[100];
	u64 later = 0;

	w->cells++;
	if (likely(cell_judge(f, cell, before, value, why, sizeof(why))))
		return;
	if (daxsim_pread(f->f, &later, sizeof(later), AT(cell)) < 0)
		later = 0;
	cell_describe(later, now, sizeof(now));
	violation(w->s, f, "%s of byte %llu of file %u sees %s; a pread right after sees %s", how,
		  AT(cell), f->id, why, now);
}

void expect_signal(struct worker *w, struct sfile *f, const char *how, u32 cell, int sig, u32 when,
		   bool may_want_space, u32 stored)
{
	u32 page = cell / PAGE_CELLS;

	if (sig == SIGBUS && may_be_gone(f, page, when))
		w->signals++;
	else if (sig == SIGBUS && may_want_space && !has_block(f, page, stored))
		w->no_space++;
	else
		violation(w->s, f, "%s of byte %llu of file %u, of %lld bytes, is a SIG%s", how,
			  AT(cell), f->id, (long long)atomic_load(&f->size), sigabbrev_np(sig));
}

void expect_no_page(struct worker *w, struct sfile *f, const char *how, u32 cell, u32 gone)
{
	if (gone && atomic_load(&f->pages[cell / PAGE_CELLS].gone) == gone)
		violation(w->s, f, "%s of byte %llu of file %u succeeds, but the file has ended "
			  "at byte %lld since %u", how, AT(cell), f->id,
			  (long long)atomic_load(&f->size), gone);
}

bool load_cell(struct worker *w, struct sfile *f, const char *how, const u64 *p, u32 cell)
{
	u32 gone = atomic_load(&f->pages[cell / PAGE_CELLS].gone);
	u32 when = atomic_load(&w->s->clock.now);
	struct facts before = facts_of(f, cell);
	u64 value = 0;
	int sig = touch_load(p, &value);

	if (sig) {
		expect_signal(w, f, how, cell, sig, when, false, 0);
		return false;
	}
	expect_no_page(w, f, how, cell, gone);
	look_at(w, f, how, cell, &before, value);
	return true;
}

/* The size, if it has been the same since @resizes; or -1. */
static s64 same_size(struct sfile *f, u32 resizes)
{
	s64 size = atomic_load(&f->size);

	return !(resizes & 1) && atomic_load(&f->resizes) == resizes ? size : -1;
}

void read_range(struct worker *w, struct sfile *f, s64 pos, s64 len)
{
	u32 first = pos / CELL, nr = len / CELL, resizes = atomic_load(&f->resizes);
	struct deed *deed = deed_begins(w, f, "pread", pos, len);
	s64 n, size;

	for (u32 i = 0; i < nr; i++)
		w->before[i] = facts_of(f, first + i);
	n = daxsim_pread(f->f, w->buf, len, pos);
	deed_ends(w, deed, n);
	size = same_size(f, resizes);
	if (n < 0 || n % CELL || (size >= 0 && n != max_t(s64, min_t(s64, len, size - pos), 0)))
		violation(w->s, f, "pread of %lld bytes at %lld of file %u, of %lld bytes, "
			  "returns %lld", (long long)len, (long long)pos, f->id,
			  (long long)atomic_load(&f->size), (long long)n);
	for (s64 i = 0; i < n / CELL; i++)
		look_at(w, f, "a pread", first + i, &w->before[i], w->buf[i]);
}

void check_stat(struct worker *w, struct sfile *f)
{
	u32 resizes = atomic_load(&f->resizes);
	struct daxsim_extent e[16];
	struct daxsim_stat st = { 0 };
	int err = daxsim_fstat(f->f, &st), nr = daxsim_fiemap(f->f, 0, e, ARRAY_SIZE(e));
	s64 size = same_size(f, resizes);

	if (err || nr < 0 || (size >= 0 && st.size != (u64)size))
		violation(w->s, f, "file %u has %lld bytes, but fstat says %lld", f->id,
			  (long long)size, (long long)st.size);
	for (int i = 1; i < nr; i++)
		if (e[i].logical < e[i - 1].logical + e[i - 1].length)
			violation(w->s, f, "fiemap of file %u lists byte %llu twice", f->id,
				  (unsigned long long)e[i].logical);
}

static void verify_mapping(struct worker *w, struct sfile *f, int flags, const char *how)
{
	u32 nr = DIV_ROUND_UP((u64)atomic_load(&f->size), PAGE_SIZE), page = 0;
	char *map = nr ? map_file(w, f, 0, f->nr_pages, flags) : NULL;

	for (u32 cell = 0; map && cell < f->nr_pages * PAGE_CELLS; cell++) {
		page = cell / PAGE_CELLS;
		/* Past the end one touch of a page will do. */
		if (page < nr || !(cell % PAGE_CELLS))
			load_cell(w, f, how, (const u64 *)map + cell, cell);
	}
	if (map)
		daxsim_munmap(w->s->d, map, (size_t)f->nr_pages << PAGE_SHIFT);
}

void stress_verify(struct worker *w)
{
	struct stress *s = w->s;

	if (daxsim_check(s->d))
		violation(s, NULL, "at rest: %s", daxsim_error());
	for (unsigned int i = 0; i < s->nr_files && !s->nr_violations; i++) {
		struct sfile *f = &s->files[i];

		check_stat(w, f);
		for (u32 page = 0; page < f->nr_pages; page += MAX_RUN_PAGES)
			read_range(w, f, page * PAGE_SIZE,
				   PAGE_SIZE * min_t(u32, MAX_RUN_PAGES, f->nr_pages - page));
		verify_mapping(w, f, MAP_SHARED, "at rest a load");
		verify_mapping(w, f, MAP_PRIVATE, "at rest a load of a private mapping");
	}
}

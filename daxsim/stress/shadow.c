// SPDX-License-Identifier: MIT
/* The shadow of a file: what its bytes may be. */
#include "daxsim/stress/shadow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the lowest bit: when (32), cell (18), file (8), check (6). */
#define CELL_BITS 18
#define FILE_BITS 8
#define CHECK_BITS 6
#define CHECK_SHIFT (64 - CHECK_BITS)

static u64 check_bits(u64 body)
{
	return (body * 0x9e3779b97f4a7c15ULL) >> CHECK_SHIFT << CHECK_SHIFT;
}

u64 cell_value(u8 file, u32 cell, u32 when)
{
	u64 body = when | (u64)cell << 32 | (u64)file << (32 + CELL_BITS);

	return body | check_bits(body);
}

void cell_describe(u64 value, char *text, size_t size)
{
	u64 body = value & ((1ULL << CHECK_SHIFT) - 1);

	if (!value)
		snprintf(text, size, "zeroes");
	else if (value != (body | check_bits(body)))
		snprintf(text, size, "0x%016llx, which nobody stored", (unsigned long long)value);
	else
		snprintf(text, size, "what was stored at %u to byte %u of file %u", (u32)value,
			 (u32)(body >> 32 & ((1U << CELL_BITS) - 1)) * CELL,
			 (u32)(body >> (32 + CELL_BITS)));
}

int shadow_init(struct sfile *f, u32 nr_pages)
{
	f->nr_pages = nr_pages;
	f->cells = calloc(nr_pages, PAGE_CELLS * sizeof(*f->cells));
	f->pages = calloc(nr_pages, sizeof(*f->pages));
	pthread_mutex_init(&f->lock, NULL);
	return f->cells && f->pages ? 0 : -ENOMEM;
}

void shadow_destroy(struct sfile *f)
{
	free(f->cells);
	free(f->pages);
	pthread_mutex_destroy(&f->lock);
}

void shadow_born(struct sfile *f, u32 when)
{
	memset(f->cells, 0, f->nr_pages * PAGE_CELLS * sizeof(*f->cells));
	memset(f->pages, 0, f->nr_pages * sizeof(*f->pages));
	atomic_store(&f->size, 0);
	atomic_store(&f->resizes, 0);
	f->born = when;
	for (u32 i = 0; i < f->nr_pages; i++) {
		atomic_store(&f->pages[i].may_be_gone, 1);
		atomic_store(&f->pages[i].gone, when);
	}
}

static struct grain_shadow *grain_of(struct sfile *f, u32 grain)
{
	return &f->pages[grain / PAGE_GRAINS].grain[grain % PAGE_GRAINS];
}

struct facts facts_of(struct sfile *f, u32 cell)
{
	struct cell_shadow *c = &f->cells[cell];
	struct facts facts = { .done = atomic_load(&c->done) };

	facts.ended = atomic_load(&c->ended);
	facts.zero_began = atomic_load(&grain_of(f, cell / GRAIN_CELLS)->zero_began);
	return facts;
}

/* When the last zeroing that has begun is over. */
static u32 zero_ended(struct grain_shadow *g)
{
	/* In this order: the other could miss one that ends in between. */
	return atomic_load(&g->zeroing) ? UINT32_MAX : atomic_load(&g->zero_ended);
}

bool cell_judge(struct sfile *f, u32 cell, const struct facts *before, u64 value, char *why,
		size_t size)
{
	u32 started = atomic_load(&f->cells[cell].started), when = value;
	u32 until = zero_ended(grain_of(f, cell / GRAIN_CELLS));
	bool own = value == cell_value(f->id, cell, when) && when > f->born && when <= started;
	char seen[100];

	if (!value && before->done <= until)
		return true;
	if (own && when > before->done)
		return true;
	if (own && when == before->done && before->ended > before->zero_began)
		return true;
	cell_describe(value, seen, sizeof(seen));
	if (value && !own)
		snprintf(why, size, "%s", seen);
	else if (when == before->done)
		snprintf(why, size, "%s, which was zeroed at %u", seen, before->zero_began);
	else
		snprintf(why, size, "%s; a store at %u had ended at %u, and the last zeroing at %u",
			 seen, before->done, before->ended, until);
	return false;
}

void store_begins(struct sfile *f, u32 cell, u32 nr, u32 when)
{
	for (u32 i = cell; i < cell + nr; i++)
		atomic_store(&f->cells[i].started, when);
}

void store_ends(struct sfile *f, u32 cell, u32 nr, u32 wanted, u32 began, u32 now)
{
	for (u32 i = cell; i < cell + nr; i++) {
		atomic_store_explicit(&f->cells[i].ended, now, memory_order_relaxed);
		atomic_store_explicit(&f->cells[i].done, began, memory_order_release);
	}
	for (u32 i = cell + nr; i < cell + wanted; i++)
		atomic_store_explicit(&f->cells[i].started, f->cells[i].done, memory_order_relaxed);
	for (u32 i = cell / PAGE_CELLS; nr && i <= (cell + nr - 1) / PAGE_CELLS; i++)
		atomic_store(&f->pages[i].stored, began);
}

void zero_begins(struct sfile *f, s64 start, s64 end)
{
	for (u32 i = start / GRAIN; i < end / GRAIN; i++)
		atomic_store(&grain_of(f, i)->zeroing, 1);
}

void zero_ends(struct sfile *f, s64 start, s64 end, bool surely, u32 began, u32 now)
{
	for (u32 i = start / GRAIN; i < end / GRAIN; i++) {
		struct grain_shadow *g = grain_of(f, i);

		if (surely)
			atomic_store(&g->zero_began, began);
		atomic_store(&g->zero_ended, now);
		atomic_store(&g->zeroing, 0);
	}
}

static u32 end_page(s64 size)
{
	return DIV_ROUND_UP((u64)size, PAGE_SIZE);
}

/*
 * Pages between the old and the new end may be there or not until it is over. What a file is
 * cut off by is zeroed; and what was stored to its last page past its end may be, when it grows.
 */
void resize_begins(struct sfile *f, s64 size)
{
	s64 old = atomic_load(&f->size);

	atomic_fetch_add(&f->resizes, 1);
	f->resize_from = min_t(s64, old, size);
	zero_begins(f, f->resize_from, (s64)f->nr_pages << PAGE_SHIFT);
	for (u32 i = end_page(size); i < end_page(old); i++)
		atomic_store(&f->pages[i].may_be_gone, 1);
	for (u32 i = end_page(old); i < end_page(size); i++)
		atomic_store(&f->pages[i].gone, 0);
}

void resize_ends(struct sfile *f, s64 size, u32 began, u32 now)
{
	s64 old = atomic_load(&f->size);

	atomic_store(&f->size, size);
	for (u32 i = 0; i < f->nr_pages; i++) {
		struct page_shadow *p = &f->pages[i];
		bool gone = i >= end_page(size);

		if (gone && !atomic_load(&p->gone))
			atomic_store(&p->gone, now);
		if (!gone && atomic_load(&p->may_be_gone)) {
			atomic_store(&p->gone_until, now);
			atomic_store(&p->may_be_gone, 0);
		}
	}
	zero_ends(f, f->resize_from, (s64)f->nr_pages << PAGE_SHIFT, size < old, began, now);
	atomic_fetch_add(&f->resizes, 1);
}

bool may_be_gone(struct sfile *f, u32 page, u32 when)
{
	return atomic_load(&f->pages[page].may_be_gone) ||
	       atomic_load(&f->pages[page].gone_until) > when;
}

bool has_block(struct sfile *f, u32 page, u32 stored)
{
	for (u32 i = 0; i < PAGE_GRAINS; i++)
		if (zero_ended(&f->pages[page].grain[i]) > stored)
			return false;
	return stored;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of a file may be while many threads work on it.
 *
 * Time is a counter that every operation takes a number of when it begins and when it has
 * ended. A cell of 8 bytes holds the number at which its store began, and which cell of which
 * file it is. Each cell has one thread that stores to it; anybody may zero it, by truncate or
 * punch. So, of a value that was there at some moment between two looks at the shadow:
 *
 *   - another file's value, or a former file's: stale data;
 *   - older than a store that had ended before the first look: a lost store;
 *   - a value whose store had ended before a zeroing began that had ended by the first look:
 *     it should be gone;
 *   - zero, though some store began after every zeroing that began by the second look had
 *     ended: a lost store, too.
 *
 * Everything else may be. Threads race with each other on purpose, so the shadow is made of
 * atomics; what says that something is over is set last.
 */
#ifndef DAXSIM_STRESS_SHADOW_H
#define DAXSIM_STRESS_SHADOW_H

#include <pthread.h>
#include <stdatomic.h>

#include "daxsim/daxsim.h"
#include "daxsim/sim/types.h"

#define CELL 8U			/* bytes */
#define GRAIN 512U		/* bytes: what offsets and sizes are multiples of */
#define GRAIN_CELLS (GRAIN / CELL)
#define PAGE_CELLS ((u32)PAGE_SIZE / CELL)
#define PAGE_GRAINS ((u32)PAGE_SIZE / GRAIN)
#define MAX_FILE_PAGES 512	/* what a cell's number has room for */

#define SHARED -1		/* owner of a file whose grains belong to the threads in turn */

typedef _Atomic u32 au32;

struct cell_shadow {
	au32 started;		/* the last store that has begun */
	au32 done;		/* the last that has ended, */
	au32 ended;		/* and when; set before done */
};

struct grain_shadow {
	au32 zeroing;		/* somebody may be zeroing it */
	au32 zero_ended;	/* when the last one who may have done so had ended */
	au32 zero_began;	/* when the last one began who surely has */
};

struct page_shadow {
	struct grain_shadow grain[PAGE_GRAINS];
	au32 may_be_gone;	/* it may lie past the end of the file, */
	au32 gone_until;	/* and when that was over the last time */
	au32 gone;		/* it surely does; since when */
	au32 stored;		/* a store that has ended: there is a block, unless since zeroed */
};

struct sfile {
	struct daxsim_file *f;
	u8 id;
	char name[16];
	int owner;		/* a thread, or SHARED */
	bool is_private;	/* nobody but its owner does anything to it */
	unsigned int threads;
	u32 nr_pages;		/* that it has at most */
	pthread_mutex_t lock;	/* what takes i_mutex in the kernel: so the size is known */
	_Atomic s64 size;	/* bytes; changes under @lock */
	s64 resize_from;	/* where what a change of it may zero begins; @lock */
	au32 resizes;		/* odd while it does */
	u32 born;
	struct cell_shadow *cells;
	struct page_shadow *pages;
};

/* The counter. */
struct stress_clock {
	_Alignas(64) au32 now;
};

static inline u32 tick(struct stress_clock *c)
{
	return atomic_fetch_add(&c->now, 1) + 1;
}

/** cell_value() - what the store that began at @when puts into a cell; never 0 */
u64 cell_value(u8 file, u32 cell, u32 when);

/** cell_describe() - the same for people, whatever it is */
void cell_describe(u64 value, char *text, size_t size);

/* The thread that stores to a grain. */
static inline int grain_owner(const struct sfile *f, u32 grain)
{
	return f->owner == SHARED ? (int)(grain % f->threads) : f->owner;
}

/** shadow_init() - a file that is to have @nr_pages at most. Return: 0 or -ENOMEM */
int shadow_init(struct sfile *f, u32 nr_pages);
void shadow_destroy(struct sfile *f);

/** shadow_born() - a new and empty file; nobody else knows it yet */
void shadow_born(struct sfile *f, u32 when);

/* What is certain of a cell before it is looked at. */
struct facts {
	u32 done;
	u32 ended;
	u32 zero_began;
};

struct facts facts_of(struct sfile *f, u32 cell);

/**
 * cell_cell_judge() - whether a cell may have held a value since
 * @f: the file
 * @cell: index in it
 * @before: facts_of() it, from before the value was read
 * @value: as read
 * @why: if not: why not
 * @size: bytes of @why
 */
bool cell_judge(struct sfile *f, u32 cell, const struct facts *before, u64 value, char *why,
		size_t size);

/** store_begins() - of cells [cell, cell + nr) by their thread */
void store_begins(struct sfile *f, u32 cell, u32 nr, u32 when);
/** store_ends() - @nr have been stored, at most; of those behind that, up to @wanted, none was */
void store_ends(struct sfile *f, u32 cell, u32 nr, u32 wanted, u32 began, u32 now);

/** zero_begins() - bytes [start, end) may become zeroes from now on; f->lock is held */
void zero_begins(struct sfile *f, s64 start, s64 end);
/** zero_ends() - they do so no longer; @surely: they all did, since @began */
void zero_ends(struct sfile *f, s64 start, s64 end, bool surely, u32 began, u32 now);

/** resize_begins() - to @size, or as far as it comes; f->lock is held */
void resize_begins(struct sfile *f, s64 size);
/** resize_ends() - it has @size now */
void resize_ends(struct sfile *f, s64 size, u32 began, u32 now);

/** may_be_gone() - whether a page may have been past the end of the file since @when */
bool may_be_gone(struct sfile *f, u32 page, u32 when);

/** has_block() - whether a page surely had a block all the time since @stored was read */
bool has_block(struct sfile *f, u32 page, u32 stored);

#endif

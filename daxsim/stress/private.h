/* SPDX-License-Identifier: MIT */
/* What the files of daxsim/stress/ know of each other: a run and its threads. */
#ifndef DAXSIM_STRESS_PRIVATE_H
#define DAXSIM_STRESS_PRIVATE_H

#include "daxsim/sim/point.h"
#include "daxsim/stress/shadow.h"
#include "daxsim/stress/stress.h"

#define NR_SHARED_FILES 3
#define MAX_FILES (NR_SHARED_FILES + 2 * STRESS_MAX_THREADS)
#define MAX_RUN_PAGES 8		/* that one read or write moves */
#define MAX_RUN_CELLS (MAX_RUN_PAGES * PAGE_CELLS)
#define HISTORY 64
#define MAX_LINES 4		/* violations that are told of */
#define AT(cell) ((unsigned long long)(cell) * CELL)	/* byte of its file, for printf */

/* One operation, for people. */
struct deed {
	u32 began;
	u32 ended;		/* 0: not yet */
	u8 file;
	unsigned int thread;
	const char *what;
	s64 offset, length;	/* bytes */
	s64 result;
};

struct worker {
	struct stress *s;
	unsigned int id;
	pthread_t thread;
	bool started;
	u64 rnd;
	char *map[MAX_FILES];	/* a mapping of each file, of its own; NULL: not for this thread */
	u64 ops[NR_STRESS_OPS];
	u64 cells, signals, no_space;
	pthread_mutex_t history_lock;
	u64 nr_deeds;
	struct deed history[HISTORY];
	u64 buf[MAX_RUN_CELLS];
	struct facts before[MAX_RUN_CELLS];
};

struct stress {
	const struct stress_options *o;
	struct daxsim *d;
	struct stress_clock clock;
	_Alignas(64) _Atomic u64 points;	/* of the kernel, passed by all threads */
	bool has_fallocate;
	unsigned int nr_files;
	struct sfile files[MAX_FILES];	/* shared ones, one of each thread, one private to each */
	u64 nr_free;		/* blocks, before there was any file */
	atomic_bool stop;
	atomic_bool rest;
	pthread_mutex_t lock;
	pthread_cond_t changed;	/* who rests, or may go on */
	unsigned int nr_resting, nr_ended;
	pthread_mutex_t report_lock;
	u64 nr_violations;
	u8 first_file;		/* that the first violation is about, or nr_files */
	char lines[MAX_LINES][400];
	struct worker *workers;
};

static inline u64 draw(struct worker *w, u64 below)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return (w->rnd >> 11) % below;
}

/** violation() - note that something is wrong with @f, or with all if NULL, and end the run */
__printf(3, 4) void violation(struct stress *s, const struct sfile *f, const char *fmt, ...);

/** file_open(), file_close() - make a file of its name, empty; and unlink it. Under f->lock */
int file_open(struct stress *s, struct sfile *f);
void file_close(struct stress *s, struct sfile *f);

/** map_file() - have a worker map a file; NULL after a violation */
char *map_file(struct worker *w, struct sfile *f, u32 page, u32 nr, int flags);

/*
 * look.c: what is seen of a file, judged by what it may be at that time. @how says so in words.
 */

/** look_at() - judge the value of a cell that was loaded or read; @before: facts from before */
void look_at(struct worker *w, struct sfile *f, const char *how, u32 cell,
	     const struct facts *before, u64 value);

/**
 * expect_signal() - a touch brought a signal: judge whether it may
 * @w: who touched it
 * @f: the file
 * @how: the touch
 * @cell: of the file
 * @sig: the signal
 * @when: the time before
 * @may_want_space: it was a store to the file
 * @stored: of the page, from before
 */
void expect_signal(struct worker *w, struct sfile *f, const char *how, u32 cell, int sig, u32 when,
		   bool may_want_space, u32 stored);

/** expect_no_page() - a touch brought no signal: judge whether it may; @gone: from before */
void expect_no_page(struct worker *w, struct sfile *f, const char *how, u32 cell, u32 gone);

/** load_cell() - load one cell through a mapping that shows it; returns whether there was a page */
bool load_cell(struct worker *w, struct sfile *f, const char *how, const u64 *p, u32 cell);

/** read_range() - read @len bytes at @pos of a file, whole cells, and judge them */
void read_range(struct worker *w, struct sfile *f, s64 pos, s64 len);

/** check_stat() - judge the size and the extents of a file */
void check_stat(struct worker *w, struct sfile *f);

/** stress_work() - do one operation, drawn by lot */
void stress_work(struct worker *w);

/** stress_verify() - everybody rests: look at everything, with a worker that has no thread */
void stress_verify(struct worker *w);

/** stress_jitter() - sim->jitter of a device under stress: watches, and delays */
void stress_jitter(struct task *t, enum point_id id);

/** stress_progress() - how many points threads have passed by now; looks for leaks, too */
u64 stress_progress(struct stress *s);

/** stress_tell_locks() - threads are stuck: a violation for each lock that somebody holds */
void stress_tell_locks(struct stress *s);

/** stress_history() - what was done lately to the file of the first violation */
void stress_history(struct stress *s, FILE *to);

/* A deed begins, and ends; in between it can be seen that it is under way. */
struct deed *deed_begins(struct worker *w, const struct sfile *f, const char *what, s64 offset,
			 s64 length);
u32 deed_ends(struct worker *w, struct deed *deed, s64 result);

#endif

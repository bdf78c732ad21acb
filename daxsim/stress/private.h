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

// SPDX-License-Identifier: MIT
/* A stress run: the device, the files, the threads, and the rests between. */
#include "daxsim/stress/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/live/live.h"
#include "daxsim/stress/private.h"
#include "daxsim/stress/touch.h"

#define TICK 20			/* milliseconds from one look of the main thread to the next */
#define PATIENCE 5000		/* milliseconds without a step by anybody: they are stuck, */
#define SHORT_PATIENCE 1000	/* the sooner if something has been found already */
#define MAX_POINTS 20000	/* of the kernel that an operation passes, far more than any does */
#define MIN_FILE_PAGES 16
#define FULL 2 / 5		/* of what all files could have, the device has room for */

static unsigned int count_files(unsigned int threads)
{
	return NR_SHARED_FILES + 2 * threads;
}

u64 stress_min_size(unsigned int threads)
{
	return (u64)count_files(threads) * MIN_FILE_PAGES * FULL * PAGE_SIZE;
}

static u64 milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void violation(struct stress *s, const struct sfile *f, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&s->report_lock);
	if (!s->nr_violations)
		s->first_file = f ? f->id : s->nr_files;
	if (s->nr_violations < MAX_LINES) {
		va_start(ap, fmt);
		vsnprintf(s->lines[s->nr_violations], sizeof(s->lines[0]), fmt, ap);
		va_end(ap);
	}
	__atomic_fetch_add(&s->nr_violations, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->report_lock);
	atomic_store(&s->stop, true);
}

static u64 nr_violations(struct stress *s)
{
	return __atomic_load_n(&s->nr_violations, __ATOMIC_RELAXED);
}

/*
 * Files.
 */

int file_open(struct stress *s, struct sfile *f)
{
	int err = daxsim_open(s->d, f->name, O_RDWR | O_CREAT | O_EXCL, &f->f);

	if (err) {
		f->f = NULL;
		violation(s, f, "making file %u: %s", f->id, daxsim_error());
	}
	shadow_born(f, tick(&s->clock));
	return err;
}

void file_close(struct stress *s, struct sfile *f)
{
	if (!f->f)
		return;
	if (daxsim_unlink(s->d, f->name))
		violation(s, f, "removing file %u: %s", f->id, daxsim_error());
	daxsim_close(f->f);
	f->f = NULL;
}

char *map_file(struct worker *w, struct sfile *f, u32 page, u32 nr, int flags)
{
	void *map;

	if (!daxsim_mmap(f->f, (size_t)nr << PAGE_SHIFT, PROT_READ | PROT_WRITE, flags,
			 (s64)page << PAGE_SHIFT, &map))
		return map;
	violation(w->s, f, "mmap of file %u: %s", f->id, daxsim_error());
	return NULL;
}

/* Whether a worker may use a file; of a private one, only its own thread. */
static bool is_for(const struct worker *w, const struct sfile *f)
{
	return !f->is_private || f->owner == (int)w->id;
}

static int make_files(struct stress *s, u64 nr_blocks)
{
	unsigned int threads = s->o->threads;
	u64 pages;

	s->nr_files = count_files(threads);
	pages = min_t(u64, nr_blocks * 5 / 2 / s->nr_files, MAX_FILE_PAGES);
	for (unsigned int i = 0; i < s->nr_files; i++) {
		struct sfile *f = &s->files[i];
		int owner = (int)i - NR_SHARED_FILES;

		f->id = i;
		snprintf(f->name, sizeof(f->name), "%u", i);
		f->threads = threads;
		f->owner = owner < 0 ? SHARED : owner % (int)threads;
		f->is_private = owner >= (int)threads;
		if (shadow_init(f, pages))
			return -ENOMEM;
		if (file_open(s, f))
			return -EIO;
	}
	return 0;
}

/* Take the blocks of a large device that the files would leave over. */
static void fill_device(struct stress *s)
{
	u64 wanted = (u64)s->nr_files * s->files[0].nr_pages * FULL;
	struct daxsim_statistics st;
	struct daxsim_file *f;
	static const char bytes[64 * PAGE_SIZE];
	s64 pos = 0;

	daxsim_statistics(s->d, &st);
	if (st.free_blocks <= wanted || daxsim_open(s->d, "ballast", O_RDWR | O_CREAT, &f))
		return;
	for (s64 left = (st.free_blocks - wanted) << PAGE_SHIFT; left > 0;) {
		ssize_t n = daxsim_pwrite(f, bytes, min_t(s64, left, sizeof(bytes)), pos);

		if (n <= 0)
			break;
		pos += n;
		left -= n;
	}
	daxsim_close(f);
}

/*
 * Threads.
 */

/* Wait at the end of an operation, while everything is looked at. */
static void rest(struct worker *w)
{
	struct stress *s = w->s;

	pthread_mutex_lock(&s->lock);
	s->nr_resting++;
	pthread_cond_broadcast(&s->changed);
	while (atomic_load(&s->rest))
		pthread_cond_wait(&s->changed, &s->lock);
	s->nr_resting--;
	pthread_mutex_unlock(&s->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct stress *s = w->s;

	for (unsigned int i = 0; i < s->nr_files; i++)
		if (is_for(w, &s->files[i]))
			w->map[i] = map_file(w, &s->files[i], 0, s->files[i].nr_pages, MAP_SHARED);
	for (u64 n = 0; !atomic_load(&s->stop) && (!s->o->ops || n < s->o->ops); n++) {
		stress_work(w);
		if (unlikely(atomic_load(&s->rest)))
			rest(w);
	}
	pthread_mutex_lock(&s->lock);
	s->nr_ended++;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static u64 seed_of(u64 seed, u64 thread)
{
	u64 x = (seed + 1) * 0x9e3779b97f4a7c15ULL + thread * 0xbf58476d1ce4e5b9ULL;

	x = (x ^ x >> 31) * 0x94d049bb133111ebULL;
	x ^= x >> 29;
	return x ? x : 1;
}

/* The last one has no thread: it is who looks at everything. */
static int make_workers(struct stress *s)
{
	s->workers = calloc(s->o->threads + 1, sizeof(*s->workers));
	if (!s->workers)
		return -ENOMEM;
	for (unsigned int i = 0; i <= s->o->threads; i++) {
		struct worker *w = &s->workers[i];

		w->s = s;
		w->id = i;
		w->rnd = seed_of(s->o->seed, i);
		pthread_mutex_init(&w->history_lock, NULL);
	}
	for (unsigned int i = 0; i < s->o->threads; i++) {
		struct worker *w = &s->workers[i];
		int err = -pthread_create(&w->thread, NULL, worker_main, w);

		if (err)
			return err;
		w->started = true;
	}
	return 0;
}

static unsigned int nr_started(const struct stress *s)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->o->threads; i++)
		nr += s->workers[i].started;
	return nr;
}

/* Wait for a tick until all threads rest, or have ended. */
static bool all_are_there(struct stress *s, bool ended)
{
	struct timespec until;
	bool all;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += TICK * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	all = s->nr_ended + (ended ? 0 : s->nr_resting) == nr_started(s);
	if (!all)
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
	pthread_mutex_unlock(&s->lock);
	return all;
}

/* Wait until all threads rest, or have ended. Returns false if those that do not are stuck. */
static bool wait_for_all(struct stress *s, bool ended)
{
	u64 first = stress_progress(s), before = first, since = milliseconds();

	while (!all_are_there(s, ended)) {
		u64 now = milliseconds(), points = stress_progress(s);

		if (points != before)
			since = now;
		before = points;
		if (now - since >= (nr_violations(s) ? SHORT_PATIENCE : PATIENCE)) {
			violation(s, NULL, "threads wait in the kernel for ever");
			return false;
		}
		/* What a fault did in vain is tried again: 2014 could do that for ever. */
		if (points - first > MAX_POINTS * nr_started(s)) {
			violation(s, NULL, "a call or a fault goes on for ever: %llu points by now",
				  (unsigned long long)(points - first));
			return false;
		}
	}
	return true;
}

static bool all_ended(struct stress *s)
{
	bool all;

	pthread_mutex_lock(&s->lock);
	all = s->nr_ended == nr_started(s);
	pthread_mutex_unlock(&s->lock);
	return all;
}

static void wake_all(struct stress *s)
{
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->rest, false);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void look_at_everything(struct stress *s, struct stress_result *r)
{
	if (s->o->at_rest)
		s->o->at_rest(s->o->ctx, s->d);
	stress_verify(&s->workers[s->o->threads]);
	r->checks++;
}

static void print_progress(struct stress *s, const struct stress_result *r, u64 done)
{
	const struct stress_options *o = s->o;

	fprintf(o->progress, "\r%s %s: %llu of %llu s, %llu looks at everything ", o->fs,
		o->engine == DAXSIM_ENGINE_THREAD ? "thread" : "inline",
		(unsigned long long)done / 1000, (unsigned long long)o->milliseconds / 1000,
		(unsigned long long)r->checks);
	fflush(o->progress);
}

/* Until somebody stops them. Returns false if they do not come to rest. */
static bool watch(struct stress *s, struct stress_result *r)
{
	const struct stress_options *o = s->o;
	u64 start = milliseconds(), next = start + o->check_every, now = start;
	bool fine = true;

	while (fine && !atomic_load(&s->stop) && !all_ended(s)) {
		struct timespec tick_time = { .tv_nsec = TICK * 1000000 };

		nanosleep(&tick_time, NULL);
		now = milliseconds();
		r->interrupted = o->interrupted && *o->interrupted;
		if (r->interrupted || (o->milliseconds && now - start >= o->milliseconds))
			atomic_store(&s->stop, true);
		if (now < next || atomic_load(&s->stop))
			continue;
		atomic_store(&s->rest, true);
		fine = wait_for_all(s, false);
		if (fine && !nr_violations(s))
			look_at_everything(s, r);
		wake_all(s);
		next = milliseconds() + o->check_every;
		if (o->progress)
			print_progress(s, r, now - start);
	}
	if (o->progress && r->checks)
		fprintf(o->progress, "\r\033[K");
	r->milliseconds = milliseconds() - start;
	return fine;
}

/* Everything goes, and what is left must be what was there at first. */
static void empty_device(struct stress *s)
{
	struct daxsim_statistics st;

	for (unsigned int i = 0; i < s->nr_files; i++) {
		for (unsigned int k = 0; k < s->o->threads; k++)
			if (s->workers[k].map[i])
				daxsim_munmap(s->d, s->workers[k].map[i],
					      (size_t)s->files[i].nr_pages << PAGE_SHIFT);
		file_close(s, &s->files[i]);
	}
	daxsim_unlink(s->d, "ballast");
	daxsim_statistics(s->d, &st);
	if (!nr_violations(s) && st.free_blocks != s->nr_free)
		violation(s, NULL, "all files are gone, but of %llu blocks only %llu are free",
			  (unsigned long long)s->nr_free, (unsigned long long)st.free_blocks);
	if (!nr_violations(s) && daxsim_check(s->d))
		violation(s, NULL, "with all files gone: %s", daxsim_error());
}

static void write_report(struct stress *s, struct stress_result *r)
{
	size_t size;
	FILE *to = open_memstream(&r->report, &size);

	if (!to)
		return;
	for (u64 i = 0; i < s->nr_violations && i < MAX_LINES; i++)
		fprintf(to, "%s\n", s->lines[i]);
	if (s->nr_violations)
		stress_history(s, to);
	fclose(to);
}

static void add_up(struct stress *s, struct stress_result *r)
{
	for (unsigned int i = 0; i <= s->o->threads; i++) {
		const struct worker *w = &s->workers[i];

		for (int op = 0; op < NR_STRESS_OPS; op++)
			r->ops[op] += w->ops[op];
		r->cells += w->cells;
		/* Looking past the end of files on purpose does not count. */
		r->signals += i < s->o->threads ? w->signals : 0;
		r->no_space += w->no_space;
	}
	daxsim_statistics(s->d, &r->statistics);
	r->violations = nr_violations(s);
}

static void free_stress(struct stress *s)
{
	for (unsigned int i = 0; i < s->nr_files; i++)
		shadow_destroy(&s->files[i]);
	free(s->workers);
	free(s);
}

static int mount(struct stress *s)
{
	const struct stress_options *o = s->o;
	struct daxsim_options options = {
		.fs = o->fs, .engine = o->engine,
		.size = o->size ? o->size : stress_min_size(o->threads),
	};
	struct daxsim_statistics st;
	int err;

	touch_init();
	err = live_mount(&options, stress_jitter, s, &s->d);
	if (err)
		return err;
	s->has_fallocate = s->d->sim.sb->ops->fallocate;
	daxsim_statistics(s->d, &st);
	s->nr_free = st.free_blocks;
	err = make_files(s, s->nr_free);
	if (!err)
		fill_device(s);
	return err;
}

int stress(const struct stress_options *o, struct stress_result *r)
{
	struct stress *s = aligned_alloc(_Alignof(struct stress), sizeof(*s));
	bool fine;
	int err;

	*r = (struct stress_result){ 0 };
	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->o = o;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->report_lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	err = mount(s);
	if (err) {
		daxsim_umount(s->d);
		free_stress(s);
		return err;
	}
	err = make_workers(s);
	if (err)
		atomic_store(&s->stop, true);
	fine = watch(s, r);
	atomic_store(&s->stop, true);
	fine = fine && wait_for_all(s, true);
	if (!fine)
		stress_tell_locks(s);
	for (unsigned int i = 0; i < o->threads && fine; i++)
		if (s->workers[i].started)
			pthread_join(s->workers[i].thread, NULL);
	if (fine && !nr_violations(s) && !err)
		look_at_everything(s, r);
	add_up(s, r);
	if (fine)
		empty_device(s);
	r->violations = nr_violations(s);
	write_report(s, r);
	r->stuck = !fine;
	if (fine) {
		daxsim_umount(s->d);
		free_stress(s);
	}
	return err;
}

void stress_free(struct stress_result *r)
{
	free(r->report);
	r->report = NULL;
}

// SPDX-License-Identifier: MIT
/* What a stress run sees of its threads: where they are in the kernel, and what they did. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "daxsim/live/live.h"
#include "daxsim/stress/private.h"

#define TURN 256	/* ticks of the clock for each point at which threads stay */
#define TOLD 24		/* deeds of the history that are told */

static u64 mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static struct stress *stress_of(const struct task *t)
{
	return container_of(t->sim, struct daxsim, sim)->watcher;
}

static const char *name_of(const struct lock *lock)
{
	return lock_class_table[lock->class].name;
}

static void tell_leak(const struct task *t, const struct lock *lock)
{
	violation(stress_of(t), NULL, "a thread has left the kernel with %s(%s) held",
		  name_of(lock), lock->of);
}

/* No call and no copy in one begins with one of these held: somebody has forgotten it. */
static void look_for_leaks(struct task *t)
{
	for (unsigned int i = 0; i < t->nr_held; i++) {
		const struct lock *lock = t->held[i].lock;

		if (lock->class == LOCK_I_MMAP_MUTEX || lock->class == LOCK_PAGE_LOCK ||
		    lock->class == LOCK_ENTRY_LOCK)
			tell_leak(t, lock);
	}
}

u64 stress_progress(struct stress *s)
{
	for (int i = 0; i < LIVE_TASKS; i++) {
		struct live_slot *slot = &s->d->slots[i];
		bool busy = false;

		/* Nobody becomes this task while we are it. */
		if (!atomic_compare_exchange_strong(&slot->busy, &busy, true))
			continue;
		if (slot->task && slot->task->nr_held)
			tell_leak(slot->task, slot->task->held[0].lock);
		atomic_store(&slot->busy, false);
	}
	return atomic_load_explicit(&s->points, memory_order_relaxed);
}

void stress_tell_locks(struct stress *s)
{
	for (int i = 0; i < LIVE_TASKS; i++) {
		const struct task *t = s->d->slots[i].task;

		for (unsigned int k = 0; t && k < t->nr_held; k++)
			violation(s, NULL, "task %u holds %s(%s)", t->id, name_of(t->held[k].lock),
				  t->held[k].lock->of);
	}
}

static bool is_entry(enum point_id id)
{
	switch (id) {
	case P_pte_read:
	case P_do_truncate:
	case P_do_fallocate:
	case P_do_read:
	case P_do_write:
	case P_do_mmap:
	case P_do_munmap:
	case P_sync_file:
		return true;
	default:
		return false;
	}
}

static void nap(u64 microseconds)
{
	struct timespec time = { .tv_nsec = microseconds * 1000 };

	nanosleep(&time, NULL);
}

/*
 * Mostly nothing, rarely a little. But at every time there is one point at which threads stay so
 * long that others can do a lot: a window between two steps is met when its turn comes.
 */
void stress_jitter(struct task *t, enum point_id id)
{
	struct stress *s = stress_of(t);
	u64 n = atomic_fetch_add_explicit(&s->points, 1, memory_order_relaxed);
	u64 turn = atomic_load_explicit(&s->clock.now, memory_order_relaxed) / TURN;
	u64 x = mix(n ^ s->o->seed << 32);

	if (t->nr_held && is_entry(id))
		look_for_leaks(t);
	if (id == mix(turn + s->o->seed) % NR_POINTS && !(x & 3))
		nap(20 << (x >> 8) % 6);
	else if (!(x & 0x3ff))
		nap(1 << (x >> 16) % 8);
	else if (!(x & 0x7f))
		sched_yield();
}

struct deed *deed_begins(struct worker *w, const struct sfile *f, const char *what, s64 offset,
			 s64 length)
{
	struct deed *deed = &w->history[w->nr_deeds++ % HISTORY];

	pthread_mutex_lock(&w->history_lock);
	*deed = (struct deed){
		.file = f->id, .thread = w->id, .what = what, .offset = offset, .length = length,
		.began = tick(&w->s->clock),
	};
	pthread_mutex_unlock(&w->history_lock);
	return deed;
}

u32 deed_ends(struct worker *w, struct deed *deed, s64 result)
{
	u32 now = tick(&w->s->clock);

	pthread_mutex_lock(&w->history_lock);
	deed->ended = now;
	deed->result = result;
	pthread_mutex_unlock(&w->history_lock);
	return now;
}

/* What is under way comes before all that. */
static int latest_first(const void *a, const void *b)
{
	const struct deed *x = a, *y = b;

	if (!x->ended != !y->ended)
		return x->ended ? 1 : -1;
	return x->began < y->began ? 1 : x->began > y->began ? -1 : 0;
}

void stress_history(struct stress *s, FILE *to)
{
	struct deed *deeds = calloc(s->o->threads * HISTORY, sizeof(*deeds));
	size_t nr = 0;

	for (unsigned int i = 0; i < s->o->threads && deeds; i++) {
		struct worker *w = &s->workers[i];

		pthread_mutex_lock(&w->history_lock);
		for (unsigned int k = 0; k < HISTORY; k++) {
			const struct deed *d = &w->history[k];

			if (d->began && (d->file == s->first_file || s->first_file == s->nr_files))
				deeds[nr++] = *d;
		}
		pthread_mutex_unlock(&w->history_lock);
	}
	if (nr)
		qsort(deeds, nr, sizeof(*deeds), latest_first);
	for (size_t i = min_t(size_t, nr, TOLD); i--;) {
		const struct deed *d = &deeds[i];

		fprintf(to, "  from %u", d->began);
		if (d->ended)
			fprintf(to, " to %u", d->ended);
		fprintf(to, " thread %u: %s file %u, %lld bytes at %lld", d->thread, d->what,
			d->file, (long long)d->length, (long long)d->offset);
		if (d->ended)
			fprintf(to, " = %lld", (long long)d->result);
		fprintf(to, "\n");
	}
	free(deeds);
}

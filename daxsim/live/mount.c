// SPDX-License-Identifier: MIT
/* Making and dropping live machines, and getting in and out of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/live/live.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/state.h"

#define DEFAULT_FS "ext4@4.7"
#define DEFAULT_SIZE (1ULL << 30)
#define DEFAULT_FAULT_AROUND 16

static _Thread_local char last_error[256];

const char *daxsim_error(void)
{
	return last_error;
}

int live_error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
	return err;
}

ssize_t live_result(ssize_t err, const char *call)
{
	return err < 0 ? live_error(err, "%s: %s", call, strerror(-err)) : err;
}

/*
 * A thread takes the slot it had last, which nobody else wants as long as there are no
 * more threads than slots, and whose lines are in its CPU's cache.
 */
int live_claim(struct daxsim *d, struct live_stay *stay)
{
	static _Atomic unsigned int threads;
	static _Thread_local unsigned int mine;
	struct task *task;
	bool busy;

	stay->slot = NULL;
	stay->before = current;
	if (current && current->sim == &d->sim)
		return 0;
	if (unlikely(!mine))
		mine = 1 + atomic_fetch_add(&threads, 1);
	for (unsigned int i = 0; i < LIVE_TASKS; i++) {
		struct live_slot *slot = &d->slots[(mine + i) % LIVE_TASKS];

		busy = false;
		if (!atomic_compare_exchange_strong_explicit(&slot->busy, &busy, true,
							     memory_order_seq_cst,
							     memory_order_relaxed))
			continue;
		mine += i;
		/* A signal handler may come too late: then nothing is left but the slot itself. */
		if (unlikely(!atomic_load(&d->len))) {
			atomic_store(&slot->busy, false);
			return -ESRCH;
		}
		task = atomic_load_explicit(&slot->task, memory_order_relaxed);
		if (unlikely(!task)) {
			task = live_task_create(&d->sim, "thread", d->mm);
			atomic_store(&slot->task, task);
		}
		if (!task) {
			atomic_store(&slot->busy, false);
			return -ENOMEM;
		}
		stay->slot = slot;
		current_task = task;
		return 0;
	}
	return -EAGAIN;
}

void live_release(struct live_stay *stay)
{
	current_task = stay->before;
	if (stay->slot)
		atomic_store_explicit(&stay->slot->busy, false, memory_order_release);
}

int live_enter(struct daxsim *d, struct live_stay *stay)
{
	sigset_t all;
	int err;

	if (d->forked)
		return live_error(-ESRCH, "this device belongs to the parent process");
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_BLOCK, &all, &stay->signals);
	err = live_claim(d, stay);
	if (!err)
		return 0;
	pthread_sigmask(SIG_SETMASK, &stay->signals, NULL);
	return live_error(err, err == -EAGAIN ? "more than %d threads are in calls and faults" :
						"out of memory (a task of %d at most)", LIVE_TASKS);
}

void live_leave(struct live_stay *stay)
{
	live_release(stay);
	pthread_sigmask(SIG_SETMASK, &stay->signals, NULL);
}

static void warn_on_stderr(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "daxsim: %s\n", line);
}

/* What "ext4@v11 -p3" means; the scenario language knows. */
static int parse_fs(const char *text, const struct fs_ops **fs, profile_t *profile)
{
	char *line = NULL, *why = NULL;
	struct scenario *s = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&why, &size);

	if (errors && asprintf(&line, "scenario mount\nfs %s\nsession none { step none { create f } }\n", text) >= 0)
		s = scenario_parse("options.fs", line, strlen(line), errors);
	if (errors)
		fclose(errors);
	if (s) {
		*fs = s->variants->fs;
		*profile = s->variants->profile;
	} else {
		live_error(-EINVAL, "%.*s", why ? (int)strcspn(why, "\n") : 0, why ? why : "");
	}
	scenario_free(s);
	free(line);
	free(why);
	return s ? 0 : -EINVAL;
}

/* Option by option, with what they default to. */
static int take_options(struct daxsim *d, struct daxsim_options *o, const struct fs_ops **fs,
			profile_t *profile)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!o->size)
		o->size = DEFAULT_SIZE;
	if (!o->threads)
		o->threads = min_t(long, LIVE_SHARDS, max_t(long, cpus, 1));
	if (!o->fault_around)
		o->fault_around = DEFAULT_FAULT_AROUND;
	if (o->size % PAGE_SIZE || o->size < PMEM_MIN_SIZE || o->size > PMEM_MAX_SIZE)
		return live_error(-EINVAL, "options.size is %llu: expected whole pages, %llu to %llu "
				  "bytes, or 0 for %llu", (unsigned long long)o->size,
				  (unsigned long long)PMEM_MIN_SIZE,
				  (unsigned long long)PMEM_MAX_SIZE, DEFAULT_SIZE);
	if (o->engine != DAXSIM_ENGINE_THREAD && o->engine != DAXSIM_ENGINE_INLINE)
		return live_error(-EINVAL, "options.engine is %d: expected DAXSIM_ENGINE_THREAD or "
				  "DAXSIM_ENGINE_INLINE", o->engine);
	if (o->loop != DAXSIM_LOOP_READ && o->loop != DAXSIM_LOOP_URING)
		return live_error(-EINVAL, "options.loop is %d: expected DAXSIM_LOOP_READ or "
				  "DAXSIM_LOOP_URING", o->loop);
	if (o->threads > LIVE_SHARDS)
		return live_error(-EINVAL, "options.threads is %u: expected 1 to %d, or 0 for one a CPU",
				  o->threads, LIVE_SHARDS);
	if (o->fault_around > LIVE_RUN)
		return live_error(-EINVAL, "options.fault_around is %u: expected 1 to %d pages, or 0 "
				  "for %d", o->fault_around, LIVE_RUN, DEFAULT_FAULT_AROUND);
	d->engine = o->engine;
	d->loop = o->loop;
	d->mmu.nr_shards = o->engine == DAXSIM_ENGINE_THREAD ? o->threads : 1;
	d->mmu.warn = o->warn ? o->warn : warn_on_stderr;
	d->mmu.warn_ctx = o->ctx;
	return parse_fs(o->fs ? o->fs : DEFAULT_FS, fs, profile);
}

static int make_machine(struct daxsim *d, const struct daxsim_options *o, const struct fs_ops *fs,
			profile_t profile, void (*jitter)(struct task *t, enum point_id id))
{
	const struct mmu_ops *mmu =
		o->engine == DAXSIM_ENGINE_INLINE ? &live_inline_mmu : &live_thread_mmu;
	char why[256] = "";
	int err;

	d->sim.mmu_data = &d->mmu;
	err = sim_init_live(&d->sim, o->size, mmu, &d->mmu, why, sizeof(why));
	if (err)
		return live_error(err, "%s", why);
	d->sim.fault_around = o->fault_around > 1 ? o->fault_around : 0;
	d->sim.jitter = jitter;
	dir_init(&d->dir);
	err = pmem_track_zeroes(&d->sim.pmem);
	if (!err)
		err = mount_fs(&d->sim, fs, profile);
	if (!err) {
		d->mm = mm_create(&d->sim, "program");
		err = d->mm ? 0 : -ENOMEM;
	}
	if (err) {
		live_result(err, "making a file system");
	} else {
		live_open_for_faults(d);
		err = live_handlers_start(d, why, sizeof(why));
		if (!err)
			return 0;
		live_error(err, "%s", why);
		live_close_for_faults(d);
	}
	sim_destroy(&d->sim);
	return err;
}

int live_mount(const struct daxsim_options *given, void (*jitter)(struct task *t, enum point_id id),
	       void *watcher, struct daxsim **dp)
{
	struct daxsim_options o = given ? *given : (struct daxsim_options){ 0 };
	const struct fs_ops *fs = NULL;
	profile_t profile = 0;
	struct daxsim *d;
	int err = live_new(&d);

	if (err)
		return err;
	d->watcher = watcher;
	err = take_options(d, &o, &fs, &profile);
	if (!err)
		err = make_machine(d, &o, fs, profile, jitter);
	if (err) {
		live_free(d);
		return err;
	}
	*dp = d;
	return 0;
}

int daxsim_mount(const struct daxsim_options *o, struct daxsim **d)
{
	return live_mount(o, NULL, NULL, d);
}

void daxsim_umount(struct daxsim *d)
{
	struct live_stay stay;

	if (!d)
		return;
	/* Once nothing is mapped all faults end in SIGSEGV, as do touches. */
	if (!live_enter(d, &stay)) {
		do_munmap(d->mm, (u64)d->mmu.base, d->mmu.size >> PAGE_SHIFT);
		live_leave(&stay);
	}
	if (!d->forked)
		live_handlers_stop(d);
	live_close_for_faults(d);
	sim_destroy(&d->sim);
	live_free(d);
}

void daxsim_statistics(struct daxsim *d, struct daxsim_statistics *s)
{
	struct live_stay stay;
	struct inode *inode;

	*s = (struct daxsim_statistics){ 0 };
	/* A child has what locks were held when it was made. */
	if (live_enter(d, &stay))
		return;
	*s = (struct daxsim_statistics){
		.signals = atomic_load(&d->nr_signals),
		.pages_mapped = atomic_load(&d->mmu.pages_mapped),
		.retargets = atomic_load(&d->mmu.retargets),
		.regions = atomic_load(&d->mmu.regions),
		.max_regions = d->mmu.max_regions,
		.device_bytes = pmem_materialised(&d->sim.pmem),
		.kernel_bytes = arena_used(&d->sim.arena),
	};
	for (int i = 0; i < LIVE_TASKS; i++) {
		const struct task *t = atomic_load(&d->slots[i].task);

		if (!t)
			continue;
		s->major_faults += __atomic_load_n(&t->maj_flt, __ATOMIC_RELAXED);
		s->faults += __atomic_load_n(&t->min_flt, __ATOMIC_RELAXED);
	}
	s->faults += s->major_faults;
	s->files = dir_count(&d->dir);
	s->free_blocks = nr_free_blocks(d->sim.sb);
	guard_lock(&d->sim.sb->s_lock);
	LIST_FOREACH(inode, &d->sim.sb->s_inodes, i_sb_list)
		s->extents += i_nr_extents(inode);
	guard_unlock(&d->sim.sb->s_lock);
	live_leave(&stay);
}

int daxsim_check(struct daxsim *d)
{
	char why[256] = "";
	struct live_stay stay;
	int err = live_enter(d, &stay);

	if (err)
		return err;
	/* What handler threads did last is done, and seen. */
	down_write(&d->mm->mmap_sem);
	err = state_fsck(&d->sim, why, sizeof(why));
	up_write(&d->mm->mmap_sem);
	live_leave(&stay);
	return err ? live_error(err, "%s", why) : 0;
}

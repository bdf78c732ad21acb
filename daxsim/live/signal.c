// SPDX-License-Identifier: MIT
/*
 * The inline engine, and the signals of both. With UFFD_FEATURE_SIGBUS a fault is a
 * SIGBUS of the thread that has it, which serves it here, as a thread does in the
 * kernel, and tries again. With handler threads a SIGBUS means that one of them has
 * put the end of the file there; whether that is still true is looked at again here.
 *
 * Everything that a fault does is made of locks of our own, system calls and memory
 * of the machine's arena, so that it may be done in a signal handler.
 */
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "daxsim/live/live.h"

#define MAX_MACHINES 16

/*
 * Signals belong to a process: its machines, and what was there before them. Machines never
 * leave their places, so that a handler may look at one that is just going away.
 */
static struct {
	pthread_mutex_t lock;
	unsigned int nr;
	struct daxsim machines[MAX_MACHINES];
	struct sigaction old[2];
	bool watches_fork;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const int signals[] = { SIGBUS, SIGSEGV };

static bool serves(struct daxsim *d, u64 addr)
{
	return addr - atomic_load(&d->first) < atomic_load(&d->len);
}

/*
 * Become a task of the machine that has this address. Whoever unmounts it makes its length 0
 * and then waits until nobody is inside: so look at that again once inside.
 */
static struct daxsim *claim_machine_at(u64 addr, struct live_stay *stay)
{
	for (int i = 0; i < MAX_MACHINES; i++) {
		struct daxsim *d = &process.machines[i];

		if (!serves(d, addr))
			continue;
		if (live_claim(d, stay))
			return NULL;
		if (serves(d, addr))
			return d;
		live_release(stay);
	}
	return NULL;
}

/* Whether the access that a signal interrupted was a store. */
static bool was_store(const ucontext_t *uc, u64 addr)
{
#if defined(__x86_64__)
	(void)addr;
	return uc->uc_mcontext.gregs[REG_ERR] & 2;
#elif defined(__aarch64__)
	const u8 *p = uc->uc_mcontext.__reserved;

	(void)addr;
	for (const struct _aarch64_ctx *c = (const void *)p; c->magic;
	     c = (const void *)((const u8 *)c + c->size))
		if (c->magic == ESR_MAGIC)
			return ((const struct esr_context *)c)->esr >> 6 & 1;
	return true;
#else
#error "how does this machine tell a load from a store in a signal handler?"
#endif
}

/* What Linux blocks while a handler of the program runs, which may fault itself. */
static void mask_for(const struct sigaction *sa, int sig, const ucontext_t *uc)
{
	sigset_t mask;

	sigorset(&mask, &uc->uc_sigmask, &sa->sa_mask);
	if (!(sa->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* The program's own handler, or the end. */
static void pass_on(const struct sigaction *old, int sig, siginfo_t *info, void *uc)
{
	bool sent = info->si_code <= 0;		/* by kill(2) and the like, not by a touch */

	if (!(old->sa_flags & SA_SIGINFO) && old->sa_handler == SIG_IGN && sent)
		return;
	if (!(old->sa_flags & SA_SIGINFO) &&
	    (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN)) {
		/* A touch happens again, and nobody catches it. */
		signal(sig, SIG_DFL);
		if (sent)
			raise(sig);
		return;
	}
	mask_for(old, sig, uc);
	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(sig, info, uc);
	else
		old->sa_handler(sig);
}

/*
 * A fault of a device that is gone by the time of the signal: the touch is SIGSEGV by now, so it
 * is tried again, once, like any SIGBUS that is no machine's.
 */
static bool may_be_late(int sig, const siginfo_t *info)
{
	static _Thread_local void *tried;
	bool again = sig == SIGBUS && info->si_code == BUS_ADRERR && tried != info->si_addr;

	tried = again ? info->si_addr : NULL;
	return again;
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	u64 addr = (u64)info->si_addr;
	int err = errno, deserved = sig;
	struct daxsim *d = NULL;
	struct live_stay stay;

	if (info->si_code > 0)
		d = claim_machine_at(addr, &stay);
	if (d) {
		/* Inline nobody waits for a page. */
		deserved = live_fault(d, addr, was_store(uc, addr),
				      d->engine == DAXSIM_ENGINE_THREAD);
		live_release(&stay);
	}
	errno = err;
	/* What deserves the other signal will get it: the page is open for that now. */
	if (deserved != sig || (!d && may_be_late(sig, info)))
		return;
	if (info->si_code > 0 && current && current->bad_buffer) {
		pthread_sigmask(SIG_SETMASK, &((ucontext_t *)uc)->uc_sigmask, NULL);
		siglongjmp(*current->bad_buffer, 1);
	}
	pass_on(&process.old[sig == SIGSEGV], sig, info, uc);
}

/*
 * A child has the addresses but nobody who serves them. Whoever held the lock is not there,
 * and the descriptors' numbers are not ours any more.
 */
static void forget_machines(void)
{
	for (int i = 0; i < MAX_MACHINES; i++) {
		struct daxsim *d = &process.machines[i];

		if (!d->in_use)
			continue;
		d->forked = true;
		atomic_store(&d->len, 0);
		if (d->mmu.base)
			mmap(d->mmu.base, d->mmu.size, PROT_NONE,
			     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		for (unsigned int s = 0; s < d->mmu.nr_shards; s++) {
			close(d->mmu.shard[s].fd);
			d->mmu.shard[s].fd = -1;
		}
	}
	pthread_mutex_init(&process.lock, NULL);
}

/*
 * Handlers stay when the last machine goes: a thread may have its SIGBUS and not yet be in the
 * handler, which has to try again. The next machine finds them there, or what is over them now.
 */
static int install(void)
{
	struct sigaction now, sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (!process.watches_fork && pthread_atfork(NULL, NULL, forget_machines))
		return -ENOMEM;
	process.watches_fork = true;
	/* A handler of the program could fault inside of a lock. */
	sigfillset(&sa.sa_mask);
	for (int i = 0; i < 2; i++) {
		if (sigaction(signals[i], NULL, &now))
			return -errno;
		if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal)
			continue;
		if (sigaction(signals[i], &sa, &process.old[i]))
			return -errno;
	}
	return 0;
}

int live_new(struct daxsim **dp)
{
	struct daxsim *d = process.machines;
	int err = 0;

	pthread_mutex_lock(&process.lock);
	while (d < process.machines + MAX_MACHINES && d->in_use)
		d++;
	if (d == process.machines + MAX_MACHINES)
		err = live_error(-EMFILE, "%d devices are mounted, more a process cannot have",
				 MAX_MACHINES);
	else if (!process.nr)
		err = live_result(install(), "catching SIGBUS");
	if (!err) {
		/* Should the process fork right now, the child closes what it finds here. */
		for (int i = 0; i < LIVE_SHARDS; i++)
			d->mmu.shard[i].fd = -1;
		d->in_use = true;
		process.nr++;
		*dp = d;
	}
	pthread_mutex_unlock(&process.lock);
	return err;
}

void live_open_for_faults(struct daxsim *d)
{
	atomic_store(&d->first, (u64)d->mmu.base);
	atomic_store(&d->len, d->mmu.size);
}

void live_close_for_faults(struct daxsim *d)
{
	atomic_store(&d->len, 0);
	for (int i = 0; i < LIVE_TASKS && !d->forked; i++)
		while (atomic_load(&d->slots[i].busy))
			sched_yield();
}

void live_free(struct daxsim *d)
{
	pthread_mutex_lock(&process.lock);
	/* All but what handlers may look at, which says that it is nobody's. */
	for (int i = 0; i < LIVE_TASKS; i++)
		atomic_store(&d->slots[i].task, NULL);
	memset((char *)d + offsetof(struct daxsim, in_use), 0,
	       sizeof(*d) - offsetof(struct daxsim, in_use));
	process.nr--;
	pthread_mutex_unlock(&process.lock);
}

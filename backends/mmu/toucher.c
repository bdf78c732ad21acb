// SPDX-License-Identifier: MIT
/*
 * The threads that touch user memory, and the signals they get when it is not
 * there.
 */
#include "backends/mmu/toucher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/mmu/uffd.h"

#define THREAD_NAME_LEN 16	/* what the kernel stores, with the NUL */

static const int caught[] = { SIGBUS, SIGSEGV };

/*
 * Signal handlers are the one thing here that a process has only one of, however
 * many machines it runs.
 */
static struct {
	pthread_mutex_t lock;
	unsigned int users;
	struct sigaction old[ARRAY_SIZE(caught)];
} signals = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct toucher *self;

/* Do what would have happened without us. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *old = &signals.old[sig == caught[1]];
	bool sent = info->si_code <= 0;

	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(sig, info, context);
	} else if (old->sa_handler == SIG_DFL || (old->sa_handler == SIG_IGN && !sent)) {
		/* To die of it: the instruction is tried again, what was sent is resent. */
		signal(sig, SIG_DFL);
		if (sent)
			raise(sig);
	} else if (old->sa_handler != SIG_IGN) {
		old->sa_handler(sig);
	}
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct toucher *t = self;

	if (!t || !t->armed || info->si_code <= 0) {
		pass_on(sig, info, context);
		return;
	}
	t->signal = sig;
	t->signal_addr = (u64)info->si_addr;
	siglongjmp(t->escape, 1);
}

int toucher_signals_get(void)
{
	int err = 0;

	pthread_mutex_lock(&signals.lock);
	for (size_t i = 0; i < ARRAY_SIZE(caught) && !signals.users; i++) {
		struct sigaction *old = &signals.old[i];
		struct sigaction sa = { .sa_sigaction = on_signal };

		/* The older handler is to find the mask and the stack that it asked for. */
		if (!sigaction(caught[i], NULL, old)) {
			sa.sa_mask = old->sa_mask;
			sa.sa_flags = SA_SIGINFO |
				      (old->sa_flags & (SA_ONSTACK | SA_RESTART | SA_NODEFER));
		}
		if (sigaction(caught[i], &sa, NULL))
			err = -errno;
	}
	if (!err)
		signals.users++;
	pthread_mutex_unlock(&signals.lock);
	return err;
}

void toucher_signals_put(void)
{
	pthread_mutex_lock(&signals.lock);
	signals.users--;
	for (size_t i = 0; i < ARRAY_SIZE(caught) && !signals.users; i++) {
		struct sigaction now;

		/* Somebody who came later has ours as their older one: it must stay. */
		if (!sigaction(caught[i], NULL, &now) && now.sa_flags & SA_SIGINFO &&
		    now.sa_sigaction == on_signal)
			sigaction(caught[i], &signals.old[i], NULL);
	}
	pthread_mutex_unlock(&signals.lock);
}

/* The signals a toucher blocks: all but those that its accesses end with. */
static sigset_t toucher_mask(void)
{
	sigset_t mask;

	sigfillset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigdelset(&mask, caught[i]);
	return mask;
}

typedef u64 any_u64 __attribute__((aligned(1), may_alias));
typedef u32 any_u32 __attribute__((aligned(1), may_alias));
typedef u16 any_u16 __attribute__((aligned(1), may_alias));

/* One instruction: all bytes or none. */
#define MOVE(type, user, buf, write)                                                               \
	((write) ? (void)(*(volatile type *)(user) = *(type *)(buf)) :                             \
		   (void)(*(type *)(buf) = *(volatile type *)(user)))

/*
 * What touches user memory races on purpose, with whatever the kernel maps there:
 * none of the thread sanitizer's business, nor of its wrappers of system calls.
 */
#define user_memory __attribute__((no_sanitize("thread")))

static user_memory void touch_by_instructions(struct toucher *t)
{
	while (t->done < t->len) {
		void *user = (void *)(t->addr + t->done);
		void *buf = t->buf + t->done;
		size_t left = t->len - t->done;

		if (left >= 8) {
			MOVE(any_u64, user, buf, t->write);
			t->done += 8;
		} else if (left >= 4) {
			MOVE(any_u32, user, buf, t->write);
			t->done += 4;
		} else if (left >= 2) {
			MOVE(any_u16, user, buf, t->write);
			t->done += 2;
		} else {
			MOVE(u8, user, buf, t->write);
			t->done += 1;
		}
	}
}

/*
 * Let the kernel copy between user memory and a file of ours, and do our part of
 * the copy by the same file.
 */
static void touch_by_syscall(struct toucher *t)
{
	void *user = (void *)t->addr;
	ssize_t n, len = t->len;

	if (t->write && pwrite(t->scratch, t->buf, len, 0) != len)
		uffd_die("cannot write %zd bytes to a memfd: %m", len);
	n = syscall(t->write ? SYS_pread64 : SYS_pwrite64, t->scratch, user, len, 0L);
	if (n < 0 && errno != EFAULT)
		uffd_die("a system call on user memory failed: %m");
	t->done = max_t(ssize_t, n, 0);
	if (!t->write && pread(t->scratch, t->buf, t->done, 0) != (ssize_t)t->done)
		uffd_die("cannot read %zu bytes from a memfd: %m", t->done);
	if (n != len) {
		t->signal = SIGBUS;
		t->signal_addr = t->addr + t->done;
	}
}

static void touch(struct toucher *t)
{
	t->done = 0;
	t->signal = 0;
	if (t->kernel) {
		touch_by_syscall(t);
	} else if (!sigsetjmp(t->escape, 0)) {
		t->armed = 1;
		touch_by_instructions(t);
	} else {
		/* Cheaper than to save the mask at each access. */
		sigset_t mask = toucher_mask();

		pthread_sigmask(SIG_SETMASK, &mask, NULL);
	}
	t->armed = 0;
}

static void *toucher_main(void *arg)
{
	struct toucher *t = arg;

	self = t;
	atomic_store(&t->tid, gettid());
	for (;;) {
		while (sem_wait(&t->go))
			;
		if (atomic_load(&t->quit))
			return NULL;
		touch(t);
		atomic_store_explicit(&t->finished, true, memory_order_release);
		eventfd_write(t->done_fd, 1);
	}
}

static int start_thread(struct toucher *t)
{
	sigset_t mask = toucher_mask();
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	err = pthread_attr_setsigmask_np(&attr, &mask);
	if (!err)
		err = pthread_create(&t->thread, &attr, toucher_main, t);
	pthread_attr_destroy(&attr);
	return err;
}

struct toucher *toucher_create(const char *name, int done_fd)
{
	struct toucher *t = calloc(1, sizeof(*t));
	char clipped[THREAD_NAME_LEN] = "";
	int err;

	if (!t)
		return NULL;
	t->done_fd = done_fd;
	sem_init(&t->go, 0, 0);
	t->scratch = memfd_create("daxsim-copy", MFD_CLOEXEC);
	err = t->scratch < 0 ? errno : start_thread(t);
	if (err) {
		if (t->scratch >= 0)
			close(t->scratch);
		sem_destroy(&t->go);
		free(t);
		errno = err;
		return NULL;
	}
	strncpy(clipped, name, sizeof(clipped) - 1);
	pthread_setname_np(t->thread, clipped);
	return t;
}

void toucher_post(struct toucher *t, const struct mmu_access *a, bool kernel)
{
	t->posted = true;
	t->addr = a->addr;
	t->buf = a->buf;
	t->len = a->len;
	t->write = a->write;
	t->kernel = kernel;
	atomic_store_explicit(&t->finished, false, memory_order_relaxed);
	sem_post(&t->go);
}

void toucher_destroy(struct toucher *t)
{
	atomic_store(&t->quit, true);
	sem_post(&t->go);
	pthread_join(t->thread, NULL);
	close(t->scratch);
	sem_destroy(&t->go);
	free(t);
}

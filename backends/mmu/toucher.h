/* SPDX-License-Identifier: MIT */
/*
 * Touchers: threads that do nothing but load and store for a task. The simulated
 * kernel must not touch user memory itself, since it could not serve its own
 * page fault.
 */
#ifndef DAXSIM_TOUCHER_H
#define DAXSIM_TOUCHER_H

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "backends/mmu/mmu.h"

struct toucher {
	/* Of the kernel thread alone. */
	bool posted;		/* it has a request whose result was not collected */
	u64 asleep;		/* page where it sleeps in a fault; 0: it does not */

	/* Written before the request is posted. */
	u64 addr;
	u8 *buf;
	size_t len;		/* bytes */
	bool write;
	bool kernel;		/* by a system call */
	atomic_bool quit;		/* no request: end */

	/* Written by the toucher, valid when @finished is seen. */
	size_t done;		/* bytes moved */
	int signal;		/* that ended the access, or 0; EFAULT counts as SIGBUS */
	u64 signal_addr;	/* the byte it could not reach */
	atomic_bool finished;

	atomic_int tid;		/* as in messages; set before the first request is served */
	pthread_t thread;
	sem_t go;		/* a request is there */
	int done_fd;		/* eventfd, told when a request is finished */
	int scratch;		/* memfd that system calls copy to and from; -1 without */
	volatile sig_atomic_t armed;	/* a signal now belongs to the access */
	sigjmp_buf escape;
};

/**
 * toucher_create() - start a thread
 * @name: of the task; the thread's name is its beginning
 * @done_fd: eventfd to add 1 to whenever a request is finished
 *
 * toucher_signals_get() must have been called. Return: the toucher, or NULL with errno.
 */
struct toucher *toucher_create(const char *name, int done_fd);

/** toucher_destroy() - end the thread and free it; it must not sleep in a fault for good */
void toucher_destroy(struct toucher *t);

/**
 * toucher_post() - give an idle toucher a request
 * @t: the toucher
 * @a: the access
 * @kernel: touch user memory in a system call
 */
void toucher_post(struct toucher *t, const struct mmu_access *a, bool kernel);

/** toucher_finished() - whether the request is done, or ended by a signal */
static inline bool toucher_finished(struct toucher *t)
{
	return atomic_load_explicit(&t->finished, memory_order_acquire);
}

/**
 * toucher_signals_get() - catch SIGBUS and SIGSEGV for touchers
 *
 * Counted, as signal handlers belong to the whole process. What is not a toucher's
 * goes to the handlers that were there before. Return: 0 or a negative errno.
 */
int toucher_signals_get(void);

/** toucher_signals_put() - undo one toucher_signals_get() */
void toucher_signals_put(void);

#endif

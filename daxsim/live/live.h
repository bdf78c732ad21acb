/* SPDX-License-Identifier: MIT */
/*
 * Private to libdaxsim's live side: a machine that threads of the program itself
 * enter, by a call or by a page fault, and leave again. There is one process in it.
 */
#ifndef DAXSIM_LIVE_H
#define DAXSIM_LIVE_H

#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "backends/mmu/live.h"
#include "daxsim/daxsim.h"
#include "daxsim/kernel/file.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/live/dir.h"
#include "daxsim/sim/point.h"
#include "daxsim/sim/sim.h"

#define LIVE_TASKS 1024		/* threads inside of one machine at a time */

/* A task for whoever is in the machine; each thread goes back to the one it had last. */
struct live_slot {
	_Alignas(64) atomic_bool busy;
	_Atomic(struct task *) task;	/* made when it is first needed */
};

/* A thread that serves the faults of one userfaultfd. */
struct live_handler {
	struct daxsim *d;
	struct uffd_pt *pt;
	pthread_t thread;
	struct io_uring ring;	/* if it waits by one */
	bool started;
	int cpu;		/* it is bound to, because faults came from there */
	u32 until_look;		/* faults until the next look, */
	u32 between_looks;	/* and from that to the one after it */
};

struct daxsim {
	_Atomic u64 first, len;		/* addresses whose faults it serves; len 0: none */
	struct live_slot slots[LIVE_TASKS];
	bool in_use;			/* this place in signal.c's table; under its lock */
	bool forked;			/* this is a child's copy: of no use */
	struct sim sim;
	struct live_mmu mmu;
	struct mm *mm;
	struct live_dir dir;
	enum daxsim_engine engine;
	enum daxsim_loop loop;
	void *watcher;			/* for sim.jitter, which finds it here */
	_Atomic u64 nr_signals;
	_Atomic u64 nr_changes;		/* after which a fault that failed may work */
	struct live_handler handlers[LIVE_SHARDS];
	u8 *bell;			/* a page for each handler; a fault there ends it */
};

/**
 * live_mount() - daxsim_mount() with somebody who watches and delays threads
 * @o: as for daxsim_mount()
 * @jitter: sim->jitter of the machine: called at every point of every thread; NULL for none
 * @watcher: put into d->watcher for it
 */
int live_mount(const struct daxsim_options *o, void (*jitter)(struct task *t, enum point_id id),
	       void *watcher, struct daxsim **d);

/* A thread's stay in a machine. */
struct live_stay {
	struct live_slot *slot;
	struct task *before;	/* what was current; another machine's, or NULL */
	sigset_t signals;
};

/**
 * live_claim(), live_release() - become a task of a machine, and stop being it
 * @d: the machine
 * @stay: remembers how it was before
 *
 * For signal handlers, too. A thread that is inside already stays who it is.
 * Return: 0, -EAGAIN if LIVE_TASKS threads are inside, -ESRCH if there is no machine (any
 * more), or -ENOMEM.
 */
int live_claim(struct daxsim *d, struct live_stay *stay);
void live_release(struct live_stay *stay);

/**
 * live_enter(), live_leave() - the same for a call of the program
 *
 * No handler of the program runs on this thread meanwhile: it could fault inside of a lock.
 * Return: as live_claim(), or -ESRCH in a child; told to live_error().
 */
int live_enter(struct daxsim *d, struct live_stay *stay);
void live_leave(struct live_stay *stay);

/** live_error() - remember a line for daxsim_error(). Return: @err */
int live_error(int err, const char *fmt, ...) __printf(2, 3);

/** live_result() - the same with strerror() for a call that has nothing to add; @err from 0 up is fine */
ssize_t live_result(ssize_t err, const char *call);

struct daxsim_file {
	struct daxsim *d;
	struct file file;
};

/* In, @expr, out; its value, and the line about it. */
#define CALL(d, name, expr)                                                                        \
	({                                                                                         \
		struct live_stay stay_;                                                            \
		ssize_t ret_ = live_enter(d, &stay_);                                              \
                                                                                                   \
		if (!ret_) {                                                                       \
			ret_ = (expr);                                                             \
			live_leave(&stay_);                                                        \
			live_result(ret_, name);                                                   \
		}                                                                                  \
		ret_;                                                                              \
	})

/*
 * fault.c
 */

/**
 * live_fault() - serve a page fault of the current task
 * @d: the machine
 * @addr: any address
 * @write: a store
 * @wake: threads that wait for the page are to go on, if it is had
 *
 * Return: 0, or the signal that the access deserves.
 */
int live_fault(struct daxsim *d, u64 addr, bool write, bool wake);

/** live_populate() - fault pages in. Return: as daxsim_populate() */
int live_populate(struct daxsim *d, u64 addr, u64 nr_pages, bool write);

/** live_again() - a file has got longer, or there is more space: what failed may work now */
void live_again(struct daxsim *d);

/*
 * signal.c: the process's machines, its SIGBUS and SIGSEGV, and its fork(2).
 */

/** live_new() - a zeroed machine to set up. Return: 0, or -EMFILE or another error, told */
int live_new(struct daxsim **dp);

/** live_free() - give it back; nobody is inside, and nothing of it is left */
void live_free(struct daxsim *d);

/** live_open_for_faults() - serve the faults of threads that get signals for them */
void live_open_for_faults(struct daxsim *d);

/** live_close_for_faults() - do not any more, and wait until none is being served */
void live_close_for_faults(struct daxsim *d);

/* handler.c */
int live_handlers_start(struct daxsim *d, char *why, size_t size);
void live_handlers_stop(struct daxsim *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Fibers: stacks that take turns in one thread. A session of the simulated
 * kernel runs in one, so that it can stop anywhere, however deep in the fault
 * path, and go on when the scheduler says so. Exploration abandons and restarts
 * them all the time; hence a stack is mapped once, and starting anew is a few
 * stores.
 *
 * All fibers that switch to each other belong to one thread. They share what the
 * thread has one of: errno, the signal mask, and the floating-point environment
 * (rounding mode, exception masks), which nothing here ever changes.
 */
#ifndef DAXSIM_FIBER_H
#define DAXSIM_FIBER_H

#include <stddef.h>

/*
 * A fiber, or, when all zero, the thread's own stack: that one is never
 * initialised, prepared or destroyed, only switched from and back to. A fiber
 * must stay at its address from fiber_prepare() on.
 */
struct fiber {
	void *sp;		/* while not running: where its registers are saved */
	void *stack;		/* lowest usable byte; the guard page lies below */
	size_t stack_size;	/* usable bytes, a multiple of the page size */
	void (*entry)(void *arg);
	void *arg;
	struct {		/* what a sanitizer knows of this fiber; idle without one */
		struct fiber *from;	/* ASan: who switched here last */
		const void *bottom;	/* ASan: the stack's bounds, learnt for the thread's own */
		size_t size;
		void *fake_stack;	/* ASan: the locals of use-after-return detection */
		void *tsan;		/* TSan: its idea of this fiber */
	} san;
};

/**
 * fiber_init() - give a fiber its stack
 * @f: the fiber, contents ignored
 * @stack_size: usable bytes, from 16 KiB to 1 GiB; rounded up to whole pages
 *
 * The stack has an inaccessible page below it, so that an overflow
 * faults. Memory is used only as it is touched.
 *
 * Return: 0, or -ENOMEM.
 */
int fiber_init(struct fiber *f, size_t stack_size);

/**
 * fiber_prepare() - make a fiber start from scratch
 * @f: an initialised fiber that is not the running one
 * @entry: called on an empty stack at the next switch to @f; must never return,
 *	but switch away for good: a return aborts the program
 * @arg: handed to @entry
 *
 * If @f was left half way, that run is forgotten: nothing on its stack is
 * unwound. No system call is made (except by the sanitizers).
 */
void fiber_prepare(struct fiber *f, void (*entry)(void *), void *arg);

/**
 * fiber_switch() - leave one fiber and continue another
 * @from: the running fiber, or the zeroed one that stands for the thread's stack
 * @to: a prepared fiber, or one that was left by this function; not @from
 *
 * Returns when something switches back to @from.
 */
void fiber_switch(struct fiber *from, struct fiber *to);

/**
 * fiber_in_use() - how much of the stack a fiber needs to go on
 * @f: a fiber that was left, or is prepared
 *
 * So many bytes at the top of its stack and struct fiber are all of it: put back where they
 * were, they make it go on from the same place again.
 *
 * Return: bytes; 0 if there is more to it, as a sanitizer or the portable switch have it.
 */
size_t fiber_in_use(const struct fiber *f);

/**
 * fiber_destroy() - free the stack
 * @f: a fiber that is not running; one that is all zero is left alone
 */
void fiber_destroy(struct fiber *f);

#endif

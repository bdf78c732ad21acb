// SPDX-License-Identifier: MIT
/*
 * Fibers. Three layers, bottom up: the machine's way to change stacks, what the
 * sanitizers must be told about it, and the public functions.
 *
 * -DFIBER_UCONTEXT takes the portable way even where there is an assembly one.
 */
#include "daxsim/sim/fiber.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0	/* gcc 12 has the __SANITIZE macros instead */
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define FIBER_ASAN
#include <sanitizer/asan_interface.h>
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* For code that runs while a sanitizer and the stack pointer disagree on the stack. */
#define NO_SAN __attribute__((no_sanitize_address, no_sanitize_thread))
#define NO_SAN_INLINE static inline NO_SAN __attribute__((always_inline))

static void fiber_start(struct fiber *f);

#if defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__)) && !defined(FIBER_UCONTEXT)

/* fiber_x86_64.S, fiber_aarch64.S */
void fiber_swap(void **save, void *load);
void fiber_boot(void);

/* Where fiber_swap() keeps, in words from the saved stack pointer, what fiber_boot() needs. */
enum {
#ifdef __x86_64__
	FRAME_FN = 3,		/* r12 */
	FRAME_ARG = 4,		/* rbx */
	FRAME_PC = 6,
	FRAME_WORDS = 7,
#else
	FRAME_ARG = 8,		/* x19 */
	FRAME_FN = 9,		/* x20 */
	FRAME_PC = 19,		/* x30 */
	FRAME_WORDS = 20,
#endif
};

static void machine_init(struct fiber *f)
{
	f->sp = NULL;
}

static size_t machine_in_use(const struct fiber *f)
{
	return (char *)f->stack + f->stack_size - (char *)f->sp;
}

/* A frame as if the fiber had called fiber_swap() with all registers zero, so no frame pointer. */
static void machine_prepare(struct fiber *f)
{
	uintptr_t *top = (uintptr_t *)((char *)f->stack + f->stack_size);
	uintptr_t *frame = top - FRAME_WORDS;

	memset(frame, 0, FRAME_WORDS * sizeof(*frame));
	frame[FRAME_FN] = (uintptr_t)fiber_start;
	frame[FRAME_ARG] = (uintptr_t)f;
	frame[FRAME_PC] = (uintptr_t)fiber_boot;
	f->sp = frame;
}

NO_SAN_INLINE void machine_switch(struct fiber *from, struct fiber *to)
{
	fiber_swap(&from->sp, to->sp);
}

#else

#include <ucontext.h>

static size_t machine_in_use(const struct fiber *f)
{
	(void)f;
	return 0;
}

/*
 * sp points to a context: of a fiber that was left, in the frame of machine_switch();
 * of a fresh one, in the topmost bytes of its stack, filled in once by machine_init()
 * so that preparing needs no system call.
 */
static ucontext_t *initial_context(struct fiber *f)
{
	size_t room = (sizeof(ucontext_t) + 63) & ~(size_t)63;

	return (ucontext_t *)((char *)f->stack + f->stack_size - room);
}

static void machine_init(struct fiber *f)
{
	ucontext_t *uc = initial_context(f);

	getcontext(uc);
	uc->uc_link = NULL;
	uc->uc_stack.ss_sp = f->stack;
	uc->uc_stack.ss_size = (char *)uc - (char *)f->stack;
}

/* makecontext() passes on nothing but int. */
static NO_SAN void context_boot(unsigned int high, unsigned int low)
{
	fiber_start((struct fiber *)(uintptr_t)((uint64_t)high << 32 | low));
}

static void machine_prepare(struct fiber *f)
{
	uint64_t self = (uintptr_t)f;

	f->sp = initial_context(f);
	makecontext(f->sp, (void (*)(void))context_boot, 2, (unsigned int)(self >> 32),
		    (unsigned int)self);
}

NO_SAN_INLINE void machine_switch(struct fiber *from, struct fiber *to)
{
	ucontext_t here;

	here.uc_stack = (stack_t){ 0 };	/* ASan wipes what is known of this stack: nothing */
	from->sp = &here;
	swapcontext(&here, to->sp);
}

#endif

/*
 * san_leave() and san_arrive() stand before and after every change of stacks;
 * san_new() and san_forget() begin and end one run of a fiber. The first two are
 * part of their caller's frame, because TSan counts calls and returns per fiber.
 */
#if defined(FIBER_ASAN)

NO_SAN_INLINE void san_leave(struct fiber *from, struct fiber *to)
{
	to->san.from = from;
	__sanitizer_start_switch_fiber(&from->san.fake_stack, to->san.bottom, to->san.size);
}

NO_SAN_INLINE void san_arrive(struct fiber *self)
{
	struct fiber *from = self->san.from;

	__sanitizer_finish_switch_fiber(self->san.fake_stack, &from->san.bottom, &from->san.size);
}

static void san_new(struct fiber *f)
{
	f->san.bottom = f->stack;
	f->san.size = f->stack_size;
}

/*
 * An abandoned run leaves red zones on its stack and perhaps a fake stack. The latter
 * goes away only when a fiber is left for good, so pretend to be in it for a moment.
 */
static NO_SAN void san_forget(struct fiber *f)
{
	const void *bottom;
	void *mine;
	size_t size;

	__asan_unpoison_memory_region(f->stack, f->stack_size);
	if (!f->san.fake_stack)
		return;
	__sanitizer_start_switch_fiber(&mine, f->stack, f->stack_size);
	__sanitizer_finish_switch_fiber(f->san.fake_stack, &bottom, &size);
	__sanitizer_start_switch_fiber(NULL, bottom, size);
	__sanitizer_finish_switch_fiber(mine, NULL, NULL);
	f->san.fake_stack = NULL;
}

#elif defined(FIBER_TSAN)

NO_SAN_INLINE void san_leave(struct fiber *from, struct fiber *to)
{
	from->san.tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->san.tsan, 0);
}

NO_SAN_INLINE void san_arrive(struct fiber *self)
{
	(void)self;
}

/* One TSan fiber per run: an abandoned run leaves its calls on TSan's own call stack. */
static void san_new(struct fiber *f)
{
	f->san.tsan = __tsan_create_fiber(0);
}

static void san_forget(struct fiber *f)
{
	if (f->san.tsan)
		__tsan_destroy_fiber(f->san.tsan);
	f->san.tsan = NULL;
}

#else

NO_SAN_INLINE void san_leave(struct fiber *from, struct fiber *to)
{
	(void)from;
	(void)to;
}

NO_SAN_INLINE void san_arrive(struct fiber *self)
{
	(void)self;
}

static void san_new(struct fiber *f)
{
	(void)f;
}

static void san_forget(struct fiber *f)
{
	(void)f;
}

#endif

/* The outermost C function of every fiber. */
static NO_SAN void fiber_start(struct fiber *f)
{
	san_arrive(f);
	f->entry(f->arg);
	fputs("fiber: the entry function returned; it must switch away for good\n", stderr);
	abort();
}

#define MAX_STACK (1UL << 30)	/* bytes */

int fiber_init(struct fiber *f, size_t stack_size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size = (stack_size + page - 1) & ~(page - 1);
	char *guard;

	if (size < stack_size || size > MAX_STACK)
		return -ENOMEM;
	/* Not mapped: machines come and go, and page faults on new stacks cost more than they do. */
	guard = aligned_alloc(page, page + size);
	if (!guard)
		return -ENOMEM;
	if (mprotect(guard, page, PROT_NONE)) {
		free(guard);
		return -ENOMEM;
	}
	*f = (struct fiber){ .stack = guard + page, .stack_size = size };
	machine_init(f);
	return 0;
}

void fiber_prepare(struct fiber *f, void (*entry)(void *), void *arg)
{
	san_forget(f);
	f->entry = entry;
	f->arg = arg;
	machine_prepare(f);
	san_new(f);
}

NO_SAN void fiber_switch(struct fiber *from, struct fiber *to)
{
	san_leave(from, to);
	machine_switch(from, to);
	san_arrive(from);
}

size_t fiber_in_use(const struct fiber *f)
{
#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
	return 0;
#endif
	return machine_in_use(f);
}

void fiber_destroy(struct fiber *f)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *guard;

	if (!f->stack)
		return;
	san_forget(f);
	guard = (char *)f->stack - page;
	/* What cannot be touched cannot be given back. */
	if (!mprotect(guard, page, PROT_READ | PROT_WRITE))
		free(guard);
	*f = (struct fiber){ 0 };
}

// SPDX-License-Identifier: MIT
/* Fibers: what must survive a switch, a restart, and the end of the stack. */
#include "daxsim/sim/fiber.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_SIZE (128 * 1024)
#define MARGIN (8 * 1024)	/* a context of swapcontext() is 4.5 KiB on aarch64 */
#define NOINLINE __attribute__((noinline))

/* With this on, ASan gives a fiber a fake stack, which is the harder case. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=1";
}

/* Makes the compiler forget what it knows of a value, so that it has to keep it somewhere. */
static inline unsigned long hide(unsigned long x)
{
	__asm__ volatile("" : "+r"(x));
	return x;
}

/* Registers gone wrong tend to end in a loop. */
TestSuite(fiber, .timeout = 60);

/* A fiber with the one it switches back to, and room for what a test observes. */
struct turn {
	struct fiber self, *back;
	unsigned long seed, seen, bad;
	char *where;
};

static void yield(struct turn *t)
{
	fiber_switch(&t->self, t->back);
}

static void start(struct turn *t, struct fiber *back, void (*entry)(void *))
{
	*t = (struct turn){ .back = back };
	cr_assert_eq(fiber_init(&t->self, STACK_SIZE), 0);
	fiber_prepare(&t->self, entry, t);
}

/*
 * Holds more values across a switch than there are callee-saved registers, integer and
 * floating point, all derived from @seed. Returns how many differ afterwards.
 */
static NOINLINE unsigned long hold_values(struct fiber *from, struct fiber *to, unsigned long seed)
{
	unsigned long a = hide(seed + 1), b = hide(seed + 2), c = hide(seed + 3);
	unsigned long d = hide(seed + 4), e = hide(seed + 5), f = hide(seed + 6);
	unsigned long g = hide(seed + 7), h = hide(seed + 8), i = hide(seed + 9);
	unsigned long j = hide(seed + 10), k = hide(seed + 11);
	double p = hide(seed) * 1.5, q = hide(seed) * 2.5, r = hide(seed) * 3.5;
	double s = hide(seed) * 4.5, t = hide(seed) * 5.5, u = hide(seed) * 6.5;
	double v = hide(seed) * 7.5, w = hide(seed) * 8.5, x = hide(seed) * 9.5;
	unsigned char buf[100];
	unsigned long bad = 0;

	memset(buf, (int)seed, sizeof(buf));
	fiber_switch(from, to);
	bad += (a != seed + 1) + (b != seed + 2) + (c != seed + 3) + (d != seed + 4);
	bad += (e != seed + 5) + (f != seed + 6) + (g != seed + 7) + (h != seed + 8);
	bad += (i != seed + 9) + (j != seed + 10) + (k != seed + 11);
	bad += (p != seed * 1.5) + (q != seed * 2.5) + (r != seed * 3.5) + (s != seed * 4.5);
	bad += (t != seed * 5.5) + (u != seed * 6.5) + (v != seed * 7.5) + (w != seed * 8.5);
	bad += x != seed * 9.5;
	for (size_t n = 0; n < sizeof(buf); n++)
		bad += buf[n] != (unsigned char)seed;
	return bad;
}

static void values_fiber(void *arg)
{
	struct turn *t = arg;

	for (;;) {
		t->bad += hold_values(&t->self, t->back, t->seed + t->seen);
		t->seen++;
	}
}

Test(fiber, keeps_values)
{
	struct fiber me = { 0 };
	unsigned long bad = 0;
	struct turn t;

	start(&t, &me, values_fiber);
	t.seed = 1000000;
	for (unsigned long n = 0; n < 1000; n++)
		bad += hold_values(&me, &t.self, n);
	cr_expect_eq(bad, 0, "the thread lost values");
	cr_expect_eq(t.bad, 0, "the fiber lost values");
	cr_expect_eq(t.seen, 999);
	fiber_destroy(&t.self);
}

/* Each passes the turn to the next, the last one to the thread. */
Test(fiber, many_in_turn)
{
	enum { FIBERS = 64, LAPS = 50 };
	struct turn *t = calloc(FIBERS, sizeof(*t));
	struct fiber me = { 0 };

	cr_assert_not_null(t);
	for (int n = 0; n < FIBERS; n++) {
		start(&t[n], n + 1 < FIBERS ? &t[n + 1].self : &me, values_fiber);
		t[n].seed = 1000 * n;
	}
	for (int lap = 0; lap < LAPS; lap++)
		fiber_switch(&me, &t[0].self);
	for (int n = 0; n < FIBERS; n++) {
		cr_expect_eq(t[n].bad, 0, "fiber %d", n);
		cr_expect_eq(t[n].seen, LAPS - 1, "fiber %d", n);
		fiber_destroy(&t[n].self);
	}
	free(t);
}

static void entry_fiber(void *arg)
{
	struct turn *t = arg;

	t->seen++;
	t->where = __builtin_frame_address(0);
	yield(t);
	abort();
}

Test(fiber, entry_gets_argument_on_own_stack)
{
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, entry_fiber);
	cr_expect_eq(t.seen, 0, "entered before the first switch");
	fiber_switch(&me, &t.self);
	cr_expect_eq(t.seen, 1);
	cr_expect(t.where > (char *)t.self.stack);
	cr_expect(t.where <= (char *)t.self.stack + t.self.stack_size);
	fiber_destroy(&t.self);
	cr_expect_null(t.self.stack);
	fiber_destroy(&t.self);
}

/* An aligned vector store into a local faults where the stack is off by a word. */
static void vector_fiber(void *arg)
{
	typedef int v4 __attribute__((vector_size(16)));
	struct turn *t = arg;
	v4 v = { 1, 2, 3, 4 };
	v4 *p = (v4 *)hide((uintptr_t)&v);

	*p += (v4){ 1, 1, 1, 1 };
	t->where = (char *)p;
	t->seen = (*p)[0] + (*p)[1] + (*p)[2] + (*p)[3];
	t->bad = (uintptr_t)__builtin_frame_address(0) % 16;
	yield(t);
}

Test(fiber, entry_stack_is_aligned)
{
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, vector_fiber);
	fiber_switch(&me, &t.self);
	cr_expect_eq(t.seen, 14);
	cr_expect_eq(t.bad, 0, "the frame");
	cr_expect_eq((uintptr_t)t.where % 16, 0, "the vector");
	fiber_destroy(&t.self);
}

/* Bytes of stack below the current frame. */
static size_t room(struct turn *t)
{
	return (char *)__builtin_frame_address(0) - (char *)t->self.stack;
}

/*
 * Recurses until less than @keep bytes are left, stops there for a turn, and checks the way
 * back. Under ASan the fixed array is on the fake stack, whose loss would be a leak. The one
 * of variable length is on the real stack even so: the red zones that an abandoned run has
 * left there would lie in the arrays of the next.
 */
static NOINLINE unsigned long dig(struct turn *t, unsigned long depth, size_t keep)
{
	volatile unsigned char buf[64 + t->seed % 7 * 16];
	volatile unsigned long fixed[4] = { 0 };
	unsigned long reached = depth;

	fixed[depth % 4] = depth;
	for (size_t n = 0; n < sizeof(buf); n++)
		buf[n] = depth + n;
	if (room(t) > keep)
		reached = dig(t, depth + 1, keep);
	else
		yield(t);
	t->bad += fixed[depth % 4] != depth;
	for (size_t n = 0; n < sizeof(buf); n++)
		t->bad += buf[n] != (unsigned char)(depth + n);
	return reached;
}

static void dig_fiber(void *arg)
{
	struct turn *t = arg;

	t->seen = dig(t, 1, MARGIN);
	t->where = __builtin_frame_address(0);
	yield(t);
}

Test(fiber, deep_recursion)
{
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, dig_fiber);
	fiber_switch(&me, &t.self);
	cr_expect_eq(t.seen, 0, "came back before it was at the bottom");
	fiber_switch(&me, &t.self);
	cr_expect_gt(t.seen, 50, "hardly any recursion");
	cr_expect_eq(t.bad, 0, "a frame was overwritten");
	cr_expect_not_null(t.where);
	fiber_destroy(&t.self);
}

/* Total address space of the process, in pages. */
static long vm_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%ld", &pages), 1);
	fclose(f);
	return pages;
}

/* Abandons a run at many depths: the next must start at the same place, and find no trace of it. */
Test(fiber, restart_after_abandon)
{
	struct fiber me = { 0 };
	char *where = NULL;
	long pages = 0;
	struct turn t;

	start(&t, &me, dig_fiber);
	for (int n = 0; n < 1000; n++) {
		if (n == 100)
			pages = vm_pages();
		fiber_prepare(&t.self, entry_fiber, &t);
		fiber_switch(&me, &t.self);
		if (!where)
			where = t.where;
		cr_assert_eq(t.where, where, "run %d starts elsewhere", n);
		t.seed = n;
		fiber_prepare(&t.self, dig_fiber, &t);
		fiber_switch(&me, &t.self);
	}
	cr_expect_eq(t.seen, 1000);
	cr_expect_lt(vm_pages() - pages, 4096, "restarting eats address space");

	/* The last one was not abandoned: it can still go on. */
	fiber_switch(&me, &t.self);
	cr_expect_gt(t.seen, 50);
	cr_expect_eq(t.bad, 0);
	fiber_destroy(&t.self);
}

/* Preparing twice, or without ever entering, is nothing special. */
Test(fiber, prepare_replaces_prepare)
{
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, dig_fiber);
	fiber_prepare(&t.self, entry_fiber, &t);
	fiber_switch(&me, &t.self);
	cr_expect_eq(t.seen, 1);
	fiber_prepare(&t.self, entry_fiber, &t);
	fiber_destroy(&t.self);
}

static struct {
	char *low, *high;
} guard;

/* A fault in the guard page is let through to kill the test; any other ends it differently. */
static void on_segv(int sig, siginfo_t *info, void *context)
{
	char *addr = info->si_addr;

	(void)context;
	if (addr < guard.low || addr >= guard.high)
		_exit(3);
	signal(sig, SIG_DFL);
}

static void overflow_fiber(void *arg)
{
	struct turn *t = arg;

	t->seen = dig(t, 1, 0);
}

Test(fiber, overflow_hits_the_guard, .signal = SIGSEGV)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t alt = { .ss_size = STACK_SIZE };
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, overflow_fiber);
	guard.high = t.self.stack;
	guard.low = guard.high - sysconf(_SC_PAGESIZE);
	alt.ss_sp = malloc(alt.ss_size);
	cr_assert_eq(sigaltstack(&alt, NULL), 0);
	cr_assert_eq(sigaction(SIGSEGV, &sa, NULL), 0);
	fiber_switch(&me, &t.self);
}

static void returning_fiber(void *arg)
{
	(void)arg;
}

Test(fiber, return_from_entry_aborts, .signal = SIGABRT)
{
	struct fiber me = { 0 };
	struct turn t;

	start(&t, &me, returning_fiber);
	fiber_switch(&me, &t.self);
}

Test(fiber, no_memory)
{
	struct fiber f;

	cr_expect_eq(fiber_init(&f, SIZE_MAX), -ENOMEM, "the size wraps when rounded");
	cr_expect_eq(fiber_init(&f, SIZE_MAX / 2), -ENOMEM);
}

// SPDX-License-Identifier: MIT
/*
 * What a fiber switch costs, beside swapcontext(3) in the same run, and what it
 * costs to start a fiber anew. Each figure is the best of several rounds.
 */
#include "daxsim/sim/fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

#define ROUNDS 7
#define STACK_SIZE (64 * 1024)

static struct fiber main_fiber, fiber;
static ucontext_t main_context, context;
static char context_stack[STACK_SIZE];

static void fiber_loop(void *arg)
{
	(void)arg;
	for (;;)
		fiber_switch(&fiber, &main_fiber);
}

static void context_loop(void)
{
	for (;;)
		swapcontext(&context, &main_context);
}

static void fiber_trip(void)
{
	fiber_switch(&main_fiber, &fiber);
}

static void context_trip(void)
{
	swapcontext(&main_context, &context);
}

static void prepare(void)
{
	fiber_prepare(&fiber, fiber_loop, NULL);
}

static void restart(void)
{
	fiber_prepare(&fiber, fiber_loop, NULL);
	fiber_switch(&main_fiber, &fiber);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* The time of one @op, in ns. */
static double measure(void (*op)(void), long n)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), ns;

		for (long i = 0; i < n; i++)
			op();
		ns = (now_ns() - start) / n;
		if (!round || ns < best)
			best = ns;
	}
	return best;
}

int main(void)
{
	double fiber_ns, context_ns;

	if (fiber_init(&fiber, STACK_SIZE)) {
		fputs("fiber_switch: no memory for a stack\n", stderr);
		return EXIT_FAILURE;
	}
	prepare();
	getcontext(&context);
	context.uc_stack.ss_sp = context_stack;
	context.uc_stack.ss_size = sizeof(context_stack);
	makecontext(&context, context_loop, 0);

	fiber_ns = measure(fiber_trip, 2000000) / 2;
	context_ns = measure(context_trip, 200000) / 2;
	printf("fiber_switch   %8.2f ns\n", fiber_ns);
	printf("swapcontext    %8.2f ns  %.1f times as long\n", context_ns, context_ns / fiber_ns);
	printf("fiber_prepare  %8.2f ns\n", measure(prepare, 2000000));
	printf("restart        %8.2f ns  prepare, switch there and back\n",
	       measure(restart, 2000000));
	fiber_destroy(&fiber);
	return EXIT_SUCCESS;
}

// SPDX-License-Identifier: MIT
/* Programs that do not end, that make no sense to explore, or that are not the same in every run. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/toy_program.h"

/* Thread 0 goes round and round until thread 1 has written. */
struct looping {
	bool written;
	bool done[2];
};

static void looping_reset(void *data)
{
	memset(data, 0, sizeof(struct looping));
}

static u32 looping_enabled(void *data, u32 *unfinished)
{
	const struct looping *l = data;

	*unfinished = (l->done[0] ? 0 : 1) | (l->done[1] ? 0 : 2);
	return *unfinished;
}

static void looping_pending(void *data, unsigned int thread, struct explore_event *e)
{
	(void)data;
	*e = (struct explore_event){ .object = { 1 },
				     .kind = { thread ? EXPLORE_WRITE : EXPLORE_READ } };
}

static void looping_step(void *data, unsigned int thread, struct explore_event *e)
{
	struct looping *l = data;

	looping_pending(data, thread, e);
	if (thread)
		l->written = l->done[1] = true;
	else
		l->done[0] = l->written;
}

Test(explore_odd, endless_loop_is_bounded_and_said)
{
	struct looping l;
	const struct explore_program p = {
		.data = &l, .nr_threads = 2, .reset = looping_reset,
		.enabled = looping_enabled, .pending = looping_pending, .step = looping_step,
	};
	const struct explore_options o = { .max_events = 10 };
	struct explore_result r;

	cr_assert_eq(explore(&p, &o, &r), 0);
	/* The write comes before one of the ten reads, or after them all. */
	cr_expect_eq(r.classes, 11);
	cr_expect_gt(r.bounded, 0);
	cr_expect_not(r.complete);
}

#define LONG_READS [1] = { .kind = EXPLORE_READ, .var = 1 }, [2] = { .kind = EXPLORE_READ, .var = 1 },   \
		   [3] = { .kind = EXPLORE_READ, .var = 1 }, [4] = { .kind = EXPLORE_READ, .var = 1 }

/* Who waits for a thread that was stopped is not stuck; who waits for one that has ended is. */
Test(explore_odd, waiting_for_one_that_was_stopped)
{
	struct toy toy = {
		.nr_threads = 3,
		.code = {
			{ { .kind = EXPLORE_LOCK, .var = 0 }, LONG_READS,
			  { .kind = EXPLORE_UNLOCK, .var = 0 } },
			{ { .kind = EXPLORE_LOCK, .var = 0 }, { .kind = EXPLORE_UNLOCK, .var = 0 } },
			{ { .kind = EXPLORE_READ, .var = 2 } },
		},
	};
	const struct explore_program p = toy_program(&toy);
	const struct explore_options o = { .max_events = 4 };
	struct explore_result r;

	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(r.classes, 2);
	cr_expect_eq(r.bounded, 2);
	cr_expect_eq(r.deadlocks, 0);
	cr_expect_not(r.complete);

	/* It waits for itself. */
	toy.code[2][0] = toy.code[2][1] = (struct toy_op){ .kind = EXPLORE_LOCK, .var = 3 };
	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(r.bounded, 2);
	cr_expect_eq(r.deadlocks, 2);

	/* It ends with the lock that another asks for, if that one comes later. */
	toy.code[2][1] = (struct toy_op){ .kind = EXPLORE_NONE };
	toy.code[1][0].var = toy.code[1][1].var = 3;
	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(r.classes, 2);
	cr_expect_eq(r.bounded, 2);
	cr_expect_eq(r.deadlocks, 1);
}

Test(explore_odd, nonsense_is_refused)
{
	struct toy toy = toy_readers(2);
	struct explore_program p = toy_program(&toy);
	struct explore_options o = { .strategy = EXPLORE_PCT, .bound = 3 };
	struct explore_result r;

	cr_expect_eq(explore(&p, &o, &r), -EINVAL);
	o.runs = 1;
	o.bound = 0;
	cr_expect_eq(explore(&p, &o, &r), -EINVAL);
	o.bound = EXPLORE_MAX_DEPTH + 1;
	cr_expect_eq(explore(&p, &o, &r), -EINVAL);
	o.bound = 1;
	cr_expect_eq(explore(&p, &o, &r), 0);
	p.nr_threads = EXPLORE_THREADS + 1;
	cr_expect_eq(explore(&p, &o, &r), -EINVAL);
}

/* A program that is not the same in every run. */
static void drifting_step(void *data, unsigned int thread, struct explore_event *e)
{
	static int calls;

	looping_step(data, thread, e);
	e->object[0] += calls++ / 15;
}

Test(explore_odd, replay_that_differs_is_an_error)
{
	struct looping l;
	const struct explore_program p = {
		.data = &l, .nr_threads = 2, .reset = looping_reset,
		.enabled = looping_enabled, .pending = looping_pending, .step = drifting_step,
	};
	const struct explore_options o = { .max_events = 10 };
	struct explore_result r;

	cr_expect_eq(explore(&p, &o, &r), -EUCLEAN);
	cr_expect_geq(r.diverged, 0);
}

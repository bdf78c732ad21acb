// SPDX-License-Identifier: MIT
/* Exploring in several processes: to the last class the same as in one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/toy_program.h"

#define MAX_RUNS 70000

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* What visits saw: the behaviour of every execution, in their order. */
struct seen {
	struct toy *toy;
	u32 nr;
	u32 nr_taken;		/* parts taken over */
	u32 stop_after;		/* visits, here or in any other process; 0: never */
	u32 die_after;		/* visits, in another process; 0: never */
	u64 worth;
	bool refuse;		/* to take anything over */
	pid_t pid;
	u64 hashes[MAX_RUNS];
};

struct packed {
	u32 nr;
	u64 hashes[MAX_RUNS];
};

static bool visit(void *ctx, const struct explore_run *run)
{
	struct seen *s = ctx;

	(void)run;
	cr_assert_lt(s->nr, MAX_RUNS);
	s->hashes[s->nr++] = s->toy->hash;
	if (s->nr == s->die_after && getpid() != s->pid)
		raise(SIGKILL);
	if (s->nr == s->stop_after)
		kill(s->pid, SIGTERM);
	return true;
}

static void begin(void *ctx)
{
	struct seen *s = ctx;

	s->nr = s->nr_taken = 0;
}

static bool pack(void *ctx, void *to)
{
	const struct seen *s = ctx;
	struct packed *p = to;

	p->nr = s->nr;
	memcpy(p->hashes, s->hashes, s->nr * sizeof(*s->hashes));
	return true;
}

static bool take(void *ctx, const void *from)
{
	struct seen *s = ctx;
	const struct packed *p = from;

	if (s->refuse)
		return false;
	cr_assert_leq(s->nr + p->nr, MAX_RUNS);
	memcpy(s->hashes + s->nr, p->hashes, p->nr * sizeof(*p->hashes));
	s->nr += p->nr;
	s->nr_taken++;
	return true;
}

/* Explore with @processes more than one, and see that they are all gone at the end. */
static struct explore_result search(struct seen *s, struct toy *toy, u64 most, s32 processes)
{
	volatile s32 *nr_free = mmap(NULL, sizeof(*nr_free), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct explore_ahead ahead = {
		.free = nr_free, .worth = s->worth, .size = sizeof(struct packed), .begin = begin, .pack = pack,
		.take = take,
	};
	const struct explore_options o = {
		.strategy = EXPLORE_DPOR, .most = most, .visit = visit, .ctx = s,
		.interrupted = &stop, .ahead = processes ? &ahead : NULL,
	};
	const struct explore_program p = toy_program(toy);
	struct explore_result r;

	cr_assert_neq(nr_free, MAP_FAILED);
	*nr_free = processes;
	signal(SIGTERM, on_signal);
	s->toy = toy;
	s->pid = getpid();
	cr_assert_eq(explore(&p, &o, &r), 0);
	cr_expect_eq(*nr_free, processes);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "somebody is left");
	munmap((void *)nr_free, sizeof(*nr_free));
	return r;
}

static struct seen *new_seen(void)
{
	struct seen *s = calloc(1, sizeof(*s));

	cr_assert_not_null(s);
	s->worth = 1000;
	return s;
}

static void expect_same(const struct seen *a, const struct explore_result *ra,
			const struct seen *b, const struct explore_result *rb)
{
	cr_expect_eq(ra->classes, rb->classes);
	cr_expect_eq(ra->executions, rb->executions);
	cr_expect_eq(ra->cut, rb->cut);
	cr_expect_eq(ra->deadlocks, rb->deadlocks);
	cr_expect_eq(ra->steps, rb->steps);
	cr_expect_eq(ra->complete, rb->complete);
	cr_expect_str_eq(ra->guarantee, rb->guarantee);
	cr_expect_eq(a->nr, b->nr);
	cr_expect_eq(memcmp(a->hashes, b->hashes, a->nr * sizeof(*a->hashes)), 0);
}

/* Returns what one process comes to. */
static struct explore_result check_same(struct toy toy, u64 most)
{
	struct seen *one = new_seen();
	struct explore_result r = search(one, &toy, most, 0);

	for (s32 processes = 1; processes <= 4; processes++) {
		struct seen *s = new_seen();
		struct explore_result q = search(s, &toy, most, processes);

		cr_expect_gt(s->nr_taken, 0);
		expect_same(one, &r, s, &q);
		free(s);
	}
	free(one);
	return r;
}

#define WRITE { EXPLORE_WRITE, 0, 0, 0 }
#define LOCK(v) { EXPLORE_LOCK, v, 0, 0 }
#define UNLOCK(v) { EXPLORE_UNLOCK, v, 0, 0 }

static struct toy writers(void)
{
	struct toy toy = { .nr_threads = 3 };

	for (int t = 0; t < 3; t++)
		for (int i = 0; i < 4; i++)
			toy.code[t][i] = (struct toy_op)WRITE;
	return toy;
}

Test(ahead, writers)
{
	cr_expect_eq(check_same(writers(), 0).classes, 34650);
}

Test(ahead, readers)
{
	cr_expect_eq(check_same(toy_readers(14), 0).classes, 1 << 14);
}

/* Some of these wait for each other for ever. */
Test(ahead, deadlocks)
{
	static const struct toy_op code[2][9] = {
		{ LOCK(8), WRITE, LOCK(9), WRITE, UNLOCK(9), UNLOCK(8), WRITE, WRITE, WRITE },
		{ LOCK(9), WRITE, LOCK(8), WRITE, UNLOCK(8), UNLOCK(9), WRITE, WRITE, WRITE },
	};
	struct toy toy = { .nr_threads = 3 };
	struct explore_result r;

	for (int t = 0; t < 3; t++)
		memcpy(toy.code[t], code[t % 2], sizeof(code[0]) - t / 2 * sizeof(code[0][0]));
	r = check_same(toy, 0);
	cr_expect_gt(r.deadlocks, 0);
}

/* Any programs, with locks, and with executions that are cut short; processes for next to nothing. */
Test(ahead, random_programs)
{
	u32 taken = 0;
	u64 cut = 0;

	for (u64 seed = 1; seed <= 150; seed++) {
		struct toy toy = toy_random(seed, seed % 2);
		struct seen *one = new_seen(), *three = new_seen();
		struct explore_result r = search(one, &toy, 3000, 0), q;

		three->worth = 1 + seed % 5 * 10;
		q = search(three, &toy, 3000, 1 + seed % 3);
		expect_same(one, &r, three, &q);
		taken += three->nr_taken;
		cut += r.cut;
		free(one);
		free(three);
	}
	cr_expect_gt(taken, 150);
	cr_expect_gt(cut, 10);
}

/* The last execution is the same one, wherever it is made. */
Test(ahead, no_more_than_allowed)
{
	static const u64 most[] = { 4500, 6001, 12345, 20000, 34649, 34650, 34651 };

	for (size_t i = 0; i < ARRAY_SIZE(most); i++) {
		struct toy toy = writers();
		struct seen *one = new_seen(), *three = new_seen();
		struct explore_result r = search(one, &toy, most[i], 0);
		struct explore_result q = search(three, &toy, most[i], 3);

		cr_expect_eq(r.executions, min_t(u64, most[i], 34650));
		expect_same(one, &r, three, &q);
		free(one);
		free(three);
	}
}

/* What cannot be taken over is explored all the same. */
Test(ahead, refused)
{
	struct toy toy = writers();
	struct seen *one = new_seen(), *three = new_seen();
	struct explore_result r = search(one, &toy, 0, 0), q;

	three->refuse = true;
	q = search(three, &toy, 0, 3);
	expect_same(one, &r, three, &q);
	free(one);
	free(three);
}

Test(ahead, process_is_killed)
{
	struct toy toy = writers();
	struct seen *one = new_seen(), *three = new_seen();
	struct explore_result r = search(one, &toy, 0, 0), q;

	three->die_after = 300;
	q = search(three, &toy, 0, 3);
	expect_same(one, &r, three, &q);
	free(one);
	free(three);
}

/* All that was seen anywhere is told. */
Test(ahead, interrupted)
{
	struct toy toy = writers();
	struct seen *s = new_seen();
	struct explore_result r;

	s->stop_after = 3000;
	r = search(s, &toy, 0, 3);
	cr_expect(!r.complete);
	cr_expect_geq(r.executions, 3000);
	cr_expect_lt(r.executions, 34650);
	cr_expect_eq(r.executions, s->nr);
	free(s);
}

// SPDX-License-Identifier: MIT
/* Exploring a scenario in several processes: what is found is the same, to the last detail. */
#include <signal.h>
#include <sys/mman.h>

#include "daxsim/script/explore_private.h"
#include "tests/scenario_run.h"

/* Enough for a few processes in what takes a fraction of a second. */
#define STORES                                                                                     \
	"scenario t\nfs %s\n"                                                                      \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"                      \
	"session one { mwrite m 4k 8 0x11 = 8 or SIGBUS }\n"                                       \
	"session two { mwrite m 4k 8 0x22 = 8 or SIGBUS }\n"                                       \
	"session trunc { truncate f 0 }\n"                                                         \
	"session reuse { pwrite -S 0x77 g 0 4k = 4k }\n"                                           \
	"final sometimes { pread g 0 1 = 0x77 }\n"

static void expect_same_finding(const struct explore_finding *a, const struct explore_finding *b)
{
	cr_expect_eq(a->classes, b->classes);
	if (!a->classes)
		return;
	cr_expect_str_eq(a->text, b->text);
	cr_expect_eq(a->preemptions, b->preemptions);
	cr_assert_eq(a->chunks.nr, b->chunks.nr);
	cr_assert_eq(!a->course, !b->course);
	if (a->course)
		cr_expect_eq(memcmp(a->course, b->course, a->chunks.nr * sizeof(*a->course)), 0);
	for (u32 i = 0; i < a->chunks.nr; i++) {
		cr_expect_eq(a->chunks.at[i].session, b->chunks.at[i].session);
		cr_expect_eq(a->chunks.at[i].count, b->chunks.at[i].count);
	}
}

static void expect_same(const struct exploration *a, const struct exploration *b)
{
	cr_expect_eq(a->result.classes, b->result.classes);
	cr_expect_eq(a->result.executions, b->result.executions);
	cr_expect_eq(a->result.cut, b->result.cut);
	cr_expect_eq(a->result.deadlocks, b->result.deadlocks);
	cr_expect_eq(a->result.steps, b->result.steps);
	cr_expect_str_eq(a->result.guarantee, b->result.guarantee);
	for (int i = 0; i < NR_INVARIANTS; i++)
		expect_same_finding(&a->findings[i], &b->findings[i]);
	expect_same_finding(&a->mismatch, &b->mismatch);
	expect_same_finding(&a->endless, &b->endless);
	cr_expect_eq(a->finals_run, b->finals_run);
	cr_expect_eq(memcmp(a->finals, b->finals, sizeof(a->finals)), 0);
	for (int i = 0; i < MAX_FINALS; i++)
		expect_same_finding(&a->against[i], &b->against[i]);
	cr_expect_eq(memcmp(a->reached, b->reached, sizeof(a->reached)), 0);
	cr_expect_eq(a->too_many, b->too_many);
	cr_assert_eq(a->nr_outcomes, b->nr_outcomes);
	for (u32 i = 0; i < a->nr_outcomes; i++) {
		cr_expect_eq(a->outcomes[i].hash, b->outcomes[i].hash);
		cr_expect_eq(a->outcomes[i].classes, b->outcomes[i].classes);
		expect_same_finding(&a->outcomes[i].witness, &b->outcomes[i].witness);
	}
	cr_expect_eq(a->other_outcomes, b->other_outcomes);
	cr_assert_eq(!a->lock_report, !b->lock_report);
	if (a->lock_report)
		cr_expect_str_eq(a->lock_report, b->lock_report);
}

static struct exploration *explore_in(const struct scenario *s, u64 executions, bool outcomes,
				      volatile s32 *nr_free)
{
	static const struct explore_request all = { .strategy = EXPLORE_DPOR };
	const struct explore_limits limits = {
		.executions = executions, .outcomes = outcomes, .free = nr_free,
	};
	struct exploration *x = malloc(sizeof(*x));

	cr_assert_not_null(x);
	cr_assert_eq(explore_scenario(s, s->variants, &all, &limits, x), 0);
	return x;
}

/* Returns what one process comes to; exploration_free() and free() it. */
static struct exploration *check_same(const struct scenario *s, u64 executions, bool outcomes)
{
	volatile s32 *nr_free = mmap(NULL, sizeof(*nr_free), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct exploration *one = explore_in(s, executions, outcomes, NULL), *three;

	cr_assert_neq(nr_free, MAP_FAILED);
	*nr_free = 2;
	three = explore_in(s, executions, outcomes, nr_free);
	expect_same(one, three);
	exploration_free(three);
	free(three);
	munmap((void *)nr_free, sizeof(*nr_free));
	return one;
}

static struct exploration *check_text(const char *fs, u64 executions, bool outcomes)
{
	char text[1000];
	struct scenario *s;
	struct exploration *x;

	snprintf(text, sizeof(text), STORES, fs);
	s = parse_text(text);
	x = check_same(s, executions, outcomes);
	scenario_free(s);
	return x;
}

static void end(struct exploration *x)
{
	exploration_free(x);
	free(x);
}

Test(explore_part, findings_and_finals)
{
	struct exploration *x = check_text("ext2@v10", 0, false);

	cr_expect_gt(x->result.executions, 10000);
	cr_expect_gt(x->findings[INV_FOREIGN_WRITE].classes, 0);
	cr_expect_gt(x->finals[0], 0);
	end(x);
}

Test(explore_part, outcomes)
{
	struct exploration *x = check_text("ext4@v11", 15000, true);

	cr_expect_gt(x->nr_outcomes, 3);
	end(x);
}

Test(explore_part, too_much_for_the_budget)
{
	struct exploration *x = check_text("ext4@v10", 9000, false);

	cr_expect(x->too_many);
	end(x);
}

/* The order of locks adds up over all executions, whoever makes them. */
Test(explore_part, cycles_of_locks)
{
	struct scenario *s = scenario_load("scenarios/page-lock-vs-journal.scn", stderr);
	struct exploration *x;

	cr_assert_not_null(s);
	x = check_same(s, 12000, false);
	cr_expect_not_null(x->lock_report);
	cr_expect_gt(x->findings[INV_LOCK_ORDER].classes, 0);
	end(x);
	scenario_free(s);
}

/* An explorer that has found things, with schedules of @nr, twice as many and 3 parts. */
static struct explorer *found_so(u32 nr)
{
	struct explorer *x = calloc(1, sizeof(*x));
	struct exploration *out = calloc(1, sizeof(*out));
	struct {
		struct explore_finding *f;
		u32 nr;
	} found[] = {
		{ &out->findings[1], nr }, { &out->mismatch, 2 * nr }, { &out->outcomes[0].witness, 3 },
	};

	cr_assert(x && out);
	x->out = out;
	out->nr_outcomes = 1;
	out->outcomes[0].hash = 7;
	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		found[i].f->classes = i + 1;
		found[i].f->preemptions = found[i].nr / 2;
		for (u32 k = 0; k < found[i].nr; k++)
			cr_assert(chunks_add(&found[i].f->chunks,
					     (struct chunk){ .session = k % 2, .count = i + k }));
	}
	return x;
}

static void drop(struct explorer *x)
{
	exploration_free(x->out);
	free(x->out);
	free(x);
}

/* Schedules of any length are taken over, unless they do not fit; then nothing is. */
Test(explore_part, long_schedules)
{
	for (u32 nr = 0; nr < 100000; nr = nr * 7 + 1) {
		struct explorer *part = found_so(nr), *all = calloc(1, sizeof(*all));
		void *area = calloc(1, explored_part_size);
		bool fits = explored_pack(part, area);

		cr_assert(all && area);
		all->out = calloc(1, sizeof(*all->out));
		cr_assert_not_null(all->out);
		cr_expect_eq(fits, 3 * nr + 3 <= 32768, "3 * %u parts", nr);
		if (fits) {
			cr_expect(explored_take(all, area));
			expect_same(all->out, part->out);
			/* Twice is the same, but for what is counted. */
			cr_expect(explored_take(all, area));
			cr_expect_eq(all->out->mismatch.classes, 4);
			cr_expect_eq(all->out->mismatch.chunks.nr, 2 * nr);
		}
		free(area);
		drop(part);
		drop(all);
	}
}

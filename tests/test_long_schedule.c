// SPDX-License-Identifier: MIT
/*
 * Sessions of hundreds of steps, whose schedules have as many parts: they are kept, replayed and
 * checked to their end like short ones.
 */
#include "daxsim/script/explore_scenario.h"
#include "tests/scenario_run.h"

#define MANY 330	/* steps of each of two sessions, before the last one */
#define PARTS (2 * (MANY + 1) + 1)	/* each step, and one that is left once */

/* One session loads again and again what the other one stores; and what each does last. */
static char *text_of(const char *last_load, const char *last_store)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	fputs("scenario t\nfs ext4@v11 expect bug leak-past-eof\n"
	      "setup { create f; truncate f 8k; mmap m f 0 8k shared\n"
	      "create g; pwrite g 0 4k; mmap n g 0 4k shared }\nsession load {", to);
	for (int i = 0; i < MANY; i++)
		fprintf(to, " step l%d { mread n 0 1 }", i);
	fprintf(to, " step load { %s } }\nsession store {", last_load);
	for (int i = 0; i < MANY; i++)
		fprintf(to, " step s%d { mwrite n 0 1 %d }", i, i % 255 + 1);
	fprintf(to, " step store { %s } }\n", last_store);
	fclose(to);
	return text;
}

/* A fault that truncate overtakes, at the end of long lives. */
static char *long_leak(void)
{
	return text_of("mwrite m 4k 8 0x5a = 8 or SIGBUS", "truncate f 0");
}

static struct trial explore_in(char *text, const char *strategy, bool outcomes,
			       const struct mmu_ops *second)
{
	struct trial t = { .s = parse_text(text) };
	struct explore_request request;
	const struct judge_how how = {
		.mmus = { &soft_mmu, second }, .nr_mmus = 2, .outcomes = outcomes,
		.no_schedules = true, .explore = &request,
	};

	cr_assert_eq(scenario_parse_explore(t.s, strategy, &request, stderr), 0);
	judge_as(t.s, t.s->variants, &how, &t.v);
	free(text);
	return t;
}

/* Times that some other session goes on. */
static u32 switches(const struct chunks *c)
{
	u32 n = 0;

	for (u32 i = 1; i < c->nr; i++)
		n += c->at[i].session != c->at[i - 1].session;
	return n;
}

Test(long_schedule, finding_is_confirmed)
{
	struct mmu_ops twin = soft_mmu;
	struct trial t = explore_in(long_leak(), "preempt 1", false, &twin);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_assert_eq(t.v.nr_found, 1);
	cr_expect(t.v.schedules[0].finding);
	cr_expect(execution_of(&t, 0)->findings[INV_LEAK_PAST_EOF].seen);
	cr_expect_eq(t.v.schedules[0].of->preemptions, 1);
	cr_expect_eq(t.v.schedules[0].of->chunks.nr, PARTS);
	end_trial(&t);
}

/* A difference between MMUs is seen, though it shows in the last step only. */
Test(long_schedule, end_is_checked)
{
	struct mmu_ops liar = soft_mmu;
	struct trial t;

	liar.name = "liar";
	liar.set_pte = set_pte_read_only;
	t = explore_in(text_of("mwrite m 4k 8 0x5a = 8 or SIGBUS; mwrite m 0 8 1",
			       "truncate f 4k"), "preempt 1", false, &liar);
	cr_expect(t.v.daxsim_bug);
	cr_expect_not(t.v.ok);
	end_trial(&t);
}

static void expect_course(struct exploration *x, const struct scenario *s, u32 wrong)
{
	struct explore_finding *f = &x->findings[INV_LEAK_PAST_EOF];
	struct schedule *schedule;
	struct execution run;

	cr_assert_eq(f->chunks.nr, PARTS);
	if (wrong < PARTS)
		f->course[wrong] ^= 2;
	schedule = finding_schedule(s, f);
	execute(s, s->variants, schedule, &soft_mmu, NULL, &run);
	cr_expect_eq(run.off_course, wrong < PARTS, "part %u", wrong);
	if (wrong < PARTS)
		f->course[wrong] ^= 2;
	execution_free(&run);
	free(schedule);
}

Test(long_schedule, every_part_is_checked)
{
	static const struct explore_limits limits = { .executions = 0 };
	char *text = long_leak();
	struct scenario *s = parse_text(text);
	struct exploration *x = calloc(1, sizeof(*x));
	struct explore_request how;

	cr_assert_not_null(x);
	cr_assert_eq(scenario_parse_explore(s, "preempt 1", &how, stderr), 0);
	cr_assert_eq(explore_scenario(s, s->variants, &how, &limits, x), 0, "%s", x->failure);
	for (u32 wrong = 0; wrong < PARTS; wrong += 51)
		expect_course(x, s, wrong);
	expect_course(x, s, PARTS - 1);
	expect_course(x, s, PARTS);
	exploration_free(x);
	free(x);
	scenario_free(s);
	free(text);
}

/* Each load tells how many of the stores came before it: what takes turns cannot be put together. */
Test(long_schedule, sessions_that_take_turns)
{
	struct mmu_ops twin = soft_mmu;
	struct trial t = explore_in(text_of("fiemap g", "fiemap g"), "random runs 3 seed 1", true,
				    &twin);
	const struct exploration *x = t.v.explored;

	cr_expect_not(t.v.daxsim_bug, "%s", t.v.why);
	cr_assert_eq(x->nr_outcomes, 3);
	cr_assert_eq(t.v.nr_found, 3);
	for (unsigned int i = 0; i < 3; i++) {
		cr_expect_eq(t.v.schedules[i].outcome, &x->outcomes[i]);
		cr_expect_gt(switches(&x->outcomes[i].witness.chunks), 256);
		cr_expect_null(execution_of(&t, i)->failure);
	}
	end_trial(&t);
}

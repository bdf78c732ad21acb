// SPDX-License-Identifier: MIT
/* Making the schedule of a finding as simple as it gets, without losing what it shows. */
#include "daxsim/script/explore_scenario.h"
#include "tests/scenario_run.h"
#include "tests/walked.h"

#define LEAK                                                                                       \
	"scenario t\nfs ext4@v11\n"                                                                \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"                      \
	"session other { step o1 { fiemap g } step o2 { create x } }\n"                            \
	"session fault { mwrite m 4k 8 0x5a = 8 or SIGBUS }\n"                                     \
	"session more  { fiemap f }\n"                                                             \
	"session trunc { truncate f 0 }\n"

enum { OTHER, FAULT, MORE, TRUNC };

#define GO(who, points) { .session = (who), .count = (points) }

/* A machine to try schedules on; no execution of it is looked at. */
static struct walked *ready(struct scenario *s)
{
	static const struct calm nothing = { .guessed = true };

	return walked_new(s, s->variants, 0, true, &nothing);
}

static struct explore_finding finding(const struct chunk *chunks, u32 nr, u32 preemptions)
{
	struct explore_finding f = { .classes = 1, .preemptions = preemptions };

	cr_assert(chunks_set(&f.chunks, chunks, nr));
	return f;
}

static bool takes_part(const struct explore_finding *f, u8 session)
{
	for (u32 i = 0; i < f->chunks.nr; i++)
		if (f->chunks.at[i].session == session)
			return true;
	return false;
}

/* Whether the schedule of a finding shows an invariant broken when it is run from a scenario. */
static bool shows(const struct scenario *s, const struct explore_finding *f, enum invariant inv)
{
	struct schedule *schedule = finding_schedule(s, f);
	struct execution x;
	bool seen;

	cr_assert_not_null(schedule);
	execute(s, s->variants, schedule, &soft_mmu, NULL, &x);
	seen = x.findings[inv].seen;
	cr_expect_not(x.bad_input, "%s", x.failure);
	execution_free(&x);
	free(schedule);
	return seen;
}

#define SOME 0	/* points, found by trying: as few as make it leak */

/* The finding of a schedule that leaks. */
static struct explore_finding leaking(const struct scenario *s, const struct chunk *chunks, u32 nr,
				      u32 preemptions)
{
	for (u32 n = 1; n < 40; n++) {
		struct explore_finding f = finding(chunks, nr, preemptions);

		for (u32 i = 0; i < nr; i++)
			if (chunks[i].count == SOME)
				f.chunks.at[i].count = n;
		if (shows(s, &f, INV_LEAK_PAST_EOF))
			return f;
		chunks_drop(&f.chunks);
	}
	cr_assert_fail("no number of points makes it leak");
	return (struct explore_finding){ 0 };
}

static void end(struct scenario *s, struct walked *w, struct explore_finding *f)
{
	chunks_drop(&f->chunks);
	walked_free(w);
	scenario_free(s);
}

/* The points that the fault passes before truncate must come in. */
static u32 leaking_count(const struct scenario *s)
{
	static const struct chunk chunks[] = { GO(FAULT, SOME), GO(TRUNC, 1000), GO(FAULT, 1000) };
	struct explore_finding f = leaking(s, chunks, ARRAY_SIZE(chunks), 1);
	u32 n = f.chunks.at[0].count;

	chunks_drop(&f.chunks);
	return n;
}

Test(simplify, sessions_that_are_not_needed_go)
{
	struct scenario *s = parse_text(LEAK);
	struct walked *w = ready(s);
	u32 n = leaking_count(s);
	const struct chunk chunks[] = { GO(OTHER, 1), GO(FAULT, n), GO(MORE, 1000),
					GO(TRUNC, 1000), GO(OTHER, 1000), GO(FAULT, 1000) };
	struct explore_finding f = finding(chunks, ARRAY_SIZE(chunks), 2);

	simplify(&w->x, &f, INV_LEAK_PAST_EOF);
	cr_expect_eq(f.chunks.nr, 3, "%u chunks", f.chunks.nr);
	cr_expect_eq(f.preemptions, 1);
	cr_expect_not(takes_part(&f, OTHER));
	cr_expect_not(takes_part(&f, MORE));
	cr_expect(shows(s, &f, INV_LEAK_PAST_EOF));
	end(s, w, &f);
}

/* A fault that is left several times for nothing is put together. */
Test(simplify, parts_are_put_together)
{
	struct scenario *s = parse_text(LEAK);
	struct walked *w = ready(s);
	u32 n = leaking_count(s);
	const struct chunk chunks[] = { GO(FAULT, 2), GO(TRUNC, 1), GO(FAULT, n - 2),
					GO(TRUNC, 1000), GO(FAULT, 1000) };
	struct explore_finding f = finding(chunks, ARRAY_SIZE(chunks), 3);

	cr_assert_gt(n, 2);
	cr_assert(shows(s, &f, INV_LEAK_PAST_EOF));
	simplify(&w->x, &f, INV_LEAK_PAST_EOF);
	cr_expect_eq(f.chunks.nr, 3, "%u chunks", f.chunks.nr);
	cr_expect_eq(f.preemptions, 1);
	cr_expect(shows(s, &f, INV_LEAK_PAST_EOF));
	end(s, w, &f);
}

/* What a session does in one go may be many steps: all of them move at once. */
Test(simplify, goes_of_several_steps)
{
	static const struct chunk chunks[] = {
		GO(0, 1), GO(0, 1), GO(1, 1), GO(1, 1), GO(0, 1), GO(0, SOME), GO(1, 1000),
		GO(0, 1000),
	};
	struct scenario *s = parse_text("scenario t\nfs ext4@v11\n"
					"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"
					"session fault { step a { fiemap g } step b { fiemap g }\n"
					"step c { fiemap g } step d { mwrite m 4k 8 0x5a = 8 or SIGBUS } }\n"
					"session trunc { step e { fiemap g } step f { fiemap g }\n"
					"step g { truncate f 0 } }\n");
	struct walked *w = ready(s);
	struct explore_finding f = leaking(s, chunks, ARRAY_SIZE(chunks), 3);

	cr_assert_eq(f.chunks.nr, 8);
	simplify(&w->x, &f, INV_LEAK_PAST_EOF);
	cr_expect_eq(f.preemptions, 1);
	cr_expect_eq(f.chunks.nr, 8);
	for (u32 i = 0; i < 4; i++)
		cr_expect_eq(f.chunks.at[i].session, 0);
	for (u32 i = 4; i < 7; i++)
		cr_expect_eq(f.chunks.at[i].session, 1);
	cr_expect(shows(s, &f, INV_LEAK_PAST_EOF));
	end(s, w, &f);
}

/* Steps that come after it has shown, and those that never mattered, are not run at all. */
Test(simplify, steps_at_the_end_go)
{
	static const struct chunk chunks[] = {
		GO(0, SOME), GO(1, 1000), GO(1, 1000), GO(1, 1000), GO(0, 1000), GO(0, 1000),
		GO(1, 1000), GO(0, 1000),
	};
	struct scenario *s = parse_text("scenario t\nfs ext4@v11\n"
					"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"
					"session fault { step a { mwrite m 4k 8 0x5a = 8 or SIGBUS }\n"
					"step b { fiemap g } step c { fiemap f } }\n"
					"session trunc { step d { truncate f 0 } step e { fiemap g }\n"
					"step f { truncate f 4k } step g { fiemap g } }\n");
	struct walked *w = ready(s);
	struct explore_finding f = leaking(s, chunks, ARRAY_SIZE(chunks), 2);

	cr_assert_eq(f.chunks.nr, 8);
	simplify(&w->x, &f, INV_LEAK_PAST_EOF);
	cr_expect_eq(f.preemptions, 1);
	cr_expect_eq(f.chunks.nr, 3, "%u chunks", f.chunks.nr);
	cr_expect(shows(s, &f, INV_LEAK_PAST_EOF));
	end(s, w, &f);
}

/*
 * The copy of a page whose file shrinks and grows meanwhile; the collapse is not needed, but the
 * copy and the collapse alone show the same, with one preemption more.
 */
static void expect_copied_while_cut(const struct explore_request *how)
{
	static const struct explore_limits limits = { .executions = 0 };
	struct scenario *s = parse_text("scenario t\nfs ext4@v11 -end-io-outside-i_mmap\n"
					"setup { create f; pwrite -S 0x11 f 0 8k; mmap m f 0 8k shared\n"
					"mmap p f 0 8k private }\n"
					"session grow { truncate f 8k }\n"
					"session copy { mwrite p 0 8 0x77 = ... }\n"
					"session collapse { fcollapse f 0 4k = ... }\n"
					"session cut { truncate f 0 }\n");
	struct exploration *x = calloc(1, sizeof(*x));
	const struct explore_finding *f;

	cr_assert_not_null(x);
	f = &x->findings[INV_STALE_DATA];
	cr_assert_eq(explore_scenario(s, s->variants, how, &limits, x), 0);
	cr_assert_gt(f->classes, 0);
	cr_expect_not(takes_part(f, 2));
	cr_expect_eq(f->chunks.nr, 4, "%u chunks", f->chunks.nr);
	cr_expect_eq(f->preemptions, 1);
	cr_expect(shows(s, f, INV_STALE_DATA));
	exploration_free(x);
	free(x);
	scenario_free(s);
}

/* With nothing collapsed before it the first truncate has more to do, and still goes to its end. */
Test(simplify, whole_steps_stay_whole)
{
	expect_copied_while_cut(&(struct explore_request){ .strategy = EXPLORE_PREEMPT, .bound = 1 });
}

/* No step by step leads from the one to the other, and it is the other that is met. */
Test(simplify, fewest_preemptions)
{
	expect_copied_while_cut(&(struct explore_request){ .strategy = EXPLORE_DPOR });
}

Test(simplify, what_is_simple_stays)
{
	struct scenario *s = parse_text(LEAK);
	struct walked *w = ready(s);
	const struct chunk chunks[] = { GO(FAULT, leaking_count(s)), GO(TRUNC, 1000),
					GO(FAULT, 1000) };
	struct explore_finding f = finding(chunks, ARRAY_SIZE(chunks), 1);

	simplify(&w->x, &f, INV_LEAK_PAST_EOF);
	cr_assert_eq(f.chunks.nr, ARRAY_SIZE(chunks));
	cr_expect_eq(f.preemptions, 1);
	cr_expect(!memcmp(f.chunks.at, chunks, sizeof(chunks)));
	end(s, w, &f);
}

/* A wrong result is kept as such: it takes truncate before the load, and nobody else. */
Test(simplify, wrong_result)
{
	struct scenario *s = parse_text("scenario t\nfs ext2@v11\n"
					"setup { create f; pwrite -S 1 f 0 4k }\n"
					"session a { create x; create y }\n"
					"session b { truncate f 0 }\n"
					"session c { pread f 0 8 = 8 }\n");
	const struct chunk chunks[] = { GO(0, 1), GO(1, 5), GO(0, 1), GO(1, 1000), GO(2, 1000) };
	struct explore_finding f = finding(chunks, ARRAY_SIZE(chunks), 2);
	struct walked *w = ready(s);

	simplify(&w->x, &f, GOAL_RESULT);
	cr_expect_eq(f.chunks.nr, 2, "%u chunks", f.chunks.nr);
	cr_expect_eq(f.preemptions, 0);
	cr_expect_not(takes_part(&f, 0));
	cr_expect_str_eq(f.text, "t.scn:6:13: pread f 0 8 gave 0, expected 8");
	end(s, w, &f);
}

/* As exploration uses it: no schedule of a finding can be made simpler by leaving a session out. */
Test(simplify, findings_need_all_that_take_part)
{
	static const char *const kernels[] = { "ext2@v10", "ext4@v10", "ext4@v11", "xfs@v11" };
	static const struct explore_limits limits = { .executions = 0 };
	struct scenario *s = parse_text(LEAK);
	unsigned int found = 0;

	for (size_t k = 0; k < ARRAY_SIZE(kernels); k++) {
		const struct variant *v = scenario_parse_variant(s, kernels[k], stderr);
		struct exploration *x = calloc(1, sizeof(*x));
		struct explore_request how;

		cr_assert(v && x);
		cr_assert_eq(scenario_parse_explore(s, "preempt 2", &how, stderr), 0);
		cr_assert_eq(explore_scenario(s, v, &how, &limits, x), 0);
		for (int inv = 0; inv < NR_INVARIANTS; inv++) {
			const struct explore_finding *f = &x->findings[inv];

			if (!f->classes)
				continue;
			found++;
			cr_expect_not(takes_part(f, OTHER), "%s %s", kernels[k],
				      invariant_table[inv].name);
			cr_expect_not(takes_part(f, MORE));
			cr_expect_leq(f->preemptions, 1);
			cr_expect_leq(f->chunks.nr, 3);
		}
		exploration_free(x);
		free(x);
	}
	cr_expect_geq(found, ARRAY_SIZE(kernels));
	scenario_free(s);
}

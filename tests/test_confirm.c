// SPDX-License-Identifier: MIT
/*
 * What becomes of findings of exploration: each runs once more as a schedule, and must come to
 * the very same. If it does not, that is no race but a bug of daxsim.
 */
#include "tests/scenario_run.h"

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/replay.h"
#include "daxsim/sim/lockdep.h"

#define HEAD(fs)                                                                                   \
	"scenario t\n"                                                                             \
	"fs " fs "\n"                                                                              \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"

#define LEAK                                                                                       \
	"session fault { step store { mwrite m 4k 8 0x5a = 8 or SIGBUS } }\n"                      \
	"session trunc { step shrink { truncate f 0 } }\n"

static const struct explore_request all = { .strategy = EXPLORE_DPOR };

static struct trial explore_in(const char *text, const struct mmu_ops *second,
			       const volatile sig_atomic_t *interrupted)
{
	const struct judge_how how = {
		.mmus = { &soft_mmu, second }, .nr_mmus = second ? 2 : 1, .explore = &all,
		.no_schedules = true, .outcomes = true, .interrupted = interrupted,
	};
	struct trial t = { .s = parse_text(text) };

	judge_as(t.s, t.s->variants, &how, &t.v);
	return t;
}

static u64 shown_by(const struct trial *t, unsigned int schedule)
{
	u64 bugs = 0;

	for (int inv = 0; inv < NR_INVARIANTS; inv++)
		bugs |= (u64)execution_of(t, schedule)->findings[inv].seen << inv;
	return bugs;
}

/* One schedule for two things that it shows, and the simplest comes first. */
Test(confirm, each_schedule_once)
{
	struct trial t = explore_in(HEAD("ext2@v10 expect bug foreign-write, leak-past-eof, lost-store")
				    LEAK "session reuse { pwrite -S 0x77 g 0 4k }\n", NULL, NULL);
	u64 bugs = 0;
	u32 chunks = 0;

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_eq(t.v.nr_found, t.v.nr_schedules);
	for (unsigned int i = 0; i < t.v.nr_schedules; i++) {
		const struct schedule_verdict *sv = &t.v.schedules[i];

		for (unsigned int j = 0; j < i; j++)
			cr_expect(sv->of->chunks.nr != t.v.schedules[j].of->chunks.nr ||
				  memcmp(sv->of->chunks.at, t.v.schedules[j].of->chunks.at,
					 sv->of->chunks.nr * sizeof(*sv->of->chunks.at)),
				  "%u and %u are the same", i, j);
		if (!sv->finding)
			continue;
		cr_expect(shown_by(&t, i) & ~bugs, "%u shows nothing new", i);
		cr_expect_eq(sv->of->preemptions, 1);
		cr_expect_geq(sv->of->chunks.nr, chunks);
		chunks = sv->of->chunks.nr;
		bugs |= shown_by(&t, i);
	}
	cr_expect_eq(bugs, BIT(INV_FOREIGN_WRITE) | BIT(INV_LEAK_PAST_EOF) | BIT(INV_LOST_STORE));
	end_trial(&t);
}

/* Every part of every schedule says what it came to, and comes to that again. */
Test(confirm, the_same_course)
{
	struct mmu_ops twin = soft_mmu;
	struct trial t = explore_in(HEAD("xfs@v11 expect bug leak-past-eof, early-written") LEAK, &twin,
				    NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_gt(t.v.nr_found, 2);
	for (unsigned int i = 0; i < t.v.nr_schedules; i++)
		for (const struct sched_entry *e = t.v.schedules[i].found->entries; e; e = e->next)
			cr_expect_neq(e->course, 0);
	end_trial(&t);
}

/* ext2 has no fallocate(2): the session stands before its next step at once, and is not to go on. */
Test(confirm, steps_without_an_access)
{
	struct trial t = explore_in("scenario t\nfs ext2@v11\n"
				    "setup { create f; pwrite -S 1 f 0 8k; mmap m f 0 8k shared }\n"
				    "session reader { mread m 4k 8 = ... }\n"
				    "session cutter { step punch { fpunch f 4k 4k = -EOPNOTSUPP }\n"
				    "step cut { truncate f 4k } step again { fpunch f 0 4k = -EOPNOTSUPP } }\n",
				    NULL, NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_gt(t.v.nr_schedules, 1);
	for (unsigned int i = 0; i < t.v.nr_schedules; i++) {
		const struct sched_entry *e = t.v.schedules[i].found->entries;

		while (e->next)
			e = e->next;
		cr_expect_neq(e->course, 0, "what all have come to is not checked");
	}
	end_trial(&t);
}

static void expect_off_course(u32 part, u32 nr_parts)
{
	struct scenario *s = parse_text(HEAD("ext4@v11 expect bug leak-past-eof") LEAK);
	static const struct explore_limits limits = { .executions = 0 };
	struct exploration *x = calloc(1, sizeof(*x));
	struct schedule *schedule;
	struct execution run;

	cr_assert_not_null(x);
	cr_assert_eq(explore_scenario(s, s->variants, &all, &limits, x), 0, "%s", x->failure);
	cr_assert_eq(x->findings[INV_LEAK_PAST_EOF].chunks.nr, nr_parts);
	if (part < nr_parts)
		x->findings[INV_LEAK_PAST_EOF].course[part] ^= 1;
	schedule = finding_schedule(s, &x->findings[INV_LEAK_PAST_EOF]);
	execute(s, s->variants, schedule, &soft_mmu, NULL, &run);
	cr_expect_eq(run.off_course, part < nr_parts);
	if (part < nr_parts)
		cr_expect_not_null(strstr(run.failure, "the soft MMU has come to something else than "
					  "the explorer"), "%s", run.failure);
	else
		cr_expect_null(run.failure);
	/* What shows behind that is not judged: nobody knows what it is. */
	cr_expect_eq(run.findings[INV_LEAK_PAST_EOF].seen, part == nr_parts);
	execution_free(&run);
	free(schedule);
	exploration_free(x);
	free(x);
	scenario_free(s);
}

Test(confirm, another_course_is_noticed)
{
	for (u32 part = 0; part <= 3; part++)
		expect_off_course(part, 3);
}

Test(confirm, a_difference_is_no_race)
{
	struct mmu_ops liar = soft_mmu;
	struct trial t;

	liar.name = "liar";
	liar.set_pte = set_pte_read_only;
	t = explore_in(HEAD("ext2@v10 expect bug leak-past-eof")
		       "session fault { mwrite m 4k 8 0x5a = 8 or SIGBUS; mread m 4k 8 = ... }\n"
		       "session trunc { truncate f 0 }\n", &liar, NULL);
	cr_expect_not(t.v.ok);
	cr_assert_not_null(t.v.why);
	cr_expect(t.v.daxsim_bug);
	cr_expect_eq(t.v.shown, -1);
	cr_expect_not_null(strstr(t.v.why, "bug of daxsim: "), "%s", t.v.why);
	end_trial(&t);
}

/* Who breaks a final condition is told, with a schedule of all sessions that ends so. */
Test(confirm, finals_have_a_witness)
{
	struct trial t = explore_in(HEAD("ext2@v11")
				    "session a { step longer { truncate f 12k } }\n"
				    "session b { step shorter { truncate f 4k } }\n"
				    "session c { fiemap g }\n"
				    "final { stat f = nlink 1 }\n"
				    "final never { stat f = size 4k }\n", NULL, NULL);

	cr_expect_not(t.v.ok);
	cr_expect_str_eq(t.v.why, "t.scn:8: final never: 1 of 2 executions ended so");
	cr_assert_geq(t.v.culprit, 0);
	cr_expect_eq(t.v.schedules[t.v.culprit].against, 2);
	cr_expect_eq(t.v.schedules[t.v.culprit].of->preemptions, 0);
	end_trial(&t);

	t = explore_in(HEAD("ext2@v11")
		       "session a { truncate f 12k }\nsession b { truncate f 4k }\n"
		       "final { stat f = size 12k }\n", NULL, NULL);
	cr_expect_str_eq(t.v.why, "t.scn:6:9: stat f gave size 4096 blocks 0 nlink 1 mtime 3, expected "
				  "size 12288");
	cr_expect_geq(t.v.culprit, 0);
	end_trial(&t);

	t = explore_in(HEAD("ext2@v11")
		       "session a { truncate f 12k }\nsession b { truncate f 4k }\n"
		       "final never { stat f = size 8k }\n", NULL, NULL);
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

/* A final that is about variants with a bug says nothing of others, and does nothing to them. */
Test(confirm, finals_of_other_variants)
{
	struct trial t = explore_in("scenario t\nfs ext4@v11\n"
				    "setup { create g; pwrite -S 0x77 g 0 4k; truncate g 0; create f\n"
				    "truncate f 4k; mmap m f 0 4k shared; inject clear -EIO }\n"
				    "session user { mwrite m 0 8 0x5a = SIGBUS }\n"
				    "final if bug { mread m 8 8 = 0x77 }\n", NULL, NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

/* More than the explorer follows: a loop that never ends is a finding, much to do is none. */
Test(confirm, endless_and_long)
{
	struct trial t = explore_in("scenario t\nfs ext2@v10 expect bug deadlock\n"
				    "setup { create f; pwrite f 0 4k; mmap m f 0 4k shared\n"
				    "inject direct_access short 0 times 100000000 }\n"
				    "session a { mwrite m 0 8 0x5a }\n", NULL, NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_eq(t.v.explored->findings[INV_DEADLOCK].classes, 1);
	end_trial(&t);

	t = explore_in("scenario t\ndevice 64m\nfs ext2@v11\nsetup { create f }\n"
		       "session a { pwrite f 0 32m }\n", NULL, NULL);
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_eq(t.v.explored->endless.classes, 1);
	cr_expect_eq(t.v.explored->findings[INV_DEADLOCK].classes, 0);
	cr_expect_not(t.v.explored->result.complete);
	end_trial(&t);
}

/* Who waits for a session that the explorer stopped is not stuck; who waits for himself still is. */
Test(confirm, waiting_for_a_long_one)
{
	struct trial t = explore_in("scenario t\ndevice 64m\nfs ext2@v11\nsetup { create f }\n"
				    "session a { pwrite f 0 32m }\n"
				    "session b { truncate f 48m }\n", NULL, NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_eq(t.v.explored->endless.classes, t.v.explored->result.classes);
	cr_expect_eq(t.v.explored->findings[INV_DEADLOCK].classes, 0);
	end_trial(&t);

	t = explore_in("scenario t\ndevice 64m\nfs ext2@v11 -p2 expect bug deadlock\n"
		       "setup { create g; create f; pwrite f 0 4k; mmap m f 0 4k private }\n"
		       "session a { pwrite g 0 32m }\n"
		       "session b { mwrite m 0 8 0x5a }\n"
		       "session c { step cut { truncate f 0 } step grow { truncate f 4k } }\n",
		       NULL, NULL);
	cr_expect_gt(t.v.explored->findings[INV_DEADLOCK].classes, 0);
	cr_expect_not_null(strstr(t.v.explored->findings[INV_DEADLOCK].text, "i_mmap_mutex(f)"));
	cr_expect(t.v.ok, "%s", t.v.why);
	end_trial(&t);
}

/* Who has to wait for ever before the first thing that he does takes part as well. */
Test(confirm, waiting_from_the_start)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "setup { create f; pwrite f 0 4k }\n"
		  "session a { step cut { truncate f 0 } }\nsession b { step freeze { freeze } }\n",
		  "freeze cut" },
		{ "setup { create f; pwrite f 0 4k; freeze }\nsession a { step cut { truncate f 0 } }\n",
		  "cut" },
		/* not from the start, but better so than held there for nothing */
		{ "setup { create f; pwrite f 0 4k; mmap m f 0 4k shared }\n"
		  "session a { step store { mwrite m 0 8 0x5a } }\n"
		  "session b { step freeze { freeze } }\n", "freeze store" },
	};
	struct mmu_ops twin = soft_mmu;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[400], *words;
		size_t size;
		struct trial t;
		FILE *to;

		snprintf(text, sizeof(text), "scenario t\nfs ext4@v11 expect bug deadlock\n%s",
			 cases[i].text);
		t = explore_in(text, &twin, NULL);
		cr_expect(t.v.ok, "%s", t.v.why);
		cr_expect(t.v.schedules[0].finding);
		to = open_memstream(&words, &size);
		trace_print_schedule(&execution_of(&t, 0)->trace, SIZE_MAX, to);
		fclose(to);
		cr_expect_str_eq(words, cases[i].words);
		cr_expect_eq(t.v.schedules[0].of->preemptions, 0);
		free(words);
		end_trial(&t);
	}
}

/* Whoever only counts his faults does so in his turn, not when others have theirs. */
Test(confirm, steps_that_count_faults)
{
	struct mmu_ops twin = soft_mmu;
	struct trial t = explore_in(HEAD("ext4@v11 expect bug leak-past-eof")
				    "session fault { step a { faults } step b { faults }\n"
				    "step store { mwrite m 4k 8 0x5a = 8 or SIGBUS } step c { faults } }\n"
				    "session trunc { step d { faults } step shrink { truncate f 0 }\n"
				    "step e { faults } }\n", &twin, NULL);

	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_not(t.v.daxsim_bug);
	end_trial(&t);
}

/* Who does not want to wait for the rest still wants to see what there is. */
Test(confirm, interrupted)
{
	volatile sig_atomic_t interrupted = 1;
	struct trial t = explore_in(HEAD("ext2@v11 expect bug leak-past-eof")
				    "session a { truncate f 0 = -EIO; fiemap f = none }\n" LEAK, NULL,
				    &interrupted);

	cr_expect_not(t.v.ok);
	cr_expect(t.v.interrupted);
	cr_expect_str_eq(t.v.why, "interrupted before expected bug leak-past-eof showed");
	cr_expect_eq(t.v.explored->result.executions, 1);
	end_trial(&t);

	t = explore_in("scenario t\nfs ext4@v11 -check-clear-error expect bug stale-data\n"
		       "setup { create g; pwrite -S 0x77 g 0 4k; truncate g 0; create f\n"
		       "truncate f 4k; mmap m f 0 4k shared; inject clear -EIO }\n"
		       "session user { mwrite m 0 8 0x5a = ... }\nsession other { fsync g }\n", NULL,
		       &interrupted);
	cr_expect_str_eq(t.v.why, "interrupted before all was explored");
	cr_assert_geq(t.v.nr_found, 1);
	cr_expect(execution_of(&t, 0)->findings[INV_STALE_DATA].seen);
	end_trial(&t);
}

/* What was said of schedules is no promise about others. */
Test(confirm, survey)
{
	struct trial t = { .s = parse_text(HEAD("ext2@v11") LEAK "final never { stat f = size 0 }\n") };
	struct judge_how how = {
		.mmus = { &soft_mmu }, .nr_mmus = 1, .explore = &all, .no_schedules = true,
	};
	struct variant v = *t.s->variants;

	judge_as(t.s, &v, &how, &t.v);
	cr_expect_not(t.v.ok);
	verdict_free(&t.v);

	v.survey = true;
	judge_as(t.s, &v, &how, &t.v);
	cr_expect(t.v.ok, "%s", t.v.why);
	cr_expect_eq(t.v.shown, INV_LEAK_PAST_EOF);
	verdict_free(&t.v);

	/* But what is expected must be found. */
	v.expect = EXPECT_BUG;
	v.bugs = BIT(INV_STALE_PTE);
	judge_as(t.s, &v, &how, &t.v);
	cr_expect_str_eq(t.v.why, "expected bug stale-pte, but no interleaving showed it");
	end_trial(&t);
}

static bool alone_shows_cycle(const struct trial *t, const struct schedule *schedule)
{
	struct lockdep *lockdep = lockdep_create();
	struct execution x;
	bool shows;

	cr_assert_not_null(lockdep);
	execute_lockdep(t->s, t->s->variants, schedule, &soft_mmu, lockdep, NULL, &x);
	shows = x.findings[INV_LOCK_ORDER].seen;
	execution_free(&x);
	lockdep_destroy(lockdep);
	return shows;
}

/* The order of locks adds up while it is explored, and each replay shows only its own. */
Test(confirm, cycles_of_its_own)
{
	struct trial t = explore_in("scenario t\nfs ext4@v11 -p2 expect bug lock-leak, lock-order\n"
				    "setup { create f; pwrite -S 0x11 f 0 4k; mmap p f 0 4k private }\n"
				    "session a { mwrite p 0 8 0x5a = 8 or SIGBUS; mread p 0 8 = ... }\n"
				    "session b { truncate f 0; truncate f 4k }\n", NULL, NULL);
	unsigned int with = 0;

	cr_expect(t.v.ok, "%s", t.v.why);
	for (unsigned int i = 0; i < t.v.nr_schedules; i++) {
		const struct execution *x = execution_of(&t, i);
		bool shows = alone_shows_cycle(&t, t.v.schedules[i].schedule);

		cr_expect_eq(x->findings[INV_LOCK_ORDER].seen, shows, "schedule %u", i);
		with += shows;
	}
	cr_expect(with && with < t.v.nr_schedules, "%u of %u", with, t.v.nr_schedules);
	cr_assert_not_null(t.v.lock_witness);
	cr_expect(alone_shows_cycle(&t, t.v.lock_witness));
	end_trial(&t);
}

// SPDX-License-Identifier: MIT
/*
 * Findings of exploration are schedules that anybody can run: in every MMU they show
 * what they were kept for, and in words they are the same schedules.
 */
#include <glob.h>

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/replay.h"
#include "tests/scenario_run.h"

static bool has_uffd(void)
{
	struct sim sim;
	char why[512];

	if (sim_init(&sim, 1 << 20, &uffd_mmu, why, sizeof(why)))
		return false;
	sim_destroy(&sim);
	return true;
}

static struct exploration *explored(const struct scenario *s, const struct variant *v)
{
	static const struct explore_request all = { .strategy = EXPLORE_DPOR };
	static const struct explore_limits limits = { .executions = 0 };
	struct exploration *x = calloc(1, sizeof(*x));

	cr_assert_not_null(x);
	cr_assert_eq(explore_scenario(s, v, &all, &limits, x), 0, "%s", x->failure);
	return x;
}

/* Up to event @nr - 1. */
static char *words(const struct trace *tr, size_t nr)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	trace_print_schedule(tr, nr, to);
	fclose(to);
	return text;
}

static char *counts(const struct schedule *schedule)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	schedule_print(schedule, to);
	fclose(to);
	return text;
}

/* Points and results, who did them, in their order: what a schedule decides. */
static bool same_course(const struct trace *a, const struct trace *b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a->nr && a->events[i].type == EVENT_HELD)
			i++;
		while (j < b->nr && b->events[j].type == EVENT_HELD)
			j++;
		if (i == a->nr || j == b->nr)
			return i == a->nr && j == b->nr;
		if (a->events[i].type != b->events[j].type ||
		    a->events[i].task != b->events[j].task ||
		    a->events[i].point != b->events[j].point ||
		    a->events[i].object != b->events[j].object)
			return false;
		i++;
		j++;
	}
}

/* Run @text as a schedule, and expect what @want, an execution of the soft MMU, came to. */
static void expect_same(struct scenario *s, const struct variant *v, const char *text,
			const struct execution *want)
{
	struct schedule *schedule = scenario_parse_schedule(s, text, stderr);
	struct execution x;

	cr_assert_not_null(schedule, "%s %s", s->name, v->text);
	execute(s, v, schedule, &soft_mmu, NULL, &x);
	cr_expect_not(x.bad_input, "%s %s: %s: %s", s->name, v->text, text, x.failure);
	cr_expect(same_course(&want->trace, &x.trace), "%s %s: %s", s->name, v->text, text);
	for (int inv = 0; inv < NR_INVARIANTS; inv++)
		cr_expect_eq(x.findings[inv].seen, want->findings[inv].seen, "%s %s: %s: %s", s->name,
			     v->text, text, invariant_table[inv].name);
	execution_free(&x);
}

/* Whether a schedule shows an invariant broken; of one that cannot be run that is nothing. */
static bool text_shows(struct scenario *s, const struct variant *v, const char *text, int inv)
{
	struct schedule *schedule = scenario_parse_schedule(s, text, NULL);
	struct execution x;
	bool so;

	if (!schedule)
		return false;
	execute(s, v, schedule, &soft_mmu, NULL, &x);
	so = x.findings[inv].seen;
	execution_free(&x);
	return so;
}

/*
 * In words, a finding ends with the step in which it shows, which as a rule is held there and would
 * go on by itself. Of what comes before, nothing can be left out; but before a deadlock some
 * may be held at a lock for which they would wait.
 */
static void expect_short(struct scenario *s, const struct variant *v, const struct execution *x,
			 int inv)
{
	char *text = words(&x->trace, x->findings[inv].event + 1), *rest;

	cr_expect(text_shows(s, v, text, inv), "%s %s: %s", s->name, v->text, text);
	for (char *item = text, *end; (end = strchr(item, ' ')); item = end + 1) {
		cr_assert_geq(asprintf(&rest, "%.*s%s", (int)(item - text), text, end + 1), 0);
		cr_expect_not(text_shows(s, v, rest, inv), "%s %s: not %s but %s shows %s", s->name,
			      v->text, text, rest, invariant_table[inv].name);
		free(rest);
	}
	free(text);
}

/* One finding: in both MMUs, by counts, and by points. */
static void expect_confirmed(struct scenario *s, const struct variant *v,
			     const struct explore_finding *f, int inv, bool uffd)
{
	struct schedule *schedule = finding_schedule(s, f);
	struct execution soft, real;
	char *text;

	cr_assert_not_null(schedule);
	execute(s, v, schedule, &soft_mmu, NULL, &soft);
	cr_expect_not(soft.bad_input, "%s %s: %s", s->name, v->text, soft.failure);
	if (inv >= 0)
		cr_expect(soft.findings[inv].seen, "%s %s: %s", s->name, v->text,
			  invariant_table[inv].name);
	else
		cr_expect(soft.failure || soft.damage, "%s %s", s->name, v->text);
	if (uffd) {
		execute(s, v, schedule, &uffd_mmu, NULL, &real);
		cr_expect_eq(trace_diff(&soft.trace, &real.trace), -1, "%s %s", s->name, v->text);
		cr_expect(!soft.state == !real.state && (!soft.state ||
							 !strcmp(soft.state, real.state)));
		cr_expect(inv < 0 || real.findings[inv].seen, "%s %s", s->name, v->text);
		execution_free(&real);
	}
	if (inv >= 0 && inv != INV_DEADLOCK)
		expect_short(s, v, &soft, inv);
	text = counts(schedule);
	expect_same(s, v, text, &soft);
	free(text);
	text = words(&soft.trace, SIZE_MAX);
	expect_same(s, v, text, &soft);
	free(text);
	execution_free(&soft);
	free(schedule);
}

static unsigned int confirm_all(struct scenario *s, const char *kernel, bool uffd)
{
	const struct variant *v = scenario_parse_variant(s, kernel, stderr);
	struct exploration *x;
	unsigned int nr = 0;

	cr_assert_not_null(v);
	x = explored(s, v);
	for (int inv = 0; inv < NR_INVARIANTS; inv++)
		if (x->findings[inv].classes && inv != INV_LOCK_ORDER) {
			expect_confirmed(s, v, &x->findings[inv], inv, uffd);
			nr++;
		}
	if (x->mismatch.classes) {
		expect_confirmed(s, v, &x->mismatch, -1, uffd);
		nr++;
	}
	exploration_free(x);
	free(x);
	return nr;
}

/* A test for each file system, so that they run side by side. */
static void confirm_mixes(const char *fs)
{
	static const char *const versions[] = { "v10", "v11" };
	bool uffd = has_uffd();
	unsigned int nr = 0;
	glob_t files;

	if (glob("scenarios/mixes/*.scn", 0, NULL, &files))
		cr_skip("not started where the scenarios are\n");
	for (size_t i = 0; i < files.gl_pathc; i++)
		for (size_t k = 0; k < ARRAY_SIZE(versions); k++) {
			struct scenario *s = scenario_load(files.gl_pathv[i], stderr);
			char kernel[20];

			cr_assert_not_null(s);
			snprintf(kernel, sizeof(kernel), "%s@%s", fs, versions[k]);
			nr += confirm_all(s, kernel, uffd);
			scenario_free(s);
		}
	globfree(&files);
	cr_expect_gt(nr, 10, "%u findings", nr);
}

Test(replay, findings_on_ext2)
{
	confirm_mixes("ext2");
}

Test(replay, findings_on_ext4)
{
	confirm_mixes("ext4");
}

Test(replay, findings_on_xfs)
{
	confirm_mixes("xfs");
}

/* Hundreds of parts: what is printed of it is all of it. */
Test(replay, long_finding)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	struct scenario *s;

	cr_assert_not_null(to);
	fputs("scenario t\nfs null\nsetup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"
	      "session fault {", to);
	for (int i = 0; i < 300; i++)
		fprintf(to, " step s%d { fiemap g }", i);
	fputs(" step store { mwrite m 4k 8 0x5a = 8 or SIGBUS } }\nsession trunc { truncate f 0 }\n", to);
	fclose(to);
	s = parse_text(text);
	cr_expect_eq(confirm_all(s, "ext4@v11", has_uffd()), 1);
	scenario_free(s);
	free(text);
}

#define LEAK                                                                                       \
	"scenario t\nfs ext4@v11\n"                                                                \
	"setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"                      \
	"session fault { step store { mwrite m 4k 8 0x5a = 8 or SIGBUS } }\n"                      \
	"session trunc { step shrink { truncate f 0 } step look { fiemap f } }\n"

/* The trace of a schedule, in words. */
static void expect_words(const char *schedule, const char *want)
{
	struct scenario *s = parse_text(LEAK);
	struct execution x;
	char *text;

	execute(s, s->variants, scenario_parse_schedule(s, schedule, stderr), &soft_mmu, NULL, &x);
	text = words(&x.trace, SIZE_MAX);
	cr_expect_str_eq(text, want);
	expect_same(s, s->variants, text, &x);
	free(text);
	execution_free(&x);
	scenario_free(s);
}

Test(replay, in_words)
{
	expect_words("store shrink look", "store shrink look");
	expect_words("shrink look store", "shrink look store");
	expect_words("store@dax_insert_mapping shrink look store",
		     "store@dax_insert_mapping shrink look store");
	expect_words("store@get_block#2 shrink store look", "store@get_block#2 shrink store look");
	expect_words("store@i_mmap_mutex shrink@do_truncate store shrink look",
		     "store@i_mmap_mutex shrink@do_truncate store shrink look");
	/* What the schedule does not name goes on at its end. */
	expect_words("store@get_block shrink look", "store@get_block shrink look store");
}

Test(replay, counts_become_points)
{
	expect_words("fault:1 trunc:end trunc:end fault:end",
		     "store@handle_mm_fault shrink look store");
}

Test(replay, as_it_was_given)
{
	static const char *const same[] = {
		"store@dax_insert_mapping shrink grab store", "fault:6 trunc:11 fault:3",
		"store@get_block#2 shrink store", "store@i_mmap_mutex shrink store",
	};
	struct scenario *s = parse_text(LEAK "session reuse { step grab { pwrite g 0 4k } }\n");

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		char *text = counts(scenario_parse_schedule(s, same[i], stderr));

		cr_expect_str_eq(text, same[i]);
		free(text);
	}
	scenario_free(s);
}

Test(replay, to_the_end)
{
	static const char two[] = "scenario t\nfs ext2@v11\nsetup { create f }\n"
				  "session a { fsync f }\nsession b { fsync f }\n";
	struct scenario *s = scenario_parse("t.scn", two, strlen(two), stderr);
	struct schedule *schedule;
	char *text;

	cr_assert_not_null(s);
	schedule = scenario_parse_schedule(s, "a:2 b:end a:end", stderr);
	cr_assert_not_null(schedule);
	text = counts(schedule);
	cr_expect_str_eq(text, "a:2 b:end a:end");
	free(text);
	scenario_free(s);
}

// SPDX-License-Identifier: MIT
/* Strategies of exploration in words: `explore ...` in a file, and --strategy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/parse_message.h"

static void expect_request(const struct explore_request *got, const struct explore_request *want,
			   const char *text)
{
	cr_expect_eq(got->wanted, want->wanted, "%s", text);
	cr_expect_eq(got->strategy, want->strategy, "%s", text);
	cr_expect_eq(got->bound, want->bound, "%s", text);
	cr_expect_eq(got->runs, want->runs, "%s: %llu runs", text, (unsigned long long)got->runs);
	cr_expect_eq(got->seed, want->seed, "%s", text);
}

/* The same words mean the same in a file and behind --strategy. */
Test(parse_explore, strategies)
{
	static const struct {
		const char *text;
		struct explore_request want;
	} cases[] = {
		{ "all", { EXPLORE_DPOR, 0, 10000, 1, true } },
		{ "naive", { EXPLORE_NAIVE, 0, 10000, 1, true } },
		{ "preempt 0", { EXPLORE_PREEMPT, 0, 10000, 1, true } },
		{ "preempt 100", { EXPLORE_PREEMPT, 100, 10000, 1, true } },
		{ "pct 1", { EXPLORE_PCT, 1, 10000, 1, true } },
		{ "pct 64 seed 0", { EXPLORE_PCT, 64, 10000, 0, true } },
		{ "pct 3 runs 500 seed 7", { EXPLORE_PCT, 3, 500, 7, true } },
		{ "pct 3 seed 7 runs 500", { EXPLORE_PCT, 3, 500, 7, true } },
		{ "random", { EXPLORE_RANDOM, 0, 10000, 1, true } },
		{ "random runs 1m", { EXPLORE_RANDOM, 0, 1 << 20, 1, true } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct explore_request how;
		struct scenario *s;
		char text[200];

		snprintf(text, sizeof(text), "scenario t\nfs ext2\nexplore %s\n", cases[i].text);
		s = scenario_parse("t.scn", text, strlen(text), stderr);
		cr_assert_not_null(s);
		expect_request(&s->explore, &cases[i].want, cases[i].text);
		memset(&how, 0xff, sizeof(how));
		cr_expect_eq(scenario_parse_explore(s, cases[i].text, &how, stderr), 0);
		expect_request(&how, &cases[i].want, cases[i].text);
		scenario_free(s);
	}
}

Test(parse_explore, not_wanted_unless_said)
{
	static const char text[] = "scenario t\nfs ext2\n";
	struct scenario *s = scenario_parse("t.scn", text, strlen(text), stderr);

	cr_assert_not_null(s);
	cr_expect_not(s->explore.wanted);
	scenario_free(s);
}

Test(parse_explore, mistakes_in_a_file)
{
	static const struct error_case cases[] = {
		{ H "explore", "3:8: error: expected all, naive, preempt, pct or random, found the end of the text" },
		{ H "explore al", "3:9: error: unknown strategy 'al'; did you mean 'all'?" },
		{ H "explore preempt", "3:16: error: expected a number of preemptions, found the end of the text" },
		{ H "explore preempt 101", "3:17: error: expected a number of preemptions" },
		{ H "explore pct 0", "3:13: error: expected a depth, 1 to 64" },
		{ H "explore pct 65", "3:13: error: expected a depth, 1 to 64" },
		{ H "explore pct x", "3:13: error: expected a depth, 1 to 64, found 'x'" },
		{ H "explore pct 3 runs", "3:19: error: expected a number of runs, found the end of the text" },
		{ H "explore pct 3 sed 1", "3:15: error: expected 'runs', 'seed' or the end of the line, found 'sed'" },
		{ H "explore all runs 3", "3:13: error: unknown word 'runs'; known: scenario, device, fs, expect, ignore, setup, session, schedule, final, explore" },
		{ H "explore random runs 0", "3:21: error: expected a number of runs, 1 or more" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(errors_of(cases[i].text, strlen(cases[i].text)), cases[i].error,
			     cases[i].text);
}

/* What scenario_parse_explore() says of a strategy on the command line. */
static void expect_refused(const char *strategy, const char *error)
{
	static const char text[] = "scenario t\nfs ext2\n";
	struct scenario *s = scenario_parse("t.scn", text, strlen(text), stderr);
	struct explore_request how;
	char *said;
	size_t size;
	FILE *to = open_memstream(&said, &size);

	cr_assert(s && to);
	cr_expect_eq(scenario_parse_explore(s, strategy, &how, to), -EINVAL);
	fclose(to);
	said[strcspn(said, "\n")] = '\0';
	cr_expect_str_eq(said, error);
	free(said);
	scenario_free(s);
}

Test(parse_explore, mistakes_on_the_command_line)
{
	expect_refused("",
		       "--strategy:1:1: error: expected all, naive, preempt, pct or random, found the end of the text");
	expect_refused("preempt",
		       "--strategy:1:8: error: expected a number of preemptions, found the end of the text");
	expect_refused("all 3",
		       "--strategy:1:5: error: expected one strategy, found '3'");
	expect_refused("pct 3 runs 5 fs",
		       "--strategy:1:14: error: expected 'runs', 'seed' or the end of the line, found 'fs'");
	expect_refused("all\nfs ext4",
		       "--strategy:1:4: error: expected one strategy, found the end of the line");
}

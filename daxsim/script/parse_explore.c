// SPDX-License-Identifier: MIT
/* How interleavings are searched: `explore ...` and --strategy. */
#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include "daxsim/script/parse.h"

static u64 parse_number(struct parser *p, const char *what)
{
	u64 number;

	expect_word(p, what);
	if (scan_size(p->tok.word, &number))
		fail_expected(p, what);
	advance(p);
	return number;
}

/* explore all | naive | preempt N | pct D | random, and runs N, seed N for the last two */
void parse_explore(struct parser *p, struct explore_request *e)
{
	static const struct strategy {
		const char *name;
		enum explore_strategy strategy;
		const char *bound;	/* what it is followed by, or NULL */
		u64 max_bound;
		bool random;
	} strategies[] = {
		{ "all", EXPLORE_DPOR, NULL, 0, false },
		{ "naive", EXPLORE_NAIVE, NULL, 0, false },
		{ "preempt", EXPLORE_PREEMPT, "a number of preemptions", 100, false },
		{ "pct", EXPLORE_PCT, "a depth, 1 to 64", EXPLORE_MAX_DEPTH, true },
		{ "random", EXPLORE_RANDOM, NULL, 0, true },
	};
	static const struct name_table names = NAME_TABLE(strategies);
	struct pos pos = p->tok.pos;
	int i;

	expect_word(p, "all, naive, preempt, pct or random");
	i = name_find(&names, p->tok.word);
	if (i < 0)
		fail_unknown(p, pos, "strategy", p->tok.word, &names);
	advance(p);
	*e = (struct explore_request){
		.wanted = true, .strategy = strategies[i].strategy, .runs = 10000, .seed = 1,
	};
	if (strategies[i].bound) {
		u64 bound;

		pos = p->tok.pos;
		bound = parse_number(p, strategies[i].bound);
		if (bound > strategies[i].max_bound || (!bound && e->strategy == EXPLORE_PCT))
			fail(p, pos, "expected %s", strategies[i].bound);
		e->bound = bound;
	}
	while (strategies[i].random && p->tok.type == TOKEN_WORD) {
		if (accept(p, "runs")) {
			pos = p->tok.pos;
			e->runs = parse_number(p, "a number of runs");
			if (!e->runs)
				fail(p, pos, "expected a number of runs, 1 or more");
		} else if (accept(p, "seed")) {
			e->seed = parse_number(p, "a number");
		} else {
			fail_expected(p, "'runs', 'seed' or the end of the line");
		}
	}
}

int scenario_parse_explore(struct scenario *s, const char *text, struct explore_request *how,
			   FILE *errors)
{
	struct parser p;

	parser_init(&p, s, "--strategy", text, strlen(text), errors);
	if (setjmp(p.lex.bail))
		return -EINVAL;
	lex_check(&p.lex);
	advance(&p);
	parse_explore(&p, how);
	if (p.tok.type != TOKEN_END)
		fail_expected(&p, "one strategy");
	return 0;
}

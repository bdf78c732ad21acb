/* SPDX-License-Identifier: MIT */
/*
 * All interleavings of a scenario's sessions. Every session runs all its steps;
 * the explorer decides at each announced access who goes next. Runs in the soft
 * MMU; what it finds is replayed elsewhere by its schedule.
 */
#ifndef DAXSIM_EXPLORE_SCENARIO_H
#define DAXSIM_EXPLORE_SCENARIO_H

#include "daxsim/script/chunks.h"
#include "daxsim/script/run.h"
#include "daxsim/sim/explore.h"

/* What a schedule shows: an enum invariant, or one of these; GOAL_FINAL plus the index of a final. */
enum {
	GOAL_RESULT = NR_INVARIANTS,		/* a command came to something else */
	GOAL_FINAL,				/* an end that the final rules out */
	GOAL_END = GOAL_FINAL + MAX_FINALS,	/* some end */
};

/* Something that went wrong in some executions. */
struct explore_finding {
	u64 classes;		/* that showed it */
	char text[256];		/* in the execution below */
	u32 preemptions;	/* the fewest */
	struct chunks chunks;
	u64 *course;		/* struct course after each chunk: what a replay must come to; or NULL */
};

/* How long it may take. */
struct explore_limits {
	u64 executions;		/* of one strategy; 0: EXPLORE_BUDGET */
	bool outcomes;		/* tell distinct ends apart; costs time in proportion to what files hold */
	bool restless;		/* explore also what is nobody else's business */
	FILE *progress;		/* where a line about progress goes; NULL: nowhere */
	const volatile sig_atomic_t *interrupted;	/* may be NULL */
	/*
	 * Processes that may still be made to help with "all", in memory that processes share; what
	 * comes of it is the same. No other thread may run. NULL: none
	 */
	volatile s32 *free;
};

#define EXPLORE_BUDGET 2000000ULL

/*
 * Classes with a session that makes EXPLORE_MAX_EVENTS accesses: each takes as long as dozens of
 * others, nothing is proven any more, and it is not likely that the next one shows something new.
 * So a search ends with so many of them.
 */
#define MAX_ENDLESS 100

#define MAX_OUTCOMES 24

/* An end that executions come to: what commands returned, and what is left behind. */
struct explore_outcome {
	u64 hash;
	u64 classes;		/* that came to it */
	struct explore_finding witness;
};

struct exploration {
	/* Of the last strategy; classes and executions of all, each of which counts anew. */
	struct explore_result result;
	struct explore_finding findings[NR_INVARIANTS];
	struct explore_finding mismatch;	/* a command came to something else */
	struct explore_finding endless;	/* a session was stopped after EXPLORE_MAX_EVENTS accesses */
	u64 finals[MAX_FINALS];		/* classes in which its commands came to what they ask for */
	u64 finals_run;			/* classes that got as far */
	struct explore_finding against[MAX_FINALS];	/* what a final of a clean variant rules out */
	bool reached[NR_POINTS];	/* by any session in any execution */
	bool too_many;			/* "all" took more than the budget: what came after it counts */
	struct explore_outcome outcomes[MAX_OUTCOMES];
	u32 nr_outcomes;
	u64 other_outcomes;		/* classes that came to further ones */
	char *lock_report;		/* cycles in the order of locks over all of them; or NULL */
	double seconds;
	char *failure;			/* set-up went wrong, or a bug of daxsim; NULL: nothing */
	bool bad_input;
};

/**
 * explore_scenario() - run a variant in many interleavings
 * @s: the scenario
 * @v: the variant
 * @how: the strategy. When "all" turns out too much, what follows is a ladder of
 *	preemption bounds 0 to 3 and then PCT with d = 3
 * @limits: executions a strategy may take, progress and interruption
 * @x: filled in, of any size; exploration_free() it
 *
 * Return: 0, or a negative errno with x->failure set.
 */
int explore_scenario(const struct scenario *s, const struct variant *v,
		     const struct explore_request *how, const struct explore_limits *limits,
		     struct exploration *x);

/** exploration_free() - drop what an exploration holds */
void exploration_free(struct exploration *x);

/**
 * finding_schedule() - the schedule of a finding, as execute() wants it
 * @s: the scenario
 * @f: a finding with at least one class
 *
 * Return: a schedule called "explored", in one piece to free(); NULL without memory.
 */
struct schedule *finding_schedule(const struct scenario *s, const struct explore_finding *f);

#endif

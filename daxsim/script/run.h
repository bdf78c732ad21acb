/* SPDX-License-Identifier: MIT */
/*
 * Running one variant of a scenario: set up a machine, drive its sessions by a
 * schedule, look at the end. An execution is what came of one schedule in one
 * MMU; a verdict is what all executions of a variant come to.
 */
#ifndef DAXSIM_RUN_H
#define DAXSIM_RUN_H

#include <signal.h>

#include "daxsim/script/machine.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/trace.h"

struct exploration;
struct explore_finding;
struct explore_outcome;
struct lockdep;

/* A violation of an invariant, the first of its kind in an execution. */
struct finding {
	bool seen;
	char *text;
	const char *session;	/* who was running, or NULL: found at rest */
	const char *step;
	size_t event;		/* in the trace */
};

struct execution {
	struct trace trace;
	struct finding findings[NR_INVARIANTS];
	char *failure;		/* file:line: what came out wrong, the first of them; NULL: nothing */
	size_t failed_at;	/* event in the trace */
	char *damage;		/* the same in a variant that expects a bug */
	char *state;		/* state_print() before and after the final commands */
	char *lock_report;	/* the cycles that the lock validator found, at length; or NULL */
	u32 finals;		/* bit per final, MAX_FINALS: its commands came to what they ask for */
	char final_note[200];	/* the first command of an always final that came to something else */
	bool ran_finals;	/* false after a deadlock */
	bool bad_input;		/* the scenario makes no sense: exit status 2 */
	bool off_course;	/* it went otherwise than its schedule says: a bug of daxsim */
	bool interrupted;
};

/**
 * execute() - run one schedule of one variant in one MMU
 * @s: the scenario
 * @v: the variant
 * @schedule: NULL: the sessions one after the other
 * @mmu: which MMU
 * @interrupted: set asynchronously to make it stop; may be NULL
 * @x: filled in; execution_free() it
 */
void execute(const struct scenario *s, const struct variant *v, const struct schedule *schedule,
	     const struct mmu_ops *mmu, const volatile sig_atomic_t *interrupted,
	     struct execution *x);

/**
 * execute_lockdep() - the same under a lock validator
 * @lockdep: adds the order of locks to what it has seen before; NULL: there is none
 */
void execute_lockdep(const struct scenario *s, const struct variant *v,
		     const struct schedule *schedule, const struct mmu_ops *mmu,
		     struct lockdep *lockdep, const volatile sig_atomic_t *interrupted,
		     struct execution *x);

/** final_applies() - whether a final condition says anything of a variant */
bool final_applies(const struct final *f, const struct variant *v);

/**
 * final_forbids() - whether a final condition rules out that an execution ends so
 * @s: the scenario
 * @index: of the final
 * @so: bit per final: its commands came to what they ask for
 */
bool final_forbids(const struct scenario *s, unsigned int index, u32 so);

/** execution_free() - drop what an execution holds */
void execution_free(struct execution *x);

#define MAX_MMUS 2

/* One schedule in every MMU that was asked for. */
struct schedule_verdict {
	const struct schedule *schedule;	/* NULL: sessions one after the other */
	struct schedule *found;			/* the same, if exploration found it: owned */
	struct execution x[MAX_MMUS];
	const struct explore_finding *of;	/* where @found comes from */
	bool finding;				/* @found shows something that is wrong */
	u64 shows;				/* what @found stands for: up to GOAL_RESULT, bit each */
	u32 against;				/* finals that @found ends against, bit each */
	const struct explore_outcome *outcome;	/* what it witnesses; or NULL */
	char *disagreement;			/* the MMUs differ: a bug of daxsim; or NULL */
};

struct verdict {
	const struct scenario *scenario;
	const struct variant *variant;
	const struct mmu_ops *mmus[MAX_MMUS];
	unsigned int nr_mmus;
	/*
	 * The order of locks adds up over the schedules of the scenario. Each MMU has
	 * its own, so that one schedule has the same trace in both.
	 */
	struct lockdep *lockdeps[MAX_MMUS];
	struct schedule_verdict *schedules;
	unsigned int nr_schedules;	/* those that were found come last */
	unsigned int nr_found;
	struct exploration *explored;	/* or NULL */
	struct schedule *lock_witness;	/* shows a cycle of locks that exploration found; or NULL */
	bool ok;
	bool bad_input;
	bool interrupted;
	bool daxsim_bug;	/* executions that must be the same were not: nothing else counts */
	char *why;		/* not ok: in one line */
	int culprit;		/* index of the schedule to look at, or -1 */
	int shown;		/* enum invariant that the Observation line names, or -1: none */
	u64 shown_in;		/* classes of executions, or schedules, that showed it */
	u64 shown_of;		/* of how many */
};

/* What of a variant is run. */
struct judge_how {
	const struct mmu_ops *mmus[MAX_MMUS];
	unsigned int nr_mmus;
	const struct schedule *only;		/* instead of the scenario's own and of exploring; or NULL */
	const struct explore_request *explore;	/* instead of the scenario's own; or NULL */
	bool no_schedules;			/* only explore */
	bool outcomes;				/* tell the ends of executions apart */
	u64 budget;				/* executions a strategy may take; 0: EXPLORE_BUDGET */
	FILE *progress;				/* or NULL */
	const volatile sig_atomic_t *interrupted;	/* or NULL */
	volatile s32 *free;			/* as in struct explore_limits; or NULL */
};

/**
 * judge_as() - run a variant in its schedules and MMUs, and explore it
 * @s: the scenario
 * @v: the variant
 * @how: what to run
 * @verdict: filled in; verdict_free() it
 *
 * Exploration runs in the soft MMU. The simplest schedule for each thing it finds
 * runs in every MMU, simplest first: so it is confirmed, or daxsim is wrong. Interrupted,
 * this still happens to what was found so far.
 */
void judge_as(const struct scenario *s, const struct variant *v, const struct judge_how *how,
	      struct verdict *verdict);

/** judge() - the same with everything as the scenario says; @only: one schedule instead, or NULL */
void judge(const struct scenario *s, const struct variant *v, const struct schedule *only,
	   const struct mmu_ops *const *mmus, unsigned int nr_mmus,
	   const volatile sig_atomic_t *interrupted, struct verdict *verdict);

/** verdict_free() - drop what a verdict holds */
void verdict_free(struct verdict *verdict);

#endif

/* SPDX-License-Identifier: MIT */
/* What the files that run a schedule share: its sessions, and what is known of the execution. */
#ifndef DAXSIM_RUN_PRIVATE_H
#define DAXSIM_RUN_PRIVATE_H

#include "daxsim/script/course.h"
#include "daxsim/script/run.h"

enum step_state {
	STEP_NEW,
	STEP_STARTED,
	STEP_DONE,
};

/* A session while it runs. */
struct actor {
	struct run *run;
	const struct session *session;
	struct task *task;
	const struct step *step;	/* the one it is in, or was in last */
	enum step_state state;		/* of that step */
	bool waiting;			/* it blocked, and goes on by itself when it can */
	bool ended_early;		/* the step ended where `or end` allows it */
	bool went_on;			/* it did, and ended outside of any entry of the schedule */

	/* Where it must stop: the nth hit of a point, or after a number of points. */
	const struct sched_entry *target;
	u64 hits;
	bool held;
	enum point_id held_at;
};

struct run {
	const struct scenario *s;
	const struct variant *v;
	struct execution *x;
	const struct schedule *schedule;	/* NULL: one session after the other */
	const volatile sig_atomic_t *interrupted;
	struct machine m;
	struct actor actors[MAX_SESSIONS];
	struct actor helper;		/* runs setup and final commands */
	struct course course;
	u64 results;			/* outcome_hash() of the sessions' commands, added up */
	bool setting_up;
	bool stop;			/* nothing more can happen: deadlock, error, interrupt */
	bool collecting;		/* the final's commands decide, not fail */
	bool noting;			/* what they came to instead goes into final_note */
	bool all_matched;
};

/** run_complain() - keep the first thing that went wrong; where a bug is expected, as its damage */
__printf(3, 4) void run_complain(struct run *r, const struct pos *pos, const char *fmt, ...);

/** run_reject() - the scenario itself is wrong: nothing it says can be judged */
__printf(3, 4) void run_reject(struct run *r, const struct pos *pos, const char *fmt, ...);

/** run_reject_entry() - the same for what a schedule asks for, at @pos of it */
__printf(3, 4) void run_reject_entry(struct run *r, const struct pos *pos, const char *fmt, ...);

/**
 * run_complain_entry() - something comes out otherwise than a schedule says
 *
 * Of a scenario that is a failure. Who gives a schedule by hand wants to know how to put it.
 */
__printf(3, 4) void run_complain_entry(struct run *r, const struct pos *pos, const char *fmt, ...);

/** run_commands() - the commands of a step, or of setup and final, on their task */
void run_commands(struct run *r, const struct cmd *cmd);

/** run_deadlock() - report a deadlock of the sessions as they are, and stop */
void run_deadlock(struct run *r, const char *what);

/** run_must_hold() - sched.hold, asked at every point: does the session have to stop here? */
bool run_must_hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object);

/** run_schedule() - let the sessions run by a schedule, or one after the other, to their end */
void run_schedule(struct run *r, const struct schedule *schedule);

#endif

/* SPDX-License-Identifier: MIT */
/* What the files that explore a scenario share: its machine and its sessions as they walk. */
#ifndef DAXSIM_EXPLORE_PRIVATE_H
#define DAXSIM_EXPLORE_PRIVATE_H

#include "daxsim/script/calm.h"
#include "daxsim/script/explore_scenario.h"
#include "daxsim/sim/lock_news.h"
#include "daxsim/sim/snapshot.h"

#define NR_SAVED 32	/* states of an execution that are kept at a time */

/* A session while it is explored: always before its next event, or at its end. */
struct walker {
	struct explorer *x;
	struct task *task;
	const struct session *session;
	const struct step *step;	/* the one it is in; NULL: it has ended */
	u64 next_object;		/* what it announced */
	u8 next_kind;
	struct calm_object *silent;	/* what its last point was about, if that made no event, */
	u8 silent_kind;			/* and what it did; or NULL */
	u32 nr_silent;			/* points that were, in this execution */
	bool first_event;		/* of its step: a new chunk begins with it */
	u32 passed;			/* points passed that no chunk counts yet */
	u32 total;			/* points passed that chunks count, in this execution */
	u32 asked;			/* and so many of those a schedule has asked for */
};

/* A state of an execution: all that walk_reset() makes new. */
struct saved_walk {
	struct checkpoint machine;
	struct machine names;
	struct walker walkers[MAX_SESSIONS];
	struct chunks chunks;
	u32 unfinished;
	u32 asking;
	u64 seen;
	char texts[NR_INVARIANTS][256];
	char mismatch[256];
	u64 results;
};

struct explorer {
	const struct scenario *s;
	const struct variant *v;
	struct exploration *out;
	struct explore_limits limits;
	double begun;			/* the strategy at hand, seconds */
	const struct explore_request *how;
	bool estimated;			/* and the estimate was printed */
	bool no_memory;			/* a schedule is not all there: nothing counts */
	bool table_full;		/* of outcomes, and */
	struct lock_memory locks;	/* what was known of them when this process began */
	bool reached[NR_POINTS];	/* by any session in any execution */
	u64 end;			/* GOAL_END: the end_hash() to come to */
	u32 most_preemptions;		/* of any finding */
	u64 spent;			/* points passed to find simpler schedules */
	struct machine m;
	struct machine names;		/* the machine's tables as they were saved */
	struct snapshot snapshot;
	struct saved_walk *saved[NR_SAVED];	/* NULL: not used so far */
	struct walker walkers[MAX_SESSIONS];
	struct task *helper;		/* runs setup and final commands */
	const struct cmd *helper_cmds;

	struct calm calm;		/* what is not explored; without what turned out not to be calm */
	bool stirred;			/* something did: what was found may not be all */
	bool apart;			/* each access is an event, with none that joins it */

	/* The execution at hand. */
	struct explore_event event;	/* that is being executed */
	bool doing;			/* whether any is */
	const struct step *was;		/* the step in which it began */
	explore_done *done;		/* for walk_run() */
	void *done_ctx;
	struct chunks chunks;
	u64 seen;			/* bit per invariant */
	char texts[NR_INVARIANTS][256];
	char mismatch[256];
	u64 results;			/* hash of what commands came to, in the order of sessions */
	u32 unfinished;			/* sessions that have a next event, bit each */
	u32 asking;			/* of these, who asks for a lock */
	bool judging;			/* command results count */
	bool matched;
};

/* The interface of the explorer, struct explore_program; @data is a struct explorer. */
void walk_reset(void *data);
u32 walk_enabled(void *data, u32 *unfinished);
void walk_pending(void *data, unsigned int thread, struct explore_event *e);
void walk_run(void *data, unsigned int thread, explore_done *done, void *ctx);
void walk_step(void *data, unsigned int thread, struct explore_event *e);

bool walk_save(void *data, u32 slot);
void walk_load(void *data, u32 slot);

/** walk_must_wait() - whether a session that is at a point of this kind could not go on now */
static inline bool walk_must_wait(const struct task *t, enum point_kind kind)
{
	return t->at_lock && kind != P_UNLOCK && lock_conflicts(t->at_lock, t->at_mode);
}

/** walk_work() - what the task of a walker does: the commands of the step that it is in */
void walk_work(struct task *t, void *walker);

/** walk_restore() - make the machine again what it was after the setup commands */
void walk_restore(struct explorer *x);

/** walk_probe() - see what sessions have to do with each other, and make x->calm of it */
void walk_probe(struct explorer *x);

/** walk_tear_down() - undo walk_set_up(), if it succeeded, and what executions left */
void walk_tear_down(struct explorer *x);

/** walk_set_up() - make sessions, run the setup commands, save the machine. False: it failed */
bool walk_set_up(struct explorer *x);

/** walk_helper() - run setup or final commands; false if they wait for ever */
bool walk_helper(struct explorer *x, const struct cmd *cmds);

/**
 * walk_stuck() - report a deadlock of the sessions as they are, which all wait or have ended
 * @x: the explorer
 * @who: sessions that want to go on, bit each; others count as ended
 * @stopped: or could go on, but are not let; whoever waits for these is not stuck
 *
 * If there is one, x->chunks ends with all who wait, each for the lock that it does not get.
 * Return: whether there is one.
 */
bool walk_stuck(struct explorer *x, u32 who, bool stopped);

/**
 * walk_finals() - run the commands of the final conditions that apply to the variant
 * @so: set to those that came to what they ask for, bit per final
 *
 * Return: false if one of them waits for ever.
 */
bool walk_finals(struct explorer *x, u32 *so);

/** end_hash() - what commands came to and what is left behind, in one number */
u64 end_hash(struct explorer *x, bool stuck);

/**
 * simplify() - make the schedule of a finding as simple as it gets
 * @x: the explorer, with its machine saved
 * @f: the finding
 * @goal: what must go on showing
 *
 * Sessions that are not needed are left out, and what a session does last; parts of one session
 * are put together as long as the same thing shows with fewer preemptions. The schedule ends
 * with the step in which it shows. What stands at the end is a matter of all steps of all
 * sessions. A schedule of many hundreds of parts that all seem to be needed is left at some
 * time as it is by then.
 */
void simplify(struct explorer *x, struct explore_finding *f, int goal);

/** record_course() - follow the schedule of a finding once more and note what it comes to */
void record_course(struct explorer *x, struct explore_finding *f);

/**
 * let_run_on() - make a schedule, which has just been followed, end with a session that was stopped
 *
 * It is not told where to stop any more, so that a replay shows whether it ever does.
 */
void let_run_on(struct explorer *x, struct explore_finding *f);

/* What processes that share an exploration do, struct explore_ahead; @ctx is a struct explorer. */
extern const size_t explored_part_size;	/* bytes, of what explored_pack() leaves */
void explored_begin(void *ctx);
bool explored_pack(void *ctx, void *to);
bool explored_take(void *ctx, const void *from);

/** explore_progress() - how far it is, for a terminal; called every few thousand executions */
void explore_progress(struct explorer *x, const struct explore_result *r);

/** explore_seconds() - on a clock that only goes forward */
double explore_seconds(void);

#endif

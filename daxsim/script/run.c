// SPDX-License-Identifier: MIT
/*
 * Driving the sessions of a scenario by a schedule. The schedule decides who
 * runs; what a step does when it blocks, and when it goes on, follows from the
 * locks.
 */
#include "daxsim/script/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/course.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/state.h"

#define MAX_POINTS 1000000	/* a step that passes more than this is in a loop */

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

/* Keep the first thing that went wrong. Where a bug is expected, that is its damage. */
__printf(3, 4) static void complain(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	bool excused = (r->v->expect == EXPECT_BUG || r->v->survey) && !r->setting_up;
	char **where = excused ? &r->x->damage : &r->x->failure;
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (text && !*where && asprintf(where, "%s:%u:%u: %s", r->s->path, pos->line, pos->col,
				       text) < 0)
		*where = NULL;
	free(text);
}

/* The scenario itself is wrong: nothing it says can be judged. */
__printf(3, 4) static void reject(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	free(r->x->failure);
	if (!text || asprintf(&r->x->failure, "%s:%u:%u: error: %s", r->s->path, pos->line,
			      pos->col, text) < 0)
		r->x->failure = NULL;
	free(text);
	r->x->bad_input = true;
	r->stop = true;
}

static void on_violation(void *data, enum invariant inv, const char *text)
{
	struct run *r = data;
	struct finding *f = &r->x->findings[inv];

	if (f->seen)
		return;
	f->seen = true;
	f->text = strdup(text);
	f->event = r->x->trace.nr;
	for (u32 i = 0; i < r->s->nr_sessions; i++)
		if (current && r->actors[i].task == current) {
			f->session = r->actors[i].session->name;
			f->step = r->actors[i].step->name;
		}
	trace_event(&r->x->trace, EVENT_VIOLATION, current, 0, "%s: %s", invariant_table[inv].name,
		    text);
}

/* Commands of a step, or of setup and final, run on their task. */
static void run_commands(struct run *r, const struct cmd *cmd)
{
	struct task *t = current;
	char got[160], want[160];

	for (; cmd; cmd = cmd->next) {
		struct outcome out;
		bool matched;

		trace_event(&r->x->trace, EVENT_COMMAND, t, 0, "%s", cmd->text);
		machine_command(&r->m, cmd, &out);
		outcome_print(cmd, &out, got, sizeof(got));
		trace_event(&r->x->trace, EVENT_RESULT, t, 0, "%s = %s", cmd->text, got);
		matched = outcome_matches(cmd, &out);
		r->all_matched &= matched;
		if (t->id)
			r->results += outcome_hash(cmd, &out);
		if (out.error[0])
			reject(r, &cmd->pos, "%s", out.error);
		else if (!matched && r->noting && !r->x->final_note[0])
			snprintf(r->x->final_note, sizeof(r->x->final_note), "%s gave %s", cmd->text,
				 got);
		else if (!matched && !r->collecting)
			complain(r, &cmd->pos, "%s gave %s, expected %s", cmd->text, got,
				 result_print(cmd, want, sizeof(want)));
		outcome_free(&r->m, &out);
		if (r->stop)
			return;
	}
}

static void step_work(struct task *t, void *arg)
{
	struct actor *a = arg;

	trace_event(&a->run->x->trace, EVENT_STEP, t, 0, "%s", a->step->name);
	run_commands(a->run, a->step->cmds);
	a->state = STEP_DONE;
}

static void helper_work(struct task *t, void *arg)
{
	struct actor *a = arg;

	(void)t;
	run_commands(a->run, a->step->cmds);
}

/* Asked at every point: does the running session have to stop here? */
static bool must_hold(void *data, struct task *t, enum point_id id, enum point_kind kind,
		      u64 object)
{
	struct run *r = data;
	struct actor *a = NULL;
	const struct sched_entry *e;

	(void)kind;
	(void)object;
	for (u32 i = 0; i < r->s->nr_sessions; i++)
		if (r->actors[i].task == t)
			a = &r->actors[i];
	if (t->nr_points >= MAX_POINTS) {
		check_report(r->m.sim.check, INV_DEADLOCK,
			     "%s%s passed %d points and does not end; it is in %s",
			     a ? "step " : "", a ? a->step->name : t->name, MAX_POINTS,
			     point_table[id].name);
		r->stop = true;
		return true;
	}
	if (!a)
		return false;
	e = a->target;
	a->held = false;
	a->held_at = id;
	if (!e)
		return false;
	if (e->type == ENTRY_COUNT) {
		a->held = a->hits++ == e->count;
		return a->held;
	}
	if (e->until != (int)id)
		return false;
	if (id == P_lock && e->until_lock >= 0 && t->at_lock->class != e->until_lock)
		return false;
	a->held = ++a->hits == e->nth;
	return a->held;
}

static void report_deadlock(struct run *r, const char *what)
{
	char graph[512];

	sched_wait_graph(&r->m.sim.sched, graph, sizeof(graph));
	check_report(r->m.sim.check, INV_DEADLOCK, "%s: %s", what, graph);
	r->stop = true;
}

/* Let a session go on, and note why it stopped. */
static void go_on(struct run *r, struct actor *a)
{
	struct trace *tr = &r->x->trace;
	struct task *t = a->task;

	a->waiting = false;
	switch (sched_run(t)) {
	case TASK_READY:
		if (a->held)
			trace_event(tr, EVENT_HELD, t, a->held_at, "%s%s%s",
				    point_table[a->held_at].name, t->at_lock ? " " : "",
				    t->at_lock ? lock_class_table[t->at_lock->class].name : "");
		break;
	case TASK_BLOCKED: {
		char graph[256] = "";

		a->waiting = true;
		sched_wait_one(&r->m.sim.sched, t, graph, sizeof(graph));
		trace_event(tr, EVENT_BLOCKED, t, 0, "%s", graph);
		if (sched_deadlocked(t))
			report_deadlock(r, "a wait that never ends");
		break;
	}
	case TASK_IDLE:
		break;
	}
	if (r->interrupted && *r->interrupted) {
		r->x->interrupted = true;
		r->stop = true;
	}
}

/* Sessions whose lock has come free go on, in the order of their declaration. */
static void settle(struct run *r)
{
	bool again = true;

	while (again && !r->stop) {
		again = false;
		for (u32 i = 0; i < r->s->nr_sessions && !r->stop; i++) {
			struct actor *a = &r->actors[i];

			if (!a->waiting || a->task->state != TASK_READY)
				continue;
			go_on(r, a);
			a->went_on = a->state == STEP_DONE;
			again = true;
		}
	}
}

static bool at_rest(const struct run *r)
{
	for (u32 i = 0; i < r->s->nr_sessions; i++)
		if (r->actors[i].task->state != TASK_IDLE)
			return false;
	return true;
}

static void look_around(struct run *r)
{
	char why[200];

	if (r->stop)
		return;
	if (at_rest(r))
		check_quiescent(r->m.sim.check);
	if (state_audit(&r->m.sim, why, sizeof(why)))
		reject(r, &r->s->pos, "bug of daxsim: page tables are not what the kernel believes: %s",
		       why);
}

/* Make the session of a step ready to run it. Returns false if there is nothing to run. */
static bool enter_step(struct run *r, struct actor *a, const struct step *step,
		       const struct pos *pos)
{
	if (a->step == step && a->state == STEP_DONE) {
		if (!a->went_on && !a->ended_early)
			reject(r, pos, "step %s has already ended; name it once for each stop",
			       step->name);
		return false;
	}
	if (a->step == step && a->state == STEP_STARTED)
		return true;
	if (a->state == STEP_STARTED) {
		reject(r, pos, "step %s cannot begin while its session %s is still in step %s",
		       step->name, a->session->name, a->step->name);
		return false;
	}
	a->step = step;
	a->state = STEP_STARTED;
	a->went_on = false;
	a->held = false;
	a->target = NULL;
	sched_start(a->task, step_work, a);
	a->task->step = step->name;
	return true;
}

static void check_blocks_on(struct run *r, const struct actor *a, const struct sched_entry *e)
{
	const struct lock *l = a->task->waiting;
	bool blocked = a->task->state == TASK_BLOCKED;
	char graph[256] = "";

	if (blocked && l->class == e->blocks_on &&
	    (!e->blocks_of || !strcmp(e->blocks_of, l->of)))
		return;
	if (blocked)
		sched_wait_one(&r->m.sim.sched, a->task, graph, sizeof(graph));
	complain(r, &e->pos, "step %s was to block on %s%s%s%s, but %s%s", a->step->name,
		 lock_class_table[e->blocks_on].name, e->blocks_of ? "(" : "",
		 e->blocks_of ? e->blocks_of : "", e->blocks_of ? ")" : "",
		 blocked ? "waits for " : a->state == STEP_DONE ? "it ended" : "it is held", graph);
}

/* A schedule that exploration found says what each part of it came to there. */
static void check_course(struct run *r, const struct actor *a, const struct sched_entry *e)
{
	u64 course = course_add(&r->course, &r->x->trace, &r->m.sim, r->results);

	if (!e->course || course == e->course)
		return;
	free(r->x->failure);
	if (asprintf(&r->x->failure,
		     "bug of daxsim: after %llu points of %s, step %s, the %s MMU has come to something else than the explorer",
		     (unsigned long long)e->count, a->session->name, a->step->name,
		     r->m.sim.mmu->name) < 0)
		r->x->failure = NULL;
	r->x->off_course = true;
	r->stop = true;
}

static void run_entry(struct run *r, const struct sched_entry *e)
{
	const struct session *session = e->type == ENTRY_STEP ? e->step->session : e->session;
	struct actor *a = &r->actors[session->index];
	const struct step *step = e->step;

	if (e->type == ENTRY_COUNT) {
		/* The step it is in, or else its next one. */
		step = a->step;
		if (!step)
			step = session->steps;
		else if (a->state == STEP_DONE)
			step = step->next;
		if (!step) {
			reject(r, &e->pos, "session %s has no step left to run", session->name);
			return;
		}
	}
	if (!enter_step(r, a, step, &e->pos))
		return;
	if (a->task->state == TASK_BLOCKED) {
		char graph[256];

		sched_wait_one(&r->m.sim.sched, a->task, graph, sizeof(graph));
		reject(r, &e->pos, "step %s cannot go on yet: it waits for %s; let that one run first",
		       step->name, graph);
		return;
	}
	a->target = e->type == ENTRY_COUNT || e->until >= 0 ? e : NULL;
	/* The point it was held at is the first that it passes now; nobody asks there again. */
	a->hits = e->type == ENTRY_COUNT && a->held;
	go_on(r, a);
	if (r->stop)
		return;
	if (e->type == ENTRY_COUNT)
		check_course(r, a, e);
	if (e->blocks_on >= 0)
		check_blocks_on(r, a, e);
	if (e->type == ENTRY_STEP && e->until >= 0 && !e->or_end && a->state == STEP_DONE)
		complain(r, &e->pos, "step %s ended without coming to %s (hit %llu of %u)",
			 step->name, e->until_lock >= 0 ? lock_class_table[e->until_lock].name :
			 point_table[e->until].name, (unsigned long long)a->hits, e->nth);
	a->ended_early = e->type == ENTRY_STEP && e->until >= 0 && a->state == STEP_DONE;
	settle(r);
	look_around(r);
}

/* Whoever is still held goes on; then nothing may be left waiting. */
static void drain(struct run *r)
{
	bool again = true;

	while (again && !r->stop) {
		again = false;
		for (u32 i = 0; i < r->s->nr_sessions && !r->stop; i++) {
			struct actor *a = &r->actors[i];

			if (a->task->state != TASK_READY)
				continue;
			a->target = NULL;
			go_on(r, a);
			settle(r);
			again = true;
		}
	}
	if (!r->stop && !at_rest(r))
		report_deadlock(r, "at the end of the schedule");
}

/* Run commands on the helper's task, where no schedule holds them. */
static void run_helper(struct run *r, const struct cmd *cmds)
{
	const struct step step = { .name = "", .cmds = (struct cmd *)cmds };

	r->helper.step = &step;
	sched_start(r->helper.task, helper_work, &r->helper);
	if (sched_run(r->helper.task) == TASK_BLOCKED)
		report_deadlock(r, "with nobody left to wait for");
	r->helper.step = NULL;
}

static void run_finals(struct run *r)
{
	u32 bit = 1;

	for (const struct final *f = r->s->finals; f && !r->stop; f = f->next, bit <<= 1) {
		r->collecting = f->mode != FINAL_ALWAYS || f->condition != FINAL_IF_ANY;
		r->noting = r->collecting && f->mode == FINAL_ALWAYS;
		r->all_matched = true;
		if (!final_applies(f, r->v))
			continue;
		run_helper(r, f->cmds);
		if (r->all_matched)
			r->x->finals |= bit;
	}
	r->x->ran_finals = !r->stop;
	r->collecting = false;
}

static bool add_actors(struct run *r)
{
	struct mm *mm = machine_mm(&r->m, "main");

	r->helper.run = r;
	r->helper.task = mm ? sched_add_task(&r->m.sim, "setup", mm) : NULL;
	for (const struct session *s = r->s->sessions; s; s = s->next) {
		struct actor *a = &r->actors[s->index];

		mm = machine_mm(&r->m, s->process);
		a->run = r;
		a->session = s;
		a->task = mm ? sched_add_task(&r->m.sim, s->name, mm) : NULL;
		if (!a->task)
			return false;
	}
	return r->helper.task;
}

static void run_schedule(struct run *r, const struct schedule *schedule)
{
	if (schedule) {
		for (const struct sched_entry *e = schedule->entries; e && !r->stop; e = e->next)
			run_entry(r, e);
	} else {
		for (const struct session *s = r->s->sessions; s; s = s->next)
			for (struct step *step = s->steps; step && !r->stop; step = step->next) {
				const struct sched_entry e = {
					.pos = step->pos, .step = step, .until = -1,
					.blocks_on = -1,
				};

				run_entry(r, &e);
			}
	}
	drain(r);
	look_around(r);
}

void execute(const struct scenario *s, const struct variant *v, const struct schedule *schedule,
	     const struct mmu_ops *mmu, const volatile sig_atomic_t *interrupted,
	     struct execution *x)
{
	execute_lockdep(s, v, schedule, mmu, NULL, interrupted, x);
}

void execute_lockdep(const struct scenario *s, const struct variant *v,
		     const struct schedule *schedule, const struct mmu_ops *mmu,
		     struct lockdep *lockdep, const volatile sig_atomic_t *interrupted,
		     struct execution *x)
{
	struct run r = { .s = s, .v = v, .x = x, .interrupted = interrupted };
	struct sim *sim = &r.m.sim;
	char why[256];
	size_t size;
	FILE *state;

	memset(x, 0, sizeof(*x));
	trace_init(&x->trace);
	if (machine_init(&r.m, s, v, mmu, why, sizeof(why))) {
		reject(&r, &s->pos, "the %s MMU cannot run: %s", mmu->name, why);
		return;
	}
	state = open_memstream(&x->state, &size);
	if (!state || check_create(sim, s->ignored, on_violation, &r) || !add_actors(&r)) {
		reject(&r, &s->pos, "out of memory");
		goto out;
	}
	sim->trace = &x->trace;
	sim->lockdep = lockdep;
	if (lockdep)
		lockdep_begin(lockdep, s->name);
	sim->sched.hold = must_hold;
	sim->sched.hold_data = &r;
	r.setting_up = true;
	run_helper(&r, s->setup);
	r.helper.task->name = "final";
	r.setting_up = false;
	if (x->failure)
		r.stop = true;
	run_schedule(&r, schedule);
	if (!r.stop) {
		state_print(sim, state);
		run_finals(&r);
		state_print(sim, state);
	}
	if (lockdep)
		x->lock_report = lockdep_take_report(lockdep);
out:
	if (state)
		fclose(state);
	machine_destroy(&r.m);
}

void execution_free(struct execution *x)
{
	trace_free(&x->trace);
	for (int i = 0; i < NR_INVARIANTS; i++)
		free(x->findings[i].text);
	free(x->failure);
	free(x->damage);
	free(x->state);
	free(x->lock_report);
	memset(x, 0, sizeof(*x));
}

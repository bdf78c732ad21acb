// SPDX-License-Identifier: MIT
/*
 * Driving the sessions of a scenario by a schedule. The schedule decides who
 * runs; what a step does when it blocks, and when it goes on, follows from the
 * locks.
 */
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/run_private.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/state.h"

#define MAX_POINTS 1000000	/* a step that passes more than this is in a loop */

static void step_work(struct task *t, void *arg)
{
	struct actor *a = arg;

	trace_event(&a->run->x->trace, EVENT_STEP, t, 0, "%s", a->step->name);
	run_commands(a->run, a->step->cmds);
	a->state = STEP_DONE;
}

bool run_must_hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object)
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
			     "%s%s goes round and does not end: it has passed %d points, and is in %s",
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

void run_deadlock(struct run *r, const char *what)
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
			run_deadlock(r, "a wait that never ends");
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
		run_reject(r, &r->s->pos,
			   "bug of daxsim: page tables are not what the kernel believes: %s", why);
}

/* Make the session of a step ready to run it. Returns false if there is nothing to run. */
static bool enter_step(struct run *r, struct actor *a, const struct step *step,
		       const struct pos *pos)
{
	if (a->step == step && a->state == STEP_DONE) {
		if (!a->went_on && !a->ended_early)
			run_reject_entry(r, pos,
					 "step %s has already ended; name it once for each stop",
					 step->name);
		return false;
	}
	if (a->step == step && a->state == STEP_STARTED)
		return true;
	if (a->state == STEP_STARTED) {
		run_reject_entry(r, pos,
				 "step %s cannot begin while its session %s is still in step %s",
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
	run_complain_entry(r, &e->pos, "step %s was to block on %s%s%s%s, but %s%s", a->step->name,
			   lock_class_table[e->blocks_on].name, e->blocks_of ? "(" : "",
			   e->blocks_of ? e->blocks_of : "", e->blocks_of ? ")" : "",
			   blocked ? "waits for " :
			   a->state == STEP_DONE ? "it ended" : "it is held", graph);
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

/* A step has ended: it should have been held before. What exploration found stands nowhere. */
static void check_end(struct run *r, const struct actor *a, const struct sched_entry *e)
{
	const char *step = a->step->name;
	unsigned long long hits = a->hits;

	if (e->type == ENTRY_STEP && e->until >= 0 && !e->or_end)
		run_complain_entry(r, &e->pos, "step %s ended without coming to %s (hit %llu of %u)",
				   step, e->until_lock >= 0 ?
				   lock_class_table[e->until_lock].name :
				   point_table[e->until].name, hits, e->nth);
	else if (e->type == ENTRY_COUNT && e->count != COUNT_TO_END && e->count > hits &&
		 e->pos.line && e->count > 1)	/* a step without a point counts 1 */
		run_complain_entry(r, &e->pos,
				   "step %s ended after %llu of %llu points; '%s:end' is all it has",
				   step, hits, (unsigned long long)e->count, e->session->name);
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
			run_reject_entry(r, &e->pos, "session %s has no step left to run", session->name);
			return;
		}
	}
	if (!enter_step(r, a, step, &e->pos))
		return;
	if (a->task->state == TASK_BLOCKED) {
		char graph[256];

		sched_wait_one(&r->m.sim.sched, a->task, graph, sizeof(graph));
		run_reject_entry(r, &e->pos,
				 "step %s cannot go on yet: it waits for %s; let that one run first",
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
	if (a->state == STEP_DONE)
		check_end(r, a, e);
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
		run_deadlock(r, "at the end of the schedule");
}

void run_schedule(struct run *r, const struct schedule *schedule)
{
	r->schedule = schedule;
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

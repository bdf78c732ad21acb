// SPDX-License-Identifier: MIT
/*
 * One execution of a variant from beginning to end: its machine, the commands of setup, steps and
 * finals, and what came of them.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/lex.h"
#include "daxsim/script/run_private.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/state.h"

static void complain(struct run *r, const struct pos *pos, const char *fmt, va_list args)
{
	bool excused = (r->v->expect == EXPECT_BUG || r->v->survey) && !r->setting_up;
	char **where = excused ? &r->x->damage : &r->x->failure;
	char *text;

	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	if (text && !*where && asprintf(where, "%s:%u:%u: %s", r->s->path, pos->line, pos->col,
				       text) < 0)
		*where = NULL;
	if (where == &r->x->failure && !r->x->failed_at)
		r->x->failed_at = r->x->trace.nr;
	free(text);
}

void run_complain(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(r, pos, fmt, args);
	va_end(args);
}

/* Both have a place; what was given on the command line is shown as well. */
static void reject(struct run *r, const char *path, const char *text, const struct pos *pos,
		   const char *fmt, va_list args)
{
	struct lexer lx;
	char *why = NULL;
	size_t size;
	FILE *to = open_memstream(&why, &size);

	free(r->x->failure);
	r->x->failure = NULL;
	r->x->bad_input = true;
	r->stop = true;
	if (!to)
		return;
	lex_init(&lx, path, text, strlen(text), to);
	lex_say(&lx, *pos, fmt, args);
	fclose(to);
	if (size)
		why[size - 1] = '\0';
	r->x->failure = why;
}

void run_reject(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	reject(r, r->s->path, "", pos, fmt, args);
	va_end(args);
}

static bool by_hand(const struct run *r)
{
	return r->schedule && r->schedule->text;
}

void run_reject_entry(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (by_hand(r))
		reject(r, SCHEDULE_OPTION, r->schedule->text, pos, fmt, args);
	else
		reject(r, r->s->path, "", pos, fmt, args);
	va_end(args);
}

void run_complain_entry(struct run *r, const struct pos *pos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (by_hand(r))
		reject(r, SCHEDULE_OPTION, r->schedule->text, pos, fmt, args);
	else
		complain(r, pos, fmt, args);
	va_end(args);
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

void run_commands(struct run *r, const struct cmd *cmd)
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
			run_reject(r, &cmd->pos, "%s", out.error);
		else if (!matched && r->noting && !r->x->final_note[0])
			snprintf(r->x->final_note, sizeof(r->x->final_note), "%s gave %s", cmd->text,
				 got);
		else if (!matched && !r->collecting)
			run_complain(r, &cmd->pos, "%s gave %s, expected %s", cmd->text, got,
				     result_print(cmd, want, sizeof(want)));
		outcome_free(&r->m, &out);
		if (r->stop)
			return;
	}
}

static void helper_work(struct task *t, void *arg)
{
	struct actor *a = arg;

	(void)t;
	run_commands(a->run, a->step->cmds);
}

/* Run commands on the helper's task, where no schedule holds them. */
static void run_helper(struct run *r, const struct cmd *cmds)
{
	const struct step step = { .name = "", .cmds = (struct cmd *)cmds };

	r->helper.step = &step;
	sched_start(r->helper.task, helper_work, &r->helper);
	if (sched_run(r->helper.task) == TASK_BLOCKED)
		run_deadlock(r, "with nobody left to wait for");
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
		run_reject(&r, &s->pos, "the %s MMU cannot run: %s", mmu->name, why);
		return;
	}
	state = open_memstream(&x->state, &size);
	if (!state || check_create(sim, s->ignored, on_violation, &r) || !add_actors(&r)) {
		run_reject(&r, &s->pos, "out of memory");
		goto out;
	}
	sim->trace = &x->trace;
	sim->lockdep = lockdep;
	if (lockdep)
		lockdep_begin(lockdep, s->name);
	sim->sched.hold = run_must_hold;
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

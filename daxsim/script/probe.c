// SPDX-License-Identifier: MIT
/* Two executions that show what sessions have to do with each other. */
#include "daxsim/script/explore_private.h"

#define MAX_POINTS 4096	/* of a step; one that goes on for ever has shown what it does by then */

struct probe {
	struct explorer *x;
	struct calm_probe seen;
};

/* A session is left where it would have to wait, or does not seem to end. */
static bool look(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object)
{
	struct probe *p = data;

	(void)id;
	if (t->nr_points > MAX_POINTS)
		return true;
	if (kind == P_MARK)
		return false;
	calm_see_point(&p->seen, t->id - 1, kind, object);
	return walk_must_wait(t, kind);
}

static void look_besides(void *data, enum point_kind kind, u64 object)
{
	struct probe *p = data;

	calm_see_also(&p->seen, current->id - 1, kind, object);
}

static void run_session(struct probe *p, u32 session)
{
	struct walker *w = &p->x->walkers[session];
	enum task_state end = TASK_IDLE;

	calm_see_start(&p->seen);
	for (w->step = w->session->steps; w->step && end == TASK_IDLE; w->step = w->step->next) {
		sched_start(w->task, walk_work, w);
		end = sched_run(w->task);
	}
}

void walk_probe(struct explorer *x)
{
	u32 nr = x->s->nr_sessions;
	struct sched *sched = &x->m.sim.sched;
	const struct sched was = *sched;
	struct lockdep *lockdep = x->m.sim.lockdep;
	struct probe p = { .x = x, .seen.calm = &x->calm };

	/* Where locks are taken in a wrong order, an execution that counts has to show it first. */
	x->m.sim.lockdep = NULL;
	sched->hold = look;
	sched->note = look_besides;
	sched->hold_data = &p;
	for (u32 i = 0; i < nr; i++)
		run_session(&p, i);
	walk_restore(x);
	for (u32 i = nr; i--;)
		run_session(&p, i);
	calm_conclude(&p.seen);
	x->m.sim.lockdep = lockdep;
	sched->hold = was.hold;
	sched->note = was.note;
	sched->hold_data = was.hold_data;
}

// SPDX-License-Identifier: MIT
/* A scenario as a program for the explorer: sessions are its threads, accesses its events. */
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"

#define MAX_SILENT 1024		/* points of a session that make no event, in one execution */

static void run_commands(struct explorer *x, const struct cmd *cmd)
{
	for (; cmd; cmd = cmd->next) {
		struct outcome out;

		machine_command(&x->m, cmd, &out);
		if (x->limits.outcomes && x->judging)
			x->results += outcome_hash(cmd, &out);
		if (!outcome_matches(cmd, &out)) {
			x->matched = false;
			if (x->judging && !x->mismatch[0]) {
				char got[80], want[80];

				snprintf(x->mismatch, sizeof(x->mismatch),
					 "%s:%u:%u: %.60s gave %s, expected %s", x->s->path,
					 cmd->pos.line, cmd->pos.col, cmd->text,
					 outcome_print(cmd, &out, got, sizeof(got)),
					 result_print(cmd, want, sizeof(want)));
			}
		}
		outcome_free(&x->m, &out);
	}
}

void walk_work(struct task *t, void *arg)
{
	struct walker *w = arg;

	t->step = w->step->name;
	run_commands(w->x, w->step->cmds);
}

void walk_pending(void *data, unsigned int thread, struct explore_event *e)
{
	const struct explorer *x = data;
	const struct walker *w = &x->walkers[thread];

	*e = (struct explore_event){ .object = { w->next_object }, .kind = { w->next_kind } };
}

static void end_chunk(struct explorer *x, struct walker *w, bool new_chunk)
{
	u8 session = w->session->index;
	struct chunks *c = &x->chunks;

	if (new_chunk || !c->nr || c->at[c->nr - 1].session != session)
		x->no_memory |= !chunks_add(c, (struct chunk){ .session = session });
	if (c->nr)
		c->at[c->nr - 1].count += w->passed;
	w->total += w->passed;
	w->passed = 0;
}

/* The last chunk is as long as its session could make it. */
static void mark_end(struct explorer *x)
{
	if (x->chunks.nr)
		x->chunks.at[x->chunks.nr - 1].to_end = true;
}

static void begin_event(struct explorer *x, struct walker *w)
{
	walk_pending(x, w->session->index, &x->event);
	w->passed++;
	if (w->first_event)
		end_chunk(x, w, true);
	w->first_event = false;
	x->was = w->step;
}

static u8 explore_kind(const struct task *t, enum point_kind kind)
{
	static const u8 kinds[] = {
		[P_READ] = EXPLORE_READ, [P_WRITE] = EXPLORE_WRITE, [P_LOCK] = EXPLORE_LOCK,
		[P_RLOCK] = EXPLORE_RLOCK, [P_UNLOCK] = EXPLORE_UNLOCK, [P_WAIT] = EXPLORE_WAIT,
	};

	return kind == P_UNLOCK && t->at_mode == LOCK_SHARED ? EXPLORE_RUNLOCK : kinds[kind];
}

static void announce(struct explorer *x, struct walker *w, u8 kind, u64 object)
{
	u32 bit = 1U << w->session->index;

	w->next_object = object;
	w->next_kind = kind;
	x->asking = explore_asks(kind) ? x->asking | bit : x->asking & ~bit;
}

/*
 * Whether what a session is about to do may be part of the event that it is in the middle of.
 * Whatever others do between a lock's being taken and the access that follows could as well
 * come first: nothing that needs the lock is among it. And whatever they do between an access
 * and a lock's being dropped could as well come later (Lipton: Reduction, CACM 1975).
 */
static bool joins(const struct explore_event *e, u8 kind)
{
	switch (kind) {
	case EXPLORE_READ:
	case EXPLORE_WRITE:
		return (e->kind[0] == EXPLORE_LOCK || e->kind[0] == EXPLORE_RLOCK) && !e->kind[1];
	case EXPLORE_UNLOCK:
	case EXPLORE_RUNLOCK:
		return !e->kind[EXPLORE_ACCESSES - 2];
	default:
		return false;
	}
}

/* An object, if it is taken to be nobody else's business. */
static always_inline struct calm_object *calm_object(struct explorer *x, u64 object)
{
	struct calm_object *o = calm_find(&x->calm, object);

	return o->by && !x->apart ? o : NULL;
}

/* It is somebody's: what was found so far counts no more, and next time it is explored. */
static void stir(struct explorer *x, struct calm_object *o)
{
	o->by = 0;
	x->stirred = true;
}

/* What a point is about, if it need not be an event. */
static struct calm_object *pass_silently(struct explorer *x, struct walker *w, const struct task *t,
					 enum point_kind kind, u64 object)
{
	struct calm_object *o = calm_object(x, object);

	if (!o)
		return NULL;
	if (!calm_allows(o, w->session->index, kind) || walk_must_wait(t, kind)) {
		stir(x, o);
		return NULL;
	}
	/* A session that never ends has to come to an event now and then. */
	if (o->loud >> kind & 1 || w->nr_silent == MAX_SILENT)
		return NULL;
	w->nr_silent++;
	w->silent_kind = kind;
	return o;
}

/* Every access is an event: stop before it, unless the explorer wants the same session to go on. */
static bool stop_at_access(void *data, struct task *t, enum point_id id, enum point_kind kind,
			   u64 object)
{
	struct explorer *x = data;
	struct walker *w;
	u8 does;

	x->reached[id] = true;
	w = &x->walkers[t->id - 1];	/* the helper is task 0 */
	if (kind == P_MARK) {
		w->passed++;
		return false;
	}
	w->silent = pass_silently(x, w, t, kind, object);
	if (w->silent) {
		w->passed++;
		return false;
	}
	does = explore_kind(t, kind);
	if (x->doing && !x->apart && !w->first_event && joins(&x->event, does)) {
		explore_add(&x->event, object, does);
		w->passed++;
		return false;
	}
	announce(x, w, does, object);
	if (x->doing)
		x->doing = x->done(x->done_ctx, &x->event);
	if (x->doing)
		begin_event(x, w);
	return !x->doing;
}

/* Go on to the next event; steps that end on the way are followed by the next. */
static void advance(struct explorer *x, struct walker *w)
{
	while (sched_run(w->task) == TASK_IDLE) {
		/* A step without a single access still has to be named in a replay. */
		if (w->first_event)
			w->passed += !w->passed;
		end_chunk(x, w, w->first_event);
		mark_end(x);
		w->step = w->step->next;
		w->first_event = true;
		if (!w->step) {
			x->unfinished &= ~(1U << w->session->index);
			return;
		}
		sched_start(w->task, walk_work, w);
	}
}

/* What the watchers look at belongs to the event that makes them look. */
static void note_access(void *data, enum point_kind kind, u64 object)
{
	struct explorer *x = data;
	struct walker *w = &x->walkers[current->id - 1];
	struct calm_object *o = calm_object(x, object);

	if (o && calm_allows(o, w->session->index, kind))
		return;
	if (o)
		stir(x, o);
	/* It is part of the last point; if that made no event, others may have come in there. */
	if (w->silent) {
		calm_is_loud(w->silent, w->silent_kind);
		x->stirred = true;
	}
	if (x->doing)
		explore_add(&x->event, object, explore_kind(current, kind));
}

void walk_run(void *data, unsigned int thread, explore_done *done, void *ctx)
{
	struct explorer *x = data;
	struct walker *w = &x->walkers[thread];

	x->done = done;
	x->done_ctx = ctx;
	if (!w->first_event)
		end_chunk(x, w, false);
	begin_event(x, w);
	x->doing = true;
	advance(x, w);
	if (x->doing)	/* the last event of its session */
		done(ctx, &x->event);
	x->doing = false;
	if (w->step == x->was)
		end_chunk(x, w, false);
}

static bool one_step(void *ctx, const struct explore_event *e)
{
	*(struct explore_event *)ctx = *e;
	return false;
}

void walk_step(void *data, unsigned int thread, struct explore_event *e)
{
	walk_run(data, thread, one_step, e);
}

u32 walk_enabled(void *data, u32 *unfinished)
{
	const struct explorer *x = data;
	u32 can = x->unfinished;

	for (u32 left = can & x->asking; left; left &= left - 1) {
		unsigned int i = __builtin_ctz(left);
		const struct task *t = x->walkers[i].task;

		if (lock_conflicts(t->at_lock, t->at_mode))
			can &= ~(1U << i);
	}
	*unfinished = x->unfinished;
	return can;
}

/* All of struct machine but the machine proper: its tables as far as they are filled. */
static void copy_names(struct machine *to, const struct machine *from)
{
	to->nr_dir = from->nr_dir;
	memcpy(to->dir, from->dir, from->nr_dir * sizeof(*from->dir));
	to->nr_files = from->nr_files;
	memcpy(to->files, from->files, from->nr_files * sizeof(*from->files));
	to->nr_maps = from->nr_maps;
	memcpy(to->maps, from->maps, from->nr_maps * sizeof(*from->maps));
	to->nr_mms = from->nr_mms;
	memcpy(to->mms, from->mms, from->nr_mms * sizeof(*from->mms));
	memcpy(to->counted, from->counted, sizeof(from->counted));
}

void walk_restore(struct explorer *x)
{
	snapshot_restore(&x->snapshot);
	copy_names(&x->m, &x->names);
}

/*
 * Each session runs up to its first event, one after the other. That is before all others and in
 * no event, so nothing may be found out there that others can change, and nothing done that they
 * can see: system calls begin by taking locks; a name is looked up where others do not bind or
 * drop it, else behind a point; what is mapped at an address is looked up again behind the point.
 * Points it passes silently are about what others have nothing to do with.
 */
void walk_reset(void *data)
{
	struct explorer *x = data;

	walk_restore(x);
	x->chunks.nr = 0;
	x->seen = 0;
	x->mismatch[0] = '\0';
	x->results = 0;
	x->judging = true;
	x->unfinished = 0;
	for (u32 i = 0; i < x->s->nr_sessions; i++) {
		struct walker *w = &x->walkers[i];

		w->step = w->session->steps;
		w->passed = w->total = w->asked = w->nr_silent = 0;
		w->silent = NULL;
		w->first_event = true;
		if (!w->step)
			continue;
		x->unfinished |= 1U << i;
		sched_start(w->task, walk_work, w);
		advance(x, w);
	}
}

static void copy_texts(char (*to)[256], const char (*from)[256], u64 seen)
{
	for (; seen; seen &= seen - 1)
		memcpy(to[__builtin_ctzll(seen)], from[__builtin_ctzll(seen)], sizeof(*to));
}

bool walk_save(void *data, u32 slot)
{
	struct explorer *x = data;
	struct saved_walk *s = x->saved[slot];

	if (!s)
		s = x->saved[slot] = calloc(1, sizeof(*s));
	if (!s || !chunks_copy(&s->chunks, &x->chunks) ||
	    !checkpoint_save(&s->machine, &x->m.sim))
		return false;
	copy_names(&s->names, &x->m);
	memcpy(s->walkers, x->walkers, x->s->nr_sessions * sizeof(*s->walkers));
	s->unfinished = x->unfinished;
	s->asking = x->asking;
	/* The lock validator tells of a cycle once, not again in a replay. */
	s->seen = x->seen & ~(1ULL << INV_LOCK_ORDER);
	copy_texts(s->texts, x->texts, s->seen);
	memcpy(s->mismatch, x->mismatch, sizeof(s->mismatch));
	s->results = x->results;
	return true;
}

void walk_load(void *data, u32 slot)
{
	struct explorer *x = data;
	const struct saved_walk *s = x->saved[slot];

	checkpoint_load(&s->machine, &x->m.sim);
	copy_names(&x->m, &s->names);
	memcpy(x->walkers, s->walkers, x->s->nr_sessions * sizeof(*s->walkers));
	x->no_memory |= !chunks_copy(&x->chunks, &s->chunks);
	x->unfinished = s->unfinished;
	x->asking = s->asking;
	x->seen = s->seen;
	copy_texts(x->texts, s->texts, s->seen);
	memcpy(x->mismatch, s->mismatch, sizeof(s->mismatch));
	x->results = s->results;
	x->judging = true;
}

static void helper_work(struct task *t, void *arg)
{
	struct explorer *x = arg;

	(void)t;
	run_commands(x, x->helper_cmds);
}

bool walk_helper(struct explorer *x, const struct cmd *cmds)
{
	struct sched *sched = &x->m.sim.sched;
	enum task_state end;

	x->matched = true;
	x->helper_cmds = cmds;
	sched->hold = NULL;
	sched->note = NULL;
	sched_start(x->helper, helper_work, x);
	end = sched_run(x->helper);
	sched->hold = stop_at_access;
	sched->note = note_access;
	return end == TASK_IDLE;
}

bool walk_set_up(struct explorer *x)
{
	struct mm *mm = machine_mm(&x->m, "main");

	x->helper = mm ? sched_add_task(&x->m.sim, "setup", mm) : NULL;
	for (const struct session *s = x->s->sessions; s; s = s->next) {
		struct walker *w = &x->walkers[s->index];

		mm = machine_mm(&x->m, s->process);
		w->x = x;
		w->session = s;
		w->task = mm ? sched_add_task(&x->m.sim, s->name, mm) : NULL;
		if (!w->task)
			return false;
	}
	if (!x->helper)
		return false;
	x->m.sim.sched.hold_data = x;
	x->judging = true;
	if (!walk_helper(x, x->s->setup) || !x->matched)
		return false;
	copy_names(&x->names, &x->m);
	return !snapshot_take(&x->snapshot, &x->m.sim);
}

/*
 * A schedule that ends so has to say who asks for a lock in vain: a session may do so before it
 * was ever let go on. Who went on last comes first: it was not left.
 */
static void name_waiting(struct explorer *x, u32 waiting)
{
	u32 nr = x->s->nr_sessions, last = x->chunks.nr ? x->chunks.at[x->chunks.nr - 1].session : 0;

	for (u32 i = last; i < last + nr; i++) {
		struct walker *w = &x->walkers[i % nr];

		if (!(waiting >> i % nr & 1))
			continue;
		w->passed++;
		end_chunk(x, w, w->first_event);
		mark_end(x);
	}
}

bool walk_stuck(struct explorer *x, u32 who, bool stopped)
{
	u32 unfinished, waiting = ~walk_enabled(x, &unfinished) & unfinished & who;
	bool stuck = !stopped;
	char graph[200];

	for (u32 i = 0; i < x->s->nr_sessions; i++) {
		struct walker *w = &x->walkers[i];

		if (!(waiting >> i & 1))
			continue;
		w->task->waiting = w->task->at_lock;
		w->task->wait_mode = w->task->at_mode;
		w->task->state = TASK_BLOCKED;
	}
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		stuck |= sched_deadlocked(x->walkers[i].task);
	if (!stuck)
		return false;
	name_waiting(x, waiting);
	sched_wait_graph(&x->m.sim.sched, graph, sizeof(graph));
	check_report(x->m.sim.check, INV_DEADLOCK, "%s", graph);
	return true;
}

void walk_tear_down(struct explorer *x)
{
	for (u32 i = 0; i < NR_SAVED; i++) {
		if (!x->saved[i])
			continue;
		checkpoint_drop(&x->saved[i]->machine);
		chunks_drop(&x->saved[i]->chunks);
		free(x->saved[i]);
	}
	chunks_drop(&x->chunks);
	snapshot_drop(&x->snapshot);
}

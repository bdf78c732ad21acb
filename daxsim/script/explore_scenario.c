// SPDX-License-Identifier: MIT
/* Searching the interleavings of a scenario, and keeping what was found. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daxsim/script/explore_private.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/state.h"

static void on_violation(void *data, enum invariant inv, const char *text)
{
	struct explorer *x = data;

	if (x->seen >> inv & 1)
		return;
	x->seen |= 1ULL << inv;
	memcpy(x->texts[inv], text, strlen(text) + 1);
}

static void keep(struct explorer *x, struct explore_finding *f, const char *text,
		 const struct explore_run *run)
{
	bool better = !f->classes || run->preemptions < f->preemptions ||
		      (run->preemptions == f->preemptions && x->nr_chunks < f->nr_chunks);

	f->classes += run->number > 0;
	if (!better)
		return;
	snprintf(f->text, sizeof(f->text), "%s", text);
	f->preemptions = run->preemptions;
	f->nr_chunks = x->nr_chunks;
	memcpy(f->chunks, x->chunks, x->nr_chunks * sizeof(*f->chunks));
}

/* Which end this execution came to, and by which schedule the first that did. */
static void count_outcome(struct explorer *x, const struct explore_run *run, bool stuck)
{
	struct exploration *out = x->out;
	u64 hash = x->results + (stuck ? 1 : state_hash(&x->m.sim));
	struct explore_outcome *o = out->outcomes;

	while (o < out->outcomes + out->nr_outcomes && o->hash != hash)
		o++;
	if (o == out->outcomes + MAX_OUTCOMES) {
		out->other_outcomes++;
		return;
	}
	if (o == out->outcomes + out->nr_outcomes) {
		out->nr_outcomes++;
		o->hash = hash;
	}
	o->classes += run->number > 0;
	keep(x, &o->witness, "", run);
}

/* The end of an execution: what must hold at rest, and the final conditions. */
static bool visit(void *ctx, const struct explore_run *run)
{
	struct explorer *x = ctx;
	unsigned int index = 0;
	bool stuck = run->deadlock || run->bounded;

	if (run->deadlock)
		walk_stuck(x);
	else if (run->bounded)
		check_report(x->m.sim.check, INV_DEADLOCK, "a session passes %d accesses and does not end",
			     EXPLORE_MAX_EVENTS);
	else
		check_quiescent(x->m.sim.check);
	x->judging = false;
	if (x->limits.outcomes)
		count_outcome(x, run, stuck);
	for (const struct final *f = x->s->finals; f && !stuck; f = f->next, index++) {
		stuck = !walk_helper(x, f->cmds);
		x->out->finals[index] += x->matched && !stuck && run->number;
	}
	/* A class that chance comes to again does not count again. */
	x->out->finals_run += !stuck && run->number;
	for (int i = 0; i < NR_INVARIANTS; i++)
		if (x->seen >> i & 1)
			keep(x, &x->out->findings[i], x->texts[i], run);
	if (x->mismatch[0])
		keep(x, &x->out->mismatch, x->mismatch, run);
	return true;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Called every few thousand executions. */
static bool progress(void *ctx, const struct explore_result *r)
{
	struct explorer *x = ctx;
	FILE *to = x->limits.progress;
	double took = seconds() - x->begun;
	int bugs = 0;

	for (int i = 0; i < NR_INVARIANTS; i++)
		bugs += x->out->findings[i].classes > 0;
	if (to)
		fprintf(to, "\r%s %s: %llu classes, %llu executions, %.0f/s, %d kinds of violation ",
			x->s->name, x->v->text, (unsigned long long)r->classes,
			(unsigned long long)r->executions, r->executions / took, bugs);
	return r->executions < x->limits.executions;
}

/* One strategy. Returns 1, or 0 if it took too many executions, or a negative errno. */
static int search(struct explorer *x, const struct explore_program *program,
		  const struct explore_request *how)
{
	struct explore_options o = {
		.strategy = how->strategy, .bound = how->bound, .runs = how->runs,
		.seed = how->seed, .visit = visit, .progress = progress, .ctx = x,
		.interrupted = x->limits.interrupted,
	};
	struct explore_result *r = &x->out->result;
	u64 before = r->executions;
	bool too_many;
	int err;

	x->begun = seconds();
	err = explore(program, &o, r);
	x->out->seconds += seconds() - x->begun;
	if (x->limits.progress)
		fputs("\r\033[K", x->limits.progress);
	too_many = !r->complete && r->executions >= x->limits.executions;
	r->executions += before;
	return err ? err : !too_many;
}

/* The strategy that was asked for, and what is left to do when that was too much. */
static int climb(struct explorer *x, const struct explore_program *program,
		 const struct explore_request *how)
{
	static const struct explore_request ladder[] = {
		{ .strategy = EXPLORE_PREEMPT, .bound = 3 },
		{ .strategy = EXPLORE_PCT, .bound = 3, .runs = 10000, .seed = 1 },
	};
	const volatile sig_atomic_t *stop = x->limits.interrupted;
	int done = search(x, program, how);

	if (how->strategy != EXPLORE_DPOR)
		return done;
	for (size_t i = 0; i < ARRAY_SIZE(ladder) && !done && !(stop && *stop); i++)
		done = search(x, program, &ladder[i]);
	return done;
}

int explore_scenario(const struct scenario *s, const struct variant *v,
		     const struct explore_request *how, const struct explore_limits *limits,
		     struct exploration *out)
{
	struct explorer *x = calloc(1, sizeof(*x));
	struct explore_program program = {
		.data = x, .nr_threads = s->nr_sessions,
		.reset = walk_reset, .enabled = walk_enabled, .pending = walk_pending,
		.step = walk_step,
	};
	struct lockdep *lockdep = NULL;
	char why[256] = "out of memory";
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	if (!x || machine_init(&x->m, s->device_size, v, &soft_mmu, why, sizeof(why)))
		goto fail;
	x->s = s;
	x->v = v;
	x->out = out;
	x->limits = *limits;
	if (!x->limits.executions)
		x->limits.executions = EXPLORE_BUDGET;
	err = check_create(&x->m.sim, s->ignored, on_violation, x);
	if (!err && !walk_set_up(x)) {
		snprintf(why, sizeof(why), "%s",
			 x->mismatch[0] ? x->mismatch : "setup does not come to its end");
		err = -EINVAL;
	}
	if (err)
		goto destroy;
	x->m.sim.lockdep = lockdep = lockdep_create();
	if (lockdep)
		lockdep_begin(lockdep, s->name);
	err = climb(x, &program, how);
	x->m.sim.lockdep = NULL;
	if (lockdep)
		out->lock_report = lockdep_take_report(lockdep);
	for (int i = 0; i < NR_INVARIANTS && err >= 0; i++)
		if (out->findings[i].classes && i != INV_LOCK_ORDER)
			simplify(x, &out->findings[i], i);
	if (out->mismatch.classes && err >= 0)
		simplify(x, &out->mismatch, -1);
	if (err == -EUCLEAN)
		snprintf(why, sizeof(why), "bug of daxsim: event %lld came out differently in a replay",
			 (long long)out->result.diverged);
	err = min_t(int, err, 0);
	snapshot_drop(&x->snapshot);
destroy:
	machine_destroy(&x->m);
	lockdep_destroy(lockdep);
fail:
	free(x);
	if (err && asprintf(&out->failure, "%s", why) < 0)
		out->failure = NULL;
	return err;
}

void exploration_free(struct exploration *x)
{
	free(x->failure);
	free(x->lock_report);
	memset(x, 0, sizeof(*x));
}

struct schedule *finding_schedule(const struct scenario *s, const struct explore_finding *f)
{
	struct {
		struct schedule schedule;
		struct sched_entry entries[];
	} *all = calloc(1, sizeof(*all) + f->nr_chunks * sizeof(struct sched_entry));

	if (!all)
		return NULL;
	all->schedule.name = "explored";
	all->schedule.entries = f->nr_chunks ? all->entries : NULL;
	for (u32 i = 0; i < f->nr_chunks; i++) {
		const struct session *session = s->sessions;

		while (session->index != f->chunks[i].session)
			session = session->next;
		all->entries[i] = (struct sched_entry){
			.type = ENTRY_COUNT, .session = (struct session *)session,
			.count = f->chunks[i].count, .until = -1, .until_lock = -1, .blocks_on = -1,
			.next = i + 1 < f->nr_chunks ? &all->entries[i + 1] : NULL,
		};
	}
	return &all->schedule;
}

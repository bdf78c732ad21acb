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

/* The fewest preemptions, and of those the fewest parts. */
static void keep(struct explorer *x, struct explore_finding *f, const char *text,
		 const struct explore_run *run)
{
	bool better = !f->classes || run->preemptions < f->preemptions ||
		      (run->preemptions == f->preemptions && x->chunks.nr < f->chunks.nr);

	f->classes += run->number > 0;
	if (!better)
		return;
	snprintf(f->text, sizeof(f->text), "%s", text);
	f->preemptions = run->preemptions;
	x->no_memory |= !chunks_copy(&f->chunks, &x->chunks);
}

u64 end_hash(struct explorer *x, bool stuck)
{
	return x->results + (stuck ? 1 : state_hash(&x->m.sim));
}

/* Which end this execution came to, and by which schedule the first that did. */
static void count_outcome(struct explorer *x, const struct explore_run *run, bool stuck)
{
	struct exploration *out = x->out;
	u64 hash = end_hash(x, stuck);
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

bool walk_finals(struct explorer *x, u32 *so)
{
	u32 bit = 1;

	*so = 0;
	for (const struct final *f = x->s->finals; f; f = f->next, bit <<= 1) {
		if (!final_applies(f, x->v))
			continue;
		if (!walk_helper(x, f->cmds))
			return false;
		if (x->matched)
			*so |= bit;
	}
	return true;
}

/* What the final conditions say of an execution that came to rest. */
static void judge_end(struct explorer *x, const struct explore_run *run)
{
	struct exploration *out = x->out;
	unsigned int index = 0;
	u32 so;

	/* A class that chance comes to again does not count again. */
	if (!walk_finals(x, &so))
		return;
	out->finals_run += run->number > 0;
	for (const struct final *f = x->s->finals; f; f = f->next, index++) {
		out->finals[index] += so >> index & 1 && run->number;
		if (x->v->expect == EXPECT_CLEAN && !x->v->survey && final_applies(f, x->v) &&
		    final_forbids(x->s, index, so))
			keep(x, &out->against[index], "", run);
	}
}

/* The end of an execution: what must hold at rest, and the final conditions. */
static bool visit(void *ctx, const struct explore_run *run)
{
	struct explorer *x = ctx;
	bool stuck = run->deadlock && walk_stuck(x, ~0U, run->bounded);

	if (x->stirred)
		return false;
	if (!stuck && run->bounded)
		keep(x, &x->out->endless, "", run);
	else if (!stuck)
		check_quiescent(x->m.sim.check);
	x->judging = false;
	if (x->limits.outcomes)
		count_outcome(x, run, run->deadlock || run->bounded);
	if (!run->deadlock && !run->bounded)
		judge_end(x, run);
	for (int i = 0; i < NR_INVARIANTS; i++)
		if (x->seen >> i & 1)
			keep(x, &x->out->findings[i], x->texts[i], run);
	if (x->mismatch[0])
		keep(x, &x->out->mismatch, x->mismatch, run);
	return x->out->endless.classes < MAX_ENDLESS && !x->no_memory;
}

double explore_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool progress(void *ctx, const struct explore_result *r)
{
	struct explorer *x = ctx;

	if (x->limits.progress)
		explore_progress(x, r);
	return true;
}

#define WORTH_A_PROCESS 4000	/* executions; a process takes about as long as 100 to make */

/* One strategy. Returns 1, or 0 if it took too many executions, or a negative errno. */
static int search(struct explorer *x, const struct explore_program *program,
		  const struct explore_request *how)
{
	const struct explore_ahead ahead = {
		.free = x->limits.free, .worth = WORTH_A_PROCESS, .size = explored_part_size, .begin = explored_begin,
		.pack = explored_pack, .take = explored_take,
	};
	struct explore_options o = {
		.strategy = how->strategy, .bound = how->bound, .runs = how->runs,
		.seed = how->seed, .most = x->limits.executions, .visit = visit, .progress = progress, .ctx = x,
		.interrupted = x->limits.interrupted, .ahead = ahead.free ? &ahead : NULL,
	};
	struct explore_result *r = &x->out->result;
	u64 executions = r->executions, classes = r->classes;
	bool too_many;
	int err;

	x->begun = explore_seconds();
	x->how = how;
	/* Bounds count preemptions, and to be made to wait for a lock is none: that may save one. */
	x->apart = how->strategy != EXPLORE_DPOR;
	x->estimated = false;
	if (!x->apart && !x->calm.guessed)
		walk_probe(x);
	err = explore(program, &o, r);
	x->out->seconds += explore_seconds() - x->begun;
	if (x->limits.progress)
		fputs("\r\033[K", x->limits.progress);
	too_many = !r->complete && r->executions >= x->limits.executions;
	r->executions += executions;
	r->classes += classes;
	return err ? err : !too_many;
}

#define ENOUGH_AGAIN 2000000	/* points, of all executions of search_again(): a second at most */

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
	x->out->too_many = !done;
	for (size_t i = 0; i < ARRAY_SIZE(ladder) && !done && !(stop && *stop); i++) {
		if (x->limits.progress)
			fprintf(x->limits.progress, "%s %s: more than %llu executions; going on with %s\n",
				x->s->name, x->v->text, (unsigned long long)x->limits.executions,
				i ? "PCT" : "at most 3 preemptions");
		done = search(x, program, &ladder[i]);
	}
	return done;
}

/* A schedule of each thing that can be told of one, with what it shows. */
static void for_each_finding(struct explorer *x,
			     void (*act)(struct explorer *x, struct explore_finding *f, int goal))
{
	struct exploration *out = x->out;

	for (int i = 0; i < NR_INVARIANTS; i++)
		if (out->findings[i].classes && i != INV_LOCK_ORDER)
			act(x, &out->findings[i], i);
	if (out->mismatch.classes)
		act(x, &out->mismatch, GOAL_RESULT);
	for (int i = 0; i < MAX_FINALS; i++)
		if (out->against[i].classes)
			act(x, &out->against[i], GOAL_FINAL + i);
}

static void find_most(struct explorer *x, struct explore_finding *f, int goal)
{
	(void)goal;
	x->most_preemptions = max_t(u32, x->most_preemptions, f->preemptions);
}

static void record(struct explorer *x, struct explore_finding *f, int goal)
{
	(void)goal;
	record_course(x, f);
}

/* All that can be counted was counted; here only simpler schedules are of interest. */
static bool visit_again(void *ctx, const struct explore_run *run)
{
	struct explorer *x = ctx;
	struct explore_run known = *run;

	known.number = 0;
	for (u32 i = 0; i < x->s->nr_sessions; i++)
		x->spent += x->walkers[i].total;
	return visit(x, &known) && x->spent < ENOUGH_AGAIN;
}

/*
 * To make a schedule simpler step by step may lead to one that takes more preemptions than
 * another does, which differs in many places. So look at those that take fewer.
 */
static void search_again(struct explorer *x, const struct explore_program *program)
{
	bool outcomes = x->limits.outcomes;
	struct explore_options o = {
		.strategy = EXPLORE_PREEMPT, .visit = visit_again, .ctx = x, .no_classes = true,
		.interrupted = x->limits.interrupted,
	};
	struct explore_result r;

	x->most_preemptions = 0;
	for_each_finding(x, find_most);
	if (!x->most_preemptions || (o.interrupted && *o.interrupted))
		return;
	o.bound = x->most_preemptions - 1;
	x->limits.outcomes = false;
	x->spent = 0;
	x->no_memory |= explore(program, &o, &r) < 0;
	x->limits.outcomes = outcomes;
	for_each_finding(x, simplify);
}

/* Nobody can take in more than the simplest way to each thing that was found. */
static void simplify_all(struct explorer *x, const struct explore_program *program)
{
	struct exploration *out = x->out;

	x->apart = true;
	for_each_finding(x, simplify);
	search_again(x, program);
	for_each_finding(x, record);
	if (out->endless.classes) {
		record_course(x, &out->endless);
		let_run_on(x, &out->endless);
	}
	for (u32 i = 0; i < out->nr_outcomes; i++) {
		x->end = out->outcomes[i].hash;
		simplify(x, &out->outcomes[i].witness, GOAL_END);
		record_course(x, &out->outcomes[i].witness);
	}
}

static void finding_free(struct explore_finding *f)
{
	chunks_drop(&f->chunks);
	free(f->course);
}

void exploration_free(struct exploration *x)
{
	for (int i = 0; i < NR_INVARIANTS; i++)
		finding_free(&x->findings[i]);
	finding_free(&x->mismatch);
	finding_free(&x->endless);
	for (int i = 0; i < MAX_FINALS; i++)
		finding_free(&x->against[i]);
	for (int i = 0; i < MAX_OUTCOMES; i++)
		finding_free(&x->outcomes[i].witness);
	free(x->failure);
	free(x->lock_report);
	memset(x, 0, sizeof(*x));
}

/* explore_scenario(), or -EAGAIN: something was taken to be calm that is not, and no longer is. */
static int explore_once(const struct scenario *s, const struct variant *v,
			const struct explore_request *how, const struct explore_limits *limits,
			struct calm *calm, struct exploration *out)
{
	struct explorer *x = calloc(1, sizeof(*x));
	struct explore_program program = {
		.data = x, .nr_threads = s->nr_sessions,
		.reset = walk_reset, .enabled = walk_enabled, .pending = walk_pending,
		.step = walk_step, .run = walk_run,
		.nr_slots = NR_SAVED, .save = walk_save, .load = walk_load,
	};
	struct lockdep *lockdep = NULL;
	char why[256] = "out of memory";
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	if (!x || machine_init(&x->m, s, v, &soft_mmu, why, sizeof(why)))
		goto fail;
	x->s = s;
	x->v = v;
	x->out = out;
	x->calm = *calm;
	x->limits = *limits;
	if (!x->limits.executions)
		x->limits.executions = EXPLORE_BUDGET;
	err = check_create(&x->m.sim, s->ignored, on_violation, x);
	if (!err && !walk_set_up(x)) {
		snprintf(why, sizeof(why), "%s",
			 x->mismatch[0] ? x->mismatch : "setup does not come to its end");
		err = -EINVAL;
	}
	/* Processes that share the search have a device each. */
	if (!err && x->limits.free)
		err = pmem_part(&x->m.sim.pmem);
	if (err)
		goto destroy;
	x->m.sim.lockdep = lockdep = lockdep_create();
	if (lockdep)
		lockdep_begin(lockdep, s->name);
	err = climb(x, &program, how);
	x->m.sim.lockdep = NULL;
	if (lockdep)
		out->lock_report = lockdep_take_report(lockdep);
	memcpy(out->reached, x->reached, sizeof(out->reached));
	*calm = x->calm;
	if (x->stirred)
		err = -EAGAIN;
	if (err >= 0 && !x->no_memory)
		simplify_all(x, &program);
	if (x->no_memory)
		err = -ENOMEM;
	if (err == -EUCLEAN)
		snprintf(why, sizeof(why), "bug of daxsim: event %lld came out differently in a replay",
			 (long long)out->result.diverged);
	err = min_t(int, err, 0);
	walk_tear_down(x);
destroy:
	machine_destroy(&x->m);
	lockdep_destroy(lockdep);
fail:
	free(x);
	if (err && asprintf(&out->failure, "%s", why) < 0)
		out->failure = NULL;
	return err;
}

#define MAX_GUESSES 8	/* at what is calm */

int explore_scenario(const struct scenario *s, const struct variant *v,
		     const struct explore_request *how, const struct explore_limits *limits,
		     struct exploration *out)
{
	struct calm calm = { .guessed = limits->restless };
	double seconds = 0;
	int err;

	for (int i = 0; (err = explore_once(s, v, how, limits, &calm, out)) == -EAGAIN; i++) {
		seconds += out->seconds;
		exploration_free(out);
		if (i == MAX_GUESSES)
			calm = (struct calm){ .guessed = true };
	}
	out->seconds += seconds;
	return err;
}

struct schedule *finding_schedule(const struct scenario *s, const struct explore_finding *f)
{
	struct {
		struct schedule schedule;
		struct sched_entry entries[];
	} *all = calloc(1, sizeof(*all) + f->chunks.nr * sizeof(struct sched_entry));

	if (!all)
		return NULL;
	all->schedule.name = "explored";
	all->schedule.entries = f->chunks.nr ? all->entries : NULL;
	for (u32 i = 0; i < f->chunks.nr; i++) {
		const struct chunk *c = &f->chunks.at[i];
		const struct session *session = s->sessions;

		while (session->index != c->session)
			session = session->next;
		all->entries[i] = (struct sched_entry){
			.type = ENTRY_COUNT, .session = (struct session *)session,
			.count = c->count, .course = f->course ? f->course[i] : 0,
			.until = -1, .until_lock = -1, .blocks_on = -1,
			.next = i + 1 < f->chunks.nr ? &all->entries[i + 1] : NULL,
		};
	}
	return &all->schedule;
}

// SPDX-License-Identifier: MIT
/* What the executions of a variant come to, held against what its scenario expects. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/witness.h"
#include "daxsim/sim/lockdep.h"

typedef unsigned long long ull;	/* for printf */

/* The first reason stays. */
__printf(3, 4) static void fail(struct verdict *v, int culprit, const char *fmt, ...)
{
	va_list args;

	if (v->why)
		return;
	va_start(args, fmt);
	if (vasprintf(&v->why, fmt, args) < 0)
		v->why = NULL;
	va_end(args);
	v->culprit = culprit;
}

static void compare_mmus(const struct verdict *v, struct schedule_verdict *sv)
{
	const struct execution *a = &sv->x[0], *b = &sv->x[1];
	const char *names[] = { v->mmus[0]->name, v->mmus[1]->name };
	s64 at = trace_diff(&a->trace, &b->trace);
	char left[120] = "nothing", right[120] = "nothing";
	int n = 0;

	if (at >= 0) {
		if ((size_t)at < a->trace.nr)
			trace_describe(&a->trace.events[at], left, sizeof(left));
		if ((size_t)at < b->trace.nr)
			trace_describe(&b->trace.events[at], right, sizeof(right));
		n = asprintf(&sv->disagreement,
			     "bug of daxsim: the MMUs disagree at event %lld: %s has \"%s\", %s has \"%s\"",
			     (long long)at, names[0], left, names[1], right);
	} else if (a->state && b->state && strcmp(a->state, b->state)) {
		n = asprintf(&sv->disagreement,
			     "bug of daxsim: %s and %s end in different states:\n%s---\n%s",
			     names[0], names[1], a->state, b->state);
	}
	if (n < 0)
		sv->disagreement = NULL;
}

bool final_applies(const struct final *f, const struct variant *v)
{
	return f->condition == FINAL_IF_ANY ||
	       (f->condition == FINAL_IF_BUG) == (v->expect == EXPECT_BUG);
}

bool final_forbids(const struct scenario *s, unsigned int index, u32 so)
{
	const struct final *f = s->finals;
	bool ended_so = so >> index & 1;

	while (index--)
		f = f->next;
	return f->mode == FINAL_NEVER ? ended_so : f->mode == FINAL_ALWAYS && !ended_so;
}

/*
 * In how many executions the commands of a final came to what they ask for: the
 * schedules of the scenario, and what was explored. Not every interleaving of a
 * variant with a bug shows it, so of those only "sometimes" asks anything.
 */
static u64 count_final(const struct verdict *v, const struct final *f, unsigned int index,
		       u64 *total, int *culprit)
{
	bool blame = f->mode == FINAL_NEVER;
	u64 n = 0;

	*total = 0;
	for (unsigned int i = v->nr_schedules - v->nr_found; i-- > 0;) {
		const struct execution *x = &v->schedules[i].x[0];
		bool ended_so = x->finals >> index & 1;

		if (!x->ran_finals)
			continue;
		++*total;
		n += ended_so;
		if (ended_so == blame)
			*culprit = i;
	}
	if (v->explored && (v->variant->expect == EXPECT_CLEAN || f->mode == FINAL_SOMETIMES)) {
		*total += v->explored->finals_run;
		n += v->explored->finals[index];
	}
	for (unsigned int i = v->nr_schedules - v->nr_found; i < v->nr_schedules && *culprit < 0; i++)
		if (v->schedules[i].against >> index & 1)
			*culprit = i;
	return n;
}

static void judge_finals(struct verdict *v)
{
	unsigned int index = 0;

	for (const struct final *f = v->scenario->finals; f; f = f->next, index++) {
		bool excused = f->condition == FINAL_IF_ANY && v->variant->expect == EXPECT_BUG;
		int culprit = -1;
		u64 total, n = count_final(v, f, index, &total, &culprit);

		if (!final_applies(f, v->variant) || !total)
			continue;
		if (f->mode == FINAL_SOMETIMES && !n && !v->interrupted)
			fail(v, culprit, "%s:%u: final sometimes: no execution ended so",
			     v->scenario->path, f->pos.line);
		else if (f->mode == FINAL_NEVER && n && !excused)
			fail(v, culprit, "%s:%u: final never: %llu of %llu execution%s ended so",
			     v->scenario->path, f->pos.line, (ull)n, (ull)total,
			     total == 1 ? "" : "s");
		else if (f->mode == FINAL_ALWAYS && n < total && !excused)
			fail(v, culprit, "%s:%u: final: %llu of %llu execution%s did not end so%s%s",
			     v->scenario->path, f->pos.line, (ull)(total - n), (ull)total,
			     total == 1 ? "" : "s",
			     culprit < 0 ? "" : ": ",
			     culprit < 0 ? "" : v->schedules[culprit].x[0].final_note);
	}
}

/* How many schedules showed an invariant broken; *culprit is set to the first of them. */
static unsigned int count_finding(const struct verdict *v, int inv, int *culprit)
{
	unsigned int n = 0;

	for (unsigned int i = v->nr_schedules; i-- > 0;)
		if (v->schedules[i].x[0].findings[inv].seen &&
		    (!v->schedules[i].found || v->schedules[i].finding)) {
			n++;
			*culprit = i;
		}
	if (!n && v->explored && v->explored->findings[inv].classes) {
		n++;
		*culprit = -1;
	}
	return n;
}

static void judge_findings(struct verdict *v)
{
	const struct variant *var = v->variant;

	for (int inv = 0; inv < NR_INVARIANTS; inv++) {
		int culprit = 0;
		unsigned int n = count_finding(v, inv, &culprit);
		bool expected = var->expect == EXPECT_BUG && var->bugs >> inv & 1;

		if (expected && !n && v->interrupted)
			fail(v, -1, "interrupted before expected bug %s showed",
			     invariant_table[inv].name);
		else if (expected && !n)
			fail(v, -1, "expected bug %s, but no %s showed it", invariant_table[inv].name,
			     v->explored ? "interleaving" : "schedule");
		else if (n && ((var->expect == EXPECT_CLEAN && !var->survey) ||
			       (!expected && inv == INV_DEADLOCK && culprit >= 0 &&
				!v->schedules[culprit].found)))
			fail(v, culprit, "%s: %s", invariant_table[inv].name,
			     culprit < 0 ? v->explored->findings[inv].text :
					   v->schedules[culprit].x[0].findings[inv].text);
		if ((expected || (n && var->expect == EXPECT_CLEAN)) && v->shown < 0) {
			v->shown = inv;
			v->shown_in = v->explored ? v->explored->findings[inv].classes : n;
		}
	}
}

/* What a schedule comes to under validators of its own, or under those of the verdict. */
static void run_in_mmus(struct verdict *v, struct schedule_verdict *sv, bool alone,
			const volatile sig_atomic_t *interrupted)
{
	for (unsigned int i = 0; i < v->nr_mmus; i++) {
		struct lockdep *own = alone ? lockdep_create() : NULL;
		struct execution *x = &sv->x[i];

		execute_lockdep(v->scenario, v->variant, sv->schedule, v->mmus[i],
				alone ? own : v->lockdeps[i], interrupted, x);
		lockdep_destroy(own);
		v->interrupted |= x->interrupted;
		v->bad_input |= x->bad_input;
	}
}

/*
 * Run a schedule. The order of locks adds up over those of the scenario; one that exploration
 * found is run alone, and shows what it shows by itself.
 */
static struct schedule_verdict *run_one(struct verdict *v, const struct schedule *schedule,
					bool alone, const volatile sig_atomic_t *interrupted)
{
	struct schedule_verdict *sv = &v->schedules[v->nr_schedules];
	int index = v->nr_schedules++;

	sv->schedule = schedule;
	run_in_mmus(v, sv, alone, interrupted);
	/* What one MMU made up must not pass for a result of the scenario. */
	if (!v->interrupted && !v->bad_input && v->nr_mmus == MAX_MMUS)
		compare_mmus(v, sv);
	for (unsigned int i = 0; i < v->nr_mmus; i++)
		if (sv->x[i].off_course) {
			v->daxsim_bug = true;
			fail(v, index, "%s", sv->x[i].failure);
		}
	if (sv->disagreement) {
		v->daxsim_bug = true;
		fail(v, index, "%s", sv->disagreement);
	}
	for (unsigned int i = 0; i < v->nr_mmus; i++)
		if (sv->x[i].failure)
			fail(v, index, "%s", sv->x[i].failure);
	return sv;
}

static bool same_schedule(const struct explore_finding *a, const struct explore_finding *b)
{
	const struct chunk *c = a->chunks.at, *d = b->chunks.at;
	bool same = a->chunks.nr == b->chunks.nr;

	for (u32 i = 0; same && i < a->chunks.nr; i++)
		same = c[i].session == d[i].session && c[i].count == d[i].count;
	return same;
}

/*
 * Run the schedule of a finding in every MMU, unless it ran before. Who waits for the end has
 * waited for the exploration: this is done in any case.
 */
static struct schedule_verdict *replay(struct verdict *v, const struct explore_finding *f)
{
	struct schedule *schedule;
	struct schedule_verdict *sv;

	for (unsigned int i = v->nr_schedules - v->nr_found; i < v->nr_schedules; i++)
		if (same_schedule(v->schedules[i].of, f))
			return &v->schedules[i];
	if (v->bad_input)
		return NULL;
	schedule = finding_schedule(v->scenario, f);
	if (!schedule)
		return NULL;
	sv = run_one(v, schedule, true, NULL);
	sv->found = schedule;
	sv->of = f;
	v->nr_found++;
	return sv;
}

/* Something that exploration says and a replay must show. */
struct claim {
	const struct explore_finding *f;
	int goal;
};

static bool shows(const struct verdict *v, const struct execution *x, int goal)
{
	if (goal < NR_INVARIANTS)
		return x->findings[goal].seen;
	if (goal == GOAL_RESULT)
		return x->failure;
	return x->ran_finals && final_forbids(v->scenario, goal - GOAL_FINAL, x->finals);
}

/* A simpler schedule that was kept for something else may show it as well. */
static bool confirmed_already(struct verdict *v, int goal)
{
	for (unsigned int i = v->nr_schedules - v->nr_found; i < v->nr_schedules; i++) {
		bool all = v->schedules[i].finding && goal < NR_INVARIANTS;

		for (unsigned int m = 0; m < v->nr_mmus && all; m++)
			all = shows(v, &v->schedules[i].x[m], goal);
		if (all) {
			v->schedules[i].shows |= 1ULL << goal;
			return true;
		}
	}
	return false;
}

static void confirm(struct verdict *v, const struct claim *c)
{
	struct schedule_verdict *sv;

	if (confirmed_already(v, c->goal))
		return;
	sv = replay(v, c->f);
	if (!sv)
		return;
	sv->finding = true;
	if (c->goal >= GOAL_FINAL)
		sv->against |= 1U << (c->goal - GOAL_FINAL);
	else
		sv->shows |= 1ULL << c->goal;
	for (unsigned int i = 0; i < v->nr_mmus; i++) {
		if (shows(v, &sv->x[i], c->goal) || v->bad_input)
			continue;
		v->daxsim_bug = true;
		fail(v, sv - v->schedules,
		     "bug of daxsim: exploration found %s, but its schedule does not show it in %s",
		     c->goal < NR_INVARIANTS ? invariant_table[c->goal].name :
		     c->goal == GOAL_RESULT ? c->f->text : "an end that a final rules out",
		     v->mmus[i]->name);
	}
}

static int by_simplicity(const void *a, const void *b)
{
	const struct claim *c = a, *d = b;

	if (c->f->preemptions != d->f->preemptions)
		return c->f->preemptions < d->f->preemptions ? -1 : 1;
	if (c->f->chunks.nr != d->f->chunks.nr)
		return c->f->chunks.nr < d->f->chunks.nr ? -1 : 1;
	return c->goal - d->goal;
}

static void confirm_all(struct verdict *v)
{
	struct exploration *x = v->explored;
	struct claim claims[NR_INVARIANTS + 1 + MAX_FINALS];
	size_t nr = 0;

	/* A cycle of locks is seen over all executions: no single one shows it. */
	for (int inv = 0; inv < NR_INVARIANTS; inv++)
		if (x->findings[inv].classes && inv != INV_LOCK_ORDER)
			claims[nr++] = (struct claim){ &x->findings[inv], inv };
	if (x->mismatch.classes && v->variant->expect == EXPECT_CLEAN && !v->variant->survey)
		claims[nr++] = (struct claim){ &x->mismatch, GOAL_RESULT };
	for (int i = 0; i < MAX_FINALS; i++)
		if (x->against[i].classes)
			claims[nr++] = (struct claim){ &x->against[i], GOAL_FINAL + i };
	qsort(claims, nr, sizeof(*claims), by_simplicity);
	for (size_t i = 0; i < nr; i++)
		confirm(v, &claims[i]);
}

/*
 * A session that made more accesses than the explorer follows: a replay, which goes on for far
 * longer, tells a loop that does not end from much to do.
 */
static void judge_endless(struct verdict *v)
{
	struct exploration *x = v->explored;
	struct schedule_verdict *sv = x->endless.classes ? replay(v, &x->endless) : NULL;

	if (!sv || !sv->x[0].findings[INV_DEADLOCK].seen)
		return;
	sv->finding = true;
	sv->shows |= 1ULL << INV_DEADLOCK;
	if (!x->findings[INV_DEADLOCK].classes)
		x->findings[INV_DEADLOCK].classes = x->endless.classes;
}

static void explore_variant(struct verdict *v, const struct explore_request *request,
			    const struct judge_how *how)
{
	const struct explore_limits limits = {
		.executions = how->budget, .progress = how->progress,
		.interrupted = how->interrupted, .outcomes = how->outcomes, .free = how->free,
	};
	struct exploration *x = calloc(1, sizeof(*x));

	v->explored = x;
	if (!x) {
		fail(v, -1, "out of memory");
		return;
	}
	if (explore_scenario(v->scenario, v->variant, request, &limits, x)) {
		fail(v, -1, "%s", x->failure);
		return;
	}
	confirm_all(v);
	judge_endless(v);
	if (x->findings[INV_LOCK_ORDER].classes)
		v->lock_witness = find_lock_witness(v);
	for (u32 i = 0; i < x->nr_outcomes; i++) {
		struct schedule_verdict *sv = replay(v, &x->outcomes[i].witness);

		if (sv)
			sv->outcome = &x->outcomes[i];
	}
	v->interrupted |= how->interrupted && *how->interrupted;
	v->shown_of = x->result.classes;
}

static void run_schedules(struct verdict *v, const struct judge_how *how, bool explores)
{
	const struct schedule *sch = v->scenario->schedules;

	if (how->only || (!sch && !explores)) {
		run_one(v, how->only, false, how->interrupted);
		return;
	}
	for (; sch && !how->no_schedules && !v->bad_input && !v->interrupted; sch = sch->next)
		run_one(v, sch, false, how->interrupted);
}

void judge_as(const struct scenario *s, const struct variant *v, const struct judge_how *how,
	      struct verdict *verdict)
{
	const struct explore_request *request = how->explore;
	unsigned int nr = 1 + NR_INVARIANTS + 1 + MAX_FINALS + 1 + MAX_OUTCOMES;
	bool memory;

	if (!request && s->explore.wanted && !how->only)
		request = &s->explore;
	for (const struct schedule *sch = s->schedules; sch; sch = sch->next)
		nr++;
	*verdict = (struct verdict){
		.scenario = s, .variant = v, .nr_mmus = how->nr_mmus, .culprit = -1, .shown = -1,
		.schedules = calloc(nr, sizeof(struct schedule_verdict)),
	};
	memcpy(verdict->mmus, how->mmus, sizeof(verdict->mmus));
	memory = verdict->schedules;
	for (unsigned int i = 0; i < how->nr_mmus; i++) {
		verdict->lockdeps[i] = lockdep_create();
		memory &= !!verdict->lockdeps[i];
	}
	if (!memory) {
		fail(verdict, -1, "out of memory");
		return;
	}
	run_schedules(verdict, how, request);
	verdict->shown_of = verdict->nr_schedules;
	if (request && !verdict->bad_input && !verdict->interrupted)
		explore_variant(verdict, request, how);
	if (verdict->bad_input || (verdict->interrupted && !verdict->explored))
		return;
	if (!v->survey && !verdict->daxsim_bug)
		judge_finals(verdict);
	if (!verdict->daxsim_bug)
		judge_findings(verdict);
	if (verdict->interrupted)
		fail(verdict, -1, "interrupted before all was explored");
	verdict->ok = !verdict->why;
}

void judge(const struct scenario *s, const struct variant *v, const struct schedule *only,
	   const struct mmu_ops *const *mmus, unsigned int nr_mmus,
	   const volatile sig_atomic_t *interrupted, struct verdict *verdict)
{
	struct judge_how how = { .nr_mmus = nr_mmus, .only = only, .interrupted = interrupted };

	memcpy(how.mmus, mmus, nr_mmus * sizeof(*mmus));
	judge_as(s, v, &how, verdict);
}

void verdict_free(struct verdict *verdict)
{
	for (unsigned int i = 0; i < verdict->nr_schedules; i++) {
		for (unsigned int j = 0; j < verdict->nr_mmus; j++)
			execution_free(&verdict->schedules[i].x[j]);
		free(verdict->schedules[i].disagreement);
		free(verdict->schedules[i].found);
	}
	if (verdict->explored)
		exploration_free(verdict->explored);
	free(verdict->explored);
	for (unsigned int i = 0; i < verdict->nr_mmus; i++)
		lockdep_destroy(verdict->lockdeps[i]);
	free(verdict->lock_witness);
	free(verdict->schedules);
	free(verdict->why);
	memset(verdict, 0, sizeof(*verdict));
}

// SPDX-License-Identifier: MIT
/* TAP 13: a test point per variant, YAML where one went wrong, a line to grep for each. */
#include "daxsim/script/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/replay.h"

static const char default_schedule[] = "one after the other";

static const char *schedule_name(const struct schedule_verdict *sv)
{
	return sv->schedule ? sv->schedule->name : default_schedule;
}

void report_begin(struct report *rep, FILE *to, bool json, bool trace)
{
	*rep = (struct report){ .to = to, .trace = trace, .json = json ? json_array() : NULL };
	if (!json)
		fprintf(to, "TAP version 13\n");
}

void report_scenario(struct report *rep, const struct scenario *s)
{
	if (!rep->json)
		fprintf(rep->to, "# %s\n", s->path);
}

/* soft and uffd, or the one that ran. */
static void print_mmus(const struct verdict *v, FILE *to)
{
	for (unsigned int i = 0; i < v->nr_mmus; i++)
		fprintf(to, "%s%s", i ? " = " : "", v->mmus[i]->name);
}

static void print_outcome(const struct verdict *v, FILE *to)
{
	if (v->variant->expect == EXPECT_CLEAN) {
		fputs("clean", to);
		return;
	}
	fputs("shows", to);
	for (int i = 0; i < NR_INVARIANTS; i++)
		if (v->variant->bugs >> i & 1)
			fprintf(to, " %s", invariant_table[i].name);
}

/* Text of several lines, each after @prefix. */
static void print_lines(const char *text, const char *prefix, FILE *to)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		fprintf(to, "%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* How a schedule that exploration found goes, by points and exactly. */
static void print_found(const struct verdict *v, const struct schedule_verdict *sv,
			const char *prefix, FILE *to)
{
	fprintf(to, "%s  ", prefix);
	trace_print_schedule(&sv->x[0].trace, to);
	fprintf(to, "\n%s  exactly: ", prefix);
	schedule_print(sv->schedule, to);
	for (unsigned int i = 0; i < v->nr_mmus; i++)
		if (v->mmus[i] == &uffd_mmu && !sv->disagreement)
			fputs("; confirmed on real page tables", to);
	fputc('\n', to);
}

/* What was found, once for each invariant, and the first damage it did. */
static void print_findings(const struct verdict *v, const char *prefix, FILE *to)
{
	u64 told = 0;

	for (unsigned int i = 0; i < v->nr_schedules; i++) {
		const struct execution *x = &v->schedules[i].x[0];

		for (int inv = 0; inv < NR_INVARIANTS; inv++) {
			const struct finding *f = &x->findings[inv];

			if (!f->seen || told >> inv & 1 || v->schedules[i].outcome)
				continue;
			told |= 1ULL << inv;
			fprintf(to, "%s%s in %s", prefix, invariant_table[inv].name,
				schedule_name(&v->schedules[i]));
			if (f->session)
				fprintf(to, ", session %s, step %s", f->session, f->step);
			fprintf(to, ": %s\n", f->text);
			if (inv == INV_LOCK_ORDER)
				print_lines(x->lock_report, "#   ", to);
			if (v->schedules[i].found)
				print_found(v, &v->schedules[i], prefix, to);
		}
		if (x->damage && !v->schedules[i].outcome)
			fprintf(to, "%sdamage in %s: %s\n", prefix, schedule_name(&v->schedules[i]),
				x->damage);
	}
}

static void print_replay(const struct verdict *v, const struct schedule_verdict *sv, FILE *to)
{
	fprintf(to, "daxsim run --fs '%s'", v->variant->text);
	if (sv->schedule) {
		fprintf(to, " --schedule '");
		if (sv->found)
			trace_print_schedule(&sv->x[0].trace, to);
		else
			schedule_print(sv->schedule, to);
		fputc('\'', to);
	}
	fprintf(to, " %s", v->scenario->path);
}

/* A cycle of locks that the validator saw, and whether exploration found a way to hang on it. */
static void print_lock_cycles(const struct verdict *v, const char *prefix, FILE *to)
{
	const struct exploration *x = v->explored;
	const struct explore_finding *f = x ? &x->findings[INV_LOCK_ORDER] : NULL;

	if (!f || !f->classes)
		return;
	fprintf(to, "%slock-order over all executions: %s\n%s  ", prefix, f->text, prefix);
	if (x->findings[INV_DEADLOCK].classes)
		fprintf(to, "CONFIRMED: %llu classes deadlock\n",
			(unsigned long long)x->findings[INV_DEADLOCK].classes);
	else if (x->result.complete)
		fprintf(to, "not reachable here: none of %s deadlocks; an outer lock guards it, or it "
			    "takes another session\n", x->result.guarantee);
	else
		fprintf(to, "POTENTIAL: no deadlock in what was explored\n");
	print_lines(x->lock_report, "#   ", to);
}

/* The results of an execution's sessions, in the order in which they came. */
static void print_results(const struct trace *tr, FILE *to)
{
	const char *sep = "";

	for (size_t i = 0; i < tr->nr; i++)
		if (tr->events[i].type == EVENT_RESULT && tr->events[i].task &&
		    tr->events[i].task != TRACE_NO_TASK) {
			fprintf(to, "%s%s", sep, tr->events[i].text);
			sep = "; ";
		}
	fputs(*sep ? "\n" : "nobody comes to an end\n", to);
}

static void print_outcomes(const struct verdict *v, const char *prefix, FILE *to)
{
	const struct exploration *x = v->explored;

	for (unsigned int i = 0; i < v->nr_schedules; i++) {
		const struct schedule_verdict *sv = &v->schedules[i];

		if (!sv->outcome)
			continue;
		fprintf(to, "%soutcome of %llu: ", prefix, (unsigned long long)sv->outcome->classes);
		print_results(&sv->x[0].trace, to);
		print_found(v, sv, prefix, to);
	}
	if (x && x->other_outcomes)
		fprintf(to, "%sother outcomes of %llu\n", prefix,
			(unsigned long long)x->other_outcomes);
}

static void print_failure(const struct verdict *v, FILE *to)
{
	const struct schedule_verdict *sv = v->culprit >= 0 ? &v->schedules[v->culprit] : NULL;

	fprintf(to, "  ---\n  message: |\n");
	print_lines(v->why, "    ", to);
	fprintf(to, "  expected: ");
	print_outcome(v, to);
	fputc('\n', to);
	if (sv) {
		fprintf(to, "  schedule: %s\n  replay: ", schedule_name(sv));
		print_replay(v, sv, to);
		fprintf(to, "\n  timeline: |\n");
		timeline_print(v->scenario, &sv->x[0].trace, false, "    ", to);
	}
	fprintf(to, "  ...\n");
}

/* Stable and greppable: scenario, variant, invariant, how often, in how many of how many. */
static void print_observation(const struct verdict *v, FILE *to)
{
	char *variant = strdup(v->variant->text);
	const char *often = !v->shown_in ? "Never" :
			    v->shown_in < v->shown_of ? "Sometimes" : "Always";

	for (char *p = variant; p && *p; p++)
		if (*p == ' ')
			*p = ',';
	fprintf(to, "Observation %s %s %s %s %llu %llu\n", v->scenario->name,
		variant ? variant : "?",
		v->shown < 0 ? "violation" : invariant_table[v->shown].name, often,
		(unsigned long long)v->shown_in, (unsigned long long)v->shown_of);
	free(variant);
}

void report_verdict(struct report *rep, const struct verdict *v)
{
	unsigned int given = v->nr_schedules - v->nr_found;
	FILE *to = rep->to;

	rep->passed += v->ok;
	rep->failed += !v->ok;
	if (rep->json) {
		json_array_append_new(rep->json, verdict_to_json(v));
		return;
	}
	fprintf(to, "%s %u - %s %s: ", v->ok ? "ok" : "not ok", rep->passed + rep->failed,
		v->scenario->name, v->variant->text);
	if (v->ok)
		print_outcome(v, to);
	else
		fprintf(to, "%.*s", (int)strcspn(v->why, "\n"), v->why);
	fprintf(to, " (");
	print_mmus(v, to);
	if (given)
		fprintf(to, ", %u schedule%s", given, given == 1 ? "" : "s");
	if (v->explored)
		fprintf(to, ", %s", v->explored->result.guarantee[0] ?
			v->explored->result.guarantee : "exploration cut short");
	fputs(")\n", to);
	if (v->explored)
		fprintf(to, "# explored %llu classes in %llu executions (%llu cut short), %.0f a second\n",
			(unsigned long long)v->explored->result.classes,
			(unsigned long long)v->explored->result.executions,
			(unsigned long long)v->explored->result.cut,
			v->explored->result.executions / max_t(double, v->explored->seconds, 1e-9));
	print_findings(v, "# ", to);
	print_lock_cycles(v, "# ", to);
	print_outcomes(v, "# ", to);
	if (!v->ok)
		print_failure(v, to);
	if (rep->trace)
		for (unsigned int i = 0; i < v->nr_schedules; i++) {
			fprintf(to, "# %s\n", schedule_name(&v->schedules[i]));
			timeline_print(v->scenario, &v->schedules[i].x[0].trace, true, "#   ", to);
		}
	print_observation(v, to);
	fflush(to);
}

void report_end(struct report *rep, const char *why)
{
	if (rep->json) {
		json_t *doc = json_pack("{s:o, s:i, s:i, s:s?}", "results", rep->json, "passed",
					(int)rep->passed, "failed", (int)rep->failed, "cut_short",
					why);

		json_dumpf(doc, rep->to, JSON_INDENT(2));
		fputc('\n', rep->to);
		json_decref(doc);
		return;
	}
	if (why)
		fprintf(rep->to, "Bail out! %s\n", why);
	else
		fprintf(rep->to, "1..%u\n", rep->passed + rep->failed);
	fprintf(rep->to, "%u passed, %u failed\n", rep->passed, rep->failed);
}

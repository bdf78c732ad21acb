// SPDX-License-Identifier: MIT
/* TAP 13: a test point per variant, YAML where one went wrong, a line to grep for each. */
#include "daxsim/script/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/replay.h"
#include "daxsim/script/report_private.h"

typedef unsigned long long ull;	/* for printf */

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

static void print_invariants(u64 set, const char *sep, FILE *to)
{
	for (int i = 0; i < NR_INVARIANTS; i++)
		if (set >> i & 1) {
			fprintf(to, "%s%s", sep, invariant_table[i].name);
			sep = " ";
		}
}

static void print_expected(const struct verdict *v, FILE *to)
{
	if (v->variant->expect == EXPECT_CLEAN)
		fputs("clean", to);
	else
		print_invariants(v->variant->bugs, "shows ", to);
}

static u64 explored_bugs(const struct verdict *v)
{
	u64 bugs = 0;

	for (int i = 0; i < NR_INVARIANTS && v->explored; i++)
		bugs |= (u64)(v->explored->findings[i].classes > 0) << i;
	return bugs;
}

/* What was expected, and what exploration showed besides. */
static void print_outcome(const struct verdict *v, FILE *to)
{
	u64 bugs = explored_bugs(v);

	if (v->variant->expect == EXPECT_CLEAN && bugs) {
		print_invariants(bugs, "shows ", to);
		fputs(", though not in its own schedules", to);
		return;
	}
	print_expected(v, to);
	if (v->variant->expect == EXPECT_BUG)
		print_invariants(bugs & ~v->variant->bugs, ", also ", to);
}

void print_lines(const char *text, const char *prefix, FILE *to)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		fprintf(to, "%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* What was found, once for each invariant, and the first damage it did. */
static void print_findings(const struct report *rep, const struct verdict *v)
{
	static const char prefix[] = "# ";
	FILE *to = rep->to;
	u64 told = 0;

	for (unsigned int i = 0; i < v->nr_schedules - v->nr_found; i++) {
		const struct execution *x = &v->schedules[i].x[0];

		for (int inv = 0; inv < NR_INVARIANTS; inv++) {
			const struct finding *f = &x->findings[inv];

			if (!f->seen || told >> inv & 1)
				continue;
			told |= 1ULL << inv;
			fprintf(to, "%s%s in %s", prefix, invariant_table[inv].name,
				schedule_name(&v->schedules[i]));
			if (f->session)
				fprintf(to, ", session %s, step %s", f->session, f->step);
			fprintf(to, ": %s\n", f->text);
			if (inv == INV_LOCK_ORDER)
				print_lines(x->lock_report, "#   ", to);
		}
		if (x->damage)
			fprintf(to, "%sdamage in %s: %s\n", prefix, schedule_name(&v->schedules[i]),
				x->damage);
	}
	if (v->explored && !v->daxsim_bug)
		print_explored_findings(rep, v, &told);
}

/* For a shell. */
static void print_path(const char *path, FILE *to)
{
	if (*path == '-')
		fputs("./", to);
	if (!strpbrk(path, " \t\n\"'\\$`&|;<>()[]{}*?!#~=%^")) {
		fputs(path, to);
		return;
	}
	fputc('\'', to);
	for (; *path; path++)
		fputs(*path == '\'' ? "'\\''" : (char[]){ *path, '\0' }, to);
	fputc('\'', to);
}

void print_words(const struct schedule_verdict *sv, FILE *to)
{
	const struct execution *x = &sv->x[0];
	size_t nr = 0;

	for (int inv = 0; inv < NR_INVARIANTS; inv++)
		if (sv->shows >> inv & 1 && x->findings[inv].seen)
			nr = max_t(size_t, nr, x->findings[inv].event + 1);
	if (sv->shows >> GOAL_RESULT & 1)
		nr = max_t(size_t, nr, x->failed_at);
	trace_print_schedule(&x->trace, nr && !sv->against ? nr : x->trace.nr, to);
}

void print_replay(const struct verdict *v, const struct schedule_verdict *sv, FILE *to)
{
	print_run(v, sv->schedule, sv->found && !v->daxsim_bug ? sv : NULL, to);
}

void print_run(const struct verdict *v, const struct schedule *schedule,
	       const struct schedule_verdict *by_points, FILE *to)
{
	fprintf(to, "daxsim run --fs '%s'", v->variant->text);
	if (schedule && schedule->entries) {
		fprintf(to, " --schedule '");
		if (by_points)
			print_words(by_points, to);
		else
			schedule_print(schedule, to);
		fputc('\'', to);
	}
	fputc(' ', to);
	print_path(v->scenario->path, to);
}

static void print_failure(const struct verdict *v, FILE *to)
{
	const struct schedule_verdict *sv = v->culprit >= 0 ? &v->schedules[v->culprit] : NULL;

	fprintf(to, "  ---\n  message: |\n");
	print_lines(v->why, "    ", to);
	fprintf(to, "  expected: ");
	print_expected(v, to);
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

static void count_explored(struct report *rep, const struct verdict *v)
{
	if (!v->explored)
		return;
	rep->sums.explored++;
	rep->sums.classes += v->explored->result.classes;
	rep->sums.executions += v->explored->result.executions;
	rep->sums.findings += __builtin_popcountll(explored_bugs(v));
	rep->sums.seconds += v->explored->seconds;
}

static void print_effort(const struct exploration *x, FILE *to)
{
	const struct explore_result *r = &x->result;

	fprintf(to, "# explored %llu class%s in %llu execution%s (%llu cut short), %.0f a second\n",
		(ull)r->classes, plural_es(r->classes), (ull)r->executions,
		plural_s(r->executions), (ull)r->cut,
		r->executions / max_t(double, x->seconds, 1e-9));
}

void report_verdict(struct report *rep, const struct verdict *v)
{
	unsigned int given = v->nr_schedules - v->nr_found;
	FILE *to = rep->to;

	rep->number++;
	rep->sums.passed += v->ok;
	rep->sums.failed += !v->ok;
	if (rep->json) {
		json_array_append_new(rep->json, verdict_to_json(v));
		return;
	}
	fprintf(to, "%s %u - %s %s: ", v->ok ? "ok" : "not ok", rep->number,
		v->scenario->name, v->variant->text);
	if (v->ok)
		print_outcome(v, to);
	else
		fprintf(to, "%.*s", (int)strcspn(v->why, "\n"), v->why);
	fprintf(to, " (");
	print_mmus(v, to);
	if (given)
		fprintf(to, ", %u schedule%s", given, plural_s(given));
	if (v->explored)
		fprintf(to, ", %s%s", v->explored->result.guarantee[0] ?
			v->explored->result.guarantee : "exploration cut short",
			v->explored->too_many ? " instead of all" : "");
	fputs(")\n", to);
	count_explored(rep, v);
	if (rep->detail != REPORT_BRIEF || !v->ok) {
		if (v->explored)
			print_effort(v->explored, to);
		print_findings(rep, v);
		if (v->explored)
			print_explored(rep, v);
	}
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

void report_apart(struct report *part, const struct report *rep, unsigned int number, FILE *to)
{
	*part = *rep;
	part->to = to;
	part->number = number;
	part->sums = (struct report_sums){ 0 };
	part->json = rep->json ? json_array() : NULL;
}

void report_apart_end(struct report *part)
{
	if (part->json)
		json_dumpf(part->json, part->to, JSON_COMPACT);
	json_decref(part->json);
}

void report_join(struct report *rep, const struct report_sums *sums, const char *text)
{
	struct report_sums *all = &rep->sums;

	all->passed += sums->passed;
	all->failed += sums->failed;
	all->explored += sums->explored;
	all->classes += sums->classes;
	all->executions += sums->executions;
	all->findings += sums->findings;
	all->seconds += sums->seconds;
	if (rep->json) {
		json_t *list = json_loads(text, 0, NULL);

		json_array_extend(rep->json, list);
		json_decref(list);
		return;
	}
	fputs(text, rep->to);
	fflush(rep->to);
}

void report_end(struct report *rep, const char *why)
{
	const struct report_sums *sums = &rep->sums;

	if (rep->json) {
		json_t *doc = json_pack("{s:o, s:i, s:i, s:s?}", "results", rep->json, "passed",
					(int)sums->passed, "failed", (int)sums->failed, "cut_short",
					why);

		json_dumpf(doc, rep->to, JSON_INDENT(2));
		fputc('\n', rep->to);
		json_decref(doc);
		return;
	}
	if (why)
		fprintf(rep->to, "Bail out! %s\n", why);
	else
		fprintf(rep->to, "1..%u\n", sums->passed + sums->failed);
	if (sums->explored > 1)
		fprintf(rep->to, "# explored %u variants: %llu class%s in %llu execution%s, %llu finding%s (%.1f s)\n",
			sums->explored, (ull)sums->classes, plural_es(sums->classes),
			(ull)sums->executions, plural_s(sums->executions), (ull)sums->findings,
			plural_s(sums->findings), sums->seconds);
	fprintf(rep->to, "%u passed, %u failed\n", sums->passed, sums->failed);
}

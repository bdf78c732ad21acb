// SPDX-License-Identifier: MIT
/* What exploration found, in words: schedules, ends, cycles of locks, what was never reached. */
#include <string.h>

#include "daxsim/script/replay.h"
#include "daxsim/script/report_private.h"

typedef unsigned long long ull;	/* for printf */

#define PREFIX "# "

static bool on_real_page_tables(const struct verdict *v)
{
	for (unsigned int i = 0; i < v->nr_mmus; i++)
		if (v->mmus[i] == &uffd_mmu)
			return !v->daxsim_bug && !v->bad_input;
	return false;
}

/* How a schedule goes, by points and exactly. */
static void print_schedule(const struct verdict *v, const struct schedule_verdict *sv, FILE *to)
{
	fputs(PREFIX "  ", to);
	print_words(sv, to);
	if (sv->finding)
		fprintf(to, " (%u preemption%s)", sv->of->preemptions,
			plural_s(sv->of->preemptions));
	fputs("\n" PREFIX "  exactly: ", to);
	schedule_print(sv->schedule, to);
	if (on_real_page_tables(v))
		fputs("; confirmed on real page tables", to);
	fputc('\n', to);
}

/* What one schedule shows. Returns the invariants that are news, bit each. */
static u64 print_shown(const struct report *rep, const struct verdict *v,
		       const struct schedule_verdict *sv, u64 told)
{
	const struct execution *x = &sv->x[0];
	FILE *to = rep->to;
	u64 news = 0;

	for (int inv = 0; inv < NR_INVARIANTS; inv++) {
		const struct finding *f = &x->findings[inv];
		u64 classes = v->explored->findings[inv].classes;

		/* Cycles of locks are told over all executions. */
		if (!f->seen || told >> inv & 1 || (inv == INV_LOCK_ORDER && classes))
			continue;
		news |= 1ULL << inv;
		fprintf(to, PREFIX "%s", invariant_table[inv].name);
		if (classes)
			fprintf(to, " in %llu of %llu class%s", (ull)classes,
				(ull)v->explored->result.classes,
				plural_es(v->explored->result.classes));
		if (f->session)
			fprintf(to, ", session %s, step %s", f->session, f->step);
		fprintf(to, ": %s\n", f->text);
		if (rep->detail == REPORT_FULL)
			fprintf(to, PREFIX "  %s means: %s\n", invariant_table[inv].name,
				invariant_table[inv].what);
		if (inv == INV_LOCK_ORDER)
			print_lines(x->lock_report, PREFIX "  ", to);
	}
	return news;
}

/* Final conditions that rule out how one schedule ends. */
static void print_against(const struct verdict *v, const struct schedule_verdict *sv, FILE *to)
{
	unsigned int index = 0;

	for (const struct final *f = v->scenario->finals; f; f = f->next, index++)
		if (sv->against >> index & 1)
			fprintf(to, PREFIX "final of line %u broken in %llu of %llu class%s%s%s\n",
				f->pos.line, (ull)v->explored->against[index].classes,
				(ull)v->explored->result.classes, plural_es(v->explored->result.classes),
				f->mode == FINAL_ALWAYS && sv->x[0].final_note[0] ? ": " : "",
				f->mode == FINAL_ALWAYS ? sv->x[0].final_note : "");
}

void print_explored_findings(const struct report *rep, const struct verdict *v, u64 *told)
{
	FILE *to = rep->to;

	for (unsigned int i = v->nr_schedules - v->nr_found; i < v->nr_schedules; i++) {
		const struct schedule_verdict *sv = &v->schedules[i];
		u64 news;

		if (!sv->finding)
			continue;
		news = print_shown(rep, v, sv, *told);
		if (!news && !sv->against && !sv->x[0].failure)
			continue;
		*told |= news;
		print_against(v, sv, to);
		if (sv->x[0].failure)
			fprintf(to, PREFIX "%s\n", sv->x[0].failure);
		if (sv->x[0].damage && !v->variant->survey)
			fprintf(to, PREFIX "damage: %s\n", sv->x[0].damage);
		print_schedule(v, sv, to);
		/* A failure brings all this with it. */
		if (rep->detail < REPORT_FULL || (int)i == v->culprit)
			continue;
		fputs(PREFIX "  replay: ", to);
		print_replay(v, sv, to);
		fputs("\n" PREFIX "  timeline:\n", to);
		timeline_print(v->scenario, &sv->x[0].trace, false, PREFIX "    ", to);
	}
}

/* A cycle of locks that the validator saw, and whether exploration found a way to hang on it. */
static void print_lock_cycles(const struct verdict *v, FILE *to)
{
	const struct exploration *x = v->explored;
	const struct explore_finding *f = &x->findings[INV_LOCK_ORDER];

	if (!f->classes)
		return;
	fprintf(to, PREFIX "lock-order over all executions: %s\n" PREFIX "  ", f->text);
	if (x->findings[INV_DEADLOCK].classes)
		fprintf(to, "CONFIRMED: %llu class%s\n", (ull)x->findings[INV_DEADLOCK].classes,
			x->findings[INV_DEADLOCK].classes == 1 ? " deadlocks" : "es deadlock");
	else if (x->result.complete)
		fprintf(to, "not reachable here: none of %s deadlocks; an outer lock guards it, or it "
			    "takes another session\n", x->result.guarantee);
	else
		fprintf(to, "POTENTIAL: no deadlock in what was explored\n");
	print_lines(x->lock_report, PREFIX "  ", to);
	if (v->lock_witness) {
		fputs(PREFIX "  replay: ", to);
		print_run(v, v->lock_witness, NULL, to);
		fputc('\n', to);
	} else {
		fputs(PREFIX "  no replay: it is made of what several executions do\n", to);
	}
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

static void print_outcomes(const struct verdict *v, FILE *to)
{
	for (unsigned int i = 0; i < v->nr_schedules; i++) {
		const struct schedule_verdict *sv = &v->schedules[i];

		if (!sv->outcome)
			continue;
		fprintf(to, PREFIX "outcome of %llu of %llu class%s: ", (ull)sv->outcome->classes,
			(ull)v->explored->result.classes,
			plural_es(v->explored->result.classes));
		print_results(&sv->x[0].trace, to);
		print_schedule(v, sv, to);
	}
	if (v->explored->other_outcomes)
		fprintf(to, PREFIX "other outcomes of %llu class%s\n", (ull)v->explored->other_outcomes,
			plural_es(v->explored->other_outcomes));
}

/*
 * What lies behind which entry into the kernel. A point of a call that no session makes is
 * nothing to miss, nor is one that belongs to every call.
 */
static const struct {
	enum point_id entry, first, last;
} ways[] = {
	{ P_handle_mm_fault, P_do_wp_page, P_do_cow_fault },
	{ P_dax_fault, P_do_dax_fault, P_end_io },
	{ P_do_truncate, P_truncate_setsize, P_dax_truncate_page },
	{ P_do_fallocate, P_truncate_range_again, P_truncate_range_again },
	{ P_do_read, P_buffered_read, P_buffered_read },
	{ P_do_read, P_copy_to_iter, P_iov_iter_zero },
	{ P_do_write, P_buffered_write, P_buffered_write },
	{ P_do_write, P_dax_new_buf, P_copy_from_iter },
	{ P_do_write, P_invalidate_inode_pages2_range, P_invalidate_inode_pages2_range },
	{ P_journal_start, P_journal_stop, P_journal_commit },
};

static void print_unreached(const struct exploration *x, FILE *to)
{
	unsigned int all = 0, missed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (int id = ways[i].first; id <= (int)ways[i].last && x->reached[ways[i].entry]; id++) {
			all++;
			missed += !x->reached[id];
		}
	if (!missed)
		return;
	fprintf(to, PREFIX "never reached: %u of %u points behind the calls that are made:", missed,
		all);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (int id = ways[i].first; id <= (int)ways[i].last && x->reached[ways[i].entry]; id++)
			if (!x->reached[id])
				fprintf(to, " %s", point_table[id].name);
	fputc('\n', to);
}

void print_explored(const struct report *rep, const struct verdict *v)
{
	const struct exploration *x = v->explored;

	print_lock_cycles(v, rep->to);
	print_outcomes(v, rep->to);
	if (x->endless.classes)
		fprintf(rep->to, PREFIX "in %llu class%s a session was stopped after %d accesses%s\n",
			(ull)x->endless.classes, plural_es(x->endless.classes), EXPLORE_MAX_EVENTS,
			x->findings[INV_DEADLOCK].classes ? "" :
			"; left to itself it ends, but what comes after that was not explored");
	if (rep->detail == REPORT_FULL && x->result.classes)
		print_unreached(x, rep->to);
}

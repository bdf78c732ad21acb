/* SPDX-License-Identifier: MIT */
/* Running scenarios that are written in a test, and telling what happened as text. */
#ifndef DAXSIM_TEST_SCENARIO_RUN_H
#define DAXSIM_TEST_SCENARIO_RUN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/mmu/mmu.h"
#include "daxsim/script/run.h"

/* A scenario and what its first variant came to. */
struct trial {
	struct scenario *s;
	struct verdict v;
};

/* For an MMU that lies: every PTE it sets is one that may only be read. */
static inline int set_pte_read_only(struct vma *vma, u64 page, const struct pte *new)
{
	struct pte pte = *new;

	pte.writable = false;
	return soft_mmu.set_pte(vma, page, &pte);
}

static inline struct scenario *parse_text(const char *text)
{
	struct scenario *s = scenario_parse("t.scn", text, strlen(text), stderr);

	cr_assert_not_null(s);
	return s;
}

/* Judge the first variant of t->s, which a test may have changed, in some MMUs. */
static inline void run_in(struct trial *t, const struct mmu_ops *const *mmus, unsigned int nr_mmus)
{
	judge(t->s, t->s->variants, NULL, mmus, nr_mmus, NULL, &t->v);
}

static inline void run_soft(struct trial *t)
{
	static const struct mmu_ops *const soft[] = { &soft_mmu };

	run_in(t, soft, 1);
}

static inline void run_text(struct trial *t, const char *text)
{
	t->s = parse_text(text);
	run_soft(t);
}

static inline void end_trial(struct trial *t)
{
	verdict_free(&t->v);
	scenario_free(t->s);
}

static inline const struct execution *execution_of(const struct trial *t, unsigned int schedule)
{
	cr_assert_lt(schedule, t->v.nr_schedules);
	return &t->v.schedules[schedule].x[0];
}

/*
 * What the sessions did, without the points they passed: "a: held at dax_io", a
 * line for each event. To be freed.
 */
static inline char *story_of(const struct scenario *s, const struct execution *x)
{
	char *text, event[300];
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	for (size_t i = 0; i < x->trace.nr; i++) {
		const struct event *e = &x->trace.events[i];
		const struct session *who = s->sessions;

		if (e->type == EVENT_POINT || e->type == EVENT_COMMAND || !e->task)
			continue;
		while (who && who->index + 1 != e->task)
			who = who->next;
		fprintf(to, "%s: %s\n", who ? who->name : "nobody",
			trace_describe(e, event, sizeof(event)));
	}
	fclose(to);
	return text;
}

#define expect_story(t, schedule, want)                                                            \
	do {                                                                                       \
		char *story = story_of((t)->s, execution_of(t, schedule));                         \
		cr_expect_str_eq(story, want);                                                     \
		free(story);                                                                       \
	} while (0)

#endif

// SPDX-License-Identifier: MIT
/* An execution as a table: time runs down, each session has a column. */
#include <string.h>

#include "daxsim/script/report.h"

#define WIDTH 96	/* columns for all sessions together */
#define MIN_COLUMN 18
#define FIRST_SESSION 1	/* task 0 runs setup and final commands */
#define MAX_ROWS 200	/* of more than so many the middle is left out */

struct table {
	const struct trace *tr;
	const char *prefix;
	FILE *to;
	bool all;
	unsigned int width;
	unsigned int columns[MAX_TASKS];
};

static bool of_session(const struct event *e)
{
	return e->task >= FIRST_SESSION && e->task != TRACE_NO_TASK;
}

static bool follows(const struct trace *tr, size_t i, enum event_type type)
{
	return i + 1 < tr->nr && tr->events[i + 1].type == type &&
	       tr->events[i + 1].task == tr->events[i].task;
}

/*
 * Reads and lock releases say little to people. A command is told with its step, and again with
 * its result, unless that comes at once; what was set up before is a line at the top.
 */
static bool worth_telling(const struct table *t, size_t i)
{
	const struct event *e = &t->tr->events[i];

	if (e->type == EVENT_VIOLATION)
		return true;
	if (!of_session(e))
		return false;
	if (e->type == EVENT_COMMAND)
		return !(i && follows(t->tr, i - 1, EVENT_COMMAND) &&
			 t->tr->events[i - 1].type == EVENT_STEP) &&
		       !follows(t->tr, i, EVENT_RESULT);
	if (e->type != EVENT_POINT || t->all)
		return true;
	if (e->point == P_zap_pte || e->point == P_extent_lookup)
		return false;
	return e->kind == P_MARK || e->kind == P_WRITE || e->kind == P_LOCK || e->kind == P_WAIT;
}

/* Whether a violation comes of this event: nobody else did anything in between. */
static bool is_culprit(const struct table *t, size_t i)
{
	u8 task = t->tr->events[i].task;

	if (t->tr->events[i].type == EVENT_VIOLATION)
		return true;
	for (i++; i < t->tr->nr && t->tr->events[i].task == task; i++) {
		if (t->tr->events[i].type == EVENT_VIOLATION)
			return true;
		if (worth_telling(t, i))
			return false;
	}
	return false;
}

/* Print @text in lines of less than @width, cut at a blank if there is one in the second half. */
static void print_wrapped(const struct table *t, const char *head, unsigned int indent,
			  unsigned int width, const char *text)
{
	const char *rest = text;

	do {
		size_t len = strlen(rest), cut = len;

		if (len >= width) {
			cut = width - 1;
			while (cut > width / 2 && rest[cut] != ' ')
				cut--;
			if (rest[cut] != ' ')
				cut = width - 1;
		}
		fprintf(t->to, "%s%s%*s%.*s\n", t->prefix, rest == text ? head : "       ",
			(int)indent, "", (int)cut, rest);
		rest += cut;
		while (*rest == ' ')
			rest++;
	} while (*rest);
}

static void print_row(const struct table *t, size_t i)
{
	const struct event *e = &t->tr->events[i];
	char text[300], what[280], head[40];

	snprintf(head, sizeof(head), "%4zu %c ", i, is_culprit(t, i) ? '>' : ' ');
	/* A violation needs room: it goes over the whole width. */
	if (e->type == EVENT_VIOLATION) {
		fprintf(t->to, "%s%s%s\n", t->prefix, head, e->text);
		return;
	}
	trace_describe(e, what, sizeof(what));
	if (e->type == EVENT_STEP && follows(t->tr, i, EVENT_COMMAND))
		snprintf(text, sizeof(text), "%.120s: %.160s", what, e[1].text);
	else
		snprintf(text, sizeof(text), "%s%s", e->type == EVENT_POINT ? "  " : "", what);
	print_wrapped(t, head, t->columns[e->task] * t->width, t->width, text);
}

/* The commands of setup, or what the final commands came to: for the whole width. */
static void print_helper(const struct table *t, size_t from, size_t to, const char *name,
			 enum event_type type)
{
	char text[1000] = "";
	size_t used = 0;

	for (size_t i = from; i < to && used < sizeof(text); i++) {
		const struct event *e = &t->tr->events[i];

		if (e->type == type && e->task < FIRST_SESSION)
			used += snprintf(text + used, sizeof(text) - used, "%s%s",
					 used ? "; " : name, e->text);
	}
	if (used)
		print_wrapped(t, "       ", 0, WIDTH, text);
}

/* Those who take part have a column; if nobody does, all have. */
static void print_head(struct table *t, const struct scenario *s)
{
	const struct session *last = NULL;
	u32 part = 0;
	unsigned int nr = 0;

	for (size_t i = 0; i < t->tr->nr; i++)
		if (of_session(&t->tr->events[i]))
			part |= 1U << t->tr->events[i].task;
	for (const struct session *ses = s->sessions; ses; ses = ses->next)
		if (!part || part >> (ses->index + FIRST_SESSION) & 1) {
			t->columns[ses->index + FIRST_SESSION] = nr++;
			last = ses;
		}
	t->width = max_t(unsigned int, nr ? WIDTH / nr : WIDTH, MIN_COLUMN);
	fprintf(t->to, "%s       ", t->prefix);
	for (const struct session *ses = s->sessions; ses; ses = ses->next)
		if (!part || part >> (ses->index + FIRST_SESSION) & 1)
			fprintf(t->to, "%-*s", ses != last ? (int)t->width : 0, ses->name);
	fputc('\n', t->to);
}

void timeline_print(const struct scenario *s, const struct trace *tr, bool all,
		    const char *prefix, FILE *to)
{
	struct table t = { .tr = tr, .prefix = prefix, .to = to, .all = all };
	size_t first = 0, last = 0, rows = 0, row = 0;

	while (first < tr->nr && !of_session(&tr->events[first]))
		first++;
	for (size_t i = 0; i < tr->nr; i++) {
		rows += worth_telling(&t, i);
		last = of_session(&tr->events[i]) ? i : last;
	}
	print_helper(&t, 0, first, "setup: ", EVENT_COMMAND);
	print_head(&t, s);
	for (size_t i = 0; i < tr->nr; i++) {
		if (!worth_telling(&t, i))
			continue;
		row++;
		if (all || rows <= MAX_ROWS || row <= MAX_ROWS / 2 || rows - row < MAX_ROWS / 2)
			print_row(&t, i);
		else if (row == MAX_ROWS / 2 + 1)
			fprintf(to, "%s       ... %zu more ...\n", prefix, rows - MAX_ROWS);
	}
	print_helper(&t, first < tr->nr ? last : tr->nr, tr->nr, "final: ", EVENT_RESULT);
}

// SPDX-License-Identifier: MIT
/* An execution as a table: time runs down, each session has a column. */
#include <string.h>

#include "daxsim/script/report.h"

#define WIDTH 96	/* columns for all sessions together */
#define MIN_COLUMN 18
#define FIRST_SESSION 1	/* task 0 runs setup and final commands */

/* Reads and lock releases say little to people; what was set up before is not the story. */
static bool worth_telling(const struct event *e, bool all)
{
	if (e->task < FIRST_SESSION)
		return false;
	if (e->type == EVENT_COMMAND)
		return false;
	if (e->type != EVENT_POINT || all)
		return true;
	if (e->point == P_zap_pte || e->point == P_extent_lookup)
		return false;
	return e->kind == P_MARK || e->kind == P_WRITE || e->kind == P_LOCK || e->kind == P_WAIT;
}

static void print_row(const struct event *e, size_t index, unsigned int width, const char *prefix,
		      FILE *to)
{
	char text[300];
	unsigned int column = e->task - FIRST_SESSION;
	const char *rest;

	trace_describe(e, text, sizeof(text));
	if (e->type == EVENT_POINT)
		memmove(memmove(text + 2, text, sizeof(text) - 3) - 2, "  ", 2);
	rest = text;
	do {
		size_t len = strlen(rest), cut = len;

		if (len >= width) {
			cut = width - 1;
			while (cut > width / 2 && rest[cut] != ' ')
				cut--;
			if (rest[cut] != ' ')
				cut = width - 1;
		}
		if (rest == text)
			fprintf(to, "%s%4zu %c ", prefix, index,
				e->type == EVENT_VIOLATION ? '>' : ' ');
		else
			fprintf(to, "%s       ", prefix);
		fprintf(to, "%*s%.*s\n", (int)(column * width), "", (int)cut, rest);
		rest += cut;
		while (*rest == ' ')
			rest++;
	} while (*rest);
}

/* A violation needs room: it goes over the whole width, marked. */
static void print_violation(const struct event *e, size_t index, const char *prefix, FILE *to)
{
	fprintf(to, "%s%4zu > %s\n", prefix, index, e->text);
}

void timeline_print(const struct scenario *s, const struct trace *tr, bool all,
		    const char *prefix, FILE *to)
{
	unsigned int width = s->nr_sessions ? WIDTH / s->nr_sessions : WIDTH;

	width = max_t(unsigned int, width, MIN_COLUMN);
	fprintf(to, "%s       ", prefix);
	for (const struct session *ses = s->sessions; ses; ses = ses->next)
		fprintf(to, "%-*s", ses->next ? (int)width : 0, ses->name);
	fputc('\n', to);
	for (size_t i = 0; i < tr->nr; i++) {
		const struct event *e = &tr->events[i];

		if (e->type == EVENT_VIOLATION)
			print_violation(e, i, prefix, to);
		else if (e->task != TRACE_NO_TASK && worth_telling(e, all))
			print_row(e, i, width, prefix, to);
	}
}

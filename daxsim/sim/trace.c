// SPDX-License-Identifier: MIT
/* Recording what happens and comparing two records of it. */
#include "daxsim/sim/trace.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void trace_init(struct trace *tr)
{
	*tr = (struct trace){ 0 };
}

void trace_free(struct trace *tr)
{
	for (size_t i = 0; i < tr->nr; i++)
		free(tr->events[i].text);
	free(tr->events);
	trace_init(tr);
}

static struct event *append(struct trace *tr)
{
	if (tr->nr == tr->room) {
		tr->room = tr->room ? tr->room * 2 : 256;
		tr->events = reallocarray(tr->events, tr->room, sizeof(*tr->events));
		if (!tr->events) {
			fprintf(stderr, "daxsim: out of memory for the trace\n");
			abort();
		}
	}
	return memset(&tr->events[tr->nr++], 0, sizeof(*tr->events));
}

void trace_point(struct trace *tr, const struct task *t, enum point_id id, enum point_kind kind,
		 u64 object)
{
	struct event *e = append(tr);

	e->type = EVENT_POINT;
	e->task = t->id;
	e->point = id;
	e->kind = kind;
	e->object = object;
	if (t->at_lock && asprintf(&e->text, "%s(%s)", lock_class_table[t->at_lock->class].name,
				   t->at_lock->of) < 0)
		e->text = NULL;
}

void trace_event(struct trace *tr, enum event_type type, const struct task *t, enum point_id id,
		 const char *fmt, ...)
{
	struct event *e;
	va_list args;

	if (!tr)
		return;
	e = append(tr);
	e->type = type;
	e->task = t ? t->id : TRACE_NO_TASK;
	e->point = id;
	va_start(args, fmt);
	if (vasprintf(&e->text, fmt, args) < 0)
		e->text = NULL;
	va_end(args);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_event(const struct event *a, const struct event *b)
{
	return a->type == b->type && a->task == b->task && a->point == b->point &&
	       a->kind == b->kind && a->object == b->object && same_text(a->text, b->text);
}

s64 trace_diff(const struct trace *a, const struct trace *b)
{
	size_t common = min_t(size_t, a->nr, b->nr);

	for (size_t i = 0; i < common; i++)
		if (!same_event(&a->events[i], &b->events[i]))
			return i;
	return a->nr == b->nr ? -1 : (s64)common;
}

const char *trace_describe(const struct event *e, char *buf, size_t size)
{
	static const char *const verbs[] = {
		[EVENT_STEP] = "step ",	  [EVENT_COMMAND] = "",	       [EVENT_RESULT] = "",
		[EVENT_HELD] = "held at ", [EVENT_BLOCKED] = "waits for ", [EVENT_VIOLATION] = "! ",
	};
	const char *name = point_table[e->point].name;

	if (e->type != EVENT_POINT)
		snprintf(buf, size, "%s%s", verbs[e->type], e->text ? e->text : "");
	else if (e->text)
		snprintf(buf, size, "%s %s", name, e->text);
	else
		snprintf(buf, size, "%s", name);
	return buf;
}

/* SPDX-License-Identifier: MIT */
/*
 * What happened, in order: every point a task passed, every command with its
 * outcome, every violation. Two runs of one schedule have equal traces; that is
 * what is compared between MMUs.
 */
#ifndef DAXSIM_TRACE_H
#define DAXSIM_TRACE_H

#include <stdio.h>

#include "daxsim/sim/point.h"
#include "daxsim/sim/types.h"

enum event_type {
	EVENT_POINT,		/* a task passes a point */
	EVENT_STEP,		/* a step begins: its name */
	EVENT_COMMAND,		/* a command begins: its text */
	EVENT_RESULT,		/* it ended: command and outcome */
	EVENT_HELD,		/* a step is held at a point */
	EVENT_BLOCKED,		/* a step waits for a lock: which, and who has it */
	EVENT_VIOLATION,	/* an invariant is broken: name and text */
};

struct event {
	u8 type;		/* enum event_type */
	u8 task;		/* index, or TRACE_NO_TASK */
	u16 point;		/* EVENT_POINT, EVENT_HELD: enum point_id */
	u16 kind;		/* EVENT_POINT: enum point_kind */
	u64 object;		/* EVENT_POINT */
	char *text;		/* for all but EVENT_POINT; points: the lock's name, or NULL */
};

#define TRACE_NO_TASK 0xff

struct trace {
	struct event *events;
	size_t nr;
	size_t room;
};

/** trace_init() - an empty trace; it grows on the heap, outside of the machine */
void trace_init(struct trace *tr);

/** trace_free() - drop it */
void trace_free(struct trace *tr);

/** trace_point() - record that a task passes a point */
void trace_point(struct trace *tr, const struct task *t, enum point_id id, enum point_kind kind,
		 u64 object);

/** trace_event() - record something else; @t may be NULL, @fmt makes the text */
__printf(5, 6) void trace_event(struct trace *tr, enum event_type type, const struct task *t,
				 enum point_id id, const char *fmt, ...);

/**
 * trace_diff() - where two traces part
 * @a: one trace
 * @b: the other
 *
 * Return: index of the first event that differs, or -1 if they are equal.
 */
s64 trace_diff(const struct trace *a, const struct trace *b);

/** trace_describe() - one event in words, without the task's name; returns @buf */
const char *trace_describe(const struct event *e, char *buf, size_t size);

#endif

// SPDX-License-Identifier: MIT
/* Tests of recording what happens, and of comparing two records. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/trace.h"

static struct task task_one = { .name = "one", .id = 1 }, task_two = { .name = "two", .id = 2 };

/* A trace with one event of each kind that matters to trace_diff(). */
static void record(struct trace *tr)
{
	struct lock lock = { .class = LOCK_I_MUTEX, .of = "f" };

	trace_init(tr);
	trace_event(tr, EVENT_STEP, &task_one, 0, "%s", "store");
	trace_point(tr, &task_one, P_get_block, P_MARK, 0);
	trace_point(tr, &task_two, P_i_size_read, P_READ, obj(OBJ_I_SIZE, 3, 0));
	task_two.at_lock = &lock;
	trace_point(tr, &task_two, P_lock, P_LOCK, obj(OBJ_LOCK, 0, 9));
	task_two.at_lock = NULL;
	trace_event(tr, EVENT_VIOLATION, NULL, 0, "stale-pte: %d", 7);
}

#define NR_RECORDED 5

Test(trace, record)
{
	struct trace tr;
	const struct event *e;

	record(&tr);
	cr_assert_eq(tr.nr, NR_RECORDED);
	e = tr.events;
	cr_expect_eq(e->type, EVENT_STEP);
	cr_expect_eq(e->task, 1);
	cr_expect_str_eq(e->text, "store");
	e++;
	cr_expect_eq(e->type, EVENT_POINT);
	cr_expect_eq(e->point, P_get_block);
	cr_expect_eq(e->kind, P_MARK);
	cr_expect_null(e->text);
	e++;
	cr_expect_eq(e->task, 2);
	cr_expect_eq(e->kind, P_READ);
	cr_expect_eq(e->object, obj(OBJ_I_SIZE, 3, 0));
	cr_expect_null(e->text);
	e++;
	cr_expect_eq(e->object, obj(OBJ_LOCK, 0, 9));
	cr_expect_str_eq(e->text, "i_mutex(f)");
	e++;
	cr_expect_eq(e->task, TRACE_NO_TASK);
	cr_expect_str_eq(e->text, "stale-pte: 7");
	trace_free(&tr);
	cr_expect_eq(tr.nr, 0);
	cr_expect_null(tr.events);
	trace_free(&tr);
}

Test(trace, nobody_records)
{
	trace_event(NULL, EVENT_STEP, &task_one, 0, "%s", "store");
}

/* It moves as it grows; nothing that was recorded may change. */
Test(trace, growth)
{
	const u64 nr = 10000;
	struct trace tr;
	char text[20];

	trace_init(&tr);
	for (u64 i = 0; i < nr; i++) {
		trace_point(&tr, &task_one, P_get_block, P_READ, i);
		trace_event(&tr, EVENT_COMMAND, &task_two, 0, "%llu", (unsigned long long)i);
	}
	cr_assert_eq(tr.nr, 2 * nr);
	for (u64 i = 0; i < nr; i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
		cr_assert_eq(tr.events[2 * i].object, i);
		cr_assert_null(tr.events[2 * i].text);
		cr_assert_str_eq(tr.events[2 * i + 1].text, text);
		cr_assert_eq(tr.events[2 * i + 1].object, 0);
	}
	trace_free(&tr);
}

Test(trace, equal)
{
	struct trace a, b;

	trace_init(&a);
	trace_init(&b);
	cr_expect_eq(trace_diff(&a, &b), -1);
	record(&a);
	record(&b);
	cr_expect_neq(a.events[0].text, b.events[0].text);
	cr_expect_eq(trace_diff(&a, &b), -1);
	trace_free(&a);
	trace_free(&b);
}

static void differ(size_t at, void (*change)(struct event *e))
{
	struct trace a, b;

	record(&a);
	record(&b);
	change(&b.events[at]);
	cr_expect_eq(trace_diff(&a, &b), (s64)at);
	cr_expect_eq(trace_diff(&b, &a), (s64)at);
	/* a later difference is not the first one */
	b.events[NR_RECORDED - 1].task = 5;
	cr_expect_eq(trace_diff(&a, &b), (s64)at);
	trace_free(&a);
	trace_free(&b);
}

static void change_type(struct event *e)
{
	e->type = EVENT_RESULT;
}

static void change_task(struct event *e)
{
	e->task ^= 4;
}

static void change_point(struct event *e)
{
	e->point++;
}

static void change_kind(struct event *e)
{
	e->kind++;
}

static void change_object(struct event *e)
{
	e->object ^= 1ULL << 63;
}

static void change_text(struct event *e)
{
	e->text[strlen(e->text) - 1]++;
}

static void drop_text(struct event *e)
{
	free(e->text);
	e->text = NULL;
}

static void add_text(struct event *e)
{
	e->text = strdup("i_mutex(f)");
}

Test(trace, first_difference)
{
	differ(0, change_type);
	differ(1, change_task);
	differ(2, change_point);
	differ(2, change_kind);
	differ(2, change_object);
	differ(3, change_text);
	differ(0, drop_text);
	differ(1, add_text);
}

Test(trace, one_is_longer)
{
	struct trace a, b;

	record(&a);
	trace_init(&b);
	cr_expect_eq(trace_diff(&a, &b), 0);
	cr_expect_eq(trace_diff(&b, &a), 0);
	record(&b);
	trace_event(&b, EVENT_STEP, &task_one, 0, "more");
	cr_expect_eq(trace_diff(&a, &b), NR_RECORDED);
	cr_expect_eq(trace_diff(&b, &a), NR_RECORDED);
	trace_free(&a);
	trace_free(&b);
}

Test(trace, describe)
{
	static const struct {
		struct event event;
		const char *words;
	} rows[] = {
		{ { .type = EVENT_POINT, .point = P_get_block }, "get_block" },
		{ { .type = EVENT_POINT, .point = P_lock, .text = (char *)"i_mutex(f)" },
		  "lock i_mutex(f)" },
		{ { .type = EVENT_STEP, .text = (char *)"store" }, "step store" },
		{ { .type = EVENT_COMMAND, .text = (char *)"stat f" }, "stat f" },
		{ { .type = EVENT_RESULT, .text = (char *)"stat f = size 0" }, "stat f = size 0" },
		{ { .type = EVENT_HELD, .point = P_get_block, .text = (char *)"get_block" },
		  "held at get_block" },
		{ { .type = EVENT_BLOCKED, .text = (char *)"i_mutex(f), held by a" },
		  "waits for i_mutex(f), held by a" },
		{ { .type = EVENT_VIOLATION, .text = (char *)"stale-pte: x" }, "! stale-pte: x" },
		{ { .type = EVENT_STEP }, "step " },
	};
	char buf[100];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_str_eq(trace_describe(&rows[i].event, buf, sizeof(buf)), rows[i].words);
	cr_expect_str_eq(trace_describe(&rows[1].event, buf, 8), "lock i_");
	cr_expect_eq(trace_describe(&rows[1].event, buf, 8), buf);
}

// SPDX-License-Identifier: MIT
/* Schedules in words: what --schedule reads, for a schedule or for what was recorded of one. */
#include "daxsim/script/replay.h"

#include <string.h>

static void print_entry(const struct sched_entry *e, FILE *to)
{
	if (e->type == ENTRY_COUNT && e->count == COUNT_TO_END) {
		fprintf(to, "%s:end", e->session->name);
		return;
	}
	if (e->type == ENTRY_COUNT) {
		fprintf(to, "%s:%llu", e->session->name, (unsigned long long)e->count);
		return;
	}
	fputs(e->step->name, to);
	if (e->until < 0)
		return;
	fprintf(to, "%s%s", e->or_end ? " until " : "@",
		e->until_lock >= 0 ? lock_class_table[e->until_lock].name :
				     point_table[e->until].name);
	if (e->nth > 1)
		fprintf(to, "%s%u", e->or_end ? " " : "#", e->nth);
	if (e->or_end)
		fputs(" or end", to);
}

void schedule_print(const struct schedule *schedule, FILE *to)
{
	for (const struct sched_entry *e = schedule->entries; e; e = e->next) {
		print_entry(e, to);
		if (e->next)
			fputc(' ', to);
	}
}

/* What is known while a trace is read. */
struct reader {
	FILE *to;
	const char *steps[MAX_TASKS];	/* the step each task is in */
	bool held[MAX_TASKS];		/* it was held, and passes that point first */
	u32 hits[NR_POINTS];		/* since its task went on */
	u32 lock_hits[NR_LOCK_CLASSES];
	int running;			/* the task that went on and did not stop yet; -1: none */
	bool first;			/* nothing of it was read yet */
	bool any;			/* something was printed */
};

static int lock_class_of(const struct event *e)
{
	char name[40];
	size_t len = e->text ? strcspn(e->text, "(") : 0;

	if (e->point != P_lock || !len || len >= sizeof(name))
		return -1;
	memcpy(name, e->text, len);
	name[len] = '\0';
	return name_find(&lock_class_names, name);
}

static void say(struct reader *r, int task)
{
	fprintf(r->to, "%s%s", r->any ? " " : "", r->steps[task]);
	r->any = true;
}

/* The running task stopped because its step ended. */
static void close_ended(struct reader *r)
{
	if (r->running >= 0)
		say(r, r->running);
	r->running = -1;
}

static void go_on(struct reader *r, int task)
{
	if (r->running == task)
		return;
	close_ended(r);
	r->running = task;
	r->first = r->held[task];
	r->held[task] = false;
	memset(r->hits, 0, sizeof(r->hits));
	memset(r->lock_hits, 0, sizeof(r->lock_hits));
}

static void read_point(struct reader *r, const struct event *e)
{
	int lock = lock_class_of(e);

	go_on(r, e->task);
	if (!r->first) {
		r->hits[e->point]++;
		if (lock >= 0)
			r->lock_hits[lock]++;
	}
	r->first = false;
}

static void read_held(struct reader *r, const struct event *e)
{
	const char *name = point_table[e->point].name, *lock = strchr(e->text, ' ');
	int class = e->point == P_lock && lock ? name_find(&lock_class_names, lock + 1) : -1;
	u32 nth = 1 + (class >= 0 ? r->lock_hits[class] : r->hits[e->point]);

	go_on(r, e->task);
	say(r, e->task);
	fprintf(r->to, "@%s", class >= 0 ? lock_class_table[class].name : name);
	if (nth > 1)
		fprintf(r->to, "#%u", nth);
	r->held[e->task] = true;
	r->running = -1;
}

void trace_print_schedule(const struct trace *tr, size_t nr, FILE *to)
{
	struct reader r = { .to = to, .running = -1 };

	for (size_t i = 0; i < tr->nr; i++) {
		const struct event *e = &tr->events[i];

		if (e->task == TRACE_NO_TASK || !e->task)
			continue;
		if (i >= nr && (e->task != r.running || e->type == EVENT_STEP))
			break;
		if (e->type == EVENT_STEP) {
			if (r.running == e->task)
				close_ended(&r);
			r.steps[e->task] = e->text;
			r.held[e->task] = false;
			go_on(&r, e->task);
		} else if (e->type == EVENT_POINT) {
			read_point(&r, e);
		} else if (e->type == EVENT_HELD) {
			read_held(&r, e);
		}
	}
	close_ended(&r);
}

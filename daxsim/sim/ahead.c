// SPDX-License-Identifier: MIT
/* Processes that explore ahead, and the memory they leave their results in. */
#include "daxsim/sim/ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY 100	/* milliseconds: progress, and free places */

static size_t area_size(const struct ahead *a)
{
	return sizeof(struct ahead_area) + a->how->size;
}

static void add_place(const struct ahead *a, s32 n)
{
	__atomic_add_fetch(a->how->free, n, __ATOMIC_SEQ_CST);
}

static bool take_place(const struct ahead *a)
{
	if (__atomic_sub_fetch(a->how->free, 1, __ATOMIC_SEQ_CST) >= 0)
		return true;
	add_place(a, 1);
	return false;
}

static bool is_interrupted(const struct ahead *a)
{
	const volatile sig_atomic_t *interrupted = a->x->opt->interrupted;

	return interrupted && *interrupted;
}

static bool must_stop(const struct ahead *a)
{
	return is_interrupted(a) || (a->area && a->area->unwanted);
}

void ahead_begin(struct ahead *a, struct explorer *x)
{
	*a = (struct ahead){ .x = x, .how = x->opt->ahead };
}

bool ahead_wanted(const struct ahead *a)
{
	return a->how && *a->how->free > 0 && a->nr_tasks < AHEAD_TASKS;
}

static struct ahead_task *task_at(struct ahead *a, u32 depth)
{
	for (u32 i = 0; i < a->nr_tasks; i++)
		if (a->tasks[i].depth == depth)
			return &a->tasks[i];
	return NULL;
}

bool ahead_has(const struct ahead *a, u32 depth)
{
	return task_at((struct ahead *)a, depth);
}

/* Everything else that is open belongs to the process that made this one. */
static void be_ahead(struct ahead *a, const struct ahead_task *t, pid_t maker)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct explorer *x = a->x;
	struct sigaction sa;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != maker)
		_exit(1);
	/* It may hear of an interruption from the terminal, and again from its maker. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], NULL, &sa);
		sa.sa_flags &= ~SA_RESETHAND;
		sigaction(signals[i], &sa, NULL);
	}
	for (u32 i = 0; i < a->nr_tasks; i++) {
		close(a->tasks[i].fd);
		munmap(a->tasks[i].area, area_size(a));
	}
	a->nr_tasks = 0;
	a->area = t->area;
	a->overflow = false;
	a->options = *x->opt;
	a->options.progress = NULL;
	x->opt = &a->options;
	*x->res = (struct explore_result){ .diverged = -1 };
	x->before = &t->area->before;
	x->finished = 0;
	a->how->begin(x->opt->ctx);
}

bool ahead_fork(struct ahead *a, u32 depth, unsigned int thread, u32 sleep)
{
	struct ahead_task t = { .depth = depth, .sleep = sleep, .thread = thread };
	pid_t maker = getpid();
	int fds[2];

	if (!take_place(a))
		return false;
	t.area = mmap(NULL, area_size(a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t.area == MAP_FAILED)
		goto no_area;
	if (pipe2(fds, O_CLOEXEC))
		goto no_pipe;
	t.fd = fds[0];
	t.pid = fork();
	if (!t.pid) {
		close(fds[0]);
		be_ahead(a, &t, maker);
		return true;
	}
	close(fds[1]);
	if (t.pid < 0)
		goto no_process;
	a->tasks[a->nr_tasks++] = t;
	return false;
no_process:
	close(t.fd);
no_pipe:
	munmap(t.area, area_size(a));
no_area:
	add_place(a, 1);
	return false;
}

void ahead_request(struct ahead *a, u32 depth, u32 initials, u32 pick)
{
	const struct ahead_request r = { depth, initials, pick };
	struct ahead_area *to = a->area;
	u64 key = ((u64)depth << 32 | initials << 16 | pick) * 0x9e3779b97f4a7c15ULL;
	u32 slot = (key >> 32) % ARRAY_SIZE(to->slots);

	for (; to->slots[slot]; slot = (slot + 1) % ARRAY_SIZE(to->slots)) {
		const struct ahead_request *q = &to->requests[to->slots[slot] - 1];

		if (q->depth == r.depth && q->initials == r.initials && q->pick == r.pick)
			return;
	}
	if (to->nr_requests == AHEAD_REQUESTS) {
		a->overflow = true;
		a->x->stop = true;
		return;
	}
	to->requests[to->nr_requests++] = r;
	to->slots[slot] = to->nr_requests;
}

void ahead_look(struct ahead *a)
{
	if (!a->area)
		return;
	a->area->result = *a->x->res;
	a->x->stop |= a->area->unwanted;
}

_Noreturn void ahead_exit(struct ahead *a, const struct explore_event *event)
{
	struct explorer *x = a->x;
	struct ahead_area *to = a->area;

	to->result = *x->res;
	to->event = *event;
	to->finished = x->finished;
	to->complete = !x->stop;
	to->spent_all = x->spent_all;
	to->done = !a->overflow && !x->too_many && x->res->diverged < 0 && a->how->pack(x->opt->ctx, to->visits);
	to->idle = true;
	add_place(a, 1);
	_exit(0);
}

/* A process has ended; if it was killed, its place is still taken. */
static void reap(const struct ahead *a, struct ahead_task *t)
{
	while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!t->area->idle)
		add_place(a, 1);
	t->area->idle = true;
	close(t->fd);
}

static void forget(struct ahead *a, struct ahead_task *t)
{
	munmap(t->area, area_size(a));
	*t = a->tasks[--a->nr_tasks];
}

/* With what the process that is waited for has come to so far. */
static void show_progress(const struct ahead *a, const struct ahead_task *t)
{
	const struct explore_options *o = a->x->opt;
	struct explore_result sum = *a->x->res;

	if (!o->progress)
		return;
	sum.executions += t->area->result.executions;
	sum.classes += t->area->result.classes;
	o->progress(o->ctx, &sum);
}

/* 1 + how many come before those of this process; 0: unknown as yet. */
static u64 executions_before(const struct ahead *a)
{
	return a->x->before ? *a->x->before : 1;
}

/* Wait for a process. Whoever waits leaves his place to another one. */
static void wait_for(struct ahead *a, u32 depth, void (*wait)(void *data), void *data)
{
	struct pollfd p = { .events = POLLIN };

	add_place(a, 1);
	do {
		if (executions_before(a))
			task_at(a, depth)->area->before = executions_before(a) + a->x->res->executions;
		if (ahead_wanted(a))
			wait(data);
		p.fd = task_at(a, depth)->fd;
		if (poll(&p, 1, LOOK_EVERY) > 0)
			break;
		show_progress(a, task_at(a, depth));
	} while (!must_stop(a));
	add_place(a, -1);
}

static void add_counts(struct explore_result *to, const struct explore_result *r)
{
	to->classes += r->classes;
	to->executions += r->executions;
	to->cut += r->cut;
	to->deadlocks += r->deadlocks;
	to->bounded += r->bounded;
	to->steps += r->steps;
}

/* Whether all would have been explored here. What is interrupted is taken as far as it goes. */
static bool is_whole(const struct ahead *a, const struct ahead_area *from)
{
	u64 before = executions_before(a), most = a->x->opt->most;

	if (from->spent_all || is_interrupted(a))
		return true;
	return from->complete && !(before && most && before - 1 + a->x->res->executions +
						     from->finished >= most);
}

static bool take(struct ahead *a, const struct ahead_area *from)
{
	struct explorer *x = a->x;

	if (!from->done || !is_whole(a, from) || !a->how->take(x->opt->ctx, from->visits))
		return false;
	x->finished = x->res->executions + from->finished;
	x->spent_all |= from->spent_all;
	x->stop |= from->spent_all;
	add_counts(x->res, &from->result);
	return true;
}

/* It ends by itself, so that those it has made do, and all give back their places. */
static void end_task(struct ahead *a, struct ahead_task *t)
{
	t->area->unwanted = !is_interrupted(a);
	kill(t->pid, SIGTERM);
	reap(a, t);
}

bool ahead_take(struct ahead *a, u32 depth, unsigned int thread, u32 sleep,
		void (*wait)(void *data), void (*done)(void *data, const struct ahead_area *from),
		void *data)
{
	struct ahead_task *t = task_at(a, depth);
	bool taken = false;

	if (!t)
		return false;
	if (t->thread != thread || t->sleep != sleep) {
		end_task(a, t);
	} else {
		wait_for(a, depth, wait, data);
		/* Others came and went. */
		t = task_at(a, depth);
		if (must_stop(a)) {
			a->x->stop = true;
			return false;
		}
		reap(a, t);
		taken = take(a, t->area);
		if (taken)
			done(data, t->area);
	}
	forget(a, t);
	return taken;
}

void ahead_end(struct ahead *a)
{
	while (a->nr_tasks) {
		struct ahead_task *t = &a->tasks[a->nr_tasks - 1];

		end_task(a, t);
		if (is_interrupted(a))
			take(a, t->area);
		forget(a, t);
	}
}

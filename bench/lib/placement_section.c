// SPDX-License-Identifier: MIT
/*
 * What it matters which CPUs the threads are on: devices as they come, touched by a thread
 * that is bound to a CPU or not, beside one that was mounted where there was a single CPU,
 * and beside bare round trips with the handler on the same CPU and on another one.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/bench.h"
#include "bench/lib/live_side.h"
#include "bench/lib/placement.h"
#include "bench/lib/sections.h"

#define CHUNK 128
#define MAX_TOUCHED 1024	/* pages; from CPU to CPU a fault takes ten times as long */

enum where { FIRST, SECOND, ANY, NR_WHERE };

static const struct place {
	const char *name;
	bool bare;
	enum where handler;	/* bare: where it runs; else: where the device is mounted */
	enum where toucher;
	double at_most;		/* times as long as in the best place, or 0 */
} places[] = {
	{ "as it comes, toucher bound to a CPU", false, ANY, FIRST, 1.2 },
	{ "as it comes, toucher bound to another", false, ANY, SECOND, 1.2 },
	{ "as it comes, toucher not bound", false, ANY, ANY, 1.2 },
	{ "everything confined to one CPU", false, FIRST, FIRST, 0 },
	{ "bare, handler on the same CPU", true, FIRST, FIRST, 0 },
	{ "bare, handler on the other CPU", true, SECOND, FIRST, 0 },
};

#define NR_PLACES ARRAY_SIZE(places)

/* What a toucher is to do with its side. */
struct request {
	enum { BEGIN, TOUCH, END, QUIT } what;
	const struct fault_case *c;
	u64 first, nr, *ns;
	int ret;
};

/* A side with a thread of its own: a handler follows threads, which must not move for a test. */
struct placed {
	struct side side;
	struct live live;
	struct bare *bare;
	pthread_t toucher;
	sem_t go, done;
	struct request request;
};

static void bind_to(const cpu_set_t *cpus)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus))
		err(EXIT_FAILURE, "cannot bind a thread");
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *toucher_main(void *arg)
{
	struct placed *p = arg;
	struct request *r = &p->request;
	bool go_on = true;

	while (go_on) {
		wait_for(&p->go);
		switch (r->what) {
		case BEGIN:
			r->ret = p->side.begin(p->side.self, r->c, r->nr);
			break;
		case TOUCH:
			p->side.touch(p->side.self, r->first, r->nr, r->ns);
			break;
		case END:
			r->ret = p->side.end(p->side.self);
			break;
		case QUIT:
			go_on = false;
		}
		sem_post(&p->done);
	}
	return NULL;
}

static int ask(struct placed *p, struct request r)
{
	p->request = r;
	sem_post(&p->go);
	wait_for(&p->done);
	return p->request.ret;
}

static int placed_begin(void *self, const struct fault_case *c, u64 nr_pages)
{
	return ask(self, (struct request){ .what = BEGIN, .c = c, .nr = nr_pages });
}

static void placed_touch(void *self, u64 first, u64 nr, u64 *ns)
{
	ask(self, (struct request){ .what = TOUCH, .first = first, .nr = nr, .ns = ns });
}

static int placed_end(void *self)
{
	return ask(self, (struct request){ .what = END });
}

/* The thread inherits the CPUs that this one may use. */
static void start_toucher(struct placed *p)
{
	sem_init(&p->go, 0, 0);
	sem_init(&p->done, 0, 0);
	if (pthread_create(&p->toucher, NULL, toucher_main, p))
		errx(EXIT_FAILURE, "cannot start a thread");
}

static struct side open_place(struct placed *p, const struct place *place, const cpu_set_t *where,
			      const int *cpu, u64 pages)
{
	const struct daxsim_options o = { .fault_around = 1 };
	char why[256];

	bind_to(&where[place->handler]);
	if (place->bare) {
		p->bare = bare_open(BARE_THREAD, pages, cpu[place->handler], why, sizeof(why));
		if (!p->bare)
			errx(EXIT_UNUSABLE, "%s", why);
		p->side = bare_side(p->bare, place->name);
	} else {
		live_open(&p->live, place->name, &o);
		p->side = live_side(&p->live);
	}
	bind_to(&where[place->toucher]);
	start_toucher(p);
	bind_to(&where[ANY]);
	return (struct side){ .name = place->name, .self = p, .begin = placed_begin,
			      .touch = placed_touch, .end = placed_end };
}

static void close_place(struct placed *p)
{
	ask(p, (struct request){ .what = QUIT });
	pthread_join(p->toucher, NULL);
	sem_destroy(&p->go);
	sem_destroy(&p->done);
	if (p->bare)
		bare_close(p->bare);
	else
		live_close(&p->live);
}

static void report_places(struct bench *b, const struct contest *c)
{
	double us[NR_PLACES][MAX_RUNS];
	size_t best = 0;

	for (size_t i = 0; i < NR_PLACES; i++) {
		for (unsigned int run = 0; run < b->runs; run++)
			us[i][run] = c->by_side[i].p50[run] / 1000;
		if (!places[i].bare &&
		    samples_median(us[i], b->runs) < samples_median(us[best], b->runs))
			best = i;
	}
	for (size_t i = 0; i < NR_PLACES; i++)
		report_compare(&b->report, &(struct comparison){
			.section = "placement, engine thread", .name = places[i].name,
			.unit = "us", .versus = "the best place of daxsim", .values = us[i],
			.versus_values = us[best], .nr = b->runs,
			.target = { .at_most = places[i].at_most } });
}

void placement_section(struct bench *b)
{
	static const struct fault_case written = {
		"written read", "load from a written page", { PAGE_WRITTEN, false, false },
		BARE_CONTINUE,
	};
	u64 pages = min_t(u64, b->pages, MAX_TOUCHED);
	struct placed placed[NR_PLACES] = { 0 };
	struct side sides[NR_PLACES];
	cpu_set_t where[NR_WHERE];
	struct contest c;
	int cpu[NR_WHERE];

	if (sched_getaffinity(0, sizeof(where[ANY]), &where[ANY]))
		err(EXIT_FAILURE, "cannot see the CPUs");
	if (CPU_COUNT(&where[ANY]) < 2) {
		printf("\nplacement: there is only one CPU\n");
		return;
	}
	if (placement_take(placement_find("other"), &cpu[FIRST], &cpu[SECOND]))
		errx(EXIT_FAILURE, "cannot bind threads to CPUs");
	for (int i = FIRST; i <= SECOND; i++) {
		CPU_ZERO(&where[i]);
		CPU_SET(cpu[i], &where[i]);
	}
	for (size_t i = 0; i < NR_PLACES; i++)
		sides[i] = open_place(&placed[i], &places[i], where, cpu, pages);
	contest_run(&c, sides, NR_PLACES, &written, b->runs, pages, CHUNK,
		    b->report.machine.clock_ns);
	report_places(b, &c);
	contest_free(&c);
	for (size_t i = 0; i < NR_PLACES; i++)
		close_place(&placed[i]);
}

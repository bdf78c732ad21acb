// SPDX-License-Identifier: MIT
/* Taking turns. */
#include "bench/lib/contest.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

static int bare_side_begin(void *self, const struct fault_case *c, u64 nr_pages)
{
	(void)nr_pages;
	return bare_begin(self, c->bare);
}

static void bare_side_enter(void *self)
{
	bare_enter(self);
}

static void bare_side_leave(void *self)
{
	bare_leave(self);
}

static void bare_side_touch(void *self, u64 first, u64 nr, u64 *ns)
{
	bare_touch(self, first, nr, ns);
}

static int bare_side_end(void *self)
{
	(void)self;
	return 0;
}

struct side bare_side(struct bare *b, const char *name)
{
	return (struct side){ .name = name, .self = b, .begin = bare_side_begin,
			      .enter = bare_side_enter, .leave = bare_side_leave,
			      .touch = bare_side_touch, .end = bare_side_end };
}

static void must(int ret, const struct side *s, const struct fault_case *what, const char *step)
{
	if (ret)
		errx(EXIT_FAILURE, "%s, %s: cannot %s: %s", s->name, what->name, step,
		     strerror(-ret));
}

/* The clock was read twice, of which about once is in the sample. */
static void subtract(u64 *ns, u64 nr, u64 clock_ns)
{
	for (u64 i = 0; i < nr; i++)
		ns[i] -= min_t(u64, ns[i], clock_ns);
}

static void turn(const struct side *s, u64 first, u64 nr, u64 *ns)
{
	if (s->enter)
		s->enter(s->self);
	s->touch(s->self, first, nr, ns);
	if (s->leave)
		s->leave(s->self);
}

static void run_once(struct contest *c, const struct side *sides, const struct fault_case *what,
		     unsigned int run, u64 chunk, u64 clock_ns)
{
	for (unsigned int s = 0; s < c->nr_sides; s++)
		must(sides[s].begin(sides[s].self, what, c->pages), &sides[s], what, "prepare");
	for (u64 first = 0; first < c->pages; first += chunk) {
		u64 nr = min_t(u64, chunk, c->pages - first);

		for (unsigned int s = 0; s < c->nr_sides; s++)
			turn(&sides[s], first, nr, c->by_side[s].ns + run * c->pages + first);
	}
	for (unsigned int s = 0; s < c->nr_sides; s++) {
		struct contestant *by = &c->by_side[s];
		u64 *ns = by->ns + run * c->pages;

		must(sides[s].end(sides[s].self), &sides[s], what, "find what it should");
		subtract(ns, c->pages, clock_ns);
		by->summary[run] = samples_summary(ns, c->pages);
		by->p50[run] = by->summary[run].p50;
	}
}

void contest_run(struct contest *c, const struct side *sides, unsigned int nr_sides,
		 const struct fault_case *what, unsigned int runs, u64 pages, u64 chunk,
		 double clock_ns)
{
	assert(nr_sides <= MAX_SIDES && runs <= MAX_RUNS);
	*c = (struct contest){ .runs = runs, .nr_sides = nr_sides, .pages = pages };
	for (unsigned int s = 0; s < nr_sides; s++) {
		c->by_side[s].ns = calloc(runs * pages, sizeof(u64));
		if (!c->by_side[s].ns)
			errx(EXIT_FAILURE, "out of memory");
	}
	for (unsigned int run = 0; run < runs; run++)
		run_once(c, sides, what, run, chunk, clock_ns);
}

void contest_free(struct contest *c)
{
	for (unsigned int s = 0; s < c->nr_sides; s++)
		free(c->by_side[s].ns);
}

// SPDX-License-Identifier: MIT
/*
 * Happens-before is computed anew here, by looking at all events before, from nothing but the table
 * of what depends on what. A past is a hash over a graph: of what happened before, each event
 * with a hash of its own past.
 */
#include "tests/determined.h"

#include <bsd/sys/tree.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "daxsim/sim/explorer.h"
#include "daxsim/sim/point.h"

/* What is to follow from a past: one access of an event, by number, or */
#define AT_EVENT EXPLORE_ACCESSES	/* the event and what its thread does next, */
#define AT_END (EXPLORE_ACCESSES + 1)	/* what all has come to */

struct determined_step {
	struct explore_event event;
	struct vclock clock;	/* 1 + depth of the last event of each thread that it comes after */
	u64 past;
	u8 thread;
};

/* The first execution in which something had this past. */
struct determined_past {
	RB_ENTRY(determined_past) link;
	u64 hash;
	struct determined_event what;
	u32 depth;
	u8 schedule[];
};

static int compare_pasts(const struct determined_past *a, const struct determined_past *b)
{
	return (a->hash > b->hash) - (a->hash < b->hash);
}

/* RB_GENERATE_STATIC() needs an __unused, which libbsd does not define. */
RB_GENERATE_INTERNAL(determined_tree, determined_past, link, compare_pasts,
		     __attribute__((unused)) static)

static void print_access(FILE *to, u8 kind, u64 object)
{
	static const char *const kinds[NR_EXPLORE_KINDS] = {
		"nothing", "read", "write", "lock", "rlock", "unlock", "runlock", "wait",
	};

	fprintf(to, " %s", kinds[kind]);
	if (kind)
		fprintf(to, "(%u.%u.%u)", obj_type(object), obj_owner(object), obj_index(object));
}

static void print_what(FILE *to, const struct determined_event *what, const u8 *schedule, u32 depth)
{
	for (int i = 0; i < EXPLORE_ACCESSES && what->event.kind[i]; i++)
		print_access(to, what->event.kind[i], what->event.object[i]);
	fprintf(to, ", then");
	print_access(to, what->next_kind, what->next_object);
	fprintf(to, ", sum %llx, in ", (unsigned long long)what->came_to);
	for (u32 i = 0; i < depth; i++)
		fprintf(to, "%u", schedule[i]);
}

/* What is new is not what another execution made of the same past. */
static void surprise(struct determined *d, unsigned int thread, u32 about,
		     const struct determined_event *what, const struct determined_past *past)
{
	u8 schedule[d->depth + 1];
	u32 nr = 0;
	FILE *to;

	if (d->surprises++)
		return;
	for (u32 i = 0; i < d->depth; i++) {
		schedule[i] = d->steps[i].thread;
		nr += d->steps[i].thread == thread;
	}
	to = fmemopen(d->first, sizeof(d->first), "w");
	cr_assert_not_null(to);
	if (about == AT_END)
		fprintf(to, "the end");
	else if (about == AT_EVENT)
		fprintf(to, "thread %u, event %u", thread, nr);
	else
		fprintf(to, "thread %u, event %u, access %u", thread, nr + 1, about + 1);
	fprintf(to, ":");
	print_what(to, what, schedule, d->depth);
	fprintf(to, "; but");
	print_what(to, &past->what, past->schedule, past->depth);
	fclose(to);
}

/* Something follows from a past. Has anything else ever? */
static void look_back(struct determined *d, u64 hash, unsigned int thread, u32 about,
		      const struct determined_event *what)
{
	struct determined_past key = {
		.hash = XXH3_64bits_withSeed(&(u64[]){ thread, about }, 2 * sizeof(u64), hash),
	};
	struct determined_past *past = RB_FIND(determined_tree, &d->seen, &key);

	if (past) {
		if (memcmp(&past->what, what, sizeof(*what)))
			surprise(d, thread, about, what, past);
		return;
	}
	past = malloc(sizeof(*past) + d->depth);
	cr_assert_not_null(past);
	*past = (struct determined_past){ .hash = key.hash, .what = *what, .depth = d->depth };
	for (u32 i = 0; i < d->depth; i++)
		past->schedule[i] = d->steps[i].thread;
	RB_INSERT(determined_tree, &d->seen, past);
	d->pasts++;
}

static bool depends(const struct explore_event *earlier, u64 object, u8 kind)
{
	for (int i = 0; i < EXPLORE_ACCESSES && earlier->kind[i]; i++)
		if (same_object(earlier->object[i], object) &&
		    explore_relations[earlier->kind[i]][kind] != NOTHING)
			return true;
	return false;
}

/* Let @clock come after whatever on the stack an access depends on. */
static void come_after(const struct determined *d, struct vclock *clock, u64 object, u8 kind)
{
	for (u32 i = d->depth; i--;) {
		const struct determined_step *s = &d->steps[i];

		if (clock->of[s->thread] <= (s16)i && depends(&s->event, object, kind))
			vclock_join(clock, &s->clock);
	}
}

static u64 past_hash(const struct determined *d, const struct vclock *clock)
{
	u64 pasts[VCLOCK_THREADS] = { 0 };

	for (int t = 0; t < VCLOCK_THREADS; t++)
		if (clock->of[t])
			pasts[t] = d->steps[clock->of[t] - 1].past;
	return XXH3_64bits(pasts, sizeof(pasts));
}

static struct vclock clock_of_thread(const struct determined *d, unsigned int thread)
{
	for (u32 i = d->depth; i--;)
		if (d->steps[i].thread == thread)
			return d->steps[i].clock;
	return (struct vclock){ 0 };
}

static void what_next(struct determined *d, unsigned int thread, struct determined_event *what)
{
	struct explore_event next;
	u32 unfinished;

	d->program.enabled(d->program.data, &unfinished);
	if (!(unfinished >> thread & 1))
		return;
	d->program.pending(d->program.data, thread, &next);
	what->next_object = next.object[0];
	what->next_kind = next.kind[0];
}

static void determined_reset(void *data)
{
	struct determined *d = data;

	d->program.reset(d->program.data);
	d->known = d->depth;
	d->depth = 0;
}

static void push(struct determined *d, const struct determined_step *s)
{
	if (d->depth == d->room) {
		d->room = d->room ? d->room * 2 : 256;
		d->steps = reallocarray(d->steps, d->room, sizeof(*d->steps));
		cr_assert_not_null(d->steps);
	}
	d->steps[d->depth++] = *s;
}

static void look_at(struct determined *d, unsigned int thread, const struct explore_event *e,
		    u64 came_to)
{
	struct determined_event what = { .event.kind = { 0 } };
	struct vclock clock = clock_of_thread(d, thread);
	struct determined_step s = { .event = *e, .thread = thread };
	u64 past;

	for (int i = 0; i < EXPLORE_ACCESSES && e->kind[i]; i++) {
		/* Which it is hangs on what those before it find. Of too many, some are merged. */
		what.event.object[0] = e->object[i];
		if (!e->kind[EXPLORE_ACCESSES - 1])
			look_back(d, past_hash(d, &clock), thread, i, &what);
		come_after(d, &clock, e->object[i], e->kind[i]);
	}
	past = past_hash(d, &clock);
	s.past = XXH3_64bits_withSeed(e, sizeof(*e), past + thread);
	s.clock = clock;
	s.clock.of[thread] = d->depth + 1;
	push(d, &s);
	what = (struct determined_event){ .event = *e, .came_to = came_to };
	what_next(d, thread, &what);
	look_back(d, past, thread, AT_EVENT, &what);
	d->events++;
}

static void determined_step(void *data, unsigned int thread, struct explore_event *e)
{
	struct determined *d = data;
	u64 before = d->sum ? d->sum(d->program.data) : 0;

	d->program.step(d->program.data, thread, e);
	if (d->depth < d->known && d->steps[d->depth].thread == thread) {
		d->depth++;	/* as in the execution before this one */
		return;
	}
	d->known = 0;
	look_at(d, thread, e, d->sum ? d->sum(d->program.data) - before : 0);
}

static u32 determined_enabled(void *data, u32 *unfinished)
{
	const struct determined *d = data;

	return d->program.enabled(d->program.data, unfinished);
}

static void determined_pending(void *data, unsigned int thread, struct explore_event *e)
{
	const struct determined *d = data;

	d->program.pending(d->program.data, thread, e);
}

struct explore_program determined_program(struct determined *d)
{
	RB_INIT(&d->seen);
	return (struct explore_program){
		.data = d, .nr_threads = d->program.nr_threads, .reset = determined_reset,
		.enabled = determined_enabled, .pending = determined_pending,
		.step = determined_step,
	};
}

void determined_end(struct determined *d, u64 class, u64 end)
{
	const struct determined_event what = { .came_to = end };

	look_back(d, class, 0, AT_END, &what);
}

void determined_free(struct determined *d)
{
	struct determined_past *past, *next;

	RB_FOREACH_SAFE(past, determined_tree, &d->seen, next) {
		RB_REMOVE(determined_tree, &d->seen, past);
		free(past);
	}
	free(d->steps);
}

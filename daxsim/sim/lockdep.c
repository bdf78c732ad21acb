// SPDX-License-Identifier: MIT
/* Learning the order of locks, and telling of its cycles. */
#include "daxsim/sim/lockdep.h"

#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/check.h"
#include "daxsim/sim/model.h"
#include "daxsim/sim/sim.h"

#define ARENA_RESERVE (64UL << 20)	/* bytes of address space; 64 * 64 * 4 edges take 10 MiB */
#define COLUMN 28			/* of a session, where a deadlock is drawn */

/* A cycle: the inner class of each edge is the outer one of the next, around. */
struct lock_cycle {
	const struct lock_edge *edges[NR_LOCK_CLASSES];
	unsigned int nr;
};

struct lockdep *lockdep_create(void)
{
	struct lockdep *ld = calloc(1, sizeof(*ld));

	if (!ld || arena_init(&ld->arena, ARENA_RESERVE)) {
		free(ld);
		return NULL;
	}
	STAILQ_INIT(&ld->edges);
	ld->counts = lock_bit(LOCK_DIO_WAIT);
	memset(ld->shelters, 0xff, sizeof(ld->shelters));
	return ld;
}

void lockdep_destroy(struct lockdep *ld)
{
	if (!ld)
		return;
	free(lockdep_take_report(ld));
	arena_destroy(&ld->arena);
	free(ld);
}

void lockdep_begin(struct lockdep *ld, const char *scenario)
{
	free(lockdep_take_report(ld));
	memset(ld->told, 0, sizeof(ld->told));
	memset(ld->settled, 0, sizeof(ld->settled));
	ld->scenario = scenario;
}

char *lockdep_take_report(struct lockdep *ld)
{
	char *text = NULL;

	if (ld->report) {
		fclose(ld->report);
		text = ld->text;
	}
	ld->report = NULL;
	ld->text = NULL;
	return text;
}

/* The edge that a task makes which holds its @i-th lock. */
static struct lock_edge make_edge(const struct lockdep *ld, const struct task *t, unsigned int i,
				  const struct lock *lock, enum lock_mode mode)
{
	const struct held_lock *h = &t->held[i];

	return (struct lock_edge){
		.outer = { h->lock->class, h->mode, h->lock->of, t->held_at[i] },
		.inner = { lock->class, mode, lock->of, { t->step, t->function } },
		.scenario = ld->scenario,
		.session = t->name,
	};
}

static const char *keep(struct lockdep *ld, const char *s)
{
	size_t size = s ? strlen(s) + 1 : 0;

	return s ? memcpy(watcher_alloc(&ld->arena, size), s, size) : NULL;
}

/* The scenario may be gone when its witness is asked for: names are copied. */
static void learn(struct lockdep *ld, const struct lock_edge *e)
{
	struct lock_edge *kept = watcher_alloc(&ld->arena, sizeof(*kept));
	struct lock_use *uses[] = { &kept->outer, &kept->inner };

	*kept = *e;
	kept->scenario = keep(ld, e->scenario);
	kept->session = keep(ld, e->session);
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		uses[i]->of = keep(ld, uses[i]->of);
		uses[i]->at.step = keep(ld, uses[i]->at.step);
		uses[i]->at.function = keep(ld, uses[i]->at.function);
	}
	STAILQ_INSERT_TAIL(&ld->edges, kept, link);
	ld->seen[lock_modes(e->outer.mode, e->inner.mode)][e->outer.class] |=
		lock_bit(e->inner.class);
}

/* Whether another task can keep this one waiting while it holds @held. */
static bool can_wait(const struct lockdep *ld, const struct held_lock *held,
		     const struct lock *lock, enum lock_mode mode)
{
	if (ld->counts & lock_bit(lock->class) &&
	    (mode == LOCK_SHARED || lock_sheltered(&ld->shelters[lock->class])))
		return false;
	if (held->lock->class != lock->class)
		return true;
	if (mode == LOCK_SHARED && held->mode == LOCK_SHARED)
		return false;
	return held->lock == lock || !(ld->nestable & lock_bit(lock->class));
}

static void add_wait(struct lockdep *ld, unsigned int outer, unsigned int inner)
{
	u64 gained = ld->reach[inner] | lock_bit(inner);

	ld->waits[outer] |= lock_bit(inner);
	memset(ld->settled, 0, sizeof(ld->settled));
	for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++)
		if (c == outer || ld->reach[c] & lock_bit(outer))
			ld->reach[c] |= gained;
}

/*
 * The witness of an edge that asks least of the others for a deadlock: whoever
 * holds a lock exclusively is in everybody's way.
 */
static const struct lock_edge *strongest(const struct lockdep *ld, unsigned int outer,
					 unsigned int inner)
{
	const struct lock_edge *e, *best = NULL;

	STAILQ_FOREACH(e, &ld->edges, link) {
		if (e->outer.class != outer || e->inner.class != inner)
			continue;
		if (e->inner.mode == LOCK_SHARED && ld->counts & lock_bit(inner))
			continue;
		if (!best || e->outer.mode + e->inner.mode > best->outer.mode + best->inner.mode)
			best = e;
	}
	return best;
}

/* Close the cycle that @now is part of by the shortest way back. */
static void find_cycle(const struct lockdep *ld, const struct lock_edge *now,
		       struct lock_cycle *cy)
{
	unsigned int from = now->inner.class, to = now->outer.class;
	u8 queue[NR_LOCK_CLASSES], next[NR_LOCK_CLASSES];
	unsigned int head = 0, tail = 0;
	u64 found = lock_bit(to);

	queue[tail++] = to;
	while (head < tail && !(found & lock_bit(from))) {
		unsigned int class = queue[head++];

		for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++) {
			if (!(ld->waits[c] & lock_bit(class)) || found & lock_bit(c))
				continue;
			found |= lock_bit(c);
			next[c] = class;
			queue[tail++] = c;
		}
	}
	cy->nr = 0;
	cy->edges[cy->nr++] = now;
	for (unsigned int c = from; c != to; c = next[c])
		cy->edges[cy->nr++] = strongest(ld, c, next[c]);
}

/* "a -> b -> a" */
static void name_cycle(const struct lock_cycle *cy, char *buf, size_t size)
{
	size_t used = snprintf(buf, size, "%s", lock_class_table[cy->edges[0]->outer.class].name);

	for (unsigned int i = 0; i < cy->nr && used < size; i++)
		used += snprintf(buf + used, size - used, " -> %s",
				 lock_class_table[cy->edges[i]->inner.class].name);
}

static void print_use(const struct lock_use *u, const char *verb, FILE *to)
{
	fprintf(to, "%s(%s)%s%s in %s%s%s\n", lock_class_table[u->class].name, u->of,
		u->mode == LOCK_SHARED ? " shared" : "", verb,
		u->at.function ? u->at.function : "user mode", u->at.step ? ", step " : "",
		u->at.step ? u->at.step : "");
}

static void print_chain(const struct lock_cycle *cy, FILE *to)
{
	fprintf(to, "the existing dependency chain, in reverse order:\n");
	for (unsigned int i = cy->nr; i-- > 0;) {
		const struct lock_edge *e = cy->edges[i];

		fprintf(to, "-> #%u ", i);
		print_use(&e->inner, ", taken", to);
		fprintf(to, "      inside ");
		print_use(&e->outer, ", taken", to);
		fprintf(to, "      by session %s%s%s\n", e->session,
			e->scenario ? " of scenario " : "", e->scenario ? e->scenario : "");
	}
}

static void draw_lock(unsigned int column, const struct lock_use *u, FILE *to)
{
	fprintf(to, "    %*slock %s%s\n", (int)(column * COLUMN), "",
		lock_class_table[u->class].name, u->mode == LOCK_SHARED ? " shared" : "");
}

/* Each has its outer lock when the first of them goes on to the inner one. */
static void draw_deadlock(const struct lock_cycle *cy, FILE *to)
{
	fprintf(to, "how it can deadlock:\n    ");
	for (unsigned int i = 0; i < cy->nr; i++)
		fprintf(to, "%-*s", i + 1 < cy->nr ? COLUMN : 0, cy->edges[i]->session);
	fputc('\n', to);
	for (unsigned int i = 0; i < cy->nr; i++)
		draw_lock(i, &cy->edges[i]->outer, to);
	for (unsigned int i = cy->nr; i-- > 0;)
		draw_lock(i, &cy->edges[i]->inner, to);
	for (unsigned int i = 0; i < cy->nr; i++) {
		const struct lock_use *wanted = &cy->edges[i]->inner;
		const struct lock_use *held = &cy->edges[(i + 1) % cy->nr]->outer;

		if (wanted->mode == LOCK_SHARED && held->mode == LOCK_SHARED)
			fprintf(to, "    %s is shared on both sides: a task that waits for it exclusively has to come in between\n",
				lock_class_table[wanted->class].name);
	}
}

static void print_report(const struct task *t, const struct lock_cycle *cy,
			 const char *name, FILE *to)
{
	const struct lock_edge *now = cy->edges[0];

	fprintf(to, "possible circular locking dependency: %s\n%s is about to take\n    ", name,
		t->name);
	print_use(&now->inner, ",", to);
	fprintf(to, "while it holds\n");
	for (unsigned int i = 0; i < t->nr_held; i++) {
		const struct held_lock *h = &t->held[i];
		const struct lock_use u = { h->lock->class, h->mode, h->lock->of, t->held_at[i] };

		fprintf(to, "    ");
		print_use(&u, ", taken", to);
	}
	print_chain(cy, to);
	draw_deadlock(cy, to);
}

static void tell(struct lockdep *ld, const struct task *t, const struct lock_edge *now)
{
	struct lock_cycle cy;
	char name[200];

	find_cycle(ld, now, &cy);
	for (unsigned int i = 0; i < cy.nr; i++)
		ld->told[cy.edges[i]->outer.class] |= lock_bit(cy.edges[i]->inner.class);
	name_cycle(&cy, name, sizeof(name));
	if (!ld->report)
		ld->report = open_memstream(&ld->text, &ld->size);
	if (ld->report)
		print_report(t, &cy, name, ld->report);
	check_report(t->sim->check, INV_LOCK_ORDER, "%s", name);
}

static void add_edge(struct lockdep *ld, const struct task *t, unsigned int i,
		     const struct lock *lock, enum lock_mode mode)
{
	const struct held_lock *h = &t->held[i];
	unsigned int outer = h->lock->class, inner = lock->class;
	struct lock_edge now = make_edge(ld, t, i, lock, mode);

	if (!(ld->seen[lock_modes(h->mode, mode)][outer] & lock_bit(inner)))
		learn(ld, &now);
	if (!can_wait(ld, h, lock, mode))
		return;
	if (!(ld->waits[outer] & lock_bit(inner)))
		add_wait(ld, outer, inner);
	if (lockdep_on_cycle(ld, outer, inner) && !(ld->told[outer] & lock_bit(inner)))
		tell(ld, t, &now);
}

/* Who waits for a count may have to after all: so could they who did before. */
static void expose(struct lockdep *ld, unsigned int class)
{
	for (unsigned int outer = 0; outer < NR_LOCK_CLASSES; outer++)
		for (unsigned int m = 0; m <= LOCK_EXCLUSIVE; m++)
			if (outer != class && ld->seen[lock_modes(m, LOCK_EXCLUSIVE)][outer] & lock_bit(class))
				add_wait(ld, outer, class);
}

static void note_shelter(struct lockdep *ld, const struct task *t, const struct lock *lock,
			 enum lock_mode mode)
{
	static const u32 of_a_file = 1U << LOCK_I_MUTEX | 1U << LOCK_IOLOCK;
	struct lock_shelter *s = &ld->shelters[lock->class];
	bool was = lock_sheltered(s);
	u32 held[2] = { 0 };

	for (unsigned int i = 0; i < t->nr_held; i++) {
		const struct lock *l = t->held[i].lock;

		if (l->of != lock->of || !(of_a_file >> l->class & 1))
			continue;
		held[LOCK_SHARED] |= 1U << l->class;
		if (t->held[i].mode == LOCK_EXCLUSIVE)
			held[LOCK_EXCLUSIVE] |= 1U << l->class;
	}
	s->held[mode][LOCK_SHARED] &= held[LOCK_SHARED];
	s->held[mode][LOCK_EXCLUSIVE] &= held[LOCK_EXCLUSIVE];
	if (was && !lock_sheltered(s))
		expose(ld, lock->class);
}

void lockdep_acquire(struct lockdep *ld, const struct task *t, const struct lock *lock,
		     enum lock_mode mode)
{
	if (ld->counts & lock_bit(lock->class))
		note_shelter(ld, t, lock, mode);
	lockdep_learn(ld, t, lock, mode);
}

void lockdep_learn(struct lockdep *ld, const struct task *t, const struct lock *lock,
		   enum lock_mode mode)
{
	u32 *settled = &ld->settled[lock->class][mode];

	for (unsigned int i = 0; i < t->nr_held; i++) {
		const struct held_lock *outer = &t->held[i];
		u32 bit = 1U << (2 * outer->lock->class + outer->mode);

		if (*settled & bit)
			continue;
		add_edge(ld, t, i, lock, mode);
		/* Of one class, it depends on which locks these are. */
		if (outer->lock->class != lock->class)
			*settled |= bit;
	}
}

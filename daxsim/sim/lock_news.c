// SPDX-License-Identifier: MIT
/* Passing on the order of locks. */
#include "daxsim/sim/lock_news.h"

#include <string.h>

void lock_memory_take(struct lock_memory *m, const struct lockdep *ld)
{
	memcpy(m->seen, ld->seen, sizeof(m->seen));
	memcpy(m->told, ld->told, sizeof(m->told));
}

/* Returns false if there is no room. */
static bool write_name(struct lock_news *n, const char *name, u16 *at)
{
	size_t size = name ? strlen(name) + 1 : 0;

	n->used += !n->used;
	*at = name ? n->used : 0;
	if (size > sizeof(n->text) - n->used)
		return false;
	if (name)
		memcpy(n->text + n->used, name, size);
	n->used += size;
	return true;
}

static bool write_use(struct lock_news *n, const struct lock_use *u, struct lock_use_news *to)
{
	to->class = u->class;
	to->mode = u->mode;
	return write_name(n, u->of, &to->of) && write_name(n, u->at.step, &to->step) &&
	       write_name(n, u->at.function, &to->function);
}

static bool was_seen(const lock_matrix *seen, unsigned int outer, unsigned int outer_mode,
		     unsigned int inner, unsigned int inner_mode)
{
	return seen[lock_modes(outer_mode, inner_mode)][outer] & lock_bit(inner);
}

bool lock_news_write(struct lock_news *n, const struct lock_memory *m, const struct lockdep *ld)
{
	const struct lock_edge *e;

	if (memcmp(m->told, ld->told, sizeof(m->told)))
		return false;
	memcpy(n->told, ld->told, sizeof(n->told));
	memcpy(n->waits, ld->waits, sizeof(n->waits));
	memcpy(n->shelters, ld->shelters, sizeof(n->shelters));
	STAILQ_FOREACH(e, &ld->edges, link) {
		if (was_seen(m->seen, e->outer.class, e->outer.mode, e->inner.class, e->inner.mode))
			continue;
		if (n->nr == LOCK_NEWS_EDGES || !write_use(n, &e->outer, &n->edges[n->nr].outer) ||
		    !write_use(n, &e->inner, &n->edges[n->nr].inner) ||
		    !write_name(n, e->scenario, &n->edges[n->nr].scenario) ||
		    !write_name(n, e->session, &n->edges[n->nr].session))
			return false;
		n->nr++;
	}
	return true;
}

/* Whether an edge that is in @news only is part of a cycle of both. */
static bool closes_cycle(const lock_matrix news, const struct lockdep *ld)
{
	lock_matrix reach;

	for (unsigned int i = 0; i < NR_LOCK_CLASSES; i++)
		reach[i] = ld->reach[i] | news[i];
	for (unsigned int k = 0; k < NR_LOCK_CLASSES; k++)
		for (unsigned int i = 0; i < NR_LOCK_CLASSES; i++)
			if (reach[i] & lock_bit(k))
				reach[i] |= reach[k];
	for (unsigned int i = 0; i < NR_LOCK_CLASSES; i++)
		for (u64 left = news[i] & ~ld->waits[i]; left; left &= left - 1)
			if (reach[__builtin_ctzll(left)] & lock_bit(i))
				return true;
	return false;
}

static const char *text_at(const struct lock_news *n, u16 at)
{
	return at ? n->text + at : NULL;
}

/* Whoever saw it does it again: all that is kept of it are names. */
static void learn_edge(const struct lock_news *n, u32 i, struct lockdep *ld)
{
	const struct lock_use_news *o = &n->edges[i].outer, *u = &n->edges[i].inner;
	struct lock outer = { .class = o->class, .of = text_at(n, o->of) };
	struct lock inner = { .class = u->class, .of = text_at(n, u->of) };
	struct task t = {
		.name = text_at(n, n->edges[i].session), .step = text_at(n, u->step),
		.function = text_at(n, u->function), .nr_held = 1,
		.held = { { .lock = &outer, .mode = o->mode } },
		.held_at = { { text_at(n, o->step), text_at(n, o->function) } },
	};

	ld->scenario = text_at(n, n->edges[i].scenario);
	lockdep_learn(ld, &t, &inner, u->mode);
}

/* What shelters a count in both. False if it does in one of them only. */
static bool join_shelters(const struct lock_news *n, const struct lockdep *ld,
			  struct lock_shelter *both)
{
	for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++) {
		const struct lock_shelter *mine = &ld->shelters[c], *theirs = &n->shelters[c];

		for (unsigned int i = 0; i < 4; i++)
			both[c].held[i / 2][i % 2] = mine->held[i / 2][i % 2] & theirs->held[i / 2][i % 2];
		if (lock_sheltered(mine) != lock_sheltered(&both[c]) ||
		    lock_sheltered(theirs) != lock_sheltered(&both[c]))
			return false;
	}
	return true;
}

bool lock_news_learn(const struct lock_news *n, struct lockdep *ld)
{
	struct lock_shelter shelters[NR_LOCK_CLASSES];
	const char *scenario = ld->scenario;

	if (memcmp(n->told, ld->told, sizeof(n->told)) || closes_cycle(n->waits, ld) ||
	    !join_shelters(n, ld, shelters))
		return false;
	memcpy(ld->shelters, shelters, sizeof(ld->shelters));
	for (u32 i = 0; i < n->nr; i++)
		if (!was_seen(ld->seen, n->edges[i].outer.class, n->edges[i].outer.mode,
			      n->edges[i].inner.class, n->edges[i].inner.mode))
			learn_edge(n, i, ld);
	ld->scenario = scenario;
	return true;
}

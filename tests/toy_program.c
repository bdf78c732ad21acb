// SPDX-License-Identifier: MIT
/* Interpreting, and drawing, small concurrent programs. */
#include "tests/toy_program.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define TOY_OBJECT(var) (1ULL << 32 | (var))

static void toy_reset(void *data)
{
	struct toy *toy = data;

	memset(toy->vars, 0, sizeof(toy->vars));
	memset(toy->pc, 0, sizeof(toy->pc));
	memset(toy->reg, 0, sizeof(toy->reg));
	for (unsigned int i = 0; i < TOY_VARS; i++)
		toy->vars[i].turn = i;
	toy->reg[0] = toy->limit;
	toy->hash = 0;
}

/*
 * The reader is thread 0, at a[reg]; it ends when it finds a zero. Thread i reads
 * a[i - 1], then writes a[i].
 */
static struct toy_op lastzero_op(const struct toy *toy, unsigned int t)
{
	u32 pc = toy->pc[t];

	if (!t)
		return (struct toy_op){ .kind = toy->reg[0] < 0 ? EXPLORE_NONE : EXPLORE_READ,
					.var = toy->reg[0] };
	return (struct toy_op){ .kind = pc == 0 ? EXPLORE_READ :
					pc == 1 ? EXPLORE_WRITE : EXPLORE_NONE,
				.var = t - 1 + pc };
}

static struct toy_op next_op(const struct toy *toy, unsigned int t)
{
	const struct toy_fork *fork = &toy->forks[t][toy->pc[t]];
	struct toy_op op;

	if (toy->kind == TOY_LASTZERO)
		return lastzero_op(toy, t);
	op = toy->code[t][toy->pc[t]];
	if (fork->forks && toy->vars[op.var].turn & 1) {
		op.kind2 = fork->kind;
		op.var2 = fork->var;
	}
	return op;
}

static bool can_go_on(const struct toy *toy, struct toy_op op)
{
	const struct toy_var *v = &toy->vars[op.var];

	if (op.kind == EXPLORE_RLOCK)
		return !v->writer;
	if (op.kind == EXPLORE_LOCK || op.kind == EXPLORE_WAIT)
		return !v->writer && !v->shared;
	return true;
}

static u32 toy_enabled(void *data, u32 *unfinished)
{
	const struct toy *toy = data;
	u32 enabled = 0;

	*unfinished = 0;
	for (unsigned int t = 0; t < toy->nr_threads; t++) {
		struct toy_op op = next_op(toy, t);

		if (op.kind == EXPLORE_NONE)
			continue;
		*unfinished |= 1U << t;
		if (can_go_on(toy, op))
			enabled |= 1U << t;
	}
	return enabled;
}

static void tell(const struct toy *toy, struct toy_op op, struct explore_event *e)
{
	int n = 0;

	memset(e, 0, sizeof(*e));
	if (op.kind != EXPLORE_NONE && !(toy->hidden >> op.kind & 1)) {
		e->object[n] = TOY_OBJECT(op.var);
		e->kind[n++] = op.kind;
	}
	if (op.kind2 != EXPLORE_NONE && !(toy->hidden >> op.kind2 & 1)) {
		e->object[n] = TOY_OBJECT(op.var2);
		e->kind[n++] = op.kind2;
	}
}

static void toy_pending(void *data, unsigned int t, struct explore_event *e)
{
	tell(data, next_op(data, t), e);
}

static u64 mix(u64 h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return h ^ h >> 31;
}

/* Make one access; @id names it in all executions alike. */
static void perform(struct toy *toy, unsigned int t, u8 kind, u8 var, u64 id)
{
	struct toy_var *v = &toy->vars[var];

	switch (kind) {
	case EXPLORE_RLOCK:
		v->shared |= 1U << t;
		/* fall through */
	case EXPLORE_READ:
		toy->hash += mix(id + mix(v->turn));
		v->readers += mix(id);
		break;
	case EXPLORE_WAIT:
		/* Behind all that had the lock shared before it, but before no other waiter. */
		toy->hash += mix(id + mix(v->turn + mix(v->readers)));
		break;
	case EXPLORE_LOCK:
		v->writer = 1 + t;
		/* fall through */
	case EXPLORE_WRITE:
		toy->hash += mix(id + mix(v->turn + mix(v->readers)));
		v->turn = mix(id + 1);
		v->readers = 0;
		break;
	case EXPLORE_UNLOCK:
		v->writer = 0;
		break;
	case EXPLORE_RUNLOCK:
		v->shared &= ~(1U << t);
		break;
	}
}

static void perform_both(struct toy *toy, unsigned int t, struct toy_op op)
{
	u64 id = mix((u64)t << 32 | (toy->pc[t] + 1));

	perform(toy, t, op.kind, op.var, id);
	if (op.kind2)
		perform(toy, t, op.kind2, op.var2, id + 7);
	toy->pc[t]++;
}

static bool joins(const struct explore_event *e, struct toy_op op)
{
	switch (op.kind) {
	case EXPLORE_READ:
	case EXPLORE_WRITE:
		return (e->kind[0] == EXPLORE_LOCK || e->kind[0] == EXPLORE_RLOCK) && !e->kind[1];
	case EXPLORE_UNLOCK:
	case EXPLORE_RUNLOCK:
		return !op.kind2 && !e->kind[EXPLORE_ACCESSES - 1];
	default:
		return false;
	}
}

static void join(struct toy *toy, unsigned int t, struct explore_event *e)
{
	struct explore_event more;
	int n = 0;

	tell(toy, next_op(toy, t), &more);
	perform_both(toy, t, next_op(toy, t));
	while (e->kind[n])
		n++;
	for (int i = 0; more.kind[i]; i++, n++) {
		e->object[n] = more.object[i];
		e->kind[n] = more.kind[i];
	}
}

static void toy_step(void *data, unsigned int t, struct explore_event *e)
{
	struct toy *toy = data;
	struct toy_op op = next_op(toy, t);

	tell(toy, op, e);
	perform_both(toy, t, op);
	while (toy->joined && joins(e, next_op(toy, t)))
		join(toy, t, e);
	if (toy->kind == TOY_LASTZERO) {
		struct toy_var *v = &toy->vars[op.var];

		if (t && op.kind == EXPLORE_READ)
			toy->reg[t] = v->value + 1;
		else if (t)
			v->value = toy->reg[t];
		else
			toy->reg[0] = v->value ? toy->reg[0] - 1 : -1;
	}
}

struct explore_program toy_program(struct toy *toy)
{
	return (struct explore_program){
		.data = toy,
		.nr_threads = toy->nr_threads,
		.reset = toy_reset,
		.enabled = toy_enabled,
		.pending = toy_pending,
		.step = toy_step,
	};
}

struct toy toy_lastzero(u32 n)
{
	return (struct toy){ .kind = TOY_LASTZERO, .nr_threads = n + 1, .limit = n };
}

struct toy toy_readers(u32 n)
{
	struct toy toy = { .nr_threads = n + 1 };

	toy.code[0][0].kind = EXPLORE_WRITE;
	for (u32 i = 1; i <= n; i++)
		toy.code[i][0].kind = EXPLORE_READ;
	return toy;
}

struct toy_drawing {
	struct toy *toy;
	u64 state;
	unsigned int t, len;
	struct toy_op held[TOY_CODE];
	unsigned int nr_held;
};

static u32 draw(struct toy_drawing *d, u32 n)
{
	d->state += 0x9e3779b97f4a7c15ULL;
	return (mix(d->state) >> 32) * n >> 32;
}

static void add(struct toy_drawing *d, struct toy_op op)
{
	d->toy->code[d->t][d->len++] = op;
}

#define DATA_VARS 3	/* the variables behind them are locks */
#define LOCK_VARS 2

/* Some events are a second access as well. */
static void add_second(struct toy_drawing *d, struct toy_op *op)
{
	if (draw(d, 5))
		return;
	op->kind2 = EXPLORE_READ + draw(d, 2);
	op->var2 = (op->var + 1) % DATA_VARS;
}

static void add_access(struct toy_drawing *d)
{
	struct toy_op op = { .kind = EXPLORE_READ + draw(d, 2), .var = draw(d, DATA_VARS) };

	add_second(d, &op);
	add(d, op);
}

static void drop_lock(struct toy_drawing *d, unsigned int i)
{
	struct toy_op op = d->held[i];

	op.kind = op.kind == EXPLORE_LOCK ? EXPLORE_UNLOCK : EXPLORE_RUNLOCK;
	op.kind2 = EXPLORE_NONE;
	add_second(d, &op);
	add(d, op);
	d->held[i] = d->held[--d->nr_held];
}

static void add_lock(struct toy_drawing *d)
{
	static const u8 kinds[] = { EXPLORE_LOCK, EXPLORE_LOCK, EXPLORE_RLOCK, EXPLORE_RLOCK,
				    EXPLORE_WAIT };
	struct toy_op op = { .kind = kinds[draw(d, ARRAY_SIZE(kinds))],
			     .var = DATA_VARS + draw(d, LOCK_VARS) };

	for (unsigned int i = 0; i < d->nr_held; i++)
		if (d->held[i].var == op.var)
			return;
	add_second(d, &op);
	add(d, op);
	if (op.kind != EXPLORE_WAIT)
		d->held[d->nr_held++] = op;
}

struct toy toy_random(u64 seed, bool locks)
{
	static const u8 lengths[][2] = { { 6, 7 }, { 4, 5 }, { 3, 3 } };
	struct toy toy = { 0 };
	struct toy_drawing d = { .toy = &toy, .state = mix(seed + 1) };
	unsigned int shape = draw(&d, ARRAY_SIZE(lengths)), max = lengths[shape][locks];

	toy.nr_threads = 2 + shape;
	for (; d.t < toy.nr_threads; d.t++) {
		d.len = d.nr_held = 0;
		while (d.len + d.nr_held < max) {
			u32 what = draw(&d, 8);

			if (locks && what < 2 && d.nr_held)
				drop_lock(&d, draw(&d, d.nr_held));
			else if (locks && what < 5 && d.len + d.nr_held + 2 <= max)
				add_lock(&d);
			else
				add_access(&d);
		}
		/* Many are never dropped: what waits for them is only ever pending. */
		while (d.nr_held && draw(&d, 4))
			drop_lock(&d, draw(&d, d.nr_held));
	}
	return toy;
}

struct toy toy_random_forks(u64 seed, bool locks)
{
	struct toy toy = toy_random(seed, locks);
	struct toy_drawing d = { .toy = &toy, .state = mix(seed + 2) };

	for (; d.t < toy.nr_threads; d.t++)
		for (unsigned int i = 0; i < TOY_CODE; i++) {
			struct toy_op *op = &toy.code[d.t][i];

			if (op->kind != EXPLORE_READ || !draw(&d, 3))
				continue;
			/* The other variable that it does not read, or nothing. */
			op->kind2 = EXPLORE_READ + draw(&d, 2);
			op->var2 = (op->var + 1) % DATA_VARS;
			toy.forks[d.t][i] = (struct toy_fork){
				true, EXPLORE_NONE + draw(&d, 3), (op->var + 2) % DATA_VARS,
			};
		}
	return toy;
}

struct collector {
	struct toy *toy;
	struct behaviours *found;
};

static bool collect(void *ctx, const struct explore_run *run)
{
	struct collector *c = ctx;
	struct behaviours *b = c->found;

	(void)run;
	if (b->nr == b->room) {
		b->room = b->room ? b->room * 2 : 1024;
		b->hashes = realloc(b->hashes, b->room * sizeof(*b->hashes));
		cr_assert_not_null(b->hashes);
	}
	b->hashes[b->nr++] = c->toy->hash;
	return true;
}

static int compare_hashes(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

struct behaviours toy_explore(struct toy *toy, struct explore_options options)
{
	const struct explore_program p = toy_program(toy);
	struct behaviours b = { 0 };
	struct collector c = { toy, &b };
	size_t nr = 0;

	options.visit = collect;
	options.ctx = &c;
	b.err = explore(&p, &options, &b.result);
	qsort(b.hashes, b.nr, sizeof(*b.hashes), compare_hashes);
	for (size_t i = 0; i < b.nr; i++)
		if (!nr || b.hashes[nr - 1] != b.hashes[i])
			b.hashes[nr++] = b.hashes[i];
	b.nr = nr;
	return b;
}

bool same_behaviours(const struct behaviours *a, const struct behaviours *b)
{
	return a->nr == b->nr && !memcmp(a->hashes, b->hashes, a->nr * sizeof(*a->hashes));
}

// SPDX-License-Identifier: MIT
/*
 * The extent map against a plain array: random operations on a file of NR blocks,
 * all of it compared after each. The device blocks lie such that neighbours often
 * join, at one of two distances. Some maps have a limit, or hardly any memory.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "daxsim/kernel/extent.h"
#include "daxsim/sim/arena.h"

#define NR 48

struct model {
	struct {
		block_t pblk;
		char state; /* 0 a hole, 'w' written, 'u' unwritten */
	} blk[NR];
};

static u64 roll(u64 *x, u64 sides)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (*x >> 8) % sides;
}

static bool follows(const struct model *m, u64 i)
{
	return i && m->blk[i].state && m->blk[i].state == m->blk[i - 1].state &&
	       m->blk[i].pblk == m->blk[i - 1].pblk + 1;
}

static void compare(const struct model *m, const struct extent_map *map)
{
	u64 nr_extents = 0, nr_blocks = 0, next;

	cr_assert_eq(extent_map_check(map), 0);
	for (u64 i = 0; i < NR; i++) {
		const struct extent *e = extent_find(map, i), *n = extent_find_next(map, i);

		cr_assert_eq(!!e, !!m->blk[i].state, "block %ju", (uintmax_t)i);
		for (next = i; next < NR && !m->blk[next].state; next++)
			;
		cr_assert_eq(n, extent_find(map, next), "hole at %ju", (uintmax_t)i);
		if (!e)
			continue;
		cr_assert_eq(e->pblk + (i - e->lblk), m->blk[i].pblk, "block %ju", (uintmax_t)i);
		cr_assert_eq(e->unwritten, m->blk[i].state == 'u', "block %ju", (uintmax_t)i);
		nr_extents += !follows(m, i);
		nr_blocks++;
	}
	cr_assert_eq(map->nr_blocks, nr_blocks);
	if (!map->max_len)
		cr_assert_eq(map->nr_extents, nr_extents);
}

static int model_insert(struct model *m, u64 lblk, block_t pblk, u64 len, bool unwritten,
			u64 max_len)
{
	if (!len || (max_len && len > max_len))
		return -EINVAL;
	for (u64 i = lblk; i < lblk + len; i++)
		if (m->blk[i].state)
			return -EEXIST;
	for (u64 i = 0; i < len; i++) {
		m->blk[lblk + i].pblk = pblk + i;
		m->blk[lblk + i].state = unwritten ? 'u' : 'w';
	}
	return 0;
}

static int model_mark(struct model *m, u64 lblk, u64 len, bool unwritten)
{
	if (!len)
		return -EINVAL;
	for (u64 i = lblk; i < lblk + len; i++)
		if (!m->blk[i].state)
			return -ENOENT;
	for (u64 i = lblk; i < lblk + len; i++)
		m->blk[i].state = unwritten ? 'u' : 'w';
	return 0;
}

/* Only for a @delta that pushes no block out of the model. */
static int model_shift(struct model *m, u64 lblk, s64 delta)
{
	struct model old = *m;

	if (delta < 0 && lblk < (u64)-delta)
		return -EINVAL;
	for (u64 i = lblk + delta; delta < 0 && i < lblk; i++)
		if (m->blk[i].state)
			return -EINVAL;
	memset(m->blk + lblk, 0, (NR - lblk) * sizeof(m->blk[0]));
	for (u64 i = lblk; i < NR; i++)
		if (old.blk[i].state)
			m->blk[i + delta] = old.blk[i];
	return 0;
}

/* Takes each piece out of the model, which must have had it and nothing mapped before it. */
struct removal {
	struct model *m;
	u64 at;
};

static void remove_piece(void *ctx, const struct extent_piece *p)
{
	struct removal *r = ctx;

	cr_assert_gt(p->len, 0);
	for (; r->at < p->lblk; r->at++)
		cr_assert_eq(r->m->blk[r->at].state, 0);
	for (; r->at < p->lblk + p->len; r->at++) {
		cr_assert_eq(r->m->blk[r->at].state, p->unwritten ? 'u' : 'w');
		cr_assert_eq(r->m->blk[r->at].pblk, p->pblk + (r->at - p->lblk));
		r->m->blk[r->at].state = 0;
	}
}

static void model_remove_rest(struct removal *r, u64 end)
{
	for (; r->at < end; r->at++)
		cr_assert_eq(r->m->blk[r->at].state, 0, "%ju was kept", (uintmax_t)r->at);
}

/* The extents as they are, to see that a call which failed changed nothing. */
static u64 snapshot(struct extent_piece pieces[NR], const struct extent_map *map)
{
	const struct extent *e;
	u64 nr = 0;

	memset(pieces, 0, NR * sizeof(pieces[0]));
	for (u64 at = 0; (e = extent_find_next(map, at)); at = extent_end(e)) {
		pieces[nr].lblk = e->lblk;
		pieces[nr].len = e->len;
		pieces[nr].pblk = e->pblk;
		pieces[nr++].unwritten = e->unwritten;
	}
	return nr;
}

/* Run @nr_ops random operations; room for @room extents. Returns how many lacked memory. */
static unsigned int random_ops(u64 seed, unsigned int nr_ops, size_t room, u64 max_len)
{
	struct arena arena;
	struct extent_map map;
	struct model m = { 0 };
	unsigned int nr_nomem = 0;
	struct extent_piece before[NR], after[NR];
	u64 nr_before;

	cr_assert_eq(arena_init(&arena, room * sizeof(struct extent)), 0);
	extent_map_init(&map, &arena);
	map.max_len = max_len;
	for (unsigned int i = 0; i < nr_ops; i++) {
		u64 lblk = roll(&seed, NR), len = roll(&seed, min_t(u64, 9, NR - lblk + 1));
		bool unwritten = roll(&seed, 2);
		u64 pblk = 1000 + lblk + 500 * roll(&seed, 2), used;
		s64 delta = (s64)roll(&seed, 7) - 3;
		struct model old = m;
		struct removal r = { &m, lblk };
		int want, got;

		nr_before = snapshot(before, &map);
		switch (roll(&seed, 8)) {
		default:
			want = model_insert(&m, lblk, pblk, len, unwritten, max_len);
			got = extent_insert(&map, lblk, pblk, len, unwritten);
			break;
		case 4:
		case 5:
			want = model_mark(&m, lblk, len, unwritten);
			got = extent_mark(&map, lblk, len, unwritten);
			break;
		case 6:
			if (len == 8 && roll(&seed, 4) == 0)
				len = UINT64_MAX;
			want = 0;
			got = extent_remove(&map, lblk, len, remove_piece, &r);
			if (!got)
				model_remove_rest(&r, min_t(u64, NR, len > NR ? NR : lblk + len));
			break;
		case 7:
			for (used = NR; used && !m.blk[used - 1].state; used--)
				;
			if (delta > (s64)(NR - used))
				delta = NR - used;
			want = model_shift(&m, lblk, delta);
			got = extent_shift(&map, lblk, delta);
			break;
		}
		if (got == -ENOMEM) {
			/* A call takes two extents at the most, so one of them may have been left. */
			cr_assert_geq(map.nr_extents + 1, room, "there was memory");
			m = old;
			nr_nomem++;
		} else {
			cr_assert_eq(got, want, "operation %u: %d, not %d", i, got, want);
		}
		compare(&m, &map);
		if (got) {
			cr_assert_eq(snapshot(after, &map), nr_before, "operation %u", i);
			cr_assert_eq(memcmp(after, before, sizeof(after)), 0, "operation %u", i);
		}
	}
	extent_map_clear(&map);
	cr_assert_eq(extent_map_check(&map), 0);
	cr_assert_leq(arena.used, (NR + 2) * sizeof(struct extent), "extents are leaked");
	arena_destroy(&arena);
	return nr_nomem;
}

Test(extent_random, roomy)
{
	for (u64 seed = 1; seed <= 5; seed++)
		cr_assert_eq(random_ops(seed * 7919, 4000, 1024, 0), 0);
}

Test(extent_random, max_len)
{
	for (u64 seed = 1; seed <= 5; seed++)
		cr_assert_eq(random_ops(seed * 7919, 4000, 1024, 3 + seed), 0);
}

Test(extent_random, no_memory)
{
	for (u64 seed = 1; seed <= 5; seed++)
		cr_assert_gt(random_ops(seed * 7919, 4000, 3 + seed, seed % 2 * 5), 100);
}

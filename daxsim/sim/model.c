// SPDX-License-Identifier: MIT
/* The model of file contents: a tree of pages by file and index. */
#include "daxsim/sim/model.h"

#include <string.h>

#include "daxsim/sim/point.h"

static const u8 zeroes[PAGE_SIZE];

static int page_cmp(const struct model_page *a, const struct model_page *b)
{
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return a->pgoff < b->pgoff ? -1 : a->pgoff > b->pgoff;
}

RB_GENERATE_INTERNAL(model_tree, model_page, link, page_cmp, static __maybe_unused)

void model_init(struct model *m, struct arena *arena)
{
	RB_INIT(&m->pages);
	m->arena = arena;
}

/* A page is looked at or changed; EXTENT_ALL: any of the file. */
static void note(enum point_kind kind, u32 ino, u32 page)
{
	also(kind, obj(OBJ_MODEL, ino, page));
}

/* The first page at or behind a key. */
static struct model_page *at_or_behind(struct model *m, u32 ino, pgoff_t pgoff)
{
	struct model_page *p = RB_ROOT(&m->pages), *best = NULL;

	while (p) {
		if (p->ino > ino || (p->ino == ino && p->pgoff >= pgoff)) {
			best = p;
			p = RB_LEFT(p, link);
		} else {
			p = RB_RIGHT(p, link);
		}
	}
	return best;
}

static struct model_page *lookup(struct model *m, u32 ino, pgoff_t pgoff)
{
	struct model_page *p = at_or_behind(m, ino, pgoff);

	return p && p->ino == ino && p->pgoff == pgoff ? p : NULL;
}

const u8 *model_find(struct model *m, u32 ino, pgoff_t pgoff)
{
	struct model_page *p = lookup(m, ino, pgoff);

	return p ? p->data : NULL;
}

void model_write(struct model *m, u32 ino, pgoff_t pgoff, u64 off, const u8 *data, u64 len)
{
	struct model_page *p;

	note(P_WRITE, ino, pgoff);
	p = lookup(m, ino, pgoff);
	if (!p) {
		if (!data)
			return;
		p = watcher_alloc(m->arena, sizeof(*p));
		p->data = watcher_must(len == PAGE_SIZE ? arena_alloc_raw(m->arena, PAGE_SIZE) :
							  arena_alloc(m->arena, PAGE_SIZE));
		p->ino = ino;
		p->pgoff = pgoff;
		RB_INSERT(model_tree, &m->pages, p);
	}
	memcpy(p->data + off, data ? data : zeroes, len);
}

void model_drop(struct model *m, u32 ino, pgoff_t first, u64 nr)
{
	u64 end = nr > U64_MAX - first ? U64_MAX : first + nr;
	struct model_page *p;

	note(P_WRITE, ino, nr == 1 ? first : EXTENT_ALL);
	p = at_or_behind(m, ino, first);
	while (p && p->ino == ino && p->pgoff < end) {
		struct model_page *next = RB_NEXT(model_tree, &m->pages, p);

		RB_REMOVE(model_tree, &m->pages, p);
		arena_free(m->arena, p->data, PAGE_SIZE);
		arena_free(m->arena, p, sizeof(*p));
		p = next;
	}
}

void model_shift(struct model *m, u32 ino, pgoff_t first, s64 delta)
{
	note(P_WRITE, ino, EXTENT_ALL);
	/* Order among the pages of one file stays, so they can be renumbered in place. */
	for (struct model_page *p = at_or_behind(m, ino, first); p && p->ino == ino; p = RB_NEXT(model_tree, &m->pages, p))
		p->pgoff += delta;
}

s64 model_diff(struct model *m, u32 ino, pgoff_t pgoff, u64 off, const u8 *data, u64 len, u8 *want)
{
	const u8 *right;

	note(P_READ, ino, pgoff);
	right = model_find(m, ino, pgoff);
	right = right ? right + off : zeroes;
	data = data ? data : zeroes;
	if (!memcmp(right, data, len))
		return -1;
	for (u64 i = 0; i < len; i++)
		if (right[i] != data[i]) {
			*want = right[i];
			return i;
		}
	return -1;
}

const struct model_page *model_next(struct model *m, const struct model_page *page)
{
	if (!page)
		return RB_MIN(model_tree, &m->pages);
	return RB_NEXT(model_tree, &m->pages, (struct model_page *)page);
}

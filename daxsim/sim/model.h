/* SPDX-License-Identifier: MIT */
/*
 * What files ought to hold: a plain copy of every byte that was stored or
 * written, by file and page, which knows nothing of blocks. A page that is not
 * in the model is all zeroes.
 */
#ifndef DAXSIM_MODEL_H
#define DAXSIM_MODEL_H

#include <bsd/sys/tree.h>
#include <stdio.h>
#include <stdlib.h>

#include "daxsim/sim/arena.h"
#include "daxsim/sim/types.h"

struct model_page {
	RB_ENTRY(model_page) link;
	u32 ino;
	pgoff_t pgoff;
	u8 *data;	/* PAGE_SIZE bytes */
};

RB_HEAD(model_tree, model_page);

struct model {
	struct model_tree pages;
	struct arena *arena;
};

/* @p unless it is NULL: a machine that cannot be watched any more cannot go on. */
static inline void *watcher_must(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "daxsim: out of memory for the simulated machine\n");
	abort();
}

/* Memory of the watchers, zeroed. */
static inline void *watcher_alloc(struct arena *a, size_t size)
{
	return watcher_must(arena_alloc(a, size));
}

void model_init(struct model *m, struct arena *arena);

/** model_find() - the bytes of a page, or NULL if they are all zero */
const u8 *model_find(struct model *m, u32 ino, pgoff_t pgoff);

/** model_write() - bytes were stored; @data NULL: zeroes. Within one page */
void model_write(struct model *m, u32 ino, pgoff_t pgoff, u64 off, const u8 *data, u64 len);

/** model_drop() - pages [first, first + nr) of a file are zero again */
void model_drop(struct model *m, u32 ino, pgoff_t first, u64 nr);

/** model_shift() - pages from @first on move by @delta; they meet no others */
void model_shift(struct model *m, u32 ino, pgoff_t first, s64 delta);

/**
 * model_diff() - compare bytes of a page with what they ought to be
 * @data: the bytes; NULL: zeroes
 * @off: where they start in the page
 * @want: set to the right value of the first byte that differs
 *
 * Return: index of the first difference in @data, or -1.
 */
s64 model_diff(struct model *m, u32 ino, pgoff_t pgoff, u64 off, const u8 *data, u64 len,
	       u8 *want);

/** model_next() - iterate over all pages that are not zero; NULL starts and ends */
const struct model_page *model_next(struct model *m, const struct model_page *page);

#endif

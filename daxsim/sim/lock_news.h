/* SPDX-License-Identifier: MIT */
/*
 * What a lock validator has learned, for one in another process that was its copy once. A
 * cycle is told by whoever closes it; so only what closes none can be passed on.
 */
#ifndef DAXSIM_LOCK_NEWS_H
#define DAXSIM_LOCK_NEWS_H

#include "daxsim/sim/lockdep.h"

#define LOCK_NEWS_EDGES 256
#define LOCK_NEWS_TEXT 16384	/* bytes of names */

/* A lock_use; its strings are offsets in text, 0: NULL. */
struct lock_use_news {
	u8 class;
	u8 mode;
	u16 of, step, function;
};

struct lock_news {
	lock_matrix told;	/* from the beginning, and at the end */
	lock_matrix waits;	/* at the end */
	struct lock_shelter shelters[NR_LOCK_CLASSES];
	u32 nr;
	struct {
		struct lock_use_news outer, inner;
		u16 scenario, session;
	} edges[LOCK_NEWS_EDGES];	/* that are new, in their order */
	u32 used;
	char text[LOCK_NEWS_TEXT];	/* from byte 1 */
};

/* What was known before. */
struct lock_memory {
	lock_matrix seen[LOCK_MODE_PAIRS];
	lock_matrix told;
};

/** lock_memory_take() - remember what a validator knows */
void lock_memory_take(struct lock_memory *m, const struct lockdep *ld);

/**
 * lock_news_write() - what a validator has learned
 * @n: all zero; filled in
 * @m: what it knew before
 * @ld: the validator
 *
 * Return: false if it has told of a cycle, or if it is too much.
 */
bool lock_news_write(struct lock_news *n, const struct lock_memory *m, const struct lockdep *ld);

/**
 * lock_news_learn() - learn what another one has learned
 * @n: what that is
 * @ld: a validator that knew as much when the other one began to learn, and perhaps more now
 *
 * It then knows as much as if it had seen itself what the other one saw.
 * Return: false, and nothing was learned, if a cycle was told of meanwhile, or would be closed, or
 * if both together need to wait where one of them does not.
 */
bool lock_news_learn(const struct lock_news *n, struct lockdep *ld);

#endif

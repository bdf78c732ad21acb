/* SPDX-License-Identifier: MIT */
/*
 * The memory of one simulated machine. Every object of the simulated kernel
 * lives in its machine's arena, at an address that never changes, so that the
 * whole machine can be dropped at once, or saved and put back by copying bytes.
 * Live tasks may allocate and free at the same time, in signal handlers too.
 */
#ifndef DAXSIM_ARENA_H
#define DAXSIM_ARENA_H

#include "daxsim/sim/guard.h"
#include "daxsim/sim/types.h"

#define ARENA_MIN_SHIFT 4 /* smallest size class: 16 bytes */
#define ARENA_CLASSES 24  /* largest: 16 << 23 = 128 MiB */

struct arena {
	struct guard guard; /* of all below that changes */
	char *base;
	size_t reserved; /* bytes of address space */
	size_t used;	 /* bytes handed out so far; only putting back a saved state lowers it */
	/*
	 * Bytes ever handed out, never below used: behind them all is zero, as mmap(2) made it.
	 * This is about the memory, not about the machine: it must not be put back with a state.
	 */
	size_t clean;
	void *free[ARENA_CLASSES]; /* freed objects by size class, singly linked */
};

/**
 * arena_init() - reserve address space for a machine
 * @a: the arena to set up
 * @reserve: bytes of address space; memory is used only when it is touched
 *
 * Return: 0, or a negative errno of mmap(2).
 */
int arena_init(struct arena *a, size_t reserve);

/** arena_destroy() - give back everything at once */
void arena_destroy(struct arena *a);

/**
 * arena_alloc() - allocate zeroed memory, aligned to 16 bytes
 * @a: the arena
 * @size: bytes, above 0
 *
 * AddressSanitizer reports what touches freed objects, the rest of an object's size class, and
 * the page behind the last object.
 *
 * Return: the memory, or NULL when the reserve is exhausted; the arena can be used on.
 */
void *arena_alloc(struct arena *a, size_t size);

/** arena_alloc_raw() - the same with anything in it, for who fills it at once */
void *arena_alloc_raw(struct arena *a, size_t size);

/**
 * arena_free() - give memory back to its size class
 * @a: the arena
 * @p: what arena_alloc() returned, or NULL
 * @size: the size it was asked for, bytes
 */
void arena_free(struct arena *a, void *p, size_t size);

/** arena_used() - bytes handed out so far, also while other threads are at it */
size_t arena_used(struct arena *a);

/** arena_strdup() - copy a string into the arena; NULL when it is exhausted */
char *arena_strdup(struct arena *a, const char *s);

/**
 * arena_save() - copy everything that was handed out
 * @a: the arena
 * @to: a->used bytes
 */
void arena_save(const struct arena *a, char *to);

/**
 * arena_restore() - put it back
 * @a: the arena, which may have grown since
 * @then: a copy of *@a as it was when it was saved
 * @from: what arena_save() wrote
 */
void arena_restore(struct arena *a, const struct arena *then, const char *from);

#endif

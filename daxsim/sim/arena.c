// SPDX-License-Identifier: MIT
/*
 * A bump allocator with one free list per power-of-two size class. It never
 * moves an object and never returns memory to the system before the machine
 * is destroyed, which is what makes a machine a plain range of bytes.
 */
#include "daxsim/sim/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

/* Poison a page behind what is handed out: the whole reserve would cost real shadow memory. */
static void poison_top(struct arena *a)
{
	ASAN_POISON_MEMORY_REGION(a->base + a->used,
				  min_t(size_t, PAGE_SIZE, a->reserved - a->used));
}

int arena_init(struct arena *a, size_t reserve)
{
	void *p = mmap(NULL, reserve, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*a = (struct arena){ .base = p, .reserved = reserve };
	poison_top(a);
	return 0;
}

void arena_destroy(struct arena *a)
{
	if (a->base) {
		/* The next mapping at this address must not inherit the poison. */
		ASAN_UNPOISON_MEMORY_REGION(a->base,
					    min_t(size_t, a->clean + PAGE_SIZE, a->reserved));
		munmap(a->base, a->reserved);
	}
	*a = (struct arena){ 0 };
}

static unsigned int size_class(size_t size)
{
	if (size <= 1UL << ARENA_MIN_SHIFT)
		return 0;
	return 64 - __builtin_clzl(size - 1) - ARENA_MIN_SHIFT;
}

/* Take the first of a free list. Only its link is not poisoned. The guard is held. */
static char *take_free(struct arena *a, unsigned int class)
{
	char *p = a->free[class];

	ASAN_UNPOISON_MEMORY_REGION(p, sizeof(void *));
	memcpy(&a->free[class], p, sizeof(void *));
	return p;
}

/* Take @room bytes that nobody had since the last restore. The guard is held. */
static char *take_new(struct arena *a, size_t room, size_t *dirty)
{
	char *p = a->base + a->used;

	if (room > a->reserved - a->used)
		return NULL;
	*dirty = min_t(size_t, room, a->clean - a->used);
	/* Nothing was ever poisoned beyond the page behind what was handed out. */
	ASAN_UNPOISON_MEMORY_REGION(p, min_t(size_t, room, *dirty + PAGE_SIZE));
	a->used += room;
	a->clean = max_t(size_t, a->clean, a->used);
	poison_top(a);
	return p;
}

/* Take @size bytes, of which the first @dirty may not be zero. */
static char *take(struct arena *a, size_t size, size_t *dirty)
{
	unsigned int class = size_class(size);
	size_t room;
	char *p;

	if (size > a->reserved)
		return NULL;
	/* arena_free() must be able to put a link there. */
	size = max_t(size_t, size, sizeof(void *));
	room = *dirty = class < ARENA_CLASSES ? 1UL << (class + ARENA_MIN_SHIFT) :
						(size + 15) & ~15UL;
	guard_lock(&a->guard);
	if (class < ARENA_CLASSES && a->free[class])
		p = take_free(a, class);
	else
		p = take_new(a, room, dirty);
	guard_unlock(&a->guard);
	if (!p)
		return NULL;
	*dirty = min_t(size_t, *dirty, size);
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	ASAN_POISON_MEMORY_REGION(p + size, room - size);
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t dirty;
	char *p = take(a, size, &dirty);

	return p ? memset(p, 0, dirty) : NULL;
}

void *arena_alloc_raw(struct arena *a, size_t size)
{
	size_t dirty;

	return take(a, size, &dirty);
}

/* Objects beyond the largest class are never used again. */
void arena_free(struct arena *a, void *p, size_t size)
{
	unsigned int class = size_class(size);

	if (!p)
		return;
	if (class >= ARENA_CLASSES) {
		ASAN_POISON_MEMORY_REGION(p, size);
		return;
	}
	size = 1UL << (class + ARENA_MIN_SHIFT);
	ASAN_POISON_MEMORY_REGION((char *)p + sizeof(void *), size - sizeof(void *));
	guard_lock(&a->guard);
	memcpy(p, &a->free[class], sizeof(void *));
	ASAN_POISON_MEMORY_REGION(p, sizeof(void *));
	a->free[class] = p;
	guard_unlock(&a->guard);
}

size_t arena_used(struct arena *a)
{
	size_t used;

	guard_lock(&a->guard);
	used = a->used;
	guard_unlock(&a->guard);
	return used;
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t len = strlen(s) + 1;
	char *p = arena_alloc(a, len);

	return p ? memcpy(p, s, len) : NULL;
}

void arena_save(const struct arena *a, char *to)
{
	/* What is free lies there too, with its links. From here on it is not poisoned. */
	ASAN_UNPOISON_MEMORY_REGION(a->base, a->used);
	memcpy(to, a->base, a->used);
}

void arena_restore(struct arena *a, const struct arena *then, const char *from)
{
	size_t clean = a->clean;

	ASAN_UNPOISON_MEMORY_REGION(a->base, a->used);
	*a = *then;
	a->clean = clean;	/* what was handed out since is not zero any more */
	memcpy(a->base, from, a->used);
	poison_top(a);
}

// SPDX-License-Identifier: MIT
/* Keeping and putting back the old bytes of changed blocks. */
#include "backends/pmem/undo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct pmem_undo {
	struct kept {
		u8 *bytes;		/* as remembered; NULL: never changed since */
		bool changed;		/* since the last roll-back; then it is on the list */
		u64 version;		/* equal ones have equal bytes; 0: as remembered */
	} *blocks;			/* by block; address space only, until one changes */
	u64 versions;			/* so many were there, ever */
	block_t *changed;		/* the list */
	size_t nr_changed;
	u8 *pool;			/* where kept bytes are, one page after the other */
	size_t nr_kept;
};

#define LARGE (8UL << 20)	/* bytes; below that it comes from the heap, whose pages stay */

/* Address space; memory where it is touched, which not much of it is. */
static void *reserve(size_t size)
{
	void *p;

	if (size < LARGE)
		return malloc(size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void give_back(void *p, size_t size)
{
	if (size < LARGE)
		free(p);
	else if (p)
		munmap(p, size);
}

static size_t blocks_size(const struct pmem *dev)
{
	return dev->nr_blocks * sizeof(struct kept);
}

int pmem_undo_begin(struct pmem *dev)
{
	struct pmem_undo *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->blocks = reserve(blocks_size(dev));
	u->changed = reserve(dev->nr_blocks * sizeof(*u->changed));
	u->pool = reserve(dev->size);
	dev->undo = u;
	if (!u->blocks || !u->changed || !u->pool) {
		pmem_undo_end(dev);
		return -ENOMEM;
	}
	/* A large one is new, and zero. */
	if (blocks_size(dev) < LARGE)
		memset(u->blocks, 0, blocks_size(dev));
	return 0;
}

void pmem_undo_note(struct pmem *dev, block_t block)
{
	struct pmem_undo *u = dev->undo;
	struct kept *k = &u->blocks[block];

	k->version = ++u->versions;
	if (k->changed)
		return;
	k->changed = true;
	u->changed[u->nr_changed++] = block;
	if (k->bytes)
		return;
	k->bytes = u->pool + (u->nr_kept++ << PAGE_SHIFT);
	memcpy(k->bytes, pmem_block(dev, block), PAGE_SIZE);
}

void pmem_undo_rollback(struct pmem *dev)
{
	struct pmem_undo *u = dev->undo;

	for (size_t i = 0; i < u->nr_changed; i++) {
		struct kept *k = &u->blocks[u->changed[i]];

		memcpy(pmem_block(dev, u->changed[i]), k->bytes, PAGE_SIZE);
		k->changed = false;
		k->version = 0;
	}
	u->nr_changed = 0;
}

/* What is saved: how many blocks, which, then their bytes. */
struct saved_block {
	block_t block;
	u64 version;
};

size_t pmem_undo_size(const struct pmem *dev)
{
	size_t nr = dev->undo->nr_changed;

	return sizeof(nr) + nr * (sizeof(struct saved_block) + PAGE_SIZE);
}

void pmem_undo_save(const struct pmem *dev, void *to)
{
	const struct pmem_undo *u = dev->undo;
	size_t nr = u->nr_changed;
	struct saved_block *blocks = to + sizeof(nr);
	u8 *bytes = (u8 *)(blocks + nr);

	memcpy(to, &nr, sizeof(nr));
	for (size_t i = 0; i < nr; i++, bytes += PAGE_SIZE) {
		blocks[i] = (struct saved_block){ u->changed[i], u->blocks[u->changed[i]].version };
		memcpy(bytes, pmem_block(dev, u->changed[i]), PAGE_SIZE);
	}
}

/* Most blocks are what they were: states that are saved have much in common. */
static void put_back(struct pmem *dev, block_t block, const u8 *bytes, u64 version)
{
	struct kept *k = &dev->undo->blocks[block];

	if (k->version != version)
		memcpy(pmem_block(dev, block), bytes, PAGE_SIZE);
	k->version = version;
}

void pmem_undo_load(struct pmem *dev, const void *from)
{
	struct pmem_undo *u = dev->undo;
	const struct saved_block *blocks = from + sizeof(size_t);
	const u8 *bytes;
	size_t nr;

	memcpy(&nr, from, sizeof(nr));
	bytes = (const u8 *)(blocks + nr);
	for (size_t i = 0; i < u->nr_changed; i++)
		u->blocks[u->changed[i]].changed = false;
	for (size_t i = 0; i < nr; i++, bytes += PAGE_SIZE) {
		put_back(dev, blocks[i].block, bytes, blocks[i].version);
		u->blocks[blocks[i].block].changed = true;
	}
	for (size_t i = 0; i < u->nr_changed; i++) {
		const struct kept *k = &u->blocks[u->changed[i]];

		if (!k->changed)
			put_back(dev, u->changed[i], k->bytes, 0);
	}
	for (size_t i = 0; i < nr; i++)
		u->changed[i] = blocks[i].block;
	u->nr_changed = nr;
}

void pmem_undo_end(struct pmem *dev)
{
	struct pmem_undo *u = dev->undo;

	give_back(u->blocks, blocks_size(dev));
	give_back(u->changed, dev->nr_blocks * sizeof(*u->changed));
	give_back(u->pool, dev->size);
	free(u);
	dev->undo = NULL;
}

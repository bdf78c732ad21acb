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
	} *blocks;			/* by block; address space only, until one changes */
	block_t *changed;		/* the list */
	size_t nr_changed;
	u8 *pool;			/* where kept bytes are, one page after the other */
	size_t nr_kept;
};

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int pmem_undo_begin(struct pmem *dev)
{
	struct pmem_undo *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->blocks = reserve(dev->nr_blocks * sizeof(*u->blocks));
	u->changed = reserve(dev->nr_blocks * sizeof(*u->changed));
	u->pool = reserve(dev->size);
	dev->undo = u;
	if (u->blocks && u->changed && u->pool)
		return 0;
	pmem_undo_end(dev);
	return -ENOMEM;
}

void pmem_undo_note(struct pmem *dev, block_t block)
{
	struct pmem_undo *u = dev->undo;
	struct kept *k = &u->blocks[block];

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
	}
	u->nr_changed = 0;
}

void pmem_undo_end(struct pmem *dev)
{
	struct pmem_undo *u = dev->undo;

	if (u->blocks)
		munmap(u->blocks, dev->nr_blocks * sizeof(*u->blocks));
	if (u->changed)
		munmap(u->changed, dev->nr_blocks * sizeof(*u->changed));
	if (u->pool)
		munmap(u->pool, dev->size);
	free(u);
	dev->undo = NULL;
}

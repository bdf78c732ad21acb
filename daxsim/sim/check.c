// SPDX-License-Identifier: MIT
/*
 * Ground truth about blocks: which are allocated, who owns each, and what must
 * hold when nobody is inside the kernel.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check_private.h"
#include "daxsim/sim/sim.h"

int check_create(struct sim *sim, u64 ignored, check_report_fn report, void *data)
{
	struct check *c = arena_alloc(&sim->arena, sizeof(*c));
	u64 nr_chunks = DIV_ROUND_UP(sim->pmem.nr_blocks, CHUNK_BLOCKS);

	if (!c)
		return -ENOMEM;
	*c = (struct check){ .sim = sim, .ignored = ignored, .report = report, .data = data };
	c->chunks = arena_alloc(&sim->arena, nr_chunks * sizeof(*c->chunks));
	if (!c->chunks)
		return -ENOMEM;
	model_init(&c->model, &sim->arena);
	sim->check = c;
	return 0;
}

void check_report(struct check *c, enum invariant inv, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!c || c->ignored >> inv & 1)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->report(c->data, inv, text);
}

static struct shadow *find_shadow(struct check *c, block_t block)
{
	struct shadow **chunk = &c->chunks[block >> CHUNK_SHIFT];

	if (unlikely(!*chunk))
		*chunk = watcher_alloc(&c->sim->arena, CHUNK_BLOCKS * sizeof(**chunk));
	return &(*chunk)[block & (CHUNK_BLOCKS - 1)];
}

struct shadow *check_shadow(struct check *c, block_t block)
{
	also(P_READ, obj(OBJ_BLOCK, 0, block));
	return find_shadow(c, block);
}

struct shadow *check_change(struct check *c, block_t block)
{
	also(P_WRITE, obj(OBJ_BLOCK, 0, block));
	return find_shadow(c, block);
}

/* Whose a block is, for people. */
const char *check_describe(const struct shadow *s, char *buf, size_t size)
{
	if (!s->allocated)
		snprintf(buf, size, "is free");
	else if (!s->owner)
		snprintf(buf, size, "belongs to no file");
	else
		snprintf(buf, size, "is page %llu of %s", (unsigned long long)s->lblk,
			 s->owner->name);
	return buf;
}

void check_alloc(struct check *c, block_t block, u64 len)
{
	if (!c)
		return;
	for (u64 i = 0; i < len; i++) {
		struct shadow *s = check_change(c, block + i);

		if (s->allocated)
			check_report(c, INV_DOUBLE_ALLOC, "block %llu is allocated, but it %s",
				     (ull)(block + i), DESCRIBE(s));
		s->allocated = true;
	}
}

void check_free(struct check *c, block_t block, u64 len, int err)
{
	if (!c)
		return;
	if (err)
		check_report(c, INV_DOUBLE_ALLOC, "freeing blocks %llu+%llu failed: %s", (ull)(block),
			     (ull)(len), strerror(-err));
	for (u64 i = 0; i < len && !err; i++) {
		struct shadow *s = check_change(c, block + i);

		if (s->owner || !s->allocated)
			check_report(c, INV_DOUBLE_ALLOC, "block %llu is freed, but it %s",
				     (ull)(block + i), DESCRIBE(s));
		*s = (struct shadow){ 0 };
	}
}

void check_extent_added(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len)
{
	if (!c)
		return;
	for (u64 i = 0; i < len; i++) {
		struct shadow *s = check_change(c, block + i);

		if (!s->allocated || s->owner)
			check_report(c, INV_DOUBLE_ALLOC,
				     "block %llu becomes page %llu of %s, but it %s", (ull)(block + i),
				     (ull)(lblk + i), inode->name, DESCRIBE(s));
		s->owner = inode;
		s->lblk = lblk + i;
	}
}

/*
 * A write(2) that extends the file may convert before it copies: what lies past
 * end of file is only seen once it is done, and until then it holds i_mutex.
 */
void check_extent_marked(struct check *c, struct inode *inode, u64 lblk, u64 len, bool unwritten)
{
	u64 eof = DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE);
	bool extending = lock_is_held(&inode->i_mutex);

	if (!c)
		return;
	if (unwritten)
		model_drop(&c->model, inode->i_ino, lblk, len);
	for (u64 i = lblk; i < lblk + len; i++) {
		const struct extent *e = extent_find(&inode->extents, i);
		block_t block = e->pblk + (i - e->lblk);
		struct shadow *s = check_shadow(c, block);

		if (unwritten)
			s->covered = (struct coverage){ 0 };
		else if (!(extending && i >= eof) &&
			 !coverage_hides(&s->covered, pmem_block(&c->sim->pmem, block)))
			check_report(c, INV_EARLY_WRITTEN,
				     "page %llu of %s becomes written, but its block %llu still holds what was there before",
				     (ull)(i), inode->name, (ull)(block));
	}
}

void check_extent_moved(struct check *c, struct inode *inode, u64 lblk, s64 delta)
{
	const struct extent *e = extent_find_next(&inode->extents, lblk + min_t(s64, delta, 0));

	if (!c)
		return;
	for (; e; e = extent_find_next(&inode->extents, extent_end(e)))
		for (u64 i = 0; i < e->len; i++)
			check_change(c, e->pblk + i)->lblk = e->lblk + i;
	model_shift(&c->model, inode->i_ino, lblk, delta);
	check_mappings(c, inode);
}

void check_extent_removed(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len)
{
	if (!c)
		return;
	check_still_mapped(c, inode, lblk, block, len);
	for (u64 i = 0; i < len; i++)
		check_change(c, block + i)->owner = NULL;
	model_drop(&c->model, inode->i_ino, lblk, len);
}

void check_evict(struct check *c, struct inode *inode)
{
	if (c)
		model_drop(&c->model, inode->i_ino, 0, U64_MAX);
}

void check_return_to_user(struct check *c, struct task *t)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < t->nr_held; i++)
		check_report(c, INV_LOCK_LEAK, "%s returns to user mode holding %s(%s)", t->name,
			     lock_class_table[t->held[i].lock->class].name, t->held[i].lock->of);
}

void check_unlock_imbalance(struct check *c, struct task *t, const struct lock *lock)
{
	check_report(c, INV_LOCK_LEAK, "%s drops %s(%s), which it does not hold", t->name,
		     lock_class_table[lock->class].name, lock->of);
}

static void check_leak(struct check *c, struct inode *inode)
{
	u64 end = max_t(u64, DIV_ROUND_UP((u64)inode->i_size, PAGE_SIZE), inode->i_prealloc_end);
	const struct extent *e = extent_find_next(&inode->extents, end);

	if (!e || inode->i_sb->ops->keeps_blocks_past_eof)
		return;
	check_report(c, INV_LEAK_PAST_EOF,
		     "%s ends at byte %lld, but block %llu stays allocated for page %llu of it",
		     inode->name, (long long)inode->i_size,
		     (ull)(e->pblk + (max_t(u64, end, e->lblk) - e->lblk)),
		     (ull)(max_t(u64, end, e->lblk)));
}

/* Every byte that was stored is on the device, and no hole page hides it. */
static void check_contents(struct check *c, struct inode *inode)
{
	struct vma *vma;
	const struct model_page *p = NULL;

	while ((p = model_next(&c->model, p))) {
		const struct extent *e;

		if (p->ino != inode->i_ino)
			continue;
		e = extent_find(&inode->extents, p->pgoff);
		if (e && e->unwritten) {
			check_seen(c, inode, p->pgoff, 0, NULL, PAGE_SIZE,
				   "read(2) of an unwritten extent");
			continue;
		}
		check_seen(c, inode, p->pgoff, 0,
			   e ? pmem_block(&c->sim->pmem, e->pblk + p->pgoff - e->lblk) : NULL,
			   PAGE_SIZE, "the device at rest");
		LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
			u64 page = p->pgoff - vma->pgoff;

			if (page < vma->nr_pages && vma->pte[page].kind == PTE_HOLE)
				check_seen(c, inode, p->pgoff, 0, NULL, PAGE_SIZE,
					   "a mapped hole page");
		}
	}
}

void check_quiescent(struct check *c)
{
	struct inode *inode;

	if (!c || !c->sim->sb)
		return;
	LIST_FOREACH(inode, &c->sim->sb->s_inodes, i_sb_list) {
		check_leak(c, inode);
		check_mappings(c, inode);
		check_contents(c, inode);
	}
}

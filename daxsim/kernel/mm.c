// SPDX-License-Identifier: MIT
/*
 * Address spaces: mmap(2), munmap(2) and removing the PTEs of a file from all
 * of them (Linux 3.17 mm/mmap.c, mm/memory.c).
 */
#include "daxsim/kernel/mm.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/memory.h"
#include "daxsim/sim/sim.h"

struct mm *mm_create(struct sim *sim, const char *name)
{
	struct mm *mm = arena_alloc(&sim->arena, sizeof(*mm));

	if (!mm)
		return NULL;
	mm->sim = sim;
	mm->name = name;
	mm->id = sim_next_id(sim);
	lock_init(sim, &mm->mmap_sem, LOCK_MMAP_SEM, name);
	LIST_INIT(&mm->mmap);
	return mm;
}

static void link_vma(struct vma *vma)
{
	also(P_WRITE, obj(OBJ_MMAP, vma->mm->id, 0));
	also(P_WRITE, obj(OBJ_I_MMAP, vma->inode->i_ino, 0));
	LIST_INSERT_HEAD(&vma->mm->mmap, vma, mm_link);
	LIST_INSERT_HEAD(&vma->inode->i_data.i_mmap, vma, i_mmap_link);
}

static void free_vma(struct vma *vma)
{
	struct arena *a = &vma->mm->sim->arena;

	arena_free(a, vma->pte, vma->nr_pages * sizeof(*vma->pte));
	arena_free(a, vma, sizeof(*vma));
}

static void unlink_vma(struct vma *vma)
{
	also(P_WRITE, obj(OBJ_MMAP, vma->mm->id, 0));
	also(P_WRITE, obj(OBJ_I_MMAP, vma->inode->i_ino, 0));
	LIST_REMOVE(vma, mm_link);
	LIST_REMOVE(vma, i_mmap_link);
	free_vma(vma);
}

/* A vma of @nr_pages whose other fields are those of @like. */
static struct vma *alloc_vma(const struct vma *like, u64 nr_pages)
{
	struct arena *a = &like->mm->sim->arena;
	struct vma *vma = arena_alloc(a, sizeof(*vma));

	if (!vma)
		return NULL;
	*vma = *like;
	vma->ptl = (struct guard){ 0 };
	vma->nr_pages = nr_pages;
	vma->pte = arena_alloc(a, nr_pages * sizeof(*vma->pte));
	if (!vma->pte) {
		arena_free(a, vma, sizeof(*vma));
		return NULL;
	}
	return vma;
}

int do_mmap(struct mm *mm, struct file *file, const char *name, pgoff_t pgoff, u64 nr_pages,
	    u32 flags, u64 *addr)
{
	struct vma like = { .mm = mm, .inode = file->inode, .pgoff = pgoff, .flags = flags };
	struct lock *i_mmap_mutex = &file->inode->i_data.i_mmap_mutex;
	struct vma *vma;
	int err;

	mark(P_do_mmap);
	if (!nr_pages || pgoff + nr_pages > (u64)INT64_MAX >> PAGE_SHIFT)
		return -EINVAL;
	if ((flags & VM_SHARED) && (flags & VM_WRITE) && !file->writable)
		return -EACCES;
	down_write(&mm->mmap_sem);
	err = -ENOMEM;
	vma = alloc_vma(&like, nr_pages);
	if (!vma)
		goto out;
	vma->name = name;
	vma->id = mm->id << 8 | (mm->nr_mappings++ & 0xff);
	err = mm->sim->mmu->map(vma);
	if (err) {
		free_vma(vma);
		goto out;
	}
	ihold(file->inode);
	mutex_lock(i_mmap_mutex);
	link_vma(vma);
	mutex_unlock(i_mmap_mutex);
	*addr = vma->start;
out:
	up_write(&mm->mmap_sem);
	return err;
}

struct vma *find_vma(struct mm *mm, u64 addr)
{
	struct vma *vma;

	also(P_READ, obj(OBJ_MMAP, mm->id, 0));
	LIST_FOREACH(vma, &mm->mmap, mm_link)
		if (addr >= vma->start && addr - vma->start < vma->nr_pages << PAGE_SHIFT)
			return vma;
	return NULL;
}

/*
 * Leave pages [0, page) to @vma and make the others a vma of their own. Memory is
 * had before anything changes. i_mmap_mutex is held. Return: the other, or NULL.
 */
static struct vma *split_vma(struct vma *vma, u64 page)
{
	const struct mmu_ops *mmu = vma->mm->sim->mmu;
	struct arena *a = &vma->mm->sim->arena;
	u64 old_pages = vma->nr_pages;
	struct pte *old = vma->pte, *front = arena_alloc(a, page * sizeof(*front));
	struct vma *tail = front ? alloc_vma(vma, old_pages - page) : NULL;

	if (!tail) {
		arena_free(a, front, page * sizeof(*front));
		return NULL;
	}
	memcpy(front, old, page * sizeof(*front));
	memcpy(tail->pte, old + page, tail->nr_pages * sizeof(*old));
	arena_free(a, old, old_pages * sizeof(*old));
	if (mmu->split)
		mmu->split(vma, page);
	vma->pte = front;
	vma->nr_pages = page;
	tail->start = vma_address(tail, page);
	tail->pgoff += page;
	tail->page_base += page;
	ihold(tail->inode);
	link_vma(tail);
	return tail;
}

/*
 * Make pages [first, first + nr) of @vma a vma of their own, with i_mmap_mutex held.
 * Return: that vma; NULL without memory, when as in Linux a split may be left behind.
 */
static struct vma *isolate_pages(struct vma *vma, u64 first, u64 nr)
{
	if (first)
		vma = split_vma(vma, first);
	if (vma && nr < vma->nr_pages && !split_vma(vma, nr))
		return NULL;
	return vma;
}

/* Drop a vma, but not its reference to the inode. i_mmap_mutex is held. */
static void unmap_vma(struct vma *vma)
{
	struct sim *sim = vma->mm->sim;

	zap_pages(vma, 0, vma->nr_pages, true);
	if (sim->mmu->unmap)
		sim->mmu->unmap(vma, 0, vma->nr_pages);
	unlink_vma(vma);
}

/* munmap(2) with mmap_sem held. */
static int unmap_range(struct mm *mm, u64 addr, u64 nr_pages)
{
	u64 end = addr + (nr_pages << PAGE_SHIFT);
	struct vma *vma, *next;

	/* What is split off comes to the front of the list, where it is not met again. */
	LIST_FOREACH_SAFE(vma, &mm->mmap, mm_link, next) {
		u64 vma_end = vma_address(vma, vma->nr_pages);
		u64 from = max_t(u64, addr, vma->start), to = min_t(u64, end, vma_end);
		struct inode *inode = vma->inode;

		if (from >= to)
			continue;
		mutex_lock(&inode->i_data.i_mmap_mutex);
		vma = isolate_pages(vma, vma_page(vma, from), (to - from) >> PAGE_SHIFT);
		if (vma)
			unmap_vma(vma);
		mutex_unlock(&inode->i_data.i_mmap_mutex);
		if (!vma)
			return -ENOMEM;
		iput(inode);
	}
	return 0;
}

int do_munmap(struct mm *mm, u64 addr, u64 nr_pages)
{
	int err;

	mark(P_do_munmap);
	down_write(&mm->mmap_sem);
	err = unmap_range(mm, addr, nr_pages);
	up_write(&mm->mmap_sem);
	return err;
}

void unmap_mapping_range(struct inode *inode, pgoff_t first, u64 nr, bool even_cows)
{
	struct lock *i_mmap_mutex = &inode->i_data.i_mmap_mutex;
	pgoff_t end = nr ? first + nr : U64_MAX;
	struct vma *vma;

	mark(P_unmap_mapping_range);
	mutex_lock(i_mmap_mutex);
	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link) {
		pgoff_t vma_end = vma->pgoff + vma->nr_pages;
		pgoff_t from = max_t(pgoff_t, first, vma->pgoff), to = min_t(pgoff_t, end, vma_end);

		if (from < to)
			zap_pages(vma, from - vma->pgoff, to - vma->pgoff, even_cows);
	}
	mutex_unlock(i_mmap_mutex);
}

// SPDX-License-Identifier: MIT
/*
 * Address spaces: mmap(2), munmap(2) and removing the PTEs of a file from all
 * of them (Linux 3.17 mm/mmap.c, mm/memory.c).
 */
#include "daxsim/kernel/mm.h"

#include <errno.h>

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

/* Cut @vma so that it keeps [first, first + nr) of its pages, which move to its front. */
static void shrink_vma(struct vma *vma, struct pte *pte, u64 first, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		pte[i] = vma->pte[first + i];
	vma->pte = pte;
	vma->start += first << PAGE_SHIFT;
	vma->pgoff += first;
	vma->page_base += first;
	vma->nr_pages = nr;
}

/*
 * Take pages [first, last) out of @vma: what lies behind becomes a vma of its
 * own. Memory is had before anything changes. i_mmap_mutex is held.
 */
static int cut_vma(struct vma *vma, u64 first, u64 last)
{
	struct sim *sim = vma->mm->sim;
	u64 old_pages = vma->nr_pages, behind = old_pages - last;
	struct pte *old_pte = vma->pte, *front = NULL;
	struct vma *rest = NULL;

	if (behind) {
		rest = alloc_vma(vma, behind);
		if (!rest)
			return -ENOMEM;
	}
	if (first) {
		front = arena_alloc(&sim->arena, first * sizeof(*front));
		if (!front) {
			if (rest)
				free_vma(rest);
			return -ENOMEM;
		}
	}
	zap_pages(vma, first, last, true);
	also(P_WRITE, obj(OBJ_MMAP, vma->mm->id, 0));
	also(P_WRITE, obj(OBJ_I_MMAP, vma->inode->i_ino, 0));
	if (sim->mmu->unmap)
		sim->mmu->unmap(vma, first, last - first);
	if (rest) {
		struct pte *pte = rest->pte;

		rest->nr_pages = old_pages;
		rest->pte = old_pte;
		shrink_vma(rest, pte, last, behind);
		ihold(rest->inode);
		link_vma(rest);
	}
	if (first) {
		shrink_vma(vma, front, 0, first);
		arena_free(&sim->arena, old_pte, old_pages * sizeof(*old_pte));
		return 0;
	}
	LIST_REMOVE(vma, mm_link);
	LIST_REMOVE(vma, i_mmap_link);
	free_vma(vma);
	return 0;
}

int do_munmap(struct mm *mm, u64 addr, u64 nr_pages)
{
	u64 end = addr + (nr_pages << PAGE_SHIFT);
	struct vma *vma, *next;
	int err = 0;

	mark(P_do_munmap);
	down_write(&mm->mmap_sem);
	LIST_FOREACH_SAFE(vma, &mm->mmap, mm_link, next) {
		u64 vma_end = vma->start + (vma->nr_pages << PAGE_SHIFT);
		u64 from = max_t(u64, addr, vma->start), to = min_t(u64, end, vma_end);
		struct inode *inode = vma->inode;
		bool gone = from == vma->start;	/* what stays behind it is another vma */

		if (from >= to)
			continue;
		mutex_lock(&inode->i_data.i_mmap_mutex);
		err = cut_vma(vma, (from - vma->start) >> PAGE_SHIFT, (to - vma->start) >> PAGE_SHIFT);
		mutex_unlock(&inode->i_data.i_mmap_mutex);
		if (err)
			break;
		if (gone)
			iput(inode);
	}
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

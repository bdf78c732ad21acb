// SPDX-License-Identifier: MIT
/*
 * Address spaces: mmap(2), munmap(2), mprotect(2), mremap(2) and removing the
 * PTEs of a file from all of them (Linux 3.17 mm/mmap.c, mm/mprotect.c,
 * mm/mremap.c, mm/memory.c).
 */
#include "daxsim/kernel/mm.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/memory.h"
#include "daxsim/sim/sim.h"

#define END_OF_FILES ((u64)INT64_MAX >> PAGE_SHIFT)	/* pages that a file may have */

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
	RB_INIT(&mm->mm_rb);
	return mm;
}

static int vma_cmp(const struct vma *a, const struct vma *b)
{
	return a->start < b->start ? -1 : a->start > b->start;
}

RB_GENERATE(vma_tree, vma, mm_rb_link, vma_cmp)

static void link_vma(struct vma *vma)
{
	also(P_WRITE, obj(OBJ_MMAP, vma->mm->id, 0));
	also(P_WRITE, obj(OBJ_I_MMAP, vma->inode->i_ino, 0));
	LIST_INSERT_HEAD(&vma->mm->mmap, vma, mm_link);
	RB_INSERT(vma_tree, &vma->mm->mm_rb, vma);
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
	RB_REMOVE(vma_tree, &vma->mm->mm_rb, vma);
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
	if (!nr_pages || pgoff + nr_pages > END_OF_FILES)
		return -EINVAL;
	if (!(flags & VM_SHARED) || file->writable)
		like.flags |= VM_MAYWRITE;
	if ((flags & VM_WRITE) && !(like.flags & VM_MAYWRITE))
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

struct vma *peek_vma(const struct mm *mm, u64 addr)
{
	struct vma *vma = RB_ROOT(&mm->mm_rb);

	while (vma) {
		if (addr < vma->start)
			vma = RB_LEFT(vma, mm_rb_link);
		else if (addr >= vma_address(vma, vma->nr_pages))
			vma = RB_RIGHT(vma, mm_rb_link);
		else
			break;
	}
	return vma;
}

struct vma *find_vma(struct mm *mm, u64 addr)
{
	also(P_READ, obj(OBJ_MMAP, mm->id, 0));
	return peek_vma(mm, addr);
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
	if (mmu->split)
		mmu->split(vma, page);
	arena_free(a, old, old_pages * sizeof(*old));
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

/* Undo a split where nothing is left to tell the parts apart; without memory they stay apart. */
static void join_vmas(struct vma *vma, struct vma *tail)
{
	const struct mmu_ops *mmu = vma->mm->sim->mmu;
	struct arena *a = &vma->mm->sim->arena;
	struct inode *inode = vma->inode;
	u64 front = vma->nr_pages, nr_pages = front + tail->nr_pages;
	struct pte *pte;

	if (vma->id != tail->id || vma->flags != tail->flags || vma_address(vma, front) != tail->start)
		return;
	pte = arena_alloc(a, nr_pages * sizeof(*pte));
	if (!pte)
		return;
	mutex_lock(&inode->i_data.i_mmap_mutex);
	memcpy(pte, vma->pte, front * sizeof(*pte));
	memcpy(pte + front, tail->pte, tail->nr_pages * sizeof(*pte));
	arena_free(a, vma->pte, front * sizeof(*pte));
	vma->pte = pte;
	vma->nr_pages = nr_pages;
	if (mmu->join)
		mmu->join(vma, front);
	unlink_vma(tail);
	mutex_unlock(&inode->i_data.i_mmap_mutex);
	iput(inode);
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

/* Change the protection of pages of one vma. */
static int mprotect_fixup(struct vma *vma, u64 first, u64 nr, u32 flags)
{
	struct lock *i_mmap_mutex = &vma->inode->i_data.i_mmap_mutex;
	const struct mmu_ops *mmu = vma->mm->sim->mmu;
	u32 new_flags = (vma->flags & ~(VM_READ | VM_WRITE)) | flags;
	struct vma *front, *tail;

	if ((flags & VM_WRITE) && !(vma->flags & VM_MAYWRITE))
		return -EACCES;
	if (new_flags == vma->flags)
		return 0;
	if (nr < vma->nr_pages) {
		mutex_lock(i_mmap_mutex);
		vma = isolate_pages(vma, first, nr);
		mutex_unlock(i_mmap_mutex);
		if (!vma)
			return -ENOMEM;
	}
	also(P_WRITE, obj(OBJ_MMAP, vma->mm->id, 0));
	vma->flags = new_flags;
	if (mmu->protect)
		mmu->protect(vma);
	change_protection(vma);
	tail = find_vma(vma->mm, vma_address(vma, vma->nr_pages));
	front = find_vma(vma->mm, vma->start - 1);
	if (tail)
		join_vmas(vma, tail);
	if (front)
		join_vmas(front, vma);
	return 0;
}

int do_mprotect(struct mm *mm, u64 addr, u64 nr_pages, u32 flags)
{
	int err = 0;

	mark(P_do_mprotect);
	if ((addr & ~PAGE_MASK) || (flags & ~(VM_READ | VM_WRITE)))
		return -EINVAL;
	down_write(&mm->mmap_sem);
	/* What comes before a page that is not there has been changed all the same. */
	while (nr_pages && !err) {
		struct vma *vma = find_vma(mm, addr);
		u64 first, nr;

		err = -ENOMEM;
		if (!vma)
			break;
		first = vma_page(vma, addr);
		nr = min_t(u64, nr_pages, vma->nr_pages - first);
		err = mprotect_fixup(vma, first, nr, flags);
		addr += nr << PAGE_SHIFT;
		nr_pages -= nr;
	}
	up_write(&mm->mmap_sem);
	return err;
}

/*
 * Give pages of a vma another place and a new size; with them go its reference to the
 * inode, its name and its number. PTEs move too, for private copies are nowhere else.
 *
 * A truncate that went through the mappings meanwhile could look at the new place
 * before a PTE has come there and at the old one when it has left. i_mmap_mutex keeps
 * it out, as in Linux before 3.7; later only where the order in which mappings are
 * visited does not do it, but a list has no such order.
 */
static int move_vma(struct vma *vma, u64 first, u64 nr, u64 new_pages, u64 *addr)
{
	struct lock *i_mmap_mutex = &vma->inode->i_data.i_mmap_mutex;
	const struct mmu_ops *mmu = vma->mm->sim->mmu;
	struct vma *new;
	int err = -ENOMEM;

	mutex_lock(i_mmap_mutex);
	vma = isolate_pages(vma, first, nr);
	new = vma ? alloc_vma(vma, new_pages) : NULL;
	if (!new)
		goto out;
	err = mmu->map(new);
	if (err) {
		free_vma(new);
		goto out;
	}
	link_vma(new);
	err = move_ptes(vma, new, nr);
	if (!err) {
		*addr = new->start;
		unmap_vma(vma);
	} else {
		move_ptes(new, vma, nr);
		unmap_vma(new);
		if (mmu->protect)
			mmu->protect(vma);
	}
out:
	mutex_unlock(i_mmap_mutex);
	return err;
}

/* mremap(2) to a larger size, with mmap_sem held. */
static int grow_mapping(struct mm *mm, u64 old_pages, u64 new_pages, u32 flags, u64 *addr)
{
	struct vma *vma = find_vma(mm, *addr);
	u64 first = vma ? vma_page(vma, *addr) : 0;

	if (!vma || old_pages > vma->nr_pages - first)
		return -EFAULT;
	if (new_pages > END_OF_FILES || vma->pgoff + first + new_pages > END_OF_FILES)
		return -EINVAL;
	/* No MMU leaves room behind a mapping. */
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move_vma(vma, first, old_pages, new_pages, addr);
}

int do_mremap(struct mm *mm, u64 old_addr, u64 old_pages, u64 new_pages, u32 flags, u64 *addr)
{
	int err;

	mark(P_do_mremap);
	if ((old_addr & ~PAGE_MASK) || !old_pages || !new_pages || (flags & ~MREMAP_MAYMOVE))
		return -EINVAL;
	*addr = old_addr;
	down_write(&mm->mmap_sem);
	/* As in 3.17 nobody asks whether what stays is mapped at all. */
	if (new_pages <= old_pages)
		err = unmap_range(mm, old_addr + (new_pages << PAGE_SHIFT), old_pages - new_pages);
	else
		err = grow_mapping(mm, old_pages, new_pages, flags, addr);
	up_write(&mm->mmap_sem);
	return err;
}

/* The file that is mapped at an address, held, and where its mapping ends; NULL: none is. */
static struct inode *mapped_file(struct mm *mm, u64 addr, u64 *end)
{
	struct inode *inode = NULL;
	struct vma *vma;

	down_read(&mm->mmap_sem);
	vma = find_vma(mm, addr);
	if (vma) {
		inode = vma->inode;
		ihold(inode);
		*end = vma_address(vma, vma->nr_pages);
	}
	up_read(&mm->mmap_sem);
	return inode;
}

int do_msync(struct mm *mm, u64 addr, u64 nr_pages)
{
	u64 end = addr + (nr_pages << PAGE_SHIFT), next;
	int err = 0, unmapped = 0;

	for (; addr < end && !err; addr = next) {
		struct inode *inode = mapped_file(mm, addr, &next);

		if (inode) {
			err = do_fsync(inode);
			iput(inode);
		} else {
			unmapped = -ENOMEM;
			next = addr + PAGE_SIZE;
		}
	}
	return err ? err : unmapped;
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

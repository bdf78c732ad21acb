// SPDX-License-Identifier: MIT
/*
 * The hot path: a fault of the program, from its address to the page table. All
 * decisions are the kernel's (handle_mm_fault); then the hardware gets what it decided.
 */
#include <errno.h>
#include <signal.h>

#include "daxsim/kernel/memory.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/live/live.h"

/* One page, with mmap_sem held. Returns VM_FAULT_* of an error, or 0. */
static int fault_page(struct daxsim *d, struct vma *vma, u64 page, bool write, bool wake)
{
	u64 addr = vma_address(vma, page), *count;
	struct task *t = current;
	int ret, err, major = 0;

	if (unlikely(atomic_load_explicit(&d->mmu.at_eof, memory_order_relaxed)))
		live_take_eof(vma, page, page + 1);
	do {
		/* A store to a page that is not there takes two: the second finds it read-only. */
		ret = handle_mm_fault(vma, addr, write);
		if (ret & VM_FAULT_ERROR)
			return ret & VM_FAULT_ERROR;
		major |= ret & VM_FAULT_MAJOR;
		/* Whoever goes on then finds it counted. */
		count = major ? &t->maj_flt : &t->min_flt;
		task_count(count, 1);
		err = live_insert(vma, page, write, wake);
		if (err)
			task_count(count, -1);
	} while (err == -EAGAIN);
	return err ? VM_FAULT_OOM : 0;
}

int live_fault(struct daxsim *d, u64 addr, bool write, bool wake)
{
	struct mm *mm = d->mm;
	struct vma *vma;
	int ret = VM_FAULT_SIGSEGV;

	down_read(&mm->mmap_sem);
	vma = find_vma(mm, addr);
	if (likely(vma))
		ret = fault_page(d, vma, vma_page(vma, addr), write, wake);
	up_read(&mm->mmap_sem);
	if (likely(!ret))
		return 0;
	atomic_fetch_add(&d->nr_signals, 1);
	return ret & VM_FAULT_SIGSEGV ? SIGSEGV : SIGBUS;
}

int live_populate(struct daxsim *d, u64 addr, u64 nr_pages, bool write)
{
	struct mm *mm = d->mm;
	int ret = 0;

	down_read(&mm->mmap_sem);
	for (u64 end = addr + (nr_pages << PAGE_SHIFT); addr < end && !ret; addr += PAGE_SIZE) {
		struct vma *vma = find_vma(mm, addr);

		if (!vma)
			ret = -ENOMEM;
		else if (!(vma->flags & (write ? VM_WRITE : VM_READ)))
			ret = -EACCES;
		else if (fault_page(d, vma, vma_page(vma, addr), write, true))
			ret = -EFAULT;
	}
	up_read(&mm->mmap_sem);
	return ret;
}

void live_again(struct daxsim *d)
{
	struct mm *mm = d->mm;
	struct vma *vma;

	/* Before the look at at_eof: fail() does these two in the other order. */
	atomic_fetch_add(&d->nr_changes, 1);
	if (likely(!atomic_load(&d->mmu.at_eof)))
		return;
	down_read(&mm->mmap_sem);
	LIST_FOREACH(vma, &mm->mmap, mm_link)
		live_take_eof(vma, 0, vma->nr_pages);
	up_read(&mm->mmap_sem);
}

// SPDX-License-Identifier: MIT
/*
 * Loads and stores of user code, and of the kernel on its behalf: announced, tried, faulted in,
 * tried again and told to the watchers. A live task has real instructions, and real signals.
 */
#include "daxsim/kernel/uaccess.h"

#include <signal.h>
#include <string.h>

#include "daxsim/kernel/fault.h"
#include "daxsim/kernel/memory.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

/* Bytes the next access may cover: whole instructions within one page, or one over two. */
static size_t next_part(u64 addr, size_t left)
{
	size_t to_page_end = PAGE_SIZE - (addr & ~PAGE_MASK);

	if (left >= 8) {
		if (to_page_end < 8)
			return 8;
		return min_t(size_t, left, to_page_end) & ~7UL;
	}
	return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static void watch_access(const struct mmu_access *a)
{
	struct sim *sim = a->task->sim;

	for (size_t done = 0; done < a->len;) {
		u64 addr = a->addr + done;
		size_t n = min_t(size_t, a->len - done, PAGE_SIZE - (addr & ~PAGE_MASK));

		check_user_access(sim->check, peek_vma(a->task->mm, addr), addr,
				  (u8 *)a->buf + done, n, a->write);
		done += n;
	}
}

/* What is mapped there is only looked up when the access goes on. */
static void touch_point(enum point_id id)
{
	point(id, P_READ, obj(OBJ_MMAP, current->mm->id, 0));
}

/*
 * An access is about a PTE, and about the bytes of the block behind it; those of a private page are
 * its PTE's. False: none is mapped.
 */
static bool touch_page(const struct mmu_access *a, u64 addr)
{
	const struct vma *vma = peek_vma(a->task->mm, addr);
	enum point_kind kind = a->write ? P_WRITE : P_READ;
	const struct pte *pte;
	u64 page;

	if (!vma)
		return false;
	page = vma_page(vma, addr);
	pte = &vma->pte[page];
	also(pte->kind == PTE_ANON ? kind : P_READ, obj(OBJ_PTE, vma->id, vma->page_base + page));
	if (pte->kind == PTE_PFN)
		also(kind, obj(OBJ_BLOCK, 0, pte->pfn));
	return true;
}

/* An access may lie over two pages. False: the first is in no mapping. */
static bool touch(const struct mmu_access *a)
{
	u64 last = a->addr + a->len - 1;

	if ((a->addr ^ last) & PAGE_MASK)
		touch_page(a, last);
	return touch_page(a, a->addr);
}

/* One access with all the faults that it takes. */
static enum mmu_result access_part(struct mmu_access *a)
{
	struct task *t = a->task;
	const struct mmu_ops *mmu = t->sim->mmu;
	enum point_id id = a->write ? P_user_store : P_user_load;
	enum mmu_result r;

	touch_point(id);
	if (!touch(a)) {
		a->signal = SIGSEGV;
		a->fault_addr = a->addr;
		return MMU_SIGNAL;
	}
	r = mmu->access(a);
	while (r == MMU_FAULT) {
		int ret = do_page_fault(a->fault_addr, a->fault_write);

		if (!a->kernel)
			check_return_to_user(t->sim->check, t);
		/* The instruction is tried again: others may have been faster. */
		if (!(ret & VM_FAULT_ERROR)) {
			touch_point(id);
			touch(a);
		}
		r = mmu->resume(a, ret & VM_FAULT_ERROR);
		if (ret & VM_FAULT_SIGSEGV)
			a->signal = SIGSEGV;
	}
	if (r == MMU_DONE)
		watch_access(a);
	return r;
}

/*
 * Live: move bytes from or to the program's own memory. If that ends in a signal it has not
 * happened, as with the kernel's exception tables.
 */
static enum mmu_result move_program(const struct mmu_access *a)
{
	struct task *t = a->task;
	sigjmp_buf bad;

	if (sigsetjmp(bad, 0)) {
		t->bad_buffer = NULL;
		return MMU_SIGNAL;
	}
	t->bad_buffer = &bad;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(a->write ? (void *)a->addr : a->buf, a->write ? a->buf : (void *)a->addr, a->len);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->bad_buffer = NULL;
	return MMU_DONE;
}

/*
 * Live: try one access within a page. Neither the PTE nor the page behind it goes away meanwhile.
 * What is in no mapping is the program's own memory.
 */
static enum mmu_result try_live(struct mmu_access *a)
{
	struct mm *mm = a->task->mm;
	enum mmu_result r = MMU_SIGNAL;
	struct vma *vma;

	down_read(&mm->mmap_sem);
	vma = find_vma(mm, a->addr);
	if (vma) {
		guard_lock(&vma->ptl);
		r = mm->sim->mmu->access(a);
		guard_unlock(&vma->ptl);
	}
	up_read(&mm->mmap_sem);
	if (vma)
		return r;
	if (a->kernel && move_program(a) == MMU_DONE)
		return MMU_DONE;
	a->signal = SIGSEGV;
	a->fault_addr = a->addr;
	return MMU_SIGNAL;
}

/* Live: the same with all the faults that it takes. */
static enum mmu_result access_live(struct mmu_access *a)
{
	enum mmu_result r;

	mark(a->write ? P_user_store : P_user_load);
	while ((r = try_live(a)) == MMU_FAULT) {
		int ret = do_page_fault(a->addr, a->write);

		if (!(ret & VM_FAULT_ERROR))
			continue;
		a->signal = ret & VM_FAULT_SIGSEGV ? SIGSEGV : SIGBUS;
		a->fault_addr = a->addr;
		return MMU_SIGNAL;
	}
	return r;
}

/* Move @len bytes in live mode, page by page: user_access() and copy_user() alike. */
static noinline struct access_result move_live(u64 addr, void *buf, size_t len, bool write,
						bool kernel)
{
	struct access_result res = { 0 };
	struct mmu_access a = { .task = current, .write = write, .kernel = kernel };

	while (res.done < len && !res.signal) {
		a.addr = addr + res.done;
		a.buf = (u8 *)buf + res.done;
		a.len = min_t(size_t, len - res.done, PAGE_SIZE - (a.addr & ~PAGE_MASK));
		if (access_live(&a) == MMU_DONE) {
			res.done += a.len;
		} else {
			res.signal = a.signal;
			res.fault_addr = a.fault_addr;
		}
	}
	return res;
}

struct access_result user_access(u64 addr, void *buf, size_t len, bool write)
{
	struct access_result res = { 0 };
	struct mmu_access a = { .task = current, .write = write };

	if (unlikely(!a.task->deterministic))
		return move_live(addr, buf, len, write, false);
	while (res.done < len && !res.signal) {
		a.addr = addr + res.done;
		a.buf = (u8 *)buf + res.done;
		a.len = next_part(a.addr, len - res.done);
		if (access_part(&a) == MMU_DONE) {
			res.done += a.len;
		} else {
			res.signal = a.signal;
			res.fault_addr = a.fault_addr;
		}
	}
	return res;
}

size_t copy_user(u64 addr, void *buf, size_t len, bool write)
{
	struct mmu_access a = { .task = current, .write = write, .kernel = true };
	size_t done = 0;

	if (unlikely(!a.task->deterministic))
		return move_live(addr, buf, len, write, true).done;
	while (done < len) {
		a.addr = addr + done;
		a.buf = (u8 *)buf + done;
		a.len = min_t(size_t, len - done, PAGE_SIZE - (a.addr & ~PAGE_MASK));
		if (access_part(&a) != MMU_DONE)
			break;
		done += a.len;
	}
	return done;
}

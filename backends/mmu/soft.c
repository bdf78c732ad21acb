// SPDX-License-Identifier: MIT
/*
 * The MMU as a model: page tables are the kernel's struct ptes and nothing
 * else, and an access looks them up. No system calls, so it serves hundreds of
 * thousands of runs a second.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "backends/mmu/mmu.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

#define FIRST_ADDRESS 0x10000000ULL	/* mappings grow up from here, a page apart */

/* Where the next mapping goes; hangs on sim->mmu_data. */
struct soft {
	u64 next;
};

static int soft_open(struct sim *sim, char *why, size_t why_size)
{
	struct soft *soft = arena_alloc(&sim->arena, sizeof(*soft));

	if (!soft) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	soft->next = FIRST_ADDRESS;
	sim->mmu_data = soft;
	return 0;
}

static void soft_close(struct sim *sim)
{
	sim->mmu_data = NULL;
}

static int soft_map(struct vma *vma)
{
	struct soft *soft = vma->mm->sim->mmu_data;

	vma->start = __atomic_fetch_add(&soft->next, (vma->nr_pages + 1) << PAGE_SHIFT,
					__ATOMIC_RELAXED);
	return 0;
}

static int soft_set_pte(struct vma *vma, u64 page, const struct pte *new)
{
	vma->pte[page] = *new;
	return 0;
}

static const u8 hole_page[PAGE_SIZE];

/* Where the bytes of a present page are. */
static u8 *page_bytes(const struct sim *sim, const struct pte *pte)
{
	switch (pte->kind) {
	case PTE_PFN:
		return pmem_block(&sim->pmem, pte->pfn);
	case PTE_ANON:
		return pte->anon;
	default:
		return (u8 *)hole_page;
	}
}

/* Check that the page at @addr can be accessed; MMU_DONE if so. */
static enum mmu_result reach(struct mmu_access *a, u64 addr, u8 **bytes)
{
	struct vma *vma = peek_vma(a->task->mm, addr);
	const struct pte *pte;

	a->fault_addr = addr;
	a->signal = SIGSEGV;
	if (!vma || !vma_permits(vma, a->write))
		return MMU_SIGNAL;
	pte = &vma->pte[(addr - vma->start) >> PAGE_SHIFT];
	a->fault_write = a->write;
	if (pte->kind == PTE_NONE || (a->write && !pte->writable)) {
		a->fault_addr = addr & PAGE_MASK;
		return MMU_FAULT;
	}
	if (a->write && pte->kind == PTE_PFN)
		pmem_dirty(&a->task->sim->pmem, pte->pfn);
	*bytes = page_bytes(a->task->sim, pte) + (addr & ~PAGE_MASK);
	return MMU_DONE;
}

static enum mmu_result soft_access(struct mmu_access *a)
{
	size_t first = min_t(size_t, a->len, PAGE_SIZE - (a->addr & ~PAGE_MASK));
	u8 *bytes, *rest = NULL;
	enum mmu_result r = reach(a, a->addr, &bytes);

	if (r == MMU_DONE && first < a->len)
		r = reach(a, a->addr + first, &rest);
	if (r != MMU_DONE)
		return r;
	if (a->write) {
		media_copy(bytes, a->buf, first);
		if (rest)
			media_copy(rest, (u8 *)a->buf + first, a->len - first);
	} else {
		media_copy(a->buf, bytes, first);
		if (rest)
			media_copy((u8 *)a->buf + first, rest, a->len - first);
	}
	return MMU_DONE;
}

static enum mmu_result soft_resume(struct mmu_access *a, bool fail)
{
	if (!fail)
		return soft_access(a);
	/* The signal names the first byte that the instruction wanted of that page. */
	a->fault_addr = max_t(u64, a->fault_addr, a->addr);
	a->signal = SIGBUS;
	return MMU_SIGNAL;
}

const struct mmu_ops soft_mmu = {
	.name = "soft",
	.open = soft_open,
	.close = soft_close,
	.map = soft_map,
	.set_pte = soft_set_pte,
	.access = soft_access,
	.resume = soft_resume,
};

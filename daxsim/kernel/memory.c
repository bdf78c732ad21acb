// SPDX-License-Identifier: MIT
/*
 * From a faulting address to the fault handler of the file and back (Linux 4.0 mm/memory.c):
 * do_read_fault, do_shared_fault, do_cow_fault and do_wp_page as far as a DAX mapping sees them;
 * and all else that changes a page table.
 */
#include "daxsim/kernel/memory.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/fault.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

static const struct pte pte_none = { .kind = PTE_NONE };

static void pte_point(const struct vma *vma, u64 page, enum point_id id, enum point_kind kind)
{
	point(id, kind, obj(OBJ_PTE, vma->id, vma->page_base + page));
}

/* What a page table entry is now. */
static struct pte read_pte(struct vma *vma, u64 page)
{
	struct pte pte;

	guard_lock(&vma->ptl);
	pte = vma->pte[page];
	guard_unlock(&vma->ptl);
	return pte;
}

/* The page table lock is held. */
static int change_pte(struct vma *vma, u64 page, const struct pte *new)
{
	struct sim *sim = vma->mm->sim;
	int err = sim->mmu->set_pte(vma, page, new);

	if (!err)
		check_pte(sim->check, vma, page);
	return err;
}

int vm_insert_mixed(struct vma *vma, u64 address, block_t pfn)
{
	const struct pte new = { .kind = PTE_PFN, .pfn = pfn };
	u64 page = vma_page(vma, address);
	int err = -EBUSY;

	pte_point(vma, page, P_vm_insert_mixed, P_WRITE);
	guard_lock(&vma->ptl);
	if (vma->pte[page].kind == PTE_NONE)
		err = change_pte(vma, page, &new);
	guard_unlock(&vma->ptl);
	return err;
}

void vm_insert_around(struct vma *vma, u64 address, block_t pfn, u64 nr, bool write)
{
	u64 page = vma_page(vma, address);
	struct pte new = { .kind = PTE_PFN, .writable = write, .dirty = write };

	nr = min_t(u64, nr, vma->nr_pages - page);
	guard_lock(&vma->ptl);
	for (u64 i = 1; i < nr; i++) {
		new.pfn = pfn + i;
		if (vma->pte[page + i].kind == PTE_NONE)
			change_pte(vma, page + i, &new);
	}
	guard_unlock(&vma->ptl);
}

static void zap_page(struct vma *vma, u64 page, bool even_cows)
{
	struct pte old;

	pte_point(vma, page, P_zap_pte, P_WRITE);
	guard_lock(&vma->ptl);
	old = vma->pte[page];
	if (old.kind == PTE_ANON && !even_cows)
		old = pte_none;
	if (old.kind != PTE_NONE)
		change_pte(vma, page, &pte_none);
	guard_unlock(&vma->ptl);
	if (old.kind == PTE_ANON)
		arena_free(&vma->mm->sim->arena, old.anon, PAGE_SIZE);
}

void zap_pages(struct vma *vma, u64 first, u64 last, bool even_cows)
{
	const struct mmu_ops *mmu = vma->mm->sim->mmu;

	if (mmu->zap) {
		mmu->zap(vma, first, last, even_cows);
		return;
	}
	for (u64 page = first; page < last; page++)
		zap_page(vma, page, even_cows);
}

void change_protection(struct vma *vma)
{
	bool shared_write = (vma->flags & VM_SHARED) && (vma->flags & VM_WRITE);

	for (u64 page = 0; page < vma->nr_pages; page++) {
		struct pte new;

		pte_point(vma, page, P_set_pte, P_WRITE);
		guard_lock(&vma->ptl);
		new = vma->pte[page];
		new.writable = shared_write && new.dirty;
		if (new.writable != vma->pte[page].writable)
			change_pte(vma, page, &new);
		guard_unlock(&vma->ptl);
	}
}

static int enter_pte(struct vma *vma, u64 page, const struct pte *new)
{
	int err;

	guard_lock(&vma->ptl);
	err = change_pte(vma, page, new);
	guard_unlock(&vma->ptl);
	return err;
}

/* Nobody else changes any of these PTEs: faults wait for mmap_sem, all others for i_mmap_mutex. */
int move_ptes(struct vma *from, struct vma *to, u64 nr)
{
	const struct mmu_ops *mmu = from->mm->sim->mmu;
	int err = 0;

	for (u64 page = 0; page < nr && !err; page++) {
		struct pte pte;

		pte_point(from, page, P_move_pte, P_WRITE);
		pte = read_pte(from, page);
		if (pte.kind == PTE_NONE)
			continue;
		if (pte.kind == PTE_ANON && mmu->fetch)
			mmu->fetch(from, page);
		err = enter_pte(to, page, &pte);
		if (!err)
			enter_pte(from, page, &pte_none);
	}
	return err;
}

static bool pte_same(const struct pte *a, const struct pte *b)
{
	return a->kind == b->kind && a->pfn == b->pfn && a->anon == b->anon;
}

/* Enter what a fault produced, unless the PTE is not what it was when the fault began. */
static int install(struct vma *vma, u64 page, const struct pte *before, const struct pte *new)
{
	int err = -EBUSY;

	pte_point(vma, page, P_set_pte, P_WRITE);
	guard_lock(&vma->ptl);
	if (pte_same(&vma->pte[page], before))
		err = change_pte(vma, page, new);
	guard_unlock(&vma->ptl);
	return err;
}

static int do_read_fault(struct vma *vma, struct vm_fault *vmf)
{
	const struct pte hole = { .kind = PTE_HOLE };
	struct address_space *mapping = &vma->inode->i_data;
	int ret = dax_fault(vma, vmf), err;

	if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))
		return ret;
	err = install(vma, vma_page(vma, vmf->address), &pte_none, &hole);
	unlock_page(vmf->page);
	page_cache_release(mapping, vmf->page);
	return err == -ENOMEM ? VM_FAULT_OOM : ret;
}

static int do_cow_fault(struct vma *vma, struct vm_fault *vmf)
{
	struct arena *a = &vma->mm->sim->arena;
	struct address_space *mapping = &vma->inode->i_data;
	struct pte own = { .kind = PTE_ANON, .writable = true, .dirty = true };
	int ret, err;

	mark(P_do_cow_fault);
	vmf->cow_page = own.anon = arena_alloc(a, PAGE_SIZE);
	if (!own.anon)
		return VM_FAULT_OOM;
	ret = dax_fault(vma, vmf);
	if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE)) {
		arena_free(a, own.anon, PAGE_SIZE);
		return ret;
	}
	/* A page of the cache goes over what the handler copied, even if there is a block by now. */
	if (vmf->page) {
		if (vmf->page->data)
			memcpy(own.anon, vmf->page->data, PAGE_SIZE);
		else
			memset(own.anon, 0, PAGE_SIZE);
		vmf->cow_stale = -1;
	}
	err = install(vma, vma_page(vma, vmf->address), &pte_none, &own);
	if (err)
		arena_free(a, own.anon, PAGE_SIZE);
	else
		check_cow_mapped(vma->mm->sim->check, vma->inode, vmf);
	/* Without a page the handler came back holding i_mmap_mutex, to keep truncate out. */
	if (vmf->page) {
		unlock_page(vmf->page);
		page_cache_release(mapping, vmf->page);
	} else {
		mutex_unlock(&mapping->i_mmap_mutex);
	}
	return err == -ENOMEM ? VM_FAULT_OOM : ret;
}

/* A private store to a page that is mapped from the file: copy what is seen there. */
static int wp_page_copy(struct vma *vma, u64 page, struct vm_fault *vmf, const struct pte *orig)
{
	struct sim *sim = vma->mm->sim;
	struct pte own = { .kind = PTE_ANON, .writable = true, .dirty = true };
	int err;

	own.anon = arena_alloc(&sim->arena, PAGE_SIZE);
	if (!own.anon)
		return VM_FAULT_OOM;
	if (orig->kind == PTE_PFN) {
		point(P_copy_user_bh, P_READ, obj(OBJ_BLOCK, 0, orig->pfn));
		media_copy(own.anon, pmem_block(&sim->pmem, orig->pfn), PAGE_SIZE);
		vmf->cow_page = own.anon;
		vmf->cow_block = orig->pfn;
		vmf->cow_stale = check_cow(sim->check, vma->inode, vmf->pgoff, own.anon);
	}
	err = install(vma, page, orig, &own);
	if (err)
		arena_free(&sim->arena, own.anon, PAGE_SIZE);
	else
		check_cow_mapped(sim->check, vma->inode, vmf);
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_WRITE;
}

/* Let user code store to the page that is there. */
static int wp_page_reuse(struct vma *vma, u64 page, const struct pte *orig)
{
	struct pte reuse = *orig;
	int err;

	reuse.writable = reuse.dirty = true;
	err = install(vma, page, orig, &reuse);
	if (err == -EBUSY)
		return 0;
	return err ? VM_FAULT_OOM : VM_FAULT_WRITE;
}

/* @orig is the PTE that the fault met; truncate may have taken it away by now. */
static int do_wp_page(struct vma *vma, struct vm_fault *vmf, const struct pte *orig)
{
	u64 page = vma_page(vma, vmf->address);

	mark(P_do_wp_page);
	/* mprotect(2) made it read-only for a while; nobody else has this page. */
	if (orig->kind == PTE_ANON)
		return wp_page_reuse(vma, page, orig);
	if (!(vma->flags & VM_SHARED))
		return wp_page_copy(vma, page, vmf, orig);
	/* A hole page has a struct page, so its file is asked: page_mkwrite. */
	if (orig->kind == PTE_HOLE) {
		vmf->flags |= FAULT_FLAG_MKWRITE;
		return dax_fault(vma, vmf);
	}
	/* A special PTE has none. Linux 4.0 makes it writable and asks nobody; 4.1 asks pfn_mkwrite. */
	if (has(vma->inode->i_sb, PFN_MKWRITE))
		dax_pfn_mkwrite(vma->inode);
	return wp_page_reuse(vma, page, orig);
}

int handle_mm_fault(struct vma *vma, u64 address, bool write)
{
	u64 page = vma_page(vma, address);
	struct vm_fault vmf = {
		.flags = write ? FAULT_FLAG_WRITE : 0,
		.pgoff = vma->pgoff + page,
		.address = address,
		.cow_stale = -1,
	};
	struct pte orig;

	current->pgfault++;
	if (!vma_permits(vma, write))
		return VM_FAULT_SIGSEGV;
	pte_point(vma, page, P_pte_read, P_READ);
	orig = read_pte(vma, page);
	if (orig.kind == PTE_NONE) {
		if (!write)
			return do_read_fault(vma, &vmf);
		if (!(vma->flags & VM_SHARED))
			return do_cow_fault(vma, &vmf);
		return dax_fault(vma, &vmf);
	}
	if (write && !orig.writable)
		return do_wp_page(vma, &vmf, &orig);
	return 0;
}

/*
 * The architecture's page fault handler: find the vma, handle, count. A fault
 * that fails is not counted (Linux 4.0 arch/x86/mm/fault.c).
 */
int do_page_fault(u64 address, bool write)
{
	struct task *t = current;
	struct vma *vma;
	int ret;

	mark(P_handle_mm_fault);
	down_read(&t->mm->mmap_sem);
	vma = find_vma(t->mm, address);
	ret = vma ? handle_mm_fault(vma, address & PAGE_MASK, write) : VM_FAULT_SIGSEGV;
	up_read(&t->mm->mmap_sem);
	if (ret & VM_FAULT_MAJOR && !(ret & VM_FAULT_ERROR))
		task_count(&t->maj_flt, 1);
	else if (!(ret & VM_FAULT_ERROR))
		task_count(&t->min_flt, 1);
	return ret;
}

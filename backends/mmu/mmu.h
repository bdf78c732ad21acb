/* SPDX-License-Identifier: MIT */
/*
 * What an MMU is to the kernel: a way to make a struct pte true and to let user
 * code touch memory through it. `soft` is a model that is only data; `uffd`
 * works on real page tables, through userfaultfd. Both see the same calls.
 */
#ifndef DAXSIM_MMU_H
#define DAXSIM_MMU_H

#include "daxsim/kernel/mm.h"
#include "daxsim/sim/types.h"

struct sim;
struct task;

enum mmu_result {
	MMU_DONE,	/* all bytes moved */
	MMU_FAULT,	/* stopped at a page fault: handle it, then resume */
	MMU_SIGNAL,	/* ended by a signal, or for a kernel-mode access by EFAULT */
};

/* One load or store: within one page, or at most 8 bytes over two. */
struct mmu_access {
	struct task *task;
	u64 addr;		/* bytes */
	void *buf;
	size_t len;		/* bytes */
	bool write;
	bool kernel;		/* a system call touches user memory: EFAULT instead of a signal */
	u64 fault_addr;		/* MMU_FAULT, MMU_SIGNAL: the page or byte */
	bool fault_write;	/* MMU_FAULT: it was a store */
	int signal;		/* MMU_SIGNAL: SIGBUS or SIGSEGV; for kernel mode SIGBUS */
};

struct mmu_ops {
	const char *name;

	/*
	 * Get ready to serve a machine; sim->pmem exists. On failure @why says in
	 * one line what is missing and what to do about it.
	 */
	int (*open)(struct sim *sim, char *why, size_t why_size);

	/* Drop everything. Threads that wait in a fault end with SIGBUS, never stuck. */
	void (*close)(struct sim *sim);

	/* Find room for a mapping and give vma->start its address. Every pte is PTE_NONE. */
	int (*map)(struct vma *vma);

	/* Pages go away for good; a touch is SIGSEGV from now on. May be NULL. */
	void (*unmap)(struct vma *vma, u64 first_page, u64 nr_pages);

	/* A mapping becomes two before @page, or two have become one there. May be NULL. */
	void (*split)(const struct vma *vma, u64 page);
	void (*join)(const struct vma *vma, u64 page);

	/* The access that vma->flags allow has changed: see to it. May be NULL. */
	void (*protect)(struct vma *vma);

	/*
	 * Copy to pte->anon what the page, which is PTE_ANON, has now; NULL where it
	 * lives there. Until the next protect() nobody can store to the page.
	 */
	void (*fetch)(struct vma *vma, u64 page);

	/*
	 * Change vma->pte[page] from what it is to *new and store it there, with
	 * new->backing as the MMU wants it. PTE_NONE zaps. A task that waits for
	 * this page is not woken: resume() does that. The page table lock is held, a
	 * guard: no points, no locks. Return: 0 or a negative errno.
	 */
	int (*set_pte)(struct vma *vma, u64 page, const struct pte *new);

	/*
	 * Zap pages [first, last), and free what private pages took; private pages stay
	 * unless @even_cows. NULL: set_pte() is called for each, and announced before.
	 */
	void (*zap)(struct vma *vma, u64 first, u64 last, bool even_cows);

	/*
	 * Start a load or store. For live tasks it lies within one page, mmap_sem and
	 * the page table lock are held, and nothing may be waited for: it is done, or
	 * the PTE does not permit it. resume() is not called then.
	 */
	enum mmu_result (*access)(struct mmu_access *a);

	/*
	 * The fault of @a was handled: try again. With @fail it could not be, and
	 * the access gets its SIGBUS (EFAULT in kernel mode).
	 */
	enum mmu_result (*resume)(struct mmu_access *a, bool fail);

	/*
	 * Compare the page table with what the kernel believes; NULL where they
	 * are one and the same. Return: 0, or -EUCLEAN with one line in @why.
	 */
	int (*audit)(struct vma *vma, u64 page, char *why, size_t why_size);
};

extern const struct mmu_ops soft_mmu;
extern const struct mmu_ops uffd_mmu;

#endif

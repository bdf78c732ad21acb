/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests of the userfaultfd MMU, built by hand: a device, a process,
 * three tasks without fibers. The test is the kernel and decides about each fault.
 */
#ifndef DAXSIM_TEST_UFFD_MACHINE_H
#define DAXSIM_TEST_UFFD_MACHINE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/sim.h"

#define NR_TASKS 3
#define MAP_PAGES 4

struct machine {
	struct sim sim;
	struct mm mm;
	struct task task[NR_TASKS];
	char why[512];
};

/* Everything but the MMU. */
static inline struct machine *machine_without_mmu(void)
{
	struct machine *m = calloc(1, sizeof(*m));

	cr_assert_not_null(m);
	cr_assert_eq(pmem_create(&m->sim.pmem, "test", 64 * PAGE_SIZE, NULL), 0);
	m->sim.mmu = &uffd_mmu;
	m->mm.sim = &m->sim;
	LIST_INIT(&m->mm.mmap);
	for (int i = 0; i < NR_TASKS; i++) {
		m->task[i].sim = &m->sim;
		m->task[i].mm = &m->mm;
		m->task[i].name = "a-task-with-a-long-name";
		m->sim.sched.tasks[m->sim.sched.nr_tasks++] = &m->task[i];
	}
	return m;
}

static inline struct machine *machine(void)
{
	struct machine *m = machine_without_mmu();
	int err = uffd_mmu.open(&m->sim, m->why, sizeof(m->why));

	/* What a system may refuse; anything else is a bug. */
	if (err == -EPERM || err == -EACCES || err == -ENOSYS || err == -EOPNOTSUPP)
		cr_skip("no userfaultfd: %s\n", m->why);
	cr_assert_eq(err, 0, "open: %s", m->why);
	return m;
}

static inline struct vma *mapping(struct machine *m, pgoff_t pgoff, u32 flags)
{
	struct vma *vma = calloc(1, sizeof(*vma));

	cr_assert_not_null(vma);
	*vma = (struct vma){ .mm = &m->mm, .pgoff = pgoff, .nr_pages = MAP_PAGES,
			     .flags = flags, .name = "m" };
	vma->pte = calloc(MAP_PAGES, sizeof(*vma->pte));
	cr_assert_not_null(vma->pte);
	cr_assert_eq(uffd_mmu.map(vma), 0);
	LIST_INSERT_HEAD(&m->mm.mmap, vma, mm_link);
	RB_INSERT(vma_tree, &m->mm.mm_rb, vma);
	return vma;
}

static inline void machine_destroy(struct machine *m)
{
	struct vma *vma;

	uffd_mmu.close(&m->sim);
	while ((vma = LIST_FIRST(&m->mm.mmap))) {
		LIST_REMOVE(vma, mm_link);
		RB_REMOVE(vma_tree, &m->mm.mm_rb, vma);
		free(vma->pte);
		free(vma);
	}
	pmem_destroy(&m->sim.pmem);
	free(m);
}

static inline struct mmu_access access_of(struct machine *m, int task, u64 addr, void *buf,
					  size_t len, bool write)
{
	return (struct mmu_access){ .task = &m->task[task], .addr = addr, .buf = buf, .len = len,
				    .write = write };
}

static inline struct mmu_access load(struct machine *m, int task, u64 addr, void *buf, size_t len)
{
	return access_of(m, task, addr, buf, len, false);
}

static inline struct mmu_access store(struct machine *m, int task, u64 addr, void *buf, size_t len)
{
	return access_of(m, task, addr, buf, len, true);
}

static inline void expect_fault(enum mmu_result r, const struct mmu_access *a, u64 page)
{
	cr_assert_eq(r, MMU_FAULT, "result %d, signal %d", r, a->signal);
	cr_assert_eq(a->fault_addr, page, "fault at %#lx, expected %#lx", a->fault_addr, page);
	cr_assert_eq(a->fault_write, a->write);
}

static inline void expect_signal(enum mmu_result r, const struct mmu_access *a, int sig, u64 addr)
{
	cr_assert_eq(r, MMU_SIGNAL, "result %d", r);
	cr_assert_eq(a->signal, sig, "signal %d", a->signal);
	cr_assert_eq(a->fault_addr, addr, "at %#lx, expected %#lx", a->fault_addr, addr);
}

static inline enum mmu_result go(struct mmu_access *a)
{
	return uffd_mmu.access(a);
}

static inline enum mmu_result again(struct mmu_access *a)
{
	return uffd_mmu.resume(a, false);
}

static inline enum mmu_result refuse(struct mmu_access *a)
{
	return uffd_mmu.resume(a, true);
}

static inline void set(struct vma *vma, u64 page, struct pte pte)
{
	int err = uffd_mmu.set_pte(vma, page, &pte);

	cr_assert_eq(err, 0, "set_pte: %s", strerror(-err));
	cr_assert_eq(vma->pte[page].kind, pte.kind);
	cr_assert_eq(vma->pte[page].writable, pte.writable);
}

/* Every page of the mapping is as its PTE says. */
static inline void expect_honest(struct vma *vma)
{
	char why[128] = "";

	for (u64 page = 0; page < vma->nr_pages; page++)
		cr_assert_eq(uffd_mmu.audit(vma, page, why, sizeof(why)), 0, "%s", why);
}

static inline u64 at(const struct vma *vma, u64 page)
{
	return vma->start + (page << PAGE_SHIFT);
}

#define RO_PFN(nr) ((struct pte){ .kind = PTE_PFN, .pfn = (nr) })
#define RW_PFN(nr) ((struct pte){ .kind = PTE_PFN, .pfn = (nr), .writable = true })
#define HOLE ((struct pte){ .kind = PTE_HOLE })
#define NONE ((struct pte){ .kind = PTE_NONE })
#define ANON(p) ((struct pte){ .kind = PTE_ANON, .writable = true, .anon = (p) })
#define RO_ANON(p) ((struct pte){ .kind = PTE_ANON, .anon = (p) })

#define SHARED (VM_SHARED | VM_READ | VM_WRITE)
#define PRIVATE (VM_READ | VM_WRITE)

#endif

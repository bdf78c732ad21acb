// SPDX-License-Identifier: MIT
/*
 * The MMU of deterministic machines on real page tables: user code runs in touchers,
 * one at a time, and a thread that waits for a page is woken by resume() and nothing
 * else.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/mmu/toucher.h"
#include "backends/mmu/uffd.h"
#include "daxsim/sim/sim.h"

static struct uffd *uffd_of(const struct vma *vma)
{
	return vma->mm->sim->mmu_data;
}

static int uffd_map(struct vma *vma)
{
	struct uffd *u = uffd_of(vma);
	struct uffd_area *area = malloc(sizeof(*area));
	int err;

	if (!area)
		return -ENOMEM;
	area->len = (vma->nr_pages + 1) << PAGE_SHIFT;
	area->start = mmap(NULL, area->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	if (area->start == MAP_FAILED) {
		err = -errno;
		free(area);
		return err;
	}
	vma->start = (u64)area->start;
	vma->mmu = &u->pt;
	err = uffd_map_backing(vma, 0, vma->nr_pages, BACKING_HOLE, uffd_protection(vma));
	if (err) {
		munmap(area->start, area->len);
		free(area);
		return err;
	}
	memset(vma->pte, 0, vma->nr_pages * sizeof(*vma->pte));
	SLIST_INSERT_HEAD(&u->areas, area, link);
	return 0;
}

/* The addresses stay taken, so that no stray touch meets something else. */
static void uffd_unmap(struct vma *vma, u64 first, u64 nr)
{
	void *start = (void *)vma_address(vma, first);

	if (mmap(start, nr << PAGE_SHIFT, PROT_NONE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		uffd_die_of_mappings("unmap pages");
	memset(&vma->pte[first], 0, nr * sizeof(*vma->pte));
}

/* Whether touching the page now would fault, as far as the PTE decides it. */
static bool would_fault(const struct mmu_access *a, const struct vma *vma, u64 addr)
{
	const struct pte *pte = &vma->pte[(addr - vma->start) >> PAGE_SHIFT];

	return pte->kind == PTE_NONE || (a->write && !pte->writable);
}

static bool other_sleeps_at(const struct uffd *u, const struct mmu_access *a, u64 addr)
{
	const struct sched *s = &u->pt.sim->sched;

	for (unsigned int i = 0; i < s->nr_tasks; i++) {
		const struct toucher *t = s->tasks[i]->mmu;

		if (t && s->tasks[i] != a->task && t->asleep == addr)
			return true;
	}
	return false;
}

/*
 * A fault that is reported without being tried: where another thread sleeps, because
 * one wake-up would wake both; and on the first of two pages, because processors are
 * free to begin with the second.
 */
static bool foreseen_fault(const struct uffd *u, struct mmu_access *a)
{
	u64 last = (a->addr + a->len - 1) & PAGE_MASK;

	for (u64 addr = a->addr & PAGE_MASK; addr <= last; addr += PAGE_SIZE) {
		struct vma *vma;

		if (addr == last && !other_sleeps_at(u, a, addr))
			continue;
		vma = peek_vma(a->task->mm, addr);
		if (!vma || !vma_permits(vma, a->write))
			continue;	/* SIGSEGV, which nobody sleeps in */
		if (would_fault(a, vma, addr)) {
			a->fault_addr = addr;
			a->fault_write = a->write;
			return true;
		}
	}
	return false;
}

/* Let the toucher go on until it is done or faults. */
static enum mmu_result run(struct uffd *u, struct mmu_access *a)
{
	struct toucher *t = a->task->mmu;
	struct uffd_fault fault;

	if (!t->posted)
		toucher_post(t, a, a->kernel && !u->pt.user_mode_only);
	else
		uffd_wake(&u->pt, t->asleep);
	t->asleep = 0;
	if (!uffd_loop_wait(u, t, &fault)) {
		t->asleep = a->fault_addr = fault.addr;
		a->fault_write = fault.write;
		return MMU_FAULT;
	}
	t->posted = false;
	if (!t->signal)
		return MMU_DONE;
	a->signal = a->kernel ? SIGBUS : t->signal;
	a->fault_addr = t->signal_addr;
	return MMU_SIGNAL;
}

static enum mmu_result uffd_access(struct mmu_access *a)
{
	struct task *task = a->task;
	struct uffd *u = task->sim->mmu_data;
	struct toucher *t = task->mmu;

	if (!t) {
		t = task->mmu = toucher_create(task->name, u->done);
		if (!t)
			uffd_die("cannot start a thread for %s: %m", task->name);
	}
	if (t->posted)
		uffd_die("%s starts an access inside another", task->name);
	return foreseen_fault(u, a) ? MMU_FAULT : run(u, a);
}

/* Put the end of the file under a page. A private copy is kept where it came from. */
static void pull_out(struct vma *vma, u64 addr)
{
	u64 page = (addr - vma->start) >> PAGE_SHIFT;
	struct pte *pte = &vma->pte[page];

	if (pte->kind == PTE_ANON)
		uffd_fetch(vma, page);
	else if (pte->kind == PTE_NONE)
		pte->backing = BACKING_HOLE;
	uffd_map_eof(&uffd_of(vma)->pt, addr);
}

static void put_back(struct vma *vma, u64 addr)
{
	u64 page = (addr - vma->start) >> PAGE_SHIFT;

	if (uffd_map_backing(vma, page, 1, vma->pte[page].backing, uffd_protection(vma)) ||
	    uffd_insert(&uffd_of(vma)->pt, addr, &vma->pte[page]))
		uffd_die_of_mappings("put a page back");
}

/*
 * End an access by a real SIGBUS. The page keeps its PTE, as in Linux: it may be
 * read-only and the fault a store, or somebody else was luckier meanwhile.
 */
static enum mmu_result fail(struct uffd *u, struct mmu_access *a)
{
	u64 failed = a->fault_addr, first = a->addr & PAGE_MASK;
	struct vma *out[2] = { NULL };	/* where a page is pulled out, its mapping */
	enum mmu_result res;

	/* Of two pages the other may have gone meanwhile; it would be another fault. */
	for (int i = 0; first + i * PAGE_SIZE < a->addr + a->len; i++) {
		u64 addr = first + i * PAGE_SIZE;
		struct vma *vma = peek_vma(a->task->mm, addr);

		if (vma && (addr == failed || !vma_permits(vma, a->write) ||
			    would_fault(a, vma, addr))) {
			pull_out(vma, addr);
			out[i] = vma;
		}
	}
	res = run(u, a);
	for (int i = 0; i < 2; i++)
		if (out[i])
			put_back(out[i], first + i * PAGE_SIZE);
	if (res != MMU_SIGNAL)
		uffd_die("%s got past the end of a file at %#lx", a->task->name, failed);
	if (out[failed != first])
		a->fault_addr = max_t(u64, a->addr, failed);
	return res;
}

static enum mmu_result uffd_resume(struct mmu_access *a, bool fail_it)
{
	struct uffd *u = a->task->sim->mmu_data;

	if (fail_it)
		return fail(u, a);
	return foreseen_fault(u, a) ? MMU_FAULT : run(u, a);
}

const struct mmu_ops uffd_mmu = {
	.name = "uffd",
	.open = uffd_open,
	.close = uffd_close,
	.map = uffd_map,
	.unmap = uffd_unmap,
	.protect = uffd_mprotect,
	.fetch = uffd_fetch,
	.set_pte = uffd_set_pte,
	.access = uffd_access,
	.resume = uffd_resume,
	.audit = uffd_audit,
};

// SPDX-License-Identifier: MIT
/*
 * Real page tables. A page of a mapping is an alias of what its PTE says: a page
 * of the device, of the hole memfd, or a private copy of Linux's own making. What
 * lies under a page is changed by mmap(2), what the hardware sees by ioctls of the
 * userfaultfd; threads that wait for the page are woken by resume() and nothing
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

/* struct pte.backing: what lies under a page, whether or not it is mapped at the moment. */
#define BACKING_HOLE 0
#define BACKING_PFN(pfn) ((pfn) + 1)

/* Bits of /proc/PID/pagemap. */
#define PM_UFFD_WP (1ULL << 57)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

static const u8 zero_page[PAGE_SIZE];

static struct uffd *uffd_of(const struct vma *vma)
{
	return vma->mm->sim->mmu_data;
}

static u64 page_addr(const struct vma *vma, u64 page)
{
	return vma->start + (page << PAGE_SHIFT);
}

/* EAGAIN: the address space is just being changed by another thread. */
static int uffd_ioctl(struct uffd *u, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(u->fd, request, arg);
	} while (ret && errno == EAGAIN);
	return ret ? -errno : 0;
}

/* Insert a page that is new to the file, or to a private mapping, and has the bytes of @src. */
static int insert_copy(struct uffd *u, u64 addr, const void *src, bool wp)
{
	struct uffdio_copy arg = {
		.dst = addr,
		.src = (u64)src,
		.len = PAGE_SIZE,
		.mode = UFFDIO_COPY_MODE_DONTWAKE | (wp ? UFFDIO_COPY_MODE_WP : 0),
	};

	return uffd_ioctl(u, UFFDIO_COPY, &arg);
}

static int write_protect(struct uffd *u, u64 addr, bool wp)
{
	struct uffdio_writeprotect arg = {
		.range = { .start = addr, .len = PAGE_SIZE },
		.mode = wp ? UFFDIO_WRITEPROTECT_MODE_WP : UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};

	return uffd_ioctl(u, UFFDIO_WRITEPROTECT, &arg);
}

/* Insert the page that the file has. */
static int insert_existing(struct uffd *u, u64 addr, bool wp)
{
	struct uffdio_continue arg = {
		.range = { .start = addr, .len = PAGE_SIZE },
		.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
	};
	int err;

	if (wp && !u->no_continue_wp) {
		arg.mode |= UFFDIO_CONTINUE_MODE_WP;
		err = uffd_ioctl(u, UFFDIO_CONTINUE, &arg);
		if (err != -EINVAL)
			return err;
		u->no_continue_wp = true;
		arg.mode = UFFDIO_CONTINUE_MODE_DONTWAKE;
	}
	err = uffd_ioctl(u, UFFDIO_CONTINUE, &arg);
	return err || !wp ? err : write_protect(u, addr, true);
}

/* Insert what @pte says; the right thing lies under the page, and nothing is inserted. */
static int insert(struct uffd *u, u64 addr, const struct pte *pte)
{
	bool wp = !pte->writable;
	int err;

	switch (pte->kind) {
	case PTE_HOLE:
		err = insert_copy(u, addr, zero_page, wp);
		/* Another mapping has made the page of the hole memfd. */
		return err == -EEXIST ? insert_existing(u, addr, wp) : err;
	case PTE_PFN:
		err = insert_existing(u, addr, wp);
		if (err != -EFAULT)
			return err;
		/* Nobody has touched this page of the device: touch it, without a signal. */
		if (madvise(pmem_block(&u->sim->pmem, pte->pfn), PAGE_SIZE, MADV_POPULATE_READ))
			return -errno;
		return insert_existing(u, addr, wp);
	case PTE_ANON:
		return insert_copy(u, addr, pte->anon, wp);
	default:
		return 0;
	}
}

static int protection(const struct vma *vma)
{
	return (vma->flags & VM_READ ? PROT_READ : 0) | (vma->flags & VM_WRITE ? PROT_WRITE : 0);
}

int uffd_register(struct uffd *u, u64 addr, u64 len)
{
	struct uffdio_register arg = {
		.range = { .start = addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(u->fd, UFFDIO_REGISTER, &arg) ? -errno : 0;
}

static _Noreturn void die_of_mappings(const char *what)
{
	uffd_die("cannot %s: %m; if it is memory, raise sysctl vm.max_map_count", what);
}

/* Put @backing under pages of a mapping. Nothing of them is inserted afterwards. */
static int map_backing(const struct vma *vma, u64 page, u64 nr, u64 backing)
{
	struct uffd *u = uffd_of(vma);
	u64 addr = page_addr(vma, page), pgoff = vma->pgoff + page;
	int flags = MAP_FIXED | MAP_NORESERVE | (vma->flags & VM_SHARED ? MAP_SHARED : MAP_PRIVATE);
	int fd = u->hole;

	if (backing != BACKING_HOLE) {
		fd = u->sim->pmem.fd;
		pgoff = backing - BACKING_PFN(0);
	}
	if (mmap((void *)addr, nr << PAGE_SHIFT, protection(vma), flags, fd,
		 pgoff << PAGE_SHIFT) == MAP_FAILED)
		return -errno;
	/* Not an error to return: the page would be open to every touch. */
	if (uffd_register(u, addr, nr << PAGE_SHIFT))
		die_of_mappings("register pages");
	return 0;
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
	err = map_backing(vma, 0, vma->nr_pages, BACKING_HOLE);
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
	void *start = (void *)page_addr(vma, first);

	if (mmap(start, nr << PAGE_SHIFT, PROT_NONE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		die_of_mappings("unmap pages");
	memset(&vma->pte[first], 0, nr * sizeof(*vma->pte));
}

/* What no page table of the simulated kernel ever holds, and real ones could not express. */
static bool impossible(const struct vma *vma, const struct pte *pte)
{
	bool shared = vma->flags & VM_SHARED;

	switch (pte->kind) {
	case PTE_HOLE:
		return pte->writable;
	case PTE_PFN:
		return pte->pfn >= vma->mm->sim->pmem.nr_blocks || (pte->writable && !shared);
	case PTE_ANON:
		return shared || !pte->writable;
	default:
		return pte->kind != PTE_NONE;
	}
}

static bool same_page(const struct pte *a, const struct pte *b)
{
	return a->kind == b->kind && (a->kind != PTE_PFN || a->pfn == b->pfn) &&
	       (a->kind != PTE_ANON || a->anon == b->anon);
}

static int uffd_set_pte(struct vma *vma, u64 page, const struct pte *new)
{
	struct uffd *u = uffd_of(vma);
	struct pte *pte = &vma->pte[page], next = *new;
	u64 addr = page_addr(vma, page);
	int err = 0;

	if (impossible(vma, new))
		return -EINVAL;
	next.backing = new->kind == PTE_HOLE ? BACKING_HOLE :
		       new->kind == PTE_PFN ? BACKING_PFN(new->pfn) : pte->backing;
	if (same_page(pte, new)) {
		if (pte->writable != new->writable)
			err = write_protect(u, addr, !new->writable);
	} else {
		if (next.backing != pte->backing)
			err = map_backing(vma, page, 1, next.backing);
		else if (pte->kind != PTE_NONE && madvise((void *)addr, PAGE_SIZE, MADV_DONTNEED))
			err = -errno;
		if (err)
			return err;
		*pte = (struct pte){ .backing = next.backing };
		err = insert(u, addr, new);
	}
	if (!err)
		*pte = next;
	return err;
}

static int uffd_audit(struct vma *vma, u64 page, char *why, size_t size)
{
	const struct pte *pte = &vma->pte[page];
	/* A zapped page can look swapped, because its write protection is remembered there. */
	u64 there = PM_PRESENT | (pte->kind == PTE_ANON ? PM_SWAP : 0), entry;
	u64 addr = page_addr(vma, page);
	bool want = pte->kind != PTE_NONE;

	if (pread(uffd_of(vma)->pagemap, &entry, sizeof(entry),
		  (addr >> PAGE_SHIFT) * sizeof(entry)) != sizeof(entry))
		return 0;
	if (!(entry & there) == want)
		return uffd_fail(why, size, -EUCLEAN, "%s page %lu is %spresent, but should%s be",
				 vma->name, page, want ? "not " : "", want ? "" : " not");
	if (want && !(entry & PM_UFFD_WP) != pte->writable)
		return uffd_fail(why, size, -EUCLEAN, "%s page %lu is %s, but should not be",
				 vma->name, page, pte->writable ? "write-protected" : "writable");
	return 0;
}

void uffd_map_eof(struct uffd *u, u64 addr)
{
	if (mmap((void *)addr, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, u->eof,
		 0) == MAP_FAILED)
		die_of_mappings("raise SIGBUS");
}

void uffd_wake(struct uffd *u, u64 addr)
{
	struct uffdio_range range = { .start = addr, .len = PAGE_SIZE };

	if (ioctl(u->fd, UFFDIO_WAKE, &range))
		uffd_die("UFFDIO_WAKE: %m");
}

/* Whether touching the page now would fault, as far as the PTE decides it. */
static bool would_fault(const struct mmu_access *a, const struct vma *vma, u64 addr)
{
	const struct pte *pte = &vma->pte[(addr - vma->start) >> PAGE_SHIFT];

	return pte->kind == PTE_NONE || (a->write && !pte->writable);
}

static bool other_sleeps_at(const struct uffd *u, const struct mmu_access *a, u64 addr)
{
	const struct sched *s = &u->sim->sched;

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
		vma = find_vma(a->task->mm, addr);
		if (!vma || !(vma->flags & (a->write ? VM_WRITE : VM_READ | VM_WRITE)))
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
		toucher_post(t, a, a->kernel && !u->user_mode_only);
	else
		uffd_wake(u, t->asleep);
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
	struct pte *pte = &vma->pte[(addr - vma->start) >> PAGE_SHIFT];

	if (pte->kind == PTE_ANON)
		memcpy(pte->anon, (void *)addr, PAGE_SIZE);
	else if (pte->kind == PTE_NONE)
		pte->backing = BACKING_HOLE;
	uffd_map_eof(uffd_of(vma), addr);
}

static void put_back(struct vma *vma, u64 addr)
{
	u64 page = (addr - vma->start) >> PAGE_SHIFT;

	if (map_backing(vma, page, 1, vma->pte[page].backing) ||
	    insert(uffd_of(vma), addr, &vma->pte[page]))
		die_of_mappings("put a page back");
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
		struct vma *vma = find_vma(a->task->mm, addr);

		if (vma && (addr == failed || would_fault(a, vma, addr))) {
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
	.set_pte = uffd_set_pte,
	.access = uffd_access,
	.resume = uffd_resume,
	.audit = uffd_audit,
};

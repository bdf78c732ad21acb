// SPDX-License-Identifier: MIT
/*
 * A page of a mapping is an alias of what its PTE says: a page of the device, of
 * the hole memfd, or a private copy of Linux's own making. What lies under a page
 * is changed by mmap(2), what the hardware sees by ioctls of the userfaultfd;
 * threads that wait for the page are not woken by any of them.
 */
#include "backends/mmu/uffd_pt.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daxsim/sim/sim.h"

/* Bits of /proc/PID/pagemap. */
#define PM_UFFD_WP (1ULL << 57)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

static const u8 zero_page[PAGE_SIZE];

static struct uffd_pt *pt_of(const struct vma *vma)
{
	return vma->mmu;
}

/* EAGAIN: the address space is just being changed by another thread. */
static int uffd_ioctl(struct uffd_pt *pt, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(pt->fd, request, arg);
	} while (ret && errno == EAGAIN);
	return ret ? -errno : 0;
}

/* Insert a page that is new to the file, or to a private mapping, and has the bytes of @src. */
static int insert_copy(struct uffd_pt *pt, u64 addr, const void *src, bool wp)
{
	struct uffdio_copy arg = {
		.dst = addr,
		.src = (u64)src,
		.len = PAGE_SIZE,
		.mode = UFFDIO_COPY_MODE_DONTWAKE | (wp ? UFFDIO_COPY_MODE_WP : 0),
	};

	return uffd_ioctl(pt, UFFDIO_COPY, &arg);
}

int uffd_protect(struct uffd_pt *pt, u64 addr, bool wp)
{
	struct uffdio_writeprotect arg = {
		.range = { .start = addr, .len = PAGE_SIZE },
		.mode = wp ? UFFDIO_WRITEPROTECT_MODE_WP : UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};

	return uffd_ioctl(pt, UFFDIO_WRITEPROTECT, &arg);
}

int uffd_allow(struct uffd_pt *pt, u64 addr)
{
	struct uffdio_writeprotect arg = { .range = { .start = addr, .len = PAGE_SIZE } };

	return uffd_ioctl(pt, UFFDIO_WRITEPROTECT, &arg);
}

int uffd_insert_zeroes(struct uffd_pt *pt, u64 addr, bool wp, bool wake)
{
	struct uffdio_zeropage arg = {
		.range = { .start = addr, .len = PAGE_SIZE },
		.mode = wake ? 0 : UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};
	int err;

	if (!wp)
		return uffd_ioctl(pt, UFFDIO_ZEROPAGE, &arg);
	err = insert_copy(pt, addr, zero_page, true);
	if (!err && wake)
		uffd_wake(pt, addr);
	return err;
}

/* Insert the page that the file has. */
static int insert_existing(struct uffd_pt *pt, u64 addr, bool wp)
{
	struct uffdio_continue arg = {
		.range = { .start = addr, .len = PAGE_SIZE },
		.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
	};
	int err;

	if (wp && !pt->no_continue_wp) {
		arg.mode |= UFFDIO_CONTINUE_MODE_WP;
		err = uffd_ioctl(pt, UFFDIO_CONTINUE, &arg);
		if (err != -EINVAL)
			return err;
		pt->no_continue_wp = true;
		arg.mode = UFFDIO_CONTINUE_MODE_DONTWAKE;
	}
	err = uffd_ioctl(pt, UFFDIO_CONTINUE, &arg);
	return err || !wp ? err : uffd_protect(pt, addr, true);
}

int uffd_insert(struct uffd_pt *pt, u64 addr, const struct pte *pte)
{
	bool wp = !pte->writable;
	int err;

	switch (pte->kind) {
	case PTE_HOLE:
		err = insert_copy(pt, addr, zero_page, wp);
		/* Another mapping has made the page of the hole memfd. */
		return err == -EEXIST ? insert_existing(pt, addr, wp) : err;
	case PTE_PFN:
		err = insert_existing(pt, addr, wp);
		if (err != -EFAULT)
			return err;
		/* Nobody has touched this page of the device: touch it, without a signal. */
		if (madvise(pmem_block(&pt->sim->pmem, pte->pfn), PAGE_SIZE, MADV_POPULATE_READ))
			return -errno;
		return insert_existing(pt, addr, wp);
	case PTE_ANON:
		return insert_copy(pt, addr, pte->anon, wp);
	default:
		return 0;
	}
}

int uffd_protection(const struct vma *vma)
{
	return (vma->flags & VM_READ ? PROT_READ : 0) | (vma->flags & VM_WRITE ? PROT_WRITE : 0);
}

int uffd_register(struct uffd_pt *pt, u64 addr, u64 len)
{
	struct uffdio_register arg = {
		.range = { .start = addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(pt->fd, UFFDIO_REGISTER, &arg) ? -errno : 0;
}

_Noreturn void uffd_die_of_mappings(const char *what)
{
	uffd_die("cannot %s: %m; if it is memory, raise sysctl vm.max_map_count", what);
}

void *uffd_mmap(u64 addr, u64 len, int prot, int flags, int fd, u64 offset)
{
	return (void *)syscall(SYS_mmap, addr, len, prot, flags | MAP_FIXED, fd, offset);
}

int uffd_map_backing(const struct vma *vma, u64 page, u64 nr, u64 backing, int prot)
{
	struct uffd_pt *pt = pt_of(vma);
	u64 addr = vma_address(vma, page), pgoff = vma->pgoff + page;
	int flags = MAP_NORESERVE | (vma->flags & VM_SHARED ? MAP_SHARED : MAP_PRIVATE);
	int fd = pt->hole;

	if (backing != BACKING_HOLE) {
		fd = pt->sim->pmem.fd;
		pgoff = backing - BACKING_PFN(0);
	}
	if (uffd_mmap(addr, nr << PAGE_SHIFT, prot, flags, fd, pgoff << PAGE_SHIFT) == MAP_FAILED)
		return -errno;
	/* Not an error to return: the page would be open to every touch. */
	if (uffd_register(pt, addr, nr << PAGE_SHIFT))
		uffd_die_of_mappings("register pages");
	return 0;
}

void uffd_mprotect(struct vma *vma)
{
	if (mprotect((void *)vma->start, vma->nr_pages << PAGE_SHIFT, uffd_protection(vma)))
		uffd_die_of_mappings("change the protection of pages");
}

void uffd_fetch(struct vma *vma, u64 page)
{
	void *addr = (void *)vma_address(vma, page);

	if (mprotect(addr, PAGE_SIZE, PROT_READ))
		uffd_die_of_mappings("look at a page");
	memcpy(vma->pte[page].anon, addr, PAGE_SIZE);
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
		return shared;
	default:
		return pte->kind != PTE_NONE;
	}
}

static bool same_page(const struct pte *a, const struct pte *b)
{
	return a->kind == b->kind && (a->kind != PTE_PFN || a->pfn == b->pfn) &&
	       (a->kind != PTE_ANON || a->anon == b->anon);
}

int uffd_set_pte(struct vma *vma, u64 page, const struct pte *new)
{
	struct uffd_pt *pt = pt_of(vma);
	struct pte *pte = &vma->pte[page], next = *new;
	u64 addr = vma_address(vma, page);
	int err = 0;

	if (impossible(vma, new))
		return -EINVAL;
	next.backing = new->kind == PTE_HOLE ? BACKING_HOLE :
		       new->kind == PTE_PFN ? BACKING_PFN(new->pfn) : pte->backing;
	if (same_page(pte, new)) {
		if (pte->writable != new->writable)
			err = uffd_protect(pt, addr, !new->writable);
	} else {
		if (next.backing != pte->backing)
			err = uffd_map_backing(vma, page, 1, next.backing, uffd_protection(vma));
		else if (pte->kind != PTE_NONE && madvise((void *)addr, PAGE_SIZE, MADV_DONTNEED))
			err = -errno;
		if (err)
			return err;
		*pte = (struct pte){ .backing = next.backing };
		err = uffd_insert(pt, addr, new);
	}
	if (!err)
		*pte = next;
	return err;
}

int uffd_audit(struct vma *vma, u64 page, char *why, size_t size)
{
	const struct pte *pte = &vma->pte[page];
	/* A zapped page can look swapped, because its write protection is remembered there. */
	u64 there = PM_PRESENT | (pte->kind == PTE_ANON ? PM_SWAP : 0), entry;
	u64 addr = vma_address(vma, page);
	bool want = pte->kind != PTE_NONE;

	if (pread(pt_of(vma)->pagemap, &entry, sizeof(entry),
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

void uffd_map_eof(struct uffd_pt *pt, u64 addr)
{
	/* All of the file is past its end; with this offset neighbours are one region. */
	if (uffd_mmap(addr, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pt->eof, addr) ==
	    MAP_FAILED)
		uffd_die_of_mappings("raise SIGBUS");
}

void uffd_wake(struct uffd_pt *pt, u64 addr)
{
	struct uffdio_range range = { .start = addr, .len = PAGE_SIZE };

	if (ioctl(pt->fd, UFFDIO_WAKE, &range))
		uffd_die("UFFDIO_WAKE: %m");
}

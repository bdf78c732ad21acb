/* SPDX-License-Identifier: MIT */
/*
 * Real page tables under userfaultfd: what lies under the pages of a mapping, and
 * what the hardware sees of it. Whoever serves the faults points vma->mmu here.
 */
#ifndef DAXSIM_UFFD_PT_H
#define DAXSIM_UFFD_PT_H

#include <linux/userfaultfd.h>

#include "backends/mmu/mmu.h"

/* The headers of a distribution are often older than its kernel. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif

/* File descriptors are -1 when they are not open. */
struct uffd_pt {
	struct sim *sim;
	int fd;			/* the userfaultfd, O_NONBLOCK */
	int hole;		/* memfd without end or content: lies under hole pages, by pgoff */
	int eof;		/* empty memfd: a touch of its mapping is SIGBUS */
	int pagemap;		/* of this process; -1: audit() has nothing to say */
	bool user_mode_only;	/* the kernel may not fault: system calls cannot be used */
	bool no_continue_wp;	/* Linux before 6.4: insert, then write-protect */
};

/* struct pte.backing: what lies under a page, whether or not it is mapped at the moment. */
#define BACKING_HOLE 0
#define BACKING_PFN(pfn) ((pfn) + 1)

/* uffd_pt_open.c */

/**
 * uffd_pt_open() - get a userfaultfd that can do what is needed
 * @pt: filled in; closed by uffd_pt_close() also after an error
 * @sim: the machine; its device is there
 * @features: UFFD_FEATURE_* wanted besides those that page tables need
 * @why: on error, one line with what is missing and what to do
 * @size: bytes of @why
 *
 * Return: 0 or a negative errno.
 */
int uffd_pt_open(struct uffd_pt *pt, struct sim *sim, u64 features, char *why, size_t size);

/** uffd_pt_close() - close what is open */
void uffd_pt_close(struct uffd_pt *pt);

/**
 * uffd_fail() - say why open() fails
 * @why: where to
 * @size: bytes of @why
 * @err: negative errno
 * @fmt: one line; without a dot at its end
 *
 * Return: @err.
 */
int uffd_fail(char *why, size_t size, int err, const char *fmt, ...) __printf(4, 5);

/**
 * uffd_die() - end the program: there is no going on and no one to tell
 * @fmt: one line
 */
_Noreturn void uffd_die(const char *fmt, ...) __printf(1, 2);

/* uffd_pt.c */

/**
 * uffd_register() - have the faults of a range reported
 * @pt: the page tables
 * @addr: page-aligned
 * @len: bytes, whole pages
 *
 * Return: 0 or a negative errno; -EINVAL for files that are not on tmpfs.
 */
int uffd_register(struct uffd_pt *pt, u64 addr, u64 len);

/**
 * uffd_mmap() - mmap(2) with MAP_FIXED over addresses of the program
 *
 * To the thread sanitizer an mmap() is a store to all of it, which would race with the threads
 * that wait in a fault there. So it is not told.
 */
void *uffd_mmap(u64 addr, u64 len, int prot, int flags, int fd, u64 offset);

/**
 * uffd_map_backing() - put something under pages of a mapping
 * @vma: the mapping
 * @page: first page of it
 * @nr: pages
 * @backing: BACKING_HOLE, or BACKING_PFN of the first page's block
 * @prot: PROT_*, such as uffd_protection()
 *
 * Nothing of them is inserted afterwards. Return: 0 or a negative errno of mmap(2).
 */
int uffd_map_backing(const struct vma *vma, u64 page, u64 nr, u64 backing, int prot);

/** uffd_protection() - the PROT_* of a mapping */
int uffd_protection(const struct vma *vma);

/** uffd_insert() - insert what @pte says; the right thing lies there, and nothing is inserted */
int uffd_insert(struct uffd_pt *pt, u64 addr, const struct pte *pte);

/** uffd_insert_zeroes() - make a page that the device does not have yet, and insert it */
int uffd_insert_zeroes(struct uffd_pt *pt, u64 addr, bool wp, bool wake);

/** uffd_protect() - write-protect a page that is inserted, or do not any more */
int uffd_protect(struct uffd_pt *pt, u64 addr, bool wp);

/** uffd_allow() - stop write-protecting a page, and wake who waits to store to it */
int uffd_allow(struct uffd_pt *pt, u64 addr);

/** uffd_mprotect(), uffd_fetch(), uffd_set_pte(), uffd_audit() - struct mmu_ops */
void uffd_mprotect(struct vma *vma);
void uffd_fetch(struct vma *vma, u64 page);
int uffd_set_pte(struct vma *vma, u64 page, const struct pte *new);
int uffd_audit(struct vma *vma, u64 page, char *why, size_t size);

/** uffd_die_of_mappings() - end the program, most likely because of vm.max_map_count */
_Noreturn void uffd_die_of_mappings(const char *what);

/**
 * uffd_map_eof() - put the end of the file under one page
 * @pt: the page tables
 * @addr: of the page
 *
 * Whoever is woken there, or comes there, gets SIGBUS with BUS_ADRERR, a system call
 * EFAULT. Dies if the process has too many mappings.
 */
void uffd_map_eof(struct uffd_pt *pt, u64 addr);

/** uffd_wake() - let the threads that sleep in a fault on the page at @addr try again */
void uffd_wake(struct uffd_pt *pt, u64 addr);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to the userfaultfd MMU: what it keeps for a machine, and how its parts
 * call each other.
 *
 * The simulated kernel is one thread, the one that called open(). Every task has
 * a toucher, a thread that loads and stores on request and sleeps in real page
 * faults. Many may sleep, at most one runs, and no two sleep on the same page,
 * because a wake-up is for a page and not for a thread.
 */
#ifndef DAXSIM_UFFD_H
#define DAXSIM_UFFD_H

#include <bsd/sys/queue.h>
#include <liburing.h>
#include <linux/userfaultfd.h>
#include <sched.h>

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

struct toucher;

/* Addresses of one mapping as map() made it, guard page included; kept until close(). */
struct uffd_area {
	SLIST_ENTRY(uffd_area) link;
	void *start;
	size_t len;		/* bytes */
};

/* sim->mmu_data. File descriptors are -1 when they are not open. */
struct uffd {
	struct sim *sim;
	int fd;			/* the userfaultfd */
	int hole;		/* memfd without end or content: lies under hole pages, by pgoff */
	int eof;		/* empty memfd: a touch of its mapping is SIGBUS */
	int pagemap;		/* of this process; -1: audit() has nothing to say */
	int done;		/* eventfd: a toucher has finished its request */
	bool user_mode_only;	/* the kernel may not fault: system calls cannot be used */
	bool no_continue_wp;	/* Linux before 6.4: insert, then write-protect */
	bool have_ring;
	bool have_signals;
	struct io_uring ring;
	u64 done_count;		/* where the ring reads @done to */
	SLIST_HEAD(, uffd_area) areas;
	pid_t tid;		/* the thread that called open() */
	bool pinned;		/* it was bound to one CPU; before, it could run on: */
	cpu_set_t affinity;
};

/* A page fault as a message tells it. */
struct uffd_fault {
	u64 addr;		/* page-aligned */
	bool write;
};

/* uffd_open.c */
int uffd_open(struct sim *sim, char *why, size_t why_size);
void uffd_close(struct sim *sim);

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

/* uffd.c */

/**
 * uffd_register() - have the faults of a range reported
 * @u: the MMU
 * @addr: page-aligned
 * @len: bytes, whole pages
 *
 * Return: 0 or a negative errno; -EINVAL for files that are not on tmpfs.
 */
int uffd_register(struct uffd *u, u64 addr, u64 len);

/**
 * uffd_map_eof() - put the end of the file under one page
 * @u: the MMU
 * @addr: of the page
 *
 * Whoever is woken there, or comes there, gets SIGBUS with BUS_ADRERR, a system call
 * EFAULT. Dies if the process has too many mappings.
 */
void uffd_map_eof(struct uffd *u, u64 addr);

/** uffd_wake() - let the thread that sleeps in a fault on the page at @addr try again */
void uffd_wake(struct uffd *u, u64 addr);

/* uffd_loop.c */

/**
 * uffd_loop_open() - make the ring that waits for faults and touchers
 * @u: the MMU; its userfaultfd and eventfd are open
 * @why: on error, a line with what is missing
 * @size: bytes of @why
 *
 * Return: 0 or what io_uring_setup(2) said.
 */
int uffd_loop_open(struct uffd *u, char *why, size_t size);

/** uffd_loop_close() - drop the ring, if there is one */
void uffd_loop_close(struct uffd *u);

/**
 * uffd_loop_wait() - wait for the one toucher that runs
 * @u: the MMU
 * @t: the toucher
 * @fault: filled in when it stopped at a fault
 *
 * Dies when nothing happens for ten seconds, or when a thread that is no toucher
 * faults. Return: true if the request is finished, false if a fault stopped it.
 */
bool uffd_loop_wait(struct uffd *u, struct toucher *t, struct uffd_fault *fault);

#endif

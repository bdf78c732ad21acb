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
#include <sched.h>

#include "backends/mmu/uffd_pt.h"

struct toucher;

/* Addresses of one mapping as map() made it, guard page included; kept until close(). */
struct uffd_area {
	SLIST_ENTRY(uffd_area) link;
	void *start;
	size_t len;		/* bytes */
};

/* sim->mmu_data. */
struct uffd {
	struct uffd_pt pt;
	int done;		/* eventfd: a toucher has finished its request; -1: not open */
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

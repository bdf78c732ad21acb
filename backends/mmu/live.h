/* SPDX-License-Identifier: MIT */
/*
 * The MMU of live machines: page tables of the program itself. The kernel's struct
 * ptes come first and the hardware follows: what it allows is always a part of what
 * they allow. Taking away happens in set_pte() at once; giving is left to
 * live_insert() at the end of a fault, when it is known what the fault came to, so that
 * each fault enters into real page tables once.
 */
#ifndef DAXSIM_MMU_LIVE_H
#define DAXSIM_MMU_LIVE_H

#include <stdatomic.h>

#include "backends/mmu/uffd_pt.h"

#define BACKING_EOF UINT64_MAX	/* the end of a file: a touch is SIGBUS and nobody is asked */

#define LIVE_SHARDS 4
#define LIVE_RUN 64	/* pages that one fault maps at most */

/*
 * sim->mmu_data of a live machine, which whoever makes the machine has to set before;
 * all zero but nr_shards and the warnings.
 */
struct live_mmu {
	char *base;			/* the addresses of all mappings */
	size_t size;			/* bytes */
	size_t next;			/* where the next mapping goes, from base; mmap_sem */
	u32 nr_mapped;			/* mappings made so far; mmap_sem */
	unsigned int nr_shards;		/* userfaultfds; mappings take turns */
	struct uffd_pt shard[LIVE_SHARDS];
	u64 max_regions;		/* see struct daxsim_statistics */
	_Atomic u64 regions;
	_Atomic u64 retargets;
	_Atomic u64 pages_mapped;
	_Atomic u64 at_eof;		/* pages that have the end of the file under them */
	void (*warn)(void *ctx, const char *line);	/* once, when regions run short */
	void *warn_ctx;
	atomic_bool warned;
};

/** live_breaks() - how many regions end at the edges of and inside of pages [first, last) */
u64 live_breaks(const struct vma *vma, u64 first, u64 last);

/** live_regions_left() - whether there may be so many more; warns when few are left */
bool live_regions_left(struct live_mmu *mmu, u64 wanted);

/**
 * live_insert() - have the hardware allow what the PTE of a page allows
 * @vma: the mapping; mmap_sem is held
 * @page: index in it
 * @write: what the fault was about
 * @wake: threads that wait for the page are to go on; else the caller sees to that
 *
 * Pages behind that are neighbours on the device too and have PTEs alike come along.
 *
 * Return: 0; -EAGAIN if the PTE does not allow the access, so that the fault is to be
 * handled once more; -ENOMEM.
 */
int live_insert(struct vma *vma, u64 page, bool write, bool wake);

/**
 * live_put_eof() - let whoever waits for a page, or touches it next, run into SIGBUS
 * @vma: the mapping; mmap_sem is held
 * @page: index in it
 */
void live_put_eof(struct vma *vma, u64 page);

/**
 * live_take_eof() - undo live_put_eof() for pages [first, last)
 *
 * Return: whether there was one.
 */
bool live_take_eof(struct vma *vma, u64 first, u64 last);

/* Faults are read from userfaultfds; or, inline, they are signals to the thread. */
extern const struct mmu_ops live_thread_mmu;
extern const struct mmu_ops live_inline_mmu;

#endif

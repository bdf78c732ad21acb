// SPDX-License-Identifier: MIT
/* What struct mmu_ops asks for, on the page tables of a live program. */
#include "backends/mmu/live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

#define MAX_WINDOW (4UL << 40)		/* bytes of address space for mappings */
#define MIN_WINDOW (1UL << 30)
#define SPARE_REGIONS 2048		/* left to the program itself */

static struct live_mmu *mmu_of(const struct vma *vma)
{
	return vma->mm->sim->mmu_data;
}

/* Addresses that nothing else will ever get, and that no touch of is served. */
static int reserve(void *at, size_t size)
{
	void *p = uffd_mmap((u64)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			    0);

	return p == MAP_FAILED ? -errno : 0;
}

static int open_window(struct live_mmu *mmu, char *why, size_t size)
{
	for (mmu->size = MAX_WINDOW; mmu->size >= MIN_WINDOW; mmu->size /= 2) {
		mmu->base = mmap(NULL, mmu->size, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (mmu->base != MAP_FAILED)
			return 0;
	}
	mmu->base = NULL;
	return uffd_fail(why, size, -errno, "no address space for mappings (ulimit -v): %m");
}

/* How many of its mappings the kernel may have, with what the program has now. */
static u64 max_regions(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	long long limit = 65530, used = 0;
	int c;

	if (f) {
		if (fscanf(f, "%lld", &limit) != 1)
			limit = 65530;
		fclose(f);
	}
	f = fopen("/proc/self/maps", "re");
	if (f) {
		while ((c = getc_unlocked(f)) != EOF)
			used += c == '\n';
		fclose(f);
	}
	return max_t(s64, limit - used - SPARE_REGIONS, 0);
}

/* Whoever waits in a fault still finds nothing to touch, and ends with SIGSEGV. */
static void live_close(struct sim *sim)
{
	struct live_mmu *mmu = sim->mmu_data;
	struct uffdio_range all = { .start = (u64)mmu->base, .len = mmu->size };

	if (mmu->base)
		reserve(mmu->base, mmu->size);
	for (unsigned int i = 0; i < mmu->nr_shards; i++) {
		if (mmu->shard[i].fd >= 0)
			ioctl(mmu->shard[i].fd, UFFDIO_WAKE, &all);
		uffd_pt_close(&mmu->shard[i]);
	}
	if (mmu->base)
		munmap(mmu->base, mmu->size);
}

static int live_open(struct sim *sim, u64 features, char *why, size_t size)
{
	struct live_mmu *mmu = sim->mmu_data;
	int err = open_window(mmu, why, size);

	mmu->max_regions = max_regions();
	for (unsigned int i = 0; i < LIVE_SHARDS; i++)
		mmu->shard[i] = (struct uffd_pt){ .fd = -1, .hole = -1, .eof = -1, .pagemap = -1 };
	for (unsigned int i = 0; !err && i < mmu->nr_shards; i++)
		err = uffd_pt_open(&mmu->shard[i], sim, features, why, size);
	if (err)
		live_close(sim);
	return err;
}

static int live_open_thread(struct sim *sim, char *why, size_t size)
{
	struct live_mmu *mmu = sim->mmu_data;
	int err = live_open(sim, 0, why, size);

	if (err || !mmu->shard[0].user_mode_only)
		return err;
	live_close(sim);
	return uffd_fail(why, size, -EPERM,
			 "only UFFD_USER_MODE_ONLY is to be had, which does not serve system "
			 "calls: set sysctl vm.unprivileged_userfaultfd=1, or make "
			 "/dev/userfaultfd readable and writable, or choose the inline engine");
}

static int live_open_inline(struct sim *sim, char *why, size_t size)
{
	return live_open(sim, UFFD_FEATURE_SIGBUS, why, size);
}

/* The first gap of @len bytes, when the end of the window is reached; or -ENOMEM. */
static s64 find_gap(struct mm *mm, const struct live_mmu *mmu, u64 len)
{
	u64 at = (u64)mmu->base;
	struct vma *vma;

	RB_FOREACH(vma, vma_tree, &mm->mm_rb) {
		if (vma->start >= at + len)
			break;
		at = vma_address(vma, vma->nr_pages + 1);
	}
	return at + len > (u64)mmu->base + mmu->size ? -ENOMEM : (s64)(at - (u64)mmu->base);
}

/* What lies under the pages of a new mapping: extents as they are, as far as regions go. */
static int back_pages(struct vma *vma)
{
	struct live_mmu *mmu = mmu_of(vma);
	u64 page = 0;

	while (page < vma->nr_pages) {
		u64 nr = vma->nr_pages - page, backing = BACKING_HOLE;
		sector_t iblock = vma->pgoff + page;
		struct extent e;
		int err;

		if (live_regions_left(mmu, 1) && extent_lookup(vma->inode, iblock, &e)) {
			u64 skip = e.lblk > iblock ? e.lblk - iblock : 0;

			if (skip) {
				nr = min_t(u64, nr, skip);
			} else {
				nr = min_t(u64, nr, extent_end(&e) - iblock);
				backing = BACKING_PFN(e.pblk + iblock - e.lblk);
			}
		}
		err = uffd_map_backing(vma, page, nr, backing, uffd_protection(vma));
		if (err) {
			if (page)
				atomic_fetch_sub(&mmu->regions, 1 + live_breaks(vma, 1, page - 1));
			return err;
		}
		for (u64 i = 0; i < nr && backing != BACKING_HOLE; i++)
			vma->pte[page + i].backing = backing + i;
		/* Extents may differ in state only: then they are one region. */
		atomic_fetch_add(&mmu->regions, page ? live_breaks(vma, page, page) : 1);
		page += nr;
	}
	return 0;
}

static void live_unmap(struct vma *vma, u64 first, u64 nr)
{
	struct live_mmu *mmu = mmu_of(vma);
	struct uffd_pt *pt = vma->mmu;
	struct uffdio_range range = { .start = vma_address(vma, first), .len = nr << PAGE_SHIFT };

	if (reserve((void *)range.start, range.len))
		uffd_die_of_mappings("unmap pages");
	ioctl(pt->fd, UFFDIO_WAKE, &range);
	/* Where something is left on either side, the break there stays; a hole may make one more. */
	atomic_fetch_sub(&mmu->regions, live_breaks(vma, first, first + nr) + 1 - (first > 0) -
					(first + nr < vma->nr_pages));
	for (u64 i = first; i < first + nr && atomic_load(&mmu->at_eof); i++)
		if (vma->pte[i].backing == BACKING_EOF)
			atomic_fetch_sub(&mmu->at_eof, 1);
	memset(&vma->pte[first], 0, nr * sizeof(*vma->pte));
}

static int live_map(struct vma *vma)
{
	struct live_mmu *mmu = mmu_of(vma);
	u64 len = (vma->nr_pages + 1) << PAGE_SHIFT;	/* nothing lies between mappings */
	s64 at = mmu->next;
	int err;

	if (len > mmu->size)
		return -ENOMEM;
	if (mmu->next + len > mmu->size)
		at = find_gap(vma->mm, mmu, len);
	if (at < 0)
		return at;
	mmu->next = max_t(u64, mmu->next, at + len);
	vma->start = (u64)mmu->base + at;
	vma->mmu = &mmu->shard[mmu->nr_mapped++ % mmu->nr_shards];
	err = back_pages(vma);
	if (err)
		live_unmap(vma, 0, vma->nr_pages);
	return err;
}

/* Regions: where nothing was to be merged, there is one more for it, or one less. */
static void live_split(const struct vma *vma, u64 page)
{
	atomic_fetch_add(&mmu_of(vma)->regions, 1 - live_breaks(vma, page, page));
}

static void live_join(const struct vma *vma, u64 page)
{
	atomic_fetch_sub(&mmu_of(vma)->regions, 1 - live_breaks(vma, page, page));
}

static void live_fetch(struct vma *vma, u64 page)
{
	if (vma->pte[page].hw != PTE_HW_NONE)
		uffd_fetch(vma, page);
}

static bool same_page(const struct pte *a, const struct pte *b)
{
	return a->kind == b->kind && (a->kind != PTE_PFN || a->pfn == b->pfn) &&
	       (a->kind != PTE_ANON || a->anon == b->anon);
}

static void drop_pages(const struct vma *vma, u64 first, u64 last)
{
	if (madvise((void *)vma_address(vma, first), (last - first) << PAGE_SHIFT, MADV_DONTNEED))
		uffd_die("madvise(MADV_DONTNEED): %m");
}

static int live_set_pte(struct vma *vma, u64 page, const struct pte *new)
{
	struct pmem *pmem = &vma->mm->sim->pmem;
	struct pte *pte = &vma->pte[page], next = *new;
	u64 addr = vma_address(vma, page);
	int err = 0;

	next.backing = pte->backing;
	next.hw = pte->hw;
	next.fresh = pte->fresh;
	if (!same_page(pte, new)) {
		if (pte->hw != PTE_HW_NONE)
			drop_pages(vma, page, page + 1);
		next.hw = PTE_HW_NONE;
		next.fresh = new->kind == PTE_PFN && pmem_is_new(pmem, new->pfn);
		/* Somebody may store to it from now on, and nobody will be told. */
		if (new->kind == PTE_PFN)
			pmem_dirty(pmem, new->pfn);
	} else if (pte->hw == PTE_HW_RW && !new->writable) {
		err = uffd_protect(vma->mmu, addr, true);
		next.hw = PTE_HW_RO;
	}
	if (!err)
		*pte = next;
	return err;
}

/* Neighbours go together: one system call for as many as possible. */
static void live_zap(struct vma *vma, u64 first, u64 last, bool even_cows)
{
	struct arena *a = &vma->mm->sim->arena;
	u64 from = last, to = first;	/* what the hardware has to forget */

	guard_lock(&vma->ptl);
	for (u64 page = first; page < last; page++) {
		struct pte *pte = &vma->pte[page];

		if (pte->kind == PTE_ANON && !even_cows) {
			if (from < to)
				drop_pages(vma, from, to);
			from = last;
			continue;
		}
		if (pte->kind == PTE_ANON)
			arena_free(a, pte->anon, PAGE_SIZE);
		if (pte->hw != PTE_HW_NONE) {
			from = min_t(u64, from, page);
			to = page + 1;
		}
		*pte = (struct pte){ .backing = pte->backing };
	}
	if (from < to)
		drop_pages(vma, from, to);
	guard_unlock(&vma->ptl);
}

static const u8 hole_page[PAGE_SIZE];

/* Where the bytes of a page are for the kernel, which does not fault. */
static u8 *page_bytes(const struct vma *vma, u64 page)
{
	const struct pte *pte = &vma->pte[page];

	switch (pte->kind) {
	case PTE_PFN:
		return pmem_block(&vma->mm->sim->pmem, pte->pfn);
	case PTE_ANON:
		return pte->hw == PTE_HW_NONE ? pte->anon : (u8 *)vma_address(vma, page);
	default:
		return (u8 *)hole_page;
	}
}

/* A system call of the simulated kernel touches memory of the program. The PTE's lock is held. */
static enum mmu_result live_access(struct mmu_access *a)
{
	const struct vma *vma = find_vma(a->task->mm, a->addr);
	u64 page = vma_page(vma, a->addr);
	const struct pte *pte = &vma->pte[page];
	u8 *bytes = page_bytes(vma, page) + (a->addr & ~PAGE_MASK);

	if (!vma_permits(vma, a->write) || pte->kind == PTE_NONE || (a->write && !pte->writable))
		return MMU_FAULT;
	if (a->write)
		media_copy(bytes, a->buf, a->len);
	else
		media_copy(a->buf, bytes, a->len);
	return MMU_DONE;
}

/* The hardware may have less than the kernel believes, but never more. */
static int live_audit(struct vma *vma, u64 page, char *why, size_t size)
{
	const struct pte *pte = &vma->pte[page];

	if (pte->hw == PTE_HW_NONE && pte->kind != PTE_NONE)
		return 0;
	return uffd_audit(vma, page, why, size);
}

#define LIVE_OPS(engine)                                                                           \
	{                                                                                          \
		.name = "live-" #engine, .open = live_open_##engine, .close = live_close,          \
		.map = live_map, .unmap = live_unmap, .split = live_split, .join = live_join,      \
		.protect = uffd_mprotect, .fetch = live_fetch, .set_pte = live_set_pte,            \
		.zap = live_zap,                                                                   \
		.access = live_access, .audit = live_audit,                                        \
	}

const struct mmu_ops live_thread_mmu = LIVE_OPS(thread);
const struct mmu_ops live_inline_mmu = LIVE_OPS(inline);

// SPDX-License-Identifier: MIT
/* Giving pages to the hardware: what a live program waits for in a fault. */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "backends/mmu/live.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/sim/sim.h"

static struct live_mmu *mmu_of(const struct vma *vma)
{
	return vma->mm->sim->mmu_data;
}

/*
 * Regions: every mapping is one to begin with, and one more wherever two neighbours
 * have nothing in common for Linux to merge.
 */

static bool joined(const struct vma *vma, u64 page)
{
	u64 before = vma->pte[page - 1].backing, behind = vma->pte[page].backing;

	if (before == BACKING_HOLE || before == BACKING_EOF)
		return behind == before;
	return behind == before + 1;
}

u64 live_breaks(const struct vma *vma, u64 first, u64 last)
{
	u64 nr = 0;

	for (u64 page = max_t(u64, first, 1); page <= last && page < vma->nr_pages; page++)
		nr += !joined(vma, page);
	return nr;
}

bool live_regions_left(struct live_mmu *mmu, u64 wanted)
{
	u64 used = atomic_load_explicit(&mmu->regions, memory_order_relaxed) + wanted;
	char line[160];

	if (used > mmu->max_regions / 10 * 9 && !atomic_exchange(&mmu->warned, true)) {
		snprintf(line, sizeof(line),
			 "files are fragmented: %llu of %llu kernel mappings are in use; raise "
			 "sysctl vm.max_map_count",
			 (unsigned long long)used, (unsigned long long)mmu->max_regions);
		mmu->warn(mmu->warn_ctx, line);
	}
	return used <= mmu->max_regions;
}

/*
 * Between mmap() and the registration a page is open to everybody. A store to a hole page would
 * be lost in the hole file, and one to a private page would make a copy that the kernel knows
 * nothing of. So these stay read-only to Linux until that is over, and a hole page is there
 * write-protected. Who stores meanwhile gets a SIGSEGV, whose handler tries again.
 */
static int early_protection(const struct vma *vma, u64 backing)
{
	int prot = uffd_protection(vma);

	return backing != BACKING_HOLE && vma->flags & VM_SHARED ? prot : prot & ~PROT_WRITE;
}

static int open_early(struct vma *vma, u64 page, u64 nr, u64 backing)
{
	const struct pte hole = { .kind = PTE_HOLE };
	u64 addr = vma_address(vma, page);
	int prot = uffd_protection(vma), err = 0;

	if (backing == BACKING_HOLE)
		err = uffd_insert(vma->mmu, addr, &hole);
	if (err == -EEXIST)
		err = uffd_protect(vma->mmu, addr, true);
	if (!err && prot != early_protection(vma, backing) &&
	    mprotect((void *)addr, nr << PAGE_SHIFT, prot))
		err = -errno;
	return err;
}

/* Put @backing under pages [page, page + nr), none of which the hardware has. */
static int retarget(struct vma *vma, u64 page, u64 nr, u64 backing)
{
	struct live_mmu *mmu = mmu_of(vma);
	u64 before = live_breaks(vma, page, page + nr);
	int err;

	if (!live_regions_left(mmu, 2))
		return -ENOMEM;
	err = uffd_map_backing(vma, page, nr, backing, early_protection(vma, backing));
	if (err)
		return err;
	/* Whatever else may fail, that is what lies there now. */
	for (u64 i = 0; i < nr; i++)
		vma->pte[page + i].backing = backing == BACKING_HOLE ? BACKING_HOLE : backing + i;
	atomic_fetch_add_explicit(&mmu->regions, live_breaks(vma, page, page + nr) - before,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&mmu->retargets, 1, memory_order_relaxed);
	return open_early(vma, page, nr, backing);
}

/* Pages from @page on that one call can enter: neighbours on the device, too, and alike. */
static u64 run_length(const struct vma *vma, u64 page)
{
	const struct pte *first = &vma->pte[page];
	u64 max = min_t(u64, LIVE_RUN, vma->nr_pages - page), n = 1;

	if (first->kind != PTE_PFN)
		return 1;
	while (n < max && first[n].kind == PTE_PFN && first[n].hw == PTE_HW_NONE &&
	       first[n].pfn == first->pfn + n && first[n].writable == first->writable &&
	       first[n].fresh == first->fresh)
		n++;
	return n;
}

/* Of these, those that have the right thing under them, or not, like the first. */
static u64 same_backing(const struct vma *vma, u64 page, u64 nr, bool *right)
{
	const struct pte *pte = &vma->pte[page];
	u64 n = 0;

	*right = pte->backing == BACKING_PFN(pte->pfn);
	while (n < nr && (pte[n].backing == BACKING_PFN(pte[n].pfn)) == *right)
		n++;
	return n;
}

/* Something is there already, or there is no such page of the device yet. */
static int insert_one(struct vma *vma, u64 page, int err)
{
	struct uffd_pt *pt = vma->mmu;
	const struct pte *pte = &vma->pte[page];
	u64 addr = vma_address(vma, page);

	if (err == -EFAULT && vma->flags & VM_SHARED)
		err = uffd_insert_zeroes(pt, addr, !pte->writable, false);
	else if (err == -EFAULT || err == -EINVAL)
		err = uffd_insert(pt, addr, pte);
	/* Some thread was here between mmap() and the registration of the page. */
	if (err == -EEXIST)
		err = uffd_protect(pt, addr, !pte->writable);
	return err;
}

/* Enter pages of the device. Returns how many, or a negative errno. */
static int insert_run(struct vma *vma, u64 page, u64 nr, bool wake)
{
	struct uffd_pt *pt = vma->mmu;
	struct uffdio_continue arg = {
		.range = { .start = vma_address(vma, page), .len = nr << PAGE_SHIFT },
		.mode = (wake ? 0 : UFFDIO_CONTINUE_MODE_DONTWAKE) |
			(vma->pte[page].writable ? 0 : UFFDIO_CONTINUE_MODE_WP),
	};
	int err;

	if (vma->pte[page].fresh && vma->flags & VM_SHARED &&
	    !uffd_insert_zeroes(pt, arg.range.start, !vma->pte[page].writable, wake))
		return 1;
	if (!ioctl(pt->fd, UFFDIO_CONTINUE, &arg))
		return nr;
	err = -errno;
	if (arg.mapped > 0)
		return arg.mapped >> PAGE_SHIFT;
	err = insert_one(vma, page, err);
	if (!err && wake)
		uffd_wake(pt, arg.range.start);
	return err ? err : 1;
}

/*
 * A hole page over preallocated space can be the block itself, which lies there already, if that
 * was never written: whoever writes to it converts it first and takes hole pages away. In kernels
 * where that leaves a stale one behind (before 4.12) this must not become a stale block.
 */
static bool block_is_hole(struct vma *vma, u64 page)
{
	const struct inode *inode = vma->inode;
	u64 pgoff = vma->pgoff + page;
	block_t block = vma->pte[page].backing - BACKING_PFN(0);
	struct extent e;

	return vma->pte[page].backing != BACKING_EOF && vma->flags & VM_SHARED &&
	       has(inode->i_sb, ENTRY_LOCK) && pmem_is_zero(&inode->i_sb->sim->pmem, block) &&
	       extent_lookup(vma->inode, pgoff, &e) && e.unwritten && e.lblk <= pgoff &&
	       e.pblk + (pgoff - e.lblk) == block;
}

/* Enter a page that is not one of the device. */
static int insert_other(struct vma *vma, u64 page, bool wake)
{
	struct pte *pte = &vma->pte[page];
	u64 addr = vma_address(vma, page);
	int err = 0;

	if (pte->kind == PTE_HOLE && pte->backing != BACKING_HOLE && block_is_hole(vma, page))
		return insert_run(vma, page, 1, wake);
	if (pte->kind == PTE_HOLE && pte->backing != BACKING_HOLE)
		err = retarget(vma, page, 1, BACKING_HOLE);
	else
		err = uffd_insert(vma->mmu, addr, pte);
	if (err == -EEXIST)
		err = uffd_protect(vma->mmu, addr, !pte->writable);
	if (!err && wake)
		uffd_wake(vma->mmu, addr);
	return err ? err : 1;
}

/* Pages [first, last) go from the hardware. */
static void zap_hw(struct vma *vma, u64 first, u64 last)
{
	if (madvise((void *)vma_address(vma, first), (last - first) << PAGE_SHIFT, MADV_DONTNEED))
		uffd_die("madvise(MADV_DONTNEED): %m");
}

static int insert_pages(struct vma *vma, u64 page, bool wake)
{
	const struct pte *pte = &vma->pte[page];
	u64 nr = run_length(vma, page);
	bool right;
	int done;

	if (pte->kind != PTE_PFN)
		return insert_other(vma, page, wake);
	nr = same_backing(vma, page, nr, &right);
	if (right)
		return insert_run(vma, page, nr, wake);
	done = retarget(vma, page, nr, BACKING_PFN(pte->pfn));
	if (!done)
		done = insert_run(vma, page, nr, wake);
	/* Threads may have been in the rest before the registration: nobody would take that away. */
	if (done < (int)nr)
		zap_hw(vma, page + max_t(int, done, 0), page + nr);
	return done;
}

int live_insert(struct vma *vma, u64 page, bool write, bool wake)
{
	struct pte *pte = &vma->pte[page];
	u64 addr = vma_address(vma, page);
	int nr = 1, err = 0;

	guard_lock(&vma->ptl);
	if (pte->kind == PTE_NONE || (write && !pte->writable)) {
		guard_unlock(&vma->ptl);
		return -EAGAIN;
	}
	if (pte->hw == PTE_HW_RO && pte->writable)
		err = wake ? uffd_allow(vma->mmu, addr) : uffd_protect(vma->mmu, addr, false);
	else
		nr = insert_pages(vma, page, wake);
	err = min_t(int, nr, err);
	for (int i = 0; i < nr && err >= 0; i++)
		pte[i].hw = pte[i].writable ? PTE_HW_RW : PTE_HW_RO;
	guard_unlock(&vma->ptl);
	if (err < 0)
		return err;
	atomic_fetch_add_explicit(&mmu_of(vma)->pages_mapped, nr, memory_order_relaxed);
	return 0;
}

void live_put_eof(struct vma *vma, u64 page)
{
	struct live_mmu *mmu = mmu_of(vma);
	struct pte *pte = &vma->pte[page];
	u64 before, addr = vma_address(vma, page);

	guard_lock(&vma->ptl);
	/* A private page that another thread has got meanwhile is nowhere else, and is fine. */
	if (pte->backing != BACKING_EOF && !(pte->kind == PTE_ANON && pte->hw != PTE_HW_NONE)) {
		before = live_breaks(vma, page, page + 1);
		uffd_map_eof(vma->mmu, addr);
		pte->backing = BACKING_EOF;
		pte->hw = PTE_HW_NONE;
		atomic_fetch_add(&mmu->regions, live_breaks(vma, page, page + 1) - before);
		atomic_fetch_add(&mmu->at_eof, 1);
	}
	guard_unlock(&vma->ptl);
	uffd_wake(vma->mmu, addr);
}

/* Closed to everybody until faults are reported; a SIGSEGV meanwhile is tried again. */
static void take_eof(struct vma *vma, u64 page)
{
	struct live_mmu *mmu = mmu_of(vma);
	u64 before = live_breaks(vma, page, page + 1);

	if (uffd_map_backing(vma, page, 1, BACKING_HOLE, PROT_NONE) ||
	    mprotect((void *)vma_address(vma, page), PAGE_SIZE, uffd_protection(vma)))
		uffd_die_of_mappings("map the end of a file");
	vma->pte[page].backing = BACKING_HOLE;
	atomic_fetch_add(&mmu->regions, live_breaks(vma, page, page + 1) - before);
	atomic_fetch_sub(&mmu->at_eof, 1);
}

bool live_take_eof(struct vma *vma, u64 first, u64 last)
{
	bool any = false;

	guard_lock(&vma->ptl);
	for (u64 page = first; page < last; page++) {
		if (vma->pte[page].backing != BACKING_EOF)
			continue;
		take_eof(vma, page);
		any = true;
	}
	guard_unlock(&vma->ptl);
	return any;
}

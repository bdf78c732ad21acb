// SPDX-License-Identifier: MIT
/*
 * The DAX page-fault path, as fs/dax.c had it between v10 and v11 of the series
 * that introduced it (Linux 4.0 is v11 with a rwsem). One path serves all
 * versions: a protection is asked for at the place where it acts.
 *
 * Nothing is held between get_block and dax_insert_mapping except possibly the
 * lock of a hole page. That window is what most of the races live in.
 */
#include "daxsim/kernel/fault.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/memory.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

static bool past_eof(const struct inode *inode, pgoff_t pgoff)
{
	return pgoff >= DIV_ROUND_UP((u64)i_size_read(inode), PAGE_SIZE);
}

/* Zero one new or unwritten block for page @iblock of a file. */
static int clear_page(struct inode *inode, sector_t iblock, block_t block, void *addr)
{
	struct super_block *sb = inode->i_sb;

	point(P_clear_page, P_WRITE, obj(OBJ_BLOCK, 0, block));
	if (inject_fires(&sb->inject[INJECT_CLEAR]))
		return inject_error(&sb->inject[INJECT_CLEAR]);
	check_block_init(sb->sim->check, inode, iblock, block, 0, PAGE_SIZE);
	if (pmem_is_zero(&sb->sim->pmem, block))
		return 0;
	pmem_dirty(&sb->sim->pmem, block);
	media_zero(addr, PAGE_SIZE);
	return 0;
}

int dax_clear_blocks(struct inode *inode, u64 iblock, block_t block, u64 size)
{
	mark(P_dax_clear_blocks);
	for (u64 done = 0; done < size; done += PAGE_SIZE) {
		u64 n = done >> PAGE_SHIFT;
		void *addr;
		long avail = bdev_direct_access(inode->i_sb, block + n, &addr, size - done);
		int err;

		if (avail < 0)
			return avail;
		err = clear_page(inode, iblock + n, block + n, addr);
		if (err)
			return err;
	}
	return 0;
}

static bool needs_zeroing(const struct buffer_head *bh)
{
	return buffer_new(bh) || buffer_unwritten(bh);
}

static void end_io(struct buffer_head *bh, bool uptodate)
{
	if (!bh->b_end_io)
		return;
	mark(P_end_io);
	bh->b_end_io(bh, uptodate);
}

/* A read fault on a hole: a zeroed page in the page cache, which mm maps read-only. */
static int dax_load_hole(struct address_space *mapping, struct page *page, struct vm_fault *vmf)
{
	mark(P_dax_load_hole);
	if (!page)
		page = find_or_create_page(mapping, vmf->pgoff);
	if (!page)
		return VM_FAULT_OOM;
	/* The page lock keeps truncate from missing this page: look at i_size under it. */
	if (past_eof(mapping->host, vmf->pgoff)) {
		unlock_page(page);
		page_cache_release(mapping, page);
		return VM_FAULT_SIGBUS;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/* Copy a block into the page of a private mapping. Nothing stops truncate meanwhile. */
static int copy_user_bh(struct inode *inode, const struct buffer_head *bh, struct vm_fault *vmf)
{
	struct super_block *sb = inode->i_sb;
	void *from;

	if (bdev_direct_access(sb, bh->b_blocknr, &from, PAGE_SIZE) < 0)
		return -EIO;
	point(P_copy_user_bh, P_READ, obj(OBJ_BLOCK, 0, bh->b_blocknr));
	media_copy(vmf->cow_page, from, PAGE_SIZE);
	vmf->cow_block = bh->b_blocknr;
	vmf->cow_stale = check_cow(sb->sim->check, inode, vmf->pgoff, vmf->cow_page);
	return 0;
}

/* Fill vmf->cow_page. Returns 0 with i_mmap_mutex held, unless there is a page to copy from. */
static int dax_cow_page(struct inode *inode, const struct buffer_head *bh, struct page *page,
			struct vm_fault *vmf)
{
	struct lock *i_mmap_mutex = &inode->i_data.i_mmap_mutex;
	int err = 0;

	if (buffer_written(bh))
		err = copy_user_bh(inode, bh, vmf);
	else
		memset(vmf->cow_page, 0, PAGE_SIZE);
	if (err)
		return err;
	vmf->page = page;
	if (page)
		return 0;
	mutex_lock(i_mmap_mutex);
	if (!past_eof(inode, vmf->pgoff))
		return 0;
	/* Truncated meanwhile. v10 forgot that nobody but us will drop the mutex (p2). */
	if (has(inode->i_sb, UNLOCK_ON_RACE))
		mutex_unlock(i_mmap_mutex);
	return -EIO;
}

/*
 * Pages behind the faulting one that are in the same written extent come along, as
 * filemap_map_pages() does it for the page cache. Their neighbour's store has taken
 * freeze protection and updated the time, which is all that pfn_mkwrite does for one.
 */
static void fault_around(struct vma *vma, const struct vm_fault *vmf, const struct buffer_head *bh)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE && vma->flags & VM_SHARED;
	u64 nr = min_t(u64, bh->b_size >> PAGE_SHIFT, i_size_pages(vma->inode) - vmf->pgoff);

	/* A written block may have a hole page still, which the first fault of its own takes away. */
	nr = 1 + dax_nr_settled(&vma->inode->i_data, vmf->pgoff + 1, nr - 1);
	vm_insert_around(vma, vmf->address, bh->b_blocknr, nr, write);
}

/* What i_mmap_mutex protects of the insertion. *came_far: nothing stopped it before the PTE. */
static int insert_locked(struct inode *inode, struct buffer_head *bh, struct vma *vma,
			 struct vm_fault *vmf, bool *came_far)
{
	struct super_block *sb = inode->i_sb;
	void *addr;
	long avail;
	int err;

	/*
	 * truncate writes i_size, then unmaps under i_mmap_mutex, then frees. If
	 * the page is still inside i_size here, truncate's unmapping comes after
	 * us and will find the PTE; if not, the block may be somebody else's.
	 */
	if (has(sb, RECHECK_I_SIZE) && past_eof(inode, vmf->pgoff))
		return -EIO;
	avail = bdev_direct_access(sb, bh->b_blocknr, &addr, bh->b_size);
	if (avail < 0)
		return avail;
	if (has(sb, CLEAR_UNDER_I_MMAP)) {
		if (avail < (long)PAGE_SIZE)
			return -EIO;
		if (needs_zeroing(bh)) {
			err = clear_page(inode, vmf->pgoff, bh->b_blocknr, addr);
			if (err && has(sb, CHECK_CLEAR_ERROR))
				return err;
		}
	} else if (!avail) {
		/* v10 only looks for a negative value: no PTE, and the fault comes again. */
		return 0;
	}
	*came_far = true;
	err = vm_insert_mixed(vma, vmf->address, bh->b_blocknr);
	if (!err && bh->b_size > PAGE_SIZE)
		fault_around(vma, vmf, bh);
	return err;
}

static int dax_insert_mapping(struct inode *inode, struct buffer_head *bh, struct vma *vma,
			      struct vm_fault *vmf)
{
	const struct super_block *sb = inode->i_sb;
	struct lock *i_mmap_mutex = &inode->i_data.i_mmap_mutex;
	bool ends_io = has(sb, CHECK_CLEAR_ERROR) && has(sb, CLEAR_UNDER_I_MMAP), came_far = false;
	int err;

	mark(P_dax_insert_mapping);
	if (has(sb, I_MMAP_AROUND_INSERT))
		mutex_lock(i_mmap_mutex);
	err = insert_locked(inode, bh, vma, vmf, &came_far);
	/* end_io may start a transaction, and truncate takes i_mmap_mutex inside one (p7). */
	if (ends_io && came_far && !has(sb, END_IO_OUTSIDE_I_MMAP))
		end_io(bh, true);
	if (has(sb, I_MMAP_AROUND_INSERT))
		mutex_unlock(i_mmap_mutex);
	/* After an error too: what v11 introduced, and Linux 4.2 mended (e842f2903908). */
	if (ends_io && has(sb, END_IO_OUTSIDE_I_MMAP))
		end_io(bh, came_far || !has(sb, END_IO_KNOWS_ERRORS));
	return err;
}

/* v10 zeroes here, before it knows whether truncate has taken the block away (p3). */
static int dax_clear_early(struct inode *inode, struct buffer_head *bh, pgoff_t pgoff)
{
	const struct super_block *sb = inode->i_sb;
	int err;

	if (has(sb, CLEAR_UNDER_I_MMAP) || !needs_zeroing(bh))
		return 0;
	err = dax_clear_blocks(inode, pgoff, bh->b_blocknr, bh->b_size);
	if (!has(sb, CHECK_CLEAR_ERROR))
		return 0;
	if (!err)
		end_io(bh, true);
	return err;
}

/*
 * One call of get_block for the faulting page; less than a page is no use, and more only
 * where nothing needs to be done about it.
 */
static int get_page_block(struct inode *inode, pgoff_t pgoff, struct buffer_head *bh, int create)
{
	int err = get_block(inode, pgoff, bh, create);

	if (!buffer_written(bh))
		bh->b_size = min_t(u64, bh->b_size, PAGE_SIZE);
	return !err && bh->b_size < PAGE_SIZE ? -EIO : err;
}

static int fault_result(int err, int major)
{
	if (err == -ENOMEM)
		return VM_FAULT_OOM | major;
	if (err < 0 && err != -EBUSY)
		return VM_FAULT_SIGBUS | major;
	return VM_FAULT_NOPAGE | major;
}

/* Find the hole page of the faulting index, locked and known to be inside i_size. */
static int lock_hole_page(struct address_space *mapping, pgoff_t pgoff, struct page **pagep)
{
	struct page *page;

	mark(P_find_get_page);
	page = find_lock_page(mapping, pgoff);
	*pagep = page;
	return page && past_eof(mapping->host, pgoff) ? -EIO : 0;
}

/* Pre-zeroed kernels convert in get_block, so that they must ask it once more (aef39ab1534d). */
static bool is_allocated(const struct super_block *sb, const struct buffer_head *bh)
{
	if (buffer_unwritten(bh))
		return has(sb, UNWRITTEN_IS_ALLOCATED) && !has(sb, PREZEROED_BLOCKS);
	return buffer_mapped(bh);
}

/* How much to map at most, in bytes: with fault-around a naturally aligned window. */
static u64 fault_size(const struct vma *vma, const struct vm_fault *vmf)
{
	u64 window = vma->mm->sim->fault_around;

	return window ? (window - vmf->pgoff % window) << PAGE_SHIFT : PAGE_SIZE;
}

/* The fault from the first i_size check to the PTE. */
static int resolve(struct vma *vma, struct vm_fault *vmf)
{
	struct inode *inode = vma->inode;
	struct address_space *mapping = &inode->i_data;
	struct buffer_head bh = { .b_size = fault_size(vma, vmf) };
	struct page *page;
	int err, major = 0;

	err = lock_hole_page(mapping, vmf->pgoff, &page);
	if (err)
		goto unlock_page;
	err = get_page_block(inode, vmf->pgoff, &bh, 0);
	if (err)
		goto unlock_page;

	if (!is_allocated(inode->i_sb, &bh) && !vmf->cow_page) {
		if (!(vmf->flags & FAULT_FLAG_WRITE))
			return dax_load_hole(mapping, page, vmf);
		bh.b_state = 0;
		bh.b_size = PAGE_SIZE;
		err = get_page_block(inode, vmf->pgoff, &bh, 1);
		/* "Major" means that it asked for a block, even in vain. */
		current->pgmajfault++;
		major = VM_FAULT_MAJOR;
		if (err)
			goto unlock_page;
	}
	if (vmf->cow_page) {
		err = dax_cow_page(inode, &bh, page, vmf);
		if (!err)
			return VM_FAULT_LOCKED;
		goto unlock_page;
	}
	err = dax_clear_early(inode, &bh, vmf->pgoff);
	if (err)
		goto unlock_page;

	/* A read fault may have put a hole page there while we allocated. */
	if (!page && major) {
		mark(P_find_lock_page);
		page = find_lock_page(mapping, vmf->pgoff);
	}
	if (page) {
		mark(P_unmap_hole_page);
		unmap_mapping_range(inode, vmf->pgoff, 1, false);
		delete_from_page_cache(page);
		unlock_page(page);
		page_cache_release(mapping, page);
	}
	return fault_result(dax_insert_mapping(inode, &bh, vma, vmf), major);

unlock_page:
	if (page) {
		unlock_page(page);
		page_cache_release(mapping, page);
	}
	return fault_result(err, major);
}

static int do_dax_fault(struct vma *vma, struct vm_fault *vmf)
{
	struct dax_entry *entry;
	int ret;

	mark(P_do_dax_fault);
	if (past_eof(vma->inode, vmf->pgoff))
		return VM_FAULT_SIGBUS;
	if (dax_lock_entry(&vma->inode->i_data, vmf->pgoff, &entry))
		return VM_FAULT_OOM;
	ret = resolve(vma, vmf);
	dax_unlock_entry(entry);
	return ret;
}

/* ext4 since 4.3: the handle comes before the page lock, as it does in truncate. */
static int fault_in_transaction(struct vma *vma, struct vm_fault *vmf)
{
	const struct fs_ops *ops = vma->inode->i_sb->ops;
	bool handle = vmf->flags & FAULT_FLAG_WRITE && ops->trans_begin &&
		      has(vma->inode->i_sb, HANDLE_BEFORE_FAULT);
	int ret;

	if (handle && ops->trans_begin(vma->inode))
		return VM_FAULT_SIGBUS;
	ret = do_dax_fault(vma, vmf);
	if (handle)
		ops->trans_end(vma->inode);
	return ret;
}

int dax_fault(struct vma *vma, struct vm_fault *vmf)
{
	struct super_block *sb = vma->inode->i_sb;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	int ret;

	mark(P_dax_fault);
	/* Taken for a private write as well: 2014 did not look at VM_SHARED. */
	if (write) {
		mark(P_sb_start_pagefault);
		down_read(&sb->s_pagefault);
		file_update_time(vma->inode);
	}
	i_mmap_lock_read(vma->inode);
	ret = fault_in_transaction(vma, vmf);
	i_mmap_unlock_read(vma->inode);
	if (write)
		up_read(&sb->s_pagefault);
	return ret;
}

void dax_pfn_mkwrite(struct inode *inode)
{
	mark(P_sb_start_pagefault);
	down_read(&inode->i_sb->s_pagefault);
	file_update_time(inode);
	up_read(&inode->i_sb->s_pagefault);
}

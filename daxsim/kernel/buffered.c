// SPDX-License-Identifier: MIT
/* Reading and writing through the page cache (Linux 3.17 mm/filemap.c). */
#include "daxsim/kernel/buffered.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

/* Have the bytes of a locked page: from its block, or zeroes. Return: 0 or a negative errno. */
static int read_page(struct inode *inode, struct page *page)
{
	struct super_block *sb = inode->i_sb;
	struct buffer_head bh = { .b_size = PAGE_SIZE };
	void *addr;
	long avail;
	int err;

	if (page->data)
		return 0;
	err = get_block(inode, page->index, &bh, 0);
	if (err)
		return err;
	page->data = arena_alloc(&sb->sim->arena, PAGE_SIZE);
	if (!page->data)
		return -ENOMEM;
	if (!buffer_written(&bh))
		return 0;
	avail = bdev_direct_access(sb, bh.b_blocknr, &addr, PAGE_SIZE);
	if (avail < (long)PAGE_SIZE)
		return -EIO;
	point(P_copy_to_iter, P_READ, obj(OBJ_BLOCK, 0, bh.b_blocknr));
	media_copy(page->data, addr, PAGE_SIZE);
	check_block_read(sb->sim->check, inode, page->index, bh.b_blocknr, 0, page->data, PAGE_SIZE);
	return 0;
}

/* The locked page of an index, with its bytes. */
static int grab_page(struct inode *inode, pgoff_t index, struct page **pagep)
{
	struct page *page = find_or_create_page(&inode->i_data, index);
	int err;

	if (!page)
		return -ENOMEM;
	err = read_page(inode, page);
	if (!err) {
		*pagep = page;
		return 0;
	}
	unlock_page(page);
	page_cache_release(&inode->i_data, page);
	return err;
}

static void put_page(struct inode *inode, struct page *page)
{
	unlock_page(page);
	page_cache_release(&inode->i_data, page);
}

/* Write one page of bytes into the cache; its block is allocated, not written. */
static ssize_t write_one(struct inode *inode, struct iov_iter *from, s64 pos)
{
	struct super_block *sb = inode->i_sb;
	u64 off = pos & ~PAGE_MASK;
	size_t n = min_t(size_t, from->count, PAGE_SIZE - off);
	struct buffer_head bh = { .b_size = PAGE_SIZE };
	struct page *page;
	u8 bounce[PAGE_SIZE];
	int err;

	n = iter_get(from, sb, bounce, n);
	if (!n)
		return -EFAULT;
	err = grab_page(inode, (u64)pos >> PAGE_SHIFT, &page);
	if (err)
		return err;
	err = get_block(inode, page->index, &bh, GET_BLOCK_CREATE);
	if (!err) {
		mark(P_buffered_write);
		memcpy(page->data + off, bounce, n);
		__atomic_store_n(&page->dirty, true, __ATOMIC_RELAXED);
		check_cached(sb->sim->check, inode, page->index, off, bounce, n);
		if (pos + (s64)n > i_size_read(inode))
			i_size_write(inode, pos + n);
	}
	put_page(inode, page);
	return err ? err : (ssize_t)n;
}

static int write_back(struct inode *inode, struct page *page)
{
	struct super_block *sb = inode->i_sb;
	struct buffer_head bh = { .b_size = PAGE_SIZE };
	void *addr;
	long avail;
	int err = get_block(inode, page->index, &bh, GET_BLOCK_CREATE);

	if (err)
		return err;
	avail = bdev_direct_access(sb, bh.b_blocknr, &addr, PAGE_SIZE);
	if (avail < (long)PAGE_SIZE)
		return -EIO;
	point(P_write_back, P_WRITE, obj(OBJ_BLOCK, 0, bh.b_blocknr));
	check_write_back(sb->sim->check, inode, page->index, bh.b_blocknr, page->data);
	pmem_dirty(&sb->sim->pmem, bh.b_blocknr);
	media_copy(addr, page->data, PAGE_SIZE);
	__atomic_store_n(&page->dirty, false, __ATOMIC_RELAXED);
	if (buffer_unwritten(&bh) && sb->ops->write_end)
		err = sb->ops->write_end(inode, (s64)page->index << PAGE_SHIFT, PAGE_SIZE);
	return err;
}

/* Whether any page is; a look without locks, for pages that stay dirty until somebody writes them. */
static bool has_dirty_pages(struct address_space *mapping)
{
	struct page *page;

	guard_lock(&mapping->tree_lock);
	RB_FOREACH(page, page_tree, &mapping->pages)
		if (__atomic_load_n(&page->dirty, __ATOMIC_RELAXED))
			break;
	guard_unlock(&mapping->tree_lock);
	return page;
}

int filemap_write_and_wait_range(struct inode *inode, u64 first, u64 last)
{
	struct address_space *mapping = &inode->i_data;
	struct page *page;
	int err = 0;

	if (!has_dirty_pages(mapping))
		return 0;
	for (u64 index = first; index <= last && !err; index++) {
		page = find_lock_page(mapping, index);
		if (!page)
			continue;
		if (page->dirty)
			err = write_back(inode, page);
		put_page(inode, page);
	}
	return err;
}

ssize_t buffered_write(struct inode *inode, struct iov_iter *from, s64 pos)
{
	pgoff_t first = (u64)pos >> PAGE_SHIFT;
	ssize_t done = 0, n = 0;
	int err;

	while (from->count) {
		n = write_one(inode, from, pos + done);
		if (n < 0)
			break;
		done += n;
	}
	if (!done)
		return n;
	/* To look like direct I/O, the pages go to the device and out of the cache again. */
	err = filemap_write_and_wait_range(inode, first, (u64)(pos + done - 1) >> PAGE_SHIFT);
	if (err)
		return err;
	invalidate_inode_pages2_range(&inode->i_data, first, (u64)(pos + done - 1) >> PAGE_SHIFT);
	return done;
}

ssize_t buffered_read(struct inode *inode, struct iov_iter *to, s64 pos)
{
	struct super_block *sb = inode->i_sb;
	ssize_t done = 0;

	while (to->count && pos + done < i_size_read(inode)) {
		s64 at = pos + done, end = i_size(inode);
		u64 off = at & ~PAGE_MASK;
		size_t n = min_t(size_t, to->count, PAGE_SIZE - off), moved;
		struct page *page;
		int err = grab_page(inode, (u64)at >> PAGE_SHIFT, &page);

		if (err)
			return done ? done : err;
		n = min_t(s64, n, end - at);
		mark(P_buffered_read);
		check_cached(sb->sim->check, inode, page->index, off, NULL, n);
		moved = iter_put(to, sb, page->data + off, n);
		put_page(inode, page);
		done += moved;
		if (moved < n)
			return done ? done : -EFAULT;
	}
	return done;
}

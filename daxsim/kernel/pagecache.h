/* SPDX-License-Identifier: MIT */
/*
 * The page cache of one file. On a DAX file it should hold nothing but hole
 * pages: zeroed pages that read faults on holes put there (dax_load_hole).
 */
#ifndef DAXSIM_PAGECACHE_H
#define DAXSIM_PAGECACHE_H

#include <bsd/sys/tree.h>

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/types.h"

struct address_space;

struct page {
	RB_ENTRY(page) link;
	struct address_space *mapping;	/* NULL once it was deleted from the cache */
	pgoff_t index;
	u32 count;			/* references: one of the cache, one of each user */
	struct lock lock;		/* PG_locked */
	u8 *data;			/* PAGE_SIZE bytes; NULL: zeroes, a hole page */
	bool dirty;			/* data is newer than the device */
};

RB_HEAD(page_tree, page);
RB_PROTOTYPE(page_tree, page, link, page_cmp)

/** find_get_page() - the cached page of an index with a reference, or NULL */
struct page *find_get_page(struct address_space *mapping, pgoff_t index);

/** find_lock_page() - the same, locked; looks again if it was deleted while waiting */
struct page *find_lock_page(struct address_space *mapping, pgoff_t index);

/** find_or_create_page() - the same, made if there is none; NULL without memory */
struct page *find_or_create_page(struct address_space *mapping, pgoff_t index);

/** delete_from_page_cache() - take a locked page out of the cache */
void delete_from_page_cache(struct page *page);

/** page_cache_release() - drop a reference */
void page_cache_release(struct address_space *mapping, struct page *page);

/** unlock_page() - drop PG_locked */
void unlock_page(struct page *page);

/**
 * truncate_inode_pages_range() - drop the cached pages of a range
 * @mapping: the file's cache
 * @first: first page
 * @last: last page, U64_MAX: to the end
 */
void truncate_inode_pages_range(struct address_space *mapping, pgoff_t first, pgoff_t last);

/**
 * invalidate_inode_pages2_range() - unmap and drop the cached pages of a range
 * @mapping: the file's cache
 * @first: first page
 * @last: last page
 *
 * This is what removes hole pages over blocks that write(2) allocated (Linux
 * 3.17 mm/truncate.c). Private copies stay.
 */
void invalidate_inode_pages2_range(struct address_space *mapping, pgoff_t first, pgoff_t last);

#endif

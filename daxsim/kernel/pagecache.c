// SPDX-License-Identifier: MIT
/* Finding, making and dropping page-cache pages (Linux 3.17 mm/filemap.c, mm/truncate.c). */
#include "daxsim/kernel/pagecache.h"

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"

static int page_cmp(const struct page *a, const struct page *b)
{
	return a->index < b->index ? -1 : a->index > b->index;
}

RB_GENERATE(page_tree, page, link, page_cmp)

static void announce(struct address_space *mapping, pgoff_t index, enum point_id id,
		     enum point_kind kind)
{
	point(id, kind, obj(OBJ_PAGE, mapping->host->i_ino, index));
}

static struct page *lookup(struct address_space *mapping, pgoff_t index)
{
	struct page key = { .index = index };

	return RB_FIND(page_tree, &mapping->pages, &key);
}

/* The first cached page at or behind @index. */
static struct page *lookup_next(struct address_space *mapping, pgoff_t index)
{
	struct page key = { .index = index };

	return RB_NFIND(page_tree, &mapping->pages, &key);
}

struct page *find_get_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page;

	announce(mapping, index, P_page_cache_lookup, P_READ);
	guard_lock(&mapping->tree_lock);
	page = lookup(mapping, index);
	if (page)
		page->count++;
	guard_unlock(&mapping->tree_lock);
	return page;
}

struct page *find_lock_page(struct address_space *mapping, pgoff_t index)
{
	for (;;) {
		struct page *page = find_get_page(mapping, index);

		if (!page)
			return NULL;
		mutex_lock(&page->lock);
		if (page->mapping)
			return page;
		unlock_page(page);
		page_cache_release(mapping, page);
	}
}

/*
 * The number of a page's lock. The lock of a page that was there before may still be held, so the
 * place in the file is not enough; and it must not hang on what other tasks do meanwhile.
 */
static u64 new_lock_number(struct task *t)
{
	return t->id << 20 | (t->nr_pages++ & ((1 << 20) - 1));
}

/* Put a new page into the cache, locked and with a reference. tree_lock is held. */
static struct page *add_page(struct address_space *mapping, pgoff_t index)
{
	struct inode *inode = mapping->host;
	struct page *page = arena_alloc(&inode->i_sb->sim->arena, sizeof(*page));

	if (!page)
		return NULL;
	page->mapping = mapping;
	page->index = index;
	page->count = 2;
	lock_init_at(&page->lock, LOCK_PAGE_LOCK, inode->name, inode->i_ino,
		     new_lock_number(current));
	/* Locked before anybody can find it, as by add_to_page_cache_lru(). */
	lock_adopt(&page->lock);
	RB_INSERT(page_tree, &mapping->pages, page);
	return page;
}

struct page *find_or_create_page(struct address_space *mapping, pgoff_t index)
{
	for (;;) {
		struct page *page = find_lock_page(mapping, index);
		bool raced;

		if (page)
			return page;
		announce(mapping, index, P_page_cache_insert, P_WRITE);
		guard_lock(&mapping->tree_lock);
		raced = lookup(mapping, index);
		if (!raced)
			page = add_page(mapping, index);
		guard_unlock(&mapping->tree_lock);
		if (!raced)
			return page;
	}
}

void delete_from_page_cache(struct page *page)
{
	struct address_space *mapping = page->mapping;

	announce(mapping, page->index, P_page_cache_delete, P_WRITE);
	guard_lock(&mapping->tree_lock);
	RB_REMOVE(page_tree, &mapping->pages, page);
	guard_unlock(&mapping->tree_lock);
	page->mapping = NULL;
	page_cache_release(mapping, page);
}

void page_cache_release(struct address_space *mapping, struct page *page)
{
	struct arena *a = &mapping->host->i_sb->sim->arena;
	u32 left;

	guard_lock(&mapping->tree_lock);
	left = --page->count;
	guard_unlock(&mapping->tree_lock);
	if (left)
		return;
	arena_free(a, page->data, PAGE_SIZE);
	arena_free(a, page, sizeof(*page));
}

void unlock_page(struct page *page)
{
	mutex_unlock(&page->lock);
}

/*
 * Drop the page of one index. Whoever drops a range has unmapped it before; but a read fault that
 * had the page locked may have mapped it since (truncate_inode_page()).
 */
static void drop_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page = find_lock_page(mapping, index);

	if (!page)
		return;
	unmap_mapping_range(mapping->host, index, 1, false);
	delete_from_page_cache(page);
	unlock_page(page);
	page_cache_release(mapping, page);
}

/* The first index at or behind @index that has a page: a look at every slot. */
static pgoff_t next_page(struct address_space *mapping, pgoff_t index)
{
	const struct page *page;
	pgoff_t next;

	also(P_READ, obj(OBJ_PAGE, mapping->host->i_ino, EXTENT_ALL));
	guard_lock(&mapping->tree_lock);
	page = lookup_next(mapping, index);
	next = page ? page->index : U64_MAX;
	guard_unlock(&mapping->tree_lock);
	return next;
}

void truncate_inode_pages_range(struct address_space *mapping, pgoff_t first, pgoff_t last)
{
	mark(P_truncate_inode_pages);
	for (pgoff_t i = next_page(mapping, first); i <= last && i != U64_MAX;
	     i = next_page(mapping, i + 1))
		drop_page(mapping, i);
}

/*
 * A fault that has seen the hole, but has not made its page yet, holds the lock
 * of that entry: with such locks its page is waited for and dropped too (4.12).
 */
void invalidate_inode_pages2_range(struct address_space *mapping, pgoff_t first, pgoff_t last)
{
	mark(P_invalidate_inode_pages2_range);
	for (pgoff_t i = first;; i++) {
		struct dax_entry *entry = NULL;

		i = min_t(pgoff_t, next_page(mapping, i), dax_next_entry(mapping, i));
		if (i > last || i == U64_MAX)
			break;
		if (dax_next_entry(mapping, i) == i && dax_lock_entry(mapping, i, &entry))
			break;
		drop_page(mapping, i);
		dax_unlock_entry(entry);
	}
}

// SPDX-License-Identifier: MIT
/* The page cache of one file: references, the page lock, and dropping ranges. */
#include "tests/machine_fixture.h"

struct cache_call {
	struct call call;
	struct address_space *mapping;
	pgoff_t first, last;
	struct page *page;
};

static struct rig *rig(struct file **f)
{
	struct rig *r = rig_new("ext2", "v11", 64);

	*f = rig_create(r, "f");
	cr_assert_eq(rig_truncate(r, A, *f, PAGES(16)), 0);
	return r;
}

static void create_page(struct call *c)
{
	struct cache_call *cc = c->arg;

	cc->page = find_or_create_page(cc->mapping, cc->first);
	if (!cc->page)
		return;
	cr_expect(lock_is_held(&cc->page->lock));
	cr_expect_eq(cc->page->index, cc->first);
	c->ret = cc->page->count;
	unlock_page(cc->page);
	page_cache_release(cc->mapping, cc->page);
}

static void lock_page(struct call *c)
{
	struct cache_call *cc = c->arg;

	cc->page = find_lock_page(cc->mapping, cc->first);
	mark(P_do_read);
	if (!cc->page)
		return;
	unlock_page(cc->page);
	page_cache_release(cc->mapping, cc->page);
}

static void delete_page(struct call *c)
{
	struct cache_call *cc = c->arg;
	struct page *page = find_lock_page(cc->mapping, cc->first);

	mark(P_do_read);
	delete_from_page_cache(page);
	cr_expect_null(page->mapping);
	cc->page = page;
	unlock_page(page);
	page_cache_release(cc->mapping, page);
}

static void truncate_pages(struct call *c)
{
	struct cache_call *cc = c->arg;

	truncate_inode_pages_range(cc->mapping, cc->first, cc->last);
}

static void invalidate_pages(struct call *c)
{
	struct cache_call *cc = c->arg;

	invalidate_inode_pages2_range(cc->mapping, cc->first, cc->last);
}

static struct cache_call *cache_call(struct file *f, void (*fn)(struct call *), pgoff_t first)
{
	struct cache_call *cc = calloc(1, sizeof(*cc));

	cc->call.fn = fn;
	cc->call.arg = cc;
	cc->mapping = &f->inode->i_data;
	cc->first = first;
	return cc;
}

static struct page *run(struct rig *r, struct file *f, void (*fn)(struct call *), pgoff_t first,
			pgoff_t last)
{
	struct cache_call *cc = cache_call(f, fn, first);
	struct page *page;

	cc->last = last;
	rig_call(r, A, &cc->call);
	page = cc->page;
	free(cc);
	return page;
}

/* The cached pages as bits of their indices. */
static u64 pages_of(const struct file *f)
{
	struct page *page;
	u64 set = 0;

	RB_FOREACH(page, page_tree, &f->inode->i_data.pages) {
		set |= 1ULL << page->index;
		cr_expect_eq(page->count, 1);
	}
	return set;
}

Test(pagecache, a_page_is_made_once)
{
	struct file *f;
	struct rig *r = rig(&f);
	struct page *page = run(r, f, create_page, 3, 0);

	cr_assert_not_null(page);
	cr_expect_eq(page->mapping, &f->inode->i_data);
	cr_expect_eq(run(r, f, create_page, 3, 0), page);
	cr_expect_eq(run(r, f, lock_page, 3, 0), page);
	cr_expect_neq(run(r, f, create_page, 4, 0), page);
	cr_expect_null(run(r, f, lock_page, 5, 0));
	cr_expect_eq(pages_of(f), 0x18);
	rig_expect_clean(r);
	rig_free(r);
}

Test(pagecache, references)
{
	struct file *f;
	struct rig *r = rig(&f);
	struct cache_call *cc = cache_call(f, create_page, 0);

	rig_call(r, A, &cc->call);
	cr_expect_eq(cc->call.ret, 2);		/* the cache's and ours */
	cr_expect_eq(pages_of(f), 1);
	rig_exhaust(r);
	cc->first = 1;
	rig_call(r, A, &cc->call);
	cr_expect_null(cc->page);
	cc->first = 0;
	rig_call(r, A, &cc->call);
	cr_expect_not_null(cc->page);
	rig_relieve(r);
	cr_expect_eq(pages_of(f), 1);
	free(cc);
	rig_free(r);
}

/* Who waits for the lock of a page that is deleted meanwhile looks again. */
Test(pagecache, waiter_looks_again)
{
	for (unsigned int again = 0; again < 2; again++) {
		struct file *f;
		struct rig *r = rig(&f);
		struct page *old = run(r, f, create_page, 0, 0);
		struct cache_call *del = cache_call(f, delete_page, 0);
		struct cache_call *wait = cache_call(f, lock_page, 0);
		struct cache_call *make = cache_call(f, create_page, 0);

		rig_start(r, A, &del->call);
		rig_until(r, A, P_do_read, 1);
		rig_start(r, B, &wait->call);
		cr_assert_eq(rig_go(r, B), TASK_BLOCKED);
		cr_expect_eq(r->task[B]->waiting, &old->lock);
		cr_expect_eq(old->count, 3);
		rig_finish(r, A);
		if (again)
			rig_call(r, C, &make->call);
		rig_until(r, B, P_do_read, 1);
		cr_expect_eq(wait->page, again ? make->page : NULL);
		if (again)
			cr_expect_neq(wait->page, old);
		rig_finish(r, B);
		cr_expect_eq(pages_of(f), again);
		rig_expect_clean(r);
		free(del);
		free(wait);
		free(make);
		rig_free(r);
	}
}

/* Two make the same page: wherever one is interrupted, there is one page, and both get it. */
Test(pagecache, two_makers)
{
	bool more = true;

	for (unsigned int nth = 1; more; nth++) {
		struct file *f;
		struct rig *r = rig(&f);
		struct cache_call *a = cache_call(f, create_page, 0);
		struct cache_call *b = cache_call(f, create_page, 0);

		rig_start(r, A, &a->call);
		more = rig_step(r, A, nth);
		rig_start(r, B, &b->call);
		rig_go(r, B);
		cr_assert(rig_settle(r));
		cr_expect_eq(a->page, b->page, "point %u", nth);
		cr_expect_eq(pages_of(f), 1);
		rig_expect_clean(r);
		cr_assert(more || nth > 3);
		free(a);
		free(b);
		rig_free(r);
	}
}

Test(pagecache, dropping_ranges)
{
	static const struct {
		pgoff_t first, last;
		u64 left;
	} cases[] = {
		{ 0, 99, 0 },	     { 3, 3, 0x8d27 }, { 4, 4, 0x8d2f }, { 2, 8, 0x8c03 },
		{ 1, 15, 1 },	     { 16, 20, 0x8d2f }, { 15, 15, 0x0d2f },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int invalidate = 0; invalidate < 2; invalidate++) {
			struct file *f;
			struct rig *r = rig(&f);

			for (pgoff_t index = 0; index < 16; index++)
				if (0x8d2f >> index & 1)
					run(r, f, create_page, index, 0);
			run(r, f, invalidate ? invalidate_pages : truncate_pages, cases[i].first,
			    cases[i].last);
			cr_expect_eq(pages_of(f), cases[i].left, "case %zu", i);
			rig_expect_clean(r);
			rig_free(r);
		}
}

/* What is dropped is unmapped: truncating has had that done, but a fault may have come since. */
Test(pagecache, dropping_unmaps)
{
	struct file *f;
	struct rig *r = rig(&f);
	u64 m = rig_mmap(r, C, f, 0, 16, SHARED_RO);

	for (int page = 0; page < 3; page++)
		rig_peek(r, C, m + PAGES(page));
	run(r, f, invalidate_pages, 1, 1);
	cr_expect_eq(rig_pte(r, C, m)->kind, PTE_HOLE);
	cr_expect_eq(rig_pte(r, C, m + PAGES(1))->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, C, m + PAGES(2))->kind, PTE_HOLE);
	cr_expect_eq(pages_of(f), 5);
	run(r, f, truncate_pages, 2, 2);
	cr_expect_eq(rig_pte(r, C, m + PAGES(2))->kind, PTE_NONE);
	cr_expect_eq(pages_of(f), 1);
	rig_expect_clean(r);
	rig_free(r);
}

/* A page that goes while the range is walked does not end the walk. */
Test(pagecache, pages_go_while_dropping)
{
	struct file *f;
	struct rig *r = rig(&f);
	struct cache_call *cc = cache_call(f, truncate_pages, 0), *del;

	for (pgoff_t index = 0; index < 4; index++)
		run(r, f, create_page, index, 0);
	cc->last = U64_MAX;
	rig_start(r, A, &cc->call);
	rig_until(r, A, P_page_cache_lookup, 2);
	cr_expect_eq(pages_of(f), 0xe);
	del = cache_call(f, delete_page, 1);
	rig_start(r, B, &del->call);
	rig_finish(r, B);
	rig_finish(r, A);
	cr_expect_eq(pages_of(f), 0);
	rig_expect_clean(r);
	free(cc);
	free(del);
	rig_free(r);
}

/* An unlinked file takes its pages along. */
Test(pagecache, eviction_empties_it)
{
	struct file *f;
	struct rig *r = rig(&f);
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RO);

	rig_peek(r, A, m);
	rig_unlink(r, f);
	rig_close(r, f);
	cr_expect_eq(pages_of(f), 1);
	cr_expect_eq(rig_munmap(r, A, m, 2), 0);
	cr_expect(LIST_EMPTY(&r->sb->s_inodes));
	rig_expect_clean(r);
	rig_free(r);
}

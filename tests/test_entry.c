// SPDX-License-Identifier: MIT
/* Entry locks (4.7): who excludes whom, and that older kernels have nothing of it. */
#include "tests/fs_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "daxsim/kernel/entry.h"

/* Lock page c->pos of f's entries, be there, unlock. */
static void lock_entry(struct fs_machine *m, struct call *c)
{
	struct dax_entry *entry;

	c->ret = dax_lock_entry(&m->f.inode->i_data, c->pos, &entry);
	c->arg = entry;
	mark(P_dax_io);
	dax_unlock_entry(entry);
}

static struct call entry_call(u64 index)
{
	return (struct call){ .fn = lock_entry, .pos = index };
}

static void invalidate(struct fs_machine *m, struct call *c)
{
	invalidate_inode_pages2_range(&m->f.inode->i_data, c->pos, c->len);
}

static struct call invalidate_call(u64 first, u64 last)
{
	return (struct call){ .fn = invalidate, .pos = first, .len = last };
}

Test(entry, one_page_at_a_time)
{
	struct fs_machine *m = fs_boot("ext4@4.7", 0);
	const struct dax_entry *e;

	fs_hold(m, 0, entry_call(5), P_dax_io, 1);
	e = m->calls[0].arg;
	cr_assert_not_null(e);
	cr_expect_eq(e->lock.writer, m->tasks[0]);
	cr_expect_eq(dax_next_entry(&m->f.inode->i_data, 0), 5);
	fs_start(m, 1, entry_call(5));
	cr_assert_eq(fs_run(m, 1), TASK_BLOCKED);
	cr_expect_eq(m->tasks[1]->waiting, &e->lock);
	cr_expect_eq(e->lock.class, LOCK_ENTRY_LOCK);
	fs_finish(m, 0);
	cr_expect_eq(fs_finish(m, 1)->arg, e, "the same entry serves again");
	fs_halt(m);
}

Test(entry, pages_do_not_exclude_each_other)
{
	struct fs_machine *m = fs_boot("ext4@4.7", 0);

	fs_hold(m, 0, entry_call(5), P_dax_io, 1);
	for (u64 page = 4; page <= 6; page += 2) {
		fs_start(m, 1, entry_call(page));
		cr_expect_eq(fs_finish(m, 1)->ret, 0);
		cr_expect_neq(m->calls[1].arg, m->calls[0].arg);
	}
	fs_finish(m, 0);
	fs_halt(m);
}

static void next_entries(struct fs_machine *m, struct call *c)
{
	struct address_space *mapping = &m->f.inode->i_data;

	(void)c;
	cr_expect_eq(dax_next_entry(mapping, 0), 3);
	cr_expect_eq(dax_next_entry(mapping, 3), 3);
	cr_expect_eq(dax_next_entry(mapping, 4), 9);
	cr_expect_eq(dax_next_entry(mapping, 9), 9);
	cr_expect_eq(dax_next_entry(mapping, 10), U64_MAX);
	dax_free_entries(mapping);
	cr_expect_eq(dax_next_entry(mapping, 0), U64_MAX);
}

Test(entry, next)
{
	struct fs_machine *m = fs_boot("xfs@4.7", 0);

	fs_do(m, entry_call(9));
	fs_do(m, entry_call(3));
	fs_do(m, (struct call){ .fn = next_entries });
	fs_halt(m);
}

/* Entries are kept in nodes of several; what lies in which must not show. */
Test(entry, next_one_across_nodes)
{
	static const u64 made[] = { 0, 1, 15, 16, 47, 1000, 1 << 20 };
	struct fs_machine *m = fs_boot("ext4@4.7", 0);
	struct address_space *mapping = &m->f.inode->i_data;
	u64 at = 0;

	for (size_t i = ARRAY_SIZE(made); i-- > 0;) {
		fs_start(m, 0, entry_call(made[i]));
		fs_finish(m, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		cr_expect_eq(dax_next_entry(mapping, at), made[i], "behind %lu", at);
		cr_expect_eq(dax_next_entry(mapping, made[i]), made[i]);
		at = made[i] + 1;
	}
	cr_expect_eq(dax_next_entry(mapping, at), U64_MAX);
	fs_halt(m);
}

/* The lock of a page and that of its entry are two, with two numbers. */
Test(entry, is_not_the_page_lock)
{
	struct fs_machine *m = fs_boot("ext4@4.7", 0);
	const struct dax_entry *e;
	struct entry_node *node;
	struct page *page;

	expect_ret(m, fs_truncate(&m->f, FS_PAGES(8)), 0);
	fs_hold(m, 0, fs_load(m, FS_PAGES(2)), P_set_pte, 1);
	node = RB_ROOT(&m->f.inode->i_data.entries);
	page = RB_ROOT(&m->f.inode->i_data.pages);
	cr_assert_not_null(node);
	cr_assert_not_null(page);
	cr_expect_eq(dax_next_entry(&m->f.inode->i_data, 0), page->index);
	e = &node->entries[page->index];
	cr_expect_neq(e->lock.object, page->lock.object);
	cr_expect_eq(page->lock.writer, m->tasks[0]);
	/* mm maps the hole page after the handler has come back. */
	cr_expect_null(e->lock.writer);
	fs_finish(m, 0);
	fs_halt(m);
}

/* Pages that were never faulted have no entry, and none is made for them. */
Test(entry, invalidate_waits_for_the_pages_of_its_range)
{
	static const struct {
		u64 first, last;
		bool waits;
	} rows[] = {
		{ 5, 5, true }, { 0, 63, true }, { 5, 63, true }, { 0, 5, true },
		{ 0, 4, false }, { 6, 63, false }, { 4, 4, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot("ext4@4.7", 0);

		fs_hold(m, 0, entry_call(5), P_dax_io, 1);
		fs_start(m, 1, invalidate_call(rows[i].first, rows[i].last));
		cr_expect_eq(fs_run(m, 1), rows[i].waits ? TASK_BLOCKED : TASK_IDLE, "row %zu", i);
		fs_finish(m, 0);
		if (rows[i].waits)
			fs_finish(m, 1);
		cr_expect_eq(dax_next_entry(&m->f.inode->i_data, 0), 5);
		cr_expect_eq(dax_next_entry(&m->f.inode->i_data, 6), U64_MAX);
		fs_halt(m);
	}
}

/*
 * A read fault has seen a hole; write(2) fills it and drops hole pages, of which
 * there is none yet; then the fault makes one. With entry locks write(2) waits.
 */
static void hole_page_race(const char *variant, bool excluded)
{
	struct fs_machine *m = fs_boot(variant, 0);

	expect_ret(m, fs_truncate(&m->f, FS_PAGES(8)), 0);
	fs_hold(m, 0, fs_load(m, FS_PAGES(2)), P_dax_load_hole, 1);
	fs_start(m, 1, fs_write(&m->f, FS_PAGES(2), PAGE_SIZE, 0x55));
	if (excluded) {
		cr_assert_eq(fs_run(m, 1), TASK_BLOCKED);
		cr_expect_eq(m->tasks[1]->waiting->class, LOCK_ENTRY_LOCK);
		cr_expect_not(sched_deadlocked(m->tasks[1]));
		fs_finish(m, 0);
		fs_finish(m, 1);
	} else {
		fs_finish(m, 1);
		fs_finish(m, 0);
		cr_expect(RB_EMPTY(&m->f.inode->i_data.entries));
		/* The load itself, and what is mapped from then on. */
		cr_expect_gt(fs_said(m, INV_INCOHERENT), 0);
	}
	cr_expect_eq(m->calls[1].ret, (ssize_t)PAGE_SIZE);
	cr_expect_eq(fs_do(m, fs_load(m, FS_PAGES(2)))->byte, excluded ? 0x55 : 0);
	if (!excluded) {
		fs_said(m, INV_INCOHERENT);
		expect_ret(m, fs_truncate(&m->f, 0), 0);
	}
	fs_halt(m);
}

Test(entry, write_against_a_hole_page_in_the_making)
{
	hole_page_race("ext4@4.7", true);
	hole_page_race("xfs@4.7", true);
	hole_page_race("ext4@v11 +l4", true);
	hole_page_race("ext4@4.7 -l4", false);
	hole_page_race("ext4@v11", false);
	hole_page_race("xfs@v11", false);
}

/* Two stores meet in one hole: the first zeroes the block after the second has stored to it. */
static void two_stores(const char *variant, bool excluded)
{
	struct fs_machine *m = fs_boot(variant, 0);

	expect_ret(m, fs_truncate(&m->f, FS_PAGES(8)), 0);
	fs_hold(m, 0, fs_store(m, 0, 1), P_dax_insert_mapping, 1);
	fs_start(m, 1, fs_store(m, 100, 2));
	cr_assert_eq(fs_run(m, 1), excluded ? TASK_BLOCKED : TASK_IDLE, "%s", variant);
	fs_finish(m, 0);
	if (excluded)
		fs_finish(m, 1);
	cr_expect_eq(fs_media(m->f.inode, 0)[0], 1);
	cr_expect_eq(fs_media(m->f.inode, 0)[100], excluded ? 2 : 0, "%s", variant);
	cr_expect_eq(fs_said(m, INV_LOST_STORE) > 0, !excluded);
	if (!excluded)
		expect_ret(m, fs_truncate(&m->f, 0), 0);
	fs_halt(m);
}

Test(entry, two_stores_to_one_hole)
{
	two_stores("ext4@v11", false);
	two_stores("xfs@v11", false);
	two_stores("ext4@v11 +l4", true);
	two_stores("xfs@v11 +l4", true);
	two_stores("ext4@4.7", true);
	two_stores("xfs@4.7", true);
}

static void see_entry_lock(struct fs_machine *m, struct task *t, enum point_id id)
{
	u32 *seen = m->see_data;

	if (id == P_lock && t->at_lock->class == LOCK_ENTRY_LOCK)
		++*seen;
}

/* Everything that could take one, in kernels with and without. */
static u32 entry_locks_taken(const char *variant)
{
	struct fs_machine *m = fs_boot(variant, 0);
	u32 seen = 0;

	m->see = see_entry_lock;
	m->see_data = &seen;
	expect_ret(m, fs_write(&m->f, 0, PAGE_SIZE, 1), (ssize_t)PAGE_SIZE);
	cr_expect_eq(seen, 0, "%s: nobody has faulted yet", variant);
	expect_ret(m, fs_truncate(&m->f, FS_PAGES(8)), 0);
	expect_ret(m, fs_load(m, 0), 1);
	expect_ret(m, fs_load(m, FS_PAGES(1)), 1);
	expect_ret(m, fs_store(m, FS_PAGES(2), 1), 1);
	expect_ret(m, fs_private_store(m, FS_PAGES(3), 1), 1);
	expect_ret(m, fs_write(&m->f, 0, FS_PAGES(8), 1), (ssize_t)FS_PAGES(8));
	expect_ret(m, fs_truncate(&m->f, 0), 0);
	if (!seen)
		cr_expect(RB_EMPTY(&m->f.inode->i_data.entries));
	fs_halt(m);
	return seen;
}

/* Four faults, and write(2) twice, before and after, for each page that was faulted. */
Test(entry, older_kernels_have_none)
{
	cr_expect_eq(entry_locks_taken("ext4@v11"), 0);
	cr_expect_eq(entry_locks_taken("xfs@v11"), 0);
	cr_expect_eq(entry_locks_taken("ext4@v10"), 0);
	cr_expect_eq(entry_locks_taken("ext4@4.7 -entry-lock"), 0);
	cr_expect_eq(entry_locks_taken("ext4@4.7"), 4 + 2 * 4);
	cr_expect_eq(entry_locks_taken("xfs@4.7"), 4 + 2 * 4);
}

static void unmap_and_unlink(struct fs_machine *m, struct call *c)
{
	(void)c;
	cr_assert_eq(do_munmap(m->mm, m->map, FS_MAP_PAGES), 0);
	unlink_inode(m->f.inode);
}

/* A file that goes away takes its entries along. */
static void settled(struct fs_machine *m, struct call *c)
{
	c->ret = dax_nr_settled(&m->f.inode->i_data, c->pos, c->len);
}

static u64 nr_settled(struct fs_machine *m, u64 first, u64 max)
{
	fs_start(m, 1, (struct call){ .fn = settled, .pos = first, .len = max });
	return fs_finish(m, 1)->ret;
}

static void make_hole_page(struct fs_machine *m, struct call *c)
{
	struct address_space *mapping = &m->f.inode->i_data;
	struct page *page = find_or_create_page(mapping, c->pos);

	unlock_page(page);
	page_cache_release(mapping, page);
}

/* Fault-around stops at a hole page, and at a fault that may be about to make one. */
Test(entry, settled_pages)
{
	struct fs_machine *m = fs_boot("ext4@4.7", 0);

	cr_expect_eq(nr_settled(m, 0, 100), 100);
	fs_hold(m, 0, entry_call(5), P_dax_io, 1);
	cr_expect_eq(nr_settled(m, 0, 100), 5);
	cr_expect_eq(nr_settled(m, 0, 5), 5);
	cr_expect_eq(nr_settled(m, 5, 100), 0);
	cr_expect_eq(nr_settled(m, 6, 100), 100);
	fs_finish(m, 0);
	cr_expect_eq(nr_settled(m, 0, 100), 100);
	fs_hold(m, 0, entry_call(47), P_dax_io, 1);
	cr_expect_eq(nr_settled(m, 3, 100), 44);
	fs_start(m, 1, (struct call){ .fn = make_hole_page, .pos = 33 });
	fs_finish(m, 1);
	cr_expect_eq(nr_settled(m, 3, 100), 30);
	cr_expect_eq(nr_settled(m, 34, 100), 13);
	cr_expect_eq(nr_settled(m, 33, 1), 0);
	fs_finish(m, 0);
	fs_halt(m);
}

Test(entry, freed_with_the_file)
{
	struct fs_machine *m = fs_boot("ext4@4.7", 0);

	expect_ret(m, fs_write(&m->f, 0, 10, 1), 10);
	expect_ret(m, fs_load(m, 0), 1);
	cr_expect_eq(m->f.inode->i_count, 2);
	cr_expect_not(RB_EMPTY(&m->f.inode->i_data.entries));
	fs_do(m, (struct call){ .fn = unmap_and_unlink });
	cr_expect_eq(fs_nr_free(m), m->sim.pmem.nr_blocks - 1);
	fs_halt(m);
}

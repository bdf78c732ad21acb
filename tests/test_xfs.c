// SPDX-License-Identifier: MIT
/*
 * XFS: what get_block says, who converts what, the size of the bmap btree, and
 * what is zeroed when a file grows.
 */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define M BH_Mapped
#define N BH_New
#define U BH_Unwritten

/* An unwritten extent is a hole to whoever only reads. */
Test(xfs, get_block_without_create)
{
	static const struct bh_row rows[] = {
		{ "xfs@v10", 'h', false, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v11", 'h', true, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v10", 'w', false, 0, M, false, "[4+12 W]", false },
		{ "xfs@v11", 'w', false, 0, M, false, "[4+12 W]", false },
		{ "xfs@v11", 'w', true, 0, M, false, "[4+12 W]", false },
		{ "xfs@v10", 'u', false, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v11", 'u', false, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v11", 'u', true, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v11 -p5", 'u', false, 0, 0, false, "[4+12 U]", false },
		{ "xfs@v11 +l3", 'u', false, 0, 0, false, "[4+12 U]", false },
		{ "xfs@4.7", 'w', false, 0, M, false, "[4+12 W]", false },
	};

	/* b_blocknr of what counts as a hole is not set either. */
	fs_check_bh(rows, ARRAY_SIZE(rows));
}

/* Its end_io was there before p5 and does not depend on it. */
#define CREATE_ROWS(create)                                                                        \
	{ "xfs@v10", 'h', false, create, N | M | U, true, "[0+1 U][4+12 U]", false },              \
	{ "xfs@v11", 'h', false, create, N | M | U, true, "[0+1 U][4+12 U]", false },              \
	{ "xfs@v11", 'h', true, create, N | M | U, true, "[0+1 U][4+12 U]", false },               \
	{ "xfs@v11 -p5", 'h', false, create, N | M | U, true, "[0+1 U][4+12 U]", false },          \
	{ "xfs@v11", 'w', false, create, M, false, "[4+12 W]", false },                            \
	{ "xfs@v11", 'w', true, create, M, false, "[4+12 W]", false },                             \
	{ "xfs@v10", 'u', false, create, M | U, true, "[4+12 U]", false },                         \
	{ "xfs@v11", 'u', false, create, M | U, true, "[4+12 U]", false },                         \
	{ "xfs@v11", 'u', true, create, M | U, true, "[4+12 U]", false },                          \
	{ "xfs@v11 -p5", 'u', false, create, M | U, true, "[4+12 U]", false },                     \
	{ "xfs@v11 +l3", 'h', false, create, M, false, "[0+1 W][4+12 U]", true },                  \
	{ "xfs@v11 +l3", 'h', true, create, M, false, "[0+1 W][4+12 U]", true },                   \
	{ "xfs@v11 +l3", 'w', false, create, M, false, "[4+12 W]", false },                        \
	{ "xfs@v11 +l3", 'u', false, create, M, false, "[4+2 U][6+1 W][7+9 U]", true },            \
	{ "xfs@4.7", 'u', true, create, M, false, "[4+2 U][6+1 W][7+9 U]", true }

Test(xfs, get_block_with_create)
{
	static const struct bh_row rows[] = { CREATE_ROWS(GET_BLOCK_CREATE) };

	fs_check_bh(rows, ARRAY_SIZE(rows));
}

Test(xfs, get_block_for_write)
{
	static const struct bh_row rows[] = { CREATE_ROWS(GET_BLOCK_WRITE) };

	fs_check_bh(rows, ARRAY_SIZE(rows));
}

/* Blocks that are there and written need no transaction but the one that ends write(2). */
Test(xfs, overwrite_allocates_nothing)
{
	static const char *const variants[] = { "xfs@v10", "xfs@v11", "xfs@v11 +l3" };

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct fs_machine *m = fs_boot(variants[i], 0);

		expect_ret(m, fs_write(&m->f, 0, PAGE_SIZE, 1), (ssize_t)PAGE_SIZE);
		cr_expect_eq(m->hits[P_journal_start], 2, "%s", variants[i]);
		expect_ret(m, fs_write(&m->f, 0, PAGE_SIZE, 2), (ssize_t)PAGE_SIZE);
		cr_expect_eq(m->hits[P_journal_start], 3, "%s", variants[i]);
		fs_halt(m);
	}
}

/* Just the page that was stored to; without p1 nobody calls end_io at all. */
Test(xfs, store_converts_its_page)
{
	static const struct {
		const char *variant;
		const char *extents;
		enum invariant bug;	/* NR_INVARIANTS: none */
	} rows[] = {
		{ "xfs@v11", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@v11 -p4", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@v11 -p5", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@v11 -p7", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@v11 -p3", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@4.7", "[0+3 U][3+1 W][4+4 U]", NR_INVARIANTS },
		{ "xfs@v11 -p1", "[0+8 U]", INV_INCOHERENT },
		{ "xfs@v10", "[0+8 U]", INV_INCOHERENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(8)), 0);
		expect_ret(m, fs_store(m, FS_PAGES(3) + 7, 0x33), 1);
		expect_extents(m->f.inode, rows[i].extents);
		cr_expect_eq(fs_media(m->f.inode, 3)[7], 0x33);
		cr_expect_eq(fs_media(m->f.inode, 3)[8], 0);
		cr_expect_eq(fs_media(m->f.inode, 4)[0], FS_STALE);
		check_quiescent(m->sim.check);
		if (rows[i].bug != NR_INVARIANTS)
			cr_expect_gt(fs_said(m, rows[i].bug), 0, "row %zu", i);
		/* fs_halt() looks again and finds the store lost again. */
		if (rows[i].bug != NR_INVARIANTS)
			expect_ret(m, fs_truncate(&m->f, 0), 0);
		fs_halt(m);
	}
}

/* A read fault maps a hole page and changes nothing. */
Test(xfs, load_of_unwritten)
{
	struct fs_machine *m = fs_boot("xfs@v11", 0);
	struct call *c;

	expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(4)), 0);
	c = fs_do(m, fs_load(m, FS_PAGES(1)));
	cr_expect_eq(c->ret, 1);
	cr_expect_eq(c->byte, 0);
	expect_extents(m->f.inode, "[0+4 U]");
	cr_expect_eq(m->hits[P_dax_load_hole], 1);
	fs_halt(m);
}

/* ext4 maps the block itself, which therefore is zeroed and converted: media changes on a read. */
Test(xfs, load_of_unwritten_is_unlike_ext4)
{
	struct fs_machine *m = fs_boot("ext4@v11", 0);

	expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(4)), 0);
	cr_expect_eq(fs_do(m, fs_load(m, FS_PAGES(1)))->byte, 0);
	expect_extents(m->f.inode, "[0+1 U][1+1 W][2+2 U]");
	cr_expect_eq(m->hits[P_dax_load_hole], 0);
	fs_halt(m);
}

/* write(2) converts what it has written, and no more. */
Test(xfs, write_converts)
{
	struct fs_machine *m = fs_boot("xfs@v11", 0);

	expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(8)), 0);
	expect_ret(m, fs_write(&m->f, FS_PAGES(2) + 100, PAGE_SIZE, 0x44), (ssize_t)PAGE_SIZE);
	expect_extents(m->f.inode, "[0+2 U][2+2 W][4+4 U]");
	cr_expect_eq(fs_media(m->f.inode, 2)[99], 0);
	cr_expect_eq(fs_media(m->f.inode, 2)[100], 0x44);
	cr_expect_eq(fs_media(m->f.inode, 3)[99], 0x44);
	cr_expect_eq(fs_media(m->f.inode, 3)[100], 0);
	fs_halt(m);
}

/* The inode holds 19 extents; a block of the btree stays until all of them are gone. */
Test(xfs, tree_nodes)
{
	struct fs_machine *m = fs_boot("xfs@v11", 2048);
	struct inode *f = m->f.inode;

	for (u64 nr = 1; nr <= 520; nr++) {
		u64 blocks = nr <= 19 ? 0 : (nr + 250) / 251;

		expect_ret(m, fs_write(&m->f, FS_PAGES(nr * 2), 1, 1), 1);
		cr_assert_eq(f->extents.nr_extents, nr);
		cr_assert_eq(i_blocks(f), 8 * (nr + blocks), "%ju extents: %ju", (uintmax_t)nr,
			     (uintmax_t)i_blocks(f));
	}
	expect_ret(m, fs_truncate(&m->f, FS_PAGES(10)), 0);
	cr_expect_eq(f->extents.nr_extents, 4);
	cr_expect_eq(i_blocks(f), 8 * (4 + 3));
	expect_ret(m, fs_truncate(&m->f, 0), 0);
	cr_expect_eq(i_blocks(f), 0);
	fs_halt(m);
}

Test(xfs, tree_nodes_of_split_extents)
{
	static const char *const variants[] = { "xfs@v11", "xfs@4.7" };

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct fs_machine *m = fs_boot(variants[i], 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(64)), 0);
		for (u64 p = 1; p <= 17; p += 2)
			expect_ret(m, fs_store(m, FS_PAGES(p), 1), 1);
		cr_expect_eq(m->f.inode->extents.nr_extents, 19);
		cr_expect_eq(i_blocks(m->f.inode), 8 * 64);
		expect_ret(m, fs_store(m, FS_PAGES(19), 1), 1);
		cr_expect_eq(m->f.inode->extents.nr_extents, 21);
		cr_expect_eq(i_blocks(m->f.inode), 8 * 65, "%s: %ju", variants[i],
			     (uintmax_t)i_blocks(m->f.inode));
		fs_halt(m);
	}
}

/* What was stored behind end of file in the last page does not show when the file grows. */
Test(xfs, zeroes_behind_eof)
{
	struct fs_machine *m = fs_boot("xfs@v11", 0);
	struct call grow[] = {
		fs_truncate(&m->f, FS_PAGES(2)),
		fs_write(&m->f, 500, 1, 0x11),
		fs_write(&m->f, FS_PAGES(1), 1, 0x11),
		fs_falloc(&m->f, 0, 0, FS_PAGES(2)),
		fs_falloc(&m->f, FALLOC_FL_ZERO_RANGE, FS_PAGES(1), FS_PAGES(1)),
	};

	for (size_t i = 0; i < ARRAY_SIZE(grow); i++) {
		expect_ret(m, fs_truncate(&m->f, 0), 0);
		expect_ret(m, fs_write(&m->f, 0, 100, 0x22), 100);
		expect_ret(m, fs_store(m, 200, 0x33), 1);
		cr_assert_geq(fs_do(m, grow[i])->ret, 0);
		expect_ret(m, fs_read(&m->f, 0, 300), 300);
		cr_expect_eq(m->buf[99], 0x22);
		cr_expect_eq(m->buf[200], 0, "way %zu shows %#x", i, m->buf[200]);
	}
	fs_halt(m);
}

/* IOLOCK is shared in read(2), which needs no i_mutex; write(2) takes both. */
static void see_locks(struct fs_machine *m, struct task *t, enum point_id id)
{
	struct inode *f = m->f.inode;
	u32 *seen = m->see_data;

	if (id == P_dax_io)
		*seen = (f->i_iolock.writer == t) << 2 | f->i_iolock.readers << 1 |
			(f->i_mutex.writer == t);
}

Test(xfs, iolock)
{
	struct fs_machine *m = fs_boot("xfs@v11", 0);
	u32 seen = 0;

	m->see = see_locks;
	m->see_data = &seen;
	expect_ret(m, fs_write(&m->f, 0, 10, 1), 10);
	cr_expect_eq(seen, 5);
	expect_ret(m, fs_read(&m->f, 0, 10), 10);
	cr_expect_eq(seen, 2);
	/* So two reads go on side by side. */
	fs_hold(m, 0, fs_read(&m->f, 0, 10), P_copy_to_iter, 1);
	fs_start(m, 1, fs_read(&m->f, 0, 10));
	cr_expect_eq(fs_finish(m, 1)->ret, 10);
	fs_start(m, 1, fs_write(&m->f, 0, 10, 2));
	cr_expect_eq(fs_run(m, 1), TASK_BLOCKED);
	cr_expect_eq(m->tasks[1]->waiting, &m->f.inode->i_iolock);
	fs_finish(m, 0);
	cr_expect_eq(fs_finish(m, 1)->ret, 10);
	fs_halt(m);
}

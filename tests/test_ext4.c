// SPDX-License-Identifier: MIT
/*
 * ext4: what get_block says, extents that become written, the 32 KiB rule, the
 * size of the extent tree, and the limit of the conversion.
 */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/journal.h"

#define M BH_Mapped
#define N BH_New
#define U BH_Unwritten

Test(ext4, get_block_without_create)
{
	static const struct bh_row rows[] = {
		{ "ext4@v10", 'h', false, 0, 0, false, "[4+12 U]", false },
		{ "ext4@v11", 'h', false, 0, 0, false, "[4+12 U]", false },
		{ "ext4@v11", 'h', true, 0, 0, false, "[4+12 U]", false },
		{ "ext4@v10", 'w', false, 0, M, false, "[4+12 W]", false },
		{ "ext4@v11", 'w', false, 0, M, false, "[4+12 W]", false },
		{ "ext4@v11", 'w', true, 0, M, false, "[4+12 W]", false },
		{ "ext4@v10", 'u', false, 0, U, false, "[4+12 U]", false },
		{ "ext4@v10 +p5", 'u', false, 0, U, true, "[4+12 U]", false },
		{ "ext4@v11", 'u', false, 0, U, true, "[4+12 U]", false },
		{ "ext4@v11", 'u', true, 0, U, true, "[4+12 U]", false },
		{ "ext4@v11 -p5", 'u', false, 0, U, false, "[4+12 U]", false },
		{ "ext4@v11 +l3", 'u', false, 0, U, true, "[4+12 U]", false },
		{ "ext4@4.7", 'h', false, 0, 0, false, "[4+12 U]", false },
		{ "ext4@4.7", 'w', false, 0, M, false, "[4+12 W]", false },
	};

	fs_check_bh(rows, ARRAY_SIZE(rows));
}

/* The fault path: whatever is allocated or was unwritten comes back written, and New. */
Test(ext4, get_block_with_create)
{
	static const struct bh_row rows[] = {
		{ "ext4@v10", 'h', false, 1, N | M, false, "[0+1 W][4+12 U]", false },
		{ "ext4@v11", 'h', false, 1, N | M, false, "[0+1 W][4+12 U]", false },
		{ "ext4@v11", 'h', true, 1, N | M, false, "[0+1 W][4+12 U]", false },
		{ "ext4@v11", 'w', false, 1, M, false, "[4+12 W]", false },
		{ "ext4@v10", 'u', false, 1, N | M, false, "[4+3 W][7+9 U]", false },
		{ "ext4@v11", 'u', false, 1, N | M, false, "[4+3 W][7+9 U]", false },
		{ "ext4@v11 -p5", 'u', true, 1, N | M, false, "[4+2 U][6+1 W][7+9 U]", false },
		{ "ext4@v11 +l3", 'h', false, 1, M, false, "[0+1 W][4+12 U]", true },
		{ "ext4@v11 +l3", 'w', false, 1, M, false, "[4+12 W]", false },
		{ "ext4@v11 +l3", 'u', false, 1, M, false, "[4+3 W][7+9 U]", true },
		{ "ext4@4.7", 'u', true, 1, M, false, "[4+2 U][6+1 W][7+9 U]", true },
	};

	fs_check_bh(rows, ARRAY_SIZE(rows));
}

/* write(2): unwritten inside i_size, to be converted when the bytes are there. */
Test(ext4, get_block_for_write)
{
	static const struct bh_row rows[] = {
		{ "ext4@v10", 'h', false, 2, N | U, false, "[0+1 U][4+12 U]", false },
		{ "ext4@v11", 'h', false, 2, N | U, false, "[0+1 U][4+12 U]", false },
		{ "ext4@v11", 'h', true, 2, N | M, false, "[0+1 W][4+12 U]", false },
		{ "ext4@v11", 'w', false, 2, M, false, "[4+12 W]", false },
		{ "ext4@v11", 'w', true, 2, M, false, "[4+12 W]", false },
		{ "ext4@v10", 'u', false, 2, U, false, "[4+12 U]", false },
		{ "ext4@v11", 'u', false, 2, U, false, "[4+12 U]", false },
		{ "ext4@v11", 'u', true, 2, N | M, false, "[4+2 U][6+1 W][7+9 U]", false },
		{ "ext4@v11 +l3", 'h', false, 2, M, false, "[0+1 W][4+12 U]", true },
		{ "ext4@v11 +l3", 'h', true, 2, M, false, "[0+1 W][4+12 U]", true },
		{ "ext4@v11 +l3", 'u', false, 2, M, false, "[4+3 W][7+9 U]", true },
		{ "ext4@v11 +l3", 'u', true, 2, M, false, "[4+2 U][6+1 W][7+9 U]", true },
		{ "ext4@4.7", 'w', false, 2, M, false, "[4+12 W]", false },
	};

	fs_check_bh(rows, ARRAY_SIZE(rows));
}

/* A remainder of up to 32 KiB is zeroed and goes along, a longer one is split off. */
Test(ext4, zero_out_rule)
{
	static const struct {
		const char *variant;
		u64 pages, at;
		const char *extents;
		u64 zeroed_end;		/* pages from @at up to here are zero */
	} rows[] = {
		{ "ext4@v10", 16, 0, "[0+1 W][1+15 U]", 1 },
		{ "ext4@v10", 9, 0, "[0+1 W][1+8 U]", 1 },
		{ "ext4@v10", 8, 0, "[0+8 W]", 8 },
		{ "ext4@v10", 8, 3, "[0+3 U][3+5 W]", 8 },
		{ "ext4@v10", 16, 7, "[0+7 U][7+1 W][8+8 U]", 8 },
		{ "ext4@v10", 16, 8, "[0+8 U][8+8 W]", 16 },
		{ "ext4@v10", 64, 30, "[0+30 U][30+1 W][31+33 U]", 31 },
		{ "ext4@v10", 16, 15, "[0+15 U][15+1 W]", 16 },
		{ "ext4@v10", 1, 0, "[0+1 W]", 1 },
		{ "ext4@v11 -p4", 16, 8, "[0+8 U][8+8 W]", 16 },
		{ "ext4@v11 +l3", 16, 7, "[0+7 U][7+1 W][8+8 U]", 8 },
		{ "ext4@v11 +l3", 16, 8, "[0+8 U][8+8 W]", 16 },
		{ "ext4@4.7", 8, 3, "[0+3 U][3+5 W]", 8 },
		/* With p4 and p5 the file system is not asked: end_io converts one page. */
		{ "ext4@v11", 16, 8, "[0+8 U][8+1 W][9+7 U]", 9 },
		{ "ext4@v11", 8, 0, "[0+1 W][1+7 U]", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(rows[i].pages)), 0);
		expect_ret(m, fs_store(m, FS_PAGES(rows[i].at), 0x11), 1);
		expect_extents(m->f.inode, rows[i].extents);
		for (u64 p = 0; p < rows[i].pages; p++) {
			bool zeroed = p >= rows[i].at && p < rows[i].zeroed_end;

			cr_expect_eq(fs_media(m->f.inode, p)[1], zeroed ? 0 : FS_STALE,
				     "row %zu page %ju", i, (uintmax_t)p);
		}
		/* Without pre-zeroing the page itself is written before it is zeroed: A1b. */
		cr_expect_eq(fs_said(m, INV_EARLY_WRITTEN),
			     strstr(rows[i].variant, "v10") || strstr(rows[i].variant, "-p4"), "row %zu", i);
		fs_halt(m);
	}
}

/* Likewise what lies before, below 32 KiB with the page; what joins a written page is alone. */
Test(ext4, zero_out_before)
{
	static const struct {
		u64 size, at[3];	/* pages; stores, until 0 */
		const char *extents;
		u64 zeroed;		/* page that went along, or U64_MAX */
	} rows[] = {
		{ 64, { 6 }, "[0+7 W][7+57 U]", 0 },
		{ 64, { 7 }, "[0+7 U][7+1 W][8+56 U]", U64_MAX },
		{ 64, { 20, 21 }, "[0+20 U][20+2 W][22+42 U]", U64_MAX },
		{ 64, { 20, 27 }, "[0+20 U][20+8 W][28+36 U]", 21 },
		{ 64, { 20, 28 }, "[0+20 U][20+1 W][21+7 U][28+1 W][29+35 U]", U64_MAX },
		{ 64, { 20, 19 }, "[0+19 U][19+2 W][21+43 U]", U64_MAX },
		/* Past end of file nothing goes along. */
		{ 16, { 6 }, "[0+6 U][6+1 W][7+57 U]", U64_MAX },
		{ 63, { 6 }, "[0+6 U][6+1 W][7+57 U]", U64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot("ext4@v10", 0);

		expect_ret(m, fs_truncate(&m->f, FS_PAGES(rows[i].size)), 0);
		expect_ret(m, fs_falloc(&m->f, FALLOC_FL_KEEP_SIZE, 0, FS_PAGES(64)), 0);
		for (int n = 0; n < 3 && rows[i].at[n]; n++)
			expect_ret(m, fs_store(m, FS_PAGES(rows[i].at[n]), 0x11), 1);
		expect_extents(m->f.inode, rows[i].extents);
		if (rows[i].zeroed != U64_MAX)
			cr_expect_eq(fs_media(m->f.inode, rows[i].zeroed)[0], 0, "row %zu", i);
		fs_said(m, INV_EARLY_WRITTEN);
		fs_halt(m);
	}
}

/* Zeroing what goes along can fail: nothing may be converted then. */
Test(ext4, zero_out_fails)
{
	struct fs_machine *m = fs_boot("ext4@v10", 0);

	expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(8)), 0);
	m->sim.sb->inject[INJECT_CLEAR] = (struct injection){ .error = -EIO, .times = 1 };
	cr_expect_eq(fs_do(m, fs_store(m, 0, 0x11))->signal, SIGBUS);
	expect_extents(m->f.inode, "[0+8 U]");
	cr_expect_eq(m->tasks[0]->handle_depth, 0);
	cr_expect_eq(m->tasks[0]->nr_held, 0);
	fs_halt(m);
}

struct end_io {
	u64 first;	/* block of the file where an unwritten extent of 8 begins */
	u64 at, len;	/* what is converted, in blocks */
	bool uptodate;
	const char *extents;
};

static void convert_at(struct fs_machine *m, struct call *c)
{
	const struct end_io *row = c->arg;
	struct inode *inode = m->f.inode;
	struct buffer_head bh = { .b_size = PAGE_SIZE };
	block_t block;
	u64 len;

	cr_assert_eq(alloc_blocks(inode, 100, 8, &block, &len), 0);
	cr_assert_eq(extent_add(inode, row->first, block, 8, true), 0);
	memset(pmem_block(&m->sim.pmem, block), 0, 8 << PAGE_SHIFT);
	for (u64 i = 0; i < 8; i++)
		check_block_init(m->sim.check, inode, row->first + i, block + i, 0, PAGE_SIZE);
	cr_assert_eq(get_block(inode, row->first, &bh, 0), 0);
	cr_assert_not_null(bh.b_end_io);
	bh.b_iblock = row->at;
	bh.b_size = row->len << PAGE_SHIFT;
	bh.b_end_io(&bh, row->uptodate);
	expect_extents(inode, row->extents);
	extent_free(inode, 0, U64_MAX);
}

/* Block numbers of a file have 32 bits, and the block behind the range must be one too. */
Test(ext4, conversion_at_16_tib)
{
	static const struct end_io rows[] = {
		{ 0, 2, 3, true, "[0+2 U][2+3 W][5+3 U]" },
		{ 0, 2, 3, false, "[0+8 U]" },
		{ 0xfffffff8, 0xfffffff8, 7, true, "[4294967288+7 W][4294967295+1 U]" },
		{ 0xfffffff8, 0xfffffff8, 8, true, "[4294967288+8 W]" },
		{ 0xfffffffc, 0xfffffffe, 2, true,
		  "[4294967292+2 U][4294967294+2 W][4294967296+4 U]" },
		{ 0xfffffffc, 0xfffffffe, 3, true, "[4294967292+8 U]" },
		{ 0xfffffffc, 0xffffffff, 2, true, "[4294967292+8 U]" },
		{ 0xfffffffc, 0x100000000, 1, true, "[4294967292+8 U]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot("ext4@v11", 0);

		fs_do(m, (struct call){ .fn = convert_at, .arg = (void *)&rows[i] });
		cr_expect_eq(m->tasks[0]->handle_depth, 0);
		fs_halt(m);
	}
}

/* The last page a file may have can be stored to, and is converted. */
Test(ext4, store_to_the_last_page)
{
	struct fs_machine *m = fs_boot("ext4@v11", 0);
	u64 last = UINT32_MAX - 1ULL;

	expect_ret(m, fs_truncate(&m->f, (u64)UINT32_MAX << PAGE_SHIFT), 0);
	expect_ret(m, fs_falloc(&m->f, 0, last << PAGE_SHIFT, PAGE_SIZE), 0);
	expect_ret(m, fs_falloc(&m->f, 0, last << PAGE_SHIFT, PAGE_SIZE + 1), -EFBIG);
	expect_ret(m, fs_write(&m->f, last << PAGE_SHIFT, PAGE_SIZE + 1, 1), -EFBIG);
	expect_extents(m->f.inode, "[4294967294+1 U]");
	expect_ret(m, fs_write(&m->f, last << PAGE_SHIFT, 1, 0x22), 1);
	expect_extents(m->f.inode, "[4294967294+1 W]");
	expect_ret(m, fs_read(&m->f, last << PAGE_SHIFT, 2), 2);
	cr_expect_eq(m->buf[0], 0x22);
	cr_expect_eq(m->buf[1], 0);
	fs_halt(m);
}

/* st_blocks counts the nodes of the extent tree: none up to four extents, then a leaf. */
Test(ext4, tree_nodes)
{
	struct fs_machine *m = fs_boot("ext4@v11", 2048);
	struct inode *f = m->f.inode;

	for (u64 nr = 1; nr <= 700; nr++) {
		u64 leaves = nr <= 4 ? 0 : (nr + 339) / 340;

		expect_ret(m, fs_write(&m->f, FS_PAGES(nr * 2), 1, 1), 1);
		cr_assert_eq(f->extents.nr_extents, nr);
		cr_assert_eq(i_blocks(f), 8 * (nr + leaves), "%ju extents: %ju", (uintmax_t)nr,
			     (uintmax_t)i_blocks(f));
	}
	expect_ret(m, fs_truncate(&m->f, FS_PAGES(10)), 0);
	cr_expect_eq(i_blocks(f), 8 * 4);
	expect_ret(m, fs_truncate(&m->f, 0), 0);
	cr_expect_eq(i_blocks(f), 0);
	fs_halt(m);
}

/* Stores that split an unwritten extent make the tree grow, whoever converts it. */
Test(ext4, tree_nodes_of_split_extents)
{
	static const struct {
		const char *variant;
		bool by_write;
	} rows[] = { { "ext4@v11", false }, { "ext4@v11", true }, { "ext4@4.7", false },
		     { "ext4@v10", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = fs_boot(rows[i].variant, 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, FS_PAGES(64)), 0);
		cr_expect_eq(i_blocks(m->f.inode), 8 * 64);
		/* Far enough apart for the 32 KiB rule to leave them alone. */
		for (u64 p = 20; p <= 40; p += 10)
			expect_ret(m, rows[i].by_write ? fs_write(&m->f, FS_PAGES(p), 1, 1) :
							 fs_store(m, FS_PAGES(p), 1), 1);
		expect_extents(m->f.inode,
			       "[0+20 U][20+1 W][21+9 U][30+1 W][31+9 U][40+1 W][41+23 U]");
		cr_expect_eq(i_blocks(m->f.inode), 8 * 65, "row %zu: %ju", i,
			     (uintmax_t)i_blocks(m->f.inode));
		fs_said(m, INV_EARLY_WRITTEN);
		fs_halt(m);
	}
}

/* fsync(2) commits; nothing else here does. */
Test(ext4, fsync_commits)
{
	struct fs_machine *m = fs_boot("ext4@v11", 0);
	const struct journal *j = m->sim.sb->s_fs_info;

	expect_ret(m, fs_write(&m->f, 0, PAGE_SIZE, 1), (ssize_t)PAGE_SIZE);
	cr_expect_eq(j->j_committed, 0);
	cr_expect_gt(j->j_credits, 0);
	expect_ret(m, fs_fsync(&m->f), 0);
	cr_expect_eq(j->j_committed, 1);
	cr_expect_eq(j->j_tid, 2);
	cr_expect_eq(j->j_credits, 0);
	fs_halt(m);
}

/* More changes than one transaction holds: it commits by itself. */
Test(ext4, full_transaction_commits)
{
	struct fs_machine *m = fs_boot("ext4@v11", 0);
	const struct journal *j = m->sim.sb->s_fs_info;
	u32 tid = j->j_tid;

	for (int i = 0; i < 1024 / 8 + 1; i++) {
		expect_ret(m, fs_falloc(&m->f, 0, 0, PAGE_SIZE), 0);
		cr_assert_leq(j->j_credits, j->j_max);
	}
	cr_expect_eq(j->j_tid, tid + 1);
	cr_expect_eq(j->j_credits, 8);
	fs_halt(m);
}

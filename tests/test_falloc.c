// SPDX-License-Identifier: MIT
/*
 * fallocate(2): its modes and errors, what is left when space runs out, and
 * random sequences of it on ext4 and XFS against a model of a few pages.
 */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K FALLOC_FL_KEEP_SIZE
#define P FALLOC_FL_PUNCH_HOLE
#define C FALLOC_FL_COLLAPSE_RANGE
#define Z FALLOC_FL_ZERO_RANGE
#define I FALLOC_FL_INSERT_RANGE
#define PG ((s64)PAGE_SIZE)

static const char *const both[] = { "ext4@v11", "xfs@v11" };

/* vfs_fallocate() and the file systems, on a file of 8 pages. */
Test(falloc, errors)
{
	static const struct {
		u32 mode;
		s64 pos, len;
		int err;
	} rows[] = {
		{ P, 0, PG, -EOPNOTSUPP },
		{ P | Z, 0, PG, -EOPNOTSUPP },
		{ P | Z | K, 0, PG, -EOPNOTSUPP },
		{ 0x04, 0, PG, -EOPNOTSUPP },
		{ 0x40, 0, PG, -EOPNOTSUPP },
		{ 0x80 | K, 0, PG, -EOPNOTSUPP },
		{ C | K, 0, PG, -EINVAL },
		{ I | K, 0, PG, -EINVAL },
		{ C | I, 0, PG, -EINVAL },
		{ C | Z, 0, PG, -EINVAL },
		{ I | Z, 0, PG, -EINVAL },
		{ P | K | C, 0, PG, -EINVAL },
		{ 0, 0, 0, -EINVAL },
		{ 0, -1, PG, -EINVAL },
		{ K, 0, -1, -EINVAL },
		{ P | K, 0, 0, -EINVAL },
		{ C, 1, PG, -EINVAL },
		{ C, 0, PG + 1, -EINVAL },
		{ C, 512, 512, -EINVAL },
		{ I, 1, PG, -EINVAL },
		{ I, 0, PG - 1, -EINVAL },
		{ C, 0, 8 * PG, -EINVAL },
		{ C, 7 * PG, PG, -EINVAL },
		{ C, 4 * PG, 8 * PG, -EINVAL },
		{ C, 9 * PG, PG, -EINVAL },
		{ I, 8 * PG, PG, -EINVAL },
		{ I, 9 * PG, PG, -EINVAL },
		{ 0, (s64)UINT32_MAX * PG, 1, -EFBIG },
		{ K, PG, (s64)UINT32_MAX * PG, -EFBIG },
		{ I, 0, ((s64)UINT32_MAX - 7) * PG, -EFBIG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		struct fs_machine *m = fs_boot(both[i & 1], 0);
		u64 mtime;
		ssize_t ret;

		expect_ret(m, fs_write(&m->f, 0, 8 * PG, 0x11), 8 * PG);
		mtime = m->f.inode->i_mtime;
		ret = fs_do(m, fs_falloc(&m->f, rows[i / 2].mode, rows[i / 2].pos,
					 rows[i / 2].len))->ret;
		cr_expect_eq(ret, rows[i / 2].err, "row %zu on %s gave %zd", i / 2, both[i & 1], ret);
		expect_extents(m->f.inode, "[0+8 W]");
		cr_expect_eq(m->f.inode->i_size, 8 * PG);
		cr_expect_eq(m->f.inode->i_mtime, mtime);
		cr_expect_eq(m->tasks[0]->nr_held, 0);
		fs_halt(m);
	}
}

Test(falloc, needs_a_file_open_for_writing)
{
	struct fs_machine *m = fs_boot("ext4@v11", 0);

	m->f.writable = false;
	expect_ret(m, fs_falloc(&m->f, 0, 0, PG), -EBADF);
	fs_halt(m);
}

Test(falloc, not_on_ext2)
{
	struct fs_machine *m = fs_boot("ext2@v11", 0);

	expect_ret(m, fs_falloc(&m->f, 0, 0, PG), -EOPNOTSUPP);
	expect_ret(m, fs_falloc(&m->f, P | K, 0, PG), -EOPNOTSUPP);
	fs_halt(m);
}

/* On 8 written pages with an 'a' at the start of each. */
Test(falloc, modes)
{
	static const struct {
		u32 mode;
		s64 pos, len;
		const char *extents;
		s64 size;
		const char *bytes;	/* the first of each page, '0' for zero */
	} rows[] = {
		{ 0, 6 * PG, 4 * PG, "[0+8 W][8+2 U]", 10 * PG, "abcdefgh00" },
		{ 0, 0, 4 * PG, "[0+8 W]", 8 * PG, "abcdefgh" },
		{ 0, 9 * PG, 1, "[0+8 W][9+1 U]", 9 * PG + 1, "abcdefgh00" },
		{ K, 6 * PG, 4 * PG, "[0+8 W][8+2 U]", 8 * PG, "abcdefgh" },
		{ P | K, 2 * PG, 2 * PG, "[0+2 W][4+4 W]", 8 * PG, "ab00efgh" },
		{ P | K, 2 * PG + 1, 2 * PG, "[0+3 W][4+4 W]", 8 * PG, "abc00fgh" },
		{ P | K, 2 * PG, 1, "[0+8 W]", 8 * PG, "ab0defgh" },
		{ P | K, 6 * PG, 9 * PG, "[0+6 W]", 8 * PG, "abcdef00" },
		{ P | K, 8 * PG, PG, "[0+8 W]", 8 * PG, "abcdefgh" },
		{ P | K, 0, 8 * PG, "", 8 * PG, "00000000" },
		{ Z, 2 * PG, 2 * PG, "[0+2 W][2+2 U][4+4 W]", 8 * PG, "ab00efgh" },
		{ Z, 2 * PG + 1, 2 * PG, "[0+3 W][3+1 U][4+4 W]", 8 * PG, "abc00fgh" },
		{ Z, 6 * PG, 4 * PG, "[0+6 W][6+4 U]", 10 * PG, "abcdef0000" },
		{ Z | K, 6 * PG, 4 * PG, "[0+6 W][6+4 U]", 8 * PG, "abcdef00" },
		{ C, 2 * PG, 2 * PG, "[0+2 W][2+4 W]", 6 * PG, "abefgh" },
		{ C, 0, PG, "[0+7 W]", 7 * PG, "bcdefgh" },
		{ C, 6 * PG, PG, "[0+6 W][6+1 W]", 7 * PG, "abcdefh" },
		{ I, 2 * PG, 2 * PG, "[0+2 W][4+6 W]", 10 * PG, "ab00cdefgh" },
		{ I, 0, PG, "[1+8 W]", 9 * PG, "0abcdefgh" },
		{ I, 7 * PG, PG, "[0+7 W][8+1 W]", 9 * PG, "abcdefg0h" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		struct fs_machine *m = fs_boot(both[i & 1], 0);
		char *extents;

		for (int p = 0; p < 8; p++) {
			expect_ret(m, fs_write(&m->f, p * PG, PG, 0xff), PG);
			expect_ret(m, fs_store(m, p * PG, 'a' + p), 1);
		}
		expect_ret(m, fs_falloc(&m->f, rows[i / 2].mode, rows[i / 2].pos, rows[i / 2].len), 0);
		extents = fs_extents(m->f.inode);
		cr_expect_str_eq(extents, rows[i / 2].extents, "row %zu on %s: %s", i / 2,
				 both[i & 1], extents);
		free(extents);
		cr_expect_eq(m->f.inode->i_size, rows[i / 2].size, "row %zu", i / 2);
		for (size_t p = 0; p < strlen(rows[i / 2].bytes); p++) {
			u8 want = rows[i / 2].bytes[p] == '0' ? 0 : rows[i / 2].bytes[p];

			expect_ret(m, fs_read(&m->f, p * PG, 1), 1);
			cr_expect_eq(m->buf[0], want, "row %zu page %zu reads %#x", i / 2, p,
				     m->buf[0]);
			cr_expect_eq(fs_do(m, fs_load(m, p * PG))->byte, want, "row %zu", i / 2);
		}
		fs_halt(m);
	}
}

/* What KEEP_SIZE puts behind end of file is no leak, and moves when the file is shifted. */
Test(falloc, keep_size)
{
	for (size_t i = 0; i < 2; i++) {
		struct fs_machine *m = fs_boot(both[i], 0);

		expect_ret(m, fs_write(&m->f, 0, 4 * PG, 1), 4 * PG);
		expect_ret(m, fs_falloc(&m->f, K, 4 * PG, 4 * PG), 0);
		check_quiescent(m->sim.check);
		expect_ret(m, fs_falloc(&m->f, I, 0, 2 * PG), 0);
		expect_extents(m->f.inode, "[2+4 W][6+4 U]");
		check_quiescent(m->sim.check);
		expect_ret(m, fs_falloc(&m->f, C, 0, 2 * PG), 0);
		expect_extents(m->f.inode, "[0+4 W][4+4 U]");
		check_quiescent(m->sim.check);
		expect_ret(m, fs_falloc(&m->f, C, PG, 2 * PG), 0);
		expect_extents(m->f.inode, "[0+1 W][1+1 W][2+4 U]");
		check_quiescent(m->sim.check);
		cr_expect_eq(m->f.inode->i_prealloc_end, 6);
		expect_ret(m, fs_truncate(&m->f, 2 * PG), 0);
		expect_extents(m->f.inode, "[0+1 W][1+1 W]");
		cr_expect_eq(m->f.inode->i_prealloc_end, 0);
		fs_halt(m);
	}
}

/* A device on which every other block of the second half is taken. */
static void fragment(struct fs_machine *m)
{
	u64 nr = fs_nr_free(m) - 100;

	expect_ret(m, fs_falloc(&m->g, 0, 0, FS_PAGES(nr)), 0);
	for (u64 p = 1; p < nr; p += 2)
		expect_ret(m, fs_falloc(&m->g, P | K, FS_PAGES(p), PG), 0);
}

Test(falloc, space_runs_out_half_way)
{
	static const struct {
		u32 mode;
		bool keeps;	/* what it got */
	} rows[] = { { 0, false }, { Z, false }, { K, true } };

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		struct fs_machine *m = fs_boot(both[i & 1], 512);
		struct inode *f = m->f.inode;
		u64 nr_free, blocks;
		char *before;

		fragment(m);
		expect_ret(m, fs_write(&m->f, 0, 2 * PG, 0x11), 2 * PG);
		expect_ret(m, fs_falloc(&m->f, K, 2 * PG, 2 * PG), 0);
		nr_free = fs_nr_free(m);
		blocks = i_blocks(f);
		before = fs_extents(f);
		expect_ret(m, fs_falloc(&m->f, rows[i / 2].mode, 2 * PG, FS_PAGES(600)), -ENOSPC);
		cr_expect_eq(f->i_size, 2 * PG);
		if (rows[i / 2].keeps) {
			cr_expect_lt(fs_nr_free(m), 3);
			expect_ret(m, fs_truncate(&m->f, 2 * PG), 0);
			cr_expect_eq(fs_nr_free(m) + f->meta.nr_blocks, nr_free + 2);
		} else {
			char *after = fs_extents(f);

			cr_expect_str_eq(after, before, "%s, not %s", after, before);
			/* XFS keeps a btree block once it has one. */
			cr_expect_leq(nr_free - fs_nr_free(m), i & 1 ? 2 : 0);
			cr_expect_eq(i_blocks(f) - blocks, 8 * (nr_free - fs_nr_free(m)));
			free(after);
		}
		free(before);
		expect_ret(m, fs_truncate(&m->f, 0), 0);
		expect_ret(m, fs_truncate(&m->g, 0), 0);
		cr_expect_eq(fs_nr_free(m), m->sim.pmem.nr_blocks - 1);
		cr_expect_eq(i_blocks(f), 0);
		fs_halt(m);
	}
}

/* Random sequences. All of it in whole pages; byte by byte is another test's business. */
#define NR 48

struct model {
	struct {
		char state;	/* 0 a hole, 'w', 'u' */
		u8 byte;	/* that the page is full of */
	} page[NR + 1];
	u64 size;		/* pages */
	bool early;		/* the last operation was to violate early-written */
};

static u64 roll(u64 *x, u64 sides)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (*x >> 8) % sides;
}

static void set(struct model *mod, u64 first, u64 end, char state, u8 byte)
{
	for (u64 i = first; i < end; i++) {
		mod->page[i].state = state;
		mod->page[i].byte = byte;
	}
}

static void compare(struct fs_machine *m, const struct model *mod, const char *what)
{
	const struct inode *f = m->f.inode;
	u64 pages = 0, nr = f->extents.nr_extents, nodes = f->meta.nr_blocks;

	cr_assert_eq(f->i_size, FS_PAGES(mod->size), "%s", what);
	cr_assert_eq(extent_map_check(&f->extents), 0, "%s", what);
	for (u64 i = 0; i <= NR; i++) {
		const struct extent *e = extent_find(&f->extents, i);
		char state = !e ? 0 : e->unwritten ? 'u' : 'w';

		cr_assert_eq(state, mod->page[i].state, "%s: page %ju is %c, not %c", what,
			     (uintmax_t)i, state ? state : '-',
			     mod->page[i].state ? mod->page[i].state : '-');
		pages += !!e;
		if (state != 'w')
			continue;
		for (u64 at = 0; at < PAGE_SIZE; at += PAGE_SIZE - 1)
			cr_assert_eq(fs_media(f, i)[at], mod->page[i].byte, "%s: page %ju has %#x",
				     what, (uintmax_t)i, fs_media(f, i)[at]);
	}
	cr_assert_eq(i_blocks(f), 8 * (pages + nodes));
	if (f->i_sb->ops == fs_find("ext4"))
		cr_assert_eq(nodes, nr > 4, "%s: %ju nodes for %ju extents", what,
			     (uintmax_t)nodes, (uintmax_t)nr);
	else
		cr_assert(nodes == (nr > 19) || (nodes == 1 && nr), "%s", what);
	cr_assert_eq(fs_said(m, INV_EARLY_WRITTEN) > 0, mod->early, "%s", what);
	check_quiescent(m->sim.check);
	for (int i = 0; i < NR_INVARIANTS; i++)
		cr_assert_eq(m->said[i], 0, "%s: %s", what, m->text);
}

/* One operation on both; returns what it was. */
static const char *step(struct fs_machine *m, struct model *mod, u64 *x, bool load_converts)
{
	static char text[100];
	u64 first = roll(x, NR - 8), nr = 1 + roll(x, 8), end = first + nr, op = roll(x, 10);
	u8 byte = 1 + roll(x, 200);
	struct call c;
	bool ok = true, ext4 = m->sim.sb->ops == fs_find("ext4");

	mod->early = false;
	snprintf(text, sizeof(text), "op %ju of [%ju, %ju)", (uintmax_t)op, (uintmax_t)first,
		 (uintmax_t)end);
	switch (op) {
	case 0:
	case 1:
		c = fs_falloc(&m->f, op ? K : 0, FS_PAGES(first), FS_PAGES(nr));
		for (u64 i = first; i < end; i++)
			if (!mod->page[i].state)
				set(mod, i, i + 1, 'u', 0);
		mod->size = op ? mod->size : max_t(u64, mod->size, end);
		break;
	case 2:
	case 3:
		c = fs_falloc(&m->f, op == 3 ? Z | K : Z, FS_PAGES(first), FS_PAGES(nr));
		set(mod, first, end, 'u', 0);
		mod->size = op == 3 ? mod->size : max_t(u64, mod->size, end);
		break;
	case 4:
		c = fs_falloc(&m->f, P | K, FS_PAGES(first), FS_PAGES(nr));
		/* ext4 of 2014 does not look behind end of file, XFS does. */
		if (ext4)
			end = min_t(u64, end, mod->size);
		if (first < end)
			set(mod, first, end, 0, 0);
		break;
	case 5:
		c = fs_falloc(&m->f, C, FS_PAGES(first), FS_PAGES(nr));
		ok = end < mod->size;
		if (!ok)
			break;
		memmove(&mod->page[first], &mod->page[end], (NR - end) * sizeof(*mod->page));
		set(mod, NR - nr, NR, 0, 0);
		mod->size -= nr;
		break;
	case 6:
		/* Whatever would be shifted out of the model goes before. */
		c = fs_falloc(&m->f, I, FS_PAGES(first), FS_PAGES(nr));
		expect_ret(m, fs_truncate(&m->f, FS_PAGES(min_t(u64, mod->size, NR - nr))), 0);
		mod->size = min_t(u64, mod->size, NR - nr);
		set(mod, mod->size, NR, 0, 0);
		ok = first < mod->size;
		if (!ok)
			break;
		memmove(&mod->page[end], &mod->page[first], (NR - end) * sizeof(*mod->page));
		set(mod, first, end, 0, 0);
		mod->size += nr;
		break;
	case 7:
		c = fs_write(&m->f, FS_PAGES(first), FS_PAGES(nr), byte);
		/* ext4 converts first and copies then, if a write goes past end of file. */
		for (u64 i = first; i < mod->size && mod->size < end; i++)
			mod->early |= mod->page[i].state == 'u' && ext4;
		set(mod, first, end, 'w', byte);
		mod->size = max_t(u64, mod->size, end);
		break;
	case 8:
		c = fs_truncate(&m->f, FS_PAGES(end));
		/* Blocks that KEEP_SIZE left go when the file shrinks, or stays as large as it is. */
		if (end <= mod->size)
			set(mod, end, NR, 0, 0);
		mod->size = end;
		break;
	default:
		/* A load, or stores to both ends of a page, which is all of it that is looked at. */
		ok = first < mod->size;
		c = fs_load(m, FS_PAGES(first));
		if (ok && byte & 1) {
			expect_ret(m, fs_store(m, FS_PAGES(first), byte), 1);
			c = fs_store(m, FS_PAGES(first + 1) - 1, byte);
			set(mod, first, first + 1, 'w', byte);
		} else if (ok && mod->page[first].state == 'u' && load_converts) {
			mod->page[first].state = 'w';
		}
		cr_assert_eq(fs_do(m, c)->ret, ok, "%s", text);
		if (ok)
			cr_assert_eq(fs_do(m, fs_load(m, FS_PAGES(first)))->byte,
				     mod->page[first].byte, "%s", text);
		return text;
	}
	cr_assert_eq(fs_do(m, c)->ret, ok ? (op == 7 ? FS_PAGES(nr) : 0) : -EINVAL, "%s", text);
	return text;
}

static void random_steps(const char *variant, u64 seed, bool load_converts)
{
	struct fs_machine *m = fs_boot(variant, 1024);
	struct model mod = { .size = 0 };
	u64 x = seed;

	for (int i = 0; i < 400; i++)
		compare(m, &mod, step(m, &mod, &x, load_converts));
	expect_ret(m, fs_truncate(&m->f, 0), 0);
	cr_expect_eq(fs_nr_free(m), m->sim.pmem.nr_blocks - 1);
	fs_halt(m);
}

Test(falloc, random_on_ext4)
{
	for (u64 seed = 1; seed <= 12; seed++)
		random_steps("ext4@v11", seed * 0x9e3779b97f4a7c15ULL, true);
}

Test(falloc, random_on_xfs)
{
	for (u64 seed = 1; seed <= 12; seed++)
		random_steps(seed & 1 ? "xfs@v11" : "xfs@4.7", seed * 0x9e3779b97f4a7c15ULL, false);
}

// SPDX-License-Identifier: MIT
/*
 * Buffered I/O on a DAX file, which v10 fell back to when a transfer stopped
 * short, and which v11 (p6) never does.
 */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/buffered.h"

#define PG ((s64)PAGE_SIZE)

static const char *const off[] = { "ext2@v11 -p6", "ext4@v11 -p6", "xfs@v11 -p6" };
static const char *const on[] = { "ext2@v11", "ext4@v11", "xfs@v11", "ext4@4.7", "xfs@4.7" };

/* The user's buffer faults after some bytes, so often. */
static void bad_buffer(struct fs_machine *m, u64 after, u64 times)
{
	m->sim.sb->inject[INJECT_COPY] = (struct injection){ .after = after, .times = times };
}

/*
 * In 2014 a write that stops short leaves the rest of a new block as it was, on
 * which see short_write_leaves_the_rest; here it is about the cache.
 */
static struct fs_machine *boot_clean(const char *variant)
{
	struct fs_machine *m = fs_boot(variant, 0);

	memset(pmem_block(&m->sim.pmem, 1), 0, (m->sim.pmem.nr_blocks - 1) << PAGE_SHIFT);
	return m;
}

static const struct page *cached(const struct fs_machine *m, pgoff_t index)
{
	struct page key = { .index = index };

	return RB_FIND(page_tree, &m->f.inode->i_data.pages, &key);
}

static bool nothing_cached(const struct fs_machine *m)
{
	return RB_EMPTY(&m->f.inode->i_data.pages);
}

static void expect_bytes(struct fs_machine *m, u64 pos, u64 len, u8 byte)
{
	expect_ret(m, fs_read(&m->f, pos, len), (ssize_t)len);
	for (u64 i = 0; i < len; i++)
		cr_assert_eq(m->buf[i], byte, "byte %ju is %#x", (uintmax_t)(pos + i), m->buf[i]);
}

/* The rest goes through the cache, to the device, and out of the cache again. */
Test(buffered, short_write)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = boot_clean(off[i]);

		bad_buffer(m, PG + 100, 1);
		expect_ret(m, fs_write(&m->f, 0, 3 * PG, 0x11), 3 * PG);
		cr_expect_eq(m->hits[P_buffered_write], 2);
		cr_expect_eq(m->hits[P_write_back], 2);
		cr_expect(nothing_cached(m));
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 2);
		cr_expect_eq(m->f.inode->i_size, 3 * PG);
		expect_extents(m->f.inode, "[0+3 W]");
		for (u64 p = 0; p < 3; p++)
			for (u64 at = 0; at < PAGE_SIZE; at++)
				cr_assert_eq(fs_media(m->f.inode, p)[at], 0x11);
		expect_bytes(m, 0, 3 * PG, 0x11);
		fs_halt(m);
	}
}

Test(buffered, short_write_of_v11)
{
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		struct fs_machine *m = boot_clean(on[i]);

		bad_buffer(m, PG + 100, 1);
		expect_ret(m, fs_write(&m->f, 0, 3 * PG, 0x11), PG + 100);
		cr_expect_eq(m->hits[P_buffered_write], 0);
		cr_expect_eq(m->hits[P_write_back], 0);
		cr_expect(nothing_cached(m));
		cr_expect_eq(m->f.inode->i_size, PG + 100);
		expect_extents(m->f.inode, "[0+2 W]");
		expect_bytes(m, 0, PG + 100, 0x11);
		fs_halt(m);
	}
}

/*
 * dax_new_buf() zeroes what write(2) was not going to cover. The rest is zero only
 * where blocks are when they are allocated (ext2, l3), or ext4 truncates after it.
 */
Test(buffered, short_write_leaves_the_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		struct fs_machine *m = fs_boot(on[i], 0);
		bool zeroed = i != 2;

		bad_buffer(m, 100, 1);
		expect_ret(m, fs_write(&m->f, 0, PG - 100, 0x11), 100);
		cr_expect_eq(fs_media(m->f.inode, 0)[99], 0x11);
		cr_expect_eq(fs_media(m->f.inode, 0)[100], zeroed ? 0 : FS_STALE, "%s", on[i]);
		cr_expect_eq(fs_media(m->f.inode, 0)[PG - 1], 0);
		if (!zeroed)
			expect_ret(m, fs_truncate(&m->f, 0), 0);
		fs_halt(m);
	}
}

/* An old page keeps the bytes around what is written. */
Test(buffered, short_overwrite)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		expect_ret(m, fs_write(&m->f, 0, 2 * PG, 0x11), 2 * PG);
		bad_buffer(m, 10, 1);
		expect_ret(m, fs_write(&m->f, PG + 50, 100, 0x22), 100);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);
		cr_expect(nothing_cached(m));
		expect_bytes(m, 0, PG + 50, 0x11);
		expect_bytes(m, PG + 50, 100, 0x22);
		expect_bytes(m, PG + 150, PG - 150, 0x11);
		fs_halt(m);
	}
}

/* Into unwritten blocks: whoever writes them back converts them. */
Test(buffered, short_write_into_unwritten)
{
	for (size_t i = 1; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		expect_ret(m, fs_falloc(&m->f, 0, 0, 20 * PG), 0);
		bad_buffer(m, PG, 1);
		expect_ret(m, fs_write(&m->f, 9 * PG, 2 * PG, 0x33), 2 * PG);
		expect_extents(m->f.inode, "[0+9 U][9+2 W][11+9 U]");
		expect_bytes(m, 9 * PG, 2 * PG, 0x33);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);
		/* The fallback asks ext4 to create, which makes it written before anything is there. */
		cr_expect_eq(fs_said(m, INV_EARLY_WRITTEN), i == 1);
		fs_halt(m);
	}
}

/* The buffer is as bad for the fallback: what DAX has done stays. */
Test(buffered, fallback_fails_too)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = boot_clean(off[i]);

		bad_buffer(m, 100, 2);
		expect_ret(m, fs_write(&m->f, 0, 2 * PG, 0x11), 100);
		cr_expect_eq(m->hits[P_buffered_write], 0);
		cr_expect(nothing_cached(m));
		cr_expect_eq(m->f.inode->i_size, 100);
		bad_buffer(m, 50, 2);
		expect_ret(m, fs_read(&m->f, 0, 100), 50);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);
		fs_halt(m);
	}
}

/* Nothing at all is an error, and no fallback is tried. */
Test(buffered, no_fallback_after_an_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		m->sim.sb->inject[INJECT_GET_BLOCK] = (struct injection){ .error = -EIO, .times = 1 };
		expect_ret(m, fs_write(&m->f, 0, 10, 1), -EIO);
		expect_ret(m, fs_write(&m->f, 0, 10, 1), 10);
		m->sim.sb->inject[INJECT_GET_BLOCK] = (struct injection){ .error = -EIO, .times = 1 };
		expect_ret(m, fs_read(&m->f, 0, 10), -EIO);
		cr_expect_eq(m->hits[P_buffered_write], 0);
		cr_expect_eq(m->hits[P_buffered_read], 0);
		fs_halt(m);
	}
}

/* The copy that a short read makes stays, and does not change when the block does. */
Test(buffered, short_read_leaves_a_copy)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		expect_ret(m, fs_write(&m->f, 0, 2 * PG, 0x11), 2 * PG);
		expect_ret(m, fs_store(m, PG + 200, 0x22), 1);
		bad_buffer(m, PG + 100, 1);
		expect_ret(m, fs_read(&m->f, 0, 2 * PG), 2 * PG);
		cr_expect_eq(m->hits[P_buffered_read], 1);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);
		cr_expect_eq(m->buf[PG + 200], 0x22);
		cr_expect_eq(m->buf[2 * PG - 1], 0x11);
		cr_expect_null(cached(m, 0));
		cr_assert_not_null(cached(m, 1));
		cr_expect_not(cached(m, 1)->dirty);
		cr_expect_eq(cached(m, 1)->count, 1);
		cr_assert_not_null(cached(m, 1)->data);
		cr_expect_eq(cached(m, 1)->data[200], 0x22);

		/* The page is mapped: no fault drops the copy. Another short read gives it out. */
		expect_ret(m, fs_store(m, PG + 200, 0x33), 1);
		expect_ret(m, fs_read(&m->f, PG, PG), PG);
		cr_expect_eq(m->buf[200], 0x33);
		bad_buffer(m, 100, 1);
		expect_ret(m, fs_read(&m->f, PG, PG), PG);
		cr_expect_eq(m->buf[200], 0x22);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);

		/* write(2) drops it. */
		expect_ret(m, fs_write(&m->f, PG, 1, 0x44), 1);
		cr_expect(nothing_cached(m));
		fs_halt(m);
	}
}

Test(buffered, short_read_of_v11)
{
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		struct fs_machine *m = fs_boot(on[i], 0);

		expect_ret(m, fs_write(&m->f, 0, 2 * PG, 0x11), 2 * PG);
		bad_buffer(m, PG + 100, 1);
		expect_ret(m, fs_read(&m->f, 0, 2 * PG), PG + 100);
		cr_expect_eq(m->hits[P_buffered_read], 0);
		cr_expect(nothing_cached(m));
		fs_halt(m);
	}
}

/* End of file is not a short read, and a fallback stops there too. */
Test(buffered, end_of_file)
{
	struct fs_machine *m = fs_boot("ext4@v11 -p6", 0);

	expect_ret(m, fs_write(&m->f, 0, PG + 500, 0x11), PG + 500);
	expect_ret(m, fs_read(&m->f, 0, 3 * PG), PG + 500);
	expect_ret(m, fs_read(&m->f, PG + 500, 1), 0);
	cr_expect_eq(m->hits[P_buffered_read], 0);
	bad_buffer(m, 100, 1);
	expect_ret(m, fs_read(&m->f, 0, 3 * PG), PG + 500);
	cr_expect_eq(m->hits[P_buffered_read], 2);
	cr_expect_eq(fs_said(m, INV_CACHED_DATA), 2);
	fs_halt(m);
}

/* Pages without a block and unwritten ones are copied as zeroes. */
Test(buffered, short_read_of_holes)
{
	for (size_t i = 1; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		expect_ret(m, fs_truncate(&m->f, 4 * PG), 0);
		expect_ret(m, fs_falloc(&m->f, 0, 2 * PG, PG), 0);
		memset(m->buf, 0xaa, sizeof(m->buf));
		bad_buffer(m, 100, 1);
		expect_ret(m, fs_read(&m->f, 0, 4 * PG), 4 * PG);
		for (s64 b = 100; b < 4 * PG; b++)
			cr_assert_eq(m->buf[b], 0, "byte %jd", (intmax_t)b);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 4);
		expect_extents(m->f.inode, "[2+1 U]");
		fs_halt(m);
	}
}

/*
 * Between the copy into the cache and its way to the device a fault finds the
 * page, takes it for a hole page and drops it, with the data.
 */
Test(buffered, fault_drops_dirty_page)
{
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct fs_machine *m = fs_boot(off[i], 0);

		expect_ret(m, fs_write(&m->f, 0, PG, 0x11), PG);
		bad_buffer(m, 100, 1);
		/* The first lookup makes the page, the second is for writing it back. */
		fs_hold(m, 0, fs_write(&m->f, 0, 300, 0x22), P_page_cache_lookup, 2);
		cr_assert_not_null(cached(m, 0));
		cr_expect(cached(m, 0)->dirty);
		fs_start(m, 1, fs_store(m, 3000, 0x33));
		cr_expect_eq(fs_finish(m, 1)->ret, 1);
		cr_expect(nothing_cached(m));
		cr_expect_eq(fs_finish(m, 0)->ret, 300);
		cr_expect_eq(m->hits[P_write_back], 0);
		cr_expect_eq(fs_said(m, INV_CACHED_DATA), 1);
		check_quiescent(m->sim.check);
		cr_expect_gt(fs_said(m, INV_LOST_STORE), 0);
		cr_expect_eq(fs_media(m->f.inode, 0)[99], 0x22);
		cr_expect_eq(fs_media(m->f.inode, 0)[100], 0x11, "the rest was dropped");
		cr_expect_eq(fs_media(m->f.inode, 0)[3000], 0x33);
		expect_ret(m, fs_truncate(&m->f, 0), 0);
		fs_halt(m);
	}
}

/* A buffer that is no good at all: 0 bytes until Linux 4.4 (b3). */
Test(buffered, buffer_without_a_byte)
{
	static const struct {
		const char *variant;
		s64 ret;
	} rows[] = {
		{ "ext4@v11", -EFAULT }, { "xfs@4.7", -EFAULT }, { "ext4@v11 -b3", 0 },
		{ "xfs@v11 -b3", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fs_machine *m = boot_clean(rows[i].variant);

		expect_ret(m, fs_write(&m->f, 0, PG, 0x11), PG);
		bad_buffer(m, 0, 1);
		expect_ret(m, fs_read(&m->f, 0, PG), rows[i].ret);
		bad_buffer(m, 0, 1);
		expect_ret(m, fs_write(&m->f, 0, PG, 0x22), rows[i].ret);
		bad_buffer(m, 7, 1);
		expect_ret(m, fs_write(&m->f, 0, PG, 0x22), 7);
		fs_halt(m);
	}
}

static void write_back_none(struct fs_machine *m, struct call *c)
{
	c->ret = filemap_write_and_wait_range(m->f.inode, 0, U64_MAX);
}

/* A copy that is not dirty is not written; without dirty pages the range does not matter. */
Test(buffered, nothing_to_write_back)
{
	struct fs_machine *m = fs_boot("ext4@v11 -p6", 0);

	expect_ret(m, fs_write(&m->f, 0, PG, 0x11), PG);
	bad_buffer(m, 100, 1);
	expect_ret(m, fs_read(&m->f, 0, PG), PG);
	fs_said(m, INV_CACHED_DATA);
	cr_assert_not_null(cached(m, 0));
	cr_expect_eq(fs_do(m, (struct call){ .fn = write_back_none })->ret, 0);
	cr_expect_eq(m->hits[P_write_back], 0);
	cr_expect_not_null(cached(m, 0));
	fs_halt(m);
}

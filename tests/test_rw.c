// SPDX-License-Identifier: MIT
/* read(2) and write(2): what they transfer, allocate and leave behind, whole and short. */
#include "tests/machine_fixture.h"

static struct rig *rig(const char *profile, u64 nr_blocks)
{
	return rig_new("ext2", profile, nr_blocks);
}

/* Make the whole device carry @byte, so that whatever is not zeroed shows. */
static void soil_device(struct rig *r, u8 byte)
{
	for (block_t b = 1; b < r->sim.pmem.nr_blocks; b++)
		memset(pmem_block(&r->sim.pmem, b), byte, PAGE_SIZE);
}

static bool all(const u8 *buf, size_t len, u8 byte)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

Test(rw, read_goes_across_holes_and_extents)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f"), *g = rig_create(r, "g");
	static u8 buf[PAGES(8)];

	/* w w - w - -, the last page half; another file keeps the extents apart. */
	rig_fill(r, A, f, 0x10, PAGES(2), 0);
	rig_fill(r, A, g, 0x99, PAGES(1), 0);
	rig_fill(r, A, f, 0x30, PAGES(1), PAGES(3));
	cr_assert_eq(rig_truncate(r, A, f, PAGES(5) + 2048), 0);
	cr_expect_eq(f->inode->extents.nr_extents, 2);

	cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), (ssize_t)PAGES(5) + 2048);
	cr_expect(all(buf, PAGES(2), 0x10));
	cr_expect(all(buf + PAGES(2), PAGES(1), 0));
	cr_expect(all(buf + PAGES(3), PAGES(1), 0x30));
	cr_expect(all(buf + PAGES(4), PAGES(1) + 2048, 0));
	/* Across two borders, from the middle of a page to the middle of a page. */
	memset(buf, 0xee, sizeof(buf));
	cr_expect_eq(rig_read(r, A, f, buf, PAGES(2), PAGES(1) + 100), (ssize_t)PAGES(2));
	cr_expect(all(buf, PAGE_SIZE - 100, 0x10));
	cr_expect(all(buf + PAGE_SIZE - 100, PAGE_SIZE, 0));
	cr_expect(all(buf + PAGES(2) - 100, 100, 0x30));
	cr_expect_eq(buf[PAGES(2)], 0xee);
	rig_expect_clean(r);
	rig_free(r);
}

Test(rw, read_ends_at_eof)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	u8 buf[16];

	cr_expect_eq(rig_read(r, A, f, buf, 16, 0), 0);
	rig_fill(r, A, f, 0x11, 10, PAGE_SIZE);
	cr_expect_eq(rig_read(r, A, f, buf, 16, PAGE_SIZE + 7), 3);
	cr_expect_eq(rig_read(r, A, f, buf, 16, PAGE_SIZE + 10), 0);
	cr_expect_eq(rig_read(r, A, f, buf, 16, PAGES(100)), 0);
	cr_expect_eq(rig_read(r, A, f, buf, 0, 0), 0);
	cr_expect_eq(rig_read(r, A, f, buf, 16, -1), -EINVAL);
	rig_expect_clean(r);
	rig_free(r);
}

Test(rw, write_refuses)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f"), ro = { f->inode, false };
	u8 buf[16] = { 0 };
	s64 last = ((s64)UINT32_MAX << PAGE_SHIFT) - 16;

	cr_expect_eq(rig_write(r, A, &ro, buf, 16, 0), -EBADF);
	cr_expect_eq(rig_write(r, A, f, buf, 16, -1), -EINVAL);
	cr_expect_eq(rig_write(r, A, f, buf, 16, last + 1), -EFBIG);
	cr_expect_eq(rig_write(r, A, f, buf, 0, last + 100), 0);
	cr_expect_eq(f->inode->i_size, 0);
	cr_expect_eq(rig_nr_free(r), 63);
	rig_free(r);
}

/* What a write does not cover of the blocks it allocates is zeroed: before, behind, between. */
Test(rw, edges_of_new_blocks_are_zeroed)
{
	static const struct {
		u64 pos, len;
	} writes[] = {
		{ 100, 50 },	    { 0, 1 },		 { 4095, 1 },	     { 4000, 200 },
		{ 1, 4094 },	    { 0, 4096 },	 { 4097, 8190 },     { 10, 12000 },
		{ PAGES(11), 5000 }, { PAGES(11) + 7, 4096 },
	};
	static u8 buf[PAGES(16)];

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		u64 pos = writes[i].pos, len = writes[i].len;
		struct rig *r = rig("v11", 64);
		struct file *f = rig_create(r, "f");

		soil_device(r, 0xee);
		cr_assert_eq(rig_truncate(r, A, f, sizeof(buf)), 0);
		cr_expect_eq(rig_fill(r, A, f, 0x5a, len, pos), (ssize_t)len);
		cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
		cr_expect(all(buf, pos, 0), "write %zu", i);
		cr_expect(all(buf + pos, len, 0x5a), "write %zu", i);
		cr_expect(all(buf + pos + len, sizeof(buf) - pos - len, 0), "write %zu", i);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Overwriting zeroes nothing, and takes no block. */
Test(rw, overwrite_keeps_the_rest)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	u8 buf[PAGES(2)];

	rig_fill(r, A, f, 0x11, PAGES(2), 0);
	cr_expect_eq(rig_fill(r, A, f, 0x22, 2, PAGE_SIZE - 1), 2);
	cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
	cr_expect(all(buf, PAGE_SIZE - 1, 0x11));
	cr_expect(all(buf + PAGE_SIZE - 1, 2, 0x22));
	cr_expect(all(buf + PAGE_SIZE + 1, PAGE_SIZE - 1, 0x11));
	cr_expect_eq(i_blocks(f->inode), 16);
	rig_expect_clean(r);
	rig_free(r);
}

/* direct_access hands out a page of an extent at a time: the transfer is the same. */
Test(rw, extents_in_pieces)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	struct injection pieces = { .short_len = PAGE_SIZE, .times = 100 };
	u8 buf[PAGES(4)];

	soil_device(r, 0xee);
	r->sb->inject[INJECT_DIRECT_ACCESS] = pieces;
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(3) - 200, 100), (ssize_t)PAGES(3) - 200);
	cr_expect_eq(f->inode->extents.nr_extents, 1);
	r->sb->inject[INJECT_DIRECT_ACCESS] = pieces;
	cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), (ssize_t)PAGES(3) - 100);
	cr_expect(all(buf, 100, 0) && all(buf + 100, PAGES(3) - 200, 0x42));
	rig_inject(r, INJECT_DIRECT_ACCESS, -EIO, 1, 1);
	cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), (ssize_t)PAGES(3) - 100);
	rig_inject(r, INJECT_DIRECT_ACCESS, -EIO, 0, 1);
	cr_expect_eq(rig_read(r, A, f, buf, sizeof(buf), 0), -EIO);
	rig_expect_clean(r);
	rig_free(r);
}

Test(rw, enospc_half_way)
{
	struct rig *r = rig("v11", 16);		/* 15 blocks for files */
	struct file *f = rig_create(r, "f"), *g = rig_create(r, "g");

	cr_expect_eq(rig_fill(r, A, g, 0x99, PAGES(10), 0), (ssize_t)PAGES(10));
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(8), 100), (ssize_t)PAGES(5) - 100);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(5));
	cr_expect_eq(rig_nr_free(r), 0);
	cr_expect_eq(rig_fill(r, A, f, 0x42, 1, PAGES(5)), -ENOSPC);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(5));
	/* Nothing past i_size, even if the file is sparse. */
	cr_expect_eq(rig_truncate(r, A, f, 0), 0);
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(8), PAGES(30)), (ssize_t)PAGES(4));
	cr_expect_eq(extent_find_next(&f->inode->extents, 34), NULL);
	cr_expect_eq(i_blocks(f->inode), 5 * 8);
	rig_expect_clean(r);
	rig_free(r);
}

/* A write that stops short gives back the blocks it took past i_size. */
Test(rw, short_write_leaves_nothing_past_eof)
{
	for (u64 after = 0; after < 3; after++) {
		struct rig *r = rig("v11", 64);
		struct file *f = rig_create(r, "f");
		ssize_t good = PAGES(after) + 1;

		rig_inject(r, INJECT_COPY, -EFAULT, good, 1);
		cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(8), 0), good);
		cr_expect_eq(f->inode->i_size, good);
		cr_expect_eq(rig_nr_free(r), 63 - (after + 1));
		rig_inject(r, INJECT_COPY, -EFAULT, 0, 1);
		cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(8), good), -EFAULT);
		cr_expect_eq(f->inode->i_size, good);
		cr_expect_eq(rig_nr_free(r), 63 - (after + 1));
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* b3: 2014 returned 0 for a buffer of which not one byte could be touched. */
Test(rw, bad_buffer)
{
	for (int old = 0; old < 2; old++) {
		struct rig *r = rig(old ? "v11 -b3" : "v11", 64);
		struct file *f = rig_create(r, "f");
		u8 buf[32];

		rig_fill(r, A, f, 0x11, 32, 0);
		rig_inject(r, INJECT_COPY, -EFAULT, 0, 1);
		cr_expect_eq(rig_read(r, A, f, buf, 32, 0), old ? 0 : -EFAULT);
		rig_inject(r, INJECT_COPY, -EFAULT, 0, 1);
		cr_expect_eq(rig_write(r, A, f, buf, 32, 0), old ? 0 : -EFAULT);
		rig_inject(r, INJECT_COPY, -EFAULT, 5, 1);
		cr_expect_eq(rig_read(r, A, f, buf, 32, 0), 5);
		cr_expect_eq(rig_byte(r, f, 0), 0x11);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* The buffer is a mapping of another file: it is faulted in, and ends where that file ends. */
Test(rw, user_buffer)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f"), *g = rig_create(r, "g");
	u64 m = rig_mmap(r, A, g, 0, 4, SHARED_RW);
	struct call c;

	rig_fill(r, A, f, 0x11, PAGES(3), 0);
	rig_truncate(r, A, g, PAGES(2));
	c = call_read(f, NULL, PAGES(1), 0);
	c.user = true;
	c.addr = m + 100;
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, (ssize_t)PAGES(1));
	cr_expect_eq(rig_byte(r, g, 99), 0);
	cr_expect_eq(rig_byte(r, g, 100), 0x11);
	cr_expect_eq(rig_byte(r, g, PAGE_SIZE + 99), 0x11);
	cr_expect_eq(rig_byte(r, g, PAGE_SIZE + 100), 0);
	rig_expect_flt(r, A, 2, 2);
	/* Up to the end of g, then EFAULT. */
	c.len = PAGES(3);
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, (ssize_t)PAGES(2) - 100);
	c.addr = m + PAGES(2);
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, -EFAULT);
	c = call_write(f, NULL, PAGES(2), PAGES(3));
	c.user = true;
	c.addr = m + PAGES(1) + 4000;
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, 96);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(3) + 96);
	c.addr = 0x1000;
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, -EFAULT);
	rig_expect_clean(r);
	rig_free(r);
}

/* pread(2) of a file into its own hole, and pwrite(2) of it from there: no deadlock. */
Test(rw, user_buffer_is_the_file_itself)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);
	struct call c = call_read(f, NULL, PAGES(1), 0);

	rig_fill(r, A, f, 0x11, PAGES(1), 0);
	rig_truncate(r, A, f, PAGES(4));
	c.user = true;
	c.addr = m + PAGES(2);
	rig_call(r, A, &c);
	cr_expect_eq(c.ret, (ssize_t)PAGES(1));
	cr_expect_eq(rig_byte(r, f, PAGES(2)), 0x11);
	c = call_write(f, NULL, PAGES(1), PAGES(3));
	c.user = true;
	c.addr = m;
	rig_call(r, A, &c);
	cr_expect_eq(rig_byte(r, f, PAGES(4) - 1), 0x11);
	rig_expect_clean(r);
	rig_free(r);
}

/* Hole pages over what is written go, mapped ones too; a load sees the new bytes at once. */
Test(rw, write_invalidates_hole_pages)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RO), p = rig_mmap(r, C, f, 0, 4, PRIVATE_RW);

	rig_truncate(r, A, f, PAGES(4));
	for (int page = 0; page < 4; page++) {
		rig_peek(r, A, m + PAGES(page));
		rig_peek(r, C, p + PAGES(page));
	}
	cr_expect_eq(rig_store(r, C, p + PAGES(2), 0x33), 0);
	cr_expect_eq(rig_cached(f), 4);
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGE_SIZE + 1, PAGES(1) + 5), (ssize_t)PAGE_SIZE + 1);
	cr_expect_eq(rig_cached(f), 2);
	cr_expect_eq(rig_pte(r, A, m)->kind, PTE_HOLE);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, C, p + PAGES(1))->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, C, p + PAGES(2))->kind, PTE_ANON);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1) + 5), 0x42);
	cr_expect_eq(rig_peek(r, C, p + PAGES(1) + 5), 0x42);
	cr_expect_eq(rig_peek(r, C, p + PAGES(2)), 0x33);
	rig_expect_clean(r);
	rig_free(r);
}

/* A hole page put there while write(2) allocates is caught by the second pass. */
Test(rw, write_invalidates_again)
{
	struct rig *r = rig("v11", 64);
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RO);
	u8 bytes[16] = { 0x42 }, byte;
	struct call w = call_write(f, bytes, 16, 0), ld = call_load(m, &byte, 1);

	rig_truncate(r, A, f, PAGES(1));
	rig_start(r, A, &ld);
	rig_until(r, A, P_dax_load_hole, 1);
	rig_start(r, C, &w);
	rig_until(r, C, P_invalidate_inode_pages2_range, 2);
	rig_finish(r, A);
	cr_expect_eq(rig_cached(f), 1);
	rig_forget(r);		/* A did see the hole, after the block was there */
	rig_finish(r, C);
	cr_expect_eq(rig_cached(f), 0);
	cr_expect_eq(rig_peek(r, A, m), 0x42);
	rig_expect_clean(r);
	rig_free(r);
}

/* p6: v10 hands the rest of a short write to the page cache, and of a short read. */
Test(rw, buffered_fallback)
{
	for (int off = 0; off < 2; off++) {
		struct rig *r = rig(off ? "v11 -p6" : "v11", 64);
		struct file *f = rig_create(r, "f");
		u8 buf[PAGES(2)];

		rig_fill(r, A, f, 0x11, PAGES(2), 0);
		rig_inject(r, INJECT_COPY, -EFAULT, 100, 1);
		cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(2), 0), off ? (ssize_t)PAGES(2) : 100);
		cr_expect_eq(rig_byte(r, f, PAGES(1)), off ? 0x42 : 0x11);
		cr_expect_eq(rig_cached(f), 0);
		if (off)
			rig_expect_seen(r, INV_CACHED_DATA);
		rig_inject(r, INJECT_COPY, -EFAULT, 100, 1);
		cr_expect_eq(rig_read(r, A, f, buf, PAGES(2), 0), off ? (ssize_t)PAGES(2) : 100);
		cr_expect_eq(rig_cached(f), off ? 2 : 0);
		if (off)
			rig_expect_seen(r, INV_CACHED_DATA);
		rig_expect_clean(r);
		rig_free(r);
	}
}

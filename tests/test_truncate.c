// SPDX-License-Identifier: MIT
/* ftruncate(2): which bytes, blocks, PTEs and private copies go, and in which order. */
#include "tests/machine_fixture.h"

static struct rig *rig(void)
{
	return rig_new("ext2", "v11", 64);
}

Test(truncate, tail_is_zeroed_and_blocks_are_freed)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	static const s64 sizes[] = { PAGES(3), PAGES(2) + 1, PAGES(1) + 4095, 4095, 1, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 pages = DIV_ROUND_UP((u64)sizes[i], PAGE_SIZE);

		rig_fill(r, A, f, 0x11, PAGES(4), 0);
		cr_expect_eq(rig_truncate(r, A, f, sizes[i]), 0);
		cr_expect_eq(f->inode->i_size, sizes[i]);
		cr_expect_eq(rig_nr_free(r), 63 - pages);
		cr_expect_eq(rig_byte(r, f, sizes[i]), -1);
		if (sizes[i])
			cr_expect_eq(rig_byte(r, f, sizes[i] - 1), 0x11);
		/* It grows again, and what was cut off is gone. */
		cr_expect_eq(rig_truncate(r, A, f, PAGES(4)), 0);
		cr_expect_eq(rig_byte(r, f, sizes[i]), 0);
		cr_expect_eq(rig_byte(r, f, PAGES(4) - 1), 0);
		cr_expect_eq(rig_nr_free(r), 63 - pages);
	}
	rig_expect_clean(r);
	rig_free(r);
}

Test(truncate, refuses)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f"), ro = { f->inode, false };
	s64 max = (s64)UINT32_MAX << PAGE_SHIFT;

	cr_expect_eq(rig_truncate(r, A, f, -1), -EINVAL);
	cr_expect_eq(rig_truncate(r, A, &ro, 0), -EINVAL);
	cr_expect_eq(rig_truncate(r, A, f, max + 1), -EFBIG);
	cr_expect_eq(f->inode->i_size, 0);
	cr_expect_eq(rig_truncate(r, A, f, 4096), 0);
	cr_expect_eq(f->inode->i_size, 4096);
	rig_free(r);
}

/* An error while zeroing the tail comes before anything is changed. */
Test(truncate, error_changes_nothing)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");

	rig_fill(r, A, f, 0x11, PAGES(2), 0);
	rig_inject(r, INJECT_GET_BLOCK, -EIO, 0, 1);
	cr_expect_eq(rig_truncate(r, A, f, 100), -EIO);
	rig_inject(r, INJECT_DIRECT_ACCESS, -ENXIO, 0, 1);
	cr_expect_eq(rig_truncate(r, A, f, 100), -ENXIO);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(2));
	cr_expect_eq(rig_byte(r, f, 100), 0x11);
	/* On a page border there is no tail, and nobody is asked. */
	rig_inject(r, INJECT_GET_BLOCK, -EIO, 0, 1);
	cr_expect_eq(rig_truncate(r, A, f, PAGES(1)), 0);
	cr_expect_eq(r->sb->inject[INJECT_GET_BLOCK].times, 1);
	rig_expect_clean(r);
	rig_free(r);
}

/* The order that faults rely on: i_size, then PTEs, then blocks. */
Test(truncate, size_then_page_tables_then_blocks)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW);
	struct call cut = call_truncate(f, 0);

	rig_fill(r, A, f, 0x11, PAGES(2), 0);
	rig_peek(r, A, m + PAGES(1));
	rig_start(r, B, &cut);
	rig_until(r, B, P_i_size_write, 1);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(2));
	rig_until(r, B, P_truncate_pagecache, 1);
	cr_expect_eq(f->inode->i_size, 0);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_PFN);
	rig_until(r, B, P_zap_pte, 2);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_PFN);
	rig_until(r, B, P_truncate_blocks, 1);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_NONE);
	cr_expect_eq(f->inode->extents.nr_blocks, 2);
	rig_until(r, B, P_free_blocks, 1);
	cr_expect_eq(f->inode->extents.nr_blocks, 0);
	cr_expect_eq(rig_nr_free(r), 61);
	rig_finish(r, B);
	cr_expect_eq(rig_nr_free(r), 63);
	rig_expect_clean(r);
	rig_free(r);
}

/* Page tables are cut twice: a private copy made in between goes as well. */
Test(truncate, second_pass_gets_private_copies)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	u64 p = rig_mmap(r, A, f, 0, 1, PRIVATE_RW);
	struct call cut = call_truncate(f, 0), st;
	u8 byte = 0x42;

	rig_fill(r, A, f, 0x11, PAGE_SIZE, 0);
	st = call_store(p, &byte, 1);
	rig_start(r, A, &st);
	rig_until(r, A, P_set_pte, 1);
	/* A holds i_mmap_mutex, so truncate waits in its first pass. */
	rig_start(r, B, &cut);
	cr_expect_eq(rig_go(r, B), TASK_BLOCKED);
	rig_finish(r, A);
	cr_expect_eq(rig_pte(r, A, p)->kind, PTE_ANON);
	rig_finish(r, B);
	cr_expect_eq(rig_pte(r, A, p)->kind, PTE_NONE);
	rig_expect_clean(r);
	rig_free(r);
}

Test(truncate, drops_private_copies_behind_the_new_end_only)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	u64 p = rig_mmap(r, A, f, 0, 3, PRIVATE_RW);
	u8 byte;

	rig_fill(r, A, f, 0x11, PAGES(3), 0);
	for (int page = 0; page < 3; page++)
		cr_assert_eq(rig_store(r, A, p + PAGES(page) + 9, 0x42), 0);
	cr_expect_eq(rig_truncate(r, C, f, PAGES(1) + 5), 0);
	cr_expect_eq(rig_peek(r, A, p + 9), 0x42);
	/* Its page is half in the file: the copy stays, even what lies past EOF. */
	cr_expect_eq(rig_peek(r, A, p + PAGES(1) + 9), 0x42);
	cr_expect_eq(rig_peek(r, A, p + PAGES(1) + 10), 0x11);
	cr_expect_eq(rig_load(r, A, p + PAGES(2), &byte), SIGBUS);
	cr_expect_eq(rig_truncate(r, C, f, PAGES(3)), 0);
	cr_expect_eq(rig_peek(r, A, p + PAGES(2) + 9), 0);
	cr_expect_eq(rig_peek(r, A, p + PAGES(1) + 9), 0x42);
	rig_expect_clean(r);
	rig_free(r);
}

Test(truncate, drops_hole_pages_behind_the_new_end_only)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);

	rig_truncate(r, A, f, PAGES(4));
	for (int page = 0; page < 4; page++)
		rig_peek(r, A, m + PAGES(page));
	cr_expect_eq(rig_cached(f), 4);
	cr_expect_eq(rig_truncate(r, A, f, PAGES(1) + 1), 0);
	cr_expect_eq(rig_cached(f), 2);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_HOLE);
	cr_expect_eq(rig_pte(r, A, m + PAGES(2))->kind, PTE_NONE);
	rig_expect_clean(r);
	rig_free(r);
}

/* ext2 zaps no page that stays, whichever way it goes. */
Test(truncate, extending_keeps_page_tables)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);

	rig_fill(r, A, f, 0x11, 100, 0);
	cr_assert_eq(rig_store(r, A, m, 0x42), 0);
	cr_expect_eq(rig_truncate(r, A, f, PAGES(2)), 0);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(2));
	cr_expect(rig_pte(r, A, m)->writable);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1)), 0);
	cr_expect_eq(i_blocks(f->inode), 8);
	rig_expect_clean(r);
	rig_free(r);
}

/*
 * A store past EOF in the last page sticks. Which file systems let it come to light when the
 * file grows is one of their differences: XFS zeroes the old tail, the others do not.
 */
Test(truncate, tail_store_and_growing)
{
	static const struct {
		const char *fs;
		bool stays;
	} rules[] = { { "ext2", true }, { "null", true }, { "ext4", true }, { "xfs", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		for (int by_write = 0; by_write < 2; by_write++) {
			struct rig *r = rig_new(rules[i].fs, "v11", 256);
			struct file *f = rig_create(r, "f");
			u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW);

			rig_fill(r, A, f, 0x11, 100, 0);
			cr_assert_eq(rig_store(r, A, m + 200, 0x42), 0);
			cr_expect_eq(rig_byte(r, f, 200), -1);
			cr_expect_eq(f->inode->i_size, 100);
			if (by_write)
				rig_fill(r, A, f, 0x33, 1, PAGES(2));
			else
				cr_assert_eq(rig_truncate(r, A, f, PAGES(1)), 0);
			cr_expect_eq(rig_byte(r, f, 200), rules[i].stays ? 0x42 : 0, "%s",
				     rules[i].fs);
			cr_expect_eq(rig_peek(r, A, m + 200), rules[i].stays ? 0x42 : 0, "%s",
				     rules[i].fs);
			/* Shrinking zeroes the new tail everywhere. */
			cr_assert_eq(rig_store(r, A, m + 300, 0x55), 0);
			cr_assert_eq(rig_truncate(r, A, f, 250), 0);
			cr_assert_eq(rig_truncate(r, A, f, PAGES(1)), 0);
			cr_expect_eq(rig_byte(r, f, 300), 0, "%s", rules[i].fs);
			rig_expect_clean(r);
			rig_free(r);
		}
}

/* truncate(2) waits for direct I/O: here a read(2) that has dropped i_mutex already. */
Test(truncate, waits_for_dio)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f");
	struct call cut = call_truncate(f, 0), rd;
	u8 byte;

	rig_fill(r, A, f, 0x11, 1, 0);
	rd = call_read(f, &byte, 1, 0);
	rig_start(r, A, &rd);
	rig_until(r, A, P_copy_to_iter, 1);
	rig_start(r, B, &cut);
	cr_expect_eq(rig_go(r, B), TASK_BLOCKED);
	cr_expect_eq(r->task[B]->waiting->class, LOCK_I_MUTEX);
	/* i_mutex is dropped before the count is. */
	rig_until(r, A, P_unlock, 2);
	cr_expect_eq(rig_go(r, B), TASK_BLOCKED);
	cr_expect_eq(r->task[B]->waiting->class, LOCK_DIO_WAIT);
	rig_finish(r, A);
	cr_expect_eq(byte, 0x11);
	rig_finish(r, B);
	cr_expect_eq(cut.ret, 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* Truncate and extend between get_block and the insertion: v11 does not notice. */
Test(truncate, aba_of_i_size_is_detected)
{
	struct rig *r = rig();
	struct file *f = rig_create(r, "f"), *g = rig_create(r, "g");
	u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW);
	u8 byte = 0x42;
	struct call st = call_store(m, &byte, 1);

	rig_fill(r, A, f, 0x11, PAGE_SIZE, 0);
	rig_start(r, A, &st);
	rig_until(r, A, P_dax_insert_mapping, 1);
	rig_truncate(r, B, f, 0);
	rig_truncate(r, B, f, PAGE_SIZE);
	rig_fill(r, B, g, 0x77, PAGE_SIZE, 0);
	rig_finish(r, A);
	rig_expect_seen(r, INV_STALE_PTE);
	cr_expect_eq(rig_byte(r, g, 0), 0x42);
	rig_free(r);
}

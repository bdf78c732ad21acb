// SPDX-License-Identifier: MIT
/* mmap(2), munmap(2), look-up of mappings, and the instructions that touch them. */
#include "tests/machine_fixture.h"

static struct rig *rig(void)
{
	return rig_new("ext2", "v11", 64);
}

static struct file *file_of_pages(struct rig *r, u64 pages)
{
	struct file *f = rig_create(r, "f");

	for (u64 i = 0; i < pages; i++)
		rig_fill(r, A, f, 0x10 + i, PAGE_SIZE, PAGES(i));
	return f;
}

/* Which pages of a mapping are there, as bits, and that each shows its page of the file. */
static u32 mapped(struct rig *r, u64 m, u64 pages, pgoff_t pgoff)
{
	u32 set = 0;

	for (u64 i = 0; i < pages; i++) {
		u8 byte = 0;
		int signal = rig_load(r, A, m + PAGES(i), &byte);

		cr_expect(signal == 0 || signal == SIGSEGV);
		if (signal)
			continue;
		set |= 1U << i;
		cr_expect_eq(byte, 0x10 + pgoff + i, "page %ju is page %d", i, byte - 0x10);
	}
	return set;
}

Test(mm, munmap_front_middle_back)
{
	static const struct {
		u64 first, nr;
		u32 left, vmas;
	} cases[] = {
		{ 0, 2, 0x3c, 1 }, { 2, 2, 0x33, 2 }, { 4, 2, 0x0f, 1 }, { 0, 6, 0, 0 },
		{ 5, 9, 0x1f, 1 }, { 0, 0, 0x3f, 1 }, { 1, 4, 0x21, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int touched = 0; touched < 2; touched++) {
			struct rig *r = rig();
			struct file *f = file_of_pages(r, 8);
			u64 m = rig_mmap(r, A, f, 2, 6, SHARED_RW);
			struct vma *vma;
			u32 n = 0;

			if (touched)
				cr_assert_eq(mapped(r, m, 6, 2), 0x3f);
			cr_expect_eq(rig_munmap(r, A, m + PAGES(cases[i].first), cases[i].nr), 0);
			LIST_FOREACH(vma, &r->task[A]->mm->mmap, mm_link)
				n++;
			cr_expect_eq(n, cases[i].vmas, "case %zu: %u", i, n);
			n = 0;
			LIST_FOREACH(vma, &f->inode->i_data.i_mmap, i_mmap_link)
				n++;
			cr_expect_eq(n, cases[i].vmas);
			rig_expect_flt(r, A, touched ? 6 : 0, 0);
			cr_expect_eq(mapped(r, m, 6, 2), cases[i].left, "case %zu", i);
			/* What stays kept its PTEs. */
			rig_expect_flt(r, A, touched ? 0 : __builtin_popcount(cases[i].left), 0);
			/* One reference of the name, one of the handle, one of each mapping. */
			cr_expect_eq(f->inode->i_count, 2 + cases[i].vmas, "case %zu: count %u", i,
				     f->inode->i_count);
			rig_expect_clean(r);
			rig_free(r);
		}
}

Test(mm, munmap_of_several_mappings)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 8);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), n = rig_mmap(r, A, f, 0, 4, SHARED_RW);

	cr_assert_gt(n, m);
	/* From the middle of one to the middle of the other, with a gap between. */
	cr_expect_eq(rig_munmap(r, A, m + PAGES(2), (n - m) / PAGE_SIZE), 0);
	cr_expect_eq(mapped(r, m, 4, 0), 3);
	cr_expect_eq(mapped(r, n, 4, 0), 0xc);
	cr_expect_eq(f->inode->i_count, 4);
	cr_expect_eq(rig_munmap(r, A, m, 100), 0);
	cr_expect_eq(f->inode->i_count, 2);
	cr_expect_eq(rig_munmap(r, A, m, 100), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* Split, split again, and take away the pieces: PTEs and private copies go with their pages. */
Test(mm, munmap_of_pieces)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 8);
	u64 p = rig_mmap(r, A, f, 0, 8, PRIVATE_RW);

	for (int page = 0; page < 8; page += 2)
		cr_assert_eq(rig_store(r, A, p + PAGES(page) + 1, 0x99), 0);
	rig_munmap(r, A, p + PAGES(3), 2);
	rig_munmap(r, A, p, 1);
	rig_munmap(r, A, p + PAGES(6), 1);
	cr_expect_eq(mapped(r, p, 8, 0), 0xa6);
	cr_expect_eq(rig_peek(r, A, p + PAGES(2) + 1), 0x99);
	cr_expect_eq(f->inode->i_count, 5);
	/* Truncate finds the pieces. */
	cr_expect_eq(rig_truncate(r, A, f, PAGES(2)), 0);
	cr_expect_eq(rig_pte(r, A, p + PAGES(2))->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, A, p + PAGES(1))->kind, PTE_PFN);
	rig_munmap(r, A, p, 8);
	cr_expect_eq(f->inode->i_count, 2);
	rig_expect_clean(r);
	rig_free(r);
}

Test(mm, munmap_without_memory_changes_nothing)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);

	rig_exhaust(r);
	cr_expect_eq(rig_munmap(r, A, m + PAGES(1), 1), -ENOMEM);
	cr_expect_eq(rig_munmap(r, A, m, 1), -ENOMEM);
	rig_relieve(r);
	cr_expect_eq(mapped(r, m, 4, 0), 0xf);
	cr_expect_eq(f->inode->i_count, 3);
	rig_expect_clean(r);
	rig_free(r);
}

Test(mm, find_vma_edges)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 1);
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW), n = rig_mmap(r, C, f, 0, 1, SHARED_RW);
	struct mm *p = r->task[A]->mm, *q = r->task[C]->mm;

	cr_expect_eq(find_vma(p, m - 1), NULL);
	cr_expect_not_null(find_vma(p, m));
	cr_expect_eq(find_vma(p, m), find_vma(p, m + PAGES(2) - 1));
	cr_expect_eq(find_vma(p, m + PAGES(2)), NULL);
	cr_expect_eq(find_vma(p, 0), NULL);
	cr_expect_eq(find_vma(p, U64_MAX), NULL);
	cr_expect_eq(find_vma(p, n), NULL);
	cr_expect_not_null(find_vma(q, n));
	rig_free(r);
}

static int mmap_error(struct rig *r, struct file *f, pgoff_t pgoff, u64 nr_pages, u32 flags)
{
	u64 addr;
	int err;

	current_task = r->task[A];
	r->task[A]->deterministic = false;
	err = do_mmap(r->task[A]->mm, f, "m", pgoff, nr_pages, flags, &addr);
	r->task[A]->deterministic = true;
	current_task = NULL;
	return err;
}

Test(mm, mmap_refuses)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 1), ro = { f->inode, false };

	cr_expect_eq(mmap_error(r, f, 0, 0, SHARED_RW), -EINVAL);
	cr_expect_eq(mmap_error(r, f, INT64_MAX >> PAGE_SHIFT, 1, SHARED_RW), -EINVAL);
	cr_expect_eq(mmap_error(r, &ro, 0, 1, SHARED_RW), -EACCES);
	rig_exhaust(r);
	cr_expect_eq(mmap_error(r, f, 0, 1, SHARED_RW), -ENOMEM);
	rig_relieve(r);
	cr_expect_eq(f->inode->i_count, 2);
	/* A private mapping of a read-only handle may be written, a shared one read. */
	cr_expect_eq(mmap_error(r, &ro, 0, 1, PRIVATE_RW), 0);
	cr_expect_eq(mmap_error(r, &ro, 0, 1, SHARED_RO), 0);
	cr_expect_eq(mmap_error(r, f, 100, 1, SHARED_RW), 0);
	cr_expect_eq(f->inode->i_count, 5);
	cr_expect_eq(r->task[A]->mm->mmap_sem.writer, NULL);
	rig_free(r);
}

/* An unlinked file lives as long as a handle or a piece of a mapping. */
Test(mm, mapping_keeps_unlinked_file)
{
	static const u64 order[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 1, 2, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct rig *r = rig();
		struct file *f = file_of_pages(r, 3);
		u64 m = rig_mmap(r, A, f, 0, 3, SHARED_RW), n = rig_mmap(r, C, f, 0, 1, SHARED_RO);

		rig_unlink(r, f);
		rig_close(r, f);
		cr_expect_eq(rig_munmap(r, C, n, 1), 0);
		for (int step = 0; step < 3; step++) {
			cr_expect_eq(rig_nr_free(r), 60, "order %zu", i);
			cr_expect_eq(rig_store(r, A, m + PAGES(order[i][step]), 0x42), 0);
			cr_expect_eq(rig_munmap(r, A, m + PAGES(order[i][step]), 1), 0);
		}
		cr_expect_eq(rig_nr_free(r), 63, "order %zu", i);
		cr_expect(LIST_EMPTY(&r->sb->s_inodes));
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Instructions are of 8, 4, 2 and 1 bytes; one that meets the end of the file stores nothing. */
Test(mm, straddling_eof)
{
	static const struct {
		u64 off;
		size_t len, done;
	} cases[] = {
		{ 4096 - 8, 16, 8 },  { 4096 - 4, 8, 0 },   { 4096 - 12, 20, 8 },
		{ 4096 - 3, 4, 0 },   { 4096 - 1, 2, 0 },   { 4096 - 1, 1, 1 },
		{ 4096 - 5, 7, 4 },   { 4096 - 20, 21, 20 }, { 4096 - 6, 6, 6 },
		{ 10, 8000, 4080 },   { 0, 4097, 4096 },    { 4096 - 7, 15, 0 },
	};
	static u8 buf[2 * PAGE_SIZE], got[PAGE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *r = rig();
		struct file *f = file_of_pages(r, 1);
		u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW);
		struct call c = call_store(m + cases[i].off, buf, cases[i].len);
		u64 stored = cases[i].off + cases[i].done;

		memset(buf, 0x42, sizeof(buf));
		rig_call(r, A, &c);
		cr_expect_eq(c.access.done, cases[i].done, "case %zu: %zu", i, c.access.done);
		if (cases[i].done < cases[i].len) {
			cr_expect_eq(c.access.signal, SIGBUS);
			cr_expect_eq(c.access.fault_addr, m + PAGE_SIZE);
		} else {
			cr_expect_eq(c.access.signal, 0);
		}
		cr_assert_eq(rig_read(r, A, f, got, PAGE_SIZE, 0), (ssize_t)PAGE_SIZE);
		for (u64 b = 0; b < PAGE_SIZE; b++)
			cr_assert_eq(got[b], b >= cases[i].off && b < stored ? 0x42 : 0x10);
		/* Loads stop at the same byte. */
		c = call_load(m + cases[i].off, buf, cases[i].len);
		rig_call(r, A, &c);
		cr_expect_eq(c.access.done, cases[i].done);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* One instruction, two pages: both are faulted in, a hole and a block. */
Test(mm, straddling_pages)
{
	for (u64 off = 1; off < 8; off++) {
		struct rig *r = rig();
		struct file *f = rig_create(r, "f");
		u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW), value = 0x0807060504030201, got = 0;
		struct call c = call_store(m + PAGE_SIZE - off, &value, 8);

		rig_truncate(r, A, f, PAGES(2));
		rig_call(r, A, &c);
		cr_expect_eq(c.access.done, 8);
		rig_expect_flt(r, A, 2, 2);
		cr_expect_eq(i_blocks(f->inode), 16);
		cr_expect_eq(rig_byte(r, f, PAGE_SIZE - 1), (int)off);
		cr_expect_eq(rig_byte(r, f, PAGE_SIZE), (int)off + 1);
		c = call_load(m + PAGE_SIZE - off, &got, 8);
		rig_call(r, A, &c);
		cr_expect_eq(got, value);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Past the end of a mapping: the address is that of the first byte that is not there. */
Test(mm, straddling_the_end_of_a_mapping)
{
	struct rig *r = rig();
	struct file *f = file_of_pages(r, 2);
	u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW), value = 0;
	struct call c = call_load(m + PAGE_SIZE - 3, &value, 8);

	rig_call(r, A, &c);
	cr_expect_eq(c.access.signal, SIGSEGV);
	cr_expect_eq(c.access.done, 0);
	cr_expect_eq(c.access.fault_addr, m + PAGE_SIZE, "%#jx", c.access.fault_addr - m);
	c = call_load(m - 8, &value, 8);
	rig_call(r, A, &c);
	cr_expect_eq(c.access.signal, SIGSEGV);
	cr_expect_eq(c.access.fault_addr, m - 8);
	rig_expect_clean(r);
	rig_free(r);
}

// SPDX-License-Identifier: MIT
/* mprotect(2) and mremap(2), in a model of page tables and on real ones. */
#include "tests/machine_fixture.h"

#include "backends/fs/fs.h"

/* A test for each MMU; every call is followed by an audit of the page tables. */
#define TEST_MMUS(suite, name)                                                                     \
	static void suite##_##name(struct rig *r);                                                 \
	Test(suite, name##_soft)                                                                   \
	{                                                                                          \
		run_on(&soft_mmu, suite##_##name);                                                 \
	}                                                                                          \
	Test(suite, name##_uffd)                                                                   \
	{                                                                                          \
		run_on(&uffd_mmu, suite##_##name);                                                 \
	}                                                                                          \
	static void suite##_##name(struct rig *r)

static void run_on(const struct mmu_ops *mmu, void (*test)(struct rig *r))
{
	struct rig *r = rig_new_on(mmu, fs_find("ext2"), "v11", 64);

	test(r);
	rig_expect_clean(r);
	rig_free(r);
}

static struct file *file_of_pages(struct rig *r, u64 pages)
{
	struct file *f = rig_create(r, "f");

	for (u64 i = 0; i < pages; i++)
		rig_fill(r, A, f, 0x10 + i, PAGE_SIZE, PAGES(i));
	return f;
}

static u64 nr_vmas(struct rig *r)
{
	struct vma *vma;
	u64 n = 0;

	LIST_FOREACH(vma, &r->task[A]->mm->mmap, mm_link)
		n++;
	return n;
}

/* What a load and a store at each page end with: 'r' for a load alone, 'w' both, '-' neither. */
static void expect_access(struct rig *r, u64 m, const char *want)
{
	for (u64 i = 0; want[i]; i++) {
		u8 byte;
		int load = rig_load(r, A, m + PAGES(i), &byte);
		int store = rig_store(r, A, m + PAGES(i) + 1, 0x77);
		char got = !load && !store ? 'w' : !load ? 'r' : '-';

		cr_expect(!load || load == SIGSEGV);
		cr_expect(!store || store == SIGSEGV);
		cr_expect_eq(got, want[i], "page %ju of %s: %c", i, want, got);
	}
}

/* Parts are split off, and joined again where they are equal. */
TEST_MMUS(mprotect, parts_of_a_mapping)
{
	static const u32 none = 0, ro = VM_READ, rw = VM_READ | VM_WRITE;
	const struct {
		u64 first, nr;
		u32 flags;
		const char *want;
		u64 vmas;
	} steps[] = {
		{ 2, 2, ro, "wwrrww", 3 },   { 3, 2, none, "wwr--w", 4 }, { 0, 2, ro, "rrr--w", 3 },
		{ 4, 2, ro, "rrr-rr", 3 },   { 3, 1, ro, "rrrrrr", 1 },   { 5, 1, rw, "rrrrrw", 2 },
		{ 5, 0, none, "rrrrrw", 2 }, { 0, 6, rw, "wwwwww", 1 },   { 0, 6, none, "------", 1 },
		{ 0, 1, rw, "w-----", 2 },   { 1, 5, rw, "wwwwww", 1 },
	};
	struct file *f = file_of_pages(r, 6);

	for (int private = 0; private < 2; private++) {
		u64 m = rig_mmap(r, A, f, 0, 6, private ? PRIVATE_RW : SHARED_RW);

		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			cr_assert_eq(rig_mprotect(r, A, m + PAGES(steps[i].first), steps[i].nr,
						  steps[i].flags), 0);
			cr_expect_eq(nr_vmas(r), steps[i].vmas, "step %zu", i);
			cr_expect_eq(f->inode->i_count, 2 + steps[i].vmas);
			expect_access(r, m, steps[i].want);
		}
		for (u64 i = 0; i < 6; i++)
			cr_expect_eq(rig_peek(r, A, m + PAGES(i)), 0x10 + (int)i);
		cr_expect_eq(rig_munmap(r, A, m, 6), 0);
	}
	cr_expect_eq(f->inode->i_count, 2);
}

/* PTEs keep their pages. What is dirty may be stored to at once, as vma_wants_writenotify() has it. */
TEST_MMUS(mprotect, faults_after_giving_back)
{
	struct file *f = file_of_pages(r, 2);
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW), p = rig_mmap(r, A, f, 0, 2, PRIVATE_RW);

	rig_store(r, A, m, 0x42);
	rig_peek(r, A, m + PAGES(1));
	rig_store(r, A, p, 0x43);
	rig_peek(r, A, p + PAGES(1));
	rig_expect_flt(r, A, 5, 0);	/* a store to a page of a block takes two */
	for (u32 flags = 0; flags <= VM_READ; flags += VM_READ) {
		cr_assert_eq(rig_mprotect(r, A, m, 2, flags), 0);
		cr_assert_eq(rig_mprotect(r, A, p, 2, flags), 0);
		for (u64 page = 0; page < 2; page++) {
			cr_expect_not(rig_pte(r, A, m + PAGES(page))->writable);
			cr_expect_not(rig_pte(r, A, p + PAGES(page))->writable);
			cr_expect_neq(rig_pte(r, A, m + PAGES(page))->kind, PTE_NONE);
		}
		cr_assert_eq(rig_mprotect(r, A, m, 2, VM_READ | VM_WRITE), 0);
		cr_assert_eq(rig_mprotect(r, A, p, 2, VM_READ | VM_WRITE), 0);
		rig_expect_flt(r, A, 0, 0);
		cr_expect_eq(rig_store(r, A, m + 1, 0x44), 0);
		rig_expect_flt(r, A, 0, 0);
		cr_expect_eq(rig_store(r, A, p + 1, 0x45), 0);
		rig_expect_flt(r, A, 1, 0);
		cr_expect_eq(rig_peek(r, A, p), 0x43, "the private copy is another");
	}
	cr_expect_eq(rig_store(r, A, m + PAGES(1), 0x46), 0);
	cr_expect_eq(rig_store(r, A, p + PAGES(1), 0x47), 0);
	rig_expect_flt(r, A, 2, 0);
	cr_expect_eq(rig_byte(r, f, PAGES(1)), 0x46);
	cr_expect_eq(rig_byte(r, f, 0), 0x42);
}

TEST_MMUS(mprotect, refuses)
{
	struct file *f = file_of_pages(r, 4), ro = { f->inode, false };
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), s = rig_mmap(r, A, &ro, 0, 1, SHARED_RO);
	u64 p = rig_mmap(r, A, &ro, 0, 1, PRIVATE_RO);

	cr_expect_eq(rig_mprotect(r, A, m + 1, 1, VM_READ), -EINVAL);
	cr_expect_eq(rig_mprotect(r, A, m, 1, VM_SHARED), -EINVAL);
	cr_expect_eq(rig_mprotect(r, A, s, 1, VM_READ | VM_WRITE), -EACCES);
	cr_expect_eq(rig_mprotect(r, A, s, 1, 0), 0);
	cr_expect_eq(rig_mprotect(r, A, p, 1, VM_READ | VM_WRITE), 0);
	cr_expect_eq(rig_mprotect(r, A, 0, 1, VM_READ), -ENOMEM);
	cr_expect_eq(rig_mprotect(r, A, m + PAGES(4), 1, VM_READ), -ENOMEM);
	expect_access(r, m, "wwww");
	/* Up to the hole it is done. */
	cr_expect_eq(rig_munmap(r, A, m + PAGES(2), 1), 0);
	cr_expect_eq(rig_mprotect(r, A, m, 4, VM_READ), -ENOMEM);
	expect_access(r, m, "rr-w");
	rig_exhaust(r);
	cr_expect_eq(rig_mprotect(r, A, m, 1, 0), -ENOMEM);
	cr_expect_eq(rig_mprotect(r, A, m + PAGES(3), 1, VM_READ), 0);
	rig_relieve(r);
	expect_access(r, m, "rr-r");
	cr_expect_eq(rig_peek(r, A, p), 0x10);
}

/* System calls on memory that user code may not touch. */
TEST_MMUS(mprotect, copy_user_faults)
{
	struct file *f = file_of_pages(r, 2), *g = rig_create(r, "g");
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW);
	struct call get = call_write(g, NULL, PAGE_SIZE, 0), put = call_read(f, NULL, PAGE_SIZE, 0);

	get.user = put.user = true;
	get.addr = put.addr = m + PAGES(1);
	cr_assert_eq(rig_mprotect(r, A, m + PAGES(1), 1, VM_READ), 0);
	rig_call(r, A, &get);
	cr_expect_eq(get.ret, (ssize_t)PAGE_SIZE);
	rig_call(r, A, &put);
	cr_expect_eq(put.ret, -EFAULT);
	cr_assert_eq(rig_mprotect(r, A, m + PAGES(1), 1, 0), 0);
	rig_call(r, A, &get);
	cr_expect_eq(get.ret, -EFAULT);
}

TEST_MMUS(mremap, moves_what_is_there)
{
	struct file *f = file_of_pages(r, 5);
	u64 m = rig_mmap(r, A, f, 1, 3, SHARED_RW), was = m;

	rig_truncate(r, A, f, PAGES(7));
	rig_store(r, A, m, 0x42);
	rig_peek(r, A, m + PAGES(1));
	rig_expect_flt(r, A, 3, 0);
	cr_assert_eq(rig_mremap(r, A, m, 3, 7, &m), 0);
	cr_assert_neq(m, was);
	cr_expect_eq(nr_vmas(r), 1);
	cr_expect_eq(f->inode->i_count, 3);
	for (u64 i = 0; i < 3; i++) {
		u8 byte;

		cr_expect_eq(rig_load(r, A, was + PAGES(i), &byte), SIGSEGV);
	}
	/* What was mapped is still, and as writable as it was. */
	cr_expect_eq(rig_store(r, A, m + 1, 0x43), 0);
	cr_expect_eq(rig_peek(r, A, m), 0x42);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1)), 0x12);
	rig_expect_flt(r, A, 0, 0);
	cr_expect_eq(rig_store(r, A, m + PAGES(1), 0x44), 0);
	cr_expect_eq(rig_peek(r, A, m + PAGES(2)), 0x13);
	cr_expect_eq(rig_peek(r, A, m + PAGES(4)), 0);	/* a hole page, which can move too */
	rig_expect_flt(r, A, 3, 0);
	cr_assert_eq(rig_mremap(r, A, m, 7, 8, &m), 0);
	cr_expect_eq(rig_peek(r, A, m + PAGES(4)), 0);
	rig_expect_flt(r, A, 0, 0);
	cr_expect_eq(rig_byte(r, f, PAGES(2)), 0x44);
	/* Truncate finds the PTEs where they are now. */
	cr_expect_eq(rig_truncate(r, A, f, PAGES(2)), 0);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, A, m)->kind, PTE_PFN);
	cr_expect_eq(rig_munmap(r, A, m, 8), 0);
	cr_expect_eq(f->inode->i_count, 2);
}

/* A copy is nowhere but in the page table, and moves even where nobody may look at it. */
TEST_MMUS(mremap, private_copies)
{
	struct file *f = file_of_pages(r, 4);

	for (u32 flags = 0; flags <= (VM_READ | VM_WRITE); flags++) {
		u64 m = rig_mmap(r, A, f, 0, 3, PRIVATE_RW);

		if (flags == VM_WRITE)	/* no x86 can */
			continue;
		rig_store(r, A, m + 5, 0x42);
		rig_peek(r, A, m + PAGES(1));
		rig_store(r, A, m + PAGES(2) + 5, 0x44);
		cr_assert_eq(rig_mprotect(r, A, m, 3, flags), 0);
		cr_assert_eq(rig_mremap(r, A, m, 3, 4, &m), 0);
		expect_access(r, m, flags & VM_WRITE ? "wwww" : flags ? "rrrr" : "----");
		cr_assert_eq(rig_mprotect(r, A, m, 4, VM_READ | VM_WRITE), 0);
		cr_expect_eq(rig_peek(r, A, m), 0x10);
		cr_expect_eq(rig_peek(r, A, m + 5), 0x42);
		cr_expect_eq(rig_peek(r, A, m + PAGES(2) + 5), 0x44);
		cr_expect_eq(rig_peek(r, A, m + PAGES(3)), 0x13);
		expect_access(r, m, "wwww");
		cr_expect_eq(rig_byte(r, f, 5), 0x10, "a private store came to the file");
		cr_expect_eq(rig_munmap(r, A, m, 4), 0);
	}
}

TEST_MMUS(mremap, parts_of_a_mapping)
{
	struct file *f = file_of_pages(r, 6);
	u64 m = rig_mmap(r, A, f, 0, 6, SHARED_RW), part = 0;

	expect_access(r, m, "wwwwww");
	cr_assert_eq(rig_mremap(r, A, m + PAGES(2), 2, 4, &part), 0);
	cr_expect_eq(nr_vmas(r), 3);
	cr_expect_eq(f->inode->i_count, 5);
	expect_access(r, m, "ww--ww");
	for (u64 i = 0; i < 4; i++)
		cr_expect_eq(rig_peek(r, A, part + PAGES(i)), 0x12 + (int)i);
	/* Now that it is in parts, only one of them can grow at a time. */
	cr_expect_eq(rig_mremap(r, A, m, 6, 7, &m), -EFAULT);
	cr_expect_eq(rig_mremap(r, A, m + PAGES(2), 1, 2, &m), -EFAULT);
	cr_expect_eq(rig_mremap(r, A, m, 2, 3, &m), 0);
	expect_access(r, m, "www");
	cr_expect_eq(f->inode->i_count, 5);
}

TEST_MMUS(mremap, shrinks)
{
	struct file *f = file_of_pages(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), was = m;

	cr_expect_eq(rig_mremap(r, A, m, 4, 4, &m), 0);
	cr_expect_eq(rig_mremap(r, A, m, 4, 2, &m), 0);
	cr_expect_eq(m, was);
	expect_access(r, m, "ww--");
	cr_expect_eq(f->inode->i_count, 3);
	/* Nothing is there to be shrunk, which nobody asked in 3.17. */
	cr_expect_eq(rig_mremap(r, A, m + PAGES(2), 2, 1, &m), 0);
}

TEST_MMUS(mremap, refuses)
{
	struct file *f = file_of_pages(r, 2);
	u64 m = rig_mmap(r, A, f, 0, 2, PRIVATE_RW), no = 0;
	struct call stay = call_mremap(r, A, m, 2, 3);
	struct call flags = call_mremap(r, A, m, 2, 3);

	stay.flags = 0;
	rig_call(r, A, &stay);
	cr_expect_eq(stay.ret, -ENOMEM);
	flags.flags |= 2;
	rig_call(r, A, &flags);
	cr_expect_eq(flags.ret, -EINVAL);
	cr_expect_eq(rig_mremap(r, A, m + 1, 2, 3, &no), -EINVAL);
	cr_expect_eq(rig_mremap(r, A, m, 0, 3, &no), -EINVAL);
	cr_expect_eq(rig_mremap(r, A, m, 2, 0, &no), -EINVAL);
	cr_expect_eq(rig_mremap(r, A, m, 2, U64_MAX, &no), -EINVAL);
	cr_expect_eq(rig_mremap(r, A, m, 2, INT64_MAX >> PAGE_SHIFT, &no), -ENOMEM);
	cr_expect_eq(rig_mremap(r, A, m, 3, 4, &no), -EFAULT);
	cr_expect_eq(rig_mremap(r, A, m + PAGES(2), 1, 4, &no), -EFAULT);
	rig_store(r, A, m, 0x42);
	rig_exhaust(r);
	cr_expect_eq(rig_mremap(r, A, m, 2, 3, &no), -ENOMEM);
	cr_expect_eq(rig_mremap(r, A, m, 2, 1, &no), -ENOMEM);
	rig_relieve(r);
	cr_expect_eq(no, 0);
	cr_expect_eq(rig_peek(r, A, m), 0x42);
	expect_access(r, m, "ww");
	cr_expect_eq(f->inode->i_count, 3);
}

static int fail_at_page_2(struct vma *vma, u64 page, const struct pte *new)
{
	if (vma->nr_pages == 5 && page == 2 && new->kind != PTE_NONE)
		return -ENOMEM;
	return uffd_mmu.set_pte(vma, page, new);
}

/* A move that fails half way is taken back, private copies and all. */
Test(mremap, taken_back)
{
	struct mmu_ops failing = uffd_mmu;
	struct rig *r = rig_new_on(&uffd_mmu, fs_find("ext2"), "v11", 64);
	struct file *f = file_of_pages(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, PRIVATE_RW);

	failing.set_pte = fail_at_page_2;
	expect_access(r, m, "wwww");
	rig_expect_flt(r, A, 8, 0);
	r->sim.mmu = &failing;
	cr_expect_eq(rig_mremap(r, A, m, 4, 5, &m), -ENOMEM);
	r->sim.mmu = &uffd_mmu;
	cr_expect_eq(nr_vmas(r), 1);
	cr_expect_eq(f->inode->i_count, 3);
	expect_access(r, m, "wwww");
	rig_expect_flt(r, A, 0, 0);
	for (u64 i = 0; i < 4; i++) {
		cr_expect_eq(rig_peek(r, A, m + PAGES(i)), 0x10 + (int)i);
		cr_expect_eq(rig_peek(r, A, m + PAGES(i) + 1), 0x77);
	}
	rig_expect_clean(r);
	rig_free(r);
}

/* One thread's access is on its way while another takes the memory or the right to it. */
TEST_MMUS(mprotect, access_on_its_way)
{
	struct file *f = file_of_pages(r, 2);
	u64 m = rig_mmap(r, A, f, 0, 2, SHARED_RW);
	u8 byte = 0x42;
	struct call st = call_store(m + 3, &byte, 1), again = call_store(m + PAGES(1), &byte, 1);

	rig_start(r, B, &st);
	rig_until(r, B, P_handle_mm_fault, 1);
	cr_assert_eq(rig_mprotect(r, A, m, 1, VM_READ), 0);
	rig_finish(r, B);
	cr_expect_eq(st.access.signal, SIGSEGV);
	cr_expect_eq(st.access.fault_addr, m + 3);
	/* The fault is done, the store not yet. */
	rig_start(r, B, &again);
	rig_until(r, B, P_user_store, 2);
	cr_assert_eq(rig_mremap(r, A, m + PAGES(1), 1, 2, &m), 0);
	rig_finish(r, B);
	cr_expect_eq(again.access.signal, SIGSEGV);
	cr_expect_eq(rig_byte(r, f, 3), 0x10);
	cr_expect_eq(rig_byte(r, f, PAGES(1)), 0x11);
}

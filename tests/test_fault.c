// SPDX-License-Identifier: MIT
/*
 * The fault path without races: what each kind of fault returns, maps, counts
 * and leaves behind, and what becomes of errors.
 */
#include "tests/machine_fixture.h"

#include "daxsim/kernel/fault.h"
#include "tests/toy_fs.h"

static struct rig *rig(void)
{
	return rig_new("ext2", "v11", 64);
}

/* A file of @pages pages, of which page 0 holds 0x11. */
static struct file *file_with_block(struct rig *r, u64 pages)
{
	struct file *f = rig_create(r, "f");

	cr_assert_eq(rig_truncate(r, A, f, PAGES(pages)), 0);
	cr_assert_eq(rig_fill(r, A, f, 0x11, PAGE_SIZE, 0), (ssize_t)PAGE_SIZE);
	return f;
}

/* dax_fault() alone: its return code, and what it holds when it returns. */
struct bare_fault {
	struct call call;
	struct vm_fault vmf;
	bool page_locked;
	bool i_mmap_held;
};

static void do_bare_fault(struct call *c)
{
	struct bare_fault *b = container_of(c, struct bare_fault, call);
	struct vma *vma = find_vma(current->mm, c->addr);
	struct address_space *mapping = &vma->inode->i_data;
	struct vm_fault *vmf = &b->vmf;

	vmf->address = c->addr;
	vmf->pgoff = vma->pgoff + ((c->addr - vma->start) >> PAGE_SHIFT);
	c->ret = dax_fault(vma, vmf);
	b->page_locked = vmf->page && lock_is_held(&vmf->page->lock);
	b->i_mmap_held = lock_is_held(&mapping->i_mmap_mutex);
	if (b->page_locked) {
		unlock_page(vmf->page);
		page_cache_release(mapping, vmf->page);
	} else if (c->ret == VM_FAULT_LOCKED) {
		mutex_unlock(&mapping->i_mmap_mutex);
	}
}

static struct bare_fault bare_fault(struct rig *r, u64 addr, u32 flags, void *cow_page)
{
	struct bare_fault b = {
		.call = { .fn = do_bare_fault, .addr = addr },
		.vmf = { .flags = flags, .cow_page = cow_page },
	};

	rig_call(r, A, &b.call);
	cr_expect_eq(r->task[A]->nr_held, 0);
	return b;
}

Test(fault, return_codes)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 8, SHARED_RW);
	u8 cow[PAGE_SIZE];
	struct bare_fault b;

	cr_expect_eq(bare_fault(r, m, 0, NULL).call.ret, VM_FAULT_NOPAGE);
	/* Somebody else inserted the page: no error. */
	cr_expect_eq(bare_fault(r, m, FAULT_FLAG_WRITE, NULL).call.ret, VM_FAULT_NOPAGE);

	b = bare_fault(r, m + PAGES(1), 0, NULL);
	cr_expect_eq(b.call.ret, VM_FAULT_LOCKED);
	cr_expect(b.page_locked && !b.i_mmap_held);
	cr_expect_eq(b.vmf.page->index, 1);
	cr_expect_eq(bare_fault(r, m + PAGES(1), FAULT_FLAG_WRITE, NULL).call.ret,
		     VM_FAULT_NOPAGE | VM_FAULT_MAJOR);
	cr_expect_eq(rig_cached(f), 0);

	/* COW: with the mutex, or with a hole page; never major. */
	b = bare_fault(r, m, FAULT_FLAG_WRITE, cow);
	cr_expect_eq(b.call.ret, VM_FAULT_LOCKED);
	cr_expect(!b.page_locked && b.i_mmap_held);
	cr_expect(cow[0] == 0x11 && cow[PAGE_SIZE - 1] == 0x11);
	b = bare_fault(r, m + PAGES(2), FAULT_FLAG_WRITE, cow);
	cr_expect(b.call.ret == VM_FAULT_LOCKED && b.i_mmap_held && !b.page_locked);
	cr_expect(cow[0] == 0 && cow[PAGE_SIZE - 1] == 0);
	bare_fault(r, m + PAGES(2), 0, NULL);
	b = bare_fault(r, m + PAGES(2), FAULT_FLAG_WRITE, cow);
	cr_expect(b.call.ret == VM_FAULT_LOCKED && !b.i_mmap_held && b.page_locked);

	cr_expect_eq(bare_fault(r, m + PAGES(4), 0, NULL).call.ret, VM_FAULT_SIGBUS);
	cr_expect_eq(bare_fault(r, m + PAGES(4), FAULT_FLAG_WRITE, NULL).call.ret, VM_FAULT_SIGBUS);

	rig_inject(r, INJECT_GET_BLOCK, -EIO, 0, 1);
	cr_expect_eq(bare_fault(r, m + PAGES(3), FAULT_FLAG_WRITE, NULL).call.ret, VM_FAULT_SIGBUS);
	rig_inject(r, INJECT_GET_BLOCK, -ENOSPC, 1, 1);
	cr_expect_eq(bare_fault(r, m + PAGES(3), FAULT_FLAG_WRITE, NULL).call.ret,
		     VM_FAULT_SIGBUS | VM_FAULT_MAJOR);
	rig_inject(r, INJECT_GET_BLOCK, -ENOMEM, 0, 1);
	cr_expect_eq(bare_fault(r, m + PAGES(3), 0, NULL).call.ret, VM_FAULT_OOM);
	rig_inject(r, INJECT_GET_BLOCK, -ENOMEM, 1, 1);
	cr_expect_eq(bare_fault(r, m + PAGES(3), FAULT_FLAG_WRITE, NULL).call.ret,
		     VM_FAULT_OOM | VM_FAULT_MAJOR);
	cr_expect_eq(i_blocks(f->inode), 16);
	rig_expect_clean(r);
	rig_free(r);
}

/* A hole page that the fault had locked is unlocked and kept, whatever goes wrong. */
Test(fault, error_with_hole_page_unlocks_it)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);

	cr_assert_eq(rig_peek(r, A, m + PAGES(1)), 0);
	for (u64 after = 0; after < 2; after++) {
		rig_inject(r, INJECT_GET_BLOCK, -EIO, after, 1);
		cr_expect_eq(rig_store(r, A, m + PAGES(1), 1), SIGBUS);
	}
	cr_expect_eq(rig_cached(f), 1);
	cr_expect_eq(RB_MIN(page_tree, &f->inode->i_data.pages)->count, 1);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1)), 0);
	cr_expect_eq(rig_store(r, A, m + PAGES(1), 1), 0);
	cr_expect_eq(rig_cached(f), 0);
	rig_expect_clean(r);
	rig_free(r);
}

Test(fault, load_of_hole_shares_one_hole_page)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), n = rig_mmap(r, C, f, 1, 2, SHARED_RO);

	cr_expect_eq(rig_peek(r, A, m + PAGES(1)), 0);
	rig_expect_flt(r, A, 1, 0);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1) + 9), 0);
	rig_expect_flt(r, A, 0, 0);
	cr_expect_eq(rig_peek(r, C, n), 0);
	rig_expect_flt(r, C, 1, 0);
	cr_expect_eq(rig_cached(f), 1);
	cr_expect_eq(rig_pte(r, A, m + PAGES(1))->kind, PTE_HOLE);
	cr_expect_eq(rig_pte(r, C, n)->kind, PTE_HOLE);
	cr_expect_eq(rig_pte(r, A, m + PAGES(2))->kind, PTE_NONE);
	cr_expect_eq(i_blocks(f->inode), 8);
	rig_expect_clean(r);
	rig_free(r);
}

/* mkwrite: the hole page goes, with every PTE that maps it, and others see the store. */
Test(fault, store_to_hole_page_replaces_it_everywhere)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), n = rig_mmap(r, C, f, 1, 2, SHARED_RO);

	rig_peek(r, A, m + PAGES(1));
	rig_peek(r, C, n);
	rig_peek(r, C, n + PAGES(1));
	rig_expect_flt(r, A, 1, 0);
	rig_expect_flt(r, C, 2, 0);
	cr_expect_eq(rig_store(r, A, m + PAGES(1), 0x42), 0);
	rig_expect_flt(r, A, 1, 1);
	cr_expect_eq(rig_cached(f), 1);
	cr_expect_eq(rig_pte(r, C, n)->kind, PTE_NONE);
	cr_expect_eq(rig_pte(r, C, n + PAGES(1))->kind, PTE_HOLE);
	cr_expect_eq(i_blocks(f->inode), 16);
	cr_expect_eq(rig_peek(r, C, n), 0x42);
	rig_expect_flt(r, C, 1, 0);
	cr_expect_eq(rig_peek(r, C, n + 1), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* vm_page_prot has no write bit: even a write fault inserts read-only, and faults again. */
Test(fault, store_inserts_read_only_first)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW);
	u8 byte = 0x42;
	struct call c;

	for (int page = 0; page < 2; page++) {
		c = call_store(m + PAGES(page), &byte, 1);
		rig_start(r, A, &c);
		rig_until(r, A, P_do_wp_page, 1);
		cr_expect_eq(rig_pte(r, A, m + PAGES(page))->kind, PTE_PFN);
		cr_expect(!rig_pte(r, A, m + PAGES(page))->writable);
		cr_expect(!rig_pte(r, A, m + PAGES(page))->dirty);
		rig_finish(r, A);
		cr_expect(rig_pte(r, A, m + PAGES(page))->writable);
		cr_expect(rig_pte(r, A, m + PAGES(page))->dirty);
		rig_expect_flt(r, A, page ? 1 : 2, page);
		cr_expect_eq(rig_byte(r, f, PAGES(page)), 0x42);
	}
	rig_expect_clean(r);
	rig_free(r);
}

Test(fault, store_after_load_of_block_asks_nobody)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 1);
	u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW);
	block_t block = extent_find(&f->inode->extents, 0)->pblk;

	cr_expect_eq(rig_peek(r, A, m + 5), 0x11);
	rig_expect_flt(r, A, 1, 0);
	cr_expect_eq(rig_pte(r, A, m)->pfn, block);
	rig_inject(r, INJECT_GET_BLOCK, -EIO, 0, 1);
	cr_expect_eq(rig_store(r, A, m + 5, 0x42), 0);
	cr_expect_eq(r->sb->inject[INJECT_GET_BLOCK].times, 1);
	rig_expect_flt(r, A, 1, 0);
	cr_expect_eq(((u8 *)pmem_block(&r->sim.pmem, block))[5], 0x42);
	rig_expect_clean(r);
	rig_free(r);
}

Test(fault, sigbus_past_eof_names_the_byte_and_counts_nothing)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 1);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), p = rig_mmap(r, A, f, 0, 4, PRIVATE_RW);
	u64 at[] = { m + PAGES(1), m + PAGES(2) + 123, p + PAGES(1) + 7 };
	u8 byte = 0;

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct call ld = call_load(at[i], &byte, 1), st = call_store(at[i], &byte, 1);

		rig_call(r, A, &ld);
		rig_call(r, A, &st);
		cr_expect(ld.access.signal == SIGBUS && st.access.signal == SIGBUS);
		cr_expect(!ld.access.done && !st.access.done);
		cr_expect(ld.access.fault_addr == at[i] && st.access.fault_addr == at[i]);
	}
	rig_expect_flt(r, A, 0, 0);
	/* The page that EOF lies in is usable to its end; an empty file has none. */
	cr_assert_eq(rig_truncate(r, A, f, 1), 0);
	cr_expect_eq(rig_store(r, A, m + 4095, 1), 0);
	cr_expect_eq(rig_truncate(r, A, f, 0), 0);
	cr_expect_eq(rig_load(r, A, m, &byte), SIGBUS);
	/* It grows: the same mapping works. */
	cr_expect_eq(rig_truncate(r, A, f, PAGES(2)), 0);
	cr_expect_eq(rig_peek(r, A, m + PAGES(1)), 0);
	rig_expect_clean(r);
	rig_free(r);
}

Test(fault, no_permission_is_sigsegv)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 1);
	u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RO);

	cr_expect_eq(rig_store(r, A, m, 1), SIGSEGV);
	cr_expect_eq(rig_peek(r, A, m), 0x11);
	cr_expect_eq(rig_store(r, A, m, 1), SIGSEGV);
	rig_expect_flt(r, A, 1, 0);
	rig_expect_clean(r);
	rig_free(r);
}

Test(fault, cow_copies_once_and_leaves_the_file_alone)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 p = rig_mmap(r, A, f, 0, 4, PRIVATE_RW);
	u64 free = rig_nr_free(r);

	/* From a block, from a hole, from a hole page, from a mapped block. */
	cr_assert_eq(rig_fill(r, A, f, 0x33, PAGE_SIZE, PAGES(3)), (ssize_t)PAGE_SIZE);
	rig_peek(r, A, p + PAGES(2));
	rig_peek(r, A, p + PAGES(3));
	cr_expect_eq(rig_cached(f), 1);
	rig_expect_flt(r, A, 2, 0);
	for (int page = 0; page < 4; page++) {
		u8 old = page == 0 ? 0x11 : page == 3 ? 0x33 : 0;

		cr_expect_eq(rig_store(r, A, p + PAGES(page) + 8, 0x42), 0);
		rig_expect_flt(r, A, 1, 0);
		cr_expect_eq(rig_pte(r, A, p + PAGES(page))->kind, PTE_ANON);
		cr_expect_eq(rig_peek(r, A, p + PAGES(page) + 8), 0x42);
		cr_expect_eq(rig_peek(r, A, p + PAGES(page) + 7), old);
		cr_expect_eq(rig_peek(r, A, p + PAGES(page) + 4095), old);
		cr_expect_eq(rig_byte(r, f, PAGES(page) + 8), old);
		cr_expect_eq(rig_store(r, A, p + PAGES(page), 0x43), 0);
		rig_expect_flt(r, A, 0, 0);
	}
	cr_expect_eq(rig_nr_free(r), free - 1);
	/* A copy does not follow the file; a page that was not copied does. */
	rig_fill(r, A, f, 0x99, PAGE_SIZE, 0);
	cr_expect_eq(rig_peek(r, A, p + 9), 0x11);
	rig_expect_clean(r);
	rig_free(r);
}

/* An extent that direct_access cuts short: v11 refuses it, v10 maps what is there. */
Test(fault, direct_access_fails_or_is_short)
{
	static const struct {
		const char *profile;
		s64 error;
		u64 short_len;
		int signal;
	} cases[] = {
		{ "v11", -EIO, 0, SIGBUS },	{ "v11 -p3", -EIO, 0, SIGBUS },
		{ "v11", 0, 100, SIGBUS },	{ "v11 -p3", 0, 100, 0 },
		{ "v11", 0, 0, SIGBUS },	{ "v11 -p3", 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *r = rig_new("ext2", cases[i].profile, 64);
		struct file *f = file_with_block(r, 1);
		u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW);
		u8 byte = 0;

		r->sb->inject[INJECT_DIRECT_ACCESS] = (struct injection){
			.error = cases[i].error, .short_len = cases[i].short_len, .times = 3,
		};
		cr_expect_eq(rig_load(r, A, m, &byte), cases[i].signal, "case %zu", i);
		if (cases[i].signal) {
			rig_expect_flt(r, A, 0, 0);
			cr_expect_eq(rig_pte(r, A, m)->kind, PTE_NONE);
		} else {
			/* With 0 bytes there is no PTE and no error: it faults until that ends. */
			rig_expect_flt(r, A, cases[i].short_len ? 1 : 4, 0);
			cr_expect_eq(byte, 0x11);
		}
		rig_expect_clean(r);
		rig_free(r);
	}
}

Test(fault, cow_needs_direct_access)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 1);
	u64 p = rig_mmap(r, A, f, 0, 1, PRIVATE_RW);

	rig_inject(r, INJECT_DIRECT_ACCESS, -ENXIO, 0, 1);
	cr_expect_eq(rig_store(r, A, p, 1), SIGBUS);
	cr_expect_eq(rig_pte(r, A, p)->kind, PTE_NONE);
	cr_expect_eq(rig_store(r, A, p, 1), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* Linux would call the OOM killer; here the access ends with SIGBUS. Nothing is left half done. */
Test(fault, out_of_memory)
{
	struct rig *r = rig();
	struct file *f = file_with_block(r, 4);
	u64 m = rig_mmap(r, A, f, 0, 4, SHARED_RW), p = rig_mmap(r, A, f, 0, 4, PRIVATE_RW);
	u64 free = rig_nr_free(r);
	u8 byte;

	rig_peek(r, A, p);
	r->task[A]->min_flt = 0;
	rig_exhaust(r);
	cr_expect_eq(rig_load(r, A, m + PAGES(1), &byte), SIGBUS);	/* no hole page */
	cr_expect_eq(rig_store(r, A, m + PAGES(2), 1), SIGBUS);		/* no extent */
	cr_expect_eq(rig_store(r, A, p + PAGES(2), 1), SIGBUS);		/* no private page */
	cr_expect_eq(rig_store(r, A, p, 1), SIGBUS);			/* nor a copy */
	rig_expect_flt(r, A, 0, 0);
	rig_relieve(r);
	cr_expect_eq(rig_nr_free(r), free);
	cr_expect_eq(rig_cached(f), 0);
	cr_expect_eq(rig_store(r, A, m + PAGES(2), 1), 0);
	cr_expect_eq(rig_store(r, A, p, 1), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* Whether the error of zeroing counts. Without a zeroed block, the last owner's bytes show. */
Test(fault, clear_error)
{
	static const struct {
		const char *profile;
		int signal;
	} cases[] = {
		{ "v11", SIGBUS }, { "v11 -p1", 0 }, { "v11 -p3", SIGBUS }, { "v10", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *r = rig_new_on(&soft_mmu, &toy_fs, cases[i].profile, 64);
		struct file *g = rig_create(r, "g"), *f = rig_create(r, "f");
		u64 m = rig_mmap(r, A, f, 0, 1, SHARED_RW);

		rig_fill(r, A, g, 0x77, PAGE_SIZE, 0);
		rig_truncate(r, A, g, 0);
		rig_truncate(r, A, f, PAGE_SIZE);
		rig_inject(r, INJECT_CLEAR, -EIO, 0, 1);
		cr_expect_eq(rig_store(r, A, m, 0x42), cases[i].signal, "%s", cases[i].profile);
		if (cases[i].signal) {
			cr_expect_eq(rig_pte(r, A, m)->kind, PTE_NONE);
			rig_expect_clean(r);
		} else {
			cr_expect_eq(rig_peek(r, A, m + 1), 0x77);
			rig_expect_seen(r, INV_STALE_DATA);
		}
		rig_free(r);
	}
}

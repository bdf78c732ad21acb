// SPDX-License-Identifier: MIT
/*
 * Which PTEs there can be on real page tables, those of private mappings among
 * them, and that the audit knows them apart.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "backends/mmu/uffd.h"
#include "tests/uffd_machine.h"

Test(uffd_pte, private_copy_is_apart_from_the_device)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, PRIVATE);
	u8 *block = pmem_block(&m->sim.pmem, 8);
	static u8 copy[PAGE_SIZE];
	u8 value = 0x55, got = 0;
	struct mmu_access ld = load(m, 0, at(vma, 0) + 9, &got, 1);
	struct mmu_access st = store(m, 0, at(vma, 0) + 9, &value, 1);

	memset(block, 0x11, PAGE_SIZE);
	memset(copy, 0x22, PAGE_SIZE);
	expect_fault(go(&ld), &ld, at(vma, 0));
	set(vma, 0, RO_PFN(8));
	expect_honest(vma);
	cr_assert_eq(again(&ld), MMU_DONE);
	cr_expect_eq(got, 0x11);
	expect_fault(go(&st), &st, at(vma, 0));
	set(vma, 0, ANON(copy));
	expect_honest(vma);
	cr_assert_eq(again(&st), MMU_DONE);
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x55);
	ld.addr++;
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x22);
	for (size_t i = 0; i < PAGE_SIZE; i++)
		cr_assert_eq(block[i], 0x11, "the device changed");
	/* Without the copy, the device is there again; and a hole can be copied as well. */
	set(vma, 0, NONE);
	expect_fault(go(&ld), &ld, at(vma, 0));
	set(vma, 0, RO_PFN(8));
	cr_assert_eq(again(&ld), MMU_DONE);
	cr_expect_eq(got, 0x11);
	set(vma, 0, HOLE);
	expect_honest(vma);
	expect_fault(go(&st), &st, at(vma, 0));
	expect_signal(refuse(&st), &st, SIGBUS, at(vma, 0) + 9);
	expect_honest(vma);
	set(vma, 0, ANON(copy));
	expect_honest(vma);
	cr_assert_eq(go(&st), MMU_DONE);
	machine_destroy(m);
}

/* A fault is refused on a page that somebody else has got a private copy of meanwhile. */
Test(uffd_pte, private_copy_survives_a_refused_fault)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, PRIVATE);
	u8 copy[PAGE_SIZE] = { 0x22, 0x33 }, value = 0x55, got = 0;
	struct mmu_access late = store(m, 0, at(vma, 0), &got, 1);
	struct mmu_access st = store(m, 1, at(vma, 0) + 1, &value, 1);
	struct mmu_access ld = load(m, 2, at(vma, 0), &got, 1);

	expect_fault(go(&late), &late, at(vma, 0));
	set(vma, 0, ANON(copy));
	cr_assert_eq(go(&st), MMU_DONE);
	expect_signal(refuse(&late), &late, SIGBUS, at(vma, 0));
	expect_honest(vma);
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x22);
	ld.addr++;
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x55);
	machine_destroy(m);
}

Test(uffd_pte, impossible_ptes_are_rejected)
{
	static u8 page[PAGE_SIZE];
	struct machine *m = machine();
	struct vma *shared = mapping(m, 0, SHARED), *private = mapping(m, 0, PRIVATE);
	const struct {
		struct vma *vma;
		struct pte pte;
	} bad[] = {
		{ shared, { .kind = PTE_HOLE, .writable = true } },
		{ shared, { .kind = PTE_PFN, .pfn = 64 } },
		{ shared, { .kind = PTE_ANON, .writable = true, .anon = page } },
		{ private, { .kind = PTE_PFN, .pfn = 1, .writable = true } },
		{ private, { .kind = PTE_ANON + 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_eq(uffd_mmu.set_pte(bad[i].vma, 0, &bad[i].pte), -EINVAL, "%zu", i);
		expect_honest(bad[i].vma);
	}
	machine_destroy(m);
}

/* What mprotect(2) and mremap(2) need: hardware that obeys, and the bytes of what is hidden. */
Test(uffd_pte, protection_of_a_private_copy)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, PRIVATE);
	static u8 copy[PAGE_SIZE];
	u8 value = 0x55, got = 0;
	struct mmu_access ld = load(m, 0, at(vma, 0) + 9, &got, 1);
	struct mmu_access st = store(m, 1, at(vma, 0) + 9, &value, 1);

	set(vma, 0, ANON(copy));
	cr_assert_eq(go(&st), MMU_DONE);
	cr_expect_eq(copy[9], 0, "the copy lives in real page tables");
	vma->flags = 0;
	uffd_mmu.protect(vma);
	set(vma, 0, RO_ANON(copy));
	expect_honest(vma);
	expect_signal(go(&ld), &ld, SIGSEGV, at(vma, 0) + 9);
	uffd_mmu.fetch(vma, 0);
	cr_expect_eq(copy[9], 0x55);
	uffd_mmu.protect(vma);
	expect_signal(go(&ld), &ld, SIGSEGV, at(vma, 0) + 9);
	vma->flags = VM_READ;
	uffd_mmu.protect(vma);
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x55);
	expect_signal(go(&st), &st, SIGSEGV, at(vma, 0) + 9);
	/* Stores are allowed again, but the page still waits for a first one. */
	vma->flags = PRIVATE;
	uffd_mmu.protect(vma);
	expect_honest(vma);
	value = 0x66;
	expect_fault(go(&st), &st, at(vma, 0));
	set(vma, 0, ANON(copy));
	expect_honest(vma);
	cr_assert_eq(again(&st), MMU_DONE);
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0x66);
	machine_destroy(m);
}

/* A thread that sleeps in a fault when the page may no longer be touched. */
Test(uffd_pte, protection_ends_a_fault)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	u8 value = 0x55;
	struct mmu_access woken = store(m, 0, at(vma, 0) + 9, &value, 1);
	struct mmu_access failed = store(m, 1, at(vma, 1) + 9, &value, 1);

	set(vma, 0, RO_PFN(3));
	set(vma, 1, RO_PFN(4));
	expect_fault(go(&woken), &woken, at(vma, 0));
	expect_fault(go(&failed), &failed, at(vma, 1));
	vma->flags &= ~VM_WRITE;
	uffd_mmu.protect(vma);
	expect_signal(again(&woken), &woken, SIGSEGV, at(vma, 0) + 9);
	expect_signal(refuse(&failed), &failed, SIGBUS, at(vma, 1) + 9);
	expect_honest(vma);
	machine_destroy(m);
}

Test(uffd_pte, audit_finds_every_lie)
{
	static u8 page[PAGE_SIZE];
	const struct {
		u32 flags;
		struct pte truth, lie;
		const char *word;
	} cases[] = {
		{ SHARED, NONE, HOLE, "not present" },
		{ SHARED, NONE, RW_PFN(3), "not present" },
		{ SHARED, HOLE, NONE, "is present" },
		{ SHARED, RO_PFN(3), NONE, "is present" },
		{ SHARED, RO_PFN(3), RW_PFN(3), "write-protected" },
		{ SHARED, RW_PFN(3), RO_PFN(3), "writable" },
		{ PRIVATE, NONE, ANON(page), "not present" },
		{ PRIVATE, ANON(page), NONE, "is present" },
		{ PRIVATE, ANON(page), RO_PFN(3), "writable" },
		{ PRIVATE, RO_PFN(3), ANON(page), "write-protected" },
		{ PRIVATE, RO_ANON(page), ANON(page), "write-protected" },
	};
	struct machine *m = machine();
	char why[128];

	if (((struct uffd *)m->sim.mmu_data)->pt.pagemap < 0)
		cr_skip("no /proc/self/pagemap\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vma *vma = mapping(m, 0, cases[i].flags);

		set(vma, 1, cases[i].truth);
		expect_honest(vma);
		vma->pte[1] = cases[i].lie;
		cr_assert_eq(uffd_mmu.audit(vma, 1, why, sizeof(why)), -EUCLEAN, "case %zu", i);
		cr_assert(strstr(why, cases[i].word), "case %zu: %s", i, why);
	}
	machine_destroy(m);
}

/* Every page under another block is a mapping of its own, of which Linux allows so many. */
Test(uffd_pte, too_many_mappings_change_nothing)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	struct pte pte = RW_PFN(9);
	unsigned long max = 0, len;
	char *fill;

	if (!f || fscanf(f, "%lu", &max) != 1 || max > 100000)
		cr_skip("vm.max_map_count is too large to be reached\n");
	fclose(f);
	len = (max + 2) * PAGE_SIZE;
	fill = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(fill, MAP_FAILED);
	set(vma, 0, HOLE);
	for (u64 i = 1; i < max; i += 2)
		if (mprotect(fill + i * PAGE_SIZE, PAGE_SIZE, PROT_READ))
			break;
	cr_expect_eq(uffd_mmu.set_pte(vma, 1, &pte), -ENOMEM);
	expect_honest(vma);
	munmap(fill, len);
	set(vma, 1, pte);
	expect_honest(vma);
	machine_destroy(m);
}

// SPDX-License-Identifier: MIT
/*
 * Real page tables: what a PTE says is what a load or store meets, faults arrive
 * once and where they belong, and nobody is woken who was not resumed.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "backends/mmu/toucher.h"
#include "backends/mmu/uffd.h"
#include "tests/uffd_machine.h"

Test(uffd, missing_page_is_a_fault_until_inserted)
{
	for (int kernel = 0; kernel < 2; kernel++) {
		struct machine *m = machine();
		struct vma *vma = mapping(m, 0, SHARED);
		u32 got = 0;
		struct mmu_access a = load(m, 0, at(vma, 1) + 5, &got, sizeof(got));

		a.kernel = kernel;
		memcpy((char *)pmem_block(&m->sim.pmem, 7) + 5, "\x11\x22\x33\x44", 4);
		expect_fault(go(&a), &a, at(vma, 1));
		expect_fault(again(&a), &a, at(vma, 1));
		set(vma, 1, RO_PFN(7));
		cr_assert_eq(again(&a), MMU_DONE);
		cr_expect_eq(got, 0x44332211);
		expect_honest(vma);
		machine_destroy(m);
	}
}

Test(uffd, store_is_in_the_device_and_in_other_mappings)
{
	for (int kernel = 0; kernel < 2; kernel++) {
		struct machine *m = machine();
		struct vma *one = mapping(m, 0, SHARED), *two = mapping(m, 9, SHARED);
		u8 bytes[PAGE_SIZE], got[PAGE_SIZE];
		struct mmu_access st = store(m, 0, at(one, 0), bytes, PAGE_SIZE);
		struct mmu_access ld = load(m, 1, at(two, 3) + 1, got + 1, PAGE_SIZE - 1);

		st.kernel = ld.kernel = kernel;
		for (size_t i = 0; i < PAGE_SIZE; i++)
			bytes[i] = i * 31 >> 3;
		expect_fault(go(&st), &st, at(one, 0));
		set(one, 0, RW_PFN(5));		/* a page that nobody has touched */
		cr_assert_eq(again(&st), MMU_DONE);
		cr_expect_arr_eq(pmem_block(&m->sim.pmem, 5), bytes, PAGE_SIZE);
		expect_fault(go(&ld), &ld, at(two, 3));
		set(two, 3, RO_PFN(5));
		cr_assert_eq(again(&ld), MMU_DONE);
		cr_expect_arr_eq(got + 1, bytes + 1, PAGE_SIZE - 1);
		/* The other way round, without another fault. */
		*(u8 *)pmem_block(&m->sim.pmem, 5) = 0xee;
		ld = load(m, 1, at(two, 3), got, 1);
		cr_assert_eq(go(&ld), MMU_DONE);
		cr_expect_eq(got[0], 0xee);
		machine_destroy(m);
	}
}

Test(uffd, store_to_read_only_page_is_a_fault)
{
	for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
		struct machine *m = machine();
		struct uffd *u = m->sim.mmu_data;
		struct vma *vma = mapping(m, 0, SHARED);
		u64 value = 42;
		struct mmu_access a = store(m, 0, at(vma, 2) + 8, &value, 8);

		u->pt.no_continue_wp = old_kernel;
		set(vma, 2, RO_PFN(3));
		expect_honest(vma);
		expect_fault(go(&a), &a, at(vma, 2));
		set(vma, 2, RW_PFN(3));
		cr_assert_eq(again(&a), MMU_DONE);
		cr_expect_eq(((u64 *)pmem_block(&m->sim.pmem, 3))[1], 42);
		expect_honest(vma);
		set(vma, 2, RO_PFN(3));
		expect_honest(vma);
		expect_fault(go(&a), &a, at(vma, 2));
		machine_destroy(m);
	}
}

Test(uffd, hole_reads_zero_and_becomes_a_block)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 2, SHARED), *same = mapping(m, 2, SHARED);
	u64 value = 1, got = 1;
	struct mmu_access ld = load(m, 0, at(vma, 0), &got, 8);
	struct mmu_access st = store(m, 0, at(vma, 0), &value, 8);
	struct mmu_access other = load(m, 1, at(same, 0), &got, 8);

	memset(pmem_block(&m->sim.pmem, 6), 0xaa, PAGE_SIZE);
	expect_fault(go(&ld), &ld, at(vma, 0));
	set(vma, 0, HOLE);
	sched_yield();
	cr_expect_not(toucher_finished(m->task[0].mmu), "woken without resume()");
	cr_assert_eq(again(&ld), MMU_DONE);
	cr_expect_eq(got, 0);
	expect_fault(go(&st), &st, at(vma, 0));
	set(vma, 0, RW_PFN(6));
	cr_assert_eq(again(&st), MMU_DONE);
	cr_expect_eq(((u64 *)pmem_block(&m->sim.pmem, 6))[0], 1);
	cr_expect_eq(((u64 *)pmem_block(&m->sim.pmem, 6))[1], 0xaaaaaaaaaaaaaaaa);
	/* The same page of the file elsewhere is a hole that exists already. */
	got = 1;
	expect_fault(go(&other), &other, at(same, 0));
	set(same, 0, HOLE);
	cr_assert_eq(again(&other), MMU_DONE);
	cr_expect_eq(got, 0);
	expect_honest(vma);
	expect_honest(same);
	/* And back, with a second block in between. */
	set(vma, 0, RO_PFN(9));
	set(vma, 0, HOLE);
	expect_honest(vma);
	got = 1;
	cr_assert_eq(go(&ld), MMU_DONE);
	cr_expect_eq(got, 0);
	machine_destroy(m);
}

Test(uffd, zapped_page_faults_again)
{
	static const struct pte ptes[] = { { .kind = PTE_HOLE }, { .kind = PTE_PFN, .pfn = 3 },
					   { .kind = PTE_PFN, .pfn = 4, .writable = true } };
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	u8 got;

	for (size_t i = 0; i < ARRAY_SIZE(ptes); i++) {
		struct mmu_access a = load(m, 0, at(vma, i), &got, 1);

		set(vma, i, ptes[i]);
		cr_assert_eq(go(&a), MMU_DONE);
		set(vma, i, NONE);
		expect_honest(vma);
		expect_fault(go(&a), &a, at(vma, i));
		set(vma, i, ptes[i]);
		expect_honest(vma);
		cr_assert_eq(again(&a), MMU_DONE);
	}
	machine_destroy(m);
}

Test(uffd, refused_fault_is_a_signal_at_the_byte)
{
	for (int kernel = 0; kernel < 2; kernel++) {
		struct machine *m = machine();
		struct vma *vma = mapping(m, 0, SHARED);
		u32 value = 1;
		struct mmu_access a = load(m, 0, at(vma, 1) + 0x123, &value, 4);
		struct mmu_access st = store(m, 0, at(vma, 1) + 0x124, &value, 4);

		a.kernel = st.kernel = kernel;
		for (int twice = 0; twice < 2; twice++) {
			expect_fault(go(&a), &a, at(vma, 1));
			expect_signal(refuse(&a), &a, SIGBUS, at(vma, 1) + 0x123);
			expect_honest(vma);
		}
		/* A store that is refused leaves a read-only page what it was. */
		set(vma, 1, RO_PFN(4));
		expect_fault(go(&st), &st, at(vma, 1));
		expect_signal(refuse(&st), &st, SIGBUS, at(vma, 1) + 0x124);
		expect_honest(vma);
		cr_assert_eq(go(&a), MMU_DONE);
		cr_expect_eq(value, 0);
		machine_destroy(m);
	}
}

Test(uffd, store_over_two_pages_is_all_or_nothing)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	u64 value = 0x8877665544332211;
	u64 addr = at(vma, 1) - 3;
	struct mmu_access a = store(m, 0, addr, &value, 8);
	u8 *tail = (u8 *)pmem_block(&m->sim.pmem, 2) + PAGE_SIZE - 3;
	u8 *head = pmem_block(&m->sim.pmem, 3);

	/* One page is there, the other is refused; then the first goes meanwhile as well. */
	for (u64 refused = 0; refused < 2; refused++) {
		u64 byte = refused ? at(vma, 1) : addr, other = !refused;

		for (int gone = 0; gone < 2; gone++) {
			set(vma, other, RW_PFN(2 + other));
			expect_fault(go(&a), &a, at(vma, refused));
			if (gone)
				set(vma, other, NONE);
			expect_signal(refuse(&a), &a, SIGBUS, byte);
			cr_expect_arr_eq(tail, "\0\0\0", 3);
			cr_expect_arr_eq(head, "\0\0\0\0\0", 5);
			expect_honest(vma);
		}
	}

	/* Both are missing, and the lower one comes first, whatever the processor does. */
	expect_fault(go(&a), &a, at(vma, 0));
	set(vma, 0, RW_PFN(2));
	expect_fault(again(&a), &a, at(vma, 1));
	set(vma, 0, NONE);
	set(vma, 1, RW_PFN(3));
	expect_fault(again(&a), &a, at(vma, 0));
	set(vma, 0, RW_PFN(2));
	cr_assert_eq(again(&a), MMU_DONE);
	cr_expect_arr_eq(tail, "\x11\x22\x33", 3);
	cr_expect_arr_eq(head, "\x44\x55\x66\x77\x88", 5);
	machine_destroy(m);
}

/* Two threads in faults on two pages, resumed in either order. */
Test(uffd, threads_sleep_side_by_side)
{
	for (int order = 0; order < 2; order++) {
		struct machine *m = machine();
		struct vma *vma = mapping(m, 0, SHARED);
		u8 value[2] = { 1, 2 };
		struct mmu_access a[2] = { store(m, 0, at(vma, 0), &value[0], 1),
					   store(m, 1, at(vma, 1), &value[1], 1) };

		for (int i = 0; i < 2; i++)
			expect_fault(go(&a[i]), &a[i], at(vma, i));
		for (int i = 0; i < 2; i++)
			set(vma, i, RW_PFN(10 + i));
		for (int i = 0; i < 2; i++) {
			int k = i ^ order;

			cr_assert_eq(*(u8 *)pmem_block(&m->sim.pmem, 10 + k), 0);
			cr_assert_eq(again(&a[k]), MMU_DONE);
			cr_assert_eq(*(u8 *)pmem_block(&m->sim.pmem, 10 + k), value[k]);
		}
		machine_destroy(m);
	}
}

/* Three threads in faults on one page: each goes on when it is resumed and not before. */
Test(uffd, threads_sleep_on_one_page)
{
	static const int orders[][NR_TASKS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (size_t o = 0; o < 2 * ARRAY_SIZE(orders); o++) {
		struct machine *m = machine();
		struct vma *vma = mapping(m, 0, SHARED);
		u8 *block = pmem_block(&m->sim.pmem, 10), value[NR_TASKS] = { 1, 2, 3 };
		u8 expected[NR_TASKS] = { 0 };
		struct mmu_access a[NR_TASKS];

		for (int i = 0; i < NR_TASKS; i++) {
			a[i] = store(m, i, at(vma, 0) + i, &value[i], 1);
			a[i].kernel = o & 1;
			expect_fault(go(&a[i]), &a[i], at(vma, 0));
		}
		for (int i = 0; i < NR_TASKS; i++) {
			int k = orders[o / 2][i];

			/* The middle one finds the page gone again, or is refused. */
			if (i == 1) {
				set(vma, 0, NONE);
				expect_fault(again(&a[k]), &a[k], at(vma, 0));
				expect_signal(refuse(&a[k]), &a[k], SIGBUS, at(vma, 0) + k);
			} else {
				set(vma, 0, RW_PFN(10));
				cr_assert_eq(again(&a[k]), MMU_DONE);
				expected[k] = value[k];
			}
			cr_assert_arr_eq(block, expected, NR_TASKS);
		}
		machine_destroy(m);
	}
}

/* A sleeper that something wakes unasked sends its message again: nobody else's fault. */
Test(uffd, message_sent_twice_is_dropped)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct machine *m;
	struct toucher *t;
	struct pollfd p = { .events = POLLIN };
	struct vma *vma;
	u8 got[2] = { 0xff, 0xff };
	struct mmu_access a, b;

	sigaction(SIGBUS, &ignore, NULL);
	m = machine();
	vma = mapping(m, 0, SHARED);
	a = load(m, 0, at(vma, 0), &got[0], 1);
	b = load(m, 1, at(vma, 1), &got[1], 1);
	expect_fault(go(&a), &a, at(vma, 0));
	t = m->task[0].mmu;
	p.fd = ((struct uffd *)m->sim.mmu_data)->pt.fd;
	cr_assert_eq(poll(&p, 1, 0), 0);
	cr_assert_eq(pthread_kill(t->thread, SIGBUS), 0);
	cr_assert_eq(poll(&p, 1, 5000), 1);
	expect_fault(go(&b), &b, at(vma, 1));
	set(vma, 1, HOLE);
	cr_assert_eq(again(&b), MMU_DONE);
	cr_expect_eq(got[1], 0);
	set(vma, 0, HOLE);
	cr_assert_eq(again(&a), MMU_DONE);
	cr_expect_eq(got[0], 0);
	machine_destroy(m);
}

static void *touch_for_once(void *p)
{
	return (void *)(size_t)*(volatile u8 *)p;
}

Test(uffd, fault_of_a_foreign_thread_is_an_error, .signal = SIGABRT)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	struct pollfd p = { .fd = ((struct uffd *)m->sim.mmu_data)->pt.fd, .events = POLLIN };
	u8 got;
	struct mmu_access a = load(m, 0, at(vma, 1), &got, 1);
	pthread_t thread;

	cr_assert_not_null(freopen("/dev/null", "w", stderr));
	cr_assert_eq(pthread_create(&thread, NULL, touch_for_once, (void *)at(vma, 0)), 0);
	cr_assert_eq(poll(&p, 1, 5000), 1);
	go(&a);
}

Test(uffd, unmapped_page_is_a_segfault)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, SHARED);
	u8 got;
	struct mmu_access gone = load(m, 0, at(vma, 1) + 7, &got, 1);
	struct mmu_access beside = load(m, 1, at(vma, 2), &got, 1);
	struct mmu_access behind = load(m, 1, at(vma, MAP_PAGES), &got, 1);
	struct mmu_access syscall = gone;

	syscall.kernel = true;
	syscall.task = &m->task[2];
	for (u64 page = 0; page < 3; page++)
		set(vma, page, RO_PFN(4));
	set(vma, 1, NONE);
	expect_fault(go(&gone), &gone, at(vma, 1));
	uffd_mmu.unmap(vma, 1, 1);
	expect_signal(again(&gone), &gone, SIGSEGV, at(vma, 1) + 7);
	expect_signal(go(&gone), &gone, SIGSEGV, at(vma, 1) + 7);
	expect_signal(go(&syscall), &syscall, SIGBUS, at(vma, 1) + 7);
	cr_assert_eq(go(&beside), MMU_DONE);
	expect_signal(go(&behind), &behind, SIGSEGV, at(vma, MAP_PAGES));
	machine_destroy(m);
}

Test(uffd, read_only_mapping_refuses_stores)
{
	struct machine *m = machine();
	struct vma *vma = mapping(m, 0, VM_SHARED | VM_READ);
	u8 byte = 1;
	struct mmu_access ld = load(m, 0, at(vma, 0), &byte, 1);
	struct mmu_access st = store(m, 1, at(vma, 0) + 1, &byte, 1);

	expect_fault(go(&ld), &ld, at(vma, 0));
	expect_signal(go(&st), &st, SIGSEGV, at(vma, 0) + 1);
	machine_destroy(m);
}

// SPDX-License-Identifier: MIT
/* Each protection of the fault path, on and off, at the place where it acts. */
#include "tests/fault_stage.h"
#include "tests/toy_fs.h"

/* b1: the i_size re-check, without which a PTE stays that truncate will not come for. */
Test(fault_protection, recheck_i_size)
{
	for (int off = 0; off < 2; off++)
		for (int page = 0; page < 2; page++) {
			struct stage *s = ext2(BOTH("v11", "v11 -b1")[off], SHARED_RW);

			a_stops(s, true, page, P_dax_insert_mapping, 1);
			rig_truncate(s->r, B, s->f, 0);
			a_ends(s, off ? 0 : SIGBUS);
			if (off) {
				rig_expect_seen(s->r, INV_STALE_PTE);
				rig_expect_seen(s->r, INV_PTE_PAST_EOF);
			} else {
				rig_expect_clean(s->r);
				cr_expect_eq(rig_nr_free(s->r), 63);
			}
			rig_expect_flt(s->r, A, off ? 2 - page : 0, off ? page : 0);
			drop(s);
		}
}

/* b2: the mutex from the re-check to the insertion, which makes truncate wait. */
Test(fault_protection, i_mmap_mutex_around_insertion)
{
	for (int off = 0; off < 2; off++) {
		struct stage *s = ext2(BOTH("v11", "v11 -b2")[off], SHARED_RW);
		struct call cut = call_truncate(s->f, 0);

		a_stops(s, true, 0, P_vm_insert_mixed, 1);
		rig_start(s->r, B, &cut);
		cr_assert_eq(rig_go(s->r, B), off ? TASK_IDLE : TASK_BLOCKED);
		if (!off) {
			cr_expect_eq(s->r->task[B]->waiting, &s->f->inode->i_data.i_mmap_mutex);
			a_ends(s, 0);
			rig_finish(s->r, B);
			rig_expect_clean(s->r);
		} else {
			a_ends(s, 0);
			rig_expect_seen(s->r, INV_STALE_PTE);
			rig_expect_seen(s->r, INV_PTE_PAST_EOF);
		}
		drop(s);
	}
}

/* p2: the COW path finds the file truncated. v10 went home with the mutex. */
Test(fault_protection, cow_unlocks_on_race)
{
	for (int off = 0; off < 2; off++) {
		struct stage *s = ext2(BOTH("v11", "v11 -p2")[off], PRIVATE_RW);
		struct call cut = call_truncate(s->f, PAGE_SIZE);

		s->call = call_store(s->m, &s->byte, 1);
		rig_start(s->r, A, &s->call);
		rig_until_lock(s->r, A, LOCK_I_MMAP_MUTEX, 1);
		rig_truncate(s->r, B, s->f, 0);
		a_ends(s, SIGBUS);
		cr_expect_eq(rig_pte(s->r, A, s->m)->kind, PTE_NONE);
		if (!off) {
			rig_expect_clean(s->r);
		} else {
			rig_expect_seen(s->r, INV_LOCK_LEAK);
			rig_start(s->r, B, &cut);
			cr_expect_eq(rig_go(s->r, B), TASK_BLOCKED);
			cr_expect(sched_deadlocked(s->r->task[B]));
		}
		drop(s);
	}
}

/* p3: zeroing after truncate gave the block to another file. */
Test(fault_protection, clear_under_i_mmap)
{
	for (int off = 0; off < 2; off++) {
		struct stage *s = ext2(BOTH("v11", "v11 -p3")[off], SHARED_RW);
		struct file *g = rig_create(s->r, "g");

		/* ext2 zeroes the block itself before; the fault's own zeroing is the second. */
		a_stops(s, true, 1, off ? P_dax_clear_blocks : P_dax_insert_mapping, off ? 2 : 1);
		rig_truncate(s->r, B, s->f, 0);
		rig_fill(s->r, B, g, 0x77, PAGES(2), 0);
		a_ends(s, SIGBUS);
		if (off) {
			rig_expect_seen(s->r, INV_FOREIGN_WRITE);
			cr_expect(rig_byte(s->r, g, 0) == 0 || rig_byte(s->r, g, PAGE_SIZE) == 0);
			rig_expect_seen(s->r, INV_LOST_STORE);
		} else {
			cr_expect_eq(rig_byte(s->r, g, 0), 0x77);
			cr_expect_eq(rig_byte(s->r, g, PAGE_SIZE), 0x77);
			rig_expect_clean(s->r);
		}
		drop(s);
	}
}

/* p4: an unwritten block is no hole. Without, a load makes a hole page, a store allocates again. */
Test(fault_protection, unwritten_is_allocated)
{
	for (int off = 0; off < 2; off++) {
		struct stage *s = stage(&toy_fs, BOTH("v11", "v11 -p4")[off], SHARED_RW);
		struct inode *inode = s->f->inode;
		u32 creates;

		cr_assert_eq(toy_fs.fallocate(inode, 0, PAGES(1), PAGES(1)), 0);
		creates = toy_counts(inode)->creates;
		cr_expect_eq(rig_peek(s->r, C, s->n + PAGES(1)), 0);
		cr_expect_eq(rig_pte(s->r, C, s->n + PAGES(1))->kind, off ? PTE_HOLE : PTE_PFN);
		cr_expect_eq(toy_counts(inode)->creates, creates);
		cr_expect_eq(extent_find(&inode->extents, 1)->unwritten, off);
		cr_expect_eq(rig_store(s->r, A, s->m + PAGES(1), 0x42), 0);
		rig_expect_flt(s->r, A, off ? 1 : 2, off);
		cr_expect_eq(toy_counts(inode)->creates, creates + off);
		cr_expect(!extent_find(&inode->extents, 1)->unwritten);
		cr_expect_eq(rig_peek(s->r, C, s->n + PAGES(1)), 0x42);
		cr_expect_eq(rig_byte(s->r, s->f, PAGES(1)), 0x42);
		if (off)
			rig_expect_seen(s->r, INV_EARLY_WRITTEN);
		rig_expect_clean(s->r);
		drop(s);
	}
}

/* p1, p3, p7: whether end_io runs, and whether the mutex is held then. */
Test(fault_protection, end_io)
{
	static const struct {
		const char *profile;
		u32 calls, locked;
	} cases[] = {
		{ "v11", 1, 0 },	 { "v11 -p7", 1, 1 }, { "v11 -p1", 0, 0 },
		{ "v11 -p3", 1, 0 },	 { "v11 -p5", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stage *s = stage(&toy_fs, cases[i].profile, SHARED_RW);
		struct inode *inode = s->f->inode;

		cr_assert_eq(toy_fs.fallocate(inode, 0, PAGES(1), PAGES(1)), 0);
		cr_expect_eq(rig_store(s->r, A, s->m + PAGES(1), 0x42), 0);
		cr_expect_eq(toy_counts(inode)->end_ios, cases[i].calls, "%s", cases[i].profile);
		cr_expect_eq(toy_counts(inode)->end_ios_locked, cases[i].locked, "%s",
			     cases[i].profile);
		/* Without conversion the extent reads as zeroes: the store is lost to read(2). */
		cr_expect_eq(rig_byte(s->r, s->f, PAGES(1)), cases[i].calls ? 0x42 : 0);
		if (cases[i].calls)
			rig_expect_clean(s->r);
		else
			cr_expect(s->r->seen[INV_LOST_STORE] + s->r->seen[INV_INCOHERENT]);
		drop(s);
	}
}

/* v11 calls end_io after an error too: written, and never zeroed. */
Test(fault_protection, end_io_after_error)
{
	struct stage *s = stage(&toy_fs, "v11", SHARED_RW);
	struct inode *inode = s->f->inode;
	struct file *g = rig_create(s->r, "g");

	rig_fill(s->r, A, g, 0x77, PAGE_SIZE, 0);
	rig_truncate(s->r, A, g, 0);
	cr_assert_eq(toy_fs.fallocate(inode, 0, PAGES(1), PAGES(1)), 0);
	rig_inject(s->r, INJECT_CLEAR, -EIO, 0, 1);
	cr_expect_eq(rig_store(s->r, A, s->m + PAGES(1), 0x42), SIGBUS);
	cr_expect_eq(toy_counts(inode)->end_ios, 1);
	rig_expect_seen(s->r, INV_EARLY_WRITTEN);
	rig_expect_clean(s->r);
	cr_expect_eq(rig_byte(s->r, s->f, PAGES(1)), 0x77);
	rig_expect_seen(s->r, INV_STALE_DATA);
	drop(s);
}

// SPDX-License-Identifier: MIT
/*
 * Tests of the watchers: which bytes a file ought to hold, and who sees others.
 * What was stored is known from check_block_write() and check_user_access().
 */
#include "tests/check_machine.h"

/* A file f of @nr pages at block 5, mapped as m, page 0 of which points to its block. */
static struct vma *mapped_file(struct watched *w, u64 nr)
{
	struct vma *vma = map(w, "m", w->f, 0, nr);

	own(w, w->f, 0, 5, nr);
	set_pte(vma, 0, PTE_PFN, 5);
	return vma;
}

/* write(2) as a right kernel does it: into the file's block, told to the watchers. */
static void write_byte(struct watched *w, struct inode *inode, pgoff_t pgoff, block_t block,
		       u64 off, u8 byte)
{
	check_block_write(w->sim.check, inode, pgoff, block, off, &byte, 1);
	media(w, block)[off] = byte;
}

static void load(struct watched *w, struct vma *vma, u64 offset, u8 byte)
{
	check_user_access(w->sim.check, vma, vma->start + offset, &byte, 1, false);
}

static void store(struct watched *w, struct vma *vma, u64 offset, u8 byte)
{
	check_user_access(w->sim.check, vma, vma->start + offset, &byte, 1, true);
}

/*
 * stale-data
 */

Test(check_data, load)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 3);

	vma->page_base = 4;
	write_byte(w, w->f, 0, 5, 7, 0x5a);
	load(w, vma, 7, 0x5a);
	load(w, vma, 8, 0);
	load(w, vma, PAGE_SIZE + 7, 0);
	expect_silent(w);
	load(w, vma, 8, 0x77);
	expect_said(w, INV_STALE_DATA, "a load from page 4 of mapping m sees 0x77 at byte 8 of "
		    "page 0 of f, where the file holds 0x00");
	load(w, vma, 2 * PAGE_SIZE + 7, 0x5a);
	expect_said(w, INV_STALE_DATA, "a load from page 6 of mapping m sees 0x5a at byte 7 of "
		    "page 2 of f, where the file holds 0x00");

	/* or was there, and no longer is */
	check_block_zero(w->sim.check, w->f, 0, 5, 7, 1);
	load(w, vma, 7, 0x5a);
	expect_said(w, INV_STALE_DATA, "a load from page 4 of mapping m sees 0x5a at byte 7 of "
		    "page 0 of f, where the file holds 0x00");

	/* what a private page holds is the program's own affair */
	set_pte(vma, 2, PTE_ANON, 0);
	load(w, vma, 2 * PAGE_SIZE + 7, 0x5a);
	unwatch(w);
}

/* A mapping that begins inside the file, and bytes in the middle of what was loaded. */
Test(check_data, load_at_an_offset)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 2, 1);
	u8 bytes[4] = { 0, 0x5a, 0, 0 };

	own(w, w->f, 0, 5, 3);
	set_pte(vma, 0, PTE_PFN, 7);
	write_byte(w, w->f, 2, 7, 4095, 0x11);
	write_byte(w, w->f, 2, 7, 101, 0x5a);
	load(w, vma, 4095, 0x11);
	check_user_access(w->sim.check, vma, vma->start + 100, bytes, 4, false);
	expect_silent(w);
	bytes[3] = 1;
	check_user_access(w->sim.check, vma, vma->start + 100, bytes, 4, false);
	expect_said(w, INV_STALE_DATA, "a load from page 0 of mapping m sees 0x01 at byte 103 of "
		    "page 2 of f, where the file holds 0x00");
	unwatch(w);
}

/* read(2), and the copy of a block into a private page, come through here. */
Test(check_data, read)
{
	struct watched *w = watch("ext2", 0);
	u8 bytes[PAGE_SIZE] = { [9] = 0x5a };

	own(w, w->f, 0, 5, 2);
	write_byte(w, w->f, 1, 6, 9, 0x5a);
	check_block_read(w->sim.check, w->f, 1, 6, 0, bytes, PAGE_SIZE);
	check_block_read(w->sim.check, w->f, 1, 6, 10, bytes + 10, 5);
	expect_silent(w);
	bytes[4] = 0x77;
	check_block_read(w->sim.check, w->f, 1, 6, 5, bytes + 5, 10);
	expect_silent(w);
	check_block_read(w->sim.check, w->f, 1, 6, 2, bytes + 2, 10);
	expect_said(w, INV_STALE_DATA, "a read of block 6 sees 0x77 at byte 4 of page 1 of f, "
		    "where the file holds 0x00");
	unwatch(w);
}

/* A block goes from g to f with g's bytes on it: the same bytes were stored, but not to f. */
Test(check_data, reuse)
{
	struct watched *w = watch("ext2", 0);
	u8 byte = 0x66;

	own(w, w->g, 0, 5, 1);
	write_byte(w, w->g, 0, 5, 0, 0x66);
	check_block_read(w->sim.check, w->g, 0, 5, 0, &byte, 1);
	check_extent_removed(w->sim.check, w->g, 0, 5, 1);
	check_free(w->sim.check, 5, 1, 0);
	own(w, w->f, 0, 5, 1);
	expect_silent(w);
	check_block_read(w->sim.check, w->f, 0, 5, 0, &byte, 1);
	expect_said(w, INV_STALE_DATA, "a read of block 5 sees 0x66 at byte 0 of page 0 of f, "
		    "where the file holds 0x00");
	byte = 0;
	check_block_read(w->sim.check, w->f, 0, 5, 0, &byte, 1);
	unwatch(w);
}

/* A store through a stale PTE goes to a block of g: nobody ever stored that to g. */
Test(check_data, store_through_a_stale_pte)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 1);
	u8 byte = 0x5a;

	own(w, w->g, 0, 9, 1);
	set_pte(vma, 0, PTE_PFN, 9);
	store(w, vma, 3, 0x5a);
	check_block_read(w->sim.check, w->g, 0, 9, 3, &byte, 1);
	expect_said(w, INV_STALE_DATA, "a read of block 9 sees 0x5a at byte 3 of page 0 of g, "
		    "where the file holds 0x00");
	byte = 0;
	check_block_read(w->sim.check, w->f, 0, 5, 3, &byte, 1);
	expect_silent(w);
	set_pte(vma, 0, PTE_PFN, 5);
	store(w, vma, 3, 0x5a);
	load(w, vma, 3, 0x5a);
	unwatch(w);
}

/*
 * lost-store
 */

Test(check_data, zeroed_away)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 2);
	write_byte(w, w->f, 1, 6, 100, 0x5a);
	check_block_init(w->sim.check, w->f, 1, 6, 0, 100);
	check_block_init(w->sim.check, w->f, 1, 6, 101, PAGE_SIZE - 101);
	check_block_init(w->sim.check, w->f, 0, 5, 0, PAGE_SIZE);
	expect_silent(w);
	check_block_init(w->sim.check, w->f, 1, 6, 90, 20);
	expect_said(w, INV_LOST_STORE,
		    "zeroing block 6 for page 1 of f wipes out 0x5a, stored at byte 100 of it");
	unwatch(w);
}

Test(check_data, zeroed_on_purpose)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 1);
	write_byte(w, w->f, 0, 5, 100, 0x5a);
	write_byte(w, w->f, 0, 5, 200, 0x5b);
	check_block_zero(w->sim.check, w->f, 0, 5, 100, 100);
	check_block_init(w->sim.check, w->f, 0, 5, 0, 200);
	expect_silent(w);
	check_block_init(w->sim.check, w->f, 0, 5, 0, 201);
	expect_said(w, INV_LOST_STORE,
		    "zeroing block 5 for page 0 of f wipes out 0x5b, stored at byte 200 of it");
	media(w, 5)[100] = media(w, 5)[200] = 0;
	check_block_zero(w->sim.check, w->f, 0, 5, 200, 1);
	check_quiescent(w->sim.check);
	unwatch(w);
}

Test(check_data, lost_at_rest)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 2);

	set_pte(vma, 1, PTE_PFN, 6);
	store(w, vma, PAGE_SIZE + 100, 0x5a);
	media(w, 6)[100] = 0x5a;
	write_byte(w, w->f, 0, 5, 0, 0x11);
	check_quiescent(w->sim.check);
	expect_silent(w);
	media(w, 6)[100] = 0x5b;
	check_quiescent(w->sim.check);
	expect_said(w, INV_LOST_STORE, "the device at rest sees 0x5b at byte 100 of page 1 of f, "
		    "where 0x5a was stored");

	/* a byte too many is not a store too few */
	media(w, 6)[100] = 0x5a;
	media(w, 6)[7] = 1;
	check_quiescent(w->sim.check);
	expect_said(w, INV_STALE_DATA, "the device at rest sees 0x01 at byte 7 of page 1 of f, "
		    "where the file holds 0x00");
	unwatch(w);
}

/* write(2) into a block that never became the file's. */
Test(check_data, written_to_nowhere)
{
	struct watched *w = watch("ext2", 0);

	check_alloc(w->sim.check, 5, 1);
	write_byte(w, w->f, 0, 5, 0, 0x5a);
	expect_silent(w);
	check_quiescent(w->sim.check);
	expect_said(w, INV_LOST_STORE,
		    "the device at rest sees 0x00 at byte 0 of page 0 of f, where 0x5a was stored");
	cr_assert_eq(extent_add(w->f, 0, 5, 1, false), 0);
	w->f->i_size = 1;
	check_quiescent(w->sim.check);
	unwatch(w);
}

Test(check_data, load_of_a_lost_store)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 1);

	write_byte(w, w->f, 0, 5, 0, 0x5a);
	media(w, 5)[0] = 0;
	load(w, vma, 0, 0);
	expect_said(w, INV_LOST_STORE, "a load from page 0 of mapping m sees 0x00 at byte 0 of "
		    "page 0 of f, where 0x5a was stored");
	unwatch(w);
}

/* What is punched out or truncated away is no loss. */
Test(check_data, given_up)
{
	struct watched *w = watch("ext2", 0);
	block_t block;
	u64 len;

	cr_assert_eq(alloc_blocks(w->f, 0, 3, &block, &len), 0);
	cr_assert_eq(len, 3);
	cr_assert_eq(extent_add(w->f, 0, block, 3, false), 0);
	w->f->i_size = 3 * PAGE_SIZE;
	for (u64 page = 0; page < 3; page++)
		write_byte(w, w->f, page, block + page, 1, 0x5a);
	cr_assert_eq(extent_free(w->f, 1, 2), 0);
	check_hole_read(w->sim.check, w->f, 1, 0, PAGE_SIZE);
	check_hole_read(w->sim.check, w->f, 2, 0, PAGE_SIZE);
	check_quiescent(w->sim.check);
	expect_silent(w);
	check_hole_read(w->sim.check, w->f, 0, 0, PAGE_SIZE);
	expect_said(w, INV_INCOHERENT, "a read of a hole sees 0x00 at byte 1 of page 0 of f, but "
		    "the file holds 0x5a");
	unwatch(w);
}

Test(check_data, evicted)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 2);
	own(w, w->g, 0, 8, 1);
	write_byte(w, w->f, 0, 5, 1, 0x5a);
	write_byte(w, w->f, 1, 6, 1, 0x5a);
	write_byte(w, w->g, 0, 8, 1, 0x66);
	memset(media(w, 5), 0, 4 * PAGE_SIZE);
	check_evict(w->sim.check, w->f);
	check_quiescent(w->sim.check);
	cr_expect_eq(w->nr_said, 1, "g is still there");
	expect_said(w, INV_LOST_STORE,
		    "the device at rest sees 0x00 at byte 1 of page 0 of g, where 0x66 was stored");
	unwatch(w);
}

/*
 * incoherent
 */

Test(check_data, hole_read_over_data)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 2);
	write_byte(w, w->f, 1, 6, 9, 0x5a);
	check_hole_read(w->sim.check, w->f, 0, 0, PAGE_SIZE);
	check_hole_read(w->sim.check, w->f, 1, 0, 9);
	check_hole_read(w->sim.check, w->f, 1, 10, PAGE_SIZE - 10);
	expect_silent(w);
	check_hole_read(w->sim.check, w->f, 1, 2, 20);
	expect_said(w, INV_INCOHERENT,
		    "a read of a hole sees 0x00 at byte 9 of page 1 of f, but the file holds 0x5a");
	/* with the right byte nowhere, it is lost */
	media(w, 6)[9] = 0;
	check_hole_read(w->sim.check, w->f, 1, 2, 20);
	expect_said(w, INV_LOST_STORE,
		    "a read of a hole sees 0x00 at byte 9 of page 1 of f, where 0x5a was stored");
	unwatch(w);
}

Test(check_data, load_of_a_hole_page_over_data)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 1);

	write_byte(w, w->f, 0, 5, 9, 0x5a);
	set_pte(vma, 0, PTE_HOLE, 0);
	load(w, vma, 8, 0);
	expect_silent(w);
	load(w, vma, 9, 0);
	expect_said(w, INV_INCOHERENT, "a load from page 0 of mapping m sees 0x00 at byte 9 of "
		    "page 0 of f, but the file holds 0x5a");
	unwatch(w);
}

Test(check_data, hole_page_over_data_at_rest)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = map(w, "m", w->f, 2, 2);

	own(w, w->f, 0, 5, 5);
	set_pte(vma, 0, PTE_HOLE, 0);
	set_pte(vma, 1, PTE_PFN, 8);
	write_byte(w, w->f, 1, 6, 9, 0x5a);	/* in front of the mapping, and behind it */
	write_byte(w, w->f, 4, 9, 9, 0x5a);
	write_byte(w, w->f, 3, 8, 9, 0x5a);	/* beside the hole page */
	write_byte(w, w->f, 2, 7, 9, 0x5a);
	check_block_zero(w->sim.check, w->f, 2, 7, 9, 1);
	media(w, 7)[9] = 0;
	check_quiescent(w->sim.check);
	expect_silent(w);
	write_byte(w, w->f, 2, 7, 9, 0x5b);
	check_quiescent(w->sim.check);
	expect_said(w, INV_INCOHERENT,
		    "a mapped hole page sees 0x00 at byte 9 of page 2 of f, but the file holds "
		    "0x5b");
	unwatch(w);
}

/* Another view that is neither zero nor right. */
Test(check_data, two_views)
{
	struct watched *w = watch("ext2", 0);
	struct vma *vma = mapped_file(w, 1);

	write_byte(w, w->f, 0, 5, 9, 0x5a);
	load(w, vma, 9, 0x5b);
	expect_said(w, INV_INCOHERENT, "a load from page 0 of mapping m sees 0x5b at byte 9 of "
		    "page 0 of f, but the file holds 0x5a");
	unwatch(w);
}

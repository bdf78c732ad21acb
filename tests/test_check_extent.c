// SPDX-License-Identifier: MIT
/*
 * Tests of the watchers: unwritten extents and when they become written, extents
 * that move, private copies, and a page cache that holds data.
 */
#include "tests/check_machine.h"

#include "daxsim/sim/check_private.h"

/* A file f of one page at block 5, unwritten, over what somebody left there. */
static struct watched *watch_unwritten(void)
{
	struct watched *w = watch("ext2", 0);

	check_alloc(w->sim.check, 5, 1);
	cr_assert_eq(extent_add(w->f, 0, 5, 1, true), 0);
	w->f->i_size = PAGE_SIZE;
	memset(media(w, 5), 0x77, PAGE_SIZE);
	return w;
}

static void fill(struct watched *w, u64 off, u64 len, u8 byte)
{
	memset(media(w, 5) + off, byte, len);
	check_block_write(w->sim.check, w->f, 0, 5, off, media(w, 5) + off, len);
}

static void zero(struct watched *w, u64 off, u64 len)
{
	check_block_init(w->sim.check, w->f, 0, 5, off, len);
	memset(media(w, 5) + off, 0, len);
}

static void convert(struct watched *w, bool unwritten)
{
	cr_assert_eq(extent_set_unwritten(w->f, 0, 1, unwritten), 0);
}

static const char early[] =
	"page 0 of f becomes written, but its block 5 still holds what was there before";

/*
 * early-written
 */

Test(check_extent, written_untouched)
{
	struct watched *w = watch_unwritten();

	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);

	/* zeroes that were there by luck do not count */
	w = watch_unwritten();
	memset(media(w, 5), 0, PAGE_SIZE);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);
}

Test(check_extent, written_after_zeroing)
{
	struct watched *w = watch_unwritten();

	zero(w, 0, PAGE_SIZE);
	convert(w, false);
	check_quiescent(w->sim.check);
	unwatch(w);
}

Test(check_extent, written_in_parts)
{
	struct watched *w = watch_unwritten();

	/* the edges, then the middle, as write(2) does; in any order and in pieces */
	zero(w, 0, 100);
	zero(w, 300, PAGE_SIZE - 300);
	fill(w, 100, 50, 0x11);
	fill(w, 150, 150, 0x12);
	convert(w, false);
	expect_silent(w);
	unwatch(w);

	w = watch_unwritten();
	fill(w, 0, PAGE_SIZE - 1, 0x11);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);

	w = watch_unwritten();
	fill(w, 1, PAGE_SIZE - 1, 0x11);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);

	w = watch_unwritten();
	zero(w, 0, 100);
	zero(w, 300, PAGE_SIZE - 300);
	fill(w, 100, 199, 0x11);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);
}

/* Bytes that nobody set do no harm where they are zero. */
Test(check_extent, written_over_zeroes)
{
	struct watched *w = watch_unwritten();

	memset(media(w, 5), 0, PAGE_SIZE);
	fill(w, 100, 50, 0x11);
	convert(w, false);
	expect_silent(w);
	unwatch(w);
}

Test(check_extent, unwritten_again)
{
	struct watched *w = watch_unwritten();
	u8 byte = 0x11;

	fill(w, 0, PAGE_SIZE, 0x11);
	convert(w, false);
	check_block_read(w->sim.check, w->f, 0, 5, 0, &byte, 1);
	/* what it held is given up, and must be zeroed anew */
	convert(w, true);
	check_hole_read(w->sim.check, w->f, 0, 0, PAGE_SIZE);
	check_quiescent(w->sim.check);
	expect_silent(w);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);
}

/* A write(2) that makes the file longer may convert first: nobody can look there yet. */
Test(check_extent, written_past_eof)
{
	struct watched *w = watch_unwritten();

	w->f->i_size = 0;
	w->task.held[w->task.nr_held++] = (struct held_lock){ &w->f->i_mutex, LOCK_EXCLUSIVE };
	convert(w, false);
	expect_silent(w);
	convert(w, true);
	w->f->i_size = 1;
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	/* a fault holds no i_mutex, and has no business past end of file */
	convert(w, true);
	w->f->i_size = 0;
	w->task.held[0].lock = &w->g->i_mutex;
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);
}

/* What a block went through with an earlier owner is nothing to the next. */
Test(check_extent, zeroed_for_somebody_else)
{
	struct watched *w = watch_unwritten();

	zero(w, 0, PAGE_SIZE);
	check_extent_removed(w->sim.check, w->f, 0, 5, 1);
	check_free(w->sim.check, 5, 1, 0);
	check_alloc(w->sim.check, 5, 1);
	check_extent_added(w->sim.check, w->f, 0, 5, 1);
	convert(w, false);
	expect_said(w, INV_EARLY_WRITTEN, early);
	unwatch(w);
}

Test(check_extent, only_what_is_marked)
{
	struct watched *w = watch("ext2", 0);

	check_alloc(w->sim.check, 5, 3);
	cr_assert_eq(extent_add(w->f, 0, 5, 3, true), 0);
	check_block_init(w->sim.check, w->f, 1, 6, 0, PAGE_SIZE);
	cr_assert_eq(extent_set_unwritten(w->f, 1, 1, false), 0);
	expect_silent(w);
	cr_assert_eq(extent_set_unwritten(w->f, 0, 3, false), 0);
	expect_said(w, INV_EARLY_WRITTEN, early);
	expect_said(w, INV_EARLY_WRITTEN, "page 2 of f becomes written, but its block 7 still "
		    "holds what was there before");
	unwatch(w);
}

/* Any two pieces: covered is what lies in them, if they touch or reach an edge. */
Test(check_extent, coverage)
{
	static const struct {
		u64 from, to;
	} pieces[] = { { 0, 10 }, { 0, 4096 }, { 5, 20 }, { 10, 4096 }, { 10, 50 }, { 50, 4096 },
		       { 4095, 4096 }, { 100, 4095 } };
	static u8 bytes[PAGE_SIZE];
	unsigned int hidden = 0;

	memset(bytes, 0x77, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++) {
			struct coverage c = { 0 };
			u64 first = min_t(u64, pieces[i].from, pieces[j].from);
			u64 last = max_t(u64, pieces[i].to, pieces[j].to);
			bool gap = max_t(u64, pieces[i].from, pieces[j].from) >
				   min_t(u64, pieces[i].to, pieces[j].to);
			bool all = !first && last == PAGE_SIZE && !gap;

			coverage_add(&c, pieces[i].from, pieces[i].to - pieces[i].from);
			coverage_add(&c, pieces[j].from, pieces[j].to - pieces[j].from);
			cr_expect_eq(coverage_hides(&c, bytes), all, "pieces %zu and %zu", i, j);
			hidden += all;
		}
	cr_expect_gt(hidden, 15);
}

/* Edges first, whatever they hold, and the middle last. */
Test(check_extent, coverage_of_edges)
{
	static u8 bytes[PAGE_SIZE];
	struct coverage c = { 0 };

	memset(bytes, 0x77, sizeof(bytes));
	coverage_add(&c, 0, 10);
	coverage_add(&c, 50, PAGE_SIZE - 50);
	cr_expect_not(coverage_hides(&c, bytes));
	coverage_add(&c, 20, 10);
	cr_expect_not(coverage_hides(&c, bytes));
	coverage_add(&c, 10, 10);
	cr_expect_not(coverage_hides(&c, bytes));
	coverage_add(&c, 30, 20);
	cr_expect(coverage_hides(&c, bytes));

	c = (struct coverage){ 0 };
	coverage_add(&c, 50, PAGE_SIZE - 50);
	coverage_add(&c, 0, 10);
	coverage_add(&c, 10, 39);
	cr_expect_not(coverage_hides(&c, bytes));
	coverage_add(&c, 49, 1);
	cr_expect(coverage_hides(&c, bytes));
}

/*
 * incoherent, through an extent that stayed unwritten
 */

Test(check_extent, data_in_an_unwritten_extent)
{
	struct watched *w = watch_unwritten();

	zero(w, 0, PAGE_SIZE);
	check_quiescent(w->sim.check);
	expect_silent(w);
	fill(w, 9, 1, 0x5a);
	check_quiescent(w->sim.check);
	expect_said(w, INV_INCOHERENT, "read(2) of an unwritten extent sees 0x00 at byte 9 of "
		    "page 0 of f, but the file holds 0x5a");
	convert(w, false);
	check_quiescent(w->sim.check);
	unwatch(w);
}

/*
 * leak-past-eof, where fallocate -k allows it
 */

Test(check_extent, preallocated_past_eof)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 4);
	w->f->i_size = PAGE_SIZE;
	w->f->i_prealloc_end = 4;
	check_quiescent(w->sim.check);
	expect_silent(w);
	w->f->i_prealloc_end = 3;
	check_quiescent(w->sim.check);
	expect_said(w, INV_LEAK_PAST_EOF,
		    "f ends at byte 4096, but block 8 stays allocated for page 3 of it");
	unwatch(w);
}

/*
 * Extents that move
 */

static void write_byte(struct watched *w, pgoff_t pgoff, block_t block, u8 byte)
{
	check_block_write(w->sim.check, w->f, pgoff, block, 0, &byte, 1);
	media(w, block)[0] = byte;
}

/* Pages 0 to 3 at blocks 5 to 8; page 1 goes, and what is behind it moves up. */
static struct watched *collapse(struct vma **vma)
{
	struct watched *w = watch("ext2", 0);

	own(w, w->f, 0, 5, 4);
	write_byte(w, 0, 5, 0x10);
	write_byte(w, 2, 7, 0x12);
	write_byte(w, 3, 8, 0x13);
	*vma = map(w, "m", w->f, 0, 4);
	cr_assert_eq(extent_remove(&w->f->extents, 1, 1, NULL, NULL), 0);
	check_extent_removed(w->sim.check, w->f, 1, 6, 1);
	check_free(w->sim.check, 6, 1, 0);
	return w;
}

Test(check_extent, moved)
{
	struct vma *vma;
	struct watched *w = collapse(&vma);
	u8 byte = 0x12;

	set_pte(vma, 0, PTE_PFN, 5);
	cr_assert_eq(extent_move(w->f, 2, -1), 0);
	w->f->i_size = 3 * PAGE_SIZE;
	check_quiescent(w->sim.check);
	check_block_read(w->sim.check, w->f, 1, 7, 0, &byte, 1);
	set_pte(vma, 1, PTE_PFN, 7);
	check_pte(w->sim.check, vma, 1);
	check_block_zero(w->sim.check, w->f, 2, 8, 1, 1);
	expect_silent(w);
	check_block_zero(w->sim.check, w->f, 3, 8, 1, 1);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel zeroes block 8 for page 3 of f, but that block is page 2 of f");
	check_block_read(w->sim.check, w->f, 2, 8, 0, &byte, 1);
	expect_said(w, INV_INCOHERENT, "a read of block 8 sees 0x12 at byte 0 of page 2 of f, "
		    "but the file holds 0x13");
	unwatch(w);
}

Test(check_extent, moved_back)
{
	struct vma *vma;
	struct watched *w = collapse(&vma);

	cr_assert_eq(extent_move(w->f, 2, -1), 0);
	cr_assert_eq(extent_move(w->f, 1, 5), 0);
	w->f->i_size = 8 * PAGE_SIZE;
	check_quiescent(w->sim.check);
	check_block_zero(w->sim.check, w->f, 6, 7, 1, 1);
	check_block_zero(w->sim.check, w->f, 7, 8, 1, 1);
	check_block_zero(w->sim.check, w->f, 0, 5, 1, 1);
	unwatch(w);
}

Test(check_extent, moved_while_mapped)
{
	struct vma *vma;
	struct watched *w = collapse(&vma);

	set_pte(vma, 2, PTE_PFN, 7);
	cr_assert_eq(extent_move(w->f, 2, -1), 0);
	expect_said(w, INV_STALE_PTE, "page 2 of mapping m (page 2 of f) points to block 7, "
		    "which is page 1 of f");
	unwatch(w);
}

/*
 * stale-data, in a private copy
 */

Test(check_extent, private_copy)
{
	struct watched *w = watch("ext2", 0);
	struct vm_fault vmf = { .pgoff = 1, .cow_block = 6 };
	u8 copy[PAGE_SIZE] = { [9] = 0x5a };

	own(w, w->f, 0, 5, 2);
	check_block_write(w->sim.check, w->f, 1, 6, 0, copy, PAGE_SIZE);
	vmf.cow_page = copy;
	vmf.cow_stale = check_cow(w->sim.check, w->f, 1, copy);
	cr_expect_eq(vmf.cow_stale, -1);
	check_cow_mapped(w->sim.check, w->f, &vmf);
	expect_silent(w);

	/* a copy with a foreign byte does no harm before it is mapped */
	copy[100] = 0x77;
	vmf.cow_stale = check_cow(w->sim.check, w->f, 1, copy);
	cr_expect_eq(vmf.cow_stale, 100);
	expect_silent(w);
	check_cow_mapped(w->sim.check, w->f, &vmf);
	expect_said(w, INV_STALE_DATA, "the private copy of page 1 of f, made from block 6, has "
		    "0x77 at byte 100, which is not the file's");
	unwatch(w);
}

/*
 * cached-data
 */

Test(check_extent, data_in_the_page_cache)
{
	struct watched *w = watch("ext2", 0);
	u8 byte = 0x5a;

	own(w, w->f, 0, 5, 2);
	check_cached(w->sim.check, w->f, 1, 0, NULL, PAGE_SIZE);
	expect_said(w, INV_CACHED_DATA, "page 1 of f is in the page cache with a copy of its data");
	check_quiescent(w->sim.check);
	expect_silent(w);
	check_cached(w->sim.check, w->f, 1, 9, &byte, 1);
	expect_said(w, INV_CACHED_DATA, "page 1 of f is in the page cache with dirty data");
	/* it was written all the same, and must not get lost */
	check_quiescent(w->sim.check);
	expect_said(w, INV_LOST_STORE,
		    "the device at rest sees 0x00 at byte 9 of page 1 of f, where 0x5a was stored");
	media(w, 6)[9] = 0x5a;
	check_quiescent(w->sim.check);
	unwatch(w);
}

Test(check_extent, written_back)
{
	struct watched *w = watch_unwritten();
	u8 page[PAGE_SIZE] = { [9] = 0x5a }, byte = 0x5a;

	check_cached(w->sim.check, w->f, 0, 9, &byte, 1);
	expect_said(w, INV_CACHED_DATA, "page 0 of f is in the page cache with dirty data");
	check_write_back(w->sim.check, w->f, 0, 5, page);
	memcpy(media(w, 5), page, PAGE_SIZE);
	convert(w, false);
	check_quiescent(w->sim.check);
	expect_silent(w);

	/* what was stored meanwhile, past the cache, is overwritten by an old copy */
	byte = 0x11;
	check_block_write(w->sim.check, w->f, 0, 5, 9, &byte, 1);
	check_write_back(w->sim.check, w->f, 0, 5, page);
	expect_said(w, INV_LOST_STORE,
		    "writing page 0 of f back puts 0x5a at byte 9, where 0x11 was stored");
	media(w, 5)[9] = 0x11;
	check_quiescent(w->sim.check);
	expect_silent(w);

	page[9] = 0;
	check_write_back(w->sim.check, w->g, 3, 5, page);
	expect_said(w, INV_FOREIGN_WRITE,
		    "the kernel writes block 5 for page 3 of g, but that block is page 0 of f");
	unwatch(w);
}

Test(check_extent, nobody_watches)
{
	struct watched *w = watch_unwritten();
	struct vm_fault vmf = { .cow_stale = 3, .cow_page = media(w, 5) };
	u8 byte = 1;

	check_extent_marked(NULL, w->f, 0, 1, false);
	check_extent_moved(NULL, w->f, 0, 1);
	check_cached(NULL, w->f, 0, 0, &byte, 1);
	check_write_back(NULL, w->g, 0, 5, media(w, 5));
	cr_expect_eq(check_cow(NULL, w->f, 0, media(w, 5)), -1);
	check_cow_mapped(NULL, w->f, &vmf);
	check_quiescent(w->sim.check);
	unwatch(w);
}

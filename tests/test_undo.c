// SPDX-License-Identifier: MIT
/* The undo log of a device: what changed since it began is put back, again and again. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backends/pmem/undo.h"

#define NR_BLOCKS 64
#define ROLLBACKS 100000

/* A device whose blocks differ from each other, without a log. */
static struct pmem device(void)
{
	struct pmem dev;

	cr_assert_eq(pmem_create(&dev, "test", NR_BLOCKS << PAGE_SHIFT, NULL), 0);
	for (block_t b = 0; b < dev.nr_blocks; b++)
		memset(pmem_block(&dev, b), b + 1, PAGE_SIZE);
	return dev;
}

/* As whoever changes a block does. */
static void fill(struct pmem *dev, block_t block, u8 byte)
{
	pmem_dirty(dev, block);
	memset(pmem_block(dev, block), byte, PAGE_SIZE);
}

static void expect_block(const struct pmem *dev, block_t block, u8 byte)
{
	const u8 *bytes = pmem_block(dev, block);

	cr_expect_eq(bytes[0], byte, "block %llu", (unsigned long long)block);
	cr_expect(!memcmp(bytes, bytes + 1, PAGE_SIZE - 1), "block %llu", (unsigned long long)block);
}

static void expect_all_as_before(const struct pmem *dev)
{
	for (block_t b = 0; b < dev->nr_blocks; b++)
		expect_block(dev, b, b + 1);
}

Test(undo, without_a_log_nothing_is_kept)
{
	struct pmem dev = device();

	fill(&dev, 3, 0xaa);
	expect_block(&dev, 3, 0xaa);
	pmem_destroy(&dev);
}

Test(undo, changed_blocks_are_put_back)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	fill(&dev, 0, 0xaa);
	fill(&dev, dev.nr_blocks - 1, 0xbb);
	fill(&dev, 0, 0xcc);
	expect_block(&dev, 0, 0xcc);
	pmem_undo_rollback(&dev);
	expect_all_as_before(&dev);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

Test(undo, nothing_to_put_back)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	pmem_undo_rollback(&dev);
	pmem_undo_rollback(&dev);
	expect_all_as_before(&dev);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

/* What is put back is the first state, whatever was changed in which round. */
Test(undo, rounds_with_different_blocks)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	for (int round = 0; round < 50; round++) {
		for (block_t b = round % 5; b < dev.nr_blocks; b += 1 + round % 7)
			fill(&dev, b, 0x80 + round);
		pmem_undo_rollback(&dev);
		expect_all_as_before(&dev);
	}
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

Test(undo, one_byte_is_enough)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	pmem_dirty(&dev, 5);
	((u8 *)pmem_block(&dev, 5))[PAGE_SIZE - 1] ^= 1;
	pmem_undo_rollback(&dev);
	expect_all_as_before(&dev);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

/* What nobody told the log about stays: that is what tells it from a copy of the device. */
Test(undo, unannounced_change_stays)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	memset(pmem_block(&dev, 7), 0xee, PAGE_SIZE);
	pmem_undo_rollback(&dev);
	expect_block(&dev, 7, 0xee);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

Test(undo, end_keeps_the_device_as_it_is)
{
	struct pmem dev = device();

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	fill(&dev, 1, 0xaa);
	pmem_undo_end(&dev);
	cr_expect_null(dev.undo);
	expect_block(&dev, 1, 0xaa);

	/* A new log takes that for its beginning. */
	cr_assert_eq(pmem_undo_begin(&dev), 0);
	fill(&dev, 1, 0xbb);
	pmem_undo_rollback(&dev);
	expect_block(&dev, 1, 0xaa);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

static long resident_kb(void)
{
	struct rusage u;

	cr_assert_eq(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

Test(undo, memory_does_not_grow)
{
	struct pmem dev = device();
	long before = 0;

	cr_assert_eq(pmem_undo_begin(&dev), 0);
	for (int i = 0; i < ROLLBACKS; i++) {
		fill(&dev, i % 4, i);
		pmem_undo_rollback(&dev);
		if (i == 100)
			before = resident_kb();
	}
	/* A page each time would be 400 MB; sanitizers keep books on the heap. */
	cr_expect_leq(resident_kb() - before, 1024);
	expect_all_as_before(&dev);
	pmem_undo_end(&dev);
	pmem_destroy(&dev);
}

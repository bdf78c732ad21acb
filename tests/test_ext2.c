// SPDX-License-Identifier: MIT
/* ext2's block map: indirect blocks at every border, contiguity, and space given back. */
#include "tests/machine_fixture.h"

#define NDIR 12ULL
#define PTRS 1024ULL
#define DIND (NDIR + PTRS)
#define TIND (DIND + PTRS * PTRS)
#define MAX_BLOCKS (1ULL << 29)		/* 2 TiB */
#define BLOCKS_PER_TEST 40

/* A file as the set of its blocks, and what that needs. */
struct model {
	u64 blk[BLOCKS_PER_TEST];
	unsigned int nr;
};

/* The indirect blocks above a block, each as one number. Returns how many. */
static unsigned int parents(u64 blk, u64 *out)
{
	if (blk < NDIR)
		return 0;
	if (blk < DIND) {
		out[0] = 1;
		return 1;
	}
	if (blk < TIND) {
		out[0] = 2;
		out[1] = 1000 + (blk - DIND) / PTRS;
		return 2;
	}
	out[0] = 3;
	out[1] = 10000000 + (blk - TIND) / PTRS / PTRS;
	out[2] = 100000000 + (blk - TIND) / PTRS;
	return 3;
}

static u64 model_indirect(const struct model *m)
{
	u64 seen[3 * BLOCKS_PER_TEST], path[3];
	u64 nr = 0;

	for (unsigned int i = 0; i < m->nr; i++) {
		unsigned int depth = parents(m->blk[i], path);

		for (unsigned int d = 0; d < depth; d++) {
			u64 j = 0;

			while (j < nr && seen[j] != path[d])
				j++;
			if (j == nr)
				seen[nr++] = path[d];
		}
	}
	return nr;
}

static void model_add(struct model *m, u64 blk)
{
	for (unsigned int i = 0; i < m->nr; i++)
		if (m->blk[i] == blk)
			return;
	cr_assert_lt(m->nr, BLOCKS_PER_TEST);
	m->blk[m->nr++] = blk;
}

static void model_cut(struct model *m, u64 first)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < m->nr; i++)
		if (m->blk[i] < first)
			m->blk[left++] = m->blk[i];
	m->nr = left;
}

static void expect_model(struct rig *r, struct file *f, const struct model *m, u64 total)
{
	u64 meta = model_indirect(m);

	cr_assert_eq(f->inode->extents.nr_blocks, m->nr);
	cr_assert_eq(i_blocks(f->inode), (m->nr + meta) * 8, "%ju blocks, %u and %ju expected",
		     i_blocks(f->inode) / 8, m->nr, meta);
	cr_assert_eq(rig_nr_free(r), total - m->nr - meta);
	for (unsigned int i = 0; i < m->nr; i++)
		cr_assert_not_null(extent_find(&f->inode->extents, m->blk[i]));
}

/* Both sides of every border of the tree. */
static const u64 borders[] = {
	0, 1, NDIR - 1, NDIR, NDIR + 1, DIND - 1, DIND, DIND + 1, DIND + PTRS - 1, DIND + PTRS,
	DIND + 5 * PTRS, TIND - PTRS, TIND - 1, TIND, TIND + 1, TIND + PTRS - 1, TIND + PTRS,
	TIND + PTRS * PTRS - 1, TIND + PTRS * PTRS, TIND + 7 * PTRS * PTRS, MAX_BLOCKS - 1,
};

static u64 roll(u64 *x, u64 sides)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (*x >> 8) % sides;
}

Test(ext2, one_block_at_a_border)
{
	for (size_t i = 0; i < ARRAY_SIZE(borders); i++) {
		struct rig *r = rig_new("ext2", "v11", 64);
		struct file *f = rig_create(r, "f");
		struct model m = { 0 };

		cr_assert_eq(rig_fill(r, A, f, 0x42, 1, PAGES(borders[i]) + 5), 1);
		model_add(&m, borders[i]);
		expect_model(r, f, &m, 63);
		cr_expect_eq(rig_byte(r, f, PAGES(borders[i]) + 5), 0x42);
		cr_expect_eq(rig_byte(r, f, PAGES(borders[i])), 0);
		/* Behind the block nothing goes; then it does. */
		cr_assert_eq(rig_truncate(r, A, f, PAGES(borders[i]) + 1), 0);
		expect_model(r, f, &m, 63);
		cr_assert_eq(rig_truncate(r, A, f, PAGES(borders[i])), 0);
		model_cut(&m, borders[i]);
		expect_model(r, f, &m, 63);
		cr_expect_eq(rig_nr_free(r), 63);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Writes and truncates at the borders in random order. */
Test(ext2, indirect_blocks_are_counted)
{
	u64 seed = 0x5eed5eed5eed5eed;

	for (int round = 0; round < 12; round++) {
		struct rig *r = rig_new("ext2", "v11", 256);
		struct file *f = rig_create(r, "f");
		struct model m = { 0 };

		for (int op = 0; op < 60; op++) {
			u64 blk = borders[roll(&seed, ARRAY_SIZE(borders))];

			if (roll(&seed, 4)) {
				cr_assert_eq(rig_fill(r, A, f, op + 1, 2, PAGES(blk)), 2);
				model_add(&m, blk);
			} else {
				cr_assert_eq(rig_truncate(r, A, f, PAGES(blk) + 1), 0);
				model_cut(&m, blk + 1);
			}
			expect_model(r, f, &m, 255);
		}
		rig_unlink(r, f);
		rig_close(r, f);
		cr_expect_eq(rig_nr_free(r), 255);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* A store through a mapping pays for the indirect block as well: maj 1, two blocks. */
Test(ext2, fault_allocates_indirect_block)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, 0, 16, SHARED_RW);

	rig_truncate(r, A, f, PAGES(16));
	cr_expect_eq(rig_store(r, A, m + PAGES(11), 1), 0);
	cr_expect_eq(i_blocks(f->inode), 8);
	cr_expect_eq(rig_store(r, A, m + PAGES(12), 1), 0);
	cr_expect_eq(i_blocks(f->inode), 24);
	cr_expect_eq(rig_store(r, A, m + PAGES(13), 1), 0);
	cr_expect_eq(i_blocks(f->inode), 32);
	rig_expect_clean(r);
	rig_free(r);
}

/* A file written from front to back is one extent, but where the indirect block lies. */
Test(ext2, contiguity)
{
	for (u64 step = 1; step <= 16; step *= 4) {
		struct rig *r = rig_new("ext2", "v11", 64);
		struct file *f = rig_create(r, "f");

		for (u64 page = 0; page < 16; page += step)
			rig_fill(r, A, f, 0x42, PAGES(step), PAGES(page));
		cr_expect_eq(f->inode->extents.nr_blocks, 16);
		cr_expect_leq(f->inode->extents.nr_extents, 2);
		cr_expect_eq(extent_find(&f->inode->extents, 0)->pblk, 1);
		cr_expect_geq(extent_find(&f->inode->extents, 0)->len, 12);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Two files that grow in turns: each goes on behind its own last block while it can. */
Test(ext2, goal_is_behind_the_block_before)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f"), *g = rig_create(r, "g");
	const struct extent_map *map = &f->inode->extents;

	rig_fill(r, A, f, 1, PAGES(1), 0);
	rig_fill(r, A, g, 2, PAGES(1), PAGES(5));
	rig_truncate(r, A, g, 0);
	rig_fill(r, A, f, 1, PAGES(1), PAGES(1));
	cr_expect_eq(map->nr_extents, 1);
	rig_fill(r, A, g, 2, PAGES(1), 0);
	rig_fill(r, A, f, 1, PAGES(1), PAGES(2));
	cr_expect_eq(map->nr_extents, 2);
	/* A hole before it: no goal, the first free block of the device. */
	rig_truncate(r, A, g, 0);
	rig_fill(r, A, f, 1, PAGES(1), PAGES(9));
	cr_expect_eq(extent_find(map, 9)->pblk, 3);
	rig_expect_clean(r);
	rig_free(r);
}

/* A write does not run into what the file has further on. */
Test(ext2, allocation_stops_at_the_next_extent)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");

	rig_fill(r, A, f, 0x11, PAGES(1), PAGES(3));
	rig_fill(r, A, f, 0x22, PAGES(6), 0);
	cr_expect_eq(f->inode->extents.nr_blocks, 6);
	for (int page = 0; page < 6; page++)
		cr_expect_eq(rig_byte(r, f, PAGES(page)), 0x22);
	cr_expect_eq(rig_nr_free(r), 57);
	rig_expect_clean(r);
	rig_free(r);
}

/* A device with @left free blocks. */
static struct rig *nearly_full(u64 left)
{
	struct rig *r = rig_new("ext2", "v11", 16);

	cr_assert_leq(left, 15);
	for (u64 taken = 0; taken < 15 - left; taken += 5)
		rig_fill(r, A, rig_create(r, "x"), 1, PAGES(min_t(u64, 5, 15 - left - taken)), 0);
	cr_assert_eq(rig_nr_free(r), left);
	return r;
}

/* The device is full at each depth of a branch: nothing that was taken on the way is lost. */
static void allocate_with(u64 blk, u64 needs, u64 left, bool fault)
{
	struct rig *r = nearly_full(left);
	struct file *f = rig_create(r, "f");
	u64 m = rig_mmap(r, A, f, blk, 1, SHARED_RW);
	bool fits = left >= needs, ok;

	rig_truncate(r, A, f, PAGES(blk + 1));
	if (fault)
		ok = !rig_store(r, A, m, 0x42);
	else
		ok = rig_fill(r, A, f, 0x42, 1, PAGES(blk)) == 1;
	cr_expect_eq(ok, fits, "block %ju, %ju left", blk, left);
	cr_expect_eq(rig_nr_free(r), fits ? left - needs : left, "block %ju, %ju left", blk, left);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(blk + 1));
	rig_expect_clean(r);
	rig_free(r);
}

Test(ext2, enospc_inside_a_branch)
{
	static const struct {
		u64 blk;
		u64 needs;
	} cases[] = { { 0, 1 }, { NDIR, 2 }, { DIND, 3 }, { TIND, 4 }, { TIND + PTRS, 4 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (u64 left = 0; left <= cases[i].needs; left++) {
			allocate_with(cases[i].blk, cases[i].needs, left, false);
			allocate_with(cases[i].blk, cases[i].needs, left, true);
		}
}

/* An error after the branch is made, in zeroing the block, gives it all back too. */
Test(ext2, clear_error_inside_get_block)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");

	rig_inject(r, INJECT_CLEAR, -EIO, 0, 1);
	cr_expect_eq(rig_fill(r, A, f, 0x42, 1, PAGES(DIND)), -EIO);
	cr_expect_eq(rig_nr_free(r), 63);
	rig_inject(r, INJECT_DIRECT_ACCESS, -ENXIO, 0, 1);
	cr_expect_eq(rig_fill(r, A, f, 0x42, 1, PAGES(TIND)), -ENXIO);
	cr_expect_eq(rig_nr_free(r), 63);
	cr_expect_eq(i_blocks(f->inode), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* Without memory for an extent at any step. */
Test(ext2, no_memory_inside_get_block)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");

	/* The watchers need theirs before. */
	rig_fill(r, A, f, 1, 1, 0);
	rig_truncate(r, A, f, 0);
	rig_exhaust(r);
	cr_expect_eq(rig_fill(r, A, f, 0x42, 1, 0), -ENOMEM);
	cr_expect_eq(rig_fill(r, A, f, 0x42, 1, PAGES(NDIR)), -ENOMEM);
	rig_relieve(r);
	cr_expect_eq(rig_nr_free(r), 63);
	cr_expect_eq(i_blocks(f->inode), 0);
	rig_expect_clean(r);
	rig_free(r);
}

/* i_blocks counts sectors in 32 bits, which ends a file at 2 TiB. */
Test(ext2, largest_file)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");

	cr_expect_eq(rig_fill(r, A, f, 1, 2, PAGES(MAX_BLOCKS) - 1), -EFBIG);
	cr_expect_eq(rig_truncate(r, A, f, PAGES(MAX_BLOCKS) + 1), -EFBIG);
	cr_expect_eq(f->inode->i_size, 0);
	cr_expect_eq(rig_fill(r, A, f, 1, 1, PAGES(MAX_BLOCKS) - 1), 1);
	cr_expect_eq(f->inode->i_size, (s64)PAGES(MAX_BLOCKS));
	rig_expect_clean(r);
	rig_free(r);
}

/* Reading allocates nothing, however far out. */
Test(ext2, holes_take_nothing)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");

	rig_truncate(r, A, f, PAGES(MAX_BLOCKS));
	for (size_t i = 0; i < ARRAY_SIZE(borders); i++)
		cr_expect_eq(rig_byte(r, f, PAGES(borders[i])), 0);
	cr_expect_eq(rig_nr_free(r), 63);
	cr_expect_eq(i_blocks(f->inode), 0);
	rig_expect_clean(r);
	rig_free(r);
}

// SPDX-License-Identifier: MIT
/* Reading, writing and reshaping files of live devices, with mappings of them at hand. */
#include "tests/live_fixture.h"

TestSuite(live_file, .timeout = 30);

/* The signal comes at the touched byte, and only for pages that lie past the end. */
LIVE_TEST_FS(live_file, truncate)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(4));
	u8 *p = map_shared(f, PAGES(4)), byte;
	struct daxsim_stat st;

	memset(p, 0x55, PAGES(4));
	works(daxsim_ftruncate(f, PAGES(1) + 100));
	cr_assert_eq(loads(p + PAGES(1) + 99), 0x55);
	cr_assert_eq(loads(p + PAGES(1) + 100), 0);
	works_at(store(p + PAGES(1) + 200, 0x66));	/* past the end, in its page: allowed */
	ends_in(load(p + PAGES(2) + 17, &byte), SIGBUS, BUS_ADRERR, p + PAGES(2) + 17);
	ends_in(store(p + PAGES(4) - 1, 1), SIGBUS, BUS_ADRERR, p + PAGES(4) - 1);
	ends_in(load(p + PAGES(2) + 17, &byte), SIGBUS, BUS_ADRERR, p + PAGES(2) + 17);
	works(daxsim_fstat(f, &st));
	cr_assert_eq(st.size, PAGES(1) + 100);
	works(daxsim_ftruncate(f, PAGES(3)));
	cr_assert_eq(loads(p + PAGES(2) + 17), 0);
	works_at(store(p + PAGES(3) - 1, 2));
	ends_in(store(p + PAGES(3), 1), SIGBUS, BUS_ADRERR, p + PAGES(3));
	cr_assert_eq(daxsim_pwrite(f, "y", 1, PAGES(4) - 1), 1);
	cr_assert_eq(loads(p + PAGES(4) - 1), 'y');
	fails(daxsim_ftruncate(f, -1), -EINVAL, "ftruncate");
	fails(daxsim_ftruncate(f, INT64_MAX), -EFBIG, "ftruncate");
	daxsim_close(f);
}

static void fill_pages(struct daxsim_file *f, u8 *p)
{
	works(daxsim_ftruncate(f, 0));
	works(daxsim_ftruncate(f, PAGES(4)));
	for (int i = 0; i < 4; i++)
		memset(p + PAGES(i), 'a' + i, PAGE_SIZE);
}

/* Each mode from "abcd", what a mapping shows of five pages then ('-' zeroes, '!' SIGBUS). */
LIVE_TEST_FS(live_file, fallocate)
{
	static const struct {
		int mode;
		off_t offset, length;
		const char *shows;
	} table[] = {
		{ 0, PAGES(3), PAGES(2), "abcd-" },
		{ FALLOC_FL_KEEP_SIZE, PAGES(3), PAGES(2), "abcd!" },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGES(1), PAGES(2), "a--d!" },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGES(1), PAGES(9), "a---!" },
		{ FALLOC_FL_ZERO_RANGE, PAGES(2), PAGES(3), "ab---" },
		{ FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, PAGES(2), PAGES(3), "ab--!" },
		{ FALLOC_FL_COLLAPSE_RANGE, PAGES(1), PAGES(1), "acd!!" },
		{ FALLOC_FL_INSERT_RANGE, PAGES(1), PAGES(1), "a-bcd" },
	};
	struct daxsim_file *f = open_new(r->d, "f", PAGES(4));
	u8 *p = map_shared(f, PAGES(5));

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char shows[6] = "";
		int err;

		fill_pages(f, p);
		err = daxsim_fallocate(f, table[i].mode, table[i].offset, table[i].length);
		if (!strcmp(r->fs, "ext2")) {
			cr_assert_eq(err, -EOPNOTSUPP);
			continue;
		}
		cr_assert_eq(err, 0, "mode %#x: %s", table[i].mode, daxsim_error());
		for (int page = 0; page < 5; page++) {
			u8 byte = 0;

			shows[page] = load(p + PAGES(page) + 9, &byte).sig ? '!' : byte ? byte : '-';
		}
		cr_assert_str_eq(shows, table[i].shows, "mode %#x: %s", table[i].mode, shows);
	}
	if (!strcmp(r->fs, "ext2"))
		return daxsim_close(f);
	fails(daxsim_fallocate(f, 0, -1, 1), -EINVAL, "fallocate");
	fails(daxsim_fallocate(f, 0, 0, 0), -EINVAL, "fallocate");
	fails(daxsim_fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 1), -EOPNOTSUPP, "fallocate");
	fails(daxsim_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 1, PAGES(1)), -EINVAL, "fallocate");
	fails(daxsim_fallocate(f, 0, 0, DEVICE_SIZE), -ENOSPC, "No space");
	daxsim_close(f);
}

LIVE_TEST_FS(live_file, read_and_write)
{
	struct daxsim_file *f = open_new(r->d, "f", 0);
	char big[3 * 4096], back[sizeof(big)];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7;
	cr_assert_eq(daxsim_pread(f, back, 1, 0), 0);
	cr_assert_eq(daxsim_pwrite(f, big, sizeof(big), 100), sizeof(big));
	cr_assert_eq(daxsim_pread(f, back, sizeof(back), 100), sizeof(back));
	cr_assert_eq(memcmp(big, back, sizeof(big)), 0);
	cr_assert_eq(daxsim_pread(f, back, 200, sizeof(big)), 100);
	cr_assert_eq(daxsim_pread(f, back, 1, sizeof(big) + 100), 0);
	cr_assert_eq(daxsim_pwrite(f, big, 0, PAGES(50)), 0);
	cr_assert_eq(daxsim_pwrite(f, "z", 1, PAGES(20)), 1);
	memset(back, 1, sizeof(back));
	cr_assert_eq(daxsim_pread(f, back, 4096, PAGES(10)), 4096);
	for (int i = 0; i < 4096; i++)
		cr_assert_eq(back[i], 0);
	fails(daxsim_pread(f, back, 1, -1), -EINVAL, "pread");
	fails(daxsim_pwrite(f, back, 1, -1), -EINVAL, "pwrite");
	fails(daxsim_pwrite(f, back, 1, INT64_MAX - 1), -EFBIG, "pwrite");
	daxsim_close(f);
}

/* Buffers that are themselves mapped: another file, the same one, even the same page. */
LIVE_TEST_FS(live_file, mapped_buffers)
{
	struct daxsim_options o = { .size = DEVICE_SIZE, .engine = r->engine };
	struct daxsim *other = mount_device(&o);
	struct daxsim_file *f = open_new(r->d, "f", PAGES(4)), *g = open_new(r->d, "g", PAGES(4));
	struct daxsim_file *h = open_new(other, "h", PAGES(2));
	u8 *pf = map_shared(f, PAGES(8)), *pg = map_shared(g, PAGES(4)), *ph = map_shared(h, PAGES(3));
	void *priv = NULL;

	works(daxsim_mmap(f, PAGES(4), RW, MAP_PRIVATE, 0, &priv));
	memset(pf, 0x61, PAGES(1));
	cr_assert_eq(daxsim_pwrite(g, pf + 10, 5000, 20), 5000);	/* block, then hole */
	cr_assert_eq(loads(pg + 4105), 0x61);
	cr_assert_eq(loads(pg + 4106), 0);
	cr_assert_eq(daxsim_pread(f, pf + PAGES(3), 4096, 0), 4096);	/* onto a page not there yet */
	cr_assert_eq(loads(pf + PAGES(4) - 1), 0x61);
	works_at(store(pf, 0x62));
	cr_assert_eq(daxsim_pwrite(f, pf, 1, 4095), 1);			/* the same page */
	cr_assert_eq(daxsim_pread(f, pf + 1, 1, 0), 1);
	cr_assert_eq(loads(pf + 4095), 0x62);
	cr_assert_eq(loads(pf + 1), 0x62);
	cr_assert_eq(daxsim_pread(f, priv, 2, 0), 2);
	cr_assert_eq(loads(priv), 0x62);
	works_at(store(priv, 0x63));
	cr_assert_eq(daxsim_pwrite(g, priv, 2, 0), 2);
	cr_assert_eq(loads(pg), 0x63);
	cr_assert_eq(loads(pf), 0x62);
	cr_assert_eq(daxsim_pwrite(f, ph, PAGES(1), 0), PAGES(1));	/* of the other device */
	cr_assert_eq(loads(pf), 0);
	cr_assert_eq(daxsim_pread(g, ph + PAGES(1) - 1, 2, 0), 2);
	cr_assert_eq(loads(ph + PAGES(1) - 1), 0x63);

	/* What cannot be touched gives what came before it, or an error. */
	cr_assert_eq(daxsim_pwrite(g, pf + PAGES(4) - 3, 10, 0), 3);
	fails(daxsim_pwrite(g, pf + PAGES(4), 10, 0), -EFAULT, "pwrite");
	fails(daxsim_pread(g, pf + PAGES(4), 10, 0), -EFAULT, "pread");
	works(daxsim_munmap(r->d, priv, PAGES(4)));
	daxsim_close(h);
	daxsim_umount(other);
	daxsim_close(g);
	daxsim_close(f);
}

/* The program's other memory: what is not there is EFAULT, as it is for a system call. */
LIVE_TEST(live_file, bad_buffers)
{
	struct daxsim_options o = { .size = DEVICE_SIZE, .engine = r->engine };
	struct daxsim *other = mount_device(&o);
	struct daxsim_file *f = open_new(r->d, "f", PAGES(4)), *h = open_new(other, "h", PAGES(1));
	u8 *ph = map_shared(h, PAGES(3)), *p, buf[4];

	p = mmap(NULL, PAGES(2), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(munmap(p + PAGES(1), PAGES(1)), 0);
	memset(p, 0x71, PAGES(1));
	for (int i = 0; i < 3; i++) {
		fails(daxsim_pwrite(f, p + PAGES(1), 4, 0), -EFAULT, "pwrite");
		fails(daxsim_pread(f, p + PAGES(1), 4, 0), -EFAULT, "pread");
		fails(daxsim_pread(f, ph + PAGES(1), 4, 0), -EFAULT, "pread");
		fails(daxsim_pwrite(f, ph + PAGES(2), 4, 0), -EFAULT, "pwrite");
	}
	cr_assert_eq(daxsim_pwrite(f, p, PAGES(2), 0), PAGES(1));
	cr_assert_eq(daxsim_pread(f, buf, 4, PAGES(1) - 2), 4);
	cr_assert_eq(buf[1], 0x71);
	cr_assert_eq(buf[2], 0);
	daxsim_close(h);
	daxsim_umount(other);
	daxsim_close(f);
}

LIVE_TEST_FS(live_file, fiemap)
{
	bool has_fallocate = strcmp(r->fs, "ext2");
	struct daxsim_file *f = open_new(r->d, "f", PAGES(20));
	u8 *p = map_shared(f, PAGES(20));
	struct daxsim_extent e[4];

	cr_assert_eq(daxsim_fiemap(f, 0, e, 4), 0);
	memset(p + PAGES(2), 1, PAGES(3));
	cr_assert_eq(daxsim_pwrite(f, "x", 1, PAGES(8)), 1);
	if (has_fallocate)
		works(daxsim_fallocate(f, 0, PAGES(12), PAGES(2)));
	cr_assert_eq(daxsim_fiemap(f, 0, e, 4), has_fallocate ? 3 : 2);
	cr_assert_eq(e[0].logical, PAGES(2));
	cr_assert_eq(e[0].length, PAGES(3));
	cr_assert_eq(e[0].unwritten, 0);
	cr_assert_eq(e[1].logical, PAGES(8));
	cr_assert_eq(e[1].length, PAGES(1));
	cr_assert(e[1].physical < e[0].physical || e[1].physical >= e[0].physical + PAGES(3));
	if (has_fallocate) {
		cr_assert_eq(e[2].logical, PAGES(12));
		cr_assert_eq(e[2].unwritten, 1);
	}
	cr_assert_eq(daxsim_fiemap(f, 0, e, 1), 1);
	cr_assert_eq(daxsim_fiemap(f, 0, e, 0), 0);
	cr_assert_eq(daxsim_fiemap(f, PAGES(5) - 1, e, 1), 1);
	cr_assert_eq(e[0].logical, PAGES(2));
	cr_assert_eq(daxsim_fiemap(f, PAGES(5), e, 1), 1);
	cr_assert_eq(e[0].logical, PAGES(8));
	fails(daxsim_fiemap(f, -1, e, 1), -EINVAL, "fiemap");
	daxsim_close(f);
}

LIVE_TEST_FS(live_file, stat)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(3));
	u8 *p = map_shared(f, PAGES(3));
	struct daxsim_stat a, b;

	works(daxsim_fstat(f, &a));
	cr_assert_eq(a.size, PAGES(3));
	cr_assert_eq(a.blocks, 0);
	cr_assert_eq(a.nlink, 1);
	cr_assert_eq(loads(p), 0);
	works(daxsim_fstat(f, &b));
	cr_assert_eq(b.blocks, 0);
	cr_assert_eq(b.mtime, a.mtime);
	works_at(store(p, 1));
	works(daxsim_fstat(f, &b));
	cr_assert_eq(b.blocks, 8);
	cr_assert_gt(b.mtime, a.mtime);
	cr_assert_eq(b.ino, a.ino);
	cr_assert_eq(daxsim_pwrite(f, "x", 1, PAGES(3)), 1);
	works(daxsim_fstat(f, &a));
	cr_assert_eq(a.size, PAGES(3) + 1);
	cr_assert_eq(a.blocks, 16);
	cr_assert_gt(a.mtime, b.mtime);
	daxsim_close(f);
}

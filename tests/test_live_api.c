// SPDX-License-Identifier: MIT
/* daxsim.h function by function: what Linux does, and what is said when it fails. */
#include "daxsim/kernel/inode.h"
#include "daxsim/live/live.h"
#include "tests/live_fixture.h"

TestSuite(live_api, .timeout = 30);

LIVE_TEST(live_api, open_flags)
{
	static const struct {
		const char *name;
		int flags, err;
		const char *text;
	} table[] = {
		{ "none", O_RDWR, -ENOENT, "No such file" },
		{ "f", O_RDWR | O_CREAT | O_EXCL, -EEXIST, "exists" },
		{ "f", O_WRONLY, -EINVAL, "O_RDWR" },
		{ "f", O_RDONLY | O_TRUNC, -EINVAL, "O_TRUNC" },
		{ "f", O_RDWR | O_APPEND, -EINVAL, "O_" },
		{ "", O_RDWR | O_CREAT, -EINVAL, "open" },
		{ "a/b", O_RDWR | O_CREAT, -EINVAL, "open" },
	};
	char longest[257];
	struct daxsim_file *f = open_new(r->d, "f", 0), *g = NULL;
	struct daxsim_stat st;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		fails(daxsim_open(r->d, table[i].name, table[i].flags, &g), table[i].err,
		      table[i].text);
	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	fails(daxsim_open(r->d, longest, O_RDWR | O_CREAT, &g), -ENAMETOOLONG, "open");
	longest[255] = '\0';
	works(daxsim_open(r->d, longest, O_RDWR | O_CREAT, &g));
	daxsim_close(g);

	cr_assert_eq(daxsim_pwrite(f, "abc", 3, 0), 3);
	works(daxsim_open(r->d, "f", O_RDWR | O_CREAT, &g));
	works(daxsim_fstat(g, &st));
	cr_assert_eq(st.size, 3);
	daxsim_close(g);
	works(daxsim_open(r->d, "f", O_RDWR | O_TRUNC, &g));
	works(daxsim_fstat(f, &st));
	cr_assert_eq(st.size, 0);
	daxsim_close(g);
	daxsim_close(f);
	daxsim_close(NULL);
}

LIVE_TEST(live_api, read_only_handle)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(1)), *ro = NULL;
	void *p = NULL;

	works(daxsim_open(r->d, "f", O_RDONLY, &ro));
	fails(daxsim_pwrite(ro, "x", 1, 0), -EBADF, "pwrite");
	fails(daxsim_ftruncate(ro, 0), -EINVAL, "ftruncate");
	fails(daxsim_fallocate(ro, 0, 0, 1), -EBADF, "fallocate");
	fails(daxsim_mmap(ro, 1, RW, MAP_SHARED, 0, &p), -EACCES, "mmap");
	works(daxsim_mmap(ro, 1, RW, MAP_PRIVATE, 0, &p));
	works_at(store(p, 1));
	works(daxsim_mmap(ro, 1, PROT_READ, MAP_SHARED, 0, &p));
	cr_assert_eq(loads(p), 0);
	ends_in(store(p, 1), SIGSEGV, SEGV_ACCERR, p);
	daxsim_close(ro);
	daxsim_close(f);
}

/* A file is gone with its last name, handle and mapping; so are its blocks. */
LIVE_TEST_FS(live_api, unlink)
{
	u64 free_blocks = stats_of(r->d).free_blocks;
	struct daxsim_file *f = open_new(r->d, "f", PAGES(8)), *g;
	u8 *p = map_shared(f, PAGES(8));
	struct daxsim_stat st, other;

	memset(p, 0x42, PAGES(8));
	works(daxsim_unlink(r->d, "f"));
	fails(daxsim_unlink(r->d, "f"), -ENOENT, "unlink");
	works(daxsim_fstat(f, &st));
	cr_assert_eq(st.nlink, 0);
	g = open_new(r->d, "f", 0);
	works(daxsim_fstat(g, &other));
	cr_assert_neq(st.ino, other.ino);
	cr_assert_eq(other.nlink, 1);
	cr_assert_eq(stats_of(r->d).files, 1);
	daxsim_close(f);
	works_at(store(p + 1, 0x43));
	cr_assert_eq(p[PAGES(5)], 0x42);
	cr_assert_leq(stats_of(r->d).free_blocks, free_blocks - 8);
	works(daxsim_munmap(r->d, p, PAGES(8)));
	works(daxsim_unlink(r->d, "f"));
	daxsim_close(g);
	cr_assert_eq(stats_of(r->d).free_blocks, free_blocks);
	cr_assert_eq(stats_of(r->d).files, 0);
}

/* Files come and go for ever: nothing may be left of them. */
LIVE_TEST(live_api, files_come_and_go)
{
	u64 used = 0;

	for (int i = 0; i < 200; i++) {
		struct daxsim_file *f = open_new(r->d, "a-name-that-takes-some-room", PAGES(4));
		u8 *p = map_shared(f, PAGES(4));

		p[PAGES(2)] = 1;
		works(daxsim_unlink(r->d, "a-name-that-takes-some-room"));
		works(daxsim_munmap(r->d, p, PAGES(4)));
		daxsim_close(f);
		if (i == 10)
			used = stats_of(r->d).kernel_bytes;
	}
	cr_assert_eq(stats_of(r->d).kernel_bytes, used);
}

LIVE_TEST_FS(live_api, mmap_shared)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(6));
	u8 *p = map_shared(f, PAGES(6)), buf[8];
	void *q = NULL;

	works(daxsim_mmap(f, PAGES(2) + 1, RW, MAP_SHARED, PAGES(2), &q));
	cr_assert_eq(loads((u8 *)q + 5), 0);	/* a hole page, and then a block in its place */
	works_at(store(p + PAGES(2) + 5, 0x11));
	cr_assert_eq(loads((u8 *)q + 5), 0x11);
	works_at(store((u8 *)q + PAGES(2), 0x22));	/* the page that 1 byte asked for */
	cr_assert_eq(daxsim_pread(f, buf, 1, PAGES(4)), 1);
	cr_assert_eq(buf[0], 0x22);
	cr_assert_eq(daxsim_pwrite(f, "\x33\x44", 2, PAGES(3) - 1), 2);
	cr_assert_eq(loads(p + PAGES(3) - 1), 0x33);
	cr_assert_eq(loads((u8 *)q + PAGES(1)), 0x44);
	works(daxsim_munmap(r->d, p, PAGES(6)));
	cr_assert_eq(loads((u8 *)q + PAGES(1)), 0x44);
	daxsim_close(f);
	works_at(store(q, 1));
}

LIVE_TEST_FS(live_api, mmap_private)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(4));
	u8 *s = map_shared(f, PAGES(4)), *p;
	void *q = NULL;

	memset(s, 0x10, PAGES(2));
	works(daxsim_mmap(f, PAGES(4), RW, MAP_PRIVATE, 0, &q));
	p = q;
	cr_assert_eq(loads(p), 0x10);		/* seen first, then copied */
	works_at(store(p + 1, 0x20));
	works_at(store(p + PAGES(1), 0x21));	/* copied at once */
	works_at(store(p + PAGES(2), 0x22));	/* over a hole */
	cr_assert_eq(loads(p + 2), 0x10);
	cr_assert_eq(loads(s + 1), 0x10);
	cr_assert_eq(loads(s + PAGES(1)), 0x10);
	cr_assert_eq(loads(s + PAGES(2)), 0);
	works_at(store(s, 0x30));
	works_at(store(s + PAGES(3), 0x33));
	cr_assert_eq(loads(p), 0x10);
	cr_assert_eq(loads(p + PAGES(3)), 0x33);
	if (strcmp(r->fs, "ext2"))	/* a punch leaves copies alone, a truncate does not */
		works(daxsim_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGES(4)));
	cr_assert_eq(loads(p + 1), 0x20);
	cr_assert_eq(loads(p + PAGES(2)), 0x22);
	works(daxsim_ftruncate(f, 0));
	ends_in(load(p + 1, &(u8){ 0 }), SIGBUS, BUS_ADRERR, p + 1);
	works(daxsim_ftruncate(f, PAGES(4)));
	cr_assert_eq(loads(p + 1), 0);
	daxsim_close(f);
}

LIVE_TEST(live_api, mmap_errors)
{
	static const struct {
		size_t length;
		int prot, flags;
		off_t offset;
		int err;
		const char *text;
	} table[] = {
		{ 1, PROT_WRITE, MAP_SHARED, 0, -EINVAL, "PROT_READ | PROT_WRITE" },
		{ 1, PROT_READ | PROT_EXEC, MAP_SHARED, 0, -EINVAL, "PROT_" },
		{ 1, RW, 0, 0, -EINVAL, "MAP_SHARED or MAP_PRIVATE" },
		{ 1, RW, MAP_SHARED | MAP_FIXED, 0, -EINVAL, "MAP_POPULATE" },
		{ 0, RW, MAP_SHARED, 0, -EINVAL, "length" },
		{ 1, RW, MAP_SHARED, 1, -EINVAL, "offset" },
		{ 1, RW, MAP_SHARED, -4096, -EINVAL, "offset" },
		{ 1UL << 60, RW, MAP_SHARED, 0, -ENOMEM, "mmap" },
		{ 1UL << 45, RW, MAP_SHARED, 0, -ENOMEM, "mmap" },
		{ PAGES(2), RW, MAP_SHARED, INT64_MAX & PAGE_MASK, -EINVAL, "mmap" },
	};
	struct daxsim_file *f = open_new(r->d, "f", PAGES(1));
	unsigned int maps = count_lines("/proc/self/maps");
	void *p = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		fails(daxsim_mmap(f, table[i].length, table[i].prot, table[i].flags,
				  table[i].offset, &p), table[i].err, table[i].text);
	if (!SANITIZED)
		cr_assert_eq(count_lines("/proc/self/maps"), maps);
	cr_assert_eq(stats_of(r->d).regions, 0);
	daxsim_close(f);
}

LIVE_TEST(live_api, prot_none)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(1));
	void *p = NULL;

	works(daxsim_mmap(f, PAGES(1), PROT_NONE, MAP_SHARED | MAP_POPULATE, 0, &p));
	ends_in(load(p, &(u8){ 0 }), SIGSEGV, SEGV_ACCERR, p);
	ends_in(store((u8 *)p + 7, 0), SIGSEGV, SEGV_ACCERR, (u8 *)p + 7);
	fails(daxsim_populate(r->d, p, PAGES(1), 0), -EACCES, "populate");
	cr_assert_eq(stats_of(r->d).signals, 2);
	daxsim_close(f);
}

/* What is left of a mapping works on, and no region of it is forgotten or counted twice. */
LIVE_TEST_FS(live_api, munmap)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(16));
	u8 *p = map_shared(f, PAGES(16));

	for (int i = 0; i < 16; i += 2)
		works_at(store(p + PAGES(i), i + 1));
	works(daxsim_munmap(r->d, p + PAGES(4), PAGES(2)));
	works(daxsim_munmap(r->d, p + PAGES(9), 1));
	works(daxsim_munmap(r->d, p, PAGES(1)));
	works(daxsim_munmap(r->d, p + PAGES(4), PAGES(2)));	/* as in Linux, no error */
	for (int i = 0; i < 16; i++) {
		bool gone = !i || i == 4 || i == 5 || i == 9;

		if (gone)
			ends_in(load(p + PAGES(i), &(u8){ 0 }), SIGSEGV, SEGV_ACCERR, p + PAGES(i));
		else
			cr_assert_eq(loads(p + PAGES(i)), i % 2 ? 0 : i + 1);
	}
	fails(daxsim_munmap(r->d, p + 1, PAGES(1)), -EINVAL, "munmap");
	fails(daxsim_munmap(r->d, p, 0), -EINVAL, "munmap");
	fails(daxsim_munmap(r->d, &f, PAGES(1)), -EINVAL, "daxsim_mmap");
	works(daxsim_munmap(r->d, p, PAGES(16)));
	cr_assert_eq(stats_of(r->d).regions, 0);
	for (int i = 0; i < 100; i++) {
		p = map_shared(f, PAGES(16));
		works_at(store(p + PAGES(i % 16), 1));
		works(daxsim_munmap(r->d, p + PAGES(3), PAGES(3)));
		works(daxsim_munmap(r->d, p, PAGES(16)));
	}
	cr_assert_eq(stats_of(r->d).regions, 0);
	daxsim_close(f);
}

LIVE_TEST_FS(live_api, populate)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(6));
	struct daxsim_statistics before, after;
	void *q = NULL;
	u8 *p;

	cr_assert_eq(daxsim_pwrite(f, "x", 1, PAGES(1)), 1);
	works(daxsim_mmap(f, PAGES(8), RW, MAP_SHARED | MAP_POPULATE, 0, &q));
	p = q;
	before = stats_of(r->d);
	for (int i = 0; i < 6; i++)
		works_at(store(p + PAGES(i), 7));
	after = stats_of(r->d);
	cr_assert_eq(after.faults, before.faults);
	fails(daxsim_populate(r->d, p, PAGES(7), 0), -EFAULT, "populate");
	works(daxsim_munmap(r->d, p + PAGES(2), PAGES(1)));
	fails(daxsim_populate(r->d, p, PAGES(4), 1), -ENOMEM, "populate");
	works(daxsim_munmap(r->d, p, PAGES(8)));

	p = map_shared(f, PAGES(6));
	works(daxsim_populate(r->d, p, PAGES(2), 0));
	before = stats_of(r->d);
	cr_assert_eq(loads(p), 7);
	cr_assert_eq(loads(p + PAGES(1)), 7);
	cr_assert_eq(stats_of(r->d).faults, before.faults);
	works_at(store(p, 8));
	cr_assert_gt(stats_of(r->d).faults, before.faults);
	works(daxsim_populate(r->d, p, PAGES(6), 1));
	before = stats_of(r->d);
	memset(p, 9, PAGES(6));
	cr_assert_eq(stats_of(r->d).faults, before.faults);
	fails(daxsim_populate(r->d, p + 1, PAGES(1), 0), -EINVAL, "populate");
	daxsim_close(f);
}

LIVE_TEST(live_api, sync)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(3));
	u8 *p = map_shared(f, PAGES(3));

	p[0] = 1;
	works(daxsim_fsync(f));
	works(daxsim_msync(r->d, p, PAGES(3)));
	works(daxsim_msync(r->d, p + PAGES(2), 1));
	works(daxsim_munmap(r->d, p + PAGES(1), PAGES(1)));
	fails(daxsim_msync(r->d, p, PAGES(3)), -ENOMEM, "msync");
	fails(daxsim_msync(r->d, p + 1, PAGES(1)), -EINVAL, "msync");
	daxsim_close(f);
}

LIVE_TEST(live_api, statistics)
{
	struct daxsim_statistics a = stats_of(r->d), b;
	struct daxsim_file *f = open_new(r->d, "f", PAGES(100));
	u8 *p = map_shared(f, PAGES(100));

	cr_assert_eq(a.faults + a.signals + a.files + a.regions + a.retargets, 0);
	cr_assert_gt(a.max_regions, 1000);
	for (int i = 0; i < 100; i += 50)
		works_at(store(p + PAGES(i), 1));
	ends_in(load(p + PAGES(100), &(u8){ 0 }), SIGSEGV, SEGV_ACCERR, p + PAGES(100));
	b = stats_of(r->d);
	cr_assert_geq(b.faults, 2);
	cr_assert_eq(b.major_faults, 2);
	cr_assert_geq(b.retargets, 2);
	cr_assert_eq(b.signals, 1);
	cr_assert_eq(b.files, 1);
	cr_assert_eq(b.extents, 2);
	cr_assert_eq(b.free_blocks, a.free_blocks - 2);
	cr_assert_eq(b.regions, 4);
	cr_assert_gt(b.kernel_bytes, a.kernel_bytes);
	cr_assert_geq(b.device_bytes, a.device_bytes + PAGES(2));
	works(daxsim_populate(r->d, p, PAGES(100), 1));
	b = stats_of(r->d);
	cr_assert_leq(b.major_faults, b.faults);
	cr_assert_geq(b.pages_mapped, 100);
	daxsim_close(f);
}

/* A block that is in a file and free, too. */
Test(live_api, check_tells_what_is_wrong)
{
	struct daxsim_options o = { .size = DEVICE_SIZE };
	struct daxsim *d = mount_device(&o);
	struct daxsim_file *f = open_new(d, "f", 0);
	struct daxsim_extent e;

	cr_assert_eq(daxsim_pwrite(f, "x", 1, 0), 1);
	works(daxsim_check(d));
	cr_assert_eq(daxsim_fiemap(f, 0, &e, 1), 1);
	free_blocks(d->sim.sb, e.physical >> PAGE_SHIFT, 1);
	fails(daxsim_check(d), -EUCLEAN, "f");
	daxsim_close(f);
	daxsim_umount(d);
}

Test(live_api, version)
{
	cr_assert_gt(strlen(daxsim_version), 0);
}

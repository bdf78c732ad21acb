// SPDX-License-Identifier: MIT
/*
 * The pmem device: direct_access at the edges, sparseness up to 16 TiB, aliasing, and giving
 * everything back.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/pmem_fixture.h"

#define NR_SECTORS (SIZE >> SECTOR_SHIFT)

/* ThreadSanitizer leaves no 16 TiB hole in the address space; clang and gcc name it differently. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(thread_sanitizer) || defined(__SANITIZE_THREAD__)
#define HUGE_SIZE (16UL << 30)
#else
#define HUGE_SIZE PMEM_MAX_SIZE
#endif

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int count_mappings(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, name) != NULL;
	fclose(maps);
	return n;
}

Test(pmem, create_checks_its_arguments)
{
	static const struct {
		u64 size;
		int err;
	} sizes[] = {
		{ 0, -EINVAL },
		{ PAGE_SIZE, -EINVAL },
		{ PMEM_MIN_SIZE - PAGE_SIZE, -EINVAL },
		{ PMEM_MIN_SIZE - 1, -EINVAL },
		{ PMEM_MIN_SIZE, 0 },
		{ PMEM_MIN_SIZE + 1, -EINVAL },
		{ PMEM_MIN_SIZE + 512, -EINVAL },
		{ PMEM_MIN_SIZE + PAGE_SIZE, 0 },
		{ PMEM_MAX_SIZE + PAGE_SIZE, -EFBIG },
		{ -PAGE_SIZE, -EFBIG },
		{ -1UL, -EINVAL },
	};
	struct pmem dev = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		cr_expect_eq(pmem_create(&dev, "test", sizes[i].size, NULL), sizes[i].err,
			     "size %lu", sizes[i].size);
		pmem_destroy(&dev);
	}
	cr_expect_eq(pmem_create(&dev, "a name of thirty-two characters.", SIZE, NULL),
		     -ENAMETOOLONG);
	cr_assert_eq(pmem_create(&dev, "a name of thirty-one characters", SIZE, NULL), 0);
	cr_expect_str_eq(dev.name, "a name of thirty-one characters");
	cr_expect_eq(dev.size, SIZE);
	cr_expect_eq(dev.nr_blocks, SIZE / PAGE_SIZE);
	pmem_destroy(&dev);
}

Test(pmem, uuid_is_unique_or_as_given)
{
	static const u8 none[PMEM_UUID_LEN];
	struct pmem a, b, c = make(SIZE), d = make(SIZE);

	cr_assert_eq(pmem_create(&a, "test", SIZE, NULL), 0);
	cr_assert_eq(pmem_create(&b, "test", SIZE, NULL), 0);
	cr_expect_neq(memcmp(a.uuid, none, sizeof(none)), 0);
	cr_expect_neq(memcmp(a.uuid, b.uuid, sizeof(a.uuid)), 0);
	cr_expect_arr_eq(c.uuid, fixed_uuid, sizeof(fixed_uuid));
	cr_expect_arr_eq(d.uuid, fixed_uuid, sizeof(fixed_uuid));
	cr_expect_eq(memcmp(pmem_block(&c, 0), pmem_block(&d, 0), PAGE_SIZE), 0,
		     "the same device made twice differs in block 0");
	pmem_destroy(&a);
	pmem_destroy(&b);
	pmem_destroy(&c);
	pmem_destroy(&d);
}

Test(pmem, direct_access)
{
	static const struct {
		sector_t sector;
		long size, ret;
	} cases[] = {
		{ 0, PAGE_SIZE, PAGE_SIZE },
		{ 0, SIZE, SIZE },
		{ 0, 1, 1 },
		{ 8, 0, 0 },
		{ NR_SECTORS - 8, PAGE_SIZE, PAGE_SIZE },
		{ NR_SECTORS - 16, 2 * PAGE_SIZE, 2 * PAGE_SIZE },
		{ NR_SECTORS - 8, PAGE_SIZE - 1, PAGE_SIZE - 1 },
		/* beyond the end, also by one byte of the last sector, also by wrapping round */
		{ NR_SECTORS - 8, PAGE_SIZE + 1, -ERANGE },
		{ NR_SECTORS - 8, 2 * PAGE_SIZE, -ERANGE },
		{ 0, SIZE + 1, -ERANGE },
		{ NR_SECTORS, 0, -ERANGE },
		{ NR_SECTORS, PAGE_SIZE, -ERANGE },
		{ NR_SECTORS + 8, 0, -ERANGE },
		{ -8UL, PAGE_SIZE, -ERANGE },
		{ 8, INT64_MAX, -ERANGE },
		{ 1UL << 55, PAGE_SIZE, -ERANGE },
		{ 1, PAGE_SIZE, -EINVAL },
		{ 4, PAGE_SIZE, -EINVAL },
		{ 7, PAGE_SIZE, -EINVAL },
		{ NR_SECTORS - 1, 512, -EINVAL },
		/* a negative size, such as an error handed on, comes first; the end second */
		{ 0, -1, -1 },
		{ 1, -EIO, -EIO },
		{ NR_SECTORS, -EIO, -EIO },
		{ 0, INT64_MIN, INT64_MIN },
		{ NR_SECTORS + 1, PAGE_SIZE, -ERANGE },
		{ NR_SECTORS - 1, PAGE_SIZE, -ERANGE },
	};
	struct pmem dev = make(SIZE);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		void *addr = NULL;
		u64 pfn = -1UL;
		long ret = pmem_direct_access(&dev, cases[i].sector, &addr, &pfn, cases[i].size);

		cr_expect_eq(ret, cases[i].ret, "case %zu: expected %ld, got %ld", i,
			     cases[i].ret, ret);
		if (cases[i].ret < 0) {
			cr_expect(!addr && pfn == -1UL, "case %zu: outputs touched on error", i);
		} else {
			cr_expect_eq(pfn, cases[i].sector / 8, "case %zu", i);
			cr_expect_eq(addr, pmem_block(&dev, pfn), "case %zu", i);
		}
	}
	pmem_destroy(&dev);
}

Test(pmem, huge_device_stays_sparse)
{
	struct pmem dev = make(HUGE_SIZE);
	block_t last = HUGE_SIZE / PAGE_SIZE - 1;
	u64 before = pmem_materialised(&dev), pfn;
	void *addr;

	cr_assert_eq(dev.nr_blocks, last + 1);
	*(char *)pmem_block(&dev, 1) = 'a';
	memset(pmem_block(&dev, last), 'z', PAGE_SIZE);
	cr_expect_eq(pmem_direct_access(&dev, last * SECTORS_PER_PAGE, &addr, &pfn, PAGE_SIZE),
		     PAGE_SIZE);
	cr_expect_eq(pfn, last);
	cr_expect_eq(((char *)addr)[PAGE_SIZE - 1], 'z');
	cr_expect_eq(pmem_direct_access(&dev, 0, &addr, &pfn, HUGE_SIZE), (long)HUGE_SIZE);
	cr_expect_geq(pmem_materialised(&dev), before + PAGE_SIZE, "two new pages are not free");
	/* A kernel with huge pages in shmem may use 2 MiB for each. */
	cr_expect_leq(pmem_materialised(&dev), 3 * (2UL << 20));
	expect_open(dev.fd, 0, "");
	pmem_destroy(&dev);
}

Test(pmem, mappings_of_the_fd_are_aliases)
{
	struct pmem dev = make(SIZE);
	char *page = pmem_block(&dev, 9);
	char *alias = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd,
			   9 * PAGE_SIZE);
	char byte;

	cr_assert_neq(alias, MAP_FAILED);
	cr_assert_neq(alias, page);
	page[100] = 'a';
	cr_expect_eq(alias[100], 'a');
	alias[100] = 'b';
	cr_expect_eq(page[100], 'b');
	cr_assert_eq(pread(dev.fd, &byte, 1, 9 * PAGE_SIZE + 100), 1);
	cr_expect_eq(byte, 'b');
	munmap(alias, PAGE_SIZE);
	pmem_destroy(&dev);
}

Test(pmem, fds_and_mappings_are_given_back)
{
	int fds = count_fds();
	struct pmem dev, again;

	cr_assert_eq(count_mappings("pmem-leak-test"), 0);
	cr_assert_eq(pmem_create(&dev, "pmem-leak-test", SIZE, NULL), 0);
	cr_assert_eq(pmem_open_fd(&again, dev.fd, NULL, 0), 0);
	cr_expect_eq(count_fds(), fds + 2);
	cr_expect_geq(count_mappings("pmem-leak-test"), 1);
	*(char *)pmem_block(&dev, 0) ^= 1;
	cr_expect_eq(pmem_open_fd(&(struct pmem){ 0 }, dev.fd, NULL, 0), -EMEDIUMTYPE);
	cr_expect_eq(count_fds(), fds + 2);
	pmem_destroy(&again);
	pmem_destroy(&dev);
	pmem_destroy(&dev);
	pmem_destroy(&(struct pmem){ 0 });
	cr_expect_eq(count_fds(), fds);
	cr_expect_eq(count_mappings("pmem-leak-test"), 0);
}

Test(pmem, no_address_space_is_enomem_and_leaks_nothing)
{
	int fds = count_fds(), fd = image_saying((struct pmem_label_info){ .size = SIZE }, SIZE);
	struct rlimit old, low;
	struct pmem dev = { 0 };
	char why[PMEM_WHY_LEN] = "";
	int made, opened;

	cr_assert_eq(getrlimit(RLIMIT_AS, &old), 0);
	low = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_AS, &low), 0);
	made = pmem_create(&dev, "test", SIZE, fixed_uuid);
	opened = pmem_open_fd(&dev, fd, why, sizeof(why));
	cr_assert_eq(setrlimit(RLIMIT_AS, &old), 0);

	cr_expect_eq(made, -ENOMEM);
	cr_expect_eq(opened, -ENOMEM);
	cr_expect(strstr(why, "cannot map 1048576 bytes"), "%s", why);
	cr_expect_null(dev.base);
	close(fd);
	cr_expect_eq(count_fds(), fds);
}

Test(pmem, parted_from_its_fd)
{
	struct pmem dev = make(SIZE);
	char byte = 0;

	dev.base[PAGE_SIZE] = 'a';
	dev.base[2 * PAGE_SIZE] = 'b';
	cr_assert_eq(pmem_part(&dev), 0);
	cr_expect_eq(dev.base[PAGE_SIZE], 'a');
	dev.base[PAGE_SIZE] = 'c';
	dev.base[3 * PAGE_SIZE] = 'd';
	cr_expect_eq(dev.base[PAGE_SIZE], 'c');
	cr_expect_eq(dev.base[2 * PAGE_SIZE], 'b');
	cr_expect_eq(pread(dev.fd, &byte, 1, PAGE_SIZE), 1);
	cr_expect_eq(byte, 'a');
	cr_expect_eq(pread(dev.fd, &byte, 1, 3 * PAGE_SIZE), 1);
	cr_expect_eq(byte, 0);
	pmem_destroy(&dev);
}

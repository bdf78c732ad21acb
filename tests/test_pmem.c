// SPDX-License-Identifier: MIT
/*
 * The pmem device: its label against every kind of damage, direct_access at the
 * edges, sparseness up to 16 TiB, aliasing, and giving everything back.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/pmem/label.h"
#include "backends/pmem/pmem.h"

#define SIZE (1UL << 20)
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

static const u8 fixed_uuid[PMEM_UUID_LEN] = "\x12\x34\x56\x78\x9a\xbc\x4e\xf0"
					    "\x81\x23\x45\x67\x89\xab\xcd";

static struct pmem make(u64 size)
{
	struct pmem dev;
	int err = pmem_create(&dev, "test", size, fixed_uuid);

	cr_assert_eq(err, 0, "pmem_create: %s", strerror(-err));
	return dev;
}

/* Open @fd as an image and expect @err, and a sentence that has @word in it. */
static void expect_open(int fd, int err, const char *word)
{
	struct pmem dev = { 0 };
	char why[PMEM_WHY_LEN] = "";
	int ret = pmem_open_fd(&dev, fd, why, sizeof(why));

	cr_assert_eq(ret, err, "expected %d (%s), got %d: %s", err, word, ret, why);
	cr_assert(strstr(why, word), "no '%s' in: %s", word, why);
	if (err)
		cr_assert_null(dev.base, "a rejected image left something behind");
	pmem_destroy(&dev);
}

static int image_of(const void *bytes, size_t len, u64 size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert(fd >= 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	cr_assert_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

/* An image of @size bytes whose label is intact and says @info. */
static int image_saying(struct pmem_label_info info, u64 size)
{
	struct pmem_label label;

	pmem_label_encode(&label, &info);
	return image_of(&label, sizeof(label), size);
}

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

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

Test(pmem, label_round_trip)
{
	struct pmem dev = make(SIZE), again;
	char *last = pmem_block(&dev, dev.nr_blocks - 1);
	struct pmem_label_info info;

	cr_assert_eq(pmem_label_read(&dev, &info, NULL, 0), 0);
	cr_expect_eq(info.size, SIZE);
	cr_expect_str_eq(info.name, "test");
	cr_expect_arr_eq(info.uuid, fixed_uuid, sizeof(fixed_uuid));

	strcpy(last, "kept");
	cr_assert_eq(pmem_open_fd(&again, dev.fd, NULL, 0), 0);
	cr_expect_neq(again.fd, dev.fd);
	pmem_destroy(&dev);
	cr_expect_eq(again.size, SIZE);
	cr_expect_eq(again.nr_blocks, SIZE / PAGE_SIZE);
	cr_expect_str_eq(again.name, "test");
	cr_expect_arr_eq(again.uuid, fixed_uuid, sizeof(fixed_uuid));
	cr_expect_str_eq(pmem_block(&again, again.nr_blocks - 1), "kept");
	pmem_destroy(&again);
}

Test(pmem, label_is_little_endian_at_fixed_places)
{
	struct pmem dev = make(SIZE);
	static const u8 head[] = { 'D', 'A', 'X', 'S', 'P', 'M', 'E', 'M', 1, 0, 0, 0,
				   0, 0x10, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0 };
	const char *block = pmem_block(&dev, 0);

	cr_expect_arr_eq(block, head, sizeof(head));
	cr_expect_arr_eq(block + 24, fixed_uuid, sizeof(fixed_uuid));
	cr_expect_str_eq(block + 40, "test");
	pmem_destroy(&dev);
}

/* Every byte of the label is covered by one of the checks; none beyond it is. */
Test(pmem, label_damage_in_any_byte_is_found)
{
	struct pmem dev = make(SIZE);
	struct pmem_label_info info;
	u8 *block = pmem_block(&dev, 0);

	for (size_t i = 0; i < sizeof(struct pmem_label); i++) {
		bool magic = i < offsetof(struct pmem_label, version);
		bool version = !magic && i < offsetof(struct pmem_label, block_size);
		int err = magic ? -EMEDIUMTYPE : version ? -EPROTONOSUPPORT : -EBADMSG;

		for (int bit = 0; bit < 8; bit++) {
			block[i] ^= 1 << bit;
			expect_open(dev.fd, err,
				    magic ? "magic" : version ? "version" : "checksum");
			cr_assert_eq(pmem_label_read(&dev, &info, NULL, 0), err);
			block[i] ^= 1 << bit;
		}
	}
	memset(block + sizeof(struct pmem_label), 0xff, PAGE_SIZE - sizeof(struct pmem_label));
	expect_open(dev.fd, 0, "");
	pmem_destroy(&dev);
}

Test(pmem, label_errors_say_what_was_expected_and_found)
{
	struct pmem dev = make(SIZE);
	u8 *block = pmem_block(&dev, 0);

	block[8] = 7;
	expect_open(dev.fd, -EPROTONOSUPPORT, "expected 1, found 7");
	block[8] = 1;
	block[0] = 0;
	expect_open(dev.fd, -EMEDIUMTYPE,
		    "expected magic 4d454d5053584144, found 4d454d5053584100");
	block[0] = 'D';
	cr_assert_eq(ftruncate(dev.fd, SIZE + PAGE_SIZE), 0);
	expect_open(dev.fd, -EFBIG, "expected 1048576 bytes, found 1052672");
	pmem_destroy(&dev);
}

Test(pmem, label_intact_but_impossible)
{
	static const u64 sizes[] = { 0, PMEM_MIN_SIZE - PAGE_SIZE, SIZE + 1,
				     PMEM_MAX_SIZE + PAGE_SIZE, -PAGE_SIZE };
	struct pmem_label_info info = { .size = SIZE };
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = image_saying((struct pmem_label_info){ .size = sizes[i] }, SIZE);
		expect_open(fd, -EUCLEAN, "impossible size");
		close(fd);
	}
	memset(info.name, 'x', sizeof(info.name));
	fd = image_saying(info, SIZE);
	expect_open(fd, -EUCLEAN, "name");
	close(fd);
	info.name[sizeof(info.name) - 1] = 0;
	fd = image_saying(info, SIZE);
	expect_open(fd, 0, "");
	close(fd);
}

Test(pmem, image_of_the_wrong_length)
{
	static const struct {
		u64 size;
		int err;
		const char *word;
	} cuts[] = {	/* falling, so that the label is still whole while it fits */
		{ SIZE + PAGE_SIZE, -EFBIG, "too long" },
		{ SIZE + 1, -EFBIG, "too long" },
		{ SIZE, 0, "" },
		{ SIZE - 1, -ENODATA, "too short: expected 1048576 bytes" },
		{ SIZE - PAGE_SIZE, -ENODATA, "too short: expected 1048576 bytes" },
		{ sizeof(struct pmem_label), -ENODATA, "too short: expected 1048576 bytes" },
		{ sizeof(struct pmem_label) - 1, -ENODATA, "too short for a label" },
		{ 1, -ENODATA, "too short for a label" },
		{ 0, -ENODATA, "too short for a label" },
	};
	int fd = image_saying((struct pmem_label_info){ .size = SIZE }, SIZE);

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		cr_assert_eq(ftruncate(fd, cuts[i].size), 0);
		expect_open(fd, cuts[i].err, cuts[i].word);
	}
	close(fd);
}

Test(pmem, image_of_random_bytes)
{
	u64 seed = 0x9e3779b97f4a7c15, bytes[PAGE_SIZE / sizeof(u64)];
	struct pmem_label *label = (struct pmem_label *)bytes;
	int fd;

	for (int run = 0; run < 200; run++) {
		for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
			bytes[i] = next_random(&seed);
		fd = image_of(bytes, sizeof(bytes), PMEM_MIN_SIZE + next_random(&seed) % SIZE);
		expect_open(fd, -EMEDIUMTYPE, "not a pmem image");
		label->magic = PMEM_LABEL_MAGIC;
		label->version = PMEM_LABEL_VERSION;
		cr_assert_eq(pwrite(fd, label, sizeof(*label), 0), (ssize_t)sizeof(*label));
		expect_open(fd, -EBADMSG, "checksum");
		close(fd);
	}
}

Test(pmem, image_that_is_no_file)
{
	int fds[2], dir = open(".", O_RDONLY | O_DIRECTORY);

	cr_assert_eq(pipe(fds), 0);
	expect_open(fds[0], -EINVAL, "regular file");
	expect_open(dir, -EINVAL, "regular file");
	close(dir);
	expect_open(dir, -EBADF, "cannot look");
	close(fds[0]);
	close(fds[1]);
}

Test(pmem, image_in_a_regular_file)
{
	char path[] = P_tmpdir "/test_pmem.XXXXXX";
	struct pmem_label_info info = { .size = SIZE, .name = "file" };
	struct pmem_label label;
	struct pmem dev;
	int fd = mkstemp(path), ro = open(path, O_RDONLY);
	char byte;

	cr_assert(fd >= 0 && ro >= 0);
	unlink(path);
	pmem_label_encode(&label, &info);
	cr_assert_eq(ftruncate(fd, SIZE), 0);
	cr_assert_eq(pwrite(fd, &label, sizeof(label), 0), (ssize_t)sizeof(label));
	expect_open(ro, -EACCES, "cannot map");
	cr_assert_eq(pmem_open_fd(&dev, fd, NULL, 0), 0);
	cr_expect_str_eq(dev.name, "file");
	*(char *)pmem_block(&dev, 5) = 'x';
	cr_assert_eq(pread(fd, &byte, 1, 5 * PAGE_SIZE), 1);
	cr_expect_eq(byte, 'x');
	pmem_destroy(&dev);
	close(ro);
	close(fd);
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

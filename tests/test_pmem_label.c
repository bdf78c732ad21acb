// SPDX-License-Identifier: MIT
/* The label of a pmem device against every kind of damage, and images that are none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/pmem_fixture.h"

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

Test(pmem_label, round_trip)
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

Test(pmem_label, is_little_endian_at_fixed_places)
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
Test(pmem_label, damage_in_any_byte_is_found)
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

Test(pmem_label, errors_say_what_was_expected_and_found)
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

Test(pmem_label, intact_but_impossible)
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

Test(pmem_label, image_of_the_wrong_length)
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

Test(pmem_label, image_of_random_bytes)
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

Test(pmem_label, image_that_is_no_file)
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

Test(pmem_label, image_in_a_regular_file)
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

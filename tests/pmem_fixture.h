/* SPDX-License-Identifier: MIT */
/* What the tests of the pmem device share: devices, and images that a device is opened from. */
#ifndef DAXSIM_TEST_PMEM_FIXTURE_H
#define DAXSIM_TEST_PMEM_FIXTURE_H

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/pmem/label.h"
#include "backends/pmem/pmem.h"

#define SIZE (1UL << 20)

static const u8 fixed_uuid[PMEM_UUID_LEN] = "\x12\x34\x56\x78\x9a\xbc\x4e\xf0"
					    "\x81\x23\x45\x67\x89\xab\xcd";

static inline struct pmem make(u64 size)
{
	struct pmem dev;
	int err = pmem_create(&dev, "test", size, fixed_uuid);

	cr_assert_eq(err, 0, "pmem_create: %s", strerror(-err));
	return dev;
}

/* Open @fd as an image and expect @err, and a sentence that has @word in it. */
static inline void expect_open(int fd, int err, const char *word)
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

static inline int image_of(const void *bytes, size_t len, u64 size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert(fd >= 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	cr_assert_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

/* An image of @size bytes whose label is intact and says @info. */
static inline int image_saying(struct pmem_label_info info, u64 size)
{
	struct pmem_label label;

	pmem_label_encode(&label, &info);
	return image_of(&label, sizeof(label), size);
}

#endif

// SPDX-License-Identifier: MIT
/* Counting down to injected failures, and that each site asks. */
#include "tests/machine_fixture.h"

/* Which of 8 calls fail, as bits. */
static u32 fires(u64 after, u64 times)
{
	struct injection inj = { .error = -EIO, .after = after, .times = times };
	u32 set = 0;

	for (int i = 0; i < 8; i++)
		set |= inject_fires(&inj) << i;
	return set;
}

Test(inject, after_and_times)
{
	cr_expect_eq(fires(0, 0), 0);
	cr_expect_eq(fires(3, 0), 0);
	cr_expect_eq(fires(0, 1), 0x01);
	cr_expect_eq(fires(0, 3), 0x07);
	cr_expect_eq(fires(2, 1), 0x04);
	cr_expect_eq(fires(2, 3), 0x1c);
	cr_expect_eq(fires(7, 9), 0x80);
	cr_expect_eq(fires(8, 1), 0);
	cr_expect_eq(fires(0, U64_MAX), 0xff);
}

Test(inject, copy_limit_counts_bytes)
{
	struct injection inj = { .after = 10, .times = 2 };

	cr_expect_eq(inject_copy_limit(&inj, 4), 4);
	cr_expect_eq(inject_copy_limit(&inj, 6), 6);	/* the 10th byte still goes well */
	cr_expect_eq(inject_copy_limit(&inj, 1), 0);
	cr_expect_eq(inject_copy_limit(&inj, 5), 0);
	cr_expect_eq(inject_copy_limit(&inj, 5), 5);
	cr_expect_eq(inj.times, 0);

	inj = (struct injection){ .after = 10, .times = 1 };
	cr_expect_eq(inject_copy_limit(&inj, 25), 10);
	cr_expect_eq(inject_copy_limit(&inj, 15), 15);

	inj = (struct injection){ .after = 10 };
	cr_expect_eq(inject_copy_limit(&inj, 25), 25);
	cr_expect_eq(inj.after, 10);
}

/* The n-th call of each site, as a system call sees it. */
Test(inject, sites)
{
	static const enum inject_site sites[] = {
		INJECT_GET_BLOCK, INJECT_DIRECT_ACCESS, INJECT_CLEAR,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
		struct rig *r = rig_new("ext2", "v11", 64);
		struct file *f = rig_create(r, "f");
		int failed = 0;

		rig_inject(r, sites[i], -ENXIO, 2, 1);
		for (int page = 0; page < 8; page++) {
			ssize_t ret = rig_fill(r, A, f, 1, 1, PAGES(page));

			cr_expect(ret == 1 || ret == -ENXIO);
			failed += ret == -ENXIO;
		}
		cr_expect_eq(failed, 1, "site %s", inject_table[sites[i]].name);
		cr_expect_eq(r->sb->inject[sites[i]].times, 0);
		cr_expect_eq(rig_nr_free(r), 63 - 7);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Of a copy the bytes before the fault arrive, across pages and calls. */
Test(inject, copy_site)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct file *f = rig_create(r, "f");
	u8 buf[PAGES(2)];

	rig_inject(r, INJECT_COPY, -EFAULT, PAGE_SIZE + 10, 1);
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(2), 0), (ssize_t)PAGE_SIZE + 10);
	cr_expect_eq(rig_fill(r, A, f, 0x42, PAGES(2), 0), (ssize_t)PAGES(2));
	rig_inject(r, INJECT_COPY, -EFAULT, 100, 1);
	cr_expect_eq(rig_read(r, A, f, buf, 60, 0), 60);
	cr_expect_eq(rig_read(r, A, f, buf, 60, 0), 40);
	cr_expect_eq(rig_read(r, A, f, buf, 60, 0), 60);
	rig_expect_clean(r);
	rig_free(r);
}

Test(inject, names)
{
	for (int i = 0; i < NR_INJECT_SITES; i++) {
		cr_expect_eq(name_find(&inject_names, inject_table[i].name), i);
		cr_expect(*inject_table[i].what);
	}
	cr_expect_eq(name_find(&inject_names, "cleat"), -1);
	cr_expect_str_eq(name_nearest(&inject_names, "cleat"), "clear");
}

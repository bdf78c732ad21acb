// SPDX-License-Identifier: MIT
/* Kernel versions as sets of protections, and finding both by name. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "daxsim/kernel/profile.h"

static profile_t find(const char *name)
{
	profile_t p = ~0ULL;

	cr_assert_eq(profile_find(name, &p), 0, "%s", name);
	return p;
}

static profile_t bits(const char *ids)
{
	char *words = strdup(ids), *rest = words, *id;
	profile_t p = 0;

	while ((id = strsep(&rest, " "))) {
		cr_assert_geq(protection_find(id), 0, "%s", id);
		p |= 1ULL << protection_find(id);
	}
	free(words);
	return p;
}

Test(profile, v10_and_v11)
{
	cr_expect_eq(find("v10"), bits("b1 b2 b3"));
	cr_expect_eq(find("v11"), bits("p1 p2 p3 p4 p5 p6 p7 b1 b2 b3"));
}

/* Each version has all that the one before had, and something more; nothing is in none. */
Test(profile, versions_only_gain)
{
	profile_t before = 0;

	cr_assert_not_null(profile_names[0]);
	for (int i = 0; profile_names[i]; i++) {
		profile_t now = find(profile_names[i]);

		cr_expect_eq(now & before, before, "%s", profile_names[i]);
		cr_expect_neq(now, before, "%s", profile_names[i]);
		before = now;
	}
	cr_expect_eq(before, (1ULL << NR_PROTECTIONS) - 1);
}

Test(profile, protections_are_found_by_id_and_by_name)
{
	for (int i = 0; i < NR_PROTECTIONS; i++) {
		cr_expect_eq(protection_find(protection_table[i].id), i);
		cr_expect_eq(protection_find(protection_table[i].name), i);
		cr_expect(*protection_table[i].what);
		for (int j = 0; j < i; j++) {
			cr_expect_str_neq(protection_table[i].id, protection_table[j].id);
			cr_expect_str_neq(protection_table[i].name, protection_table[j].name);
		}
	}
	cr_expect_eq(protection_find("p3"), CLEAR_UNDER_I_MMAP);
	cr_expect_eq(protection_find("unlock-on-race"), UNLOCK_ON_RACE);
}

Test(profile, unknown_names)
{
	static const char *const bad[] = { "", "v", "v9", "V11", "v11 ", "v110", "p1" };
	profile_t p = 42;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_eq(profile_find(bad[i], &p), -ENOENT, "%s", bad[i]);
		cr_expect_eq(p, 42);
	}
	cr_expect_eq(protection_find("p0"), -1);
	cr_expect_eq(protection_find("v11"), -1);
	cr_expect_eq(protection_find(""), -1);
	cr_expect_eq(protection_find("P1"), -1);
}

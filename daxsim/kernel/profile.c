// SPDX-License-Identifier: MIT
/* The tables of protections and of the kernel versions that had them. */
#include "daxsim/kernel/profile.h"

#include <errno.h>
#include <string.h>

const struct protection_desc protection_table[NR_PROTECTIONS] = {
#define PROTECTION_DESC(id, short_id, name, since, what) { name, short_id, since, what },
	PROTECTION_TABLE(PROTECTION_DESC)
#undef PROTECTION_DESC
};

const struct name_table protection_names = NAME_TABLE(protection_table);

const char *const profile_names[] = { "v10", "v11", "4.7", NULL };

int protection_find(const char *name)
{
	for (int i = 0; i < NR_PROTECTIONS; i++)
		if (!strcmp(protection_table[i].id, name))
			return i;
	return name_find(&protection_names, name);
}

static int profile_rank(const char *name)
{
	for (int i = 0; profile_names[i]; i++)
		if (!strcmp(profile_names[i], name))
			return i;
	return -1;
}

int profile_find(const char *name, profile_t *profile)
{
	int rank = profile_rank(name);

	if (rank < 0)
		return -ENOENT;
	*profile = 0;
	for (int i = 0; i < NR_PROTECTIONS; i++)
		if (profile_rank(protection_table[i].since) <= rank)
			*profile |= 1ULL << i;
	return 0;
}

profile_t profile_named(const char *name)
{
	profile_t profile = 0;

	profile_find(name, &profile);
	return profile;
}

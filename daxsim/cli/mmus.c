// SPDX-License-Identifier: MIT
/* What --mmu can name. */
#include <string.h>

#include "daxsim/cli/cli.h"
#include "daxsim/sim/types.h"

unsigned int choose_mmus(const char *name, const struct mmu_ops *mmus[MAX_MMUS])
{
	static const struct {
		const char *name;
		const struct mmu_ops *mmus[MAX_MMUS];
	} choices[] = {
		{ "soft", { &soft_mmu } },
		{ "uffd", { &uffd_mmu } },
		{ "both", { &soft_mmu, &uffd_mmu } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		if (!strcmp(choices[i].name, name)) {
			memcpy(mmus, choices[i].mmus, sizeof(choices[i].mmus));
			return choices[i].mmus[1] ? 2 : 1;
		}
	return 0;
}

// SPDX-License-Identifier: MIT
/* The table of invariants, by name. */
#include "daxsim/sim/invariant.h"

const struct invariant_desc invariant_table[NR_INVARIANTS] = {
#define INVARIANT_DESC(id, name, what) { name, what },
	INVARIANT_TABLE(INVARIANT_DESC)
#undef INVARIANT_DESC
};

const struct name_table invariant_names = NAME_TABLE(invariant_table);

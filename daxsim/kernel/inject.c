// SPDX-License-Identifier: MIT
/* Counting down to injected failures. */
#include "daxsim/kernel/inject.h"

#include "daxsim/sim/point.h"

const struct inject_desc inject_table[NR_INJECT_SITES] = {
#define INJECT_DESC(id, name, what) { name, what },
	INJECT_TABLE(INJECT_DESC)
#undef INJECT_DESC
};

const struct name_table inject_names = NAME_TABLE(inject_table);

bool inject_fires(struct injection *inj)
{
	also(inj->times ? P_WRITE : P_READ, obj(OBJ_INJECT, 0, 0));
	if (likely(!inj->times))
		return false;
	if (inj->after) {
		inj->after--;
		return false;
	}
	inj->times--;
	return true;
}

size_t inject_copy_limit(struct injection *inj, size_t len)
{
	size_t good = inj->after;

	also(inj->times ? P_WRITE : P_READ, obj(OBJ_INJECT, 0, 0));
	if (likely(!inj->times))
		return len;
	if (good >= len) {
		inj->after -= len;
		return len;
	}
	inj->after = 0;
	inj->times--;
	return good;
}

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

static u64 times_left(const struct injection *inj)
{
	/* Whether the call is counted only shows behind this. */
	if (unlikely(inj->counts))
		also(P_WRITE, obj(OBJ_INJECT, 0, 0));
	return __atomic_load_n(&inj->times, __ATOMIC_RELAXED);
}

static void set_times(struct injection *inj, u64 times)
{
	__atomic_store_n(&inj->times, times, __ATOMIC_RELAXED);
}

bool inject_fires(struct injection *inj)
{
	bool fires = false;

	if (likely(!times_left(inj)))
		return false;
	guard_lock(&inj->guard);
	if (inj->times && inj->after) {
		inj->after--;
	} else if (inj->times) {
		set_times(inj, inj->times - 1);
		fires = true;
	}
	guard_unlock(&inj->guard);
	return fires;
}

size_t inject_copy_limit(struct injection *inj, size_t len)
{
	size_t good = len;

	if (likely(!times_left(inj)))
		return len;
	guard_lock(&inj->guard);
	if (inj->times && inj->after >= len) {
		inj->after -= len;
	} else if (inj->times) {
		good = inj->after;
		inj->after = 0;
		set_times(inj, inj->times - 1);
	}
	guard_unlock(&inj->guard);
	return good;
}

void inject_arm(struct injection *inj, const struct injection *with)
{
	guard_lock(&inj->guard);
	__atomic_store_n(&inj->error, with->error, __ATOMIC_RELAXED);
	__atomic_store_n(&inj->short_len, with->short_len, __ATOMIC_RELAXED);
	inj->after = with->after;
	set_times(inj, with->times);
	guard_unlock(&inj->guard);
}

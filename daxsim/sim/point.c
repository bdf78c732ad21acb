// SPDX-License-Identifier: MIT
/* The table of scheduling points, by name, and points of live mode. */
#include "daxsim/sim/point.h"

#include "daxsim/sim/sim.h"

const struct point_desc point_table[NR_POINTS] = {
#define POINT_DESC(name, what) { #name, what },
	POINT_TABLE(POINT_DESC)
#undef POINT_DESC
};

const struct name_table point_names = NAME_TABLE(point_table);

void live_point(struct task *t, enum point_id id)
{
	t->sim->jitter(t, id);
}

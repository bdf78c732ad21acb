// SPDX-License-Identifier: MIT
/* The table of scheduling points, by name. */
#include "daxsim/sim/point.h"

const struct point_desc point_table[NR_POINTS] = {
#define POINT_DESC(name, what) { #name, what },
	POINT_TABLE(POINT_DESC)
#undef POINT_DESC
};

const struct name_table point_names = NAME_TABLE(point_table);

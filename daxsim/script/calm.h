/* SPDX-License-Identifier: MIT */
/*
 * What one session does that is nobody else's business, going by the commands that the sessions of
 * a scenario call: data that all of them only read, or only change in ways that commute, and locks
 * that all take shared. It need not be explored who comes first there.
 */
#ifndef DAXSIM_CALM_H
#define DAXSIM_CALM_H

#include "daxsim/kernel/lock.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/point.h"

struct calm {
	u32 locks;	/* enum lock_class, bit each */
	u32 data;	/* enum obj_type, bit each */
	u32 changed;	/* of those, what all of them change; the others they read */
};

/** calm_in() - what is likely to be calm; a commit for want of room comes as a surprise */
struct calm calm_in(const struct scenario *s);

/** calm_data() - whether an object is taken to be */
static inline bool calm_data(const struct calm *c, u64 object)
{
	return c->data >> obj_type(object) & 1;
}

/** calm_stirred() - whether an access to such an object shows that it is not */
static inline bool calm_stirred(const struct calm *c, enum point_kind kind, u64 object)
{
	return (kind == P_READ) == (c->changed >> obj_type(object) & 1);
}

#endif

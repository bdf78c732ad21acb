/* SPDX-License-Identifier: MIT */
/*
 * What one session does that is nobody else's business: what it does with objects that no other
 * session has to do with, or that all of them only read, or locks that all only share. It need not be
 * explored who comes first there.
 *
 * Which objects these are is guessed, from two executions in which the sessions run one after the
 * other. An object is all that there is of one type and owner, as the extents of a file, or one lock.
 */
#ifndef DAXSIM_CALM_H
#define DAXSIM_CALM_H

#include "daxsim/sim/point.h"

#define CALM_SLOTS 128	/* a power of two */

/* Who may access an object, and how, for all of that to be independent. */
struct calm_object {
	u32 key;	/* 0: this slot is free */
	u8 by;		/* sessions, bit each; 0: it is not calm */
	u8 kinds;	/* enum point_kind, bit each */
	u8 loud;	/* kinds that are to be explored nevertheless */
};

struct calm {
	bool guessed;		/* false: nobody has looked yet */
	struct calm_object at[CALM_SLOTS];	/* by hash */
};

#define CALM_FOLLOWS 256

/* What the two executions show, as far as they have come. */
struct calm_probe {
	struct calm *calm;
	u32 nr_objects;
	struct calm_object *point;	/* the session's last one was about it; NULL: none */
	u8 kind;
	u32 nr_follows;
	struct {
		u8 point, kind, also;
	} follows[CALM_FOLLOWS];	/* what is accessed behind which point, by slot */
};

/** calm_key() - what is the same for all that counts as one object; others may have it, too */
static inline u32 calm_key(u64 object)
{
	u32 type_and_owner = object >> 32;

	return obj_type(object) == OBJ_LOCK ? type_and_owner + obj_index(object) : type_and_owner;
}

/** calm_find() - an object's slot, or the free one where it would be */
static inline struct calm_object *calm_find(struct calm *c, u64 object)
{
	u32 key = calm_key(object), i = key * 0x9e3779b1U >> 16;

	while (c->at[i % CALM_SLOTS].key && c->at[i % CALM_SLOTS].key != key)
		i++;
	return &c->at[i % CALM_SLOTS];
}

/** calm_allows() - whether an access shows that an object is as calm as it was taken to be */
static inline bool calm_allows(const struct calm_object *o, u32 session, enum point_kind kind)
{
	return o->by >> session & 1 && o->kinds >> kind & 1;
}

/** calm_is_loud() - something that is not calm is accessed behind a point about @o, without its own */
void calm_is_loud(struct calm_object *o, enum point_kind kind);

/** calm_see_start() - the probe goes on with another session */
void calm_see_start(struct calm_probe *p);

/** calm_see_point() - a session of the probe comes to a point that accesses an object */
void calm_see_point(struct calm_probe *p, u32 session, enum point_kind kind, u64 object);

/** calm_see_also() - it accesses one more, which was not announced by a point */
void calm_see_also(struct calm_probe *p, u32 session, enum point_kind kind, u64 object);

/** calm_conclude() - make of all that was seen what p->calm says */
void calm_conclude(struct calm_probe *p);

#endif

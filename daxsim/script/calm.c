// SPDX-License-Identifier: MIT
/* Guessing what is calm. */
#include "daxsim/script/calm.h"

#include "daxsim/script/scenario.h"

#define MAX_OBJECTS (CALM_SLOTS * 3 / 4)

_Static_assert(MAX_SESSIONS <= 8, "a session is a bit of calm_object.by");

/* An object's slot, with one more access; NULL: there are too many. */
static struct calm_object *see(struct calm_probe *p, u32 session, enum point_kind kind, u64 object)
{
	struct calm_object *o = calm_find(p->calm, object);

	if (!o->key) {
		if (p->nr_objects == MAX_OBJECTS)
			return NULL;
		p->nr_objects++;
		o->key = calm_key(object);
	}
	o->by |= BIT(session);
	o->kinds |= BIT(kind);
	return o;
}

/* Whatever it is, it is not taken to be calm. */
static void spoil(struct calm_object *o)
{
	o->by = o->kinds = UINT8_MAX;
}

void calm_see_start(struct calm_probe *p)
{
	p->point = NULL;
}

void calm_see_point(struct calm_probe *p, u32 session, enum point_kind kind, u64 object)
{
	p->point = see(p, session, kind, object);
	p->kind = kind;
}

void calm_see_also(struct calm_probe *p, u32 session, enum point_kind kind, u64 object)
{
	const struct calm_object *o = see(p, session, kind, object);
	u8 point, also;

	if (!p->point)
		return;
	if (!o || p->nr_follows == CALM_FOLLOWS) {
		spoil(p->point);
		return;
	}
	point = p->point - p->calm->at;
	also = o - p->calm->at;
	for (u32 i = 0; i < p->nr_follows; i++)
		if (p->follows[i].point == point && p->follows[i].kind == p->kind &&
		    p->follows[i].also == also)
			return;
	p->follows[p->nr_follows].point = point;
	p->follows[p->nr_follows].kind = p->kind;
	p->follows[p->nr_follows++].also = also;
}

/* Kinds of accesses to an object that commute; 0: as they are, they do not. */
static u8 commuting(const struct calm_object *o)
{
	static const u8 sets[] = { BIT(P_READ), BIT(P_RLOCK) | BIT(P_UNLOCK), BIT(P_WAIT) };

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		if (!(o->kinds & ~sets[i]))
			return sets[i];
	/* Each session adds to it. */
	return o->key >> 24 == OBJ_MTIME && o->kinds == BIT(P_WRITE) ? o->kinds : 0;
}

/* Nobody knows what others will do with an object that only one session had to do with. */
static void conclude(struct calm_object *o)
{
	if (!(o->by & (o->by - 1))) {
		o->kinds = UINT8_MAX;
		return;
	}
	o->kinds = commuting(o);
	o->by = o->kinds ? UINT8_MAX : 0;
}

void calm_is_loud(struct calm_object *o, enum point_kind kind)
{
	o->loud |= BIT(kind);
	/* A lock that is seen to be taken has to be seen to be dropped, too. */
	if (kind == P_LOCK || kind == P_RLOCK)
		o->loud |= BIT(P_UNLOCK);
}

void calm_conclude(struct calm_probe *p)
{
	struct calm_object *at = p->calm->at;

	for (u32 i = 0; i < CALM_SLOTS; i++)
		conclude(&at[i]);
	for (u32 i = 0; i < p->nr_follows; i++)
		if (!at[p->follows[i].also].by)
			calm_is_loud(&at[p->follows[i].point], p->follows[i].kind);
	p->calm->guessed = true;
}

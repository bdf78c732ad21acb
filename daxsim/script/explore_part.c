// SPDX-License-Identifier: MIT
/* What one process found in its part of an exploration, for the one that takes it over. */
#include <string.h>

#include "daxsim/script/explore_private.h"

#define PART_CHUNKS 32768	/* of the schedules of all findings */

/* The schedules lie in @chunks in the order of the findings; pointers mean nothing here. */
struct part {
	struct explore_finding findings[NR_INVARIANTS];
	struct explore_finding mismatch;
	struct explore_finding endless;
	u64 finals[MAX_FINALS];
	u64 finals_run;
	struct explore_finding against[MAX_FINALS];
	struct explore_outcome outcomes[MAX_OUTCOMES];
	u32 nr_outcomes;
	u64 other_outcomes;
	bool reached[NR_POINTS];
	struct lock_news locks;
	u32 nr_chunks;
	struct chunk chunks[PART_CHUNKS];
};

const size_t explored_part_size = sizeof(struct part);

void explored_begin(void *ctx)
{
	struct explorer *x = ctx;
	struct exploration *out = x->out;
	const struct explore_result result = out->result;
	u64 hashes[MAX_OUTCOMES];

	/* A full table stays what it is; else nobody knows yet which outcomes will be in it. */
	x->table_full = out->nr_outcomes == MAX_OUTCOMES;
	for (u32 i = 0; i < MAX_OUTCOMES; i++)
		hashes[i] = out->outcomes[i].hash;
	exploration_free(out);
	out->result = result;
	for (u32 i = 0; i < MAX_OUTCOMES && x->table_full; i++)
		out->outcomes[out->nr_outcomes++].hash = hashes[i];
	memset(x->reached, 0, sizeof(x->reached));
	if (x->m.sim.lockdep)
		lock_memory_take(&x->locks, x->m.sim.lockdep);
}

static bool pack_finding(struct part *to, struct explore_finding *f,
			 const struct explore_finding *from)
{
	u32 nr = from->chunks.nr;

	if (nr > PART_CHUNKS - to->nr_chunks)
		return false;
	*f = *from;
	if (nr)
		memcpy(&to->chunks[to->nr_chunks], from->chunks.at, nr * sizeof(*to->chunks));
	to->nr_chunks += nr;
	return true;
}

bool explored_pack(void *ctx, void *data)
{
	struct explorer *x = ctx;
	const struct exploration *out = x->out;
	const struct lockdep *ld = x->m.sim.lockdep;
	struct part *to = data;
	bool fits = !x->no_memory && !x->stirred;

	/* Of outcomes that are not in the table nobody knows which they are. */
	if ((out->other_outcomes && !x->table_full) || (ld && !lock_news_write(&to->locks, &x->locks, ld)))
		return false;
	to->nr_chunks = 0;
	for (int i = 0; i < NR_INVARIANTS; i++)
		fits = fits && pack_finding(to, &to->findings[i], &out->findings[i]);
	fits = fits && pack_finding(to, &to->mismatch, &out->mismatch) &&
	       pack_finding(to, &to->endless, &out->endless);
	for (int i = 0; i < MAX_FINALS; i++)
		fits = fits && pack_finding(to, &to->against[i], &out->against[i]);
	for (u32 i = 0; i < out->nr_outcomes; i++) {
		const struct explore_outcome *o = &out->outcomes[i];

		to->outcomes[i].hash = o->hash;
		to->outcomes[i].classes = o->classes;
		fits = fits && pack_finding(to, &to->outcomes[i].witness, &o->witness);
	}
	memcpy(to->finals, out->finals, sizeof(to->finals));
	to->finals_run = out->finals_run;
	to->nr_outcomes = out->nr_outcomes;
	to->other_outcomes = out->other_outcomes;
	memcpy(to->reached, x->reached, sizeof(to->reached));
	return fits;
}

/* A part that is taken over, as far as its schedules have been read. */
struct reader {
	struct explorer *x;
	const struct chunk *at;
};

/* What comes later is kept only if it is simpler. */
static void join_finding(struct reader *r, struct explore_finding *to,
			 const struct explore_finding *f)
{
	const struct chunk *at = r->at;
	u32 nr = f->chunks.nr;

	r->at += nr;
	if (f->classes && (!to->classes || f->preemptions < to->preemptions ||
			   (f->preemptions == to->preemptions && nr < to->chunks.nr))) {
		memcpy(to->text, f->text, sizeof(to->text));
		to->preemptions = f->preemptions;
		r->x->no_memory |= !chunks_set(&to->chunks, at, nr);
	}
	to->classes += f->classes;
}

static void join_outcome(struct reader *r, const struct explore_outcome *from)
{
	struct exploration *out = r->x->out;
	struct explore_outcome *o = out->outcomes;

	while (o < out->outcomes + out->nr_outcomes && o->hash != from->hash)
		o++;
	if (o == out->outcomes + MAX_OUTCOMES) {
		out->other_outcomes += from->classes;
		r->at += from->witness.chunks.nr;
		return;
	}
	out->nr_outcomes += o == out->outcomes + out->nr_outcomes;
	o->hash = from->hash;
	o->classes += from->classes;
	join_finding(r, &o->witness, &from->witness);
}

bool explored_take(void *ctx, const void *data)
{
	struct explorer *x = ctx;
	struct exploration *out = x->out;
	struct lockdep *ld = x->m.sim.lockdep;
	const struct part *from = data;
	struct reader r = { x, from->chunks };

	/* Somewhere in the part the search would have stopped. */
	if (out->endless.classes + from->endless.classes >= MAX_ENDLESS ||
	    (ld && !lock_news_learn(&from->locks, ld)))
		return false;
	for (int i = 0; i < NR_INVARIANTS; i++)
		join_finding(&r, &out->findings[i], &from->findings[i]);
	join_finding(&r, &out->mismatch, &from->mismatch);
	join_finding(&r, &out->endless, &from->endless);
	for (int i = 0; i < MAX_FINALS; i++) {
		out->finals[i] += from->finals[i];
		join_finding(&r, &out->against[i], &from->against[i]);
	}
	out->finals_run += from->finals_run;
	for (u32 i = 0; i < from->nr_outcomes; i++)
		join_outcome(&r, &from->outcomes[i]);
	out->other_outcomes += from->other_outcomes;
	for (int i = 0; i < NR_POINTS; i++)
		x->reached[i] |= from->reached[i];
	return true;
}

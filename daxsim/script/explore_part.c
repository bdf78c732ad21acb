// SPDX-License-Identifier: MIT
/* What one process found in its part of an exploration, for the one that takes it over. */
#include <string.h>

#include "daxsim/script/explore_private.h"

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
	*out = (struct exploration){ .result = result };
	for (u32 i = 0; i < MAX_OUTCOMES && x->table_full; i++)
		out->outcomes[out->nr_outcomes++].hash = hashes[i];
	memset(x->reached, 0, sizeof(x->reached));
	if (x->m.sim.lockdep)
		lock_memory_take(&x->locks, x->m.sim.lockdep);
}

bool explored_pack(void *ctx, void *data)
{
	struct explorer *x = ctx;
	const struct exploration *out = x->out;
	const struct lockdep *ld = x->m.sim.lockdep;
	struct part *to = data;

	/* Of outcomes that are not in the table nobody knows which they are. */
	if ((out->other_outcomes && !x->table_full) || (ld && !lock_news_write(&to->locks, &x->locks, ld)))
		return false;
	memcpy(to->findings, out->findings, sizeof(to->findings));
	to->mismatch = out->mismatch;
	to->endless = out->endless;
	memcpy(to->finals, out->finals, sizeof(to->finals));
	to->finals_run = out->finals_run;
	memcpy(to->against, out->against, sizeof(to->against));
	memcpy(to->outcomes, out->outcomes, sizeof(to->outcomes));
	to->nr_outcomes = out->nr_outcomes;
	to->other_outcomes = out->other_outcomes;
	memcpy(to->reached, x->reached, sizeof(to->reached));
	return true;
}

/* What comes later is kept only if it is simpler. */
static void join_finding(struct explore_finding *to, const struct explore_finding *f)
{
	u64 classes = to->classes + f->classes;

	if (f->classes && (!to->classes || f->preemptions < to->preemptions ||
			   (f->preemptions == to->preemptions && f->nr_chunks < to->nr_chunks)))
		*to = *f;
	to->classes = classes;
}

static void join_outcome(struct exploration *out, const struct explore_outcome *from)
{
	struct explore_outcome *o = out->outcomes;

	while (o < out->outcomes + out->nr_outcomes && o->hash != from->hash)
		o++;
	if (o == out->outcomes + MAX_OUTCOMES) {
		out->other_outcomes += from->classes;
		return;
	}
	out->nr_outcomes += o == out->outcomes + out->nr_outcomes;
	o->hash = from->hash;
	o->classes += from->classes;
	join_finding(&o->witness, &from->witness);
}

bool explored_take(void *ctx, const void *data)
{
	struct explorer *x = ctx;
	struct exploration *out = x->out;
	struct lockdep *ld = x->m.sim.lockdep;
	const struct part *from = data;

	/* Somewhere in the part the search would have stopped. */
	if (out->endless.classes + from->endless.classes >= MAX_ENDLESS ||
	    (ld && !lock_news_learn(&from->locks, ld)))
		return false;
	for (int i = 0; i < NR_INVARIANTS; i++)
		join_finding(&out->findings[i], &from->findings[i]);
	join_finding(&out->mismatch, &from->mismatch);
	join_finding(&out->endless, &from->endless);
	for (int i = 0; i < MAX_FINALS; i++) {
		out->finals[i] += from->finals[i];
		join_finding(&out->against[i], &from->against[i]);
	}
	out->finals_run += from->finals_run;
	for (u32 i = 0; i < from->nr_outcomes; i++)
		join_outcome(out, &from->outcomes[i]);
	out->other_outcomes += from->other_outcomes;
	for (int i = 0; i < NR_POINTS; i++)
		x->reached[i] |= from->reached[i];
	return true;
}

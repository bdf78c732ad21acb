// SPDX-License-Identifier: MIT
/*
 * A schedule to try for a cycle of locks. Exploration learns the order of locks from all
 * executions together, and the one that closed the cycle need not show it; one in which every
 * session runs its steps without a break mostly does.
 */
#include "daxsim/script/witness.h"

#include <stdlib.h>

#include "daxsim/script/explore_scenario.h"
#include "daxsim/sim/lockdep.h"

/* All steps, session by session, the first session first or last. To be freed; NULL without memory. */
static struct schedule *in_turn(const struct scenario *s, bool backwards)
{
	struct {
		struct schedule schedule;
		struct sched_entry entries[];
	} *all;
	u32 nr = 0, at = 0;

	for (const struct session *ses = s->sessions; ses; ses = ses->next)
		for (const struct step *step = ses->steps; step; step = step->next)
			nr++;
	all = calloc(1, sizeof(*all) + nr * sizeof(struct sched_entry));
	if (!all)
		return NULL;
	all->schedule.name = "in turn";
	for (u32 i = 0; i < s->nr_sessions; i++)
		for (const struct session *ses = s->sessions; ses; ses = ses->next) {
			if (ses->index != (backwards ? s->nr_sessions - 1 - i : i))
				continue;
			for (struct step *step = ses->steps; step; step = step->next, at++)
				all->entries[at] = (struct sched_entry){
					.type = ENTRY_STEP, .step = step, .until = -1,
					.until_lock = -1, .blocks_on = -1,
					.next = at + 1 < nr ? &all->entries[at + 1] : NULL,
				};
		}
	all->schedule.entries = nr ? all->entries : NULL;
	return &all->schedule;
}

static bool shows_cycle(const struct verdict *v, const struct schedule *schedule)
{
	struct lockdep *lockdep = lockdep_create();
	struct execution x;
	bool shows;

	if (!lockdep)
		return false;
	execute_lockdep(v->scenario, v->variant, schedule, v->mmus[0], lockdep, NULL, &x);
	shows = x.findings[INV_LOCK_ORDER].seen && !x.bad_input;
	execution_free(&x);
	lockdep_destroy(lockdep);
	return shows;
}

struct schedule *find_lock_witness(const struct verdict *v)
{
	struct schedule *tries[] = {
		in_turn(v->scenario, false), in_turn(v->scenario, true),
		finding_schedule(v->scenario, &v->explored->findings[INV_LOCK_ORDER]),
	};
	struct schedule *witness = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		if (tries[i] && !witness && shows_cycle(v, tries[i]))
			witness = tries[i];
		else
			free(tries[i]);
	}
	return witness;
}

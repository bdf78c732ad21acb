// SPDX-License-Identifier: MIT
/* Putting a machine back: files, page tables, names, locks, and tasks half way through something. */
#include <sys/resource.h>

#include "daxsim/script/machine.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/snapshot.h"
#include "daxsim/sim/state.h"
#include "tests/scenario_run.h"

#define RESTORES 100000
#define MAX_STOPS 200

/* A machine with one task and the commands of a scenario's sessions, which that task runs. */
struct world {
	struct machine m;
	struct scenario *s;
	struct snapshot snapshot;
	struct task *task;
	const struct cmd *cmds;
	u64 stop_at;		/* point at which the task is held, from 1; 0: none */
	u64 points;
	u64 violations;
};

static void note(void *data, enum invariant inv, const char *text)
{
	struct world *w = data;

	(void)text;
	w->violations |= 1ULL << inv;
}

static bool hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object)
{
	struct world *w = data;

	(void)t;
	(void)id;
	(void)kind;
	(void)object;
	return ++w->points == w->stop_at;
}

static void work(struct task *t, void *arg)
{
	struct world *w = arg;

	(void)t;
	for (const struct cmd *cmd = w->cmds; cmd; cmd = cmd->next) {
		struct outcome out;

		machine_command(&w->m, cmd, &out);
		cr_expect(outcome_matches(cmd, &out), "%s", cmd->text);
		outcome_free(&w->m, &out);
	}
}

/* Run commands until the task has passed @points of them; 0: to the end. */
static enum task_state run_until(struct world *w, const struct cmd *cmds, u64 points)
{
	w->cmds = cmds;
	w->points = 0;
	w->stop_at = points;
	sched_start(w->task, work, w);
	return sched_run(w->task);
}

static void build(struct world *w, const char *fs, const char *cmds)
{
	char text[600], why[200];

	snprintf(text, sizeof(text),
		 "scenario t\nfs %s\n"
		 "setup { create f; pwrite -S 0x11 f 0 8k; truncate f 16k; create g;"
		 " mmap m f 0 16k shared; mwrite m 0 8 0x22 }\n"
		 "session a { %s }\n", fs, cmds);
	memset(w, 0, sizeof(*w));
	w->s = parse_text(text);
	cr_assert_eq(machine_init(&w->m, w->s, w->s->variants, &soft_mmu, why,
				  sizeof(why)), 0);
	cr_assert_eq(check_create(&w->m.sim, 0, note, w), 0);
	w->task = sched_add_task(&w->m.sim, "a", machine_mm(&w->m, "main"));
	cr_assert_not_null(w->task);
	w->m.sim.sched.hold = hold;
	w->m.sim.sched.hold_data = w;
	cr_assert_eq(run_until(w, w->s->setup, 0), TASK_IDLE);
	cr_assert_eq(snapshot_take(&w->snapshot, &w->m.sim), 0);
}

static void tear_down(struct world *w)
{
	snapshot_drop(&w->snapshot);
	machine_destroy(&w->m);
	scenario_free(w->s);
}

static const struct cmd *commands(const struct world *w)
{
	return w->s->sessions->steps->cmds;
}

/* All that the machine holds, as text to be freed: files, extents, bytes, mappings, locks held. */
static char *state_of(struct world *w)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	state_print(&w->m.sim, to);
	fclose(to);
	return text;
}

static void expect_state(struct world *w, const char *want)
{
	char *now = state_of(w);

	cr_expect_str_eq(now, want);
	free(now);
}

static const char *const kernels[] = { "ext2@v11", "ext4@v11", "xfs@v11", "ext4@v10", "xfs@4.7" };

#define MUCH "mwrite m 8k 8 0x5a; pwrite -S 0x77 g 0 12k; truncate f 4k; mread m 0 8 = 0x22; fsync g"

Test(snapshot, everything_comes_back)
{
	struct world w;

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		size_t used;
		char *before;

		build(&w, kernels[i], MUCH);
		before = state_of(&w);
		used = w.m.sim.arena.used;
		for (int round = 0; round < 20; round++) {
			char *after;

			cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
			after = state_of(&w);
			cr_expect_str_neq(after, before);
			free(after);
			snapshot_restore(&w.snapshot);
			expect_state(&w, before);
			cr_expect_eq(w.m.sim.arena.used, used);
		}
		free(before);
		tear_down(&w);
	}
}

/* Every round from the snapshot on is the same to the last byte. */
Test(snapshot, what_follows_is_the_same_each_time)
{
	struct world w;
	char *first, *again;

	build(&w, "ext4@v11", MUCH);
	cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
	first = state_of(&w);
	for (int round = 0; round < 20; round++) {
		snapshot_restore(&w.snapshot);
		cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
		again = state_of(&w);
		cr_expect_str_eq(again, first);
		free(again);
	}
	free(first);
	tear_down(&w);
}

/* Abandon the task before each of its points in turn, with whatever it holds there. */
Test(snapshot, task_half_way_through)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		struct world w;
		unsigned int stops = 0, holding = 0;
		char *before;

		build(&w, kernels[i], MUCH);
		before = state_of(&w);
		for (u64 at = 1; run_until(&w, commands(&w), at) == TASK_READY; at++) {
			stops++;
			holding += w.task->nr_held > 0;
			snapshot_restore(&w.snapshot);
			cr_expect_eq(w.task->state, TASK_IDLE);
			cr_expect_eq(w.task->nr_held, 0);
			expect_state(&w, before);
			cr_assert_lt(at, MAX_STOPS);
		}
		cr_expect_gt(stops, 50, "%u", stops);
		cr_expect_gt(holding, 20, "%u", holding);
		free(before);
		tear_down(&w);
	}
}

/* Locks that an abandoned task held can be taken again, and the watchers have nothing to say. */
Test(snapshot, locks_are_free_again)
{
	struct world w;

	build(&w, "ext4@v11", "mwrite m 8k 8 0x5a");
	for (u64 at = 1; run_until(&w, commands(&w), at) == TASK_READY; at++) {
		snapshot_restore(&w.snapshot);
		cr_expect_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
		snapshot_restore(&w.snapshot);
		cr_assert_lt(at, MAX_STOPS);
	}
	cr_expect_eq(w.violations, 0);
	tear_down(&w);
}

/* From each point in turn: to the end, back to the point, and to the end again. */
Test(snapshot, task_goes_on_from_a_checkpoint)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		struct checkpoint c = { 0 };
		struct world w;
		char *after;

		build(&w, kernels[i], MUCH);
		cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
		after = state_of(&w);
		snapshot_restore(&w.snapshot);
		for (u64 at = 1; run_until(&w, commands(&w), at) == TASK_READY; at++) {
			char *half_way = state_of(&w);
			u64 points = w.task->nr_points;
			bool saved = checkpoint_save(&c, &w.m.sim);

			/* The sanitizers know more of a stack than can be put back. */
			cr_assert(saved || !fiber_in_use(&w.task->fiber));
			for (int round = 0; saved && round < 2; round++) {
				cr_expect_eq(sched_run(w.task), TASK_IDLE);
				expect_state(&w, after);
				if (round)
					snapshot_restore(&w.snapshot);
				checkpoint_load(&c, &w.m.sim);
				expect_state(&w, half_way);
				cr_expect_eq(w.task->nr_points, points);
			}
			free(half_way);
			snapshot_restore(&w.snapshot);
			cr_assert_lt(at, MAX_STOPS);
		}
		cr_expect_eq(w.violations, 0);
		checkpoint_drop(&c);
		free(after);
		tear_down(&w);
	}
}

Test(snapshot, drop_keeps_the_machine_as_it_is)
{
	struct world w;
	char *after;

	build(&w, "ext2@v11", MUCH);
	cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
	after = state_of(&w);
	snapshot_drop(&w.snapshot);
	expect_state(&w, after);

	/* What follows counts from here. */
	cr_assert_eq(snapshot_take(&w.snapshot, &w.m.sim), 0);
	cr_assert_eq(run_until(&w, w.s->sessions->steps->cmds, 1), TASK_READY);
	snapshot_restore(&w.snapshot);
	expect_state(&w, after);
	free(after);
	tear_down(&w);
}

static long resident_kb(void)
{
	struct rusage u;

	cr_assert_eq(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

Test(snapshot, memory_does_not_grow)
{
	struct world w;
	size_t clean;
	long before;

	build(&w, "ext4@v11", "mwrite m 8k 8 0x5a");
	cr_assert_eq(run_until(&w, commands(&w), 0), TASK_IDLE);
	snapshot_restore(&w.snapshot);
	clean = w.m.sim.arena.clean;
	before = resident_kb();
	for (int i = 0; i < RESTORES; i++) {
		/* Half of them in the middle of the fault. */
		run_until(&w, commands(&w), i % 2 ? 15 : 0);
		snapshot_restore(&w.snapshot);
	}
	cr_expect_eq(w.m.sim.arena.clean, clean);
	cr_expect_leq(resident_kb() - before, 256);
	tear_down(&w);
}

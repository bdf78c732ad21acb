// SPDX-License-Identifier: MIT
/* Tests of the scenario parser: what a valid scenario becomes. */
#include <criterion/criterion.h>
#include <string.h>

#include "backends/fs/fs.h"
#include "daxsim/kernel/lock.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/point.h"

static struct scenario *parse(const char *text)
{
	struct scenario *s = scenario_parse("t.scn", text, strlen(text), stderr);

	cr_assert_not_null(s);
	return s;
}

static const char full[] =
	"# A write fault is overtaken by truncate.\n"
	"scenario truncate-vs-fault\n"
	"device 2m\n"
	"expect bug stale-pte, pte-past-eof\n"
	"fs ext2@v11            expect bug leak-past-eof\n"
	"fs  ext2  -p3   +recheck-i_size\n"
	"fs null@v10 expect clean   # a comment\n"
	"ignore lost-store, incoherent deadlock\n"
	"\n"
	"setup {\n"
	"    create f; truncate f 8k;  mmap   m f\t0 8k shared\n"
	"    create g\n"
	"}\n"
	"session fault { step store  { mwrite m 4k 8 0x5a    = 8 or SIGBUS } }\n"
	"session trunc\n"
	"{\n"
	"    step shrink { truncate f 0          = 0 }\n"
	"    step sync {\n"
	"        fsync f; ; # nothing\n"
	"        fiemap f = none\n"
	"    }\n"
	"}\n"
	"session reuse in p2 { pwrite -S 0x77 g 0 4k = 4096; stat g = size 4k }\n"
	"\n"
	"schedule whiteboard {           # the interleaving everybody draws\n"
	"    store until dax_insert_mapping\n"
	"    shrink [blocks on i_mutex(f)]\n"
	"    reuse\n"
	"    store                       # resume to the end\n"
	"}\n"
	"schedule { store@get_block#2 shrink sync store }\n"
	"schedule { fault:6; trunc:11; fault:3\n"
	"    store until i_mmap_mutex 2 [blocks on mmap_sem] }\n"
	"final sometimes { mread m 4k 1 = SIGBUS }\n"
	"final never if bug    { pread g 0 8 != 0x77; fsync g }\n"
	"final if clean { thaw }\n"
	"final always { thaw }";

Test(parse, header)
{
	struct scenario *s = parse(full);

	cr_expect_str_eq(s->path, "t.scn");
	cr_expect_str_eq(s->name, "truncate-vs-fault");
	cr_expect_eq(s->pos.line, 2);
	cr_expect_eq(s->device_size, 2 << 20);
	cr_expect_eq(s->ignored, 1ULL << INV_LOST_STORE | 1ULL << INV_INCOHERENT |
		     1ULL << INV_DEADLOCK);
	scenario_free(s);
}

Test(parse, defaults)
{
	struct scenario *s = parse("scenario x\nfs ext2");

	cr_expect_eq(s->device_size, 1 << 20);
	cr_expect_eq(s->variants->expect, EXPECT_CLEAN);
	cr_expect_eq(s->ignored, 0);
	cr_expect_null(s->setup);
	cr_expect_null(s->sessions);
	cr_expect_null(s->schedules);
	cr_expect_null(s->finals);
	scenario_free(s);
}

Test(parse, variants)
{
	struct scenario *s = parse(full);
	struct variant *v = s->variants;
	profile_t v10, v11;

	cr_assert_eq(profile_find("v10", &v10), 0);
	cr_assert_eq(profile_find("v11", &v11), 0);

	cr_expect_str_eq(v->text, "ext2@v11");
	cr_expect_str_eq(v->fs->name, "ext2");
	cr_expect_eq(v->profile, v11);
	cr_expect_eq(v->expect, EXPECT_BUG);
	cr_expect_eq(v->bugs, 1ULL << INV_LEAK_PAST_EOF);
	cr_expect_eq(v->pos.line, 5);
	cr_expect_eq(v->pos.col, 4);

	v = v->next;
	cr_expect_str_eq(v->text, "ext2@v11 -p3 +recheck-i_size");
	cr_expect_eq(v->profile, v11 & ~(1ULL << CLEAR_UNDER_I_MMAP));
	cr_expect_eq(v->expect, EXPECT_BUG);
	cr_expect_eq(v->bugs, 1ULL << INV_STALE_PTE | 1ULL << INV_PTE_PAST_EOF);

	v = v->next;
	cr_expect_str_eq(v->text, "null@v10");
	cr_expect_eq(v->profile, v10);
	cr_expect_eq(v->expect, EXPECT_CLEAN);
	cr_expect_eq(v->bugs, 0);
	cr_expect_null(v->next);
	scenario_free(s);
}

Test(parse, late_expect)
{
	struct scenario *s = parse("scenario x\nfs ext2 -p1\nfs ext2 expect clean\n"
				   "expect bug stale-data\n");

	cr_expect_eq(s->variants->expect, EXPECT_BUG);
	cr_expect_eq(s->variants->bugs, 1ULL << INV_STALE_DATA);
	cr_expect_eq(s->variants->next->expect, EXPECT_CLEAN);
	scenario_free(s);
}

Test(parse, sessions)
{
	struct scenario *s = parse(full);
	struct session *fault = s->sessions, *trunc = fault->next, *reuse = trunc->next;
	struct step *step;

	cr_expect_eq(s->nr_sessions, 3);
	cr_expect_null(reuse->next);
	cr_expect_str_eq(fault->name, "fault");
	cr_expect_str_eq(fault->process, "main");
	cr_expect_eq(fault->index, 0);
	cr_expect_str_eq(fault->steps->name, "store");

	step = trunc->steps;
	cr_expect_str_eq(step->name, "shrink");
	cr_expect_eq(step->session, trunc);
	cr_expect_eq(step->index, 0);
	step = step->next;
	cr_expect_str_eq(step->name, "sync");
	cr_expect_eq(step->index, 1);
	cr_expect_eq(step->pos.line, 18);
	cr_expect_eq(step->cmds->verb, VERB_FSYNC);
	cr_expect_eq(step->cmds->next->verb, VERB_FIEMAP);
	cr_expect_null(step->cmds->next->next);
	cr_expect_null(step->next);

	/* commands without a step are one step called after the session */
	cr_expect_str_eq(reuse->process, "p2");
	cr_expect_eq(reuse->index, 2);
	cr_expect_str_eq(reuse->steps->name, "reuse");
	cr_expect_eq(reuse->steps->cmds->verb, VERB_PWRITE);
	cr_expect_eq(reuse->steps->cmds->next->verb, VERB_STAT);
	cr_expect_null(reuse->steps->next);
	scenario_free(s);
}

Test(parse, schedules)
{
	struct scenario *s = parse(full);
	struct schedule *sched = s->schedules;
	struct sched_entry *e = sched->entries;

	cr_expect_str_eq(sched->name, "whiteboard");
	cr_expect_eq(e->type, ENTRY_STEP);
	cr_expect_str_eq(e->step->name, "store");
	cr_expect_eq(e->until, P_dax_insert_mapping);
	cr_expect_eq(e->until_lock, -1);
	cr_expect_eq(e->nth, 1);
	cr_expect_eq(e->blocks_on, -1);
	cr_expect_eq(e->pos.line, 26);
	cr_expect_eq(e->pos.col, 5);
	e = e->next;
	cr_expect_str_eq(e->step->name, "shrink");
	cr_expect_eq(e->until, -1);
	cr_expect_eq(e->blocks_on, LOCK_I_MUTEX);
	cr_expect_str_eq(e->blocks_of, "f");
	e = e->next->next;
	cr_expect_str_eq(e->step->name, "store");
	cr_expect_null(e->next);

	sched = sched->next;
	cr_expect_str_eq(sched->name, "schedule");
	e = sched->entries;
	cr_expect_eq(e->until, P_get_block);
	cr_expect_eq(e->nth, 2);
	cr_expect_str_eq(e->next->next->step->name, "sync");
	cr_expect_str_eq(e->next->next->next->step->name, "store");

	sched = sched->next;
	cr_expect_str_eq(sched->name, "schedule-2");
	e = sched->entries;
	cr_expect_eq(e->type, ENTRY_COUNT);
	cr_expect_str_eq(e->session->name, "fault");
	cr_expect_eq(e->count, 6);
	cr_expect_eq(e->next->count, 11);
	e = e->next->next->next;
	cr_expect_eq(e->until, P_lock);
	cr_expect_eq(e->until_lock, LOCK_I_MMAP_MUTEX);
	cr_expect_eq(e->nth, 2);
	cr_expect_eq(e->blocks_on, LOCK_MMAP_SEM);
	cr_expect_null(e->blocks_of);
	cr_expect_null(sched->next);
	scenario_free(s);
}

/* A schedule may stand before the sessions it names; `lock` means any lock. */
Test(parse, early_schedule)
{
	struct scenario *s = parse("scenario x\nfs ext2\nschedule schedule { a until lock a }\n"
				   "schedule { a [blocks on mmap_sem(main)] }\n"
				   "session a { thaw }");

	cr_expect_eq(s->schedules->entries->step, s->sessions->steps);
	cr_expect_eq(s->schedules->entries->until, P_lock);
	cr_expect_eq(s->schedules->entries->until_lock, -1);
	cr_expect_str_eq(s->schedules->next->name, "schedule-2");
	scenario_free(s);
}

Test(parse, finals)
{
	struct scenario *s = parse(full);
	struct final *f = s->finals;

	cr_expect_eq(f->mode, FINAL_SOMETIMES);
	cr_expect_eq(f->condition, FINAL_IF_ANY);
	cr_expect_eq(f->cmds->verb, VERB_MREAD);
	f = f->next;
	cr_expect_eq(f->mode, FINAL_NEVER);
	cr_expect_eq(f->condition, FINAL_IF_BUG);
	cr_expect(f->cmds->negated);
	cr_expect_not(f->cmds->next->negated);
	f = f->next;
	cr_expect_eq(f->mode, FINAL_ALWAYS);
	cr_expect_eq(f->condition, FINAL_IF_CLEAN);
	f = f->next;
	cr_expect_eq(f->mode, FINAL_ALWAYS);
	cr_expect_eq(f->condition, FINAL_IF_ANY);
	cr_expect_null(f->next);
	scenario_free(s);
}

Test(parse, device_sizes)
{
	struct scenario *s = parse("scenario x; fs ext2; device 64k");

	cr_expect_eq(s->device_size, 65536);
	scenario_free(s);
	s = parse("scenario x; fs ext2; device 16t");
	cr_expect_eq(s->device_size, 16ULL << 40);
	scenario_free(s);
}

Test(parse, command_line_schedule)
{
	struct scenario *s = parse(full);
	struct schedule *sched;

	sched = scenario_parse_schedule(s, "store@dax_insert_mapping#3 shrink reuse store", stderr);
	cr_assert_not_null(sched);
	cr_expect_eq(sched->entries->step, s->sessions->steps);
	cr_expect_eq(sched->entries->until, P_dax_insert_mapping);
	cr_expect_eq(sched->entries->nth, 3);
	cr_expect_null(sched->entries->next->next->next->next);

	sched = scenario_parse_schedule(s, "fault:6 trunc:11 shrink [blocks on i_mutex(g)]",
					stderr);
	cr_assert_not_null(sched);
	cr_expect_eq(sched->entries->session, s->sessions);
	cr_expect_eq(sched->entries->count, 6);
	cr_expect_str_eq(sched->entries->next->next->blocks_of, "g");
	cr_expect_eq(s->schedules->next->next->next, NULL, "it is not the file's");
	scenario_free(s);
}

Test(parse, command_line_variant)
{
	struct scenario *s = parse(full);
	struct variant *v = scenario_parse_variant(s, " null@v10   +p3 ", stderr);

	cr_assert_not_null(v);
	cr_expect_str_eq(v->text, "null@v10 +p3");
	cr_expect(v->profile & 1ULL << CLEAR_UNDER_I_MMAP);
	cr_expect_eq(v->expect, EXPECT_BUG, "the scenario's own");
	v = scenario_parse_variant(s, "ext2 expect clean", stderr);
	cr_assert_not_null(v);
	cr_expect_str_eq(v->text, "ext2@v11");
	cr_expect_eq(v->expect, EXPECT_CLEAN);
	scenario_free(s);
}

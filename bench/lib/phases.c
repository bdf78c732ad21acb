// SPDX-License-Identifier: MIT
/* Attributing time to phases. */
#include "bench/lib/phases.h"

#include "bench/lib/samples.h"

#define CALIBRATION_STAMPS 20000

const struct phase_desc phase_table[NR_PHASES] = {
#define PHASE_DESC(id, name, what) { name, what },
	PHASE_TABLE(PHASE_DESC)
#undef PHASE_DESC
};

/*
 * What begins at a point. A phase lasts until the next one; one that is brief
 * lasts until the next point of any kind, and then the phase around it goes on.
 * All other points belong to the phase that they are met in.
 */
static const struct {
	bool begins, brief;
	enum phase phase;
} phase_of[NR_POINTS] = {
	[P_user_load] = { true, false, PHASE_WAKE },
	[P_user_store] = { true, false, PHASE_WAKE },
	[P_handle_mm_fault] = { true, false, PHASE_PATH },
	[P_get_block] = { true, false, PHASE_GET_BLOCK },
	[P_dax_load_hole] = { true, false, PHASE_PATH },
	[P_copy_user_bh] = { true, false, PHASE_PATH },
	[P_find_lock_page] = { true, false, PHASE_PATH },
	[P_unmap_hole_page] = { true, false, PHASE_PATH },
	[P_dax_insert_mapping] = { true, false, PHASE_PATH },
	[P_clear_page] = { true, true, PHASE_ZERO },
	[P_zap_pte] = { true, true, PHASE_ZAP },
	[P_vm_insert_mixed] = { true, true, PHASE_INSERT },
	[P_set_pte] = { true, true, PHASE_INSERT },
};

static void charge(struct phases *p, enum phase phase)
{
	u64 now = now_ns(), spent = now - p->last;

	p->ns[phase] += spent > p->stamp_ns ? spent - p->stamp_ns : 0;
	p->last = now;
	p->nr_stamps++;
}

bool phases_hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object)
{
	struct phases *p = data;

	(void)t;
	(void)kind;
	(void)object;
	if (!phase_of[id].begins && p->now == p->outer)
		return false;
	/* Only here is it known that what was resumed came to another fault. */
	charge(p, id == P_handle_mm_fault ? PHASE_WAIT : p->now);
	if (!phase_of[id].begins) {
		p->now = p->outer;
		return false;
	}
	p->now = phase_of[id].phase;
	if (!phase_of[id].brief)
		p->outer = p->now;
	return false;
}

void phases_begin(struct phases *p)
{
	for (int i = 0; i < NR_PHASES; i++)
		p->ns[i] = 0;
	p->now = p->outer = PHASE_PATH;
	p->last = now_ns();
}

void phases_end(struct phases *p)
{
	charge(p, p->now);
}

void phases_init(struct phases *p)
{
	u64 start;

	*p = (struct phases){ 0 };
	phases_begin(p);
	start = now_ns();
	for (int i = 0; i < CALIBRATION_STAMPS; i++)
		phases_hold(p, NULL, P_get_block, P_MARK, 0);
	p->stamp_ns = (now_ns() - start) / CALIBRATION_STAMPS;
	p->nr_stamps = 0;
}

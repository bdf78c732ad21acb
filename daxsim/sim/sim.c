// SPDX-License-Identifier: MIT
/* Making and dropping a machine. */
#include "daxsim/sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARENA_RESERVE (64UL << 30)	/* bytes of address space for a machine's own memory */

/* Machines are alike to the last byte, label included. */
static const u8 fixed_uuid[PMEM_UUID_LEN] = "daxsim scenario";

static int init(struct sim *sim, u64 device_size, const u8 *uuid, const struct mmu_ops *mmu,
		void *mmu_data, char *why, size_t why_size)
{
	int err;

	memset(sim, 0, sizeof(*sim));
	sim->mmu_data = mmu_data;
	err = arena_init(&sim->arena, ARENA_RESERVE);
	if (err) {
		snprintf(why, why_size, "cannot reserve %lu GiB of address space (ulimit -v): %s",
			 ARENA_RESERVE >> 30, strerror(-err));
		return err;
	}
	sim->sched.sim = sim;
	sim->next_id = 1;
	err = pmem_create(&sim->pmem, "daxsim", device_size, uuid);
	if (err) {
		snprintf(why, why_size, "cannot make a device of %llu bytes: %s",
			 (unsigned long long)device_size, strerror(-err));
		arena_destroy(&sim->arena);
		return err;
	}
	sim->mmu = mmu;
	err = mmu->open(sim, why, why_size);
	if (err) {
		sim->mmu = NULL;
		sim_destroy(sim);
	}
	return err;
}

int sim_init(struct sim *sim, u64 device_size, const struct mmu_ops *mmu, char *why,
	     size_t why_size)
{
	return init(sim, device_size, fixed_uuid, mmu, NULL, why, why_size);
}

int sim_init_live(struct sim *sim, u64 device_size, const struct mmu_ops *mmu, void *mmu_data,
		  char *why, size_t why_size)
{
	return init(sim, device_size, NULL, mmu, mmu_data, why, why_size);
}

void sim_destroy(struct sim *sim)
{
	if (sim->mmu)
		sim->mmu->close(sim);
	sched_destroy(&sim->sched);
	pmem_destroy(&sim->pmem);
	arena_destroy(&sim->arena);
	memset(sim, 0, sizeof(*sim));
}

// SPDX-License-Identifier: MIT
/* Binding threads to CPUs. */
#include "bench/lib/placement.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

const struct placement placement_table[] = {
	{ "same", "all threads on one CPU", false },
	{ "other", "faulting and handling threads on two CPUs", true },
	{ 0 },
};

const struct placement *placement_find(const char *name)
{
	for (const struct placement *p = placement_table; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

int placement_bind(pid_t tid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(tid, sizeof(one), &one) ? -errno : 0;
}

int placement_take(const struct placement *p, int *own, int *other)
{
	cpu_set_t allowed;
	int cpu = 0;

	*own = *other = sched_getcpu();
	if (p->two_cpus) {
		if (sched_getaffinity(0, sizeof(allowed), &allowed))
			return -errno;
		while (cpu < CPU_SETSIZE && (cpu == *own || !CPU_ISSET(cpu, &allowed)))
			cpu++;
		if (cpu == CPU_SETSIZE)
			return -ENODEV;
		*other = cpu;
	}
	return placement_bind(0, *own);
}

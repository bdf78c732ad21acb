// SPDX-License-Identifier: MIT
/* Reading what the kernel says about the machine. */
#include "bench/lib/machine_line.h"

#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/lib/samples.h"

#define CLOCK_READINGS 20000

/* The first line of a file, without its end. Returns false if there is none. */
static bool first_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok && buf[0];
}

/* The value of a field of the first CPU in /proc/cpuinfo, cut to fit. */
static bool cpuinfo(const char *field, char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[4096];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		found = value && !strncmp(line, field, strlen(field));
		if (found)
			snprintf(buf, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
	}
	if (f)
		fclose(f);
	return found;
}

static void get_virtualised(struct machine_line *m)
{
	char flags[4096], vendor[48] = "";
	bool guest;

	if (!cpuinfo("flags", flags, sizeof(flags))) {
		snprintf(m->virtualised, sizeof(m->virtualised), "virtualised or not: unknown");
		return;
	}
	guest = strstr(flags, " hypervisor");
	if (guest && !first_line("/sys/hypervisor/type", vendor, sizeof(vendor)))
		first_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor));
	snprintf(m->virtualised, sizeof(m->virtualised), "%s%s%s%s",
		 guest ? "virtualised" : "bare metal", vendor[0] ? " (" : "", vendor,
		 vendor[0] ? ")" : "");
}

static double clock_cost(void)
{
	u64 start = now_ns();

	for (int i = 0; i < CLOCK_READINGS; i++)
		now_ns();
	return (double)(now_ns() - start) / CLOCK_READINGS;
}

void machine_line_get(struct machine_line *m)
{
	struct utsname uts;

	*m = (struct machine_line){ .cpu = "unknown CPU", .release = "unknown", .clock = "unknown",
				    .cores = sysconf(_SC_NPROCESSORS_ONLN) };
	if (!uname(&uts)) {
		snprintf(m->cpu, sizeof(m->cpu), "%s", uts.machine);
		snprintf(m->release, sizeof(m->release), "%s", uts.release);
	}
	cpuinfo("model name", m->cpu, sizeof(m->cpu));
	get_virtualised(m);
	first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", m->clock,
		   sizeof(m->clock));
	m->clock_ns = clock_cost();
}

void machine_line_print(const struct machine_line *m, FILE *to)
{
	fprintf(to, "%s, %ld core%s, %s, Linux %s, clock source %s (%.0f ns a reading)\n", m->cpu,
		m->cores, m->cores == 1 ? "" : "s", m->virtualised, m->release, m->clock,
		m->clock_ns);
}

json_t *machine_line_json(const struct machine_line *m)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:f}", "cpu", m->cpu, "cores",
			 (json_int_t)m->cores, "virtualised", m->virtualised, "kernel", m->release,
			 "clock_source", m->clock, "clock_ns", m->clock_ns);
}

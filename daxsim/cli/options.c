// SPDX-License-Identifier: MIT
/* Options that several subcommands have. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/jobs.h"

u64 parse_budget(const char *arg, struct argp_state *state)
{
	char *end;
	u64 n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	/* strtoull() also takes blanks, and what is negative. */
	if (*arg < '0' || *arg > '9' || *end || !n || errno)
		argp_error(state, "--budget takes a number of executions from 1 to %llu, not '%s'",
			   ULLONG_MAX, arg);
	return n;
}

unsigned int parse_jobs(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !n || n > JOBS_MAX)
		argp_error(state, "--jobs takes a number of processes from 1 to %d, not '%s'",
			   JOBS_MAX, arg);
	return n;
}

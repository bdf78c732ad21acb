// SPDX-License-Identifier: MIT
/* Options that several subcommands have. */
#include <stdlib.h>

#include "daxsim/cli/cli.h"
#include "daxsim/script/jobs.h"

unsigned int parse_jobs(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !n || n > JOBS_MAX)
		argp_error(state, "--jobs takes a number of processes from 1 to %d, not '%s'",
			   JOBS_MAX, arg);
	return n;
}

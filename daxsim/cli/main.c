// SPDX-License-Identifier: MIT
/* The daxsim command: finds the subcommand and hands over. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "daxsim/cli/cli.h"
#include "daxsim/daxsim.h"
#include "daxsim/sim/name_table.h"

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} subcommands[] = {
	{ "run", cmd_run, "run scenario scripts on real page faults" },
	{ "explore", cmd_explore, "run scenarios in every interleaving of their sessions" },
	{ "hunt", cmd_hunt, "explore mixes of sessions on every file system and kernel version" },
	{ "matrix", cmd_matrix, "show which patch is needed against which bug, on which file system" },
	{ "locks", cmd_locks, "show in which order scenarios take locks" },
	{ "stress", cmd_stress, "have many threads at once fight over live file systems" },
	{ "points", cmd_points, "list the places where a schedule can hold a step" },
	{ "profiles", cmd_profiles, "list kernel versions and the protections they have" },
	{ "fs", cmd_fs, "list the file systems" },
	{ "verbs", cmd_verbs, "list the commands of the scenario language" },
	{ "invariants", cmd_invariants, "list what is watched at every step" },
};

static const struct name_table names = NAME_TABLE(subcommands);

volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

void catch_interrupts(void)
{
	struct sigaction sa = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static void print_help(FILE *to)
{
	fprintf(to, "Usage: daxsim COMMAND [OPTION...] [ARGUMENT...]\n"
		    "Reproduce races of the Linux DAX page-fault path on real page tables.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		fprintf(to, "  %-12s%s\n", subcommands[i].name, subcommands[i].what);
	fprintf(to, "\n\"daxsim COMMAND --help\" says more. Exit status: 0 all passed, 1 a scenario\n"
		    "failed, 2 bad input or nothing to run it on, 130 interrupted.\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL, *near;
	int i;

	argp_err_exit_status = EXIT_BAD_INPUT;
	if (!name) {
		print_help(stderr);
		return EXIT_BAD_INPUT;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_help(stdout);
		return EXIT_PASS;
	}
	if (!strcmp(name, "--version")) {
		printf("daxsim %s\n", daxsim_version);
		return EXIT_PASS;
	}
	i = name_find(&names, name);
	if (i >= 0)
		return subcommands[i].run(argc - 1, argv + 1);
	near = name_nearest(&names, name);
	fprintf(stderr, "daxsim: error: unknown command '%s'%s%s%s; \"daxsim --help\" lists them\n",
		name, near ? "; did you mean '" : "", near ? near : "", near ? "'" : "");
	return EXIT_BAD_INPUT;
}

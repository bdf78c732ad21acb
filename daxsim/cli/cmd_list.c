// SPDX-License-Identifier: MIT
/* The subcommands that print a table: points, profiles, fs, verbs, invariants. */
#include <argp.h>
#include <stdio.h>

#include "backends/fs/fs.h"
#include "daxsim/cli/cli.h"
#include "daxsim/kernel/profile.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/point.h"

static void no_arguments(int argc, char **argv, const char *doc)
{
	const struct argp argp = { .doc = doc };
	char name[40];

	snprintf(name, sizeof(name), "daxsim %s", argv[0]);
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
}

int cmd_points(int argc, char **argv)
{
	no_arguments(argc, argv, "List the points that `until` and --schedule can name.");
	for (int i = 0; i < NR_POINTS; i++)
		printf("%-32s%s\n", point_table[i].name, point_table[i].what);
	printf("\nThe name of a lock class holds a step before it takes such a lock:\n");
	for (int i = 0; i < NR_LOCK_CLASSES; i++)
		printf("%s%s", i ? ", " : "", lock_class_table[i].name);
	putchar('\n');
	return EXIT_PASS;
}

int cmd_profiles(int argc, char **argv)
{
	no_arguments(argc, argv,
		     "List the protections that fs NAME@PROFILE +NAME -NAME adds and removes.");
	printf("%-4s%-26s", "id", "name");
	for (int i = 0; profile_names[i]; i++)
		printf("%-5s", profile_names[i]);
	printf("what it adds\n");
	for (int i = 0; i < NR_PROTECTIONS; i++) {
		printf("%-4s%-26s", protection_table[i].id, protection_table[i].name);
		for (int j = 0; profile_names[j]; j++)
			printf("%-5s", profile_named(profile_names[j]) >> i & 1 ? "x" : "-");
		printf("%s\n", protection_table[i].what);
	}
	return EXIT_PASS;
}

int cmd_fs(int argc, char **argv)
{
	no_arguments(argc, argv, "List the simulated file systems.");
	for (int i = 0; fs_table[i]; i++)
		printf("%-8s%s\n", fs_table[i]->name, fs_table[i]->what);
	return EXIT_PASS;
}

int cmd_verbs(int argc, char **argv)
{
	no_arguments(argc, argv, "List the commands of the scenario language.");
	for (int i = 0; i < NR_VERBS; i++)
		printf("%s %s\n        %s\n", verb_table[i].name, verb_table[i].args,
		       verb_table[i].what);
	return EXIT_PASS;
}

int cmd_invariants(int argc, char **argv)
{
	no_arguments(argc, argv, "List the invariants that are watched at every step.");
	for (int i = 0; i < NR_INVARIANTS; i++)
		printf("%-16s%s\n", invariant_table[i].name, invariant_table[i].what);
	return EXIT_PASS;
}

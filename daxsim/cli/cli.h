/* SPDX-License-Identifier: MIT */
/* The subcommands of daxsim: one file each, one row in the table of main.c. */
#ifndef DAXSIM_CLI_H
#define DAXSIM_CLI_H

#include <argp.h>
#include <signal.h>

#include "daxsim/script/run.h"

/* Exit statuses. */
#define EXIT_PASS 0
#define EXIT_FAILED 1		/* a scenario failed */
#define EXIT_BAD_INPUT 2	/* a scenario, an option or the machine is not fit to run */
#define EXIT_INTERRUPTED 130

/* Set by SIGINT and SIGTERM; a run stops soon after. */
extern volatile sig_atomic_t interrupted;

/** catch_interrupts() - make SIGINT and SIGTERM set interrupted; a second one kills */
void catch_interrupts(void);

/** choose_mmus() - the MMUs that --mmu @name stands for. Return: how many; 0 for an unknown name */
unsigned int choose_mmus(const char *name, const struct mmu_ops *mmus[MAX_MMUS]);

#define MAX_FS 16

/* The --fs options of a command line. */
struct fs_choice {
	const char *text[MAX_FS];
	unsigned int nr;
};

/**
 * chosen_variants() - what --fs asks for instead of the scenario's own variants
 * @s: the scenario
 * @fs: the options; none: the scenario's own
 * @errors: where a message goes
 *
 * Return: the first of a list, living as long as @s; NULL, after a message, if one is wrong.
 */
struct variant *chosen_variants(struct scenario *s, const struct fs_choice *fs, FILE *errors);

/* How many processes work at a time: jobs_default(), as what is printed does not depend on it. */
#define JOBS_OPTION                                                                                \
	{ "jobs", 'j', "N", 0, "processes that work at a time (as many as there are CPUs)", 0 }

/** parse_jobs() - the argument of JOBS_OPTION, for an argp parser */
unsigned int parse_jobs(const char *arg, struct argp_state *state);

/** parse_budget() - the argument of --budget, for an argp parser */
u64 parse_budget(const char *arg, struct argp_state *state);

/**
 * parse_paths() - the files and folders behind the options, for an argp parser
 * @key: what argp asks about
 * @state: argp's
 * @example: a folder that could have been given
 * @paths: set to them; ends with NULL
 *
 * Return: 0, or ARGP_ERR_UNKNOWN for any other key.
 */
error_t parse_paths(int key, struct argp_state *state, const char *example, char ***paths);

/**
 * for_each_scenario() - visit files, and the *.scn files of folders
 * @command: the subcommand, for messages
 * @paths: files and folders; ends with NULL
 * @visit: returns an exit status; one above EXIT_FAILED ends the walk
 * @data: handed to @visit
 *
 * Return: the worst status; EXIT_BAD_INPUT, with a message, if there was no scenario.
 */
int for_each_scenario(const char *command, char **paths,
		      int (*visit)(const char *path, void *data), void *data);

int cmd_run(int argc, char **argv);
int cmd_explore(int argc, char **argv);
int cmd_hunt(int argc, char **argv);
int cmd_matrix(int argc, char **argv);
int cmd_locks(int argc, char **argv);
int cmd_stress(int argc, char **argv);
int cmd_points(int argc, char **argv);
int cmd_profiles(int argc, char **argv);
int cmd_verbs(int argc, char **argv);
int cmd_fs(int argc, char **argv);
int cmd_invariants(int argc, char **argv);

#endif

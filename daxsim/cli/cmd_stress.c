// SPDX-License-Identifier: MIT
/* daxsim stress: many threads at once on live file systems. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daxsim/cli/cli.h"
#include "daxsim/kernel/profile.h"
#include "daxsim/stress/stress.h"

#define CHECK_EVERY 500		/* milliseconds */
#define MAX_SIZE (1ULL << 30)	/* bytes of a device */

enum { OPT_EXPECT_BUG = 256 };

struct options {
	struct fs_choice fs;
	const char *profile;
	bool engines[2];	/* enum daxsim_engine; none: both */
	bool expect_bug;
	struct stress_options stress;
};

static const struct argp_option option_table[] = {
	{ "fs", 'f', "VARIANT", 0,
	  "file system, such as 'ext4@v11 -p3'; may be repeated (ext2, ext4, xfs, each at 4.7)", 0 },
	{ "profile", 'p', "PROFILE", 0, "ext2, ext4, xfs as in this kernel: v10, v11 or 4.7", 0 },
	{ "engine", 'e', "ENGINE", 0,
	  "thread or inline: who serves page faults; or both (default), one after the other", 0 },
	{ "seconds", 's', "N", 0, "how long for each file system and engine (10)", 0 },
	{ "threads", 't', "N", 0, "how many threads (4)", 0 },
	{ "size", 'z', "MIB", 0,
	  "of the device; what the files do not need is taken away (the least)", 0 },
	{ "seed", 'r', "N", 0, "what the threads draw their lots from (by the clock)", 0 },
	{ "expect-bug", OPT_EXPECT_BUG, NULL, 0,
	  "succeed only if something is found each time", 0 },
	{ 0 },
};

static u64 number(struct argp_state *state, const char *option, const char *what, const char *arg,
		  u64 low, u64 high)
{
	char *end;
	u64 n = strtoull(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < low || n > high)
		argp_error(state, "--%s takes a number %s%llu to %llu, not '%s'", option, what,
			   (unsigned long long)low, (unsigned long long)high, arg);
	return n;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	profile_t profile;

	switch (key) {
	case 'f':
		if (o->fs.nr == MAX_FS)
			argp_error(state, "--fs can be given %d times at most", MAX_FS);
		o->fs.text[o->fs.nr++] = arg;
		break;
	case 'p':
		if (profile_find(arg, &profile))
			argp_error(state, "--profile takes v10, v11 or 4.7, not '%s'", arg);
		o->profile = arg;
		break;
	case 'e':
		o->engines[DAXSIM_ENGINE_THREAD] = !strcmp(arg, "thread") || !strcmp(arg, "both");
		o->engines[DAXSIM_ENGINE_INLINE] = !strcmp(arg, "inline") || !strcmp(arg, "both");
		if (!o->engines[0] && !o->engines[1])
			argp_error(state, "--engine takes thread, inline or both, not '%s'", arg);
		break;
	case 's':
		o->stress.milliseconds = 1000 * number(state, "seconds", "", arg, 1, 1000000);
		break;
	case 't':
		o->stress.threads = number(state, "threads", "", arg, 1, STRESS_MAX_THREADS);
		break;
	case 'z':
		o->stress.size = number(state, "size", "of MiB, ", arg, 1, MAX_SIZE >> 20) << 20;
		break;
	case 'r':
		o->stress.seed = number(state, "seed", "", arg, 0, UINT64_MAX);
		break;
	case OPT_EXPECT_BUG:
		o->expect_bug = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option", arg);
		break;
	case ARGP_KEY_END:
		if (o->profile && o->fs.nr)
			argp_error(state, "--profile is for all file systems: put it into --fs, as in "
				   "ext4@%s", o->profile);
		if (o->stress.size && o->stress.size < stress_min_size(o->stress.threads))
			argp_error(state, "--size %llu is too little for %u threads, which need %llu",
				   (unsigned long long)o->stress.size >> 20, o->stress.threads,
				   (unsigned long long)(stress_min_size(o->stress.threads) >> 20) + 1);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void print_counts(const struct stress_result *r)
{
	u64 total = 0;
	int nr = 0;

	for (int op = 0; op < NR_STRESS_OPS; op++) {
		total += r->ops[op];
		if (r->ops[op])
			printf("%s%llu %s", nr++ ? ", " : "  ", (unsigned long long)r->ops[op],
			       stress_op_names[op]);
	}
	printf("\n  %llu operations in %llu.%llu s; %llu faults, %llu SIGBUS past the end, %llu without "
	       "space; %llu cells judged, %llu looks at everything\n",
	       (unsigned long long)total, (unsigned long long)r->milliseconds / 1000,
	       (unsigned long long)r->milliseconds / 100 % 10,
	       (unsigned long long)r->statistics.faults, (unsigned long long)r->signals,
	       (unsigned long long)r->no_space, (unsigned long long)r->cells,
	       (unsigned long long)r->checks);
}

static void print_indented(const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}

static int stress_one(const struct options *o, const char *fs, enum daxsim_engine engine)
{
	struct stress_options so = o->stress;
	struct stress_result r;
	int status, err;

	so.fs = fs;
	so.engine = engine;
	err = stress(&so, &r);
	if (err) {
		fflush(stdout);
		fprintf(stderr, "daxsim stress: error: %s\n", daxsim_error());
		return EXIT_BAD_INPUT;
	}
	printf("%s %s: %s; seed %llu, %u threads\n", fs,
	       engine == DAXSIM_ENGINE_THREAD ? "thread" : "inline",
	       r.violations ? "VIOLATED" : r.interrupted ? "clean so far" : "clean",
	       (unsigned long long)so.seed, so.threads);
	if (r.report)
		print_indented(r.report);
	print_counts(&r);
	fflush(stdout);
	status = !!r.violations != o->expect_bug ? EXIT_FAILED : EXIT_PASS;
	if (r.interrupted && (o->expect_bug || !status))
		status = EXIT_INTERRUPTED;
	stress_free(&r);
	return status;
}

static int stress_all(const struct options *o)
{
	static const char *const names[] = { "ext2", "ext4", "xfs" };
	int status = EXIT_PASS;
	char text[32];

	for (unsigned int i = 0; i < (o->fs.nr ? o->fs.nr : ARRAY_SIZE(names)); i++)
		for (int engine = 0; engine < 2; engine++) {
			const char *fs = o->fs.nr ? o->fs.text[i] : text;
			int one;

			if (!o->engines[engine])
				continue;
			if (!o->fs.nr)
				snprintf(text, sizeof(text), "%s@%s", names[i],
					 o->profile ? o->profile : "4.7");
			one = stress_one(o, fs, engine);
			if (one > EXIT_FAILED)
				return one;
			if (one)
				status = one;
		}
	return status;
}

int cmd_stress(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Have threads store, load, read, write, truncate and punch the same files at once, on "
		       "real page tables and a device that is nearly full. Every 8 bytes say where they belong "
		       "and when they were stored, and are judged by that.\vA kernel that lacks a protection "
		       "should be caught within seconds: daxsim stress --profile v10 --expect-bug. The "
		       "order in which threads run is not in the seed, so a run is repeated in kind "
		       "only.\n\nExit status 0 if all was clean, 1 if something was found, 2 for bad "
		       "input, 130 if interrupted.",
	};
	struct options o = {
		.stress = {
			.threads = 4, .milliseconds = 10000, .check_every = CHECK_EVERY,
			.seed = time(NULL), .interrupted = &interrupted,
		},
	};

	argv[0] = "daxsim stress";
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (!o.engines[0] && !o.engines[1])
		o.engines[0] = o.engines[1] = true;
	catch_interrupts();
	if (isatty(STDERR_FILENO))
		o.stress.progress = stderr;
	return stress_all(&o);
}

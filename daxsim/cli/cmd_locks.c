// SPDX-License-Identifier: MIT
/* daxsim locks: in which order scenarios take the locks, one order for each variant. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/cli/cli.h"
#include "daxsim/sim/lockdep.h"

/* What all scenarios came to in one variant. */
struct order {
	STAILQ_ENTRY(order) link;
	char *variant;
	struct lockdep *lockdep;
};

struct options {
	struct fs_choice fs;
	bool dot;
	char **paths;		/* ends with NULL */
	STAILQ_HEAD(order_list, order) orders;
};

static const struct argp_option option_table[] = {
	{ "dot", 'd', NULL, 0,
	  "print graphs for Graphviz instead of text: daxsim locks --dot scenarios | dot -Tsvg -O", 0 },
	{ "fs", 'f', "VARIANT", 0,
	  "run as 'ext2@v11 -recheck-i_size' instead of the scenarios' fs lines; may be repeated", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'd':
		o->dot = true;
		break;
	case 'f':
		if (o->fs.nr == MAX_FS)
			argp_error(state, "--fs can be given %d times at most", MAX_FS);
		o->fs.text[o->fs.nr++] = arg;
		break;
	default:
		return parse_paths(key, state, "scenarios", &o->paths);
	}
	return 0;
}

/* The order of a variant, which is known by its text; NULL without memory. */
static struct order *order_of(struct options *o, const char *variant)
{
	struct order *order;

	STAILQ_FOREACH(order, &o->orders, link)
		if (!strcmp(order->variant, variant))
			return order;
	order = calloc(1, sizeof(*order));
	if (!order)
		return NULL;
	order->variant = strdup(variant);
	order->lockdep = lockdep_create();
	STAILQ_INSERT_TAIL(&o->orders, order, link);
	return order->variant && order->lockdep ? order : NULL;
}

/* Only the locks count: whether the scenario passes is for daxsim run to say. */
static int run_schedule(const struct scenario *s, const struct variant *v,
			const struct schedule *schedule, struct lockdep *lockdep)
{
	struct execution x;
	int status = EXIT_PASS;

	execute_lockdep(s, v, schedule, &soft_mmu, lockdep, &interrupted, &x);
	if (x.interrupted) {
		status = EXIT_INTERRUPTED;
	} else if (x.bad_input) {
		fprintf(stderr, "%s\n", x.failure);
		status = EXIT_BAD_INPUT;
	}
	execution_free(&x);
	return status;
}

static int learn_scenario(struct scenario *s, struct options *o)
{
	const struct variant *v = chosen_variants(s, &o->fs, stderr);
	int status = v ? EXIT_PASS : EXIT_BAD_INPUT;

	for (; v && !status; v = v->next) {
		const struct schedule *schedule = s->schedules;
		struct order *order = order_of(o, v->text);

		if (!order) {
			fprintf(stderr, "daxsim locks: error: out of memory\n");
			return EXIT_BAD_INPUT;
		}
		do {
			status = run_schedule(s, v, schedule, order->lockdep);
			schedule = schedule ? schedule->next : NULL;
		} while (schedule && !status);
	}
	return status;
}

static int learn_file(const char *path, void *data)
{
	struct scenario *s = scenario_load(path, stderr);
	int status = s ? learn_scenario(s, data) : EXIT_BAD_INPUT;

	scenario_free(s);
	return status;
}

static void print_orders(const struct options *o)
{
	const struct order *order;

	STAILQ_FOREACH(order, &o->orders, link) {
		if (o->dot) {
			lockdep_print_dot(order->lockdep, order->variant, stdout);
			continue;
		}
		printf("%s\n", order->variant);
		lockdep_print_order(order->lockdep, stdout);
	}
}

int cmd_locks(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "FILE|FOLDER...",
		.doc = "Run scenarios in the soft MMU and print in which order they take locks, for each "
		       "variant of a file system over all scenarios.\vA cycle is a deadlock that some "
		       "schedule can reach; it is shown here, and judged by daxsim run as lock-order.",
	};
	struct options o = { .paths = NULL };
	struct order *order;
	int status;

	STAILQ_INIT(&o.orders);
	argv[0] = "daxsim locks";
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	catch_interrupts();
	status = for_each_scenario("locks", o.paths, learn_file, &o);
	if (!status)
		print_orders(&o);
	while ((order = STAILQ_FIRST(&o.orders))) {
		STAILQ_REMOVE_HEAD(&o.orders, link);
		lockdep_destroy(order->lockdep);
		free(order->variant);
		free(order);
	}
	return status;
}

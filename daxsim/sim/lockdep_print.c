// SPDX-License-Identifier: MIT
/* The observed order of locks, as text and for Graphviz. */
#include "daxsim/sim/lockdep.h"

static const char *class_name(unsigned int class)
{
	return lock_class_table[class].name;
}

/* The inner classes that were seen inside of @outer, in any modes. */
static u64 inside(const struct lockdep *ld, unsigned int outer)
{
	u64 row = 0;

	for (unsigned int m = 0; m < LOCK_MODE_PAIRS; m++)
		row |= ld->seen[m][outer];
	return row;
}

/* All classes that are part of an edge. */
static u64 all_classes(const struct lockdep *ld)
{
	u64 all = 0;

	for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++)
		all |= inside(ld, c) | (inside(ld, c) ? lock_bit(c) : 0);
	return all;
}

/* Classes that come before each other. */
static bool mutual(const struct lockdep *ld, unsigned int a, unsigned int b)
{
	return ld->reach[a] & lock_bit(b) && ld->reach[b] & lock_bit(a);
}

/* Those of @left that nothing of @left comes before, unless it comes behind as well. */
static u64 outermost(const struct lockdep *ld, u64 left)
{
	u64 level = left;

	for (unsigned int a = 0; a < NR_LOCK_CLASSES; a++)
		for (unsigned int b = 0; b < NR_LOCK_CLASSES; b++)
			if (left & lock_bit(a) && (ld->reach[a] | inside(ld, a)) & lock_bit(b) &&
			    a != b && !mutual(ld, a, b))
				level &= ~lock_bit(b);
	return level;
}

/* One level: classes of a cycle stand together, joined by the sign for it. */
static void print_level(const struct lockdep *ld, u64 level, FILE *to)
{
	const char *sep = "    ";

	for (unsigned int a = 0; a < NR_LOCK_CLASSES; a++) {
		if (!(level & lock_bit(a)))
			continue;
		fprintf(to, "%s%s", sep, class_name(a));
		level &= ~lock_bit(a);
		for (unsigned int b = a + 1; b < NR_LOCK_CLASSES; b++)
			if (level & lock_bit(b) && mutual(ld, a, b)) {
				fprintf(to, " <-> %s", class_name(b));
				level &= ~lock_bit(b);
			}
		sep = ", ";
	}
	fputc('\n', to);
}

static void print_site(const struct lock_site *at, FILE *to)
{
	fprintf(to, "%s%s%s", at->function ? at->function : "user mode", at->step ? " in " : "",
		at->step ? at->step : "");
}

static void print_edge(const struct lockdep *ld, const struct lock_edge *e, FILE *to)
{
	static const char *const modes[] = { [LOCK_SHARED] = "shared", [LOCK_EXCLUSIVE] = "" };
	const char *mark = lockdep_on_cycle(ld, e->outer.class, e->inner.class) ? "!" : "";

	fprintf(to, "  %-2s%-14s %-6s -> %-14s %-6s  %s%s%s: ", mark, class_name(e->outer.class),
		modes[e->outer.mode], class_name(e->inner.class), modes[e->inner.mode],
		e->scenario ? e->scenario : "", e->scenario ? ", " : "", e->session);
	print_site(&e->outer.at, to);
	fprintf(to, ", then ");
	print_site(&e->inner.at, to);
	fputc('\n', to);
}

/* The edge between two classes in one pair of modes. */
static const struct lock_edge *find_edge(const struct lockdep *ld, unsigned int outer,
					 unsigned int inner, unsigned int modes)
{
	const struct lock_edge *e;

	STAILQ_FOREACH(e, &ld->edges, link)
		if (e->outer.class == outer && e->inner.class == inner &&
		    lock_modes(e->outer.mode, e->inner.mode) == modes)
			break;
	return e;
}

void lockdep_print_order(const struct lockdep *ld, FILE *to)
{
	u64 left = all_classes(ld);

	fprintf(to, "  from the outermost lock inwards:\n");
	while (left) {
		u64 level = outermost(ld, left);

		print_level(ld, level, to);
		left &= ~level;
	}
	fprintf(to, "  what was taken inside of what, and by whom first (! is part of a cycle):\n");
	for (unsigned int a = 0; a < NR_LOCK_CLASSES; a++)
		for (unsigned int b = 0; b < NR_LOCK_CLASSES; b++)
			for (unsigned int m = 0; m < LOCK_MODE_PAIRS; m++)
				if (ld->seen[m][a] & lock_bit(b))
					print_edge(ld, find_edge(ld, a, b, m), to);
}

/* Whether the edge follows from two others, and is neither part of a cycle nor in its way. */
static bool implied(const struct lockdep *ld, unsigned int outer, unsigned int inner)
{
	if (lockdep_on_cycle(ld, outer, inner))
		return false;
	for (unsigned int c = 0; c < NR_LOCK_CLASSES; c++)
		if (ld->waits[outer] & lock_bit(c) && ld->reach[c] & lock_bit(inner) &&
		    c != outer && c != inner && !mutual(ld, c, outer) && !mutual(ld, c, inner))
			return true;
	return false;
}

void lockdep_print_dot(const struct lockdep *ld, const char *name, FILE *to)
{
	fprintf(to, "// Red: part of a cycle. Dashed: the inner lock is only ever taken shared.\n"
		    "// Edges that follow from others are left out.\n"
		    "digraph \"%s\" {\n\tnode [shape=box];\n", name);
	for (unsigned int a = 0; a < NR_LOCK_CLASSES; a++)
		for (unsigned int b = 0; b < NR_LOCK_CLASSES; b++) {
			u64 exclusive = ld->seen[lock_modes(LOCK_SHARED, LOCK_EXCLUSIVE)][a] |
					ld->seen[lock_modes(LOCK_EXCLUSIVE, LOCK_EXCLUSIVE)][a];
			bool dashed = !(exclusive & lock_bit(b));

			if (!(inside(ld, a) & lock_bit(b)) || implied(ld, a, b))
				continue;
			fprintf(to, "\t\"%s\" -> \"%s\" [style=%s, color=%s];\n", class_name(a),
				class_name(b), dashed ? "dashed" : "solid",
				lockdep_on_cycle(ld, a, b) ? "red" : "black");
		}
	fprintf(to, "}\n");
}

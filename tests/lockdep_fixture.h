/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the lock validator share. Most take locks by the letter: "AB bA2" is two
 * tasks, one after the other; each takes its locks in order and drops them all.
 * A letter is one of the classes below; a small one is taken shared, and a digit
 * behind it picks one of several locks of the class.
 */
#ifndef DAXSIM_TEST_LOCKDEP_FIXTURE_H
#define DAXSIM_TEST_LOCKDEP_FIXTURE_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/sim.h"

#define MAX_SAID 1000

/* A and so on, in the order of the table of classes. E merely counts. */
static const u8 classes[] = {
	LOCK_MMAP_SEM, LOCK_SB_PAGEFAULT, LOCK_I_MUTEX, LOCK_I_MMAP_MUTEX, LOCK_DIO_WAIT,
};

/* The functions that take them. */
static const char *const takers[] = { "take_a", "take_b", "take_c", "take_d", "take_e" };

/* A machine without a kernel in it, and what its watchers report. */
struct bench {
	struct sim sim;
	struct lockdep *ld;
	struct lock locks[ARRAY_SIZE(classes)][10];
	char said[MAX_SAID];
};

static inline void note_said(void *data, enum invariant inv, const char *text)
{
	struct bench *b = data;
	size_t used = strlen(b->said);

	snprintf(b->said + used, sizeof(b->said) - used, "%s%s: %s", used ? "; " : "",
		 invariant_table[inv].name, text);
}

static inline struct bench *bench(u64 ignored)
{
	struct bench *b = calloc(1, sizeof(*b));
	char why[200];

	cr_assert_not_null(b);
	cr_assert_eq(sim_init(&b->sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(check_create(&b->sim, ignored, note_said, b), 0);
	b->ld = lockdep_create();
	cr_assert_not_null(b->ld);
	for (size_t c = 0; c < ARRAY_SIZE(classes); c++)
		for (unsigned int i = 0; i < ARRAY_SIZE(b->locks[c]); i++)
			lock_init(&b->sim, &b->locks[c][i], classes[c], i ? "g" : "f");
	return b;
}

static inline void bench_free(struct bench *b)
{
	lockdep_destroy(b->ld);
	sim_destroy(&b->sim);
	free(b);
}

/* One task takes what a word says. Its name is in @name, the step is the word. */
static inline void take_word(struct bench *b, const char *name, const char *word, size_t len)
{
	char *step = strndup(word, len);
	struct task t = { .sim = &b->sim, .name = name, .step = step };

	for (const char *p = step; *p; p++) {
		unsigned int letter = toupper((unsigned char)*p) - 'A';
		enum lock_mode mode = isupper((unsigned char)*p) ? LOCK_EXCLUSIVE : LOCK_SHARED;
		unsigned int i = isdigit((unsigned char)p[1]) ? p[1] - '0' : 0;
		struct lock *lock = &b->locks[letter][i];

		p += i > 0;
		t.function = takers[letter];
		lockdep_acquire(b->ld, &t, lock, mode);
		t.held_at[t.nr_held] = (struct lock_site){ t.step, t.function };
		t.held[t.nr_held++] = (struct held_lock){ lock, mode };
	}
	free(step);
}

static inline void take(struct bench *b, const char *words)
{
	char name[] = "t0";

	while (*words) {
		size_t len = strcspn(words, " ");

		name[1]++;
		take_word(b, name, words, len);
		words += len + strspn(words + len, " ");
	}
}

/* The order of locks as text, or for Graphviz under the name @graph; to be freed. */
static inline char *printed(const struct lockdep *ld, const char *graph)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	if (graph)
		lockdep_print_dot(ld, graph, to);
	else
		lockdep_print_order(ld, to);
	fclose(to);
	return text;
}

#endif

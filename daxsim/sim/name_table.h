/* SPDX-License-Identifier: MIT */
/*
 * Look-up in tables whose rows begin with a name: points, invariants, lock
 * classes, verbs. One search serves them all, and one search for what somebody
 * who misspelt a name may have meant.
 */
#ifndef DAXSIM_NAME_TABLE_H
#define DAXSIM_NAME_TABLE_H

#include "daxsim/sim/types.h"

struct name_table {
	const void *rows;	/* each row's first member is its const char *name */
	size_t stride;		/* bytes from row to row */
	unsigned int nr;
};

#define NAME_TABLE(array) { (array), sizeof((array)[0]), ARRAY_SIZE(array) }

/** name_at() - the name of row @i */
const char *name_at(const struct name_table *t, unsigned int i);

/** name_find() - the row called @name, or -1 */
int name_find(const struct name_table *t, const char *name);

/**
 * name_nearest() - what a misspelt name may have meant
 * @t: the table of names allowed there
 * @name: the word that is not in it
 *
 * Return: the name with the smallest edit distance (a transposition counts as
 * one edit), or NULL if none is close enough to be worth a suggestion.
 */
const char *name_nearest(const struct name_table *t, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The matrix of patches and bugs: for every file system, what a scenario shows
 * with v11 minus one patch, and with v11 whole; and v10 and v11 over all.
 */
#ifndef DAXSIM_MATRIX_H
#define DAXSIM_MATRIX_H

#include <stdio.h>

#include "daxsim/script/run.h"

#define MATRIX_FS 8

/* What was seen of one patch on one file system. */
struct matrix_cell {
	unsigned int on_clean, on_bad;	/* scenarios of this patch, run with it */
	unsigned int off_shown, off_bad;
	u64 bugs;			/* shown without it: bit per enum invariant */
};

struct matrix {
	struct matrix_cell cells[MATRIX_FS][NR_PROTECTIONS];
	struct {
		unsigned int clean, shown, bad;
	} v10[MATRIX_FS], v11[MATRIX_FS];
};

/** matrix_add() - count all verdicts of one scenario */
void matrix_add(struct matrix *m, const struct verdict *verdicts, unsigned int nr);

/** matrix_print() - as a table. Return: whether every cell is as history says */
bool matrix_print(const struct matrix *m, FILE *to);

#endif

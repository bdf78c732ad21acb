// SPDX-License-Identifier: MIT
/* Searching tables of names, exactly and by edit distance. */
#include "daxsim/sim/name_table.h"

#include <limits.h>
#include <string.h>

#define NAME_LEN 48 /* longer words are beyond suggestion */

const char *name_at(const struct name_table *t, unsigned int i)
{
	return *(const char *const *)((const char *)t->rows + i * t->stride);
}

int name_find(const struct name_table *t, const char *name)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (!strcmp(name_at(t, i), name))
			return i;
	return -1;
}

/* Optimal string alignment distance; UINT_MAX if one of the words is too long. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[3][NAME_LEN + 1], *before = row[0], *last = row[1], *now = row[2], *t;
	size_t la = strlen(a), lb = strlen(b);

	if (la > NAME_LEN || lb > NAME_LEN)
		return UINT_MAX;
	for (size_t j = 0; j <= lb; j++) {
		before[j] = 0;
		last[j] = j;
	}
	for (size_t i = 1; i <= la; i++) {
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int cost = a[i - 1] != b[j - 1];

			now[j] = min_t(unsigned int, last[j - 1] + cost,
				       min_t(unsigned int, last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min_t(unsigned int, now[j], before[j - 2] + 1);
		}
		t = before;
		before = last;
		last = now;
		now = t;
	}
	return last[lb];
}

const char *name_nearest(const struct name_table *t, const char *name)
{
	unsigned int limit = strlen(name) / 3 + 1;
	const char *best = NULL;

	for (unsigned int i = 0; i < t->nr; i++) {
		unsigned int d = distance(name, name_at(t, i));

		if (d <= limit && d < strlen(name)) {
			best = name_at(t, i);
			limit = d - (d > 0);
		}
	}
	return best;
}

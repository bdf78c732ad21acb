// SPDX-License-Identifier: MIT
/* What --fs can name. */
#include <stdio.h>

#include "daxsim/cli/cli.h"

struct variant *chosen_variants(struct scenario *s, const struct fs_choice *fs, FILE *errors)
{
	struct variant *first = NULL, **tail = &first;

	if (!fs->nr)
		return s->variants;
	for (unsigned int i = 0; i < fs->nr; i++) {
		*tail = scenario_parse_variant(s, fs->text[i], errors);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
	}
	return first;
}

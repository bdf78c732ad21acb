// SPDX-License-Identifier: MIT
/* Collecting and comparing the messages of the parser. */
#include "tests/parse_message.h"

#include <stdlib.h>

char *errors_of(const char *text, size_t len)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	struct scenario *s = scenario_parse("t.scn", text, len, f);

	fclose(f);
	if (s) {
		cr_expect_str_empty(out);
		free(out);
		out = NULL;
	}
	scenario_free(s);
	return out;
}

void expect_error(char *out, const char *error, const char *text)
{
	cr_assert_not_null(out, "no error in: %s", text);
	*strchrnul(out, '\n') = '\0';
	cr_expect_eq(strncmp(out, "t.scn:", 6), 0);
	cr_expect_str_eq(out + 6, error, "%s\nsays %s\nnot  %s", text, out + 6, error);
	free(out);
}

/* SPDX-License-Identifier: MIT */
/* What the tests of the parser's messages share. */
#ifndef TESTS_PARSE_MESSAGE_H
#define TESTS_PARSE_MESSAGE_H

#include <criterion/criterion.h>
#include <string.h>

#include "daxsim/script/scenario.h"

#define H "scenario t\nfs ext2\n"

struct error_case {
	const char *text;
	const char *error;	/* the first line, without the file's name */
};

/** errors_of() - all that scenario_parse() says of @text, to be freed; NULL if it likes it */
char *errors_of(const char *text, size_t len);

/** expect_error() - compare the first line of @out, what was said of @text, and free it */
void expect_error(char *out, const char *error, const char *text);

#endif

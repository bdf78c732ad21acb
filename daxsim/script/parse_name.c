// SPDX-License-Identifier: MIT
/*
 * The names of a scenario, and its numbers. A name may be used before the line
 * that gives it a meaning, and in another session; so uses are noted and
 * checked when the whole file has been read.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/parse.h"

static int symbol_cmp(const struct symbol *a, const struct symbol *b)
{
	return strcmp(a->name, b->name);
}

/* RB_GENERATE_STATIC() needs an __unused, which libbsd does not define. */
RB_GENERATE_INTERNAL(name_tree, symbol, entry, symbol_cmp, __attribute__((unused)) static)

struct symbol *name_intern(struct parser *p, const char *name)
{
	struct symbol key = { .name = name };
	struct symbol *symbol = RB_FIND(name_tree, p->s->names, &key);

	if (!symbol) {
		symbol = parse_alloc(p, sizeof(*symbol));
		symbol->name = parse_strdup(p, name);
		RB_INSERT(name_tree, p->s->names, symbol);
	}
	return symbol;
}

void name_check(struct parser *p, struct pos pos, const char *word)
{
	const char *s = word;

	if (isalpha((u8)*s) || *s == '_')
		while (isalnum((u8)*s) || (*s && strchr("_.-", *s)))
			s++;
	if (*s || s == word)
		fail(p, pos, "'%s' cannot be a name: a name has letters, digits, '_', '.' and '-', "
		     "and begins with a letter or '_'", word);
}

struct symbol *parse_name(struct parser *p, const char *what)
{
	struct symbol *symbol;

	expect_word(p, what);
	name_check(p, p->tok.pos, p->tok.word);
	symbol = name_intern(p, p->tok.word);
	advance(p);
	return symbol;
}

void name_use(struct parser *p, struct symbol *symbol, struct pos pos, u32 kinds)
{
	struct name_use *use = parse_alloc(p, sizeof(*use));

	*use = (struct name_use){ .symbol = symbol, .pos = pos, .kinds = kinds };
	*p->uses_tail = use;
	p->uses_tail = &use->next;
}

static bool symbol_is(const struct symbol *symbol, u32 kinds)
{
	for (int kind = 0; kind < NR_NAME_KINDS; kind++)
		if (kinds & 1U << kind && symbol->is[kind])
			return true;
	return false;
}

/* The names of some kinds, for suggestions. */
static struct name_table names_of(struct parser *p, u32 kinds)
{
	const char **names;
	struct symbol *symbol;
	unsigned int nr = 0;

	RB_FOREACH(symbol, name_tree, p->s->names)
		nr += symbol_is(symbol, kinds);
	names = parse_alloc(p, (nr + 1) * sizeof(*names));
	nr = 0;
	RB_FOREACH(symbol, name_tree, p->s->names)
		if (symbol_is(symbol, kinds))
			names[nr++] = symbol->name;
	return (struct name_table){ names, sizeof(*names), nr };
}

void fail_no_such_name(struct parser *p, const struct symbol *symbol, struct pos pos, u32 kinds)
{
	static const char *const kind_names[NR_NAME_KINDS] = {
		[NAME_FILE] = "file",	      [NAME_MAPPING] = "mapping",
		[NAME_PROCESS] = "process",   [NAME_STEP] = "step",
		[NAME_SESSION] = "session",   [NAME_SCHEDULE] = "schedule",
	};
	struct name_table known = names_of(p, kinds);
	char wanted[64] = "";

	for (int kind = 0; kind < NR_NAME_KINDS; kind++)
		if (kinds & 1U << kind)
			snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s%s",
				 *wanted ? " or " : "", kind_names[kind]);
	for (int kind = 0; kind < NR_NAME_KINDS; kind++)
		if (symbol->is[kind])
			fail(p, pos, "'%s' is a %s, not a %s", symbol->name, kind_names[kind],
			     wanted);
	fail_unknown(p, pos, wanted, symbol->name, &known);
}

void check_uses(struct parser *p)
{
	for (struct name_use *use = p->uses; use; use = use->next)
		if (!symbol_is(use->symbol, use->kinds))
			fail_no_such_name(p, use->symbol, use->pos, use->kinds);
}

static const char units[] = "kmgt";

int scan_size(const char *word, u64 *size)
{
	bool hex = word[0] == '0' && word[1] == 'x';
	unsigned int base = hex ? 16 : 10, shift = 0;
	const char *s = word + 2 * hex, *first = s, *unit;
	bool too_big = false;
	u64 n = 0;

	for (; hex ? isxdigit((u8)*s) : isdigit((u8)*s); s++) {
		unsigned int digit = isdigit((u8)*s) ? *s - '0' : tolower((u8)*s) - 'a' + 10;

		too_big |= __builtin_mul_overflow(n, base, &n);
		too_big |= __builtin_add_overflow(n, digit, &n);
	}
	if (s == first)
		return -EINVAL;
	if (*s == 'p') {
		shift = PAGE_SHIFT;
		s++;
	} else if (*s && (unit = strchr(units, *s))) {
		shift = 10 * (unit - units + 1);
		s++;
	}
	if (*s)
		return -EINVAL;
	if (too_big || n > (u64)INT64_MAX >> shift)
		return -ERANGE;
	*size = n << shift;
	return 0;
}

u64 parse_size(struct parser *p, const char *what)
{
	u64 size = 0;

	expect_word(p, what);
	switch (scan_size(p->tok.word, &size)) {
	case -EINVAL:
		fail_expected(p, what);
	case -ERANGE:
		fail(p, p->tok.pos, "'%s' is too big: numbers end at %lld", p->tok.word,
		     (long long)INT64_MAX);
	}
	advance(p);
	return size;
}

const char *format_size(u64 size, char buf[24])
{
	int unit = 0;

	while (size && unit < 4 && !(size & 1023)) {
		size >>= 10;
		unit++;
	}
	snprintf(buf, 24, "%llu%.1s", (unsigned long long)size, unit ? &units[unit - 1] : "");
	return buf;
}

#define MAX_ERRNO 133

int errno_find(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} aliases[] = {
		{ "EWOULDBLOCK", EWOULDBLOCK },
		{ "EDEADLOCK", EDEADLOCK },
		{ "ENOTSUP", ENOTSUP },
		{ "EOPNOTSUPP", EOPNOTSUPP },
	};

	for (int i = 1; i <= MAX_ERRNO; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcmp(aliases[i].name, name))
			return aliases[i].number;
	return 0;
}

s64 parse_errno(struct parser *p)
{
	const char *names[MAX_ERRNO];
	struct name_table known = { names, sizeof(*names), 0 };
	const char *word = p->tok.word;
	int number;

	if (p->tok.type != TOKEN_WORD || *word != '-')
		fail_expected(p, "an error such as -ENOSPC");
	number = errno_find(word + 1);
	if (!number && isdigit((u8)word[1])) {
		const char *name = strlen(word) < 5 ? strerrorname_np(atoi(word + 1)) : NULL;

		fail(p, p->tok.pos, "errors are written by name: -%s, not %s",
		     name ? name : "ENOSPC", word);
	}
	if (!number) {
		for (int i = 1; i <= MAX_ERRNO; i++)
			if (strerrorname_np(i))
				names[known.nr++] = strerrorname_np(i);
		fail_unknown(p, p->tok.pos, "error", word + 1, &known);
	}
	advance(p);
	return -number;
}

u8 parse_byte(struct parser *p)
{
	u64 byte = 0;

	expect_word(p, "a byte such as 0x5a");
	if (!isdigit((u8)*p->tok.word) || !isxdigit((u8)p->tok.word[p->tok.len - 1]) ||
	    scan_size(p->tok.word, &byte) || byte > 0xff)
		fail(p, p->tok.pos, "'%s' is not a byte: 0 to 255, or 0x00 to 0xff", p->tok.word);
	advance(p);
	return byte;
}

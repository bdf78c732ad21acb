// SPDX-License-Identifier: MIT
/*
 * Results that a scenario asks of its commands. A result that a command can
 * never have is an error here already, not a surprise in a run.
 */
#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "daxsim/script/parse.h"


enum outcome {
	OUTCOME_STATUS,
	OUTCOME_NOTHING,
	OUTCOME_READ,
	OUTCOME_WRITTEN,
	OUTCOME_LOADED,
	OUTCOME_STORED,
	OUTCOME_EXTENTS,
	OUTCOME_STAT,
	OUTCOME_FAULTS,
};

static const struct outcome_desc {
	const char *what;	/* for messages */
	u32 types;		/* bit per enum value_type; VALUE_ANY goes everywhere */
	const char *const fields[MAX_FIELDS];
} outcomes[] = {
	[OUTCOME_STATUS] = { "0 or -ERRNO", BIT(VALUE_NUMBER) | BIT(VALUE_ERRNO), { NULL } },
	[OUTCOME_NOTHING] = { "0", BIT(VALUE_NUMBER), { NULL } },
	[OUTCOME_READ] = { "a count in decimal, contents such as 0x5a or \"text\", or -ERRNO",
			   BIT(VALUE_NUMBER) | BIT(VALUE_BYTES) | BIT(VALUE_ERRNO), { NULL } },
	[OUTCOME_WRITTEN] = { "a count in decimal or -ERRNO",
			      BIT(VALUE_NUMBER) | BIT(VALUE_ERRNO), { NULL } },
	[OUTCOME_LOADED] = { "its length in decimal, contents such as 0x5a or \"text\", "
			     "or a signal",
			     BIT(VALUE_NUMBER) | BIT(VALUE_BYTES) | BIT(VALUE_SIGNAL), { NULL } },
	[OUTCOME_STORED] = { "its length in decimal or a signal",
			     BIT(VALUE_NUMBER) | BIT(VALUE_SIGNAL), { NULL } },
	[OUTCOME_EXTENTS] = { "extents in pages such as [0+3 U][3+1 W], none, or -ERRNO",
			      BIT(VALUE_EXTENTS) | BIT(VALUE_ERRNO), { NULL } },
	[OUTCOME_STAT] = { "size N, blocks N, nlink N, or -ERRNO",
			   BIT(VALUE_FIELDS) | BIT(VALUE_ERRNO), { "size", "blocks", "nlink", "mtime" } },
	[OUTCOME_FAULTS] = { "min N, maj N", BIT(VALUE_FIELDS),
			     { "min", "maj", "pgfault", "pgmajfault" } },
};

/* The other verbs have OUTCOME_STATUS. */
static const u8 verb_outcomes[NR_VERBS] = {
	[VERB_PREAD] = OUTCOME_READ,	  [VERB_PWRITE] = OUTCOME_WRITTEN,
	[VERB_MREAD] = OUTCOME_LOADED,	  [VERB_MWRITE] = OUTCOME_STORED,
	[VERB_FIEMAP] = OUTCOME_EXTENTS,  [VERB_STAT] = OUTCOME_STAT,
	[VERB_FAULTS] = OUTCOME_FAULTS,	  [VERB_INJECT] = OUTCOME_NOTHING,
};

_Noreturn static void fail_outcome(struct parser *p, const struct cmd *c)
{
	char found[MAX_WORD + 8];

	fail(p, p->tok.pos, "%s cannot result in %s, only in %s", verb_table[c->verb].name,
	     lex_describe(&p->tok, found, sizeof(found)), outcomes[verb_outcomes[c->verb]].what);
}

static int find_field(const struct parser *p, const struct outcome_desc *outcome)
{
	for (int i = 0; i < MAX_FIELDS && outcome->fields[i]; i++)
		if (next_is(p, outcome->fields[i]))
			return i;
	return -1;
}

/* What the next token begins; -1 if no value. */
static int value_type(const struct parser *p)
{
	const char *word = p->tok.word;

	if (p->tok.type == TOKEN_STRING)
		return VALUE_BYTES;
	if (p->tok.type == '[' || next_is(p, "none"))
		return VALUE_EXTENTS;
	if (p->tok.type != TOKEN_WORD)
		return -1;
	if (!strcmp(word, "..."))
		return VALUE_ANY;
	if (!strncmp(word, "SIG", 3))
		return VALUE_SIGNAL;
	if (*word == '-')
		return VALUE_ERRNO;
	if (!strncmp(word, "0x", 2))
		return VALUE_BYTES;
	if (isdigit((u8)*word))
		return VALUE_NUMBER;
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
		if (find_field(p, &outcomes[i]) >= 0)
			return VALUE_FIELDS;
	return -1;
}

/* A count: refused when the command could never return it. */
static void parse_count(struct parser *p, const struct cmd *c, struct value *v)
{
	enum outcome outcome = verb_outcomes[c->verb];
	const char *name = verb_table[c->verb].name;
	bool contents = outcomes[outcome].types & BIT(VALUE_BYTES);
	char hint[80] = "";
	u64 n = parse_size(p, "a number");

	v->number = n;
	if (contents && n <= 0xff)
		snprintf(hint, sizeof(hint), "; to compare contents write the byte as 0x%02x",
			 (unsigned int)n);
	else if (contents)
		snprintf(hint, sizeof(hint), "; to compare contents write a byte as 0x00");
	switch (outcome) {
	case OUTCOME_LOADED:
	case OUTCOME_STORED:
		if (n != c->len)
			fail(p, v->pos, "%s returns its length, here %llu, or a signal%s", name,
			     (unsigned long long)c->len, hint);
		break;
	case OUTCOME_READ:
	case OUTCOME_WRITTEN:
		if (n > c->len)
			fail(p, v->pos, "%s returns at most its length, here %llu%s", name,
			     (unsigned long long)c->len, hint);
		break;
	default:
		if (n)
			fail(p, v->pos, "%s returns %s, never %llu", name, outcomes[outcome].what,
			     (unsigned long long)n);
	}
}

static void parse_contents(struct parser *p, const struct cmd *c, struct value *v)
{
	u8 *bytes = parse_alloc(p, p->tok.len);

	v->bytes = bytes;
	if (p->tok.type == TOKEN_WORD) {
		v->nr_bytes = 1;
		*bytes = parse_byte(p);
		return;
	}
	v->nr_bytes = lex_unescape(&p->lex, &p->tok, bytes);
	if (!v->nr_bytes)
		fail(p, v->pos, "an empty string compares with nothing");
	if (v->nr_bytes > c->len || (c->verb == VERB_MREAD && v->nr_bytes > 1 &&
				     v->nr_bytes < c->len))
		fail(p, v->pos, "the string has %zu bytes, but %s reads %llu", v->nr_bytes,
		     verb_table[c->verb].name, (unsigned long long)c->len);
	advance(p);
}

static void parse_signal(struct parser *p, struct value *v)
{
	static const struct signal_desc {
		const char *name;
		int number;
	} signals[] = { { "SIGBUS", SIGBUS }, { "SIGSEGV", SIGSEGV } };
	static const struct name_table signal_names = NAME_TABLE(signals);
	int i = name_find(&signal_names, p->tok.word);

	if (i < 0)
		fail_unknown(p, p->tok.pos, "signal", p->tok.word, &signal_names);
	v->number = signals[i].number;
	advance(p);
}

/* Pages: a plain number of them, or a size that is a multiple of 4k. */
static bool scan_pages(const char *word, u64 *pages)
{
	size_t len = strlen(word);

	if (scan_size(word, pages))
		return false;
	if (isdigit((u8)word[len - 1]))
		return true;
	if (*pages % PAGE_SIZE)
		return false;
	*pages >>= PAGE_SHIFT;
	return true;
}

/* [FIRST+PAGES W] or [FIRST+PAGES U] */
static void parse_extent(struct parser *p, struct extent_value *e, const struct extent_value *prev)
{
	struct pos pos;
	char *plus;

	advance(p);
	pos = p->tok.pos;
	plus = p->tok.type == TOKEN_WORD ? strchr(p->tok.word, '+') : NULL;
	if (!plus)
		fail_expected(p, "pages such as 0+3");
	*plus = '\0';
	if (!scan_pages(p->tok.word, &e->lblk) || !scan_pages(plus + 1, &e->len) || !e->len)
		fail_expected(p, "pages such as 0+3");
	if (prev && e->lblk < prev->lblk + prev->len)
		fail(p, pos, "extents stand in the order of their pages and do not overlap");
	advance(p);
	e->unwritten = accept(p, "U");
	if (!e->unwritten && !accept(p, "W"))
		fail_expected(p, "'W' (written) or 'U' (unwritten)");
	if (!accept_type(p, ']'))
		fail_expected(p, "']'");
}

static void parse_extents(struct parser *p, struct value *v)
{
	struct extent_value *extents = NULL, *more;
	u32 room = 0;

	if (accept(p, "none"))
		return;
	for (; p->tok.type == '['; v->nr_extents++) {
		if (v->nr_extents == room) {
			more = parse_alloc(p, (2 * room + 4) * sizeof(*more));
			if (room)
				memcpy(more, extents, room * sizeof(*more));
			arena_free(&p->s->arena, extents, room * sizeof(*more));
			extents = more;
			room = 2 * room + 4;
		}
		parse_extent(p, &extents[v->nr_extents],
			     v->nr_extents ? &extents[v->nr_extents - 1] : NULL);
	}
	v->extents = extents;
}

static void parse_fields(struct parser *p, const struct outcome_desc *outcome, struct value *v)
{
	u32 given = 0;
	int i;

	while ((i = find_field(p, outcome)) >= 0) {
		if (given & BIT(i))
			fail(p, p->tok.pos, "'%s' is given twice", outcome->fields[i]);
		given |= BIT(i);
		advance(p);
		v->fields[v->nr_fields].name = outcome->fields[i];
		v->fields[v->nr_fields++].number = parse_size(p, "a number");
	}
}

static struct value *parse_value(struct parser *p, const struct cmd *c)
{
	const struct outcome_desc *outcome = &outcomes[verb_outcomes[c->verb]];
	struct value *v = parse_alloc(p, sizeof(*v));
	int type = value_type(p);

	if (type < 0) {
		if (at_end(p))
			fail_expected(p, "a result");
		if (outcome->types & BIT(VALUE_ERRNO) && errno_find(p->tok.word))
			fail(p, p->tok.pos, "errors have a minus: write -%s", p->tok.word);
		fail_outcome(p, c);
	}
	if (type != VALUE_ANY && !(outcome->types & BIT(type)))
		fail_outcome(p, c);
	v->type = type;
	v->pos = p->tok.pos;
	switch (v->type) {
	case VALUE_ANY:
		advance(p);
		break;
	case VALUE_NUMBER:
		parse_count(p, c, v);
		break;
	case VALUE_BYTES:
		parse_contents(p, c, v);
		break;
	case VALUE_ERRNO:
		v->number = parse_errno(p);
		break;
	case VALUE_SIGNAL:
		parse_signal(p, v);
		break;
	case VALUE_EXTENTS:
		parse_extents(p, v);
		break;
	case VALUE_FIELDS:
		if (find_field(p, outcome) < 0)
			fail_outcome(p, c);
		parse_fields(p, outcome, v);
		break;
	}
	return v;
}

void parse_result(struct parser *p, struct cmd *c)
{
	struct value **tail = &c->result;

	c->negated = p->tok.type == TOKEN_NOT_EQUAL;
	if (!c->negated && p->tok.type != '=')
		return;
	advance(p);
	if (c->negated && next_is(p, "..."))
		fail(p, p->tok.pos, "'!= ...' can never be met");
	do {
		*tail = parse_value(p, c);
		tail = &(*tail)->next;
		if (c->negated && next_is(p, "or"))
			fail(p, p->tok.pos, "'!=' takes one value");
	} while (accept(p, "or"));
}

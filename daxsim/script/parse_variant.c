// SPDX-License-Identifier: MIT
/*
 * Variants of a scenario: a file system, a kernel profile with protections
 * taken away or added, and what is expected of it.
 */
#include <string.h>

#include "backends/fs/fs.h"
#include "daxsim/script/parse.h"

#define DEFAULT_PROFILE "v11"
#define MAX_VARIANT_TEXT ((NR_PROTECTIONS + 1) * (MAX_WORD + 8))

static u64 parse_invariant(struct parser *p)
{
	int inv;

	expect_word(p, "an invariant such as stale-pte");
	inv = name_find(&invariant_names, p->tok.word);
	if (inv < 0)
		fail_unknown(p, p->tok.pos, "invariant", p->tok.word, &invariant_names);
	advance(p);
	return 1ULL << inv;
}

/* clean, or bug and a list of invariants */
static void parse_expectation(struct parser *p, enum expectation *expect, u64 *bugs)
{
	if (accept(p, "clean")) {
		*expect = EXPECT_CLEAN;
	} else if (accept(p, "bug")) {
		*expect = EXPECT_BUG;
		do
			*bugs |= parse_invariant(p);
		while (accept_type(p, ','));
	} else {
		fail_expected(p, "'clean' or 'bug'");
	}
}

void parse_expect(struct parser *p)
{
	parse_expectation(p, &p->s->expect, &p->s->bugs);
	end_line(p, "',' or the end of the line");
}

void parse_ignore(struct parser *p)
{
	do {
		p->s->ignored |= parse_invariant(p);
		accept_type(p, ',');
	} while (p->tok.type == TOKEN_WORD);
	end_line(p, "an invariant or the end of the line");
}

static const struct fs_ops *find_fs(struct parser *p, const char *name)
{
	const struct fs_ops *fs = fs_find(name);
	const char **names;
	unsigned int nr = 0;

	if (!fs) {
		while (fs_table[nr])
			nr++;
		names = parse_alloc(p, (nr + 1) * sizeof(*names));
		for (unsigned int i = 0; i < nr; i++)
			names[i] = fs_table[i]->name;
		fail_unknown(p, p->tok.pos, "file system", name,
			     &(struct name_table){ names, sizeof(*names), nr });
	}
	return fs;
}

static profile_t find_profile(struct parser *p, struct pos pos, const char *name)
{
	struct name_table known = { profile_names, sizeof(*profile_names), 0 };
	profile_t profile;

	if (profile_find(name, &profile)) {
		while (profile_names[known.nr])
			known.nr++;
		fail_unknown(p, pos, "profile", name, &known);
	}
	return profile;
}

struct parsed_variant *parse_variant(struct parser *p)
{
	struct parsed_variant *pv = parse_alloc(p, sizeof(*pv));
	struct variant *v = &pv->variant;
	char text[MAX_VARIANT_TEXT], *profile;
	profile_t named = 0;
	size_t len;

	expect_word(p, "a file system such as ext2@v11");
	v->pos = p->tok.pos;
	profile = strchr(p->tok.word, '@');
	if (profile)
		*profile++ = '\0';
	v->fs = find_fs(p, p->tok.word);
	v->profile = find_profile(p, (struct pos){ v->pos.line,
				  v->pos.col + (profile ? profile - p->tok.word : 0) },
				  profile ? profile : DEFAULT_PROFILE);
	len = sprintf(text, "%s@%s", v->fs->name, profile ? profile : DEFAULT_PROFILE);
	advance(p);
	while (p->tok.type == TOKEN_WORD && strchr("+-", *p->tok.word)) {
		int protection = protection_find(p->tok.word + 1);
		profile_t bit = 1ULL << (protection & 63);

		if (protection < 0)
			fail_unknown(p, p->tok.pos, "protection", p->tok.word + 1,
				     &protection_names);
		if (named & bit)
			fail(p, p->tok.pos, "protection '%s' is given twice", p->tok.word + 1);
		named |= bit;
		if (*p->tok.word == '+')
			v->profile |= bit;
		else
			v->profile &= ~bit;
		len += sprintf(text + len, " %s", p->tok.word);
		advance(p);
	}
	v->text = parse_strdup(p, text);
	pv->has_expectation = accept(p, "expect");
	if (pv->has_expectation)
		parse_expectation(p, &v->expect, &v->bugs);
	end_line(p, pv->has_expectation ? "',' or the end of the line" :
		 "+PROTECTION, -PROTECTION, 'expect' or the end of the line");
	return pv;
}

void finish_variant(struct parser *p, struct parsed_variant *pv)
{
	struct variant *v = &pv->variant;
	u64 ignored;

	if (!pv->has_expectation) {
		v->expect = p->s->expect;
		v->bugs = p->s->bugs;
	}
	ignored = v->bugs & p->s->ignored;
	if (ignored)
		fail(p, v->pos, "%s expects %s, which this scenario ignores", v->text,
		     invariant_table[__builtin_ctzll(ignored)].name);
}

struct variant *scenario_parse_variant(struct scenario *s, const char *text, FILE *errors)
{
	struct parsed_variant *pv;
	struct parser p;

	parser_init(&p, s, "--fs", text, strlen(text), errors);
	if (setjmp(p.lex.bail))
		return NULL;
	lex_check(&p.lex);
	advance(&p);
	pv = parse_variant(&p);
	if (p.tok.type != TOKEN_END)
		fail_expected(&p, "one variant");
	finish_variant(&p, pv);
	return &pv->variant;
}

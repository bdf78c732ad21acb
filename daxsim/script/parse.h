/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the parser share. It reads one token ahead and never turns
 * back; nothing in it recurses. Its functions return only if all went well: an
 * error leaves by lex_fail().
 */
#ifndef DAXSIM_PARSE_H
#define DAXSIM_PARSE_H

#include <bsd/sys/tree.h>

#include "daxsim/script/lex.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/name_table.h"

/* One name may stand for one thing of each kind. */
enum name_kind {
	NAME_FILE,	/* or a second handle of one */
	NAME_MAPPING,
	NAME_PROCESS,
	NAME_STEP,	/* struct step */
	NAME_SESSION,	/* struct session */
	NAME_SCHEDULE,
	NR_NAME_KINDS
};

struct symbol {
	RB_ENTRY(symbol) entry;
	const char *name;
	void *is[NR_NAME_KINDS];	/* what it names of each kind, or NULL */
	struct variable handle, mapping;	/* if it is one */
};

RB_HEAD(name_tree, symbol);

/* A name that must belong to something by the end of the file. */
struct name_use {
	struct symbol *symbol;
	struct pos pos;
	u32 kinds;		/* bit per enum name_kind: what it may be */
	struct name_use *next;
};

/* A variant, and whether its line says itself what to expect. */
struct parsed_variant {
	struct variant variant;
	bool has_expectation;
};

struct parser {
	struct lexer lex;
	struct token tok;		/* the next one */
	const char *last;		/* end of the token before it */
	struct scenario *s;
	struct pos open;		/* the innermost '{' that is open */
	struct name_use *uses, **uses_tail;
	const struct session *session;	/* being read; NULL: in none */
	const struct cmd *cmd;		/* being read: its usage goes into messages */
	struct variant **variants_tail;
	struct session **sessions_tail;
	struct schedule **schedules_tail;
	struct final **finals_tail;
	u32 nr_variables;
	unsigned int unnamed_schedules;	/* so many of their default names are taken */
	bool pattern;			/* the command has -S */
};

#define fail(p, pos, ...) lex_fail(&(p)->lex, pos, __VA_ARGS__)

/* parse.c: tokens */

void parser_init(struct parser *p, struct scenario *s, const char *path, const char *text,
		 size_t len, FILE *errors);

/** parse_alloc() - zeroed memory that lives as long as the scenario */
void *parse_alloc(struct parser *p, size_t size);

/** parse_strdup() - a copy of @word that lives as long as the scenario */
const char *parse_strdup(struct parser *p, const char *word);

void advance(struct parser *p);

/** next_is() - whether the next token is the word @word */
bool next_is(const struct parser *p, const char *word);

/** accept() - skip the next token if it is the word @word; returns whether it was */
bool accept(struct parser *p, const char *word);

/** accept_type() - skip the next token if it is of @type; returns whether it was */
bool accept_type(struct parser *p, int type);

/** at_end() - whether a line, a command or a block ends here */
bool at_end(const struct parser *p);

/** fail_expected() - "expected ..., found ..." at the next token */
_Noreturn void fail_expected(struct parser *p, const char *what);

/**
 * fail_unknown() - "unknown ... 'word'" with what it may have meant
 * @p: the parser
 * @pos: where the word stands
 * @what: the kind of thing that is not known
 * @word: the word
 * @known: the names of that kind; a short list is shown when nothing is near
 */
_Noreturn void fail_unknown(struct parser *p, struct pos pos, const char *what, const char *word,
			    const struct name_table *known);

/** expect_word() - fail unless a word comes next; @what for the message */
void expect_word(struct parser *p, const char *what);

void skip_lines(struct parser *p);

/** open_block() - skip to and over the '{' of a block; returns where the '{' is */
struct pos open_block(struct parser *p);

/** close_block() - skip separators; at the '}' of the block at @open skip it and return true */
bool close_block(struct parser *p, struct pos open);

/** end_line() - fail unless a line of the file level ends; @or_else says what could have come */
void end_line(struct parser *p, const char *or_else);

/** is_item() - whether @word begins an item of the file level: fs, session ... */
bool is_item(const char *word);

/** expect_in_block() - expect_word() that sees when a block was left unclosed before a next item */
void expect_in_block(struct parser *p, const char *what);

/* parse_variant.c */

void parse_expect(struct parser *p);
void parse_ignore(struct parser *p);

/** parse_variant() - read NAME[@PROFILE] { +PROTECTION | -PROTECTION } [expect ...] */
struct parsed_variant *parse_variant(struct parser *p);

/** finish_variant() - let it inherit from the scenario, once that has been read */
void finish_variant(struct parser *p, struct parsed_variant *pv);

/* parse_name.c: names and numbers */

/** name_intern() - the symbol of a name, made if it is new */
struct symbol *name_intern(struct parser *p, const char *name);

/** name_check() - fail unless @word, which stands at @pos, has the form of a name */
void name_check(struct parser *p, struct pos pos, const char *word);

/** parse_name() - read a name; @what says for messages what it names */
struct symbol *parse_name(struct parser *p, const char *what);

/** name_use() - remember that the name at @pos must be of one of @kinds (bits) in the end */
void name_use(struct parser *p, struct symbol *symbol, struct pos pos, u32 kinds);

/** check_uses() - fail at the first name that belongs to nothing */
void check_uses(struct parser *p);

/** fail_no_such_name() - say that @symbol is none of @kinds, and what may have been meant */
_Noreturn void fail_no_such_name(struct parser *p, const struct symbol *symbol, struct pos pos,
				 u32 kinds);

/**
 * scan_size() - read a number that may have a unit
 * @word: 4096, 0x1000, 4k, 1m, 2g, 1t, or pages: 3p
 * @size: set on success, bytes or whatever is counted
 *
 * Return: 0, -EINVAL, or -ERANGE above S64_MAX.
 */
int scan_size(const char *word, u64 *size);

/** parse_size() - read a size; @what for messages, with an example */
u64 parse_size(struct parser *p, const char *what);

/** format_size() - @size with the largest unit that divides it, in @buf; returns @buf */
const char *format_size(u64 size, char buf[24]);

/** errno_find() - the number of an errno's name such as "ENOSPC", or 0 */
int errno_find(const char *name);

/** parse_errno() - read -ENAME; returns the negative number */
s64 parse_errno(struct parser *p);

/** parse_byte() - read one byte: 0 to 255, or 0x00 to 0xff */
u8 parse_byte(struct parser *p);

/* parse_cmd.c, parse_result.c */

/** parse_cmd() - read a command with its result, up to the end of its line */
struct cmd *parse_cmd(struct parser *p);

/** parse_cmds() - read a block of commands */
struct cmd *parse_cmds(struct parser *p);

/** parse_result() - read what stands behind = or !=, if anything does, into @c */
void parse_result(struct parser *p, struct cmd *c);

/* parse_session.c */

/** parse_session() - read NAME [in PROCESS] { step NAME { ... } ... }, or { commands } */
void parse_session(struct parser *p);

/* parse_schedule.c */

/** parse_entries() - read schedule entries: the block at @open, or with NULL the whole text */
void parse_entries(struct parser *p, struct schedule *schedule, const struct pos *open);

/** resolve_schedule() - bind its words to steps and sessions, and check their order */
void resolve_schedule(struct parser *p, struct schedule *schedule);

/** parse_explore() - a strategy, behind the word explore */
void parse_explore(struct parser *p, struct explore_request *e);

#endif

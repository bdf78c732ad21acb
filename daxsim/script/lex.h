/* SPDX-License-Identifier: MIT */
/*
 * Words of the scenario language, and how an error in a scenario is said. An
 * error ends the parse at once by longjmp(): all that was built until then lies
 * in an arena, so there is nothing to unwind.
 */
#ifndef DAXSIM_LEX_H
#define DAXSIM_LEX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "daxsim/script/scenario.h"

#define MAX_SCENARIO_SIZE (1UL << 20)	/* bytes of text */
#define MAX_WORD 127			/* bytes */

/* Punctuation stands for itself: { } [ ] ( ) ; , = */
enum token_type {
	TOKEN_END = 0,
	TOKEN_NEWLINE = '\n',
	TOKEN_STRING = '"',
	TOKEN_NOT_EQUAL = '!',
	TOKEN_WORD = 'a',	/* anything else between blanks: 4k, -ENOSPC, store@get_block#2 */
};

struct token {
	int type;		/* enum token_type, or the character */
	struct pos pos;
	const char *start;	/* as it stands in the text */
	u32 len;		/* bytes */
	char word[MAX_WORD + 1];/* TOKEN_WORD: the same, terminated */
};

struct lexer {
	const char *path;	/* for messages */
	FILE *errors;		/* or NULL */
	jmp_buf bail;		/* where an error leads */
	const char *text, *end;
	const char *next;	/* first byte not yet read */
	const char *line_start;
	u32 line;
	struct pos last_end;	/* just behind the last token: where the end of a line is marked */
};

/**
 * lex_init() - begin a text
 * @lx: the lexer; its caller sets bail by setjmp() before it calls anything else
 * @path: for messages; must outlive the lexer
 * @text: at most MAX_SCENARIO_SIZE bytes are read of it
 * @len: bytes
 * @errors: where the message goes, or NULL
 */
void lex_init(struct lexer *lx, const char *path, const char *text, size_t len, FILE *errors);

/** lex_check() - fail unless the whole text is short enough, valid UTF-8 and free of NUL bytes */
void lex_check(struct lexer *lx);

/**
 * lex_next() - read a token
 * @lx: the lexer
 * @t: set to it; at the end TOKEN_END, however often it is asked for
 *
 * A '#' begins a comment where a token could begin; inside a word it is a part
 * of the word, as in the shell.
 */
void lex_next(struct lexer *lx, struct token *t);

/**
 * lex_unescape() - the bytes that a string stands for
 * @lx: the lexer
 * @t: a TOKEN_STRING
 * @out: room for @t->len bytes
 *
 * Return: how many bytes were stored.
 */
size_t lex_unescape(struct lexer *lx, const struct token *t, u8 *out);

/** lex_describe() - a token as a message names it, in @buf of @size bytes; returns @buf */
const char *lex_describe(const struct token *t, char *buf, size_t size);

/** lex_say() - what lex_fail() says, to lx->errors; without its text, no line is shown */
__printf(3, 0)
void lex_say(const struct lexer *lx, struct pos pos, const char *fmt, va_list args);

/**
 * lex_fail() - say what is wrong, show the line with a mark, and leave
 * @lx: the lexer
 * @pos: what the mark points to; line 0 if it is about the text as a whole
 * @fmt: the message, one line, without a newline
 */
_Noreturn __printf(3, 4)
void lex_fail(struct lexer *lx, struct pos pos, const char *fmt, ...);

#endif

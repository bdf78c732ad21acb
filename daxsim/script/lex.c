// SPDX-License-Identifier: MIT
/* Tokens of the scenario language, and messages that show where they stand. */
#include "daxsim/script/lex.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#define EXCERPT 160	/* longest part of a line that a message shows, bytes */
#define EXCERPT_BEFORE 80

void lex_init(struct lexer *lx, const char *path, const char *text, size_t len, FILE *errors)
{
	lx->path = path;
	lx->errors = errors;
	lx->text = lx->next = lx->line_start = len ? text : "";
	lx->end = lx->text + len;
	lx->line = 1;
	lx->last_end = (struct pos){ 1, 1 };
}

/* Bytes of the UTF-8 character at @s, of which @n are there; 0 if it is none. */
static size_t utf8_len(const char *s, size_t n)
{
	static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	u8 lead = *s;
	size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	u32 c;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc0 || lead > 0xf7 || len > n)
		return 0;
	c = lead & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

/* What a terminal would act upon: C0 and C1 controls. */
static bool is_control(const char *s, size_t len)
{
	u8 c = *s;

	return c < 0x20 || c == 0x7f || (len == 2 && c == 0xc2 && (u8)s[1] < 0xa0);
}

/*
 * One character for people, moving @s on; returns the columns it took. Controls
 * and broken bytes are escaped. A tab goes to the next multiple of 8 columns
 * from the beginning of the excerpt.
 */
static u32 show_char(FILE *out, const char **s, const char *end, u32 column)
{
	size_t len = utf8_len(*s, end - *s);
	u32 width = 1;

	if (**s == '\t') {
		width = 8 - column % 8;
		fprintf(out, "%*s", (int)width, "");
		len = 1;
	} else if (!len || is_control(*s, len)) {
		len = len ? len : 1;
		for (size_t i = 0; i < len; i++)
			fprintf(out, "\\x%02x", (u8)(*s)[i]);
		width = 4 * len;
	} else {
		fwrite(*s, 1, len, out);
	}
	*s += len;
	return width;
}

/*
 * The line of @pos, if the text is there, and below it a mark; of a long line only the surroundings
 * of the mark.
 */
static void show_line(const struct lexer *lx, struct pos pos)
{
	const char *line = lx->text, *eol, *mark, *s;
	u32 column = 0, mark_column;

	for (u32 i = 1; i < pos.line && line; i++) {
		line = memchr(line, '\n', lx->end - line);
		line += !!line;
	}
	if (!line)
		return;
	eol = memchr(line, '\n', lx->end - line);
	if (!eol)
		eol = lx->end;
	if (eol > line && eol[-1] == '\r')
		eol--;
	if (eol == line)
		return;
	mark = line + pos.col - 1;
	s = line;
	fprintf(lx->errors, "%5u | ", pos.line);
	if (eol - line > EXCERPT) {
		if (mark - line > EXCERPT_BEFORE) {
			s = mark - EXCERPT_BEFORE;
			while (s < mark && (*s & 0xc0) == 0x80)
				s++;
			column = fprintf(lx->errors, "...");
		}
		if (eol - s > EXCERPT)
			eol = s + EXCERPT;
		for (int i = 0; i < 3 && eol < lx->end && (*eol & 0xc0) == 0x80; i++)
			eol++;
	}
	mark_column = column;
	while (s < eol) {
		column += show_char(lx->errors, &s, eol, column);
		if (s <= mark)
			mark_column = column;
	}
	if (eol < lx->end && *eol != '\n' && *eol != '\r')
		fputs("...", lx->errors);
	fprintf(lx->errors, "\n      | %*s^\n", (int)mark_column, "");
}

void lex_say(const struct lexer *lx, struct pos pos, const char *fmt, va_list args)
{
	fputs(lx->path, lx->errors);
	if (pos.line)
		fprintf(lx->errors, ":%u:%u", pos.line, pos.col);
	fputs(": error: ", lx->errors);
	vfprintf(lx->errors, fmt, args);
	fputc('\n', lx->errors);
	if (pos.line)
		show_line(lx, pos);
}

void lex_fail(struct lexer *lx, struct pos pos, const char *fmt, ...)
{
	if (lx->errors) {
		va_list args;

		va_start(args, fmt);
		lex_say(lx, pos, fmt, args);
		va_end(args);
	}
	longjmp(lx->bail, 1);
}

static struct pos pos_at(const struct lexer *lx, const char *s)
{
	return (struct pos){ lx->line, s - lx->line_start + 1 };
}

/* Counts lines for the place of an error, and leaves the count as it was for the tokens. */
void lex_check(struct lexer *lx)
{
	size_t len;

	if ((size_t)(lx->end - lx->text) > MAX_SCENARIO_SIZE)
		lex_fail(lx, (struct pos){ 0 }, "larger than 1 MiB");
	for (const char *s = lx->text; s < lx->end; s += len) {
		len = utf8_len(s, lx->end - s);
		if (!len)
			lex_fail(lx, pos_at(lx, s), "byte \\x%02x is not valid UTF-8", (u8)*s);
		if (!*s)
			lex_fail(lx, pos_at(lx, s), "NUL byte: is this a text file?");
		if (*s == '\n') {
			lx->line++;
			lx->line_start = s + 1;
		}
	}
	lx->line = 1;
	lx->line_start = lx->text;
}

static void skip_blanks(struct lexer *lx)
{
	while (lx->next < lx->end && strchr(" \t\r", *lx->next))
		lx->next++;
	if (lx->next < lx->end && *lx->next == '#')
		while (lx->next < lx->end && *lx->next != '\n')
			lx->next++;
}

static bool in_word(char c)
{
	return c > ' ' && c < 0x7f && !strchr("{}[]();,=!\"", c);
}

/* The character that comes next has no place in the language. */
_Noreturn static void fail_char(struct lexer *lx)
{
	const char *s = lx->next;
	size_t len = utf8_len(s, lx->end - s);
	struct pos pos = pos_at(lx, s);

	if (is_control(s, len))
		lex_fail(lx, pos, "control character \\x%02x outside a comment or a string",
			 (u8)s[len - 1]);
	lex_fail(lx, pos, "'%.*s' can stand only in a comment or a string", (int)len, s);
}

static void lex_word(struct lexer *lx, struct token *t)
{
	while (lx->next < lx->end && in_word(*lx->next))
		lx->next++;
	if (lx->next < lx->end && *lx->next & 0x80)
		fail_char(lx);
	t->type = TOKEN_WORD;
	t->len = lx->next - t->start;
	if (t->len > MAX_WORD)
		lex_fail(lx, t->pos, "a word of %u bytes; the longest allowed has %u", t->len,
			 MAX_WORD);
	memcpy(t->word, t->start, t->len);
	t->word[t->len] = '\0';
}

static void lex_string(struct lexer *lx, struct token *t)
{
	const char *s = lx->next + 1;

	while (s < lx->end && *s != '"' && *s != '\n')
		s += *s == '\\' && s + 1 < lx->end && s[1] != '\n' ? 2 : 1;
	if (s >= lx->end || *s != '"')
		lex_fail(lx, t->pos, "a string without its closing '\"'");
	lx->next = s + 1;
	t->type = TOKEN_STRING;
}

void lex_next(struct lexer *lx, struct token *t)
{
	char c;

	skip_blanks(lx);
	t->start = lx->next;
	t->pos = pos_at(lx, t->start);
	t->len = 0;
	if (lx->next >= lx->end) {
		t->type = TOKEN_END;
		t->pos = lx->last_end;
		return;
	}
	c = *lx->next;
	if (c == '\n') {
		t->type = TOKEN_NEWLINE;
		t->pos = lx->last_end;
		lx->line_start = ++lx->next;
		lx->line++;
		return;
	}
	if (in_word(c)) {
		lex_word(lx, t);
	} else if (c == '"') {
		lex_string(lx, t);
	} else if (c == '!') {
		if (lx->end - lx->next < 2 || lx->next[1] != '=')
			lex_fail(lx, t->pos, "expected '!=', found '!'");
		t->type = TOKEN_NOT_EQUAL;
		lx->next += 2;
	} else if (strchr("{}[]();,=", c)) {
		t->type = c;
		lx->next++;
	} else {
		fail_char(lx);
	}
	t->len = lx->next - t->start;
	lx->last_end = pos_at(lx, lx->next);
}

static int hex_digit(char c)
{
	return isdigit((u8)c) ? c - '0' : isxdigit((u8)c) ? tolower((u8)c) - 'a' + 10 : -1;
}

size_t lex_unescape(struct lexer *lx, const struct token *t, u8 *out)
{
	static const char names[] = "nt\\\"0", bytes[] = "\n\t\\\"";
	const char *s = t->start + 1, *end = t->start + t->len - 1, *name;
	size_t n = 0;

	while (s < end) {
		struct pos pos = { t->pos.line, t->pos.col + (s - t->start) };

		if (*s != '\\') {
			out[n++] = *s++;
			continue;
		}
		name = strchr(names, s[1]);
		if (name) {
			out[n++] = bytes[name - names];
			s += 2;
		} else if (s[1] == 'x' && hex_digit(s[2]) >= 0 && hex_digit(s[3]) >= 0) {
			out[n++] = hex_digit(s[2]) << 4 | hex_digit(s[3]);
			s += 4;
		} else {
			lex_fail(lx, pos, "unknown escape in a string; there are "
				 "\\n \\t \\\\ \\\" \\0 and \\xNN");
		}
	}
	return n;
}

const char *lex_describe(const struct token *t, char *buf, size_t size)
{
	if (t->type == TOKEN_END)
		snprintf(buf, size, "the end of the text");
	else if (t->type == TOKEN_NEWLINE)
		snprintf(buf, size, "the end of the line");
	else if (t->type == TOKEN_STRING)
		snprintf(buf, size, "a string");
	else
		snprintf(buf, size, "'%.*s'", (int)t->len, t->start);
	return buf;
}

// SPDX-License-Identifier: MIT
/*
 * Scenarios: the file level of the language (scenario, device, fs, expect,
 * ignore, setup, session, schedule, final), and the ways in.
 */
#include "daxsim/script/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_RESERVE (64UL << 20)	/* bytes; a file of MAX_SCENARIO_SIZE can hardly fill it */
#define DEFAULT_DEVICE_SIZE (1ULL << 20)
#define MIN_DEVICE_SIZE (64ULL << 10)
#define MAX_DEVICE_SIZE (16ULL << 40)

void parser_init(struct parser *p, struct scenario *s, const char *path, const char *text,
		 size_t len, FILE *errors)
{
	*p = (struct parser){ .s = s };
	p->uses_tail = &p->uses;
	p->variants_tail = &s->variants;
	p->sessions_tail = &s->sessions;
	p->schedules_tail = &s->schedules;
	p->finals_tail = &s->finals;
	p->unnamed_schedules = 1;
	lex_init(&p->lex, path, text, len, errors);
	p->tok.start = p->lex.text;
}

void *parse_alloc(struct parser *p, size_t size)
{
	void *mem = arena_alloc(&p->s->arena, size);

	if (!mem)
		fail(p, p->tok.pos, "out of memory: the scenario is too big");
	return mem;
}

const char *parse_strdup(struct parser *p, const char *word)
{
	size_t size = strlen(word) + 1;

	return memcpy(parse_alloc(p, size), word, size);
}

void advance(struct parser *p)
{
	p->last = p->tok.start + p->tok.len;
	lex_next(&p->lex, &p->tok);
}

bool next_is(const struct parser *p, const char *word)
{
	return p->tok.type == TOKEN_WORD && !strcmp(p->tok.word, word);
}

bool accept(struct parser *p, const char *word)
{
	if (!next_is(p, word))
		return false;
	advance(p);
	return true;
}

bool accept_type(struct parser *p, int type)
{
	if (p->tok.type != type)
		return false;
	advance(p);
	return true;
}

bool at_end(const struct parser *p)
{
	return p->tok.type == TOKEN_END || p->tok.type == TOKEN_NEWLINE || p->tok.type == ';' ||
	       p->tok.type == '}';
}

void fail_expected(struct parser *p, const char *what)
{
	const struct verb_desc *verb = p->cmd ? &verb_table[p->cmd->verb] : NULL;
	char found[MAX_WORD + 8];

	lex_describe(&p->tok, found, sizeof(found));
	if (verb)
		fail(p, p->tok.pos, "expected %s, found %s (usage: %s%s%s)", what, found,
		     verb->name, *verb->args ? " " : "", verb->args);
	fail(p, p->tok.pos, "expected %s, found %s", what, found);
}

#define SHORT_LIST 12	/* names */

void fail_unknown(struct parser *p, struct pos pos, const char *what, const char *word,
		  const struct name_table *known)
{
	const char *near = name_nearest(known, word);
	char list[SHORT_LIST * (MAX_WORD + 2)] = "";
	size_t len = 0;

	if (near)
		fail(p, pos, "unknown %s '%s'; did you mean '%s'?", what, word, near);
	if (!known->nr)
		fail(p, pos, "unknown %s '%s'; there is none", what, word);
	if (known->nr > SHORT_LIST)
		fail(p, pos, "unknown %s '%s'", what, word);
	for (unsigned int i = 0; i < known->nr; i++)
		len += snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
				name_at(known, i));
	fail(p, pos, "unknown %s '%s'; known: %s", what, word, list);
}

void expect_word(struct parser *p, const char *what)
{
	if (p->tok.type != TOKEN_WORD)
		fail_expected(p, what);
}

void skip_lines(struct parser *p)
{
	while (p->tok.type == TOKEN_NEWLINE || p->tok.type == ';')
		advance(p);
}

struct pos open_block(struct parser *p)
{
	struct pos pos;

	while (p->tok.type == TOKEN_NEWLINE)
		advance(p);
	pos = p->tok.pos;
	if (!accept_type(p, '{'))
		fail_expected(p, "'{'");
	p->open = pos;
	return pos;
}

bool close_block(struct parser *p, struct pos open)
{
	skip_lines(p);
	p->open = open;
	if (p->tok.type == TOKEN_END)
		fail(p, p->tok.pos, "unclosed '{' opened at line %u", open.line);
	return accept_type(p, '}');
}

void end_line(struct parser *p, const char *or_else)
{
	if (!at_end(p) || p->tok.type == '}')
		fail_expected(p, or_else);
}

static void parse_scenario(struct parser *p)
{
	p->s->name = parse_name(p, "the scenario's name")->name;
	end_line(p, "the end of the line");
}

static void parse_device(struct parser *p)
{
	struct pos pos = p->tok.pos;
	u64 size = parse_size(p, "the device's size, such as 1m");
	char buf[24];

	if (size < MIN_DEVICE_SIZE)
		fail(p, pos, "a device has at least 64k");
	if (size > MAX_DEVICE_SIZE)
		fail(p, pos, "a device has at most 16t");
	if (size % PAGE_SIZE)
		fail(p, pos, "a device is a multiple of 4k; write %s",
		     format_size((size | ~PAGE_MASK) + 1, buf));
	p->s->device_size = size;
	end_line(p, "the end of the line");
}

static void parse_fs(struct parser *p)
{
	struct variant *v = &parse_variant(p)->variant;

	*p->variants_tail = v;
	p->variants_tail = &v->next;
}

static void parse_setup(struct parser *p)
{
	p->s->setup = parse_cmds(p);
}

static void parse_schedule(struct parser *p)
{
	struct schedule *schedule = parse_alloc(p, sizeof(*schedule));
	struct symbol *symbol;
	struct pos open;
	char name[32] = "schedule";

	schedule->pos = p->tok.pos;
	if (p->tok.type == TOKEN_WORD) {
		symbol = parse_name(p, "the schedule's name");
		if (symbol->is[NAME_SCHEDULE])
			fail(p, schedule->pos, "there is a schedule '%s' already, at line %u",
			     symbol->name,
			     ((struct schedule *)symbol->is[NAME_SCHEDULE])->pos.line);
	} else {
		symbol = name_intern(p, name);
		while (symbol->is[NAME_SCHEDULE]) {
			snprintf(name, sizeof(name), "schedule-%u", ++p->unnamed_schedules);
			symbol = name_intern(p, name);
		}
	}
	symbol->is[NAME_SCHEDULE] = schedule;
	schedule->name = symbol->name;
	*p->schedules_tail = schedule;
	p->schedules_tail = &schedule->next;
	open = open_block(p);
	parse_entries(p, schedule, &open);
	if (!schedule->entries)
		fail(p, schedule->pos, "schedule '%s' has no entries", schedule->name);
}

static void parse_final(struct parser *p)
{
	struct final *final = parse_alloc(p, sizeof(*final));
	int nr = 0;

	final->pos = p->tok.pos;
	for (const struct final *f = p->s->finals; f; f = f->next)
		nr++;
	if (nr == MAX_FINALS)
		fail(p, final->pos, "a scenario has at most %d final blocks", MAX_FINALS);
	if (accept(p, "sometimes"))
		final->mode = FINAL_SOMETIMES;
	else if (accept(p, "never"))
		final->mode = FINAL_NEVER;
	else
		accept(p, "always");
	if (accept(p, "if")) {
		if (accept(p, "bug"))
			final->condition = FINAL_IF_BUG;
		else if (accept(p, "clean"))
			final->condition = FINAL_IF_CLEAN;
		else
			fail_expected(p, "'bug' or 'clean'");
	} else if (p->tok.type == TOKEN_WORD) {
		fail_expected(p, "'always', 'sometimes', 'never', 'if' or '{'");
	}
	final->cmds = parse_cmds(p);
	if (!final->cmds)
		fail(p, final->pos, "a final block without commands asks for nothing");
	*p->finals_tail = final;
	p->finals_tail = &final->next;
}

static void parse_explore_item(struct parser *p)
{
	parse_explore(p, &p->s->explore);
}

static const struct item {
	const char *name;
	bool once;
	void (*parse)(struct parser *p);
} items[] = {
	{ "scenario", true, parse_scenario }, { "device", true, parse_device },
	{ "fs", false, parse_fs },	      { "expect", true, parse_expect },
	{ "ignore", false, parse_ignore },    { "setup", true, parse_setup },
	{ "session", false, parse_session },  { "schedule", false, parse_schedule },
	{ "final", false, parse_final },      { "explore", true, parse_explore_item },
};

static const struct name_table item_names = NAME_TABLE(items);

bool is_item(const char *word)
{
	return name_find(&item_names, word) >= 0;
}

void expect_in_block(struct parser *p, const char *what)
{
	expect_word(p, what);
	if (is_item(p->tok.word))
		fail(p, p->tok.pos, "'%s' cannot stand inside a block: is the '}' missing for the "
		     "'{' of line %u?", p->tok.word, p->open.line);
}

static void parse_item(struct parser *p, struct pos seen[])
{
	struct pos pos = p->tok.pos;
	int i;

	if (p->tok.type == '}')
		fail(p, pos, "'}' without a '{'");
	expect_word(p, "a word such as fs, setup or session");
	i = name_find(&item_names, p->tok.word);
	if (i < 0 && name_find(&verb_names, p->tok.word) >= 0)
		fail(p, pos, "'%s' is a command: it belongs in setup, a session or final",
		     p->tok.word);
	if (i < 0)
		fail_unknown(p, pos, "word", p->tok.word, &item_names);
	if (items[i].once && seen[i].line)
		fail(p, pos, "a second '%s'; the first is at line %u", items[i].name,
		     seen[i].line);
	seen[i] = pos;
	advance(p);
	items[i].parse(p);
}

static void parse_file(struct parser *p)
{
	struct pos seen[ARRAY_SIZE(items)] = { { 0 } };

	if (p->lex.text == p->lex.end)
		fail(p, (struct pos){ 0 }, "the file is empty");
	lex_check(&p->lex);
	advance(p);
	skip_lines(p);
	if (!next_is(p, "scenario"))
		fail_expected(p, "'scenario NAME'");
	p->s->pos = p->tok.pos;
	while (p->tok.type != TOKEN_END) {
		parse_item(p, seen);
		skip_lines(p);
	}
	if (!p->s->variants)
		fail(p, p->s->pos, "scenario '%s' has no fs line, such as: fs ext2@v11",
		     p->s->name);
	check_uses(p);
	for (struct schedule *schedule = p->s->schedules; schedule; schedule = schedule->next)
		resolve_schedule(p, schedule);
	for (struct variant *v = p->s->variants; v; v = v->next)
		finish_variant(p, container_of(v, struct parsed_variant, variant));
}

struct scenario *scenario_parse(const char *path, const char *text, size_t len, FILE *errors)
{
	struct arena arena;
	struct scenario *s;
	struct parser p;

	if (arena_init(&arena, ARENA_RESERVE)) {
		if (errors)
			fprintf(errors, "%s: error: out of memory\n", path);
		return NULL;
	}
	s = arena_alloc(&arena, sizeof(*s));
	s->arena = arena;
	parser_init(&p, s, path, text, len, errors);
	if (setjmp(p.lex.bail)) {
		scenario_free(s);
		return NULL;
	}
	s->path = parse_strdup(&p, path);
	s->device_size = DEFAULT_DEVICE_SIZE;
	s->names = parse_alloc(&p, sizeof(*s->names));
	parse_file(&p);
	return s;
}

struct scenario *scenario_load(const char *path, FILE *errors)
{
	struct scenario *s = NULL;
	char *text = malloc(MAX_SCENARIO_SIZE + 1);
	size_t len = 0;
	ssize_t n = -1;
	int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		do {
			n = read(fd, text + len, MAX_SCENARIO_SIZE + 1 - len);
			len += n > 0 ? n : 0;
		} while (n > 0 || (n < 0 && errno == EINTR));
	}
	if (n == 0)
		s = scenario_parse(path, text, len, errors);
	else if (errors)
		fprintf(errors, "%s: error: cannot %s it: %m\n", path, fd < 0 ? "open" : "read");
	if (fd >= 0)
		close(fd);
	free(text);
	return s;
}

void scenario_free(struct scenario *s)
{
	struct arena arena;

	if (!s)
		return;
	arena = s->arena;
	arena_destroy(&arena);
}

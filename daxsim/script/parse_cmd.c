// SPDX-License-Identifier: MIT
/*
 * Commands: the table of verbs and the arguments of each. What an argument
 * means is said once, in parse_arg(); a verb is a row of them.
 */
#include <errno.h>
#include <string.h>

#include "daxsim/script/parse.h"

#define MAX_ACCESS (1ULL << 30)	/* bytes that one load, store, read or write may cover */
#define DEFAULT_PWRITE_BYTE 0xcd
#define DEFAULT_MWRITE_BYTE 0x58

const struct verb_desc verb_table[NR_VERBS] = {
#define VERB_DESC(id, word, args, what) { word, args, what },
	VERB_TABLE(VERB_DESC)
#undef VERB_DESC
};

const struct name_table verb_names = NAME_TABLE(verb_table);

enum arg {
	ARG_NONE,
	ARG_FILE,		/* that is open */
	ARG_ENTRY,		/* of the directory */
	ARG_NEW_FILE,
	ARG_MAPPED_FILE,	/* as second name */
	ARG_MAPPING,
	ARG_NEW_MAPPING,
	ARG_OFFSET,
	ARG_SIZE,		/* 0 is fine */
	ARG_ACCESS_SIZE,	/* 1 to MAX_ACCESS */
	ARG_RANGE,		/* [OFFSET LENGTH] */
	ARG_KEEP_SIZE,		/* [-k] */
	ARG_PATTERN,		/* [-S BYTE] */
	ARG_BYTE,		/* [BYTE] */
	ARG_RO_RW,		/* [ro|rw] */
	ARG_SHARING,
	ARG_PROTECTION,		/* ro|rw|none */
	ARG_AS,			/* [as HANDLE] */
	ARG_TO,			/* [to MAPPING OFFSET] */
	ARG_FROM,		/* [from MAPPING OFFSET] */
	ARG_INJECTION,
};

#define MAX_ARGS 6

static const u8 signatures[NR_VERBS][MAX_ARGS] = {
	[VERB_CREATE] = { ARG_NEW_FILE },
	[VERB_OPEN] = { ARG_ENTRY, ARG_RO_RW, ARG_AS },
	[VERB_CLOSE] = { ARG_FILE },
	[VERB_UNLINK] = { ARG_ENTRY },
	[VERB_TRUNCATE] = { ARG_FILE, ARG_SIZE },
	[VERB_FALLOCATE] = { ARG_KEEP_SIZE, ARG_FILE, ARG_OFFSET, ARG_SIZE },
	[VERB_FPUNCH] = { ARG_FILE, ARG_OFFSET, ARG_SIZE },
	[VERB_FZERO] = { ARG_KEEP_SIZE, ARG_FILE, ARG_OFFSET, ARG_SIZE },
	[VERB_FCOLLAPSE] = { ARG_FILE, ARG_OFFSET, ARG_SIZE },
	[VERB_FINSERT] = { ARG_FILE, ARG_OFFSET, ARG_SIZE },
	[VERB_PREAD] = { ARG_FILE, ARG_OFFSET, ARG_ACCESS_SIZE, ARG_TO },
	[VERB_PWRITE] = { ARG_PATTERN, ARG_FILE, ARG_OFFSET, ARG_ACCESS_SIZE, ARG_FROM },
	[VERB_MMAP] = { ARG_NEW_MAPPING, ARG_MAPPED_FILE, ARG_OFFSET, ARG_SIZE, ARG_SHARING,
			ARG_RO_RW },
	[VERB_MUNMAP] = { ARG_MAPPING, ARG_RANGE },
	[VERB_MPROTECT] = { ARG_MAPPING, ARG_OFFSET, ARG_SIZE, ARG_PROTECTION },
	[VERB_MREMAP] = { ARG_MAPPING, ARG_SIZE },
	[VERB_MREAD] = { ARG_MAPPING, ARG_OFFSET, ARG_ACCESS_SIZE },
	[VERB_MWRITE] = { ARG_PATTERN, ARG_MAPPING, ARG_OFFSET, ARG_ACCESS_SIZE, ARG_BYTE },
	[VERB_MSYNC] = { ARG_MAPPING },
	[VERB_FSYNC] = { ARG_FILE },
	[VERB_FIEMAP] = { ARG_FILE },
	[VERB_STAT] = { ARG_FILE },
	[VERB_INJECT] = { ARG_INJECTION },
};

static struct symbol *parse_used_name(struct parser *p, enum name_kind kind, const char *what)
{
	struct pos pos = p->tok.pos;
	struct symbol *symbol = parse_name(p, what);

	name_use(p, symbol, pos, 1U << kind);
	return symbol;
}

static const char *parse_used_file(struct parser *p, struct cmd *c)
{
	struct symbol *symbol = parse_used_name(p, NAME_FILE, "a file");

	c->handle = &symbol->handle;
	return symbol->name;
}

static const char *parse_used_mapping(struct parser *p, struct cmd *c)
{
	struct symbol *symbol = parse_used_name(p, NAME_MAPPING, "a mapping");

	c->mapping = &symbol->mapping;
	return symbol->name;
}

static const char *parse_new_file(struct parser *p, const char *what, struct cmd *c)
{
	struct symbol *symbol = parse_name(p, what);

	symbol->is[NAME_FILE] = c;
	c->handle = &symbol->handle;
	return symbol->name;
}

static const char *parse_new_mapping(struct parser *p, struct cmd *c)
{
	struct symbol *symbol = parse_name(p, "a name for the mapping");

	symbol->is[NAME_MAPPING] = c;
	c->mapping = &symbol->mapping;
	return symbol->name;
}

/* Note what a command does to a name: a use may be of one that others change further down. */
static void note_variable(struct parser *p, struct variable *v, bool changes)
{
	if (!v)
		return;
	if (!v->id)
		v->id = ++p->nr_variables;
	if (!p->session)
		return;
	v->users |= 1U << p->session->index;
	v->changes |= changes;
}

static void note_variables(struct parser *p, struct cmd *c)
{
	enum verb verb = c->verb;

	note_variable(p, c->handle, verb == VERB_CREATE || verb == VERB_OPEN || verb == VERB_CLOSE);
	note_variable(p, c->mapping, verb == VERB_MMAP || c->flags & CMD_WHOLE);
	if (verb == VERB_MREMAP)
		c->mapping->moves = true;
}

static void parse_user_buffer(struct parser *p, struct cmd *c, const char *keyword)
{
	struct pos pos = p->tok.pos;

	if (!accept(p, keyword))
		return;
	if (p->pattern)
		fail(p, pos, "'-S' and '%s' exclude each other", keyword);
	c->flags |= CMD_USER_BUFFER;
	c->name2 = parse_used_mapping(p, c);
	c->off2 = parse_size(p, "an offset such as 4k");
}

/* SITE -ERRNO|short N|fault [after N] [times N] */
static void parse_injection(struct parser *p, struct cmd *c)
{
	struct pos pos;
	int site;

	expect_word(p, "a place such as get_block");
	site = name_find(&inject_names, p->tok.word);
	if (site < 0)
		fail_unknown(p, p->tok.pos, "place for an error", p->tok.word, &inject_names);
	c->site = site;
	p->s->injected |= BIT(site);
	advance(p);
	pos = p->tok.pos;
	if (accept(p, "short")) {
		if (site != INJECT_DIRECT_ACCESS)
			fail(p, pos, "only direct_access can come back short");
		c->short_len = parse_size(p, "a size such as 4k");
	} else if (accept(p, "fault")) {
		if (site != INJECT_COPY)
			fail(p, pos, "only copy can fault; write an error such as -EIO");
		c->error = -EFAULT;
	} else {
		if (p->tok.type != TOKEN_WORD || *p->tok.word != '-')
			fail_expected(p, "-ERRNO, short or fault");
		c->error = parse_errno(p);
	}
	if (accept(p, "after"))
		c->after = parse_size(p, "a number");
	c->times = 1;
	pos = p->tok.pos;
	if (accept(p, "times")) {
		pos = p->tok.pos;
		c->times = parse_size(p, "a number");
	}
	if (!c->times)
		fail(p, pos, "times begins at 1");
}

static void parse_arg(struct parser *p, struct cmd *c, enum arg arg)
{
	struct pos pos = p->tok.pos;

	switch (arg) {
	case ARG_NONE:
		break;
	case ARG_FILE:
		c->name = parse_used_file(p, c);
		break;
	case ARG_ENTRY:
		c->name = parse_used_name(p, NAME_FILE, "a file")->name;
		break;
	case ARG_NEW_FILE:
		c->name = parse_new_file(p, "a name for the file", c);
		break;
	case ARG_MAPPED_FILE:
		c->name2 = parse_used_file(p, c);
		break;
	case ARG_MAPPING:
		c->name = parse_used_mapping(p, c);
		break;
	case ARG_NEW_MAPPING:
		c->name = parse_new_mapping(p, c);
		break;
	case ARG_RANGE:
		if (p->tok.type != TOKEN_WORD) {
			c->flags |= CMD_WHOLE;
			break;
		}
		c->off = parse_size(p, "an offset such as 4k");
		c->len = parse_size(p, "a length such as 4k");
		break;
	case ARG_OFFSET:
		c->off = parse_size(p, "an offset such as 4k");
		break;
	case ARG_SIZE:
		c->len = parse_size(p, "a size such as 4k");
		break;
	case ARG_ACCESS_SIZE:
		c->len = parse_size(p, "a length such as 4k");
		if (!c->len || c->len > MAX_ACCESS)
			fail(p, pos, "%s takes a length of 1 to 1g", verb_table[c->verb].name);
		break;
	case ARG_KEEP_SIZE:
		if (accept(p, "-k"))
			c->flags |= CMD_KEEP_SIZE;
		break;
	case ARG_PATTERN:
		p->pattern = accept(p, "-S");
		if (p->pattern)
			c->byte = parse_byte(p);
		break;
	case ARG_BYTE:
		if (p->tok.type != TOKEN_WORD)
			break;
		if (p->pattern)
			fail(p, pos, "the byte is given twice: -S has it already");
		c->byte = parse_byte(p);
		break;
	case ARG_RO_RW:
		if (accept(p, "ro"))
			c->flags |= CMD_RDONLY;
		else
			accept(p, "rw");
		break;
	case ARG_SHARING:
		if (accept(p, "private"))
			c->flags |= CMD_PRIVATE;
		else if (!accept(p, "shared"))
			fail_expected(p, "'shared' or 'private'");
		break;
	case ARG_PROTECTION:
		if (accept(p, "ro"))
			c->flags |= CMD_RDONLY;
		else if (accept(p, "none"))
			c->flags |= CMD_NO_ACCESS;
		else if (!accept(p, "rw"))
			fail_expected(p, "'ro', 'rw' or 'none'");
		break;
	case ARG_AS:
		if (accept(p, "as"))
			c->name2 = parse_new_file(p, "a name for the handle", c);
		else
			c->handle = &name_intern(p, c->name)->handle;
		break;
	case ARG_TO:
		parse_user_buffer(p, c, "to");
		break;
	case ARG_FROM:
		parse_user_buffer(p, c, "from");
		break;
	case ARG_INJECTION:
		parse_injection(p, c);
		break;
	}
}

/* The text from @start to the last token, each run of blanks made one. */
static const char *fold(struct parser *p, const char *start)
{
	char *text = parse_alloc(p, p->last - start + 1), *to = text;

	for (const char *s = start; s < p->last; s++) {
		bool blank = strchr(" \t\r", *s);

		if (!blank || to[-1] != ' ')
			*to++ = blank ? ' ' : *s;
	}
	return text;
}

struct cmd *parse_cmd(struct parser *p)
{
	struct cmd *c = parse_alloc(p, sizeof(*c));
	const char *start = p->tok.start, *word = p->tok.word;
	int verb;

	expect_in_block(p, "a command");
	verb = name_find(&verb_names, word);
	if (verb < 0 && next_is(p, "step"))
		fail(p, p->tok.pos, "a step can stand only in a session, and not in another step");
	if (verb < 0)
		fail_unknown(p, p->tok.pos, "verb", word, &verb_names);
	c->verb = verb;
	c->pos = p->tok.pos;
	c->byte = verb == VERB_PWRITE ? DEFAULT_PWRITE_BYTE :
		  verb == VERB_MWRITE ? DEFAULT_MWRITE_BYTE : 0;
	p->cmd = c;
	p->pattern = false;
	advance(p);
	for (int i = 0; i < MAX_ARGS; i++)
		parse_arg(p, c, signatures[verb][i]);
	c->text = fold(p, start);
	note_variables(p, c);
	parse_result(p, c);
	if (!at_end(p))
		fail_expected(p, c->result ? "'or' or the end of the command" :
			      "'=' or the end of the command");
	p->cmd = NULL;
	return c;
}

struct cmd *parse_cmds(struct parser *p)
{
	struct pos open = open_block(p);
	struct cmd *first = NULL, **tail = &first;

	while (!close_block(p, open)) {
		*tail = parse_cmd(p);
		tail = &(*tail)->next;
	}
	return first;
}

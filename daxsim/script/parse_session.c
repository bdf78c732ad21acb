// SPDX-License-Identifier: MIT
/* Sessions and their steps. */
#include <string.h>

#include "daxsim/script/parse.h"

static struct step *add_step(struct parser *p, struct session *session, struct step *last,
			     struct symbol *symbol, struct pos pos)
{
	struct step *step = symbol->is[NAME_STEP];

	if (step)
		fail(p, pos, "there is a step '%s' already, at line %u", step->name,
		     step->pos.line);
	if (!strcmp(symbol->name, "until") || is_item(symbol->name))
		fail(p, pos, "a step cannot be called '%s': that word means something in a "
		     "schedule, or ends it", symbol->name);
	step = parse_alloc(p, sizeof(*step));
	step->name = symbol->name;
	step->pos = pos;
	step->session = session;
	symbol->is[NAME_STEP] = step;
	if (last) {
		step->index = last->index + 1;
		last->next = step;
	} else {
		session->steps = step;
	}
	return step;
}

static void parse_session_body(struct parser *p, struct session *session, struct symbol *symbol)
{
	static const char *const step_word[] = { "step" };
	static const struct name_table step_words = NAME_TABLE(step_word);
	struct pos open = open_block(p), pos;
	struct cmd **tail = NULL;	/* of commands without a step */
	struct step *last = NULL;

	p->session = session;
	while (!close_block(p, open)) {
		expect_in_block(p, "a step or a command");
		pos = p->tok.pos;
		if (accept(p, "step")) {
			struct pos name_pos = p->tok.pos;
			struct symbol *name = parse_name(p, "the step's name");

			if (tail)
				fail(p, pos, "session '%s' has commands outside its steps",
				     session->name);
			last = add_step(p, session, last, name, name_pos);
			last->cmds = parse_cmds(p);
			if (!last->cmds)
				fail(p, name_pos, "step '%s' has no commands", last->name);
			continue;
		}
		if (name_find(&verb_names, p->tok.word) < 0 &&
		    name_nearest(&step_words, p->tok.word))
			fail_unknown(p, pos, "word", p->tok.word, &step_words);
		if (last && !tail)
			fail(p, pos, "session '%s' has steps: its commands belong into them",
			     session->name);
		if (!tail) {
			last = add_step(p, session, NULL, symbol, session->pos);
			tail = &last->cmds;
		}
		*tail = parse_cmd(p);
		tail = &(*tail)->next;
	}
	if (!last)
		fail(p, session->pos, "session '%s' does nothing", session->name);
	p->session = NULL;
}

void parse_session(struct parser *p)
{
	struct session *session = parse_alloc(p, sizeof(*session));
	struct symbol *symbol, *process;

	session->pos = p->tok.pos;
	symbol = parse_name(p, "the session's name");
	session->name = symbol->name;
	if (symbol->is[NAME_SESSION])
		fail(p, session->pos, "there is a session '%s' already, at line %u", session->name,
		     ((struct session *)symbol->is[NAME_SESSION])->pos.line);
	if (p->s->nr_sessions == MAX_SESSIONS)
		fail(p, session->pos, "a scenario has at most %d sessions", MAX_SESSIONS);
	symbol->is[NAME_SESSION] = session;
	process = accept(p, "in") ? parse_name(p, "the process's name") : name_intern(p, "main");
	process->is[NAME_PROCESS] = session;
	session->process = process->name;
	session->index = p->s->nr_sessions++;
	*p->sessions_tail = session;
	p->sessions_tail = &session->next;
	parse_session_body(p, session, symbol);
}

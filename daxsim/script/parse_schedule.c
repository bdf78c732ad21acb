// SPDX-License-Identifier: MIT
/*
 * Schedules: the entries of a block, and of the command line. Steps may be
 * defined further down in the file, so that an entry keeps the word it was
 * written with until the whole scenario is known.
 */
#include <string.h>

#include "daxsim/kernel/lock.h"
#include "daxsim/script/parse.h"
#include "daxsim/sim/point.h"

struct parsed_entry {
	struct sched_entry entry;
	struct symbol *who;	/* a step, or of ENTRY_COUNT a session */
};

static u64 scan_count(struct parser *p, struct pos pos, const char *word, u64 max)
{
	u64 n = 0;

	if (scan_size(word, &n) || !n || n > max)
		fail(p, pos, "expected a number from 1 to %llu, found '%s'",
		     (unsigned long long)max, word);
	return n;
}

/* A named place, or a lock's class name for the place before it is taken. */
static void find_point(struct parser *p, struct sched_entry *e, struct pos pos, const char *word)
{
	e->until = name_find(&point_names, word);
	if (e->until >= 0)
		return;
	e->until_lock = name_find(&lock_class_names, word);
	if (e->until_lock < 0)
		fail_unknown(p, pos, "point", word,
			     name_nearest(&lock_class_names, word) &&
			     !name_nearest(&point_names, word) ? &lock_class_names : &point_names);
	e->until = P_lock;
}

/* Splits the word at the first @separator; NULL without one. */
static char *split(char *word, char separator)
{
	char *s = strchr(word, separator);

	if (s)
		*s++ = '\0';
	return s;
}

static struct pos behind(const struct parser *p, const char *part)
{
	return (struct pos){ p->tok.pos.line, p->tok.pos.col + (part - p->tok.word) };
}

/* [blocks on LOCKCLASS(NAME)] */
static void parse_blocks_on(struct parser *p, struct sched_entry *e)
{
	struct symbol *symbol;
	struct pos pos;

	if (!accept_type(p, '['))
		return;
	if (!accept(p, "blocks") || !accept(p, "on"))
		fail_expected(p, "'blocks on LOCK'");
	expect_word(p, "a lock such as i_mmap_mutex");
	e->blocks_on = name_find(&lock_class_names, p->tok.word);
	if (e->blocks_on < 0)
		fail_unknown(p, p->tok.pos, "lock", p->tok.word, &lock_class_names);
	advance(p);
	if (accept_type(p, '(')) {
		pos = p->tok.pos;
		symbol = parse_name(p, "a file or a process");
		name_use(p, symbol, pos, 1U << NAME_FILE | 1U << NAME_PROCESS);
		e->blocks_of = symbol->name;
		if (!accept_type(p, ')'))
			fail_expected(p, "')'");
	}
	if (!accept_type(p, ']'))
		fail_expected(p, "']'");
}

/* STEP [until POINT [N] [or end]] [blocks], STEP@POINT[#N] [blocks], SESSION:COUNT, or SESSION:end */
static struct sched_entry *parse_entry(struct parser *p)
{
	struct parsed_entry *pe = parse_alloc(p, sizeof(*pe));
	struct sched_entry *e = &pe->entry;
	char *word = p->tok.word, *count, *point, *nth;

	expect_in_block(p, "a step, or SESSION:COUNT");
	*e = (struct sched_entry){
		.pos = p->tok.pos, .until = -1, .until_lock = -1, .nth = 1, .blocks_on = -1,
	};
	point = split(word, '@');
	count = point ? NULL : split(word, ':');
	name_check(p, e->pos, word);
	pe->who = name_intern(p, word);
	if (count) {
		e->type = ENTRY_COUNT;
		e->count = COUNT_TO_END;
		if (strcmp(count, "end"))
			e->count = scan_count(p, behind(p, count), count, COUNT_TO_END - 1);
		advance(p);
		return e;
	}
	if (point) {
		nth = split(point, '#');
		find_point(p, e, behind(p, point), point);
		if (nth)
			e->nth = scan_count(p, behind(p, nth), nth, UINT32_MAX);
		advance(p);
	} else {
		advance(p);
		if (accept(p, "until")) {
			expect_word(p, "a point such as dax_insert_mapping");
			find_point(p, e, p->tok.pos, p->tok.word);
			advance(p);
			if (p->tok.type == TOKEN_WORD && strchr("0123456789", *p->tok.word)) {
				e->nth = scan_count(p, p->tok.pos, p->tok.word, UINT32_MAX);
				advance(p);
			}
			if (accept(p, "or")) {
				e->or_end = true;
				if (!accept(p, "end"))
					fail_expected(p, "'end': until POINT or end");
			}
		}
	}
	parse_blocks_on(p, e);
	return e;
}

void parse_entries(struct parser *p, struct schedule *schedule, const struct pos *open)
{
	struct sched_entry **tail = &schedule->entries;

	for (;;) {
		skip_lines(p);
		if (open ? close_block(p, *open) : p->tok.type == TOKEN_END)
			break;
		*tail = parse_entry(p);
		tail = &(*tail)->next;
	}
}

static struct step *find_step(struct parser *p, const struct parsed_entry *pe)
{
	struct session *session = pe->who->is[NAME_SESSION];

	if (pe->who->is[NAME_STEP])
		return pe->who->is[NAME_STEP];
	if (session)
		fail(p, pe->entry.pos, "'%s' is a session; a schedule names its steps, such as "
		     "'%s'", session->name, session->steps->name);
	fail_no_such_name(p, pe->who, pe->entry.pos, 1U << NAME_STEP);
}

static struct session *find_session(struct parser *p, const struct parsed_entry *pe)
{
	struct step *step = pe->who->is[NAME_STEP];

	if (pe->who->is[NAME_SESSION])
		return pe->who->is[NAME_SESSION];
	if (step)
		fail(p, pe->entry.pos, "'%s' is a step; points are counted by session, here '%s'",
		     step->name, step->session->name);
	fail_no_such_name(p, pe->who, pe->entry.pos, 1U << NAME_SESSION);
}

static const struct step *step_at(const struct session *session, u32 index)
{
	const struct step *step = session->steps;

	while (step->index < index)
		step = step->next;
	return step;
}

/*
 * A session runs its steps in order. What breaks that is said here, except
 * behind SESSION:COUNT: how far that goes only the run can tell.
 */
void resolve_schedule(struct parser *p, struct schedule *schedule)
{
	u32 begun[MAX_SESSIONS] = { 0 };	/* steps that were mentioned, by session */
	bool counted[MAX_SESSIONS] = { false };

	for (struct sched_entry *e = schedule->entries; e; e = e->next) {
		struct parsed_entry *pe = container_of(e, struct parsed_entry, entry);
		u32 i;

		if (e->type == ENTRY_COUNT) {
			e->session = find_session(p, pe);
			counted[e->session->index] = true;
			continue;
		}
		e->step = find_step(p, pe);
		i = e->step->session->index;
		if (counted[i])
			continue;
		if (e->step->index > begun[i])
			fail(p, e->pos, "step '%s' must come first: it stands before '%s' in "
			     "session '%s'", step_at(e->step->session, begun[i])->name,
			     e->step->name, e->step->session->name);
		if (e->step->index + 1 < begun[i])
			fail(p, e->pos, "step '%s' is over here: '%s' comes after it in session "
			     "'%s'", e->step->name, step_at(e->step->session, begun[i] - 1)->name,
			     e->step->session->name);
		begun[i] = max_t(u32, begun[i], e->step->index + 1);
	}
}

struct schedule *scenario_parse_schedule(struct scenario *s, const char *text, FILE *errors)
{
	struct schedule *schedule;
	struct parser p;

	parser_init(&p, s, SCHEDULE_OPTION, text, strlen(text), errors);
	if (setjmp(p.lex.bail))
		return NULL;
	lex_check(&p.lex);
	advance(&p);
	schedule = parse_alloc(&p, sizeof(*schedule));
	schedule->name = "command line";
	schedule->text = parse_strdup(&p, text);
	schedule->pos = p.tok.pos;
	parse_entries(&p, schedule, NULL);
	if (!schedule->entries)
		fail_expected(&p, "a step, or SESSION:COUNT");
	check_uses(&p);
	resolve_schedule(&p, schedule);
	return schedule;
}

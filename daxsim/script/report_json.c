// SPDX-License-Identifier: MIT
/* A verdict as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/script/replay.h"
#include "daxsim/script/report_private.h"

/*
 * JSON is UTF-8, but a path may be any bytes, and messages begin with it: where
 * it is no UTF-8, what is no ASCII becomes '?'.
 */
static json_t *text_to_json(const char *text)
{
	json_t *json = text ? json_string(text) : json_null();
	char *copy;

	if (json)
		return json;
	copy = strdup(text);
	for (char *p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	json = copy ? json_string(copy) : json_null();
	free(copy);
	return json;
}

static json_t *findings_to_json(const struct execution *x)
{
	json_t *list = json_array();

	for (int i = 0; i < NR_INVARIANTS; i++) {
		const struct finding *f = &x->findings[i];

		if (f->seen)
			json_array_append_new(list,
					      json_pack("{s:s, s:s?, s:s?, s:s?, s:i}", "invariant",
							invariant_table[i].name, "text", f->text,
							"session", f->session, "step", f->step,
							"event", (int)f->event));
	}
	return list;
}

/* The words for --schedule; NULL for the sessions one after the other. */
static json_t *words_to_json(const struct schedule_verdict *sv)
{
	char *text = NULL;
	size_t size;
	FILE *to = sv->schedule ? open_memstream(&text, &size) : NULL;
	json_t *json;

	if (to) {
		if (sv->found)
			print_words(sv, to);
		else
			schedule_print(sv->schedule, to);
		fclose(to);
	}
	json = text_to_json(text);
	free(text);
	return json;
}

static json_t *explored_to_json(const struct exploration *x)
{
	if (!x)
		return json_null();
	return json_pack("{s:I, s:I, s:b, s:s}", "classes", (json_int_t)x->result.classes,
			 "executions", (json_int_t)x->result.executions, "complete",
			 x->result.complete, "guarantee", x->result.guarantee);
}

static json_t *schedules_to_json(const struct verdict *v)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < v->nr_schedules; i++) {
		const struct schedule_verdict *sv = &v->schedules[i];
		const struct execution *x = &sv->x[0];

		json_array_append_new(
			list, json_pack("{s:s?, s:o, s:o, s:i, s:o, s:o, s:s?}", "schedule",
					sv->schedule ? sv->schedule->name : NULL, "replay",
					words_to_json(sv), "violations",
					findings_to_json(x), "events", (int)x->trace.nr, "failure",
					text_to_json(x->failure), "damage",
					text_to_json(x->damage), "disagreement",
					sv->disagreement));
	}
	return list;
}

static json_t *bugs_to_json(const struct variant *v)
{
	json_t *list = json_array();

	for (int i = 0; i < NR_INVARIANTS; i++)
		if (v->bugs >> i & 1)
			json_array_append_new(list, json_string(invariant_table[i].name));
	return list;
}

json_t *verdict_to_json(const struct verdict *v)
{
	json_t *mmus = json_array();

	for (unsigned int i = 0; i < v->nr_mmus; i++)
		json_array_append_new(mmus, json_string(v->mmus[i]->name));
	return json_pack("{s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:{s:s?, s:I, s:I}}",
			 "file", text_to_json(v->scenario->path), "scenario", v->scenario->name,
			 "variant", v->variant->text, "ok", v->ok, "expected_bugs",
			 bugs_to_json(v->variant), "why", text_to_json(v->why), "mmus", mmus,
			 "schedules", schedules_to_json(v), "explored",
			 explored_to_json(v->explored), "observation", "invariant",
			 v->shown < 0 ? NULL : invariant_table[v->shown].name, "seen",
			 (json_int_t)v->shown_in, "of", (json_int_t)v->shown_of);
}

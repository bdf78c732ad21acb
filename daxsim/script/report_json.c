// SPDX-License-Identifier: MIT
/* A verdict as JSON. */
#include <jansson.h>

#include "daxsim/script/report.h"

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

static json_t *schedules_to_json(const struct verdict *v)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < v->nr_schedules; i++) {
		const struct schedule_verdict *sv = &v->schedules[i];
		const struct execution *x = &sv->x[0];

		json_array_append_new(
			list, json_pack("{s:s?, s:o, s:i, s:s?, s:s?, s:s?}", "schedule",
					sv->schedule ? sv->schedule->name : NULL, "violations",
					findings_to_json(x), "events", (int)x->trace.nr, "failure",
					x->failure, "damage", x->damage, "disagreement",
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
	return json_pack("{s:s, s:s, s:s, s:b, s:o, s:s?, s:o, s:o, s:{s:s?, s:i, s:i}}",
			 "file", v->scenario->path, "scenario", v->scenario->name, "variant",
			 v->variant->text, "ok", v->ok, "expected_bugs", bugs_to_json(v->variant),
			 "why", v->why, "mmus", mmus, "schedules", schedules_to_json(v),
			 "observation", "invariant",
			 v->shown < 0 ? NULL : invariant_table[v->shown].name, "seen",
			 (int)v->shown_in, "of", (int)v->nr_schedules);
}

// SPDX-License-Identifier: MIT
/* Tests of the JSON document: it parses, and has its keys with what belongs there. */
#include "tests/scenario_run.h"

#include <jansson.h>

#include "daxsim/script/explore_scenario.h"
#include "daxsim/script/report.h"

/* The document about one trial, or about none. */
static json_t *document(const struct trial *t, const char *why)
{
	struct report rep;
	json_error_t error;
	json_t *doc;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	report_begin(&rep, to, true, false);
	if (t) {
		report_scenario(&rep, t->s);
		report_verdict(&rep, &t->v);
	}
	report_end(&rep, why);
	fclose(to);
	doc = json_loads(text, 0, &error);
	cr_assert_not_null(doc, "%s in %s", error.text, text);
	free(text);
	return doc;
}

static const char *string_at(json_t *object, const char *key)
{
	cr_assert_not_null(json_object_get(object, key), "there is no %s", key);
	return json_string_value(json_object_get(object, key));
}

static s64 int_at(json_t *object, const char *key)
{
	cr_assert(json_is_integer(json_object_get(object, key)), "there is no number %s", key);
	return json_integer_value(json_object_get(object, key));
}

static bool is_null(json_t *object, const char *key)
{
	cr_assert_not_null(json_object_get(object, key), "there is no %s", key);
	return json_is_null(json_object_get(object, key));
}

static void expect_keys(json_t *object, const char *const *keys, size_t nr)
{
	cr_expect_eq(json_object_size(object), nr);
	for (size_t i = 0; i < nr; i++)
		cr_expect_not_null(json_object_get(object, keys[i]), "there is no %s", keys[i]);
}

Test(report_json, nothing)
{
	static const char *const keys[] = { "results", "passed", "failed", "cut_short" };
	json_t *doc = document(NULL, "interrupted");

	expect_keys(doc, keys, ARRAY_SIZE(keys));
	cr_expect_eq(json_array_size(json_object_get(doc, "results")), 0);
	cr_expect_eq(int_at(doc, "passed"), 0);
	cr_expect_eq(int_at(doc, "failed"), 0);
	cr_expect_str_eq(string_at(doc, "cut_short"), "interrupted");
	json_decref(doc);
}

Test(report_json, clean)
{
	static const char *const keys[] = { "file", "scenario", "variant", "ok", "expected_bugs",
					    "why", "mmus", "schedules", "explored", "observation" };
	static const char *const schedule_keys[] = { "schedule", "replay", "violations", "events",
						     "failure", "damage", "disagreement" };
	struct mmu_ops twin = soft_mmu;
	const struct mmu_ops *const mmus[] = { &soft_mmu, &twin };
	struct trial t = { .s = parse_text("scenario quiet\nfs ext2 -p3\nsetup { create f }\n"
					   "session a { fsync f }\n") };
	json_t *doc, *result, *part;

	twin.name = "twin";
	run_in(&t, mmus, 2);
	doc = document(&t, NULL);
	cr_expect(is_null(doc, "cut_short"));
	cr_expect_eq(int_at(doc, "passed"), 1);
	cr_expect_eq(int_at(doc, "failed"), 0);
	cr_assert_eq(json_array_size(json_object_get(doc, "results")), 1);
	result = json_array_get(json_object_get(doc, "results"), 0);
	expect_keys(result, keys, ARRAY_SIZE(keys));
	cr_expect_str_eq(string_at(result, "file"), "t.scn");
	cr_expect_str_eq(string_at(result, "scenario"), "quiet");
	cr_expect_str_eq(string_at(result, "variant"), "ext2@v11 -p3");
	cr_expect(json_is_true(json_object_get(result, "ok")));
	cr_expect_eq(json_array_size(json_object_get(result, "expected_bugs")), 0);
	cr_expect(is_null(result, "why"));
	part = json_object_get(result, "mmus");
	cr_assert_eq(json_array_size(part), 2);
	cr_expect_str_eq(json_string_value(json_array_get(part, 0)), "soft");
	cr_expect_str_eq(json_string_value(json_array_get(part, 1)), "twin");
	part = json_object_get(result, "observation");
	cr_expect(is_null(part, "invariant"));
	cr_expect_eq(int_at(part, "seen"), 0);
	cr_expect_eq(int_at(part, "of"), 1);
	part = json_object_get(result, "schedules");
	cr_assert_eq(json_array_size(part), 1);
	part = json_array_get(part, 0);
	expect_keys(part, schedule_keys, ARRAY_SIZE(schedule_keys));
	cr_expect(is_null(part, "schedule"));
	cr_expect(is_null(part, "replay"));
	cr_expect(is_null(result, "explored"));
	cr_expect(is_null(part, "failure"));
	cr_expect(is_null(part, "damage"));
	cr_expect(is_null(part, "disagreement"));
	cr_expect_eq(json_array_size(json_object_get(part, "violations")), 0);
	cr_expect_eq(int_at(part, "events"), (s64)execution_of(&t, 0)->trace.nr);
	json_decref(doc);
	end_trial(&t);
}

/* What exploration found comes with the words that bring it back. */
Test(report_json, explored)
{
	struct trial t;
	json_t *doc, *result, *part;

	run_text(&t, "scenario leak\nfs ext2 expect bug leak-past-eof\nexplore all\n"
		 "setup { create f; truncate f 8k; mmap m f 0 8k shared }\n"
		 "session fault { step store { mwrite m 4k 8 = 8 or SIGBUS } }\n"
		 "session trunc { step shrink { truncate f 0 } }\n");
	cr_assert(t.v.ok, "%s", t.v.why);
	doc = document(&t, NULL);
	result = json_array_get(json_object_get(doc, "results"), 0);
	part = json_object_get(result, "explored");
	cr_expect_eq(int_at(part, "classes"), (s64)t.v.explored->result.classes);
	cr_expect_eq(int_at(part, "executions"), (s64)t.v.explored->result.executions);
	cr_expect(json_is_true(json_object_get(part, "complete")));
	cr_expect_str_eq(string_at(part, "guarantee"), t.v.explored->result.guarantee);
	part = json_array_get(json_object_get(result, "schedules"), 0);
	cr_expect_str_eq(string_at(part, "replay"), "store@truncate_mutex shrink store");
	json_decref(doc);
	end_trial(&t);
}

/* A bug in the second of two schedules, found in a session, with damage; another is missing. */
Test(report_json, bugs)
{
	static const char *const keys[] = { "invariant", "text", "session", "step", "event" };
	struct trial t;
	json_t *doc, *result, *list, *part;

	run_text(&t, "scenario over\nfs ext2@v11 -p3 expect bug stale-pte, foreign-write\n"
		 "setup { create f; truncate f 8k; mmap m f 0 8k shared; create g }\n"
		 "session fault { step store { mwrite m 4k 8 = 8 } }\n"
		 "session trunc { step shrink { truncate f 0 } step grab { pwrite g 0 4k } }\n"
		 "schedule early { store; shrink; grab }\n"
		 "schedule late { store until dax_clear_blocks 2; shrink; grab; store }\n");
	doc = document(&t, NULL);
	cr_expect_eq(int_at(doc, "passed"), 0);
	cr_expect_eq(int_at(doc, "failed"), 1);
	result = json_array_get(json_object_get(doc, "results"), 0);
	cr_expect(json_is_false(json_object_get(result, "ok")));
	cr_expect_str_eq(string_at(result, "why"),
			 "expected bug stale-pte, but no schedule showed it");
	list = json_object_get(result, "expected_bugs");
	cr_assert_eq(json_array_size(list), 2);
	cr_expect_str_eq(json_string_value(json_array_get(list, 0)), "foreign-write");
	cr_expect_str_eq(json_string_value(json_array_get(list, 1)), "stale-pte");
	part = json_object_get(result, "observation");
	cr_expect_str_eq(string_at(part, "invariant"), "foreign-write");
	cr_expect_eq(int_at(part, "seen"), 1);
	cr_expect_eq(int_at(part, "of"), 2);

	list = json_object_get(result, "schedules");
	cr_assert_eq(json_array_size(list), 2);
	part = json_array_get(list, 0);
	cr_expect_str_eq(string_at(part, "schedule"), "early");
	cr_expect_eq(json_array_size(json_object_get(part, "violations")), 0);
	part = json_array_get(list, 1);
	cr_expect_str_eq(string_at(part, "schedule"), "late");
	cr_expect_str_eq(string_at(part, "damage"),
			 "t.scn:4:30: mwrite m 4k 8 gave SIGBUS, expected 8");

	list = json_object_get(part, "violations");
	cr_assert_geq(json_array_size(list), 1);
	part = json_array_get(list, 0);
	expect_keys(part, keys, ARRAY_SIZE(keys));
	cr_expect_str_eq(string_at(part, "invariant"), "foreign-write");
	cr_expect_str_eq(string_at(part, "text"),
			 "the kernel zeroes block 1 for page 1 of f, but that block is page 0 of "
			 "g");
	cr_expect_str_eq(string_at(part, "session"), "fault");
	cr_expect_str_eq(string_at(part, "step"), "store");
	cr_expect_eq(int_at(part, "event"),
		     (s64)execution_of(&t, 1)->findings[INV_FOREIGN_WRITE].event);
	json_decref(doc);
	end_trial(&t);
}

Test(report_json, failure_at_rest)
{
	struct trial t;
	json_t *doc, *part;

	run_text(&t, "scenario t\nfs ext2\n"
		 "setup { create f; truncate f 4k; mmap m f 0 4k shared }\n"
		 "session a { pread f 0 1 = 0x11; freeze }\nsession b { mwrite m 0 1 }\n");
	doc = document(&t, NULL);
	part = json_array_get(json_object_get(doc, "results"), 0);
	cr_expect_str_eq(string_at(part, "why"), "t.scn:4:13: pread f 0 1 gave 0x00, expected "
		 "0x11");
	part = json_array_get(json_object_get(part, "schedules"), 0);
	cr_expect_str_eq(string_at(part, "failure"),
			 "t.scn:4:13: pread f 0 1 gave 0x00, expected 0x11");
	part = json_array_get(json_object_get(part, "violations"), 0);
	cr_expect_str_eq(string_at(part, "invariant"), "deadlock");
	cr_expect(is_null(part, "session"));
	cr_expect(is_null(part, "step"));
	json_decref(doc);
	end_trial(&t);
}

/* A path can be any bytes; the result must not vanish because of it. */
Test(report_json, path_that_is_no_text)
{
	static const char text[] = "scenario t\nfs ext2\nsession a { fsync f }\n"
				   "setup { create f }\nfinal { pread f 0 1 = 1 }\n";
	static const struct mmu_ops *const soft[] = { &soft_mmu };
	struct trial t;
	json_t *doc, *part;

	t.s = scenario_parse("\xff.scn", text, sizeof(text) - 1, stderr);
	cr_assert_not_null(t.s);
	judge(t.s, t.s->variants, NULL, soft, 1, NULL, &t.v);
	doc = document(&t, NULL);
	cr_expect_eq(int_at(doc, "failed"), 1);
	cr_assert_eq(json_array_size(json_object_get(doc, "results")), 1);
	part = json_array_get(json_object_get(doc, "results"), 0);
	cr_expect_str_eq(string_at(part, "file"), "?.scn");
	cr_expect_str_eq(string_at(part, "why"), "?.scn:5:9: pread f 0 1 gave 0, expected 1");
	part = json_array_get(json_object_get(part, "schedules"), 0);
	cr_expect_str_eq(string_at(part, "failure"), "?.scn:5:9: pread f 0 1 gave 0, expected 1");
	json_decref(doc);
	end_trial(&t);
}

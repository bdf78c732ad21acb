// SPDX-License-Identifier: MIT
/* Rows of figures, and the ways to write them. */
#include "bench/lib/report.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/samples.h"

void report_open(struct report *r, const char *name)
{
	*r = (struct report){ .name = name, .details = json_object() };
	if (!r->details)
		errx(EXIT_FAILURE, "out of memory");
	machine_line_get(&r->machine);
}

void report_close(struct report *r)
{
	json_decref(r->details);
	free(r->rows);
}

static struct report_row *add_row(struct report *r)
{
	r->rows = reallocarray(r->rows, r->nr_rows + 1, sizeof(*r->rows));
	if (!r->rows)
		errx(EXIT_FAILURE, "out of memory");
	return memset(&r->rows[r->nr_rows++], 0, sizeof(*r->rows));
}

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

/* Runs are compared one by one: what slows a run down slows both of its sides down. */
static void set_ratio(struct report_row *row, const struct comparison *c)
{
	double ratios[MAX_RUNS];

	for (unsigned int i = 0; i < c->nr; i++) {
		ratios[i] = c->values[i] / c->versus_values[i];
		if (c->inverse)
			ratios[i] = 1 / ratios[i];
		if (!i || ratios[i] < row->low)
			row->low = ratios[i];
		if (!i || ratios[i] > row->high)
			row->high = ratios[i];
	}
	row->ratio = samples_median(ratios, c->nr);
}

static bool has_target(const struct report_row *row)
{
	return row->target.at_most || row->target.at_least;
}

void report_compare(struct report *r, const struct comparison *c)
{
	struct report_row *row = add_row(r);

	SET(row->section, c->section);
	SET(row->name, c->name);
	SET(row->unit, c->unit);
	row->value = samples_median(c->values, c->nr);
	if (!c->versus)
		return;
	SET(row->versus, c->versus);
	row->versus_value = samples_median(c->versus_values, c->nr);
	set_ratio(row, c);
	row->target = c->target;
	row->met = (!c->target.at_most || row->ratio <= c->target.at_most) &&
		   (!c->target.at_least || row->ratio >= c->target.at_least);
}

void report_value(struct report *r, const char *section, const char *name, double value,
		  const char *unit)
{
	const struct comparison c = { .section = section, .name = name, .unit = unit,
				      .values = &value, .nr = 1 };

	report_compare(r, &c);
}

static const char *sign(const struct report_row *row)
{
	return !has_target(row) ? "" : row->target.at_most ? "<=" : ">=";
}

static double bound(const struct report_row *row)
{
	return row->target.at_most ? row->target.at_most : row->target.at_least;
}

static const char *verdict(const struct report_row *row)
{
	return !has_target(row) ? "" : row->met ? "met" : "missed";
}

/* A number without a unit is a count. */
static int decimals(const struct report_row *row, double value)
{
	return row->unit[0] && value < 1000 ? 2 : 0;
}

void report_print(const struct report *r, size_t first)
{
	const char *section = "";

	for (size_t i = first; i < r->nr_rows; i++) {
		const struct report_row *row = &r->rows[i];

		if (strcmp(section, row->section)) {
			section = row->section;
			printf("\n%-41s %16s  %-33s%8s %6s  %-13s %s\n", section, "value",
			       "compared with", "", "ratio", "of runs", "target");
		}
		printf("%-41s %10.*f %-6s", row->name, decimals(row, row->value), row->value,
		       row->unit);
		if (row->versus[0])
			printf(" %-33s%8.*f %6.2f  %5.2f..%-5.2f", row->versus,
			       decimals(row, row->versus_value), row->versus_value, row->ratio,
			       row->low, row->high);
		if (has_target(row))
			printf("  %s %.2f %s", sign(row), bound(row), verdict(row));
		putchar('\n');
	}
	fflush(stdout);
}

void report_verdict(const struct report *r)
{
	size_t nr = 0, met = 0;

	for (size_t i = 0; i < r->nr_rows; i++) {
		nr += has_target(&r->rows[i]);
		met += has_target(&r->rows[i]) && r->rows[i].met;
	}
	printf("\n%s: %zu of %zu targets met\n", r->name, met, nr);
	for (size_t i = 0; i < r->nr_rows; i++) {
		const struct report_row *row = &r->rows[i];

		if (has_target(row) && !row->met)
			printf("  missed: %s, %s: %.2f, not %s %.2f\n", row->section, row->name,
			       row->ratio, sign(row), bound(row));
	}
}

static json_t *row_json(const struct report_row *row)
{
	json_t *o = json_pack("{s:s, s:s, s:f, s:s}", "section", row->section, "name", row->name,
			      "value", row->value, "unit", row->unit);

	if (row->versus[0])
		json_object_update_new(o, json_pack("{s:s, s:f, s:f, s:f, s:f}", "versus",
						    row->versus, "versus_value", row->versus_value,
						    "ratio", row->ratio, "ratio_low", row->low,
						    "ratio_high", row->high));
	if (has_target(row))
		json_object_update_new(o, json_pack("{s:f, s:b}", row->target.at_most ? "at_most" :
						    "at_least", bound(row), "met", row->met));
	return o;
}

static FILE *open_file(const char *path)
{
	return strcmp(path, "-") ? fopen(path, "we") : stdout;
}

static int close_file(FILE *f)
{
	int bad = ferror(f);

	return (f == stdout ? fflush(f) : fclose(f)) || bad ? -EIO : 0;
}

int report_write_json(const struct report *r, const char *path)
{
	json_t *root, *rows = json_array();
	FILE *f = open_file(path);

	if (!f)
		return -errno;
	for (size_t i = 0; i < r->nr_rows; i++)
		json_array_append_new(rows, row_json(&r->rows[i]));
	root = json_pack("{s:s, s:o, s:o, s:O}", "benchmark", r->name, "machine",
			 machine_line_json(&r->machine), "rows", rows, "details", r->details);
	if (root)
		json_dumpf(root, f, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', f);
	json_decref(root);
	return root ? close_file(f) : (close_file(f), -ENOMEM);
}

int report_write_csv(const struct report *r, const char *path)
{
	FILE *f = open_file(path);

	if (!f)
		return -errno;
	fprintf(f, "# ");
	machine_line_print(&r->machine, f);
	fprintf(f, "benchmark,section,name,value,unit,versus,versus_value,ratio,ratio_low,"
		   "ratio_high,relation,target,verdict\n");
	for (size_t i = 0; i < r->nr_rows; i++) {
		const struct report_row *row = &r->rows[i];

		fprintf(f, "%s,\"%s\",\"%s\",%.6g,%s,", r->name, row->section, row->name,
			row->value, row->unit);
		if (row->versus[0])
			fprintf(f, "\"%s\",%.6g,%.4f,%.4f,%.4f,", row->versus, row->versus_value,
				row->ratio, row->low, row->high);
		else
			fprintf(f, ",,,,,");
		if (has_target(row))
			fprintf(f, "%s,%.2f,%s\n", sign(row), bound(row), verdict(row));
		else
			fprintf(f, ",,\n");
	}
	return close_file(f);
}

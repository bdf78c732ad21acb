// SPDX-License-Identifier: MIT
/*
 * What a command came to: comparing that with what its scenario asks for, saying both, and why a
 * command makes no sense.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <xxhash.h>

#include "daxsim/script/machine.h"

void outcome_fail(struct outcome *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out->error, sizeof(out->error), fmt, args);
	va_end(args);
}

void outcome_free(struct machine *m, struct outcome *out)
{
	arena_free(&m->sim.arena, out->data, out->room);
	arena_free(&m->sim.arena, out->extents, out->room);
	out->data = NULL;
	out->extents = NULL;
}

static bool bytes_match(const struct value *v, const struct cmd *cmd, const struct outcome *out)
{
	/* One byte stands for all that were asked for: the first is that, and each is as the one before. */
	if (v->nr_bytes == 1)
		return out->nr_data == cmd->len &&
		       (!cmd->len || (out->data[0] == v->bytes[0] &&
				      !memcmp(out->data, out->data + 1, cmd->len - 1)));
	return out->nr_data == v->nr_bytes && !memcmp(out->data, v->bytes, v->nr_bytes);
}

static bool extents_match(const struct value *v, const struct outcome *out)
{
	if (v->nr_extents != out->nr_extents)
		return false;
	for (u32 i = 0; i < v->nr_extents; i++)
		if (v->extents[i].lblk != out->extents[i].lblk ||
		    v->extents[i].len != out->extents[i].len ||
		    v->extents[i].unwritten != out->extents[i].unwritten)
			return false;
	return true;
}

static const char *const *field_names(const struct cmd *cmd)
{
	return cmd->verb == VERB_STAT ? stat_fields : fault_fields;
}

static bool fields_match(const struct value *v, const struct cmd *cmd, const struct outcome *out)
{
	const char *const *names = field_names(cmd);

	for (u32 i = 0; i < v->nr_fields; i++)
		for (int j = 0; names[j]; j++)
			if (!strcmp(names[j], v->fields[i].name) &&
			    out->fields[j] != v->fields[i].number)
				return false;
	return true;
}

static bool value_matches(const struct value *v, const struct cmd *cmd, const struct outcome *out)
{
	if (v->type == VALUE_ANY)
		return true;
	if (v->type == VALUE_SIGNAL)
		return out->signal == v->number;
	if (out->signal)
		return false;
	switch (v->type) {
	case VALUE_BYTES:
		return out->ret >= 0 && bytes_match(v, cmd, out);
	case VALUE_EXTENTS:
		return out->ret >= 0 && extents_match(v, out);
	case VALUE_FIELDS:
		return out->ret >= 0 && fields_match(v, cmd, out);
	default:
		return out->ret == v->number;
	}
}

bool outcome_matches(const struct cmd *cmd, const struct outcome *out)
{
	bool any = false;

	if (out->error[0])
		return false;
	if (!cmd->result)
		return out->ret >= 0 && !out->signal;
	for (const struct value *v = cmd->result; v; v = v->next)
		any |= value_matches(v, cmd, out);
	return any != cmd->negated;
}

/* A string that grows inside a fixed buffer. */
struct text {
	char *buf;
	size_t size, used;
};

__printf(2, 3) static void add(struct text *t, const char *fmt, ...)
{
	va_list args;

	if (t->used >= t->size)
		return;
	va_start(args, fmt);
	t->used += vsnprintf(t->buf + t->used, t->size - t->used, fmt, args);
	va_end(args);
}

static void add_extents(struct text *t, const struct extent_value *e, u32 nr)
{
	if (!nr)
		add(t, "none");
	for (u32 i = 0; i < nr; i++)
		add(t, "[%llu+%llu %c]", (unsigned long long)e[i].lblk,
		    (unsigned long long)e[i].len, e[i].unwritten ? 'U' : 'W');
}

/* Bytes in runs: 0x77, or 0x5a x 8 then 0x00 x 4088. */
static void add_bytes(struct text *t, const u8 *data, size_t nr)
{
	size_t run;

	if (!nr)
		add(t, "nothing");
	for (size_t i = 0; i < nr; i += run) {
		for (run = 1; i + run < nr && data[i + run] == data[i];)
			run++;
		add(t, "%s0x%02x", i ? ", " : "", data[i]);
		if (run > 1)
			add(t, " x %zu", run);
	}
}

static void add_signal(struct text *t, int signal)
{
	add(t, "SIG%s", sigabbrev_np(signal));
}

static void add_number(struct text *t, s64 number)
{
	if (number < 0 && strerrorname_np(-number))
		add(t, "-%s", strerrorname_np(-number));
	else
		add(t, "%lld", (long long)number);
}

const char *outcome_print(const struct cmd *cmd, const struct outcome *out, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };

	*buf = '\0';
	if (out->error[0])
		add(&t, "%s", out->error);
	else if (out->signal)
		add_signal(&t, out->signal);
	else if (out->ret < 0)
		add_number(&t, out->ret);
	else if (cmd->verb == VERB_FIEMAP)
		add_extents(&t, out->extents, out->nr_extents);
	else if (cmd->verb == VERB_STAT || cmd->verb == VERB_FAULTS)
		for (int i = 0; field_names(cmd)[i]; i++)
			add(&t, "%s%s %llu", i ? " " : "", field_names(cmd)[i],
			    (unsigned long long)out->fields[i]);
	else if (out->nr_data && cmd->result && cmd->result->type == VALUE_NUMBER)
		add_number(&t, out->ret);
	else if (out->nr_data)
		add_bytes(&t, out->data, out->nr_data);
	else
		add_number(&t, out->ret);
	return buf;
}

static void add_value(struct text *t, const struct value *v)
{
	switch (v->type) {
	case VALUE_ANY:
		add(t, "...");
		break;
	case VALUE_BYTES:
		add_bytes(t, v->bytes, v->nr_bytes);
		break;
	case VALUE_SIGNAL:
		add_signal(t, v->number);
		break;
	case VALUE_EXTENTS:
		add_extents(t, v->extents, v->nr_extents);
		break;
	case VALUE_FIELDS:
		for (u32 i = 0; i < v->nr_fields; i++)
			add(t, "%s%s %llu", i ? " " : "", v->fields[i].name,
			    (unsigned long long)v->fields[i].number);
		break;
	default:
		add_number(t, v->number);
	}
}

const char *result_print(const struct cmd *cmd, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };

	*buf = '\0';
	if (!cmd->result)
		add(&t, "success");
	else if (cmd->negated)
		add(&t, "anything but ");
	for (const struct value *v = cmd->result; v; v = v->next) {
		add_value(&t, v);
		if (v->next)
			add(&t, " or ");
	}
	return buf;
}

u64 outcome_hash(const struct cmd *cmd, const struct outcome *out)
{
	u64 hash = XXH3_64bits_withSeed(out->data, out->nr_data, (u64)(uintptr_t)cmd);

	for (u32 i = 0; i < out->nr_extents; i++) {
		const struct extent_value *e = &out->extents[i];

		hash = XXH3_64bits_withSeed(&(u64[]){ e->lblk, e->len, e->unwritten },
					    3 * sizeof(u64), hash);
	}
	hash = XXH3_64bits_withSeed(out->fields, sizeof(out->fields), hash);
	return XXH3_64bits_withSeed(&(s64[]){ out->ret, out->signal }, 2 * sizeof(s64), hash);
}

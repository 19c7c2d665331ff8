/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/line.h"

enum { INDENT = 2, DEPTH_MAX = 8, COLUMNS_MAX = 24, CELL_MAX = 65536 };

/* ---- single values ---- */

static bool ends_in(const char *key, const char *end)
{
	size_t n = strlen(key), k = strlen(end);

	return n > k && !strcmp(key + n - k, end);
}

static void format_bytes(char *text, size_t size, double value)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned i = 0;

	for (; (value >= 1024 || value <= -1024) && i + 1 < COUNT_OF(units); i++)
		value /= 1024;
	snprintf(text, size, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

static void format_duration(char *text, size_t size, json_int_t ns)
{
	json_int_t s = ns / (json_int_t)NS_PER_S;

	if (s >= 86400)
		snprintf(text, size, "%" PRId64 "d %dh", (int64_t)(s / 86400), (int)(s % 86400 / 3600));
	else if (s >= 3600)
		snprintf(text, size, "%dh %dm", (int)(s / 3600), (int)(s % 3600 / 60));
	else if (s >= 60)
		snprintf(text, size, "%dm %ds", (int)(s / 60), (int)(s % 60));
	else if (s)
		snprintf(text, size, "%.1f s", (double)ns / (double)NS_PER_S);
	else
		snprintf(text, size, "%.1f ms", (double)ns / (double)NS_PER_MS);
}

static void line_number(struct line *line, const char *key, const json_t *value)
{
	char text[64];

	if (!json_is_integer(value))
		snprintf(text, sizeof(text), "%g", json_real_value(value));
	else if (ends_in(key, "_bytes"))
		format_bytes(text, sizeof(text), (double)json_integer_value(value));
	else if (ends_in(key, "_ns"))
		format_duration(text, sizeof(text), json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	line_ascii(line, text);
}

/* "queue_max_bytes": "queue max"; but a name with dots is an event's, which is spelled so everywhere. */
static void line_key(struct line *line, const char *key)
{
	size_t n = strlen(key);

	if (strchr(key, '.')) {
		line_text(line, key, n, "");
		return;
	}
	n -= ends_in(key, "_bytes") ? strlen("_bytes") : ends_in(key, "_ns") ? strlen("_ns") : 0;
	for (size_t i = 0, start = 0; i <= n; i++) {
		if (i < n && key[i] != '_')
			continue;
		line_text(line, key + start, i - start, "");
		if (i < n)
			line_ascii(line, " ");
		start = i + 1;
	}
}

/* In one cell or line: an object as "key=value key=value", an array with commas. */
static void line_value(struct line *line, const char *key, json_t *value, unsigned depth)
{
	const char *name, *gap = "";
	json_t *member;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		line_text(line, json_string_value(value), json_string_length(value), "");
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		line_number(line, key, value);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		line_ascii(line, json_is_true(value) ? "yes" : "no");
		break;
	case JSON_NULL:
		line_ascii(line, "-");
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, member) {
			line_ascii(line, gap);
			if (depth < DEPTH_MAX)
				line_value(line, key, member, depth + 1);
			gap = ", ";
		}
		break;
	case JSON_OBJECT:
		json_object_foreach(value, name, member) {
			line_ascii(line, gap);
			line_key(line, name);
			line_ascii(line, "=");
			if (depth < DEPTH_MAX)
				line_value(line, name, member, depth + 1);
			gap = " ";
		}
		break;
	}
}

/* ---- tables: arrays of objects ---- */

struct table {
	json_t *rows;
	const char *keys[COLUMNS_MAX];
	unsigned widths[COLUMNS_MAX];
	unsigned n;
};

static unsigned columns_of(const char *key, json_t *value)
{
	struct buf out = BUF_INIT(CELL_MAX);
	struct line line = line_begin(&out, 0, false);

	if (value)
		line_value(&line, key, value, 0);
	else
		line_key(&line, key);
	buf_free(&out);
	return line.columns;
}

static void widen(struct table *t, unsigned column, unsigned width)
{
	if (width > t->widths[column])
		t->widths[column] = width;
}

/* Columns are the keys of all rows, in the order in which they come. */
static void add_row(struct table *t, json_t *row)
{
	const char *key;
	json_t *value;
	unsigned i;

	json_object_foreach(row, key, value) {
		for (i = 0; i < t->n && strcmp(t->keys[i], key); i++)
			;
		if (i == COLUMNS_MAX)
			return;
		if (i == t->n) {
			t->keys[t->n++] = key;
			widen(t, i, columns_of(key, NULL));
		}
		widen(t, i, columns_of(key, value));
	}
}

static void print_row(struct buf *out, const struct table *t, json_t *row, unsigned indent)
{
	struct line line = line_begin(out, 0, false);
	unsigned at = indent;

	for (unsigned i = 0; i < t->n; i++) {
		json_t *value = row ? json_object_get(row, t->keys[i]) : NULL;

		line_pad(&line, at);
		if (!row)
			line_key(&line, t->keys[i]);
		else if (value)
			line_value(&line, t->keys[i], value, 0);
		at += t->widths[i] + INDENT;
	}
	line_end(&line);
}

static void print_table(struct buf *out, json_t *rows, unsigned indent)
{
	struct table t = { .rows = rows };
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		add_row(&t, row);
	print_row(out, &t, NULL, indent);
	json_array_foreach(rows, i, row)
		print_row(out, &t, row, indent);
}

/* ---- objects ---- */

static bool is_table(json_t *value)
{
	json_t *row;
	size_t i;

	if (!json_is_array(value) || !json_array_size(value))
		return false;
	json_array_foreach(value, i, row)
		if (!json_is_object(row))
			return false;
	return true;
}

static bool is_block(json_t *value)
{
	return is_table(value) || (json_is_object(value) && json_object_size(value));
}

static void print_object(struct buf *out, json_t *object, unsigned indent, unsigned depth);

static void print_block(struct buf *out, const char *key, json_t *value, unsigned indent, unsigned depth)
{
	struct line line = line_begin(out, 0, false);

	line_pad(&line, indent);
	line_key(&line, key);
	line_ascii(&line, ":");
	line_end(&line);
	if (depth == DEPTH_MAX)
		return;
	if (is_table(value))
		print_table(out, value, indent + INDENT);
	else
		print_object(out, value, indent + INDENT, depth + 1);
}

static void print_object(struct buf *out, json_t *object, unsigned indent, unsigned depth)
{
	unsigned width = 0, columns;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		columns = is_block(value) ? 0 : columns_of(key, NULL);
		width = columns > width ? columns : width;
	}
	json_object_foreach(object, key, value) {
		struct line line;

		if (is_block(value)) {
			print_block(out, key, value, indent, depth);
			continue;
		}
		line = line_begin(out, 0, false);
		line_pad(&line, indent);
		line_key(&line, key);
		line_pad(&line, indent + width + INDENT);
		line_value(&line, key, value, depth);
		line_end(&line);
	}
}

int status_print(struct buf *out, const char *json, size_t n, char *why, size_t size)
{
	json_error_t error;
	json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (!json_is_object(root)) {
		snprintf(why, size, "the agent's status is not a JSON object: %s", root ? "it is another value" : error.text);
		json_decref(root);
		return -EINVAL;
	}
	print_object(out, root, 0, 0);
	json_decref(root);
	if (!out->refused)
		return 0;
	snprintf(why, size, "the agent's status is too large to print");
	return -EINVAL;
}

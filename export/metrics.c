/* SPDX-License-Identifier: Apache-2.0 */
#include "export/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "event/view.h"
#include "export/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define WEIGHT_MAX 1000            /* of q=1 */

/* ---- what the client wants ---- */

/* The next piece of *list up to `separator`, white space taken off both ends. False at the end. */
static bool next_piece(struct bytes *list, char separator, struct bytes *ret)
{
	const char *end;

	if (!list->data)
		return false;
	end = memchr(list->data, separator, list->length);
	*ret = (struct bytes){ .data = list->data, .length = end ? (size_t)(end - list->data) : list->length };
	list->length -= ret->length + (end ? 1 : 0);
	list->data = end ? end + 1 : NULL;
	while (ret->length && strchr(" \t", ret->data[0])) {
		ret->data++;
		ret->length--;
	}
	while (ret->length && strchr(" \t", ret->data[ret->length - 1]))
		ret->length--;
	return true;
}

static bool piece_is(const struct bytes *piece, const char *word)
{
	return piece->length == strlen(word) && !strncasecmp(piece->data, word, piece->length);
}

static bool piece_begins(const struct bytes *piece, const char *word)
{
	return piece->length >= strlen(word) && !strncasecmp(piece->data, word, strlen(word));
}

/* "q=0.75" in thousandths; what is not a weight counts for nothing. */
static unsigned weight_of(const struct bytes *piece)
{
	unsigned weight = 0, scale = WEIGHT_MAX;

	for (size_t i = 2; i < piece->length; i++) {
		char c = piece->data[i];

		if (c == '.' && i == 3)
			continue;
		if (c < '0' || c > '9' || i > 6 || i == 3)
			return 0;
		weight += (unsigned)(c - '0') * scale;
		scale /= 10;
	}
	return weight <= WEIGHT_MAX ? weight : 0;
}

/* One media range with its parameters: raises the weight of the format that it names. */
static void take_range(struct bytes *range, unsigned weights[2])
{
	unsigned weight = WEIGHT_MAX;
	enum metrics_format format;
	struct bytes piece;

	next_piece(range, ';', &piece);
	if (piece_is(&piece, "application/openmetrics-text"))
		format = METRICS_OPENMETRICS;
	else if (piece_is(&piece, "text/plain"))
		format = METRICS_TEXT;
	else
		return;
	while (next_piece(range, ';', &piece)) {
		if (piece_begins(&piece, "q="))
			weight = weight_of(&piece);
		/* 0.0.1 was the draft, without a difference that shows here */
		else if (piece_begins(&piece, "version=") && format == METRICS_OPENMETRICS &&
			 !piece_is(&piece, "version=1.0.0") && !piece_is(&piece, "version=0.0.1"))
			return;
	}
	if (weight > weights[format])
		weights[format] = weight;
}

enum metrics_format metrics_negotiate(const char *accept)
{
	struct bytes list = { .data = accept, .length = accept ? strlen(accept) : 0 }, range;
	unsigned weights[2] = { 0, 0 };

	while (next_piece(&list, ',', &range))
		take_range(&range, weights);
	if (weights[METRICS_OPENMETRICS] && weights[METRICS_OPENMETRICS] >= weights[METRICS_TEXT])
		return METRICS_OPENMETRICS;
	return METRICS_TEXT;
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8" :
					       "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- what the caller may do ---- */

static void misuse(struct metrics *m, const char *what)
{
	if (!m->misuse)
		m->misuse = what;
}

static bool is_name(const char *s)
{
	if (!*s || (*s >= '0' && *s <= '9'))
		return false;
	for (; *s; s++)
		if ((*s | 0x20) - 'a' + 0u >= 26 && *s - '0' + 0u >= 10 && *s != '_')
			return false;
	return true;
}

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n > k && !strcmp(name + n - k, end);
}

/* NULL, or what is wrong with a family. */
static const char *family_misuse(const struct metrics *m, const char *name, enum metrics_type type,
				 const char *unit, const char *help)
{
	static const char *const reserved[] = { "_total", "_created", "_info", "_count", "_sum", "_bucket" };

	if (!is_name(name))
		return "a family's name is not [a-zA-Z_][a-zA-Z0-9_]*";
	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (ends_in(name, reserved[i]))
			return "a family's name ends in a suffix that belongs to samples";
	for (unsigned i = 0; i < m->nfamilies; i++)
		if (!strcmp(m->families[i], name))
			return "a family was begun twice";
	if (unit && (type == METRICS_INFO || !is_name(unit) || !ends_in(name, unit) ||
		     name[strlen(name) - strlen(unit) - 1] != '_'))
		return "a unit is not the end of the family's name, or an info has one";
	if (!*help)
		return "a family has no help";
	if (m->nfamilies == METRICS_FAMILIES_MAX)
		return "more than METRICS_FAMILIES_MAX families";
	return NULL;
}

/* ---- text ---- */

/* Label values and help. In help of the text format quotes stand as they are. */
static void add_escaped(struct buf *out, const char *s, bool quotes)
{
	size_t n = strlen(s);
	unsigned length;
	uint32_t cp = 0;

	for (; n; s += length, n -= length) {
		length = utf8_decode(s, n, &cp);
		if (!length) {
			buf_adds(out, REPLACEMENT);
			length = 1;
		} else if (cp == '\n') {
			buf_adds(out, "\\n");
		} else {
			if (cp == '\\' || (cp == '"' && quotes))
				buf_addc(out, '\\');
			buf_add(out, s, length);
		}
	}
}

static const char *suffix_of(enum metrics_type type)
{
	return type == METRICS_COUNTER ? "_total" : type == METRICS_INFO ? "_info" : "";
}

void metrics_begin(struct metrics *m, struct buf *out, enum metrics_format format)
{
	*m = (struct metrics){ .out = out, .format = format };
}

void metrics_family(struct metrics *m, const char *name, enum metrics_type type, const char *unit,
		    const char *help)
{
	static const char *const types[] = { [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge",
					     [METRICS_INFO] = "info", [METRICS_HISTOGRAM] = "histogram" };
	const char *wrong = family_misuse(m, name, type, unit, help);
	bool open = m->format == METRICS_OPENMETRICS;
	/* In the text format a family is called as its samples are, and an info is a gauge. */
	const char *suffix = open ? "" : suffix_of(type);

	if (wrong) {
		misuse(m, wrong);
		return;
	}
	m->families[m->nfamilies++] = name;
	m->type = type;
	buf_printf(m->out, "# TYPE %s%s %s\n", name, suffix,
		   !open && type == METRICS_INFO ? "gauge" : types[type]);
	if (unit && open)
		buf_printf(m->out, "# UNIT %s %s\n", name, unit);
	buf_printf(m->out, "# HELP %s%s ", name, suffix);
	add_escaped(m->out, help, open);
	buf_addc(m->out, '\n');
}

/* NULL, or what is wrong with a label; `names` are those before it. */
static const char *label_misuse(const char *name, const char *const *names, unsigned n)
{
	if (!is_name(name) || !strncmp(name, "__", 2))
		return "a label's name is not [a-zA-Z_][a-zA-Z0-9_]*, or begins with __";
	if (!strcmp(name, "le"))
		return "a label is called le, as that of buckets";
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return "a sample has a label twice";
	return n == METRICS_LABELS_MAX ? "more than METRICS_LABELS_MAX labels" : NULL;
}

/* {a="b",c="d"}, or nothing; `le` NULL: not a bucket. False after a misuse. */
static bool add_labels(struct metrics *m, const char *le, va_list ap)
{
	const char *names[METRICS_LABELS_MAX], *name, *value, *wrong;
	unsigned n = 0;
	char open = '{';

	while ((name = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		wrong = label_misuse(name, names, n);
		if (wrong) {
			misuse(m, wrong);
			return false;
		}
		names[n++] = name;
		if (!value || !*value)
			continue;
		buf_addc(m->out, open);
		open = ',';
		buf_adds(m->out, name);
		buf_adds(m->out, "=\"");
		add_escaped(m->out, value, true);
		buf_addc(m->out, '"');
	}
	if (le)
		buf_printf(m->out, "%cle=\"%s\"", open, le);
	if (le || open == ',')
		buf_addc(m->out, '}');
	return true;
}

static void add_sample(struct metrics *m, const char *suffix, const char *le, const char *value, va_list ap)
{
	size_t start = m->out->length;

	if (!m->nfamilies) {
		misuse(m, "a sample before the first family");
		return;
	}
	buf_adds(m->out, m->families[m->nfamilies - 1]);
	buf_adds(m->out, suffix);
	if (add_labels(m, le, ap))
		buf_printf(m->out, " %s\n", value);
	else
		m->out->length = start;
}

void metrics_u64(struct metrics *m, uint64_t value, ...)
{
	char text[24];
	va_list ap;

	if (m->nfamilies && (m->type == METRICS_HISTOGRAM || (m->type == METRICS_INFO && value != 1))) {
		misuse(m, m->type == METRICS_INFO ? "an info has a value other than 1" : "metrics_u64 on a histogram");
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	va_start(ap, value);
	add_sample(m, suffix_of(m->type), NULL, text, ap);
	va_end(ap);
}

void metrics_s64(struct metrics *m, int64_t value, ...)
{
	char text[24];
	va_list ap;

	if (m->type != METRICS_GAUGE) {
		misuse(m, "metrics_s64 on what is not a gauge");
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, value);
	va_start(ap, value);
	add_sample(m, "", NULL, text, ap);
	va_end(ap);
}

/* Nanoseconds as seconds, all digits that they have. */
static void format_seconds(char *text, size_t size, uint64_t ns)
{
	size_t n = (size_t)snprintf(text, size, "%llu.%09llu", ns / NS_PER_S, ns % NS_PER_S);

	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[n - 1] = '\0';
}

void metrics_ns(struct metrics *m, uint64_t ns, ...)
{
	char text[40];
	va_list ap;

	if (m->type == METRICS_INFO || m->type == METRICS_HISTOGRAM || !m->nfamilies || !ends_in(m->families[m->nfamilies - 1], "_seconds")) {
		misuse(m, "metrics_ns on what is not counted in seconds");
		return;
	}
	format_seconds(text, sizeof(text), ns);
	va_start(ap, ns);
	add_sample(m, suffix_of(m->type), NULL, text, ap);
	va_end(ap);
}

/* One of a histogram's samples, with the labels of all. */
static void add_part(struct metrics *m, const char *suffix, const char *le, const char *value, va_list labels)
{
	va_list ap;

	va_copy(ap, labels);
	add_sample(m, suffix, le, value, ap);
	va_end(ap);
}

void metrics_histogram(struct metrics *m, const struct metrics_times *times, ...)
{
	char le[40], count[24], sum[40];
	uint64_t n = 0;
	va_list ap;

	if (m->type != METRICS_HISTOGRAM || !m->nfamilies || !ends_in(m->families[m->nfamilies - 1], "_seconds")) {
		misuse(m, "metrics_histogram on what is no histogram of seconds");
		return;
	}
	va_start(ap, times);
	for (unsigned i = 0; i <= times->n; i++) {
		n += times->counts[i];
		snprintf(count, sizeof(count), "%" PRIu64, n);
		snprintf(le, sizeof(le), "+Inf");
		if (i < times->n)
			format_seconds(le, sizeof(le), times->bounds_ns[i]);
		/* OpenMetrics wants numbers of this label to look like floating point ones. */
		if (i < times->n && !strchr(le, '.'))
			strcat(le, ".0");
		add_part(m, "_bucket", le, count, ap);
	}
	format_seconds(sum, sizeof(sum), times->sum_ns);
	add_part(m, "_sum", NULL, sum, ap);
	add_part(m, "_count", NULL, count, ap);
	va_end(ap);
}

void metrics_created(struct metrics *m, uint64_t wall_ns, ...)
{
	char text[40];
	va_list ap;

	if (m->type != METRICS_COUNTER) {
		misuse(m, "metrics_created on what is not a counter");
		return;
	}
	if (m->format != METRICS_OPENMETRICS)
		return;
	format_seconds(text, sizeof(text), wall_ns);
	va_start(ap, wall_ns);
	add_sample(m, "_created", NULL, text, ap);
	va_end(ap);
}

int metrics_end(struct metrics *m)
{
	if (m->format == METRICS_OPENMETRICS)
		buf_adds(m->out, "# EOF\n");
	if (m->misuse)
		return -EINVAL;
	return m->out->refused ? -ENOBUFS : 0;
}

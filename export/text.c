/* SPDX-License-Identifier: Apache-2.0 */
#include "export/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/cleanup.h"
#include "export/line.h"
#include "export/names.h"
#include "export/output.h"

/* Where the columns begin and, of the numbers, end. */
enum {
	TIME_COLUMNS = 12,
	PID_COLUMNS = 7, /* 4194304 is the largest */
	COMM_COLUMNS = TAPIO_COMM_LEN - 1,
	WHO_COLUMNS = 30
};

/* ---- values ---- */

void text_ns(char *to, size_t size, uint64_t ns)
{
	static const char *const units[] = { "us", "ms", "s" };
	uint64_t unit = 1000, s = ns / 1000000000;
	unsigned i = 0;

	if (!ns)
		snprintf(to, size, "0");
	else if (ns < 1000)
		snprintf(to, size, "%" PRIu64 "ns", ns);
	else if (s < 60) {
		for (; i < 2 && ns >= unit * 1000; i++)
			unit *= 1000;
		snprintf(to, size, "%" PRIu64 ".%" PRIu64 "%s", ns / unit, ns % unit * 10 / unit,
			 units[i]);
	} else if (s < 3600)
		snprintf(to, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(to, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(to, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

/* 512B 12.3M */
static void format_bytes(char *to, size_t size, uint64_t bytes)
{
	unsigned i = 0;
	uint64_t unit = 1;

	for (; i < 6 && bytes / unit >= 1024; i++)
		unit *= 1024;
	if (!i)
		snprintf(to, size, "%" PRIu64 "B", bytes);
	else
		snprintf(to, size, "%" PRIu64 ".%" PRIu64 "%c", bytes / unit,
			 bytes % unit * 10 / unit, "KMGTPE"[i - 1]);
}

static int64_t local_offset(const struct text_options *opts, uint64_t s)
{
	/* zones change their offset at quarters of an hour */
	static _Thread_local struct {
		uint64_t quarter;
		int64_t offset;
	} last;
	time_t t = (time_t)s;
	struct tm tm;

	if (opts->utc)
		return 0;
	if (last.quarter != s / 900 + 1) {
		last.quarter = s / 900 + 1;
		last.offset = localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
	}
	return last.offset;
}

static void format_clock(char *to, size_t size, uint64_t ns, const struct text_options *opts)
{
	uint64_t s = ns / 1000000000;
	unsigned of_day = (unsigned)((s + 86400 + (uint64_t)local_offset(opts, s)) % 86400);

	snprintf(to, size, "%02u:%02u:%02u.%03u", of_day / 3600, of_day / 60 % 60, of_day % 60,
		 (unsigned)(ns / 1000000 % 1000));
}

static void format_instant(char *to, size_t size, uint64_t ns, const struct text_options *opts)
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	if (opts->utc ? !gmtime_r(&t, &tm) : !localtime_r(&t, &tm))
		return;
	strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
}

static void format_unit(char *to, size_t size, const struct event_field *f, int64_t v)
{
	bool negative = f->kind == KIND_S32 && v < 0;

	if (f->unit && !strcmp(f->unit, "ns") && !negative)
		text_ns(to, size, (uint64_t)v);
	else if (f->unit && !strcmp(f->unit, "By") && !negative)
		format_bytes(to, size, (uint64_t)v);
	else if (f->kind == KIND_S32)
		snprintf(to, size, "%" PRId64 "%s", v, f->unit ? f->unit : "");
	else
		snprintf(to, size, "%" PRIu64 "%s", (uint64_t)v, f->unit ? f->unit : "");
}

static void line_symbol(struct line *line, const char *symbol, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	line_ascii(line, symbol ? symbol : text);
}

static void line_caps(struct line *line, uint64_t bits)
{
	const char *name;
	char text[24];

	if (!bits)
		line_ascii(line, "none");
	for (unsigned i = 0; bits; i++, bits >>= 1) {
		if (!(bits & 1))
			continue;
		name = cap_name(i);
		snprintf(text, sizeof(text), "CAP_%u", i);
		line_ascii(line, name ? name : text);
		if (bits != 1)
			line_ascii(line, ",");
	}
}

static void line_number(struct line *line, const struct event_view *view,
			const struct event_field *f, const struct text_options *opts)
{
	int64_t v = event_number(view, f);
	char text[48] = "";

	switch (f->kind) {
	case KIND_BOOL:
		line_ascii(line, v ? "true" : "false");
		return;
	case KIND_ERRNO:
		line_symbol(line, errno_name((int)v), v);
		return;
	case KIND_SIGNAL:
		line_symbol(line, signal_name((unsigned)v), v);
		return;
	case KIND_SENSOR:
		line_symbol(line, sensor_name((unsigned)v), v);
		return;
	case KIND_CAUSE:
		line_symbol(line, cause_name((unsigned)v), v);
		return;
	case KIND_CAPS:
		line_caps(line, (uint64_t)v);
		return;
	case KIND_INSTANT:
		format_instant(text, sizeof(text), (uint64_t)v + (uint64_t)view->boot_to_wall_ns, opts);
		break;
	default:
		format_unit(text, sizeof(text), f, v);
	}
	line_ascii(line, text);
}

static void line_words(struct line *line, const struct event_view *view,
		       const struct event_field *f, size_t pos)
{
	const char *gap = pos ? " " : "";
	struct bytes s;

	while (!line->cut && event_strv_next(view, f, &pos, &s)) {
		line_ascii(line, gap);
		line_word(line, s.data, s.length);
		gap = " ";
	}
}

static void line_value(struct line *line, const struct event_view *view,
		       const struct event_field *f, const struct text_options *opts)
{
	const char *comm = (const char *)view->ev + f->offset;
	struct tapio_address address;
	char path[EVENT_PATH_BUF];
	struct bytes s;

	switch (f->kind) {
	case KIND_COMM:
		line_word(line, comm, strnlen(comm, f->size));
		break;
	case KIND_STR:
		s = event_str(view, f);
		line_word(line, s.data, s.length);
		break;
	case KIND_STRV:
		line_words(line, view, f, 0);
		break;
	case KIND_PATH:
		line_word(line, path, event_path(view, f, path));
		break;
	case KIND_ADDRESS:
		address = event_address(view, f);
		line_word(line, path, event_address_text(&address, path));
		break;
	default:
		line_number(line, view, f, opts);
	}
}

/* ---- details ---- */

static struct bytes last_component(struct bytes path)
{
	const char *slash = memrchr(path.data, '/', path.length);
	size_t skip = slash ? (size_t)(slash + 1 - path.data) : 0;

	return (struct bytes){ path.data + skip, path.length - skip };
}

/*
 * A command is its arguments, with the program's true path in place of an argv[0] that names it,
 * and in brackets before one that does not: "/usr/bin/ls -l", "[/usr/bin/python3.11] python3 x.py".
 */
static void line_command(struct line *line, const struct event_view *view,
			 const struct event_field *exe, const struct event_field *args)
{
	char buf[EVENT_PATH_BUF];
	struct bytes path = { buf, event_path(view, exe, buf) }, arg0 = { "", 0 }, a, b;
	size_t pos = 0;

	event_strv_next(view, args, &pos, &arg0);
	a = last_component(path);
	b = last_component(arg0);
	if (a.length == b.length && !memcmp(a.data, b.data, a.length)) {
		line_word(line, path.data, path.length);
	} else {
		line_ascii(line, "[");
		line_word(line, path.data, path.length);
		line_ascii(line, "] ");
		line_word(line, arg0.data, arg0.length);
	}
	line_words(line, view, args, pos);
}

/* The field of that kind which is shown without a label, if it has a value. */
static const struct event_field *bare_field(const struct event_view *view, enum field_kind kind)
{
	const struct event_desc *desc = view->desc;

	for (unsigned i = 0; i < desc->nfields; i++) {
		const struct event_field *f = &desc->fields[i];

		if (f->kind == kind && f->label && !*f->label)
			return event_has(view, f, event_ncommon + i) ? f : NULL;
	}
	return NULL;
}

static bool field_failed(const struct event_view *view, const struct event_field *f, unsigned index)
{
	return (f->flags & FAILURE) && event_has(view, f, index) && event_number(view, f);
}

static void line_field(struct line *line, const struct event_view *view,
		       const struct event_field *f, const struct text_options *opts)
{
	line_ascii(line, f->label);
	if (f->kind == KIND_BOOL && *f->label && event_number(view, f))
		return; /* "core" says as much as "core=true" */
	if (*f->label)
		line_ascii(line, "=");
	line_value(line, view, f, opts);
}

static void line_details(struct line *line, const struct event_view *view,
			 const struct text_options *opts)
{
	const struct event_field *exe = bare_field(view, KIND_PATH);
	const struct event_field *args = exe ? bare_field(view, KIND_STRV) : NULL;
	const char *gap = "";

	for (unsigned i = 0; i < view->desc->nfields && !line->cut; i++) {
		const struct event_field *f = &view->desc->fields[i];
		bool failed = field_failed(view, f, event_ncommon + i);

		if (!f->label || f == args || !event_has(view, f, event_ncommon + i))
			continue;
		line_ascii(line, gap);
		line_style(line, failed ? STYLE_FAILURE : "");
		if (f == exe && args)
			line_command(line, view, exe, args);
		else
			line_field(line, view, f, opts);
		line_style(line, failed ? STYLE_RESET : "");
		gap = " ";
	}
}

/* ---- columns ---- */

/* The longest name of an event. */
static unsigned event_columns(void)
{
	static unsigned columns;
	unsigned longest = 0;

	if (columns)
		return columns;
	for (unsigned i = 0; i < TAPIO_EV_MAX; i++) {
		const struct event_desc *desc = event_desc_by_type(i);

		if (desc && strlen(desc->name) > longest)
			longest = (unsigned)strlen(desc->name);
	}
	return columns = longest;
}

static void line_right(struct line *line, const char *s, unsigned column)
{
	unsigned n = (unsigned)strlen(s);

	line_ascii(line, " ");
	line_pad(line, column > n ? column - n : 0);
	line_ascii(line, s);
}

static void line_pid(struct line *line, const struct event_view *view, const char *name,
		     unsigned column)
{
	int index = event_field_index(view->desc, name);
	const struct event_field *f;
	char text[24] = "-";

	if (index >= 0) {
		f = (unsigned)index < event_ncommon ? &event_common[index] :
						      &view->desc->fields[(unsigned)index - event_ncommon];
		if (event_has(view, f, (unsigned)index))
			snprintf(text, sizeof(text), "%u", (unsigned)event_number(view, f));
	}
	line_right(line, text, column);
}

static void line_comm(struct line *line, const struct event_view *view)
{
	const struct event_field *f;
	const char *comm;

	for (unsigned i = 0; i < event_common_count(view->desc); i++) {
		f = &event_common[i];
		if (f->kind != KIND_COMM || !event_has(view, f, i))
			continue;
		comm = (const char *)view->ev + f->offset;
		line_text(line, comm, strnlen(comm, f->size), "");
		return;
	}
	line_ascii(line, "-");
}

/* Whom it is about, in short: "shop/cart-0:cart", a container's name or id, a unit; "?" if unknown. */
static void format_who(char *to, size_t size, const struct event_identity *who)
{
	const char *unit = who->user_unit ? who->user_unit : who->unit;

	if (who->pod_name)
		snprintf(to, size, "%s/%s%s%s", who->pod_namespace ? who->pod_namespace : "?", who->pod_name,
			 who->pod_container ? ":" : "", who->pod_container ? who->pod_container : "");
	else if (who->container_name)
		snprintf(to, size, "%s", who->container_name);
	else if (who->container_id)
		snprintf(to, size, "%.12s", who->container_id);
	else if (who->pod_uid)
		snprintf(to, size, "pod %s", who->pod_uid);
	else if (unit)
		snprintf(to, size, "%s", unit);
	else
		snprintf(to, size, "%s", who->reason ? "?" : "-");
}

static void line_who(struct line *line, const struct event_view *view)
{
	char text[WHO_COLUMNS + 2];
	size_t n;

	if (!view->who) {
		line_ascii(line, "-");
		return;
	}
	format_who(text, sizeof(text), view->who);
	n = strlen(text);
	if (n > WHO_COLUMNS) {
		text[WHO_COLUMNS - 1] = '~'; /* the end of a name that does not fit */
		n = WHO_COLUMNS;
	}
	line_text(line, text, n, "");
}

static bool event_failed(const struct event_view *view)
{
	for (unsigned i = 0; i < view->desc->nfields; i++)
		if (field_failed(view, &view->desc->fields[i], event_ncommon + i))
			return true;
	return false;
}

void text_header(struct buf *out, const struct text_options *opts)
{
	unsigned at = TIME_COLUMNS + 1 + event_columns();
	struct line line = line_begin(out, opts->width, opts->colour);

	line_style(&line, STYLE_BOLD);
	line_ascii(&line, "TIME");
	line_pad(&line, TIME_COLUMNS + 1);
	line_ascii(&line, "EVENT");
	line_pad(&line, at);
	line_right(&line, "PID", at += 1 + PID_COLUMNS);
	line_right(&line, "PPID", at += 1 + PID_COLUMNS);
	line_ascii(&line, " COMM");
	line_pad(&line, at += 1 + COMM_COLUMNS);
	if (opts->who) {
		line_ascii(&line, " WHO");
		line_pad(&line, at + 1 + WHO_COLUMNS);
	}
	line_ascii(&line, " DETAILS");
	line_end(&line);
}

void text_event(struct buf *out, const struct event_view *view, const struct text_options *opts)
{
	/* red is left to failures; blue is hard to read on black */
	static const char *const styles[] = { "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[36m" };
	unsigned at = TIME_COLUMNS + 1 + event_columns();
	struct line line = line_begin(out, opts->width, opts->colour);
	char clock[24];

	format_clock(clock, sizeof(clock), view->wall_ns, opts);
	line_style(&line, STYLE_DIM);
	line_ascii(&line, clock);
	line_style(&line, STYLE_RESET);
	line_ascii(&line, " ");
	line_style(&line, event_failed(view) ? STYLE_FAILURE :
					       styles[view->desc->type % COUNT_OF(styles)]);
	line_ascii(&line, view->desc->name);
	line_style(&line, STYLE_RESET);
	line_pad(&line, at);
	line_pid(&line, view, "process.pid", at += 1 + PID_COLUMNS);
	line_pid(&line, view, "process.parent_pid", at += 1 + PID_COLUMNS);
	line_ascii(&line, " ");
	line_comm(&line, view);
	line_pad(&line, at += 1 + COMM_COLUMNS);
	if (opts->who) {
		line_ascii(&line, " ");
		line_who(&line, view);
		line_pad(&line, at + 1 + WHO_COLUMNS);
	}
	line_ascii(&line, " ");
	line_details(&line, view, opts);
	line_end(&line);
}

/* ---- the sink ---- */

struct text_sink {
	struct event_sink sink;
	struct output out;
	struct text_options opts;
};

static int text_write(struct event_sink *sink, const struct event_view *view)
{
	struct text_sink *ts = (struct text_sink *)sink;

	text_event(&ts->out.buf, view, &ts->opts);
	return output_added(&ts->out);
}

static int text_flush(struct event_sink *sink)
{
	return output_flush(&((struct text_sink *)sink)->out);
}

static void text_close(struct event_sink *sink)
{
	if (!sink)
		return;
	output_close(&((struct text_sink *)sink)->out);
	free(sink);
}

struct event_sink *text_sink_open(int fd, const struct text_options *opts)
{
	_cleanup_free_ struct text_sink *ts = calloc(1, sizeof(*ts));
	struct event_sink *sink;

	if (!ts || output_init(&ts->out, fd))
		return NULL;
	ts->sink = (struct event_sink){ .write = text_write, .flush = text_flush, .close = text_close };
	ts->opts = *opts;
	text_header(&ts->out.buf, opts);
	sink = &ts->sink;
	ts = NULL;
	return sink;
}

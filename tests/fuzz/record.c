/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the bytes of a record, as a broken ring or a hostile program might give them. What
 * event_check lets through must become one line of strict JSON and one harmless line of text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/json.h"
#include "export/text.h"
#include "tests/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what, const struct buf *out)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %.*s\n", what, (int)(out->length < 4000 ? out->length : 4000), out->data);
	abort();
}

static void check_json(const struct event_view *view)
{
	static struct buf out = BUF_INIT(8 << 20);

	buf_reset(&out);
	json_event(&out, view);
	require(!out.refused, "JSON refused", &out);
	require(strict_json_line(out.data, out.length), "not a strict line of JSON", &out);
}

/* In the smallest buffer that is accepted, so that a wrong estimate is an overflow. */
static void check_json_room(const struct event_view *view)
{
	size_t low = 0, high = 8 << 20;

	while (low + 1 < high) {
		struct buf out = BUF_INIT(low + (high - low) / 2);

		json_event(&out, view);
		if (out.refused)
			low = out.max;
		else
			high = out.max;
		require(!out.refused || !out.length, "refused and written", &out);
		buf_free(&out);
	}
}

static void check_text(const struct event_view *view, unsigned width)
{
	static struct buf out = BUF_INIT(8 << 20), coloured = BUF_INIT(8 << 20);
	struct text_options opts = { .utc = true, .width = width };

	buf_reset(&out);
	text_event(&out, view, &opts);
	require(!out.refused && out.length, "text refused", &out);
	require(out.data[out.length - 1] == '\n' && strict_harmless_text(out.data, out.length - 1),
		"not a harmless line", &out);
	opts.colour = true;
	buf_reset(&coloured);
	text_event(&coloured, view, &opts);
	buf_addc(&coloured, '\0');
	buf_addc(&out, '\0');
	require(strict_strip_colours(coloured.data), "strange or open escape sequence", &coloured);
	require(!strcmp(coloured.data, out.data), "colours change the text", &coloured);
}

static void check_record(const struct tapio_event *ev, size_t size)
{
	struct event_absent absent = { .json = "[\"process.pid\"]" };
	struct event_view view = { .ev = ev };

	if (event_check(ev, size, &view.desc))
		return;
	view.wall_ns = ev->ts_ns;
	view.boot_to_wall_ns = (int64_t)(ev->number * 0x9e3779b97f4a7c15u);
	absent.mask = ev->number;
	check_json(&view);
	check_text(&view, 0);
	view.absent = &absent;
	check_json(&view);
	check_text(&view, ev->cpu % 256);
	if (ev->number % 8 == 1)
		check_json_room(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of the exact size: aligned, and with nothing behind it that may be read */
	struct tapio_event *record = malloc(size ? size : 1);

	if (!record)
		return 0;
	if (size)
		memcpy(record, data, size);
	check_record(record, size);
	free(record);
	return 0;
}

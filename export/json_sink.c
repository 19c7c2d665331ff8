/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of JSON once: the members of an identity, and a sink that blocks. */
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "event/table.h"
#include "export/json.h"
#include "export/output.h"

void json_identity(struct buf *out, const struct event_identity *who)
{
	const struct event_view view = { .who = who };

	for (unsigned i = 0; i < event_nidentity; i++) {
		const char *text = event_who(&view, &event_identity_fields[i]);

		if (!text)
			continue;
		buf_printf(out, ",\"%s\":", event_identity_fields[i].name);
		json_quote(out, text, strlen(text));
	}
}

struct json_sink {
	struct event_sink sink;
	struct output out;
};

static int json_write(struct event_sink *sink, const struct event_view *view)
{
	struct json_sink *js = (struct json_sink *)sink;

	json_event(&js->out.buf, view);
	return output_added(&js->out);
}

static int json_flush(struct event_sink *sink)
{
	return output_flush(&((struct json_sink *)sink)->out);
}

static void json_close(struct event_sink *sink)
{
	if (!sink)
		return;
	output_close(&((struct json_sink *)sink)->out);
	free(sink);
}

struct event_sink *json_sink_open(int fd)
{
	_cleanup_free_ struct json_sink *js = calloc(1, sizeof(*js));
	struct event_sink *sink;

	if (!js || output_init(&js->out, fd))
		return NULL;
	js->sink = (struct event_sink){ .write = json_write, .flush = json_flush, .close = json_close };
	sink = &js->sink;
	js = NULL;
	return sink;
}

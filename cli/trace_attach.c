/* SPDX-License-Identifier: Apache-2.0 */
/* tapio trace --attach: events from the agent that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/trace.h"
#include "export/attach.h"
#include "export/stream_request.h"

static void request_values(struct buf *line, const struct selector *s, enum select_kind kind, const char *key)
{
	for (unsigned i = 0; i < s->nwanted[kind]; i++)
		stream_request_add(line, key, s->wanted[kind][i]);
}

static void request_line(const struct trace *t, struct buf *line)
{
	const struct selector *s = &t->options.selector;
	struct winsize size = { .ws_col = 0 };

	buf_adds(line, "events");
	if (t->table) {
		if (!t->wide)
			ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		buf_printf(line, " format=table width=%u color=%d", size.ws_col,
			   !t->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	}
	if (t->count)
		buf_printf(line, " count=%llu", (unsigned long long)t->count);
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (t->named_events & EVENT_BIT(type))
			stream_request_add(line, "event", event_desc_by_type(type)->name);
	request_values(line, s, SELECT_NAMESPACE, "namespace");
	request_values(line, s, SELECT_POD, "pod");
	request_values(line, s, SELECT_CONTAINER, "container");
	request_values(line, s, SELECT_UNIT, "unit");
}

int trace_attached(const struct trace *t, int stop_fd)
{
	const struct attach_options options = { .out_fd = STDOUT_FILENO, .stop_fd = stop_fd, .time_ns = t->time_ns };
	struct buf line = BUF_INIT(65536);
	enum attach_end end;
	char why[512];
	int fd, err;

	request_line(t, &line);
	fd = attach_open(t->attach, buf_cstr(&line), why, sizeof(why));
	buf_free(&line);
	err = fd < 0 ? fd : attach_copy(fd, &options, &end, why, sizeof(why));
	if (fd >= 0)
		close(fd);
	if (err)
		log_error("trace: %s", why);
	else if (end == ATTACH_ENDED && !t->count)
		log_warn("trace: the agent has ended");
	return err ? STATUS_FAILED : STATUS_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where events go. A sink is made by export/, and called by pipeline/ on the thread that reads
 * the rings: it copies what it keeps.
 */
#ifndef EVENT_SINK_H
#define EVENT_SINK_H

#include "event/view.h"

struct event_sink {
	/* 0, or a negative errno after which the sink is not called again (-EPIPE: the reader left). */
	int (*write)(struct event_sink *sink, const struct event_view *view);
	/* Called after each batch, so that buffered output becomes visible. Same errors. */
	int (*flush)(struct event_sink *sink);
	/* Flushes what it can and frees the sink. */
	void (*close)(struct event_sink *sink);
};

#endif

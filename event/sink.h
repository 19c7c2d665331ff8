/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where events go. A sink is made by export/, and called by pipeline/ on the thread that reads
 * the rings: it copies what it keeps.
 *
 * A sink of the agent (`tapio run`) never blocks in write or flush and never fails for good: it has
 * a bounded queue, counts what it drops, and one that can block has one thread behind its queue.
 * The sinks of `tapio trace` have no queue: a blocked stdout stops reading, and the ring is the queue.
 */
#ifndef EVENT_SINK_H
#define EVENT_SINK_H

#include "event/view.h"

/* Why a sink dropped an event. */
enum sink_drop {
	SINK_DROP_QUEUE_FULL, /* it came faster than the sink could take it */
	SINK_DROP_FAILED,     /* the file, disk or peer refused it */
	SINK_DROPS
};

struct sink_stats {
	const char *name;     /* "stdout", "file:/var/log/tapio.json": for people and as a metric's label */
	uint64_t events;      /* written */
	uint64_t bytes;       /* written */
	uint64_t dropped[SINK_DROPS];
	uint64_t queue_events; /* waiting now: those given are events + dropped + queue_events */
	size_t queue_bytes;   /* waiting now */
	size_t queue_max_bytes;
	int error;            /* the errno of a failure that still lasts, 0: none */
};

struct event_sink {
	/* 0, or a negative errno after which the sink is not called again (-EPIPE: the reader left). */
	int (*write)(struct event_sink *sink, const struct event_view *view);
	/* Called after each batch, so that buffered output becomes visible. Same errors. */
	int (*flush)(struct event_sink *sink);
	/* Any thread's counters, read without stopping it. Optional. */
	void (*stats)(const struct event_sink *sink, struct sink_stats *ret);
	/* Flushes what it can and frees the sink. */
	void (*close)(struct event_sink *sink);
};

const char *sink_drop_name(enum sink_drop drop); /* "queue_full", "failed" */

#endif

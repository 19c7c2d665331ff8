/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink of lines with a bounded queue and one thread behind it, for writers that may block.
 *
 * write formats an event into the queue; the thread gives what has come up to a flush, or to half
 * a buffer, to the writer in one piece. Neither waits for the writer nor allocates. The queue is
 * two buffers of half its maximum: the one that is filled, and the one that is being written.
 *
 * What finds no room is dropped and counted: as SINK_DROP_QUEUE_FULL, or as SINK_DROP_FAILED while
 * the writer fails. What the writer refuses is tried again, at most a second apart, for retry_ns,
 * and then dropped too, so that a failure does not leave old events before new ones. For what was
 * dropped the sink's own stream has a tapio.lost event, as soon as there is room for it, whose
 * interval holds the times of all dropped events. At any moment, events given are
 * events (written) + dropped + queue_events of the statistics; tapio.lost and headings made here
 * count as bytes only.
 */
#ifndef EXPORT_QUEUED_H
#define EXPORT_QUEUED_H

#include <stdbool.h>

#include "event/sink.h"
#include "export/text.h"
#include "export/writer.h"

#define QUEUED_MIN_BYTES 65536u /* an event that is longer than half the queue is dropped */
#define QUEUED_MAX_BYTES (1u << 30)
#define QUEUED_RETRY_NS 5000000000ull
#define QUEUED_CLOSE_NS 2000000000ull

struct queued_options {
	const char *name;                /* of the statistics */
	const struct text_options *text; /* NULL: JSON */
	size_t max_bytes;                /* of the queue; QUEUED_MIN_BYTES to QUEUED_MAX_BYTES */
	uint64_t retry_ns;               /* how long refused events are tried again */
	uint64_t close_ns;               /* how long closing waits for the writer */
	bool end_on_pipe; /* write and flush return -EPIPE once the reader has left; else that is a failure like others */
};

/*
 * Takes the writer, also when it fails. Options are copied. Until queued_start it only collects: a
 * thread has the capabilities that its maker had. NULL: no memory or descriptors.
 */
struct event_sink *queued_open(const struct queued_options *opts, struct writer *writer);

/*
 * Starts the thread, which takes no signals: SIGPIPE and SIGXFSZ become errors. 0 or a negative
 * errno. Called once, by the thread that writes.
 */
int queued_start(struct event_sink *sink);

/*
 * Writes what it can for close_ns and counts the rest as SINK_DROP_FAILED; statistics are final
 * afterwards and what is given then is dropped. A thread that does not come back (a disk that
 * hangs) is left behind with its memory. The sink's close calls it; by itself it is for those who
 * want the last sums.
 */
void queued_stop(struct event_sink *sink);

#endif

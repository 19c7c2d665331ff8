/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer of lines, one for each event, and what it had to refuse. No locks: see queued.c. */
#ifndef EXPORT_BATCH_H
#define EXPORT_BATCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "event/sink.h"
#include "export/text.h"

/* Events that are not in the stream: how many, and what their times lie between. */
struct gap {
	uint64_t count, first_ns, last_ns; /* CLOCK_REALTIME */
};

void gap_add(struct gap *gap, const struct gap *more);

struct batch {
	struct buf buf;
	size_t max_bytes;
	struct gap events;              /* those that are in it */
	struct gap refused[SINK_DROPS]; /* came when it was full */
	bool full;   /* refuses until it is reset, so that what is missing is in one piece */
	size_t peak; /* how much of its memory was touched */
	uint64_t needed_ns; /* when it was last written with more in it than it keeps memory for */
};

/* Takes all memory that it will ever need, untouched. 0 or -ENOMEM. */
int batch_init(struct batch *b, size_t max_bytes);
void batch_free(struct batch *b);

/* Appends an event as JSON, or as text. False: it does not fit, and nothing was appended. */
bool batch_add(struct batch *b, const struct event_view *view, const struct text_options *text);

void batch_refuse(struct batch *b, enum sink_drop why, uint64_t wall_ns);

/* Nothing in it and nothing refused. */
bool batch_is_empty(const struct batch *b);

/* Empties it. */
void batch_reset(struct batch *b);

/* Whether a burst has left memory behind that batch_trim would give back. */
bool batch_is_fat(const struct batch *b);
void batch_trim(struct batch *b);

/* For one that has been written, at this time of any clock: trims what `after_ns` of them have not needed. */
void batch_written(struct batch *b, uint64_t now_ns, uint64_t after_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as JSON, one object per line.
 *
 * Keys are flat, in a fixed order: time, event, the fields that every event of a process has, whom it is
 * about, the event's own fields, and last "tapio.absent", the names of fields that this kernel cannot give.
 * Whatever bytes a record holds, a line is valid JSON and valid UTF-8: control and invisible
 * characters and those that turn the direction of text are escaped, and each byte that is not
 * UTF-8 becomes U+FFFD.
 */
#ifndef EXPORT_JSON_H
#define EXPORT_JSON_H

#include "base/buf.h"
#include "event/sink.h"
#include "event/view.h"

/*
 * Appends one object and a newline. Room for the worst case is taken first (6 bytes for each byte
 * of tail): a buffer whose max is below that refuses, and then nothing is appended. Any thread.
 */
void json_event(struct buf *out, const struct event_view *view);

/*
 * Appends the fields of an identity that are known as members of an object, a comma before each:
 * what struct event_identity.json holds, made once per identity instead of once per event.
 */
void json_identity(struct buf *out, const struct event_identity *who);

/* Appends a JSON string, quotes included, of any bytes. */
void json_quote(struct buf *out, const char *s, size_t n);

/* A sink that writes to a borrowed descriptor; errors as output_flush. NULL: no memory. */
struct event_sink *json_sink_open(int fd);

#endif

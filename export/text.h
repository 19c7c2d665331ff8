/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as an aligned table for people, one line each.
 *
 * Nothing that a record holds can steer the terminal: control characters, invisible characters
 * and those that turn the direction of text appear as in bash's $'...': \n, \x1b, \u202e. Strings
 * that a shell would not read as one plain word are quoted.
 */
#ifndef EXPORT_TEXT_H
#define EXPORT_TEXT_H

#include "base/buf.h"
#include "event/sink.h"
#include "event/view.h"

struct text_options {
	bool colour;
	bool who;       /* a column says whom the event is about */
	bool utc;       /* times in UTC instead of local time */
	unsigned width; /* columns of the terminal: longer lines end in "…"; 0: do not cut */
};

/* A time for people: 17ns 1.2us 3.4ms 5.6s 1m02s 3h04m 5d06h. */
void text_ns(char *to, size_t size, uint64_t ns);

/* Appends the line with the headings. */
void text_header(struct buf *out, const struct text_options *opts);

/* Appends one line for the event. */
void text_event(struct buf *out, const struct event_view *view, const struct text_options *opts);

/*
 * A sink that writes to a borrowed descriptor, headings first; errors as output_flush. The
 * options are copied. NULL: no memory.
 */
struct event_sink *text_sink_open(int fd, const struct text_options *opts);

#endif

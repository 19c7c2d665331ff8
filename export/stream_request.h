/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of the agent's socket may ask for, in one line of at most STREAM_LINE_MAX bytes:
 *
 *	status
 *	events [KEY=VALUE]...
 *
 *	format=json|table   how events are written; json by default
 *	color=0|1 utc=0|1   of a table
 *	width=N             of a table: columns, 0: lines are not cut
 *	count=N             the agent ends the stream after N events
 *	event=NAME          these events only: a name, or "process.*"
 *	namespace=NAME      of these Kubernetes namespaces only
 *	pod=NAMESPACE/NAME  of these pods only
 *	container=WHICH     of these containers only: an id, its first 12 or more digits, or a name
 *	unit=NAME           of these systemd units only
 *
 * The last five may be repeated: values of one key are alternatives, different keys must all match.
 * tapio.lost always comes. A space, a percent sign and control characters in a value are written as
 * %20, %25 and so on.
 */
#ifndef EXPORT_STREAM_REQUEST_H
#define EXPORT_STREAM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "event/view.h"
#include "export/text.h"

#define STREAM_LINE_MAX 4096  /* bytes, without the newline */
#define STREAM_VALUES_MAX 32  /* of each key */

/* By what identity an event is chosen. */
enum stream_key { STREAM_NAMESPACE, STREAM_POD, STREAM_CONTAINER, STREAM_UNIT, STREAM_KEYS };

struct stream_request {
	bool status; /* status, not events */
	bool table;
	struct text_options text;
	uint64_t count;  /* 0: no limit */
	uint64_t events; /* bit of each type that is wanted; 0: all */
	unsigned nvalues[STREAM_KEYS];
	const char *values[STREAM_KEYS][STREAM_VALUES_MAX]; /* in `line` */
	char line[STREAM_LINE_MAX + 1];
};

/* Reads a line of n bytes, the newline taken off. 0, or -EINVAL and in `why` what is wrong with it. */
int stream_request_parse(struct stream_request *ret, const char *line, size_t n, char *why, size_t size);

/* Whether a client that asked for this is to get the event. */
bool stream_request_matches(const struct stream_request *request, const struct event_view *view);

/* Appends " KEY=VALUE" to a line. */
void stream_request_add(struct buf *line, const char *key, const char *value);

#endif

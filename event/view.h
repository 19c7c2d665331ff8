/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event on its way to the sinks: a checked record and what user space knows about it.
 *
 * Borrowed: valid during the call that passes it. A record that arrives here was checked
 * (event_check), so that every reference into its tail lies inside it.
 */
#ifndef EVENT_VIEW_H
#define EVENT_VIEW_H

#include <stdint.h>
#include "event/identity.h"
#include "event/table.h"

/* What the tier that served an event cannot give. */
struct event_absent {
	uint64_t mask;    /* bits as for event_common */
	const char *json; /* the same as a JSON array of names, NULL if nothing is absent */
};

struct event_view {
	const struct tapio_event *ev;
	const struct event_desc *desc;
	const struct event_absent *absent; /* may be NULL */
	const struct event_identity *who;  /* may be NULL */
	uint64_t wall_ns;                  /* CLOCK_REALTIME of the event */
	int64_t boot_to_wall_ns;           /* add to a boot time to get CLOCK_REALTIME */
};

/*
 * Checks a record of `size` bytes against the table: type known, sizes and all references inside
 * the record. 0 and *ret_desc, -ENOENT for an unknown type, -EBADMSG for a malformed record.
 * `data` must be aligned to 8 bytes.
 */
int event_check(const void *data, size_t size, const struct event_desc **ret_desc);

/* A bounded piece of memory; data is not NUL-terminated. */
struct bytes {
	const char *data;
	size_t length;
};

/* The bytes of a KIND_STR field of a checked record. */
struct bytes event_str(const struct event_view *view, const struct event_field *field);

/*
 * Iterates over the strings of a KIND_STRV field of a checked record. *pos starts at 0.
 * Returns false at the end.
 */
bool event_strv_next(const struct event_view *view, const struct event_field *field, size_t *pos,
		     struct bytes *ret);

/*
 * Iterates over the names of a KIND_PATH field of a checked record, the root's end first; one
 * empty name is the root directory itself. *pos starts at 0. Returns false at the end.
 */
bool event_path_next(const struct event_view *view, const struct event_field *field, size_t *pos,
		     struct bytes *ret);

/* TAPIO_PATH_* of a KIND_PATH field. */
unsigned event_path_flags(const struct event_view *view, const struct event_field *field);

/* What a path that lacks its start begins with, and what one of an unlinked file ends with. */
#define EVENT_PATH_CUT "\xe2\x80\xa6"
#define EVENT_PATH_GONE " (deleted)"

/*
 * Writes a KIND_PATH field of a checked record as a path into buf, which holds
 * EVENT_PATH_BUF bytes: "/usr/bin/cat", "/tmp/x (deleted)", "…/deep/file" when truncated.
 * Returns the length; 0 if unknown. Not NUL-terminated.
 */
#define EVENT_PATH_BUF (TAPIO_PATH_MAX + 512)
size_t event_path(const struct event_view *view, const struct event_field *field, char *buf);

/* The value of a KIND_ADDRESS field, and as text into buf, which holds EVENT_ADDRESS_BUF bytes: its length. */
#define EVENT_ADDRESS_BUF 46
struct tapio_address event_address(const struct event_view *view, const struct event_field *field);
size_t event_address_text(const struct tapio_address *address, char *buf);

/* The integer value of a numeric field (KIND_U8 … KIND_S32, BOOL, ERRNO, SIGNAL, INSTANT, CAPS). */
int64_t event_number(const struct event_view *view, const struct event_field *field);

/* The text of a KIND_WHO or KIND_REASON field of this event, NULL if it has none. */
const char *event_who(const struct event_view *view, const struct event_field *field);

/* Whether the field has a value here: not padding, not absent, not a value that means "unknown". */
bool event_has(const struct event_view *view, const struct event_field *field, unsigned index);

#endif

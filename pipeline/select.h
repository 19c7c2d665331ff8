/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events the user wants, by whom they are about: --pod and the like, and the configuration's
 * include and exclude rules.
 *
 * Part of it is decided per cgroup, and the kernel told: what no later knowledge can make wanted.
 */
#ifndef PIPELINE_SELECT_H
#define PIPELINE_SELECT_H

#include <stdbool.h>

#include "event/view.h"

#define SELECT_RULES_MAX 64

enum select_kind {
	SELECT_NAMESPACE,
	SELECT_POD,       /* "NAMESPACE/NAME" */
	SELECT_CONTAINER, /* an id, its first 12 digits or more, or a name */
	SELECT_UNIT,      /* of the machine or of a user */
	SELECT_COMM,
	SELECT_PATH, /* how process.executable.path begins; only events that have one match */
	SELECT_KINDS
};

/* Matches if all that are not NULL do. Borrowed strings. */
struct select_rule {
	const char *values[SELECT_KINDS];
};

struct selector {
	/* A value of each kind that has any must match. */
	const char *wanted[SELECT_KINDS][SELECT_RULES_MAX];
	unsigned nwanted[SELECT_KINDS];
	/* And one rule of these, if there are any; and none of those. */
	struct select_rule include[SELECT_RULES_MAX], exclude[SELECT_RULES_MAX];
	unsigned ninclude, nexclude;
};

/* Whether there is anything to select by. */
bool select_any(const struct selector *s);

/* Adds a value of one kind. 0, or -E2BIG. The string is borrowed. */
int select_want(struct selector *s, enum select_kind kind, const char *value);

/* Whether the event is wanted. What is unknown matches nothing. */
bool select_event(const struct selector *s, const struct event_view *view);

/* Whether no event of this identity can be wanted, whatever else it says. */
bool select_never(const struct selector *s, const struct event_identity *who);

#endif

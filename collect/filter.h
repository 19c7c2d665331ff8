/* SPDX-License-Identifier: Apache-2.0 */
/* What the user wants to see, tested in the kernel. Kinds are TAPIO_FILTER_* of event/event.h. */
#ifndef COLLECT_FILTER_H
#define COLLECT_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "collect/transport.h"
#include "event/event.h"

struct filter {
	struct tapio_filter_key values[TAPIO_FILTER_VALUES_MAX];
	unsigned nvalues;
	int cgroups[TAPIO_FILTER_CGROUPS_MAX]; /* open directories */
	unsigned ncgroups;
};

/*
 * Adds one value: a pid, a comm, a uid or user name, a cgroup's path or id (its descendants match
 * too). Several values of one kind: any may match. On error a negative errno, and in `why` what is
 * wrong with the value.
 */
int filter_add(struct filter *f, uint32_t kind, const char *text, char *why, size_t size);

/* Writes the filter into the maps and returns the TAPIO_FILTER_* bits in use, or a negative errno. */
int filter_apply(const struct filter *f, const struct transport *t);

void filter_close(struct filter *f);

#endif

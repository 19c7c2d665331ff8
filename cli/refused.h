/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who went beyond the budget of events, for the metrics: a bounded table, so that whoever makes many
 * pods does not make many labels.
 */
#ifndef CLI_REFUSED_H
#define CLI_REFUSED_H

#include <stdint.h>

#include "event/identity.h"

#define REFUSED_MAX 64 /* pods and units that are counted by name, of all sensors */
#define REFUSED_NAME_MAX 256

struct refused_row {
	unsigned sensor;
	char namespace_name[REFUSED_NAME_MAX], pod[REFUSED_NAME_MAX], unit[REFUSED_NAME_MAX]; /* "": none */
	uint64_t count;
};

struct refused {
	struct refused_row rows[REFUSED_MAX];
	unsigned n;
	uint64_t others; /* of those that found no row, or of whom nothing is known */
};

/* `who` may be NULL. */
void refused_add(struct refused *r, unsigned sensor, const struct event_identity *who, uint64_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer of events did not get and has not been told of: by sensor and cause, so that
 * tapio.lost can say it later. Zero-initialised it is empty.
 */
#ifndef EXPORT_MISSED_H
#define EXPORT_MISSED_H

#include <stdbool.h>
#include <stdint.h>
#include "event/view.h"

struct missed {
	bool any;
	uint64_t since_ns; /* CLOCK_BOOTTIME, of the first one */
	uint64_t counts[TAPIO_SENSOR_MAX][TAPIO_CAUSE_MAX];
};

/* Adds an event that is dropped for that cause. A dropped tapio.lost stays the loss that it told of. */
void missed_add(struct missed *missed, const struct event_view *view, enum tapio_cause cause);

/* Calls `tell` with one tapio.lost for each sensor and cause, and is empty then. */
void missed_tell(struct missed *missed, void (*tell)(void *arg, const struct event_view *lost), void *arg);

#endif

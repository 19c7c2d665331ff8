/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a record through user space: check, then fan out to the sinks. Everything that is
 * refused on the way is counted.
 */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/sink.h"
#include "event/view.h"

#define PIPELINE_SINKS_MAX 8

struct pipeline {
	struct event_sink *sinks[PIPELINE_SINKS_MAX]; /* owned */
	unsigned nsinks;
	uint64_t limit;         /* stop after this many events; 0: none */
	uint64_t events;        /* given to the sinks, tapio.lost not counted */
	/* By the sensor that the record names; 0: none that we know. */
	uint64_t received[TAPIO_SENSOR_MAX];  /* records from the rings, refused ones included */
	uint64_t malformed[TAPIO_SENSOR_MAX]; /* refused */
	uint64_t unknown[TAPIO_SENSOR_MAX];   /* refused */
	int64_t boot_to_wall_ns;
	int sink_error;   /* what a sink failed with; 0: none */
	bool interrupted; /* a signal came while a sink was blocked; the owner clears it */
	struct event_absent absent[TAPIO_EV_MAX];
};

void pipeline_init(struct pipeline *p);
void pipeline_add_sink(struct pipeline *p, struct event_sink *sink);
void pipeline_close(struct pipeline *p);

/* Reads the clocks anew: once per batch, so that clock steps and suspends are followed. */
void pipeline_clocks(struct pipeline *p);

/*
 * One record from a ring, hostile until checked. Returns 0, or 1 when no more are wanted: the
 * limit is reached, a sink has failed (sink_error) or was interrupted.
 */
int pipeline_record(struct pipeline *p, const void *data, size_t size, uint64_t ts_boot_ns);

/* Puts a tapio.lost event into the stream. */
void pipeline_lost(struct pipeline *p, unsigned sensor, unsigned cause, uint64_t count, uint64_t interval_ns);

/* Makes what was given so far visible. Returns sink_error. */
int pipeline_flush(struct pipeline *p);

#endif

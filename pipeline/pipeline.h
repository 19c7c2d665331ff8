/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a record through user space: check, say whom it is about, select, and fan out to the
 * sinks. Everything that is refused on the way is counted.
 */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/correlator.h"
#include "event/identity.h"
#include "event/sink.h"
#include "event/view.h"
#include "pipeline/redact.h"
#include "pipeline/select.h"

#define PIPELINE_SINKS_MAX 8
#define PIPELINE_CORRELATORS_MAX 4

struct pipeline {
	struct event_sink *sinks[PIPELINE_SINKS_MAX]; /* owned */
	unsigned nsinks;
	struct correlator *correlators[PIPELINE_CORRELATORS_MAX]; /* owned */
	unsigned ncorrelators;
	struct identifier *identifier; /* NULL: nobody knows whom events are about */
	const struct selector *selector; /* NULL: all events */
	/* Told once of each cgroup of which no event can be wanted; NULL: nobody wants to know. */
	void (*unwanted)(void *arg, const struct tapio_cgroup_key *key);
	void *unwanted_arg;
	enum redact_mode args;     /* what becomes of process.command_args; FULL after pipeline_init */
	struct redacted *redacted; /* memory for one event; NULL unless it was needed */
	/* A record that waits for its identity and will come again: by cpu, ring and number. */
	bool held;
	uint64_t held_number;
	uint32_t held_from;
	uint64_t limit;         /* stop after this many events; 0: none */
	uint64_t events;        /* given to the sinks, those that Tapio makes itself not counted */
	uint64_t by_type[TAPIO_EV_MAX]; /* the same by type */
	uint64_t records[TAPIO_EV_MAX]; /* taken from the rings, whatever became of them */
	uint64_t unselected;    /* not wanted, which the kernel did not know */
	/* By the sensor that the record names; 0: none that we know. */
	uint64_t received[TAPIO_SENSOR_MAX];  /* records from the rings, refused ones included */
	uint64_t malformed[TAPIO_SENSOR_MAX]; /* refused */
	uint64_t unknown[TAPIO_SENSOR_MAX];   /* refused */
	int64_t boot_to_wall_ns;
	int64_t (*read_offset)(void); /* what boot_to_wall_ns follows; NULL: the clocks. Tests have their own */
	int sink_error;   /* what a sink failed with; 0: none */
	bool interrupted; /* a signal came while a sink was blocked; the owner clears it */
	struct event_absent absent[TAPIO_EV_MAX];
};

void pipeline_init(struct pipeline *p);
void pipeline_add_sink(struct pipeline *p, struct event_sink *sink);
/* What it makes goes the way of all events. */
void pipeline_add_correlator(struct pipeline *p, struct correlator *correlator);
void pipeline_close(struct pipeline *p);

/* Decides what sinks see of arguments. 0 or -ENOMEM, and nothing changed. */
int pipeline_set_args(struct pipeline *p, enum redact_mode mode);

/* Reads the clocks anew: once per batch, so that clock steps and suspends are followed. */
void pipeline_clocks(struct pipeline *p);

/*
 * One record from a ring, hostile until checked. Returns 0, or 1 when no more are wanted: the
 * limit is reached, a sink has failed (sink_error) or was interrupted. -EAGAIN: it is not known yet
 * whom it is about; the same record is to be given again before any other.
 */
int pipeline_record(struct pipeline *p, const void *data, size_t size, uint64_t ts_boot_ns);

/* All records of before `now_ns` (boot clock) were given: what waited for one of them in vain is told. */
void pipeline_advance(struct pipeline *p, uint64_t now_ns);

/* When pipeline_advance is needed, on the boot clock; 0: not before the next record. */
uint64_t pipeline_due(const struct pipeline *p);

/*
 * Puts a tapio.lost event into the stream. `key` and `who`: of the cgroup whose events they were;
 * NULL: of many, or unknown.
 */
void pipeline_lost(struct pipeline *p, unsigned sensor, unsigned cause, uint64_t count, uint64_t interval_ns,
		   const struct tapio_cgroup_key *key, const struct event_identity *who);

/* Puts a tapio.identity event into the stream, if events of that identity are wanted. */
void pipeline_identity(struct pipeline *p, const struct event_identity *who, const struct tapio_cgroup_key *key);

/* Puts a tapio.started event into the stream. */
void pipeline_started(struct pipeline *p, const char *version);

/* Makes what was given so far visible. Returns sink_error. */
int pipeline_flush(struct pipeline *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* All sensors that were asked for, at work: what `tapio trace` and `tapio check` stand on. */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

#include "collect/filter.h"
#include "collect/reader.h"
#include "collect/sensor.h"
#include "collect/transport.h"

struct collect_options {
	uint64_t events;                     /* EVENT_BIT of what is wanted */
	const char *tiers[TAPIO_SENSOR_MAX]; /* forced tiers by sensor, NULL: the best that runs */
	struct filter filter;
	struct transport_options transport;
	bool self; /* report ourselves too */
	bool identity; /* also send what it takes to tell who a process is */
	uint32_t events_per_second; /* of one cgroup and sensor; 0: no limit */
	uint64_t core_disabled; /* CORE_* that are ruled out, though the kernel has them */
	uint16_t dns_ports[TAPIO_DNS_PORTS_MAX]; /* all 0: 53 */
};

/* The v1 hierarchy that records carry a second cgroup id of. */
struct legacy_hierarchy {
	uint32_t subsystem; /* TAPIO_SUBSYSTEM_*, 0: this machine has none */
	uint32_t number;
	const char *controller;
	char mount[256]; /* "" if it is mounted nowhere */
};

struct collector {
	struct tapio_config config; /* as the programs see it */
	struct legacy_hierarchy legacy;
	bool lineage; /* records do not tell cgroups: they are to be followed from parent to child */
	struct transport transport;
	struct reader reader;
	struct sensor_run runs[TAPIO_SENSOR_MAX]; /* by sensor; .sensor NULL: not asked for */
	uint64_t received[TAPIO_SENSOR_MAX];      /* records taken from the rings, by sensor */
};

/* What was lost so far, by sensor and cause. */
struct losses {
	uint64_t count[TAPIO_SENSOR_MAX][TAPIO_CAUSE_MAX];
};

extern const struct transport_options transport_defaults;

/*
 * Starts every sensor that yields a wanted event, each at the best tier that runs. A sensor that
 * cannot run at all is no error here: runs[].tier is NULL and runs[].results says why. Negative
 * errno if nothing can work, with the reason in `why`.
 */
int collector_open(struct collector *c, const struct collect_options *options, char *why, size_t size);

/* Hands `config` to the programs, changed. 0 or a negative errno. */
int collector_configure(struct collector *c);

/* Stops the programs; the rings can still be drained and the counters read. */
void collector_detach(struct collector *c);
void collector_close(struct collector *c);

/*
 * What was lost since the start. `settled`: the programs are detached and the rings drained, so
 * that every record made and not received is lost; else records on their way are not counted.
 */
int collector_losses(struct collector *c, bool settled, struct losses *ret);

#endif

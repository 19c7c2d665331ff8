/* SPDX-License-Identifier: Apache-2.0 */
/* What `tapio check` found out, and its two ways to print it. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cgroup.h"
#include "cli/config.h"
#include "cli/privileges.h"
#include "collect/collector.h"

/* Of the JSON document; docs/CHECK.md. Changed only when a member changes or goes. */
#define CHECK_SCHEMA "tapio.check/1"

/* What of `tapio run` leaves it, and how. Borrowed. */
struct check_outlets {
	enum config_args args;
	const char *listen; /* NULL: off */
	const char *socket; /* NULL: off */
	const struct config_sink *sinks;
	unsigned nsinks;
};

/* Of a run without a configuration. */
extern const struct check_outlets check_outlets_default;

struct check {
	struct collector collector; /* every sensor at work */
	char release[65];
	char machine[65];
	const char *level;
	const char *cgroup_mode;
	const char *cgroup_v2; /* NULL: not mounted */
	const char *lockdown;
	uint64_t capabilities;
	bool pid_ns;    /* in the host's */
	bool cgroup_ns; /* likewise */
	size_t ring_bytes;
	size_t map_bytes;
	struct privilege_options privileges; /* what they are needed for */
	struct check_outlets outlets;
};

void check_print_text(const struct check *check, FILE *to);
void check_print_outlets(const struct check_outlets *outlets, FILE *to);
void check_print_json(const struct check *check, FILE *to);

/* What records come through here: "ring buffer", "perf buffer", or both. */
const char *check_transport(const struct check *check);

/* The hooks that serve an event here, from `*pos` = 0 on; NULL at the end. */
const char *check_hook(const struct sensor_run *run, unsigned type, unsigned *pos);

/* Whether some hook of the sensor slows every system call of the machine. */
bool check_taxes_syscalls(const struct sensor_run *run);

#endif

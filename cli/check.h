/* SPDX-License-Identifier: Apache-2.0 */
/* What `tapio check` found out, and its two ways to print it. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cgroup.h"
#include "cli/config.h"
#include "cli/memory.h"
#include "cli/privileges.h"
#include "collect/collector.h"

/* Of the JSON document; docs/CHECK.md. Changed only when a member changes or goes. */
#define CHECK_SCHEMA "tapio.check/1"

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
	struct privilege_options privileges; /* what they are needed for */
	const struct config *config; /* of `tapio run` */
};

/* Fills in what is to be known of the machine and of the sensors of check->collector. */
void check_look_around(struct check *check);

void check_print_text(const struct check *check, FILE *to);
/* What leaves `tapio run`, and how. */
void check_print_outlets(const struct config *config, FILE *to);
void check_print_json(const struct check *check, FILE *to);

/* What records come through here: "ring buffer", "perf buffer", or both. */
const char *check_transport(const struct check *check);

/* The hooks that serve an event here, from `*pos` = 0 on; NULL at the end. */
const char *check_hook(const struct sensor_run *run, unsigned type, unsigned *pos);

/* Whether some hook of the sensor slows every system call of the machine. */
bool check_taxes_syscalls(const struct sensor_run *run);

#endif

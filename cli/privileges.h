/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which capabilities Tapio needs here, for what, for how long, and what each costs if it is missing:
 * one table, from which `tapio check --privileges`, its JSON and the agent's own dropping are made.
 */
#ifndef CLI_PRIVILEGES_H
#define CLI_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "collect/collector.h"

#define PRIVILEGES_MAX 16 /* rows of the table */

/* What else than sensors the list is for. */
struct privilege_options {
	bool identity; /* cgroups, containers and pods are looked up */
	bool stats;    /* the run time of BPF programs is counted */
};

/* One use of a capability. A capability may have several. */
struct privilege {
	unsigned cap;
	bool kept;        /* all the time; else at set-up only */
	const char *what; /* it is for */
	const char *lost; /* without it */
};

/*
 * The uses that apply here, after the sensors of `c` have been started or have failed to start: what a
 * missing capability prevented is among them. Their number.
 */
unsigned privileges_list(const struct collector *c, const struct privilege_options *options,
			 struct privilege ret[PRIVILEGES_MAX]);

/* The same as a set: bit N is capability N. `after_setup`: those alone that are kept. */
uint64_t privileges_needed(const struct collector *c, const struct privilege_options *options, bool after_setup);

/* Whether CAP_PERFMON is not enough for perf_event_open here: Debian's and Ubuntu's kernels may want more. */
bool privileges_perf_takes_admin(void);

/* Whether `have` serves a use: CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON. */
bool privilege_held(const struct privilege *p, uint64_t have);

void privileges_print(const struct collector *c, const struct privilege_options *options, uint64_t have, FILE *to);

#endif

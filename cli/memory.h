/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent may take at most, maps in the kernel included: the sum of parts that each have a
 * maximum. `tapio check` prints it, and `tapio run` refuses to start above limits.memory.
 */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "cli/config.h"
#include "collect/collector.h"

#define MEMORY_PARTS_MAX 13

struct memory_options {
	uint32_t cgroups;       /* remembered */
	uint64_t queue_bytes;   /* of all sinks */
	bool http, socket;      /* served */
};

/* What a configuration lets the agent take. */
struct memory_options memory_options_of(const struct config *config);

struct memory_part {
	const char *what;
	uint64_t bytes;
	char how[96]; /* the formula, with its numbers */
};

unsigned memory_parts(const struct collector *c, const struct memory_options *options,
		      struct memory_part ret[MEMORY_PARTS_MAX]);

uint64_t memory_sum(const struct memory_part *parts, unsigned n);

/* Resident set size of this process, in bytes, and how many descriptors it has open. */
uint64_t memory_resident(void);
unsigned open_descriptors(void);

/* What the agent's own cgroup has charged ("memory.current", v1 "memory.usage_in_bytes"); 0: not to be had. */
uint64_t memory_of_own_cgroup(void);

#endif

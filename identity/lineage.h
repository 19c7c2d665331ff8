/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroups a process is in, followed from parent to child: for kernels whose records do not tell.
 *
 * A bounded table of processes. Those that have ended keep their place until another needs it,
 * because the record of the end itself is still to be told apart. A process that finds no place
 * because all others live is not followed, and counted.
 */
#ifndef IDENTITY_LINEAGE_H
#define IDENTITY_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "identity/groups.h"

#define LINEAGE_MAX 65536 /* processes followed */

enum lineage_state { LINEAGE_ASKED, LINEAGE_KNOWN, LINEAGE_UNKNOWN };

struct place {
	struct group_ref v2, legacy; /* index 0: none, or forgotten */
};

struct process {
	uint32_t tgid;
	uint32_t next;  /* in its hash chain: index + 1 */
	uint32_t after; /* in the list of those that ended: index + 1 */
	uint8_t state;  /* enum lineage_state */
	bool ended;
	bool moved; /* since /proc was asked: its answer is older */
	uint32_t doubts;   /* lineage.doubts when its place was learnt */
	uint64_t asked_ns;   /* CLOCK_MONOTONIC: of the question to /proc, which its answer names */
	uint64_t waiting_ns; /* since when a record waits for the answer, CLOCK_MONOTONIC; 0: none does */
	struct place place;
};

struct lineage {
	struct process *table;
	uint32_t *buckets;
	uint32_t used, first_ended, last_ended; /* lists: index + 1 */
	uint64_t refused; /* processes that found no place */
	uint32_t doubts;  /* how often records were lost: places learnt before are not sure any more */
};

int lineage_open(struct lineage *l);
void lineage_close(struct lineage *l);

struct process *lineage_find(const struct lineage *l, uint32_t tgid);

/* The place of a process that is new, whoever had its number before. NULL: full, and counted. */
struct process *lineage_add(struct lineage *l, uint32_t tgid);

void lineage_ended(struct lineage *l, uint32_t tgid);

#endif

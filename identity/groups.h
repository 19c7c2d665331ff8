/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups that are known: a bounded table, by hierarchy and id.
 *
 * One thread owns it. A group that was removed stays as a tombstone, because records about its last
 * processes may still come, until its place is needed: the longest dead go first, then those of the
 * living that nobody has asked for longest, which can be looked up again by id. A reference is an
 * index and the generation of what it held, so that one to an evicted group finds nothing, never
 * another.
 */
#ifndef IDENTITY_GROUPS_H
#define IDENTITY_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "event/identity.h"
#include "identity/cgroup_path.h"
#include "identity/workload.h"

enum group_state {
	GROUP_NAMELESS, /* its path is being looked up */
	GROUP_ASKED,    /* its container or pod is being looked up */
	GROUP_SETTLED,  /* known, or known not to be to find */
};

struct group {
	uint64_t id;
	uint32_t hierarchy; /* 0: v2 */
	uint32_t generation;
	uint32_t next;        /* in its hash chain: index + 1 */
	uint32_t older, newer; /* in its list */
	uint8_t state;        /* enum group_state */
	uint8_t tries;        /* look-ups that found no state */
	bool used;            /* the place is taken */
	bool removed;
	bool told_unknown;    /* an event was published without what is being looked up */
	bool asked;           /* a question is on its way */
	uint64_t waiting_ns;  /* since when a record waits for the answer, CLOCK_MONOTONIC; 0: none does */
	struct tapio_cgroup_key told; /* with which ids */
	char *path;           /* NULL: not known (yet) */
	bool claims; /* it stands below a container and says that it is another one's: not believed as it is */
	struct cgroup_path parsed;
	struct workload workload;
	struct event_identity who;
	size_t bytes; /* of its names, as charged by the owner of the table */
	char *text; /* what strings of `who` refer to that lie neither in path nor in workload */
	char *json;
};

struct group_ref {
	uint32_t index; /* + 1; 0: nothing */
	uint32_t generation;
};

struct groups {
	struct group *table;
	uint32_t *buckets; /* index + 1 */
	uint32_t max, nbuckets, used, living, removed;
	uint32_t oldest[2], newest[2]; /* lists of the living and of the removed: index + 1 */
	uint64_t evicted;         /* living ones that had to go, though they can be looked up again */
	uint64_t evicted_removed; /* tombstones that had to go */
	uint32_t free;            /* list of places that became free, by `next`: index + 1 */
	void (*forget)(struct group *group, void *arg); /* frees what a group owns */
	void *arg;
};

/* `max`: groups remembered, at least 16. 0 or -ENOMEM. */
int groups_open(struct groups *g, uint32_t max, void (*forget)(struct group *group, void *arg), void *arg);
void groups_close(struct groups *g);

/* NULL if unknown. What is found was asked for last. */
struct group *groups_find(struct groups *g, uint32_t hierarchy, uint64_t id);

/* A new, empty group in the place of one of the same id, or of the one that is to go. Never NULL. */
struct group *groups_add(struct groups *g, uint32_t hierarchy, uint64_t id);

void groups_remove(struct groups *g, struct group *group);

/* Forgets the group that is to go next, unless that is this one. False if there is no other. */
bool groups_evict_other(struct groups *g, const struct group *keep);

struct group_ref groups_ref(const struct groups *g, const struct group *group);
struct group *groups_at(const struct groups *g, struct group_ref ref);

#endif

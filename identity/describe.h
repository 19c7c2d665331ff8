/* SPDX-License-Identifier: Apache-2.0 */
/* From a cgroup's path and its workload's names to struct event_identity. */
#ifndef IDENTITY_DESCRIBE_H
#define IDENTITY_DESCRIBE_H

#include "base/buf.h"
#include "identity/groups.h"

/* Whether the group is of a container or pod, whose names the machine's disk may have. */
bool group_has_workload(const struct group *group);

/* How much a group tells: nothing, a unit, a container or pod. */
enum group_rank { RANK_NOTHING, RANK_UNIT, RANK_WORKLOAD };
enum group_rank group_rank(const struct group *group);

/*
 * Makes group->who (and what it refers to) anew from path, parsed and workload. `reason`: why names
 * are missing. Returns the bytes that the group's names take now.
 */
size_t group_describe(struct group *group, enum identity_reason reason,
		      void (*render)(struct buf *out, const struct event_identity *who));

/* Frees what a group owns. */
void group_forget(struct group *group);

#endif

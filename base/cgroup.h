/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup v2 hierarchy as this process sees it. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stddef.h>
#include <stdint.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

/* What is mounted, from /proc/self/mountinfo; *ret_v2 (may be NULL) gets the v2 mount's path. */
enum cgroup_mode cgroup_mode_detect(const char **ret_v2);
const char *cgroup_mode_name(enum cgroup_mode mode);

/*
 * The v1 hierarchy of a controller ("pids"): its number, from /proc/self/cgroup, and in `mount` where
 * it is mounted ("" if nowhere). -ENOENT if the controller is in no v1 hierarchy.
 */
int cgroup_legacy_find(const char *controller, uint32_t *ret_hierarchy, char *mount, size_t size);

/*
 * Opens a cgroup directory by id, in the v2 hierarchy or in the one that is mounted there. Takes
 * CAP_DAC_READ_SEARCH. A descriptor, -ESTALE if there is none of that id, or another negative errno.
 */
int cgroup_open_by_id(uint64_t id);
int cgroup_open_at(const char *mount, uint64_t id);

/* The id of an open cgroup directory, v1 or v2: its inode number from 5.5, before it by file handle. */
int cgroup_id_of(int dir_fd, uint64_t *ret_id);

#endif

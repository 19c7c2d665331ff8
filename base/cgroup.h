/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup v2 hierarchy as this process sees it. */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stdint.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

/* What is mounted, from /proc/self/mountinfo; *ret_v2 (may be NULL) gets the v2 mount's path. */
enum cgroup_mode cgroup_mode_detect(const char **ret_v2);
const char *cgroup_mode_name(enum cgroup_mode mode);

/* Opens a cgroup v2 directory by id. A descriptor or a negative errno. */
int cgroup_open_by_id(uint64_t id);

/* The id of an open cgroup v2 directory: its inode number from 5.5, before it by file handle. */
int cgroup_id_of(int dir_fd, uint64_t *ret_id);

#endif

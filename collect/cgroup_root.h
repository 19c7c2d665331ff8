/* SPDX-License-Identifier: Apache-2.0 */
/* Where programs on sockets are attached: the root of the cgroup v2 hierarchy, under which every process is. */
#ifndef COLLECT_CGROUP_ROOT_H
#define COLLECT_CGROUP_ROOT_H

#include <stddef.h>

/*
 * A descriptor of its directory, which the caller closes; where nothing shows the root, of a mount that nobody else sees
 * (5.2). Otherwise a negative errno, and in `why` what is in the way.
 */
int cgroup_root_open(char *why, size_t size);

#endif

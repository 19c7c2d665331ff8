/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup's path says by itself: container, pod, systemd unit.
 *
 * Pure, without allocation, linear in the path's length. The path is hostile: whoever may make
 * cgroups below his own, as a container or a user's session may, chooses the names there. So:
 *
 * - The outermost container is who it is. What it made below itself is still that container.
 * - If the outermost container has no pod, it may be a node of its own (kind: a plain container in
 *   which a kubelet runs). Then the first full shape below it, kubepods, its pod, the pod's
 *   container, is the answer, and `depth` tells that this is the word of a container.
 * - A container elsewhere below a container (Docker in Docker) is not looked at.
 *
 * docs/IDENTITY.md lists the patterns and what stays unknown.
 */
#ifndef IDENTITY_CGROUP_PATH_H
#define IDENTITY_CGROUP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include "event/view.h"
#include "identity/unit_path.h"

#define CGROUP_CONTAINER_ID_LENGTH 64
#define CGROUP_POD_UID_MAX 36

struct cgroup_path {
	/* 64 lower-case hex digits, in the path; length 0: no container, or none with such an id */
	struct bytes container_id;
	/* of the outermost container where that is not the answer; length 0 if it has no such id */
	struct bytes outer_container_id;
	const char *container_runtime; /* static; NULL where the path alone does not tell */
	/* canonical: a UUID with dashes, or a static pod's 32 hex digits; "" if there is no pod */
	char pod_uid[CGROUP_POD_UID_MAX + 1];
	/*
	 * Containers around the answer. 0: the machine's own. Above 0 the answer is what a container
	 * claims, as any that may write cgroups can. What speaks for it is that the runtimes on our own
	 * disk have the inner container and not the outer one: then we run inside that node.
	 */
	unsigned depth;
	/*
	 * The answer stands below a user's systemd or session, where that user chooses the names. True
	 * for rootless runtimes; root's state on disk is not about it.
	 */
	bool by_user;
	/* A monitor of a container (conmon): of the pod, if pod_uid is set, but not in the container. */
	bool monitor;
	/* In a container that has no such id: LXC, Garden. `inside` is of its systemd. */
	bool box;
	/* Begins with "/..": read in a cgroup namespace that is not the first. What is above is unknown. */
	bool relative;
	/*
	 * By the machine's systemd. A container's scope is no unit; what only holds a pod is none of
	 * the pod's, so that with a pod (and not by_user) there is a slice at most.
	 */
	struct unit_path host;
	/* By a systemd inside the container that is the answer: that container's word. */
	struct unit_path inside;
};

/*
 * Parses the path of a cgroup within its hierarchy (v1 or v2), as in /proc/PID/cgroup. References in
 * *ret are into `path`, or to UNIT_ROOT_SLICE. A path that no kernel writes, with "." or ".." between
 * names, says nothing: all of *ret is empty then.
 */
void cgroup_path_parse(const char *path, size_t n, struct cgroup_path *ret);

/*
 * The same for a caller that does not believe a claim of depth above 0: the outermost container is
 * the answer, whatever stands below it. depth is always 0.
 */
void cgroup_path_parse_outermost(const char *path, size_t n, struct cgroup_path *ret);

#endif

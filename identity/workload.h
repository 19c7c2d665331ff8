/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine's disk says about a container or a pod: what runtimes, kubelet and libcni leave
 * there for themselves. No API server, no runtime's socket, no token.
 *
 * Reads small files, so it is for a thread that may wait for a disk. Reentrant; keeps nothing. One
 * call reads at most a dozen files of 1 MiB and lists at most six folders of 8192 names.
 */
#ifndef IDENTITY_WORKLOAD_H
#define IDENTITY_WORKLOAD_H

#include <stdbool.h>

/*
 * What a cgroup's path told (identity/cgroup_path.h), not by_user: the machine's disk is about nobody
 * else. Of a depth above 0 what is found speaks for the claim, if the outer container is not found.
 */
struct workload_query {
	const char *container_id; /* 64 lower-case hex digits; NULL: only the pod is known */
	const char *pod_uid;      /* canonical; NULL: the path names no pod */
};

/*
 * Strings are the caller's, NULL where nothing tells, and checked: a name or namespace as Kubernetes
 * allows it (RFC 1123, at most 253 bytes), a uid of at most 64 of [0-9a-f-], an image or a
 * container's name without blanks or control characters.
 */
struct workload {
	const char *runtime;  /* static: "containerd", "cri-o", "docker", "podman" */
	char *container_name; /* as the runtime has it; a CRI container's is that of its pod's specification */
	char *image;          /* reference by which it was started */
	char *pod_uid;
	char *pod_name;
	char *pod_namespace;
	char *pod_container; /* the container's name in the pod's specification */
	bool sandbox;        /* the pod's own container ("pause"): no container_name, no pod_container */
};

/*
 * Looks up below `host_root`, "/" or where the host's root is mounted. Always makes *ret valid, for
 * workload_free, with what is known; the result tells what is wrong:
 *   0         something names it and nothing disagreed
 *   -ENOENT   nothing names it (the runtime may still be known)
 *   -ESTALE   a runtime's state names another pod than the path does: that state is left out
 *   -EBADMSG  state that is malformed, is no regular file, or has a value that cannot be: left out
 *   -EFBIG    state, or a folder, beyond the limits: not read, or not to its end
 *   -EACCES and others of open(2): state that may not be read
 *   -EINVAL   a query that no path gives
 */
int workload_read(const char *host_root, const struct workload_query *query, struct workload *ret);

/* NULL-safe; leaves *w empty. */
void workload_free(struct workload *w);

#endif

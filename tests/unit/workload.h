/* SPDX-License-Identifier: Apache-2.0 */
/* A host's root in a folder of its own, and what workload_read makes of it. */
#ifndef TESTS_UNIT_WORKLOAD_H
#define TESTS_UNIT_WORKLOAD_H

#include <stddef.h>
#include "identity/workload.h"

#define ID1 "5f3a1be0c7d94e2f8a6b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7"
#define ID2 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID1 "0d6a1c6e-3b1f-4c63-9d59-8a3f1f0f7b21"
#define UID2 "ffffffff-0000-4000-8000-123456789abc"
#define CONTAINERD "run/containerd/io.containerd.runtime.v2.task/"
#define STORAGE "var/lib/containers/storage/overlay-containers/"
#define DOCKER "var/lib/docker/containers/"

/* Makes the root; a test begins with: _cleanup_host_ int host = host_begin(); */
int host_begin(void);
void host_end(const int *host);
#define _cleanup_host_ __attribute__((cleanup(host_end)))

/* A path in it as a C string, valid until the next call. */
const char *host_path(const char *path);

/* Files, with the folders above them. */
void host_put_bytes(const char *path, const void *data, size_t n);
void host_put(const char *path, const char *text);
void host_mkdir(const char *path);

/* workload_read, and that it leaves no descriptor open. */
int host_look(const char *id, const char *pod_uid, struct workload *ret);

/* Looks up time and again: the memory in use must not grow. */
void host_check_memory(const char *id, const char *pod_uid);

/* Looks up and compares; NULL is unknown. */
struct wanted_workload {
	const char *runtime, *name, *image, *uid, *pod, *namespace, *container;
	bool sandbox;
};
void host_check(const char *what, const char *id, const char *pod_uid, int wanted_err,
		const struct wanted_workload *wanted);
#define HOST_CHECK(what, id, uid, err, ...)                                                        \
	host_check(what, id, uid, err, &(struct wanted_workload){ __VA_ARGS__ })

#endif

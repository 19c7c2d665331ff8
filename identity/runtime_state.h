/* SPDX-License-Identifier: Apache-2.0 */
/* The files in which a container runtime keeps what it was asked to run. Reentrant. */
#ifndef IDENTITY_RUNTIME_STATE_H
#define IDENTITY_RUNTIME_STATE_H

#include "identity/workload.h"

struct runtime_state {
	struct workload w;
	char sandbox_id[65]; /* of the pod's own container; "" if unknown */
};

/*
 * Looks for a container in the state of containerd, CRI-O, Podman and Docker below the host's root.
 * `in_pod`: kubelet made its cgroup. Only then Docker's labels are asked for the pod: whoever may
 * start a container there writes them.
 * *ret, to be given to workload_free(&ret->w), is valid whatever is returned: 0 if a runtime has the
 * container and its state is sound; -ENOENT if none has it; else as workload_read.
 */
int runtime_state_read(int root, const char *container_id, bool in_pod, struct runtime_state *ret);

#endif

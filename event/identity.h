/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who an event is about: what user space learnt of the cgroup that its process was in.
 *
 * identity/ knows it, pipeline/ puts it beside each record, export/ prints it by the table
 * event_identity_fields (event/table.h). Strings are NUL-terminated, may hold any other byte, and
 * are NULL where something is unknown or does not apply: a host service has no pod.
 */
#ifndef EVENT_IDENTITY_H
#define EVENT_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

struct event_view;

/* Why an identity, or a part of one, is unknown. Append-only. */
enum identity_reason {
	IDENTITY_KNOWN = 0,
	IDENTITY_NO_CGROUP = 1, /* the kernel gives no cgroup id here, and no ancestor tells */
	IDENTITY_GONE = 2,      /* the cgroup went before its name could be learnt */
	IDENTITY_EVICTED = 3,   /* more cgroups than the cache holds, and this one is gone */
	IDENTITY_NO_STATE = 4,  /* a container's cgroup that no runtime's state and no log folder names */
	IDENTITY_LATE = 5,      /* the runtime's state was not read in time; an identity event follows */
	IDENTITY_HIDDEN = 6,    /* the path cannot be read: not mounted as a whole, no privilege, no descriptor */
	IDENTITY_REASONS
};

struct event_identity {
	const char *cgroup_path; /* in its hierarchy, as in /proc/PID/cgroup of the first cgroup namespace */
	const char *container_id;
	const char *container_runtime; /* "containerd", "cri-o", "docker", "podman" */
	const char *container_name;
	const char *container_image;
	const char *pod_uid;
	const char *pod_name;
	const char *pod_namespace;
	const char *pod_container; /* the container's name in the pod's specification */
	const char *unit;          /* of the machine's systemd: "nginx.service", "session-3.scope" */
	const char *slice;
	const char *user_unit; /* of a user's systemd, below user@UID.service */
	const char *user_slice;
	uint64_t id;        /* of the cgroup, in its hierarchy */
	uint32_t reason;    /* enum identity_reason: of the first thing that is unknown and should not be */
	uint32_t hierarchy; /* of the cgroup: 0 is v2, else as in /proc/cgroups */
	const char *json;   /* the known fields as JSON members, a comma before each; made once */
	size_t json_length;
};

/* What is made of a path and of files, for whoever looks up identities. */
struct identifier {
	/* Learns from a checked record, before anybody sees it. */
	void (*observe)(struct identifier *identifier, const struct event_view *view);
	/*
	 * Who a record is about. 0 and *ret, valid until the next call of either function, or -EAGAIN:
	 * it is being looked up, ask again with the same record in a moment.
	 */
	int (*identify)(struct identifier *identifier, const struct event_view *view,
			const struct event_identity **ret);
	/* The same of what cannot wait: 0; what is not known yet stays unknown, with a reason. */
	int (*identify_now)(struct identifier *identifier, const struct event_view *view,
			    const struct event_identity **ret);
};

#endif

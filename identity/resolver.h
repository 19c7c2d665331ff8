/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second thread: what may block, read there. A cgroup's path by its id, a container's names from
 * the runtime's state, a process's cgroups from /proc.
 *
 * Questions and answers pass through bounded queues. The owner asks, sees `fd` become readable, and
 * takes answers; each question that was taken is answered once.
 */
#ifndef IDENTITY_RESOLVER_H
#define IDENTITY_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/groups.h"

#define RESOLVER_QUEUE_MAX 1024 /* questions waiting */
#define RESOLVER_LATER_MAX 256  /* of these, such as are not due yet */
#define RESOLVER_CACHE 256      /* containers whose names are kept for RESOLVER_FRESH_NS */
#define RESOLVER_FRESH_NS 10000000000ull

enum question_kind { QUESTION_PATH, QUESTION_WORKLOAD, QUESTION_PROCESS };

struct question {
	enum question_kind kind;
	struct group_ref group; /* PATH, WORKLOAD: who wants to know */
	uint64_t id;            /* PATH: the cgroup's; PROCESS: comes back with the answer */
	uint32_t hierarchy;     /* PATH */
	uint32_t pid;           /* PROCESS */
	uint64_t due_ns;        /* WORKLOAD: not before this, CLOCK_MONOTONIC */
	char container_id[CGROUP_CONTAINER_ID_LENGTH + 1];
	char pod_uid[CGROUP_POD_UID_MAX + 1];
	/* WORKLOAD: what stands below the container and says to be another one; "": nothing. */
	char claimed_id[CGROUP_CONTAINER_ID_LENGTH + 1];
	char claimed_uid[CGROUP_POD_UID_MAX + 1];
};

/* Where something is in the cgroup trees; allocated, NULL and 0: nowhere. */
struct cgroup_paths {
	char *v2, *legacy;
	uint64_t v2_id, legacy_id; /* 0: the cgroup has gone */
};

struct answer {
	struct question question;
	int err;                  /* 0, or what went wrong: -ENOENT if there is nothing to find */
	struct cgroup_paths paths; /* PATH: the first; PROCESS: both. The taker's to free */
	struct workload workload; /* WORKLOAD: the taker's to free */
	bool claim_is_true;       /* WORKLOAD: `workload` is of what was claimed */
};

struct resolver_options {
	const char *host_root;
	const char *v2_mount; /* NULL: there is none */
	const char *legacy_mount;
	uint32_t legacy_hierarchy; /* 0: none */
};

struct resolver;

/*
 * NULL: no memory or no descriptor. Options' strings are borrowed. Questions are taken from now on, and
 * answered once the thread was started: a thread has the capabilities that its maker had.
 */
struct resolver *resolver_open(const struct resolver_options *options);

/* Starts the thread. 0 or a negative errno. */
int resolver_start(struct resolver *r);

/* Readable when answers wait. */
int resolver_fd(const struct resolver *r);

/*
 * 0, or -EAGAIN if the queue is full (counted). Those that are not due yet get a part of it only: whoever
 * makes containers that nothing names does not take the place of others.
 */
int resolver_ask(struct resolver *r, const struct question *question);

/* Somebody waits for what this group asked: it goes before the others. */
void resolver_hurry(struct resolver *r, struct group_ref group);

/* False if none waits. */
bool resolver_take(struct resolver *r, struct answer *ret);

uint64_t resolver_refused(const struct resolver *r);

/* Waits for the question in work, drops the others. */
void resolver_close(struct resolver *r);

/* ---- what the questions come down to; for the start-up walk and tests ---- */

/* A cgroup's path by its id, allocated. 0, -ESTALE if it is gone, or another negative errno. */
int cgroup_path_by_id(const char *mount, uint64_t id, char **ret);

/* A process's places, from /proc/PID/cgroup. 0 or a negative errno. */
int cgroup_paths_of_process(const struct resolver_options *options, const char *pid, struct cgroup_paths *ret);
void cgroup_paths_free(struct cgroup_paths *paths);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who an event is about. Cgroups are learnt from the cgroup sensor's records before anybody is in
 * them, from a walk at start for those that were there before, and by id for those that were
 * missed; names of containers and pods from the runtime's state on disk (docs/IDENTITY.md).
 *
 * A record carries its cgroup's id in v2 and, on machines that have v1 hierarchies, in one of those:
 * a runtime may have put its container into one tree and left it at the host's in the other. The
 * more telling of the two is the answer: a container before a unit before nothing.
 *
 * Records wait (-EAGAIN, so in the ring) at most WHO_WAIT_NS for names that are being read; then they
 * go without them, with the reason, and `known` tells later. A resolver that was late once is not
 * waited for until it has answered again. All waiting together takes at most WHO_WAIT_BURST_NS at once and
 * one part in WHO_WAIT_SHARE of the time, so that whoever makes cgroups does not stop everybody's events.
 */
#ifndef IDENTITY_WHO_H
#define IDENTITY_WHO_H

#include "base/buf.h"
#include "event/identity.h"
#include "identity/lineage.h"
#include "identity/resolver.h"

#define WHO_WAIT_NS 100000000ull
#define WHO_WAIT_BURST_NS 500000000ull
#define WHO_WAIT_SHARE 4
#define WHO_TRIES 5                  /* for a container that no state names: after 50 ms, each time 4 times longer */
#define WHO_BYTES_PER_GROUP 4096ull  /* of names, on average: the bound is this times the cgroups remembered */

struct who_options {
	uint32_t cgroups_max;
	bool lineage; /* records do not tell cgroups reliably: follow processes */
	bool classic_ids; /* cgroup records are of classic tracepoints: before 5.5 these have ids of their own */
	bool moves_unseen; /* with lineage: no cgroup.entered comes; /proc is asked at each exec instead */
	struct resolver_options resolver;
	/* Makes event_identity.json. */
	void (*render)(struct buf *out, const struct event_identity *who);
	/* Events of this cgroup were told with something unknown that is known now. */
	void (*known)(void *arg, const struct event_identity *who, const struct tapio_cgroup_key *key);
	void *arg;
};

struct who_stats {
	uint32_t cgroups, cgroups_max, removed; /* remembered now; of these, tombstones */
	size_t bytes, max_bytes;                /* of names */
	uint64_t evicted;                       /* living and dead cgroups that had to go */
	uint64_t identified, late;              /* records; those that were not waited for any longer */
	uint64_t unknown[IDENTITY_REASONS];     /* records, by reason */
	uint64_t missed;                        /* cgroups that were not seen being made and found by id */
	uint64_t refused;                       /* questions and processes that found no place */
};

struct who;

/* NULL, and in `why` the reason. Look-ups are taken from now on and made once who_start was called. */
struct who *who_open(const struct who_options *options, char *why, size_t size);

/* Starts the second thread, with the capabilities that the caller has. 0 or a negative errno. */
int who_start(struct who *w);
void who_close(struct who *w);

/* Enters all cgroups (and with lineage all processes) that are there; after programs are attached. */
int who_walk(struct who *w);

struct identifier *who_identifier(struct who *w);

/*
 * Records were lost, perhaps of forks and moves: processes that are followed are looked up once more
 * before anything is said of them.
 */
void who_doubt(struct who *w);

/* Becomes readable when answers wait: then who_answers. */
int who_fd(const struct who *w);
void who_answers(struct who *w);

/* The identity of a cgroup, for a counter that is kept by cgroup; NULL if it is not known now. */
const struct event_identity *who_find(struct who *w, const struct tapio_cgroup_key *key);

void who_stats(const struct who *w, struct who_stats *ret);

#endif

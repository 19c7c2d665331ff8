/* SPDX-License-Identifier: Apache-2.0 */
/* What who.c, walk.c and follow.c share. */
#ifndef IDENTITY_WHO_INTERNAL_H
#define IDENTITY_WHO_INTERNAL_H

#include "event/view.h"
#include "identity/who.h"

struct who {
	struct identifier identifier; /* first: it is cast back */
	struct who_options options;
	struct groups groups;
	struct lineage lineage;
	struct resolver *resolver;
	struct event_identity no_cgroup;
	bool ids;  /* records of the cgroup sensor tell the ids that everybody else uses */
	bool slow; /* the resolver was late and has not answered since */
	bool hurry; /* the event that it is about cannot wait */
	uint64_t wait_ns;  /* CLOCK_MONOTONIC: since when a record waits, 0: none does */
	uint64_t waited_ns; /* how long records have waited, less what time has made good */
	uint64_t repaid_ns; /* CLOCK_MONOTONIC: until when it has */
	bool proc; /* /proc numbers processes and names cgroups as records do */
	size_t bytes, max_bytes;
	uint64_t identified, late, missed, unknown[IDENTITY_REASONS];
};

/* The number by which a cgroup is kept: its id, or a hash of its path where ids are not told. */
uint64_t who_key(const struct who *w, uint64_t id, struct bytes path);

/* A cgroup that is there, or was made. Takes `path` over, which must not be NULL. */
struct group *who_enter(struct who *w, uint32_t hierarchy, uint64_t id, char *path);
void who_name(struct who *w, struct group *group, char *path);
/* The cgroup of an id, looked up if its creation was missed; NULL: id is 0. May forget any other. */
struct group *who_group(struct who *w, uint32_t hierarchy, uint64_t id);
/* Whether a path from a record of the cgroup sensor lacks its end. */
bool who_path_is_cut(const struct who *w, struct bytes path);
bool who_may_wait(struct who *w, uint64_t *waiting_ns);

/* ---- follow.c: processes whose records do not tell their cgroups ---- */

void follow_observe(struct who *w, const struct event_view *view);
/* 0, or -EAGAIN: /proc is being asked. */
int follow_identify(struct who *w, const struct event_view *view, struct group **ret_v2,
		    struct group **ret_legacy);
void follow_answer(struct who *w, struct answer *answer);
/* A process that is there at start. Takes what it keeps of the paths. */
void follow_enter(struct who *w, uint32_t tgid, struct cgroup_paths *paths);

#endif

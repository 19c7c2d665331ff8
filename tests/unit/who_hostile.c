/* SPDX-License-Identifier: Apache-2.0 */
/* What whoever may make cgroups can do to the identity of others: nothing but make it late. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "export/json.h"
#include "identity/who_internal.h"
#include "tests/record.h"
#include "tests/test.h"
#include "tests/unit/cgroup_record.h"

#define ID "4a0f9a6b1f2e3d4c5b6a4a0f9a6b1f2e3d4c5b6a4a0f9a6b1f2e3d4c5b6a1234"
#define V1 8

static struct who *who;

static const char *v1_mount; /* any file system with the inode of a root that knows no cgroups */

static void setup(const char *host_root, uint32_t cgroups_max, bool answers)
{
	const struct who_options o = { .cgroups_max = cgroups_max, .render = json_identity,
				       .resolver = { .host_root = host_root,
						     .legacy_hierarchy = V1,
						     .legacy_mount = v1_mount } };
	char why[256];

	who = who_open(&o, why, sizeof(why));
	REQUIRE(who && !(answers && who_start(who)), "%s", why);
}

/* As the reader does it: what has to wait comes again. */
static const struct event_identity *identity_of(uint64_t id, uint64_t legacy_id)
{
	struct pollfd pfd = { .fd = who_fd(who), .events = POLLIN };
	const struct event_identity *ret = NULL;
	struct event_view view;
	union record r;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.cgroup_id = id;
	r.ev.legacy_cgroup_id = legacy_id;
	view = record_view(&r);
	who_answers(who);
	while (who_identifier(who)->identify(who_identifier(who), &view, &ret)) {
		poll(&pfd, 1, 2);
		who_answers(who);
	}
	return ret;
}

/* Everybody's records wait behind the one whose names are being read. */
TEST(unit, who_cannot_be_stopped)
{
	uint64_t began, took;

	setup("/nonexistent", 4096, false);
	began = clock_ns(CLOCK_MONOTONIC);
	for (uint64_t id = 1; id <= 20; id++) {
		char path[256];

		snprintf(path, sizeof(path), "/kubepods/pod3b1f6a52-4c1e-4a0f-9a6b-%012llx/" ID,
			 (unsigned long long)id);
		observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, 0, id, path);
		who->slow = false; /* as if an earlier question had been answered */
		CHECK(identity_of(id, 0)->reason == IDENTITY_LATE, "answered by nobody");
	}
	took = clock_ns(CLOCK_MONOTONIC) - began;
	CHECK(took >= WHO_WAIT_NS && took < 12 * WHO_WAIT_NS, "20 records waited for %llu ms",
	      (unsigned long long)(took / NS_PER_MS));
	who_close(who);
}

/* A container that is in v1 alone: as long as it is not known, the runtime's service is no answer. */
TEST(unit, who_is_not_the_runtime)
{
	const struct event_identity *is;

	v1_mount = "/proc";
	setup("/nonexistent", 16, true);
	observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, 0, 5, "/system.slice/containerd.service");
	is = identity_of(5, 77);
	CHECK(!is->unit && is->reason, "%s", is->json);
	observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, V1, 78, "/system.slice/containerd.service");
	CHECK(identity_of(5, 78)->unit && !identity_of(5, 78)->reason, "known in both");
	who_close(who);
	/* Where v1 is not mounted nothing was there to be learnt: v2 alone is the answer. */
	v1_mount = NULL;
	setup("/nonexistent", 16, true);
	observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, 0, 5, "/system.slice/containerd.service");
	CHECK(identity_of(5, 77)->unit && !strcmp(identity_of(5, 77)->unit, "containerd.service"), "%s", identity_of(5, 77)->json);
	who_close(who);
}

/* Tracepoints cut a path: it is asked for by id, and unknown if that leads nowhere. */
TEST(unit, who_does_not_tell_half_a_path)
{
	const struct event_identity *is;
	char path[1024];

	setup("/nonexistent", 16, true);
	memset(path, 'd', sizeof(path));
	for (unsigned i = 0; i < sizeof(path); i += 200)
		path[i] = '/';
	path[1023] = '\0';
	observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, 0, 5, path);
	is = identity_of(5, 0);
	CHECK(!is->cgroup_path && is->reason == IDENTITY_HIDDEN, "%s", is->json);
	path[1022] = '\0';
	observe_cgroup(who, TAPIO_EV_CGROUP_CREATED, 0, 6, path);
	is = identity_of(6, 0);
	CHECK(is->cgroup_path && strlen(is->cgroup_path) == 1022, "%s", is->json);
	who_close(who);
}

/* Containers that nothing names are asked for again later: not in the place of others. */
TEST(unit, who_retries_leave_room)
{
	const struct resolver_options o = { .host_root = "/nonexistent" };
	struct resolver *r = resolver_open(&o);
	struct question q = { .kind = QUESTION_WORKLOAD, .due_ns = UINT64_MAX };
	unsigned taken = 0;

	REQUIRE(r, "no memory");
	for (unsigned i = 0; i < RESOLVER_QUEUE_MAX; i++)
		taken += !resolver_ask(r, &q);
	q.due_ns = 0;
	CHECK(taken == RESOLVER_LATER_MAX && !resolver_ask(r, &q), "%u of %u places were taken", taken,
	      RESOLVER_QUEUE_MAX);
	resolver_close(r);
}

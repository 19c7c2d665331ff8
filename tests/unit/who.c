/* SPDX-License-Identifier: Apache-2.0 */
/* Whose an event is: from cgroup records, a runtime's state on disk, and what is done when that is late. */
#include "identity/who.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "export/json.h"
#include "tests/live/stimulus.h"
#include "tests/record.h"
#include "tests/test.h"
#include "tests/unit/cgroup_record.h"

#define ID "4a0f9a6b1f2e3d4c5b6a4a0f9a6b1f2e3d4c5b6a4a0f9a6b1f2e3d4c5b6a1234"
#define UID "3b1f6a52-4c1e-4a0f-9a6b-1f2e3d4c5b6a"
#define POD_PATH "/kubepods/burstable/pod" UID "/" ID
#define STATE "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID

static const char state[] =
	"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
	"\"io.kubernetes.cri.container-name\":\"cart\",\"io.kubernetes.cri.image-name\":\"shop/cart:1\","
	"\"io.kubernetes.cri.sandbox-name\":\"cart-0\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
	"\"io.kubernetes.cri.sandbox-uid\":\"" UID "\"}}";

static const char *v2_mount; /* of the next setup */

static struct fixture {
	char root[64];
	struct who *who;
	unsigned known; /* identities that became known later */
	char known_pod[64];
	uint64_t known_id;
} f;

static void on_known(void *arg, const struct event_identity *who, const struct tapio_cgroup_key *key)
{
	(void)arg;
	f.known++;
	f.known_id = key->id;
	snprintf(f.known_pod, sizeof(f.known_pod), "%s", who->pod_name ? who->pod_name : "");
}

static void write_state(void)
{
	char path[512];

	for (const char *at = STATE; (at = strchr(at + 1, '/'));) {
		snprintf(path, sizeof(path), "%s%.*s", f.root, (int)(at - STATE), STATE);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s" STATE, f.root);
	REQUIRE(!mkdir(path, 0755), "%s: %s", path, strerror(errno));
	strcat(path, "/config.json");
	write_file(path, state, 0644);
}

static void setup(bool with_state, uint32_t cgroups_max)
{
	struct who_options o = { .cgroups_max = cgroups_max, .render = json_identity, .known = on_known };
	char why[256];

	memset(&f, 0, sizeof(f));
	strcpy(f.root, "/tmp/tapio-who.XXXXXX");
	REQUIRE(mkdtemp(f.root), "%s", strerror(errno));
	if (with_state)
		write_state();
	o.resolver.host_root = f.root;
	o.resolver.v2_mount = v2_mount;
	o.resolver.legacy_hierarchy = 8;
	f.who = who_open(&o, why, sizeof(why));
	REQUIRE(f.who, "%s", why);
}

static void teardown(void)
{
	who_close(f.who);
	remove_tree(f.root);
}

/* Of a process in these cgroups; NULL: it has to wait. */
static const struct event_identity *identify(uint64_t id, uint64_t legacy_id)
{
	const struct event_identity *ret = NULL;
	union record r;
	struct event_view view;
	int err;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.cgroup_id = id;
	r.ev.legacy_cgroup_id = legacy_id;
	view = record_view(&r);
	err = who_identifier(f.who)->identify(who_identifier(f.who), &view, &ret);
	CHECK(!err || err == -EAGAIN, "%s", strerror(-err));
	return err ? NULL : ret;
}

static void wait_answers(unsigned ms)
{
	struct pollfd pfd = { .fd = who_fd(f.who), .events = POLLIN };
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + ms * NS_PER_MS;

	while (clock_ns(CLOCK_MONOTONIC) < until) {
		poll(&pfd, 1, 10);
		who_answers(f.who);
	}
}

/* Waits as long as a record would. */
static const struct event_identity *identity_in_time(uint64_t id, uint64_t legacy_id)
{
	struct pollfd pfd = { .fd = who_fd(f.who), .events = POLLIN };
	const struct event_identity *who;

	while (!(who = identify(id, legacy_id))) {
		poll(&pfd, 1, 5);
		who_answers(f.who);
	}
	return who;
}

/* What it is when nothing is late: the resolver may wait for a CPU for longer than a record waits for it. */
static const struct event_identity *identity_of(uint64_t id, uint64_t legacy_id)
{
	const struct event_identity *who = identity_in_time(id, legacy_id);

	for (unsigned i = 0; i < 500 && who->reason == IDENTITY_LATE; i++) {
		wait_answers(20);
		who = identity_in_time(id, legacy_id);
	}
	return who;
}

static bool same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static void expect_cart(const struct event_identity *who)
{
	CHECK(same(who->container_id, ID) && same(who->pod_uid, UID) && same(who->pod_name, "cart-0") &&
		      same(who->pod_namespace, "shop") && same(who->pod_container, "cart") &&
		      same(who->container_runtime, "containerd") && same(who->container_image, "shop/cart:1") &&
		      !who->unit && !who->reason,
	      "%s", who->json);
}

TEST(unit, who_pod_of_a_record)
{
	setup(true, 100);
	CHECK(!who_start(f.who), "no thread");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 77, POD_PATH);
	expect_cart(identity_of(77, 0));
	/* below it: still that container */
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 78, POD_PATH "/init.scope");
	CHECK(same(identity_of(78, 0)->container_id, ID) && same(identity_of(78, 0)->pod_name, "cart-0"), "%s",
	      identity_of(78, 0)->json);
	/* gone, and a last record about it */
	observe_cgroup(f.who, TAPIO_EV_CGROUP_REMOVED, 0, 77, POD_PATH);
	expect_cart(identity_of(77, 0));
	teardown();
}

/* What nobody gives again is answered at once, and says why it is not known. */
TEST(unit, who_of_what_cannot_wait)
{
	const struct event_identity *who = NULL;
	struct event_view view;
	union record r;

	setup(false, 100);
	CHECK(!who_start(f.who), "no thread");
	record_begin(&r, TAPIO_EV_DNS_TIMEOUT);
	r.ev.cgroup_id = 79;
	view = record_view(&r);
	CHECK(!who_identifier(f.who)->identify_now(who_identifier(f.who), &view, &who) && who && who->reason, "it waits");
	teardown();
}

TEST(unit, who_the_more_telling_hierarchy)
{
	setup(true, 100);
	CHECK(!who_start(f.who), "no thread");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 5, "/system.slice/containerd.service");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 6, "/");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 8, 5, POD_PATH);
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 8, 6, "/system.slice/nginx.service");
	expect_cart(identity_of(5, 5));
	CHECK(same(identity_of(5, 6)->unit, "containerd.service"), "v2 before v1 where both tell as much");
	CHECK(same(identity_of(6, 6)->unit, "nginx.service"), "a unit before nothing");
	CHECK(same(identity_of(6, 0)->cgroup_path, "/") && !identity_of(6, 0)->unit && !identity_of(6, 0)->reason,
	      "the root");
	/* a hierarchy that records have no ids of must not be mistaken for another */
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 7, 6, POD_PATH);
	CHECK(same(identity_of(6, 6)->unit, "nginx.service"), "of another hierarchy");
	teardown();
}

TEST(unit, who_ids_are_used_again)
{
	setup(false, 100);
	CHECK(!who_start(f.who), "no thread");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 9, "/system.slice/a.service");
	CHECK(same(identity_of(9, 0)->unit, "a.service"), "a");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_REMOVED, 0, 9, "/system.slice/a.service");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 9, "/system.slice/b.service");
	CHECK(same(identity_of(9, 0)->unit, "b.service"), "b");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_RENAMED, 0, 9, "/system.slice/c.service");
	CHECK(same(identity_of(9, 0)->unit, "c.service"), "renamed");
	teardown();
}

/*
 * Below a container somebody made the cgroup of another one. It is that one where the disk has it and not
 * the outer container, which is so on a node that is itself a container; else it is the outer one.
 */
TEST(unit, who_claims)
{
#define OUTER "0000111122223333444455556666777788889999aaaabbbbccccddddeeeeffff"
#define CLAIM "/docker/" OUTER "/kubelet" POD_PATH
#define OTHER "1111111122223333444455556666777788889999aaaabbbbccccddddeeeeffff"
	const struct event_identity *who;
	char path[512];

	setup(true, 100);
	CHECK(!who_start(f.who), "no thread");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 1, CLAIM);
	expect_cart(identity_of(1, 0));
	/* of another pod than the disk says, or of nobody that it knows */
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 2,
		      "/docker/" OUTER "/kubepods/burstable/pod00000000-4c1e-4a0f-9a6b-1f2e3d4c5b6a/" ID);
	who = identity_of(2, 0);
	CHECK(same(who->container_id, OUTER) && !who->pod_uid && who->reason == IDENTITY_NO_STATE, "%s", who->json);
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 3, "/docker/" OUTER "/kubepods/burstable/pod" UID "/" OTHER);
	who = identity_of(3, 0);
	CHECK(same(who->container_id, OUTER) && !who->pod_uid && !who->pod_name, "%s", who->json);
	/* one that the disk has, too */
	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/" OUTER, f.root);
	for (char *at = path + strlen(f.root); (at = strchr(at + 1, '/'));) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	mkdir(path, 0755);
	strcat(path, "/config.v2.json");
	write_file(path, "{\"ID\":\"" OUTER "\",\"Name\":\"/guest\",\"Config\":{\"Image\":\"img\"}}", 0644);
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 4, CLAIM "/x");
	who = identity_of(4, 0);
	CHECK(same(who->container_id, OUTER) && same(who->container_name, "guest") && !who->pod_uid && !who->pod_name &&
		      !who->reason,
	      "%s", who->json);
	teardown();
}

/* A resolver that does not answer costs WHO_WAIT_NS once, not per record. */
TEST(unit, who_late)
{
	const struct event_identity *who;
	uint64_t before, took;

	setup(true, 100);
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 77, POD_PATH);
	before = clock_ns(CLOCK_MONOTONIC);
	who = identity_in_time(77, 0);
	took = clock_ns(CLOCK_MONOTONIC) - before;
	CHECK(took >= WHO_WAIT_NS / 2 && took < 20 * WHO_WAIT_NS, "waited %llu ns", (unsigned long long)took);
	CHECK(who->reason == IDENTITY_LATE && same(who->container_id, ID) && same(who->pod_uid, UID) && !who->pod_name,
	      "%s", who->json);
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 78, "/kubepods/burstable/pod" UID "/" ID "/x");
	who = identify(78, 0);
	CHECK(who && who->reason == IDENTITY_LATE, "waits once more");
	CHECK(!f.known, "told of what is not known");
	CHECK(!who_start(f.who), "no thread");
	for (unsigned i = 0; i < 100 && f.known < 2; i++)
		wait_answers(20);
	CHECK(f.known == 2 && !strcmp(f.known_pod, "cart-0"), "%u became known, pod '%s'", f.known, f.known_pod);
	expect_cart(identity_of(77, 0));
	teardown();
}

/* More containers at once than questions fit: those that found no room are asked for when needed. */
TEST(unit, who_more_than_the_queue_holds)
{
	char path[256];
	struct who_stats s;

	setup(true, 4096);
	for (uint64_t id = 1; id <= RESOLVER_QUEUE_MAX + 100; id++) {
		snprintf(path, sizeof(path), POD_PATH "/%llu", (unsigned long long)id);
		observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, id, path);
	}
	who_stats(f.who, &s);
	CHECK(s.refused == 100, "%llu refused", (unsigned long long)s.refused);
	CHECK(!who_start(f.who), "no thread");
	wait_answers(300);
	for (uint64_t id = 1; id <= RESOLVER_QUEUE_MAX + 100; id++)
		CHECK(same(identity_of(id, 0)->pod_name, "cart-0"), "cgroup %llu: %s", (unsigned long long)id,
		      identity_of(id, 0)->json);
	teardown();
}

/* State that comes after the cgroup: unknown with a reason, then told. */
TEST(unit, who_no_state_yet)
{
	const struct event_identity *who;

	setup(false, 100);
	CHECK(!who_start(f.who), "no thread");
	observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, 77, POD_PATH);
	who = identity_of(77, 0);
	CHECK(who->reason == IDENTITY_NO_STATE && same(who->pod_uid, UID) && strstr(who->json, "no_state"), "%s",
	      who->json);
	write_state();
	for (unsigned i = 0; i < 100 && !f.known; i++)
		wait_answers(20);
	CHECK(f.known == 1 && f.known_id == 77 && !strcmp(f.known_pod, "cart-0"), "%u, pod '%s'", f.known, f.known_pod);
	expect_cart(identity_of(77, 0));
	teardown();
}

/* The file system is there, and has no such cgroup. */
TEST(unit, who_has_gone)
{
	const uint64_t first = 1234567890123ull;
	struct who_stats s;
	struct stat st;
	int err;

	cgroup_mode_detect(&v2_mount);
	if (!v2_mount || stat(v2_mount, &st) || st.st_ino != 1)
		SKIP("no cgroup v2 is mounted as a whole");
	err = cgroup_open_at(v2_mount, first);
	if (err != -ESTALE)
		SKIP("cgroups cannot be opened by their ids: %s", strerror(-err));
	setup(false, 16);
	CHECK(!who_start(f.who), "no thread");
	CHECK(identity_of(first - 1, 0)->reason == IDENTITY_GONE, "%u", identity_of(first - 1, 0)->reason);
	for (uint64_t id = first; id < first + 40; id++) {
		char path[64];

		snprintf(path, sizeof(path), "/system.slice/u%llu.service", (unsigned long long)(id - first));
		observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, id, path);
		observe_cgroup(f.who, TAPIO_EV_CGROUP_REMOVED, 0, id, path);
	}
	CHECK(identity_of(first, 0)->reason == IDENTITY_EVICTED, "%u", identity_of(first, 0)->reason);
	CHECK(same(identity_of(first + 39, 0)->unit, "u39.service"), "the last one");
	who_stats(f.who, &s);
	CHECK(s.cgroups <= 16 && s.evicted >= 24 && s.unknown[IDENTITY_EVICTED] && s.unknown[IDENTITY_GONE], "%u cgroups",
	      s.cgroups);
	teardown();
}

/* What was not seen being made and cannot be found: no answer, rather than somebody's. */
TEST(unit, who_unknown)
{
	setup(false, 16);
	CHECK(!who_start(f.who), "no thread");
	CHECK(identity_of(123456789, 0)->reason == IDENTITY_HIDDEN, "nothing is mounted: %u", identity_of(123456789, 0)->reason);
	CHECK(identity_of(0, 0)->reason == IDENTITY_NO_CGROUP && identity_of(0, 0)->json_length, "no cgroup");
	teardown();
}

/* Long paths cannot make the table larger than it may be. */
TEST(unit, who_names_are_bounded)
{
	char path[1000];
	struct who_stats s;

	setup(false, 64);
	memset(path, '\1', sizeof(path)); /* six times as long in JSON */
	for (unsigned i = 0; i < sizeof(path); i += 200)
		path[i] = '/';
	for (uint64_t id = 1; id <= 500; id++) {
		snprintf(path + sizeof(path) - 24, 24, "/%llu.service", (unsigned long long)id);
		observe_cgroup(f.who, TAPIO_EV_CGROUP_CREATED, 0, id, path);
		who_stats(f.who, &s);
		CHECK(s.bytes <= s.max_bytes + 65536, "%zu bytes of at most %zu", s.bytes, s.max_bytes);
	}
	CHECK(same(identity_of(500, 0)->unit, "500.service") && s.evicted, "the last one: %s", identity_of(500, 0)->json);
	teardown();
}

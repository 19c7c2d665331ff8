/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a cgroup path, and what a container, a plain container or a user makes below a cgroup
 * of his own. Results must lie in the path and be well-formed, and nobody may become somebody else.
 */
#include "identity/cgroup_path.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "5f3a1be0c7d94e2f8a6b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7"
#define UID "0d6a1c6e-3b1f-4c63-9d59-8a3f1f0f7b21"
#define UID_ "0d6a1c6e_3b1f_4c63_9d59_8a3f1f0f7b21"

enum { DATA_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what, struct bytes path)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %.*s\n", what, (int)path.length, path.data);
	abort();
}

static bool lies_in(struct bytes b, struct bytes path)
{
	return !b.length || (b.data >= path.data && b.data + b.length <= path.data + path.length);
}

static bool consists_of(const char *data, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (!data[i] || !strchr(set, data[i]))
			return false;
	return true;
}

static void check_unit(struct bytes unit, bool slice, struct bytes path)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";

	if (!unit.length || unit.data == UNIT_ROOT_SLICE)
		return;
	require(lies_in(unit, path), "a unit outside the path", path);
	require(unit.length <= 255 && consists_of(unit.data, unit.length, set), "an odd unit", path);
	require((unit.length > 6 && !memcmp(unit.data + unit.length - 6, ".slice", 6)) == slice,
		"a slice for a unit, or a unit for a slice", path);
}

static void check_units(const struct unit_path *units, struct bytes path)
{
	check_unit(units->unit, false, path);
	check_unit(units->slice, true, path);
	check_unit(units->user_unit, false, path);
	check_unit(units->user_slice, true, path);
	require(!units->user_unit.length || units->user, "a user's unit without a user", path);
}

static void check_id(struct bytes id, struct bytes path)
{
	require(lies_in(id, path), "an id outside the path", path);
	require(!id.length || (id.length == 64 && consists_of(id.data, 64, "0123456789abcdef")), "an odd id", path);
}

static void check_pod_uid(const struct cgroup_path *p, struct bytes path)
{
	size_t n = strnlen(p->pod_uid, sizeof(p->pod_uid));

	require(n == 0 || n == 32 || n == 36, "a pod uid of odd length", path);
	require(consists_of(p->pod_uid, n, n == 36 ? "0123456789abcdef-" : "0123456789abcdef"), "an odd pod uid", path);
}

static void check_result(const struct cgroup_path *p, struct bytes path)
{
	check_id(p->container_id, path);
	check_id(p->outer_container_id, path);
	check_pod_uid(p, path);
	check_units(&p->host, path);
	check_units(&p->inside, path);
	require(!p->depth || (p->container_id.length && *p->pod_uid), "nested, but not in full", path);
	require(p->depth || !p->outer_container_id.length, "something around nothing", path);
	require((!!p->container_id.length + p->monitor + p->box) <= 1, "two things at once", path);
	require(p->container_id.length || p->box || !p->inside.found, "inside of nothing", path);
}

static struct bytes joined(const char *prefix, const uint8_t *data, size_t size)
{
	static char path[DATA_MAX + 512];
	size_t n = strlen(prefix);

	memcpy(path, prefix, n);
	memcpy(path + n, data, size);
	return (struct bytes){ path, n + size };
}

static bool is_id(struct bytes id)
{
	return id.length == 64 && !memcmp(id.data, ID, 64);
}

/* What a container of a pod makes below its cgroup is that container. Dots say nothing at all. */
static void check_below_pod(const char *prefix, const uint8_t *data, size_t size)
{
	struct bytes path = joined(prefix, data, size);
	struct cgroup_path p;

	cgroup_path_parse(path.data, path.length, &p);
	check_result(&p, path);
	if (!p.host.slice.length)
		return;
	require(is_id(p.container_id) && !strcmp(p.pod_uid, UID) && !p.depth, "became another pod", path);
	require(!p.host.unit.length, "became a unit of the host", path);
}

/* What a plain container makes below its cgroup is that container, or says that it is nested. */
static void check_below_container(const uint8_t *data, size_t size)
{
	struct bytes path = joined("/system.slice/docker-" ID ".scope/", data, size);
	struct cgroup_path p;

	cgroup_path_parse(path.data, path.length, &p);
	check_result(&p, path);
	if (!p.host.slice.length)
		return;
	require(!p.host.unit.length, "became a unit of the host", path);
	if (p.depth)
		require(is_id(p.outer_container_id), "lost its container", path);
	else
		require(is_id(p.container_id) && !*p.pod_uid, "became another container", path);
	cgroup_path_parse_outermost(path.data, path.length, &p);
	check_result(&p, path);
	require(is_id(p.container_id) && !*p.pod_uid && !p.depth, "believed a container", path);
}

/* What a user makes below his systemd stays marked as his. */
static void check_below_user(const uint8_t *data, size_t size)
{
	static const char unit[] = "user@1000.service";
	struct bytes path = joined("/user.slice/user-1000.slice/user@1000.service/", data, size);
	struct cgroup_path p;

	cgroup_path_parse(path.data, path.length, &p);
	check_result(&p, path);
	if (!p.host.slice.length)
		return;
	require(p.host.unit.length == strlen(unit) && !memcmp(p.host.unit.data, unit, strlen(unit)),
		"left the user's systemd", path);
	require(p.by_user == (p.container_id.length || *p.pod_uid || p.monitor || p.box),
		"a user's word for the machine's", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size ? size : 1); /* nothing behind it may be read */
	struct cgroup_path p;

	if (!exact || size > DATA_MAX) {
		free(exact);
		return 0;
	}
	if (size)
		memcpy(exact, data, size);
	cgroup_path_parse(exact, size, &p);
	check_result(&p, (struct bytes){ exact, size });
	free(exact);
	check_below_pod("/kubepods/burstable/pod" UID "/" ID "/", data, size);
	check_below_pod("/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope/", data, size);
	check_below_pod("/x/kubepods-pod" UID_ ".slice:cri-containerd:" ID "/", data, size);
	check_below_container(data, size);
	check_below_user(data, size);
	return 0;
}

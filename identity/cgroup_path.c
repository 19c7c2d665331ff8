/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/cgroup_path.h"

#include "base/cleanup.h"
#include "identity/component.h"

enum mark {
	MARK_NONE,
	MARK_CONTAINER,
	MARK_MONITOR,
	MARK_BOX, /* a container whose name is no id */
};

/* Names of a container's cgroup around its id, with or without ".scope". */
static const struct shape {
	const char *prefix;
	const char *runtime;
	enum mark mark;
} shapes[] = {
	{ "cri-containerd-", "containerd", MARK_CONTAINER },
	{ "crio-", "cri-o", MARK_CONTAINER },
	{ "crio-conmon-", "cri-o", MARK_MONITOR },
	{ "docker-", "docker", MARK_CONTAINER },
	{ "libpod-", "podman", MARK_CONTAINER },
	{ "libpod-payload-", "podman", MARK_CONTAINER },
	{ "libpod-conmon-", "podman", MARK_MONITOR },
	{ "nerdctl-", "containerd", MARK_CONTAINER },
	{ "kata_", NULL, MARK_CONTAINER },
	{ "kata_overhead-", NULL, MARK_CONTAINER },
};

/* How deep in the tree that kubelet makes. */
enum level { LEVEL_NONE, LEVEL_ROOT, LEVEL_QOS, LEVEL_POD };

struct pods {
	enum level level;
	bool rooted; /* every level from the root stands in the path */
	char uid[CGROUP_POD_UID_MAX + 1];
};

/* A name in the path that is a container's, or the last one looked at. */
struct place {
	enum mark mark;
	struct bytes name;
	struct bytes id;
	const char *runtime;
	bool lent; /* made by a runtime below its own cgroup, for want of a systemd */
	unsigned passed; /* containers before it that did not count */
	char pod_uid[CGROUP_POD_UID_MAX + 1];
	const char *pod_end; /* behind the pod's name; NULL: no pod */
};

static bool is_container_id(struct bytes b)
{
	return b.length == CGROUP_CONTAINER_ID_LENGTH && bytes_only(b, HEX_DIGITS);
}

static bool parse_pod_uid(struct bytes b, char separator, char ret[CGROUP_POD_UID_MAX + 1])
{
	bool uuid = b.length == CGROUP_POD_UID_MAX;

	if (!uuid && b.length != 32)
		return false;
	for (size_t i = 0; i < b.length; i++) {
		bool dash = uuid && (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? b.data[i] != separator : !byte_in(b.data[i], HEX_DIGITS))
			return false;
		ret[i] = dash ? '-' : b.data[i];
	}
	ret[b.length] = '\0';
	return true;
}

static bool skip_qos(struct bytes *b, const char *before)
{
	static const char *const classes[] = { "burstable", "besteffort", "guaranteed" };

	for (unsigned i = 0; i < COUNT_OF(classes); i++) {
		size_t dash = strlen(before), n = dash + strlen(classes[i]);

		if (b->length < n || memcmp(b->data, before, dash) || memcmp(b->data + dash, classes[i], n - dash))
			continue;
		*b = (struct bytes){ b->data + n, b->length - n };
		return true;
	}
	return false;
}

/* "kubepods", at the start or behind a dash; *name becomes what follows. */
static bool skip_root_of_slice(struct bytes *name)
{
	static const char root[] = "kubepods";
	const size_t n = sizeof(root) - 1;
	const char *at = name->data, *end = name->data + name->length;

	while ((at = memmem(at, (size_t)(end - at), root, n))) {
		bool starts = at == name->data || at[-1] == '-', ends = at + n == end || at[n] == '-';

		if (starts && ends) {
			*name = bytes_between(at + n, end);
			return true;
		}
		at += n;
	}
	return false;
}

/* [PREFIX-]kubepods[-QOS][-podUID].slice */
static enum level slice_level(struct bytes name, char *ret_uid)
{
	enum level level = LEVEL_ROOT;

	if (!unit_is_slice(name))
		return LEVEL_NONE;
	bytes_chop(&name, ".slice");
	if (!skip_root_of_slice(&name))
		return LEVEL_NONE;
	if (skip_qos(&name, "-"))
		level = LEVEL_QOS;
	if (!name.length)
		return level;
	return bytes_skip(&name, "-pod") && parse_pod_uid(name, '_', ret_uid) ? LEVEL_POD : LEVEL_NONE;
}

/* kubepods[/QOS]/podUID */
static enum level folder_level(struct bytes name, enum level above, char *ret_uid)
{
	struct bytes rest = name;

	if (bytes_are(name, "kubepods"))
		return LEVEL_ROOT;
	if (above == LEVEL_ROOT && skip_qos(&rest, "") && !rest.length)
		return LEVEL_QOS;
	if ((above == LEVEL_ROOT || above == LEVEL_QOS) && bytes_skip(&name, "pod") &&
	    parse_pod_uid(name, '-', ret_uid))
		return LEVEL_POD;
	return LEVEL_NONE;
}

static void pods_step(struct pods *pods, struct bytes name)
{
	enum level above = pods->level, level = slice_level(name, pods->uid);

	if (level == LEVEL_NONE)
		level = folder_level(name, above, pods->uid);
	pods->rooted = level == LEVEL_ROOT || (pods->rooted && above != LEVEL_NONE && level > above);
	pods->level = level;
}

static const struct shape *shape_of(struct bytes name, struct bytes *ret_id)
{
	bytes_chop(&name, ".scope");
	for (unsigned i = 0; i < COUNT_OF(shapes); i++) {
		struct bytes id = name;

		if (!bytes_skip(&id, shapes[i].prefix) || !is_container_id(id))
			continue;
		*ret_id = id;
		return &shapes[i];
	}
	return NULL;
}

/*
 * SLICE:PREFIX:ID, an address for systemd which a runtime that does not use systemd took for a name.
 * It says in one name what else three do.
 */
static enum mark mark_address(struct bytes name, struct pods *pods, struct place *ret)
{
	const char *end = name.data + name.length, *last = memrchr(name.data, ':', name.length);
	const char *first = last ? memchr(name.data, ':', name.length) : NULL;
	struct bytes slice, prefix, id;

	if (!first || first == last)
		return MARK_NONE;
	slice = bytes_between(name.data, first);
	prefix = bytes_between(first + 1, last);
	id = bytes_between(last + 1, end);
	if (!unit_is_slice(slice) || !is_container_id(id))
		return MARK_NONE;
	pods_step(pods, slice);
	pods->rooted = pods->level == LEVEL_POD;
	ret->lent = true;
	ret->id = id;
	for (unsigned i = 0; i < COUNT_OF(shapes); i++) {
		size_t n = strlen(shapes[i].prefix) - 1; /* without the dash */

		if (prefix.length != n || memcmp(prefix.data, shapes[i].prefix, n))
			continue;
		ret->runtime = shapes[i].runtime;
		return shapes[i].mark;
	}
	return MARK_CONTAINER;
}

/* The id alone; the folder above may tell whose. */
static enum mark mark_bare(struct bytes name, struct bytes parent, struct place *ret)
{
	if (bytes_are(parent, "libpod_parent")) /* a pod of podman's */
		return MARK_NONE;
	ret->id = name;
	if (bytes_are(parent, "docker"))
		ret->runtime = "docker";
	else if (bytes_are(parent, "k8s.io"))
		ret->runtime = "containerd";
	return MARK_CONTAINER;
}

static bool is_box(struct bytes name, struct bytes parent)
{
	return bytes_skip(&name, "lxc.payload.") || bytes_are(parent, "lxc") ||
	       bytes_are(parent, "lxc.payload") || bytes_are(parent, "garden");
}

static enum mark mark_of(struct bytes name, struct bytes parent, struct pods *pods, struct place *ret)
{
	const struct shape *shape = shape_of(name, &ret->id);

	if (shape) {
		ret->runtime = shape->runtime;
		return shape->mark;
	}
	if (is_container_id(name))
		return mark_bare(name, parent, ret);
	if (bytes_are(parent, "libpod_parent") && bytes_are(name, "conmon"))
		return MARK_MONITOR;
	if (is_box(name, parent))
		return MARK_BOX;
	return mark_address(name, pods, ret);
}

static void place_set_pod(struct place *place, const struct pods *pods, struct bytes name)
{
	memcpy(place->pod_uid, pods->uid, sizeof(place->pod_uid));
	place->pod_end = name.data + name.length;
}

/* The first container, box or monitor, and the pod around it. */
static void find_first(struct bytes path, struct place *ret)
{
	struct pods pods = { 0 };
	struct bytes parent = { NULL, 0 }, name;

	*ret = (struct place){ 0 };
	while (ret->mark == MARK_NONE && component_next(&path, &name)) {
		ret->name = name;
		ret->mark = mark_of(name, parent, &pods, ret);
		if (ret->mark == MARK_NONE)
			pods_step(&pods, name);
		if (pods.level == LEVEL_POD && !ret->pod_end)
			place_set_pod(ret, &pods, name);
		parent = name;
	}
}

/* The first container of a pod that stands there in full, whatever container is before it. */
static bool find_full(struct bytes path, struct place *ret)
{
	struct pods pods = { 0 };
	struct bytes parent = { NULL, 0 }, name;
	unsigned passed = 0;

	while (component_next(&path, &name)) {
		*ret = (struct place){ .name = name, .passed = passed };
		ret->mark = mark_of(name, parent, &pods, ret);
		if (ret->mark == MARK_CONTAINER && pods.level == LEVEL_POD && pods.rooted) {
			place_set_pod(ret, &pods, name);
			return true;
		}
		passed += ret->mark == MARK_CONTAINER || ret->mark == MARK_BOX;
		if (ret->mark == MARK_NONE)
			pods_step(&pods, name);
		else
			pods = (struct pods){ 0 };
		parent = name;
	}
	return false;
}

/* What is below a name in the path. */
static struct bytes below(struct bytes path, struct bytes name)
{
	return bytes_between(name.data + name.length, path.data + path.length);
}

static void units_inside(struct bytes path, const struct place *answer, struct unit_path *ret)
{
	struct bytes rest = below(path, answer->name);
	struct place next;

	find_first(rest, &next); /* another container is not a unit of this one's systemd */
	if (next.mark != MARK_NONE)
		rest = bytes_between(rest.data, next.name.data);
	unit_path_parse(rest, ret);
	if (!ret->found)
		*ret = (struct unit_path){ 0 };
}

/* The machine's own part of the path is what is above the outermost container, or the pod's end. */
static void units_of_host(struct bytes path, const struct place *outer, struct cgroup_path *ret)
{
	bool contained = outer->mark == MARK_CONTAINER || outer->mark == MARK_BOX;

	if (contained)
		path = bytes_between(path.data, outer->name.data);
	else if (outer->pod_end)
		path = bytes_between(path.data, outer->pod_end);
	unit_path_parse(path, &ret->host);
	if (ret->relative && !ret->host.found)
		ret->host = (struct unit_path){ 0 };
	ret->by_user = ret->host.user && (outer->mark != MARK_NONE || outer->pod_end);
	if ((outer->lent || outer->pod_end) && !ret->by_user)
		ret->host.unit = ret->host.user_unit = ret->host.user_slice = (struct bytes){ NULL, 0 };
}

static bool is_dots(struct bytes name)
{
	return bytes_are(name, ".") || bytes_are(name, "..");
}

/* Takes "/.." off the front and " (deleted)" off the end. False if no kernel writes such a path. */
static bool normalise(struct bytes *path, bool *ret_relative)
{
	struct bytes rest, name;

	bytes_chop(path, EVENT_PATH_GONE);
	*ret_relative = false;
	for (rest = *path; component_next(&rest, &name) && bytes_are(name, ".."); *path = rest)
		*ret_relative = true;
	for (rest = *path; component_next(&rest, &name);)
		if (is_dots(name))
			return false;
	return true;
}

static void parse(const char *path, size_t n, bool nested, struct cgroup_path *ret)
{
	struct bytes all = { path, n };
	struct place outer, inner, *answer = &outer;

	*ret = (struct cgroup_path){ 0 };
	if (!normalise(&all, &ret->relative)) {
		ret->relative = false;
		return;
	}
	find_first(all, &outer);
	units_of_host(all, &outer, ret);
	if (nested && (outer.mark == MARK_CONTAINER || outer.mark == MARK_BOX) && !outer.pod_end &&
	    find_full(below(all, outer.name), &inner)) {
		ret->outer_container_id = outer.id;
		ret->depth = 1 + inner.passed;
		answer = &inner;
	}
	memcpy(ret->pod_uid, answer->pod_uid, sizeof(ret->pod_uid));
	ret->monitor = answer->mark == MARK_MONITOR;
	ret->box = answer->mark == MARK_BOX;
	if (answer->mark == MARK_CONTAINER)
		ret->container_id = answer->id;
	if (answer->mark != MARK_NONE)
		ret->container_runtime = answer->runtime;
	if (answer->mark == MARK_CONTAINER || answer->mark == MARK_BOX)
		units_inside(all, answer, &ret->inside);
}

void cgroup_path_parse(const char *path, size_t n, struct cgroup_path *ret)
{
	parse(path, n, true, ret);
}

void cgroup_path_parse_outermost(const char *path, size_t n, struct cgroup_path *ret)
{
	parse(path, n, false, ret);
}

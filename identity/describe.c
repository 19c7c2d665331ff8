/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

bool group_has_workload(const struct group *group)
{
	return group->parsed.container_id.length || group->parsed.pod_uid[0];
}

enum group_rank group_rank(const struct group *group)
{
	if (!group || !group->path)
		return RANK_NOTHING;
	if (group_has_workload(group) || group->parsed.box)
		return RANK_WORKLOAD;
	return group->parsed.host.unit.length ? RANK_UNIT : RANK_NOTHING;
}

/* Strings of `who` are NUL-terminated; references into the path are not: they are copied behind each other. */
struct text {
	char *at;
};

static const char *text_add(struct text *t, struct bytes b)
{
	char *start = t->at;

	if (!b.length)
		return NULL;
	memcpy(start, b.data, b.length);
	start[b.length] = '\0';
	t->at += b.length + 1;
	return start;
}

static size_t text_size(const struct cgroup_path *p)
{
	const struct bytes all[] = { p->container_id, p->host.unit, p->host.slice,
				     p->host.user_unit, p->host.user_slice, p->inside.unit, p->inside.slice };
	size_t sum = 1;

	for (size_t i = 0; i < COUNT_OF(all); i++)
		sum += all[i].length + 1;
	return sum;
}

/* The units: a container's own systemd where it has one, else the machine's. */
static void describe_units(struct event_identity *who, const struct cgroup_path *p, bool in_container,
			   struct text *t)
{
	const struct unit_path *units = in_container ? &p->inside : &p->host;

	who->unit = text_add(t, units->unit);
	if (!in_container) {
		who->user_unit = text_add(t, units->user_unit);
		who->user_slice = text_add(t, units->user_slice);
	}
	if (p->host.found)
		who->slice = text_add(t, p->host.slice);
}

static void describe_workload(struct event_identity *who, const struct group *group, struct text *t)
{
	const struct cgroup_path *p = &group->parsed;
	const struct workload *w = &group->workload;

	if (!p->monitor)
		who->container_id = text_add(t, p->container_id);
	if (who->container_id) {
		who->container_runtime = w->runtime ? w->runtime : p->container_runtime;
		who->container_name = w->container_name;
		who->container_image = w->image;
		who->pod_container = w->pod_container;
	}
	who->pod_uid = p->pod_uid[0] ? p->pod_uid : w->pod_uid;
	who->pod_name = w->pod_name;
	who->pod_namespace = w->pod_namespace;
}

static size_t workload_size(const struct workload *w)
{
	const char *const all[] = { w->container_name, w->image, w->pod_uid, w->pod_name, w->pod_namespace,
				    w->pod_container };
	size_t sum = 0;

	for (size_t i = 0; i < COUNT_OF(all); i++)
		sum += all[i] ? strlen(all[i]) + 1 : 0;
	return sum;
}

size_t group_describe(struct group *group, enum identity_reason reason,
		      void (*render)(struct buf *out, const struct event_identity *who))
{
	_cleanup_buf_ struct buf json = BUF_INIT(1 << 20);
	struct event_identity *who = &group->who;
	size_t size = text_size(&group->parsed);
	struct text t;

	free(group->text);
	free(group->json);
	memset(who, 0, sizeof(*who));
	group->json = NULL;
	group->text = malloc(size);
	who->id = group->id;
	who->hierarchy = group->hierarchy;
	who->reason = reason;
	who->cgroup_path = group->path;
	if (!group->text)
		return 0;
	t.at = group->text;
	if (group->path && group_rank(group) == RANK_WORKLOAD)
		describe_workload(who, group, &t);
	if (group->path)
		describe_units(who, &group->parsed, group_rank(group) == RANK_WORKLOAD, &t);
	if (render)
		render(&json, who);
	if (!json.refused && json.length) {
		group->json = malloc(json.length);
		if (group->json)
			memcpy(group->json, json.data, json.length);
	}
	who->json = group->json;
	who->json_length = group->json ? json.length : 0;
	return size + workload_size(&group->workload) + who->json_length + (group->path ? strlen(group->path) : 0);
}

void group_forget(struct group *group)
{
	free(group->path);
	free(group->text);
	free(group->json);
	workload_free(&group->workload);
	group->path = group->text = group->json = NULL;
}

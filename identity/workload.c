/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/workload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/component.h"
#include "identity/host_file.h"
#include "identity/runtime_state.h"
#include "identity/state_json.h"
#include "identity/workload_value.h"

/* Of folders with a name per pod, container or interface. */
enum { NAMES_MAX = 8192 };

/* One look-up. */
struct lookup {
	int root;
	const struct workload_query *query;
	struct runtime_state state;
	int err; /* the first that is worth telling */
};

static void note_error(struct lookup *l, int err)
{
	if (err < 0 && err != -ENOENT && !l->err)
		l->err = err;
}

static void learn(struct lookup *l, enum workload_part part, struct bytes value)
{
	note_error(l, workload_learn(&l->state.w, part, value));
}

static struct bytes text(const char *s)
{
	return (struct bytes){ s, s ? strlen(s) : 0 };
}

/* Whether a uid found on disk is that of the pod in question: no uid disagrees with nothing. */
static bool agrees(struct lookup *l, const char *uid)
{
	const char *wanted = l->query->pod_uid ? l->query->pod_uid : l->state.w.pod_uid;

	if (!uid || !wanted || !strcmp(uid, wanted))
		return true;
	note_error(l, -ESTALE);
	return false;
}

static bool pod_is_named(const struct lookup *l)
{
	return l->state.w.pod_name && l->state.w.pod_namespace;
}

static void forget(struct runtime_state *state)
{
	workload_free(&state->w);
	*state = (struct runtime_state){ 0 };
}

static void ask_runtime(struct lookup *l)
{
	const char *id = l->query->container_id, *runtime;

	note_error(l, runtime_state_read(l->root, id, l->query->pod_uid != NULL, &l->state));
	if (agrees(l, l->state.w.pod_uid))
		return;
	runtime = l->state.w.runtime;
	forget(&l->state);
	l->state.w.runtime = runtime;
}

/* A containerd before 1.6.11 names the pod only in the state of the pod's own container. */
static void ask_sandbox(struct lookup *l)
{
	struct runtime_state sandbox;

	if (pod_is_named(l) || !*l->state.sandbox_id || l->state.w.sandbox)
		return;
	note_error(l, runtime_state_read(l->root, l->state.sandbox_id, l->query->pod_uid != NULL, &sandbox));
	if (agrees(l, sandbox.w.pod_uid)) {
		learn(l, WORKLOAD_POD_UID, text(sandbox.w.pod_uid));
		learn(l, WORKLOAD_POD_NAME, text(sandbox.w.pod_name));
		learn(l, WORKLOAD_POD_NAMESPACE, text(sandbox.w.pod_namespace));
	}
	workload_free(&sandbox.w);
}

/* ---- libcni's results: NETWORK-ID-INTERFACE, of the pod's own container ---- */

struct cni_search {
	struct lookup *lookup;
	const char *id;
	int place;
};

static struct bytes cni_arg(const json_t *args, const char *key)
{
	const json_t *pair;
	size_t i;

	json_array_foreach (args, i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const json_t *value = json_array_get(pair, 1);

		if (name && !strcmp(name, key) && json_is_string(value))
			return (struct bytes){ json_string_value(value), json_string_length(value) };
	}
	return (struct bytes){ NULL, 0 };
}

static int learn_cni(const char *name, void *ctx)
{
	struct cni_search *search = ctx;
	struct lookup *l = search->lookup;
	const char *its;
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *uid = NULL;
	const json_t *args;
	int err;

	if (!strstr(name, search->id))
		return 0;
	err = state_json_read(search->place, name, &json);
	its = workload_text(json, "containerId");
	args = json_object_get(json, "cniArgs");
	note_error(l, err ? err : its && strcmp(its, search->id) ? -EBADMSG : 0);
	if (err || !its || strcmp(its, search->id))
		return 0;
	if (cni_arg(args, "K8S_POD_UID").length)
		uid = strdup(cni_arg(args, "K8S_POD_UID").data);
	if (!agrees(l, uid))
		return 0;
	learn(l, WORKLOAD_POD_UID, text(uid));
	learn(l, WORKLOAD_POD_NAME, cni_arg(args, "K8S_POD_NAME"));
	learn(l, WORKLOAD_POD_NAMESPACE, cni_arg(args, "K8S_POD_NAMESPACE"));
	return pod_is_named(l);
}

static void ask_cni(struct lookup *l)
{
	const char *sandbox = *l->state.sandbox_id ? l->state.sandbox_id : l->query->container_id;
	_cleanup_close_ int place = -1;
	struct cni_search search = { l, sandbox, -1 };

	if (pod_is_named(l) || !sandbox)
		return;
	place = search.place = host_open_place(l->root, "var/lib/cni/results");
	note_error(l, place < 0 ? place : host_each_name(place, NAMES_MAX, learn_cni, &search));
}

/* ---- kubelet's logs ---- */

/* "NAMESPACE_POD_REST": no name that Kubernetes allows has an underscore. */
static bool split_log_name(const char *name, struct bytes *ret_first, struct bytes *ret_second, const char **ret_rest)
{
	const char *one = strchr(name, '_'), *two = one ? strchr(one + 1, '_') : NULL;

	if (!two)
		return false;
	*ret_first = bytes_between(name, one);
	*ret_second = bytes_between(one + 1, two);
	*ret_rest = two + 1;
	return true;
}

static int learn_pod_folder(const char *name, void *ctx)
{
	struct lookup *l = ctx;
	struct bytes namespace, pod;
	const char *uid;

	if (!split_log_name(name, &namespace, &pod, &uid) || strcmp(uid, l->state.w.pod_uid))
		return 0;
	learn(l, WORKLOAD_POD_NAMESPACE, namespace);
	learn(l, WORKLOAD_POD_NAME, pod);
	return 1;
}

/* /var/log/pods/NAMESPACE_POD_UID */
static void ask_pod_folders(struct lookup *l)
{
	_cleanup_close_ int place = -1;

	if (pod_is_named(l) || !l->state.w.pod_uid)
		return;
	place = host_open_place(l->root, "var/log/pods");
	note_error(l, place < 0 ? place : host_each_name(place, NAMES_MAX, learn_pod_folder, l));
}

static bool is_or_unknown(const char *known, struct bytes b)
{
	return !known || bytes_are(b, known);
}

static int learn_log_link(const char *name, void *ctx)
{
	struct lookup *l = ctx;
	struct bytes pod, namespace, container;
	struct bytes rest;
	const char *tail;

	if (!split_log_name(name, &pod, &namespace, &tail))
		return 0;
	rest = text(tail);
	if (!bytes_chop(&rest, ".log") || !bytes_chop(&rest, l->query->container_id))
		return 0;
	container = rest;
	if (!bytes_chop(&container, "-"))
		return 0;
	if (!is_or_unknown(l->state.w.pod_name, pod) || !is_or_unknown(l->state.w.pod_namespace, namespace)) {
		note_error(l, -ESTALE);
		return 1;
	}
	learn(l, WORKLOAD_POD_NAME, pod);
	learn(l, WORKLOAD_POD_NAMESPACE, namespace);
	learn(l, WORKLOAD_POD_CONTAINER, container);
	return 1;
}

/* /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log, a link that is not followed */
static void ask_log_links(struct lookup *l)
{
	_cleanup_close_ int place = -1;
	bool plain = l->state.w.runtime && !l->state.w.pod_uid;

	if (l->state.w.pod_container || l->state.w.sandbox || plain || !l->query->container_id)
		return;
	place = host_open_place(l->root, "var/log/containers");
	note_error(l, place < 0 ? place : host_each_name(place, NAMES_MAX, learn_log_link, l));
}

static bool query_is_valid(const struct workload_query *q)
{
	if (!q->container_id && !q->pod_uid)
		return false;
	if (q->pod_uid && !workload_is_uid(text(q->pod_uid)))
		return false;
	return !q->container_id || workload_is_container_id(q->container_id);
}

static bool is_named(const struct workload *w)
{
	return w->container_name || w->image || w->pod_name || w->pod_namespace || w->pod_container;
}

int workload_read(const char *host_root, const struct workload_query *query, struct workload *ret)
{
	_cleanup_close_ int root = -1;
	struct lookup l = { .query = query };

	*ret = (struct workload){ 0 };
	if (!query_is_valid(query))
		return -EINVAL;
	root = l.root = host_open_root(host_root);
	if (root < 0)
		return root;
	if (query->container_id)
		ask_runtime(&l);
	learn(&l, WORKLOAD_POD_UID, text(query->pod_uid));
	ask_sandbox(&l);
	ask_cni(&l);
	ask_pod_folders(&l);
	ask_log_links(&l);
	*ret = l.state.w;
	if (l.err)
		return l.err;
	return is_named(ret) ? 0 : -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/runtime_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/host_file.h"
#include "identity/state_json.h"
#include "identity/workload_value.h"

enum { NAMESPACES_MAX = 64 };

static int first_error(int err, int next)
{
	return err ? err : next;
}

static void learn_sandbox_id(struct runtime_state *state, const char *id)
{
	if (id && workload_is_container_id(id))
		memcpy(state->sandbox_id, id, sizeof(state->sandbox_id));
}

/* ---- containerd: one bundle per container, in a folder per namespace ---- */

static const char *const containerd_places[] = {
	"run/containerd/io.containerd.runtime.v2.task",
	"run/k3s/containerd/io.containerd.runtime.v2.task", /* rke2 too */
	"run/k0s/containerd/io.containerd.runtime.v2.task",
	"var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
	"run/containerd/io.containerd.runtime.v1.linux",
};

/* Looked at first: a namespace's folder can be passed by many who may not list the one above. */
static const char *const containerd_namespaces[] = { "k8s.io", "moby", "default" };

static const struct workload_key cri_pod[] = {
	{ "io.kubernetes.cri.sandbox-uid", WORKLOAD_POD_UID },
	{ "io.kubernetes.cri.sandbox-name", WORKLOAD_POD_NAME },
	{ "io.kubernetes.cri.sandbox-namespace", WORKLOAD_POD_NAMESPACE },
	{ "io.kubernetes.cri.image-name", WORKLOAD_IMAGE },
	{ NULL, 0 },
};

static const struct workload_key cri_container[] = {
	{ "io.kubernetes.cri.container-name", WORKLOAD_POD_CONTAINER },
	{ "io.kubernetes.cri.container-name", WORKLOAD_CONTAINER_NAME },
	{ NULL, 0 },
};

static const struct workload_key nerdctl[] = {
	{ "nerdctl/name", WORKLOAD_CONTAINER_NAME },
	{ NULL, 0 },
};

static int learn_cri(struct runtime_state *state, const json_t *annotations)
{
	const char *type = workload_text(annotations, "io.kubernetes.cri.container-type");
	int err = workload_learn_keys(&state->w, annotations, cri_pod);

	state->w.sandbox = type && !strcmp(type, "sandbox");
	if (!state->w.sandbox)
		err = first_error(err, workload_learn_keys(&state->w, annotations, cri_container));
	learn_sandbox_id(state, workload_text(annotations, "io.kubernetes.cri.sandbox-id"));
	return err;
}

static int read_bundle(int place, const char *namespace, const char *id, struct runtime_state *state)
{
	_cleanup_json_ json_t *json = NULL;
	const json_t *annotations;
	char path[NAME_MAX + 128];
	int err = 0;

	snprintf(path, sizeof(path), "%s/%s/config.json", namespace, id);
	err = state_json_read(place, path, &json);
	if (err)
		return err;
	if (!strcmp(namespace, "moby")) { /* Docker's, which keeps the names elsewhere */
		state->w.runtime = "docker";
		return -ENOENT;
	}
	state->w.runtime = "containerd";
	annotations = json_object_get(json, "annotations");
	if (!json_is_object(json) || (annotations && !json_is_object(annotations)))
		return -EBADMSG;
	if (!strcmp(namespace, "k8s.io")) /* elsewhere these are anybody's words */
		err = learn_cri(state, annotations);
	return first_error(err, workload_learn_keys(&state->w, annotations, nerdctl));
}

struct bundle_search {
	int place;
	const char *id;
	struct runtime_state *state;
	int result;
};

static int try_namespace(const char *name, void *ctx)
{
	struct bundle_search *search = ctx;

	int result = read_bundle(search->place, name, search->id, search->state);

	if (search->result == -ENOENT)
		search->result = result;
	if (!result || (result != -ENOENT && search->state->w.runtime)) {
		search->result = result;
		return 1;
	}
	return 0; /* not here, or something that is no bundle */
}

static int read_containerd_place(int root, const char *path, const char *id, struct runtime_state *state)
{
	_cleanup_close_ int place = host_open_place(root, path);
	struct bundle_search search = { place, id, state, -ENOENT };
	int err;

	if (place < 0)
		return place;
	for (unsigned i = 0; i < COUNT_OF(containerd_namespaces); i++)
		if (try_namespace(containerd_namespaces[i], &search))
			return search.result;
	if (state->w.runtime) /* found among Docker's */
		return -ENOENT;
	err = host_each_name(place, NAMESPACES_MAX, try_namespace, &search);
	return err < 0 ? err : search.result;
}

static int read_containerd(int root, const char *id, bool in_pod, struct runtime_state *state)
{
	int err = -ENOENT;

	(void)in_pod; /* only containerd itself writes its annotations */
	for (unsigned i = 0; err == -ENOENT && i < COUNT_OF(containerd_places); i++)
		err = read_containerd_place(root, containerd_places[i], id, state);
	return err;
}

/* ---- CRI-O and Podman: containers/storage ---- */

static const char *const storage_places[] = {
	"run/containers/storage/overlay-containers",
	"var/lib/containers/storage/overlay-containers",
};

static const struct workload_key crio_pod[] = {
	{ "io.kubernetes.pod.uid", WORKLOAD_POD_UID },
	{ "io.kubernetes.pod.name", WORKLOAD_POD_NAME },
	{ "io.kubernetes.cri-o.KubeName", WORKLOAD_POD_NAME },
	{ "io.kubernetes.pod.namespace", WORKLOAD_POD_NAMESPACE },
	{ "io.kubernetes.cri-o.Namespace", WORKLOAD_POD_NAMESPACE },
	{ "io.kubernetes.cri-o.ImageName", WORKLOAD_IMAGE },
	{ "io.kubernetes.cri-o.Image", WORKLOAD_IMAGE },
	{ NULL, 0 },
};

static const struct workload_key crio_container[] = {
	{ "io.kubernetes.container.name", WORKLOAD_POD_CONTAINER },
	{ "io.kubernetes.container.name", WORKLOAD_CONTAINER_NAME },
	{ NULL, 0 },
};

static int learn_crio(struct runtime_state *state, const json_t *annotations)
{
	const char *type = workload_text(annotations, "io.kubernetes.cri-o.ContainerType");
	const char *labels = workload_text(annotations, "io.kubernetes.cri-o.Labels");
	_cleanup_json_ json_t *more = NULL;
	int err = workload_learn_keys(&state->w, annotations, crio_pod);

	state->w.runtime = "cri-o";
	state->w.sandbox = type && !strcmp(type, "sandbox");
	if (!state->w.sandbox)
		err = first_error(err, workload_learn_keys(&state->w, annotations, crio_container));
	learn_sandbox_id(state, workload_text(annotations, "io.kubernetes.cri-o.SandboxID"));
	if (!labels || state_json_parse(labels, strlen(labels), &more)) /* only says the same again */
		return err;
	err = first_error(err, workload_learn_keys(&state->w, more, crio_pod));
	return state->w.sandbox ? err : first_error(err, workload_learn_keys(&state->w, more, crio_container));
}

static const struct workload_key storage_metadata[] = {
	{ "image-name", WORKLOAD_IMAGE },
	{ NULL, 0 },
};

/* An entry of containers/storage: names, and metadata as JSON in a string. */
static int learn_stored(struct runtime_state *state, const json_t *entry)
{
	const json_t *name = json_array_get(json_object_get(entry, "names"), 0);
	const char *text = workload_text(entry, "metadata");
	_cleanup_json_ json_t *metadata = NULL;
	int err = 0;

	if (json_is_string(name))
		err = workload_learn(&state->w, WORKLOAD_CONTAINER_NAME,
				     (struct bytes){ json_string_value(name), json_string_length(name) });
	if (text)
		err = first_error(err, state_json_parse(text, strlen(text), &metadata));
	return first_error(err, workload_learn_keys(&state->w, metadata, storage_metadata));
}

/* All of Podman's containers in one file; those of --rm in the other. */
static int read_names(int place, const char *file, const char *id, struct runtime_state *state)
{
	_cleanup_json_ json_t *json = NULL;
	int err = state_json_read(place, file, &json);
	const json_t *entry;
	size_t i;

	if (err)
		return err;
	if (!json_is_array(json))
		return -EBADMSG;
	json_array_foreach (json, i, entry) {
		const char *its = workload_text(entry, "id");

		if (its && !strcmp(its, id))
			return learn_stored(state, entry);
	}
	return -ENOENT;
}

static int learn_podman(int root, const char *id, struct runtime_state *state)
{
	int err = -ENOENT;

	state->w.runtime = "podman";
	for (unsigned i = 0; err == -ENOENT && i < COUNT_OF(storage_places); i++) {
		_cleanup_close_ int place = host_open_place(root, storage_places[i]);

		if (place < 0)
			continue;
		err = read_names(place, "containers.json", id, state);
		if (err == -ENOENT)
			err = read_names(place, "volatile-containers.json", id, state);
	}
	return err == -ENOENT ? 0 : err;
}

static int read_storage_place(int root, const char *path, const char *id, struct runtime_state *state)
{
	_cleanup_close_ int place = host_open_place(root, path);
	_cleanup_json_ json_t *json = NULL;
	const json_t *annotations;
	const char *manager;
	char file[128];
	int err;

	if (place < 0)
		return place;
	snprintf(file, sizeof(file), "%s/userdata/config.json", id);
	err = state_json_read(place, file, &json);
	if (err)
		return err;
	annotations = json_object_get(json, "annotations");
	if (!json_is_object(annotations))
		return -EBADMSG;
	manager = workload_text(annotations, "io.container.manager");
	if (manager && !strcmp(manager, "libpod"))
		return learn_podman(root, id, state);
	return learn_crio(state, annotations);
}

static int read_storage(int root, const char *id, bool in_pod, struct runtime_state *state)
{
	int err = -ENOENT;

	(void)in_pod; /* CRI-O writes over what a pod's author put there */
	for (unsigned i = 0; err == -ENOENT && i < COUNT_OF(storage_places); i++)
		err = read_storage_place(root, storage_places[i], id, state);
	return err;
}

/* ---- Docker ---- */

static const char *const docker_places[] = {
	"var/lib/docker/containers",
	"var/snap/docker/common/var-lib-docker/containers",
};

static const struct workload_key docker_image[] = {
	{ "Image", WORKLOAD_IMAGE },
	{ NULL, 0 },
};

static const struct workload_key docker_pod[] = {
	{ "io.kubernetes.pod.uid", WORKLOAD_POD_UID },
	{ "io.kubernetes.pod.name", WORKLOAD_POD_NAME },
	{ "io.kubernetes.pod.namespace", WORKLOAD_POD_NAMESPACE },
	{ NULL, 0 },
};

static const struct workload_key docker_container[] = {
	{ "io.kubernetes.container.name", WORKLOAD_POD_CONTAINER },
	{ NULL, 0 },
};

static int learn_labels(struct runtime_state *state, const json_t *labels)
{
	const char *type = workload_text(labels, "io.kubernetes.docker.type");
	const char *container = workload_text(labels, "io.kubernetes.container.name");
	int err = workload_learn_keys(&state->w, labels, docker_pod);

	state->w.sandbox = (type && !strcmp(type, "podsandbox")) || (container && !strcmp(container, "POD"));
	learn_sandbox_id(state, workload_text(labels, "io.kubernetes.sandbox.id"));
	return state->w.sandbox ? err : first_error(err, workload_learn_keys(&state->w, labels, docker_container));
}

static int learn_docker(struct runtime_state *state, const json_t *json, const char *id, bool in_pod)
{
	const char *its = workload_text(json, "ID"), *name = workload_text(json, "Name");
	const json_t *config = json_object_get(json, "Config");
	int err = 0;

	state->w.runtime = "docker";
	if (!its || strcmp(its, id))
		return -EBADMSG;
	if (name && *name == '/')
		name++;
	if (name)
		err = workload_learn(&state->w, WORKLOAD_CONTAINER_NAME, (struct bytes){ name, strlen(name) });
	err = first_error(err, workload_learn_keys(&state->w, config, docker_image));
	return in_pod ? first_error(err, learn_labels(state, json_object_get(config, "Labels"))) : err;
}

static int read_docker(int root, const char *id, bool in_pod, struct runtime_state *state)
{
	int err = -ENOENT;

	for (unsigned i = 0; err == -ENOENT && i < COUNT_OF(docker_places); i++) {
		_cleanup_close_ int place = host_open_place(root, docker_places[i]);
		_cleanup_json_ json_t *json = NULL;
		char file[128];

		snprintf(file, sizeof(file), "%s/config.v2.json", id);
		err = place < 0 ? place : state_json_read(place, file, &json);
		if (!err)
			err = learn_docker(state, json, id, in_pod);
	}
	return err;
}

/* A runtime whose state cannot be read does not hide the next one's. */
int runtime_state_read(int root, const char *container_id, bool in_pod, struct runtime_state *ret)
{
	static int (*const readers[])(int root, const char *id, bool in_pod, struct runtime_state *state) = {
		read_containerd,
		read_storage,
		read_docker,
	};
	int err = -ENOENT;

	*ret = (struct runtime_state){ 0 };
	for (unsigned i = 0; i < COUNT_OF(readers); i++) {
		int result = readers[i](root, container_id, in_pod, ret);

		if (!result || (result != -ENOENT && ret->w.runtime))
			return result;
		if (err == -ENOENT)
			err = result;
	}
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/workload_value.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "identity/component.h"

enum { UID_MAX = 64, KUBERNETES_NAME_MAX = 253, CONTAINER_NAME_MAX = 255, IMAGE_MAX = 512, ID_LENGTH = 64 };

bool workload_is_uid(struct bytes b)
{
	return b.length && b.length <= UID_MAX && bytes_only(b, HEX_DIGITS "-");
}

bool workload_is_container_id(const char *id)
{
	struct bytes b = { id, strnlen(id, ID_LENGTH + 1) };

	return b.length == ID_LENGTH && bytes_only(b, HEX_DIGITS);
}

static bool is_kubernetes_name(struct bytes b)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz" DIGITS;

	return b.length && b.length <= KUBERNETES_NAME_MAX && byte_in(b.data[0], ends) &&
	       byte_in(b.data[b.length - 1], ends) && bytes_only(b, "abcdefghijklmnopqrstuvwxyz" DIGITS "-.");
}

static bool is_container_name(struct bytes b)
{
	return b.length && b.length <= CONTAINER_NAME_MAX && byte_in(b.data[0], LETTERS DIGITS) &&
	       bytes_only(b, LETTERS DIGITS "_.-");
}

static bool is_image(struct bytes b)
{
	return b.length && b.length <= IMAGE_MAX && bytes_only(b, LETTERS DIGITS "_.-/:@+");
}

static const struct {
	size_t offset;
	bool (*valid)(struct bytes value);
} parts[] = {
	[WORKLOAD_CONTAINER_NAME] = { offsetof(struct workload, container_name), is_container_name },
	[WORKLOAD_IMAGE] = { offsetof(struct workload, image), is_image },
	[WORKLOAD_POD_UID] = { offsetof(struct workload, pod_uid), workload_is_uid },
	[WORKLOAD_POD_NAME] = { offsetof(struct workload, pod_name), is_kubernetes_name },
	[WORKLOAD_POD_NAMESPACE] = { offsetof(struct workload, pod_namespace), is_kubernetes_name },
	[WORKLOAD_POD_CONTAINER] = { offsetof(struct workload, pod_container), is_kubernetes_name },
};

int workload_learn(struct workload *w, enum workload_part part, struct bytes value)
{
	char **slot = (char **)((char *)w + parts[part].offset);

	if (*slot || !value.length)
		return 0;
	if (!parts[part].valid(value))
		return -EBADMSG;
	*slot = strndup(value.data, value.length);
	return *slot ? 0 : -ENOMEM;
}

const char *workload_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

int workload_learn_keys(struct workload *w, const json_t *object, const struct workload_key *keys)
{
	int err = 0;

	for (; keys->name; keys++) {
		const json_t *member = json_object_get(object, keys->name);
		int bad = -EBADMSG;

		if (!member)
			continue;
		if (json_is_string(member))
			bad = workload_learn(w, keys->part,
					     (struct bytes){ json_string_value(member), json_string_length(member) });
		if (!err)
			err = bad;
	}
	return err;
}

void workload_free(struct workload *w)
{
	if (!w)
		return;
	free(w->container_name);
	free(w->image);
	free(w->pod_uid);
	free(w->pod_name);
	free(w->pod_namespace);
	free(w->pod_container);
	*w = (struct workload){ 0 };
}

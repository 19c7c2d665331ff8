/* SPDX-License-Identifier: Apache-2.0 */
/* Values on their way into a struct workload: checked, first come first kept. */
#ifndef IDENTITY_WORKLOAD_VALUE_H
#define IDENTITY_WORKLOAD_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include "event/view.h"
#include "identity/workload.h"

enum workload_part {
	WORKLOAD_CONTAINER_NAME,
	WORKLOAD_IMAGE,
	WORKLOAD_POD_UID,
	WORKLOAD_POD_NAME,
	WORKLOAD_POD_NAMESPACE,
	WORKLOAD_POD_CONTAINER,
};

/*
 * Copies a value in, unless there is one already. 0, -EBADMSG for one that cannot be, -ENOMEM. An
 * empty value is none.
 */
int workload_learn(struct workload *w, enum workload_part part, struct bytes value);

struct workload_key {
	const char *name;
	enum workload_part part;
};

/*
 * Learns from an object's members, in the order of `keys`, which ends with a NULL name. The first
 * error, after all were looked at; a member that is no string is -EBADMSG.
 */
int workload_learn_keys(struct workload *w, const json_t *object, const struct workload_key *keys);

/* A member that is a string, else NULL. Borrowed. */
const char *workload_text(const json_t *object, const char *key);

bool workload_is_container_id(const char *id);
bool workload_is_uid(struct bytes b);

#endif

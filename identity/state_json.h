/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that another program left on disk: bounded before it is believed. Reentrant. */
#ifndef IDENTITY_STATE_JSON_H
#define IDENTITY_STATE_JSON_H

#include <jansson.h>
#include <stddef.h>

enum {
	STATE_JSON_BYTES_MAX = 1 << 20,
	STATE_JSON_VALUES_MAX = 50000, /* a value costs up to 250 bytes of memory */
	STATE_JSON_DEPTH_MAX = 32,
};

/* 0 and *ret, to be given to json_decref; -EBADMSG: malformed; -EFBIG: past one of the limits. */
int state_json_parse(const char *data, size_t n, json_t **ret);

/* The same of a file below a place; errors also as host_read (identity/host_file.h). */
int state_json_read(int place, const char *path, json_t **ret);

static inline void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

#endif

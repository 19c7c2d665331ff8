/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/state_json.h"

#include <errno.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "identity/host_file.h"

/* Counts what a parser would make of it, without making it. */
static bool is_modest(const char *data, size_t n)
{
	unsigned values = 0, depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = data[i];

		if (quoted) {
			i += c == '\\';
			quoted = c != '"';
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			depth++;
			values++;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c == ',') {
			values++;
		}
		if (depth > STATE_JSON_DEPTH_MAX || values > STATE_JSON_VALUES_MAX)
			return false;
	}
	return true;
}

int state_json_parse(const char *data, size_t n, json_t **ret)
{
	json_error_t error;
	json_t *json;

	if (n > STATE_JSON_BYTES_MAX || !is_modest(data, n))
		return -EFBIG;
	/* as reals: runtimes write limits of 2^64-1. NULs: a pod's author may put them in an annotation. */
	json = json_loadb(data, n, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
	if (!json)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	*ret = json;
	return 0;
}

int state_json_read(int place, const char *path, json_t **ret)
{
	_cleanup_free_ char *data = NULL;
	size_t n;
	int err = host_read(place, path, STATE_JSON_BYTES_MAX, &data, &n);

	return err ? err : state_json_parse(data, n, ret);
}

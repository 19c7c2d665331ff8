/* SPDX-License-Identifier: Apache-2.0 */
#include "export/stream_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/parse.h"
#include "base/refuse.h"
#include "event/identity.h"
#include "export/percent.h"

enum { CONTAINER_ID_LEAST = 12, WIDTH_MAX = 100000 };

static const char *const key_names[STREAM_KEYS] = {
	[STREAM_NAMESPACE] = "namespace",
	[STREAM_POD] = "pod",
	[STREAM_CONTAINER] = "container",
	[STREAM_UNIT] = "unit",
};

_Static_assert(TAPIO_EV_MAX <= 64, "a set of event types is 64 bits");

/* ---- values ---- */

void stream_request_add(struct buf *line, const char *key, const char *value)
{
	buf_printf(line, " %s=", key);
	for (; *value; value++) {
		if ((unsigned char)*value <= ' ' || *value == '%' || *value == 0x7f)
			buf_printf(line, "%%%02x", (unsigned char)*value);
		else
			buf_addc(line, *value);
	}
}

/* "process.exec", or "process.*". */
static int add_event(struct stream_request *r, const char *name, char *why, size_t size)
{
	const struct event_desc *desc = event_desc_by_name(name);
	size_t n = strlen(name);
	uint64_t found = 0;

	if (desc)
		found = 1ull << desc->type;
	for (unsigned type = 0; n > 2 && !strcmp(name + n - 2, ".*") && type < TAPIO_EV_MAX; type++) {
		desc = event_desc_by_type(type);
		if (desc && !strncmp(desc->name, name, n - 1))
			found |= 1ull << type;
	}
	if (!found)
		return refuse(-EINVAL, why, size, "event=%s: no such event; 'tapio schema' lists them", name);
	r->events |= found;
	return 0;
}

static int add_value(struct stream_request *r, enum stream_key key, const char *value, char *why, size_t size)
{
	if (!*value)
		return refuse(-EINVAL, why, size, "%s: an empty value", key_names[key]);
	if (key == STREAM_POD && (!strchr(value, '/') || *value == '/' || !strchr(value, '/')[1]))
		return refuse(-EINVAL, why, size, "pod=%s: wanted is NAMESPACE/NAME", value);
	if (r->nvalues[key] == STREAM_VALUES_MAX)
		return refuse(-EINVAL, why, size, "%s: more than %u values", key_names[key], STREAM_VALUES_MAX);
	r->values[key][r->nvalues[key]++] = value;
	return 0;
}

static int take_flag(bool *ret, const char *key, const char *value, char *why, size_t size)
{
	if (strcmp(value, "0") && strcmp(value, "1"))
		return refuse(-EINVAL, why, size, "%s=%s: wanted is 0 or 1", key, value);
	*ret = *value == '1';
	return 0;
}

static int take_number(uint64_t *ret, uint64_t max, const char *key, const char *value, char *why, size_t size)
{
	if (parse_u64(value, max, ret))
		return refuse(-EINVAL, why, size, "%s=%s: wanted is a number up to %llu", key, value, (unsigned long long)max);
	return 0;
}

static int take_option(struct stream_request *r, const char *key, const char *value, char *why, size_t size)
{
	uint64_t width;
	int err;

	for (unsigned k = 0; k < STREAM_KEYS; k++)
		if (!strcmp(key, key_names[k]))
			return add_value(r, k, value, why, size);
	if (!strcmp(key, "event"))
		return add_event(r, value, why, size);
	if (!strcmp(key, "color"))
		return take_flag(&r->text.colour, key, value, why, size);
	if (!strcmp(key, "utc"))
		return take_flag(&r->text.utc, key, value, why, size);
	if (!strcmp(key, "count"))
		return take_number(&r->count, UINT64_MAX, key, value, why, size);
	if (!strcmp(key, "width")) {
		err = take_number(&width, WIDTH_MAX, key, value, why, size);
		if (!err)
			r->text.width = (unsigned)width;
		return err;
	}
	if (strcmp(key, "format"))
		return refuse(-EINVAL, why, size, "%s: no such key", key);
	r->table = !strcmp(value, "table");
	return r->table || !strcmp(value, "json") ? 0 :
		       refuse(-EINVAL, why, size, "format=%s: the formats are json and table", value);
}

/* ---- lines ---- */

static int take_word(struct stream_request *r, char *word, char *why, size_t size)
{
	char *value = strchr(word, '=');

	if (!value)
		return refuse(-EINVAL, why, size, "%s: not of the form KEY=VALUE", word);
	*value++ = '\0';
	if (!percent_decode(value))
		return refuse(-EINVAL, why, size, "%s=%s: a percent sign is written %%25", word, value);
	return take_option(r, word, value, why, size);
}

int stream_request_parse(struct stream_request *ret, const char *line, size_t n, char *why, size_t size)
{
	char *rest = ret->line, *word;
	int err = 0;

	memset(ret, 0, offsetof(struct stream_request, line));
	ret->text.who = true;
	if (n > STREAM_LINE_MAX)
		return refuse(-EINVAL, why, size, "a line of more than %u bytes", STREAM_LINE_MAX);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return refuse(-EINVAL, why, size, "a control character");
	memcpy(ret->line, line, n);
	ret->line[n] = '\0';
	word = strsep(&rest, " ");
	ret->status = !strcmp(word, "status");
	if (!ret->status && strcmp(word, "events"))
		return refuse(-EINVAL, why, size, "%.100s: neither status nor events", word);
	while (!err && (word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		err = ret->status ? refuse(-EINVAL, why, size, "%.100s: status takes nothing", word) :
				    take_word(ret, word, why, size);
	}
	return err;
}

/* ---- events ---- */

static bool is_one_of(const struct stream_request *r, enum stream_key key, const char *name)
{
	for (unsigned i = 0; name && i < r->nvalues[key]; i++)
		if (!strcmp(r->values[key][i], name))
			return true;
	return false;
}

static bool pod_matches(const struct stream_request *r, const struct event_identity *who)
{
	size_t n;

	if (!who->pod_namespace || !who->pod_name)
		return false;
	n = strlen(who->pod_namespace);
	for (unsigned i = 0; i < r->nvalues[STREAM_POD]; i++) {
		const char *value = r->values[STREAM_POD][i];

		if (!strncmp(value, who->pod_namespace, n) && value[n] == '/' && !strcmp(value + n + 1, who->pod_name))
			return true;
	}
	return false;
}

static bool container_matches(const struct stream_request *r, const struct event_identity *who)
{
	for (unsigned i = 0; who->container_id && i < r->nvalues[STREAM_CONTAINER]; i++) {
		const char *value = r->values[STREAM_CONTAINER][i];
		size_t n = strlen(value);

		if (n >= CONTAINER_ID_LEAST && !strncmp(value, who->container_id, n))
			return true;
	}
	return is_one_of(r, STREAM_CONTAINER, who->container_name) || is_one_of(r, STREAM_CONTAINER, who->pod_container);
}

static bool identity_matches(const struct stream_request *r, enum stream_key key, const struct event_identity *who)
{
	switch (key) {
	case STREAM_NAMESPACE:
		return is_one_of(r, key, who->pod_namespace);
	case STREAM_POD:
		return pod_matches(r, who);
	case STREAM_CONTAINER:
		return container_matches(r, who);
	default:
		return is_one_of(r, key, who->unit) || is_one_of(r, key, who->user_unit);
	}
}

bool stream_request_matches(const struct stream_request *r, const struct event_view *view)
{
	if (view->desc->type == TAPIO_EV_LOST)
		return true;
	if (r->events && !(r->events >> view->desc->type & 1))
		return false;
	for (unsigned key = 0; key < STREAM_KEYS; key++)
		if (r->nvalues[key] && (!view->who || !identity_matches(r, key, view->who)))
			return false;
	return true;
}

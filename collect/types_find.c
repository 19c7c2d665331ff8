/* SPDX-License-Identifier: Apache-2.0 */
/* Types by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/types.h"

#define BUCKETS (1u << 16)

/* A flavour begins at the last ___ that stands between two other characters. */
size_t name_essential(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = length; i >= 5; i--) {
		const char *p = name + i - 5;

		if (p[0] != '_' && p[1] == '_' && p[2] == '_' && p[3] == '_' && p[4] != '_')
			return i - 4;
	}
	return length;
}

bool names_agree(const char *a, const char *b)
{
	size_t n = name_essential(a);

	return n == name_essential(b) && !strncmp(a, b, n);
}

static uint32_t bucket_of(const char *name)
{
	size_t n = name_essential(name);
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return (hash ^ hash >> 16) % BUCKETS;
}

/* From the last to the first, so that each bucket lists its ids in order. */
int types_index(struct types *t)
{
	if (t->buckets)
		return 0;
	t->buckets = calloc(BUCKETS, sizeof(*t->buckets));
	t->next = calloc(t->count, sizeof(*t->next));
	if (!t->buckets || !t->next)
		return -ENOMEM;
	for (uint32_t id = t->count - 1; id; id--) {
		const char *name = type_name(t, id);
		uint32_t bucket;

		if (!name[0])
			continue;
		bucket = bucket_of(name);
		t->next[id] = t->buckets[bucket];
		t->buckets[bucket] = id;
	}
	return 0;
}

uint32_t types_next(const struct types *t, const char *name, uint32_t id)
{
	if (!name[0])
		return 0;
	id = id ? t->next[id] : t->buckets[bucket_of(name)];
	while (id && !names_agree(type_name(t, id), name))
		id = t->next[id];
	return id;
}

uint32_t types_find(const struct types *t, const char *name, unsigned kind)
{
	uint32_t id = types_next(t, name, 0);

	while (id && (btf_kind(types_at(t, id)) != kind || strcmp(type_name(t, id), name)))
		id = types_next(t, name, id);
	return id;
}

uint64_t enum_value(const struct btf_type *e, unsigned i)
{
	if (btf_is_enum(e))
		return (uint64_t)(int64_t)btf_enum(e)[i].val;
	return btf_enum64_value(&btf_enum64(e)[i]);
}

const char *enum_name(const struct types *t, const struct btf_type *e, unsigned i)
{
	return types_name(t, btf_is_enum(e) ? btf_enum(e)[i].name_off : btf_enum64(e)[i].name_off);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool relo_is_field(unsigned kind)
{
	return kind <= BPF_CORE_FIELD_RSHIFT_U64;
}

bool relo_is_type(unsigned kind)
{
	return (kind >= BPF_CORE_TYPE_ID_LOCAL && kind <= BPF_CORE_TYPE_SIZE) || kind == BPF_CORE_TYPE_MATCHES;
}

bool relo_is_enum(unsigned kind)
{
	return kind == BPF_CORE_ENUMVAL_EXISTS || kind == BPF_CORE_ENUMVAL_VALUE;
}

static int add_path(struct spec *s, uint32_t type, uint32_t index, bool element)
{
	if (s->path.steps == PATH_MAX_STEPS)
		return -E2BIG;
	s->path.step[s->path.steps].type = type;
	s->path.step[s->path.steps].index = index;
	s->path.step[s->path.steps++].element = element;
	return 0;
}

static void add_step(struct spec *s, uint32_t type, uint32_t index, const char *name)
{
	s->steps[s->count++] = (struct spec_step){ .type = type, .index = index, .name = name };
}

/* An array without a length may be indexed where it is the last member: like the kernel's flexible ones. */
static bool is_flexible(const struct types *types, const struct spec *s, const struct btf_array *array)
{
	const struct spec_step *holder = &s->steps[s->count - 1];

	return holder->name && !array->nelems && holder->index + 1 == btf_vlen(types_at(types, holder->type));
}

/* Goes into an element of the array `id`: *ret_id is its type. 1, 0 if there is no such element, or an errno. */
static int enter_element(const struct types *types, struct spec *s, uint32_t id, uint32_t index, uint32_t *ret_id)
{
	const struct btf_array *array = btf_array(types_at(types, id));
	int64_t bytes;
	int err;

	if (index >= array->nelems && !is_flexible(types, s, array))
		return 0;
	*ret_id = types_strip(types, array->type);
	err = add_path(s, *ret_id, index, true);
	if (err)
		return err;
	add_step(s, *ret_id, index, NULL);
	bytes = types_size(types, *ret_id);
	if (bytes < 0)
		return (int)bytes;
	s->bit_offset += index * (uint32_t)bytes * 8;
	return 1;
}

/* ---- what is asked for ---- */

/* "0:5:1"; the number of its parts, or -EINVAL. */
static int parse_numbers(const char *text, uint32_t numbers[PATH_MAX_STEPS])
{
	int n = 0;

	while (*text) {
		char *end;
		long number = strtol(text, &end, 10);

		if (end == text || number < 0 || number > INT32_MAX || (*end && *end != ':'))
			return -EINVAL;
		if (n == PATH_MAX_STEPS)
			return -E2BIG;
		numbers[n++] = (uint32_t)number;
		text = *end ? end + 1 : end;
	}
	return n ? n : -EINVAL;
}

static int parse_member(const struct types *types, struct spec *s, uint32_t id, uint32_t index, uint32_t *ret_id)
{
	const struct btf_type *t = types_at(types, id);
	const char *name;
	int err;

	if (index >= btf_vlen(t))
		return -EINVAL;
	name = types_name(types, btf_members(t)[index].name_off);
	err = add_path(s, id, index, false);
	if (err)
		return err;
	s->bit_offset += btf_member_bit_offset(t, index);
	if (*name)
		add_step(s, id, index, name);
	*ret_id = btf_members(t)[index].type;
	return 0;
}

static int parse_field(const struct types *types, struct spec *s, uint32_t id, const uint32_t *numbers, int n)
{
	int64_t bytes = types_size(types, id);

	if (bytes < 0)
		return (int)bytes;
	add_step(s, id, numbers[0], NULL);
	s->bit_offset = numbers[0] * (uint32_t)bytes * 8;
	for (int i = 1; i < n; i++) {
		int rc = -EINVAL;

		id = types_strip(types, id);
		if (btf_is_composite(types_at(types, id))) {
			rc = parse_member(types, s, id, numbers[i], &id);
		} else if (btf_is_array(types_at(types, id))) {
			rc = enter_element(types, s, id, numbers[i], &id);
			rc = rc > 0 ? 0 : rc ? rc : -EINVAL;
		}
		if (rc)
			return rc;
	}
	return 0;
}

int spec_parse(const struct types *types, const struct bpf_core_relo *relo, struct spec *ret)
{
	const char *access = types_name(types, relo->access_str_off);
	uint32_t numbers[PATH_MAX_STEPS], id = types_strip(types, relo->type_id);
	const struct btf_type *t = types_at(types, id);
	int n;

	memset(ret, 0, sizeof(*ret));
	ret->type = ret->path.type = relo->type_id;
	if (relo_is_type(relo->kind))
		return strcmp(access, "0") ? -EINVAL : 0;
	n = parse_numbers(access, numbers);
	if (n < 0)
		return n;
	if (relo_is_field(relo->kind))
		return parse_field(types, ret, id, numbers, n);
	if (!relo_is_enum(relo->kind) || !btf_is_any_enum(t) || n > 1 || numbers[0] >= btf_vlen(t))
		return -EINVAL;
	add_step(ret, id, numbers[0], enum_name(types, t, numbers[0]));
	return 0;
}

/* ---- where it is ---- */

/*
 * The first member of that name, also inside of nameless ones. If what it holds cannot be read as the local
 * one is, there is none.
 */
static int find_member(const struct match *m, const char *name, uint32_t local_type, uint32_t id, struct spec *s,
		       uint32_t *ret_id)
{
	const struct btf_type *t;

	id = types_strip(m->target, id);
	t = types_at(m->target, id);
	if (!btf_is_composite(t))
		return 0;
	for (unsigned i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *member = &btf_members(t)[i];
		const char *its_name = types_name(m->target, member->name_off);
		struct relo_path *path = &s->path;
		unsigned steps = path->steps;
		uint32_t bit_offset = s->bit_offset;
		int rc;

		if (!match_may_go_on(m))
			return -E2BIG;
		if (*its_name && strcmp(its_name, name))
			continue;
		rc = add_path(s, id, i, false);
		if (rc)
			return rc;
		s->bit_offset += btf_member_bit_offset(t, i);
		if (*its_name) {
			*ret_id = member->type;
			rc = match_fields(m, local_type, member->type);
			if (rc > 0)
				add_step(s, id, i, its_name);
			return rc;
		}
		rc = find_member(m, name, local_type, member->type, s, ret_id);
		if (rc)
			return rc;
		path->steps = steps;
		s->bit_offset = bit_offset;
	}
	return 0;
}

/* The candidate itself is taken for an array: its element 0 is meant, as a rule. */
static int match_first(const struct match *m, uint32_t index, uint32_t id, struct spec *s)
{
	int64_t bytes = types_size(m->target, id);

	add_step(s, id, index, NULL);
	if (bytes < 0)
		return (int)bytes;
	s->bit_offset = index * (uint32_t)bytes * 8;
	return 1;
}

static int match_field(const struct match *m, const struct spec *local, uint32_t id, struct spec *ret)
{
	int rc = match_first(m, local->steps[0].index, types_strip(m->target, id), ret);

	for (unsigned i = 1; rc > 0 && i < local->count; i++) {
		const struct spec_step *step = &local->steps[i];

		id = types_strip(m->target, id);
		if (step->name) {
			const struct btf_type *holder = types_at(m->local, step->type);

			rc = find_member(m, step->name, btf_members(holder)[step->index].type, id, ret, &id);
		} else if (btf_is_array(types_at(m->target, id))) {
			rc = enter_element(m->target, ret, id, step->index, &id);
		} else {
			rc = 0;
		}
	}
	return rc;
}

static int match_enumerator(const struct match *m, const struct spec *local, uint32_t id, struct spec *ret)
{
	const struct btf_type *t;

	id = types_strip(m->target, id);
	t = types_at(m->target, id);
	for (unsigned i = 0; btf_is_any_enum(t) && i < btf_vlen(t); i++) {
		const char *name = enum_name(m->target, t, i);

		if (!match_may_go_on(m))
			return -E2BIG;
		if (!names_agree(name, local->steps[0].name))
			continue;
		add_step(ret, id, i, name);
		add_path(ret, id, i, false);
		return 1;
	}
	return 0;
}

int spec_match(const struct match *m, const struct spec *local, unsigned kind, uint32_t candidate, struct spec *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->type = ret->path.type = candidate;
	if (kind == BPF_CORE_TYPE_MATCHES)
		return match_exactly(m, local->type, candidate);
	if (relo_is_type(kind))
		return match_types(m, local->type, candidate);
	if (relo_is_enum(kind))
		return match_enumerator(m, local, candidate, ret);
	return match_field(m, local, candidate, ret);
}

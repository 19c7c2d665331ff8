/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/match.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 32

bool kinds_agree(const struct btf_type *a, const struct btf_type *b)
{
	return btf_kind(a) == btf_kind(b) || (btf_is_any_enum(a) && btf_is_any_enum(b));
}

static bool plain_ints(const struct btf_type *a, const struct btf_type *b)
{
	return !btf_int_offset(a) && !btf_int_offset(b);
}

static const char *local_name(const struct match *m, const struct btf_type *t)
{
	return types_name(m->local, t->name_off);
}

static const char *target_name(const struct match *m, const struct btf_type *t)
{
	return types_name(m->target, t->name_off);
}

/* ---- fields ---- */

int match_fields(const struct match *m, uint32_t local, uint32_t target)
{
	while (match_may_go_on(m)) {
		const struct btf_type *l, *t;

		l = types_at(m->local, types_strip(m->local, local));
		t = types_at(m->target, types_strip(m->target, target));
		if (btf_is_composite(l) && btf_is_composite(t))
			return 1;
		if (!kinds_agree(l, t))
			return 0;
		switch (btf_kind(l)) {
		case BTF_KIND_PTR:
		case BTF_KIND_FLOAT:
			return 1;
		case BTF_KIND_FWD:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
			return !*local_name(m, l) || !*target_name(m, t) ||
			       names_agree(local_name(m, l), target_name(m, t));
		case BTF_KIND_INT:
			return plain_ints(l, t);
		case BTF_KIND_ARRAY:
			local = btf_array(l)->type;
			target = btf_array(t)->type;
			continue;
		default:
			return 0;
		}
	}
	return -E2BIG;
}

/* ---- types ---- */

static int compatible(const struct match *m, uint32_t local, uint32_t target, int level);

static int compatible_parameters(const struct match *m, const struct btf_type *l, const struct btf_type *t,
				 int level)
{
	int rc = btf_vlen(l) == btf_vlen(t);

	for (unsigned i = 0; rc > 0 && i < btf_vlen(l); i++)
		rc = level > 0 ? compatible(m, btf_params(l)[i].type, btf_params(t)[i].type, level - 1) : -EINVAL;
	return rc;
}

/* `level` limits how prototypes nest, the loop how pointers do. */
static int compatible(const struct match *m, uint32_t local, uint32_t target, int level)
{
	for (unsigned depth = 0; depth < DEPTH_MAX && match_may_go_on(m); depth++) {
		const struct btf_type *l = types_at(m->local, types_strip(m->local, local));
		const struct btf_type *t = types_at(m->target, types_strip(m->target, target));
		int rc;

		if (!kinds_agree(l, t))
			return 0;
		switch (btf_kind(l)) {
		case BTF_KIND_UNKN:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FWD:
			return 1;
		case BTF_KIND_INT:
			return plain_ints(l, t);
		case BTF_KIND_ARRAY:
			local = btf_array(l)->type;
			target = btf_array(t)->type;
			continue;
		case BTF_KIND_FUNC_PROTO:
			rc = compatible_parameters(m, l, t, level);
			if (rc <= 0)
				return rc;
			break;
		case BTF_KIND_PTR:
			break;
		default:
			return 0;
		}
		local = l->type;
		target = t->type;
	}
	return -EINVAL;
}

int match_types(const struct match *m, uint32_t local, uint32_t target)
{
	if (!kinds_agree(types_at(m->local, local), types_at(m->target, target)))
		return 0;
	return compatible(m, local, target, DEPTH_MAX);
}

/* ---- types with all that is in them ---- */

/* Names of members may both be missing. */
static bool same_names(const char *local, const char *target)
{
	return *target ? names_agree(local, target) : !*local;
}

static int same_enums(const struct match *m, const struct btf_type *l, const struct btf_type *t)
{
	if (l->size != t->size || btf_vlen(l) > btf_vlen(t))
		return 0;
	for (unsigned i = 0; i < btf_vlen(l); i++) {
		bool found = false;

		for (unsigned k = 0; !found && k < btf_vlen(t); k++) {
			if (!match_may_go_on(m))
				return -E2BIG;
			found = same_names(enum_name(m->local, l, i), enum_name(m->target, t, k));
		}
		if (!found)
			return 0;
	}
	return 1;
}

static int same(const struct match *m, uint32_t local, uint32_t target, bool behind_pointer, int level);

/* Each local member has one in the target. */
static int same_members(const struct match *m, const struct btf_type *l, const struct btf_type *t, int level)
{
	if (btf_vlen(l) > btf_vlen(t))
		return 0;
	for (unsigned i = 0; i < btf_vlen(l); i++) {
		const struct btf_member *a = &btf_members(l)[i];
		int rc = 0;

		for (unsigned k = 0; !rc && k < btf_vlen(t); k++) {
			const struct btf_member *b = &btf_members(t)[k];

			if (!match_may_go_on(m))
				return -E2BIG;
			if (same_names(types_name(m->local, a->name_off), types_name(m->target, b->name_off)))
				rc = same(m, a->type, b->type, false, level - 1);
		}
		if (rc <= 0)
			return rc;
	}
	return 1;
}

/* A structure is the same as its declaration, where only a pointer leads to it. */
static int same_composites(const struct match *m, const struct btf_type *l, const struct btf_type *t,
			   bool behind_pointer, int level)
{
	bool is_union = btf_is_union(l);

	if (!behind_pointer)
		return btf_kind(l) == btf_kind(t) ? same_members(m, l, t, level) : 0;
	return btf_kind(l) == btf_kind(t) || (btf_is_fwd(t) && btf_kflag(t) == is_union);
}

static int same_declarations(const struct btf_type *l, const struct btf_type *t, bool behind_pointer)
{
	if (btf_kind(l) == btf_kind(t))
		return btf_kflag(l) == btf_kflag(t);
	return behind_pointer && btf_kind(t) == (btf_kflag(l) ? BTF_KIND_UNION : BTF_KIND_STRUCT);
}

static int same_ints(const struct btf_type *l, const struct btf_type *t)
{
	return btf_is_int(t) && l->size == t->size &&
	       !((btf_int_encoding(l) ^ btf_int_encoding(t)) & BTF_INT_SIGNED);
}

static int same_parameters(const struct match *m, const struct btf_type *l, const struct btf_type *t,
			   bool behind_pointer, int level)
{
	int rc = btf_vlen(l) == btf_vlen(t);

	for (unsigned i = 0; rc > 0 && i < btf_vlen(l); i++)
		rc = same(m, btf_params(l)[i].type, btf_params(t)[i].type, behind_pointer, level - 1);
	return rc;
}

static int same(const struct match *m, uint32_t local, uint32_t target, bool behind_pointer, int level)
{
	if (level <= 0)
		return -EINVAL;
	for (unsigned depth = 0; depth < DEPTH_MAX && match_may_go_on(m); depth++) {
		const struct btf_type *l = types_at(m->local, types_strip(m->local, local));
		const struct btf_type *t = types_at(m->target, types_strip(m->target, target));
		int rc;

		if (!same_names(local_name(m, l), target_name(m, t)))
			return 0;
		switch (btf_kind(l)) {
		case BTF_KIND_UNKN:
			return btf_kind(t) == BTF_KIND_UNKN;
		case BTF_KIND_FWD:
			return same_declarations(l, t, behind_pointer);
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
			return btf_is_any_enum(t) ? same_enums(m, l, t) : 0;
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
			return same_composites(m, l, t, behind_pointer, level);
		case BTF_KIND_INT:
			return same_ints(l, t);
		case BTF_KIND_PTR:
			if (!btf_is_ptr(t))
				return 0;
			behind_pointer = true;
			break;
		case BTF_KIND_ARRAY:
			if (!btf_is_array(t) || btf_array(l)->nelems != btf_array(t)->nelems)
				return 0;
			local = btf_array(l)->type;
			target = btf_array(t)->type;
			continue;
		case BTF_KIND_FUNC_PROTO:
			if (!btf_is_func_proto(t))
				return 0;
			rc = same_parameters(m, l, t, behind_pointer, level);
			if (rc <= 0)
				return rc;
			break;
		default:
			return 0;
		}
		local = l->type;
		target = t->type;
	}
	return -EINVAL;
}

int match_exactly(const struct match *m, uint32_t local, uint32_t target)
{
	return same(m, local, target, false, DEPTH_MAX);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/refuse.h"

/*
 * The header since 7.1 (222edc843c15): how long each kind is, so that unknown ones can be passed over.
 * Since then a type's word `info` has 24 bits of length and 7 of kind, where there were 16 and 5 with zeros
 * between them.
 */
struct long_header {
	struct btf_header h;
	__u32 layout_off;
	__u32 layout_len;
};

struct kind_layout {
	__u8 info_sz;
	__u8 elem_sz;
	__u16 flags;
};

#define KINDS_KNOWN (BTF_KIND_ENUM64 + 1)
#define MEMBERS_MAX 0xffffu /* what libbpf 1.1.2 can count */

static const struct kind_layout known[KINDS_KNOWN] = {
	[BTF_KIND_INT] = { .info_sz = sizeof(__u32) },
	[BTF_KIND_ARRAY] = { .info_sz = sizeof(struct btf_array) },
	[BTF_KIND_STRUCT] = { .elem_sz = sizeof(struct btf_member) },
	[BTF_KIND_UNION] = { .elem_sz = sizeof(struct btf_member) },
	[BTF_KIND_ENUM] = { .elem_sz = sizeof(struct btf_enum) },
	[BTF_KIND_FUNC_PROTO] = { .elem_sz = sizeof(struct btf_param) },
	[BTF_KIND_VAR] = { .info_sz = sizeof(struct btf_var) },
	[BTF_KIND_DATASEC] = { .elem_sz = sizeof(struct btf_var_secinfo) },
	[BTF_KIND_DECL_TAG] = { .info_sz = sizeof(struct btf_decl_tag) },
	[BTF_KIND_ENUM64] = { .elem_sz = sizeof(struct btf_enum64) },
};

struct input {
	const unsigned char *types, *strings, *layouts;
	uint32_t types_len, strings_len, nlayouts;
};

/* Offsets count from the end of the header, however long that is. */
static int read_header(const unsigned char *raw, size_t size, struct input *ret, char *why, size_t why_size)
{
	struct long_header lh = {};
	size_t rest;

	if (size < sizeof(lh.h))
		return refuse(-EINVAL, why, why_size, "too short for BTF");
	memcpy(&lh.h, raw, sizeof(lh.h));
	if (lh.h.magic == __builtin_bswap16(BTF_MAGIC))
		return refuse(-EINVAL, why, why_size, "BTF of a big-endian machine");
	if (lh.h.magic != BTF_MAGIC || lh.h.version != BTF_VERSION)
		return refuse(-EINVAL, why, why_size, "does not begin as BTF does");
	if (lh.h.hdr_len < sizeof(lh.h) || lh.h.hdr_len > size)
		return refuse(-EINVAL, why, why_size, "BTF with a header of %u bytes", lh.h.hdr_len);
	memcpy(&lh, raw, lh.h.hdr_len < sizeof(lh) ? lh.h.hdr_len : sizeof(lh));
	rest = size - lh.h.hdr_len;
	raw += lh.h.hdr_len;
	if ((uint64_t)lh.h.type_off + lh.h.type_len > rest || (uint64_t)lh.h.str_off + lh.h.str_len > rest)
		return refuse(-EINVAL, why, why_size, "BTF is cut off: it has %zu bytes, its header says more", size);
	if (!lh.h.str_len || raw[lh.h.str_off])
		return refuse(-EINVAL, why, why_size, "BTF whose strings do not begin with an empty one");
	ret->types = raw + lh.h.type_off;
	ret->types_len = lh.h.type_len;
	ret->strings = raw + lh.h.str_off;
	ret->strings_len = lh.h.str_len;
	while (ret->strings[ret->strings_len - 1]) /* ends at the first one at the latest */
		ret->strings_len--;
	if ((uint64_t)lh.layout_off + lh.layout_len <= rest) {
		ret->layouts = raw + lh.layout_off;
		ret->nlayouts = lh.layout_len / (uint32_t)sizeof(struct kind_layout);
	}
	return 0;
}

static bool layout_of(const struct input *in, unsigned kind, struct kind_layout *ret)
{
	if (kind && kind < KINDS_KNOWN)
		*ret = known[kind];
	else if (kind >= KINDS_KNOWN && kind < in->nlayouts)
		memcpy(ret, in->layouts + kind * sizeof(*ret), sizeof(*ret));
	else
		return false;
	return true;
}

/* Takes over one type; an unknown one becomes void with a qualifier, so that the ids stay. */
static void take_type(struct types *t, const unsigned char *from, unsigned kind, uint32_t vlen,
		      const struct kind_layout *layout)
{
	struct btf_type type;
	size_t extra;

	memcpy(&type, from, sizeof(type));
	if (kind >= KINDS_KNOWN) {
		type = (struct btf_type){ .info = BTF_KIND_CONST << 24 };
		extra = 0;
		t->unknown++;
	} else {
		extra = layout->info_sz + (size_t)layout->elem_sz * vlen;
		if (vlen > MEMBERS_MAX) {
			vlen = layout->elem_sz ? MEMBERS_MAX : 0;
			extra = layout->info_sz + (size_t)layout->elem_sz * vlen;
			t->mended++;
		}
		type.info = (type.info & 0x80000000) | kind << 24 | vlen;
	}
	t->offsets[t->count++] = (uint32_t)t->blob_bytes;
	memcpy((char *)t->blob + t->blob_bytes, &type, sizeof(type));
	memcpy((char *)t->blob + t->blob_bytes + sizeof(type), from + sizeof(type), extra);
	t->blob_bytes += sizeof(type) + extra;
}

static int more_offsets(struct types *t)
{
	uint32_t *offsets;

	if (t->count & (t->count - 1) || (t->count && t->count < 1024))
		return 0;
	offsets = realloc(t->offsets, (t->count ? t->count * 2ul : 1024) * sizeof(*offsets));
	if (!offsets)
		return -ENOMEM;
	t->offsets = offsets;
	return 0;
}

static int take_types(struct types *t, const struct input *in)
{
	uint32_t left = in->types_len;
	const unsigned char *p = in->types;

	while (left && !t->cut) {
		struct kind_layout layout;
		struct btf_type type;
		uint32_t vlen;
		uint64_t bytes;
		int err;

		t->cut = true;
		if (left < sizeof(type) || t->count == TYPES_COUNT_MAX)
			break;
		memcpy(&type, p, sizeof(type));
		vlen = type.info & 0xffffff;
		if (!layout_of(in, type.info >> 24 & 0x7f, &layout))
			break;
		bytes = sizeof(type) + layout.info_sz + (uint64_t)layout.elem_sz * vlen;
		if (bytes > left)
			break;
		err = more_offsets(t);
		if (err)
			return err;
		take_type(t, p, type.info >> 24 & 0x7f, vlen, &layout);
		p += bytes;
		left -= (uint32_t)bytes;
		t->cut = false;
	}
	return 0;
}

static void mend_id(struct types *t, __u32 *id)
{
	if (*id < t->count)
		return;
	*id = 0;
	t->mended++;
}

static void mend_name(struct types *t, __u32 *name_off)
{
	if (*name_off < t->string_bytes)
		return;
	*name_off = 0;
	t->mended++;
}

/* Ids and names that every element of a type has. */
static void mend_elements(struct types *t, struct btf_type *type)
{
	unsigned vlen = btf_vlen(type);

	switch (btf_kind(type)) {
	case BTF_KIND_ARRAY:
		mend_id(t, &btf_array(type)->type);
		mend_id(t, &btf_array(type)->index_type);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		for (unsigned i = 0; i < vlen; i++) {
			mend_id(t, &btf_members(type)[i].type);
			mend_name(t, &btf_members(type)[i].name_off);
		}
		break;
	case BTF_KIND_FUNC_PROTO:
		for (unsigned i = 0; i < vlen; i++) {
			mend_id(t, &btf_params(type)[i].type);
			mend_name(t, &btf_params(type)[i].name_off);
		}
		break;
	case BTF_KIND_ENUM:
		for (unsigned i = 0; i < vlen; i++)
			mend_name(t, &btf_enum(type)[i].name_off);
		break;
	case BTF_KIND_ENUM64:
		for (unsigned i = 0; i < vlen; i++)
			mend_name(t, &btf_enum64(type)[i].name_off);
		break;
	case BTF_KIND_DATASEC:
		for (unsigned i = 0; i < vlen; i++)
			mend_id(t, &btf_var_secinfos(type)[i].type);
		break;
	default:
		break;
	}
}

static bool refers(const struct btf_type *type)
{
	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FUNC_PROTO:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
	case BTF_KIND_TYPE_TAG:
		return true;
	default:
		return false;
	}
}

static bool is_wrapper(const struct btf_type *type)
{
	return btf_is_mod(type) || btf_is_typedef(type);
}

/* libbpf follows modifiers and typedefs without end: a circle, or a chain that is nearly one, is opened. */
static void mend_chain(struct types *t, uint32_t id)
{
	struct btf_type *first = (struct btf_type *)types_at(t, id);
	const struct btf_type *type = first;

	for (unsigned steps = 0; is_wrapper(type); steps++) {
		if (steps == TYPES_CHAIN_MAX) {
			first->type = 0;
			t->mended++;
			return;
		}
		type = types_at(t, type->type);
	}
}

static void mend_all(struct types *t)
{
	for (uint32_t id = 1; id < t->count; id++) {
		struct btf_type *type = (struct btf_type *)types_at(t, id);

		mend_name(t, &type->name_off);
		if (refers(type))
			mend_id(t, &type->type);
		mend_elements(t, type);
	}
	for (uint32_t id = 1; id < t->count; id++)
		mend_chain(t, id);
}

static int fill(struct types *t, const struct input *in)
{
	struct btf_header h = { .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h) };
	static const struct btf_type nothing;
	int err;

	/* Void comes last and is referred to, but is not part of the BTF. */
	t->blob = malloc(sizeof(h) + in->types_len + in->strings_len + 4 + sizeof(nothing));
	if (!t->blob)
		return -ENOMEM;
	t->blob_bytes = sizeof(h);
	err = more_offsets(t);
	if (err)
		return err;
	t->count = 1;
	err = take_types(t, in);
	if (err)
		return err;
	h.type_len = h.str_off = (uint32_t)(t->blob_bytes - sizeof(h));
	h.str_len = t->string_bytes = in->strings_len;
	t->strings = (char *)t->blob + t->blob_bytes;
	memcpy((char *)t->blob + t->blob_bytes, in->strings, in->strings_len);
	t->blob_bytes += in->strings_len;
	memcpy(t->blob, &h, sizeof(h));
	t->offsets[0] = (uint32_t)((t->blob_bytes + 3) & ~3ul);
	memcpy((char *)t->blob + t->offsets[0], &nothing, sizeof(nothing));
	mend_all(t);
	return 0;
}

int types_read(const void *raw, size_t size, struct types *ret, char *why, size_t why_size)
{
	struct types t = {};
	struct input in = {};
	int err;

	if (size > TYPES_BYTES_MAX)
		return refuse(-EFBIG, why, why_size, "BTF of more than %u MiB", TYPES_BYTES_MAX >> 20);
	err = read_header(raw, size, &in, why, why_size);
	if (err)
		return err;
	err = fill(&t, &in);
	if (err) {
		types_free(&t);
		return refuse(err, why, why_size, "%s", strerror(-err));
	}
	*ret = t;
	return 0;
}

int types_all_known(const void *raw, size_t size, char *why, size_t why_size)
{
	struct input in = {};
	int err = read_header(raw, size, &in, why, why_size);
	uint32_t at = 0;

	while (!err && in.types_len - at >= sizeof(struct btf_type)) {
		struct kind_layout layout;
		struct btf_type type;
		uint64_t bytes;

		memcpy(&type, in.types + at, sizeof(type));
		if ((type.info >> 24 & 0x7f) >= KINDS_KNOWN || !layout_of(&in, type.info >> 24 & 0x7f, &layout) ||
		    (type.info & 0xffffff) > MEMBERS_MAX)
			return 0;
		bytes = sizeof(type) + layout.info_sz + (uint64_t)layout.elem_sz * (type.info & 0xffff);
		if (bytes > in.types_len - at)
			return 0;
		at += (uint32_t)bytes;
	}
	return err ? err : at == in.types_len;
}

void types_free(struct types *t)
{
	free(t->blob);
	free(t->offsets);
	free(t->buckets);
	free(t->next);
	memset(t, 0, sizeof(*t));
}

uint32_t types_strip(const struct types *t, uint32_t id)
{
	while (is_wrapper(types_at(t, id)))
		id = types_at(t, id)->type;
	return id;
}

int64_t types_size(const struct types *t, uint32_t id)
{
	uint64_t elements = 1, size;

	for (unsigned depth = 0; depth < 32; depth++) {
		const struct btf_type *type = types_at(t, id);

		switch (btf_kind(type)) {
		case BTF_KIND_INT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_DATASEC:
		case BTF_KIND_FLOAT:
			size = type->size;
			break;
		case BTF_KIND_PTR:
			size = 8;
			break;
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_VAR:
		case BTF_KIND_DECL_TAG:
		case BTF_KIND_TYPE_TAG:
			id = type->type;
			continue;
		case BTF_KIND_ARRAY:
			elements *= btf_array(type)->nelems;
			if (elements > UINT32_MAX)
				return -E2BIG;
			id = btf_array(type)->type;
			continue;
		default:
			return -EINVAL;
		}
		return size * elements > UINT32_MAX ? -E2BIG : (int64_t)(size * elements);
	}
	return -E2BIG;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BTF from anywhere, made safe to read.
 *
 * What is read in is hostile or of the future, and is taken as far as it goes: a longer header, kinds that
 * nobody here knows, names and ids out of range. What cannot be told becomes void. So everything that
 * types_at gives is consistent: ids and names are in range, and no chain of modifiers and typedefs is
 * longer than TYPES_CHAIN_MAX. Ids are those of the input.
 */
#ifndef COLLECT_TYPES_H
#define COLLECT_TYPES_H

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TYPES_BYTES_MAX (256u << 20)
#define TYPES_COUNT_MAX (1u << 22)
#define TYPES_CHAIN_MAX 64

struct types {
	void *blob; /* BTF as libbpf 1.1.2 accepts it: 24 bytes of header, types, strings. Owned */
	size_t blob_bytes;
	uint32_t count;        /* ids are below; 0 is void */
	uint32_t *offsets;     /* of a type by id, in the blob */
	const char *strings;
	uint32_t string_bytes;
	uint32_t *buckets, *next; /* ids by essential name; NULL until types_index */
	uint32_t unknown;      /* types of unknown kinds, and changes that made others consistent */
	uint32_t mended;
	bool cut;              /* the types after `count` could not be read */
};

/* 0, or a negative errno with the reason in `why`. `raw` is not needed afterwards. */
int types_read(const void *raw, size_t size, struct types *ret, char *why, size_t why_size);
void types_free(struct types *t);

/* Whether all of it is of kinds that are known here: cheap, and says nothing of references. As types_read. */
int types_all_known(const void *raw, size_t size, char *why, size_t why_size);

/* Whether libbpf 1.1.2 takes the input that this was read from as it is. */
static inline bool types_are_plain(const struct types *t)
{
	return !t->unknown && !t->mended && !t->cut;
}

/* `id` is below count. */
static inline const struct btf_type *types_at(const struct types *t, uint32_t id)
{
	return (const struct btf_type *)((const char *)t->blob + t->offsets[id]);
}

/* "" if there is none. */
static inline const char *types_name(const struct types *t, uint32_t offset)
{
	return t->strings + offset;
}

static inline const char *type_name(const struct types *t, uint32_t id)
{
	return types_name(t, types_at(t, id)->name_off);
}

/* What remains of a type without const, volatile, restrict, type tags and typedefs. */
uint32_t types_strip(const struct types *t, uint32_t id);

/* Size in bytes, or -EINVAL if it has none, -E2BIG if it is nested too deeply or overflows. */
int64_t types_size(const struct types *t, uint32_t id);

/* Length of a name without its flavour, ___ and what follows. */
size_t name_essential(const char *name);
/* Whether two names are equal but for their flavours. */
bool names_agree(const char *a, const char *b);

/* Makes types_next work. 0 or -ENOMEM. */
int types_index(struct types *t);

/*
 * The next type after `id` whose essential name is that of `name`; 0 if there is none. Begin with 0.
 * Nameless types are never found.
 */
uint32_t types_next(const struct types *t, const char *name, uint32_t id);

/* The first type of this very name and kind, 0 if there is none. */
uint32_t types_find(const struct types *t, const char *name, unsigned kind);

/* Value of the member `i` of an enum of 32 or 64 bits, and its name. */
uint64_t enum_value(const struct btf_type *e, unsigned i);
const char *enum_name(const struct types *t, const struct btf_type *e, unsigned i);

#endif

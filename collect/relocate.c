/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/relocate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/match.h"
#include "collect/spec.h"

/* Types of the target that one of the object may be. It shrinks to those that matched: as libbpf's does. */
struct candidates {
	uint32_t local;
	uint32_t *ids;
	unsigned count;
};

/* ---- values ---- */

struct value {
	uint64_t value;
	uint32_t bytes;      /* of a field that can be read directly */
	uint32_t type;       /* what it is, without wrappers */
	bool check;
};

/* A bit field is read with the smallest aligned integer that holds it all. */
static int bit_field_bytes(const struct btf_type *type, uint32_t bit, uint32_t bits, uint32_t *ret_bytes,
			   uint32_t *ret_at)
{
	uint32_t bytes = type->size;

	if (!bytes)
		return -EINVAL;
	*ret_at = bit / 8 / bytes * bytes;
	while (bit + bits - *ret_at * 8 > bytes * 8) {
		if (bytes >= 8)
			return -E2BIG;
		bytes *= 2;
		*ret_at = bit / 8 / bytes * bytes;
	}
	*ret_bytes = bytes;
	return 0;
}

static int element_value(const struct types *t, unsigned kind, const struct spec *s, struct value *ret)
{
	uint32_t id = s->steps[s->count - 1].type;
	int64_t bytes = types_size(t, id);

	ret->check = true;
	if (kind != BPF_CORE_FIELD_BYTE_OFFSET && kind != BPF_CORE_FIELD_BYTE_SIZE)
		return -EINVAL;
	if (bytes < 0)
		return -EINVAL;
	if (kind == BPF_CORE_FIELD_BYTE_SIZE) {
		ret->value = (uint64_t)bytes;
		return 0;
	}
	ret->value = s->bit_offset / 8;
	ret->bytes = (uint32_t)bytes;
	ret->type = id;
	return 0;
}

static bool is_signed(const struct btf_type *t)
{
	return btf_is_any_enum(t) ? btf_kflag(t) : btf_is_int(t) && (btf_int_encoding(t) & BTF_INT_SIGNED);
}

static int member_value(const struct types *t, unsigned kind, const struct spec *s, struct value *ret)
{
	const struct spec_step *last = &s->steps[s->count - 1];
	const struct btf_type *holder = types_at(t, last->type);
	uint32_t id = types_strip(t, btf_members(holder)[last->index].type);
	uint32_t bit = s->bit_offset, bits = btf_member_bitfield_size(holder, last->index), bytes = 0, at = 0;
	bool bit_field = bits;
	int err = 0;

	if (bit_field) {
		err = bit_field_bytes(types_at(t, id), bit, bits, &bytes, &at);
	} else {
		int64_t size = types_size(t, id);

		if (size < 0)
			return -EINVAL;
		bytes = (uint32_t)size;
		bits = bytes * 8;
		at = bit / 8;
	}
	if (err)
		return err;
	ret->check = !bit_field || kind == BPF_CORE_FIELD_SIGNED || kind == BPF_CORE_FIELD_RSHIFT_U64;
	switch (kind) {
	case BPF_CORE_FIELD_BYTE_OFFSET:
		ret->value = at;
		ret->bytes = bit_field ? 0 : bytes;
		ret->type = bit_field ? 0 : id;
		return 0;
	case BPF_CORE_FIELD_BYTE_SIZE:
		ret->value = bytes;
		return 0;
	case BPF_CORE_FIELD_SIGNED:
		ret->value = is_signed(types_at(t, id));
		return 0;
	case BPF_CORE_FIELD_LSHIFT_U64: /* little-endian */
		ret->value = 64 - (bit + bits - at * 8);
		return 0;
	case BPF_CORE_FIELD_RSHIFT_U64:
		ret->value = 64 - bits;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int type_value(const struct types *t, unsigned kind, const struct spec *s, struct value *ret)
{
	int64_t bytes;

	ret->check = kind != BPF_CORE_TYPE_ID_TARGET;
	switch (kind) {
	case BPF_CORE_TYPE_ID_TARGET:
		ret->value = s->type;
		return 0;
	case BPF_CORE_TYPE_EXISTS:
	case BPF_CORE_TYPE_MATCHES:
		ret->value = 1;
		return 0;
	case BPF_CORE_TYPE_SIZE:
		bytes = types_size(t, s->type);
		if (bytes < 0)
			return -EINVAL;
		ret->value = (uint64_t)bytes;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int value_of(const struct types *t, unsigned kind, const struct spec *s, struct value *ret)
{
	const struct spec_step *last = s->count ? &s->steps[s->count - 1] : NULL;

	*ret = (struct value){ .check = true };
	if (relo_is_type(kind))
		return type_value(t, kind, s, ret);
	ret->value = 1;
	if (kind == BPF_CORE_FIELD_EXISTS || kind == BPF_CORE_ENUMVAL_EXISTS)
		return 0;
	if (kind == BPF_CORE_ENUMVAL_VALUE) {
		ret->value = enum_value(types_at(t, last->type), last->index);
		return 0;
	}
	return last->name ? member_value(t, kind, s, ret) : element_value(t, kind, s, ret);
}

/* ---- results ---- */

/*
 * A field of another size can be read if its bytes are extended with zeros on both sides. Only
 * instructions that read it directly care.
 */
static bool sizes_adapt(const struct types *lt, uint32_t local, const struct types *tt, uint32_t target)
{
	const struct btf_type *l = types_at(lt, local), *t = types_at(tt, target);

	if (btf_is_ptr(l) && btf_is_ptr(t))
		return true;
	return btf_is_int(l) && btf_is_int(t) && btf_int_encoding(l) != BTF_INT_SIGNED &&
	       btf_int_encoding(t) != BTF_INT_SIGNED;
}

static int result_of(const struct relocation *r, unsigned kind, const struct spec *local, const struct spec *target,
		     struct relo_result *ret)
{
	const struct types *types = &r->object->types;
	struct value l, t;
	int err = value_of(types, kind, local, &l);

	if (!err)
		err = value_of(r->target, kind, target, &t);
	if (err)
		return err;
	*ret = (struct relo_result){ .state = RELO_FOUND, .value = t.value, .old_value = l.value, .check = l.check,
				     .bytes = t.bytes, .old_bytes = l.bytes, .found = true, .path = target->path };
	ret->wrong_size = l.bytes != t.bytes && !sizes_adapt(types, l.type, r->target, t.type);
	return 0;
}

/* Nothing matched: what was asked whether it exists does not, and what was asked where it is, is nowhere. */
static int absent(const struct relocation *r, unsigned kind, const struct spec *local, struct relo_result *ret)
{
	struct value l;
	int err = value_of(&r->object->types, kind, local, &l);
	bool answer = relo_is_type(kind) || kind == BPF_CORE_FIELD_EXISTS || kind == BPF_CORE_ENUMVAL_EXISTS;

	*ret = (struct relo_result){ .state = answer ? RELO_FOUND : RELO_ABSENT, .old_value = l.value,
				     .check = l.check };
	return err;
}

/* ---- candidates ---- */

static bool is_candidate(const struct relocation *r, uint32_t local, uint32_t target)
{
	return kinds_agree(types_at(&r->object->types, local), types_at(r->target, target));
}

static int find_candidates(struct relocation *r, uint32_t local, struct candidates **ret)
{
	const char *name = type_name(&r->object->types, local);
	struct candidates *c = NULL;
	uint32_t id;

	for (unsigned i = 0; i < r->ncandidates; i++)
		if (r->candidates[i].local == local) {
			*ret = &r->candidates[i];
			return 0;
		}
	c = &r->candidates[r->ncandidates++];
	*c = (struct candidates){ .local = local };
	for (id = 0; (id = types_next(r->target, name, id));)
		c->count += is_candidate(r, local, id);
	c->ids = calloc(c->count + 1, sizeof(*c->ids));
	if (!c->ids)
		return -ENOMEM;
	c->count = 0;
	for (id = 0; (id = types_next(r->target, name, id));)
		if (is_candidate(r, local, id))
			c->ids[c->count++] = id;
	*ret = c;
	return 0;
}

static bool same_answer(const struct relo_result *a, const struct spec *as, const struct relo_result *b,
			const struct spec *bs)
{
	return as->bit_offset == bs->bit_offset && a->state == b->state && a->value == b->value;
}

/* All candidates that match have to say the same. 0, -ENOTUNIQ, or what went wrong. */
static int ask_candidates(struct relocation *r, unsigned kind, const struct spec *local, struct candidates *c,
			  struct relo_result *ret)
{
	struct match m = { .local = &r->object->types, .target = r->target, .budget = &r->budget };
	struct spec first = {};
	unsigned kept = 0;

	for (unsigned i = 0; i < c->count; i++) {
		struct relo_result result;
		struct spec spec;
		int rc = spec_match(&m, local, kind, c->ids[i], &spec);

		if (!rc)
			continue;
		if (rc > 0)
			rc = result_of(r, kind, local, &spec, &result);
		if (!rc && kept && !same_answer(&result, &spec, ret, &first))
			rc = -ENOTUNIQ;
		if (rc)
			return rc;
		if (!kept) {
			*ret = result;
			first = spec;
		}
		c->ids[kept++] = c->ids[i];
	}
	if (!kept)
		return absent(r, kind, local, ret);
	c->count = kept;
	return 0;
}

static int run_one(struct relocation *r, const struct bpf_core_relo *relo, struct relo_result *ret)
{
	struct candidates *c;
	struct spec local;
	int err = spec_parse(&r->object->types, relo, &local);

	if (err)
		return err;
	if (relo->kind == BPF_CORE_TYPE_ID_LOCAL) {
		*ret = (struct relo_result){ .state = RELO_FOUND, .value = relo->type_id, .old_value = relo->type_id };
		return 0;
	}
	if (!type_name(&r->object->types, relo->type_id)[0])
		return -EOPNOTSUPP;
	err = find_candidates(r, relo->type_id, &c);
	return err ? err : ask_candidates(r, relo->kind, &local, c, ret);
}

/* ---- instructions ---- */

static void poison(struct bpf_insn *insn)
{
	*insn = (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = POISON_HELPER };
}

static bool is_ld_imm64(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static int bytes_of(const struct bpf_insn *insn)
{
	static const int bytes[] = { [BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1, [BPF_DW >> 3] = 8 };

	return bytes[BPF_SIZE(insn->code) >> 3];
}

/* An instruction that reads or writes memory at the offset, and as many bytes as the field has. */
static int write_access(struct bpf_insn *insn, const struct relo_result *r)
{
	static const int sizes[9] = { [1] = BPF_B, [2] = BPF_H, [4] = BPF_W, [8] = BPF_DW };

	if (r->check && (uint64_t)(int64_t)insn->off != r->old_value)
		return -EINVAL;
	if (r->value > INT16_MAX)
		return -ERANGE;
	if (r->wrong_size) {
		poison(insn);
		return 0;
	}
	insn->off = (int16_t)r->value;
	if (r->bytes == r->old_bytes)
		return 0;
	if (bytes_of(insn) != (int)r->old_bytes || r->bytes > 8 || (!sizes[r->bytes] && r->bytes != 4))
		return -EINVAL;
	insn->code = (uint8_t)(BPF_MODE(insn->code) | sizes[r->bytes] | BPF_CLASS(insn->code));
	return 0;
}

static int write_value(struct bpf_insn *insn, const struct relo_result *r)
{
	uint64_t value;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		if (BPF_SRC(insn->code) != BPF_K || (r->check && (uint64_t)(int64_t)insn->imm != r->old_value))
			return -EINVAL;
		insn->imm = (int32_t)r->value;
		return 0;
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX:
		return write_access(insn, r);
	case BPF_LD:
		value = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
		if (!is_ld_imm64(insn) || insn->src_reg || (r->check && value != r->old_value))
			return -EINVAL;
		insn[0].imm = (int32_t)r->value;
		insn[1].imm = (int32_t)(r->value >> 32);
		return 0;
	default:
		return -EINVAL;
	}
}

static int write_result(struct bpf_insn *insns, unsigned count, unsigned at, const struct relo_result *r)
{
	struct bpf_insn *insn = &insns[at];

	if (is_ld_imm64(insn) && at + 1 == count)
		return -EINVAL;
	if (r->state != RELO_ABSENT)
		return write_value(insn, r);
	if (is_ld_imm64(insn))
		poison(insn + 1);
	poison(insn);
	return 0;
}

/* ---- all of them ---- */

static int copy_programs(struct relocation *r)
{
	for (unsigned i = 0; i < r->object->nprograms; i++) {
		const struct program *p = &r->object->programs[i];
		size_t bytes = p->count * sizeof(*p->insns);

		/* Functions are loaded with whichever program calls them. */
		if (strcmp(p->section, ".text") && !(r->programs >> i & 1))
			continue;
		r->programs |= 1ull << i;
		r->insns[i] = malloc(bytes + 1);
		if (!r->insns[i])
			return -ENOMEM;
		memcpy(r->insns[i], p->insns, bytes);
	}
	return 0;
}

static int run_all(struct relocation *r)
{
	for (unsigned i = 0; i < r->object->nrecords; i++) {
		const struct core_record *record = &r->object->records[i];
		struct relo_result *result = &r->results[i];
		int err;

		if (!(r->programs >> record->program & 1))
			continue;
		err = run_one(r, &record->relo, result);
		if (!err)
			err = write_result(r->insns[record->program], r->object->programs[record->program].count,
					   record->insn, result);
		if (err == -ENOMEM)
			return err;
		if (err) {
			*result = (struct relo_result){ .state = RELO_BROKEN, .err = err };
			if (!r->broken)
				r->broken = r->object->programs[record->program].name;
		}
	}
	return 0;
}

int relocate(const struct object *o, const struct types *target, uint64_t programs, struct relocation *ret)
{
	struct relocation r = { .object = o, .target = target, .programs = programs, .budget = RELOCATE_BUDGET };
	int err = -ENOMEM;

	r.results = calloc(o->nrecords + 1, sizeof(*r.results));
	r.insns = calloc(o->nprograms + 1, sizeof(*r.insns));
	r.candidates = calloc(o->nrecords + 1, sizeof(*r.candidates));
	if (r.results && r.insns && r.candidates)
		err = copy_programs(&r);
	if (!err)
		err = run_all(&r);
	if (err) {
		relocation_free(&r);
		return err;
	}
	*ret = r;
	return 0;
}

void relocation_free(struct relocation *r)
{
	for (unsigned i = 0; r->insns && i < r->object->nprograms; i++)
		free(r->insns[i]);
	for (unsigned i = 0; r->candidates && i < r->ncandidates; i++)
		free(r->candidates[i].ids);
	free(r->insns);
	free(r->candidates);
	free(r->results);
	memset(r, 0, sizeof(*r));
}

void record_describe(const struct object *o, const struct core_record *record, char *text, size_t size)
{
	const char *type = type_name(&o->types, record->relo.type_id);
	struct spec s;
	size_t n;

	if (spec_parse(&o->types, &record->relo, &s)) {
		snprintf(text, size, "%s: a relocation that makes no sense", type);
		return;
	}
	n = name_essential(type);
	if (relo_is_enum(record->relo.kind)) {
		const char *name = s.steps[0].name;

		snprintf(text, size, "%.*s of enum %.*s", (int)name_essential(name), name, (int)n, type);
		return;
	}
	snprintf(text, size, "%.*s", (int)n, type);
	for (unsigned i = 1; i < s.count; i++) {
		n = strlen(text);
		if (s.steps[i].name)
			snprintf(text + n, size - n, ".%s", s.steps[i].name);
		else
			snprintf(text + n, size - n, "[%u]", s.steps[i].index);
	}
}

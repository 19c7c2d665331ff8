/* SPDX-License-Identifier: Apache-2.0 */
/* Which types to keep, and how they are written. What is made of it is in collect/btf_minimize.c. */
#include "collect/btf_minimize.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "collect/forecast.h"

#define MINIMAL_MAX (4u << 20)

/* A member or enumerator to keep; of its type only those are. */
struct wanted {
	uint32_t type, index;
};

struct cut {
	const struct types *t;
	bool *kept;        /* by id */
	bool *all;         /* by id: with all members */
	uint32_t *new_ids; /* by id, 0: not kept */
	struct wanted *wanted;
	unsigned nwanted, capacity;
	struct buf types, strings;
	int err;
};

/* ---- what to keep ---- */

/*
 * A type by name, kind and size. What a member of it is, is kept so that the size of an array and the kind of
 * a field can be told; where pointers lead to does not matter.
 */
static void keep_shell(struct cut *c, uint32_t id)
{
	for (unsigned depth = 0; id && depth < TYPES_CHAIN_MAX; depth++) {
		const struct btf_type *t = types_at(c->t, id);

		c->kept[id] = true;
		if (btf_is_array(t))
			id = btf_array(t)->type;
		else if (btf_is_mod(t) || btf_is_typedef(t))
			id = t->type;
		else
			return;
	}
}

static void keep_index(struct cut *c, uint32_t type, uint32_t index)
{
	keep_shell(c, type);
	for (unsigned i = 0; i < c->nwanted; i++)
		if (c->wanted[i].type == type && c->wanted[i].index == index)
			return;
	if (c->nwanted == c->capacity) {
		unsigned capacity = c->capacity ? c->capacity * 2 : 256;
		struct wanted *wanted = realloc(c->wanted, capacity * sizeof(*wanted));

		if (!wanted) {
			c->err = -ENOMEM;
			return;
		}
		c->wanted = wanted;
		c->capacity = capacity;
	}
	c->wanted[c->nwanted++] = (struct wanted){ type, index };
}

static void keep_member(struct cut *c, uint32_t type, uint32_t index)
{
	keep_index(c, type, index);
	if (btf_is_composite(types_at(c->t, type)))
		keep_shell(c, btf_members(types_at(c->t, type))[index].type);
}

/* All that bpf_core_type_matches looks at. Behind a pointer, names are enough. */
static void keep_whole(struct cut *c, uint32_t id, bool behind_pointer, unsigned depth)
{
	const struct btf_type *t = types_at(c->t, id);

	if (!id || depth > 32)
		return;
	keep_shell(c, id);
	switch (btf_kind(t)) {
	case BTF_KIND_PTR:
		keep_whole(c, t->type, true, depth + 1);
		return;
	case BTF_KIND_ARRAY:
		keep_whole(c, btf_array(t)->type, behind_pointer, depth + 1);
		return;
	case BTF_KIND_FUNC_PROTO:
		keep_whole(c, t->type, behind_pointer, depth + 1);
		for (unsigned i = 0; i < btf_vlen(t); i++)
			keep_whole(c, btf_params(t)[i].type, behind_pointer, depth + 1);
		return;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		if (behind_pointer || c->all[id])
			return;
		c->all[id] = true;
		for (unsigned i = 0; i < btf_vlen(t); i++)
			keep_whole(c, btf_members(t)[i].type, false, depth + 1);
		return;
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		c->all[id] = true;
		return;
	default:
		if (btf_is_mod(t) || btf_is_typedef(t))
			keep_whole(c, t->type, behind_pointer, depth + 1);
	}
}

static void keep_result(struct cut *c, unsigned kind, const struct relo_result *r)
{
	if (!r->found)
		return;
	if (kind == BPF_CORE_TYPE_MATCHES || kind == BPF_CORE_TYPE_EXISTS)
		keep_whole(c, r->path.type, false, 0);
	keep_shell(c, r->path.type);
	for (unsigned i = 0; i < r->path.steps; i++)
		if (r->path.step[i].element)
			keep_shell(c, r->path.step[i].type);
		else
			keep_member(c, r->path.step[i].type, r->path.step[i].index);
}

static void keep_value(struct cut *c, const char *name, uint64_t value)
{
	uint32_t id = types_find(c->t, name, BTF_KIND_ENUM);
	const struct btf_type *e = types_at(c->t, id);

	keep_shell(c, id);
	for (unsigned i = 0; id && i < btf_vlen(e); i++)
		if (enum_value(e, i) == value)
			keep_index(c, id, i);
}

static void keep_named(struct cut *c, const char *structure, const char *member)
{
	uint32_t id = types_find(c->t, structure, BTF_KIND_STRUCT);
	const struct btf_type *t = types_at(c->t, id);

	keep_shell(c, id);
	for (unsigned i = 0; id && member && i < btf_vlen(t); i++)
		if (!strcmp(types_name(c->t, btf_members(t)[i].name_off), member))
			keep_member(c, id, i);
}

/* The name alone: what it refers to is not. */
static void keep_by_name(struct cut *c, const char *prefix, const char *name, unsigned kind)
{
	char full[192];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	c->kept[types_find(c->t, full, kind)] = true;
}

/* What the forecast asks of a program's hook: a type with its name, in whatever form. */
static void keep_hook(struct cut *c, const char *section)
{
	const char *name = strrchr(section, '/');
	enum bpf_attach_type attach = 0;
	enum bpf_prog_type type = 0;

	if (!libbpf_prog_type_by_name(section, &type, &attach)) {
		keep_value(c, "bpf_prog_type", type);
		keep_value(c, "bpf_attach_type", attach);
	}
	if (!name)
		return;
	keep_by_name(c, "btf_trace_", name + 1, BTF_KIND_TYPEDEF);
	keep_by_name(c, "bpf_lsm_", name + 1, BTF_KIND_FUNC);
	keep_by_name(c, "bpf_iter_", name + 1, BTF_KIND_FUNC);
	keep_by_name(c, "", name + 1, BTF_KIND_FUNC);
}

static void keep_program(struct cut *c, const struct program *p)
{
	keep_hook(c, p->section);
	for (unsigned i = 0; i < p->count; i++)
		if (p->insns[i].code == (BPF_JMP | BPF_CALL) && !p->insns[i].src_reg)
			keep_value(c, "bpf_func_id", (uint32_t)p->insns[i].imm);
}

static void keep_maps(struct cut *c, const struct image *image)
{
	struct bpf_object *obj = bpf_object__open_mem(image->data, image->size, NULL);
	struct bpf_map *map;

	if (!obj)
		return;
	bpf_object__for_each_map(map, obj)
		keep_value(c, "bpf_map_type", bpf_map__type(map));
	bpf_object__close(obj);
}

static int keep_object(struct cut *c, const struct image *image)
{
	struct relocation r;
	struct object o;
	int err = object_open(image, &o);

	if (err)
		return err;
	err = relocate(&o, c->t, o.nprograms ? ~0ull >> (64 - o.nprograms) : 0, &r);
	if (!err) {
		for (unsigned i = 0; i < o.nrecords; i++)
			keep_result(c, o.records[i].relo.kind, &r.results[i]);
		for (unsigned i = 0; i < o.nprograms; i++)
			keep_program(c, &o.programs[i]);
		keep_maps(c, image);
		relocation_free(&r);
	}
	object_close(&o);
	return err;
}

/* What the forecast asks of every kernel. */
static void keep_marks(struct cut *c)
{
	keep_named(c, "task_struct", NULL);
	keep_named(c, "pt_regs", "orig_ax");
	keep_named(c, "user_pt_regs", NULL);
	keep_named(c, "spinlock", "lock");
	keep_named(c, "bpf_ringbuf", "spinlock");
	keep_named(c, "syscall_trace_enter", NULL);
	keep_value(c, "bpf_func_id", BPF_FUNC_ringbuf_output);
	keep_by_name(c, "btf_trace_", "sched_switch", BTF_KIND_TYPEDEF);
	c->kept[0] = false; /* of what was not found */
}

/* ---- writing it ---- */

static uint32_t new_string(struct cut *c, const char *s)
{
	size_t n = strlen(s) + 1;

	for (size_t at = 0; at < c->strings.length; at += strlen(c->strings.data + at) + 1)
		if (!strcmp(c->strings.data + at, s))
			return (uint32_t)at;
	buf_add(&c->strings, s, n);
	return (uint32_t)(c->strings.length - n);
}

static bool is_wanted(const struct cut *c, uint32_t id, uint32_t index)
{
	if (c->all[id])
		return true;
	for (unsigned i = 0; i < c->nwanted; i++)
		if (c->wanted[i].type == id && c->wanted[i].index == index)
			return true;
	return false;
}

/* The members of one type that are kept; their number. */
static unsigned write_members(struct cut *c, uint32_t id)
{
	const struct btf_type *t = types_at(c->t, id);
	unsigned n = 0;

	for (unsigned i = 0; i < btf_vlen(t); i++) {
		struct btf_member m;

		if (!is_wanted(c, id, i))
			continue;
		m = btf_members(t)[i];
		m.name_off = new_string(c, types_name(c->t, m.name_off));
		m.type = c->new_ids[m.type];
		buf_add(&c->types, &m, sizeof(m));
		n++;
	}
	return n;
}

static unsigned write_values(struct cut *c, uint32_t id)
{
	const struct btf_type *t = types_at(c->t, id);
	unsigned n = 0;

	for (unsigned i = 0; i < btf_vlen(t); i++) {
		struct btf_enum64 wide;
		struct btf_enum e;

		if (!is_wanted(c, id, i))
			continue;
		n++;
		if (btf_is_enum(t)) {
			e = btf_enum(t)[i];
			e.name_off = new_string(c, types_name(c->t, e.name_off));
			buf_add(&c->types, &e, sizeof(e));
		} else {
			wide = btf_enum64(t)[i];
			wide.name_off = new_string(c, types_name(c->t, wide.name_off));
			buf_add(&c->types, &wide, sizeof(wide));
		}
	}
	return n;
}

static unsigned write_parameters(struct cut *c, const struct btf_type *t)
{
	for (unsigned i = 0; i < btf_vlen(t); i++) {
		struct btf_param p = btf_params(t)[i];

		p.name_off = new_string(c, types_name(c->t, p.name_off));
		p.type = c->new_ids[p.type];
		buf_add(&c->types, &p, sizeof(p));
	}
	return btf_vlen(t);
}

/* What follows a type's head; the number of its members. */
static unsigned write_rest(struct cut *c, uint32_t id)
{
	const struct btf_type *t = types_at(c->t, id);
	struct btf_array array;

	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		buf_add(&c->types, t + 1, sizeof(__u32));
		return 0;
	case BTF_KIND_ARRAY:
		array = *btf_array(t);
		array.type = c->new_ids[array.type];
		array.index_type = c->new_ids[array.index_type];
		buf_add(&c->types, &array, sizeof(array));
		return 0;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return write_members(c, id);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return write_values(c, id);
	case BTF_KIND_FUNC_PROTO:
		return write_parameters(c, t);
	default:
		return btf_is_func(t) ? btf_vlen(t) : 0; /* linkage */
	}
}

static void write_type(struct cut *c, uint32_t id)
{
	struct btf_type t = *types_at(c->t, id), *head;
	size_t at = c->types.length;
	bool sized = btf_is_composite(&t) || btf_is_any_enum(&t) || btf_is_int(&t) || btf_is_float(&t);
	unsigned vlen;

	t.name_off = new_string(c, type_name(c->t, id));
	if (!sized)
		t.type = c->new_ids[t.type];
	buf_add(&c->types, &t, sizeof(t));
	vlen = write_rest(c, id);
	if (c->types.refused)
		return;
	head = (struct btf_type *)(void *)(c->types.data + at);
	head->info = (t.info & 0xffff0000) | vlen;
}

static void write_release(struct cut *c, const char *release)
{
	struct btf_type t = { .info = BTF_KIND_FWD << 24 };
	char name[160];

	if (!release[0])
		return;
	snprintf(name, sizeof(name), BTF_RELEASE_MARK "%s", release);
	t.name_off = new_string(c, name);
	buf_add(&c->types, &t, sizeof(t));
}

static int write_all(struct cut *c, const char *release, void **ret, size_t *ret_size)
{
	struct btf_header h = { .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h) };
	uint32_t n = 0;
	char *out;

	for (uint32_t id = 1; id < c->t->count; id++)
		c->new_ids[id] = c->kept[id] ? ++n : 0;
	buf_add(&c->strings, "", 1);
	for (uint32_t id = 1; id < c->t->count; id++)
		if (c->kept[id])
			write_type(c, id);
	write_release(c, release);
	if (c->types.refused || c->strings.refused)
		return -E2BIG;
	h.type_len = h.str_off = (uint32_t)c->types.length;
	h.str_len = (uint32_t)c->strings.length;
	*ret_size = sizeof(h) + c->types.length + c->strings.length;
	*ret = out = malloc(*ret_size);
	if (!out)
		return -ENOMEM;
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), c->types.data, c->types.length);
	memcpy(out + sizeof(h) + c->types.length, c->strings.data, c->strings.length);
	return 0;
}

int btf_cut(const struct btf_source *whole, void **ret, size_t *ret_size)
{
	const struct image *images[CORE_OBJECTS_MAX];
	struct cut c = { .t = &whole->types, .types = BUF_INIT(MINIMAL_MAX), .strings = BUF_INIT(MINIMAL_MAX) };
	_cleanup_free_ bool *kept = calloc(whole->types.count, sizeof(bool));
	_cleanup_free_ bool *all = calloc(whole->types.count, sizeof(bool));
	_cleanup_free_ uint32_t *new_ids = calloc(whole->types.count, sizeof(uint32_t));
	unsigned n = core_objects(images);

	c.kept = kept;
	c.all = all;
	c.new_ids = new_ids;
	c.err = kept && all && new_ids ? 0 : -ENOMEM;
	for (unsigned i = 0; !c.err && i < n; i++) {
		int err = keep_object(&c, images[i]);

		c.err = c.err ? c.err : err;
	}
	if (!c.err) {
		keep_marks(&c);
		c.err = c.err ? c.err : write_all(&c, whole->release, ret, ret_size);
	}
	free(c.wanted);
	buf_free(&c.types);
	buf_free(&c.strings);
	return c.err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images and BTF of any bytes: what comes of them is consistent, libbpf takes it, relocations against it
 * end and say something that is in it.
 */
#include <bpf/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/btf_source.h"
#include "collect/relocate.h"

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "violated: %s\n", what);
	abort();
}

/* An object that asks for a bit of everything, of the most usual names. */
static struct object object;
static struct bpf_insn insns[64];
static struct core_record records[32];

static void ask(const struct btf *b, const char *name, const char *access, enum bpf_core_relo_kind kind)
{
	struct core_record *r = &records[object.nrecords];
	int offset = btf__find_str((struct btf *)b, access), id;

	id = btf__find_by_name(b, name);
	require(offset >= 0 && id > 0, "the object is made wrongly");
	*r = (struct core_record){ .insn = object.nrecords,
				   .relo = { .type_id = (__u32)id, .access_str_off = (__u32)offset, .kind = kind } };
	insns[object.nrecords++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1 };
}

static struct btf *make_types(void)
{
	struct btf *b = btf__new_empty();
	int number = btf__add_int(b, "int", 4, BTF_INT_SIGNED), pointer = btf__add_ptr(b, 0);
	int array = btf__add_array(b, number, number, 2), inner, proto;

	inner = btf__add_struct(b, "list_head", 16);
	btf__add_field(b, "next", pointer, 0, 0);
	btf__add_struct(b, "task_struct___x", 64);
	btf__add_field(b, "pid", number, 0, 0);
	btf__add_field(b, "comm", array, 32, 0);
	btf__add_field(b, "thread_node", inner, 128, 0);
	btf__add_field(b, "bits", number, 256, 3);
	btf__add_enum(b, "bpf_func_id", 4);
	btf__add_enum_value(b, "BPF_FUNC_ringbuf_output", 130);
	proto = btf__add_func_proto(b, 0);
	btf__add_func_param(b, "p", pointer);
	btf__add_func_param(b, "n", number);
	pointer = btf__add_ptr(b, proto);
	btf__add_typedef(b, "btf_trace_sched_process_exit", pointer);
	return b;
}

static void make_object(void)
{
	static const char *const fields[] = { "0:0", "0:1:1", "0:2:0", "0:3" };
	struct btf *b = make_types();
	const void *raw;
	__u32 size;
	char why[128];

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		btf__add_str(b, fields[i]);
	btf__add_str(b, "0");
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		ask(b, "task_struct___x", fields[i], BPF_CORE_FIELD_BYTE_OFFSET);
		ask(b, "task_struct___x", fields[i], BPF_CORE_FIELD_BYTE_SIZE);
		ask(b, "task_struct___x", fields[i], BPF_CORE_FIELD_EXISTS);
	}
	ask(b, "task_struct___x", "0:3", BPF_CORE_FIELD_LSHIFT_U64);
	ask(b, "task_struct___x", "0:3", BPF_CORE_FIELD_SIGNED);
	ask(b, "task_struct___x", "0", BPF_CORE_TYPE_SIZE);
	ask(b, "task_struct___x", "0", BPF_CORE_TYPE_MATCHES);
	ask(b, "list_head", "0", BPF_CORE_TYPE_MATCHES);
	ask(b, "btf_trace_sched_process_exit", "0", BPF_CORE_TYPE_MATCHES);
	ask(b, "btf_trace_sched_process_exit", "0", BPF_CORE_TYPE_EXISTS);
	ask(b, "bpf_func_id", "0", BPF_CORE_TYPE_MATCHES);
	ask(b, "bpf_func_id", "0", BPF_CORE_ENUMVAL_EXISTS);
	ask(b, "bpf_func_id", "0", BPF_CORE_ENUMVAL_VALUE);
	raw = btf__raw_data(b, &size);
	require(!types_read(raw, size, &object.types, why, sizeof(why)), "the object's types");
	btf__free(b);
	object.records = records;
	object.nprograms = 1;
	object.programs[0] = (struct program){ .name = "p", .section = "raw_tp/x", .insns = insns, .count = object.nrecords };
}

static void check_types(const struct types *t)
{
	struct btf *b = btf__new(t->blob, (__u32)t->blob_bytes);

	require(b && btf__type_cnt(b) == t->count, "libbpf does not take what was read");
	btf__free(b);
	for (uint32_t id = 1; id < t->count; id++) {
		require(types_strip(t, id) < t->count, "a type out of range");
		require(strlen(type_name(t, id)) < t->string_bytes, "a name out of range");
		types_size(t, id);
	}
}

static void check_results(const struct relocation *r)
{
	for (unsigned i = 0; i < object.nrecords; i++) {
		const struct relo_path *path = &r->results[i].path;

		require(path->type < r->target->count && path->steps <= PATH_MAX_STEPS, "a path out of range");
		for (unsigned k = 0; k < path->steps; k++) {
			const struct btf_type *t;

			require(path->step[k].type < r->target->count, "a step out of range");
			t = types_at(r->target, path->step[k].type);
			require(path->step[k].element || path->step[k].index < btf_vlen(t), "a member out of range");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct btf_source s;
	struct relocation r;
	char why[256] = "";
	int err;

	if (!object.nrecords)
		make_object();
	err = btf_load_data(data, size, &s, why, sizeof(why));
	require(err <= 0 && !err == !why[0], "an error without a reason, or a reason without an error");
	if (err)
		return 0;
	check_types(&s.types);
	require(strlen(s.release) < sizeof(s.release) && s.form[0], "what it is");
	if (!relocate(&object, &s.types, 1, &r)) {
		check_results(&r);
		relocation_free(&r);
	}
	btf_unload(&s);
	return 0;
}

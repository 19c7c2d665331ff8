/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relocations of every kind against a kernel made up for it: tests/bpf/relo_kinds.bpf.c. That libbpf makes
 * the same of real kernels is tests/live/relocate.c.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/relocate.h"
#include "tests/test.h"
#include "tests/unit/btf_types.h"

enum { TASK_SIZE = 4096, PID_SIZE = 4 };

static int int_of(struct btf *b, const char *name, size_t bytes, int encoding)
{
	return btf__add_int(b, name, bytes, encoding);
}

static void add_task(struct btf *b, int u32, int s32, int u64, int character)
{
	int array = btf__add_array(b, s32, character, 16);
	int mm = btf__add_struct(b, "mm_struct", 8), to_mm = btf__add_ptr(b, mm);
	int entity = btf__add_struct(b, "sched_entity", 64);

	btf__add_struct(b, "task_struct", TASK_SIZE);
	btf__add_field(b, "flags", u32, 0, 0);
	btf__add_field(b, "in_execve", u32, 32, 1);
	btf__add_field(b, "sched_migrated", u32, 37, 1);
	btf__add_field(b, "exit_signal", s32, 128, 0);
	btf__add_field(b, "comm", array, 1024, 0);
	btf__add_field(b, "se", entity, 2048, 0);
	btf__add_field(b, "pid", s32, 4096, 0);
	btf__add_field(b, "start_time", u64, 4160, 0);
	btf__add_field(b, "mm", to_mm, 4224, 0);
}

static void add_pid(struct btf *b, int u32, int s32)
{
	int ns = btf__add_struct(b, "pid_namespace", 8), to_ns = btf__add_ptr(b, ns), upid, numbers;

	upid = btf__add_struct(b, "upid", 16);
	btf__add_field(b, "nr", s32, 0, 0);
	btf__add_field(b, "ns", to_ns, 64, 0);
	numbers = btf__add_array(b, u32, upid, 0); /* flexible */
	btf__add_struct(b, "pid", 32);
	btf__add_field(b, "level", u32, 0, 0);
	btf__add_field(b, "numbers", numbers, 256, 0);
}

/* A member in a nameless union in a nameless struct. */
static void add_page(struct btf *b, int u64)
{
	int inner = btf__add_struct(b, NULL, 16), either;

	btf__add_field(b, "lru", u64, 0, 0); /* no pointer */
	btf__add_field(b, "private", u64, 64, 0);
	either = btf__add_union(b, NULL, 16);
	btf__add_field(b, NULL, inner, 0, 0);
	btf__add_struct(b, "page", 64);
	btf__add_field(b, "flags", u64, 0, 0);
	btf__add_field(b, NULL, either, 64, 0);
}

static void add_others(struct btf *b, int u32, int u64)
{
	int list, to_list, to_buff, byte = int_of(b, "unsigned char", 1, 0), wide = int_of(b, "unsigned short", 2, 0);

	list = btf__add_struct(b, "list_head", 16);
	to_list = btf__add_ptr(b, list);
	btf__add_struct(b, "list_head___2", 16); /* as pahole calls a second one */
	btf__add_field(b, "next", to_list, 0, 0);
	btf__add_field(b, "prev", to_list, 64, 0);
	to_buff = btf__add_ptr(b, (int)btf__type_cnt(b) + 1); /* to the next one */
	btf__add_struct(b, "sk_buff", 232);
	btf__add_field(b, "next", to_buff, 0, 0);
	btf__add_field(b, "len", u64, 896, 0);
	btf__add_field(b, "cloned", byte, 1008, 1);
	btf__add_field(b, "pkt_type", byte, 1018, 3);
	btf__add_field(b, "transport_header", wide, 1024, 0);
	btf__add_struct(b, "signal_struct", 1000);
	btf__add_field(b, "maxrss", u64, 800, 0);
	btf__add_typedef(b, "gfp_t", u32);
	btf__add_enum(b, "pid_type", 4);
	btf__add_enum_value(b, "PIDTYPE_PID", 0);
	btf__add_enum_value(b, "PIDTYPE_MAX", 7);
	btf__add_enum64(b, "bpf_prog_type", 8, false);
	btf__add_enum64_value(b, "BPF_PROG_TYPE_KPROBE", 0x123456789aull);
}

/* The fields of a structure are added to the last type: pointers come before it. */
static struct btf *made_up_kernel(void)
{
	struct btf *b = btf__new_empty();
	int u32 = int_of(b, "unsigned int", 4, 0), s32 = int_of(b, "int", 4, BTF_INT_SIGNED);
	int u64 = int_of(b, "long unsigned int", 8, 0), character = int_of(b, "char", 1, BTF_INT_SIGNED);

	add_task(b, u32, s32, u64, character);
	add_pid(b, u32, s32);
	add_page(b, u64);
	add_others(b, u32, u64);
	return b;
}

static struct object kinds_object(void)
{
	const struct image *image = image_find("relo_kinds");
	struct object o;

	REQUIRE(image && !object_open(image, &o), "relo_kinds: not there, or no BPF object");
	return o;
}

struct expected {
	const char *program, *what;
	unsigned kind;
	enum relo_state state;
	uint64_t value;
};

static const struct expected expected[] = {
	{ "kinds_fields", "task_struct.comm[3]", BPF_CORE_FIELD_BYTE_OFFSET, RELO_FOUND, 131 },
	{ "kinds_fields", "task_struct.comm", BPF_CORE_FIELD_BYTE_SIZE, RELO_FOUND, 16 },
	{ "kinds_fields", "task_struct.exit_signal", BPF_CORE_FIELD_BYTE_SIZE, RELO_FOUND, 4 },
	{ "kinds_fields", "task_struct.exit_signal", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 1 },
	{ "kinds_fields", "task_struct.se", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 },         /* struct, not int */
	{ "kinds_fields", "task_struct.start_time", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 1 }, /* sizes may differ */
	{ "kinds_fields", "task_struct.pid", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 1 },
	{ "kinds_fields", "task_struct.comm", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 }, /* array, not pointer */
	{ "kinds_fields", "task_struct.mm", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 1 },
	{ "kinds_fields", "task_struct.no_such_list", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 },
	{ "kinds_fields", "page.private", BPF_CORE_FIELD_BYTE_OFFSET, RELO_FOUND, 16 },
	{ "kinds_fields", "page.lru", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 },
	{ "kinds_fields", "no_such_struct.member", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 },
	{ "kinds_fields", "pid.numbers[0].ns", BPF_CORE_FIELD_BYTE_OFFSET, RELO_FOUND, 40 },
	{ "kinds_fields", "signal_struct.maxrss", BPF_CORE_FIELD_BYTE_SIZE, RELO_FOUND, 8 },
	{ "kinds_bits", "task_struct.in_execve", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 1 },
	{ "kinds_bits", "task_struct.no_such_bit", BPF_CORE_FIELD_EXISTS, RELO_FOUND, 0 },
	{ "kinds_bits", "task_struct.sched_migrated", BPF_CORE_FIELD_BYTE_OFFSET, RELO_FOUND, 4 },
	{ "kinds_bits", "task_struct.sched_migrated", BPF_CORE_FIELD_BYTE_SIZE, RELO_FOUND, 4 },
	{ "kinds_bits", "task_struct.sched_migrated", BPF_CORE_FIELD_LSHIFT_U64, RELO_FOUND, 58 },
	{ "kinds_bits", "task_struct.sched_migrated", BPF_CORE_FIELD_RSHIFT_U64, RELO_FOUND, 63 },
	{ "kinds_bits", "sk_buff.pkt_type", BPF_CORE_FIELD_BYTE_OFFSET, RELO_FOUND, 127 },
	{ "kinds_bits", "sk_buff.pkt_type", BPF_CORE_FIELD_LSHIFT_U64, RELO_FOUND, 59 },
	{ "kinds_bits", "sk_buff.pkt_type", BPF_CORE_FIELD_RSHIFT_U64, RELO_FOUND, 61 },
	{ "kinds_bits", "sk_buff.len", BPF_CORE_FIELD_BYTE_SIZE, RELO_FOUND, 8 },
	{ "kinds_bits", "task_struct.exit_signal", BPF_CORE_FIELD_SIGNED, RELO_FOUND, 1 },
	{ "kinds_bits", "sk_buff.transport_header", BPF_CORE_FIELD_SIGNED, RELO_FOUND, 0 },
	{ "kinds_types", "task_struct", BPF_CORE_TYPE_EXISTS, RELO_FOUND, 1 },
	{ "kinds_types", "no_such_struct", BPF_CORE_TYPE_EXISTS, RELO_FOUND, 0 },
	{ "kinds_types", "gfp_t", BPF_CORE_TYPE_EXISTS, RELO_FOUND, 1 },
	{ "kinds_types", "no_such_callback", BPF_CORE_TYPE_EXISTS, RELO_FOUND, 0 },
	{ "kinds_types", "task_struct", BPF_CORE_TYPE_SIZE, RELO_FOUND, TASK_SIZE },
	{ "kinds_types", "no_such_struct", BPF_CORE_TYPE_SIZE, RELO_FOUND, 0 },
	{ "kinds_types", "gfp_t", BPF_CORE_TYPE_SIZE, RELO_FOUND, 4 },
	{ "kinds_types", "no_such_struct", BPF_CORE_TYPE_ID_TARGET, RELO_FOUND, 0 },
	{ "kinds_matches", "list_head", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 1 },
	{ "kinds_matches", "task_struct", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 0 },
	{ "kinds_matches", "no_such_struct", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 0 },
	{ "kinds_matches", "pid_type", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 0 }, /* it lacks one */
	{ "kinds_matches", "bpf_prog_type", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 0 }, /* of 64 bits there */
	{ "kinds_matches", "gfp_t", BPF_CORE_TYPE_MATCHES, RELO_FOUND, 1 },
	{ "kinds_enums", "PIDTYPE_MAX of enum pid_type", BPF_CORE_ENUMVAL_EXISTS, RELO_FOUND, 1 },
	{ "kinds_enums", "PIDTYPE_MAX of enum pid_type", BPF_CORE_ENUMVAL_VALUE, RELO_FOUND, 7 },
	{ "kinds_enums", "PIDTYPE_NO_SUCH of enum pid_type", BPF_CORE_ENUMVAL_EXISTS, RELO_FOUND, 0 },
	{ "kinds_enums", "BPF_PROG_TYPE_KPROBE of enum bpf_prog_type", BPF_CORE_ENUMVAL_VALUE, RELO_FOUND, 0x123456789aull },
	{ "kinds_unguarded", "no_such_struct.member", BPF_CORE_FIELD_BYTE_OFFSET, RELO_ABSENT, 0 },
	{ "kinds_guarded", "PIDTYPE_NO_SUCH of enum pid_type", BPF_CORE_ENUMVAL_VALUE, RELO_ABSENT, 0 },
};

static void check_expected(const struct relocation *r, const struct expected *e)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < r->object->nrecords; i++) {
		const struct core_record *record = &r->object->records[i];
		char what[160];

		record_describe(r->object, record, what, sizeof(what));
		if (record->relo.kind != e->kind || strcmp(what, e->what) ||
		    strcmp(r->object->programs[record->program].name, e->program))
			continue;
		seen++;
		CHECK(r->results[i].state == e->state && r->results[i].value == e->value,
		      "%s: %s, kind %u: state %u, value %#llx, error %d; expected %u, %#llx", e->program, what, e->kind,
		      r->results[i].state, (unsigned long long)r->results[i].value, r->results[i].err, e->state,
		      (unsigned long long)e->value);
	}
	CHECK(seen, "%s has no relocation of kind %u of %s", e->program, e->kind, e->what);
}

TEST(unit, relocate_each_kind)
{
	struct btf *kernel = made_up_kernel();
	struct types t = read_types(kernel);
	struct object o = kinds_object();
	struct relocation r;

	REQUIRE(!relocate(&o, &t, ~0ull >> (64 - o.nprograms), &r), "no memory");
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		check_expected(&r, &expected[i]);
	relocation_free(&r);
	object_close(&o);
	types_free(&t);
	btf__free(kernel);
}

/* What a relocation of one program comes to. */
static struct relo_result result_for(struct types *t, const char *program, const char *wanted, unsigned kind)
{
	struct object o = kinds_object();
	struct relo_result result = { .err = -ENOENT };
	struct relocation r;

	REQUIRE(!relocate(&o, t, 1ull << object_program(&o, program), &r), "no memory");
	for (unsigned i = 0; i < o.nrecords; i++) {
		char what[160];

		record_describe(&o, &o.records[i], what, sizeof(what));
		if (r.results[i].state + r.results[i].value + r.results[i].found && o.records[i].relo.kind == kind &&
		    !strcmp(what, wanted))
			result = r.results[i];
	}
	relocation_free(&r);
	object_close(&o);
	return result;
}

TEST(unit, relocate_refuses_types_that_disagree)
{
	struct btf *kernel = made_up_kernel();
	struct relo_result result;
	struct types t;

	btf__add_struct(kernel, "signal_struct___2", 1000);
	btf__add_field(kernel, "maxrss", 1, 800, 0); /* 32 bits here */
	t = read_types(kernel);
	result = result_for(&t, "kinds_fields", "signal_struct.maxrss", BPF_CORE_FIELD_BYTE_SIZE);
	CHECK(result.state == RELO_BROKEN && result.err == -ENOTUNIQ, "two sizes: state %u, error %d", result.state,
	      result.err);
	types_free(&t);
	btf__free(kernel);
}

/* Nameless unions in nameless unions: 2^60 ways to a member that is not there. */
TEST(unit, relocate_ends)
{
	struct btf *kernel = btf__new_empty();
	struct relo_result result;
	struct types t;
	int last = int_of(kernel, "unsigned int", 4, 0);

	for (int i = 0; i < 60; i++) {
		int next = btf__add_union(kernel, i == 59 ? "signal_struct" : NULL, 8);

		btf__add_field(kernel, NULL, last, 0, 0);
		btf__add_field(kernel, NULL, last, 0, 0);
		last = next;
	}
	btf__add_struct(kernel, "signal_struct", 8);
	btf__add_field(kernel, NULL, last, 0, 0);
	t = read_types(kernel);
	result = result_for(&t, "kinds_fields", "signal_struct.maxrss", BPF_CORE_FIELD_BYTE_SIZE);
	CHECK(result.state == RELO_BROKEN && result.err == -E2BIG, "state %u, error %d", result.state, result.err);
	types_free(&t);
	btf__free(kernel);
}

TEST(unit, relocate_nothing_from_no_types)
{
	struct btf *kernel = btf__new_empty();
	struct object o = kinds_object();
	struct relocation r;
	struct types t;

	int_of(kernel, "int", 4, BTF_INT_SIGNED);
	t = read_types(kernel);
	REQUIRE(!relocate(&o, &t, ~0ull >> (64 - o.nprograms), &r), "no memory");
	for (unsigned i = 0; i < o.nrecords; i++)
		CHECK(o.records[i].relo.kind == BPF_CORE_TYPE_ID_LOCAL || (!r.results[i].found && !r.results[i].value),
		      "record %u found something", i);
	CHECK(!r.broken, "%s is broken", r.broken);
	relocation_free(&r);
	object_close(&o);
	types_free(&t);
	btf__free(kernel);
}

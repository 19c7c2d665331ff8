/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/abi_check.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "collect/image.h"
#include "tests/test.h"

#define INSN(code_, dst, src, off_, imm_)                                                          \
	{ .code = (code_), .dst_reg = (dst), .src_reg = (src), .off = (off_), .imm = (imm_) }
#define MOV(dst, imm) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define CALL(src, imm) INSN(BPF_JMP | BPF_CALL, 0, src, 0, imm)
#define HELPER(name) CALL(0, BPF_FUNC_##name)
#define JUMP(off) INSN(BPF_JMP | BPF_JA, 0, 0, off, 0)
#define JUMP_IF(op, off) INSN(BPF_JMP | (op) | BPF_K, 0, 0, off, 0)
#define LOAD_64(src) INSN(BPF_LD | BPF_IMM | BPF_DW, 1, src, 0, 0), INSN(0, 0, 0, 0, 0)
#define ATOMIC(imm) INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 2, 0, imm)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define NOTHING ABI_RULES

struct sample {
	const char *name;
	enum bpf_prog_type type;
	enum abi_rule breaks; /* the one rule that it breaks, or NOTHING */
	struct bpf_insn insns[8];
	size_t count;
};

#define SAMPLE(name_, breaks_, ...) SAMPLE_OF(KPROBE, name_, breaks_, __VA_ARGS__)
#define SAMPLE_OF(type_, name_, breaks_, ...)                                                      \
	{ name_, BPF_PROG_TYPE_##type_, breaks_, { __VA_ARGS__ },                                  \
	  COUNT_OF(((struct bpf_insn[]){ __VA_ARGS__ })) }

static const struct sample samples[] = {
	SAMPLE("smallest", NOTHING, MOV(0, 0), EXIT),
	SAMPLE("branch", NOTHING, MOV(0, 0), JUMP_IF(BPF_JEQ, 1), MOV(0, 1), EXIT),
	/* 0, 3, 1, 2, 4: backwards, but no instruction leads to itself */
	SAMPLE("out_of_order", NOTHING, JUMP(2), MOV(0, 1), JUMP(1), JUMP(-3), EXIT),
	SAMPLE("loop", ABI_BACK_EDGE, MOV(0, 0), MOV(0, 1), JUMP_IF(BPF_JNE, -2), EXIT),
	SAMPLE("loop_on_itself", ABI_BACK_EDGE, JUMP_IF(BPF_JNE, -1), EXIT),
	SAMPLE("unreachable", ABI_FLOW, JUMP(1), MOV(0, 0), EXIT),
	SAMPLE("no_exit", ABI_FLOW, MOV(0, 0)),
	SAMPLE("jump_past_end", ABI_FLOW, JUMP_IF(BPF_JEQ, 1), EXIT),
	SAMPLE("jump_before_start", ABI_FLOW, JUMP_IF(BPF_JEQ, -2), EXIT),
	SAMPLE("bpf_call", ABI_BPF_CALL, CALL(BPF_PSEUDO_CALL, 0), EXIT),
	SAMPLE("kfunc", ABI_KFUNC, CALL(BPF_PSEUDO_KFUNC_CALL, 1), EXIT),
	SAMPLE("map", NOTHING, LOAD_64(BPF_PSEUDO_MAP_FD), EXIT),
	SAMPLE("callback", ABI_CALLBACK, LOAD_64(BPF_PSEUDO_FUNC), EXIT),
	SAMPLE("global_data", ABI_GLOBAL_DATA, LOAD_64(BPF_PSEUDO_MAP_VALUE), EXIT),
	SAMPLE("ksym", ABI_EXTERN, LOAD_64(BPF_PSEUDO_BTF_ID), EXIT),
	SAMPLE("jmp32", ABI_JMP32, INSN(BPF_JMP32 | BPF_JEQ | BPF_K, 0, 0, 0, 0), EXIT),
	SAMPLE("jlt", ABI_JLT, JUMP_IF(BPF_JLT, 0), EXIT),
	SAMPLE("jsle", ABI_JLT, JUMP_IF(BPF_JSLE, 0), EXIT),
	SAMPLE("may_goto", ABI_OPCODE, JUMP_IF(0xe0, 0), EXIT),
	SAMPLE("add", NOTHING, ATOMIC(BPF_ADD), EXIT),
	SAMPLE("fetch_add", ABI_ATOMIC, ATOMIC(BPF_ADD | BPF_FETCH), EXIT),
	SAMPLE("exchange", ABI_ATOMIC, ATOMIC(BPF_XCHG), EXIT),
	SAMPLE("load_signed", ABI_OPCODE, INSN(BPF_LDX | 0x80 | BPF_W, 0, 1, 0, 0), EXIT),
	SAMPLE("divide_signed", ABI_OPCODE, INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, 2), EXIT),
	SAMPLE("swap", NOTHING, INSN(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, 16), EXIT),
	SAMPLE("swap_of_v4", ABI_OPCODE, INSN(BPF_ALU64 | BPF_END | BPF_TO_LE, 0, 0, 0, 16), EXIT),
	SAMPLE("helper_53", NOTHING, HELPER(sock_map_update), EXIT),
	SAMPLE("helper_54", ABI_HELPER, HELPER(xdp_adjust_meta), EXIT),
	SAMPLE("helper_130", ABI_HELPER, CALL(0, 130), EXIT),
	SAMPLE("helper_0", ABI_HELPER, CALL(0, 0), EXIT),
	SAMPLE("helper_unheard_of", ABI_HELPER, CALL(0, 100000), EXIT),
	SAMPLE("read_user", NOTHING, HELPER(probe_read_user), HELPER(probe_read_kernel_str), EXIT),
	SAMPLE("send_signal", ABI_HELPER, HELPER(send_signal), EXIT),
	SAMPLE("cgroup_id", ABI_HELPER, HELPER(get_current_cgroup_id), EXIT),
	SAMPLE("cgroup_id_v4_17", ABI_HELPER, HELPER(get_current_cgroup_id), EXIT),
	SAMPLE("cgroup_id_v4_18", NOTHING, HELPER(get_current_cgroup_id), EXIT),
	SAMPLE("cgroup_id_v4_18_more", ABI_HELPER, HELPER(get_current_cgroup_id), EXIT),
	SAMPLE("older_v4_9", NOTHING, HELPER(sock_map_update), EXIT),
	SAMPLE("output", NOTHING, HELPER(perf_event_output), EXIT),
	SAMPLE_OF(CGROUP_SKB, "output_of_packet", ABI_HELPER, HELPER(perf_event_output), EXIT),
	SAMPLE_OF(CGROUP_SKB, "output_of_packet_v5_4", NOTHING, HELPER(perf_event_output), EXIT),
};

/* That this one rule was broken and no other, or none; starts the report anew. */
static void check_broken(struct abi_report *r, const char *what, enum abi_rule rule)
{
	bool as_expected = true;

	for (enum abi_rule i = 0; i < ABI_RULES; i++)
		as_expected = as_expected && !r->found[i] == (i != rule);
	if (rule == NOTHING)
		CHECK(as_expected, "%s: not for 4.14:\n%s", what, buf_cstr(&r->text));
	else
		CHECK(as_expected, "%s: breaks rule %u alone; found:\n%s", what, rule,
		      buf_cstr(&r->text));
	buf_free(&r->text);
	*r = (struct abi_report)ABI_REPORT_INIT;
}

TEST(unit, abi_checker_knows_each_violation)
{
	struct abi_report r = ABI_REPORT_INIT;

	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		const struct sample *s = &samples[i];

		abi_check_program(&r, s->name, s->type, s->insns, s->count);
		check_broken(&r, s->name, s->breaks);
	}
}

TEST(unit, abi_checker_counts_instructions)
{
	struct bpf_insn mov = MOV(0, 0), leave = EXIT, insns[ABI_MAX_INSNS + 1];
	struct abi_report r = ABI_REPORT_INIT;

	for (size_t i = 0; i < COUNT_OF(insns); i++)
		insns[i] = mov;
	insns[ABI_MAX_INSNS - 1] = leave;
	abi_check_program(&r, "largest", BPF_PROG_TYPE_KPROBE, insns, ABI_MAX_INSNS);
	check_broken(&r, "4,096 instructions", NOTHING);
	insns[ABI_MAX_INSNS - 1] = mov;
	insns[ABI_MAX_INSNS] = leave;
	abi_check_program(&r, "too_large", BPF_PROG_TYPE_KPROBE, insns, ABI_MAX_INSNS + 1);
	check_broken(&r, "4,097 instructions", ABI_SIZE);
	abi_check_program(&r, "empty", BPF_PROG_TYPE_KPROBE, insns, 0);
	check_broken(&r, "no instructions", ABI_FLOW);
}

TEST(unit, abi_checker_knows_maps)
{
	static const struct {
		enum bpf_map_type type;
		unsigned flags;
		enum abi_rule breaks;
	} maps[] = {
		{ BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, NOTHING },
		{ BPF_MAP_TYPE_PERF_EVENT_ARRAY, 0, NOTHING },
		{ BPF_MAP_TYPE_SOCKMAP, 0, NOTHING },
		{ BPF_MAP_TYPE_CPUMAP, 0, ABI_MAP_TYPE },
		{ BPF_MAP_TYPE_RINGBUF, 0, ABI_MAP_TYPE },
		{ BPF_MAP_TYPE_TASK_STORAGE, BPF_F_NO_PREALLOC, ABI_MAP_TYPE },
		{ BPF_MAP_TYPE_UNSPEC, 0, ABI_MAP_TYPE },
		{ (enum bpf_map_type)1000, 0, ABI_MAP_TYPE },
		{ BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, ABI_MAP_FLAGS },
	};
	struct abi_report r = ABI_REPORT_INIT;

	for (size_t i = 0; i < COUNT_OF(maps); i++) {
		abi_check_map(&r, "map", maps[i].type, maps[i].flags);
		check_broken(&r, "map", maps[i].breaks);
	}
}

TEST(unit, abi_checker_knows_program_types)
{
	static const struct {
		const char *name, *section;
		enum bpf_prog_type type;
		enum bpf_attach_type attach;
		enum abi_rule breaks;
	} programs[] = {
		{ "a", "tp/sched/sched_process_exec", BPF_PROG_TYPE_TRACEPOINT, 0, NOTHING },
		{ "a", "kprobe/do_exit", BPF_PROG_TYPE_KPROBE, 0, NOTHING },
		{ "a", "cgroup_skb/egress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS,
		  NOTHING },
		{ "a", "sockops", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, NOTHING },
		{ "a", "raw_tp/sys_enter", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, ABI_PROG_TYPE },
		{ "a_v4_17", "raw_tp/sys_enter", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, NOTHING },
		{ "a", "cgroup/post_bind4", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND,
		  ABI_PROG_TYPE },
		{ "a", "kprobe.multi/do_*", BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI,
		  ABI_PROG_TYPE },
		{ "a", "uprobe.s//bin/sh:main", BPF_PROG_TYPE_KPROBE, 0, ABI_PROG_TYPE },
		{ "a", "made_up", BPF_PROG_TYPE_UNSPEC, 0, ABI_PROG_TYPE },
	};
	struct abi_report r = ABI_REPORT_INIT;

	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		abi_check_program_type(&r, programs[i].name, programs[i].section, programs[i].type,
				       programs[i].attach);
		check_broken(&r, programs[i].section, programs[i].breaks);
	}
}

static struct abi_report check_image(const struct image *image)
{
	struct abi_report r = ABI_REPORT_INIT;
	int err;

	libbpf_set_print(NULL);
	err = abi_check_object(&r, image->name, image->data, image->size);
	REQUIRE(!err, "%s: not readable: %s", image->name, strerror(-err));
	return r;
}

static bool is_abi(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, "_abi");
}

/*
 * Objects all of whose tiers need a later kernel by a feature that is probed, and what they may have therefore. They
 * still do without BTF.
 */
static const struct {
	const char *image;
	enum abi_rule may[8];
	size_t count;
} later[] = {
	/* links to cgroups: 5.7 */
	{ "dns_abi", { ABI_GLOBAL_DATA, ABI_HELPER, ABI_MAP_TYPE, ABI_MAP_FLAGS, ABI_PROG_TYPE, ABI_BACK_EDGE }, 6 },
};

static void forgive(struct abi_report *r, const char *image)
{
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		for (size_t n = 0; !strcmp(later[i].image, image) && n < later[i].count; n++)
			r->found[later[i].may[n]] = 0;
}

TEST(unit, abi_objects_hold_to_4_14)
{
	const struct image *i, *end = images(&i);
	unsigned objects = 0;

	for (; i < end; i++) {
		struct abi_report r;

		if (!is_abi(i->name))
			continue;
		objects++;
		r = check_image(i);
		forgive(&r, i->name);
		check_broken(&r, i->name, NOTHING);
	}
	REQUIRE(objects, "no object is named NAME_abi");
}

/* An object for kernels with BTF, and one that was made to break what only a file can show. */
TEST(unit, abi_checker_finds_violations)
{
	static const struct {
		const char *image;
		enum abi_rule breaks[8];
		size_t count;
	} expected[] = {
		{ "process", { ABI_CORE, ABI_HELPER, ABI_MAP_TYPE, ABI_PROG_TYPE }, 4 },
		{ "abi_breaker",
		  { ABI_BPF_CALL, ABI_KFUNC, ABI_CALLBACK, ABI_GLOBAL_DATA, ABI_EXTERN, ABI_CORE,
		    ABI_MAP_FLAGS, ABI_HELPER },
		  8 },
	};

	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		const struct image *image = image_find(expected[i].image);
		struct abi_report r;

		REQUIRE(image, "no image %s", expected[i].image);
		r = check_image(image);
		for (size_t n = 0; n < expected[i].count; n++)
			CHECK(r.found[expected[i].breaks[n]],
			      "%s: breaks rule %u, which was not found:\n%s", image->name,
			      expected[i].breaks[n], buf_cstr(&r.text));
		buf_free(&r.text);
	}
}

TEST(unit, abi_checker_refuses_what_is_no_object)
{
	const struct image *image, *end = images(&image);
	struct abi_report r = ABI_REPORT_INIT;

	REQUIRE(image < end, "no image");
	libbpf_set_print(NULL);
	CHECK(abi_check_object(&r, "text", "not an object", 13) < 0, "text passed");
	CHECK(abi_check_object(&r, "half", image->data, image->size / 2) < 0, "half passed");
	buf_free(&r.text);
}

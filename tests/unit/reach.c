/* SPDX-License-Identifier: Apache-2.0 */
/* What can be reached when constants are known: guards as compilers write them, and what must not be believed. */
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/program.h"
#include "collect/reach.h"
#include "collect/relocate.h"
#include "tests/test.h"
#include "tests/unit/btf_types.h"

#define INSN(c, d, s, o, i) ((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU(op, d, i) INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define ALU32(op, d, i) INSN(BPF_ALU | (op) | BPF_K, d, 0, 0, i)
#define JUMP(op, d, i, o) INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define JUMP_REG(op, d, s, o) INSN(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define JUMP32(op, d, i, o) INSN(BPF_JMP32 | (op) | BPF_K, d, 0, o, i)
#define CALL(i) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define LOAD(d, s, o) INSN(BPF_LDX | BPF_MEM | BPF_DW, d, s, o, 0)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define NOWHERE CALL(POISON_HELPER)

/* Whether instruction `at` is reached. */
#define EXPECT(what, at, yes, ...)                                                                 \
	do {                                                                                       \
		const struct bpf_insn insns_[] = { __VA_ARGS__ };                                  \
		bool reached_[COUNT_OF(insns_)];                                                   \
		int err_ = reach(insns_, COUNT_OF(insns_), reached_);                              \
		CHECK(!err_ && reached_[at] == (yes), "%s: error %d, instruction %d is%s reached", what, err_, at, \
		      reached_[at] ? "" : " not");                                                 \
	} while (0)

TEST(unit, reach_follows_guards)
{
	EXPECT("straight on", 1, true, MOV(0, 0), EXIT);
	EXPECT("behind the end", 1, false, EXIT, NOWHERE);
	EXPECT("if (0)", 2, false, MOV(1, 0), JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("if (1)", 2, true, MOV(1, 1), JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("if (!1)", 2, false, MOV(1, 1), JUMP(BPF_JNE, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("a & b", 4, false, MOV(1, 1), MOV(2, 0), INSN(BPF_ALU64 | BPF_AND | BPF_X, 1, 2, 0, 0),
	       JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("sign extended", 4, false, MOV(1, 0), ALU(BPF_LSH, 1, 32), ALU(BPF_ARSH, 1, 32), JUMP(BPF_JEQ, 1, 0, 1),
	       NOWHERE, EXIT);
	EXPECT("wide constant", 3, false, INSN(BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, 0), INSN(0, 0, 0, 0, 1),
	       JUMP(BPF_JNE, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("32 bits of it", 3, false, INSN(BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, 0), INSN(0, 0, 0, 0, 1),
	       JUMP32(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("w1 = -1, zero extended", 2, false, ALU32(BPF_MOV, 1, -1), JUMP(BPF_JSGT, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("r1 = -1", 2, true, MOV(1, -1), JUMP(BPF_JSGT, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("-1 is large", 2, false, MOV(1, -1), JUMP(BPF_JGT, 1, 5, 1), NOWHERE, EXIT);
	EXPECT("by register", 3, false, MOV(1, 4), MOV(2, 5), JUMP_REG(BPF_JLT, 1, 2, 1), NOWHERE, EXIT);
	EXPECT("a set bit", 2, false, MOV(1, 6), JUMP(BPF_JSET, 1, 2, 1), NOWHERE, EXIT);
	EXPECT("what a branch proved", 3, false, MOV(0, 0), JUMP(BPF_JNE, 1, 7, 2), JUMP(BPF_JEQ, 1, 7, 1), NOWHERE, EXIT);
	EXPECT("callee saved", 3, false, MOV(6, 0), CALL(14), JUMP(BPF_JEQ, 6, 0, 1), NOWHERE, EXIT);
}

TEST(unit, reach_believes_nothing_else)
{
	EXPECT("an argument", 1, true, JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("from memory", 2, true, LOAD(1, 1, 0), JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("a call's result", 3, true, MOV(0, 0), CALL(14), JUMP(BPF_JEQ, 0, 0, 1), NOWHERE, EXIT);
	EXPECT("clobbered", 3, true, MOV(3, 0), CALL(14), JUMP(BPF_JEQ, 3, 0, 1), NOWHERE, EXIT);
	EXPECT("two ways", 4, true, MOV(2, 0), JUMP(BPF_JEQ, 1, 0, 1), MOV(2, 1), JUMP(BPF_JEQ, 2, 0, 1), NOWHERE, EXIT);
	EXPECT("two ways that agree", 5, false, MOV(2, 0), JUMP(BPF_JEQ, 1, 0, 1), MOV(2, 0), MOV(3, 0),
	       JUMP(BPF_JEQ, 2, 0, 1), NOWHERE, EXIT);
	EXPECT("a loop", 3, true, MOV(2, 0), ALU(BPF_ADD, 2, 1), JUMP(BPF_JNE, 2, 10, -2), NOWHERE, EXIT);
	EXPECT("unknown, however it is added to", 3, true, LOAD(2, 1, 0), ALU(BPF_ADD, 2, 1), JUMP(BPF_JNE, 2, 1, 1), NOWHERE,
	       EXIT);
	EXPECT("division, which verifiers do not compute", 3, true, MOV(1, 4), ALU(BPF_DIV, 1, 5), JUMP(BPF_JEQ, 1, 0, 1),
	       NOWHERE, EXIT);
	EXPECT("the address of a map", 3, true, INSN(BPF_LD | BPF_IMM | BPF_DW, 1, 1, 0, 0), INSN(0, 0, 0, 0, 0),
	       JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("an atomic's result", 4, true, MOV(1, 0), MOV(0, 0),
	       INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, BPF_ADD | BPF_FETCH), JUMP(BPF_JEQ, 1, 0, 1), NOWHERE, EXIT);
	EXPECT("a move with sign", 3, true, MOV(1, 0), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 1, 8, 0), JUMP(BPF_JEQ, 2, 0, 1),
	       NOWHERE, EXIT);
}

TEST(unit, reach_refuses_nonsense)
{
	const struct bpf_insn falls[] = { MOV(0, 0) }, leaps[] = { JUMP(BPF_JA, 0, 0, 5), EXIT };
	const struct bpf_insn back[] = { JUMP(BPF_JEQ, 1, 0, -2), EXIT };
	bool reached[2];

	CHECK(reach(falls, 1, reached) == -EINVAL, "falls off the end");
	CHECK(reach(leaps, 2, reached) == -EINVAL, "leaps over the end");
	CHECK(reach(back, 2, reached) == -EINVAL, "leaps before the start");
	CHECK(reach(falls, 0, reached) == -EINVAL, "has no instruction");
}

/* A kernel that has nothing but task_struct.exit_signal. */
static struct types hardly_anything(void)
{
	struct btf *b = btf__new_empty();
	struct types t;

	btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	btf__add_struct(b, "task_struct", 8);
	btf__add_field(b, "exit_signal", 1, 0, 0);
	t = read_types(b);
	btf__free(b);
	return t;
}

/* What clang makes of guards: relo_kinds, where next to nothing is there. */
TEST(unit, reach_through_compiled_guards)
{
	const struct image *image = image_find("relo_kinds");
	static const char *const programs[] = { "kinds_unguarded", "kinds_guarded" };
	struct types t = hardly_anything();
	struct object o;

	REQUIRE(image && !object_open(image, &o), "relo_kinds: no object");
	for (unsigned i = 0; i < 2; i++) {
		int p = object_program(&o, programs[i]);
		unsigned poisoned = 0, lost = 0;
		struct relocation r;
		bool *reached;

		REQUIRE(p >= 0 && !relocate(&o, &t, 1ull << p, &r), "%s", programs[i]);
		reached = calloc(o.programs[p].count, sizeof(*reached));
		REQUIRE(reached && !reach(r.insns[p], o.programs[p].count, reached), "%s", programs[i]);
		for (unsigned k = 0; k < o.programs[p].count; k++) {
			poisoned += r.insns[p][k].imm == POISON_HELPER;
			lost += r.insns[p][k].imm == POISON_HELPER && reached[k];
		}
		CHECK(poisoned && (i ? !lost : lost == 1), "%s: %u invalid instructions, %u reached", programs[i], poisoned, lost);
		free(reached);
		relocation_free(&r);
	}
	types_free(&t);
	object_close(&o);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/reach.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define REGISTERS 10 /* r10 is no number */

/* Which registers hold a known number before an instruction. */
struct state {
	uint64_t value[REGISTERS];
	uint16_t known;
	bool reached, queued;
};

struct walk {
	const struct bpf_insn *insns;
	unsigned count;
	struct state *states;
	unsigned *queue;
	unsigned nqueue;
	int err;
};

static bool is_known(const struct state *s, unsigned reg)
{
	return reg < REGISTERS && (s->known >> reg & 1);
}

static void forget(struct state *s, unsigned reg)
{
	s->known &= (uint16_t)~(1u << reg);
}

static void learn(struct state *s, unsigned reg, uint64_t value)
{
	if (reg >= REGISTERS)
		return;
	s->known |= (uint16_t)(1u << reg);
	s->value[reg] = value;
}

/* What two ways to an instruction agree on. Whether that is less than what was known before. */
static bool merge(struct state *to, const struct state *from)
{
	uint16_t known = to->known & from->known;

	for (unsigned r = 0; r < REGISTERS; r++)
		if ((known >> r & 1) && to->value[r] != from->value[r])
			known &= (uint16_t)~(1u << r);
	if (known == to->known)
		return false;
	to->known = known;
	return true;
}

static void flow(struct walk *w, long to, const struct state *from)
{
	struct state *s;
	bool changed = true;

	if (to < 0 || to >= (long)w->count) {
		w->err = -EINVAL;
		return;
	}
	s = &w->states[to];
	if (s->reached) {
		changed = merge(s, from);
	} else {
		bool queued = s->queued;

		*s = *from;
		s->reached = true;
		s->queued = queued;
	}
	if (changed && !s->queued) {
		s->queued = true;
		w->queue[w->nqueue++] = (unsigned)to;
	}
}

/* ---- arithmetic: only what the verifier computes exactly on numbers ---- */

static bool compute(unsigned op, bool wide, uint64_t a, uint64_t b, uint64_t *ret)
{
	unsigned shift = (unsigned)b & (wide ? 63 : 31);
	uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;

	a &= mask;
	b &= mask;
	switch (op) {
	case BPF_MOV:
		*ret = b;
		break;
	case BPF_ADD:
		*ret = a + b;
		break;
	case BPF_SUB:
		*ret = a - b;
		break;
	case BPF_MUL:
		*ret = a * b;
		break;
	case BPF_AND:
		*ret = a & b;
		break;
	case BPF_OR:
		*ret = a | b;
		break;
	case BPF_XOR:
		*ret = a ^ b;
		break;
	case BPF_LSH:
		*ret = a << shift;
		break;
	case BPF_RSH:
		*ret = a >> shift;
		break;
	case BPF_ARSH:
		*ret = wide ? (uint64_t)((int64_t)a >> shift) : (uint64_t)((int32_t)a >> shift);
		break;
	default:
		return false;
	}
	*ret &= mask;
	return true;
}

static void run_alu(const struct bpf_insn *insn, struct state *s)
{
	unsigned op = BPF_OP(insn->code), dst = insn->dst_reg;
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	uint64_t operand = (uint64_t)(int64_t)insn->imm, result;
	bool known = op == BPF_MOV || is_known(s, dst);

	if (BPF_SRC(insn->code) == BPF_X) {
		known = known && is_known(s, insn->src_reg);
		operand = known ? s->value[insn->src_reg] : 0;
	}
	if (dst >= REGISTERS)
		return;
	/* An offset makes it a signed division or a move with sign. */
	if (known && !insn->off && compute(op, wide, s->value[dst], operand, &result))
		learn(s, dst, result);
	else
		forget(s, dst);
}

static bool holds(unsigned op, bool wide, uint64_t a, uint64_t b)
{
	int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;

	a &= wide ? UINT64_MAX : UINT32_MAX;
	b &= wide ? UINT64_MAX : UINT32_MAX;
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JSET:
		return a & b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	default:
		return sa <= sb;
	}
}

/* ---- the walk ---- */

static bool is_comparison(unsigned op)
{
	switch (op) {
	case BPF_JEQ:
	case BPF_JNE:
	case BPF_JSET:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JLT:
	case BPF_JLE:
	case BPF_JSGT:
	case BPF_JSGE:
	case BPF_JSLT:
	case BPF_JSLE:
		return true;
	default:
		return false;
	}
}

static void branch(struct walk *w, long at, const struct state *s)
{
	const struct bpf_insn *insn = &w->insns[at];
	unsigned op = BPF_OP(insn->code);
	bool wide = BPF_CLASS(insn->code) == BPF_JMP, by_register = BPF_SRC(insn->code) == BPF_X;
	long target = at + 1 + insn->off;
	uint64_t operand = by_register ? 0 : (uint64_t)(int64_t)insn->imm;
	struct state equal = *s;

	if (by_register && is_known(s, insn->src_reg))
		operand = s->value[insn->src_reg];
	if (is_comparison(op) && is_known(s, insn->dst_reg) && (!by_register || is_known(s, insn->src_reg))) {
		flow(w, holds(op, wide, s->value[insn->dst_reg], operand) ? target : at + 1, s);
		return;
	}
	if (wide && !by_register)
		learn(&equal, insn->dst_reg, operand);
	flow(w, target, op == BPF_JEQ ? &equal : s);
	flow(w, at + 1, op == BPF_JNE ? &equal : s);
}

static void jump(struct walk *w, long at, struct state *s)
{
	const struct bpf_insn *insn = &w->insns[at];
	bool wide = BPF_CLASS(insn->code) == BPF_JMP;

	switch (BPF_OP(insn->code)) {
	case BPF_EXIT:
		return;
	case BPF_CALL:
		for (unsigned r = 0; r <= 5; r++)
			forget(s, r);
		flow(w, at + 1, s);
		return;
	case BPF_JA:
		flow(w, at + 1 + (wide ? insn->off : insn->imm), s);
		return;
	default:
		branch(w, at, s);
	}
}

/* Loads and stores: what comes from memory is not known. */
static void access_memory(const struct bpf_insn *insn, struct state *s)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LDX:
		if (insn->dst_reg < REGISTERS)
			forget(s, insn->dst_reg);
		return;
	case BPF_LD: /* from a packet */
		for (unsigned r = 0; r <= 5; r++)
			forget(s, r);
		return;
	case BPF_STX: /* atomic ones return what was there */
		if (BPF_MODE(insn->code) != BPF_ATOMIC || insn->imm == BPF_ADD)
			return;
		forget(s, 0);
		if (insn->src_reg < REGISTERS)
			forget(s, insn->src_reg);
		return;
	default:
		return;
	}
}

static void step(struct walk *w, unsigned at)
{
	const struct bpf_insn *insn = &w->insns[at];
	struct state s = w->states[at];

	switch (BPF_CLASS(insn->code)) {
	case BPF_JMP:
	case BPF_JMP32:
		jump(w, at, &s);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		run_alu(insn, &s);
		break;
	default:
		if (insn->code != (BPF_LD | BPF_IMM | BPF_DW)) {
			access_memory(insn, &s);
			break;
		}
		if (at + 1 < w->count && !insn->src_reg) /* else a map or a function */
			learn(&s, insn->dst_reg, (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32);
		else if (insn->dst_reg < REGISTERS)
			forget(&s, insn->dst_reg);
		flow(w, (long)at + 2, &s);
		return;
	}
	flow(w, (long)at + 1, &s);
}

int reach(const struct bpf_insn *insns, unsigned count, bool *ret)
{
	struct walk w = { .insns = insns, .count = count };
	_cleanup_free_ struct state *states = NULL;
	_cleanup_free_ unsigned *queue = NULL;
	const struct state nothing = {};

	if (!count || count > REACH_INSNS_MAX)
		return -EINVAL;
	w.states = states = calloc(count, sizeof(*states));
	w.queue = queue = calloc(count, sizeof(*queue)); /* each is in it once */
	if (!states || !queue)
		return -ENOMEM;
	flow(&w, 0, &nothing);
	while (w.nqueue && !w.err) {
		unsigned at = w.queue[--w.nqueue];

		w.states[at].queued = false;
		step(&w, at);
	}
	for (unsigned i = 0; i < count; i++)
		ret[i] = states[i].reached;
	return w.err;
}

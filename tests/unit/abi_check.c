/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/abi_check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"

#define KERNEL(major, minor) ((major) << 8 | (minor))
#define FMT_KERNEL "%u.%u"
#define ARG_KERNEL(kernel) (kernel) >> 8, (kernel) & 0xff

enum { ABI_KERNEL = KERNEL(4, 14), NEVER = KERNEL(255, 255) };

/*
 * What each kernel brought. The kernel's enums are append-only, so the last number that a version
 * added says it all; 0: it added none. Sources: the history of include/uapi/linux/bpf.h, and the
 * tables of bcc (kernel-versions.md) and of the eBPF docs (feature-versions.yaml) against it.
 */
enum feature { HELPER, MAP, PROG, ATTACH, FEATURES };

#define F(name) BPF_FUNC_##name
#define M(name) BPF_MAP_TYPE_##name
#define P(name) BPF_PROG_TYPE_##name

static const struct {
	unsigned kernel;
	unsigned last[FEATURES];
} kernels[] = {
	{ KERNEL(3, 19), { F(map_delete_elem), M(ARRAY), P(SOCKET_FILTER) } },
	{ KERNEL(4, 1), { F(l4_csum_replace), 0, P(SCHED_ACT) } },
	{ KERNEL(4, 2), { F(get_current_comm), M(PROG_ARRAY) } },
	{ KERNEL(4, 3), { F(perf_event_read), M(PERF_EVENT_ARRAY) } },
	{ KERNEL(4, 4), { F(perf_event_output) } },
	{ KERNEL(4, 5), { F(skb_load_bytes) } },
	{ KERNEL(4, 6), { F(skb_set_tunnel_opt), M(STACK_TRACE) } },
	{ KERNEL(4, 7), { 0, 0, P(TRACEPOINT) } },
	{ KERNEL(4, 8), { F(probe_write_user), M(CGROUP_ARRAY), P(XDP) } },
	{ KERNEL(4, 9), { F(set_hash_invalid), 0, P(PERF_EVENT) } },
	{ KERNEL(4, 10), { F(xdp_adjust_head), M(LRU_PERCPU_HASH), P(LWT_XMIT),
			   BPF_CGROUP_INET_SOCK_CREATE } },
	{ KERNEL(4, 11), { F(probe_read_str), M(LPM_TRIE) } },
	{ KERNEL(4, 12), { F(get_socket_uid), M(HASH_OF_MAPS) } },
	{ KERNEL(4, 13), { F(skb_adjust_room), 0, P(SOCK_OPS), BPF_CGROUP_SOCK_OPS } },
	{ KERNEL(4, 14), { F(sock_map_update), M(SOCKMAP), P(SK_SKB), BPF_SK_SKB_STREAM_VERDICT } },
	{ KERNEL(4, 15), { F(getsockopt), M(CPUMAP), P(CGROUP_DEVICE), BPF_CGROUP_DEVICE } },
	{ KERNEL(4, 16), { F(sock_ops_cb_flags_set) } },
	{ KERNEL(4, 17), { F(bind), 0, P(CGROUP_SOCK_ADDR), BPF_CGROUP_INET6_POST_BIND } },
	{ KERNEL(4, 18), { F(get_current_cgroup_id), M(SOCKHASH), P(LIRC_MODE2), BPF_LIRC_MODE2 } },
	{ KERNEL(4, 19), { F(skb_ancestor_cgroup_id), M(REUSEPORT_SOCKARRAY), P(SK_REUSEPORT) } },
	{ KERNEL(4, 20), { F(msg_push_data), M(STACK), P(FLOW_DISSECTOR), BPF_FLOW_DISSECTOR } },
	{ KERNEL(5, 0), { F(rc_pointer_rel) } },
	{ KERNEL(5, 1), { F(get_listener_sock) } },
	{ KERNEL(5, 2), { F(sk_storage_delete), M(SK_STORAGE), P(RAW_TRACEPOINT_WRITABLE),
			  BPF_CGROUP_UDP6_RECVMSG } },
	{ KERNEL(5, 3), { F(send_signal), 0, P(CGROUP_SOCKOPT), BPF_CGROUP_SETSOCKOPT } },
	{ KERNEL(5, 4), { F(tcp_gen_syncookie), M(DEVMAP_HASH) } },
	{ KERNEL(5, 5), { F(probe_read_kernel_str), 0, P(TRACING), BPF_TRACE_FEXIT } },
	{ KERNEL(5, 6), { F(jiffies64), M(STRUCT_OPS), P(EXT) } },
	{ KERNEL(5, 7), { F(sk_assign), 0, P(LSM), BPF_LSM_MAC } },
	{ KERNEL(5, 8), { F(csum_level), M(RINGBUF), 0, BPF_XDP_DEVMAP } },
	{ KERNEL(5, 9), { F(get_task_stack), 0, P(SK_LOOKUP), BPF_XDP } },
	{ KERNEL(5, 10), { F(redirect_peer), M(INODE_STORAGE) } },
	{ KERNEL(5, 11), { F(sock_from_file), M(TASK_STORAGE) } },
	{ KERNEL(5, 12), { F(check_mtu) } },
	{ KERNEL(5, 13), { F(snprintf), 0, 0, BPF_SK_SKB_VERDICT } },
	{ KERNEL(5, 14), { F(sys_close), 0, P(SYSCALL), BPF_SK_REUSEPORT_SELECT_OR_MIGRATE } },
	{ KERNEL(5, 15), { F(task_pt_regs), 0, 0, BPF_PERF_EVENT } },
	{ KERNEL(5, 16), { F(kallsyms_lookup_name), M(BLOOM_FILTER) } },
	{ KERNEL(5, 17), { F(get_func_arg_cnt) } },
	{ KERNEL(5, 18), { F(ima_file_hash), 0, 0, BPF_TRACE_KPROBE_MULTI } },
	{ KERNEL(5, 19), { F(dynptr_data) } },
	{ KERNEL(6, 0), { F(tcp_raw_check_syncookie_ipv6), 0, 0, BPF_LSM_CGROUP } },
	{ KERNEL(6, 1), { F(user_ringbuf_drain), M(USER_RINGBUF) } },
};

#undef F
#undef M
#undef P

/* Helpers that a program type got later than the kernel got the helper. */
static const struct {
	enum bpf_prog_type type;
	unsigned helper;
	unsigned kernel;
} later_helpers[] = {
	/* 7c4b90d79d0f */
	{ BPF_PROG_TYPE_SOCKET_FILTER, BPF_FUNC_perf_event_output, KERNEL(5, 4) },
	{ BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_perf_event_output, KERNEL(5, 4) },
};

#define HELPER_NAME(name) [BPF_FUNC_##name] = #name
static const char *const helper_names[] = { __BPF_FUNC_MAPPER(HELPER_NAME) };

/* One program on its way through the rules. */
struct subject {
	struct abi_report *report;
	const char *name;
	const struct bpf_insn *insns;
	size_t count;
	unsigned allowed; /* the kernel that its name declares */
	enum bpf_prog_type type;
};

static unsigned introduced(enum feature feature, unsigned number)
{
	for (size_t i = 0; i < COUNT_OF(kernels); i++)
		if (number <= kernels[i].last[feature])
			return kernels[i].kernel;
	return NEVER;
}

static unsigned allowed_kernel(const char *program)
{
	unsigned major, minor, kernel = 0;
	int end;

	for (const char *p = program; (p = strstr(p, "_v")); p++) {
		end = 0;
		if (sscanf(p, "_v%3u_%3u%n", &major, &minor, &end) == 2 && !p[end])
			kernel = KERNEL(major, minor);
	}
	return kernel > ABI_KERNEL ? kernel : ABI_KERNEL;
}

void abi_violation(struct abi_report *report, enum abi_rule rule, const char *subject,
		   const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report->found[rule]++;
	buf_printf(&report->text, "    %s: %s\n", subject, text);
}

#define refuse(s, rule, fmt, ...)                                                                  \
	abi_violation((s)->report, rule, (s)->name, "instruction %zu: " fmt, i, ##__VA_ARGS__)

/* ---- instructions ---- */

static bool is_wide_load(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static void check_helper(const struct subject *s, size_t i)
{
	unsigned helper = (unsigned)s->insns[i].imm;
	unsigned kernel = introduced(HELPER, helper);

	/*
	 * libbpf loads these as bpf_probe_read and bpf_probe_read_str where the kernel lacks them
	 * (FEAT_PROBE_READ_KERN).
	 */
	if (helper >= BPF_FUNC_probe_read_user && helper <= BPF_FUNC_probe_read_kernel_str)
		return;
	for (size_t n = 0; n < COUNT_OF(later_helpers); n++)
		if (later_helpers[n].type == s->type && later_helpers[n].helper == helper)
			kernel = later_helpers[n].kernel;
	if (helper && kernel <= s->allowed)
		return;
	if (!helper || kernel == NEVER)
		refuse(s, ABI_HELPER, "unknown helper %u", helper);
	else
		refuse(s, ABI_HELPER,
		       "bpf_%s (helper %u) needs " FMT_KERNEL ", this program may use " FMT_KERNEL,
		       helper_names[helper], helper, ARG_KERNEL(kernel), ARG_KERNEL(s->allowed));
}

static void check_call(const struct subject *s, size_t i)
{
	if (BPF_SRC(s->insns[i].code) != BPF_K)
		refuse(s, ABI_OPCODE, "indirect call");
	else if (!s->insns[i].src_reg)
		check_helper(s, i);
	else if (s->insns[i].src_reg == BPF_PSEUDO_CALL)
		refuse(s, ABI_BPF_CALL, "calls a function: inline it");
	else
		refuse(s, ABI_KFUNC, "calls a function of the kernel");
}

static void check_jump(const struct subject *s, size_t i)
{
	switch (BPF_OP(s->insns[i].code)) {
	case BPF_CALL:
		check_call(s, i);
		break;
	case BPF_JLT:
	case BPF_JLE:
	case BPF_JSLT:
	case BPF_JSLE:
		/*
		 * 4.14 knows them (92b31a9af73b), but -mcpu=v1 does not emit them: the object was
		 * built with another instruction set, and the next one would not load.
		 */
		refuse(s, ABI_JLT, "jump of -mcpu=v2: build with -mcpu=v1");
		break;
	case 0xe0:
	case 0xf0:
		refuse(s, ABI_OPCODE, "unknown jump %#x", s->insns[i].code);
		break;
	}
}

static void check_wide_load(const struct subject *s, size_t i)
{
	switch (s->insns[i].src_reg) {
	case 0:
	case BPF_PSEUDO_MAP_FD:
	case BPF_PSEUDO_MAP_IDX: /* becomes a descriptor before loading */
		break;
	case BPF_PSEUDO_MAP_VALUE:
	case BPF_PSEUDO_MAP_IDX_VALUE:
		refuse(s, ABI_GLOBAL_DATA, "address of global data");
		break;
	case BPF_PSEUDO_FUNC:
		refuse(s, ABI_CALLBACK, "address of a function");
		break;
	default:
		refuse(s, ABI_EXTERN, "address of something in the kernel");
	}
}

static void check_memory(const struct subject *s, size_t i)
{
	const struct bpf_insn *insn = &s->insns[i];

	if (BPF_CLASS(insn->code) == BPF_STX && BPF_MODE(insn->code) == BPF_ATOMIC) {
		if (insn->imm) /* BPF_XADD, alone in 4.14, has 0 here */
			refuse(s, ABI_ATOMIC, "atomic operation %#x", insn->imm);
		return;
	}
	if (BPF_MODE(insn->code) != BPF_MEM)
		refuse(s, ABI_OPCODE, "unknown access %#x", insn->code);
}

static void check_arithmetic(const struct subject *s, size_t i)
{
	const struct bpf_insn *insn = &s->insns[i];
	bool swap = BPF_OP(insn->code) == BPF_END;

	/* -mcpu=v4 marks signed division and moves by the offset, its bswap by the class. */
	if (BPF_OP(insn->code) > BPF_END || insn->off ||
	    (swap && BPF_CLASS(insn->code) == BPF_ALU64))
		refuse(s, ABI_OPCODE, "unknown arithmetic %#x, offset %d", insn->code, insn->off);
}

static void check_instruction(const struct subject *s, size_t i)
{
	switch (BPF_CLASS(s->insns[i].code)) {
	case BPF_LD:
		if (is_wide_load(&s->insns[i]))
			check_wide_load(s, i);
		else if (BPF_MODE(s->insns[i].code) != BPF_ABS &&
			 BPF_MODE(s->insns[i].code) != BPF_IND)
			refuse(s, ABI_OPCODE, "unknown load %#x", s->insns[i].code);
		break;
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX:
		check_memory(s, i);
		break;
	case BPF_ALU:
	case BPF_ALU64:
		check_arithmetic(s, i);
		break;
	case BPF_JMP:
		check_jump(s, i);
		break;
	case BPF_JMP32:
		refuse(s, ABI_JMP32, "jump of -mcpu=v3: build with -mcpu=v1");
		break;
	}
}

/* ---- control flow ---- */

/* Where instruction i may lead: up to two instructions. Returns how many. */
static unsigned successors(const struct subject *s, size_t i, long long ret_to[2])
{
	const struct bpf_insn *insn = &s->insns[i];
	unsigned class = BPF_CLASS(insn->code);

	ret_to[0] = (long long)i + 1;
	if ((class != BPF_JMP && class != BPF_JMP32) || BPF_OP(insn->code) == BPF_CALL)
		return 1;
	if (BPF_OP(insn->code) == BPF_EXIT)
		return 0;
	if (BPF_OP(insn->code) == BPF_JA) {
		ret_to[0] += class == BPF_JMP ? insn->off : insn->imm;
		return 1;
	}
	ret_to[1] = ret_to[0] + insn->off;
	return 2;
}

/*
 * A depth-first walk, as the verifier of 4.14 does: a jump to an instruction that is still on the
 * path walked is a loop; one to an earlier instruction that is not is fine, compilers place code
 * out of order.
 */
static void check_flow(const struct subject *s)
{
	enum { NEW, ON_PATH, DONE };
	_cleanup_free_ unsigned char *state = calloc(s->count, 1);
	_cleanup_free_ unsigned char *taken = calloc(s->count, 1);
	_cleanup_free_ size_t *path = calloc(s->count, sizeof(*path));
	size_t depth = 0;

	if (!state || !taken || !path)
		abort();
	path[depth++] = 0;
	state[0] = ON_PATH;
	while (depth) {
		size_t i = path[depth - 1];
		long long to[2];

		if (taken[i] == successors(s, i, to)) {
			state[i] = DONE;
			depth--;
			continue;
		}
		to[0] = to[taken[i]++];
		if (to[0] < 0 || (size_t)to[0] >= s->count) {
			refuse(s, ABI_FLOW, "leads out of the program");
		} else if (state[to[0]] == ON_PATH) {
			refuse(s, ABI_BACK_EDGE, "loops back to instruction %lld", to[0]);
		} else if (state[to[0]] == NEW) {
			state[to[0]] = ON_PATH;
			path[depth++] = (size_t)to[0];
		}
	}
	for (size_t i = 0; i < s->count; i++)
		if (state[i] == NEW) {
			refuse(s, ABI_FLOW, "is never reached");
			break;
		}
}

void abi_check_program(struct abi_report *report, const char *name, enum bpf_prog_type type,
		       const struct bpf_insn *insns, size_t count)
{
	const struct subject s = { report, name, insns, count, allowed_kernel(name), type };

	if (!count) {
		abi_violation(report, ABI_FLOW, name, "no instructions");
		return;
	}
	if (count > ABI_MAX_INSNS)
		abi_violation(report, ABI_SIZE, name, "%zu instructions, more than %u", count,
			  ABI_MAX_INSNS);
	for (size_t i = 0; i < count; i++) {
		check_instruction(&s, i);
		if (is_wide_load(&insns[i]))
			i++; /* its second half is no instruction */
	}
	check_flow(&s);
}

/* ---- programs and maps ---- */

void abi_check_program_type(struct abi_report *report, const char *name, const char *section,
			    enum bpf_prog_type type, enum bpf_attach_type attach)
{
	unsigned allowed = allowed_kernel(name);
	unsigned kernel = introduced(PROG, type);

	/* libbpf passes BPF_XDP only to kernels that take it. */
	if (type != BPF_PROG_TYPE_XDP && introduced(ATTACH, attach) > kernel)
		kernel = introduced(ATTACH, attach);
	if (strstr(section, ".s/") && kernel < KERNEL(5, 10))
		kernel = KERNEL(5, 10); /* sleepable: 1e6c62a88215 */
	if (!type || kernel == NEVER)
		abi_violation(report, ABI_PROG_TYPE, name, "section %s: unknown type", section);
	else if (kernel > allowed)
		abi_violation(report, ABI_PROG_TYPE, name,
			      "section %s needs " FMT_KERNEL ", this program may use " FMT_KERNEL,
			      section, ARG_KERNEL(kernel), ARG_KERNEL(allowed));
}

void abi_check_map(struct abi_report *report, const char *name, enum bpf_map_type type,
		   unsigned flags)
{
	const unsigned known = BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE;
	unsigned kernel = introduced(MAP, type);

	if (!type || kernel == NEVER)
		abi_violation(report, ABI_MAP_TYPE, name, "unknown map type %u", type);
	else if (kernel > ABI_KERNEL)
		abi_violation(report, ABI_MAP_TYPE, name, "map type %u needs " FMT_KERNEL, type,
			      ARG_KERNEL(kernel));
	if (flags & ~known)
		abi_violation(report, ABI_MAP_FLAGS, name, "map flags %#x are of later kernels",
			      flags & ~known);
}

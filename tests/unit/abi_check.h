/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds `abi` objects to what Linux 4.14 has, without a 4.14 to load them on.
 *
 * It answers what can be read off an object: instructions, helpers, maps, program types, CO-RE
 * relocations. What only the verifier knows (stack depth, types of registers, paths walked) is
 * for the kernels that the tests boot.
 *
 * A program whose name ends in _vMAJOR_MINOR belongs to a tier that needs that kernel: it may use
 * the helpers and the program type of that version. Everything else stays at 4.14, because the
 * object's maps are created and its instructions are encoded for all of its programs alike.
 */
#ifndef TESTS_UNIT_ABI_CHECK_H
#define TESTS_UNIT_ABI_CHECK_H

#include <linux/bpf.h>
#include <stddef.h>
#include "base/buf.h"

/* BPF_MAXINSNS, the limit for everybody before 5.2 (c04c0d2b968a) */
#define ABI_MAX_INSNS 4096

enum abi_rule {
	ABI_SIZE,        /* more than ABI_MAX_INSNS instructions */
	ABI_BACK_EDGE,   /* a loop: allowed from 5.3 (2589726d12a1) */
	ABI_FLOW,        /* unreachable instructions, jumps that leave the program */
	ABI_BPF_CALL,    /* a BPF-to-BPF call: 4.16 (cc8b0b92a169) */
	ABI_KFUNC,       /* a call of a kernel function: 5.13 (e6ac2450d6de) */
	ABI_CALLBACK,    /* the address of a BPF function: 5.13 (69c087ba6225) */
	ABI_GLOBAL_DATA, /* .data, .rodata, .bss: 5.2 (d8eca5bbb2be) */
	ABI_EXTERN,      /* variables of the kernel or its configuration */
	ABI_JMP32,       /* 32-bit jumps, -mcpu=v3: 5.1 (092ed0968bb6) */
	ABI_JLT,         /* jump if less, -mcpu=v2 */
	ABI_ATOMIC,      /* atomics other than a plain add: 5.12 (5ca419f2864a) */
	ABI_OPCODE,      /* other instructions that 4.14 does not know, such as -mcpu=v4 */
	ABI_CORE,        /* CO-RE relocations: they need the kernel's BTF */
	ABI_HELPER,      /* a helper of a later kernel */
	ABI_MAP_TYPE,    /* a map type of a later kernel */
	ABI_MAP_FLAGS,   /* a map flag of a later kernel */
	ABI_PROG_TYPE,   /* a program type or attach type of a later kernel */
	ABI_RULES
};

struct abi_report {
	unsigned found[ABI_RULES]; /* violations of each rule */
	struct buf text;           /* a line per violation; what is past its maximum is left out */
};

#define ABI_REPORT_INIT { .text = BUF_INIT(16384) }

void abi_violation(struct abi_report *report, enum abi_rule rule, const char *subject,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* One program as compiled, or as relocated by libbpf: both forms of each reference are known. */
void abi_check_program(struct abi_report *report, const char *name, enum bpf_prog_type type,
		       const struct bpf_insn *insns, size_t count);
void abi_check_program_type(struct abi_report *report, const char *name, const char *section,
			    enum bpf_prog_type type, enum bpf_attach_type attach);
void abi_check_map(struct abi_report *report, const char *name, enum bpf_map_type type,
		   unsigned flags);

/*
 * A whole object file: each of its programs and maps, and what only the file shows. 0, or a
 * negative errno when it cannot be read.
 */
int abi_check_object(struct abi_report *report, const char *name, const void *data, size_t size);

#endif

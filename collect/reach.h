/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instructions of a program can be reached at all.
 *
 * Programs ask the kernel's types whether something is there, and the answer is a constant by the time the
 * program is loaded: so the verifier never looks at the branch that does not apply, and neither does
 * this. Constants are followed through registers, and through nothing else: where the verifier knows a value
 * too. So what is unreachable here is unreachable to every verifier since 5.4, and what is reachable here may
 * be unreachable to some: a program that cannot be loaded is never taken for one that can.
 */
#ifndef COLLECT_REACH_H
#define COLLECT_REACH_H

#include <linux/bpf.h>
#include <stdbool.h>

#define REACH_INSNS_MAX (1u << 20)

/* Marks in ret[count] what is reachable from the first instruction. 0, -ENOMEM, or -EINVAL: jumps lead outside. */
int reach(const struct bpf_insn *insns, unsigned count, bool *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Planted faults, one per program, for the test of the ladder; and one program that works. Each
 * tier of the test lists one of them, so that a fault must cost that rung and nothing else.
 */
#include "vmlinux_minimal.h"
#include "core_compat.h"

INIT_CORE_COMPAT();

struct task_struct___of_nowhere {
	int member_that_no_kernel_has;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_process_exit")
int fault_none(u64 *ctx)
{
	return !ctx;
}

/* Follows a number as if it were a pointer. */
SEC("raw_tp/sched_process_exit")
int fault_rejected(u64 *ctx)
{
	return *(volatile int *)ctx[0];
}

/* No check that the member exists. */
SEC("raw_tp/sched_process_exit")
int fault_missing_member(u64 *ctx)
{
	struct task_struct___of_nowhere *task = (void *)ctx[0];

	return BPF_CORE_READ(task, member_that_no_kernel_has);
}

SEC("raw_tp/tracepoint_that_no_kernel_has")
int fault_no_raw_tracepoint(u64 *ctx)
{
	return !ctx;
}

SEC("tp/sched/tracepoint_that_no_kernel_has")
int fault_no_tracepoint(void *ctx)
{
	return !ctx;
}

SEC("tp_btf/tracepoint_that_no_kernel_has")
int fault_no_tp_btf(u64 *ctx)
{
	return !ctx;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

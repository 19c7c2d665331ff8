/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who sends signals to other processes, from which cgroup into which. BTF and raw tracepoints. */
#include "vmlinux_minimal.h"
#include "core_compat.h"
#include "helpers.h"
#include "emit.h"

INIT_CORE_COMPAT();

#define WHO_KILLS 1 /* our only event type; our only sensor has number 0 */
#define SI_USER 0   /* sent by kill(2): by no timer, no thread, not by the kernel */

struct kernel_siginfo___sent { /* only what we read of it, as in vmlinux_minimal.h */
	int si_code;
} __attribute__((preserve_access_index));

struct who_kills {
	struct tapio_event ev; /* the sender */
	u64 target_cgroup_id;
	u32 target_tgid;
	u32 target_vpid; /* in its own pid namespace */
	s32 call;        /* of the sender: kill(2), … */
	s32 call_arg1;   /* kill(2): the process; -1: all; below: a group */
	u64 signal;
};

SEC("raw_tp/signal_generate")
int who_kills(u64 *ctx) /* signal, info, task, group, result */
{
	struct task_struct *target = (void *)ctx[2];
	struct pt_regs *regs = task_user_regs((void *)bpf_get_current_task(), 0);
	struct who_kills *rec;
	u64 info = ctx[1];

	/* NULL stands for SI_USER (kill(2) itself passes it on 7.3), 1 for the kernel. */
	if (info == 1 || (info && BPF_CORE_READ((struct kernel_siginfo___sent *)info, si_code) != SI_USER))
		return 0;
	if (BPF_CORE_READ(target, tgid) == bpf_get_current_pid_tgid() >> 32 || !event_wanted(WHO_KILLS))
		return 0;
	rec = record_begin(0, WHO_KILLS, TAPIO_RING_CONTROL, sizeof(*rec));
	if (!rec)
		return 0;
	rec->target_cgroup_id = task_cgroup_id(target);
	rec->target_tgid = BPF_CORE_READ(target, tgid);
	rec->target_vpid = task_vpid(target, NULL);
	rec->call = syscall_number(regs);
	rec->call_arg1 = syscall_arg1(regs);
	rec->signal = ctx[0];
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the test of the compatibility layer: what it offers beyond what Tapio's own programs use,
 * and what it says of the task that makes one system call.
 */
#include "core_compat.h"
#include "helpers.h"
#include "tests/bpf/core_layer.bpf.h"

INIT_CORE_COMPAT();

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct core_layer_seen);
} seen SEC(".maps");

static __always_inline struct core_layer_seen *watched(struct pt_regs *regs)
{
	u32 zero = 0;
	struct core_layer_seen *s = bpf_map_lookup_elem(&seen, &zero);

	if (!s || s->tgid != bpf_get_current_pid_tgid() >> 32 || syscall_number(regs) != s->call)
		return NULL;
	return s;
}

static __always_inline void note_call(struct core_layer_call *c, struct pt_regs *by_hook)
{
	struct pt_regs *entry = task_user_regs((void *)bpf_get_current_task(), 0);

	c->count++;
	c->number = syscall_number(entry);
	c->result = syscall_result(by_hook);
	c->args[0] = syscall_arg1(entry);
	c->args[1] = syscall_arg2(by_hook);
	c->args[2] = syscall_arg3(entry);
	c->args[3] = syscall_arg4(by_hook);
	c->args[4] = syscall_arg5(entry);
	c->args[5] = syscall_arg6(by_hook);
}

static __always_inline int note_task(struct core_layer_seen *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	s->start_ns = task_start_boot_ns(task);
	s->cap_effective = cred_cap_effective(BPF_CORE_READ(task, cred));
	s->cgroup_by_helper = bpf_get_current_cgroup_id();
	s->cgroup_by_walk = task_cgroup_id(task);
	s->vpid = task_vpid(task, &s->pid_ns);
	s->has = (CORE_HAS(CORE_RINGBUF) ? CORE_RINGBUF : 0) |
		 (CORE_HAS(CORE_BOOT_CLOCK) ? CORE_BOOT_CLOCK : 0) |
		 (CORE_HAS(CORE_GROUP_DEAD) ? CORE_GROUP_DEAD : 0) |
		 (CORE_HAS(CORE_TASK_PT_REGS) ? CORE_TASK_PT_REGS : 0);
	s->ring_and_clock = CORE_HAS(CORE_RINGBUF | CORE_BOOT_CLOCK);
	s->unheard_of = CORE_HAS(CORE_RINGBUF | 1ULL << 63);
	s->required = 0;
	REQUIRE_CORE_FEATURES(CORE_RINGBUF | CORE_BOOT_CLOCK);
	s->required = 1;
	return 0;
}

SEC("raw_tp/sys_enter")
int core_layer_enter(u64 *ctx) /* registers, number */
{
	struct core_layer_seen *s = watched((void *)ctx[0]);

	if (!s)
		return 0;
	note_call(&s->enter, (void *)ctx[0]);
	return note_task(s);
}

SEC("raw_tp/sys_exit")
int core_layer_exit(u64 *ctx) /* registers, result */
{
	struct core_layer_seen *s = watched((void *)ctx[0]);

	if (s)
		note_call(&s->exit, (void *)ctx[0]);
	return 0;
}

/* Compiled and verified, never attached: the arguments of any kernel function. */
SEC("kprobe/do_unlinkat")
int BPF_KPROBE(core_layer_kprobe, int dfd, void *name)
{
	return PT_REGS_IP(ctx) && dfd && name;
}

SEC("kretprobe/do_unlinkat")
int BPF_KRETPROBE(core_layer_kretprobe, long ret)
{
	return PT_REGS_SP(ctx) && ret;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

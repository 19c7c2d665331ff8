/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the test of the abi checker: an object that has, once each, what an `abi` object must not
 * have and what only its file shows. It is never loaded.
 */
#include "vmlinux_minimal.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, 1024); /* BPF_F_MMAPABLE, 5.5 */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} mappable SEC(".maps");

extern void bpf_rcu_read_lock(void) __ksym;
extern int LINUX_KERNEL_VERSION __kconfig;

__u64 total;

static long count(void *map, __u32 *key, __u64 *value, __u64 *limit)
{
	total += map && key ? *value : *limit;
	return 0;
}

static __noinline int twice(int x)
{
	return x * 2 + LINUX_KERNEL_VERSION;
}

SEC("tp/sched/sched_process_exit")
int abi_breaker(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 limit = (__u64)ctx;

	bpf_rcu_read_lock();
	bpf_for_each_map_elem(&mappable, count, &limit, 0);
	return twice(BPF_CORE_READ(task, pid));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What differs between kernels, decided when a program is loaded.
 *
 * Two parts. First, features: CORE_HAS(features) is a constant once the object is loaded, so the
 * branch that does not apply is never verified. It is true if the kernel's BTF shows all of them
 * and no probe has ruled one out: a loader that found a feature broken (or a user who wants it
 * off) sets its bit in `core_disabled` before load. Nothing here asks for a version number.
 *
 *	INIT_CORE_COMPAT();                         once per object, at file scope, or it does not load
 *	...
 *	REQUIRE_CORE_FEATURES(CORE_RINGBUF | CORE_BOOT_CLOCK);    returns 0 where one is missing
 *	if (CORE_HAS(CORE_TASK_PT_REGS)) ...
 *
 * Second, drift: one block per kernel change, with its commit, the version that brought it, an
 * accessor that hides it, and the version that retires the block.
 *
 * Only for objects with CO-RE relocations; `abi` objects must not include this file.
 */
#ifndef TAPIO_CORE_COMPAT_H
#define TAPIO_CORE_COMPAT_H

#include "vmlinux_minimal.h"
#include "event/event.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Flavours: the part after ___ is ignored by libbpf when it looks the type up. */
enum bpf_func_id___compat {
	BPF_FUNC_ktime_get_boot_ns___compat = 125,
	BPF_FUNC_ringbuf_output___compat = 130,
	BPF_FUNC_get_current_task_btf___compat = 158,
	BPF_FUNC_task_pt_regs___compat = 175,
};

/*
 * 6.16, 3e816361e94a "sched/tracepoints: Move and extend the sched_process_exit() tracepoint": the
 * parameter after the task. Types match if they have the same parameters.
 */
typedef void (*btf_trace_sched_process_exit___group_dead)(void *, struct task_struct *, bool);

/* True unless `feature` is among the features (a constant) and BTF does not show it. */
#define CORE_SHOWN(features, feature, shown) (!((features) & (feature)) || (shown))

#define CORE_BTF_HAS(features)                                                                     \
	(!((features) & ~(CORE_RINGBUF | CORE_BOOT_CLOCK | CORE_GROUP_DEAD | CORE_TASK_PT_REGS |      \
			 CORE_TASK_BTF)) &&                                                       \
	 CORE_SHOWN(features, CORE_RINGBUF,                                                        \
		    bpf_core_enum_value_exists(enum bpf_func_id___compat,                          \
					       BPF_FUNC_ringbuf_output___compat)) &&               \
	 CORE_SHOWN(features, CORE_BOOT_CLOCK,                                                     \
		    bpf_core_enum_value_exists(enum bpf_func_id___compat,                          \
					       BPF_FUNC_ktime_get_boot_ns___compat)) &&            \
	 CORE_SHOWN(features, CORE_TASK_BTF,                                                       \
		    bpf_core_enum_value_exists(enum bpf_func_id___compat,                          \
					       BPF_FUNC_get_current_task_btf___compat)) &&         \
	 CORE_SHOWN(features, CORE_TASK_PT_REGS,                                                   \
		    bpf_core_enum_value_exists(enum bpf_func_id___compat,                          \
					       BPF_FUNC_task_pt_regs___compat)) &&                 \
	 CORE_SHOWN(features, CORE_GROUP_DEAD,                                                     \
		    bpf_core_type_matches(btf_trace_sched_process_exit___group_dead)))

/* Features that a probe or the user has ruled out; written by the loader before load. */
#define INIT_CORE_COMPAT() const volatile __u64 core_disabled = 0

extern const volatile __u64 core_disabled;

#define CORE_HAS(features) (CORE_BTF_HAS(features) && !(core_disabled & (features)))

#define REQUIRE_CORE_FEATURES(features)                                                            \
	do {                                                                                       \
		if (!CORE_HAS(features))                                                           \
			return 0;                                                                  \
	} while (0)

/*
 * Drift: when a task was created, by the boot clock.
 * 5.5, cf25e24db61c "time: Rename tsk->real_start_time to ->start_boottime". Retired with 5.4.
 */
struct task_struct___before_5_5 {
	u64 real_start_time;
} __attribute__((preserve_access_index));

struct task_struct___since_5_5 {
	u64 start_boottime;
} __attribute__((preserve_access_index));

static __always_inline u64 task_start_boot_ns(const struct task_struct *task)
{
	const struct task_struct___since_5_5 *now = (const void *)task;
	const struct task_struct___before_5_5 *old = (const void *)task;

	if (bpf_core_field_exists(now->start_boottime))
		return BPF_CORE_READ(now, start_boottime);
	if (bpf_core_field_exists(old->real_start_time))
		return BPF_CORE_READ(old, real_start_time);
	return 0;
}

/*
 * Drift: capability sets.
 * 6.3, f122a08b197d "capability: just use a 'u64' instead of a 'u32[2]' array". On the
 * little-endian machines that we serve both are the same 8 bytes, so only the offset is asked for.
 */
struct kernel_cap___any {
	u64 bits;
};

struct cred___caps {
	struct kernel_cap___any cap_effective;
	struct kernel_cap___any cap_permitted;
} __attribute__((preserve_access_index));

static __always_inline u64 cred_cap_effective(const struct cred *cred)
{
	const struct cred___caps *c = (const void *)cred;
	u64 bits = 0;

	bpf_probe_read_kernel(&bits, sizeof(bits), &c->cap_effective);
	return bits;
}

static __always_inline u64 cred_cap_permitted(const struct cred *cred)
{
	const struct cred___caps *c = (const void *)cred;
	u64 bits = 0;

	bpf_probe_read_kernel(&bits, sizeof(bits), &c->cap_permitted);
	return bits;
}

/*
 * Drift: the number that names a cgroup.
 * 5.5, 67c0496e87d1 "kernfs: convert kernfs_node->id from union kernfs_node_id to u64". The same 8
 * bytes, and on both sides what bpf_get_current_cgroup_id returns, but a number and a union do not
 * match in a relocation. Retired with 5.4.
 */
struct kernfs_node___before_5_5 {
	union {
		u64 id;
	} id;
} __attribute__((preserve_access_index));

struct kernfs_node___since_5_5 {
	u64 id;
} __attribute__((preserve_access_index));

static __always_inline u64 kernfs_id(const void *kn)
{
	const struct kernfs_node___since_5_5 *now = kn;
	const struct kernfs_node___before_5_5 *old = kn;

	if (!kn)
		return 0;
	if (bpf_core_field_exists(now->id))
		return BPF_CORE_READ(now, id);
	if (bpf_core_field_exists(old->id))
		return BPF_CORE_READ(old, id.id);
	return 0;
}

/*
 * The cgroup v2 id of any task, 0 if it cannot be read: never invented. It is race-free: the
 * task's set of cgroups is read once, and neither it nor what it refers to is freed before the
 * program ends (RCU). A task that moves meanwhile is told in its old or in its new cgroup.
 */
static __always_inline u64 task_cgroup_id(const struct task_struct *task)
{
	return kernfs_id(BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
}

/* Which subsystem has which index is the kernel's configuration. */
enum cgroup_subsys_id___any {
	cpu_cgrp_id___any,
	memory_cgrp_id___any,
	devices_cgrp_id___any,
	pids_cgrp_id___any,
};

#define SUBSYSTEM_INDEX(name)                                                                      \
	(bpf_core_enum_value_exists(enum cgroup_subsys_id___any, name##_cgrp_id___any) ?           \
		 (int)bpf_core_enum_value(enum cgroup_subsys_id___any, name##_cgrp_id___any) :     \
		 -1)

static __always_inline int subsystem_index(u32 subsystem)
{
	switch (subsystem) {
	case TAPIO_SUBSYSTEM_PIDS:
		return SUBSYSTEM_INDEX(pids);
	case TAPIO_SUBSYSTEM_MEMORY:
		return SUBSYSTEM_INDEX(memory);
	case TAPIO_SUBSYSTEM_CPU:
		return SUBSYSTEM_INDEX(cpu);
	case TAPIO_SUBSYSTEM_DEVICES:
		return SUBSYSTEM_INDEX(devices);
	default:
		return -1;
	}
}

/*
 * The same in the hierarchy of a subsystem (TAPIO_SUBSYSTEM_*): with cgroup v1 each has its own,
 * where ids are numbered anew.
 */
static __always_inline u64 task_legacy_cgroup_id(const struct task_struct *task, u32 subsystem)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = NULL;
	int index = subsystem_index(subsystem);

	if (index < 0)
		return 0;
	bpf_core_read(&css, sizeof(css),
		      (void *)set + bpf_core_field_offset(struct css_set, subsys) + (u64)index * sizeof(css));
	return css ? kernfs_id(BPF_CORE_READ(css, cgroup, kn)) : 0;
}

/*
 * The same of the current task. Five pointers deep, it is read for each record: plain loads, which the
 * verifier allows on a task that it knows the type of, take a fraction of five calls. A fault reads 0.
 * They cost when the program is loaded: from 6.3 (57539b1c0ac2) the verifier goes through the names of all types of the
 * kernel several times for each pointer that is loaded so, 1.5 ms for all (measured: 6.18), and again for each way that
 * leads there. Where events are rare, the calls are the better choice.
 */
static __always_inline u64 current_legacy_cgroup_id(u32 subsystem)
{
	const struct cgroup_subsys_state *css;
	const struct task_struct *task;
	const struct kernfs_node___since_5_5 *kn;
	int index;

	if (!CORE_HAS(CORE_TASK_BTF))
		return task_legacy_cgroup_id((void *)bpf_get_current_task(), subsystem);
	index = subsystem_index(subsystem);
	if (index < 0)
		return 0;
	task = (const void *)bpf_get_current_task_btf();
	css = *(struct cgroup_subsys_state *const *)((const void *)task->cgroups +
						     bpf_core_field_offset(struct css_set, subsys) +
						     (u64)index * sizeof(css));
	kn = (const void *)css->cgroup->kn;
	return kn->id;
}

/* The boot clock, or the monotonic one before 5.8: *ret_monotonic (a bool) tells which. */
#define core_now_ns(ret_monotonic)                                                                 \
	({                                                                                         \
		u64 now__;                                                                         \
		if (CORE_HAS(CORE_BOOT_CLOCK)) {                                                   \
			now__ = bpf_ktime_get_boot_ns();                                           \
			*(ret_monotonic) = false;                                                  \
		} else {                                                                           \
			now__ = bpf_ktime_get_ns();                                                \
			*(ret_monotonic) = true;                                                   \
		}                                                                                  \
		now__;                                                                             \
	})

#endif

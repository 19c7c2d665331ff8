/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads that several programs share: registers, tasks, namespaces, paths. The same source on
 * x86_64 and arm64. Only for objects with CO-RE relocations.
 *
 * A read that fails yields 0 or nothing, never a made-up value.
 */
#ifndef TAPIO_HELPERS_H
#define TAPIO_HELPERS_H

#include "bounded.h"
#include "core_compat.h"
#include <bpf/bpf_tracing.h>

/* ---- registers ---- */

/*
 * The registers with which the current task (`task` is bpf_get_current_task()) entered the kernel;
 * meaningless for kernel threads. From 5.15 the kernel tells (dd6e10fbd9fb). Before, they lie at
 * the top of the stack, whose size is 16 KiB or a page if that is larger (x86 and arm64 without
 * KASAN, which doubles it): page_size matters there alone, and 0 will do for pages up to 16 KiB.
 * Do not rule CORE_TASK_PT_REGS out from 6.9 on: x86 with FRED leaves 16 bytes free above them
 * (65c9cc9e2c14).
 */
static __always_inline struct pt_regs *task_user_regs(struct task_struct *task, u32 page_size)
{
	u64 stack_size = page_size > 16384 ? page_size : 16384;

	if (CORE_HAS(CORE_TASK_PT_REGS))
		return (void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	return BPF_CORE_READ(task, stack) + stack_size - bpf_core_type_size(struct pt_regs);
}

/*
 * Number, arguments and result of the system call that the task is in, at its entry and, the
 * result, at its exit: for task_user_regs() and for the first argument of raw tracepoints
 * sys_enter and sys_exit. Of a 64-bit program: 32-bit ones have other numbers and, on x86, other
 * registers. Elsewhere (kprobes, uprobes) PT_REGS_PARMn, PT_REGS_RC and BPF_KPROBE of
 * <bpf/bpf_tracing.h> serve both architectures.
 */
#if defined(__TARGET_ARCH_x86)
#define syscall_number(entry) ((long)BPF_CORE_READ(entry, orig_ax))
#define syscall_arg1(entry) BPF_CORE_READ(entry, di)
#define syscall_arg2(entry) BPF_CORE_READ(entry, si)
#define syscall_arg3(entry) BPF_CORE_READ(entry, dx)
#define syscall_arg4(entry) BPF_CORE_READ(entry, r10) /* cx holds the return address */
#define syscall_arg5(entry) BPF_CORE_READ(entry, r8)
#define syscall_arg6(entry) BPF_CORE_READ(entry, r9)
#define syscall_result(entry) ((long)BPF_CORE_READ(entry, ax))
#elif defined(__TARGET_ARCH_arm64)
#define syscall_number(entry) ((long)BPF_CORE_READ(entry, syscallno))
#define syscall_arg1(entry) BPF_CORE_READ(entry, orig_x0) /* regs[0] becomes the result */
#define syscall_arg2(entry) BPF_CORE_READ(entry, regs[1])
#define syscall_arg3(entry) BPF_CORE_READ(entry, regs[2])
#define syscall_arg4(entry) BPF_CORE_READ(entry, regs[3])
#define syscall_arg5(entry) BPF_CORE_READ(entry, regs[4])
#define syscall_arg6(entry) BPF_CORE_READ(entry, regs[5])
#define syscall_result(entry) ((long)BPF_CORE_READ(entry, regs[0]))
#endif

/* ---- tasks and namespaces ---- */

/* The process id in the process's own pid namespace, and that namespace's inode number. */
static __always_inline u32 task_vpid(struct task_struct *task, u32 *ret_pid_ns)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = {};
	u32 size = bpf_core_type_size(struct upid);

	/* numbers[] is a flexible array: its index cannot be a CO-RE relocation. */
	bpf_core_read(&upid.nr, sizeof(upid.nr),
		      (void *)pid + bpf_core_field_offset(struct pid, numbers) + (u64)level * size +
			      bpf_core_field_offset(struct upid, nr));
	bpf_core_read(&upid.ns, sizeof(upid.ns),
		      (void *)pid + bpf_core_field_offset(struct pid, numbers) + (u64)level * size +
			      bpf_core_field_offset(struct upid, ns));
	if (ret_pid_ns)
		*ret_pid_ns = BPF_CORE_READ(upid.ns, ns.inum);
	return upid.nr;
}

/* ---- paths ---- */

#define PATH_COMPONENTS_MAX 64
#define PATH_NAME_MAX 256 /* NAME_MAX and a NUL */

static __always_inline struct mount *mount_of(const struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/*
 * Appends the names of `path` to the record at byte `at`, as struct tapio_path describes it, as
 * seen from `root`. `limit` (a constant): the last byte of the record at which a name may start,
 * so that limit + PATH_NAME_MAX lies in the record. Returns the first byte behind them.
 *
 * A file that was never linked (memfd) is its own root and has a name of its own.
 *
 * How far it got is kept in the record, not in a register: what is read back from memory has no
 * history, so the verifier finds all iterations alike and checks one instead of every path of 64.
 */
static __always_inline u32 path_append(void *rec, u32 at, u32 limit, const struct path *path,
				       const struct path *root, struct tapio_path *ret)
{
	struct dentry *root_dentry = BPF_CORE_READ(root, dentry), *dentry = BPF_CORE_READ(path, dentry);
	struct mount *root_mount = mount_of(BPF_CORE_READ(root, mnt));
	struct vfsmount *vfsmount = BPF_CORE_READ(path, mnt);
	struct mount *mount = mount_of(vfsmount), *mount_parent;
	volatile struct tapio_path *out = ret;
	struct dentry *mount_root, *parent;
	u64 pos;
	long n;

	out->offset = at;
	if (!dentry || !vfsmount)
		return at;
	mount_root = BPF_CORE_READ(vfsmount, mnt_root);
	out->flags = TAPIO_PATH_TRUNCATED;
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry)
		out->flags = TAPIO_PATH_TRUNCATED | TAPIO_PATH_DELETED;

	for (int i = 0; i < PATH_COMPONENTS_MAX; i++) {
		if (dentry == root_dentry && mount == root_mount)
			goto whole;
		if (dentry == mount_root) {
			mount_parent = BPF_CORE_READ(mount, mnt_parent);
			if (!mount_parent || mount_parent == mount)
				goto whole;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = mount_parent;
			mount_root = BPF_CORE_READ(mount, mnt.mnt_root);
			continue;
		}
		parent = BPF_CORE_READ(dentry, d_parent);
		if (parent == dentry)
			goto whole;
		pos = BOUNDED(out->offset + out->length, 0x7fff);
		if (pos > limit || out->length > TAPIO_PATH_MAX - PATH_NAME_MAX)
			break;
		n = bpf_probe_read_kernel_str(rec + pos, PATH_NAME_MAX, BPF_CORE_READ(dentry, d_name.name));
		if (n <= 0)
			break;
		out->length += n;
		dentry = parent;
	}
	return BOUNDED(out->offset + out->length, 0x7fff);

whole:
	out->flags &= ~TAPIO_PATH_TRUNCATED;
	pos = BOUNDED(out->offset, 0x7fff);
	if (!out->length && pos <= limit) {
		/* "/", or the name of a file without a place: memfd:NAME. */
		char *name = rec + pos;

		if (dentry == root_dentry || dentry == mount_root) {
			*name = '\0';
			out->length = 1;
		} else {
			n = bpf_probe_read_kernel_str(name, PATH_NAME_MAX, BPF_CORE_READ(dentry, d_name.name));
			out->flags = TAPIO_PATH_DELETED;
			out->length = n > 0 ? n : 0;
		}
	}
	return BOUNDED(out->offset + out->length, 0x7fff);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cgroups that come and go: how user space learns who a process is, before it has run.
 *
 * Hooks: the cgroup tracepoints. cgroup_mkdir fires before the directory can be seen, so before
 * anybody can be moved in; cgroup_rmdir after the last process has left. Both give the path from
 * the root of the hierarchy, whatever cgroup namespace the caller is in. A process that is born
 * into its cgroup (CLONE_INTO_CGROUP) passes no attach tracepoint: processes are known by the ids
 * that their own records carry, not by being followed.
 * With cgroup v1 each hierarchy has a tree: reported are v2 and the one that legacy_cgroup_id is of.
 * Not seen: a rename by rename(2) within v2, which the kernel refuses.
 * Cost: one record per cgroup made or removed; the attach tracepoint costs every move a call and is
 * attached on request alone.
 * Kernels: tp_btf where BTF describes tracepoints (5.5), raw_tp for the other kernels with BTF. The
 * tracepoints are in 4.13 and later.
 */
#include "vmlinux_minimal.h"
#include "emit.h"
#include "helpers.h"

INIT_CORE_COMPAT();

static __always_inline bool followed(const struct tapio_config *cfg, u32 hierarchy)
{
	return !hierarchy || hierarchy == cfg->legacy_hierarchy;
}

/* The records of all four events begin alike. */
static __always_inline struct tapio_cgroup_created *begin(u32 type, u32 size, struct cgroup *cgroup)
{
	u32 hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	struct tapio_config *cfg = settings();
	struct tapio_cgroup_created *rec;
	struct tapio_cgroup_key caller;

	if (!cfg || !followed(cfg, hierarchy))
		return NULL;
	current_cgroups_at_rare_hook(&caller);
	rec = record_begin_needed(TAPIO_SENSOR_CGROUP, type, TAPIO_RING_CONTROL, size, &caller);
	if (!rec)
		return NULL;
	rec->id = kernfs_id(BPF_CORE_READ(cgroup, kn));
	rec->hierarchy = hierarchy;
	return rec;
}

static __always_inline int send(void *ctx, struct tapio_cgroup_created *rec, struct tapio_str *ref, u32 size,
				const char *path)
{
	long n = bpf_probe_read_kernel_str((void *)rec + size, TAPIO_PATH_MAX, path);

	if (n > 1) {
		ref->offset = size;
		ref->length = n - 1;
	} else {
		count_loss(TAPIO_SENSOR_CGROUP, TAPIO_CAUSE_UNREADABLE);
		n = 0;
	}
	return record_send(ctx, rec, TAPIO_RING_CONTROL, size + n);
}

static __always_inline int report(void *ctx, u32 type, struct cgroup *cgroup, const char *path)
{
	struct tapio_cgroup_created *rec = begin(type, sizeof(*rec), cgroup);

	return rec ? send(ctx, rec, &rec->path, sizeof(*rec), path) : 0;
}

static __always_inline int report_entered(void *ctx, struct cgroup *cgroup, const char *path,
					  struct task_struct *task)
{
	struct tapio_cgroup_entered *rec = (void *)begin(TAPIO_EV_CGROUP_ENTERED, sizeof(*rec), cgroup);

	if (!rec)
		return 0;
	rec->pid = BPF_CORE_READ(task, pid);
	return send(ctx, (void *)rec, &rec->path, sizeof(*rec), path);
}

_Static_assert(sizeof(struct tapio_cgroup_removed) == sizeof(struct tapio_cgroup_created) &&
		       sizeof(struct tapio_cgroup_renamed) == sizeof(struct tapio_cgroup_created),
	       "report() fills all three");

SEC("tp_btf/cgroup_mkdir")
int cgroup_mkdir_btf(u64 *ctx) /* cgroup, path */
{
	return report(ctx, TAPIO_EV_CGROUP_CREATED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("raw_tp/cgroup_mkdir")
int cgroup_mkdir_raw(u64 *ctx)
{
	return report(ctx, TAPIO_EV_CGROUP_CREATED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("tp_btf/cgroup_rmdir")
int cgroup_rmdir_btf(u64 *ctx) /* cgroup, path */
{
	return report(ctx, TAPIO_EV_CGROUP_REMOVED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("raw_tp/cgroup_rmdir")
int cgroup_rmdir_raw(u64 *ctx)
{
	return report(ctx, TAPIO_EV_CGROUP_REMOVED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("tp_btf/cgroup_rename")
int cgroup_rename_btf(u64 *ctx) /* cgroup, path */
{
	return report(ctx, TAPIO_EV_CGROUP_RENAMED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("raw_tp/cgroup_rename")
int cgroup_rename_raw(u64 *ctx)
{
	return report(ctx, TAPIO_EV_CGROUP_RENAMED, (void *)ctx[0], (void *)ctx[1]);
}

SEC("tp_btf/cgroup_attach_task")
int cgroup_attach_btf(u64 *ctx) /* cgroup, path, task, threadgroup */
{
	return report_entered(ctx, (void *)ctx[0], (void *)ctx[1], (void *)ctx[2]);
}

SEC("raw_tp/cgroup_attach_task")
int cgroup_attach_raw(u64 *ctx)
{
	return report_entered(ctx, (void *)ctx[0], (void *)ctx[1], (void *)ctx[2]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cgroups that come and go, on kernels without BTF, from 4.14. See cgroup.bpf.c.
 *
 * Hooks: the same tracepoints by their classic records. Where records of processes carry no cgroup
 * ids (4.14 to 4.17, and machines without cgroup v2) user space follows processes from their
 * parents on, and cgroup_attach_task tells when one changes its cgroup.
 * Before 5.5 the ids in these records are not those that helpers and file handles give: user space
 * goes by the path there.
 * Cost: as cgroup.bpf.c; the attach tracepoint is attached where processes have to be followed.
 * Kernels: 4.14.
 */
#define TAPIO_ABI
#include "vmlinux_minimal.h"
#include "abi.h"
#include "emit.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tapio_cgroup_layout);
} tapio_layout SEC(".maps");

static __always_inline struct tapio_cgroup_layout *layout(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&tapio_layout, &zero);
}

static __always_inline struct tapio_cgroup_created *begin(u32 type, u32 size, u32 hierarchy)
{
	struct tapio_cgroup_key nobody = {};
	struct tapio_config *cfg = settings();

	if (!cfg || (hierarchy && hierarchy != cfg->legacy_hierarchy))
		return NULL;
	return record_begin_needed(TAPIO_SENSOR_CGROUP, type, TAPIO_RING_CONTROL, size, &nobody);
}

/* `data_loc`: where the path lies in the tracepoint's record. */
static __always_inline int send(void *ctx, struct tapio_cgroup_created *rec, struct tapio_str *ref, u64 size,
				u32 data_loc)
{
	long n = bpf_probe_read_kernel_str((void *)rec + size, TAPIO_PATH_MAX, ctx + BOUNDED(data_loc, 0xffff));

	if (n > 1) {
		ref->offset = size;
		ref->length = n - 1;
		size += n;
	} else {
		count_loss(TAPIO_SENSOR_CGROUP, TAPIO_CAUSE_UNREADABLE);
	}
	return record_send(ctx, rec, TAPIO_RING_CONTROL, size);
}

static __always_inline int report(void *ctx, u32 type, u16 root, u16 id, u16 path)
{
	u32 hierarchy = field_u32(ctx, root);
	struct tapio_cgroup_created *rec = begin(type, sizeof(*rec), hierarchy);

	if (!rec)
		return 0;
	rec->id = id ? field_u64(ctx, id) : 0; /* 0: this kernel does not tell it */
	rec->hierarchy = hierarchy;
	return send(ctx, rec, &rec->path, sizeof(*rec), field_u32(ctx, path));
}

SEC("tp/cgroup/cgroup_mkdir")
int cgroup_mkdir_abi(void *ctx)
{
	struct tapio_cgroup_layout *l = layout();

	if (l)
		report(ctx, TAPIO_EV_CGROUP_CREATED, l->mkdir_root, l->mkdir_id, l->mkdir_path);
	return TP_PASS;
}

SEC("tp/cgroup/cgroup_rmdir")
int cgroup_rmdir_abi(void *ctx)
{
	struct tapio_cgroup_layout *l = layout();

	if (l)
		report(ctx, TAPIO_EV_CGROUP_REMOVED, l->rmdir_root, l->rmdir_id, l->rmdir_path);
	return TP_PASS;
}

SEC("tp/cgroup/cgroup_rename")
int cgroup_rename_abi(void *ctx)
{
	struct tapio_cgroup_layout *l = layout();

	if (l)
		report(ctx, TAPIO_EV_CGROUP_RENAMED, l->rename_root, l->rename_id, l->rename_path);
	return TP_PASS;
}

SEC("tp/cgroup/cgroup_attach_task")
int cgroup_attach_abi(void *ctx)
{
	struct tapio_cgroup_layout *l = layout();
	struct tapio_cgroup_entered *rec;
	u32 hierarchy;

	if (!l)
		return TP_PASS;
	hierarchy = field_u32(ctx, l->attach_root);
	rec = (void *)begin(TAPIO_EV_CGROUP_ENTERED, sizeof(*rec), hierarchy);
	if (!rec)
		return TP_PASS;
	rec->id = l->attach_id ? field_u64(ctx, l->attach_id) : 0;
	rec->hierarchy = hierarchy;
	rec->pid = field_u32(ctx, l->attach_pid);
	send(ctx, (void *)rec, &rec->path, sizeof(*rec), field_u32(ctx, l->attach_path));
	return TP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

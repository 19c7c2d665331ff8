/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup sensor: bpf/cgroup.bpf.c, and bpf/cgroup_abi.bpf.c for kernels without BTF. */
#include "collect/sensor.h"

#define CREATED EVENT_BIT(TAPIO_EV_CGROUP_CREATED)
#define REMOVED EVENT_BIT(TAPIO_EV_CGROUP_REMOVED)
#define RENAMED EVENT_BIT(TAPIO_EV_CGROUP_RENAMED)
#define ENTERED EVENT_BIT(TAPIO_EV_CGROUP_ENTERED)

#define LAYOUT(member) offsetof(struct tapio_cgroup_layout, member)

/* Before 5.5 ids are 32 bits, and of another kind: these are not told. */
static const struct layout_field layout[] = {
	{ "cgroup/cgroup_mkdir", "root", LAYOUT(mkdir_root), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_mkdir", "id", LAYOUT(mkdir_id), LAYOUT_OPTIONAL_U64 },
	{ "cgroup/cgroup_mkdir", "path", LAYOUT(mkdir_path), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_rmdir", "root", LAYOUT(rmdir_root), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_rmdir", "id", LAYOUT(rmdir_id), LAYOUT_OPTIONAL_U64 },
	{ "cgroup/cgroup_rmdir", "path", LAYOUT(rmdir_path), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_rename", "root", LAYOUT(rename_root), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_rename", "id", LAYOUT(rename_id), LAYOUT_OPTIONAL_U64 },
	{ "cgroup/cgroup_rename", "path", LAYOUT(rename_path), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_attach_task", "dst_root", LAYOUT(attach_root), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_attach_task", "dst_id", LAYOUT(attach_id), LAYOUT_OPTIONAL_U64 },
	{ "cgroup/cgroup_attach_task", "pid", LAYOUT(attach_pid), LAYOUT_REQUIRED },
	{ "cgroup/cgroup_attach_task", "dst_path", LAYOUT(attach_path), LAYOUT_REQUIRED },
	{ 0 }
};

#define LOSES_CALLER(event) event ":cgroup.id " event ":cgroup.legacy_id "

static const struct tier tiers[] = {
	{ .name = "tp_btf",
	  .object = "cgroup",
	  .needs = NEEDS(PROBE_READ),
	  .programs = { { "cgroup_mkdir_btf", CREATED },
			{ "cgroup_rmdir_btf", REMOVED },
			{ "cgroup_rename_btf", RENAMED },
			{ "cgroup_attach_btf", ENTERED } } },
	{ .name = "raw_tp",
	  .object = "cgroup",
	  .needs = NEEDS(RAW_TP) | NEEDS(PROBE_READ),
	  .programs = { { "cgroup_mkdir_raw", CREATED },
			{ "cgroup_rmdir_raw", REMOVED },
			{ "cgroup_rename_raw", RENAMED },
			{ "cgroup_attach_raw", ENTERED } } },
	{ .name = "abi",
	  .object = "cgroup_abi",
	  .abi = true,
	  .needs = NEEDS(PROBE_READ) | NEEDS(TRACEPOINT),
	  .loses = LOSES_CALLER("cgroup.created") LOSES_CALLER("cgroup.removed") LOSES_CALLER("cgroup.renamed")
		  LOSES_CALLER("cgroup.entered"),
	  .derives = "cgroup.created:cgroup.subject.id cgroup.removed:cgroup.subject.id "
		     "cgroup.renamed:cgroup.subject.id cgroup.entered:cgroup.subject.id ",
	  .derives_how = "cgroup.subject.id is left out before Linux 5.5, where tracepoints do not know it",
	  .programs = { { "cgroup_mkdir_abi", CREATED },
			{ "cgroup_rmdir_abi", REMOVED },
			{ "cgroup_rename_abi", RENAMED },
			{ "cgroup_attach_abi", ENTERED } } },
	{ 0 }
};

SENSOR(cgroup) = {
	.id = TAPIO_SENSOR_CGROUP,
	.help = "cgroups: made, removed, entered",
	.tiers = tiers,
	.layout = layout,
};

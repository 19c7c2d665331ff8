/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes on kernels without BTF, from 4.14: started programs, failed starts, ends, forks.
 *
 * Hooks: classic tracepoints, whose fields are found by offsets that the loader reads from
 * tracefs. Nothing of the kernel's own structures is read.
 * Arguments are read when execve(2) is entered, from the caller's memory: the old image. Another
 * thread can change them between there and the kernel's own copy, so they are derived; and a page
 * that was never touched cannot be read, which cuts them. They wait for sched_process_exec (or for
 * the failure) in a slot of `process_execs`, found by process id.
 * The last thread is told by group_dead where the tracepoint has it (6.16), else by counting: a
 * process that has made a thread has an entry in `process_threads`, and the exit that deletes it is
 * the last. User space enters the processes that were multi-threaded before Tapio started.
 * Not seen: what needs the kernel's structures: exit status, CPU time, working directory,
 * namespaces, capabilities. System calls of 32-bit programs pass other tracepoints.
 * Cost: as process.bpf.c, and one call at the entry of execve.
 * Kernels: 4.14. Programs named _v4_18 also use bpf_get_current_cgroup_id.
 */
#define TAPIO_ABI
#include "vmlinux_minimal.h"
#include "abi.h"
#include "emit.h"

#define ARGS_MAX 40       /* arguments read */
#define ARG_BYTES 512     /* bytes of one of them, NUL included */
#define ARGS_BYTES 4096   /* bytes of all */
#define FILENAME_BYTES 4096
#define EXECS_MAX 256     /* calls of execve(2) in progress at once */

/* One call of execve(2) in progress. */
struct pending_exec {
	u64 claims;   /* owned by whoever raised it from 0 to 1 */
	u64 filename; /* user memory */
	u32 tid;      /* who called */
	u32 pad;
	u32 args_bytes;
	u32 truncated;
	char args[ARGS_BYTES + ARG_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EXECS_MAX);
	__type(key, u32);
	__type(value, struct pending_exec);
} process_execs SEC(".maps");

/*
 * Process id → index in process_execs. Not by thread: an exec gives its thread the process's id, also
 * one that fails after that. If several threads call at once, the last one's arguments are kept.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EXECS_MAX);
	__type(key, u32);
	__type(value, u32);
} process_pending SEC(".maps");

/* Processes that have, or had, more than one thread: by process id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TAPIO_THREADED_MAX);
	__type(key, u32);
	__type(value, struct tapio_process_threads);
} process_threads SEC(".maps");

/* Process id → parent's, for processes made since Tapio started. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u32);
} process_parents SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tapio_process_layout);
} tapio_layout SEC(".maps");

static __always_inline struct tapio_process_layout *layout(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&tapio_layout, &zero);
}

/* 0: made before Tapio started and not found in /proc then, or forgotten. */
static __always_inline u32 parent_of(u32 tgid)
{
	u32 *parent = bpf_map_lookup_elem(&process_parents, &tgid);

	return parent ? *parent : 0;
}

static __always_inline u64 cgroup_id(bool v4_18)
{
	return v4_18 ? bpf_get_current_cgroup_id() : 0;
}

/* Without cgroup ids user space follows processes from their parents on. */
static __always_inline void *begin_needed(u32 type, u32 size, bool v4_18)
{
	struct tapio_cgroup_key cgroup = {};

	cgroup.id = cgroup_id(v4_18);
	return record_begin_needed(TAPIO_SENSOR_PROCESS, type, TAPIO_RING_CONTROL, size, &cgroup);
}

/* ---- execve, entered ---- */

static __always_inline struct pending_exec *pending_of(u32 tgid)
{
	u32 *index = bpf_map_lookup_elem(&process_pending, &tgid), copy;

	if (!index)
		return NULL;
	copy = *index;
	return bpf_map_lookup_elem(&process_execs, &copy);
}

static __always_inline struct pending_exec *pending_claim(u32 tgid)
{
#pragma clang loop unroll(full)
	for (u32 i = 0; i < 4; i++) {
		u32 index = (tgid + i * 17) & (EXECS_MAX - 1);
		struct pending_exec *p = bpf_map_lookup_elem(&process_execs, &index);

		if (!p)
			return NULL;
		__sync_fetch_and_add(&p->claims, 1);
		if (*(volatile u64 *)&p->claims == 1) {
			if (!bpf_map_update_elem(&process_pending, &tgid, &index, BPF_NOEXIST))
				return p;
			__sync_fetch_and_add(&p->claims, -1);
			return NULL;
		}
		__sync_fetch_and_add(&p->claims, -1);
	}
	return NULL;
}

static __always_inline void pending_drop(u32 tgid, struct pending_exec *p)
{
	if (!bpf_map_delete_elem(&process_pending, &tgid))
		__sync_fetch_and_add(&p->claims, -1);
}

static __always_inline void pending_args(struct pending_exec *p, const u64 *argv)
{
	u64 at = 0;
	u32 truncated = 1;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < ARGS_MAX; i++) {
		u64 arg = 0;
		long n;

		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]))
			break;
		if (!arg) {
			truncated = 0;
			break;
		}
		at = BOUNDED(at, ARGS_BYTES - 1);
		n = bpf_probe_read_user_str(p->args + at, ARG_BYTES, (void *)arg);
		if (n < 0)
			break;
		if (!n) { /* an empty string, on some kernels */
			p->args[at] = '\0';
			n = 1;
		}
		at += n;
		if (n == ARG_BYTES || at >= ARGS_BYTES)
			break;
	}
	p->args_bytes = at;
	p->truncated = truncated;
}

static __always_inline void exec_entered(u64 filename, u64 argv)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 tgid = pid_tgid >> 32;
	struct pending_exec *p = pending_of(tgid);

	if (!p)
		p = pending_claim(tgid);
	if (!p) {
		count_loss(TAPIO_SENSOR_PROCESS, TAPIO_CAUSE_STATE_FULL);
		return;
	}
	p->tid = pid_tgid;
	p->filename = filename;
	pending_args(p, (const u64 *)argv);
}

SEC("tp/syscalls/sys_enter_execve")
int process_execve_abi(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		exec_entered(field_u64(ctx, l->execve_filename), field_u64(ctx, l->execve_argv));
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_execveat")
int process_execveat_abi(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		exec_entered(field_u64(ctx, l->execveat_filename), field_u64(ctx, l->execveat_argv));
	return TP_PASS;
}

/* ---- exec ---- */

/* Copies the arguments behind the fixed part. Returns the first byte behind them. */
static __always_inline u64 exec_args(struct tapio_process_exec *rec, struct pending_exec *p)
{
	u64 n = BOUNDED(p->args_bytes, 0x1fff);

	rec->args_truncated = p->truncated;
	if (n > ARGS_BYTES + ARG_BYTES - 1)
		return sizeof(*rec);
	/* One byte more than there is: 4.14 refuses a size that may be 0. */
	bpf_probe_read_kernel((void *)rec + sizeof(*rec), n + 1, p->args);
	rec->args.offset = sizeof(*rec);
	rec->args.length = n;
	return sizeof(*rec) + n;
}

/*
 * Appends the path given to execve. If it is absolute it also serves as the executable's path,
 * which is right unless it is a script or a symbolic link: derived.
 */
static __always_inline u64 exec_filename(void *ctx, struct tapio_process_layout *l,
					 struct tapio_process_exec *rec, u64 at)
{
	char *name = (void *)rec + at;
	long n = bpf_probe_read_kernel_str(name, FILENAME_BYTES,
					   field_at(ctx, field_u32(ctx, l->exec_filename) & 0xffff));

	if (n <= 1)
		return at;
	rec->filename.offset = at;
	rec->filename.length = n - 1;
	if (*name == '/') {
		rec->exe.offset = at + 1;
		rec->exe.length = n - 1;
	}
	return at + n;
}

static __always_inline int report_exec(void *ctx, bool v4_18)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct tapio_process_layout *l = layout();
	u64 at = sizeof(struct tapio_process_exec), uid_gid;
	struct tapio_process_exec *rec;
	struct pending_exec *p;

	if (!l)
		return 0;
	p = pending_of(tgid);
	if (!event_wanted(TAPIO_EV_PROCESS_EXEC) ||
	    !(rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXEC, TAPIO_RING_CONTROL, sizeof(*rec),
				 cgroup_id(v4_18)))) {
		if (p)
			pending_drop(tgid, p);
		return 0;
	}
	uid_gid = bpf_get_current_uid_gid();
	rec->uid = uid_gid;
	rec->gid = uid_gid >> 32;
	rec->parent_pid = parent_of(tgid);
	rec->args_truncated = true;
	if (p && p->tid == field_u32(ctx, l->exec_old_pid))
		at = exec_args(rec, p);
	if (p)
		pending_drop(tgid, p);
	at = exec_filename(ctx, l, rec, BOUNDED(at, 0x1fff));
	return record_send(ctx, rec, TAPIO_RING_CONTROL, at);
}

SEC("tp/sched/sched_process_exec")
int process_exec_abi(void *ctx)
{
	report_exec(ctx, false);
	return TP_PASS;
}

SEC("tp/sched/sched_process_exec")
int process_exec_abi_v4_18(void *ctx)
{
	report_exec(ctx, true);
	return TP_PASS;
}

/* ---- failed exec ---- */

static __always_inline int report_exec_failed(void *ctx, u16 ret_offset, bool v4_18)
{
	long result = field_u64(ctx, ret_offset), n;
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 tgid = pid_tgid >> 32, tid = pid_tgid;
	struct pending_exec *p = pending_of(tgid);
	struct tapio_process_exec_failed *rec;
	u64 filename = 0, at = sizeof(*rec);

	/* Another thread's call stays; one that failed after it took the process's id is this one. */
	if (p && p->tid == tid)
		filename = p->filename;
	if (p && (p->tid == tid || tid == tgid))
		pending_drop(tgid, p);
	if (result >= 0 || !event_wanted(TAPIO_EV_PROCESS_EXEC_FAILED))
		return 0;
	rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXEC_FAILED, TAPIO_RING_CONTROL,
			   sizeof(*rec), cgroup_id(v4_18));
	if (!rec)
		return 0;
	rec->error.value = -result;
	rec->parent_pid = parent_of(rec->ev.tgid);
	n = bpf_probe_read_user_str((void *)rec + sizeof(*rec), FILENAME_BYTES, (void *)filename);
	if (n > 1) {
		rec->filename.offset = sizeof(*rec);
		rec->filename.length = n - 1;
		at += n;
	}
	return record_send(ctx, rec, TAPIO_RING_CONTROL, at);
}

SEC("tp/syscalls/sys_exit_execve")
int process_execve_failed_abi(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		report_exec_failed(ctx, l->execve_ret, false);
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_execve")
int process_execve_failed_abi_v4_18(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		report_exec_failed(ctx, l->execve_ret, true);
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_execveat")
int process_execveat_failed_abi(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		report_exec_failed(ctx, l->execveat_ret, false);
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_execveat")
int process_execveat_failed_abi_v4_18(void *ctx)
{
	struct tapio_process_layout *l = layout();

	if (l)
		report_exec_failed(ctx, l->execveat_ret, true);
	return TP_PASS;
}

/* ---- exit ---- */

static __always_inline bool last_thread(void *ctx, struct tapio_process_layout *l, u32 tgid, u32 tid)
{
	struct tapio_process_threads *t;

	if (l->exit_group_dead)
		return field_u32(ctx, l->exit_group_dead) & 0xff;
	t = bpf_map_lookup_elem(&process_threads, &tgid);
	if (!t)
		return tgid == tid;
	__sync_fetch_and_add(&t->change, -1);
	if (t->base + *(volatile s64 *)&t->change > 0)
		return false;
	/* Threads that leave together may all come here: one of them deletes the entry. */
	return !bpf_map_delete_elem(&process_threads, &tgid);
}

static __always_inline int report_exit(void *ctx, bool v4_18)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 tgid = pid_tgid >> 32, tid = pid_tgid;
	struct tapio_process_layout *l = layout();
	struct tapio_process_exit *rec;
	struct pending_exec *p;

	if (!l || !last_thread(ctx, l, tgid, tid))
		return 0;
	p = pending_of(tgid);
	if (p)
		pending_drop(tgid, p);
	rec = begin_needed(TAPIO_EV_PROCESS_EXIT, sizeof(*rec), v4_18);
	if (!rec)
		return 0;
	rec->parent_pid = parent_of(tgid);
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec));
}

SEC("tp/sched/sched_process_exit")
int process_exit_abi(void *ctx)
{
	report_exit(ctx, false);
	return TP_PASS;
}

SEC("tp/sched/sched_process_exit")
int process_exit_abi_v4_18(void *ctx)
{
	report_exit(ctx, true);
	return TP_PASS;
}

/* ---- fork ---- */

static __always_inline void count_thread(u32 tgid)
{
	struct tapio_process_threads *t = bpf_map_lookup_elem(&process_threads, &tgid), first = {};

	if (!t) {
		first.base = 1;
		if (bpf_map_update_elem(&process_threads, &tgid, &first, BPF_NOEXIST) &&
		    !bpf_map_lookup_elem(&process_threads, &tgid))
			count_loss(TAPIO_SENSOR_PROCESS, TAPIO_CAUSE_STATE_FULL);
		t = bpf_map_lookup_elem(&process_threads, &tgid);
	}
	if (t)
		__sync_fetch_and_add(&t->change, 1);
}

/* Parents and threads are always followed; forks are reported on request. */
static __always_inline int report_fork(void *ctx, bool v4_18)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, child;
	struct tapio_process_layout *l = layout();
	struct tapio_process_fork *rec;

	if (!l)
		return 0;
	if (field_u64(ctx, l->newtask_flags) & CLONE_THREAD) {
		count_thread(tgid);
		return 0;
	}
	child = field_u32(ctx, l->newtask_pid);
	bpf_map_update_elem(&process_parents, &child, &tgid, BPF_ANY);
	rec = begin_needed(TAPIO_EV_PROCESS_FORK, sizeof(*rec), v4_18);
	if (!rec)
		return 0;
	rec->ev.tgid = child;
	rec->ev.tid = child;
	rec->parent_pid = tgid;
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec));
}

SEC("tp/task/task_newtask")
int process_newtask_abi(void *ctx)
{
	report_fork(ctx, false);
	return TP_PASS;
}

SEC("tp/task/task_newtask")
int process_newtask_abi_v4_18(void *ctx)
{
	report_fork(ctx, true);
	return TP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

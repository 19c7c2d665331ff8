/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes: started programs, failed starts, ends, forks.
 *
 * Hooks. sched_process_exec runs in the task that has just become the new program, after the
 * point of no return: arguments are read from the new image, where nobody can swap them between
 * check and use. sched_process_exit runs in each dying thread; which one is the last is told by
 * the tracepoint's group_dead (6.16), before that by signal->live and, among threads that leave
 * together and all read 0, by claiming (tgid, start time) once. The status is the group's when
 * there was a group exit, else the leader's: what wait(2) reports. sched_process_fork runs in the
 * parent. A failed start is seen at the exit of execve(2) and execveat(2), where the path is
 * surely readable; successful calls return into another program and are skipped by their result.
 * Not seen: system calls of 32-bit programs on 64-bit kernels pass other tracepoints, so their
 * failed starts are missing (their successful ones are not). CPU time is scaled as the kernel
 * does it for getrusage(2), from counters that lag by at most one tick: derived.
 * Cost: one call per exec, fork and thread exit; the two system call tracepoints slow every
 * system call of the machine a little (tens of ns), as any program on such a tracepoint does.
 * Kernels: tp_btf where BTF describes tracepoints (5.5), raw_tp for the other kernels with BTF.
 */
#include "vmlinux_minimal.h"
#include "emit.h"
#include "helpers.h"

INIT_CORE_COMPAT();

#define SIGNAL_GROUP_EXIT 0x00000004

/* Multi-threaded processes whose end was reported: who asks first reports it. */
struct exit_claim {
	u32 tgid;
	u32 pad;
	u64 start_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct exit_claim);
	__type(value, u8);
} process_ended SEC(".maps");

static __always_inline u32 page_size(void)
{
	struct tapio_config *cfg = settings();

	return cfg ? cfg->page_size : 4096;
}

/* ---- exec ---- */

/* Where the tail's parts may begin, at the latest; each part's maximum fits behind it. */
#define EXEC_TAIL sizeof(struct tapio_process_exec)
#define EXEC_PATH_LIMIT (EXEC_TAIL + TAPIO_PATH_MAX - PATH_NAME_MAX)
#define EXEC_CWD_LIMIT (EXEC_PATH_LIMIT + TAPIO_PATH_MAX)
#define EXEC_FILENAME_LIMIT (EXEC_CWD_LIMIT + PATH_NAME_MAX)
#define EXEC_ARGS_LIMIT (EXEC_FILENAME_LIMIT + TAPIO_PATH_MAX)
_Static_assert(EXEC_ARGS_LIMIT + TAPIO_ARGS_MAX <= TAPIO_RECORD_MAX, "an exec record fits a slot");

static __always_inline void exec_credentials(struct tapio_process_exec *rec, struct task_struct *task,
					     struct task_struct *parent)
{
	const struct cred *cred = BPF_CORE_READ(task, cred), *old = BPF_CORE_READ(parent, cred);
	u64 effective = cred_cap_effective(cred), permitted = cred_cap_permitted(cred);

	rec->uid = BPF_CORE_READ(cred, uid.val);
	rec->gid = BPF_CORE_READ(cred, gid.val);
	rec->euid = BPF_CORE_READ(cred, euid.val);
	rec->egid = BPF_CORE_READ(cred, egid.val);
	rec->user_ns = BPF_CORE_READ(cred, user_ns, ns.inum);
	if (effective == cred_cap_effective(old) && permitted == cred_cap_permitted(old))
		effective = permitted = ~0ULL;
	rec->cap_effective.bits = effective;
	rec->cap_permitted.bits = permitted;
}

static __always_inline void exec_namespaces(struct tapio_process_exec *rec, struct task_struct *task)
{
	struct nsproxy *ns = BPF_CORE_READ(task, nsproxy);

	rec->vpid = task_vpid(task, &rec->pid_ns);
	rec->mnt_ns = BPF_CORE_READ(ns, mnt_ns, ns.inum);
	rec->net_ns = BPF_CORE_READ(ns, net_ns, ns.inum);
	rec->cgroup_ns = BPF_CORE_READ(ns, cgroup_ns, ns.inum);
}

static __always_inline u32 exec_paths(struct tapio_process_exec *rec, struct task_struct *task,
				      struct mm_struct *mm, struct linux_binprm *bprm)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct file *exe = BPF_CORE_READ(mm, exe_file);
	u32 at = EXEC_TAIL;
	long n;

	if (exe)
		at = path_append(rec, at, EXEC_PATH_LIMIT, &exe->f_path, &fs->root, &rec->exe);
	at = path_append(rec, at, EXEC_CWD_LIMIT, &fs->pwd, &fs->root, &rec->cwd);
	if (at > EXEC_FILENAME_LIMIT)
		return at;
	n = bpf_probe_read_kernel_str((void *)rec + at, TAPIO_PATH_MAX, BPF_CORE_READ(bprm, filename));
	if (n > 1) {
		rec->filename.offset = at;
		rec->filename.length = n - 1;
		at += n;
	}
	return at;
}

static __always_inline u32 exec_args(struct tapio_process_exec *rec, struct mm_struct *mm, u32 at)
{
	u64 start = BPF_CORE_READ(mm, arg_start), size = BPF_CORE_READ(mm, arg_end) - start;
	u64 want = size > TAPIO_ARGS_MAX ? TAPIO_ARGS_MAX : size;

	rec->args_size = size;
	rec->args_truncated = want < size;
	at = BOUNDED(at, 0x7fff);
	want = BOUNDED(want, 0x7fff);
	if (!want || want > TAPIO_ARGS_MAX || at > EXEC_ARGS_LIMIT)
		return at;
	if (bpf_probe_read_user((void *)rec + at, want, (void *)start)) {
		count_loss(TAPIO_SENSOR_PROCESS, TAPIO_CAUSE_UNREADABLE);
		rec->args_truncated = true;
		return at;
	}
	rec->args.offset = at;
	rec->args.length = want;
	return at + want;
}

static __always_inline int report_exec(void *ctx, struct task_struct *task, struct linux_binprm *bprm)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct tapio_process_exec *rec;
	struct tapio_cgroup_key cgroup;
	u32 at;

	current_cgroups(&cgroup);
	if (!event_wanted_of(TAPIO_EV_PROCESS_EXEC, &cgroup))
		return 0;
	rec = record_begin_of(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXEC, TAPIO_RING_CONTROL, sizeof(*rec), &cgroup);
	if (!rec)
		return 0;
	rec->start.ns = task_start_boot_ns(task);
	rec->parent_start.ns = task_start_boot_ns(parent);
	rec->parent_pid = BPF_CORE_READ(parent, tgid);
	rec->args_count = BPF_CORE_READ(bprm, argc);
	exec_credentials(rec, task, parent);
	exec_namespaces(rec, task);
	at = exec_paths(rec, task, mm, bprm);
	at = exec_args(rec, mm, at);
	return record_send(ctx, rec, TAPIO_RING_CONTROL, at);
}

SEC("tp_btf/sched_process_exec")
int process_exec_btf(u64 *ctx) /* task, old_pid, bprm */
{
	return report_exec(ctx, (void *)ctx[0], (void *)ctx[2]);
}

SEC("raw_tp/sched_process_exec")
int process_exec_raw(u64 *ctx)
{
	return report_exec(ctx, (void *)ctx[0], (void *)ctx[2]);
}

/* ---- failed exec ---- */

static __always_inline int report_exec_failed(void *ctx, bool at_fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pt_regs *regs = task_user_regs(task, page_size());
	long result = syscall_result(regs), n;
	struct tapio_process_exec_failed *rec;
	struct tapio_cgroup_key cgroup;
	u32 at = sizeof(*rec);

	if (result >= 0)
		return 0;
	current_cgroups_at_rare_hook(&cgroup);
	if (!event_wanted_of(TAPIO_EV_PROCESS_EXEC_FAILED, &cgroup))
		return 0;
	rec = record_begin_of(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXEC_FAILED, TAPIO_RING_CONTROL, sizeof(*rec),
			      &cgroup);
	if (!rec)
		return 0;
	rec->error.value = -result;
	rec->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	n = bpf_probe_read_user_str((void *)rec + at, TAPIO_PATH_MAX,
				    (void *)(at_fd ? syscall_arg2(regs) : syscall_arg1(regs)));
	if (n > 1) {
		rec->filename.offset = at;
		rec->filename.length = n - 1;
		at += n;
	}
	return record_send(ctx, rec, TAPIO_RING_CONTROL, at);
}

SEC("tp/syscalls/sys_exit_execve")
int process_execve_failed(void *ctx)
{
	report_exec_failed(ctx, false);
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_execveat")
int process_execveat_failed(void *ctx)
{
	report_exec_failed(ctx, true);
	return TP_PASS;
}

/* ---- exit ---- */

static __always_inline bool last_thread(struct task_struct *task, bool group_dead)
{
	struct signal_struct *sig = BPF_CORE_READ(task, signal);
	struct exit_claim claim = {};
	u8 one = 1;
	int err; /* not long: before 6.4 the upper half of what comes back is undefined (d7ba4cc900bf) */

	if (CORE_HAS(CORE_GROUP_DEAD))
		return group_dead;
	if (BPF_CORE_READ(sig, live.counter) > 0)
		return false;
	claim.tgid = BPF_CORE_READ(task, tgid);
	claim.start_ns = task_start_boot_ns(BPF_CORE_READ(task, group_leader));
	/* Alone, or left alone by one that has read 0 too and was faster. */
	if (BPF_CORE_READ(sig, nr_threads) <= 1)
		return !bpf_map_lookup_elem(&process_ended, &claim);
	err = bpf_map_update_elem(&process_ended, &claim, &one, BPF_NOEXIST);
	if (err && err != -EEXIST)
		count_loss(TAPIO_SENSOR_PROCESS, TAPIO_CAUSE_STATE_FULL);
	return !err;
}

/*
 * Splits the run time by the ratio of the ticks, as cputime_adjust() does for getrusage(2). The
 * shifts keep the products within 64 bits.
 */
static __always_inline void split_cpu_time(u64 runtime, u64 user, u64 system, u64 *ret_user, u64 *ret_system)
{
	u64 total = user + system, ratio;

	if (!runtime) {
		/* Shorter than a tick, and never switched out: the scheduler has not counted it yet. */
		*ret_user = *ret_system = ~0ULL;
		return;
	}
	if (!system) {
		*ret_user = runtime;
		*ret_system = 0;
		return;
	}
	if (!user) {
		*ret_user = 0;
		*ret_system = runtime;
		return;
	}
	if (total >> 42) {
		total >>= 20;
		system >>= 20;
	}
	ratio = (system << 20) / total;
	*ret_system = (runtime >> 20) * ratio + (((runtime & 0xfffff) * ratio) >> 20);
	*ret_user = runtime - *ret_system;
}

struct cpu_time {
	u64 runtime;
	u64 user;
	u64 system;
};

static __always_inline void add_task_time(struct cpu_time *sum, struct task_struct *task)
{
	sum->runtime += BPF_CORE_READ(task, se.sum_exec_runtime);
	sum->user += BPF_CORE_READ(task, utime);
	sum->system += BPF_CORE_READ(task, stime);
}

/*
 * The group's sums hold the threads that are gone. Those that are not are on a list: the one that
 * runs this, the leader even if it left long ago, and threads that left a moment before and are
 * still being taken down: more of these than fit here are left out.
 */
#define EXIT_THREADS_MAX 64

static __always_inline void exit_cpu_time(struct tapio_process_exit *rec, struct task_struct *task,
					  struct signal_struct *sig)
{
	struct cpu_time sum = { .runtime = BPF_CORE_READ(sig, sum_sched_runtime),
				.user = BPF_CORE_READ(sig, utime),
				.system = BPF_CORE_READ(sig, stime) };
	struct list_head *head = (void *)sig + bpf_core_field_offset(struct signal_struct, thread_head);
	struct list_head *node = BPF_CORE_READ(sig, thread_head.next);

	if (BPF_CORE_READ(sig, nr_threads) <= 1) {
		add_task_time(&sum, task);
		node = head;
	}
	for (int i = 0; i < EXIT_THREADS_MAX && node && node != head; i++) {
		add_task_time(&sum, (void *)node - bpf_core_field_offset(struct task_struct, thread_node));
		node = BPF_CORE_READ(node, next);
	}
	split_cpu_time(sum.runtime, sum.user, sum.system, &rec->user_ns, &rec->system_ns);
}

static __always_inline int report_exit(void *ctx, struct task_struct *task, bool group_dead)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct signal_struct *sig = BPF_CORE_READ(task, signal);
	struct tapio_process_exit *rec;
	struct tapio_cgroup_key cgroup;
	int status;

	if (!last_thread(task, group_dead))
		return 0;
	current_cgroups(&cgroup);
	if (!event_wanted_of(TAPIO_EV_PROCESS_EXIT, &cgroup))
		return 0;
	rec = record_begin_of(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXIT, TAPIO_RING_CONTROL, sizeof(*rec), &cgroup);
	if (!rec)
		return 0;
	if (BPF_CORE_READ(sig, flags) & SIGNAL_GROUP_EXIT)
		status = BPF_CORE_READ(sig, group_exit_code);
	else
		status = BPF_CORE_READ(leader, exit_code);
	rec->signal.value = status & 0x7f;
	rec->code = rec->signal.value ? -1 : (status >> 8) & 0xff;
	rec->core_dumped = status & 0x80;
	rec->start.ns = task_start_boot_ns(leader);
	if (CORE_HAS(CORE_BOOT_CLOCK))
		rec->ran_ns = rec->ev.ts_ns - rec->start.ns;
	else
		rec->ran_ns = rec->ev.ts_ns - BPF_CORE_READ(leader, start_time);
	rec->parent_pid = BPF_CORE_READ(leader, real_parent, tgid);
	rec->vpid = task_vpid(task, NULL);
	rec->peak_rss_bytes = BPF_CORE_READ(sig, maxrss) * page_size();
	exit_cpu_time(rec, task, sig);
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec));
}

SEC("tp_btf/sched_process_exit")
int process_exit_btf(u64 *ctx) /* task, group_dead from 6.16 */
{
	bool group_dead = false;

	if (CORE_HAS(CORE_GROUP_DEAD))
		group_dead = ctx[1];
	return report_exit(ctx, (void *)ctx[0], group_dead);
}

SEC("raw_tp/sched_process_exit")
int process_exit_raw(u64 *ctx) /* task, group_dead from 6.16 */
{
	bool group_dead = false;

	if (CORE_HAS(CORE_GROUP_DEAD))
		group_dead = ctx[1];
	return report_exit(ctx, (void *)ctx[0], group_dead);
}

/* ---- fork ---- */

static __always_inline int report_fork(void *ctx, struct task_struct *child)
{
	u32 tgid = BPF_CORE_READ(child, tgid), pid = BPF_CORE_READ(child, pid);
	struct tapio_config *cfg = settings();
	struct tapio_cgroup_key cgroup = {};
	struct tapio_process_fork *rec;

	if (!cfg || tgid != pid)
		return 0;
	cgroup.id = task_cgroup_id(child); /* not the parent's with CLONE_INTO_CGROUP */
	if (legacy_subsystem)
		cgroup.legacy_id = task_legacy_cgroup_id(child, legacy_subsystem);
	if (!event_wanted_of(TAPIO_EV_PROCESS_FORK, &cgroup))
		return 0;
	rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_FORK, TAPIO_RING_CONTROL,
			   sizeof(*rec));
	if (!rec)
		return 0;
	rec->ev.tgid = tgid;
	rec->ev.tid = pid;
	rec->ev.cgroup_id = cgroup.id;
	rec->ev.legacy_cgroup_id = cgroup.legacy_id;
	rec->start.ns = task_start_boot_ns(child);
	rec->parent_pid = BPF_CORE_READ(child, real_parent, tgid);
	rec->vpid = task_vpid(child, NULL);
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec));
}

SEC("tp_btf/sched_process_fork")
int process_fork_btf(u64 *ctx) /* parent, child */
{
	return report_fork(ctx, (void *)ctx[1]);
}

SEC("raw_tp/sched_process_fork")
int process_fork_raw(u64 *ctx)
{
	return report_fork(ctx, (void *)ctx[1]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

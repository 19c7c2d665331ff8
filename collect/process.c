/* SPDX-License-Identifier: Apache-2.0 */
/* The process sensor: bpf/process.bpf.c, and bpf/process_abi.bpf.c for kernels without BTF. */
#include "collect/sensor.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host.h"

#define EXEC EVENT_BIT(TAPIO_EV_PROCESS_EXEC)
#define EXEC_FAILED EVENT_BIT(TAPIO_EV_PROCESS_EXEC_FAILED)
#define EXIT EVENT_BIT(TAPIO_EV_PROCESS_EXIT)
#define FORK EVENT_BIT(TAPIO_EV_PROCESS_FORK)

#define LAYOUT(member) offsetof(struct tapio_process_layout, member)

#define CPU_TIME "process.exit:process.cpu.user_time process.exit:process.cpu.system_time "
#define CPU_TIME_HOW "the run time is exact to one scheduler tick; its split into user and system is sampled"

#define EXEC_LOSES(f) "process.exec:process." f " "
#define EXIT_LOSES(f) "process.exit:process." f " "

/* Which cgroup v1 a process is in: user space follows it instead. */
#define LEGACY_ID(event) event ":cgroup.legacy_id "

#define ABI_LOSES                                                                                  \
	LEGACY_ID("process.exec") LEGACY_ID("process.exec_failed") LEGACY_ID("process.exit")       \
	LEGACY_ID("process.fork")                                                                  \
	EXEC_LOSES("args_count")                                                                   \
	EXEC_LOSES("args.size")                                                                    \
	EXEC_LOSES("working_directory")                                                            \
	EXEC_LOSES("creation.time")                                                                \
	EXEC_LOSES("parent.creation.time")                                                         \
	EXEC_LOSES("vpid")                                                                         \
	EXEC_LOSES("user.id")                                                                      \
	EXEC_LOSES("group.id")                                                                     \
	EXEC_LOSES("linux.capabilities.effective")                                                 \
	EXEC_LOSES("linux.capabilities.permitted")                                                 \
	EXEC_LOSES("linux.namespace.pid")                                                          \
	EXEC_LOSES("linux.namespace.mnt")                                                          \
	EXEC_LOSES("linux.namespace.net")                                                          \
	EXEC_LOSES("linux.namespace.user")                                                         \
	EXEC_LOSES("linux.namespace.cgroup")                                                       \
	EXIT_LOSES("exit.code")                                                                    \
	EXIT_LOSES("exit.signal")                                                                  \
	EXIT_LOSES("exit.core_dumped")                                                             \
	EXIT_LOSES("run_time")                                                                     \
	EXIT_LOSES("cpu.user_time")                                                                \
	EXIT_LOSES("cpu.system_time")                                                              \
	EXIT_LOSES("memory.peak_rss")                                                              \
	EXIT_LOSES("creation.time")                                                                \
	EXIT_LOSES("vpid")                                                                         \
	"process.fork:process.creation.time process.fork:process.vpid "

#define ABI_DERIVES                                                                                \
	"process.exec:process.command_args process.exec:process.args.truncated "                   \
	"process.exec:process.executable.path process.exec:process.parent_pid "                    \
	"process.exec_failed:process.parent_pid process.exit:process.parent_pid "                     \
	"process.fork:process.parent_pid "

#define ABI_HOW                                                                                    \
	"arguments are the caller's at the entry of execve, 40 of 511 bytes, 4,607 in all, at most, and "  \
	"cut where the caller has not touched their memory yet (literals right after fork); "          \
	"the executable is the path given to execve if that is absolute (of a script the script, of " \
	"a symbolic link the link); the parent is who created the process since Tapio started, or " \
	"was its parent then"

static const struct layout_field layout[] = {
	{ "sched/sched_process_exec", "filename", LAYOUT(exec_filename), LAYOUT_REQUIRED },
	{ "sched/sched_process_exec", "old_pid", LAYOUT(exec_old_pid), LAYOUT_REQUIRED },
	{ "sched/sched_process_exit", "group_dead", LAYOUT(exit_group_dead), LAYOUT_OPTIONAL },
	{ "task/task_newtask", "pid", LAYOUT(newtask_pid), LAYOUT_REQUIRED },
	{ "task/task_newtask", "clone_flags", LAYOUT(newtask_flags), LAYOUT_REQUIRED },
	{ "syscalls/sys_enter_execve", "filename", LAYOUT(execve_filename), LAYOUT_REQUIRED },
	{ "syscalls/sys_enter_execve", "argv", LAYOUT(execve_argv), LAYOUT_REQUIRED },
	{ "syscalls/sys_enter_execveat", "filename", LAYOUT(execveat_filename), LAYOUT_REQUIRED },
	{ "syscalls/sys_enter_execveat", "argv", LAYOUT(execveat_argv), LAYOUT_REQUIRED },
	{ "syscalls/sys_exit_execve", "ret", LAYOUT(execve_ret), LAYOUT_REQUIRED },
	{ "syscalls/sys_exit_execveat", "ret", LAYOUT(execveat_ret), LAYOUT_REQUIRED },
	{ 0 }
};

/* Programs are attached in this order: whoever takes a slot comes after those who give it back. */
static const struct tier tiers[] = {
	{ .name = "tp_btf",
	  .object = "process",
	  .needs = NEEDS(PROBE_READ),
	  .derives = CPU_TIME,
	  .derives_how = CPU_TIME_HOW,
	  .programs = { { "process_exec_btf", EXEC },
			{ "process_execve_failed", EXEC_FAILED },
			{ "process_execveat_failed", EXEC_FAILED },
			{ "process_exit_btf", EXIT },
			{ "process_fork_btf", FORK } } },
	{ .name = "raw_tp",
	  .object = "process",
	  .needs = NEEDS(RAW_TP) | NEEDS(PROBE_READ),
	  .derives = CPU_TIME,
	  .derives_how = CPU_TIME_HOW,
	  .programs = { { "process_exec_raw", EXEC },
			{ "process_execve_failed", EXEC_FAILED },
			{ "process_execveat_failed", EXEC_FAILED },
			{ "process_exit_raw", EXIT },
			{ "process_fork_raw", FORK } } },
	{ .name = "raw_tp_no_syscalls",
	  .object = "process",
	  .needs = NEEDS(RAW_TP) | NEEDS(PROBE_READ),
	  .loses = "process.exec_failed",
	  .derives = CPU_TIME,
	  .derives_how = CPU_TIME_HOW,
	  .programs = { { "process_exec_raw", EXEC },
			{ "process_exit_raw", EXIT },
			{ "process_fork_raw", FORK } } },
	{ .name = "abi",
	  .object = "process_abi",
	  .abi = true,
	  .needs = NEEDS(PROBE_READ) | NEEDS(TRACEPOINT) | NEEDS(CGROUP_ID),
	  .loses = ABI_LOSES,
	  .derives = ABI_DERIVES "process.fork:cgroup.id ",
	  .derives_how = ABI_HOW "; the cgroup of a fork is the parent's",
	  .programs = { { "process_newtask_abi_v4_18", EXEC | EXEC_FAILED | EXIT | FORK },
			{ "process_exit_abi_v4_18", EXEC | EXEC_FAILED | EXIT | FORK },
			{ "process_exec_abi_v4_18", EXEC | EXEC_FAILED },
			{ "process_execve_failed_abi_v4_18", EXEC | EXEC_FAILED },
			{ "process_execveat_failed_abi_v4_18", EXEC | EXEC_FAILED },
			{ "process_execve_abi", EXEC | EXEC_FAILED },
			{ "process_execveat_abi", EXEC | EXEC_FAILED } } },
	{ .name = "abi_v4_14",
	  .object = "process_abi",
	  .abi = true,
	  .needs = NEEDS(PROBE_READ) | NEEDS(TRACEPOINT),
	  .loses = ABI_LOSES "process.exec:cgroup.id process.exec_failed:cgroup.id process.exit:cgroup.id "
			     "process.fork:cgroup.id ",
	  .derives = ABI_DERIVES,
	  .derives_how = ABI_HOW,
	  .programs = { { "process_newtask_abi", EXEC | EXEC_FAILED | EXIT | FORK },
			{ "process_exit_abi", EXEC | EXEC_FAILED | EXIT | FORK },
			{ "process_exec_abi", EXEC | EXEC_FAILED },
			{ "process_execve_failed_abi", EXEC | EXEC_FAILED },
			{ "process_execveat_failed_abi", EXEC | EXEC_FAILED },
			{ "process_execve_abi", EXEC | EXEC_FAILED },
			{ "process_execveat_abi", EXEC | EXEC_FAILED } } },
	{ 0 }
};

/* ---- abi: what was there before us ---- */

/* The first thread of a process may have left long ago and still be listed: it does not count. */
static bool thread_is_alive(const char *pid, const char *tid)
{
	char path[320], line[512], *end = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/stat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	/* "TID (COMM) STATE": the comm may hold anything, its bracket is the last one */
	if (fgets(line, sizeof(line), f))
		end = strrchr(line, ')');
	fclose(f);
	return end && end[1] == ' ' && !strchr("ZX", end[2]);
}

static unsigned count_threads(const char *pid)
{
	unsigned n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));)
		n += isdigit((unsigned char)e->d_name[0]) && thread_is_alive(pid, e->d_name);
	closedir(dir);
	return n;
}

/*
 * Enters a multi-threaded process. Threads come and go meanwhile and change the count on their
 * own, so it is taken again until it agrees with /proc.
 */
static void seed_threads(int map, const char *pid)
{
	__u32 tgid = (__u32)atoi(pid);

	for (int tries = 0; tries < 10; tries++) {
		struct tapio_process_threads before = {}, after = {};
		bool known = !bpf_map_lookup_elem(map, &tgid, &before);
		unsigned n = count_threads(pid);

		if (!n) /* it has died meanwhile: its number may be another's soon */
			bpf_map_delete_elem(map, &tgid);
		if (!n || (n < 2 && !known))
			return;
		before.base = (__s64)n - before.change;
		if (bpf_map_update_elem(map, &tgid, &before, known ? BPF_EXIST : BPF_NOEXIST))
			continue;
		if (!bpf_map_lookup_elem(map, &tgid, &after) &&
		    after.base + after.change == (__s64)count_threads(pid))
			return;
	}
}

static void seed_parent(int map, const char *pid)
{
	__u32 tgid = (__u32)atoi(pid), parent;
	char path[64], line[512], *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	/* "PID (COMM) STATE PPID": the comm may hold anything, its bracket is the last one */
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (end && sscanf(end, ") %*c %u", &parent) == 1)
		bpf_map_update_elem(map, &tgid, &parent, BPF_NOEXIST);
	fclose(f);
}

/* The programs run already: whatever is not found here is seen by them. */
static int started(const struct sensor_run *run)
{
	struct bpf_map *threads = bpf_object__find_map_by_name(run->obj, "process_threads");
	struct bpf_map *parents = bpf_object__find_map_by_name(run->obj, "process_parents");
	DIR *proc;

	/* The numbers in another pid namespace's /proc are not those that the programs see. */
	if (!run->tier->abi || !host_pid_namespace())
		return 0;
	proc = opendir("/proc");
	if (!proc || !threads || !parents) {
		if (proc)
			closedir(proc);
		return -ENOENT;
	}
	for (struct dirent *e; (e = readdir(proc));) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		seed_threads(bpf_map__fd(threads), e->d_name);
		seed_parent(bpf_map__fd(parents), e->d_name);
	}
	closedir(proc);
	return 0;
}

SENSOR(process) = {
	.id = TAPIO_SENSOR_PROCESS,
	.help = "processes: started programs, failed starts, ends, forks",
	.tiers = tiers,
	.layout = layout,
	.started = started,
};

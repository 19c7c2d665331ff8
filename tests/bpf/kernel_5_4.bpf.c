/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Not a program: the types of Linux 5.4 as far as our programs read them, so that relocations can
 * be tried against a kernel that is not running. Only names and kinds are true, not the layout.
 * What 5.4 lacks is not here: the helpers 125 and above, sched_process_exit's group_dead. A program
 * that reads something more fails the test until it is added here, or until it asks first.
 */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct { u32 val; } kuid_t;
typedef struct { u32 val; } kgid_t;
typedef struct { int counter; } atomic_t;
typedef struct kernel_cap_struct { u32 cap[2]; } kernel_cap_t;

enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_tcp_gen_syncookie = 110 };

union kernfs_node_id {
	struct { u32 ino, generation; };
	u64 id;
};

struct kernfs_node { union kernfs_node_id id; };
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };
struct ns_common { unsigned int inum; };
struct user_namespace { struct ns_common ns; };
struct pid_namespace { struct ns_common ns; };
struct mnt_namespace { struct ns_common ns; };
struct cgroup_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
};

struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };
struct cred {
	kuid_t uid, euid;
	kgid_t gid, egid;
	kernel_cap_t cap_permitted, cap_effective;
	struct user_namespace *user_ns;
};

struct list_head { struct list_head *next, *prev; };
struct hlist_bl_node { struct hlist_bl_node *next, **pprev; };
struct qstr { const unsigned char *name; };
struct dentry { struct hlist_bl_node d_hash; struct dentry *d_parent; struct qstr d_name; };
struct vfsmount { struct dentry *mnt_root; };
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { struct path f_path; };
struct fs_struct { struct path root, pwd; };
struct mm_struct { unsigned long arg_start, arg_end; struct file *exe_file; };
struct linux_binprm { int argc; const char *filename; };

#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long r10, r9, r8, ax, dx, si, di, orig_ax, ip, sp; };
#else
struct user_pt_regs { u64 regs[31], sp, pc, pstate; };
struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct { u64 regs[31], sp, pc, pstate; };
	};
	u64 orig_x0;
	int syscallno;
};
#endif

struct sched_entity { u64 sum_exec_runtime; };

struct signal_struct {
	atomic_t live;
	int nr_threads, group_exit_code;
	struct list_head thread_head;
	unsigned int flags;
	u64 utime, stime;
	unsigned long long sum_sched_runtime;
	unsigned long maxrss;
};

struct task_struct {
	void *stack;
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code, pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	u64 utime, stime, start_time, real_start_time;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
};

typedef void (*btf_trace_sched_process_exit)(void *, struct task_struct *);

/* One of each: of what only a pointer refers to, the compiler would write down no more than the name. */
enum bpf_func_id helpers;
struct kernfs_node kernfs_node;
struct cgroup cgroup;
struct css_set css_set;
struct user_namespace user_ns;
struct pid_namespace pid_ns;
struct mnt_namespace mnt_ns;
struct cgroup_namespace cgroup_ns;
struct net net_ns;
struct nsproxy nsproxy;
struct dentry dentry;
struct mount mount;
struct file file;
struct fs_struct fs;
struct mm_struct mm;
struct linux_binprm binprm;
struct signal_struct sig;
struct pid pid;
struct cred cred;
struct task_struct task;
struct pt_regs regs;
btf_trace_sched_process_exit exit_hook;

/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/termbits.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/privilege.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* names of anonymous memory; later glibc's malloc sets them */
#endif

#define CALL(name) { .number = SCMP_SYS(name) }
#define CALL_IF(name, index, mask, value)                                                          \
	{ .number = SCMP_SYS(name), .nargs = 1, .args = { { (index), (mask), (value) } } }
#define ALL_BITS 0xffffffffu
#define CALL_IS(name, index, value) CALL_IF(name, index, ALL_BITS, value)

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* A stream over IP, by protocol 0 or TCP (6): no datagram leaves, no rare protocol's module is loaded. */
#define CALL_TCP(family)                                                                           \
	{ .number = SCMP_SYS(socket), .nargs = 3,                                                  \
	  .args = { { 0, ALL_BITS, (family) }, { 1, 0xf, SOCK_STREAM }, { 2, ~(uint32_t)IPPROTO_TCP_, 0 } } }
#define IPPROTO_TCP_ 6

/*
 * Calls that exist on one architecture only are skipped on the other. connect, setns, mount, ptrace,
 * io_uring and the like are missing on purpose.
 */
static const struct privilege_call agent_calls[] = {
	/* memory: nothing becomes executable */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(membarrier),
	CALL_IF(mmap, 2, PROT_EXEC, 0), CALL_IF(mprotect, 2, PROT_EXEC, 0),
	/* files */
	CALL(open), CALL(openat), CALL(close), CALL(close_range), CALL(read), CALL(readv), CALL(pread64),
	CALL(preadv), CALL(write), CALL(writev), CALL(pwrite64), CALL(pwritev), CALL(lseek), CALL(stat),
	CALL(lstat), CALL(fstat), CALL(newfstatat), CALL(statx), CALL(statfs), CALL(fstatfs), CALL(access),
	CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(getdents64), CALL(getcwd),
	CALL(rename), CALL(renameat), CALL(renameat2), CALL(link), CALL(linkat), CALL(unlink), CALL(unlinkat),
	CALL(mkdir), CALL(mkdirat), CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(umask), CALL(fsync),
	CALL(fdatasync), CALL(truncate), CALL(ftruncate), CALL(fallocate), CALL(fadvise64), CALL(flock),
	CALL(fcntl), CALL(dup), CALL(dup2), CALL(dup3), CALL(pipe), CALL(pipe2), CALL(name_to_handle_at),
	CALL(open_by_handle_at), CALL(inotify_init1), CALL(inotify_add_watch), CALL(inotify_rm_watch),
	CALL_IS(ioctl, 1, FIONBIO), CALL_IS(ioctl, 1, FIONREAD), CALL_IS(ioctl, 1, FIOCLEX),
	CALL_IS(ioctl, 1, TCGETS), CALL_IS(ioctl, 1, TIOCGWINSZ),
	/* waiting */
	CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6), CALL(epoll_create1), CALL(epoll_ctl),
	CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2), CALL(eventfd2), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(timerfd_gettime), CALL(signalfd4), CALL(nanosleep), CALL(clock_nanosleep),
	CALL(pause), CALL(alarm), CALL(setitimer), CALL(getitimer),
	/* sockets: to be reached, not to reach out; MSG_FASTOPEN would connect */
	CALL_IS(socket, 0, AF_UNIX), CALL_TCP(AF_INET), CALL_TCP(AF_INET6), CALL_IS(socketpair, 0, AF_UNIX),
	CALL(bind), CALL(listen), CALL(accept), CALL(accept4), CALL(shutdown), CALL(getsockname),
	CALL(getpeername), CALL(getsockopt), CALL(setsockopt), CALL(recvfrom), CALL(recvmsg),
	CALL_IF(sendto, 3, MSG_FASTOPEN, 0), CALL_IF(sendmsg, 2, MSG_FASTOPEN, 0),
	/* BPF: reading, and loading and attaching anew */
	CALL_IS(bpf, 0, BPF_MAP_CREATE), CALL_IS(bpf, 0, BPF_MAP_LOOKUP_ELEM), CALL_IS(bpf, 0, BPF_MAP_UPDATE_ELEM),
	CALL_IS(bpf, 0, BPF_MAP_DELETE_ELEM), CALL_IS(bpf, 0, BPF_MAP_GET_NEXT_KEY), CALL_IS(bpf, 0, BPF_PROG_LOAD),
	CALL_IS(bpf, 0, BPF_PROG_ATTACH), CALL_IS(bpf, 0, BPF_PROG_DETACH), CALL_IS(bpf, 0, BPF_PROG_TEST_RUN),
	CALL_IS(bpf, 0, BPF_OBJ_GET_INFO_BY_FD), CALL_IS(bpf, 0, BPF_RAW_TRACEPOINT_OPEN),
	CALL_IS(bpf, 0, BPF_BTF_LOAD), CALL_IS(bpf, 0, BPF_MAP_LOOKUP_AND_DELETE_ELEM),
	CALL_IS(bpf, 0, BPF_MAP_FREEZE), CALL_IS(bpf, 0, BPF_MAP_LOOKUP_BATCH),
	CALL_IS(bpf, 0, BPF_MAP_LOOKUP_AND_DELETE_BATCH), CALL_IS(bpf, 0, BPF_MAP_UPDATE_BATCH),
	CALL_IS(bpf, 0, BPF_MAP_DELETE_BATCH), CALL_IS(bpf, 0, BPF_LINK_CREATE), CALL_IS(bpf, 0, BPF_LINK_UPDATE),
	CALL_IS(bpf, 0, BPF_ITER_CREATE), CALL_IS(bpf, 0, BPF_LINK_DETACH), CALL_IS(bpf, 0, BPF_PROG_BIND_MAP),
	CALL(perf_event_open), CALL_IS(ioctl, 1, PERF_EVENT_IOC_ENABLE), CALL_IS(ioctl, 1, PERF_EVENT_IOC_DISABLE),
	CALL_IS(ioctl, 1, PERF_EVENT_IOC_SET_BPF),
	/* threads, and the end of things */
	CALL(set_tid_address), CALL(set_robust_list), CALL(rseq), CALL(futex), CALL(sched_yield),
	CALL(sched_getaffinity), CALL(sched_getparam), CALL(sched_getscheduler), CALL(getcpu), CALL(gettid),
	CALL(exit), CALL(exit_group), CALL(wait4), CALL(waitid), CALL(restart_syscall), CALL(rt_sigaction),
	CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigpending), CALL(rt_sigtimedwait),
	CALL(rt_sigsuspend), CALL(sigaltstack),
	/* about oneself */
	CALL(getpid), CALL(getppid), CALL(getpgrp), CALL(getpgid), CALL(getsid), CALL(getuid), CALL(geteuid),
	CALL(getgid), CALL(getegid), CALL(getgroups), CALL(capget), CALL(getrlimit), CALL(setrlimit),
	CALL_IS(prlimit64, 0, 0), CALL(getrusage), CALL(times), CALL(sysinfo), CALL(uname), CALL(time),
	CALL(gettimeofday), CALL(clock_gettime), CALL(clock_getres), CALL(getrandom), CALL(arch_prctl),
	CALL_IS(prctl, 0, PR_SET_NAME), CALL_IS(prctl, 0, PR_GET_NAME), CALL_IS(prctl, 0, PR_SET_PDEATHSIG),
	CALL_IS(prctl, 0, PR_GET_DUMPABLE), CALL_IS(prctl, 0, PR_CAPBSET_READ), CALL_IS(prctl, 0, PR_GET_SECCOMP),
	CALL_IS(prctl, 0, PR_GET_NO_NEW_PRIVS), CALL_IS(prctl, 0, PR_SET_NO_NEW_PRIVS),
	CALL_IS(prctl, 0, PR_SET_VMA),
};

static const struct privilege_call exec_calls[] = {
	CALL_IF(clone, 0, NEW_NAMESPACES, 0), CALL(fork), CALL(vfork), CALL(execve),
};

static const struct privilege_call thread_calls[] = {
	CALL_IF(clone, 0, NEW_NAMESPACES | CLONE_THREAD, CLONE_THREAD),
};

static void filter_free(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

#define _cleanup_filter_ __attribute__((cleanup(filter_free)))

static int allow(scmp_filter_ctx filter, const struct privilege_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp args[PRIVILEGE_ARGS_MAX];
		int err;

		for (unsigned a = 0; a < calls[i].nargs; a++)
			args[a] = (struct scmp_arg_cmp){ .arg = calls[i].args[a].index,
							 .op = SCMP_CMP_MASKED_EQ,
							 .datum_a = calls[i].args[a].mask,
							 .datum_b = calls[i].args[a].value };
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i].number, calls[i].nargs, args);
		if (err && err != -EDOM) /* not of this architecture */
			return err;
	}
	return 0;
}

/* NULL with the reason. What is not allowed fails, and that is logged: 4.14 has all of it. */
static scmp_filter_ctx filter_new(char *why, size_t size)
{
	scmp_filter_ctx filter = NULL;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		snprintf(why, size, "this kernel has no seccomp (CONFIG_SECCOMP_FILTER)");
	else if (!(filter = seccomp_init(SCMP_ACT_ERRNO(EPERM))))
		snprintf(why, size, "no memory for the seccomp filter");
	if (!filter)
		return NULL;
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	return filter;
}

static int load(scmp_filter_ctx filter, int err, char *why, size_t size)
{
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Its arguments are in memory, where no filter can look; glibc then takes clone. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (err) {
		snprintf(why, size, "building the seccomp filter: %s", strerror(-err));
		return err;
	}
	err = seccomp_load(filter);
	if (err)
		snprintf(why, size, "installing the seccomp filter: %s", strerror(-err));
	return err;
}

int privilege_seccomp_only(const struct privilege_call *calls, size_t n, char *why, size_t size)
{
	_cleanup_filter_ scmp_filter_ctx filter = filter_new(why, size);

	return filter ? load(filter, allow(filter, calls, n), why, size) : -ENOSYS;
}

int privilege_seccomp(unsigned flags, char *why, size_t size)
{
	const uint32_t self = (uint32_t)getpid();
	const struct privilege_call to_self[] = { CALL_IS(kill, 0, self), CALL_IS(tgkill, 0, self) };
	_cleanup_filter_ scmp_filter_ctx filter = filter_new(why, size);
	int err;

	if (!filter)
		return -ENOSYS;
	err = allow(filter, agent_calls, COUNT_OF(agent_calls));
	if (!err)
		err = allow(filter, to_self, COUNT_OF(to_self));
	if (!err)
		err = flags & PRIVILEGE_EXEC ? allow(filter, exec_calls, COUNT_OF(exec_calls)) :
					       allow(filter, thread_calls, COUNT_OF(thread_calls));
	return load(filter, err, why, size);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * close_fd PID FD...: closes descriptors of another process, as a fault in it would. The link of a BPF
 * tracing program cannot be detached from outside in another way: bpf(BPF_LINK_DETACH) is not for these.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

/* The registers of a call of close(fd), and the instruction that makes it. */
#if defined(__x86_64__)
static const unsigned char code[] = { 0x0f, 0x05, 0xcc };
#define PC(r) ((r)->rip)

static void call_close(struct user_regs_struct *r, int fd)
{
	r->rax = SYS_close;
	r->orig_rax = (unsigned long long)-1;
	r->rdi = (unsigned)fd;
}

static long result(const struct user_regs_struct *r)
{
	return (long)r->rax;
}
#elif defined(__aarch64__)
static const unsigned char code[] = { 0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4 };
#define PC(r) ((r)->pc)

static void call_close(struct user_regs_struct *r, int fd)
{
	r->regs[8] = SYS_close;
	r->regs[0] = (unsigned)fd;
}

static long result(const struct user_regs_struct *r)
{
	return (long)r->regs[0];
}
#else
#error "close_fd: unknown architecture; x86_64 and arm64 are known"
#endif

static int fail(const char *what)
{
	fprintf(stderr, "close_fd: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Where the process stands now is put back afterwards. */
static int close_one(pid_t pid, int fd)
{
	struct user_regs_struct saved, regs;
	struct iovec iov = { &saved, sizeof(saved) };
	long words[2], was[2];
	int status;

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov))
		return fail("reading registers");
	regs = saved;
	call_close(&regs, fd);
	for (int i = 0; i < 2; i++) {
		errno = 0;
		was[i] = words[i] = ptrace(PTRACE_PEEKTEXT, pid, (void *)(PC(&regs) + 8u * (unsigned)i), NULL);
		if (errno)
			return fail("reading code");
	}
	memcpy(words, code, sizeof(code));
	iov.iov_base = &regs;
	for (int i = 0; i < 2; i++)
		ptrace(PTRACE_POKETEXT, pid, (void *)(PC(&regs) + 8u * (unsigned)i), (void *)words[i]);
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) || ptrace(PTRACE_CONT, pid, NULL, NULL) ||
	    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return fail("running close");
	ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov);
	iov.iov_base = &saved;
	for (int i = 0; i < 2; i++)
		ptrace(PTRACE_POKETEXT, pid, (void *)(PC(&saved) + 8u * (unsigned)i), (void *)was[i]);
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov))
		return fail("putting registers back");
	errno = result(&regs) < 0 ? (int)-result(&regs) : 0;
	return result(&regs) ? fail("close") : 0;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 2 ? atoi(argv[1]) : 0;
	int status = 0;

	if (pid <= 0) {
		fprintf(stderr, "usage: close_fd PID FD...\n");
		return 2;
	}
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		return fail("attaching");
	status = 0;
	for (int i = 2; i < argc; i++)
		status |= close_one(pid, atoi(argv[i]));
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what is not needed any more: capabilities, and system calls.
 *
 * Both are for the end of set-up. The rest of the process's life cannot undo them, and neither can
 * a program that it executes.
 */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the running kernel has a capability: CAP_BPF and CAP_PERFMON came with 5.8. */
bool privilege_exists(unsigned cap);

/*
 * Gives up every capability that is not in `caps` (bit N is capability N), sets no_new_privs, and
 * empties the inheritable and ambient sets and, where CAP_SETPCAP is held, the bounding set down to
 * `caps`. What is in `caps` and not held is no error: host_capabilities tells what is left.
 *
 * Capabilities belong to a thread: called before the process has a second one, which then inherits
 * what is left. -EBUSY if there is more than one. 0 or a negative errno with the reason in `why`.
 */
int privilege_keep(uint64_t caps, char *why, size_t size);

/*
 * What `attempt` returns when this thread has no other capabilities than `caps` of those it holds. It has
 * them back afterwards. -EPERM if that cannot be arranged.
 */
int privilege_try(uint64_t caps, int (*attempt)(void));

#define PRIVILEGE_ARGS_MAX 3

/* A system call that is allowed, if `mask` bits of each argument listed have this value. */
struct privilege_call {
	int number; /* SCMP_SYS(...) */
	unsigned nargs;
	struct {
		unsigned index; /* from 0 */
		uint32_t mask, value;
	} args[PRIVILEGE_ARGS_MAX];
};

enum {
	PRIVILEGE_EXEC = 1 << 0, /* children may be made and programs executed: the heartbeat */
};

/*
 * Allows all threads of this process, now and later, what the agent does after set-up, and nothing
 * else (docs/SECURITY.md). Everything else fails with EPERM; nothing is killed. What was refused is in
 * the audit log, or the kernel's log where no audit daemon runs: "type=1326 ... comm="tapio" ...
 * syscall=N".
 *
 * After privilege_keep, which sets no_new_privs; any thread may call it. 0, or a negative errno with
 * the reason in `why` and nothing restricted: -ENOSYS where the kernel has no seccomp.
 */
int privilege_seccomp(unsigned flags, char *why, size_t size);

/* The same for a list of one's own. */
int privilege_seccomp_only(const struct privilege_call *calls, size_t n, char *why, size_t size);

#endif

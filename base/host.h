/* SPDX-License-Identifier: Apache-2.0 */
/* What this process is allowed to do and see on this machine. */
#ifndef BASE_HOST_H
#define BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the running kernel's version is at least this. Only for what nothing but the version tells:
 * features are tried (collect/feature.h).
 */
bool host_kernel_at_least(unsigned major, unsigned minor);

/* Effective capabilities: bit N is capability N (linux/capability.h). */
uint64_t host_capabilities(void);

/* What to add to the message of a perf_event_open or mmap of a perf buffer that failed so: "" or ": why". */
const char *host_perf_hint(int err);

/* kernel.perf_event_paranoid; 2 where it cannot be read. Debian's and Ubuntu's kernels know 3 and 4. */
int host_perf_paranoid(void);

/* "none", "integrity", "confidentiality", or "unknown" where the kernel does not tell. */
const char *host_lockdown(void);

/* Whether this process is in the machine's first pid or cgroup namespace. */
bool host_pid_namespace(void);
bool host_cgroup_namespace(void);

/*
 * Whether BPF tracing is permitted: CAP_BPF and CAP_PERFMON (from 5.8), or CAP_SYS_ADMIN. If not,
 * false and in `why` what is missing and the command that helps.
 */
bool host_may_trace(const char *command, char *why, size_t size);

#endif

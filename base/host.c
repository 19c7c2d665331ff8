/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

/* Fixed inode numbers of the first namespaces: include/linux/proc_ns.h (include/uapi/linux/nsfs.h). */
#define PID_NS_FIRST 0xEFFFFFFCu
#define CGROUP_NS_FIRST 0xEFFFFFFBu

bool host_kernel_at_least(unsigned major, unsigned minor)
{
	unsigned have_major = 0, have_minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

uint64_t host_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

int host_perf_paranoid(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level;

	return f && fscanf(f, "%d", &level) == 1 ? level : 2;
}

const char *host_perf_hint(int err)
{
	if (err == -EPERM)
		return ": more than RLIMIT_MEMLOCK allows takes CAP_IPC_LOCK";
	if (err == -EACCES && host_perf_paranoid() > 2)
		return ": kernel.perf_event_paranoid is above 2, which on this kernel takes CAP_SYS_ADMIN";
	return "";
}

/* securityfs is not mounted everywhere. */
static int open_lockdown(void)
{
	_cleanup_close_ int dir = -1;
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	dir = fs_open_detached("securityfs");
	return dir < 0 ? dir : openat(dir, "lockdown", O_RDONLY | O_CLOEXEC);
}

const char *host_lockdown(void)
{
	static char mode[32];
	_cleanup_close_ int fd = open_lockdown();
	char line[128], *start;
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		return "unknown";
	line[n] = '\0';
	/* "none [integrity] confidentiality" */
	start = strchr(line, '[');
	if (!start)
		return "unknown";
	snprintf(mode, sizeof(mode), "%.*s", (int)strcspn(start + 1, "]"), start + 1);
	return mode;
}

static bool namespace_is(const char *path, unsigned inode)
{
	struct stat st;

	/* Without /proc nothing can be said against it. */
	return stat(path, &st) || st.st_ino == inode;
}

bool host_pid_namespace(void)
{
	return namespace_is("/proc/self/ns/pid", PID_NS_FIRST);
}

bool host_cgroup_namespace(void)
{
	return namespace_is("/proc/self/ns/cgroup", CGROUP_NS_FIRST);
}

bool host_may_trace(const char *command, char *why, size_t size)
{
	uint64_t have = host_capabilities();
	bool bpf = have >> CAP_BPF & 1, perfmon = have >> CAP_PERFMON & 1;

	if (have >> CAP_SYS_ADMIN & 1 || (bpf && perfmon))
		return true;
	snprintf(why, size, "missing privilege: %s%s%s (or CAP_SYS_ADMIN, which kernels before 5.8 require): run: sudo tapio %s",
		 bpf ? "" : "CAP_BPF", !bpf && !perfmon ? " and " : "", perfmon ? "" : "CAP_PERFMON", command);
	return false;
}

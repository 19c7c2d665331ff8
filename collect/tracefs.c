/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpus.h"
#include "base/fs.h"
#include "base/host.h"

static enum tracefs_use use;
static char why[128];

/* A mount counts as one, also where its directory may not be read. */
static int open_mounted(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct statfs fs;
		int fd;

		if (statfs(places[i], &fs) || fs.f_type != TRACEFS_MAGIC)
			continue;
		fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

/* Before 5.2: a mount in a mount namespace of a child, handed over through /proc/PID/root. */
static int open_in_own_namespace(void)
{
	char path[64];
	int ready[2], done[2], fd = -EIO;
	char byte = 1;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	if (pipe2(done, O_CLOEXEC)) {
		close(ready[0]);
		close(ready[1]);
		return -EMFILE;
	}
	pid = fork();
	if (!pid) {
		bool ok = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) &&
			  !mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);

		close(done[1]);
		if (!ok || write(ready[1], &byte, 1) != 1)
			_exit(1);
		/* Wait until the parent has opened it: its end of the pipe closes. */
		_exit(read(done[0], &byte, 1) < 0);
	}
	close(ready[1]);
	close(done[0]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/root/sys/kernel/tracing", pid);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	close(done[1]);
	close(ready[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return fd;
}

/*
 * Under lockdown=confidentiality kernels from 6.12 to 7.3 at least oops when tracefs is unmounted
 * (tracefs_destroy_inode; no Tapio needed for it), and it gives nothing there anyway.
 */
static bool mounting_is_safe(void)
{
	return strcmp(host_lockdown(), "confidentiality") != 0;
}

static int open_private(void)
{
	int dir;

	if (!mounting_is_safe()) {
		snprintf(why, sizeof(why), "tracefs is not mounted, and not safe to mount under lockdown=confidentiality");
		return -EPERM;
	}
	dir = fs_open_detached("tracefs");
	if (dir == -ENOSYS || dir == -ENODEV)
		dir = open_in_own_namespace();
	if (dir == -EPERM)
		snprintf(why, sizeof(why), "tracefs is not mounted, and mounting it takes CAP_SYS_ADMIN");
	else if (dir < 0)
		snprintf(why, sizeof(why), "tracefs is not mounted and cannot be: %s", strerror(-dir));
	return dir;
}

/* Opening is a better question than access(2), which leaves capabilities out. Takes `dir`. */
static int need_events(int dir)
{
	_cleanup_close_ int events = openat(dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = -errno;

	if (events >= 0)
		return dir;
	close(dir);
	return err;
}

int tracefs_dir(void)
{
	static int dir = -1;

	if (dir >= 0)
		return dir;
	dir = open_mounted();
	use = dir == -ENOENT ? TRACEFS_NOT_MOUNTED : TRACEFS_MOUNTED;
	if (dir == -ENOENT)
		dir = open_private();
	if (dir >= 0)
		dir = need_events(dir);
	if (dir == -EACCES)
		snprintf(why, sizeof(why), "tracefs belongs to root: others read it with CAP_DAC_READ_SEARCH");
	return dir;
}

const char *tracefs_why(void)
{
	return why;
}

enum tracefs_use tracefs_use(void)
{
	return use;
}

static int read_event_file(const char *name, const char *file, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	size_t at = 0;
	char path[256];
	int dir = tracefs_dir();

	if (dir < 0)
		return dir;
	if (snprintf(path, sizeof(path), "events/%s/%s", name, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (at < size - 1) {
		ssize_t n = read(fd, buf + at, size - 1 - at);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		at += (size_t)n;
	}
	buf[at] = '\0';
	return 0;
}

int tracepoint_id(const char *name)
{
	char text[32];
	int err = read_event_file(name, "id", text, sizeof(text));
	int id = err ? 0 : atoi(text);

	if (err)
		return err;
	return id > 0 ? id : -EINVAL;
}

int tracepoint_format(const char *name, char *buf, size_t size)
{
	return read_event_file(name, "format", buf, size);
}

int format_field(const char *format, const char *field, int *ret_size)
{
	size_t n = strlen(field);

	for (const char *line = format; line; line = strchr(line, '\n')) {
		const char *decl, *end, *name;
		int offset;

		line += *line == '\n';
		decl = line + strspn(line, "\t ");
		if (strncmp(decl, "field:", 6))
			continue;
		end = strchr(decl, ';');
		if (!end)
			return -ENOENT;
		name = memchr(decl, '[', (size_t)(end - decl));
		/* "char comm[16]": the name ends before the bracket; "__data_loc char[] filename" ends last */
		if (!name || name[1] == ']')
			name = end;
		if ((size_t)(name - decl) > n && !strncmp(name - n, field, n) &&
		    strchr(" \t*", name[-(long)n - 1]) &&
		    sscanf(end, "; offset:%d; size:%d;", &offset, ret_size) == 2)
			return offset;
	}
	return -ENOENT;
}

int tracepoint_perf_open(const char *name)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	int id = tracepoint_id(name), fd;

	if (id < 0)
		return id;
	attr.config = (unsigned)id;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpus_first_online(), -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

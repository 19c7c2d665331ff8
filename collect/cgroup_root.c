/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cgroup_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/host.h"

#define ROOT_INODE 1

/* A mount may show a part of the hierarchy, as a container's does. */
static int open_mounted(const char *where)
{
	_cleanup_close_ int fd = where ? open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat st;
	int ret;

	if (fd < 0 || fstat(fd, &st) || st.st_ino != ROOT_INODE)
		return -ENOENT;
	ret = fd;
	fd = -1;
	return ret;
}

/* With cgroup v1 alone the v2 hierarchy exists all the same, empty of controllers. */
static int open_detached(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_root_open(char *why, size_t size)
{
	const char *where = NULL;
	struct stat st;
	int fd;

	cgroup_mode_detect(&where);
	fd = open_mounted(where);
	if (fd >= 0)
		return fd;
	/* In a cgroup namespace of its own a new mount shows a part too. */
	fd = host_cgroup_namespace() ? open_detached() : -EXDEV;
	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != ROOT_INODE)) {
		close(fd);
		fd = -EXDEV;
	}
	if (fd == -EXDEV)
		snprintf(why, size, "the root of the cgroup v2 hierarchy cannot be seen here: this is a cgroup namespace of its own; use the host's (docker: --cgroupns=host, with its /sys/fs/cgroup)");
	else if (fd < 0)
		snprintf(why, size, "cgroup v2 is not mounted as a whole here, and mounting it: %s", strerror(-fd));
	return fd;
}

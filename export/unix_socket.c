/* SPDX-License-Identifier: Apache-2.0 */
#include "export/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { BACKLOG = 16, CONNECT_SECONDS = 5 };

static int address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

int unix_socket_connect(const char *path, int flags)
{
	const struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un at;
	int fd, err = address_of(path, &at);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect(2) waits for it, too */
	if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* ---- the folder ---- */

/*
 * Makes it if it is missing, and locks it: of two agents that start at the same time both would
 * find a dead one's socket, and one would remove the other's. A descriptor that holds the lock.
 */
static int lock_folder(const char *path, char *why, size_t size)
{
	char copy[sizeof(((struct unix_socket *)0)->path)], *folder;
	int fd, err;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (mkdir(folder, 0700) && errno != EEXIST) {
		err = -errno;
		snprintf(why, size, "%s: creating the folder %s: %s", path, folder, strerror(-err));
		return err;
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		snprintf(why, size, "%s: the folder %s: %s", path, folder, strerror(-err));
		return err;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = -errno;
	snprintf(why, size, "%s: the folder %s is locked (%s): another agent is starting there", path, folder,
		 strerror(-err));
	close(fd);
	return err;
}

/* ---- what is there already ---- */

static int living(const char *path, int fd, char *why, size_t size)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof(peer);

	if (fd >= 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	if (peer.pid)
		snprintf(why, size, "%s: an agent listens there already (process %d); stop it or choose another path", path,
			 peer.pid);
	else
		snprintf(why, size, "%s: an agent listens there already; stop it or choose another path", path);
	return -EADDRINUSE;
}

static int make_room(const char *path, char *why, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int err = 0;

	if (lstat(path, &st)) {
		err = errno == ENOENT ? 0 : -errno;
		if (err)
			snprintf(why, size, "%s: %s", path, strerror(-err));
		return err;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, size, "%s: is there and not a socket; remove it or choose another path", path);
		return -EEXIST;
	}
	fd = unix_socket_connect(path, SOCK_NONBLOCK);
	if (fd >= 0 || fd == -EAGAIN)
		return living(path, fd, why, size);
	err = fd != -ECONNREFUSED ? fd : unlink(path) ? -errno : 0;
	if (err)
		snprintf(why, size, "%s: a socket is there and cannot be replaced: %s", path, strerror(-err));
	return err;
}

/* ---- ours ---- */

static int bind_here(int fd, const struct sockaddr_un *at, struct unix_socket *ret)
{
	struct stat st;

	/* Linux takes the file's mode from the descriptor's: it is never open to others, not for a moment. */
	if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)at, sizeof(*at)))
		return -errno;
	if (lstat(at->sun_path, &st) || listen(fd, BACKLOG))
		return -errno;
	*ret = (struct unix_socket){ .device = st.st_dev, .inode = st.st_ino };
	memcpy(ret->path, at->sun_path, sizeof(ret->path));
	return 0;
}

int unix_socket_listen(const char *path, struct unix_socket *ret, char *why, size_t size)
{
	_cleanup_close_ int folder = -1;
	struct sockaddr_un at;
	int fd, err = address_of(path, &at);

	if (err) {
		snprintf(why, size, "%s: a socket's path has 1 to %zu bytes", path, sizeof(at.sun_path) - 1);
		return err;
	}
	folder = lock_folder(path, why, size);
	if (folder < 0)
		return folder;
	err = make_room(path, why, size);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : bind_here(fd, &at, ret);
	if (!err)
		return fd;
	snprintf(why, size, "%s: %s", path, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

void unix_socket_remove(const struct unix_socket *at)
{
	struct stat st;

	if (!lstat(at->path, &st) && st.st_dev == at->device && st.st_ino == at->inode)
		unlink(at->path);
}

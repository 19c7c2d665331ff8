/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's Unix socket in the file system. */
#ifndef EXPORT_UNIX_SOCKET_H
#define EXPORT_UNIX_SOCKET_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

struct unix_socket {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t device; /* of the file that is ours */
	ino_t inode;
};

/*
 * Listens at `path`, with mode 0600 from the start. Its folder is created with mode 0700 if it is
 * missing. What a dead agent left there is replaced; a living one, or a file of another kind, is
 * an error. Returns a non-blocking descriptor, or a negative errno and in `why` what failed and
 * what to do.
 */
int unix_socket_listen(const char *path, struct unix_socket *ret, char *why, size_t size);

/*
 * Removes the file if it is still the one that was made. Called while the descriptor is open: that
 * keeps the inode's number from being used again.
 */
void unix_socket_remove(const struct unix_socket *at);

/*
 * Connects, with `flags` for socket(2). An agent that is too busy to take connections is waited for, 5 s
 * and with SOCK_NONBLOCK not at all: -EAGAIN. A descriptor or a negative errno. What is written to
 * the descriptor waits no longer than that, either.
 */
int unix_socket_connect(const char *path, int flags);

#endif

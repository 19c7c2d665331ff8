/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the host's small files with suspicion: nothing here blocks on a FIFO, leaves its folder
 * through a symbolic link or reads more than it was told.
 *
 * A place is a folder that the machine's owner laid out: its symbolic links are followed, within the
 * host's root (/var/lib/docker may stand on another disk). Below a place nothing is followed.
 * Reentrant. Descriptors are the caller's.
 */
#ifndef IDENTITY_HOST_FILE_H
#define IDENTITY_HOST_FILE_H

#include <stddef.h>

/* The root of the host's files, "/" or where they are mounted. A descriptor or a negative errno. */
int host_open_root(const char *path);

/*
 * A place, relative to the root and without a leading slash. A descriptor, -ENOENT, or another
 * negative errno. Before Linux 5.6 links are followed only where the root is "/".
 */
int host_open_place(int root, const char *path);

/*
 * Reads a regular file below a place. *ret is NUL-terminated and to be freed.
 * -ENOENT; -EFBIG: more than max bytes; -EBADMSG: not a regular file, or a link on the way, or it
 * changed meanwhile; else as open(2) and read(2).
 */
int host_read(int place, const char *path, size_t max, char **ret, size_t *ret_length);

/*
 * Calls fn with each name in a place, but "." and "..", until it returns other than 0: that is
 * returned. -EFBIG if there are more than max names, and fn saw the first max of them.
 */
int host_each_name(int place, unsigned max, int (*fn)(const char *name, void *ctx), void *ctx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "export/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum descriptor_kind {
	IS_FILE,   /* never has to be waited for */
	IS_SOCKET,
	IS_OWN,    /* a pipe or terminal, opened by us without blocking */
	IS_SHARED, /* one that would block */
};

struct descriptor {
	struct writer writer;
	int fd;
	enum descriptor_kind kind;
	bool torn; /* the last line lacks its end */
};

static ssize_t put(const struct descriptor *d, const char *data, size_t n)
{
	return d->kind == IS_SOCKET ? send(d->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) :
					write(d->fd, data, n);
}

/* Writes all or fails; *done counts the bytes. */
static int put_all(const struct descriptor *d, const char *data, size_t n, size_t *done)
{
	bool wait = d->kind == IS_SHARED;
	ssize_t got;
	int err;

	for (size_t at = 0; at < n; at += (size_t)got, *done += (size_t)got) {
		err = wait ? writer_wait(&d->writer, d->fd) : 0;
		if (err)
			return err;
		got = put(d, data + at, n - at);
		if (got >= 0) {
			wait = d->kind == IS_SHARED;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		wait = wait || errno == EAGAIN;
		got = 0;
	}
	return 0;
}

/* What a pipe that polls as writable takes whole and at once. */
static size_t piece_of(const struct descriptor *d, const char *data, size_t n)
{
	size_t lines;

	if (d->kind == IS_FILE || n <= PIPE_BUF)
		return n;
	lines = writer_lines(data, PIPE_BUF);
	return lines ? lines : PIPE_BUF;
}

static int descriptor_write(struct writer *writer, const char *data, size_t n, size_t *ret_written)
{
	struct descriptor *d = (struct descriptor *)writer;
	size_t done = 0, ignored = 0;
	int err = 0;

	*ret_written = 0;
	if (d->torn)
		err = put_all(d, "\n", 1, &ignored);
	if (err)
		return err;
	d->torn = false;
	while (done < n && !err)
		err = put_all(d, data + done, piece_of(d, data + done, n - done), &done);
	*ret_written = writer_lines(data, done);
	d->torn = done > *ret_written;
	return err;
}

static void descriptor_close(struct writer *writer)
{
	struct descriptor *d = (struct descriptor *)writer;

	if (d && d->kind == IS_OWN)
		close(d->fd);
	free(d);
}

static void descriptor_look(struct descriptor *d)
{
	char path[32];
	struct stat st;
	int fd;

	if (fstat(d->fd, &st) || S_ISREG(st.st_mode)) /* a bad one is told of by write */
		return;
	d->kind = S_ISSOCK(st.st_mode) ? IS_SOCKET : IS_SHARED;
	if (d->kind == IS_SOCKET)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	d->fd = fd;
	d->kind = IS_OWN;
}

struct writer *descriptor_writer_open(int fd)
{
	struct descriptor *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->writer = (struct writer){ .write = descriptor_write, .close = descriptor_close, .stop_fd = -1 };
	d->fd = fd;
	descriptor_look(d);
	return &d->writer;
}

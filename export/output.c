/* SPDX-License-Identifier: Apache-2.0 */
#include "export/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum { CLOSE_WAIT_MS = 200 };

int output_init(struct output *o, int fd)
{
	*o = (struct output){ .buf = BUF_INIT(OUTPUT_MAX_BYTES), .fd = fd };
	/* all of the usual size at once: growing copies */
	return buf_room(&o->buf, 2 * OUTPUT_FULL_BYTES) ? 0 : -ENOMEM;
}

static void forget(struct buf *b, size_t n)
{
	memmove(b->data, b->data + n, b->length - n);
	b->length -= n;
	b->refused = false;
}

/* For a descriptor that somebody else made non-blocking. */
static int wait_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, -1) < 0 ? -errno : 0;
}

int output_flush(struct output *o)
{
	size_t todo = o->buf.length;
	ssize_t n;
	int err;

	while (todo) {
		n = write(o->fd, o->buf.data, todo);
		if (n == (ssize_t)todo)
			break;
		if (n >= 0) {
			/*
			 * A signal that comes when some bytes are written shows as a short
			 * write. To call again here would block as if it had not come.
			 */
			forget(&o->buf, (size_t)n);
			return -EINTR;
		}
		if (errno != EAGAIN)
			return -errno;
		err = wait_writable(o->fd);
		if (err)
			return err;
	}
	buf_reset(&o->buf);
	return 0;
}

int output_added(struct output *o)
{
	if (o->buf.refused)
		return -ENOBUFS;
	return o->buf.length >= OUTPUT_FULL_BYTES ? output_flush(o) : 0;
}

void output_close(struct output *o)
{
	struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };
	ssize_t n;

	/* a pipe that polls as writable takes PIPE_BUF bytes without blocking */
	while (o->buf.length && poll(&pfd, 1, CLOSE_WAIT_MS) == 1 && pfd.revents == POLLOUT) {
		n = write(o->fd, o->buf.data, o->buf.length < PIPE_BUF ? o->buf.length : PIPE_BUF);
		if (n <= 0)
			break;
		forget(&o->buf, (size_t)n);
	}
	buf_free(&o->buf);
}

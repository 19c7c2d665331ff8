/* SPDX-License-Identifier: Apache-2.0 */
#include "export/attach.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/unix_socket.h"

#define ERROR_PREFIX "error: "
enum { ERROR_MAX = 1024 };

/* ---- connecting ---- */

static int connect_failed(const char *path, int err, char *why, size_t size)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		snprintf(why, size, "no agent listens at %s: %s; start one with 'tapio run'", path, strerror(-err));
		break;
	case -EACCES:
	case -EPERM:
		snprintf(why, size, "the agent's socket %s: %s; run this as root", path, strerror(-err));
		break;
	case -EAGAIN:
		snprintf(why, size, "the agent at %s does not take connections: it hangs, or has too many clients", path);
		break;
	default:
		snprintf(why, size, "the agent's socket %s: %s", path, strerror(-err));
	}
	return err;
}

static int send_line(int fd, const char *line)
{
	struct buf text = BUF_INIT(1 << 16);
	ssize_t n = -1;

	buf_adds(&text, line);
	buf_addc(&text, '\n');
	if (!text.refused)
		n = send(fd, text.data, text.length, MSG_NOSIGNAL);
	else
		errno = E2BIG;
	buf_free(&text);
	if (n >= 0)
		return 0;
	/* An agent that turned us away at once has closed, and what it said is still to be read. */
	return errno == EPIPE ? 0 : -errno;
}

int attach_open(const char *path, const char *line, char *why, size_t size)
{
	int fd = unix_socket_connect(path, 0), err;

	if (fd < 0)
		return connect_failed(path, fd, why, size);
	err = send_line(fd, line);
	if (!err)
		return fd;
	close(fd);
	return connect_failed(path, err, why, size);
}

/* ---- copying ---- */

struct copy {
	int fd;
	const struct attach_options *options;
	uint64_t deadline_ns; /* 0: none */
	bool ended;
	enum attach_end end;
};

static void end(struct copy *c, enum attach_end why)
{
	c->ended = true;
	c->end = why;
}

/* Milliseconds that are left; -1: no limit. */
static int time_left(const struct copy *c)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), ms;

	if (!c->deadline_ns)
		return -1;
	if (now >= c->deadline_ns)
		return 0;
	ms = (c->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/*
 * Waits until fd has one of `events`. True when it has; false at the end or to look again. Errors and
 * hang-ups of out_fd are told by poll(2) without being asked for; a file is always fine.
 */
static bool wait_for(struct copy *c, int fd, short events)
{
	struct pollfd pfds[] = {
		{ .fd = fd, .events = events },
		{ .fd = c->options->stop_fd, .events = POLLIN },
		{ .fd = fd == c->options->out_fd ? -1 : c->options->out_fd },
	};
	int left = time_left(c), n;

	n = left ? poll(pfds, 3, left) : 0;
	if (n > 0 && pfds[1].revents)
		end(c, ATTACH_STOPPED);
	else if ((n > 0 && pfds[2].revents) || (pfds[0].fd == c->options->out_fd && pfds[0].revents & POLLERR))
		end(c, ATTACH_READER_LEFT);
	else if (!time_left(c))
		end(c, ATTACH_TIME);
	return !c->ended && n > 0 && pfds[0].revents;
}

/* At most PIPE_BUF bytes at a time: a pipe that polls as writable takes them without blocking. */
static int write_all(struct copy *c, const char *data, size_t n)
{
	ssize_t written;

	while (n && !c->ended) {
		if (!wait_for(c, c->options->out_fd, POLLOUT))
			continue;
		written = write(c->options->out_fd, data, n < PIPE_BUF ? n : PIPE_BUF);
		if (written < 0 && errno == EPIPE)
			end(c, ATTACH_READER_LEFT);
		else if (written < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (written > 0) {
			data += written;
			n -= (size_t)written;
		}
	}
	return 0;
}

/* Bytes that came, 0 at the end, or a negative errno. */
static ssize_t read_some(struct copy *c, char *to, size_t size)
{
	ssize_t n;

	while (!c->ended) {
		if (!wait_for(c, c->fd, POLLIN))
			continue;
		n = read(c->fd, to, size);
		/* an agent that closes with something of ours unread resets, after all it had to say */
		if (!n || (n < 0 && errno == ECONNRESET)) {
			end(c, ATTACH_ENDED);
			return 0;
		}
		if (n > 0 || (errno != EINTR && errno != EAGAIN))
			return n > 0 ? n : -errno;
	}
	return 0;
}

/* The first bytes tell an error from all else; `have` of them are in `start`. */
static bool may_be_error(const char *start, size_t have)
{
	size_t n = strlen(ERROR_PREFIX);

	return !memcmp(start, ERROR_PREFIX, have < n ? have : n);
}

/*
 * Reads until it is known whether the agent answers with an error, and then all of that. The number of
 * bytes in `start` that are none; or -EREMOTEIO with the error in `why`.
 */
static ssize_t read_start(struct copy *c, char *start, size_t size, char *why, size_t why_size)
{
	size_t have = 0, prefix = strlen(ERROR_PREFIX);
	ssize_t n;

	while (have < size && may_be_error(start, have) && !(have >= prefix && memchr(start, '\n', have))) {
		n = read_some(c, start + have, size - have);
		if (n < 0)
			return n;
		if (!n)
			break;
		have += (size_t)n;
	}
	if (have < prefix || !may_be_error(start, have))
		return (ssize_t)have;
	start += prefix;
	have -= prefix;
	n = (ssize_t)strcspn(start, "\n");
	snprintf(why, why_size, "the agent says: %.*s", (int)((size_t)n < have ? (size_t)n : have), start);
	return -EREMOTEIO;
}

int attach_copy(int fd, const struct attach_options *options, enum attach_end *ret_end, char *why, size_t size)
{
	struct copy c = { .fd = fd, .options = options };
	char data[65536], start[ERROR_MAX + 1] = "";
	ssize_t n;
	int err = 0;

	if (options->time_ns)
		c.deadline_ns = clock_ns(CLOCK_MONOTONIC) + options->time_ns;
	n = read_start(&c, start, ERROR_MAX, why, size);
	if (n == -EREMOTEIO)
		return (int)n;
	if (n > 0) { /* all of it, also when the agent has ended meanwhile */
		c.ended = c.ended && c.end != ATTACH_ENDED;
		err = write_all(&c, start, (size_t)n);
	}
	while (!err && !c.ended && (n = read_some(&c, data, sizeof(data))) > 0)
		err = write_all(&c, data, (size_t)n);
	if (!err && n < 0)
		err = (int)n;
	if (err)
		snprintf(why, size, "copying events: %s", strerror(-err));
	else
		*ret_end = c.end;
	return err;
}

int attach_read(int fd, unsigned timeout_ms, struct buf *ret, char *why, size_t size)
{
	const struct attach_options options = { .out_fd = -1, .stop_fd = -1 };
	struct copy c = { .fd = fd, .options = &options,
			  .deadline_ns = clock_ns(CLOCK_MONOTONIC) + timeout_ms * NS_PER_MS };
	char data[65536], start[ERROR_MAX + 1] = "";
	ssize_t n = read_start(&c, start, ERROR_MAX, why, size);

	if (n == -EREMOTEIO)
		return (int)n;
	if (n > 0)
		buf_add(ret, start, (size_t)n);
	while (n > 0 && !c.ended && !ret->refused && (n = read_some(&c, data, sizeof(data))) > 0)
		buf_add(ret, data, (size_t)n);
	if (n >= 0 && c.ended && c.end == ATTACH_ENDED)
		return 0;
	n = n < 0 ? n : ret->refused ? -EMSGSIZE : -ETIMEDOUT;
	snprintf(why, size, "the agent's answer: %s", strerror((int)-n));
	return (int)n;
}

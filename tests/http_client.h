/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server in a child process, and a client that speaks to it in bytes. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include "base/clock.h"
#include "export/http.h"
#include "tests/test.h"

struct http_child {
	pid_t pid;
	unsigned port;
};

/* Serves `options` on a free port of 127.0.0.1 until the test ends. `max_fds` 0: no limit of its own. */
static inline struct http_child http_child_start(const struct http_options *options,
						 struct http_server **server, unsigned max_fds)
{
	struct http_options local = *options;
	struct http_child child = { 0 };
	struct event_base *base;
	char why[256] = "";
	int fds[2];

	local.address = "127.0.0.1:0";
	REQUIRE(!pipe(fds), "pipe: %s", strerror(errno));
	child.pid = fork();
	REQUIRE(child.pid >= 0, "fork: %s", strerror(errno));
	if (!child.pid) {
		signal(SIGPIPE, SIG_IGN);
		base = event_base_new();
		*server = http_open(base, &local, why, sizeof(why));
		child.port = *server ? (unsigned)atoi(strrchr(http_address(*server), ':') + 1) : 0;
		if (write(fds[1], &child.port, sizeof(child.port)) != sizeof(child.port))
			_exit(1);
		close(fds[0]);
		close(fds[1]);
		if (max_fds)
			setrlimit(RLIMIT_NOFILE, &(struct rlimit){ max_fds, max_fds });
		event_base_dispatch(base);
		_exit(1);
	}
	REQUIRE(read(fds[0], &child.port, sizeof(child.port)) == sizeof(child.port) && child.port,
		"the server did not start: %s", why);
	close(fds[0]);
	close(fds[1]);
	return child;
}

/* A blocking socket whose reads and writes end after 10 s. */
static inline int http_connect(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)), "connect: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static inline void http_send(int fd, const void *data, size_t n)
{
	ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

	CHECK(sent == (ssize_t)n, "sent %zd of %zu bytes: %s", sent, n, strerror(errno));
}

/* Up to the end of the stream, or until `size` - 1 bytes; a string. -1 after an error (reset, timeout). */
static inline ssize_t http_read_all(int fd, char *to, size_t size)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n + 1 < size && (got = read(fd, to + n, size - 1 - n)) > 0)
		n += (size_t)got;
	to[n] = '\0';
	return got < 0 ? -1 : (ssize_t)n;
}

/* One response of a connection that may go on: by its Content-Length. Returns its status, 0 if there is none. */
static inline int http_read_one(int fd, char *to, size_t size, const char **ret_body)
{
	size_t n = 0, want = size - 1;
	char *end = NULL, *field;
	ssize_t got;

	/* byte by byte, so that nothing of the next one is taken */
	while (n < want && (got = read(fd, to + n, end ? want - n : 1)) > 0) {
		n += (size_t)got;
		to[n] = '\0';
		if (end || !(end = strstr(to, "\r\n\r\n")))
			continue;
		field = strstr(to, "Content-Length: ");
		want = (size_t)(end + 4 - to) + (field ? strtoul(field + 16, NULL, 10) : 0);
		if (want >= size)
			return 0;
	}
	*ret_body = end ? end + 4 : to;
	return end && n == want ? atoi(to + 9) : 0;
}

/* What came back for these bytes on a connection of their own, until the server closed it. */
static inline const char *http_ask(unsigned port, const char *request, size_t n)
{
	static char answer[1 << 21];
	int fd = http_connect(port);

	http_send(fd, request, n);
	if (http_read_all(fd, answer, sizeof(answer)) < 0)
		snprintf(answer, sizeof(answer), "read: %s", strerror(errno));
	close(fd);
	return answer;
}

#endif

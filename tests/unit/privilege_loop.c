/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop under the filter of system calls: somebody connects, and a signal comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privilege.h"
#include "tests/test.h"

/* Asks once, not restricted, and ends with 0 if the answer is what it should be. */
static void client(int port_from)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *request = "GET / HTTP/1.0\r\n\r\n";
	char answer[512] = "";
	size_t n = 0;
	ssize_t got;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (read(port_from, &at.sin_port, sizeof(at.sin_port)) != sizeof(at.sin_port) ||
	    connect(fd, (void *)&at, sizeof(at)) || write(fd, request, strlen(request)) < 0)
		_exit(1);
	while (n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
		n += (size_t)got;
	_exit(strstr(answer, "200 OK") && strstr(answer, "\r\n\r\nstill here") ? 0 : 2);
}

static void answer(evutil_socket_t listener, short what, void *base)
{
	static const char text[] = "HTTP/1.0 200 OK\r\n\r\nstill here";
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	CHECK(fd >= 0 && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0, "answering: %s", strerror(errno));
	shutdown(fd, SHUT_WR);
	close(fd);
	event_base_loopbreak(base);
}

static void told(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	*(int *)arg = number;
}

static int listen_anywhere(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	REQUIRE(!bind(fd, (void *)&at, sizeof(at)) && !listen(fd, 8) && !getsockname(fd, (void *)&at, &length),
		"listening: %s", strerror(errno));
	*ret_port = at.sin_port;
	return fd;
}

TEST(unit, seccomp_allows_loop)
{
	struct event *listening, *hangup;
	struct event_base *base;
	char why[128] = "";
	int port[2], how = -1, signal = 0, err;
	uint16_t number;
	pid_t pid;

	REQUIRE(!pipe(port), "pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		client(port[0]);
	err = privilege_seccomp(0, why, sizeof(why));
	if (err == -ENOSYS)
		SKIP("%s", why);
	REQUIRE(!err, "%s", why);
	base = event_base_new();
	REQUIRE(base, "no event loop: %s", strerror(errno));
	listening = event_new(base, listen_anywhere(&number), EV_READ, answer, base);
	hangup = evsignal_new(base, SIGHUP, told, &signal);
	REQUIRE(!event_add(listening, NULL) && !event_add(hangup, NULL) && !raise(SIGHUP), "events: %s", strerror(errno));
	REQUIRE(write(port[1], &number, sizeof(number)) == sizeof(number), "pipe: %s", strerror(errno));
	event_base_loop(base, EVLOOP_NONBLOCK); /* the answer to the client ends the loop, come the signal or not */
	event_base_loopexit(base, &(struct timeval){ .tv_sec = 20 });
	event_base_dispatch(base);
	CHECK(signal == SIGHUP, "no signal came");
	CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && !WEXITSTATUS(how), "the client ended with %#x",
	      (unsigned)how);
	event_free(listening);
	event_free(hangup);
	event_base_free(base);
}

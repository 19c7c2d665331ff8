/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop under the filter of system calls: somebody connects, and a signal comes. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privilege.h"
#include "tests/test.h"

static socklen_t address(struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (unsigned)sprintf(ret->sun_path + 1, "tapio-loop-%d", getpid()));
}

/* Asks once, not restricted, and ends with 0 if the answer is what it should be. */
static void client(int go, const struct sockaddr_un *at, socklen_t length)
{
	char answer[64] = "", byte;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (read(go, &byte, 1) != 1 || connect(fd, (const void *)at, length))
		_exit(1);
	_exit(read(fd, answer, sizeof(answer) - 1) > 0 && !strcmp(answer, "still here") ? 0 : 2);
}

static struct event_base *base;
static bool answered;
static int signalled;

static void end_if_done(void)
{
	if (answered && signalled)
		event_base_loopbreak(base);
}

static void answer(evutil_socket_t listener, short what, void *arg)
{
	static const char text[] = "still here";
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	(void)arg;
	CHECK(fd >= 0 && send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0, "answering: %s", strerror(errno));
	close(fd);
	answered = true;
	end_if_done();
}

static void told(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	(void)arg;
	signalled = number;
	end_if_done();
}

static int listen_at(const struct sockaddr_un *at, socklen_t length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	REQUIRE(!bind(fd, (const void *)at, length) && !listen(fd, 8), "listening: %s", strerror(errno));
	return fd;
}

TEST(unit, seccomp_allows_loop)
{
	struct event *listening, *hangup;
	char why[128] = "";
	int go[2], how = -1, err;
	struct sockaddr_un at;
	socklen_t length = address(&at);
	pid_t pid;

	REQUIRE(!pipe(go), "pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		client(go[0], &at, length);
	err = privilege_seccomp(0, why, sizeof(why));
	if (err == -ENOSYS)
		SKIP("%s", why);
	REQUIRE(!err, "%s", why);
	base = event_base_new();
	REQUIRE(base, "no event loop: %s", strerror(errno));
	listening = event_new(base, listen_at(&at, length), EV_READ | EV_PERSIST, answer, NULL);
	hangup = evsignal_new(base, SIGHUP, told, NULL);
	REQUIRE(!event_add(listening, NULL) && !event_add(hangup, NULL) && !raise(SIGHUP), "events: %s", strerror(errno));
	REQUIRE(write(go[1], "x", 1) == 1, "pipe: %s", strerror(errno));
	event_base_loopexit(base, &(struct timeval){ .tv_sec = 20 });
	event_base_dispatch(base);
	CHECK(signalled == SIGHUP, "no signal came");
	CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && !WEXITSTATUS(how), "the client ended with %#x",
	      (unsigned)how);
	event_free(listening);
	event_free(hangup);
	event_base_free(base);
}

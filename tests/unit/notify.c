/* SPDX-License-Identifier: Apache-2.0 */
#include "base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/test.h"

/* A service manager's socket at a path, or at an abstract name. */
static int manager(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	REQUIRE(!bind(fd, (void *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), "%s: %s",
		name, strerror(errno));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void check_told(const char *name)
{
	unsigned long long usec = 0;
	char text[128] = "";
	int fd = manager(name);

	CHECK(!notify_send("READY=1\nSTATUS=here") && recv(fd, text, sizeof(text), 0) == 19, "%s: %s", name,
	      strerror(errno));
	CHECK(!strncmp(text, "READY=1\nSTATUS=here", 19), "%s: got '%s'", name, text);
	memset(text, 0, sizeof(text));
	CHECK(!notify_reloading() && recv(fd, text, sizeof(text) - 1, 0) > 0, "%s: %s", name, strerror(errno));
	CHECK(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec) == 1 && usec, "%s: got '%s'", name, text);
	close(fd);
}

TEST(unit, notify)
{
	char path[64], name[64];

	snprintf(path, sizeof(path), "/tmp/tapio-notify-%d", getpid());
	snprintf(name, sizeof(name), "@tapio-notify-%d", getpid());
	check_told(path);
	CHECK(notify_send("READY=1") == -ECONNREFUSED, "nobody listens, and it does not say so");
	unlink(path);
	CHECK(notify_send("READY=1") == -ENOENT, "no socket, and it does not say so");
	check_told(name);
}

TEST(unit, notify_environment)
{
	char path[300] = "/";

	unsetenv("NOTIFY_SOCKET");
	CHECK(!notify_send("READY=1"), "nobody wants to be told");
	setenv("NOTIFY_SOCKET", "", 1);
	CHECK(!notify_send("READY=1"), "nobody wants to be told");
	setenv("NOTIFY_SOCKET", "relative", 1);
	CHECK(notify_send("READY=1") == -EINVAL, "a relative path");
	memset(path + 1, 'x', sizeof(path) - 2);
	setenv("NOTIFY_SOCKET", path, 1);
	CHECK(notify_send("READY=1") == -EINVAL, "a path that is too long");
}

TEST(unit, notify_watchdog)
{
	char pid[16];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	CHECK(!notify_watchdog_ns(), "nobody asks");
	setenv("WATCHDOG_USEC", "3000000", 1);
	CHECK(notify_watchdog_ns() == 1500000000, "%lu ns", notify_watchdog_ns());
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	CHECK(notify_watchdog_ns() == 1500000000, "%lu ns", notify_watchdog_ns());
	setenv("WATCHDOG_PID", "1", 1);
	CHECK(!notify_watchdog_ns(), "meant for another process");
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	CHECK(!notify_watchdog_ns(), "%lu ns of overflow", notify_watchdog_ns());
}

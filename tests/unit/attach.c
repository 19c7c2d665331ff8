/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the agent's socket. What listens here says what a test wants said. */
#include "export/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "tests/test.h"

static char path[64], why[256];

/*
 * A child that takes one connection, reads a line, says `words` `times` times, and then closes or, with
 * `stay`, waits.
 */
static void agent_that_says(const char *words, unsigned times, bool stay)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	char c = 0;

	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "/tmp/tapio-attach.%d", getpid());
	unlink(path);
	strcpy(at.sun_path, path);
	REQUIRE(!bind(listener, (struct sockaddr *)&at, sizeof(at)) && !listen(listener, 1), "bind: %s", strerror(errno));
	if (fork()) {
		close(listener);
		return;
	}
	for (fd = 3; fd < 64; fd++) /* pipes of the test, which must have no other end here */
		if (fd != listener)
			close(fd);
	fd = accept(listener, NULL, NULL);
	while (c != '\n' && read(fd, &c, 1) == 1)
		;
	for (; times; times--)
		if (write(fd, words, strlen(words)) < 0)
			_exit(0);
	if (stay)
		pause();
	_exit(0);
}

static int open_agent(void)
{
	int fd = attach_open(path, "events", why, sizeof(why));

	REQUIRE(fd >= 0, "%s", why);
	unlink(path);
	return fd;
}

static enum attach_end copy(int fd, struct attach_options options)
{
	enum attach_end end = 99;
	int err = attach_copy(fd, &options, &end, why, sizeof(why));

	CHECK(!err, "attach_copy: %d, %s", err, why);
	return end;
}

static void open_pipe(int fds[2])
{
	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe: %s", strerror(errno));
}

TEST(unit, attach_without_an_agent)
{
	int fd = attach_open("/tmp/tapio-nothing.sock", "events", why, sizeof(why));

	CHECK(fd == -ENOENT && !strcmp(why, "no agent listens at /tmp/tapio-nothing.sock: No such file or directory; "
					    "start one with 'tapio run'"), "%d %s", fd, why);
	agent_that_says("", 0, false);
	fd = open_agent(); /* removes the file */
	close(fd);
	fd = attach_open("/dev/null", "events", why, sizeof(why));
	CHECK(fd == -ECONNREFUSED && strstr(why, "start one with"), "%d %s", fd, why);
}

TEST(unit, attach_copies_until_the_end)
{
	static char got[200000];
	size_t n = 0;
	ssize_t some;
	int fds[2];

	open_pipe(fds);
	agent_that_says("{\"a\":1}\n", 20000, false); /* more than the pipe holds */
	if (!fork()) {
		close(fds[0]);
		_exit(copy(open_agent(), (struct attach_options){ .out_fd = fds[1], .stop_fd = -1 }) != ATTACH_ENDED);
	}
	close(fds[1]);
	while ((some = read(fds[0], got + n, sizeof(got) - n)) > 0)
		n += (size_t)some;
	CHECK(n == 160000 && !strncmp(got, "{\"a\":1}\n", 8) && !strncmp(got + n - 8, "{\"a\":1}\n", 8), "%zu bytes", n);
	unlink(path);
}

/* Short answers, too: whatever their first bytes have in common with an error. */
TEST(unit, attach_short_answers)
{
	static const char *const words[] = { "", "e", "err", "error:", "error", "error; no", "{", "TIME\n" };
	char got[64];
	ssize_t n;
	int fds[2];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		open_pipe(fds);
		agent_that_says(words[i], 1, false);
		CHECK(copy(open_agent(), (struct attach_options){ .out_fd = fds[1], .stop_fd = -1 }) == ATTACH_ENDED, "end");
		close(fds[1]);
		n = read(fds[0], got, sizeof(got));
		CHECK(n == (ssize_t)strlen(words[i]) && !memcmp(got, words[i], (size_t)n), "%s: %zd bytes", words[i], n);
		close(fds[0]);
	}
}

TEST(unit, attach_tells_errors)
{
	struct attach_options options = { .out_fd = -1, .stop_fd = -1 };
	enum attach_end end;
	struct buf answer = BUF_INIT(100);
	int err;

	agent_that_says("error: events: no\n", 1, true);
	err = attach_copy(open_agent(), &options, &end, why, sizeof(why));
	CHECK(err == -EREMOTEIO && !strcmp(why, "the agent says: events: no"), "%d %s", err, why);
	agent_that_says("error: cut off", 1, false);
	err = attach_read(open_agent(), 5000, &answer, why, sizeof(why));
	CHECK(err == -EREMOTEIO && !strcmp(why, "the agent says: cut off") && !answer.length, "%d %s", err, why);
}

TEST(unit, attach_read)
{
	struct buf answer = BUF_INIT(100);
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int err;

	agent_that_says("{\"version\":1}\n", 1, false);
	err = attach_read(open_agent(), 5000, &answer, why, sizeof(why));
	CHECK(!err && !strcmp(buf_cstr(&answer), "{\"version\":1}\n"), "%d %s", err, buf_cstr(&answer));
	buf_reset(&answer);
	agent_that_says("{\"version\":1}\n", 10, false);
	err = attach_read(open_agent(), 5000, &answer, why, sizeof(why));
	CHECK(err == -EMSGSIZE, "an answer that is too long: %d", err);
	buf_reset(&answer);
	agent_that_says("{", 1, true);
	err = attach_read(open_agent(), 300, &answer, why, sizeof(why));
	CHECK(err == -ETIMEDOUT && clock_ns(CLOCK_MONOTONIC) - start < 5 * NS_PER_S, "no end: %d", err);
	buf_free(&answer);
}

/* Each end comes while nothing does, and while a reader does not take what came. */
TEST(unit, attach_ends)
{
	int fds[2], stop = eventfd(1, EFD_CLOEXEC);
	enum attach_end end;
	uint64_t start;

	for (unsigned full = 0; full < 2; full++) {
		open_pipe(fds);
		start = clock_ns(CLOCK_MONOTONIC);
		agent_that_says("x\n", full ? 100000 : 1, true);
		end = copy(open_agent(), (struct attach_options){ .out_fd = fds[1], .stop_fd = -1,
								  .time_ns = 200 * NS_PER_MS });
		start = (clock_ns(CLOCK_MONOTONIC) - start) / NS_PER_MS;
		CHECK(end == ATTACH_TIME && start >= 200 && start < 5000, "end %d after %lu ms", end, (unsigned long)start);
		agent_that_says("x\n", full ? 100000 : 1, true);
		end = copy(open_agent(), (struct attach_options){ .out_fd = fds[1], .stop_fd = stop });
		CHECK(end == ATTACH_STOPPED, "end %d", end);
		close(fds[0]);
		agent_that_says("x\n", full ? 100000 : 0, true);
		end = copy(open_agent(), (struct attach_options){ .out_fd = fds[1], .stop_fd = -1 });
		CHECK(end == ATTACH_READER_LEFT, "end %d", end);
		close(fds[1]);
	}
}

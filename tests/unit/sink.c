/* SPDX-License-Identifier: Apache-2.0 */
/* What sinks do with descriptors that are slow, full, interrupted or gone; shown on JSON. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "export/json.h"
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

static union record r;

static struct event_view fork_event(uint32_t number)
{
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.fork.vpid = number;
	return record_view(&r);
}

/* A pipe of the smallest size, so that writes come to an end in the middle. */
static void small_pipe(int fds[2])
{
	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe: %s", strerror(errno));
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
}

static size_t read_available(int fd, char *to, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t got;

	while (n < size && poll(&pfd, 1, 0) == 1) {
		got = read(fd, to + n, size - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static void nothing(int sig)
{
	(void)sig;
}

/* A signal without SA_RESTART every 20 ms: a blocked call fails with EINTR. */
static timer_t signals_begin(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 20000000 }, { 0, 20000000 } };
	timer_t timer;

	sigaction(SIGUSR1, &sa, NULL);
	REQUIRE(!timer_create(CLOCK_MONOTONIC, &ev, &timer) && !timer_settime(timer, 0, &every, NULL),
		"timer: %s", strerror(errno));
	return timer;
}

TEST(unit, sink_buffers)
{
	static char got[1 << 20];
	struct event_sink *sink;
	struct event_view view;
	size_t n = 0, one;
	unsigned i;
	int fds[2];

	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe: %s", strerror(errno));
	REQUIRE(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 17, "F_SETPIPE_SZ: %s", strerror(errno));
	sink = json_sink_open(fds[1]);
	view = fork_event(1);
	CHECK(!sink->write(sink, &view), "write");
	CHECK(!read_available(fds[0], got, sizeof(got)), "written before flush");
	CHECK(!sink->flush(sink), "flush");
	one = read_available(fds[0], got, sizeof(got));
	CHECK(one > 100 && strict_json_line(got, one), "flushed: %.*s", (int)one, got);
	CHECK(!sink->flush(sink) && !read_available(fds[0], got, sizeof(got)), "flushed twice");
	for (i = 0; i < 65536 / one; i++)
		CHECK(!sink->write(sink, &view), "write");
	CHECK(!read_available(fds[0], got, sizeof(got)), "written below 64 KiB");
	for (i = 0; i < 2; i++)
		CHECK(!sink->write(sink, &view), "write");
	n = read_available(fds[0], got, sizeof(got));
	CHECK(n >= 65536, "nothing written at 64 KiB");
	sink->close(sink);
	n += read_available(fds[0], got, sizeof(got));
	CHECK(n == (65536 / one + 2) * one, "%zu bytes after close", n);
	CHECK(write(fds[1], "", 1) == 1, "the sink closed a descriptor that it had borrowed");
}

/* Events larger in sum than the pipe, taken bit by bit between interruptions. */
TEST(unit, sink_survives_interruptions)
{
	static char got[400000];
	unsigned interrupted = 0, number = 0;
	struct event_sink *sink;
	struct event_view view;
	size_t n = 0;
	int fds[2], err;

	small_pipe(fds);
	signals_begin();
	sink = json_sink_open(fds[1]);
	while (number < 1000) {
		view = fork_event(100000 + number++);
		err = sink->write(sink, &view);
		CHECK(!err || err == -EINTR, "write: %d", err);
		interrupted += err == -EINTR;
		n += err ? read_available(fds[0], got + n, 1000) : 0; /* a slow reader */
	}
	while ((err = sink->flush(sink))) {
		REQUIRE(err == -EINTR, "flush: %d", err);
		interrupted++;
		n += read_available(fds[0], got + n, sizeof(got) - n);
	}
	sink->close(sink);
	n += read_available(fds[0], got + n, sizeof(got) - n);
	CHECK(interrupted > 10, "interrupted only %u times", interrupted);
	number = 0;
	for (char *line = got, *end; line < got + n; line = end, number++) {
		char want[32];

		end = memchr(line, '\n', (size_t)(got + n - line));
		REQUIRE(end++ && strict_json_line(line, (size_t)(end - line)), "line %u is broken", number);
		snprintf(want, sizeof(want), "\"process.vpid\":%u}\n", 100000 + number);
		REQUIRE((size_t)(end - line) > strlen(want) && !memcmp(end - strlen(want), want, strlen(want)),
			"line %u is another one: %.*s", number, (int)(end - line), line);
	}
	CHECK(number == 1000, "%u lines arrived", number);
}

TEST(unit, sink_tells_that_the_reader_left)
{
	struct event_sink *sink;
	struct event_view view = fork_event(1);
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	small_pipe(fds);
	close(fds[0]);
	sink = json_sink_open(fds[1]);
	CHECK(!sink->write(sink, &view), "write");
	CHECK(sink->flush(sink) == -EPIPE, "flush: no -EPIPE");
	sink->close(sink);
}

TEST(unit, sink_tells_that_the_disk_is_full)
{
	struct event_sink *sink;
	struct event_view view = fork_event(1);
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC), err = 0;

	REQUIRE(fd >= 0, "/dev/full: %s", strerror(errno));
	sink = json_sink_open(fd);
	for (unsigned i = 0; i < 1000 && !err; i++)
		err = sink->write(sink, &view);
	CHECK(err == -ENOSPC, "write: %d", err);
	sink->close(sink);
}

TEST(unit, sink_on_a_non_blocking_pipe)
{
	static char got[400000];
	struct event_sink *sink;
	struct event_view view;
	unsigned lines = 0;
	size_t n = 0;
	int fds[2], err;
	pid_t pid;

	small_pipe(fds);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		sink = json_sink_open(fds[1]);
		for (unsigned i = 0; i < 1000; i++) {
			view = fork_event(i + 1);
			err = sink->write(sink, &view);
			if (err && err != -EINTR)
				_exit(1);
		}
		while ((err = sink->flush(sink)) == -EINTR)
			;
		_exit(err ? 1 : 0);
	}
	close(fds[1]);
	for (ssize_t len; (len = read(fds[0], got + n, 3000)) > 0; n += (size_t)len)
		usleep(100);
	for (size_t i = 0; i < n; i++)
		lines += got[i] == '\n';
	CHECK(lines == 1000, "%u lines arrived", lines);
}

TEST(unit, sink_close_does_not_wait_for_ever)
{
	struct event_sink *sink;
	struct event_view view = fork_event(1);
	struct timespec a, b;
	int fds[2], err = 0;
	char got[4096];
	timer_t timer;

	small_pipe(fds);
	timer = signals_begin();
	sink = json_sink_open(fds[1]);
	for (unsigned i = 0; i < 10000 && !err; i++)
		err = sink->write(sink, &view);
	CHECK(err == -EINTR, "a full pipe: %d", err);
	timer_delete(timer);
	CHECK(read(fds[0], got, sizeof(got)) == sizeof(got), "read: %s", strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &a);
	sink->close(sink); /* there is room for 4096 bytes, and nobody reads */
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK(b.tv_sec - a.tv_sec <= 2, "took %ld s", (long)(b.tv_sec - a.tv_sec));
}

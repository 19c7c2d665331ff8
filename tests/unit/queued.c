/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a sink in front of writers that are slow, full, failing, gone or hanging. */
#include "tests/unit/queued.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "export/descriptor.h"

/* A writer that does as it is told. */
struct planted {
	struct writer writer;
	struct arrived arrived;
	char first[512]; /* the line that came first after `first` was emptied */
	volatile unsigned calls;
	unsigned fail_calls;
	volatile int error; /* of all calls, or of fail_calls of them */
	unsigned chaos;   /* state of a random number generator; 0: orderly */
	useconds_t delay;
	bool hangs, closed;
};

static unsigned next_random(unsigned *state)
{
	return *state = *state * 1103515245u + 12345u, *state >> 16;
}

/* A part of it arrives, in whole lines, and the rest does not. */
static size_t planted_part(struct planted *p, const char *data, size_t n)
{
	return writer_lines(data, next_random(&p->chaos) * 65536ull % n);
}

static int planted_write(struct writer *writer, const char *data, size_t n, size_t *ret_written)
{
	struct planted *p = (struct planted *)writer;
	int err = 0;

	p->calls++;
	while (p->hangs)
		pause();
	if (p->delay)
		usleep(p->delay);
	*ret_written = n;
	if (p->chaos && next_random(&p->chaos) % 4 == 0) {
		*ret_written = planted_part(p, data, n);
		err = -EIO;
	} else if (p->error && (!p->fail_calls || p->calls <= p->fail_calls)) {
		*ret_written = 0;
		err = p->error;
	}
	if (*ret_written && !p->first[0])
		memcpy(p->first, data, n < 511 ? n : 511);
	arrived_lines(&p->arrived, data, *ret_written);
	return err;
}

static void planted_close(struct writer *writer)
{
	((struct planted *)writer)->closed = true;
}

static struct planted planted = { .writer = { planted_write, planted_close, -1, 0 } };

static struct event_sink *open_planted(size_t max_bytes, uint64_t retry_ns)
{
	const struct queued_options opts = { .name = "planted", .max_bytes = max_bytes,
					     .retry_ns = retry_ns, .close_ns = QUEUED_CLOSE_NS };
	struct event_sink *sink = queued_open(&opts, &planted.writer);

	REQUIRE(sink && !queued_start(sink), "open");
	return sink;
}

static void give(struct event_sink *sink, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to; i++)
		CHECK(!give_event(sink, i), "write %u", i);
}

/* Until nothing waits any more. */
static struct sink_stats settle(struct event_sink *sink)
{
	struct sink_stats stats;

	for (unsigned i = 0; i < 5000; i++) {
		CHECK(!sink->flush(sink), "flush");
		stats = stats_of(sink);
		if (!stats.queue_events && !stats.error)
			break;
		usleep(1000);
	}
	return stats;
}

static void check_sums(const struct sink_stats *s, uint64_t given)
{
	CHECK(stats_sum(s) == given, "%llu written, %llu and %llu dropped, %llu queued: not %llu",
	      (unsigned long long)s->events, (unsigned long long)s->dropped[0],
	      (unsigned long long)s->dropped[1], (unsigned long long)s->queue_events,
	      (unsigned long long)given);
}

TEST(unit, queued_takes_what_comes)
{
	struct event_sink *sink = open_planted(1 << 20, 0);
	struct sink_stats s;

	give(sink, 1, 1000);
	s = settle(sink);
	CHECK(s.events == 1000 && !strcmp(s.name, "planted") && s.queue_max_bytes == 1 << 20 && !s.queue_bytes &&
		      s.bytes > 100000, "%llu events, %llu bytes", (unsigned long long)s.events,
	      (unsigned long long)s.bytes);
	give(sink, 1001, 1500);
	sink->close(sink);
	CHECK(planted.arrived.events == 1500 && !planted.arrived.lost_lines && !planted.arrived.broken,
	      "%llu arrived", (unsigned long long)planted.arrived.events);
	CHECK(planted.closed, "the writer was not closed");
}

TEST(unit, queued_wakes_once_per_batch)
{
	struct event_sink *sink = open_planted(1 << 20, 0);

	usleep(20000);
	give(sink, 1, 100);
	usleep(20000);
	CHECK(!planted.calls, "%u writes before the flush", planted.calls);
	settle(sink);
	CHECK(planted.calls == 1, "%u writes for one flush", planted.calls);
	sink->flush(sink);
	give(sink, 101, 2000); /* above half a buffer: written unasked */
	for (unsigned i = 0; i < 1000 && planted.calls < 2; i++)
		usleep(1000);
	CHECK(planted.calls >= 2, "half full, and nothing was written");
	sink->close(sink);
}

/* What is refused is told of in its place, and nothing is cut. */
TEST(unit, queued_full)
{
	struct event_sink *sink;
	struct sink_stats s;

	planted.delay = 100000;
	sink = open_planted(QUEUED_MIN_BYTES, 0);
	give(sink, 1, 2000);
	s = stats_of(sink);
	CHECK(s.queue_bytes && s.queue_bytes <= s.queue_max_bytes, "%zu bytes queued", s.queue_bytes);
	CHECK(s.dropped[SINK_DROP_QUEUE_FULL] && !s.dropped[SINK_DROP_FAILED], "none dropped");
	check_sums(&s, 2000);
	s = settle(sink);
	check_sums(&s, 2000);
	give(sink, 2001, 2001);
	sink->close(sink);
	CHECK(planted.arrived.events + planted.arrived.lost[0] == 2001 && planted.arrived.last == 2001 &&
		      planted.arrived.lost_lines >= 1 && !planted.arrived.lost[1] && !planted.arrived.broken,
	      "%llu arrived, %llu lost", (unsigned long long)planted.arrived.events,
	      (unsigned long long)planted.arrived.lost[0]);
}

static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	CHECK(f && fscanf(f, "%*u %lu", &pages) == 1, "statm");
	if (f)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A queue that was full once is small again, though it never rests. */
TEST(unit, queued_gives_memory_back)
{
	struct event_sink *sink = open_planted(16 << 20, 0);
	size_t full, least;
	uint32_t n = 40000;

	give(sink, 1, 1);
	settle(sink);
	planted.delay = 1000000;
	give(sink, 2, 3);
	CHECK(!sink->flush(sink), "flush");
	give(sink, 4, n);
	full = least = resident_bytes();
	planted.delay = 0;
	for (unsigned i = 0; i < 1000 && least + (4 << 20) > full; i++, usleep(10000)) {
		give(sink, n + 1, n + 1);
		n++;
		CHECK(!sink->flush(sink), "flush");
		least = resident_bytes() < least ? resident_bytes() : least;
	}
	CHECK(least + (4 << 20) <= full, "%zu bytes at least, %zu with a full queue", least, full);
	sink->close(sink);
	CHECK(planted.arrived.events == n && !planted.arrived.broken, "%llu of %u arrived",
	      (unsigned long long)planted.arrived.events, n);
}

/* The times of a gap: event N has TEST_WALL_NS + N. */
TEST(unit, queued_gap_names_its_interval)
{
	struct event_sink *sink;

	planted.error = -ENOSPC;
	sink = open_planted(1 << 20, 0);
	give(sink, 100, 300);
	sink->flush(sink);
	while (stats_of(sink).queue_events)
		usleep(1000);
	CHECK(stats_of(sink).error == ENOSPC && stats_of(sink).dropped[SINK_DROP_FAILED] == 201, "error %d",
	      stats_of(sink).error);
	planted.error = 0;
	settle(sink); /* recovers by itself: no event has come since */
	CHECK(!strcmp(planted.first,
		      "{\"time\":\"2026-03-01T12:34:56.123457089Z\",\"event\":\"tapio.lost\","
		      "\"tapio.lost.cause\":\"sink_failed\",\"tapio.lost.count\":201,\"tapio.lost.interval\":200}\n"),
	      "%s", planted.first);
	give(sink, 301, 302);
	CHECK(settle(sink).events == 2, "not recovered");
	sink->close(sink);
	CHECK(planted.arrived.events == 2 && planted.arrived.lost_lines == 1, "%llu arrived, %llu lines of loss",
	      (unsigned long long)planted.arrived.events, (unsigned long long)planted.arrived.lost_lines);
}

TEST(unit, queued_tries_again)
{
	struct event_sink *sink;
	struct sink_stats s;

	planted.error = -EIO;
	planted.fail_calls = 4;
	sink = open_planted(1 << 20, QUEUED_RETRY_NS);
	give(sink, 1, 100);
	sink->flush(sink);
	usleep(20000);
	CHECK(stats_of(sink).error == EIO, "error %d", stats_of(sink).error);
	s = settle(sink);
	CHECK(s.events == 100 && !s.dropped[SINK_DROP_FAILED] && !s.error, "%llu written",
	      (unsigned long long)s.events);
	sink->close(sink);
	CHECK(planted.calls == 5 && planted.arrived.events == 100 && !planted.arrived.lost_lines, "%u calls",
	      planted.calls);
}

/* While it fails for long the queue fills up; what finds no room is a failure, too. */
TEST(unit, queued_fills_up_while_failing)
{
	struct event_sink *sink;
	struct sink_stats s;

	planted.error = -EDQUOT;
	sink = open_planted(QUEUED_MIN_BYTES, QUEUED_RETRY_NS);
	give(sink, 1, 1);
	sink->flush(sink);
	while (!stats_of(sink).error)
		usleep(1000);
	give(sink, 2, 1000);
	s = stats_of(sink);
	CHECK(s.dropped[SINK_DROP_FAILED] > 500 && !s.dropped[SINK_DROP_QUEUE_FULL], "%llu dropped",
	      (unsigned long long)s.dropped[SINK_DROP_FAILED]);
	check_sums(&s, 1000);
	planted.error = 0;
	settle(sink);
	sink->close(sink);
	CHECK(planted.arrived.events + planted.arrived.lost[1] == 1000 && !planted.arrived.lost[0], "%llu + %llu",
	      (unsigned long long)planted.arrived.events, (unsigned long long)planted.arrived.lost[1]);
}

static void *watch(void *arg)
{
	uint64_t sum, before = 0;
	struct sink_stats s;

	for (unsigned i = 0; i < 2000; i++) {
		s = stats_of(arg);
		sum = stats_sum(&s);
		CHECK(sum >= before && s.queue_bytes <= s.queue_max_bytes, "%llu after %llu",
		      (unsigned long long)sum, (unsigned long long)before);
		before = sum;
		usleep(100);
	}
	return NULL;
}

/* A million events into a writer that is slow, fails at random and keeps parts. */
TEST(unit, queued_sums_are_exact)
{
	const uint32_t n = 1000000;
	struct event_sink *sink;
	struct sink_stats s;
	pthread_t watcher;

	planted.chaos = 1;
	planted.delay = 100;
	sink = open_planted(1 << 18, 0);
	REQUIRE(!pthread_create(&watcher, NULL, watch, sink), "thread");
	for (uint32_t i = 1; i <= n; i++) {
		give_event(sink, i);
		if (i % 100 == 0)
			sink->flush(sink);
		if (i % (i / 100000 % 2 ? 1000 : 50000) == 0) /* floods, and times in which it keeps up */
			settle(sink);
	}
	pthread_join(watcher, NULL);
	planted.chaos = 0;
	settle(sink);
	queued_stop(sink);
	s = stats_of(sink);
	check_sums(&s, n);
	CHECK(!s.queue_events && s.events == planted.arrived.events, "%llu counted, %llu arrived",
	      (unsigned long long)s.events, (unsigned long long)planted.arrived.events);
	CHECK(s.dropped[SINK_DROP_QUEUE_FULL] + s.dropped[SINK_DROP_FAILED] ==
		      planted.arrived.lost[0] + planted.arrived.lost[1],
	      "the stream tells of %llu + %llu",
	      (unsigned long long)planted.arrived.lost[0], (unsigned long long)planted.arrived.lost[1]);
	CHECK(s.dropped[SINK_DROP_FAILED] && s.dropped[SINK_DROP_QUEUE_FULL] && s.events > n / 4 &&
		      !planted.arrived.broken, "%llu failed, %llu found it full",
	      (unsigned long long)s.dropped[SINK_DROP_FAILED], (unsigned long long)s.dropped[SINK_DROP_QUEUE_FULL]);
	CHECK(give_event(sink, n + 1) == 0, "write after stop");
	s = stats_of(sink);
	check_sums(&s, n + 1);
	sink->close(sink);
}

TEST(unit, queued_without_a_thread)
{
	const struct queued_options opts = { .name = "planted", .max_bytes = 1 << 20, .close_ns = NS_PER_S };
	struct event_sink *sink = queued_open(&opts, &planted.writer);
	struct sink_stats s;

	REQUIRE(sink, "open");
	give(sink, 1, 10);
	sink->flush(sink);
	REQUIRE(!queued_start(sink), "start");
	CHECK(settle(sink).events == 10, "what came before the start is missing");
	sink->close(sink);
	planted.closed = false;
	sink = queued_open(&opts, &planted.writer);
	give(sink, 1, 10);
	queued_stop(sink);
	s = stats_of(sink);
	CHECK(s.dropped[SINK_DROP_FAILED] == 10 && !s.queue_events && !s.queue_bytes, "never started");
	sink->close(sink);
	CHECK(planted.closed, "not closed");
}

static double seconds(void)
{
	return (double)clock_ns(CLOCK_MONOTONIC) / NS_PER_S;
}

TEST(unit, queued_leaves_a_hanging_writer_behind)
{
	const struct queued_options opts = { .name = "planted", .max_bytes = 1 << 20, .close_ns = NS_PER_S / 10 };
	struct event_sink *sink;
	struct sink_stats s;
	double start;

	planted.hangs = true;
	sink = queued_open(&opts, &planted.writer);
	REQUIRE(sink && !queued_start(sink), "open");
	give(sink, 1, 100);
	sink->flush(sink);
	while (!planted.calls)
		usleep(1000);
	give(sink, 101, 200);
	start = seconds();
	queued_stop(sink);
	s = stats_of(sink);
	CHECK(s.dropped[SINK_DROP_FAILED] == 200 && !s.queue_events, "%llu dropped",
	      (unsigned long long)s.dropped[SINK_DROP_FAILED]);
	sink->close(sink);
	CHECK(seconds() - start < 2, "closing took %.1f s", seconds() - start);
	CHECK(!planted.closed, "closed while it was in use");
}

TEST(unit, queued_text)
{
	static const struct text_options text = { .utc = true };
	const struct queued_options opts = { .name = "stdout", .text = &text, .max_bytes = 1 << 16,
					     .retry_ns = 0, .close_ns = NS_PER_S };
	static char got[4096];
	struct event_sink *sink;
	int fds[2];
	ssize_t n;

	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe");
	sink = queued_open(&opts, descriptor_writer_open(fds[1]));
	REQUIRE(sink && !queued_start(sink), "open");
	give(sink, 1, 2);
	sink->close(sink);
	close(fds[1]);
	n = read(fds[0], got, sizeof(got) - 1);
	CHECK(n > 0 && !strncmp(got, "TIME ", 5) && strstr(got, " process.fork "), "%s", got);
	CHECK(read(fds[0], got, sizeof(got)) == 0, "something keeps the pipe open");
}

/* ---- descriptors ---- */

static struct event_sink *open_stdout(int fd, size_t max_bytes, bool end_on_pipe)
{
	const struct queued_options opts = { .name = "stdout", .max_bytes = max_bytes, .retry_ns = 0,
					     .close_ns = NS_PER_S / 2, .end_on_pipe = end_on_pipe };
	struct event_sink *sink = queued_open(&opts, descriptor_writer_open(fd));

	REQUIRE(sink && !queued_start(sink), "open");
	return sink;
}

/* Nobody reads: the other sink gets all, giving does not block, closing ends, no line is cut. */
static void check_blocked(int fds[2])
{
	struct event_sink *blocked = open_stdout(fds[1], QUEUED_MIN_BYTES, false);
	struct event_sink *other = open_planted(1 << 24, 0);
	static char got[1 << 20];
	struct arrived arrived = { 0 };
	double start, longest = 0, took;
	struct sink_stats s;
	ssize_t n, len = 0;

	for (uint32_t i = 1; i <= 20000; i++) {
		start = seconds();
		CHECK(!give_event(blocked, i) && !blocked->flush(blocked), "write");
		took = seconds() - start;
		longest = took > longest ? took : longest;
		CHECK(!give_event(other, i), "write");
	}
	CHECK(longest < 5, "one write took %.3f s", longest); /* one that waits for a reader waits for ever */
	CHECK(settle(other).events == 20000, "the other sink had to wait");
	s = stats_of(blocked);
	check_sums(&s, 20000);
	CHECK(s.dropped[SINK_DROP_QUEUE_FULL] && !s.error, "none dropped, or error %d", s.error);
	start = seconds();
	queued_stop(blocked);
	CHECK(seconds() - start < 2, "closing took %.1f s", seconds() - start);
	s = stats_of(blocked);
	check_sums(&s, 20000);
	blocked->close(blocked);
	other->close(other);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while ((n = read(fds[0], got + len, sizeof(got) - (size_t)len)) > 0)
		len += n;
	arrived_lines(&arrived, got, (size_t)len);
	CHECK(arrived.events == s.events && s.events && !arrived.broken, "%llu written, %llu arrived, %llu broken",
	      (unsigned long long)s.events, (unsigned long long)arrived.events,
	      (unsigned long long)arrived.broken);
}

TEST(unit, queued_blocked_pipe)
{
	int fds[2];

	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe");
	check_blocked(fds);
	CHECK(!(fcntl(fds[1], F_GETFL) & O_NONBLOCK), "others share these flags");
}

TEST(unit, queued_blocked_socket)
{
	int fds[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
	check_blocked(fds);
}

/* Where /proc does not open it again: a descriptor that would block. */
TEST(unit, queued_blocked_pipe_shared)
{
	char path[32];
	int fds[2];

	REQUIRE(!pipe2(fds, O_CLOEXEC) && !fchmod(fds[1], 0), "pipe: %s", strerror(errno));
	if (!geteuid())
		REQUIRE(!seteuid(65534), "give up being root: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	REQUIRE(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0, "the pipe can be opened again");
	check_blocked(fds);
}

TEST(unit, queued_reader_leaves)
{
	struct event_sink *sink;
	struct sink_stats s;
	int fds[2], err = 0;

	REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe");
	sink = open_stdout(fds[1], 1 << 20, true);
	close(fds[0]);
	give(sink, 1, 10);
	for (unsigned i = 0; i < 5000 && !err; i++, usleep(1000))
		err = sink->flush(sink);
	CHECK(err == -EPIPE && give_event(sink, 11) == -EPIPE, "flush: %d", err);
	s = stats_of(sink);
	CHECK(s.error == EPIPE, "error %d", s.error);
	check_sums(&s, 11);
	sink->close(sink);
	sink = open_stdout(fds[1], 1 << 20, false); /* by the other policy it is a failure like others */
	give(sink, 1, 10);
	CHECK(!sink->flush(sink), "flush");
	for (unsigned i = 0; i < 5000 && !stats_of(sink).dropped[SINK_DROP_FAILED]; i++)
		usleep(1000);
	CHECK(stats_of(sink).dropped[SINK_DROP_FAILED] == 10 && stats_of(sink).error == EPIPE, "not told");
	CHECK(!sink->flush(sink) && !give_event(sink, 11), "write");
	sink->close(sink);
}

TEST(unit, queued_full_device)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct event_sink *sink = open_stdout(fd, 1 << 20, false);
	struct sink_stats s;

	give(sink, 1, 10);
	sink->flush(sink);
	for (unsigned i = 0; i < 5000 && stats_of(sink).queue_events; i++)
		usleep(1000);
	s = stats_of(sink);
	CHECK(s.error == ENOSPC && s.dropped[SINK_DROP_FAILED] == 10, "error %d", s.error);
	sink->close(sink);
}

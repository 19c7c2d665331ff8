/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's socket with real clients, on an event loop that the test turns itself. */
#include "export/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "event/identity.h"
#include "export/unix_socket.h"
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

enum { TIMEOUT_MS = 300, BACKLOG_MAX = 65536 };

static struct event_base *base;
static struct stream_server *server;
static struct event_sink *sink;
static char dir[] = "/tmp/tapio-stream.XXXXXX", path[64];
static union record r;

static int status(void *arg, struct buf *out)
{
	(void)arg;
	buf_adds(out, "{\"version\":\"test\"}");
	return 0;
}

static const struct stream_options options = { .path = path, .status = status, .timeout_ms = TIMEOUT_MS,
					       .backlog_max_bytes = BACKLOG_MAX };

static void clean_up(void)
{
	stream_close(server);
	event_base_free(base);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

static void start(void)
{
	char why[256] = "";

	signal(SIGPIPE, SIG_IGN);
	REQUIRE(mkdtemp(dir), "%s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/new/tapio.sock", dir);
	base = event_base_new();
	server = stream_open(base, &options, why, sizeof(why));
	REQUIRE(server, "%s", why);
	sink = stream_sink(server);
}

static void turn(void)
{
	for (unsigned i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* A client that has sent that. */
static int ask(const char *line)
{
	int fd = unix_socket_connect(path, SOCK_NONBLOCK);

	REQUIRE(fd >= 0, "connect: %s", strerror(-fd));
	CHECK(send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line), "send: %s", strerror(errno));
	turn();
	return fd;
}

/* What is there to be read now; *ret_end: whether the agent has closed. */
static const char *answer(int fd, bool *ret_end)
{
	static char text[8 << 20];
	size_t n = 0;
	ssize_t got;

	do {
		turn();
		got = recv(fd, text + n, sizeof(text) - 1 - n, MSG_DONTWAIT);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	text[n] = '\0';
	*ret_end = !got || errno == ECONNRESET;
	return text;
}

static void check_answer(int fd, const char *wanted, bool wanted_end)
{
	bool end;
	const char *text = answer(fd, &end);

	CHECK(*wanted ? strstr(text, wanted) == text || (!strncmp(wanted, "..", 2) && strstr(text, wanted + 2)) : !*text,
	      "wanted %s, got %.300s", wanted, text);
	CHECK(end == wanted_end, "%s: the connection is %s", wanted, end ? "closed" : "open");
}

/* The sink gets a fork event with that vpid. */
static void put_event(uint32_t number, const struct event_identity *who)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.sensor = TAPIO_SENSOR_PROCESS;
	r.fork.vpid = number;
	view = record_view(&r);
	view.who = who;
	CHECK(!sink->write(sink, &view) && !sink->flush(sink), "write");
}

static void put_lost(uint64_t count)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_LOST);
	r.lost.count = count;
	r.lost.sensor.value = TAPIO_SENSOR_PROCESS;
	r.lost.cause.value = TAPIO_CAUSE_RING_FULL;
	view = record_view(&r);
	CHECK(!sink->write(sink, &view), "write");
}

static struct stream_stats stats(void)
{
	struct stream_stats s;

	turn();
	stream_stats(server, &s);
	return s;
}

TEST(unit, stream_status)
{
	int fd;

	start();
	fd = ask("status\n");
	check_answer(fd, "{\"version\":\"test\"}\n", true);
	close(fd);
	fd = ask("status\r\n");
	shutdown(fd, SHUT_WR);
	check_answer(fd, "{\"version\":\"test\"}\n", true);
	close(fd);
	CHECK(!stats().clients, "a client is left");
	clean_up();
}

TEST(unit, stream_refuses)
{
	static char line[6000];
	uint64_t before;
	bool end = false;
	int fd;

	start();
	fd = ask("statuses\n");
	check_answer(fd, "error: statuses: neither status nor events\n", true);
	fd = ask("events unit=\n");
	check_answer(fd, "error: unit: an empty value\n", true);
	fd = ask("\n");
	check_answer(fd, "error: ", true);
	memset(line, 'a', sizeof(line) - 1);
	fd = ask(line);
	check_answer(fd, "error: a line of more than 4096 bytes\n", true);
	fd = ask("status");
	check_answer(fd, "", false);
	shutdown(fd, SHUT_WR);
	check_answer(fd, "error: the line has no end\n", true);
	fd = ask("stat");
	before = clock_ns(CLOCK_MONOTONIC);
	while (!end && clock_ns(CLOCK_MONOTONIC) - before < 5 * NS_PER_S) {
		const char *text = answer(fd, &end);

		CHECK(!*text || !strcmp(text, "error: no line within 300 ms\n"), "%s", text);
		usleep(1000);
	}
	before = (clock_ns(CLOCK_MONOTONIC) - before) / NS_PER_MS;
	CHECK(before >= TIMEOUT_MS - 50 && before < 2000, "cut off after %lu ms", (unsigned long)before);
	CHECK(!stats().clients && stats().errors == 6 && stats().timeouts == 1, "%u clients, %lu errors, %lu timeouts",
	      stats().clients, (unsigned long)stats().errors, (unsigned long)stats().timeouts);
	clean_up();
}

TEST(unit, stream_events)
{
	static const struct event_identity who = { .pod_namespace = "shop", .pod_name = "web" };
	struct sink_stats s;
	int all, shop, table, two;
	bool end;

	start();
	put_event(1, NULL); /* nobody is there */
	all = ask("events\n");
	shop = ask("events pod=shop/web event=process.*\n");
	table = ask("events format=table width=70\n");
	two = ask("events count=2\n");
	CHECK(stats().attached == 4, "%u attached", stats().attached);
	check_answer(all, "", false);
	check_answer(table, "TIME ", false);
	put_event(2, NULL);
	put_event(3, &who);
	put_event(4, NULL);
	check_answer(all, "..\"process.vpid\":2", false);
	put_event(5, NULL);
	check_answer(all, "..\"process.vpid\":5", false);
	check_answer(shop, "..\"process.vpid\":3", false);
	check_answer(shop, "", false);
	check_answer(table, "..process.fork", false);
	check_answer(two, "..\"process.vpid\":3", true);
	sink->stats(sink, &s);
	CHECK(s.events == 4 + 1 + 4 + 2 && !s.dropped[SINK_DROP_QUEUE_FULL] && !strcmp(s.name, "socket"), "%lu events",
	      (unsigned long)s.events);
	put_lost(7);
	CHECK(strstr(answer(shop, &end), "\"tapio.lost.count\":7"), "a loss is kept back");
	close(all);
	close(shop);
	CHECK(stats().attached == 1 && stats().clients == 1, "%u attached", stats().attached);
	close(table);
	CHECK(!stats().clients, "%u clients", stats().clients);
	clean_up();
}

/* All lines are whole; counts the events, and what losses tell. */
static unsigned count_lines(const char *text, unsigned long *ret_full, unsigned long *ret_ring)
{
	unsigned events = 0;
	const char *end, *count;

	for (; *text; text = end + 1) {
		end = strchr(text, '\n');
		REQUIRE(end && strict_json_line(text, (size_t)(end + 1 - text)), "a broken line: %.200s", text);
		count = strstr(text, "\"tapio.lost.count\":");
		if (!count || count > end)
			events++;
		else if (strstr(text, "\"sink_full\"") && strstr(text, "\"sink_full\"") < end)
			*ret_full += strtoul(count + 19, NULL, 10);
		else
			*ret_ring += strtoul(count + 19, NULL, 10);
	}
	return events;
}

/* One client reads nothing: it costs a bounded backlog, is told what it missed, and the other one gets all. */
TEST(unit, stream_client_that_does_not_read)
{
	unsigned long full = 0, ring = 0, none = 0;
	unsigned slow_events, fast_events = 0;
	struct sink_stats s;
	int slow, fast;
	bool end;

	start();
	slow = ask("events\n");
	fast = ask("events\n");
	for (unsigned i = 0; i < 20000; i++) {
		put_event(i, NULL);
		if (i % 100 == 99)
			fast_events += count_lines(answer(fast, &end), &none, &none);
		if (i == 15000)
			put_lost(11);
	}
	sink->stats(sink, &s);
	CHECK(s.queue_bytes > BACKLOG_MAX / 2 && s.queue_bytes <= BACKLOG_MAX, "%zu bytes wait", s.queue_bytes);
	CHECK(fast_events == 20000 && none == 11, "the fast client got %u, told of %lu", fast_events, none);
	slow_events = count_lines(answer(slow, &end), &full, &ring);
	CHECK(s.dropped[SINK_DROP_QUEUE_FULL] > 1000, "only %lu dropped", (unsigned long)s.dropped[SINK_DROP_QUEUE_FULL]);
	CHECK(slow_events + full == 20000, "%u events and %lu told as lost", slow_events, full);
	CHECK(ring == 11, "a loss that was dropped: %lu", ring);
	CHECK(full + 1 == s.dropped[SINK_DROP_QUEUE_FULL], "%lu told, %lu counted", full,
	      (unsigned long)s.dropped[SINK_DROP_QUEUE_FULL]);
	put_event(20000, NULL);
	CHECK(count_lines(answer(slow, &end), &none, &none) == 1 && !end, "nothing after that");
	close(slow);
	close(fast);
	CHECK(!stats().clients, "%u clients", stats().clients);
	clean_up();
}

/* An event that is larger than a client's whole backlog, with nothing before it that could drain. */
TEST(unit, stream_event_that_is_too_large)
{
	static char args[TAPIO_ARGS_MAX];
	unsigned long full = 0, ring = 0;
	struct event_view view;
	const char *text;
	bool end;
	int fd;

	start();
	fd = ask("events\n");
	memset(args, 1, sizeof(args)); /* six bytes each in JSON */
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.args, args, sizeof(args));
	view = record_view(&r);
	CHECK(!sink->write(sink, &view), "write");
	check_answer(fd, "", false);
	put_event(1, NULL);
	text = answer(fd, &end);
	CHECK(count_lines(text, &full, &ring) == 1 && full == 1 && strstr(text, "\"process.vpid\":1"), "%.500s", text);
	close(fd);
	clean_up();
}

TEST(unit, stream_17th_client)
{
	int fds[STREAM_CLIENTS_MAX], one_more;

	start();
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		fds[i] = ask("events\n");
	one_more = ask("events\n");
	check_answer(one_more, "error: no more clients: 16 are attached already\n", true);
	CHECK(stats().attached == STREAM_CLIENTS_MAX && stats().refused == 1, "%u attached", stats().attached);
	shutdown(fds[3], SHUT_WR); /* says no more, but listens */
	put_event(1, NULL);
	check_answer(fds[3], "{", false);
	close(fds[3]); /* that cannot be seen until somebody wants the place */
	one_more = ask("events\n");
	put_event(2, NULL);
	check_answer(one_more, "{", false);
	CHECK(stats().attached == STREAM_CLIENTS_MAX, "%u attached", stats().attached);
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		check_answer(i == 3 ? one_more : fds[i], i == 3 ? "" : "{", false);
	clean_up();
}

TEST(unit, stream_other_users)
{
	char text[256] = "";
	struct stat st;
	int fds[2];
	pid_t pid;
	ssize_t n;

	if (geteuid())
		SKIP("becoming another user takes root");
	start();
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0600 && S_ISSOCK(st.st_mode), "mode %o", st.st_mode);
	*strrchr(path, '/') = '\0';
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0700, "folder: mode %o", st.st_mode);
	chmod(dir, 0755); /* by mistake, or by an attack on the file system's rights */
	chmod(path, 0755);
	path[strlen(path)] = '/';
	chmod(path, 0666);
	REQUIRE(!pipe(fds), "pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		int fd;

		if (setgid(65534) || setuid(65534))
			_exit(1);
		fd = unix_socket_connect(path, 0);
		n = fd < 0 ? 0 : read(fd, text, sizeof(text));
		_exit(write(fds[1], text, (size_t)(n > 0 ? n : 0)) < 0);
	}
	for (int wstatus = 0; !waitpid(pid, &wstatus, WNOHANG); usleep(1000))
		turn();
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	n = read(fds[0], text, sizeof(text) - 1);
	CHECK(n > 0 && !strcmp(text, "error: only root and the user that the agent runs as may attach\n"), "%s", text);
	CHECK(stats().denied == 1 && !stats().clients, "%lu denied", (unsigned long)stats().denied);
	clean_up();
}

TEST(unit, stream_socket_file)
{
	struct event_base *other_base = event_base_new();
	struct stream_server *other;
	char why[256] = "", pid[32];
	struct stat st;
	int fd;

	start();
	other = stream_open(other_base, &options, why, sizeof(why));
	snprintf(pid, sizeof(pid), "(process %d)", getpid());
	CHECK(!other && strstr(why, "an agent listens there already") && strstr(why, pid), "a living agent: %s", why);
	fd = ask("status\n");
	check_answer(fd, "{\"version\":", true); /* it lives on */
	close(fd);
	unlink(path);
	other = stream_open(other_base, &options, why, sizeof(why));
	REQUIRE(other, "%s", why);
	stream_close(server); /* its file is another's now */
	CHECK(!lstat(path, &st), "the other agent's socket was removed");
	stream_close(other);
	CHECK(lstat(path, &st) && errno == ENOENT, "the socket is left");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	server = stream_open(base, &options, why, sizeof(why));
	CHECK(!server && strstr(why, "not a socket; remove it"), "a file: %s", why);
	unlink(path);
	CHECK(!symlink("/tmp", path) && !stream_open(base, &options, why, sizeof(why)) && strstr(why, "not a socket"),
	      "a symbolic link: %s", why);
	event_base_free(other_base);
	clean_up();
}

TEST(unit, stream_stale_socket)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char why[256] = "";
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	start();
	stream_close(server);
	strcpy(at.sun_path, path);
	REQUIRE(!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 1), "bind: %s", strerror(errno));
	close(fd); /* dies without a word */
	CHECK(!lstat(path, &st), "no stale socket");
	server = stream_open(base, &options, why, sizeof(why));
	REQUIRE(server, "%s", why);
	sink = stream_sink(server);
	fd = ask("status\n");
	check_answer(fd, "{\"version\":", true);
	close(fd);
	clean_up();
}

TEST(unit, stream_paths_that_cannot_be)
{
	static char longest[200];
	struct stream_options bad = { .path = longest };
	struct event_base *b = event_base_new();
	char why[256] = "";

	memset(longest, 'a', 108);
	CHECK(!stream_open(b, &bad, why, sizeof(why)) && strstr(why, "1 to 107 bytes"), "%s", why);
	bad.path = "";
	CHECK(!stream_open(b, &bad, why, sizeof(why)) && strstr(why, "1 to 107 bytes"), "%s", why);
	bad.path = "/proc/no/such/tapio.sock";
	CHECK(!stream_open(b, &bad, why, sizeof(why)) && strstr(why, "creating the folder /proc/no/such"), "%s", why);
	bad.path = "/dev/null/tapio.sock";
	CHECK(!stream_open(b, &bad, why, sizeof(why)) && strstr(why, "the folder /dev/null: Not a directory"), "%s", why);
	stream_close(NULL);
	event_base_free(b);
}

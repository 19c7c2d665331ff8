/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http.h"

#include <sys/wait.h>
#include "base/cleanup.h"
#include "tests/http_client.h"

enum { LARGE = 6 << 20, SHORT_MS = 400 };

static struct http_server *server;

static uint64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static int hello(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)content_type;
	buf_printf(out, "hello %s, path %s, query %s, accept %s\n", (const char *)arg, request->path, request->query,
		   request->accept ? request->accept : "none");
	return 200;
}

static int large(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	size_t n = *request->query ? strtoul(request->query, NULL, 10) : LARGE;
	char *room = buf_room(out, n);

	(void)arg;
	(void)content_type;
	if (room) {
		memset(room, 'x', n);
		out->length += n;
	}
	return 200;
}

static int ill(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)arg;
	(void)request;
	buf_adds(out, "not ready\n");
	*content_type = "text/ill";
	return 503;
}

static int broken(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)arg;
	(void)request;
	(void)out;
	(void)content_type;
	return 42;
}

/* The counters, and the CPU time that the server has used. */
static int stats(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	struct http_stats s;

	(void)arg;
	(void)request;
	(void)content_type;
	http_stats(server, &s);
	buf_printf(out, "%lu %lu %lu %lu %lu %lu %lu %u %lu\n", (unsigned long)s.responses[2],
		   (unsigned long)s.responses[4], (unsigned long)s.responses[5], (unsigned long)s.accepted,
		   (unsigned long)s.refused, (unsigned long)s.timeouts, (unsigned long)s.accept_failures,
		   s.connections, (unsigned long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_MS));
	return 200;
}

static const struct http_handler handlers[] = {
	{ "/hello", "text/plain; charset=utf-8", hello, (void *)"you" },
	{ "/large", "application/octet-stream", large, NULL },
	{ "/ill", "text/plain", ill, NULL },
	{ "/broken", "text/plain", broken, NULL },
	{ "/stats", "text/plain", stats, NULL },
	{ NULL, NULL, NULL, NULL },
};

static struct http_child start(unsigned timeout_ms, unsigned max_fds)
{
	struct http_options options = { .handlers = handlers, .timeout_ms = timeout_ms,
					.response_max_bytes = LARGE };

	return http_child_start(&options, &server, max_fds);
}

struct seen {
	unsigned long ok, client_errors, server_errors, accepted, refused, timeouts, accept_failures, cpu_ms;
	unsigned connections;
};

static struct seen stats_of(struct http_child child)
{
	struct seen s = { 0 };
	const char *body = strstr(http_ask(child.port, "GET /stats HTTP/1.0\r\n\r\n", 23), "\r\n\r\n");

	REQUIRE(body && sscanf(body, " %lu %lu %lu %lu %lu %lu %lu %u %lu", &s.ok, &s.client_errors, &s.server_errors,
			       &s.accepted, &s.refused, &s.timeouts, &s.accept_failures, &s.connections, &s.cpu_ms) == 9,
		"no statistics: %s", body);
	return s;
}

/* Waits until no connection but the one that asks is left, less long than the server's own time limit. */
static struct seen settled(struct http_child child)
{
	struct seen s = stats_of(child);

	for (unsigned i = 0; i < 100 && s.connections > 1; i++) {
		usleep(30000);
		s = stats_of(child);
	}
	return s;
}

#define ASK(child, literal) http_ask((child).port, literal, sizeof(literal) - 1)

static bool begins(const char *answer, const char *start)
{
	return !strncmp(answer, start, strlen(start));
}

static bool ends(const char *answer, const char *end)
{
	size_t n = strlen(answer), k = strlen(end);

	return n >= k && !strcmp(answer + n - k, end);
}

TEST(unit, http_answers)
{
	static const char body[] = "hello you, path /hello, query a=1, accept x/y\n";
	struct http_child child = start(0, 0);
	char length[64];
	const char *a;

	a = ASK(child, "GET /hello?a=1 HTTP/1.1\r\nHost: h\r\nAccept: x/y\r\nConnection: close\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 200 OK\r\nDate: "), "%s", a);
	CHECK(ends(a, body), "%s", a);
	snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", sizeof(body) - 1);
	CHECK(strstr(a, length), "%s", a);
	CHECK(strstr(a, "\r\nContent-Type: text/plain; charset=utf-8\r\n"), "%s", a);
	CHECK(strstr(a, "\r\nX-Content-Type-Options: nosniff\r\n"), "%s", a);
	CHECK(strstr(a, "\r\nConnection: close\r\n"), "%s", a);
	a = ASK(child, "HEAD /hello?a=1 HTTP/1.1\r\nAccept: x/y\r\nConnection: close\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 200 OK\r\n") && strstr(a, length) && ends(a, "\r\n\r\n"), "HEAD: %s", a);
	a = ASK(child, "GET http://any/%68ello HTTP/1.1\r\nConnection: close\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 200 OK\r\n") && strstr(a, "path /hello, query , accept none\n"), "%s", a);
	a = ASK(child, "GET /ill HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 503 Service Unavailable\r\n") && strstr(a, "text/ill\r\n") && ends(a, "not ready\n"),
	      "%s", a);
	a = ASK(child, "GET /broken HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 500 Internal Server Error\r\n"), "%s", a);
	a = ASK(child, "GET /large?99999999 HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 500 ") && strstr(a, "larger than this server allows"), "%.500s", a);
}

TEST(unit, http_refuses)
{
	struct http_child child = start(0, 0);
	struct seen s;
	const char *a;

	a = ASK(child, "GET /helloo?<script> HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 404 Not Found\r\n") && strstr(a, "\n/hello\n/large\n/ill\n"), "%s", a);
	CHECK(!strstr(a, "script"), "the answer repeats the question: %s", a);
	a = ASK(child, "GET /hell HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 404 Not Found\r\n"), "%s", a);
	a = ASK(child, "HEAD /x HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 404 Not Found\r\n") && ends(a, "\r\n\r\n"), "HEAD: %s", a);
	a = ASK(child, "POST /hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(begins(a, "HTTP/1.1 405 Method Not Allowed\r\n") && strstr(a, "\r\nAllow: GET, HEAD\r\n"), "%s", a);
	a = ASK(child, "GET /hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(begins(a, "HTTP/1.1 413 Content Too Large\r\n"), "%s", a);
	a = ASK(child, "HEAD /hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(begins(a, "HTTP/1.1 413 ") && ends(a, "\r\n\r\n"), "HEAD: %s", a);
	a = ASK(child, "GET /hello\0 HTTP/1.1\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 400 Bad Request\r\n"), "%s", a);
	a = ASK(child, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 505 "), "%s", a);
	a = ASK(child, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
	CHECK(begins(a, "HTTP/1.1 400 Bad Request\r\n"), "%s", a);
	s = stats_of(child);
	CHECK(s.client_errors == 8 && s.server_errors == 1 && s.ok == 0 && s.accepted == 10,
	      "4xx %lu, 5xx %lu, 2xx %lu, accepted %lu", s.client_errors, s.server_errors, s.ok, s.accepted);
}

/* A response reaches a client that is still sending what is refused, and is the only one. */
TEST(unit, http_refuses_while_the_client_sends)
{
	static const char post[] = "POST /hello HTTP/1.1\r\nContent-Length: 500000\r\n\r\n";
	static const char headers[] = "GET /hello HTTP/1.1\r\nX: ";
	static char request[600000];
	struct http_child child = start(0, 0);
	const char *a;

	memset(request, 'a', sizeof(request));
	memcpy(request, post, sizeof(post) - 1);
	a = http_ask(child.port, request, sizeof(request));
	CHECK(begins(a, "HTTP/1.1 405 ") && ends(a, "only GET and HEAD\n"), "a large body: %.300s", a);
	memset(request, 'a', sizeof(request));
	memcpy(request, headers, sizeof(headers) - 1);
	a = http_ask(child.port, request, 10240);
	CHECK(begins(a, "HTTP/1.1 431 "), "10 KiB of headers: %.300s", a);
	memset(request, 'a', sizeof(request));
	memcpy(request, "GET /", 5);
	a = http_ask(child.port, request, 10240);
	CHECK(begins(a, "HTTP/1.1 414 "), "10 KiB of URI: %.300s", a);
}

/* Whatever claims a body ends the connection: no byte behind it is taken for a request. */
TEST(unit, http_no_smuggling)
{
	static const char *const requests[] = {
		"GET /hello HTTP/1.1\r\nContent-Length: 34\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /hello HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
		"GET /hello HTTP/1.1\r\nContent-Length: 34\r\n\r\n",
		"GET /hello HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 34\r\n\r\n",
		"GET /hello HTTP/1.1\r\nContent-Length : 34\r\n\r\n",
		"GET /hello HTTP/1.1\r\nX: a\r\n Content-Length: 34\r\n\r\n",
		"GET /hello HTTP/1.1\r\nX: a\rContent-Length: 34\r\n\r\n",
	};
	struct http_child child = start(0, 0);
	char bytes[512];
	const char *a;
	size_t n;

	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		n = (size_t)snprintf(bytes, sizeof(bytes), "%sGET /ill HTTP/1.1\r\nConnection: close\r\n\r\n", requests[i]);
		a = http_ask(child.port, bytes, n);
		CHECK(begins(a, i == 3 ? "HTTP/1.1 413 " : "HTTP/1.1 400 "), "%s: %s", requests[i], a);
		CHECK(!strstr(a + 1, "HTTP/1.1 ") && !strstr(a, "not ready"), "%s: a second response: %s", requests[i], a);
	}
}

TEST(unit, http_keeps_alive_and_pipelines)
{
	static const char three[] = "GET /hello?1 HTTP/1.1\r\n\r\nHEAD /hello?2 HTTP/1.1\r\n\r\n\r\nGET /hello?3 HTTP/1.1\r\n"
				    "Connection: close\r\n\r\nGET /hello?4 HTTP/1.1\r\n\r\n";
	static char many[200 * 32], answers[1 << 20];
	struct http_child child = start(0, 0);
	int fd = http_connect(child.port), status;
	const char *body = "";
	char answer[4096];
	size_t n = 0;

	for (unsigned i = 0; i < 3; i++) {
		http_send(fd, "GET /hello HTTP/1.1\r\n\r\n", 23);
		status = http_read_one(fd, answer, sizeof(answer), &body);
		CHECK(status == 200 && begins(body, "hello") && !strstr(answer, "Connection:"), "%d: %s", status, answer);
	}
	close(fd);
	body = http_ask(child.port, three, sizeof(three) - 1);
	CHECK(strstr(body, "query 1,") && !strstr(body, "query 2,") && ends(body, "query 3, accept none\n"), "%s", body);
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)sprintf(many + n, "GET /hello?%03u HTTP/1.1\r\n\r\n", i);
	fd = http_connect(child.port);
	http_send(fd, many, n);
	shutdown(fd, SHUT_WR); /* half-closed: all of them are answered, then the server closes */
	CHECK(http_read_all(fd, answers, sizeof(answers)) > 0, "read: %s", strerror(errno));
	for (unsigned i = 0; i < 200; i++) {
		snprintf(many, sizeof(many), "query %03u,", i);
		CHECK(strstr(answers, many), "no answer to request %u", i);
	}
	close(fd);
}

/* Milliseconds until the server ends the connection; sends one byte at a time meanwhile. */
static uint64_t drip(struct http_child child, const char *bytes, unsigned every_ms)
{
	uint64_t start_ms = now_ms();
	int fd = http_connect(child.port);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (*bytes && !poll(&pfd, 1, (int)every_ms) && send(fd, bytes, 1, MSG_NOSIGNAL) == 1)
		bytes++;
	while (poll(&pfd, 1, 5000) == 1 && read(fd, &(char){ 0 }, 1) > 0)
		;
	close(fd);
	return now_ms() - start_ms;
}

TEST(unit, http_cuts_off_the_slow)
{
	struct http_child child = start(SHORT_MS, 0);
	struct seen before, after;
	const char *body;
	char answer[4096];
	uint64_t ms;
	int fd;

	ms = drip(child, "GET /hello HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40);
	CHECK(ms >= SHORT_MS - 20 && ms < SHORT_MS * 4, "one byte in 40 ms: cut off after %lu ms", (unsigned long)ms);
	ms = drip(child, "", 0);
	CHECK(ms >= SHORT_MS - 20 && ms < SHORT_MS * 4, "silence: cut off after %lu ms", (unsigned long)ms);
	before = stats_of(child);
	CHECK(before.timeouts == 2, "%lu timeouts", before.timeouts);
	fd = http_connect(child.port); /* idle after a response: closed, but that is no fault */
	http_send(fd, "GET /hello HTTP/1.1\r\n\r\n", 23);
	CHECK(http_read_one(fd, answer, sizeof(answer), &body) == 200, "%s", answer);
	ms = now_ms();
	CHECK(read(fd, answer, 1) == 0, "not closed when idle");
	ms = now_ms() - ms;
	CHECK(ms >= SHORT_MS - 20 && ms < SHORT_MS * 4, "closed after %lu ms", (unsigned long)ms);
	after = stats_of(child);
	CHECK(after.timeouts == 2 && after.connections == 1, "%lu timeouts, %u connections", after.timeouts,
	      after.connections);
	close(fd);
}

/* A client that does not take a response that is larger than all socket buffers. */
TEST(unit, http_cuts_off_who_does_not_read)
{
	struct http_child child = start(5 * SHORT_MS, 0); /* to look at them before they are cut off */
	struct seen s;
	int fds[3];

	for (unsigned i = 0; i < 3; i++) {
		fds[i] = http_connect(child.port);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
		http_send(fds[i], "GET /large HTTP/1.1\r\n\r\n", 23);
		usleep(50000);
	}
	s = stats_of(child);
	CHECK(s.connections == 4, "%u connections", s.connections);
	CHECK(s.ok == 1 && s.server_errors == 2, "more responses wait than HTTP_PENDING_MAX: %lu with 200, %lu with 503",
	      s.ok, s.server_errors);
	s = settled(child);
	CHECK(s.connections == 1 && s.timeouts == 1, "%u connections, %lu timeouts", s.connections, s.timeouts);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
}

/* A response that takes many turns of the loop arrives whole. */
TEST(unit, http_large_response)
{
	struct http_child child = start(0, 0);
	const char *a = ASK(child, "GET /large?1500000 HTTP/1.0\r\n\r\n"), *body = strstr(a, "\r\n\r\n");

	REQUIRE(body, "%.300s", a);
	CHECK(strspn(body + 4, "x") == 1500000 && !body[4 + 1500000], "%zu bytes", strlen(body + 4));
}

/* Places taken by clients that say nothing are given to those who speak. */
TEST(unit, http_200_connections)
{
	struct http_child child = start(0, 0);
	struct seen s;
	uint64_t ms = now_ms();
	unsigned open_ones = 0;
	int fds[200];
	char c;

	for (unsigned i = 0; i < 200; i++)
		fds[i] = http_connect(child.port);
	s = stats_of(child);
	CHECK(s.connections == HTTP_CONNECTIONS_MAX, "%u connections at once", s.connections);
	CHECK(s.refused == 201 - HTTP_CONNECTIONS_MAX, "%lu refused", s.refused);
	for (unsigned i = 0; i < 200; i++)
		open_ones += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	CHECK(open_ones == HTTP_CONNECTIONS_MAX - 1, "%u are open", open_ones);
	CHECK(recv(fds[0], &c, 1, MSG_DONTWAIT) == 0, "the oldest one did not give way");
	CHECK(recv(fds[199], &c, 1, MSG_DONTWAIT) < 0, "the newest one is closed");
	CHECK(now_ms() - ms < 3000, "it took %lu ms", (unsigned long)(now_ms() - ms));
}

/* Each of 200 clients at once that ask is answered or, when there were too many, closed. */
TEST(unit, http_200_requests)
{
	struct http_child child = start(0, 0);
	unsigned answered = 0, closed = 0;
	const char *body = "";
	char answer[4096];
	struct seen s;
	int fds[200];

	for (unsigned i = 0; i < 200; i++) {
		fds[i] = http_connect(child.port);
		http_send(fds[i], "GET /hello HTTP/1.1\r\n\r\n", 23);
	}
	for (unsigned i = 0; i < 200; i++) {
		if (http_read_one(fds[i], answer, sizeof(answer), &body) == 200)
			answered++;
		else
			closed++;
	}
	s = stats_of(child);
	/* the one of the statistics takes a place, too */
	CHECK(answered == s.ok && answered + closed == 200, "%u answered, %lu by its own count", answered, s.ok);
	CHECK(answered >= HTTP_CONNECTIONS_MAX - 1, "only %u of 200 were answered", answered);
	CHECK(s.refused >= closed, "%u closed, %lu counted", closed, s.refused);
}

TEST(unit, http_garbage)
{
	struct http_child child = start(0, 0);
	unsigned random = 1, n;
	char bytes[3000];
	const char *a;

	for (unsigned i = 0; i < 300; i++) {
		n = 1 + i * 10;
		for (unsigned k = 0; k < n; k++) {
			random = random * 1664525 + 1013904223;
			bytes[k] = (char)(random >> 24);
		}
		bytes[n - 1] = '\0'; /* at the latest */
		a = http_ask(child.port, bytes, n);
		CHECK(begins(a, "HTTP/1.1 400 ") || begins(a, "HTTP/1.1 405 "), "%u bytes: %s", n, a);
	}
	a = ASK(child, "GET /hello HTTP/1.0\r\n\r\n");
	CHECK(begins(a, "HTTP/1.1 200 "), "after it: %s", a);
}

/* Clients that vanish in the middle, with and without a reset. */
TEST(unit, http_clients_that_leave)
{
	static const char *const parts[] = { "", "G", "GET /hello HT", "GET /large HTTP/1.1\r\n\r\n",
					     "GET /large HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n", "\x01" };
	const struct linger reset = { .l_onoff = 1 };
	struct http_child child = start(0, 0);
	struct seen s;
	int fd;

	for (unsigned i = 0; i < 4 * COUNT_OF(parts); i++) {
		fd = http_connect(child.port);
		http_send(fd, parts[i / 4], strlen(parts[i / 4]));
		if (i & 1)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i & 2)
			usleep(5000);
		close(fd);
	}
	s = settled(child);
	CHECK(s.connections == 1, "%u connections are left", s.connections);
	CHECK(!waitpid(child.pid, NULL, WNOHANG), "the server has ended");
}

/* Without descriptors the rest waits, without a busy loop, and is served when there are some again. */
TEST(unit, http_out_of_descriptors)
{
	struct http_child child = start(0, 16);
	int fds[40], fd = -1;
	struct seen s;
	char c;

	for (unsigned i = 0; i < COUNT_OF(fds); i++)
		fds[i] = http_connect(child.port);
	usleep(1000000);
	CHECK(recv(fds[39], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "not waiting");
	for (unsigned i = 0; i + 1 < COUNT_OF(fds); i++)
		close(fds[i]);
	fd = fds[39];
	http_send(fd, "GET /hello HTTP/1.0\r\n\r\n", 23);
	CHECK(read(fd, &c, 1) == 1 && c == 'H', "not served when there was room again");
	s = stats_of(child);
	CHECK(s.accept_failures >= 1 && s.accept_failures < 40, "%lu failures", s.accept_failures);
	CHECK(s.cpu_ms < 300, "%lu ms of CPU time in a second of waiting", s.cpu_ms);
}

TEST(unit, http_addresses)
{
	static const char *const good[] = { "127.0.0.1:0", "0.0.0.0:65535", "[::1]:9477", "[::]:0",
					    "[::ffff:127.0.0.1]:1", "[1:2:3:4:5:6:7:8]:1" };
	static const char *const bad[] = { "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
					   "127.0.0.1: 1", "127.1:1", "::1:9477", "[127.0.0.1]:1", "[::1]", "[::1]9477",
					   "[]:1", "[:1", "localhost:9477", ":9477", "*:9477", "[::1%lo]:1", "[::1]x:1",
					   "0x7f000001:1", "127.0.0.1:0x10",
					   "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:1" };
	struct sockaddr_storage at;
	socklen_t length;
	char why[256];

	for (unsigned i = 0; i < COUNT_OF(good); i++)
		CHECK(!http_address_parse(good[i], &at, &length, why, sizeof(why)), "%s: %s", good[i], why);
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		why[0] = '\0';
		CHECK(http_address_parse(bad[i], &at, &length, why, sizeof(why)) == -EINVAL, "%s is taken", bad[i]);
		CHECK(begins(why, bad[i]) && (strstr(why, ": wanted is one like ") || strstr(why, ": no port ")), "%s",
		      why);
	}
}

TEST(unit, http_open_fails_clearly)
{
	struct event_base *base = event_base_new();
	struct http_options options = { .address = "[::1]:0", .handlers = handlers };
	struct http_server *first, *second;
	char why[256] = "", address[64];

	first = http_open(base, &options, why, sizeof(why));
	if (!first && strstr(why, "Cannot assign"))
		SKIP("no IPv6 here");
	REQUIRE(first, "%s", why);
	snprintf(address, sizeof(address), "%s", http_address(first));
	CHECK(begins(address, "[::1]:") && atoi(address + 6) > 0, "%s", address);
	options.address = address;
	second = http_open(base, &options, why, sizeof(why));
	CHECK(!second && begins(why, address) && strstr(why, "another program listens there"), "%s", why);
	options.address = "192.0.2.1:9477";
	CHECK(!http_open(base, &options, why, sizeof(why)) && strstr(why, "does not have the address"), "%s", why);
	options.address = "localhost:9477";
	CHECK(!http_open(base, &options, why, sizeof(why)) && strstr(why, "not a numeric address"), "%s", why);
	http_close(first);
	http_close(NULL);
	event_base_free(base);
}

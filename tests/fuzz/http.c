/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the bytes of an HTTP client. The first byte says into which pieces the rest is cut.
 * The parser must give the same whatever the pieces; the server must answer exactly the requests
 * that the parser finds, with well-formed responses, and end the connection when the client has
 * said all; nothing may be left of it.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "export/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 32768, TURNS_MAX = 100000 };

static struct event_base *base;
static struct http_server *server;
static char answers[8 << 20];
static size_t nanswers;

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int page(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)arg;
	(void)content_type;
	require(request->path[0] == '/' && request->query, "a request without a path or query");
	buf_printf(out, "%zu %zu %zu", strlen(request->path), strlen(request->query),
		   request->accept ? strlen(request->accept) : 0);
	return 200;
}

static const struct http_handler handlers[] = {
	{ "/", "text/plain", page, NULL },
	{ "/a", "text/plain", page, NULL },
	{ NULL, NULL, NULL, NULL },
};

static void start(void)
{
	const struct http_options options = { .handlers = handlers, .timeout_ms = 600000 };
	char why[256];

	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	server = base ? http_open(base, &options, why, sizeof(why)) : NULL;
	require(server, "no server");
}

/* ---- what is to come ---- */

struct expected {
	int status;
	bool head, last;
};

static size_t expect(struct http_parser *p, const char *data, size_t n, size_t piece, struct expected *ret)
{
	size_t count = 0, used, length;
	int status;

	http_parser_reset(p);
	while (n) {
		length = n < piece ? n : piece;
		status = http_parser_feed(p, data, length, &used);
		require(used <= length && (status || used == length), "bytes that are neither taken nor refused");
		data += used;
		n -= used;
		if (!status)
			continue;
		ret[count] = (struct expected){ status, p->request.head, status != 200 || p->request.last };
		if (status == 200 && strcmp(p->request.path, "/") && strcmp(p->request.path, "/a"))
			ret[count].status = 404;
		if (ret[count++].last)
			break;
		http_parser_reset(p);
	}
	return count;
}

/* ---- what comes ---- */

static void turn(int fd)
{
	ssize_t n;

	event_base_loop(base, EVLOOP_NONBLOCK);
	while ((n = recv(fd, answers + nanswers, sizeof(answers) - 1 - nanswers, MSG_DONTWAIT)) > 0)
		nanswers += (size_t)n;
}

static void talk(int fd, const char *data, size_t n, size_t piece)
{
	ssize_t sent = 1;
	size_t length;

	for (; n && sent > 0; data += sent, n -= (size_t)sent) {
		length = n < piece ? n : piece;
		sent = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		turn(fd);
		if (sent < 0 && errno == EAGAIN)
			sent = 0;
	}
	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK) != 0; i++) {
		if (errno == ECONNRESET)
			break;
		require(i < TURNS_MAX, "the server does not end the connection");
		turn(fd);
	}
	answers[nanswers] = '\0';
}

/* Returns the end of a response. */
static const char *check_answer(const char *at, const struct expected *e)
{
	const char *end = strstr(at, "\r\n\r\n"), *field = strstr(at, "\r\nContent-Length: ");
	const char *close_field = strstr(at, "\r\nConnection: close\r\n");
	size_t length;

	require(end && !strncmp(at, "HTTP/1.1 ", 9) && atoi(at + 9) == e->status, "another status than expected");
	require(field && field < end, "no length");
	require(e->last == (close_field && close_field < end + 4), "Connection: close when it goes on, or not when it ends");
	length = e->head ? 0 : strtoul(field + 18, NULL, 10);
	require((size_t)(answers + nanswers - end - 4) >= length, "a response is cut off");
	return end + 4 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct expected whole[INPUT_MAX], pieces[INPUT_MAX];
	static struct http_parser parser;
	size_t count, piece, length = size ? size - 1 : 0;
	const char *bytes = (const char *)data + 1, *at = answers;
	struct http_stats stats;
	int fds[2];

	if (!size || length > INPUT_MAX)
		return 0;
	if (!server)
		start();
	piece = (size_t)data[0] + 1;
	count = expect(&parser, bytes, length, INPUT_MAX, whole);
	require(expect(&parser, bytes, length, piece, pieces) == count && !memcmp(whole, pieces, count * sizeof(*whole)),
		"the pieces make a difference");
	require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), "socketpair");
	nanswers = 0;
	http_serve(server, fds[1]);
	talk(fds[0], bytes, length, piece);
	for (size_t i = 0; i < count; i++)
		at = check_answer(at, &whole[i]);
	require(at == answers + nanswers, "more responses than requests");
	close(fds[0]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	http_stats(server, &stats);
	require(!stats.connections, "a connection is left");
	return 0;
}

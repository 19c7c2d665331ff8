/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "export/acceptor.h"

enum {
	BACKLOG = 128,
	INPUT_MAX = 4096,      /* bytes read ahead of the parser */
	LINGER_MS = 1000,      /* that a client gets to take the last response and leave */
	LINGER_MAX = 1 << 20,  /* bytes of a refused request that are thrown away meanwhile */
};

enum state {
	FREE,
	READING,   /* waits for a request, or for the rest of one */
	WRITING,   /* a response is on its way; what the client sends meanwhile waits */
	LINGERING, /* all is said. Closing with input unread would destroy what the client has not read yet */
};

struct conn {
	struct http_server *server;
	struct bufferevent *bev;
	struct event *deadline;
	enum state state;
	bool served;      /* it has had a response before */
	bool last;        /* the response on its way is the last one */
	bool peer_done;   /* the client sends no more */
	uint64_t since;   /* number of the server's turn in which the state began */
	size_t discarded; /* bytes, while lingering */
	struct http_parser parser;
};

struct http_server {
	struct event_base *base;
	struct http_options options;
	struct acceptor *acceptor;
	struct conn *conns[HTTP_CONNECTIONS_MAX];
	struct buf page;
	struct http_stats stats;
	uint64_t turn;
	char address[INET6_ADDRSTRLEN + 16];
};

/* ---- connections ---- */

static void conn_close(struct conn *c)
{
	struct http_server *s = c->server;

	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (s->conns[i] == c)
			s->conns[i] = NULL;
	s->stats.connections--;
	if (c->deadline)
		event_free(c->deadline);
	if (c->bev)
		bufferevent_free(c->bev);
	free(c);
}

static void conn_enter(struct conn *c, enum state state)
{
	unsigned ms = state == LINGERING && c->server->options.timeout_ms > LINGER_MS ?
			      LINGER_MS : c->server->options.timeout_ms;
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	c->state = state;
	c->since = c->server->turn++;
	event_add(c->deadline, &limit);
}

/* Bytes that wait to be sent, of all connections. */
static size_t pending_bytes(const struct http_server *s)
{
	size_t sum = 0;

	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (s->conns[i])
			sum += evbuffer_get_length(bufferevent_get_output(s->conns[i]->bev));
	return sum;
}

/* ---- responses ---- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return ""; /* may be empty, says RFC 9112 */
}

static void send_page(struct conn *c, int status, const char *content_type, bool head)
{
	struct http_server *s = c->server;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	time_t now = time(NULL);
	char date[64];
	struct tm tm;
	int err;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	err = evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
				  "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%s%s\r\n",
				  status, reason_of(status), date, content_type, s->page.length,
				  status == 405 ? "Allow: GET, HEAD\r\n" : "",
				  c->last ? "Connection: close\r\n" : "") < 0;
	if (!err && !head && s->page.length)
		err = evbuffer_add(out, s->page.data, s->page.length);
	s->stats.responses[status / 100]++;
	conn_enter(c, WRITING);
	if (err) /* no memory: half a response would be worse than none */
		conn_close(c);
}

static void send_words(struct conn *c, int status, bool head, const char *words)
{
	buf_reset(&c->server->page);
	buf_printf(&c->server->page, "%d %s%s%s\n", status, reason_of(status), *words ? ": " : "", words);
	send_page(c, status, "text/plain; charset=utf-8", head);
}

/* The path asked for is not repeated: whoever reads the answer may take it for our words. */
static void send_not_found(struct conn *c, bool head)
{
	struct http_server *s = c->server;

	buf_reset(&s->page);
	buf_adds(&s->page, "404 Not Found. There is:\n");
	for (const struct http_handler *h = s->options.handlers; h->path; h++)
		buf_printf(&s->page, "%s\n", h->path);
	send_page(c, 404, "text/plain; charset=utf-8", head);
}

static void respond(struct conn *c, const struct http_request *request)
{
	struct http_server *s = c->server;
	const struct http_handler *h = s->options.handlers;
	const char *content_type;
	int status;

	while (h->path && strcmp(h->path, request->path))
		h++;
	c->last = request->last;
	if (!h->path) {
		send_not_found(c, request->head);
		return;
	}
	buf_reset(&s->page);
	content_type = h->content_type;
	status = h->respond(h->arg, request, &s->page, &content_type);
	if (s->page.refused)
		send_words(c, 500, request->head, "the page is larger than this server allows");
	else if (status < 200 || status > 599)
		send_words(c, 500, request->head, "");
	else if (pending_bytes(s) + s->page.length > HTTP_PENDING_MAX)
		send_words(c, 503, request->head, "too many responses wait to be read; try again");
	else
		send_page(c, status, content_type, request->head);
}

static void refuse(struct conn *c, int status)
{
	static const char *const words[] = {
		"not a well-formed request", "only GET and HEAD", "a request may not have a body",
	};

	c->last = true;
	send_words(c, status, c->parser.request.head,
		   status == 400 ? words[0] : status == 405 ? words[1] : status == 413 ? words[2] : "");
}

/* ---- what clients do ---- */

/* Answers the next request if all of it is there. */
static void serve_next(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t used, n;
	int status = 0;

	while (!status && (n = evbuffer_get_contiguous_space(in))) {
		status = http_parser_feed(&c->parser, (const char *)evbuffer_pullup(in, (ev_ssize_t)n), n, &used);
		evbuffer_drain(in, used);
	}
	if (status == 200) {
		respond(c, &c->parser.request);
		return;
	}
	if (status)
		refuse(c, status);
	else if (c->peer_done)
		conn_close(c);
}

static void discard(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	c->discarded += evbuffer_get_length(in);
	evbuffer_drain(in, evbuffer_get_length(in));
	if (c->discarded > LINGER_MAX)
		conn_close(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->state == READING)
		serve_next(c);
	else if (c->state == LINGERING)
		discard(c);
}

/* The response has left. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->state != WRITING)
		return;
	c->served = true;
	if (!c->last) {
		http_parser_reset(&c->parser);
		conn_enter(c, READING);
		serve_next(c);
		return;
	}
	if (c->peer_done) {
		conn_close(c);
		return;
	}
	shutdown(bufferevent_getfd(bev), SHUT_WR);
	conn_enter(c, LINGERING);
	discard(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	c->peer_done = true;
	if ((what & BEV_EVENT_ERROR) || c->state != WRITING)
		conn_close(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	/* Between two requests, and at the end, it is usual. */
	if (c->state == WRITING || (c->state == READING && (http_parser_begun(&c->parser) || !c->served)))
		c->server->stats.timeouts++;
	conn_close(c);
}

/* ---- places ---- */

/* The place of the connection that has waited longest and is owed nothing; NULL if there is none. */
static struct conn *longest_waiting(const struct http_server *s)
{
	struct conn *found = NULL;

	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct conn *c = s->conns[i];

		if (c && c->state != WRITING && (!found || c->since < found->since))
			found = c;
	}
	return found;
}

static struct conn **free_place(struct http_server *s)
{
	struct conn *victim;

	if (s->stats.connections == HTTP_CONNECTIONS_MAX) {
		s->stats.refused++;
		victim = longest_waiting(s);
		if (!victim)
			return NULL;
		conn_close(victim);
	}
	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (!s->conns[i])
			return &s->conns[i];
	return NULL;
}

static int conn_start(struct conn *c, int fd)
{
	c->deadline = event_new(c->server->base, -1, 0, on_deadline, c);
	if (!c->deadline)
		return -ENOMEM;
	c->bev = bufferevent_socket_new(c->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return -ENOMEM;
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, INPUT_MAX);
	http_parser_reset(&c->parser);
	conn_enter(c, READING);
	return bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void http_serve(struct http_server *s, int fd)
{
	struct conn **place = free_place(s), *c = place ? calloc(1, sizeof(*c)) : NULL;

	s->stats.accepted++;
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	*place = c;
	s->stats.connections++;
	if (!conn_start(c, fd))
		return;
	if (!c->bev)
		close(fd);
	conn_close(c);
}

static void on_accept(void *arg, int fd)
{
	http_serve(arg, fd);
}

/* ---- the server ---- */

/* "127.0.0.1:9477" of a bound socket. */
static void describe(int fd, char *text, size_t size)
{
	struct sockaddr_storage address = { 0 };
	const struct sockaddr_in6 *six = (void *)&address;
	const struct sockaddr_in *four = (void *)&address;
	socklen_t length = sizeof(address);
	char host[INET6_ADDRSTRLEN] = "?";
	bool is_six;

	getsockname(fd, (struct sockaddr *)&address, &length);
	is_six = address.ss_family == AF_INET6;
	inet_ntop(address.ss_family, is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr, host,
		  sizeof(host));
	snprintf(text, size, is_six ? "[%s]:%u" : "%s:%u", host, ntohs(is_six ? six->sin6_port : four->sin_port));
}

static int failed(const char *address, const char *what, char *why, size_t size)
{
	int err = -errno;

	snprintf(why, size, "%s: %s: %s%s", address, what, strerror(-err),
		 err == -EADDRINUSE    ? ": another program listens there; choose another port, or 0 for any" :
		 err == -EADDRNOTAVAIL ? ": this machine does not have the address" : "");
	return err;
}

/* A descriptor, or a negative errno and the reason. */
static int listen_at(const char *address, char *why, size_t size)
{
	struct sockaddr_storage at;
	socklen_t length;
	int fd, err, on = 1, off = 0;

	err = http_address_parse(address, &at, &length, why, size);
	if (err)
		return err;
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(address, "socket", why, size);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!bind(fd, (struct sockaddr *)&at, length) && !listen(fd, BACKLOG))
		return fd;
	err = failed(address, "bind", why, size);
	close(fd);
	return err;
}

struct http_server *http_open(struct event_base *base, const struct http_options *options, char *why, size_t size)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int fd = -1;

	if (!s)
		goto no_memory;
	s->base = base;
	s->options = *options;
	if (!s->options.timeout_ms)
		s->options.timeout_ms = HTTP_TIMEOUT_MS;
	s->page.max = options->response_max_bytes ? options->response_max_bytes : HTTP_RESPONSE_MAX;
	if (!options->address)
		return s;
	fd = listen_at(options->address, why, size);
	if (fd < 0) {
		free(s);
		return NULL;
	}
	describe(fd, s->address, sizeof(s->address));
	s->acceptor = acceptor_open(base, fd, on_accept, s);
	if (s->acceptor)
		return s;
	free(s);
no_memory:
	snprintf(why, size, "serving HTTP: %s", strerror(ENOMEM));
	return NULL;
}

const char *http_address(const struct http_server *s)
{
	return s->address;
}

void http_stats(const struct http_server *s, struct http_stats *ret)
{
	*ret = s->stats;
	ret->accept_failures = acceptor_failures(s->acceptor);
}

void http_close(struct http_server *s)
{
	if (!s)
		return;
	acceptor_close(s->acceptor);
	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (s->conns[i])
			conn_close(s->conns[i]);
	buf_free(&s->page);
	free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "export/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/acceptor.h"
#include "export/json.h"
#include "export/missed.h"
#include "export/stream_request.h"
#include "export/text.h"
#include "export/unix_socket.h"

enum { LINE_BYTES = 1 << 20 }; /* of one event in any format: the largest needs 6 times a record */

enum state {
	ASKING,   /* its line has not come yet */
	ATTACHED, /* gets events */
	ENDING,   /* gets what is left, then the end */
};

/* An event in one format, shared by the clients that want it so. */
struct rendering {
	bool table;
	struct text_options text;
	unsigned users;
	bool fresh; /* `out` is the event that is being written */
	struct buf out;
};

struct client {
	struct stream_server *server;
	struct bufferevent *bev;
	struct event *deadline;
	enum state state;
	bool half_closed; /* it sends no more */
	struct rendering *rendering;
	uint64_t sent;
	struct missed missed; /* if any, further events are dropped until there is room */
	struct stream_request request;
};

struct stream_server {
	struct event_sink sink;
	struct event_base *base;
	struct stream_options options;
	struct unix_socket socket;
	struct acceptor *acceptor;
	struct client *clients[STREAM_CLIENTS_MAX];
	struct rendering renderings[STREAM_CLIENTS_MAX];
	struct stream_stats stats;
	struct sink_stats sink_stats;
};

/* ---- clients ---- */

static void client_close(struct client *c)
{
	struct stream_server *s = c->server;

	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		if (s->clients[i] == c)
			s->clients[i] = NULL;
	s->stats.clients--;
	s->stats.attached -= c->state == ATTACHED;
	if (c->rendering && !--c->rendering->users)
		buf_free(&c->rendering->out);
	if (c->deadline)
		event_free(c->deadline);
	if (c->bev)
		bufferevent_free(c->bev);
	free(c);
}

static size_t backlog(const struct client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void set_deadline(struct client *c)
{
	unsigned ms = c->server->options.timeout_ms;
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	event_add(c->deadline, &limit);
}

/* Closes it when all that waits for it has left, or at the deadline. Not at once: `c` stays valid. */
static void client_end(struct client *c)
{
	c->server->stats.attached -= c->state == ATTACHED;
	c->state = ENDING;
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	set_deadline(c);
	if (!backlog(c))
		event_active(c->deadline, 0, 0);
}

static void __attribute__((format(printf, 2, 3))) client_error(struct client *c, const char *fmt, ...)
{
	char line[512] = "error: ";
	size_t n = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	c->server->stats.errors++;
	bufferevent_write(c->bev, line, n);
	client_end(c);
}

/* ---- events to clients ---- */

static void render(struct buf *out, bool table, const struct text_options *text, const struct event_view *view)
{
	if (table)
		text_event(out, view, text);
	else
		json_event(out, view);
}

static void write_lost(void *arg, const struct event_view *lost)
{
	struct client *c = arg;
	struct buf out = BUF_INIT(LINE_BYTES);

	render(&out, c->request.table, &c->request.text, lost);
	bufferevent_write(c->bev, out.data, out.length);
	buf_free(&out);
}

static bool has_room(const struct client *c)
{
	return backlog(c) <= c->server->options.backlog_max_bytes / 2;
}

static void count_drop(struct client *c, const struct event_view *view, enum sink_drop why)
{
	c->server->sink_stats.dropped[why]++;
	missed_add(&c->missed, view, why == SINK_DROP_FAILED ? TAPIO_CAUSE_SINK_FAILED : TAPIO_CAUSE_SINK_FULL);
}

static void deliver(struct client *c, const struct event_view *view)
{
	struct rendering *r = c->rendering;
	struct sink_stats *stats = &c->server->sink_stats;

	if (c->missed.any && has_room(c))
		missed_tell(&c->missed, write_lost, c);
	if (c->missed.any) {
		count_drop(c, view, SINK_DROP_QUEUE_FULL);
		return;
	}
	if (!r->fresh) {
		buf_reset(&r->out);
		render(&r->out, r->table, &r->text, view);
		r->fresh = true;
	}
	if (backlog(c) + r->out.length > c->server->options.backlog_max_bytes) {
		count_drop(c, view, SINK_DROP_QUEUE_FULL);
		return;
	}
	if (r->out.refused || bufferevent_write(c->bev, r->out.data, r->out.length)) {
		count_drop(c, view, SINK_DROP_FAILED);
		return;
	}
	stats->events++;
	stats->bytes += r->out.length;
	c->sent += view->desc->type != TAPIO_EV_LOST;
	if (c->request.count && c->sent >= c->request.count)
		client_end(c);
}

static int sink_write(struct event_sink *sink, const struct event_view *view)
{
	struct stream_server *s = (struct stream_server *)sink;

	if (!s->stats.attached)
		return 0;
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		s->renderings[i].fresh = false;
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++) {
		struct client *c = s->clients[i];

		if (c && c->state == ATTACHED && stream_request_matches(&c->request, view))
			deliver(c, view);
	}
	return 0;
}

/* The event loop does it. */
static int sink_flush(struct event_sink *sink)
{
	(void)sink;
	return 0;
}

static void sink_close(struct event_sink *sink)
{
	(void)sink;
}

static void sink_stats(const struct event_sink *sink, struct sink_stats *ret)
{
	const struct stream_server *s = (const struct stream_server *)sink;

	*ret = s->sink_stats;
	ret->name = "socket";
	ret->queue_max_bytes = s->options.backlog_max_bytes * STREAM_CLIENTS_MAX;
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		if (s->clients[i])
			ret->queue_bytes += backlog(s->clients[i]);
}

/* ---- requests ---- */

static bool same_options(const struct text_options *a, const struct text_options *b)
{
	return a->colour == b->colour && a->utc == b->utc && a->width == b->width;
}

/* There are as many as clients, so that one is always found. */
static struct rendering *rendering_of(struct stream_server *s, const struct stream_request *request)
{
	struct rendering *r, *unused = NULL;

	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++) {
		r = &s->renderings[i];
		if (r->users && r->table == request->table && (!r->table || same_options(&r->text, &request->text)))
			return r;
		if (!r->users)
			unused = r;
	}
	*unused = (struct rendering){ .table = request->table, .text = request->text, .out = BUF_INIT(LINE_BYTES) };
	return unused;
}

static void attach(struct client *c)
{
	struct stream_server *s = c->server;
	struct buf heading = BUF_INIT(LINE_BYTES);

	event_del(c->deadline);
	c->rendering = rendering_of(s, &c->request);
	c->rendering->users++;
	c->state = ATTACHED;
	s->stats.attached++;
	bufferevent_setwatermark(c->bev, EV_WRITE, s->options.backlog_max_bytes / 2, 0);
	if (c->request.table)
		text_header(&heading, &c->request.text);
	bufferevent_write(c->bev, heading.data, heading.length);
	buf_free(&heading);
}

static void send_status(struct client *c)
{
	struct stream_server *s = c->server;
	struct buf out = BUF_INIT(STREAM_STATUS_MAX);
	int err = s->options.status ? s->options.status(s->options.arg, &out) : -EOPNOTSUPP;

	buf_addc(&out, '\n');
	if (!err && out.refused)
		err = -ENOBUFS;
	if (err) {
		client_error(c, "status: %s", strerror(-err));
	} else {
		bufferevent_write(c->bev, out.data, out.length);
		client_end(c);
	}
	buf_free(&out);
}

static void take_request(struct client *c, const char *line, size_t n)
{
	char why[256];

	if (n && line[n - 1] == '\r')
		n--;
	if (stream_request_parse(&c->request, line, n, why, sizeof(why)))
		client_error(c, "%s", why);
	else if (c->request.status)
		send_status(c);
	else
		attach(c);
}

/* ---- what clients do ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in);
	const char *data = (const char *)evbuffer_pullup(in, -1), *end = n ? memchr(data, '\n', n) : NULL;

	if (c->state == ASKING && end)
		take_request(c, data, (size_t)(end - data));
	else if (c->state == ASKING && n > STREAM_LINE_MAX)
		client_error(c, "a line of more than %u bytes", STREAM_LINE_MAX);
	if (c->state != ASKING) /* whatever it says now is not listened to */
		evbuffer_drain(in, n);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (c->state == ENDING && !backlog(c))
		client_close(c);
	else if (c->state == ATTACHED && c->missed.any && has_room(c))
		missed_tell(&c->missed, write_lost, c);
}

/* Whether the other end is closed in both directions. */
static bool has_left(const struct client *c)
{
	struct pollfd pfd = { .fd = bufferevent_getfd(c->bev) };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}

/* A client that says no more may still listen: printf 'events\n' | nc -NU PATH. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	(void)bev;
	c->half_closed = true;
	if (what & BEV_EVENT_ERROR || has_left(c))
		client_close(c);
	else if (c->state == ASKING)
		client_error(c, "the line has no end");
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	if (what & EV_TIMEOUT)
		c->server->stats.timeouts++;
	if (c->state == ASKING && (what & EV_TIMEOUT))
		client_error(c, "no line within %u ms", c->server->options.timeout_ms);
	else
		client_close(c);
}

/* ---- places ---- */

/* One that was half-closed first and closed later is not noticed until something is written. */
static void forget_who_left(struct stream_server *s)
{
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		if (s->clients[i] && s->clients[i]->half_closed && has_left(s->clients[i]))
			client_close(s->clients[i]);
}

static struct client **free_place(struct stream_server *s)
{
	if (s->stats.clients == STREAM_CLIENTS_MAX)
		forget_who_left(s);
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		if (!s->clients[i])
			return &s->clients[i];
	return NULL;
}

static int client_start(struct client *c, int fd)
{
	c->deadline = event_new(c->server->base, -1, 0, on_deadline, c);
	if (!c->deadline)
		return -ENOMEM;
	c->bev = bufferevent_socket_new(c->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return -ENOMEM;
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, STREAM_LINE_MAX + 2);
	set_deadline(c);
	return bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* A short last word to somebody who gets no place. */
static void turn_away(int fd, const char *words)
{
	ssize_t n = send(fd, words, strlen(words), MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n; /* nothing is owed */
	close(fd);
}

static bool may_attach(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void on_accept(void *arg, int fd)
{
	struct stream_server *s = arg;
	struct client **place, *c;

	s->stats.accepted++;
	if (!may_attach(fd)) {
		s->stats.denied++;
		turn_away(fd, "error: only root and the user that the agent runs as may attach\n");
		return;
	}
	place = free_place(s);
	c = place ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		s->stats.refused++;
		turn_away(fd, "error: no more clients: 16 are attached already\n");
		return;
	}
	c->server = s;
	*place = c;
	s->stats.clients++;
	if (!client_start(c, fd))
		return;
	if (!c->bev)
		close(fd);
	client_close(c);
}

/* ---- the server ---- */

struct stream_server *stream_open(struct event_base *base, const struct stream_options *options, char *why,
				  size_t size)
{
	struct stream_server *s = calloc(1, sizeof(*s));
	int fd;

	if (!s) {
		snprintf(why, size, "%s: %s", options->path, strerror(ENOMEM));
		return NULL;
	}
	s->base = base;
	s->options = *options;
	if (!s->options.timeout_ms)
		s->options.timeout_ms = STREAM_TIMEOUT_MS;
	if (!s->options.backlog_max_bytes)
		s->options.backlog_max_bytes = STREAM_BACKLOG_MAX;
	s->sink = (struct event_sink){ .write = sink_write, .flush = sink_flush, .stats = sink_stats, .close = sink_close };
	fd = unix_socket_listen(options->path, &s->socket, why, size);
	if (fd >= 0) {
		s->acceptor = acceptor_open(base, fd, on_accept, s);
		if (s->acceptor)
			return s;
		unix_socket_remove(&s->socket);
		snprintf(why, size, "%s: %s", options->path, strerror(ENOMEM));
	}
	free(s);
	return NULL;
}

struct event_sink *stream_sink(struct stream_server *s)
{
	return &s->sink;
}

void stream_stats(const struct stream_server *s, struct stream_stats *ret)
{
	*ret = s->stats;
	ret->accept_failures = acceptor_failures(s->acceptor);
}

void stream_close(struct stream_server *s)
{
	if (!s)
		return;
	unix_socket_remove(&s->socket);
	acceptor_close(s->acceptor);
	for (unsigned i = 0; i < STREAM_CLIENTS_MAX; i++)
		if (s->clients[i])
			client_close(s->clients[i]);
	free(s);
}

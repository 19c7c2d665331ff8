/* SPDX-License-Identifier: Apache-2.0 */
#include "export/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PER_TURN = 16, PAUSE_MS = 250 };

struct acceptor {
	struct event *readable, *resume;
	void (*take)(void *arg, int fd);
	void *arg;
	uint64_t failures;
	int fd;
};

/* Whether accept(2) failed by what is particular to one connection, or by nothing at all. */
static bool is_passing(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	case EPROTO: /* this and the next ones: errors of the new connection, says accept(2) */
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

static void pause_for_a_moment(struct acceptor *a)
{
	const struct timeval moment = { .tv_usec = PAUSE_MS * 1000 };

	a->failures++;
	event_del(a->readable);
	event_add(a->resume, &moment);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd;
	(void)what;
	event_add(a->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)what;
	for (unsigned i = 0; i < PER_TURN; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (conn >= 0)
			a->take(a->arg, conn);
		else if (errno == EAGAIN)
			return;
		else if (!is_passing(errno)) {
			pause_for_a_moment(a);
			return;
		}
	}
}

struct acceptor *acceptor_open(struct event_base *base, int fd, void (*take)(void *arg, int fd), void *arg)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (!a) {
		close(fd);
		return NULL;
	}
	*a = (struct acceptor){ .take = take, .arg = arg, .fd = fd };
	a->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, a);
	a->resume = event_new(base, -1, 0, on_resume, a);
	if (!a->readable || !a->resume || event_add(a->readable, NULL)) {
		acceptor_close(a);
		return NULL;
	}
	return a;
}

uint64_t acceptor_failures(const struct acceptor *a)
{
	return a ? a->failures : 0;
}

void acceptor_close(struct acceptor *a)
{
	if (!a)
		return;
	if (a->readable)
		event_free(a->readable);
	if (a->resume)
		event_free(a->resume);
	close(a->fd);
	free(a);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/live/dns_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/host.h"
#include "tests/unit/dns_packet.h"

enum { QR = 0x8000, AA = 0x0400, RCODE_NXDOMAIN = 3, TYPE_A = 1 };

/* ---- sockets ---- */

union address loopback(int family, uint16_t port, socklen_t *ret_length)
{
	union address a = { .sa.sa_family = (sa_family_t)family };

	if (family == AF_INET) {
		a.v4.sin_port = htons(port);
		a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*ret_length = sizeof(a.v4);
	} else {
		a.v6.sin6_port = htons(port);
		a.v6.sin6_addr = in6addr_loopback;
		*ret_length = sizeof(a.v6);
	}
	return a;
}

char client_comm[TAPIO_COMM_LEN], server_comm[TAPIO_COMM_LEN];

void new_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	_cleanup_close_ int fd = -1;

	REQUIRE(!unshare(CLONE_NEWNET), "a network namespace: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo), "lo: %s", strerror(errno));
}

void own_network(struct live *l)
{
	char why[128];

	new_network();
	snprintf(client_comm, sizeof(client_comm), "dns-c%d", getpid());
	snprintf(server_comm, sizeof(server_comm), "dns-s%d", getpid());
	REQUIRE(!filter_add(&l->options.filter, TAPIO_FILTER_COMM, client_comm, why, sizeof(why)) &&
			!filter_add(&l->options.filter, TAPIO_FILTER_COMM, server_comm, why, sizeof(why)),
		"filter: %s", why);
}

bool dns_may_be_skipped(const struct live *l)
{
	return host_kernel_at_least(7, 0) && live_skipped(l);
}

static int bound(int family, int type, uint16_t port)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;
	socklen_t n;
	union address a = loopback(family, port, &n);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, &a.sa, n) || (type == SOCK_STREAM && listen(fd, 16)))
		_exit(90);
	return fd;
}

/* ---- the server ---- */

static struct gate accepted;

/* The name is in lower case and not compressed: the test's own clients send nothing else. */
static bool asks_for(const struct packet *q, const char *label)
{
	return q->n > 12 && q->data[12] == strlen(label) && !memcmp(q->data + 13, label, strlen(label));
}

static void answer_to(const struct packet *q, struct packet *a)
{
	bool nx = asks_for(q, "nx");

	*a = *q;
	a->data[2] = (QR | AA) >> 8;
	a->data[3] = nx ? RCODE_NXDOMAIN : 0;
	if (nx)
		return;
	a->data[7] = 1;
	put16(a, 0xc00c); /* the question's name */
	put16(a, TYPE_A);
	put16(a, 1);
	put32(a, 300);
	put16(a, 4);
	a->n += 4;
	inet_pton(AF_INET, ANSWER, a->data + a->n - 4);
}

static void serve_datagram(int fd)
{
	static struct packet q, a;
	union address from;
	socklen_t length = sizeof(from);
	ssize_t n = recvfrom(fd, q.data, sizeof(q.data), 0, &from.sa, &length);

	if (n <= 0 || (q.n = (size_t)n, asks_for(&q, "silent")))
		return;
	answer_to(&q, &a);
	sendto(fd, a.data, a.n, 0, &from.sa, length);
}

static bool read_all(int fd, void *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, (char *)to + at, n - at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

/* Both messages that a client sends are answered, in one write. */
static void serve_stream(int listener)
{
	static struct packet q, a, all;
	static bool was_accepted;
	int fd = accept(listener, NULL, NULL);
	uint8_t length[2];

	if (!was_accepted)
		gate_open(&accepted);
	was_accepted = true;
	all.n = 0;
	while (read_all(fd, length, 2)) {
		q.n = (size_t)length[0] << 8 | length[1];
		if (!read_all(fd, q.data, q.n))
			break;
		answer_to(&q, &a);
		put16(&all, (unsigned)a.n);
		put(&all, a.data, a.n);
		if (asks_for(&q, "first"))
			continue;
		if (write(fd, all.data, all.n) < 0)
			break;
		all.n = 0;
	}
	close(fd);
}

static int serve(void *arg)
{
	struct gate *ready = arg;
	struct pollfd fds[] = { { bound(AF_INET, SOCK_DGRAM, DNS_PORT), POLLIN, 0 },
				{ bound(AF_INET6, SOCK_DGRAM, DNS_PORT), POLLIN, 0 },
				{ bound(AF_INET, SOCK_STREAM, DNS_PORT), POLLIN, 0 },
				{ bound(AF_INET6, SOCK_STREAM, DNS_PORT), POLLIN, 0 } };

	child_name(server_comm);
	gate_open(ready);
	for (;;) {
		poll(fds, 4, -1);
		for (unsigned i = 0; i < 4; i++)
			if (fds[i].revents && i < 2)
				serve_datagram(fds[i].fd);
			else if (fds[i].revents)
				serve_stream(fds[i].fd);
	}
	return 0;
}

/* ---- the client ---- */

static void question(struct packet *q, const char *name, unsigned id)
{
	put_header(q, 0x0100, 1, 0, 0, 0);
	q->data[0] = (uint8_t)(id >> 8);
	q->data[1] = (uint8_t)id;
	put_name(q, name);
	put16(q, TYPE_A);
	put16(q, 1);
}

/* No operation, thrice; of IPv6 a header of destination options that pads: RFC 791 3.1, RFC 8200 4.2. */
static bool set_options(int fd, int family)
{
	static const uint8_t v4[4] = { 1, 1, 1, 0 }, v6[8] = { 0, 0, 1, 4, 0, 0, 0, 0 };

	if (family == AF_INET)
		return !setsockopt(fd, IPPROTO_IP, IP_OPTIONS, v4, sizeof(v4));
	return !setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, v6, sizeof(v6));
}

static bool ask_datagram(struct ask *ask, int fd, const union address *to, socklen_t length)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	static struct packet q;

	question(&q, ask->name, 0x4711);
	ask->sent_ns = clock_ns(CLOCK_BOOTTIME);
	if (ask->way == UNCONNECTED ? sendto(fd, q.data, q.n, 0, &to->sa, length) < 0 : send(fd, q.data, q.n, 0) < 0)
		return false;
	ask->answered = poll(&pfd, 1, !strncmp(ask->name, "silent", 6) ? 20 : 5000) == 1 &&
			recv(fd, q.data, sizeof(q.data), 0) > 0;
	ask->came_ns = clock_ns(CLOCK_BOOTTIME);
	return true;
}

/* Two questions on one connection: "first.NAME" and NAME; at once, or an octet at a time. */
static bool ask_stream(struct ask *ask, int fd)
{
	static struct packet q, all;
	char first[80];
	uint8_t length[2];
	int one = 1;

	all.n = 0;
	snprintf(first, sizeof(first), "first.%s", ask->name);
	for (unsigned i = 0; i < 2; i++) {
		question(&q, i ? ask->name : first, 0x100 + i);
		put16(&all, (unsigned)q.n);
		put(&all, q.data, q.n);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ask->sent_ns = clock_ns(CLOCK_BOOTTIME);
	for (size_t at = 0, n; at < all.n; at += n) {
		n = ask->way == STREAM_IN_PIECES ? 1 : all.n - at;
		if (write(fd, all.data + at, n) != (ssize_t)n)
			return false;
	}
	for (unsigned i = 0; i < 2; i++)
		ask->answered = read_all(fd, length, 2) && read_all(fd, q.data, (size_t)length[0] << 8 | length[1]);
	ask->came_ns = clock_ns(CLOCK_BOOTTIME);
	return ask->answered;
}

int do_ask(void *arg)
{
	struct ask *ask = arg;
	bool stream = ask->way == STREAM || ask->way == STREAM_IN_PIECES;
	socklen_t length;
	union address to = loopback(ask->family, ask->port, &length);
	int fd = socket(ask->family, stream ? SOCK_STREAM : SOCK_DGRAM, 0);

	child_name(client_comm);
	if (fd < 0 || (ask->way == WITH_OPTIONS && !set_options(fd, ask->family)))
		return 1;
	if (ask->way != UNCONNECTED && connect(fd, &to.sa, length))
		return 2;
	if (ask->connected)
		gate_open(ask->connected);
	if (ask->after)
		gate_wait(ask->after);
	if (!(stream ? ask_stream(ask, fd) : ask_datagram(ask, fd, &to, length)))
		return 3;
	close(fd);
	return 0;
}

struct ask *shared_ask(const char *name, int family, enum way way)
{
	struct ask *ask = mmap(NULL, sizeof(*ask), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(ask != MAP_FAILED, "memory: %s", strerror(errno));
	*ask = (struct ask){ .family = family, .way = way, .port = DNS_PORT };
	snprintf(ask->name, sizeof(ask->name), "%s.%d", name, getpid());
	return ask;
}

pid_t start_server(void)
{
	static struct gate ready;
	pid_t pid;

	ready = gate_make();
	accepted = gate_make();
	pid = child_start(serve, &ready);
	gate_wait(&ready);
	return pid;
}

void wait_accepted(void)
{
	gate_wait(&accepted);
}

void end_server(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the server ended by itself: %#x", status);
}

/* ---- what was made of it ---- */

static void keep_event(void *arg, const struct tapio_event *ev)
{
	struct told *t = arg;
	const struct event_desc *desc;
	int err = event_check(ev, ev->size, &desc);
	void *copy;

	CHECK(!err, "an event of type %u is malformed", ev->type);
	if (err || t->n == EVENTS_MAX)
		return;
	copy = malloc(ev->size);
	REQUIRE(copy, "no memory");
	memcpy(copy, ev, ev->size);
	t->views[t->n++] = (struct event_view){ .ev = copy, .desc = desc };
}

void told_open(struct told *t)
{
	const struct dns_options options = { .events = ~0ull, .timeout_ns = 200 * NS_PER_MS };

	memset(t, 0, sizeof(*t));
	t->dns = dns_open(&options);
	REQUIRE(t->dns, "no memory");
	t->dns->made = keep_event;
	t->dns->arg = t;
}

void told_take(struct told *t, struct live *l)
{
	live_drain(l);
	for (; t->taken < l->nviews; t->taken++) {
		struct event_view view = l->views[t->taken];

		view.wall_ns = l->times_ns[t->taken];
		if (t->dns->takes >> view.desc->type & 1)
			t->dns->take(t->dns, &view);
	}
}

void told_close(struct told *t)
{
	t->dns->close(t->dns);
	for (unsigned i = 0; i < t->n; i++)
		free((void *)t->views[i].ev);
}

static bool text_is(const struct tapio_dns_message *m, struct tapio_str ref, const char *text)
{
	return ref.length == strlen(text) && !memcmp((const char *)m + ref.offset, text, ref.length);
}

bool told_is_named(const struct event_view *view, const char *name)
{
	const struct tapio_dns_message *m = (const void *)view->ev;

	return text_is(m, m->name, name) && text_is(m, m->role, "client");
}

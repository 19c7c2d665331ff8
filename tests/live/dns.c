/* SPDX-License-Identifier: Apache-2.0 */
/* DNS on the loopback of a network namespace of the test's own: a client, a server, and what is told of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "correlate/dns/dns.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"
#include "tests/unit/dns_packet.h"

#define DNS_PORT 53
#define EVENTS_MAX 256
#define ANSWER "192.0.2.7"

enum { QR = 0x8000, AA = 0x0400, RCODE_NXDOMAIN = 3, TYPE_A = 1 };

/* ---- sockets ---- */

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address loopback(int family, uint16_t port, socklen_t *ret_length)
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

static char client_comm[TAPIO_COMM_LEN], server_comm[TAPIO_COMM_LEN];

/* Other tiers are tried at the same time, and each sees the packets of all, unless it is told whose it wants. */
static void own_network(struct live *l)
{
	char why[128];
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	_cleanup_close_ int fd = -1;

	REQUIRE(!unshare(CLONE_NEWNET), "a network namespace: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo), "lo: %s", strerror(errno));
	snprintf(client_comm, sizeof(client_comm), "dns-c%d", getpid());
	snprintf(server_comm, sizeof(server_comm), "dns-s%d", getpid());
	REQUIRE(!filter_add(&l->options.filter, TAPIO_FILTER_COMM, client_comm, why, sizeof(why)) &&
			!filter_add(&l->options.filter, TAPIO_FILTER_COMM, server_comm, why, sizeof(why)),
		"filter: %s", why);
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
	int fd = accept(listener, NULL, NULL);
	uint8_t length[2];

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

enum way { CONNECTED, UNCONNECTED, STREAM, STREAM_IN_PIECES, WITH_OPTIONS };

struct ask {
	char name[64];
	int family;
	enum way way;
	uint16_t port;
	struct gate *after; /* asks when it is open; its socket is there before */
	/* Written by the client, in memory that is shared. */
	uint64_t sent_ns, came_ns;
	bool answered;
};

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

static int do_ask(void *arg)
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
	if (ask->after)
		gate_wait(ask->after);
	if (!(stream ? ask_stream(ask, fd) : ask_datagram(ask, fd, &to, length)))
		return 3;
	close(fd);
	return 0;
}

static struct ask *shared_ask(const char *name, int family, enum way way)
{
	struct ask *ask = mmap(NULL, sizeof(*ask), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(ask != MAP_FAILED, "memory: %s", strerror(errno));
	*ask = (struct ask){ .family = family, .way = way, .port = DNS_PORT };
	snprintf(ask->name, sizeof(ask->name), "%s.%d", name, getpid());
	return ask;
}

/* ---- what was made of it ---- */

struct told {
	struct correlator *dns;
	struct event_view views[EVENTS_MAX];
	unsigned n;
	size_t taken; /* records */
};

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

static void told_open(struct told *t)
{
	const struct dns_options options = { .events = ~0ull, .timeout_ns = 200 * NS_PER_MS };

	memset(t, 0, sizeof(*t));
	t->dns = dns_open(&options);
	REQUIRE(t->dns, "no memory");
	t->dns->made = keep_event;
	t->dns->arg = t;
}

static void told_take(struct told *t, struct live *l)
{
	live_drain(l);
	for (; t->taken < l->nviews; t->taken++) {
		struct event_view view = l->views[t->taken];

		view.wall_ns = l->times_ns[t->taken];
		if (t->dns->takes >> view.desc->type & 1)
			t->dns->take(t->dns, &view);
	}
}

static void told_close(struct told *t)
{
	t->dns->close(t->dns);
	for (unsigned i = 0; i < t->n; i++)
		free((void *)t->views[i].ev);
}

static bool text_is(const struct tapio_dns_message *m, struct tapio_str ref, const char *text)
{
	return ref.length == strlen(text) && !memcmp((const char *)m + ref.offset, text, ref.length);
}

/* Where the two sides are not known to be one, the server's is told beside the client's. */
static bool is_named(const struct event_view *view, const char *name)
{
	const struct tapio_dns_message *m = (const void *)view->ev;

	return text_is(m, m->name, name) && text_is(m, m->role, "client");
}

/* The only event of that type about the name. */
static const struct event_view *told_one(const struct live *l, const struct told *t, unsigned type, const char *name)
{
	const struct event_view *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->views[i].ev->type == type && is_named(&t->views[i], name)) {
			found = &t->views[i];
			n++;
		}
	CHECK(n == 1, "%s: %u events of %s about %s", l->name, n, event_desc_by_type(type)->name, name);
	return n == 1 ? found : NULL;
}

static void expect_parties(const struct live *l, const struct event_view *view, const struct ask *ask, pid_t client,
			   pid_t server, const char *transport)
{
	const struct tapio_dns_lookup *e = (const void *)view->ev;

	expect_number(l, view, "process.pid", client);
	expect_text(l, view, "process.executable.name", client_comm);
	expect_number(l, view, "dns.server.pid", server);
	expect_text(l, view, "dns.server.executable.name", server_comm);
	expect_text(l, view, "dns.role", "client");
	expect_text(l, view, "network.transport", transport);
	expect_number(l, view, "process.user.id", 0);
	CHECK(e->m.server.family == (ask->family == AF_INET ? 4 : 6), "%s: %s: family %u", l->name, ask->name,
	      e->m.server.family);
	if (live_giving(l, view, "client.address") != GIVES_NOTHING)
		CHECK(e->m.client.family == e->m.server.family, "%s: %s: client's family %u", l->name, ask->name,
		      e->m.client.family);
	expect_number(l, view, "server.port", DNS_PORT);
	CHECK(!e->m.server_nat.family, "%s: %s: NAT where there is none", l->name, ask->name);
	if (l->cgroup_id)
		expect_number(l, view, "cgroup.id", (int64_t)l->cgroup_id);
	if (l->legacy_cgroup_id)
		expect_number(l, view, "cgroup.legacy_id", (int64_t)l->legacy_cgroup_id);
}

static void expect_lookup(const struct live *l, const struct told *t, const struct ask *ask, pid_t client, pid_t server)
{
	bool stream = ask->way == STREAM || ask->way == STREAM_IN_PIECES;
	const struct event_view *view = told_one(l, t, TAPIO_EV_DNS_LOOKUP, ask->name);
	bool nx = !strncmp(ask->name, "nx", 2);

	if (!view)
		return;
	expect_parties(l, view, ask, client, server, stream ? "tcp" : "udp");
	expect_text(l, view, "dns.question.type", "A");
	expect_text(l, view, "dns.response_code", nx ? "NXDOMAIN" : "NOERROR");
	expect_number(l, view, "dns.lookup.attempts", 1);
	expect_number(l, view, "dns.id", stream ? 0x101 : 0x4711);
	if (!nx)
		expect_bytes(l, view, "dns.answers", ANSWER, strlen(ANSWER));
	/* Within what the client measured, whose clock was read before and after. */
	expect_between(l, view, "dns.lookup.duration", 1, (int64_t)(ask->came_ns - ask->sent_ns));
}

static pid_t start_server(void)
{
	static struct gate ready;
	pid_t pid;

	ready = gate_make();
	pid = child_start(serve, &ready);
	gate_wait(&ready);
	return pid;
}

static void end_server(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the server ended by itself: %#x", status);
}

/* ---- the tests ---- */

static void body_lookups(struct live *l)
{
	static const struct {
		const char *name;
		int family;
		enum way way;
	} cases[] = {
		{ "connected4.test", AF_INET, CONNECTED },	{ "connected6.test", AF_INET6, CONNECTED },
		{ "unconnected4.test", AF_INET, UNCONNECTED },	{ "unconnected6.test", AF_INET6, UNCONNECTED },
		{ "stream4.test", AF_INET, STREAM },		{ "stream6.test", AF_INET6, STREAM },
		{ "pieces4.test", AF_INET, STREAM_IN_PIECES },	{ "pieces6.test", AF_INET6, STREAM_IN_PIECES },
		{ "options4.test", AF_INET, WITH_OPTIONS },	{ "options6.test", AF_INET6, WITH_OPTIONS },
		{ "nx.test", AF_INET, UNCONNECTED },
	};
	static struct told t;
	pid_t server;

	own_network(l);
	server = start_server();
	live_start(l);
	told_open(&t);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ask *ask = shared_ask(cases[i].name, cases[i].family, cases[i].way);
		struct ended e;

		live_about(l, cases[i].name);
		e = child_run(do_ask, ask);
		CHECK(!e.status && ask->answered, "%s: the client ended with %#x", l->name, e.status);
		told_take(&t, l);
		expect_lookup(l, &t, ask, e.pid, server);
	}
	live_about(l, "errors");
	for (unsigned i = 0; i < t.n; i++)
		CHECK(t.views[i].ev->type != TAPIO_EV_DNS_ERROR && t.views[i].ev->type != TAPIO_EV_DNS_TIMEOUT,
		      "%s: an event of %s", l->name, t.views[i].desc->name);
	told_close(&t);
	end_server(server);
}

TEST(live, dns_lookups)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_lookups);
}

static void body_silence(struct live *l)
{
	struct ask *ask = shared_ask("silent.test", AF_INET, CONNECTED), *twice = shared_ask("silent.two", AF_INET6, UNCONNECTED);
	const struct event_view *view;
	static struct told t;
	struct ended e;
	pid_t server;

	own_network(l);
	server = start_server();
	live_start(l);
	told_open(&t);
	e = child_run(do_ask, ask);
	CHECK(!e.status && !ask->answered, "%s: answered", l->name);
	told_take(&t, l);
	t.dns->advance(t.dns, ask->sent_ns + 100 * NS_PER_MS);
	for (unsigned i = 0; i < t.n; i++)
		CHECK(t.views[i].ev->type != TAPIO_EV_DNS_TIMEOUT, "%s: given up too early", l->name);
	CHECK(t.dns->due(t.dns) > ask->sent_ns, "%s: nothing waits", l->name);
	while (t.dns->due(t.dns)) /* of other tiers' clients too */
		t.dns->advance(t.dns, t.dns->due(t.dns));
	view = told_one(l, &t, TAPIO_EV_DNS_TIMEOUT, ask->name);
	if (view) {
		expect_parties(l, view, ask, e.pid, server, "udp");
		expect_text(l, view, "error.type", "timeout");
		expect_number(l, view, "dns.lookup.attempts", 1);
	}
	/* nothing is told of other ports */
	twice->port = 9;
	child_run(do_ask, twice);
	told_take(&t, l);
	for (unsigned i = 0; i < t.n; i++)
		CHECK(!is_named(&t.views[i], twice->name), "%s: %s of port 9", l->name, t.views[i].desc->name);
	told_close(&t);
	end_server(server);
}

TEST(live, dns_silence)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_silence);
}

/* Sockets that were there before the programs. */
static void body_older(struct live *l)
{
	/* The stream first: the server waits for what comes through it. */
	struct ask *ask[2] = { shared_ask("older6.test", AF_INET6, STREAM), shared_ask("older4.test", AF_INET, CONNECTED) };
	static struct gate gates[2];
	static struct told t;
	pid_t server, client[2];

	own_network(l);
	server = start_server();
	for (unsigned i = 0; i < 2; i++) {
		gates[i] = gate_make();
		ask[i]->after = &gates[i];
		client[i] = child_start(do_ask, ask[i]);
	}
	usleep(50000 * live_patience()); /* they connect meanwhile */
	live_start(l);
	told_open(&t);
	for (unsigned i = 0; i < 2; i++) {
		struct ended e;

		live_about(l, ask[i]->name);
		gate_open(&gates[i]);
		e = child_end(client[i]);
		CHECK(!e.status, "%s: the client ended with %#x", l->name, e.status);
		told_take(&t, l);
		expect_lookup(l, &t, ask[i], client[i], server);
	}
	told_close(&t);
	end_server(server);
}

TEST(live, dns_older_sockets)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_older);
}

static int do_connect(void *arg)
{
	int family = *(const int *)arg;
	socklen_t length;
	union address to = loopback(family, TAPIO_DNS_TLS_PORT, &length);
	int fd = socket(family, SOCK_STREAM, 0);

	child_name(client_comm);
	return connect(fd, &to.sa, length) && errno == ECONNREFUSED ? 0 : 1;
}

static void body_encrypted(struct live *l)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static struct told t;

	own_network(l);
	live_start(l);
	told_open(&t);
	for (unsigned i = 0; i < 2; i++) {
		const struct tapio_dns_encrypted *e = NULL;
		struct ended end = child_run(do_connect, (void *)&families[i]);
		unsigned n = 0;

		CHECK(!end.status, "%s: connecting: %#x", l->name, end.status);
		told_take(&t, l);
		for (unsigned k = 0; k < t.n; k++)
			if (t.views[k].ev->type == TAPIO_EV_DNS_ENCRYPTED && t.views[k].ev->tgid == (__u32)end.pid) {
				e = (const void *)t.views[k].ev;
				n++;
			}
		CHECK(n == 1 && e->server_port == TAPIO_DNS_TLS_PORT && e->server.family == (i ? 6 : 4) &&
			      !strcmp(e->ev.comm, client_comm),
		      "%s: %u events of a connection", l->name, n);
	}
	told_close(&t);
}

TEST(live, dns_encrypted)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_encrypted);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* DNS on loopback: what is told of a client, a server, and what they say to each other. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/dns_sockets.h"
#include "correlate/dns/dns.h"
#include "tests/live/dns_world.h"
#include "tests/unit/dns_packet.h"

/* The only event of that type about the name. */
static const struct event_view *told_one(const struct live *l, const struct told *t, unsigned type, const char *name)
{
	const struct event_view *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->views[i].ev->type == type && told_is_named(&t->views[i], name)) {
			found = &t->views[i];
			n++;
		}
	if (!n && dns_may_be_skipped(l))
		return NULL;
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
	/* An answer whose question the kernel has skipped is one, and a question whose answer was. */
	live_about(l, "errors");
	for (unsigned i = 0; i < t.n && !dns_may_be_skipped(l); i++)
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
		CHECK(!told_is_named(&t.views[i], twice->name), "%s: %s of port 9", l->name, t.views[i].desc->name);
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
	static struct gate gates[2], connected[2];
	static struct told t;
	pid_t server, client[2];

	own_network(l);
	server = start_server();
	for (unsigned i = 0; i < 2; i++) {
		gates[i] = gate_make();
		connected[i] = gate_make();
		ask[i]->after = &gates[i];
		ask[i]->connected = &connected[i];
		client[i] = child_start(do_ask, ask[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		gate_wait(&connected[i]);
	wait_accepted();
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

static struct tapio_dns_socket remembered(const struct live *l, int map, int fd)
{
	struct tapio_dns_socket s = {};

	CHECK(!bpf_map_lookup_elem(map, &fd, &s), "%s: nothing is remembered of the socket", l->name);
	CHECK(s.known && s.tgid == (__u32)getpid(), "%s: the socket is process %u's", l->name, s.tgid);
	CHECK(!l->cgroup_id || s.cgroup_id == l->cgroup_id, "%s: cgroup %llu", l->name, (unsigned long long)s.cgroup_id);
	return s;
}

/* What the programs know of a socket stays; of one that they know nothing of, its process is entered. */
static void body_entered(struct live *l)
{
	const struct sensor_run *run = &l->collector.runs[TAPIO_SENSOR_DNS];
	struct dns_sockets_found found;
	struct tapio_dns_socket s;
	socklen_t length;
	union address to = loopback(AF_INET, DNS_PORT, &length);
	struct bpf_map *map;
	int fd;

	own_network(l);
	live_start(l);
	map = bpf_object__find_map_by_name(run->obj, "dns_sockets");
	if (!map)
		return; /* by descriptor, at system calls */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && !connect(fd, &to.sa, length), "%s: connect: %s", l->name, strerror(errno));
	dns_sockets_enter(bpf_map__fd(map), run->dns_ports, &found);
	s = remembered(l, bpf_map__fd(map), fd);
	CHECK(s.asked_port == DNS_PORT && found.entered, "%s: the port that was asked is now %u", l->name, s.asked_port);
	CHECK(!bpf_map_delete_elem(bpf_map__fd(map), &fd), "%s: forget it: %s", l->name, strerror(errno));
	dns_sockets_enter(bpf_map__fd(map), run->dns_ports, &found);
	s = remembered(l, bpf_map__fd(map), fd);
	CHECK(!s.asked_port && found.entered, "%s: a port that nobody told: %u", l->name, s.asked_port);
	close(fd);
}

TEST(live, dns_sockets_are_entered)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_entered);
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

/* A datagram to 127.0.0.2, through a socket that is connected to 127.0.0.1. */
static int do_send_elsewhere(void *arg)
{
	static struct packet m;
	socklen_t length;
	union address to = loopback(AF_INET, DNS_PORT, &length);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	child_name(client_comm);
	put_header(&m, 0x0100, 1, 0, 0, 0);
	put_name(&m, arg);
	put16(&m, 1);
	put16(&m, 1);
	if (connect(fd, &to.sa, length))
		return 1;
	to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	return sendto(fd, m.data, m.n, 0, &to.sa, length) == (ssize_t)m.n ? 0 : 2;
}

static void body_elsewhere(struct live *l)
{
	static const uint8_t there[16] = { 127, 0, 0, 2 };
	struct ask *ask = shared_ask("elsewhere.test", AF_INET, CONNECTED);
	const struct event_view *view;
	static struct told t;
	struct ended e;

	own_network(l);
	live_start(l);
	told_open(&t);
	e = child_run(do_send_elsewhere, ask->name);
	CHECK(!e.status, "%s: sending: %#x", l->name, e.status);
	told_take(&t, l);
	view = told_one(l, &t, TAPIO_EV_DNS_QUERY, ask->name);
	if (view) {
		const struct tapio_dns_message *m = (const void *)view->ev;

		CHECK(!memcmp(m->server.octets, there, sizeof(there)) && !m->server_nat.family, "%s: server 127.0.0.%u, NAT %u",
		      l->name, m->server.octets[3], m->server_nat.family);
	}
	told_close(&t);
}

TEST(live, dns_datagrams_with_an_address_of_their_own)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_elsewhere);
}

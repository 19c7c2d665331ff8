/* SPDX-License-Identifier: Apache-2.0 */
/* DNS by system calls: each way to send and receive a message, what is no DNS, and descriptors that change their meaning. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/dns_world.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

enum { QUERY = 29, REPLY_FLAGS = 0x80, WAIT_S = 20 };

static struct sockaddr_in server_at; /* on loopback, at a port that is DNS to this test alone */

/* ---- messages ---- */

/* "aN.test", A or AAAA: each message of the test has its own id. */
static void make_query(uint8_t query[QUERY], unsigned id, uint8_t type)
{
	static const uint8_t like[QUERY] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 'q', 'u', 'e', 'r', 'y', '1',
					     4, 't', 'e', 's', 't', 0, 0, 1, 0, 1 };

	memcpy(query, like, QUERY);
	query[0] = (uint8_t)(id >> 8);
	query[1] = (uint8_t)id;
	query[26] = type;
}

static void make_reply(uint8_t reply[QUERY], const uint8_t query[QUERY])
{
	memcpy(reply, query, QUERY);
	reply[2] |= REPLY_FLAGS;
}

/* ---- the server ---- */

static int bound(int type)
{
	struct sockaddr_in at;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
	struct timeval patience = { .tv_sec = WAIT_S };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* on memory that this process has written: what it has only inherited, not every processor lets us read at a call */
	at = server_at;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || (type == SOCK_STREAM && listen(fd, 8))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A port that is free for both, before anybody watches. */
static void choose_port(void)
{
	server_at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	new_network();
	for (int tries = 0; tries < 100; tries++) {
		int udp, tcp;

		server_at.sin_port = htons((uint16_t)(20000 + (getpid() * 7 + tries * 131) % 10000));
		udp = bound(SOCK_DGRAM);
		tcp = bound(SOCK_STREAM);
		close(udp);
		close(tcp);
		if (udp >= 0 && tcp >= 0)
			return;
	}
	REQUIRE(false, "no free port");
}

static bool read_all(int fd, uint8_t *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, to + at, n - at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

static void serve_datagram(int udp)
{
	uint8_t query[512], reply[QUERY];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);

	if (recvfrom(udp, query, sizeof(query), 0, (struct sockaddr *)&from, &length) != QUERY)
		_exit(1);
	make_reply(reply, query);
	sendto(udp, reply, QUERY, 0, (struct sockaddr *)&from, length);
}

static void serve_connection(int tcp)
{
	uint8_t query[2 + QUERY], reply[2 + QUERY];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	int fd = accept(tcp, (struct sockaddr *)&from, &length);

	if (fd < 0 || !read_all(fd, query, 2) || !read_all(fd, query + 2, QUERY))
		_exit(1);
	memcpy(reply, query, 2);
	make_reply(reply + 2, query + 2);
	if (write(fd, reply, sizeof(reply)) != sizeof(reply))
		_exit(1);
	close(fd);
}

/* So many of each, for one case each; ready once it has written to the gate. */
struct service {
	unsigned datagrams, connections;
	struct gate ready;
};

static int serve(void *arg)
{
	struct service *s = arg;
	int udp = bound(SOCK_DGRAM), tcp = bound(SOCK_STREAM);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	gate_open(&s->ready);
	if (udp < 0 || tcp < 0)
		return 1;
	while (s->datagrams--)
		serve_datagram(udp);
	while (s->connections--)
		serve_connection(tcp);
	return 0;
}

static pid_t start_replies(unsigned datagrams, unsigned connections)
{
	struct service s = { datagrams, connections, gate_make() };
	pid_t pid = child_start(serve, &s);

	gate_wait(&s.ready);
	close(s.ready.fds[0]);
	return pid;
}

/* ---- the client ---- */

static int client(int type, bool connected)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = WAIT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	REQUIRE(fd >= 0 && (!connected || !connect(fd, (struct sockaddr *)&server_at, sizeof(server_at))), "socket: %s",
		strerror(errno));
	return fd;
}

static bool by_send(int fd, uint8_t *query, uint8_t *reply)
{
	return send(fd, query, QUERY, 0) == QUERY && recv(fd, reply, 512, 0) == QUERY;
}

static bool by_sendto(int fd, uint8_t *query, uint8_t *reply)
{
	return sendto(fd, query, QUERY, 0, (struct sockaddr *)&server_at, sizeof(server_at)) == QUERY &&
	       recvfrom(fd, reply, 512, MSG_PEEK, NULL, NULL) == QUERY && recvfrom(fd, reply, 512, 0, NULL, NULL) == QUERY;
}

static bool by_sendmsg(int fd, uint8_t *query, uint8_t *reply)
{
	struct sockaddr_in from;
	struct iovec out[2] = { { query, 12 }, { query + 12, QUERY - 12 } }, in[2] = { { reply, 10 }, { reply + 10, 500 } };
	struct msghdr to = { .msg_name = &server_at, .msg_namelen = sizeof(server_at), .msg_iov = out, .msg_iovlen = 2 };
	struct msghdr back = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = in, .msg_iovlen = 2 };

	return sendmsg(fd, &to, 0) == QUERY && recvmsg(fd, &back, 0) == QUERY;
}

static bool by_write(int fd, uint8_t *query, uint8_t *reply)
{
	return write(fd, query, QUERY) == QUERY && read(fd, reply, 512) == QUERY;
}

static bool by_writev(int fd, uint8_t *query, uint8_t *reply)
{
	struct iovec out[4] = { { query, 1 }, { query + 1, 11 }, { query + 12, 0 }, { query + 12, QUERY - 12 } };
	struct iovec in[2] = { { reply, 12 }, { reply + 12, 500 } };

	return writev(fd, out, 4) == QUERY && readv(fd, in, 2) == QUERY;
}

static const struct {
	const char *what;
	bool connected;
	bool (*ask)(int fd, uint8_t *query, uint8_t *reply);
} ways[] = {
	{ "send", true, by_send },	 { "sendto", false, by_sendto },   { "sendmsg", false, by_sendmsg },
	{ "write", true, by_write },	 { "writev", true, by_writev },	   { "sendmsg, connected", true, by_sendmsg },
	{ "sendto, connected", true, by_sendto },
};

/* ---- what is told ---- */

static const struct tapio_dns_packet *find(struct live *l, pid_t pid, bool egress, const uint8_t *payload, size_t n)
{
	const struct tapio_dns_packet *found = NULL;
	const struct event_view *view;

	for (unsigned i = 0; (view = live_find(l, TAPIO_EV_DNS_PACKET, pid, i)); i++) {
		const struct tapio_dns_packet *p = (const void *)view->ev;

		if (p->payload.length != n || memcmp((const char *)p + p->payload.offset, payload, n) ||
		    !(p->flags & TAPIO_DNS_EGRESS) != !egress)
			continue;
		CHECK(!found, "%s: told twice, %s", l->name, egress ? "sent" : "received");
		found = p;
	}
	if (!found && dns_may_be_skipped(l))
		return NULL;
	CHECK(found, "%s: not told that process %d %s it", l->name, pid, egress ? "sent" : "received");
	return found;
}

static bool is_server(const struct tapio_address *a, uint16_t port)
{
	return port == ntohs(server_at.sin_port) && a->family == 4 && !memcmp(a->octets, &server_at.sin_addr, 4);
}

static void expect_packet(struct live *l, pid_t pid, bool to_server, bool egress, const uint8_t *payload, size_t n,
			  uint8_t protocol)
{
	const struct tapio_dns_packet *p = find(l, pid, egress, payload, n);
	bool at_server = to_server != egress;

	if (!p)
		return;
	CHECK(to_server ? is_server(&p->destination, p->destination_port) : is_server(&p->source, p->source_port),
	      "%s: the server is not where it should be", l->name);
	CHECK(p->protocol == protocol && (p->flags & TAPIO_DNS_CALL) && p->cookie >> 63 && p->uid == getuid(),
	      "%s: protocol %u, flags %#x, cookie %#llx, uid %u", l->name, p->protocol, p->flags,
	      (unsigned long long)p->cookie, p->uid);
	CHECK(!p->missing, "%s: %u octets are missing", l->name, p->missing);
	/* Of a client only its server knows where it is. */
	CHECK(!(to_server ? p->source_port : p->destination_port) == !at_server, "%s: ports %u to %u", l->name,
	      p->source_port, p->destination_port);
	CHECK(at_server || is_server(&p->asked, p->asked_port), "%s: asked at port %u", l->name, p->asked_port);
	if (l->cgroup_id && strcmp(l->tier->name, "syscalls_v4_14"))
		CHECK(p->ev.cgroup_id == l->cgroup_id, "%s: cgroup %llu", l->name, (unsigned long long)p->ev.cgroup_id);
}

static void expect_lookup(struct live *l, pid_t server, const uint8_t query[QUERY])
{
	uint8_t reply[QUERY];

	make_reply(reply, query);
	expect_packet(l, getpid(), true, true, query, QUERY, IPPROTO_UDP);
	expect_packet(l, server, true, false, query, QUERY, IPPROTO_UDP);
	expect_packet(l, server, false, true, reply, QUERY, IPPROTO_UDP);
	expect_packet(l, getpid(), false, false, reply, QUERY, IPPROTO_UDP);
}

static void expect_end(struct live *l, pid_t server)
{
	struct ended e = child_end(server);

	CHECK(!e.status, "%s: the server's wait status %#x", l->name, e.status);
}

/* ---- cases ---- */

static bool is_ours(const struct live *l)
{
	return !strncmp(l->tier->name, "syscalls", strlen("syscalls"));
}

static void start(struct live *l)
{
	choose_port();
	l->options.dns_ports[0] = ntohs(server_at.sin_port);
	live_start(l);
}

static void datagrams(struct live *l)
{
	uint8_t query[QUERY], reply[512];
	pid_t server;

	if (!is_ours(l))
		return;
	start(l);
	server = start_replies(sizeof(ways) / sizeof(ways[0]), 0);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = client(SOCK_DGRAM, ways[i].connected);

		live_about(l, ways[i].what);
		make_query(query, i + 1, 1);
		CHECK(ways[i].ask(fd, query, reply), "%s: %s", l->name, strerror(errno));
		close(fd);
		usleep(20000); /* what the server sent is told by now */
		live_drain(l);
		expect_lookup(l, server, query);
	}
	expect_end(l, server);
}

TEST(live, dns_calls_datagrams)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, datagrams);
}

/* As getaddrinfo(3) asks: A and AAAA by one call. */
static void pair(struct live *l)
{
	uint8_t queries[2][QUERY], replies[2][512];
	struct iovec out[2] = { { queries[0], QUERY }, { queries[1], QUERY } };
	struct iovec in[2] = { { replies[0], 512 }, { replies[1], 512 } };
	struct mmsghdr to[2] = { { .msg_hdr = { .msg_iov = &out[0], .msg_iovlen = 1 } },
				 { .msg_hdr = { .msg_iov = &out[1], .msg_iovlen = 1 } } };
	struct mmsghdr back[2] = { { .msg_hdr = { .msg_iov = &in[0], .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = &in[1], .msg_iovlen = 1 } } };
	pid_t server;
	int fd;

	if (!is_ours(l))
		return;
	start(l);
	server = start_replies(2, 0);
	fd = client(SOCK_DGRAM, true);
	make_query(queries[0], 101, 1);
	make_query(queries[1], 102, 28);
	CHECK(sendmmsg(fd, to, 2, 0) == 2 && recvmmsg(fd, back, 2, 0, NULL) == 2, "%s: %s", l->name, strerror(errno));
	close(fd);
	expect_end(l, server);
	live_drain(l);
	expect_lookup(l, server, queries[0]);
	expect_lookup(l, server, queries[1]);
}

TEST(live, dns_calls_pair)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, pair);
}

/* The octets of a direction are counted from 1; the one before is the SYN's. */
static void stream(struct live *l)
{
	uint8_t query[2 + QUERY] = { 0, QUERY }, reply[2 + QUERY] = { 0, QUERY }, got[512];
	const struct tapio_dns_packet *first, *second;
	pid_t server;
	int fd;

	if (!is_ours(l))
		return;
	start(l);
	server = start_replies(0, 1);
	fd = client(SOCK_STREAM, true);
	make_query(query + 2, 201, 1);
	make_reply(reply + 2, query + 2);
	CHECK(write(fd, query, 2) == 2 && write(fd, query + 2, QUERY) == QUERY && read_all(fd, got, sizeof(reply)), "%s: %s",
	      l->name, strerror(errno));
	close(fd);
	expect_end(l, server);
	live_drain(l);
	expect_packet(l, getpid(), true, true, query, 2, IPPROTO_TCP);
	expect_packet(l, getpid(), true, true, query + 2, QUERY, IPPROTO_TCP);
	expect_packet(l, server, true, false, query, 2, IPPROTO_TCP);
	expect_packet(l, server, true, false, query + 2, QUERY, IPPROTO_TCP);
	expect_packet(l, server, false, true, reply, sizeof(reply), IPPROTO_TCP);
	expect_packet(l, getpid(), false, false, reply, sizeof(reply), IPPROTO_TCP);
	first = find(l, getpid(), true, query, 2);
	second = find(l, getpid(), true, query + 2, QUERY);
	CHECK(first && (first->flags & TAPIO_DNS_SYN) && !first->sequence, "%s: no begin of the stream", l->name);
	CHECK(second && !(second->flags & TAPIO_DNS_SYN) && second->sequence == 3 && second->cookie == first->cookie,
	      "%s: the second part is at %u", l->name, second ? second->sequence : 0);
	CHECK(find(l, getpid(), true, NULL, 0), "%s: no end of the stream", l->name);
}

TEST(live, dns_calls_stream)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, stream);
}

/* Other ports; and a number that was a DNS socket's before, or is one in the process that was forked from. */
static void no_dns(struct live *l)
{
	uint8_t query[QUERY];
	struct sockaddr_in other;
	int fd, pipes[2], again;
	pid_t child;

	if (!is_ours(l))
		return;
	start(l);
	other = server_at;
	other.sin_port = htons((uint16_t)(ntohs(server_at.sin_port) ^ 1));
	make_query(query, 301, 1);
	fd = client(SOCK_DGRAM, false);
	sendto(fd, query, QUERY, MSG_DONTWAIT, (struct sockaddr *)&other, sizeof(other));
	close(fd);
	fd = client(SOCK_DGRAM, true);
	REQUIRE(!pipe2(pipes, O_CLOEXEC), "pipe: %s", strerror(errno));
	child = fork();
	if (!child) { /* whose copy of the socket is closed, and its number a pipe's */
		close(fd);
		again = fcntl(pipes[1], F_DUPFD, fd);
		_exit(again != fd || write(again, query, QUERY) != QUERY);
	}
	CHECK(!child_end(child).status, "%s: the child", l->name);
	close(fd);
	again = fcntl(pipes[1], F_DUPFD, fd);
	CHECK(again == fd && write(again, query, QUERY) == QUERY, "%s: write: %s", l->name, strerror(errno));
	live_drain(l);
	CHECK(!live_count(l, TAPIO_EV_DNS_PACKET, getpid()) && !live_count(l, TAPIO_EV_DNS_PACKET, child),
	      "%s: %u and %u records of what is no DNS", l->name, live_count(l, TAPIO_EV_DNS_PACKET, getpid()),
	      live_count(l, TAPIO_EV_DNS_PACKET, child));
	close(again);
	close(pipes[0]);
	close(pipes[1]);
}

TEST(live, dns_calls_of_no_dns)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, no_dns);
}

/* Bound by one process, served by its grandchild: as daemons do. */
static int serve_inherited(void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		serve_datagram(*(int *)arg);
		_exit(0);
	}
	return pid < 0 || waitpid(pid, NULL, 0) != pid || write(((int *)arg)[1], &pid, sizeof(pid)) != sizeof(pid);
}

static void inherited(struct live *l)
{
	uint8_t query[QUERY], reply[512];
	int fds[2], pipes[2], fd;
	pid_t server = 0, child;

	if (!is_ours(l))
		return;
	start(l);
	REQUIRE(!pipe2(pipes, O_CLOEXEC), "pipe: %s", strerror(errno));
	fds[0] = bound(SOCK_DGRAM);
	fds[1] = pipes[1];
	child = child_start(serve_inherited, fds);
	usleep(50000); /* the grandchild waits by now, and who bound it can close it */
	close(fds[0]);
	fd = client(SOCK_DGRAM, true);
	make_query(query, 401, 1);
	CHECK(by_send(fd, query, reply), "%s: %s", l->name, strerror(errno));
	close(fd);
	expect_end(l, child);
	REQUIRE(read(pipes[0], &server, sizeof(server)) == sizeof(server), "%s: no grandchild", l->name);
	close(pipes[0]);
	close(pipes[1]);
	live_drain(l);
	if (strcmp(l->tier->name, "syscalls_v4_14"))
		expect_lookup(l, server, query);
	else
		CHECK(!live_count(l, TAPIO_EV_DNS_PACKET, server), "%s: told though it is said not to be", l->name);
}

TEST(live, dns_calls_inherited)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, inherited);
}

/* Sockets that were there before Tapio, of the client and of the server. */
static void older(struct live *l)
{
	uint8_t query[2 + QUERY] = { 0, QUERY }, reply[512];
	const struct tapio_dns_packet *p;
	int udp, tcp;
	pid_t server;

	if (!is_ours(l))
		return;
	choose_port();
	server = start_replies(2, 1);
	udp = client(SOCK_DGRAM, true);
	tcp = client(SOCK_STREAM, true);
	l->options.dns_ports[0] = ntohs(server_at.sin_port);
	live_start(l);
	/* The server was in recvfrom(2) when this began: what that call returned is not told. */
	make_query(query + 2, 501, 1);
	CHECK(by_send(udp, query + 2, reply), "%s: %s", l->name, strerror(errno));
	make_query(query + 2, 502, 1);
	CHECK(by_send(udp, query + 2, reply), "%s: %s", l->name, strerror(errno));
	make_query(query + 2, 503, 1);
	CHECK(write(tcp, query, sizeof(query)) == sizeof(query) && read_all(tcp, reply, 2 + QUERY), "%s: %s", l->name,
	      strerror(errno));
	expect_end(l, server);
	live_drain(l);
	p = find(l, getpid(), true, query, sizeof(query));
	CHECK(p && p->sequence == 1 && !(p->flags & TAPIO_DNS_SYN) && p->protocol == IPPROTO_TCP,
	      "%s: what of the stream was before is not known", l->name);
	make_query(query + 2, 502, 1);
	expect_lookup(l, server, query + 2);
	close(udp);
	close(tcp);
}

TEST(live, dns_calls_older)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, older);
}

/* A connection to the port of DNS over TLS, which nobody listens at here; a datagram there is something else. */
static void encrypted(struct live *l)
{
	struct sockaddr_in tls = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons(TAPIO_DNS_TLS_PORT) };
	const struct tapio_dns_packet *p;
	int udp, tcp;

	if (!is_ours(l))
		return;
	start(l);
	udp = client(SOCK_DGRAM, false);
	tcp = client(SOCK_STREAM, false);
	CHECK(!connect(udp, (struct sockaddr *)&tls, sizeof(tls)), "%s: %s", l->name, strerror(errno));
	CHECK(connect(tcp, (struct sockaddr *)&tls, sizeof(tls)) && errno == ECONNREFUSED, "%s: %s", l->name,
	      strerror(errno));
	close(udp);
	close(tcp);
	live_drain(l);
	CHECK(live_count(l, TAPIO_EV_DNS_PACKET, getpid()) == 1, "%s: %u records", l->name,
	      live_count(l, TAPIO_EV_DNS_PACKET, getpid()));
	p = find(l, getpid(), true, NULL, 0);
	CHECK(p && (p->flags & TAPIO_DNS_TLS) && p->destination_port == TAPIO_DNS_TLS_PORT && p->protocol == IPPROTO_TCP,
	      "%s: flags %#x", l->name, p ? p->flags : 0);
}

TEST(live, dns_calls_encrypted)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, encrypted);
}

/* Only the server is asked for: it is told as if nobody had chosen, and of the client nothing is. */
static void filtered(struct live *l)
{
	uint8_t query[QUERY], reply[QUERY], got[512];
	char text[16], why[256];
	pid_t server;
	int fd;

	if (!is_ours(l))
		return;
	choose_port();
	server = start_replies(2, 0); /* one for the call that it is in already */
	snprintf(text, sizeof(text), "%d", server);
	REQUIRE(!filter_add(&l->options.filter, TAPIO_FILTER_PID, text, why, sizeof(why)), "%s", why);
	l->options.dns_ports[0] = ntohs(server_at.sin_port);
	live_start(l);
	fd = client(SOCK_DGRAM, true);
	make_query(query, 601, 1);
	CHECK(by_send(fd, query, got), "%s: %s", l->name, strerror(errno));
	make_query(query, 602, 1);
	CHECK(by_send(fd, query, got), "%s: %s", l->name, strerror(errno));
	close(fd);
	expect_end(l, server);
	live_drain(l);
	make_reply(reply, query);
	expect_packet(l, server, true, false, query, QUERY, IPPROTO_UDP);
	expect_packet(l, server, false, true, reply, QUERY, IPPROTO_UDP);
	CHECK(!live_count(l, TAPIO_EV_DNS_PACKET, getpid()), "%s: %u records of who is not asked for", l->name,
	      live_count(l, TAPIO_EV_DNS_PACKET, getpid()));
}

TEST(live, dns_calls_filtered)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, filtered);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets are there already: also those that come while they are looked for. */
#include "collect/dns_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/dns_world.h"
#include "tests/test.h"

#define TAKEN_MAX 32

static struct world {
	struct sockaddr_in address;
	uint16_t ports[TAPIO_DNS_PORTS_MAX];
	int listener, accepted[2], clients[2];
	struct taken {
		int fd;
		struct dns_socket socket;
	} taken[TAKEN_MAX];
	unsigned ntaken;
	void (*meanwhile)(int fd); /* called when a descriptor of this process has been found */
} w;

static void keep(void *arg, const char *pid, int fd, struct dns_socket *socket)
{
	CHECK(arg == &w, "the argument");
	if (atoi(pid) != getpid())
		return;
	CHECK(!socket->entered, "descriptor %d was found before", fd);
	socket->entered = true;
	if (w.ntaken < TAKEN_MAX)
		w.taken[w.ntaken++] = (struct taken){ fd, *socket };
	if (w.meanwhile)
		w.meanwhile(fd);
}

static const struct dns_socket *taken(int fd)
{
	const struct dns_socket *found = NULL;

	for (unsigned i = 0; i < w.ntaken; i++)
		if (w.taken[i].fd == fd) {
			CHECK(!found, "descriptor %d was given twice", fd);
			found = &w.taken[i].socket;
		}
	return found;
}

static int socket_or_stop(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0, "socket: %s", strerror(errno));
	return fd;
}

static void setup(void)
{
	socklen_t length = sizeof(w.address);

	memset(&w, 0, sizeof(w));
	new_network(); /* that of whoever runs this may have no loopback */
	w.address.sin_family = AF_INET;
	w.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w.listener = socket_or_stop();
	REQUIRE(!bind(w.listener, (struct sockaddr *)&w.address, length) && !listen(w.listener, 8) &&
			!getsockname(w.listener, (struct sockaddr *)&w.address, &length),
		"a listener: %s", strerror(errno));
	w.ports[0] = ntohs(w.address.sin_port);
}

static void connect_one(unsigned i)
{
	w.clients[i] = socket_or_stop();
	REQUIRE(!connect(w.clients[i], (struct sockaddr *)&w.address, sizeof(w.address)), "connect: %s", strerror(errno));
}

static void accept_one(unsigned i)
{
	w.accepted[i] = accept4(w.listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(w.accepted[i] >= 0, "accept: %s", strerror(errno));
}

/* How many descriptors of this process are found, and how many connections wait to be accepted at the end. */
static void walk(void (*meanwhile)(int fd), unsigned descriptors, unsigned waiting)
{
	unsigned left;

	w.meanwhile = meanwhile;
	left = dns_sockets_walk(w.ports, keep, &w);
	CHECK(w.ntaken == descriptors && left == waiting, "%u descriptors, %u not accepted", w.ntaken, left);
}

static bool is_on_loopback(const uint8_t address[16])
{
	return !memcmp(address, &w.address.sin_addr, sizeof(w.address.sin_addr));
}

TEST(unit, dns_sockets_are_found)
{
	const struct dns_socket *s;

	setup();
	connect_one(0);
	accept_one(0);
	walk(NULL, 3, 0);
	s = taken(w.listener);
	CHECK(s && s->local_port == w.ports[0] && !s->remote_port && s->family == 4 && s->protocol == IPPROTO_TCP &&
		      is_on_loopback(s->local),
	      "the listener");
	s = taken(w.accepted[0]);
	CHECK(s && s->local_port == w.ports[0] && s->remote_port && is_on_loopback(s->remote), "the server's");
	s = taken(w.clients[0]);
	CHECK(s && s->remote_port == w.ports[0] && s->local_port && is_on_loopback(s->remote), "the client's");
}

static void come_and_accept(int fd)
{
	if (fd != w.listener)
		return;
	connect_one(0);
	accept_one(0);
}

/* The tables of this connection's time have been read, and its listener is not known to anybody yet. */
TEST(unit, dns_sockets_that_come_meanwhile)
{
	setup();
	walk(come_and_accept, 3, 0);
	CHECK(taken(w.listener) && taken(w.accepted[0]) && taken(w.clients[0]), "others");
}

/* Both are connected in the first round and accepted in the second: there is a third one, because they waited. */
static void accept_late(int fd)
{
	if (fd == w.listener) {
		connect_one(0);
		connect_one(1);
	} else if (fd == w.clients[1]) {
		accept_one(0);
		accept_one(1);
	}
}

TEST(unit, dns_sockets_that_are_accepted_late)
{
	setup();
	walk(accept_late, 5, 0);
	CHECK(taken(w.accepted[0]) && taken(w.accepted[1]), "others");
}

TEST(unit, dns_sockets_that_nobody_accepts)
{
	setup();
	connect_one(0);
	walk(NULL, 2, 1);
	CHECK(taken(w.listener) && taken(w.clients[0]), "others");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A network namespace of a test's own, and in it on loopback a DNS server and clients that ask it. */
#ifndef TESTS_LIVE_DNS_WORLD_H
#define TESTS_LIVE_DNS_WORLD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "correlate/dns/dns.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

#define DNS_PORT 53
#define ANSWER "192.0.2.7" /* to every name but those that begin with "nx" or "silent" */

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

union address loopback(int family, uint16_t port, socklen_t *ret_length);

/* Names of the processes below. */
extern char client_comm[TAPIO_COMM_LEN], server_comm[TAPIO_COMM_LEN];

/* Moves this process into a network namespace with nothing but loopback. */
void new_network(void);

/*
 * The same. Other tiers are tried at the same time, and each sees the packets of all, unless it is told
 * whose it wants: `l` is.
 */
void own_network(struct live *l);

/* Ports 53, UDP and TCP, IPv4 and IPv6. */
pid_t start_server(void);
/* Until the first connection has been accepted. Once. */
void wait_accepted(void);
void end_server(pid_t pid);

enum way { CONNECTED, UNCONNECTED, STREAM, STREAM_IN_PIECES, WITH_OPTIONS };

struct ask {
	char name[64];
	int family;
	enum way way;
	uint16_t port;
	struct gate *connected; /* opened when its socket is there */
	struct gate *after; /* asks when it is open */
	/* Written by the client, in memory that is shared. */
	uint64_t sent_ns, came_ns;
	bool answered;
};

/* In memory that is shared. The name gets this process's number, by which no other tier's has it. */
struct ask *shared_ask(const char *name, int family, enum way way);

/* For child_run. 0, or which step failed. */
int do_ask(void *ask);

/*
 * Whether something may be missing: from 7.0 the kernel skips a tracepoint program that was preempted by somebody who
 * comes to the same hook, and has counted that it did.
 */
bool dns_may_be_skipped(const struct live *l);

/* ---- what is made of their packets ---- */

#define EVENTS_MAX 256

/* With a timeout of 200 ms. */
struct told {
	struct correlator *dns;
	struct event_view views[EVENTS_MAX];
	unsigned n;
	size_t taken; /* records */
};

void told_open(struct told *t);
/* Takes all that is there. */
void told_take(struct told *t, struct live *l);
void told_close(struct told *t);

/* Whether it is a client's event about that name: where the two sides are not known to be one, the server's is beside it. */
bool told_is_named(const struct event_view *view, const char *name);

#endif

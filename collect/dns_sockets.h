/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that spoke DNS before the programs of bpf/dns.h ran: whose they are. */
#ifndef COLLECT_DNS_SOCKETS_H
#define COLLECT_DNS_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "event/dns.h"

/* As /proc/net tells it. Addresses are in network byte order, of IPv4 the first four octets. */
struct dns_socket {
	uint64_t inode;
	uint8_t family; /* 4, 6 */
	uint8_t protocol; /* IPPROTO_* */
	uint16_t local_port, remote_port; /* 0: none */
	uint8_t local[16], remote[16];
	bool entered; /* whoever takes it may set this, and finds it again at the next descriptor of the socket */
};

/*
 * Looks through all network namespaces and processes. `take` is given each descriptor of a socket that is connected or
 * bound to one of these ports, or connected to that of DNS over TLS: processes one after the other.
 * The tables are read again after that, because connections come that have missed their listener's turn: whose they are
 * shows when they have been accepted, for which it waits up to 40 ms, or for one more reading if that takes longer. Returns
 * how many have not been by then.
 */
unsigned dns_sockets_walk(const uint16_t ports[TAPIO_DNS_PORTS_MAX],
			  void (*take)(void *arg, const char *pid, int fd, struct dns_socket *socket), void *arg);

struct dns_sockets_found {
	unsigned found, entered; /* descriptors of sockets, and connections that nobody has accepted: in /proc, and in the map */
};

/*
 * Enters each of them into a map of BPF_MAP_TYPE_SK_STORAGE. Takes CAP_SYS_PTRACE and Linux 5.6 (pidfd_getfd).
 */
void dns_sockets_enter(int map_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX], struct dns_sockets_found *ret);

/* Enters each descriptor of them into the maps of bpf/dns_calls.h. */
void dns_sockets_enter_calls(int lives_fd, int sockets_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX],
			     struct dns_sockets_found *ret);

#endif

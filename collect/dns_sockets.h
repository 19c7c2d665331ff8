/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that spoke DNS before the programs of bpf/dns.h ran: whose they are. */
#ifndef COLLECT_DNS_SOCKETS_H
#define COLLECT_DNS_SOCKETS_H

#include <stdint.h>

#include "event/event.h"

struct dns_sockets_found {
	unsigned found, entered; /* sockets: in /proc, and in the map */
};

/*
 * Looks through all network namespaces and processes, and enters each socket that is connected or bound to one of these
 * ports into a map of BPF_MAP_TYPE_SK_STORAGE. Takes CAP_SYS_PTRACE and Linux 5.6 (pidfd_getfd).
 */
void dns_sockets_enter(int map_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX], struct dns_sockets_found *ret);

#endif

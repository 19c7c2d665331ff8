/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of the dns sensor share with who loads them: what they remember, and where things lie. What they
 * tell, its records, is in event/event.h. Compiled on both sides, as that is.
 */
#ifndef TAPIO_EVENT_DNS_H
#define TAPIO_EVENT_DNS_H

#include "event/event.h"

#define TAPIO_DNS_PORTS_MAX 4
#define TAPIO_DNS_TLS_PORT 853

/* What is known of a socket that speaks DNS: kept with it by the programs of bpf/dns.h. */
struct tapio_dns_socket {
	__u64 cgroup_id; /* of the process below */
	__u64 legacy_cgroup_id;
	__u64 netns; /* cookie of the socket's network namespace */
	__u32 tgid; /* who connected it, bound it to a DNS port or sent through it last; 0: unknown */
	__u32 tid;
	__u32 uid;
	__u16 asked_port; /* where the last datagram was sent to, 0: none yet, or not to a DNS port */
	__u8 asked_family;
	__u8 known;
	__u8 asked[16];
	char comm[TAPIO_COMM_LEN];
};

/* ---- DNS by system calls: bpf/dns_calls.h ---- */

/* tapio_dns_call_socket.flags */
#define TAPIO_DNS_CALL_CONNECTED 0x1
#define TAPIO_DNS_CALL_BEGUN 0x2 /* TCP, and its first octet has not been missed */

/* A process's descriptor. */
struct tapio_dns_call_key {
	__u32 tgid;
	__u32 fd;
};

/* What is known of a descriptor that speaks DNS. */
struct tapio_dns_call_socket {
	__u64 life;      /* tapio_dns_call_life.number of whose it is; another's is a leftover */
	__u64 cookie;    /* our own: the highest bit is set, which no kernel gets to */
	__u64 made_ns;
	__u64 closed_ns; /* 0: open */
	__u32 sent, received; /* octets of TCP */
	__u16 peer_port;  /* connected to, or last sent to; 0: nowhere, or unknown */
	__u16 local_port; /* the DNS port that it is bound to, or its listener; 0: it asks */
	__u8 peer_family, local_family; /* 4, 6; 0: unknown */
	__u8 protocol; /* IPPROTO_UDP, IPPROTO_TCP; 0: unknown */
	__u8 flags;    /* TAPIO_DNS_CALL_* */
	__u8 peer[16], local[16];
};

#define TAPIO_DNS_CALL_ANCESTORS 2

/* A process from its fork or exec to the next exec: as long as its descriptors' numbers mean the same. */
struct tapio_dns_call_life {
	__u64 number; /* when it began, on the monotonic clock */
	/* Whose descriptors it has copies of, the parent first. tgid 0: no more. */
	struct {
		__u64 life;
		__u64 forked_ns;
		__u32 tgid;
		__u32 pad;
	} ancestors[TAPIO_DNS_CALL_ANCESTORS];
};

struct tapio_dns_call_ports {
	__u16 ports[TAPIO_DNS_PORTS_MAX]; /* unused ones are 0 */
};

/* As tapio_process_layout. All system calls have their arguments, and results, in the same place. */
struct tapio_dns_calls_layout {
	__u16 arguments; /* of the first one; each has 8 octets */
	__u16 result;
	__u16 newtask_pid;
	__u16 newtask_flags;
};

#endif

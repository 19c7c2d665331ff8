/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which descriptors speak DNS: the memory of bpf/dns_calls_abi.bpf.c.
 *
 * A system call names a descriptor, so what is known of a socket is kept by process and descriptor. A process that has
 * no such descriptor is told by one look into `dns_call_lives`, which is all that most calls of read(2) cost.
 * What would make an entry another file's: close(2) marks it; an exec, and a process id that is used again, begin a
 * new life of the process, and entries of another life do not count. A fork's child finds what its parent, or the
 * parent's parent, had when it was forked: servers bind, and then become daemons.
 * What was used longest ago gives way to what is new: 8,192 processes and 16,384 descriptors are remembered.
 * Not followed: dup(2) and its kin, descriptors passed over sockets, those that survive an exec, close_range(2).
 */
#ifndef TAPIO_BPF_DNS_CALLS_H
#define TAPIO_BPF_DNS_CALLS_H

#include "abi.h"
#include "emit.h"
#include "event/dns.h"
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

#define KERNELS_NEVER 0x8000000000000000ULL /* a kernel counts sockets' cookies from 1 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tapio_dns_call_ports);
} dns_call_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32); /* process id */
	__type(value, struct tapio_dns_call_life);
} dns_call_lives SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tapio_dns_call_key);
	__type(value, struct tapio_dns_call_socket);
} dns_call_sockets SEC(".maps");

/* IPPROTO_* of every socket that is made, until it is known whether it speaks DNS. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tapio_dns_call_key);
	__type(value, u32);
} dns_call_types SEC(".maps");

struct address {
	u8 octets[16];
	u16 port; /* host byte order */
	u8 family; /* 4, 6; 0: unknown */
	u8 pad;
	u32 pad_end;
};

static __always_inline bool is_dns_port(u32 port)
{
	u32 zero = 0;
	struct tapio_dns_call_ports *p = bpf_map_lookup_elem(&dns_call_ports, &zero);
	bool is = false;

	if (!p)
		return false;
#pragma clang loop unroll(full)
	for (int i = 0; i < TAPIO_DNS_PORTS_MAX; i++)
		is |= port == p->ports[i];
	return port && is;
}

/* An address in the caller's memory. False: none of IP, or not readable. */
static __always_inline bool read_address(u64 user, struct address *ret)
{
	struct {
		u16 family, port;
		u8 ipv4[4];
	} raw = {};

	__builtin_memset(ret, 0, sizeof(*ret));
	if (!user || bpf_probe_read_user(&raw, sizeof(raw), (void *)user))
		return false;
	ret->port = bpf_ntohs(raw.port);
	if (raw.family == AF_INET) {
		__builtin_memcpy(ret->octets, raw.ipv4, sizeof(raw.ipv4));
		ret->family = 4;
		return true;
	}
	ret->family = 6;
	return raw.family == AF_INET6 && !bpf_probe_read_user(ret->octets, sizeof(ret->octets), (void *)(user + 8));
}

static __always_inline u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* ---- lives ---- */

static __always_inline struct tapio_dns_call_life *life_of(u32 tgid)
{
	return bpf_map_lookup_elem(&dns_call_lives, &tgid);
}

/* Asked first: what most calls of the machine cost is what comes before it. */
static __always_inline bool speaks_dns(void)
{
	return life_of(current_tgid()) != NULL;
}

static __always_inline struct tapio_dns_call_life *life_make(u32 tgid)
{
	struct tapio_dns_call_life *life = life_of(tgid), first = {};

	if (life)
		return life;
	first.number = bpf_ktime_get_ns();
	bpf_map_update_elem(&dns_call_lives, &tgid, &first, BPF_NOEXIST);
	return life_of(tgid);
}

static __always_inline void life_end(u32 tgid)
{
	if (life_of(tgid))
		bpf_map_delete_elem(&dns_call_lives, &tgid);
}

/* The child has copies of the current process's descriptors. */
static __always_inline void life_fork(u32 child)
{
	u32 tgid = current_tgid();
	struct tapio_dns_call_life *parent = life_of(tgid), life = {};

	if (!parent) {
		life_end(child);
		return;
	}
	life.number = bpf_ktime_get_ns();
	life.ancestors[0].life = parent->number;
	life.ancestors[0].forked_ns = life.number;
	life.ancestors[0].tgid = tgid;
	life.ancestors[1] = parent->ancestors[0];
	bpf_map_update_elem(&dns_call_lives, &child, &life, BPF_ANY);
}

/* ---- descriptors ---- */

/* What an ancestor had under that number when it forked, from now on the process's own. */
static __always_inline struct tapio_dns_call_socket *socket_inherit(const struct tapio_dns_call_life *life,
								    const struct tapio_dns_call_key *key)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < TAPIO_DNS_CALL_ANCESTORS; i++) {
		struct tapio_dns_call_key theirs = { .tgid = life->ancestors[i].tgid, .fd = key->fd };
		struct tapio_dns_call_socket *s, copy;

		if (!theirs.tgid)
			return NULL;
		s = bpf_map_lookup_elem(&dns_call_sockets, &theirs);
		if (!s || s->life != life->ancestors[i].life)
			continue;
		if (s->made_ns > life->ancestors[i].forked_ns ||
		    (s->closed_ns && s->closed_ns < life->ancestors[i].forked_ns))
			return NULL;
		__builtin_memcpy(&copy, s, sizeof(copy));
		copy.life = life->number;
		copy.closed_ns = 0;
		bpf_map_update_elem(&dns_call_sockets, key, &copy, BPF_ANY);
		return bpf_map_lookup_elem(&dns_call_sockets, key);
	}
	return NULL;
}

/* NULL: it speaks no DNS, as far as is known. */
static __always_inline struct tapio_dns_call_socket *socket_of(u32 fd)
{
	struct tapio_dns_call_key key = { .tgid = current_tgid(), .fd = fd };
	struct tapio_dns_call_life *life = life_of(key.tgid);
	struct tapio_dns_call_socket *s;

	if (!life)
		return NULL;
	s = bpf_map_lookup_elem(&dns_call_sockets, &key);
	if (s && s->life == life->number)
		return s->closed_ns ? NULL : s;
	return socket_inherit(life, &key);
}

static __always_inline u32 socket_protocol(u32 fd)
{
	struct tapio_dns_call_key key = { .tgid = current_tgid(), .fd = fd };
	u32 *protocol = bpf_map_lookup_elem(&dns_call_types, &key);

	return protocol ? *protocol : 0;
}

static __always_inline struct tapio_dns_call_socket *socket_make(u32 fd, u32 protocol)
{
	struct tapio_dns_call_key key = { .tgid = current_tgid(), .fd = fd };
	struct tapio_dns_call_life *life = life_make(key.tgid);
	struct tapio_dns_call_socket first = {}, *s = NULL;

	if (life) {
		first.life = life->number;
		first.made_ns = bpf_ktime_get_ns();
		/* 39 hours of nanoseconds, and the descriptor for two that are made in the same one. */
		first.cookie = KERNELS_NEVER | (first.made_ns << 16 & ~KERNELS_NEVER) | (fd & 0xffff);
		first.protocol = protocol;
		bpf_map_update_elem(&dns_call_sockets, &key, &first, BPF_ANY);
		s = bpf_map_lookup_elem(&dns_call_sockets, &key);
	}
	if (!s)
		count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_STATE_FULL);
	return s;
}

static __always_inline void socket_close(struct tapio_dns_call_socket *s)
{
	s->closed_ns = bpf_ktime_get_ns();
}

static __always_inline void set_peer(struct tapio_dns_call_socket *s, const struct address *peer)
{
	__builtin_memcpy(s->peer, peer->octets, sizeof(s->peer));
	s->peer_family = peer->family;
	s->peer_port = peer->port;
}

static __always_inline void get_peer(const struct tapio_dns_call_socket *s, struct address *ret)
{
	__builtin_memcpy(ret->octets, s->peer, sizeof(s->peer));
	ret->family = s->peer_family;
	ret->port = s->peer_port;
}

static __always_inline bool is_zero(const u8 octets[16])
{
	u64 halves[2];

	__builtin_memcpy(halves, octets, sizeof(halves));
	return !(halves[0] | halves[1]);
}

/* Bound to every address is bound to none that could be told. */
static __always_inline void set_local(struct tapio_dns_call_socket *s, const struct address *local)
{
	__builtin_memcpy(s->local, local->octets, sizeof(s->local));
	s->local_family = is_zero(local->octets) ? 0 : local->family;
	s->local_port = local->port;
}

#endif

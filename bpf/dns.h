/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that carry DNS, and whose sockets they are: what bpf/dns.bpf.c and bpf/dns_abi.bpf.c share.
 *
 * Hooks: cgroup_skb, egress and ingress, at the root of the cgroup v2 hierarchy: every packet that a socket of any
 * network namespace sends or is given, with its socket, where IP and UDP or TCP headers begin. They run for packets in
 * whoever's name, so the process is remembered with the socket by the hooks that run in its own: connect, sendmsg (of
 * sockets that are not connected) and bind, if the port is a DNS port. Accepted connections have their listener's.
 * Destination NAT lies between those hooks and the packets: on the way out a packet has the new address and the
 * connected socket the one that was asked for, on the way in both have that one. So the socket decides what is DNS, and
 * only one that is not connected needs a look at the packet.
 * Not seen: what never meets a socket of this machine (forwarded), AF_PACKET and other raw senders, a process that was
 * given another's socket (the one that connected it is told), datagrams that the sender had the kernel cut up (UDP_SEGMENT:
 * told as one), QUIC.
 * Cost: for a packet that is not DNS, two ports compared; of a UDP socket that is not connected, its headers read. For
 * one that is, a copy of it. connect, bind and sendmsg cost one call each. Every verdict is "allow".
 * Kernels: 5.8, for the ids of sockets' cgroups and for who is the process in these hooks (5.7, fcf752ea68a0).
 */
#ifndef TAPIO_BPF_DNS_H
#define TAPIO_BPF_DNS_H

#include "emit.h"
#include <bpf/bpf_endian.h>

#define ALLOW 1

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

/* Written by the loader; unused ones are 0. */
const volatile u16 dns_ports[TAPIO_DNS_PORTS_MAX] = { 53 };

/* Memory of these is the sockets'. A connection that is accepted begins with its listener's. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct tapio_dns_socket);
} dns_sockets SEC(".maps");

static __always_inline bool is_dns_port(u32 port)
{
	bool is = false;

#pragma clang loop unroll(full)
	for (int i = 0; i < TAPIO_DNS_PORTS_MAX; i++)
		is |= port == dns_ports[i];
	return port && is;
}

/* Before 5.18 this was read as four bytes, which later kernels allow. */
static __always_inline u32 remote_port(const struct bpf_sock *sk)
{
	return bpf_ntohs((u16) * (const volatile u32 *)&sk->dst_port);
}

/* ---- whose sockets they are ---- */

static __always_inline void remember_process(void *ctx, struct tapio_dns_socket *s)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct tapio_config *cfg = settings();

	s->cgroup_id = bpf_get_current_cgroup_id();
#ifndef TAPIO_ABI
	/* Through the task's number in memory: not every one of these hooks may have a typed task. */
	if (cfg && cfg->legacy_subsystem)
		s->legacy_cgroup_id = task_legacy_cgroup_id((void *)bpf_get_current_task(), cfg->legacy_subsystem);
#else
	(void)cfg;
#endif
	s->netns = bpf_get_netns_cookie(ctx);
	s->tgid = pid_tgid >> 32;
	s->tid = pid_tgid;
	s->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(s->comm, sizeof(s->comm));
	s->known = 1;
}

/* The process sends something there through this socket. `port` and address in network byte order. */
static __always_inline int remember_asked(struct bpf_sock_addr *ctx, u32 family)
{
	u32 port = bpf_ntohs(ctx->user_port);
	bool dns = is_dns_port(port) || port == TAPIO_DNS_TLS_PORT;
	struct bpf_sock *sk = ctx->sk;
	struct tapio_dns_socket *s;

	if (!sk)
		return ALLOW;
	s = bpf_sk_storage_get(&dns_sockets, sk, 0, dns ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!s) {
		if (dns)
			count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_STATE_FULL);
		return ALLOW;
	}
	s->asked_port = dns ? port : 0;
	if (!dns)
		return ALLOW;
	s->asked_family = family == AF_INET ? 4 : 6;
	if (family == AF_INET) {
		u32 ip = ctx->user_ip4;

		__builtin_memcpy(s->asked, &ip, sizeof(ip));
	} else {
		u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

		__builtin_memcpy(s->asked, ip, sizeof(ip));
	}
	remember_process(ctx, s);
	return ALLOW;
}

SEC("cgroup/connect4")
int dns_connect4(struct bpf_sock_addr *ctx)
{
	return remember_asked(ctx, AF_INET);
}

SEC("cgroup/connect6")
int dns_connect6(struct bpf_sock_addr *ctx)
{
	return remember_asked(ctx, AF_INET6);
}

SEC("cgroup/sendmsg4")
int dns_sendmsg4(struct bpf_sock_addr *ctx)
{
	return remember_asked(ctx, AF_INET);
}

SEC("cgroup/sendmsg6")
int dns_sendmsg6(struct bpf_sock_addr *ctx)
{
	return remember_asked(ctx, AF_INET6);
}

static __always_inline int remember_bound(struct bpf_sock *ctx)
{
	struct tapio_dns_socket *s;

	if (!is_dns_port(ctx->src_port))
		return ALLOW;
	s = bpf_sk_storage_get(&dns_sockets, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (s)
		remember_process(ctx, s);
	else
		count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_STATE_FULL);
	return ALLOW;
}

SEC("cgroup/post_bind4")
int dns_bind4(struct bpf_sock *ctx)
{
	return remember_bound(ctx);
}

SEC("cgroup/post_bind6")
int dns_bind6(struct bpf_sock *ctx)
{
	return remember_bound(ctx);
}

/* ---- packets ---- */

struct packet {
	u8 source[16], destination[16];
	u16 source_port, destination_port; /* host byte order */
	u32 sequence;
	u32 transport_at; /* octets from the IP header */
	u32 payload_at;
	u32 payload_length;
	u8 family; /* 4 or 6 */
	u8 protocol;
	u8 flags;
};

struct ipv4_header {
	u8 version_length;
	u8 tos;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u8 source[4], destination[4];
};

struct ipv6_header {
	u8 version_class, rest[3];
	u16 length;
	u8 next, hops;
	u8 source[16], destination[16];
};

static __always_inline bool read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct ipv4_header ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) || ip.version_length >> 4 != 4)
		return false;
	if (ip.fragment & bpf_htons(0x1fff)) /* not the first one, which a raw socket may be given */
		return false;
	__builtin_memcpy(p->source, ip.source, sizeof(ip.source));
	__builtin_memcpy(p->destination, ip.destination, sizeof(ip.destination));
	p->family = 4;
	p->protocol = ip.protocol;
	p->transport_at = (ip.version_length & 0xf) * 4;
	return true;
}

/* Hop-by-hop, routing, destination options: RFC 8200 4; authentication header: RFC 4302 2.2. */
static __always_inline bool read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6_header ip;
	u32 at = sizeof(ip);
	u8 next;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) || ip.version_class >> 4 != 6)
		return false;
	__builtin_memcpy(p->source, ip.source, sizeof(ip.source));
	__builtin_memcpy(p->destination, ip.destination, sizeof(ip.destination));
	p->family = 6;
	next = ip.next;
#pragma clang loop unroll(full)
	for (int i = 0; i < 6; i++) {
		u8 extension[2];

		if (next != 0 && next != 43 && next != 60 && next != 51)
			break;
		if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)))
			return false;
		at += next == 51 ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
		next = extension[0];
	}
	p->protocol = next;
	p->transport_at = at;
	return true;
}

static __always_inline bool read_udp(struct __sk_buff *skb, struct packet *p)
{
	u16 udp[4]; /* ports, length, checksum */
	u32 left;

	if (bpf_skb_load_bytes(skb, p->transport_at, udp, sizeof(udp)))
		return false;
	p->source_port = bpf_ntohs(udp[0]);
	p->destination_port = bpf_ntohs(udp[1]);
	p->payload_at = p->transport_at + sizeof(udp);
	left = skb->len > p->payload_at ? skb->len - p->payload_at : 0;
	p->payload_length = bpf_ntohs(udp[2]) > sizeof(udp) ? bpf_ntohs(udp[2]) - sizeof(udp) : 0;
	if (p->payload_length > left)
		p->payload_length = left;
	return true;
}

static __always_inline bool read_tcp(struct __sk_buff *skb, struct packet *p)
{
	u8 tcp[14]; /* RFC 9293 3.1: ports, sequence, acknowledgment, data offset, flags */
	u32 header;

	if (bpf_skb_load_bytes(skb, p->transport_at, tcp, sizeof(tcp)))
		return false;
	p->source_port = tcp[0] << 8 | tcp[1];
	p->destination_port = tcp[2] << 8 | tcp[3];
	p->sequence = (u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7];
	header = (tcp[12] >> 4) * 4;
	if (tcp[13] & 0x02)
		p->flags |= TAPIO_DNS_SYN;
	if (tcp[13] & 0x05)
		p->flags |= TAPIO_DNS_END;
	p->payload_at = p->transport_at + header;
	p->payload_length = skb->len > p->payload_at ? skb->len - p->payload_at : 0;
	return true;
}

static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *p)
{
	if (skb->protocol == bpf_htons(0x0800) ? !read_ipv4(skb, p) : !read_ipv6(skb, p))
		return false;
	if (p->protocol == IPPROTO_UDP)
		return read_udp(skb, p);
	return p->protocol == IPPROTO_TCP && read_tcp(skb, p);
}

/* ---- who wants to know ---- */

static __always_inline bool is_wanted(const struct tapio_config *cfg, const struct tapio_dns_socket *s,
				      const struct tapio_cgroup_key *cgroup)
{
	struct tapio_filter_key comm = {};

	if (cfg->self_tgid && s->tgid == cfg->self_tgid)
		return false;
	if ((cfg->filters & TAPIO_FILTER_PID) && !filter_has(TAPIO_FILTER_PID, s->tgid))
		return false;
	if ((cfg->filters & TAPIO_FILTER_UID) && (!s->known || !filter_has(TAPIO_FILTER_UID, s->uid)))
		return false;
	if (cfg->filters & TAPIO_FILTER_COMM) {
		comm.kind = TAPIO_FILTER_COMM;
		__builtin_memcpy(comm.value, s->comm, sizeof(comm.value));
		if (!bpf_map_lookup_elem(&tapio_filter, &comm))
			return false;
	}
	return !(cfg->filters & TAPIO_FILTER_VERDICT) || !bpf_map_lookup_elem(&tapio_verdicts, cgroup);
}

/* ---- telling it ---- */

/* `from` octets of the payload were told already; at most `most` are now. Returns how many. */
static __always_inline u32 send_part(struct __sk_buff *skb, const struct packet *p, const struct tapio_dns_socket *s,
				     const struct tapio_cgroup_key *cgroup, u32 from, u32 most)
{
	u32 left = p->payload_length - from, n = left;
	struct bpf_sock *sk = skb->sk;
	struct tapio_dns_packet *rec;

	rec = record_begin_bare(TAPIO_SENSOR_DNS, TAPIO_EV_DNS_PACKET, TAPIO_RING_BULK, sizeof(*rec));
	if (!rec)
		return left;
	rec->ev.tgid = s->tgid;
	rec->ev.tid = s->tid;
	__builtin_memcpy(rec->ev.comm, s->comm, sizeof(rec->ev.comm));
	rec->ev.cgroup_id = cgroup->id;
	rec->ev.legacy_cgroup_id = cgroup->legacy_id;
	rec->netns = s->netns;
	rec->uid = s->known ? s->uid : ~0u;
	rec->cookie = bpf_get_socket_cookie(skb);
	rec->sequence = p->sequence + from + (from && (p->flags & TAPIO_DNS_SYN));
	__builtin_memcpy(rec->source.octets, p->source, sizeof(p->source));
	__builtin_memcpy(rec->destination.octets, p->destination, sizeof(p->destination));
	rec->source.family = rec->destination.family = p->family;
	rec->source_port = p->source_port;
	rec->destination_port = p->destination_port;
	rec->protocol = p->protocol;
	rec->flags = from ? p->flags & ~TAPIO_DNS_SYN : p->flags;
	if (sk && remote_port(sk)) {
		rec->asked_port = remote_port(sk);
		rec->asked.family = p->family;
		if (p->family == 4) {
			u32 ip = sk->dst_ip4;

			__builtin_memcpy(rec->asked.octets, &ip, sizeof(ip));
		} else {
			u32 ip[4] = { sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3] };

			__builtin_memcpy(rec->asked.octets, ip, sizeof(ip));
		}
	} else if (s->asked_port) {
		rec->asked_port = s->asked_port;
		rec->asked.family = s->asked_family;
		__builtin_memcpy(rec->asked.octets, s->asked, sizeof(s->asked));
	}
	if (n > most)
		n = most;
	rec->missing = left - n;
	if (n) {
		u64 length = BOUNDED(n - 1, TAPIO_DNS_TCP_MAX - 1) + 1;

		if (bpf_skb_load_bytes(skb, p->payload_at + from, (void *)rec + sizeof(*rec), length)) {
			count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_UNREADABLE);
			rec->missing = left;
			n = 0;
		} else {
			rec->payload.offset = sizeof(*rec);
			rec->payload.length = length;
		}
	}
	record_send(skb, rec, TAPIO_RING_BULK, sizeof(*rec) + n);
	return n ? n : left;
}

/* A TCP segment, as sockets are given it, has up to 128 KiB. */
#define TCP_PARTS 8

static __always_inline void send_packet(struct __sk_buff *skb, const struct packet *p, const struct tapio_dns_socket *s)
{
	struct tapio_cgroup_key cgroup = {};
	struct tapio_config *cfg = settings();
	u32 sent = 0;

	/* Where the process is now, as far as that is known, and not where it was when it made the socket. */
	cgroup.id = s->cgroup_id ? s->cgroup_id : bpf_skb_cgroup_id(skb);
	cgroup.legacy_id = s->legacy_cgroup_id;
	if (!cfg || !is_wanted(cfg, s, &cgroup) || !budget_allows(cfg, TAPIO_SENSOR_DNS, &cgroup))
		return;
	if (p->protocol == IPPROTO_UDP) {
		send_part(skb, p, s, &cgroup, 0, TAPIO_DNS_UDP_MAX);
		return;
	}
	for (int i = 0; i < TCP_PARTS; i++) {
		sent += send_part(skb, p, s, &cgroup, sent, TAPIO_DNS_TCP_MAX);
		if (sent >= p->payload_length)
			break;
	}
}

/* Of a socket that is not connected: a datagram to or from a DNS port, or to what was one before destination NAT. */
static __always_inline bool is_dns_datagram(const struct packet *p, const struct tapio_dns_socket *s)
{
	if (p->protocol != IPPROTO_UDP)
		return false;
	if (is_dns_port(p->source_port) || is_dns_port(p->destination_port))
		return true;
	return (p->flags & TAPIO_DNS_EGRESS) && s && is_dns_port(s->asked_port);
}

static __always_inline int take_packet(struct __sk_buff *skb, u8 direction)
{
	struct bpf_sock *sk = skb->sk, *full;
	struct tapio_dns_socket *s = NULL, nobody = {};
	struct packet p = {};
	u32 remote, local;
	bool tls = false;

	if (!sk)
		return ALLOW;
	remote = remote_port(sk);
	local = sk->src_port;
	if (remote && !is_dns_port(remote) && !is_dns_port(local)) {
		tls = direction && remote == TAPIO_DNS_TLS_PORT;
		if (!tls)
			return ALLOW;
	}
	p.flags = direction;
	full = bpf_sk_fullsock(sk);
	if (full)
		s = bpf_sk_storage_get(&dns_sockets, full, 0, 0);
	/* Most that are not connected never speak DNS: what is bound to no DNS port and has sent nothing there. */
	if (!read_packet(skb, &p))
		return ALLOW;
	if (!remote && !is_dns_port(local) && !is_dns_datagram(&p, s))
		return ALLOW;
	if (tls) {
		if (p.protocol != IPPROTO_TCP || !(p.flags & TAPIO_DNS_SYN))
			return ALLOW;
		p.flags |= TAPIO_DNS_TLS;
		p.payload_length = 0;
	}
	/* What only acknowledges says nothing. */
	if (!p.payload_length && !(p.flags & (TAPIO_DNS_SYN | TAPIO_DNS_END)))
		return ALLOW;
	send_packet(skb, &p, s ? s : &nobody);
	return ALLOW;
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	return take_packet(skb, TAPIO_DNS_EGRESS);
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	return take_packet(skb, 0);
}

#endif

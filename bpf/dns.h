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
#include "event/dns.h"
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

	s->cgroup_id = bpf_get_current_cgroup_id();
#ifndef TAPIO_ABI
	/* Through the task's number in memory: not every one of these hooks may have a typed task. */
	if (legacy_subsystem)
		s->legacy_cgroup_id = task_legacy_cgroup_id((void *)bpf_get_current_task(), legacy_subsystem);
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

/* ---- packets: whether they are DNS ---- */

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

static __always_inline bool is_ipv4(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(0x0800);
}

/*
 * Where the header behind that of IPv6 is, past its extensions: hop-by-hop, routing, destination options (RFC 8200 4),
 * authentication (RFC 4302 2.2). Returns its protocol.
 */
static __always_inline u8 skip_extensions(struct __sk_buff *skb, u8 next, u32 *ret_at)
{
	u32 at = sizeof(struct ipv6_header);

#pragma clang loop unroll(full)
	for (int i = 0; i < 6; i++) {
		u8 extension[2];

		if (next != 0 && next != 43 && next != 60 && next != 51)
			break;
		if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)))
			break;
		at += next == 51 ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
		next = extension[0];
	}
	*ret_at = at;
	return next;
}

/*
 * Of a UDP socket that is not connected: a datagram to a DNS port, as its sender addressed it, or from one. What gets to a
 * DNS port only by destination NAT is not: its answers come from the other port, and it would seem to get none.
 */
static __always_inline bool is_dns_datagram(struct __sk_buff *skb, bool egress, const struct tapio_dns_socket *s)
{
	u32 at = 0;
	u16 ports[2];
	u8 protocol;

	if (is_ipv4(skb)) {
		struct ipv4_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
			return false;
		protocol = ip.protocol;
		at = (ip.version_length & 0xf) * 4;
	} else {
		u8 next;

		if (bpf_skb_load_bytes(skb, __builtin_offsetof(struct ipv6_header, next), &next, sizeof(next)))
			return false;
		protocol = skip_extensions(skb, next, &at);
	}
	if (protocol != IPPROTO_UDP || bpf_skb_load_bytes(skb, at, ports, sizeof(ports)))
		return false;
	if (is_dns_port(bpf_ntohs(ports[0])))
		return true;
	return egress ? s && is_dns_port(s->asked_port) : is_dns_port(bpf_ntohs(ports[1]));
}

/* ---- packets: what a record tells of them ---- */

/*
 * A record is filled in where it lies, and what is known of the packet is read back from there: so the verifier has
 * forgotten by which way it got there, and looks at what follows once. payload.offset and pad hold the payload's place
 * in the packet until that is copied; missing, how long it is.
 */
#define PAYLOAD_AT(rec) (*(volatile u32 *)&(rec)->pad)
#define PAYLOAD_LENGTH(rec) (*(volatile u32 *)&(rec)->missing)

static __always_inline bool read_addresses(struct __sk_buff *skb, struct tapio_dns_packet *rec)
{
	u32 at = 0;

	if (is_ipv4(skb)) {
		struct ipv4_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
			return false;
		if (ip.fragment & bpf_htons(0x1fff)) /* not the first one, which a raw socket may be given */
			return false;
		__builtin_memcpy(rec->source.octets, ip.source, sizeof(ip.source));
		__builtin_memcpy(rec->destination.octets, ip.destination, sizeof(ip.destination));
		rec->source.family = 4;
		rec->protocol = ip.protocol;
		PAYLOAD_AT(rec) = (ip.version_length & 0xf) * 4;
	} else {
		struct ipv6_header ip;

		if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
			return false;
		__builtin_memcpy(rec->source.octets, ip.source, sizeof(ip.source));
		__builtin_memcpy(rec->destination.octets, ip.destination, sizeof(ip.destination));
		rec->source.family = 6;
		rec->protocol = skip_extensions(skb, ip.next, &at);
		PAYLOAD_AT(rec) = at;
	}
	rec->destination.family = *(volatile u8 *)&rec->source.family;
	return true;
}

static __always_inline bool read_udp(struct __sk_buff *skb, struct tapio_dns_packet *rec)
{
	u32 at = PAYLOAD_AT(rec), left, length;
	u16 udp[4]; /* ports, length, checksum */

	if (bpf_skb_load_bytes(skb, at, udp, sizeof(udp)))
		return false;
	rec->source_port = bpf_ntohs(udp[0]);
	rec->destination_port = bpf_ntohs(udp[1]);
	at += sizeof(udp);
	left = skb->len > at ? skb->len - at : 0;
	length = bpf_ntohs(udp[2]) > sizeof(udp) ? bpf_ntohs(udp[2]) - sizeof(udp) : 0;
	PAYLOAD_AT(rec) = at;
	PAYLOAD_LENGTH(rec) = length < left ? length : left;
	return true;
}

static __always_inline bool read_tcp(struct __sk_buff *skb, struct tapio_dns_packet *rec)
{
	u32 at = PAYLOAD_AT(rec);
	u8 tcp[14]; /* RFC 9293 3.1: ports, sequence, acknowledgment, data offset, flags */

	if (bpf_skb_load_bytes(skb, at, tcp, sizeof(tcp)))
		return false;
	rec->source_port = tcp[0] << 8 | tcp[1];
	rec->destination_port = tcp[2] << 8 | tcp[3];
	rec->sequence = (u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7];
	rec->flags |= (tcp[13] & 0x02 ? TAPIO_DNS_SYN : 0) | (tcp[13] & 0x05 ? TAPIO_DNS_END : 0);
	at += (tcp[12] >> 4) * 4;
	PAYLOAD_AT(rec) = at;
	PAYLOAD_LENGTH(rec) = skb->len > at ? skb->len - at : 0;
	return true;
}

static __always_inline bool read_packet(struct __sk_buff *skb, struct tapio_dns_packet *rec)
{
	u8 protocol;

	if (!read_addresses(skb, rec))
		return false;
	protocol = *(volatile u8 *)&rec->protocol;
	if (protocol == IPPROTO_UDP)
		return read_udp(skb, rec);
	return protocol == IPPROTO_TCP && read_tcp(skb, rec);
}

/* Where the process is now, as far as that is known, and not where it was when it made the socket. */
static __always_inline void fill_process(struct __sk_buff *skb, struct tapio_dns_packet *rec,
					 const struct tapio_dns_socket *s)
{
	rec->cookie = bpf_get_socket_cookie(skb);
	rec->uid = ~0u;
	if (s) {
		rec->ev.tgid = s->tgid;
		rec->ev.tid = s->tid;
		__builtin_memcpy(rec->ev.comm, s->comm, sizeof(rec->ev.comm));
		rec->ev.cgroup_id = s->cgroup_id;
		rec->ev.legacy_cgroup_id = s->legacy_cgroup_id;
		rec->netns = s->netns;
		if (s->known)
			rec->uid = s->uid;
		rec->asked_port = s->asked_port;
		rec->asked.family = s->asked_port ? s->asked_family : 0;
		__builtin_memcpy(rec->asked.octets, s->asked, sizeof(s->asked));
	}
	if (!*(volatile u64 *)&rec->ev.cgroup_id)
		rec->ev.cgroup_id = bpf_skb_cgroup_id(skb);
}

/* The packet goes where the process asked to send it. */
static __always_inline bool goes_where_asked(const struct tapio_dns_packet *rec)
{
	u64 asked[2], to[2];

	__builtin_memcpy(asked, rec->asked.octets, sizeof(asked));
	__builtin_memcpy(to, rec->destination.octets, sizeof(to));
	return asked[0] == to[0] && asked[1] == to[1] && rec->asked_port == rec->destination_port;
}

/* A connected socket knows whom it was told to talk to; but a datagram may have been given an address of its own. */
static __always_inline void fill_peer(struct tapio_dns_packet *rec, const struct bpf_sock *sk)
{
	u32 port = remote_port(sk);

	if (!port || goes_where_asked(rec))
		return;
	rec->asked_port = port;
	rec->asked.family = *(volatile u8 *)&rec->source.family;
	if (*(volatile u8 *)&rec->source.family == 4) {
		u32 ip[4] = { sk->dst_ip4 };

		__builtin_memcpy(rec->asked.octets, ip, sizeof(ip));
	} else {
		u32 ip[4] = { sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3] };

		__builtin_memcpy(rec->asked.octets, ip, sizeof(ip));
	}
}

static __always_inline bool is_wanted_cgroup(u64 id)
{
	struct tapio_filter_key key = { .kind = TAPIO_FILTER_CGROUP };

	__builtin_memcpy(key.value, &id, sizeof(id));
	return id && bpf_map_lookup_elem(&tapio_filter, &key);
}

/*
 * What a cgroup may send is counted in lookups, each of them eight packets: over UDP it has two, and two more where the
 * server is in the same cgroup or asks on; over TCP it has six to eight with those that open and close the connection.
 */
#define PACKETS_PER_LOOKUP 8

#define CGROUPS_DEEP 16

/* The process's, or the socket's or what that is below of: who sends is not the current task here. */
static __always_inline bool is_below_wanted(struct __sk_buff *skb, u64 cgroup_id)
{
	bool wanted = is_wanted_cgroup(cgroup_id);

	for (int level = 0; level < CGROUPS_DEEP && !wanted; level++)
		wanted = is_wanted_cgroup(bpf_skb_ancestor_cgroup_id(skb, level));
	return wanted;
}

static __always_inline bool is_wanted(struct __sk_buff *skb, const struct tapio_dns_packet *rec)
{
	struct tapio_config *cfg = settings();
	struct tapio_cgroup_key cgroup = {};
	struct tapio_filter_key comm = {};

	if (!cfg || (cfg->self_tgid && rec->ev.tgid == cfg->self_tgid))
		return false;
	if ((cfg->filters & TAPIO_FILTER_PID) && !filter_has(TAPIO_FILTER_PID, rec->ev.tgid))
		return false;
	if ((cfg->filters & TAPIO_FILTER_UID) && !filter_has(TAPIO_FILTER_UID, rec->uid))
		return false;
	if (cfg->filters & TAPIO_FILTER_COMM) {
		comm.kind = TAPIO_FILTER_COMM;
		__builtin_memcpy(comm.value, rec->ev.comm, sizeof(comm.value));
		if (!bpf_map_lookup_elem(&tapio_filter, &comm))
			return false;
	}
	cgroup.id = rec->ev.cgroup_id;
	cgroup.legacy_id = rec->ev.legacy_cgroup_id;
	if ((cfg->filters & TAPIO_FILTER_CGROUP) && !is_below_wanted(skb, cgroup.id))
		return false;
	if ((cfg->filters & TAPIO_FILTER_VERDICT) && bpf_map_lookup_elem(&tapio_verdicts, &cgroup))
		return false;
	return budget_allows_parts(cfg, TAPIO_SENSOR_DNS, &cgroup, PACKETS_PER_LOOKUP);
}

/* What only acknowledges says nothing; of a connection to the port of DNS over TLS, only its beginning can be told. */
static __always_inline bool says_something(struct tapio_dns_packet *rec, bool tls)
{
	u8 flags = *(volatile u8 *)&rec->flags;

	if (!tls)
		return PAYLOAD_LENGTH(rec) || (flags & (TAPIO_DNS_SYN | TAPIO_DNS_END));
	if (rec->protocol != IPPROTO_TCP || !(flags & TAPIO_DNS_SYN))
		return false;
	rec->flags = flags | TAPIO_DNS_TLS;
	PAYLOAD_LENGTH(rec) = 0;
	return true;
}

/* ---- telling it ---- */

/* Copies what is behind `from` octets of the payload, `most` at most, and sends the record. */
static __always_inline void send_part(struct __sk_buff *skb, struct tapio_dns_packet *rec, u32 from, u32 most)
{
	u32 at = PAYLOAD_AT(rec), left = PAYLOAD_LENGTH(rec) - from, n = left < most ? left : most;

	rec->pad = 0;
	rec->missing = left - n;
	if (n) {
		u64 length = BOUNDED(n - 1, TAPIO_DNS_TCP_MAX - 1) + 1;

		if (bpf_skb_load_bytes(skb, at + from, (void *)rec + sizeof(*rec), length)) {
			count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_UNREADABLE);
			rec->missing = left;
			n = 0;
		} else {
			rec->payload.offset = sizeof(*rec);
			rec->payload.length = length;
		}
	}
	record_send(skb, rec, TAPIO_RING_BULK, sizeof(*rec) + n);
}

/* A TCP segment, as sockets are given it, has up to 128 KiB: these are records of one. */
#define TCP_PARTS 8

/* One part of it, by number. Whether more follow. */
static __always_inline bool tell_part(struct __sk_buff *skb, struct bpf_sock *sk, const struct tapio_dns_socket *s,
				      u8 direction, bool tls, u32 part)
{
	u32 from = part * TAPIO_DNS_TCP_MAX;
	struct tapio_dns_packet *rec;
	bool udp, more;

	rec = record_begin_bare(TAPIO_SENSOR_DNS, TAPIO_EV_DNS_PACKET, TAPIO_RING_BULK, sizeof(*rec));
	if (!rec)
		return part; /* later ones may find a slot; nobody has found out yet whether there are any, or who wants them */
	rec->flags = direction;
	asm volatile("" : "+r"(s)); /* or compilers find places in it before it is known to be there */
	fill_process(skb, rec, s);
	if (!read_packet(skb, rec) || !says_something(rec, tls) || (part && PAYLOAD_LENGTH(rec) <= from) ||
	    (!part && !is_wanted(skb, rec))) {
		record_cancel(rec, TAPIO_RING_BULK);
		return false;
	}
	fill_peer(rec, sk);
	udp = *(volatile u8 *)&rec->protocol == IPPROTO_UDP;
	more = !udp && PAYLOAD_LENGTH(rec) > from + TAPIO_DNS_TCP_MAX;
	if (part) {
		rec->sequence += from + (*(volatile u8 *)&rec->flags & TAPIO_DNS_SYN ? 1 : 0);
		rec->flags &= ~TAPIO_DNS_SYN;
	}
	send_part(skb, rec, from, udp ? TAPIO_DNS_UDP_MAX : TAPIO_DNS_TCP_MAX);
	return more;
}

/* NULL: nobody's, as far as is known. */
static __always_inline struct tapio_dns_socket *remembered(struct bpf_sock *sk)
{
	struct bpf_sock *full = bpf_sk_fullsock(sk);

	return full ? bpf_sk_storage_get(&dns_sockets, full, 0, 0) : NULL;
}

static __always_inline int take_packet(struct __sk_buff *skb, u8 direction)
{
	struct bpf_sock *sk = skb->sk;
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
	/* Most that are not connected never speak DNS. */
	if (!remote && !is_dns_port(local) && !is_dns_datagram(skb, direction, remembered(sk)))
		return ALLOW;
	/*
	 * Whose it is is asked again for each part, and TLS has one: else the verifier goes through all that follows for
	 * each of the ways to get here, and for the ways through each part, more than twice as much.
	 */
	for (u32 i = 0; i < TCP_PARTS; i++)
		if (!tell_part(skb, sk, remembered(sk), direction, tls, i) || tls)
			break;
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

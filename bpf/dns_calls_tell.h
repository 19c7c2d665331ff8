/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of DNS messages that lie in the caller's memory: for bpf/dns_calls_abi.bpf.c.
 *
 * A record has the process's address only where it is a server's. TCP has no sequence numbers here: octets are counted,
 * each direction for itself, so that correlate/ puts messages together as it does packets.
 */
#ifndef TAPIO_BPF_DNS_CALLS_TELL_H
#define TAPIO_BPF_DNS_CALLS_TELL_H

#include "bpf/dns_calls.h"

#define PIECES 4   /* of one message or part of a stream, that are told */
#define MESSAGES 4 /* of one call */

struct piece {
	u64 at, length; /* as struct iovec */
};

/* A message, or a part of a stream, in the caller's memory. */
struct octets {
	struct piece pieces[PIECES];
	u64 total;
};

/* How many octets the call moved is known once it has returned: `total`. Before, ALL of them. */
#define ALL 0x7fffffff

static __always_inline void octets_of_buffer(struct octets *o, u64 at, u64 length, u64 total)
{
	o->pieces[0].at = at;
	o->pieces[0].length = length;
	o->total = total == ALL ? length & ALL : total;
}

/* Of more pieces than are told it is only known that there are more: a datagram is not whole then, and a stream has a hole. */
static __always_inline void octets_of_iovecs(struct octets *o, u64 iovecs, u64 n, u64 total, u32 most)
{
	bool more = n > most;

	if (!n)
		return;
	if (more)
		n = most;
	n = (BOUNDED(n - 1, most - 1) + 1) * sizeof(struct piece);
	if (bpf_probe_read_user(o->pieces, n, (void *)iovecs))
		count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_UNREADABLE);
	o->total = total;
	if (total != ALL)
		return;
	o->total = more;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < PIECES; i++)
		o->total += o->pieces[i].length & ALL;
}

static __always_inline void copy_address(struct tapio_address *to, const u8 octets[16], u8 family)
{
	__builtin_memcpy(to->octets, octets, sizeof(to->octets));
	to->family = family;
}

static __always_inline struct tapio_dns_packet *begin(const struct tapio_dns_call_socket *s, const struct address *remote,
						      u8 flags, bool v4_18)
{
	u64 cgroup = v4_18 ? bpf_get_current_cgroup_id() : 0;
	struct tapio_dns_packet *rec =
		record_begin(TAPIO_SENSOR_DNS, TAPIO_EV_DNS_PACKET, TAPIO_RING_BULK, sizeof(*rec), cgroup);
	struct tapio_address *here, *there;

	if (!rec)
		return NULL;
	rec->cookie = s->cookie;
	rec->uid = bpf_get_current_uid_gid();
	rec->protocol = s->protocol;
	rec->flags = flags | TAPIO_DNS_CALL;
	if (flags & TAPIO_DNS_EGRESS) {
		here = &rec->source;
		there = &rec->destination;
		rec->source_port = s->local_port;
		rec->destination_port = remote->port;
	} else {
		here = &rec->destination;
		there = &rec->source;
		rec->destination_port = s->local_port;
		rec->source_port = remote->port;
	}
	copy_address(here, s->local, s->local_port ? s->local_family : remote->family);
	copy_address(there, remote->octets, remote->family);
	if (!s->local_port) {
		rec->asked_port = remote->port;
		copy_address(&rec->asked, remote->octets, remote->family);
	}
	return rec;
}

/*
 * Behind the first piece a record takes less of one, for its place is not known to the verifier. What it counts with
 * lies in the record, where old verifiers forget it: they go through each combination of what they remember.
 */
#define LATER_PIECE_MAX 8192

/* False: not all of it, so none of the following either. */
static __always_inline bool append(struct tapio_dns_packet *rec, const struct piece *piece, bool is_first)
{
	u64 most = is_first ? TAPIO_DNS_TCP_MAX : LATER_PIECE_MAX;
	u64 at = is_first ? 0 : *(volatile u16 *)&rec->payload.length, n = piece->length;
	u64 left = *(volatile u32 *)&rec->missing;

	if (!n || !left)
		return true;
	if (n > left)
		n = left;
	if (n > most)
		n = most;
	n = BOUNDED(n - 1, most - 1) + 1;
	if (bpf_probe_read_user((void *)rec + sizeof(*rec) + BOUNDED(at, TAPIO_DNS_TCP_MAX - 1), n, (void *)piece->at)) {
		count_loss(TAPIO_SENSOR_DNS, TAPIO_CAUSE_UNREADABLE);
		return false;
	}
	*(volatile u16 *)&rec->payload.length = at + n;
	*(volatile u32 *)&rec->missing = left - n;
	return n == left || n == piece->length;
}

static __always_inline void fill(void *ctx, struct tapio_dns_packet *rec, const struct octets *o, u32 pieces)
{
	u32 most = rec->protocol == IPPROTO_UDP ? TAPIO_DNS_UDP_MAX : TAPIO_DNS_TCP_MAX, beyond = 0;

	if (o->total > most)
		beyond = o->total - most;
	*(volatile u32 *)&rec->missing = o->total - beyond;
	if (append(rec, &o->pieces[0], true) && pieces > 1 && append(rec, &o->pieces[1], false) &&
	    append(rec, &o->pieces[2], false))
		append(rec, &o->pieces[3], false);
	rec->missing = *(volatile u32 *)&rec->missing + beyond;
	rec->payload.offset = *(volatile u16 *)&rec->payload.length ? sizeof(*rec) : 0;
	record_send(ctx, rec, TAPIO_RING_BULK, sizeof(*rec) + *(volatile u16 *)&rec->payload.length);
}

/* Of a socket that was there before Tapio: RFC 1035 4.2.2, a length that fits, or the length alone. */
static __always_inline u8 guess_protocol(const struct octets *o)
{
	u16 length = 0;

	bpf_probe_read_user(&length, sizeof(length), (void *)o->pieces[0].at);
	return o->total == 2 || (u32)bpf_ntohs(length) + 2 == o->total ? IPPROTO_TCP : IPPROTO_UDP;
}

/* Where this is in its stream: octets before it. What is not told counts too, or later ones were taken for these. */
static __always_inline u32 advance(struct tapio_dns_call_socket *s, u32 n, u8 direction)
{
	u32 *count = direction & TAPIO_DNS_EGRESS ? &s->sent : &s->received, before = *count;

	*count = before + n;
	return before;
}

static __always_inline void tell(void *ctx, struct tapio_dns_call_socket *s, const struct address *remote,
				 const struct octets *o, u8 direction, bool v4_18)
{
	struct tapio_dns_packet *rec;
	u32 before;

	if (!o->total)
		return;
	if (!s->protocol)
		s->protocol = guess_protocol(o);
	before = advance(s, o->total, direction);
	if (!event_wanted(TAPIO_EV_DNS_PACKET))
		return;
	rec = begin(s, remote, direction, v4_18);
	if (!rec)
		return;
	if (rec->protocol == IPPROTO_TCP && !before && (s->flags & TAPIO_DNS_CALL_BEGUN))
		rec->flags |= TAPIO_DNS_SYN; /* which has number 0 */
	else if (rec->protocol == IPPROTO_TCP)
		rec->sequence = before + 1;
	fill(ctx, rec, o, PIECES);
}

/* Nothing more comes this way. */
static __always_inline void tell_end(void *ctx, const struct tapio_dns_call_socket *s, u8 direction, bool v4_18)
{
	u32 count = direction & TAPIO_DNS_EGRESS ? s->sent : s->received;
	struct tapio_dns_packet *rec;
	struct address remote = {};

	if (s->protocol != IPPROTO_TCP || !count || !event_wanted(TAPIO_EV_DNS_PACKET))
		return;
	get_peer(s, &remote);
	rec = begin(s, &remote, direction | TAPIO_DNS_END, v4_18);
	if (!rec)
		return;
	rec->sequence = count + 1;
	record_send(ctx, rec, TAPIO_RING_BULK, sizeof(*rec));
}

/* ---- what the caller says where it is ---- */

/* struct user_msghdr, and what comes behind it in struct mmsghdr */
struct message_header {
	u64 name;
	u32 name_length, pad;
	u64 iovecs, niovecs;
	u64 control, control_length;
	u32 flags, pad_end;
};

struct message_of_many {
	struct message_header header;
	u32 length, pad;
};

/* Whose it is: of a datagram what the caller says, or was told. False: it is no DNS. */
static __always_inline bool other_side(const struct tapio_dns_call_socket *s, u64 name, struct address *ret)
{
	if (s->protocol == IPPROTO_TCP || !read_address(name, ret) || !ret->port)
		get_peer(s, ret);
	return s->local_port || is_dns_port(ret->port);
}

/* One of the messages of a call: of these each has one piece, or the program would be too large for 4.14. */
static __always_inline void tell_one_of_many(void *ctx, const struct tapio_dns_call_socket *s,
					     const struct message_of_many *m, u64 total, u8 direction, bool v4_18)
{
	struct tapio_dns_packet *rec;
	struct address remote = {};
	struct octets o = {};

	if (!other_side(s, m->header.name, &remote))
		return;
	octets_of_iovecs(&o, m->header.iovecs, m->header.niovecs, total, 1);
	if (!o.total)
		return;
	rec = begin(s, &remote, direction, v4_18);
	if (rec)
		fill(ctx, rec, &o, 1);
}

/* Messages of a call that a program small enough for 4.14 does not get to. */
static __always_inline void count_losses(u64 n)
{
	struct tapio_counters *c = counters_of(TAPIO_SENSOR_DNS);

	if (c)
		__sync_fetch_and_add(&c->lost[TAPIO_CAUSE_UNREADABLE], n);
}

static __always_inline void tell_many(void *ctx, struct tapio_dns_call_socket *s, u64 at, u64 n, u8 direction, bool v4_18)
{
	s->protocol = IPPROTO_UDP; /* who sends several messages means messages */
	if (!event_wanted(TAPIO_EV_DNS_PACKET))
		return;
#pragma clang loop unroll(full)
	for (u64 i = 0; i < MESSAGES; i++) {
		struct message_of_many m = {};

		if (i >= n || bpf_probe_read_user(&m, sizeof(m), (void *)(at + i * sizeof(m))))
			return;
		tell_one_of_many(ctx, s, &m, direction ? ALL : m.length, direction, v4_18);
	}
	if (n > MESSAGES)
		count_losses(n - MESSAGES);
}

#endif

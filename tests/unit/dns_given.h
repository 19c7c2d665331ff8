/* SPDX-License-Identifier: Apache-2.0 */
/* Packets given to correlate/dns without a kernel, and what it makes of them. */
#ifndef TESTS_UNIT_DNS_GIVEN_H
#define TESTS_UNIT_DNS_GIVEN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "correlate/dns/dns.h"
#include "tests/test.h"
#include "tests/unit/dns_packet.h"

#define MS 1000000ull
#define S (1000 * MS)

enum { A = 1, AXFR = 252, AAAA = 28 };
enum { QUERY = 0x0100, ANSWER = 0x8180, NXDOMAIN = 0x8183, CUT = 0x8380 };

/* What was made last, and how many of each type. */
static struct {
	struct correlator *dns;
	unsigned made[TAPIO_EV_MAX];
	union {
		struct tapio_dns_lookup lookup;
		struct tapio_dns_error error;
		char bytes[TAPIO_RECORD_MAX];
	} last[TAPIO_EV_MAX];
} t;

static inline void keep(void *arg, const struct tapio_event *ev)
{
	const struct event_desc *desc;

	(void)arg;
	REQUIRE(!event_check(ev, ev->size, &desc), "an event of type %u is malformed", ev->type);
	t.made[ev->type]++;
	memcpy(&t.last[ev->type], ev, ev->size);
}

static inline void open_dns(unsigned max)
{
	const struct dns_options options = { .events = ~0ull, .lookups_max = max };

	memset(&t, 0, sizeof(t));
	t.dns = dns_open(&options);
	REQUIRE(t.dns, "no memory");
	t.dns->made = keep;
}

static inline void close_dns(void)
{
	t.dns->close(t.dns);
}

/* One message as a socket sends or gets it. */
struct sent {
	uint64_t at;
	const char *name;
	unsigned type, flags, id;
	const char *from, *to; /* "10.0.0.1" */
	uint16_t from_port, to_port;
	const char *asked; /* NULL: nothing is known */
	uint64_t cookie;
	uint32_t tgid;
	bool egress, stream, end;
	unsigned answers, questions; /* 0: one question */
	unsigned missing; /* octets of a datagram that its record has not */
	unsigned cut;     /* octets of a stream that come later */
};

static inline struct tapio_address address(const char *text)
{
	struct tapio_address a = { .family = strchr(text, ':') ? 6 : 4 };

	REQUIRE(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.octets) == 1, "%s", text);
	return a;
}

static inline void message_of(const struct sent *s, struct packet *m)
{
	put_header(m, s->flags, s->questions ? s->questions : 1, s->answers, 0, 0);
	m->data[0] = (uint8_t)(s->id >> 8);
	m->data[1] = (uint8_t)s->id;
	put_name(m, s->name);
	put16(m, s->type);
	put16(m, 1);
	for (unsigned i = 0; i < s->answers; i++) {
		size_t at = put_record(m, s->name, s->type);

		put(m, "\300\0\2\1\0\0\0\0\0\0\0\0\0\0\0\1", s->type == AAAA ? 16 : 4);
		put_end(m, at);
	}
}

static inline void give(const struct sent *s)
{
	static struct packet m;
	static union {
		struct tapio_dns_packet p;
		char bytes[TAPIO_RECORD_MAX];
	} r;
	struct event_view view = { .ev = &r.p.ev, .wall_ns = s->at };
	size_t at = sizeof(r.p);

	message_of(s, &m);
	memset(&r.p, 0, sizeof(r.p));
	if (s->stream) {
		r.bytes[at++] = (char)(m.n >> 8);
		r.bytes[at++] = (char)m.n;
	}
	m.n -= s->cut;
	memcpy(r.bytes + at, m.data, m.n);
	r.p.payload = (struct tapio_str){ sizeof(r.p), (__u16)(at + m.n - sizeof(r.p)) };
	r.p.ev.type = TAPIO_EV_DNS_PACKET;
	r.p.ev.size = (__u32)(at + m.n);
	r.p.ev.tgid = r.p.ev.tid = s->tgid;
	r.p.ev.cgroup_id = s->tgid;
	r.p.cookie = s->cookie;
	r.p.source = address(s->from);
	r.p.destination = address(s->to);
	r.p.source_port = s->from_port;
	r.p.destination_port = s->to_port;
	r.p.missing = s->missing;
	r.p.protocol = s->stream ? IPPROTO_TCP : IPPROTO_UDP;
	r.p.flags = s->egress ? TAPIO_DNS_EGRESS : 0;
	if (s->stream)
		r.p.flags |= TAPIO_DNS_SYN; /* of each message a connection of its own */
	r.p.flags |= s->end ? TAPIO_DNS_END : 0;
	if (s->asked) {
		r.p.asked = address(s->asked);
		r.p.asked_port = 53;
	}
	REQUIRE(!event_check(&r, r.p.ev.size, &view.desc), "the test's record");
	t.dns->take(t.dns, &view);
}

/* What a case does not name is as here. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* A client's question and the answer to it: process 7 asks 10.0.0.53 through socket 100. */
#define QUESTION(...)                                                                              \
	give(&(struct sent){ .name = "www.example.com", .type = A, .flags = QUERY, .id = 1, .from = "10.0.0.1", \
			     .from_port = 40000, .to = "10.0.0.53", .to_port = 53, .cookie = 100, .tgid = 7,    \
			     .egress = true, ##__VA_ARGS__ })
#define REPLY(...)                                                                                 \
	give(&(struct sent){ .name = "www.example.com", .type = A, .flags = ANSWER, .answers = 1, .id = 1,  \
			     .from = "10.0.0.53", .from_port = 53, .to = "10.0.0.1", .to_port = 40000,       \
			     .cookie = 100, .tgid = 7, ##__VA_ARGS__ })

static inline const struct tapio_dns_lookup *lookup(void)
{
	return &t.last[TAPIO_EV_DNS_LOOKUP].lookup;
}

static inline const struct tapio_dns_lookup *timed_out(void)
{
	return &t.last[TAPIO_EV_DNS_TIMEOUT].lookup;
}

static inline bool text_is(const void *record, struct tapio_str ref, const char *want)
{
	return ref.length == strlen(want) && !memcmp((const char *)record + ref.offset, want, ref.length);
}

static inline void check_made(unsigned lookups, unsigned timeouts, unsigned errors)
{
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == lookups && t.made[TAPIO_EV_DNS_TIMEOUT] == timeouts &&
		      t.made[TAPIO_EV_DNS_ERROR] == errors,
	      "%u lookups, %u timeouts, %u errors, not %u, %u, %u", t.made[TAPIO_EV_DNS_LOOKUP],
	      t.made[TAPIO_EV_DNS_TIMEOUT], t.made[TAPIO_EV_DNS_ERROR], lookups, timeouts, errors);
}

static inline void check_error(const char *reason)
{
	const struct tapio_dns_error *e = &t.last[TAPIO_EV_DNS_ERROR].error;

	CHECK(text_is(e, e->reason, reason), "%.*s, not %s", e->reason.length, (const char *)e + e->reason.offset, reason);
}

#endif

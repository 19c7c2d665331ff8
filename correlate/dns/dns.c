/* SPDX-License-Identifier: Apache-2.0 */
/* Packets, their messages, and time. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "correlate/dns/internal.h"

#define MDNS_PORT 5353
#define STREAMS_MAX 2048
#define STREAM_BYTES_MAX (4u << 20)
#define STREAM_WAIT_NS 2000000000ull
#define GRACE_NS 300000000ull    /* for a resolver whose own timeout is ours: its next attempt belongs here */
#define REMEMBER_NS 30000000000ull

/* ---- the packet ---- */

static bool is_dns_port(const struct dns *d, uint16_t port)
{
	for (unsigned i = 0; i < TAPIO_DNS_PORTS_MAX; i++)
		if (port && d->options.ports[i] == port)
			return true;
	return false;
}

/* A socket of IPv6 may speak IPv4: ::ffff:192.0.2.1 is what its program says then, and never in a packet. */
static struct tapio_address unmapped(const struct tapio_address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	struct tapio_address v4 = { .family = 4 };

	if (address->family != 6 || memcmp(address->octets, prefix, sizeof(prefix)))
		return *address;
	memcpy(v4.octets, address->octets + 12, 4);
	return v4;
}

static void hear_parties(struct heard *h)
{
	const struct tapio_dns_packet *p = h->packet;
	struct endpoint source = { unmapped(&p->source), p->source_port };
	struct endpoint destination = { unmapped(&p->destination), p->destination_port };
	struct endpoint asked = { unmapped(&p->asked), p->asked_port };
	bool to_server = !h->response;

	h->client = to_server ? source : destination;
	h->server = to_server ? destination : source;
	/* Where a client's socket was told to send to, if the packet goes elsewhere. */
	if (to_server && h->egress && asked.address.family == destination.address.family && asked.port &&
	    !endpoint_same(&asked, &destination)) {
		h->nat = destination;
		h->server = asked;
	}
}

static void hear_who(struct heard *h)
{
	const struct tapio_dns_packet *p = h->packet;

	h->who = (struct who_asks){ .tgid = p->ev.tgid, .tid = p->ev.tid, .uid = p->uid,
				    .cgroup_id = p->ev.cgroup_id, .legacy_cgroup_id = p->ev.legacy_cgroup_id };
	memcpy(h->who.comm, p->ev.comm, sizeof(h->who.comm));
}

/* A server, by its process: a listening socket and those that it accepts begin with the same one. */
static uint64_t server_key(const struct tapio_dns_packet *p)
{
	return hash_mix(hash_mix(p->ev.cgroup_id, p->ev.legacy_cgroup_id), (uint64_t)p->ev.tgid << 32 ^ p->netns);
}

/* ---- messages ---- */

static bool is_multicast(const struct tapio_address *address)
{
	return address->family == 4 ? address->octets[0] >> 4 == 0xe : address->octets[0] == 0xff;
}

/*
 * Multicast DNS has questions without ids (RFC 6762 18.1) and answers without questions: to everybody, or from one
 * responder's port to another's. The port alone says little: servers of unicast DNS have it too. An answer to one that
 * is no responder comes from where nobody was asked, so it is one of these if no question is found for it.
 */
static bool is_mdns(const struct dns *d, const struct heard *h)
{
	const struct tapio_dns_packet *p = h->packet;

	if (p->source_port != MDNS_PORT && p->destination_port != MDNS_PORT)
		return false;
	if (is_multicast(&p->destination) || p->source_port == p->destination_port)
		return true;
	return h->response && p->source_port == MDNS_PORT && !was_question(d, h);
}

static void take_message(struct dns *d, struct heard *h)
{
	bool from_server_port = is_dns_port(d, h->packet->source_port);
	bool to_server_port = is_dns_port(d, h->packet->destination_port);

	d->stats.messages++;
	tell_message(d, h);
	/* What is not here whole is no fault of the message. */
	if (h->length > h->m.octets.length) {
		if (h->packet->protocol == IPPROTO_TCP)
			refuse(d, h, DNS_CUT, 0);
	} else if (h->m.flaw) {
		d->stats.flaws[h->m.flaw]++;
		tell_error(d, h, dns_flaw_name(h->m.flaw), h->m.flaw_at, 0);
	}
	if (h->m.octets.length < DNS_HEADER || is_mdns(d, h))
		return;
	if (h->m.counts[DNS_QUESTIONS] != 1 && !h->response)
		refuse(d, h, DNS_MANY_QUESTIONS, 0);
	if (!h->response && from_server_port && !to_server_port)
		refuse(d, h, DNS_NOT_AN_ANSWER, 0);
	else if (h->response && to_server_port && !from_server_port && !h->packet->asked_port)
		refuse(d, h, DNS_NOT_A_QUESTION, 0);
	else if (h->response)
		take_answer(d, h);
	else if (h->m.question.name.length)
		take_question(d, h);
}

static void take_octets(struct dns *d, const uint8_t *data, size_t n, size_t whole)
{
	struct heard h = { .packet = d->packet, .cookie = d->packet->cookie, .now_ns = d->now_ns,
			   .egress = d->packet->flags & TAPIO_DNS_EGRESS, .length = whole };

	dns_message_read(data, n, &h.m);
	h.response = h.m.flags & DNS_QR;
	/* The question may have come with the end of the handshake, to the socket that listens. */
	if (d->packet->protocol == IPPROTO_TCP && is_at_server(&h) && !(d->packet->flags & TAPIO_DNS_CALL))
		h.cookie = server_key(d->packet);
	hear_parties(&h);
	hear_who(&h);
	take_message(d, &h);
}

static void on_stream_message(void *arg, const struct dns_segment *last, const uint8_t *data, size_t n, size_t whole)
{
	(void)last; /* the packet that is taken now */
	take_octets(arg, data, n, whole);
}

/*
 * Which stream this is of. The handshake of a connection that is accepted, and what comes with its end, is of the socket
 * that listens, all else of a new one: such a stream goes by its addresses.
 */
static uint64_t stream_key(const struct dns *d, const struct tapio_dns_packet *p)
{
	bool egress = p->flags & TAPIO_DNS_EGRESS;
	const struct endpoint local = { egress ? p->source : p->destination, egress ? p->source_port : p->destination_port };
	const struct endpoint remote = { egress ? p->destination : p->source, egress ? p->destination_port : p->source_port };

	/* A call's record does not know the client's address, and knows its socket. */
	if (!is_dns_port(d, local.port) || is_dns_port(d, remote.port) || p->flags & TAPIO_DNS_CALL)
		return p->cookie;
	return hash_mix(server_key(p), hash_mix(hash_endpoint(&local), hash_endpoint(&remote)));
}

static void take_segment(struct dns *d, const uint8_t *data, size_t n)
{
	const struct tapio_dns_packet *p = d->packet;
	/* What is missing of a packet is in the records that follow; of a call it is nowhere. */
	bool lost = p->flags & TAPIO_DNS_CALL;
	const struct dns_segment segment = { .cookie = stream_key(d, p), .time_ns = d->now_ns,
					     .egress = p->flags & TAPIO_DNS_EGRESS, .syn = p->flags & TAPIO_DNS_SYN,
					     .end = p->flags & TAPIO_DNS_END, .sequence = p->sequence,
					     .data = data, .length = n, .missing = lost ? p->missing : 0 };

	struct dns_streams_stats before, after;

	dns_streams_stats(d->streams, &before);
	dns_streams_take(d->streams, &segment);
	dns_streams_stats(d->streams, &after);
	/* An answer may have been in what is not going to be put together; what its sender did not end was none. */
	if (after.gaps > before.gaps && !segment.syn && !segment.end)
		d->doubts_ns[lookups_quota(p->ev.cgroup_id, p->ev.legacy_cgroup_id)] = d->now_ns;
	if (after.evicted > before.evicted) /* anybody's */
		d->doubt_ns = d->now_ns;
}

static void take_encrypted(struct dns *d)
{
	struct heard h = { .packet = d->packet, .now_ns = d->now_ns, .egress = true };

	hear_parties(&h);
	hear_who(&h);
	tell_encrypted(d, &h);
}

static void take(struct correlator *c, const struct event_view *view)
{
	struct dns *d = (struct dns *)c;
	const struct tapio_dns_packet *p = (const void *)view->ev;
	const uint8_t *data = (const uint8_t *)p + p->payload.offset;

	d->packet = p;
	d->now_ns = view->wall_ns - (uint64_t)view->boot_to_wall_ns;
	if (!d->began_ns)
		d->began_ns = d->now_ns;
	d->stats.packets++;
	if (p->flags & TAPIO_DNS_TLS)
		take_encrypted(d);
	else if (p->protocol == IPPROTO_TCP)
		take_segment(d, data, p->payload.length);
	else
		take_octets(d, data, p->payload.length, p->payload.length + (size_t)p->missing);
	d->packet = NULL;
}

/* ---- time ---- */

static uint64_t due(const struct correlator *c)
{
	const struct dns *d = (const struct dns *)c;
	uint32_t i = d->table.waiting.oldest;

	return i == NONE ? 0 : d->table.lookup[i].last_ns + d->options.timeout_ns + GRACE_NS;
}

static void advance(struct correlator *c, uint64_t now_ns)
{
	struct dns *d = (struct dns *)c;
	uint64_t at;

	while ((at = due(c)) && at <= now_ns) {
		uint32_t i = d->table.waiting.oldest;

		tell_timeout(d, &d->table.lookup[i], at);
		lookups_end(&d->table, i, LOOKUP_TIMED_OUT, at);
	}
	while (d->table.ended.oldest != NONE &&
	       now_ns - d->table.lookup[d->table.ended.oldest].ended_ns > REMEMBER_NS)
		lookups_forget(&d->table, d->table.ended.oldest);
}

static void doubt(struct correlator *c, const struct tapio_cgroup_key *whose, uint64_t now_ns)
{
	struct dns *d = (struct dns *)c;

	if (whose)
		d->doubts_ns[lookups_quota(whose->id, whose->legacy_id)] = now_ns;
	else
		d->doubt_ns = now_ns;
}

static uint64_t refused(const struct correlator *c)
{
	const struct dns *d = (const struct dns *)c;
	struct dns_streams_stats streams;

	dns_streams_stats(d->streams, &streams);
	return d->table.refused + streams.refused + streams.evicted;
}

/* ---- ---- */

static void close_dns(struct correlator *c)
{
	struct dns *d = (struct dns *)c;

	if (!d)
		return;
	dns_streams_close(d->streams);
	search_close(d->search);
	lookups_close(&d->table);
	dns_text_close(&d->text);
	free(d);
}

struct correlator *dns_open(const struct dns_options *options)
{
	struct dns_streams_options streams = { .streams_max = STREAMS_MAX, .bytes_max = STREAM_BYTES_MAX,
					       .wait_ns = STREAM_WAIT_NS, .message = on_stream_message };
	struct dns *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->c = (struct correlator){ .takes = 1ull << TAPIO_EV_DNS_PACKET, .take = take, .advance = advance, .due = due,
				    .doubt = doubt, .refused = refused, .close = close_dns };
	d->options = *options;
	if (!d->options.timeout_ns)
		d->options.timeout_ns = DNS_TIMEOUT_NS;
	if (!d->options.ports[0])
		d->options.ports[0] = 53;
	streams.arg = d;
	d->streams = dns_streams_open(&streams);
	d->search = search_open();
	if (!d->streams || !d->search || dns_text_open(&d->text) ||
	    lookups_open(&d->table, options->lookups_max ? options->lookups_max : DNS_LOOKUPS_MAX)) {
		close_dns(&d->c);
		return NULL;
	}
	return &d->c;
}

void dns_stats(const struct correlator *c, struct dns_stats *ret)
{
	const struct dns *d = (const struct dns *)c;
	struct dns_streams_stats streams;

	dns_streams_stats(d->streams, &streams);
	*ret = d->stats;
	ret->forgotten = d->table.refused;
	ret->waiting = d->table.waiting.n;
	ret->stream_gaps = streams.gaps;
	ret->stream_refused = streams.refused + streams.evicted;
}

uint64_t dns_memory_max(unsigned lookups_max)
{
	return (uint64_t)lookups_max * (sizeof(struct lookup) + 2 * sizeof(struct attempt) + 64) + STREAM_BYTES_MAX +
	       STREAMS_MAX * 256ull + search_memory() + DNS_TEXT_SCRATCH + sizeof(struct dns);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: packets of a few sockets, UDP and TCP, over a time that goes on. Whatever is in them, what is made of them
 * are sound events, and memory stays below its maximum. Each packet: which socket, how, when, and its octets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlate/dns/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, LOOKUPS = 16 };

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void on_event(void *arg, const struct tapio_event *ev)
{
	const struct event_desc *desc;

	(void)arg;
	require(!event_check(ev, ev->size, &desc) && desc->sensor == TAPIO_SENSOR_DNS, "an event that is malformed");
	require(ev->type != TAPIO_EV_DNS_PACKET, "a packet as an event");
}

/* Two hosts, and for some the other's port is the server's. */
static void address(struct tapio_dns_packet *p, uint8_t how)
{
	bool to_server = !(how & 1);

	p->source = (struct tapio_address){ .octets = { 10, 0, 0, to_server ? 1 : 53 }, .family = 4 };
	p->destination = (struct tapio_address){ .octets = { 10, 0, 0, to_server ? 53 : 1 }, .family = 4 };
	p->source_port = to_server ? 40000 : 53;
	p->destination_port = to_server ? 53 : 40000;
	if (how & 2)
		p->asked = (struct tapio_address){ .octets = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = how & 4 ? 53 : 9 },
						   .family = 6 };
	p->asked_port = how & 2 ? 53 : 0;
}

/* Sockets 1 and 2 are the client's processes', 3 is the server's. */
static size_t packet(struct tapio_dns_packet *p, const uint8_t *data, size_t size)
{
	size_t n = data[3];

	if (n > size - HEAD)
		n = size - HEAD;
	memset(p, 0, sizeof(*p));
	p->cookie = 1 + data[0] % 3;
	p->ev.tgid = data[0] & 0x80 ? 0 : (unsigned)p->cookie;
	p->protocol = data[0] & 0x40 ? 6 : 17;
	p->flags = (data[0] & 0x20 ? TAPIO_DNS_EGRESS : 0) | (data[0] & 0x10 ? TAPIO_DNS_SYN : 0) |
		   (data[0] & 0x08 ? TAPIO_DNS_END : 0) | (data[2] == 0xff ? TAPIO_DNS_TLS : 0);
	p->missing = data[2] == 0xfe ? 100 : 0;
	p->sequence = data[2] & 0x0f;
	address(p, data[1]);
	memcpy(p + 1, data + HEAD, n);
	p->payload = (struct tapio_str){ sizeof(*p), (__u16)n };
	p->ev.type = TAPIO_EV_DNS_PACKET;
	p->ev.size = (__u32)(sizeof(*p) + n);
	return HEAD + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dns_options options = { .events = ~0ull, .lookups_max = LOOKUPS };
	struct correlator *dns = dns_open(&options);
	uint64_t now = 1000000000;
	struct dns_stats stats;

	if (!dns)
		return 0;
	dns->made = on_event;
	while (size >= HEAD) {
		struct {
			struct tapio_dns_packet p;
			uint8_t octets[256];
		} *record = malloc(sizeof(*record));
		struct event_view view = { 0 };
		size_t n;

		if (!record)
			break;
		n = packet(&record->p, data, size);
		now += (uint64_t)(data[1] >> 3) * 100000000;
		view.ev = &record->p.ev;
		view.wall_ns = now;
		require(!event_check(record, record->p.ev.size, &view.desc), "the target's own record");
		dns->take(dns, &view);
		if (data[2] & 0x80)
			dns->advance(dns, now);
		dns_stats(dns, &stats);
		require(stats.waiting <= LOOKUPS, "more lookups than the maximum");
		free(record);
		data += n;
		size -= n;
	}
	dns->advance(dns, now + 3600000000000ull);
	require(!dns->due(dns), "something waits for ever");
	dns->close(dns);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups out of packets that were seen at system calls: addresses are those that programs give, and some are missing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "correlate/dns/dns.h"
#include "tests/test.h"
#include "tests/unit/dns_packet.h"

#define CLIENTS 0x8000000000000001ull
#define SERVERS 0x8000000000000002ull

static struct {
	struct tapio_dns_packet packet;
	uint8_t payload[512];
} record;

static struct tapio_dns_lookup told[4];
static char roles[4][8];
static unsigned ntold;

static unsigned nqueries;

static void on_made(void *arg, const struct tapio_event *ev)
{
	const struct tapio_dns_lookup *l = (const void *)ev;

	(void)arg;
	nqueries += ev->type == TAPIO_EV_DNS_QUERY;
	if (ev->type != TAPIO_EV_DNS_LOOKUP || ntold == 4)
		return;
	memcpy(roles[ntold], (const char *)ev + l->m.role.offset, l->m.role.length);
	told[ntold++] = *l;
}

static void put_message(bool response)
{
	static struct packet p;

	put_header(&p, response ? 0x8180 : 0x0100, 1, 0, 0, 0);
	put_name(&p, "www.example.com");
	put16(&p, 1);
	put16(&p, 1);
	memcpy(record.payload, p.data, p.n);
	record.packet.payload.offset = sizeof(record.packet);
	record.packet.payload.length = (uint16_t)p.n;
}

static void set_address(struct tapio_address *a, const char *text)
{
	*a = (struct tapio_address){ .family = strchr(text, ':') ? 6 : 4 };
	inet_pton(a->family == 6 ? AF_INET6 : AF_INET, text, a->octets);
}

/* One message of one side; `remote` and its port as the program gave them, NULL: it did not. */
static void hear(struct correlator *c, bool server, bool egress, const char *remote, uint16_t port, uint64_t now_ns)
{
	struct event_view view = { .ev = &record.packet.ev, .wall_ns = now_ns };
	struct tapio_address *there = egress ? &record.packet.destination : &record.packet.source;

	memset(&record, 0, sizeof(record));
	record.packet.ev.tgid = server ? 200 : 100;
	record.packet.ev.type = TAPIO_EV_DNS_PACKET;
	record.packet.cookie = server ? SERVERS : CLIENTS;
	record.packet.protocol = IPPROTO_UDP;
	record.packet.flags = TAPIO_DNS_CALL | (egress ? TAPIO_DNS_EGRESS : 0);
	record.packet.source_port = egress ? (server ? 53 : 0) : port;
	record.packet.destination_port = egress ? port : (server ? 53 : 0);
	if (remote)
		set_address(there, remote);
	if (!server) {
		record.packet.asked = *there;
		record.packet.asked_port = port;
	}
	put_message(server == egress);
	c->take(c, &view);
}

TEST(unit, dns_calls_of_both_sides)
{
	const struct dns_options options = { .events = ~0ull };
	struct correlator *c = dns_open(&options);
	uint64_t t = 1000 * NS_PER_S;

	REQUIRE(c, "no memory");
	c->made = on_made;
	hear(c, false, true, "::ffff:127.0.0.1", 53, t);
	hear(c, true, false, NULL, 0, t + 1000); /* an accepted connection, whose peer the server did not want to know */
	hear(c, true, true, NULL, 0, t + 3000);
	hear(c, false, false, "127.0.0.1", 53, t + 5000);
	REQUIRE(ntold == 2, "%u lookups instead of the server's and the client's", ntold);
	CHECK(!strcmp(roles[0], "server") && told[0].m.ev.tgid == 200 && told[0].took_ns == 2000, "%s of %u, %llu ns", roles[0],
	      told[0].m.ev.tgid, (unsigned long long)told[0].took_ns);
	CHECK(!strcmp(roles[1], "client") && told[1].m.ev.tgid == 100 && told[1].took_ns == 5000, "%s of %u, %llu ns", roles[1],
	      told[1].m.ev.tgid, (unsigned long long)told[1].took_ns);
	CHECK(told[1].m.server.family == 4 && told[1].m.server.octets[0] == 127 && told[1].m.server_port == 53,
	      "the client's server has family %u", told[1].m.server.family);
	CHECK(!told[1].m.server_nat.family && !told[1].m.client.family, "NAT, or a client's address, of nowhere");
	CHECK(!told[1].server_pid, "tied to process %u, by an address that nobody knows", told[1].server_pid);
	c->close(c);
}

/* A part of a stream: a message behind its length, and octets of it that the record does not have. */
static void hear_part(struct correlator *c, uint32_t sequence, uint16_t length, uint32_t missing, uint64_t now_ns)
{
	struct event_view view = { .ev = &record.packet.ev, .wall_ns = now_ns };

	memset(&record, 0, sizeof(record));
	record.packet.ev.tgid = 100;
	record.packet.cookie = CLIENTS;
	record.packet.protocol = IPPROTO_TCP;
	record.packet.flags = TAPIO_DNS_CALL | TAPIO_DNS_EGRESS | (sequence ? 0 : TAPIO_DNS_SYN);
	record.packet.sequence = sequence;
	record.packet.missing = missing;
	record.packet.destination_port = record.packet.asked_port = 53;
	put_message(false);
	memmove(record.payload + 2, record.payload, record.packet.payload.length);
	record.payload[0] = (uint8_t)(length >> 8);
	record.payload[1] = (uint8_t)length;
	record.packet.payload.length += 2;
	c->take(c, &view);
}

/* More than a record takes of one call comes with no later one: the message is told cut, and the next one at its place. */
TEST(unit, dns_calls_of_large_parts)
{
	const struct dns_options options = { .events = ~0ull };
	struct correlator *c = dns_open(&options);
	enum { MESSAGE = 33, LARGE = 20000 };

	REQUIRE(c, "no memory");
	c->made = on_made;
	nqueries = 0;
	hear_part(c, 0, LARGE, LARGE - MESSAGE, NS_PER_S);
	CHECK(nqueries == 1, "%u messages of one that was cut", nqueries);
	hear_part(c, 1 + 2 + LARGE, MESSAGE, 0, NS_PER_S + 1000);
	CHECK(nqueries == 2, "%u messages, with the one behind it", nqueries);
	c->close(c);
}

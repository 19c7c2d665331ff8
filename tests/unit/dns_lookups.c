/* SPDX-License-Identifier: Apache-2.0 */
/* From packets to lookups, without a kernel: what belongs together, and what is refused. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "correlate/dns/dns.h"
#include "correlate/dns/search.h"
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

static void keep(void *arg, const struct tapio_event *ev)
{
	const struct event_desc *desc;

	(void)arg;
	REQUIRE(!event_check(ev, ev->size, &desc), "an event of type %u is malformed", ev->type);
	t.made[ev->type]++;
	memcpy(&t.last[ev->type], ev, ev->size);
}

static void open_dns(unsigned max)
{
	const struct dns_options options = { .events = ~0ull, .lookups_max = max };

	memset(&t, 0, sizeof(t));
	t.dns = dns_open(&options);
	REQUIRE(t.dns, "no memory");
	t.dns->made = keep;
}

static void close_dns(void)
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
	bool egress, stream;
	unsigned answers, questions; /* 0: one question */
	unsigned missing; /* octets of a datagram that its record has not */
};

static struct tapio_address address(const char *text)
{
	struct tapio_address a = { .family = strchr(text, ':') ? 6 : 4 };

	REQUIRE(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.octets) == 1, "%s", text);
	return a;
}

static void message_of(const struct sent *s, struct packet *m)
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

static void give(const struct sent *s)
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

static const struct tapio_dns_lookup *lookup(void)
{
	return &t.last[TAPIO_EV_DNS_LOOKUP].lookup;
}

static const struct tapio_dns_lookup *timed_out(void)
{
	return &t.last[TAPIO_EV_DNS_TIMEOUT].lookup;
}

static bool text_is(const void *record, struct tapio_str ref, const char *want)
{
	return ref.length == strlen(want) && !memcmp((const char *)record + ref.offset, want, ref.length);
}

static void check_made(unsigned lookups, unsigned timeouts, unsigned errors)
{
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == lookups && t.made[TAPIO_EV_DNS_TIMEOUT] == timeouts &&
		      t.made[TAPIO_EV_DNS_ERROR] == errors,
	      "%u lookups, %u timeouts, %u errors, not %u, %u, %u", t.made[TAPIO_EV_DNS_LOOKUP],
	      t.made[TAPIO_EV_DNS_TIMEOUT], t.made[TAPIO_EV_DNS_ERROR], lookups, timeouts, errors);
}

static void check_error(const char *reason)
{
	const struct tapio_dns_error *e = &t.last[TAPIO_EV_DNS_ERROR].error;

	CHECK(text_is(e, e->reason, reason), "%.*s, not %s", e->reason.length, (const char *)e + e->reason.offset, reason);
}

TEST(unit, dns_lookup_of_one_answer)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	CHECK(t.made[TAPIO_EV_DNS_QUERY] == 1, "no query");
	REPLY(.at = 1 * S + 3 * MS, .name = "WWW.example.COM"); /* RFC 4343 */
	check_made(1, 0, 0);
	CHECK(lookup()->took_ns == 3 * MS && lookup()->attempts == 1 && lookup()->m.ev.tgid == 7, "%llu ns",
	      (unsigned long long)lookup()->took_ns);
	CHECK(text_is(lookup(), lookup()->m.name, "www.example.com") && text_is(lookup(), lookup()->m.rcode, "NOERROR"),
	      "texts");
	CHECK(text_is(lookup(), (struct tapio_str){ lookup()->m.answers.offset, lookup()->m.answers.length }, "192.0.2.1"),
	      "answers");
	CHECK(!lookup()->failure.length && !lookup()->doubtful && !lookup()->failover, "a failure");
	/* once more: it was answered */
	REPLY(.at = 1 * S + 4 * MS);
	check_made(1, 0, 1);
	check_error("duplicate");
	close_dns();
}

TEST(unit, dns_retries_are_one_lookup)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	QUESTION(.at = 3 * S);                                        /* the same message again */
	QUESTION(.at = 5 * S, .id = 2, .cookie = 101, .to = "10.0.0.54", .from_port = 40001); /* another server */
	REPLY(.at = 5 * S + MS, .id = 2, .cookie = 101, .from = "10.0.0.54", .to_port = 40001);
	check_made(1, 0, 0);
	CHECK(lookup()->attempts == 3 && lookup()->failover && lookup()->took_ns == 4 * S + MS, "%u attempts, %llu ns",
	      lookup()->attempts, (unsigned long long)lookup()->took_ns);
	CHECK(!memcmp((const char *)lookup() + lookup()->servers.offset, "10.0.0.53\0" "10.0.0.54", 19), "servers");
	t.dns->advance(t.dns, 100 * S);
	check_made(1, 0, 0);
	close_dns();
}

/* Many at once by one process are not attempts at one. */
TEST(unit, dns_parallel_questions_are_not_retries)
{
	open_dns(0);
	for (unsigned i = 0; i < 10; i++)
		QUESTION(.at = S + i * MS, .id = 10 + i);
	for (unsigned i = 0; i < 10; i++)
		REPLY(.at = S + 20 * MS + i, .id = 10 + i);
	check_made(10, 0, 0);
	CHECK(lookup()->attempts == 1, "%u attempts", lookup()->attempts);
	close_dns();
}

TEST(unit, dns_timeouts)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	QUESTION(.at = 2 * S);
	t.dns->advance(t.dns, t.dns->due(t.dns) - 1);
	check_made(0, 0, 0);
	t.dns->advance(t.dns, t.dns->due(t.dns));
	check_made(0, 1, 0);
	CHECK(timed_out()->attempts == 2 && timed_out()->took_ns > 6 * S && timed_out()->took_ns < 7 * S, "%llu",
	      (unsigned long long)timed_out()->took_ns);
	CHECK(text_is(timed_out(), timed_out()->failure, "timeout") && !timed_out()->doubtful, "failure");
	CHECK(!t.dns->due(t.dns), "waits");
	REPLY(.at = 9 * S);
	check_made(0, 1, 1);
	check_error("late");
	CHECK(t.last[TAPIO_EV_DNS_ERROR].error.late_ns > 1 * S, "late");
	/* what this program lost itself may have been the answer */
	QUESTION(.at = 20 * S, .name = "other.example");
	t.dns->doubt(t.dns, NULL, 21 * S);
	t.dns->advance(t.dns, 30 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 2 && timed_out()->doubtful, "no doubt");
	close_dns();
}

TEST(unit, dns_lost_twin)
{
	open_dns(0);
	QUESTION(.at = 1 * S, .id = 1);
	QUESTION(.at = 1 * S + MS, .id = 2, .type = AAAA);
	REPLY(.at = 1 * S + 2 * MS, .id = 2, .type = AAAA);
	check_made(1, 0, 0);
	CHECK(!lookup()->twin_answered, "the one that was answered is no lost twin");
	t.dns->advance(t.dns, 10 * S);
	check_made(1, 1, 0);
	CHECK(timed_out()->twin_answered, "the lost twin is not seen");
	/* both lost: no race */
	QUESTION(.at = 20 * S, .id = 3);
	QUESTION(.at = 20 * S, .id = 4, .type = AAAA);
	t.dns->advance(t.dns, 30 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 3 && !timed_out()->twin_answered, "a twin that was lost too");
	close_dns();
}

/* The five seconds of a resolver that asks again: the answer comes, and what delayed it is told. */
TEST(unit, dns_lost_twin_that_is_asked_again)
{
	open_dns(0);
	QUESTION(.at = 1 * S, .id = 1);
	QUESTION(.at = 1 * S, .id = 2, .type = AAAA);
	REPLY(.at = 1 * S + MS, .id = 2, .type = AAAA);
	QUESTION(.at = 6 * S, .id = 5, .cookie = 101, .from_port = 40001);
	REPLY(.at = 6 * S + MS, .id = 5, .cookie = 101, .to_port = 40001);
	check_made(2, 0, 0);
	CHECK(lookup()->twin_answered && lookup()->attempts == 2, "the lost twin is not seen");
	/* both lost, both asked again: that the other one's answer came first says nothing */
	QUESTION(.at = 20 * S, .id = 3);
	QUESTION(.at = 20 * S, .id = 4, .type = AAAA);
	QUESTION(.at = 25 * S, .id = 3);
	QUESTION(.at = 25 * S, .id = 4, .type = AAAA);
	REPLY(.at = 25 * S + MS, .id = 4, .type = AAAA);
	REPLY(.at = 25 * S + 2 * MS, .id = 3);
	check_made(4, 0, 0);
	CHECK(!lookup()->twin_answered && lookup()->attempts == 2, "a twin that was lost too");
	close_dns();
}

TEST(unit, dns_truncated_answers_lead_to_tcp)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	REPLY(.at = 1 * S + MS, .flags = CUT, .answers = 0);
	check_made(1, 0, 0);
	CHECK(lookup()->m.truncated && !lookup()->previous_id, "truncated");
	QUESTION(.at = 1 * S + 2 * MS, .id = 9, .cookie = 102, .stream = true);
	REPLY(.at = 1 * S + 3 * MS, .id = 9, .cookie = 102, .stream = true);
	check_made(2, 0, 0);
	CHECK(lookup()->previous_id == 1 && lookup()->id == 2 && !lookup()->m.truncated, "previous %llu",
	      (unsigned long long)lookup()->previous_id);
	close_dns();
}

TEST(unit, dns_answers_that_are_none)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	REPLY(.at = 1 * S + 1, .name = "www.example.net");
	check_error("question_mismatch");
	REPLY(.at = 1 * S + 2, .from = "10.0.0.66");
	check_error("server_mismatch");
	check_made(0, 0, 2);
	REPLY(.at = 1 * S + 3, .id = 77); /* something that was asked before we began? */
	check_made(0, 0, 2);
	REPLY(.at = 1 * S + 4);
	check_made(1, 0, 2);
	REPLY(.at = 60 * S, .id = 77);
	check_made(1, 0, 3);
	check_error("unsolicited");
	QUESTION(.at = 61 * S, .questions = 3);
	CHECK(t.made[TAPIO_EV_DNS_ERROR] > 3, "several questions");
	REPLY(.at = 62 * S, .flags = QUERY, .answers = 0);
	check_error("not_an_answer");
	close_dns();
}

TEST(unit, dns_nat)
{
	open_dns(0);
	/* connected: the socket's peer; the answer's source is translated back */
	QUESTION(.at = 1 * S, .to = "10.1.1.1", .asked = "10.0.0.53");
	REPLY(.at = 1 * S + MS);
	check_made(1, 0, 0);
	CHECK(lookup()->m.server.octets[3] == 53 && lookup()->m.server_nat.octets[1] == 1 &&
		      lookup()->m.server_nat_port == 53 && !lookup()->failover,
	      "not translated");
	/* not connected: `asked` is of an earlier datagram, and nothing is translated */
	QUESTION(.at = 2 * S, .id = 2, .to = "10.1.1.1", .asked = "10.0.0.53");
	REPLY(.at = 2 * S + MS, .id = 2, .from = "10.1.1.1");
	check_made(2, 0, 0);
	CHECK(lookup()->m.server.octets[1] == 1 && !lookup()->m.server_nat.family && !lookup()->failover, "translated");
	close_dns();
}

/* The server's socket is 200, its process 8. */
#define ARRIVES(...) QUESTION(.egress = false, .cookie = 200, .tgid = 8, ##__VA_ARGS__)
#define LEAVES(...) REPLY(.egress = true, .cookie = 200, .tgid = 8, ##__VA_ARGS__)

TEST(unit, dns_both_sides_are_one_lookup)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	ARRIVES(.at = 1 * S + 1);
	LEAVES(.at = 1 * S + 2);
	check_made(0, 0, 0);
	REPLY(.at = 1 * S + 3);
	check_made(1, 0, 0);
	CHECK(lookup()->m.ev.tgid == 7 && lookup()->server_pid == 8 && text_is(lookup(), lookup()->m.role, "client"),
	      "of %u by %u", lookup()->m.ev.tgid, lookup()->server_pid);
	/* the client is elsewhere */
	ARRIVES(.at = 2 * S, .from = "10.9.9.9", .id = 5);
	LEAVES(.at = 2 * S + 5, .to = "10.9.9.9", .id = 5);
	check_made(2, 0, 0);
	CHECK(lookup()->m.ev.tgid == 8 && text_is(lookup(), lookup()->m.role, "server") && lookup()->took_ns == 5, "server");
	/* two clients with the same id */
	ARRIVES(.at = 3 * S, .from = "10.9.9.9", .id = 6);
	ARRIVES(.at = 3 * S, .from = "10.9.9.8", .id = 6);
	LEAVES(.at = 3 * S + 9, .to = "10.9.9.8", .id = 6);
	LEAVES(.at = 3 * S + 7, .to = "10.9.9.9", .id = 6);
	check_made(4, 0, 0);
	CHECK(lookup()->took_ns == 7 && lookup()->m.client.octets[3] == 9, "the other client's");
	close_dns();
}

TEST(unit, dns_forwarders_legs_are_linked)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	ARRIVES(.at = 1 * S + 1);
	/* process 8 asks on, under an id of its own */
	QUESTION(.at = 1 * S + 2, .cookie = 201, .tgid = 8, .id = 99, .from_port = 5000, .to = "192.0.2.53");
	REPLY(.at = 1 * S + 3, .cookie = 201, .tgid = 8, .id = 99, .to_port = 5000, .from = "192.0.2.53");
	check_made(1, 0, 0);
	CHECK(lookup()->parent_id == 1 && lookup()->id == 2 && lookup()->m.ev.tgid == 8, "parent %llu",
	      (unsigned long long)lookup()->parent_id);
	LEAVES(.at = 1 * S + 4);
	REPLY(.at = 1 * S + 5);
	check_made(2, 0, 0);
	CHECK(lookup()->id == 1 && !lookup()->parent_id, "the first leg");
	close_dns();
}

TEST(unit, dns_transfers_have_many_answers)
{
	open_dns(0);
	QUESTION(.at = 1 * S, .type = AXFR);
	REPLY(.at = 1 * S + 1, .type = AXFR, .answers = 0);
	REPLY(.at = 1 * S + 2, .type = AXFR, .answers = 0);
	check_made(1, 0, 0);
	close_dns();
}

TEST(unit, dns_search_waste)
{
	static const char *const tried[] = { "db.shop.svc.cluster.local", "db.svc.cluster.local", "db.cluster.local" };

	open_dns(0);
	for (unsigned i = 0; i < 3; i++) {
		QUESTION(.at = 1 * S + i * MS, .name = tried[i], .id = i);
		REPLY(.at = 1 * S + i * MS + 1, .name = tried[i], .id = i, .flags = NXDOMAIN, .answers = 0);
	}
	CHECK(!lookup()->wasted && text_is(lookup(), lookup()->failure, "NXDOMAIN"), "wasted already");
	QUESTION(.at = 1 * S + 9 * MS, .name = "db", .id = 9, .tgid = 6, .cookie = 99); /* somebody else */
	REPLY(.at = 1 * S + 10 * MS, .name = "db", .id = 9, .tgid = 6, .cookie = 99);
	CHECK(!lookup()->wasted, "another process's");
	QUESTION(.at = 1 * S + 9 * MS, .name = "db", .id = 9);
	REPLY(.at = 1 * S + 10 * MS, .name = "db", .id = 9);
	CHECK(lookup()->wasted == 3, "%u wasted", lookup()->wasted);
	close_dns();
}

static struct dns_name name_of(const char *text)
{
	static struct packet p;
	struct dns_name name = { 0 };
	struct dns_octets octets;
	size_t at = 0;

	p.n = 0;
	put_name(&p, text);
	octets = (struct dns_octets){ p.data, p.n };
	REQUIRE(!dns_name_read(&octets, &at, &name), "%s", text);
	return name;
}

TEST(unit, dns_search_explains)
{
	static const struct {
		const char *failed, *found;
		bool explains;
	} cases[] = {
		{ "a.shop.svc.cluster.local", "a.svc.cluster.local", true },
		{ "a.shop.svc.cluster.local", "a", true },
		{ "A.b.corp.example", "a.B", true },
		{ "a.cluster.local", "a.corp.example", false }, /* nothing says that this is a list */
		{ "www.a.com", "www.b.com", false },
		{ "a.svc.cluster.local", "a.shop.svc.cluster.local", false },
		{ "a", "a", false },
		{ "b.cluster.local", "a.cluster.local", false },
		{ "aa.cluster.local", "a", false },
		{ "", "", false },
		{ "a.xsvc.local", "a.svc.local", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dns_name failed = name_of(cases[i].failed), found = name_of(cases[i].found);

		CHECK(search_explains(&failed, &found) == cases[i].explains, "%s, %s", cases[i].failed, cases[i].found);
	}
}

TEST(unit, dns_multicast_has_no_lookups)
{
	open_dns(0);
	QUESTION(.at = 1 * S, .to = "224.0.0.251", .to_port = 5353, .from_port = 5353, .id = 0);
	CHECK(t.made[TAPIO_EV_DNS_QUERY] == 1 && !t.dns->due(t.dns), "waits for an answer");
	check_made(0, 0, 0);
	/* a question of one that is no responder, and its answer, which comes from where nobody was asked */
	QUESTION(.at = 30 * S, .to = "ff02::fb", .to_port = 5353, .from = "fe80::1");
	REPLY(.at = 30 * S + MS, .from = "fe80::2", .from_port = 5353, .to = "fe80::1");
	REPLY(.at = 30 * S + MS, .from = "10.0.0.2", .from_port = 5353, .to = "224.0.0.251", .to_port = 5353);
	CHECK(!t.dns->due(t.dns), "waits for an answer");
	check_made(0, 0, 0);
	close_dns();
}

/* The DNS of a cluster may have that port behind its service's address. */
TEST(unit, dns_of_servers_on_the_port_of_multicast)
{
	open_dns(0);
	QUESTION(.at = 30 * S, .to = "10.1.0.5", .to_port = 5353, .asked = "10.96.0.10"); /* NAT changed it */
	REPLY(.at = 30 * S + MS, .from = "10.96.0.10", .asked = "10.96.0.10");
	check_made(1, 0, 0);
	QUESTION(.at = 31 * S, .id = 2, .to = "10.1.0.5", .to_port = 5353);
	REPLY(.at = 31 * S + MS, .id = 2, .from = "10.1.0.5", .from_port = 5353);
	check_made(2, 0, 0);
	close_dns();
}

/* One cgroup asks and is never answered; the others' lookups are seen all the same. */
TEST(unit, dns_flood)
{
	char name[32];

	open_dns(1024);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "x%u.example", i);
		QUESTION(.at = 1 * S + i, .name = name, .id = i % 65536);
		if (i % 100)
			continue;
		QUESTION(.at = 1 * S + i, .id = i % 65536, .cookie = 500, .tgid = 9);
		REPLY(.at = 1 * S + i + 1, .id = i % 65536, .cookie = 500, .tgid = 9);
	}
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 200, "%u of 200 lookups", t.made[TAPIO_EV_DNS_LOOKUP]);
	CHECK(t.dns->refused(t.dns) == 20000 - 1024 / 4, "%llu refused", (unsigned long long)t.dns->refused(t.dns));
	t.dns->advance(t.dns, 60 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 1024 / 4, "%u timeouts", t.made[TAPIO_EV_DNS_TIMEOUT]);
	/* and there is room again */
	QUESTION(.at = 100 * S);
	REPLY(.at = 101 * S);
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 201, "after the flood");
	close_dns();
}

/* Whoever asks again and again is told of each time that nobody answered, and does not wait for ever. */
TEST(unit, dns_retries_without_end_time_out)
{
	open_dns(0);
	for (unsigned i = 0; i < 120; i++) {
		t.dns->advance(t.dns, (1 + i) * S);
		QUESTION(.at = (1 + i) * S, .id = i, .cookie = 100 + i, .from_port = (uint16_t)(40000 + i));
	}
	t.dns->advance(t.dns, 200 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] >= 3 && t.made[TAPIO_EV_DNS_TIMEOUT] <= 6, "%u timeouts in two minutes",
	      t.made[TAPIO_EV_DNS_TIMEOUT]);
	CHECK(timed_out()->took_ns < 60 * S, "%llu ns", (unsigned long long)timed_out()->took_ns);
	close_dns();
}

/* One cgroup asks the same names again and again, each time through another socket: the others' answers still find them. */
TEST(unit, dns_flood_of_retries)
{
	char name[32];

	open_dns(256);
	for (unsigned round = 0; round < 20; round++) {
		uint64_t at = (1 + round) * S;

		t.dns->advance(t.dns, at);
		for (unsigned i = 0; i < 64; i++) {
			snprintf(name, sizeof(name), "x%u.example", i);
			QUESTION(.at = at + i, .name = name, .id = 64 * round + i, .cookie = 1000 + round);
		}
		QUESTION(.at = at + 100, .id = round, .cookie = 500, .tgid = 9);
		REPLY(.at = at + 101, .id = round, .cookie = 500, .tgid = 9);
		/* what is asked again finds its answer, however often it was asked */
		if (round == 19)
			REPLY(.at = at + 200, .name = "x5.example", .id = 64 * round + 5, .cookie = 1000 + round);
	}
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 21, "%u of 21 lookups", t.made[TAPIO_EV_DNS_LOOKUP]);
	close_dns();
}

/* A datagram that no record holds: its size is told, and that there is more. */
TEST(unit, dns_large_datagrams)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	REPLY(.at = 1 * S + 1, .answers = 3, .missing = 5000);
	check_made(1, 0, 0);
	CHECK(lookup()->m.records_cut && lookup()->m.size > 5000 && lookup()->m.answer_count == 3, "size %u", lookup()->m.size);
	close_dns();
}

/* Nothing that was not asked for is told. */
TEST(unit, dns_only_wanted_events)
{
	const struct dns_options options = { .events = 1ull << TAPIO_EV_DNS_TIMEOUT };

	memset(&t, 0, sizeof(t));
	t.dns = dns_open(&options);
	REQUIRE(t.dns, "no memory");
	t.dns->made = keep;
	QUESTION(.at = 1 * S);
	REPLY(.at = 1 * S + 1);
	REPLY(.at = 1 * S + 2);
	QUESTION(.at = 2 * S, .id = 3);
	t.dns->advance(t.dns, 60 * S);
	check_made(0, 1, 0);
	CHECK(!t.made[TAPIO_EV_DNS_QUERY] && !t.made[TAPIO_EV_DNS_RESPONSE], "messages");
	close_dns();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From packets to lookups, without a kernel: what belongs together, and what is refused. */
#include <string.h>

#include "base/cleanup.h"
#include "correlate/dns/search.h"
#include "tests/unit/dns_given.h"

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

/* What a forwarder sends on, its clients wasted. */
TEST(unit, dns_search_waste_is_the_clients)
{
	static const char *const tried[] = { "db.corp.example", "db.example" };

	open_dns(0);
	for (unsigned i = 0; i < 2; i++) {
		unsigned flags = i ? ANSWER : NXDOMAIN;
		uint64_t at = (1 + i) * S;

		QUESTION(.at = at, .name = tried[i], .id = i, .to = "127.0.0.53", .from = "127.0.0.1", .egress = false,
			 .tgid = 5, .cookie = 50);
		QUESTION(.at = at + 1, .name = tried[i], .id = 30 + i, .tgid = 5, .cookie = 51);
		REPLY(.at = at + 2, .name = tried[i], .id = 30 + i, .tgid = 5, .cookie = 51, .flags = flags, .answers = i);
	}
	CHECK(lookup()->parent_id && !lookup()->wasted, "%u wasted, for lookup %llu", lookup()->wasted,
	      (unsigned long long)lookup()->parent_id);
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

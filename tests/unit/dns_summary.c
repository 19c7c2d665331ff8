/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded structures against what is counted without bounds. */
#include "correlate/dns/summary.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlate/dns/lookups.h"
#include "tests/test.h"

static uint64_t state = 1;

static uint64_t next_random(void)
{
	return hash_mix(state++, 7);
}

/* Small numbers are frequent: about 1/x. */
static unsigned skewed(unsigned most)
{
	double u = (double)(next_random() >> 11) / (double)(1ull << 53), x = 1;

	for (double step = most; step > 1.001; step = (step + 1) / 2 < 1.001 ? 1 : step / 1.2)
		if ((u *= 1.1) < 0.5)
			x *= 1.2;
	return (unsigned)x % most;
}

/* ---- times ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TEST(unit, dns_latency_keeps_its_error)
{
	static const unsigned wanted[] = { 1, 10, 500, 900, 990, 999, 1000 };
	static uint64_t values[20000];
	static struct latency l, half[2], merged;
	unsigned n = sizeof(values) / sizeof(*values);

	for (unsigned i = 0; i < n; i++) {
		values[i] = 1024 + (next_random() >> 40) * (1 + (next_random() >> (44 + i % 20)) % 4096);
		latency_add(&l, values[i]);
		latency_add(&half[i % 2], values[i]);
	}
	qsort(values, n, sizeof(*values), by_value);
	latency_merge(&merged, &half[0]);
	latency_merge(&merged, &half[1]);
	CHECK(!memcmp(&merged, &l, sizeof(l)), "two halves are not the whole");
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		uint64_t exact = values[((uint64_t)n * wanted[i] + 999) / 1000 - 1], told = latency_percentile(&l, wanted[i]);
		double error = 100.0 * ((double)told - (double)exact) / (double)exact;

		CHECK(error <= LATENCY_ERROR_PERCENT && error >= -LATENCY_ERROR_PERCENT, "%u per mille: %llu, not %llu: %.2f%%",
		      wanted[i], (unsigned long long)told, (unsigned long long)exact, error);
	}
	CHECK(l.n == n && l.max_ns == values[n - 1], "n %llu, max", (unsigned long long)l.n);
	for (unsigned b = 0, at = 0; b < LATENCY_BOUNDS; b++) {
		unsigned before = at;

		while (at < n && values[at] <= latency_bounds_ns[b])
			at++;
		CHECK(l.bound[b] == at - before, "bound %u: %llu, not %u", b, (unsigned long long)l.bound[b], at - before);
	}
}

TEST(unit, dns_latency_at_its_ends)
{
	static struct latency l;

	CHECK(latency_percentile(&l, 500) == 0, "of nothing");
	latency_add(&l, 0);
	CHECK(latency_percentile(&l, 1000) == 0, "0");
	latency_add(&l, UINT64_MAX / 2);
	CHECK(latency_percentile(&l, 1000) == UINT64_MAX / 2 && l.bound[LATENCY_BOUNDS] == 1, "what is longer than all");
}

/* ---- the most frequent ---- */

struct thing {
	struct top_item top;
	unsigned key;
	uint64_t seen; /* since it has its place */
};

static uint64_t left; /* counts of those that lost their places */

static bool same_thing(const void *item, const void *key)
{
	return ((const struct thing *)item)->key == *(const unsigned *)key;
}

static void thing_leaves(void *arg, const void *item)
{
	(void)arg;
	left += ((const struct thing *)item)->seen;
}

static bool count_thing(struct top *t, unsigned key, uint64_t now_ns)
{
	bool fresh;
	struct thing *thing = top_count(t, hash_mix(key % 97, 3), &key, now_ns, &fresh); /* many hashes are the same */

	if (!thing)
		return false;
	if (fresh)
		thing->key = key;
	thing->seen++;
	return true;
}

static int more_seen(const void *a, const void *b)
{
	uint64_t x = ((const struct thing *)a)->seen, y = ((const struct thing *)b)->seen;

	return x > y ? -1 : x < y;
}

#define THINGS 3000
#define PLACES 64

TEST(unit, dns_top_keeps_its_error)
{
	static uint64_t truth[THINGS];
	const void *sorted[10];
	uint64_t total = 0, in_rows = 0;
	bool placed[THINGS] = { false };
	struct top t;

	REQUIRE(!top_open(&t, PLACES, sizeof(struct thing), 0), "top_open");
	t.same = same_thing;
	t.leaves = thing_leaves;
	for (; total < 200000; total++) {
		unsigned key = next_random() % 3 ? skewed(50) : (unsigned)(next_random() % THINGS);

		truth[key]++;
		REQUIRE(count_thing(&t, key, 0), "no place");
	}
	CHECK(t.n == PLACES && t.displaced > 1000, "%u places, %llu displaced", t.n, (unsigned long long)t.displaced);
	for (uint32_t i = 0; i < t.n; i++) {
		const struct thing *thing = top_at(&t, i);
		uint64_t rank = top_rank(&t, thing), exact = truth[thing->key];

		placed[thing->key] = true;
		in_rows += thing->seen;
		CHECK(exact <= rank && exact >= rank - thing->top.error, "%u: %llu is not from %llu to %llu", thing->key,
		      (unsigned long long)exact, (unsigned long long)(rank - thing->top.error), (unsigned long long)rank);
		CHECK(thing->seen == rank - thing->top.error, "seen %llu", (unsigned long long)thing->seen);
		CHECK(thing->top.error <= total / PLACES && thing->top.error <= top_error(&t), "an error of %llu",
		      (unsigned long long)thing->top.error);
	}
	for (unsigned key = 0; key < THINGS; key++)
		CHECK(placed[key] || truth[key] <= top_error(&t), "%u: %llu times, and has no place", key,
		      (unsigned long long)truth[key]);
	CHECK(in_rows + left == total, "%llu in rows and %llu left of %llu", (unsigned long long)in_rows,
	      (unsigned long long)left, (unsigned long long)total);
	REQUIRE(top_sort(&t, sorted, 10, more_seen) == 10, "top_sort");
	for (unsigned i = 1; i < 10; i++)
		CHECK(more_seen(sorted[i - 1], sorted[i]) <= 0, "row %u is not in its order", i);
	for (uint32_t i = 0, more = 0; i < t.n; i++)
		CHECK((more += more_seen(top_at(&t, i), sorted[9]) < 0) < 10, "more than nine are before the tenth");
	top_close(&t);
}

TEST(unit, dns_top_keeps_places)
{
	struct top t;

	REQUIRE(!top_open(&t, 2, sizeof(struct thing), 100), "top_open");
	t.same = same_thing;
	t.leaves = thing_leaves;
	CHECK(count_thing(&t, 1, 10) && count_thing(&t, 2, 50), "the first two");
	CHECK(!count_thing(&t, 3, 109), "a place that was used 99 ns ago was given away");
	CHECK(count_thing(&t, 1, 109) && !count_thing(&t, 3, 149), "the same");
	CHECK(count_thing(&t, 3, 150) && left == 1, "a place that nobody used for 100 ns");
	CHECK(!count_thing(&t, 2, 151) && count_thing(&t, 1, 151) && t.displaced == 1, "who has places then");
	top_close(&t);
}

/* ---- the summary ---- */

struct record {
	union {
		struct tapio_dns_lookup lookup;
		struct tapio_dns_error error;
	};
	char tail[1024];
	size_t at;
};

static struct tapio_str put(struct record *r, const char *text)
{
	struct tapio_str ref = { .offset = (__u16)(offsetof(struct record, tail) + r->at), .length = (__u16)strlen(text) };

	memcpy(r->tail + r->at, text, ref.length);
	r->at += ref.length;
	return ref;
}

static struct tapio_address address_of(const char *text)
{
	struct tapio_address a = { .family = 4 };

	REQUIRE(inet_pton(AF_INET, text, a.octets) == 1, "%s", text);
	return a;
}

static struct record lookup_of(const char *name, const char *rcode, uint64_t took_ns)
{
	struct record r = { .lookup = { .took_ns = took_ns, .attempts = 1 } };
	struct tapio_dns_message *m = &r.lookup.m;

	m->ev.type = rcode ? TAPIO_EV_DNS_LOOKUP : TAPIO_EV_DNS_TIMEOUT;
	m->ev.tgid = 42;
	strcpy(m->ev.comm, "curl");
	m->server = address_of("10.96.0.10");
	m->server_port = 53;
	m->client = address_of("10.0.0.7");
	m->role = put(&r, "client");
	m->name = put(&r, name);
	m->qtype = put(&r, "A");
	if (rcode)
		m->rcode = put(&r, rcode);
	m->answer_count = rcode && !strcmp(rcode, "NOERROR");
	return r;
}

static void give(struct dns_summary *s, const struct record *r, const struct event_identity *who, uint64_t now_ns)
{
	const struct event_view view = { .ev = &r->lookup.m.ev, .desc = event_desc_by_type(r->lookup.m.ev.type), .who = who,
					 .wall_ns = now_ns };

	CHECK(!s->sink.write(&s->sink, &view), "write");
}

static const struct event_identity cart = { .pod_namespace = "shop", .pod_name = "cart-0", .unit = "kubelet.service" };

static const struct dns_summary_options small = { .by = DNS_BY_PROCESS, .clients = 4, .servers = 2, .names = 8 };

static const struct dns_client *only_client(const struct dns_summary *s)
{
	REQUIRE(s->clients.n == 1, "%u clients", s->clients.n);
	return top_at(&s->clients, 0);
}

TEST(unit, dns_summary_counts_outcomes)
{
	static const struct {
		const char *rcode;
		unsigned answers;
		enum dns_outcome outcome;
	} cases[] = { { "NOERROR", 1, DNS_FOUND }, { "NOERROR", 0, DNS_NO_DATA }, { "NXDOMAIN", 0, DNS_NXDOMAIN },
		      { "SERVFAIL", 0, DNS_SERVFAIL }, { "REFUSED", 0, DNS_FAILED }, { "BADVERS", 0, DNS_FAILED },
		      { NULL, 0, DNS_UNANSWERED } };
	struct dns_summary *s = dns_summary_open(&small);
	struct record error = { .error = { .late_ns = 1 } };
	uint64_t late = 0;

	REQUIRE(s, "dns_summary_open");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct record r = lookup_of("a.example", cases[i].rcode, 1000000);
		uint64_t before = s->total.outcome[cases[i].outcome];

		r.lookup.m.answer_count = (__u16)cases[i].answers;
		r.lookup.attempts = 3;
		r.lookup.doubtful = true; /* of an answer there is no doubt */
		give(s, &r, &cart, i);
		CHECK(s->total.outcome[cases[i].outcome] == before + 1, "case %u", i);
	}
	error.error.m.ev.type = TAPIO_EV_DNS_ERROR;
	error.error.reason = put(&error, "late");
	give(s, &error, &cart, 100);
	for (unsigned i = 0; i < DNS_REASONS; i++)
		late += dns_reason_name(i) && !strcmp(dns_reason_name(i), "late") ? s->errors[i] : 0;
	CHECK(late == 1, "late: %llu", (unsigned long long)late);
	CHECK(s->total.retries == 14 && s->total.doubtful == 1 && s->latency.n == 6, "retries, doubts, times");
	CHECK(dns_tally_lookups(&s->total) == 7 && dns_tally_failures(&s->total) == 4, "sums");
	CHECK(s->answers[0][0] == 2 && s->answers[0][DNS_RCODES - 1] == 1, "by type and code");
	CHECK(!strcmp(only_client(s)->party.name, "cart-0") && !strcmp(only_client(s)->party.comm, "curl"), "whose");
	CHECK(s->names.n == 1 && s->failing.n == 1, "names");
	dns_summary_clear(s);
	CHECK(!s->clients.n && !dns_tally_lookups(&s->total) && !s->latency.n, "not cleared");
	s->sink.close(&s->sink);
}

TEST(unit, dns_summary_advises)
{
	struct dns_summary *s = dns_summary_open(&small);
	struct record r;

	REQUIRE(s, "dns_summary_open");
	r = lookup_of("WWW.example.com.cluster.local", "NXDOMAIN", 1);
	give(s, &r, &cart, 1);
	r = lookup_of("www.Example.com", "NOERROR", 1);
	r.lookup.wasted = 6;
	give(s, &r, &cart, 2);
	CHECK(only_client(s)->wasted_whole == 6 && only_client(s)->dots == 2, "%llu whole, %u dots",
	      (unsigned long long)only_client(s)->wasted_whole, only_client(s)->dots);
	CHECK(!strcmp(only_client(s)->found, "www.example.com") && !strcmp(only_client(s)->tried, "www.example.com.cluster.local"),
	      "%s after %s", only_client(s)->found, only_client(s)->tried);
	/* Found in a search domain: fewer ndots would not help. */
	r = lookup_of("db.shop.svc.cluster.local", "NXDOMAIN", 1);
	give(s, &r, &cart, 3);
	r = lookup_of("db.svc.cluster.local", "NOERROR", 1);
	r.lookup.wasted = 2;
	give(s, &r, &cart, 4);
	CHECK(only_client(s)->tally.wasted == 8 && only_client(s)->wasted_whole == 6, "wasted");
	CHECK(!strcmp(only_client(s)->found, "www.example.com"), "the example is not of what the advice is for");
	s->sink.close(&s->sink);
}

/* Servers that were tried in vain are told with those that answered. */
TEST(unit, dns_summary_counts_silent_servers)
{
	struct dns_summary *s = dns_summary_open(&small);
	struct record r = lookup_of("a.example", "NOERROR", 5000000000);
	const struct dns_server *silent = NULL;

	REQUIRE(s, "dns_summary_open");
	r.lookup.attempts = 2;
	r.lookup.failover = true;
	r.lookup.servers.offset = (__u16)(offsetof(struct record, tail) + r.at);
	memcpy(r.tail + r.at, "10.96.0.99\00010.96.0.10", 21);
	r.lookup.servers.length = 21;
	give(s, &r, &cart, 1);
	for (uint32_t i = 0; i < s->servers.n; i++)
		if (((const struct dns_server *)top_at(&s->servers, i))->address.octets[3] == 99)
			silent = top_at(&s->servers, i);
	REQUIRE(s->servers.n == 2 && silent, "%u servers", s->servers.n);
	CHECK(silent->tally.outcome[DNS_UNANSWERED] == 1 && dns_tally_lookups(&silent->tally) == 1, "the silent one");
	CHECK(s->total.failovers == 1 && dns_tally_lookups(&s->total) == 1, "totals");
	s->sink.close(&s->sink);
}

/* Many clients, servers and names: each table is full, and with `others` it is the total. */
TEST(unit, dns_summary_folds)
{
	const struct dns_summary_options lasting = { .by = DNS_BY_WORKLOAD, .clients = 4, .servers = 2, .keep_ns = 1000000 };
	struct dns_summary *all[2] = { dns_summary_open(&small), dns_summary_open(&lasting) };

	REQUIRE(all[0] && all[1], "dns_summary_open");
	for (unsigned i = 0; i < 5000; i++) {
		char name[300], pod[32];
		struct event_identity who = { .pod_namespace = "shop", .pod_name = pod };
		struct record r;

		snprintf(pod, sizeof(pod), "pod-%u", (unsigned)(next_random() % 40));
		snprintf(name, sizeof(name), "%0*u.example", i % 2 ? 250 : 1, (unsigned)(next_random() % 500));
		r = lookup_of(name, i % 5 ? "NOERROR" : NULL, 1000 + i);
		r.lookup.m.server.octets[3] = (__u8)(next_random() % 9);
		for (unsigned k = 0; k < 2; k++)
			give(all[k], &r, &who, i * 1000);
	}
	for (unsigned k = 0; k < 2; k++) {
		struct dns_tally clients = all[k]->other_clients.tally, servers = all[k]->other_servers.tally;
		uint64_t times = all[k]->other_clients.latency.n;

		CHECK(all[k]->clients.n == 4 && all[k]->servers.n == 2 && all[k]->names.n == (k ? 0 : 8), "rows");
		for (uint32_t i = 0; i < all[k]->clients.n; i++) {
			const struct dns_client *c = top_at(&all[k]->clients, i);

			dns_tally_add(&clients, &c->tally);
			times += c->latency.n;
			CHECK(c->tally.outcome[DNS_FOUND], "an empty row");
		}
		for (uint32_t i = 0; i < all[k]->servers.n; i++)
			dns_tally_add(&servers, &((const struct dns_server *)top_at(&all[k]->servers, i))->tally);
		CHECK(!memcmp(&clients, &all[k]->total, sizeof(clients)), "summary %u: clients are not the total", k);
		CHECK(!memcmp(&servers, &all[k]->total, sizeof(servers)), "summary %u: servers are not the total", k);
		CHECK(times == all[k]->latency.n && dns_tally_lookups(&all[k]->total) == 5000, "summary %u: times", k);
		CHECK(dns_tally_lookups(&all[k]->other_clients.tally) > 1000, "summary %u: nothing was folded", k);
		all[k]->sink.close(&all[k]->sink);
	}
}

TEST(unit, dns_summary_tells_clients_elsewhere)
{
	struct dns_summary *s = dns_summary_open(&small);
	struct record r = lookup_of("a.example", "NOERROR", 1);

	REQUIRE(s, "dns_summary_open");
	r.lookup.m.role = put(&r, "server");
	give(s, &r, &cart, 1);
	CHECK(s->served == 1 && only_client(s)->party.kind == DNS_PARTY_ELSEWHERE, "served");
	CHECK(!strcmp(only_client(s)->party.name, "10.0.0.7"), "%s", only_client(s)->party.name);
	s->sink.close(&s->sink);
}

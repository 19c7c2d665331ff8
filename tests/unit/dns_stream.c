/* SPDX-License-Identifier: Apache-2.0 */
/* DNS over TCP as a packet program sees it: messages over segments, out of order, twice, not at all. */
#include "correlate/dns/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/test.h"
#include "tests/unit/dns_packet.h"

enum { MESSAGES_MAX = 64, STREAM_MAX = 1 << 20, FIRST = 0xfffff000 }; /* numbers go past 2^32 on their way */

static uint8_t sent[STREAM_MAX];
static size_t nsent;
static size_t places[MESSAGES_MAX + 1]; /* of each message's length */
static unsigned nmessages;

/* What came of it. */
static struct {
	unsigned whole, cut, wrong;
	int last; /* number of the last message that came */
} got;
static struct dns_streams *s;

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * n >> 32);
}

/* Each message has its number for an id, a question, and as many octets as are wanted. */
static void add_message(unsigned octets)
{
	static struct packet p;

	put_header(&p, 0x8180, 1, 1, 0, 0);
	p.data[0] = (uint8_t)(nmessages >> 8);
	p.data[1] = (uint8_t)nmessages;
	put_name(&p, "stream.example");
	put32(&p, 0x00100001);
	put_name(&p, "");
	put32(&p, 0x00100001);
	put32(&p, 0);
	put16(&p, octets);
	for (unsigned i = 0; i < octets; i++)
		put8(&p, random_below(256));
	places[nmessages++] = nsent;
	sent[nsent++] = (uint8_t)(p.n >> 8);
	sent[nsent++] = (uint8_t)p.n;
	memcpy(sent + nsent, p.data, p.n);
	nsent += p.n;
	places[nmessages] = nsent;
}

static void on_message(void *arg, const struct dns_segment *last, const uint8_t *data, size_t n, size_t whole)
{
	unsigned id = n >= 2 ? (unsigned)data[0] << 8 | data[1] : UINT16_MAX;
	bool right = id < nmessages && places[id + 1] - places[id] == whole + 2 && !memcmp(sent + places[id] + 2, data, n);

	(void)arg;
	(void)last;
	got.wrong += n >= 2 && (!right || (int)id <= got.last);
	got.whole += n == whole;
	got.cut += n < whole;
	if (right)
		got.last = (int)id;
}

static void begin(unsigned streams_max, size_t bytes_max)
{
	const struct dns_streams_options options = { streams_max, bytes_max, NS_PER_S, on_message, NULL };

	dns_streams_close(s);
	s = dns_streams_open(&options);
	REQUIRE(s, "no memory");
	memset(&got, 0, sizeof(got));
	got.last = -1;
	nsent = nmessages = 0;
	random_state = 1;
}

static void take(size_t from, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1); /* nothing behind it may be read */

	REQUIRE(exact, "no memory");
	memcpy(exact, sent + from, n);
	dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .sequence = FIRST + (uint32_t)from, .data = exact, .length = n });
	free(exact);
}

static void take_syn(void)
{
	dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .syn = true, .sequence = FIRST - 1 });
}

static void expect(const char *what, unsigned whole, unsigned cut, unsigned gaps)
{
	struct dns_streams_stats stats;

	dns_streams_stats(s, &stats);
	CHECK(got.whole == whole && got.cut == cut && !got.wrong, "%s: %u whole, %u cut, %u wrong; not %u, %u", what, got.whole,
	      got.cut, got.wrong, whole, cut);
	CHECK(stats.gaps == gaps && stats.messages == whole + cut && stats.cut == cut, "%s: %llu gaps, not %u", what,
	      (unsigned long long)stats.gaps, gaps);
}

TEST(unit, dns_stream_in_order)
{
	static const size_t sizes[] = { 1, 2, 3, 100, 1448, STREAM_MAX };
	struct dns_streams_stats stats;

	for (size_t k = 0; k < COUNT_OF(sizes); k++) {
		begin(4, 1 << 20);
		for (unsigned i = 0; i < 20; i++)
			add_message(i * 37);
		take_syn();
		for (size_t at = 0; at < nsent; at += sizes[k])
			take(at, nsent - at < sizes[k] ? nsent - at : sizes[k]);
		expect("in order", 20, 0, 0);
		dns_streams_stats(s, &stats);
		CHECK(!stats.bytes && stats.streams == 1 && (sizes[k] < STREAM_MAX || !stats.bytes_held_most), "%zu octets are held",
		      stats.bytes);
	}
	dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .end = true, .sequence = FIRST + (uint32_t)nsent });
	dns_streams_stats(s, &stats);
	CHECK(!stats.streams, "%u streams after the end", stats.streams);
}

/* The length in a segment of its own, and joined in the middle of a stream. */
TEST(unit, dns_stream_joined_late)
{
	begin(4, 1 << 20);
	add_message(50);
	add_message(50);
	add_message(50);
	take(10, places[1] - 10);
	take(places[1], 2);
	take(places[1] + 2, places[2] - places[1] - 2);
	take(places[2], nsent - places[2]);
	expect("joined late", 2, 0, 0);
}

/* No segment is further than `reach` from its place. */
static void shuffle(size_t (*segments)[2], size_t n, unsigned reach)
{
	for (size_t i = 0; i + 1 < n; i++) {
		size_t left = reach - i % reach, k = i + random_below((uint32_t)(left < n - i ? left : n - i)), other[2];

		memcpy(other, segments[i], sizeof(other));
		memcpy(segments[i], segments[k], sizeof(other));
		memcpy(segments[k], other, sizeof(other));
	}
}

/* At messages too, as whoever writes each at once does, or anywhere. */
static size_t cut_up(size_t (*segments)[2], size_t max, bool at_messages)
{
	size_t n = 0;
	unsigned next = 1;

	for (size_t at = 0; at < nsent; n++) {
		size_t length = 1 + random_below((uint32_t)max);

		while (places[next] <= at)
			next++;
		if (at_messages && at + length > places[next])
			length = places[next] - at;

		segments[n][0] = at;
		segments[n][1] = nsent - at < length ? nsent - at : length;
		at += segments[n][1];
	}
	return n;
}

/* In any order within a few segments, some of them twice, cut elsewhere the second time. */
TEST(unit, dns_stream_out_of_order)
{
	static size_t segments[STREAM_MAX][2];

	for (unsigned seed = 1; seed <= 200; seed++) {
		size_t n;

		begin(4, 1 << 20);
		random_state = seed;
		for (unsigned i = 0; i < 30; i++)
			add_message(random_below(3000));
		n = cut_up(segments, seed % 2 ? 700 : 1448, false);
		shuffle(segments, n, 4);
		take_syn();
		for (size_t i = 0; i < n; i++) {
			take(segments[i][0], segments[i][1]);
			if (!random_below(4)) {
				size_t from = segments[i][0] - random_below(segments[i][0] < 50 ? 1 : 50);

				take(from, segments[i][0] + segments[i][1] - from);
			}
		}
		expect("out of order", 30, 0, 0);
		if (got.whole != 30)
			printf("    seed %u\n", seed);
	}
}

/* Segments that never come: no message that is told is wrong, and most are told. */
TEST(unit, dns_stream_with_losses)
{
	static size_t segments[STREAM_MAX][2];
	unsigned whole = 0, cut = 0;

	for (unsigned seed = 1; seed <= 200; seed++) {
		size_t n;

		begin(4, 1 << 20);
		random_state = seed;
		for (unsigned i = 0; i < 60; i++)
			add_message(random_below(1500));
		n = cut_up(segments, 1448, true);
		shuffle(segments, n, 3);
		take_syn();
		for (size_t i = 0; i < n; i++)
			if (random_below(40))
				take(segments[i][0], segments[i][1]);
		dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .end = true });
		CHECK(!got.wrong, "seed %u: %u wrong", seed, got.wrong);
		whole += got.whole;
		cut += got.cut;
	}
	CHECK(whole > 200 * 60 * 85 / 100 && cut > 200, "%u whole, %u cut, of %u", whole, cut, 200 * 60);
}

/* The kernel part sends the beginning of a long segment and says how much is missing. */
TEST(unit, dns_stream_cut_by_the_kernel)
{
	begin(4, 1 << 20);
	add_message(5000);
	add_message(50);
	take_syn();
	dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .sequence = FIRST, .data = sent, .length = 1000,
						   .missing = places[1] - 1000 });
	take(places[1], nsent - places[1]);
	expect("a message cut", 1, 1, 1);
	/* what is missing holds the next one's beginning as well */
	begin(4, 1 << 20);
	add_message(500);
	add_message(50);
	add_message(50);
	take_syn();
	dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .sequence = FIRST, .data = sent, .length = 100,
						   .missing = places[1] + 10 - 100 });
	take(places[1] + 10, places[2] - places[1] - 10);
	take(places[2], nsent - places[2]);
	expect("two messages cut", 1, 1, 1);
}

TEST(unit, dns_stream_limits)
{
	struct dns_streams_stats stats;

	begin(2, 1 << 12);
	add_message(200);
	for (uint64_t cookie = 1; cookie <= 5; cookie++)
		dns_streams_take(s, &(struct dns_segment){ .cookie = cookie, .sequence = FIRST, .data = sent, .length = 100 });
	dns_streams_stats(s, &stats);
	CHECK(stats.streams == 2 && stats.evicted == 3 && stats.bytes == 2048, "%u streams, %llu evicted, %zu octets", stats.streams,
	      (unsigned long long)stats.evicted, stats.bytes);
	/* the oldest went: the last two are whole now */
	for (uint64_t cookie = 1; cookie <= 5; cookie++)
		dns_streams_take(s, &(struct dns_segment){ .cookie = 6 - cookie, .sequence = FIRST + 100, .data = sent + 100,
							   .length = nsent - 100 });
	CHECK(got.cut == 0 && got.whole == 2, "%u whole, %u cut", got.whole, got.cut);

	begin(2, 1 << 12);
	add_message(5000);
	add_message(20);
	take_syn();
	take(0, 3000);
	take(3000, places[1] - 3000);
	dns_streams_stats(s, &stats);
	CHECK(stats.refused == 1 && stats.gaps == 1 && !stats.bytes, "%llu refused, %zu octets", (unsigned long long)stats.refused,
	      stats.bytes);
	take(places[1], nsent - places[1]);
	CHECK(got.whole == 1, "the next one: %u", got.whole);
}

/* More holes than are kept: the first is given up. A length that lies keeps nothing for ever. */
TEST(unit, dns_stream_of_holes)
{
	begin(2, 1 << 20);
	add_message(2000);
	add_message(20);
	take_syn();
	take(0, 100);
	for (size_t at = 110; at < 500; at += 20)
		take(at, 10);
	expect("a message of holes", 0, 1, 1);
	take(places[1], nsent - places[1]);
	expect("and the next one", 1, 1, 1);
}

/* What never comes is waited for no longer than is said. */
TEST(unit, dns_stream_waits_a_second)
{
	begin(2, 1 << 20);
	add_message(100);
	add_message(20);
	add_message(20);
	take_syn();
	for (unsigned i = 0; i < 3; i++) {
		dns_streams_take(s, &(struct dns_segment){ .cookie = 7, .time_ns = i * (NS_PER_S * 11 / 10), .data = sent + places[i],
							   .sequence = FIRST + (uint32_t)places[i], .length = i ? 30 : 60 });
		CHECK(!got.whole && got.cut == (i == 2), "%u: %u whole, %u cut", i, got.whole, got.cut);
	}
}

/* A peer that talks something else. */
TEST(unit, dns_stream_of_something_else)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
	struct dns_streams_stats stats;

	begin(2, 1 << 20);
	for (unsigned i = 0; i < 100; i++)
		dns_streams_take(s, &(struct dns_segment){ .cookie = 9, .sequence = i * (uint32_t)sizeof(http),
							   .data = (const uint8_t *)http, .length = sizeof(http) });
	dns_streams_stats(s, &stats);
	CHECK(!got.whole && !got.cut && stats.skipped == 100 && !stats.bytes, "%u messages", got.whole + got.cut);
}

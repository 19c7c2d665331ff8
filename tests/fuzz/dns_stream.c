/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: TCP segments of a few sockets. Messages lie in what was given, memory stays below its maximum, and
 * nothing is left. Each segment: what it is, where it lies behind the last one, how long it is, and its octets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlate/dns/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, COOKIES = 3, STREAMS = 4, BYTES = 16384, SYN = 0x08, END = 0x10, MISSING = 0x20, LATER = 0x40 };

static uint64_t told;

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void on_message(void *arg, const struct dns_segment *last, const uint8_t *data, size_t n, size_t whole)
{
	(void)arg;
	(void)last;
	require(n <= whole && whole <= 65535, "a message that is longer than itself");
	for (size_t i = 0; i < n; i++) /* all of it can be read */
		told += data[i];
}

static void check(const struct dns_streams *s)
{
	struct dns_streams_stats stats;

	dns_streams_stats(s, &stats);
	require(stats.bytes <= BYTES && stats.bytes_held_most <= BYTES, "more octets than the maximum");
	require(stats.streams <= STREAMS && stats.cut <= stats.messages, "more streams than the maximum");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dns_streams_options options = { STREAMS, BYTES, 1000, on_message, NULL };
	struct dns_streams *s = dns_streams_open(&options);
	uint32_t next[COOKIES + 1] = { 0 };
	uint64_t now = 0;

	if (!s)
		return 0;
	while (size >= HEAD) {
		struct dns_segment g = { .cookie = data[0] & 3, .egress = data[0] & 4, .syn = data[0] & SYN, .end = data[0] & END,
					 .length = data[3], .time_ns = now += data[0] & LATER ? 400 : 1 };
		uint32_t *place = &next[g.cookie];
		uint8_t *exact;

		/* near the last one, or far from it */
		g.sequence = *place + (uint32_t)((int8_t)data[1] * (!(data[0] & MISSING) && data[2] & 1 ? 4096 : 1));
		g.missing = data[0] & MISSING ? data[2] : 0;
		data += HEAD;
		size -= HEAD;
		if (g.length > size)
			g.length = size;
		exact = malloc(g.length ? g.length : 1); /* nothing behind it may be read */
		if (!exact)
			break;
		memcpy(exact, data, g.length);
		g.data = exact;
		dns_streams_take(s, &g);
		check(s);
		free(exact);
		if (!(g.end && g.syn))
			*place = g.sequence + (uint32_t)g.length + (uint32_t)g.missing + g.syn;
		data += g.length;
		size -= g.length;
	}
	dns_streams_close(s);
	return 0;
}

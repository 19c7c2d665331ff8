/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages out of TCP segments: RFC 1035 4.2.2, each behind two octets of length.
 *
 * Segments are what a packet program saw of sockets of this machine: in any order, some twice, some not at all, some cut.
 * A message that lies whole in one segment is given as it lies there; others are put together in a buffer that exists
 * as long as something is missing. Where octets are lost for good, the message they were of is given cut, and the next
 * one is found by its place; if that is not known either, where a segment begins like a message.
 * Streams and octets are bounded, and all that is dropped is counted.
 */
#ifndef CORRELATE_DNS_STREAM_H
#define CORRELATE_DNS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_segment {
	uint64_t cookie; /* of the socket, or another number of the connection's */
	uint64_t time_ns;
	bool egress;
	bool syn, end; /* end: FIN or RST */
	uint32_t sequence; /* of the SYN if it has one, else of data[0] */
	const uint8_t *data;
	size_t length;
	size_t missing; /* octets behind these which were sent, and not seen */
};

struct dns_streams_options {
	unsigned streams_max; /* one for each direction of a socket */
	size_t bytes_max;     /* of all buffers together */
	uint64_t wait_ns;     /* so long octets are waited for that come later than those behind them */
	/* `n` of the `whole` octets of a message, during dns_streams_take. */
	void (*message)(void *arg, const struct dns_segment *last, const uint8_t *data, size_t n, size_t whole);
	void *arg;
};

struct dns_streams_stats {
	uint64_t messages, cut;
	uint64_t gaps;         /* places where octets were lost for good */
	uint64_t skipped;      /* segments that were passed over in search of a message's beginning */
	uint64_t repeated;     /* segments that brought nothing new */
	uint64_t evicted;      /* streams that gave their place to another, with octets in them */
	uint64_t refused;      /* segments that bytes_max left no room for */
	unsigned streams;
	size_t bytes, bytes_held_most;
};

struct dns_streams;

/* NULL: no memory. */
struct dns_streams *dns_streams_open(const struct dns_streams_options *options);
void dns_streams_close(struct dns_streams *s);

void dns_streams_take(struct dns_streams *s, const struct dns_segment *segment);

void dns_streams_stats(const struct dns_streams *s, struct dns_streams_stats *ret);

#endif

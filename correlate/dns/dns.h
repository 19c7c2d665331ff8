/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS: packets in, lookups out.
 *
 * A message that a socket sends or is given is told by its direction and by QR: the client's question and answer, or the
 * server's. Questions are matched to answers by socket, id and question; never by address alone, which NAT changes. A
 * lookup whose client and server are both on this machine is seen at both and told once, as the client's, with the
 * server's process; one whose client is elsewhere is told as the server's.
 * The same question again, by the same socket and id, or by the same process when the first one got no answer for
 * DNS_RETRY_AFTER_NS, is one more attempt at the same lookup; but not later than DNS_RETRY_WITHIN_NS after the first, in
 * which a C library has tried three servers twice: what is asked later is asked anew, and the earlier one had no answer.
 */
#ifndef CORRELATE_DNS_DNS_H
#define CORRELATE_DNS_DNS_H

#include <stdint.h>

#include "correlate/dns/flaw.h"
#include "event/correlator.h"
#include "event/dns.h"

#define DNS_TIMEOUT_NS 5000000000ull
#define DNS_RETRY_AFTER_NS 500000000ull
#define DNS_RETRY_WITHIN_NS 30000000000ull
#define DNS_LOOKUPS_MAX 16384

struct dns_options {
	uint64_t events;     /* bit of each type of event that is wanted */
	uint64_t timeout_ns; /* without an answer since the last attempt; 0: DNS_TIMEOUT_NS */
	unsigned lookups_max; /* waiting and lately ended; 0: DNS_LOOKUPS_MAX */
	uint16_t ports[TAPIO_DNS_PORTS_MAX]; /* as the programs have them */
};

/* Why an answer was none: error.type of dns.error, besides the flaws of dns_flaw_name. */
enum dns_refusal {
	DNS_UNSOLICITED,       /* no question on this socket has its id */
	DNS_DUPLICATE,         /* the question was answered before */
	DNS_LATE,              /* the question had been given up */
	DNS_OTHER_QUESTION,    /* the id is right, the question is not: a sign of spoofing */
	DNS_OTHER_SERVER,      /* the id is right, but it comes from where nobody was asked: the same */
	DNS_MANY_QUESTIONS,    /* more than one, or none: RFC 9619 */
	DNS_NOT_AN_ANSWER,     /* a question that came from a server's port */
	DNS_NOT_A_QUESTION,    /* an answer that was sent to a server's port */
	DNS_CUT,               /* of a stream, octets were lost: what came before them is told */
	DNS_REFUSALS
};

const char *dns_refusal_name(enum dns_refusal refusal);

struct dns_stats {
	uint64_t packets, messages;
	uint64_t lookups, timeouts;
	uint64_t flaws[DNS_FLAWS], refusals[DNS_REFUSALS];
	uint64_t forgotten; /* lookups for which there was no room */
	uint64_t stream_gaps, stream_refused;
	unsigned waiting;
};

/* NULL: no memory. */
struct correlator *dns_open(const struct dns_options *options);

void dns_stats(const struct correlator *c, struct dns_stats *ret);

/* What it takes at most, in bytes. */
uint64_t dns_memory_max(unsigned lookups_max);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What dns.c, match.c and tell.c share. */
#ifndef CORRELATE_DNS_INTERNAL_H
#define CORRELATE_DNS_INTERNAL_H

#include "correlate/dns/dns.h"
#include "correlate/dns/lookups.h"
#include "correlate/dns/search.h"
#include "correlate/dns/stream.h"
#include "correlate/dns/text.h"

struct dns {
	struct correlator c;
	struct dns_options options;
	struct lookups table;
	struct search *search;
	struct dns_streams *streams;
	struct dns_text text;
	struct dns_stats stats;
	uint64_t began_ns;   /* the first record: what was asked before it is not known */
	uint64_t doubt_ns;   /* the last time that records were lost, 0: never */
	uint64_t doubts_ns[QUOTAS]; /* the same of one cgroup, by lookups_quota */
	uint64_t refused_ns; /* the last time that there was no room, 0: never */
	/* The packet that is taken now, and its time. */
	const struct tapio_dns_packet *packet;
	uint64_t now_ns;
};

/* One message, with the packet that ended it. */
struct heard {
	const struct tapio_dns_packet *packet;
	uint64_t cookie; /* of the socket; of connections that a server accepted, of the server */
	uint64_t now_ns;
	struct dns_message m;
	struct who_asks who;
	struct endpoint client, server, nat;
	uint64_t name_hash; /* of a question; of answers it is not needed */
	bool egress, response;
	size_t length; /* of the message as it was sent; what is told of it may be less */
};

/* ---- tell.c: the events ---- */

bool is_doubtful(const struct dns *d, uint16_t quota, uint64_t since_ns);
bool is_at_server(const struct heard *h);
void tell_message(struct dns *d, const struct heard *h);
void tell_error(struct dns *d, const struct heard *h, const char *reason, size_t offset, uint64_t late_ns);
/* Counts it, and tells it as dns.error. */
void refuse(struct dns *d, const struct heard *h, enum dns_refusal refusal, uint64_t late_ns);
void tell_answer(struct dns *d, const struct lookup *l, const struct heard *h);
void tell_timeout(struct dns *d, const struct lookup *l, uint64_t now_ns);
void tell_encrypted(struct dns *d, const struct heard *h);

/* ---- match.c: which answer is whose ---- */

/* Whether something with this id was asked on the socket of this answer. */
bool was_question(const struct dns *d, const struct heard *h);
void take_question(struct dns *d, struct heard *h);
void take_answer(struct dns *d, const struct heard *h);

#endif

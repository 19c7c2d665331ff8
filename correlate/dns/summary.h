/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lookups come to, in bounded memory: counts by type and response code, times, who asked, which servers answered, which
 * names were asked for, and what search domains wasted. A sink: it is given dns.lookup, dns.timeout and dns.error as they
 * are made, and keeps no event. Names stay inside and go to people, never into labels of metrics.
 *
 * Totals are exact. Tables of clients, servers and names have a maximum each (correlate/dns/top.h); whoever has no place
 * is in `others`, so that the rows and `others` together are the totals.
 */
#ifndef CORRELATE_DNS_SUMMARY_H
#define CORRELATE_DNS_SUMMARY_H

#include "correlate/dns/dns.h"
#include "correlate/dns/latency.h"
#include "correlate/dns/top.h"
#include "event/sink.h"

/* ---- what is counted of anything ---- */

enum dns_outcome {
	DNS_FOUND,   /* NOERROR with answers */
	DNS_NO_DATA, /* NOERROR without: the name exists, this type of record does not */
	DNS_NXDOMAIN,
	DNS_SERVFAIL,
	DNS_FAILED, /* any other response code */
	DNS_UNANSWERED,
	DNS_OUTCOMES
};

/* Only numbers of 64 bits: they are added as an array. */
struct dns_tally {
	uint64_t outcome[DNS_OUTCOMES];
	uint64_t retries;    /* questions sent again */
	uint64_t failovers;  /* answered by another server than was asked first */
	uint64_t lost_twins; /* of A and AAAA asked at once one was not answered, the other was */
	uint64_t wasted;     /* questions that search domains made in vain */
	uint64_t doubtful;   /* of those unanswered: records were lost meanwhile, and the answer may be among them */
};

void dns_tally_add(struct dns_tally *to, const struct dns_tally *from);

/* All that ended: answered or not. */
uint64_t dns_tally_lookups(const struct dns_tally *t);

/* Without the answer that was wanted for a reason that is not the name: SERVFAIL, other codes, no answer. */
uint64_t dns_tally_failures(const struct dns_tally *t);

/* ---- rows ---- */

enum dns_party_kind {
	DNS_PARTY_UNKNOWN, /* the process is not known, or belongs to nothing that has a name */
	DNS_PARTY_POD,
	DNS_PARTY_CONTAINER,
	DNS_PARTY_UNIT,
	DNS_PARTY_ELSEWHERE /* a client on another machine: its address */
};

#define DNS_TEXT_KEPT 256 /* octets of a name that are kept; what is longer ends in "..." */

/* Who asks. Zeroed and filled in, so that two are the same if all octets are. */
struct dns_party {
	enum dns_party_kind kind;
	bool serves; /* of DNS_BY_WORKLOAD: it is the server, of a client elsewhere */
	char comm[TAPIO_COMM_LEN]; /* "": clients are not told apart by it */
	char group[64];            /* namespace of a pod */
	char name[DNS_TEXT_KEPT];
};

struct dns_client {
	struct top_item top;
	struct dns_party party;
	uint32_t pid; /* that asked last */
	struct dns_tally tally;
	struct latency latency;
	/* Of what search domains wasted, an example: the last name that was found after others had not been. */
	char failed[DNS_TEXT_KEPT]; /* the last name that does not exist */
	char tried[DNS_TEXT_KEPT];  /* the one before `found` */
	char found[DNS_TEXT_KEPT];
	uint64_t wasted_whole; /* of tally.wasted, those for names that were found as they are, without a search domain */
	unsigned dots;         /* the fewest dots of such a name: ndots of as many would have tried it first */
};

struct dns_server {
	struct top_item top;
	struct tapio_address address;
	uint16_t port;
	struct dns_tally tally; /* DNS_UNANSWERED: lookups in which it was asked and did not answer */
	struct latency latency; /* of those that needed one attempt: its own time */
};

struct dns_asked {
	struct top_item top;
	char name[DNS_TEXT_KEPT];
	uint32_t length; /* of the whole name */
	struct dns_tally tally;
	uint64_t sum_ns;
	char client[TAPIO_COMM_LEN]; /* the last one */
};

/* ---- totals ---- */

#define DNS_TYPES 15 /* named ones, and as the last "other" */
#define DNS_RCODES 7
extern const char *const dns_type_labels[DNS_TYPES];
extern const char *const dns_rcode_labels[DNS_RCODES];

#define DNS_REASONS (DNS_FLAWS + DNS_REFUSALS)
const char *dns_reason_name(unsigned reason); /* error.type of dns.error; NULL: no such one */

enum dns_summary_by {
	DNS_BY_PROCESS, /* the program's name, in its pod, container or unit */
	DNS_BY_POD,     /* the pod, else container, else unit */
	DNS_BY_UNIT,    /* the unit of the machine's systemd, else the pod */
	DNS_BY_WORKLOAD /* the pod, else the unit: what metrics are labelled with */
};

struct dns_summary_options {
	enum dns_summary_by by;
	uint32_t clients, servers, names; /* how many have a place each; names may be 0 */
	uint64_t keep_ns;                 /* of clients and servers: see top.h */
};

struct dns_summary {
	struct event_sink sink;
	enum dns_summary_by by;
	uint64_t seed; /* of hashes, so that nobody can choose names that share one */
	struct dns_tally total;
	uint64_t served; /* of all, those that a server here answered for clients elsewhere */
	uint64_t answers[DNS_TYPES][DNS_RCODES]; /* lookups that were answered */
	struct latency latency;
	uint64_t errors[DNS_REASONS];
	struct top clients; /* of struct dns_client */
	struct top servers; /* of struct dns_server */
	struct top names;   /* of struct dns_asked: all that were asked for */
	struct top failing; /* of struct dns_asked: those of dns_tally_failures */
	struct {
		struct dns_tally tally;
		struct latency latency;
	} other_clients, other_servers;
	uint64_t now_ns; /* of the last event, boot clock */
};

/* NULL: no memory. Its sink is closed by whom it is given to; sink.close frees the summary. */
struct dns_summary *dns_summary_open(const struct dns_summary_options *options);

/* Begins anew. */
void dns_summary_clear(struct dns_summary *s);

/* What it takes at most, in bytes. */
uint64_t dns_summary_memory(const struct dns_summary_options *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/summary.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "correlate/dns/lookups.h"

const char *const dns_type_labels[DNS_TYPES] = { "A",  "AAAA", "CNAME", "PTR", "SRV", "TXT", "MX", "NS",
						 "SOA", "HTTPS", "SVCB", "DS", "DNSKEY", "ANY", "other" };
const char *const dns_rcode_labels[DNS_RCODES] = { "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED",
						   "FORMERR", "NOTIMP", "other" };

const char *dns_reason_name(unsigned reason)
{
	return reason < DNS_FLAWS ? dns_flaw_name(reason) : dns_refusal_name(reason - DNS_FLAWS);
}

/* ---- tallies ---- */

_Static_assert(sizeof(struct dns_tally) % sizeof(uint64_t) == 0, "a tally is an array of uint64_t");

void dns_tally_add(struct dns_tally *to, const struct dns_tally *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += b[i];
}

uint64_t dns_tally_lookups(const struct dns_tally *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DNS_OUTCOMES; i++)
		sum += t->outcome[i];
	return sum;
}

uint64_t dns_tally_failures(const struct dns_tally *t)
{
	return t->outcome[DNS_SERVFAIL] + t->outcome[DNS_FAILED] + t->outcome[DNS_UNANSWERED];
}

/* ---- what an event says ---- */

static struct bytes text_of(const void *record, struct tapio_str ref)
{
	return (struct bytes){ (const char *)record + ref.offset, ref.length };
}

static bool text_is(struct bytes text, const char *word)
{
	return text.length == strlen(word) && !memcmp(text.data, word, text.length);
}

/* Its place in the list, of which the last one stands for all others. */
static unsigned label_of(struct bytes text, const char *const *labels, unsigned n)
{
	for (unsigned i = 0; i + 1 < n; i++)
		if (text_is(text, labels[i]))
			return i;
	return n - 1;
}

static enum dns_outcome outcome_of(const struct tapio_dns_lookup *e)
{
	struct bytes rcode = text_of(e, e->m.rcode);

	if (e->m.ev.type == TAPIO_EV_DNS_TIMEOUT)
		return DNS_UNANSWERED;
	if (text_is(rcode, "NOERROR"))
		return e->m.answer_count ? DNS_FOUND : DNS_NO_DATA;
	if (text_is(rcode, "NXDOMAIN"))
		return DNS_NXDOMAIN;
	return text_is(rcode, "SERVFAIL") ? DNS_SERVFAIL : DNS_FAILED;
}

static struct dns_tally tally_of(const struct tapio_dns_lookup *e)
{
	struct dns_tally t = { .retries = e->attempts > 1 ? e->attempts - 1u : 0,
			       .failovers = e->failover,
			       .lost_twins = e->twin_answered,
			       .wasted = e->wasted };

	t.outcome[outcome_of(e)] = 1;
	t.doubtful = t.outcome[DNS_UNANSWERED] && e->doubtful;
	return t;
}

/* Names are the same without regard to case; kept as small letters, and marked where they are cut. */
static void keep_text(char to[DNS_TEXT_KEPT], struct bytes text)
{
	size_t n = text.length < DNS_TEXT_KEPT ? text.length : DNS_TEXT_KEPT - 4;

	for (size_t i = 0; i < n; i++)
		to[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] | 0x20) : text.data[i];
	strcpy(to + n, n < text.length ? "..." : "");
}

static uint64_t hash_of(const struct dns_summary *s, const void *data, size_t n)
{
	const char *at = data;
	uint64_t hash = s->seed + n, word;

	for (; n >= sizeof(word); at += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, n);
	return hash_mix(hash, word);
}

/* ---- who asks ---- */

/* snprintf would take longer than all else that is done for a lookup. `to` is zeroed. */
static void keep_name(char *to, size_t size, const char *from)
{
	memcpy(to, from, strnlen(from, size - 1));
}

static void party_name(struct dns_party *p, enum dns_party_kind kind, const char *name)
{
	p->kind = kind;
	keep_name(p->name, sizeof(p->name), name);
}

static void party_pod(struct dns_party *p, const struct event_identity *who)
{
	party_name(p, DNS_PARTY_POD, who->pod_name ? who->pod_name : who->pod_uid);
	if (who->pod_namespace)
		keep_name(p->group, sizeof(p->group), who->pod_namespace);
}

/* False: it is none, or of no name. */
static bool party_is(struct dns_party *p, enum dns_party_kind kind, const struct event_identity *who)
{
	const char *unit = who->user_unit ? who->user_unit : who->unit;

	if (kind == DNS_PARTY_POD && (who->pod_name || who->pod_uid))
		party_pod(p, who);
	else if (kind == DNS_PARTY_CONTAINER && (who->container_name || who->container_id))
		party_name(p, kind, who->container_name ? who->container_name : who->container_id);
	else if (kind == DNS_PARTY_UNIT && unit)
		party_name(p, kind, unit);
	return p->kind;
}

static void party_of(const struct dns_summary *s, const struct event_view *view, struct dns_party *ret)
{
	static const enum dns_party_kind orders[][3] = {
		[DNS_BY_PROCESS] = { DNS_PARTY_POD, DNS_PARTY_CONTAINER, DNS_PARTY_UNIT },
		[DNS_BY_POD] = { DNS_PARTY_POD, DNS_PARTY_CONTAINER, DNS_PARTY_UNIT },
		[DNS_BY_UNIT] = { DNS_PARTY_UNIT, DNS_PARTY_POD, DNS_PARTY_CONTAINER },
		[DNS_BY_WORKLOAD] = { DNS_PARTY_POD, DNS_PARTY_UNIT },
	};
	const struct tapio_dns_message *m = (const void *)view->ev;

	memset(ret, 0, sizeof(*ret));
	/* Of a question from elsewhere the process is the server. Metrics are by that, for a client's address is no label. */
	ret->serves = s->by == DNS_BY_WORKLOAD && text_is(text_of(m, m->role), "server");
	if (text_is(text_of(m, m->role), "server") && !ret->serves) {
		ret->kind = DNS_PARTY_ELSEWHERE;
		ret->name[event_address_text(&m->client, ret->name)] = '\0';
		return;
	}
	for (unsigned i = 0; view->who && i < 3 && !ret->kind; i++)
		party_is(ret, orders[s->by][i], view->who);
	if (s->by == DNS_BY_PROCESS)
		memcpy(ret->comm, view->ev->comm, strnlen(view->ev->comm, sizeof(ret->comm) - 1));
}

static uint64_t hash_party(const struct dns_summary *s, const struct dns_party *p)
{
	uint64_t hash = hash_of(s, p->name, strlen(p->name)), comm[2];

	memcpy(comm, p->comm, sizeof(comm));
	hash = hash_mix(hash ^ comm[0], comm[1] ^ (uint64_t)p->kind ^ (uint64_t)p->serves << 8);
	return hash_mix(hash, hash_of(s, p->group, strlen(p->group)));
}

static bool same_client(const void *item, const void *key)
{
	return !memcmp(&((const struct dns_client *)item)->party, key, sizeof(struct dns_party));
}

static unsigned dots_of(const char *name)
{
	unsigned n = 0;

	for (; *name; name++)
		n += *name == '.' && (name[1] != '\0');
	return n;
}

/* What search domains wasted for this client: the name that was found, and one that was tried before it. */
static void note_search(struct dns_client *c, const struct tapio_dns_lookup *e)
{
	char found[DNS_TEXT_KEPT];
	size_t n;
	bool whole;

	if (outcome_of(e) == DNS_NXDOMAIN)
		keep_text(c->failed, text_of(e, e->m.name));
	if (!e->wasted)
		return;
	keep_text(found, text_of(e, e->m.name));
	n = strlen(found);
	/* Tried with a domain behind it, and found as it is: then it is the name that the program gave. */
	whole = !strncmp(c->failed, found, n) && c->failed[n] == '.';
	if (whole && (!c->wasted_whole || dots_of(found) < c->dots))
		c->dots = dots_of(found);
	if (whole || !c->wasted_whole) { /* an example of what the advice is for */
		memcpy(c->found, found, sizeof(found));
		memcpy(c->tried, c->failed, sizeof(c->tried));
	}
	c->wasted_whole += whole ? e->wasted : 0;
}

static void count_client(struct dns_summary *s, const struct event_view *view, const struct dns_tally *tally)
{
	const struct tapio_dns_lookup *e = (const void *)view->ev;
	struct dns_party party;
	struct dns_client *c;
	struct latency *latency;
	bool fresh;

	party_of(s, view, &party);
	c = top_count(&s->clients, hash_party(s, &party), &party, s->now_ns, &fresh);
	if (c && fresh)
		c->party = party;
	dns_tally_add(c ? &c->tally : &s->other_clients.tally, tally);
	latency = c ? &c->latency : &s->other_clients.latency;
	if (!tally->outcome[DNS_UNANSWERED])
		latency_add(latency, e->took_ns);
	if (c) {
		c->pid = e->m.ev.tgid;
		note_search(c, e);
	}
}

static void client_leaves(void *arg, const void *item)
{
	const struct dns_client *c = item;
	struct dns_summary *s = arg;

	dns_tally_add(&s->other_clients.tally, &c->tally);
	latency_merge(&s->other_clients.latency, &c->latency);
}

/* ---- who answers ---- */

static bool same_server(const void *item, const void *key)
{
	const struct dns_server *a = item, *b = key;

	return a->port == b->port && address_same(&a->address, &b->address);
}

/* took_ns 0: its time is not known. */
static void count_server(struct dns_summary *s, const struct tapio_address *address, uint16_t port,
			 const struct dns_tally *tally, uint64_t took_ns)
{
	struct dns_server key = { .address = *address, .port = port }, *server;
	struct {
		uint8_t octets[16];
		uint32_t family, port;
	} hashed = { .family = address->family, .port = port };
	struct latency *latency;
	bool fresh;

	memcpy(hashed.octets, address->octets, sizeof(hashed.octets));
	server = top_count(&s->servers, hash_of(s, &hashed, sizeof(hashed)), &key, s->now_ns, &fresh);
	if (server && fresh) {
		server->address = key.address;
		server->port = port;
	}
	dns_tally_add(server ? &server->tally : &s->other_servers.tally, tally);
	latency = server ? &server->latency : &s->other_servers.latency;
	if (took_ns)
		latency_add(latency, took_ns);
}

/* Of the servers that were tried, those that did not answer. */
static void count_silent(struct dns_summary *s, const struct tapio_dns_lookup *e)
{
	static const struct dns_tally unanswered = { .outcome[DNS_UNANSWERED] = 1 };
	const char *at = (const char *)e + e->servers.offset, *end = at + e->servers.length;

	while (at < end) {
		struct tapio_address address = { .family = 4 };
		char text[EVENT_ADDRESS_BUF];
		size_t n = strnlen(at, (size_t)(end - at));

		snprintf(text, sizeof(text), "%.*s", (int)n, at);
		at += n + 1;
		if (strchr(text, ':'))
			address.family = 6;
		if (inet_pton(address.family == 4 ? AF_INET : AF_INET6, text, address.octets) == 1 &&
		    !address_same(&address, &e->m.server))
			count_server(s, &address, e->m.server_port, &unanswered, 0);
	}
}

static void count_servers(struct dns_summary *s, const struct tapio_dns_lookup *e, const struct dns_tally *tally)
{
	/* With more than one attempt it is not known how long the one took that was answered. */
	bool timed = !tally->outcome[DNS_UNANSWERED] && e->attempts < 2;

	count_server(s, &e->m.server, e->m.server_port, tally, timed ? e->took_ns : 0);
	count_silent(s, e);
}

static void server_leaves(void *arg, const void *item)
{
	const struct dns_server *server = item;
	struct dns_summary *s = arg;

	dns_tally_add(&s->other_servers.tally, &server->tally);
	latency_merge(&s->other_servers.latency, &server->latency);
}

/* ---- what is asked for ---- */

static bool same_name(const void *item, const void *key)
{
	const struct dns_asked *a = item, *b = key;

	return a->length == b->length && !strcmp(a->name, b->name);
}

static void name_leaves(void *arg, const void *item)
{
	(void)arg;
	(void)item; /* totals have it */
}

static void count_name(struct dns_summary *s, struct top *table, const struct tapio_dns_lookup *e,
		       const struct dns_tally *tally)
{
	struct dns_asked key = { .length = e->m.name.length }, *asked;
	bool fresh;

	keep_text(key.name, text_of(e, e->m.name));
	asked = top_count(table, hash_of(s, key.name, strlen(key.name)), &key, s->now_ns, &fresh);
	if (!asked)
		return;
	if (fresh) {
		memcpy(asked->name, key.name, sizeof(key.name));
		asked->length = key.length;
	}
	memcpy(asked->client, e->m.ev.comm, strnlen(e->m.ev.comm, sizeof(asked->client) - 1));
	dns_tally_add(&asked->tally, tally);
	asked->sum_ns += tally->outcome[DNS_UNANSWERED] ? 0 : e->took_ns;
}

/* ---- the sink ---- */

static void take_lookup(struct dns_summary *s, const struct event_view *view)
{
	const struct tapio_dns_lookup *e = (const void *)view->ev;
	struct dns_tally tally = tally_of(e);

	dns_tally_add(&s->total, &tally);
	s->served += text_is(text_of(e, e->m.role), "server");
	if (!tally.outcome[DNS_UNANSWERED]) {
		s->answers[label_of(text_of(e, e->m.qtype), dns_type_labels, DNS_TYPES)]
			  [label_of(text_of(e, e->m.rcode), dns_rcode_labels, DNS_RCODES)]++;
		latency_add(&s->latency, e->took_ns);
	}
	count_client(s, view, &tally);
	count_servers(s, e, &tally);
	if (!s->names.max)
		return;
	count_name(s, &s->names, e, &tally);
	if (dns_tally_failures(&tally))
		count_name(s, &s->failing, e, &tally);
}

static void take_error(struct dns_summary *s, const struct tapio_dns_error *e)
{
	struct bytes reason = text_of(e, e->reason);

	for (unsigned i = 0; i < DNS_REASONS; i++)
		if (dns_reason_name(i) && text_is(reason, dns_reason_name(i)))
			s->errors[i]++;
}

static int summary_write(struct event_sink *sink, const struct event_view *view)
{
	struct dns_summary *s = (struct dns_summary *)sink;

	s->now_ns = view->wall_ns - (uint64_t)view->boot_to_wall_ns;
	if (view->ev->type == TAPIO_EV_DNS_LOOKUP || view->ev->type == TAPIO_EV_DNS_TIMEOUT)
		take_lookup(s, view);
	else if (view->ev->type == TAPIO_EV_DNS_ERROR)
		take_error(s, (const void *)view->ev);
	return 0;
}

static int summary_flush(struct event_sink *sink)
{
	(void)sink;
	return 0;
}

static void summary_close(struct event_sink *sink)
{
	struct dns_summary *s = (struct dns_summary *)sink;

	if (!s)
		return;
	top_close(&s->clients);
	top_close(&s->servers);
	top_close(&s->names);
	top_close(&s->failing);
	free(s);
}

static int open_table(struct dns_summary *s, struct top *t, uint32_t max, size_t size, uint64_t keep_ns)
{
	int err = top_open(t, max, size, keep_ns);

	t->arg = s;
	return err;
}

struct dns_summary *dns_summary_open(const struct dns_summary_options *o)
{
	struct dns_summary *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink = (struct event_sink){ .write = summary_write, .flush = summary_flush, .close = summary_close };
	s->by = o->by;
	s->seed = hash_mix(clock_ns(CLOCK_MONOTONIC), (uint64_t)(uintptr_t)s);
	if (open_table(s, &s->clients, o->clients, sizeof(struct dns_client), o->keep_ns) ||
	    open_table(s, &s->servers, o->servers, sizeof(struct dns_server), o->keep_ns) ||
	    open_table(s, &s->names, o->names, sizeof(struct dns_asked), 0) ||
	    open_table(s, &s->failing, o->names, sizeof(struct dns_asked), 0)) {
		summary_close(&s->sink);
		return NULL;
	}
	s->clients.same = same_client;
	s->clients.leaves = client_leaves;
	s->servers.same = same_server;
	s->servers.leaves = server_leaves;
	s->names.same = s->failing.same = same_name;
	s->names.leaves = s->failing.leaves = name_leaves;
	return s;
}

void dns_summary_clear(struct dns_summary *s)
{
	top_clear(&s->clients);
	top_clear(&s->servers);
	top_clear(&s->names);
	top_clear(&s->failing);
	memset(&s->total, 0, sizeof(s->total));
	s->served = 0;
	memset(s->answers, 0, sizeof(s->answers));
	memset(&s->latency, 0, sizeof(s->latency));
	memset(s->errors, 0, sizeof(s->errors));
	memset(&s->other_clients, 0, sizeof(s->other_clients));
	memset(&s->other_servers, 0, sizeof(s->other_servers));
}

uint64_t dns_summary_memory(const struct dns_summary_options *o)
{
	return sizeof(struct dns_summary) + top_memory(o->clients, sizeof(struct dns_client)) +
	       top_memory(o->servers, sizeof(struct dns_server)) + 2 * top_memory(o->names, sizeof(struct dns_asked));
}

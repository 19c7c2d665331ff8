/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as one JSON object: docs/DNS.md. */
#include <string.h>
#include <sys/utsname.h>

#include "cli/dns.h"
#include "export/json_doc.h"

static void doc_tally(struct buf *b, const struct dns_tally *t)
{
	static const char *const names[DNS_OUTCOMES] = { "found", "no_data", "nxdomain", "servfail", "other_codes", "unanswered" };

	doc_number(b, "lookups", dns_tally_lookups(t));
	for (unsigned i = 0; i < DNS_OUTCOMES; i++)
		doc_number(b, names[i], t->outcome[i]);
	doc_number(b, "retries", t->retries);
	doc_number(b, "failovers", t->failovers);
	doc_number(b, "lost_twins", t->lost_twins);
	doc_number(b, "search_wasted", t->wasted);
	doc_number(b, "doubtful", t->doubtful);
}

static void doc_latency(struct buf *b, const struct latency *l)
{
	doc_begin(b, "latency_ns", '{');
	doc_number(b, "count", l->n);
	doc_number(b, "sum", l->sum_ns);
	doc_number(b, "p50", latency_percentile(l, 500));
	doc_number(b, "p90", latency_percentile(l, 900));
	doc_number(b, "p99", latency_percentile(l, 990));
	doc_number(b, "p99_9", latency_percentile(l, 999));
	doc_number(b, "max", l->max_ns);
	buf_addc(b, '}');
}

/* How far the counts of a table may be off. */
static void doc_bounds(struct buf *b, const char *name, const struct top *t)
{
	doc_begin(b, name, '{');
	doc_number(b, "rows", t->n);
	doc_number(b, "rows_max", t->max);
	doc_number(b, "displaced", t->displaced);
	doc_number(b, "error_max", top_error(t));
	buf_addc(b, '}');
}

static void doc_types(struct buf *b, const struct dns_summary *s)
{
	doc_begin(b, "answers", '{');
	for (unsigned i = 0; i < DNS_TYPES; i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < DNS_RCODES; k++)
			sum += s->answers[i][k];
		if (!sum)
			continue;
		doc_begin(b, dns_type_labels[i], '{');
		for (unsigned k = 0; k < DNS_RCODES; k++)
			if (s->answers[i][k])
				doc_number(b, dns_rcode_labels[k], s->answers[i][k]);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void doc_errors(struct buf *b, const struct dns_summary *s)
{
	doc_begin(b, "errors", '{');
	for (unsigned i = 0; i < DNS_REASONS; i++)
		if (dns_reason_name(i) && s->errors[i])
			doc_number(b, dns_reason_name(i), s->errors[i]);
	buf_addc(b, '}');
}

static void doc_party(struct buf *b, const struct dns_party *party)
{
	static const char *const keys[] = { [DNS_PARTY_POD] = "k8s.pod.name", [DNS_PARTY_CONTAINER] = "container",
					    [DNS_PARTY_UNIT] = "systemd.unit", [DNS_PARTY_ELSEWHERE] = "client.address" };

	if (party->comm[0])
		doc_text(b, "process.executable.name", party->comm);
	if (party->group[0])
		doc_text(b, "k8s.namespace.name", party->group);
	if (party->kind != DNS_PARTY_UNKNOWN)
		doc_text(b, keys[party->kind], party->name);
}

static void doc_search(struct buf *b, const struct dns_client *c)
{
	char advice[DNS_TEXT_KEPT + 128];

	if (!c->tally.wasted)
		return;
	dns_advice(c, advice, sizeof(advice));
	doc_begin(b, "search", '{');
	doc_text(b, "found", c->found);
	if (c->tried[0])
		doc_text(b, "after", c->tried);
	if (c->wasted_whole && c->dots) {
		doc_number(b, "ndots", c->dots);
		doc_number(b, "ndots_saves", c->wasted_whole);
	}
	doc_text(b, "advice", advice);
	buf_addc(b, '}');
}

static void doc_clients(struct buf *b, const struct dns_page *p)
{
	const void *rows[DNS_ROWS_MAX];
	uint32_t n = dns_top_clients(p, rows);

	doc_begin(b, "clients", '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_client *c = rows[i];

		doc_begin(b, NULL, '{');
		doc_party(b, &c->party);
		doc_number(b, "process.pid", c->pid);
		doc_tally(b, &c->tally);
		doc_number(b, "missed_max", c->top.error);
		doc_latency(b, &c->latency);
		doc_search(b, c);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void doc_servers(struct buf *b, const struct dns_page *p)
{
	const void *rows[DNS_ROWS_MAX];
	uint32_t n = dns_top_servers(p, rows);
	char address[EVENT_ADDRESS_BUF + 1];

	doc_begin(b, "servers", '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_server *s = rows[i];

		address[event_address_text(&s->address, address)] = '\0';
		doc_begin(b, NULL, '{');
		doc_text(b, "server.address", address);
		doc_number(b, "server.port", s->port);
		doc_tally(b, &s->tally);
		doc_number(b, "missed_max", s->top.error);
		doc_latency(b, &s->latency);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void doc_names(struct buf *b, const char *name, const void **rows, uint32_t n)
{
	doc_begin(b, name, '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_asked *a = rows[i];

		doc_begin(b, NULL, '{');
		doc_text(b, "dns.question.name", a->name);
		doc_tally(b, &a->tally);
		doc_number(b, "missed_max", a->top.error);
		doc_number(b, "sum_ns", a->sum_ns);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void doc_others(struct buf *b, const char *name, const struct dns_tally *t)
{
	doc_begin(b, name, '{');
	doc_tally(b, t);
	buf_addc(b, '}');
}

void dns_page_json(const struct dns_page *p, struct buf *out)
{
	const struct dns_summary *s = p->summary;
	const void *rows[DNS_ROWS_MAX];
	struct utsname u;

	uname(&u);
	buf_addc(out, '{');
	doc_text(out, "host.name", u.nodename);
	doc_number(out, "period_ns", p->period_ns);
	doc_number(out, "records_lost", p->lost);
	doc_number(out, "waiting", p->waiting);
	doc_number(out, "served", s->served);
	doc_tally(out, &s->total);
	doc_latency(out, &s->latency);
	doc_types(out, s);
	doc_errors(out, s);
	doc_servers(out, p);
	doc_others(out, "other_servers", &s->other_servers.tally);
	doc_clients(out, p);
	doc_others(out, "other_clients", &s->other_clients.tally);
	doc_names(out, "names", rows, dns_top_names(p, rows));
	doc_names(out, "failing_names", rows, dns_top_failing(p, rows));
	doc_begin(out, "bounds", '{');
	doc_bounds(out, "servers", &s->servers);
	doc_bounds(out, "clients", &s->clients);
	doc_bounds(out, "names", &s->names);
	doc_bounds(out, "failing_names", &s->failing);
	buf_adds(out, "}}\n");
}

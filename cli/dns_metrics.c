/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dns_metrics.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/refused.h"

#define SERVERS 16
#define KEEP_NS (600 * NS_PER_S) /* a row that nobody used for so long is somebody else's */

const struct dns_summary_options dns_metrics_options = { .by = DNS_BY_WORKLOAD, .clients = REFUSED_MAX, .servers = SERVERS,
							 .keep_ns = KEEP_NS };

static const char *const outcomes[DNS_OUTCOMES] = { "found", "no_data", "nxdomain", "servfail", "other_codes", "unanswered" };

/* ---- of all ---- */

/* Of types and codes those that are common are there from the start, others from when they came first. */
static void metrics_answers(struct metrics *m, const struct dns_summary *s)
{
	metrics_family(m, "tapio_dns_lookups", METRICS_COUNTER, NULL, "lookups that were answered, by type and response code");
	for (unsigned i = 0; i < DNS_TYPES; i++)
		for (unsigned k = 0; k < DNS_RCODES; k++)
			if (s->answers[i][k] || (i < 2 && k < 3))
				metrics_u64(m, s->answers[i][k], "type", dns_type_labels[i], "rcode", dns_rcode_labels[k], NULL);
}

static void metrics_totals(struct metrics *m, const struct dns_summary *s)
{
	const struct metrics_times times = { latency_bounds_ns, s->latency.bound, LATENCY_BOUNDS, s->latency.sum_ns };

	metrics_family(m, "tapio_dns_lookup_duration_seconds", METRICS_HISTOGRAM, "seconds",
		       "from the first question to the answer");
	metrics_histogram(m, &times, NULL);
	metrics_family(m, "tapio_dns_timeouts", METRICS_COUNTER, NULL,
		       "lookups that were not answered within dns.timeout; doubtful: records were lost or refused meanwhile");
	metrics_u64(m, s->total.outcome[DNS_UNANSWERED] - s->total.doubtful, "doubtful", "false", NULL);
	metrics_u64(m, s->total.doubtful, "doubtful", "true", NULL);
	metrics_family(m, "tapio_dns_retries", METRICS_COUNTER, NULL, "questions that were sent again");
	metrics_u64(m, s->total.retries, NULL);
	metrics_family(m, "tapio_dns_failovers", METRICS_COUNTER, NULL,
		       "lookups that were answered by another server than was asked first");
	metrics_u64(m, s->total.failovers, NULL);
	metrics_family(m, "tapio_dns_lost_twins", METRICS_COUNTER, NULL,
		       "lookups of a pair for A and AAAA that were not answered, or only when asked again, while the other one was");
	metrics_u64(m, s->total.lost_twins, NULL);
}

static void metrics_state(struct metrics *m, const struct dns_stats *stats)
{
	metrics_family(m, "tapio_dns_errors", METRICS_COUNTER, NULL, "messages that are not as they should be, by what is wrong");
	for (unsigned i = 0; i < DNS_REASONS; i++)
		if (dns_reason_name(i))
			metrics_u64(m, i < DNS_FLAWS ? stats->flaws[i] : stats->refusals[i - DNS_FLAWS], "reason",
				    dns_reason_name(i), NULL);
	metrics_family(m, "tapio_dns_waiting", METRICS_GAUGE, NULL, "lookups that wait for an answer");
	metrics_u64(m, stats->waiting, NULL);
	metrics_family(m, "tapio_dns_forgotten", METRICS_COUNTER, NULL, "lookups for which there was no room");
	metrics_u64(m, stats->forgotten, NULL);
}

/* ---- by whose they are ---- */

struct labels {
	const char *group, *pod, *unit, *role;
};

static struct labels labels_of(const struct dns_party *p)
{
	struct labels l = { .role = p->serves ? "server" : "client" };

	if (p->kind == DNS_PARTY_POD) {
		l.group = p->group;
		l.pod = p->name;
	} else if (p->kind == DNS_PARTY_UNIT) {
		l.unit = p->name;
	}
	return l;
}

static void client_outcomes(struct metrics *m, const struct dns_tally *t, const struct labels *l)
{
	for (unsigned i = 0; i < DNS_OUTCOMES; i++)
		if (t->outcome[i])
			metrics_u64(m, t->outcome[i], "k8s_namespace_name", l->group, "k8s_pod_name", l->pod, "systemd_unit",
				    l->unit, "role", l->role, "outcome", outcomes[i], NULL);
}

static void metrics_clients(struct metrics *m, const struct dns_summary *s)
{
	const struct labels others = { .pod = "(others)" };

	metrics_family(m, "tapio_dns_client_lookups", METRICS_COUNTER, NULL,
		       "lookups, by whose process asked, or answered a client elsewhere, and by what came of them");
	for (uint32_t i = 0; i < s->clients.n; i++) {
		const struct dns_client *c = top_at(&s->clients, i);
		struct labels l = labels_of(&c->party);

		client_outcomes(m, &c->tally, &l);
	}
	client_outcomes(m, &s->other_clients.tally, &others);
	metrics_family(m, "tapio_dns_search_wasted", METRICS_COUNTER, NULL,
		       "questions for names with a search domain that were in vain, by whose process asked");
	for (uint32_t i = 0; i < s->clients.n; i++) {
		const struct dns_client *c = top_at(&s->clients, i);
		struct labels l = labels_of(&c->party);

		if (c->tally.wasted)
			metrics_u64(m, c->tally.wasted, "k8s_namespace_name", l.group, "k8s_pod_name", l.pod, "systemd_unit",
				    l.unit, NULL);
	}
	metrics_u64(m, s->other_clients.tally.wasted, "k8s_pod_name", others.pod, NULL);
}

/* ---- by who answers ---- */

static void server_outcomes(struct metrics *m, const struct dns_tally *t, const char *address, const char *port)
{
	for (unsigned i = 0; i < DNS_OUTCOMES; i++)
		if (t->outcome[i])
			metrics_u64(m, t->outcome[i], "server_address", address, "server_port", port, "outcome", outcomes[i],
				    NULL);
}

static void server_times(struct metrics *m, const struct latency *l, const char *address, const char *port)
{
	const struct metrics_times times = { latency_bounds_ns, l->bound, LATENCY_BOUNDS, l->sum_ns };

	if (l->n)
		metrics_histogram(m, &times, "server_address", address, "server_port", port, NULL);
}

static void each_server(struct metrics *m, const struct dns_summary *s, bool times)
{
	for (uint32_t i = 0; i < s->servers.n; i++) {
		const struct dns_server *server = top_at(&s->servers, i);
		char address[EVENT_ADDRESS_BUF + 1], port[8];

		address[event_address_text(&server->address, address)] = '\0';
		snprintf(port, sizeof(port), "%u", server->port);
		if (times)
			server_times(m, &server->latency, address, port);
		else
			server_outcomes(m, &server->tally, address, port);
	}
	if (times)
		server_times(m, &s->other_servers.latency, "(others)", NULL);
	else
		server_outcomes(m, &s->other_servers.tally, "(others)", NULL);
}

void dns_metrics(struct metrics *m, const struct dns_summary *s, const struct dns_stats *stats)
{
	metrics_answers(m, s);
	metrics_totals(m, s);
	metrics_clients(m, s);
	metrics_family(m, "tapio_dns_server_lookups", METRICS_COUNTER, NULL, "lookups, by the server asked and by what came of them");
	each_server(m, s, false);
	metrics_family(m, "tapio_dns_server_duration_seconds", METRICS_HISTOGRAM, "seconds",
		       "from question to answer, of lookups that took one attempt, by server");
	each_server(m, s, true);
	metrics_state(m, stats);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The events that are made of DNS messages. */
#include <netinet/in.h>
#include <string.h>

#include "correlate/dns/internal.h"

static const char *const refusal_names[DNS_REFUSALS] = {
	[DNS_UNSOLICITED] = "unsolicited",
	[DNS_DUPLICATE] = "duplicate",
	[DNS_LATE] = "late",
	[DNS_OTHER_QUESTION] = "question_mismatch",
	[DNS_OTHER_SERVER] = "server_mismatch",
	[DNS_MANY_QUESTIONS] = "question_count",
	[DNS_NOT_AN_ANSWER] = "not_an_answer",
	[DNS_NOT_A_QUESTION] = "not_a_question",
	[DNS_CUT] = "cut",
};

const char *dns_refusal_name(enum dns_refusal refusal)
{
	return refusal < DNS_REFUSALS ? refusal_names[refusal] : NULL;
}

/* Whether records of a process of such a cgroup were lost then or later. */
bool is_doubtful(const struct dns *d, uint16_t quota, uint64_t since_ns)
{
	return (d->doubt_ns && d->doubt_ns >= since_ns) || (d->doubts_ns[quota] && d->doubts_ns[quota] >= since_ns);
}

static bool is_asked_for(const struct dns *d, unsigned type)
{
	return d->options.events >> type & 1;
}

static void text_subject(struct tapio_event *ev, const struct who_asks *who)
{
	ev->tgid = who->tgid;
	ev->tid = who->tid;
	ev->cgroup_id = who->cgroup_id;
	ev->legacy_cgroup_id = who->legacy_cgroup_id;
	memcpy(ev->comm, who->comm, sizeof(ev->comm));
}

static void text_who(struct dns *d, const struct who_asks *who)
{
	text_subject(&d->text.ev, who);
	d->text.message.uid = who->uid;
}

static void text_parties(struct dns *d, const struct endpoint *client, const struct endpoint *server,
			 const struct endpoint *nat, uint8_t protocol, bool at_server)
{
	struct tapio_dns_message *m = &d->text.message;

	m->client = client->address;
	m->client_port = client->port;
	m->server = server->address;
	m->server_port = server->port;
	m->server_nat = nat->address;
	m->server_nat_port = nat->address.family ? nat->port : 0;
	m->transport = dns_text_adds(&d->text, protocol == IPPROTO_TCP ? "tcp" : "udp");
	m->role = dns_text_adds(&d->text, at_server ? "server" : "client");
}

static void made(struct dns *d, uint64_t time_ns)
{
	d->text.ev.ts_ns = time_ns;
	d->c.made(d->c.arg, dns_text_end(&d->text));
}

bool is_at_server(const struct heard *h)
{
	return h->egress == h->response;
}

/* Of a message that is not here whole, its size is the true one. */
static void text_message(struct dns *d, const struct heard *h)
{
	dns_text_message(&d->text, &h->m);
	if (h->length <= h->m.octets.length)
		return;
	d->text.message.size = (__u32)h->length;
	d->text.message.records_cut = true;
}

static void begin_message(struct dns *d, const struct heard *h, unsigned type, size_t size)
{
	dns_text_begin(&d->text, type, size);
	text_who(d, &h->who);
	text_parties(d, &h->client, &h->server, &h->nat, h->packet->protocol, is_at_server(h));
	dns_text_question(&d->text, &h->m.question, h->m.opcode);
	text_message(d, h);
}

void tell_message(struct dns *d, const struct heard *h)
{
	unsigned type = h->response ? TAPIO_EV_DNS_RESPONSE : TAPIO_EV_DNS_QUERY;

	if (!is_asked_for(d, type))
		return;
	begin_message(d, h, type, sizeof(struct tapio_dns_message));
	made(d, h->now_ns);
}

void tell_error(struct dns *d, const struct heard *h, const char *reason, size_t offset, uint64_t late_ns)
{
	if (!is_asked_for(d, TAPIO_EV_DNS_ERROR))
		return;
	begin_message(d, h, TAPIO_EV_DNS_ERROR, sizeof(struct tapio_dns_error));
	d->text.error.reason = dns_text_adds(&d->text, reason);
	d->text.error.offset = (__u32)offset;
	d->text.error.late_ns = late_ns;
	made(d, h->now_ns);
}

void refuse(struct dns *d, const struct heard *h, enum dns_refusal refusal, uint64_t late_ns)
{
	d->stats.refusals[refusal]++;
	tell_error(d, h, refusal_names[refusal], 0, late_ns);
}

static void text_lookup(struct dns *d, const struct lookup *l, unsigned type)
{
	struct tapio_dns_lookup *e = &d->text.lookup;

	dns_text_begin(&d->text, type, sizeof(*e));
	text_who(d, &l->who);
	text_parties(d, &l->client, &l->server, &l->nat, l->protocol, l->at_server);
	dns_text_question(&d->text, &l->question, l->opcode);
	e->m.id = l->message_id;
	e->m.payload_size = l->payload_size;
	e->m.dnssec_ok = l->dnssec_ok;
	e->id = l->id;
	e->previous_id = l->previous_id;
	e->parent_id = l->parent_id;
	e->server_pid = l->server_tgid;
	e->server_comm = dns_text_add(&d->text, l->server_comm, strnlen(l->server_comm, sizeof(l->server_comm)));
	e->query_size = l->query_size;
	e->wasted = l->wasted;
	e->attempts = l->attempts;
	e->twin_answered = l->twin_answered;
	e->doubtful = is_doubtful(d, l->quota, l->first_ns);
	if (l->nservers > 1)
		e->servers = dns_text_addresses(&d->text, l->servers, l->nservers);
}

void tell_answer(struct dns *d, const struct lookup *l, const struct heard *h)
{
	struct tapio_dns_lookup *e = &d->text.lookup;

	d->stats.lookups++;
	if (!is_asked_for(d, TAPIO_EV_DNS_LOOKUP))
		return;
	text_lookup(d, l, TAPIO_EV_DNS_LOOKUP);
	text_message(d, h);
	e->m.payload_size = l->payload_size; /* what the client takes: the answer's says only what the server takes */
	e->m.dnssec_ok = l->dnssec_ok;
	e->failover = l->nservers && !l->at_server && !address_same(&h->server.address, &l->servers[0]) &&
		      !address_same(&l->nat.address, &h->server.address);
	e->took_ns = h->now_ns > l->first_ns ? h->now_ns - l->first_ns : 0;
	if (h->m.rcode)
		e->failure = dns_text_rcode(&d->text, h->m.rcode);
	made(d, h->now_ns);
}

void tell_timeout(struct dns *d, const struct lookup *l, uint64_t now_ns)
{
	d->stats.timeouts++;
	if (!is_asked_for(d, TAPIO_EV_DNS_TIMEOUT))
		return;
	text_lookup(d, l, TAPIO_EV_DNS_TIMEOUT);
	d->text.lookup.took_ns = now_ns - l->first_ns;
	d->text.lookup.failure = dns_text_adds(&d->text, "timeout");
	made(d, now_ns);
}

void tell_encrypted(struct dns *d, const struct heard *h)
{
	struct tapio_dns_encrypted *e = &d->text.encrypted;

	if (!is_asked_for(d, TAPIO_EV_DNS_ENCRYPTED))
		return;
	dns_text_begin(&d->text, TAPIO_EV_DNS_ENCRYPTED, sizeof(*e));
	text_subject(&e->ev, &h->who);
	e->uid = h->who.uid;
	e->client = h->client.address;
	e->client_port = h->client.port;
	e->server = h->server.address;
	e->server_port = h->server.port;
	e->protocol = dns_text_adds(&d->text, "dot");
	made(d, h->now_ns);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers: which belong together. */
#include <netinet/in.h>
#include <string.h>

#include "correlate/dns/internal.h"

#define TWIN_NS 50000000ull /* A and AAAA of one getaddrinfo(3) are sent within this */

enum { RCODE_NXDOMAIN = 3 };

/* Zone transfers: RFC 1995, RFC 5936. */
enum { TYPE_IXFR = 251, TYPE_AXFR = 252 };

/* ---- hashes of what is looked for ---- */

static uint64_t subject_of(const struct who_asks *who)
{
	return who->tgid ? who->tgid : hash_mix(who->cgroup_id, who->legacy_cgroup_id);
}

static uint32_t hash_name(const struct heard *h)
{
	return (uint32_t)hash_mix(subject_of(&h->who), h->name_hash);
}

static uint64_t hash_question(const struct heard *h)
{
	return hash_mix(h->name_hash, (uint64_t)h->m.question.type << 16 | h->m.question.class);
}

/* A client's socket has its own ids; a server's has those of all its clients. */
static uint32_t hash_socket(uint64_t cookie, uint16_t id, const struct endpoint *client)
{
	return (uint32_t)hash_mix(hash_mix(cookie, id), client ? hash_endpoint(client) : 0);
}

/* How a server finds the client's lookup: the packet it is given comes from where the client's came. */
static uint32_t hash_peer(const struct heard *h)
{
	return (uint32_t)hash_mix(hash_endpoint(&h->client) ^ h->m.id, hash_question(h));
}

/* How a question that a server sends on finds the one that it was asked: by the server's cgroup, as it may have forked. */
static uint32_t hash_served(const struct heard *h)
{
	return (uint32_t)hash_mix(~hash_mix(h->who.cgroup_id, h->who.legacy_cgroup_id), hash_question(h));
}

/* ---- questions ---- */

static bool was_asked(const struct lookup *l, const struct tapio_address *server)
{
	for (unsigned i = 0; i < l->nservers; i++)
		if (address_same(&l->servers[i], server))
			return true;
	return false;
}

static void note_server(struct lookup *l, const struct tapio_address *server)
{
	if (!was_asked(l, server) && l->nservers < SERVERS_MAX)
		l->servers[l->nservers++] = *server;
}

static struct lookup new_lookup(const struct heard *h)
{
	struct lookup l = { .first_ns = h->now_ns, .last_ns = h->now_ns, .cookie = h->cookie,
			    .name_hash = hash_name(h), .query_size = (uint32_t)h->m.octets.length,
			    .attempts = 1, .message_id = h->m.id, .protocol = h->packet->protocol, .opcode = h->m.opcode,
			    .at_server = is_at_server(h), .dnssec_ok = h->m.edns.dnssec_ok,
			    .payload_size = h->m.edns.payload_size, .who = h->who, .client = h->client,
			    .server = h->server, .nat = h->nat };

	l.question.type = h->m.question.type;
	l.question.class = h->m.question.class;
	l.question.name.length = h->m.question.name.length;
	memcpy(l.question.name.wire, h->m.question.name.wire, l.question.name.length);
	note_server(&l, &h->server.address);
	return l;
}

static struct attempt new_attempt(const struct heard *h, enum attempt_kind kind)
{
	bool at_server = kind != ATTEMPT_SENT;

	return (struct attempt){ .cookie = h->cookie, .netns = h->packet->netns, .id = h->m.id, .kind = (uint8_t)kind,
				 .client = h->client,
				 .server_tgid = at_server ? h->who.tgid : 0,
				 .by_socket = hash_socket(h->cookie, h->m.id, at_server ? &h->client : NULL),
				 .by_peer = at_server ? hash_served(h) : hash_peer(h) };
}

/* An attempt of this socket with this id; of a server's socket, by this client. `q` NULL: of any question. */
static uint32_t find_attempt(const struct dns *d, const struct heard *h, bool at_server, const struct dns_question *q)
{
	const struct lookups *t = &d->table;
	uint32_t hash = hash_socket(h->cookie, h->m.id, at_server ? &h->client : NULL);

	for (CHAIN(i, &t->sockets, hash)) {
		const struct attempt *a = &t->attempt[i];

		if (a->by_socket == hash && a->cookie == h->cookie && a->id == h->m.id &&
		    (a->kind != ATTEMPT_SENT) == at_server && (!at_server || endpoint_same(&a->client, &h->client)) &&
		    (!q || question_same(&t->lookup[a->lookup].question, q)))
			return i;
	}
	return NONE;
}

/* Of the same subject and name, another lookup that `fits`, among those that wait or those that ended. */
static uint32_t find_named(const struct dns *d, const struct lookup *l, bool waits,
			   bool (*fits)(const struct lookup *l, const struct lookup *other))
{
	const struct lookups *t = &d->table;

	for (CHAIN(i, &t->names, lookups_named(l->name_hash, waits))) {
		const struct lookup *other = &t->lookup[i];

		if (other->name_hash == l->name_hash && other->at_server == l->at_server && !l->at_server &&
		    subject_of(&other->who) == subject_of(&l->who) &&
		    dns_name_same(&other->question.name, &l->question.name) && fits(l, other))
			return i;
	}
	return NONE;
}

/* Who asks without end would have a lookup that never ends. */
static bool takes_retries(const struct lookup *l, uint64_t now_ns)
{
	return l->state == LOOKUP_WAITS && now_ns - l->first_ns < DNS_RETRY_WITHIN_NS;
}

static bool is_earlier_try(const struct lookup *l, const struct lookup *other)
{
	return takes_retries(other, l->last_ns) && other->question.type == l->question.type &&
	       other->question.class == l->question.class && l->last_ns >= other->last_ns + DNS_RETRY_AFTER_NS;
}

static bool is_truncated(const struct lookup *l, const struct lookup *other)
{
	return other->truncated && l->protocol == IPPROTO_TCP && other->question.type == l->question.type &&
	       other->state == LOOKUP_ANSWERED;
}

static bool is_twin(const struct lookup *l, const struct lookup *other)
{
	unsigned a = l->question.type, b = other->question.type;

	return other->cookie == l->cookie && other->twin == NONE && l->first_ns <= other->first_ns + TWIN_NS &&
	       ((a == DNS_TYPE_A && b == DNS_TYPE_AAAA) || (a == DNS_TYPE_AAAA && b == DNS_TYPE_A));
}

/*
 * How sure it is that this question is asked for the sake of that lookup, which its server was asked; 0: it is not.
 * A server may fork for a connection: then the one that asks is another process of its name.
 */
static unsigned is_parent(const struct heard *h, const struct attempt *a, const struct lookup *l)
{
	const char *server = a->kind == ATTEMPT_SERVED ? l->server_comm : l->who.comm;

	if (a->kind == ATTEMPT_SENT || l->state != LOOKUP_WAITS || !question_same(&l->question, &h->m.question))
		return 0;
	if (a->server_tgid == h->who.tgid)
		return a->id == h->m.id ? 4 : 3; /* sent on as it was */
	if (strncmp(server, h->who.comm, sizeof(h->who.comm)))
		return 0;
	return a->id == h->m.id ? 2 : 1;
}

/* The lookup for which a server of this machine asks this, of several the first; 0: none. */
static uint64_t find_parent(const struct dns *d, const struct heard *h)
{
	const struct lookups *t = &d->table;
	uint32_t hash = hash_served(h);
	uint64_t best = 0;
	unsigned best_is = 0;

	if (!h->who.tgid)
		return 0;
	for (CHAIN(i, &t->peers, hash)) {
		const struct attempt *a = &t->attempt[i];
		const struct lookup *l = &t->lookup[a->lookup];
		unsigned is = a->by_peer == hash ? is_parent(h, a, l) : 0;

		if (is > best_is || (is && is == best_is && l->id < best)) {
			best = l->id;
			best_is = is;
		}
	}
	return best;
}

static void try_again(struct dns *d, uint32_t i, const struct heard *h)
{
	struct lookup *l = &d->table.lookup[i];

	l->attempts += l->attempts < UINT16_MAX;
	l->twin_lost |= l->twin_answered;
	l->server = h->server;
	l->nat = h->nat;
	l->client = h->client;
	l->protocol = h->packet->protocol;
	l->message_id = h->m.id;
	note_server(l, &h->server.address);
	lookups_renew(&d->table, i, h->now_ns);
}

static void tie_twins(struct dns *d, uint32_t i)
{
	struct lookup *l = &d->table.lookup[i], *other;
	uint32_t twin;

	if (l->question.type != DNS_TYPE_A && l->question.type != DNS_TYPE_AAAA)
		return;
	twin = find_named(d, l, true, is_twin);
	if (twin == NONE)
		twin = find_named(d, l, false, is_twin);
	if (twin == NONE)
		return;
	other = &d->table.lookup[twin];
	l->twin = twin;
	l->twin_id = other->id;
	other->twin = i;
	other->twin_id = l->id;
	l->twin_answered = other->state == LOOKUP_ANSWERED;
}

static void no_room(struct dns *d, uint64_t now_ns)
{
	d->refused_ns = now_ns;
}

static void begin_lookup(struct dns *d, const struct heard *h, enum attempt_kind kind)
{
	struct attempt a = new_attempt(h, kind);
	struct lookup l = new_lookup(h);
	uint32_t i, earlier;

	earlier = find_named(d, &l, true, is_earlier_try);
	if (earlier != NONE) {
		try_again(d, earlier, h);
		i = earlier;
	} else {
		uint32_t truncated = l.protocol == IPPROTO_TCP ? find_named(d, &l, false, is_truncated) : NONE;

		if (truncated != NONE)
			l.previous_id = d->table.lookup[truncated].id;
		if (kind == ATTEMPT_SENT)
			l.parent_id = find_parent(d, h);
		i = lookups_add(&d->table, &l);
		if (i == NONE) {
			no_room(d, h->now_ns);
			return;
		}
		tie_twins(d, i);
	}
	if (lookups_attempt(&d->table, i, &a) != NONE)
		return;
	no_room(d, h->now_ns);
	if (earlier == NONE)
		lookups_forget(&d->table, i); /* no answer would find it */
}

/* Each network namespace has a loopback of its own. */
static bool may_meet(const struct heard *h, const struct attempt *a)
{
	const struct tapio_address *client = &h->client.address;
	static const uint8_t v6[16] = { [15] = 1 };
	bool loopback = client->family == 4 ? client->octets[0] == 127 : !memcmp(client->octets, v6, sizeof(v6));

	return !loopback || !a->netns || !h->packet->netns || a->netns == h->packet->netns;
}

/* The client's lookup, where its server got the same message; NONE if the client is elsewhere. */
static uint32_t find_client(const struct dns *d, const struct heard *h)
{
	const struct lookups *t = &d->table;
	uint32_t hash = hash_peer(h);

	if (!h->client.port) /* not known at a system call, of any client: all would be the same one */
		return NONE;
	for (CHAIN(i, &t->peers, hash)) {
		const struct attempt *a = &t->attempt[i];

		if (a->by_peer == hash && a->kind == ATTEMPT_SENT && a->id == h->m.id &&
		    endpoint_same(&a->client, &h->client) && may_meet(h, a) &&
		    t->lookup[a->lookup].state == LOOKUP_WAITS &&
		    question_same(&t->lookup[a->lookup].question, &h->m.question))
			return a->lookup;
	}
	return NONE;
}

/* What the server sees of the client's lookup: its process, and where NAT on the way to it led. */
static void note_served(struct lookup *l, const struct heard *h)
{
	l->server_tgid = h->who.tgid;
	memcpy(l->server_comm, h->who.comm, sizeof(l->server_comm));
	if (!endpoint_same(&l->server, &h->server) && !was_asked(l, &h->server.address))
		l->nat = h->server;
}

/* What is looked at next lies all over the tables: it is fetched at once. */
static void fetch(const struct dns *d, const struct heard *h, bool at_server)
{
	const struct lookups *t = &d->table;

	index_fetch(&t->sockets, hash_socket(h->cookie, h->m.id, at_server ? &h->client : NULL));
	index_fetch(&t->peers, hash_served(h));
	index_fetch(&t->peers, hash_peer(h));
	if (at_server)
		return;
	index_fetch(&t->names, lookups_named(hash_name(h), true));
	index_fetch(&t->names, lookups_named(hash_name(h), false));
}

void take_question(struct dns *d, struct heard *h)
{
	bool at_server = is_at_server(h);
	uint32_t known, client;
	struct attempt a;

	h->name_hash = dns_name_hash(&h->m.question.name);
	fetch(d, h, at_server);
	known = find_attempt(d, h, at_server, &h->m.question);
	if (known != NONE && takes_retries(&d->table.lookup[d->table.attempt[known].lookup], h->now_ns)) {
		/* The same message again; of one that is served, the client's own packet counted it. */
		if (d->table.attempt[known].kind != ATTEMPT_SERVED)
			try_again(d, d->table.attempt[known].lookup, h);
		return;
	}
	if (known != NONE && d->table.lookup[d->table.attempt[known].lookup].state != LOOKUP_WAITS)
		lookups_forget(&d->table, d->table.attempt[known].lookup);
	client = at_server ? find_client(d, h) : NONE;
	if (client == NONE) {
		begin_lookup(d, h, at_server ? ATTEMPT_RECEIVED : ATTEMPT_SENT);
		return;
	}
	note_served(&d->table.lookup[client], h);
	a = new_attempt(h, ATTEMPT_SERVED);
	if (lookups_attempt(&d->table, client, &a) == NONE)
		no_room(d, h->now_ns);
}

/* ---- answers ---- */

static bool has_addresses(const struct dns_message *m)
{
	return !m->rcode && m->counts[DNS_ANSWERS];
}

static void learn_search(struct dns *d, struct lookup *l, const struct heard *h)
{
	bool address = l->question.type == DNS_TYPE_A || l->question.type == DNS_TYPE_AAAA;

	if (l->at_server || l->parent_id || !l->who.tgid || !address) /* what is sent on is the client's */
		return;
	if (h->m.rcode == RCODE_NXDOMAIN)
		search_failed(d->search, l->who.tgid, &l->question.name, h->now_ns);
	else if (has_addresses(&h->m))
		l->wasted = search_found(d->search, l->who.tgid, &l->question.name, h->now_ns);
}

static void answer_twin(struct dns *d, const struct lookup *l)
{
	struct lookup *twin = l->twin != NONE ? &d->table.lookup[l->twin] : NULL;

	if (twin && twin->id == l->twin_id && twin->state != LOOKUP_FREE)
		twin->twin_answered = true;
}

static void finish(struct dns *d, uint32_t i, const struct heard *h)
{
	struct lookup *l = &d->table.lookup[i];

	/* Where the socket was told to send to was an earlier datagram's: nothing was translated. */
	if (l->nat.address.family && endpoint_same(&h->server, &l->nat)) {
		for (unsigned k = 0; k < l->nservers; k++)
			if (address_same(&l->servers[k], &l->server.address))
				l->servers[k] = l->nat.address;
		l->server = l->nat;
		l->nat = (struct endpoint){};
	}
	if (!l->who.tgid)
		l->who = h->who;
	l->truncated = h->m.flags & DNS_TC;
	l->message_id = h->m.id;
	learn_search(d, l, h);
	answer_twin(d, l);
	/* The twin's answer is no news of one that has its own, unless that took asking again. */
	l->twin_answered = l->twin_lost;
	tell_answer(d, l, h);
	lookups_end(&d->table, i, LOOKUP_ANSWERED, h->now_ns);
}

static bool asked_there(const struct lookup *l, const struct endpoint *server)
{
	return endpoint_same(server, &l->server) || endpoint_same(server, &l->nat) || was_asked(l, &server->address);
}

/* Whether it may be the answer to something that was not seen. */
static bool is_excused(const struct dns *d, const struct who_asks *who, uint64_t now_ns)
{
	uint64_t window = 2 * d->options.timeout_ns;

	return now_ns - d->began_ns < window || (d->refused_ns && now_ns - d->refused_ns < window) ||
	       is_doubtful(d, lookups_quota(who->cgroup_id, who->legacy_cgroup_id), now_ns - window);
}

static void take_ended(struct dns *d, const struct heard *h, const struct lookup *l)
{
	bool transfer = l->question.type == TYPE_AXFR || l->question.type == TYPE_IXFR;

	if (l->state == LOOKUP_TIMED_OUT)
		refuse(d, h, DNS_LATE, h->now_ns - l->ended_ns);
	else if (!transfer) /* of a transfer, each message is an answer: RFC 5936 2.2 */
		refuse(d, h, DNS_DUPLICATE, 0);
}

bool was_question(const struct dns *d, const struct heard *h)
{
	return find_attempt(d, h, is_at_server(h), NULL) != NONE;
}

void take_answer(struct dns *d, const struct heard *h)
{
	bool at_server = is_at_server(h);
	const struct dns_question *q = h->m.question.name.length ? &h->m.question : NULL;
	uint32_t i = find_attempt(d, h, at_server, q);
	struct lookup *l;

	if (i == NONE) {
		bool other = q && find_attempt(d, h, at_server, NULL) != NONE;

		if (other)
			refuse(d, h, DNS_OTHER_QUESTION, 0);
		else if (!is_excused(d, &h->who, h->now_ns))
			refuse(d, h, DNS_UNSOLICITED, 0);
		return;
	}
	if (d->table.attempt[i].kind == ATTEMPT_SERVED)
		return; /* told as the client's, when it has it */
	l = &d->table.lookup[d->table.attempt[i].lookup];
	if (l->state != LOOKUP_WAITS)
		take_ended(d, h, l);
	else if (!at_server && !asked_there(l, &h->server))
		refuse(d, h, DNS_OTHER_SERVER, 0);
	else
		finish(d, d->table.attempt[i].lookup, h);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that wait for an answer, and those that lately got one: memory and ways to find them.
 *
 * A lookup is what somebody wants to know; an attempt is one message that asks for it, on one socket under one id. All
 * memory is taken at the start, and is touched as far as it is used.
 */
#ifndef CORRELATE_DNS_LOOKUPS_H
#define CORRELATE_DNS_LOOKUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "correlate/dns/message.h"
#include "event/event.h"

#define NONE UINT32_MAX

enum lookup_state { LOOKUP_FREE, LOOKUP_WAITS, LOOKUP_ANSWERED, LOOKUP_TIMED_OUT };

#define SERVERS_MAX 4 /* that a lookup names */
#define ATTEMPTS_KEPT 16 /* that a lookup is found by */

struct who_asks {
	uint32_t tgid, tid, uid;
	uint64_t cgroup_id, legacy_cgroup_id;
	char comm[TAPIO_COMM_LEN];
};

struct endpoint {
	struct tapio_address address;
	uint16_t port;
};

/* Its neighbours in a chain of an index. */
struct link {
	uint32_t next, prev;
};

/* What its end and its being forgotten need comes first: it lies in one line of the cache. */
struct lookup {
	uint64_t id;
	uint64_t first_ns, last_ns; /* when it was asked */
	uint64_t ended_ns;
	uint32_t name_hash;    /* of subject and name, without the type */
	uint32_t attempt;      /* the last one; attempts are linked */
	uint32_t older, newer; /* in the list of its state */
	struct link names;
	uint16_t quota; /* which counter of lookups.quota it counts in */
	uint8_t state;  /* enum lookup_state */
	bool at_server; /* the role: only the server's side is seen */
	uint8_t protocol, opcode, nservers;
	bool truncated, twin_answered, dnssec_ok;
	bool twin_lost; /* it was asked again when its twin had been answered */
	uint16_t payload_size;
	uint16_t attempts, message_id;
	uint16_t nkept; /* of its attempts, those that are remembered */
	uint32_t twin; /* the lookup of the same name's other address type that was made with it */
	uint64_t twin_id;
	uint64_t previous_id, parent_id;
	uint64_t cookie; /* of the socket of the first attempt */
	uint32_t server_tgid;
	uint32_t query_size, wasted;
	struct who_asks who;
	char server_comm[TAPIO_COMM_LEN];
	struct endpoint client, server, nat; /* nat: where NAT sent the last one to; family 0: nowhere else */
	struct tapio_address servers[SERVERS_MAX];
	struct dns_question question; /* last: of a short name the rest is not copied */
};

enum attempt_kind {
	ATTEMPT_SENT,    /* by its client */
	ATTEMPT_SERVED,  /* the same message, where its server got it; the lookup is the client's */
	ATTEMPT_RECEIVED /* by a server, from a client that is not seen */
};

struct attempt {
	uint64_t cookie;
	uint32_t by_socket, by_peer; /* hashes */
	struct link sockets, peers;
	uint32_t lookup, next; /* next: of the same lookup */
	uint32_t server_tgid;  /* SERVED and RECEIVED */
	uint16_t id;
	uint8_t kind;
	uint64_t netns; /* 0: unknown */
	struct endpoint client; /* SENT: source of the packet; else who asks */
};

/*
 * Items by hash; more than one may have the same. Their links lie in the items. Which chain a hash has depends on a seed:
 * to make another's chain long takes hashes that are equal in all 32 bits, not in those of the mask alone.
 */
struct index {
	uint32_t *heads;
	uint32_t mask;
	uint64_t seed;
	char *links;   /* that of the first item */
	size_t stride; /* from one to the next */
};

#define QUOTAS 1024

struct lookups {
	struct lookup *lookup;
	struct attempt *attempt;
	uint32_t max, attempts_max;
	uint32_t free_lookup, free_attempt;
	uint32_t lookups_used, attempts_used; /* so many were ever taken */
	/* By socket and id; by client's address, or by the server's process, and question; by who asks and name: lookups_named. */
	struct index sockets, peers, names;
	struct {
		uint32_t oldest, newest, n;
	} waiting, ended;
	uint32_t quota[QUOTAS]; /* those waiting, by a hash of whose they are */
	uint32_t attempt_quota[QUOTAS]; /* the attempts of those */
	uint64_t made, refused;
};

/* Which cgroup's, of QUOTAS. */
uint16_t lookups_quota(uint64_t cgroup_id, uint64_t legacy_cgroup_id);

/* 0 or -ENOMEM. */
int lookups_open(struct lookups *t, unsigned max);
void lookups_close(struct lookups *t);

/*
 * A new one that waits, the fields that find it filled in by the caller's `like`. NONE: there is no room, or its cgroup
 * has a quarter of all already, or more than is left; that is counted.
 */
uint32_t lookups_add(struct lookups *t, const struct lookup *like);

/*
 * One more attempt at a lookup that waits. It has ATTEMPTS_KEPT at most, and fewer if its cgroup has an eighth of all: then
 * the oldest one of its kind gives way. So do lookups that ended. NONE: there is no room; that is counted.
 */
uint32_t lookups_attempt(struct lookups *t, uint32_t lookup, const struct attempt *like);

/* It was asked again: it waits as long as if it were new. */
void lookups_renew(struct lookups *t, uint32_t lookup, uint64_t now_ns);

/* It waits no longer, but is remembered for a while. */
void lookups_end(struct lookups *t, uint32_t lookup, enum lookup_state state, uint64_t now_ns);

void lookups_forget(struct lookups *t, uint32_t lookup);

/* ---- hashes ---- */

/* Under what a lookup that waits, or one that ended, is found by its name. */
static inline uint32_t lookups_named(uint32_t name_hash, bool waits)
{
	return waits ? name_hash : ~name_hash;
}

/* The finalizer of splitmix64. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a + 0x9e3779b97f4a7c15ull + b * 0xff51afd7ed558ccdull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t hash_endpoint(const struct endpoint *e);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);
bool address_same(const struct tapio_address *a, const struct tapio_address *b);
bool question_same(const struct dns_question *a, const struct dns_question *b);

/*
 * What was entered last comes first. So many are looked at: a process that asks for the same name without end, or always
 * with the same id, makes a long chain, in which what is looked for stands in front.
 */
#define CHAIN_MAX 32

static inline struct link *index_link(const struct index *x, uint32_t item)
{
	return (struct link *)(void *)(x->links + item * x->stride);
}

static inline uint32_t *index_head(const struct index *x, uint32_t hash)
{
	return &x->heads[hash_mix(hash, x->seed) & x->mask];
}

/* It will be looked for soon. */
static inline void index_fetch(const struct index *x, uint32_t hash)
{
	__builtin_prefetch(index_head(x, hash), 1);
}

/* The first item of that hash's chain, and the next one; NONE at the end. Others may be among them. */
static inline uint32_t index_first(const struct index *x, uint32_t hash)
{
	return *index_head(x, hash);
}

static inline uint32_t index_next(const struct index *x, uint32_t item)
{
	return index_link(x, item)->next;
}

/* for (CHAIN(i, &t->sockets, hash)) */
#define CHAIN(i, index, hash)                                                                      \
	uint32_t i = index_first(index, hash), left_ = CHAIN_MAX; i != NONE && left_;              \
	i = index_next(index, i), left_--

#endif

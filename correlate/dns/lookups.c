/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/lookups.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/clock.h"

#define ENDED_MAX(t) ((t)->max / 2) /* remembered after their end */

/* ---- memory ---- */

/* Zeroed, and not resident until it is touched. */
static void *take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void give(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

static size_t heads_of(uint32_t items)
{
	size_t n = 64;

	while (n < items)
		n *= 2;
	return n;
}

static int index_open(struct index *x, uint32_t items, void *links, size_t stride)
{
	size_t heads = heads_of(items);

	if (getrandom(&x->seed, sizeof(x->seed), GRND_NONBLOCK) != sizeof(x->seed))
		x->seed = clock_ns(CLOCK_MONOTONIC); /* early in the boot */
	x->links = links;
	x->stride = stride;
	x->heads = take(heads * sizeof(uint32_t));
	if (!x->heads)
		return -ENOMEM;
	memset(x->heads, 0xff, heads * sizeof(uint32_t));
	x->mask = (uint32_t)heads - 1;
	return 0;
}

static void index_close(struct index *x, uint32_t items)
{
	give(x->heads, heads_of(items) * sizeof(uint32_t));
}

static void index_add(struct index *x, uint32_t hash, uint32_t item)
{
	uint32_t *head = index_head(x, hash);

	*index_link(x, item) = (struct link){ .next = *head, .prev = NONE };
	if (*head != NONE)
		index_link(x, *head)->prev = item;
	*head = item;
}

static void index_del(struct index *x, uint32_t hash, uint32_t item)
{
	const struct link *link = index_link(x, item);

	if (link->prev == NONE)
		*index_head(x, hash) = link->next;
	else
		index_link(x, link->prev)->next = link->next;
	if (link->next != NONE)
		index_link(x, link->next)->prev = link->prev;
}

int lookups_open(struct lookups *t, unsigned max)
{
	int err;

	memset(t, 0, sizeof(*t));
	t->max = max;
	t->attempts_max = 2 * max; /* a client's and its server's */
	t->free_lookup = t->free_attempt = NONE;
	t->waiting.oldest = t->waiting.newest = t->ended.oldest = t->ended.newest = NONE;
	t->lookup = take(t->max * sizeof(*t->lookup));
	t->attempt = take(t->attempts_max * sizeof(*t->attempt));
	err = t->lookup && t->attempt ? 0 : -ENOMEM;
	if (!err)
		err = index_open(&t->sockets, t->attempts_max, &t->attempt->sockets, sizeof(*t->attempt));
	if (!err)
		err = index_open(&t->peers, t->attempts_max, &t->attempt->peers, sizeof(*t->attempt));
	if (!err)
		err = index_open(&t->names, t->max, &t->lookup->names, sizeof(*t->lookup));
	if (err) {
		lookups_close(t);
		return err;
	}
	return 0;
}

void lookups_close(struct lookups *t)
{
	give(t->lookup, t->max * sizeof(*t->lookup));
	give(t->attempt, t->attempts_max * sizeof(*t->attempt));
	index_close(&t->sockets, t->attempts_max);
	index_close(&t->peers, t->attempts_max);
	index_close(&t->names, t->max);
	memset(t, 0, sizeof(*t));
}

/* ---- hashes ---- */

uint64_t hash_endpoint(const struct endpoint *e)
{
	uint64_t half[2];

	memcpy(half, e->address.octets, sizeof(half));
	return hash_mix(half[0] ^ e->port, half[1]);
}

bool address_same(const struct tapio_address *a, const struct tapio_address *b)
{
	return a->family == b->family && !memcmp(a->octets, b->octets, sizeof(a->octets));
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_same(&a->address, &b->address);
}

bool question_same(const struct dns_question *a, const struct dns_question *b)
{
	return a->type == b->type && a->class == b->class && dns_name_same(&a->name, &b->name);
}

/* ---- lists ---- */

#define UNLINK(t, list, i)                                                                         \
	do {                                                                                       \
		struct lookup *l_ = &(t)->lookup[i];                                               \
		if (l_->older != NONE)                                                             \
			(t)->lookup[l_->older].newer = l_->newer;                                  \
		else                                                                               \
			(t)->list.oldest = l_->newer;                                              \
		if (l_->newer != NONE)                                                             \
			(t)->lookup[l_->newer].older = l_->older;                                  \
		else                                                                               \
			(t)->list.newest = l_->older;                                              \
		(t)->list.n--;                                                                     \
	} while (0)

#define APPEND(t, list, i)                                                                         \
	do {                                                                                       \
		struct lookup *l_ = &(t)->lookup[i];                                               \
		l_->older = (t)->list.newest;                                                      \
		l_->newer = NONE;                                                                  \
		if (l_->older != NONE)                                                             \
			(t)->lookup[l_->older].newer = i;                                          \
		else                                                                               \
			(t)->list.oldest = i;                                                      \
		(t)->list.newest = i;                                                              \
		(t)->list.n++;                                                                     \
	} while (0)

/* ---- lookups ---- */

uint16_t lookups_quota(uint64_t cgroup_id, uint64_t legacy_cgroup_id)
{
	return (uint16_t)(hash_mix(cgroup_id, legacy_cgroup_id) % QUOTAS);
}

/* Those that were freed last come first: little memory is touched. */
static uint32_t take_lookup(struct lookups *t)
{
	uint32_t i = t->free_lookup;

	if (i != NONE) {
		t->free_lookup = t->lookup[i].newer;
		return i;
	}
	if (t->lookups_used < t->max)
		return t->lookups_used++;
	i = t->ended.oldest;
	if (i == NONE)
		return NONE;
	lookups_forget(t, i);
	t->free_lookup = t->lookup[i].newer;
	return i;
}

uint32_t lookups_add(struct lookups *t, const struct lookup *like)
{
	uint16_t quota = lookups_quota(like->who.cgroup_id, like->who.legacy_cgroup_id);
	uint32_t i = NONE;

	/* Never more than is left for the others: however many cgroups take all they can, there is room for one more. */
	if (t->quota[quota] < t->max / 4 && t->quota[quota] < t->max - t->waiting.n)
		i = take_lookup(t);
	if (i == NONE) {
		t->refused++;
		return NONE;
	}
	memcpy(&t->lookup[i], like, offsetof(struct lookup, question.name.wire) + like->question.name.length);
	t->lookup[i].id = ++t->made;
	t->lookup[i].attempt = NONE;
	t->lookup[i].nkept = 0;
	t->lookup[i].twin = NONE;
	t->lookup[i].quota = quota;
	t->lookup[i].state = LOOKUP_WAITS;
	t->quota[quota]++;
	APPEND(t, waiting, i);
	index_add(&t->names, lookups_named(like->name_hash, true), i);
	return i;
}

static uint32_t take_attempt(struct lookups *t)
{
	uint32_t i = t->free_attempt;

	if (i != NONE)
		t->free_attempt = t->attempt[i].next;
	else if (t->attempts_used < t->attempts_max)
		i = t->attempts_used++;
	return i;
}

static void free_attempt(struct lookups *t, uint32_t i)
{
	struct attempt *a = &t->attempt[i];

	index_del(&t->sockets, a->by_socket, i);
	index_del(&t->peers, a->by_peer, i);
	a->next = t->free_attempt;
	t->free_attempt = i;
}

/* Forgets the oldest one of that kind, if there is one: lists have the newest first. */
static void drop_attempt(struct lookups *t, struct lookup *l, uint8_t kind)
{
	uint32_t *oldest = NULL, i;

	for (uint32_t *at = &l->attempt; *at != NONE; at = &t->attempt[*at].next)
		if (t->attempt[*at].kind == kind)
			oldest = at;
	if (!oldest)
		return;
	i = *oldest;
	*oldest = t->attempt[i].next;
	free_attempt(t, i);
	l->nkept--;
	t->attempt_quota[l->quota]--;
}

uint32_t lookups_attempt(struct lookups *t, uint32_t lookup, const struct attempt *like)
{
	struct lookup *l = &t->lookup[lookup];
	uint32_t i;

	if (l->nkept >= ATTEMPTS_KEPT || t->attempt_quota[l->quota] >= t->attempts_max / 8)
		drop_attempt(t, l, like->kind);
	while ((i = take_attempt(t)) == NONE && t->ended.oldest != NONE)
		lookups_forget(t, t->ended.oldest);
	if (i == NONE) {
		t->refused++;
		return NONE;
	}
	t->attempt[i] = *like;
	t->attempt[i].lookup = lookup;
	t->attempt[i].next = l->attempt;
	l->attempt = i;
	l->nkept++;
	t->attempt_quota[l->quota]++;
	index_add(&t->sockets, like->by_socket, i);
	index_add(&t->peers, like->by_peer, i);
	return i;
}

void lookups_renew(struct lookups *t, uint32_t lookup, uint64_t now_ns)
{
	t->lookup[lookup].last_ns = now_ns;
	UNLINK(t, waiting, lookup);
	APPEND(t, waiting, lookup);
}

/* The next one to be forgotten, and that behind it: they were not touched for long. */
static void fetch_oldest(const struct lookups *t)
{
	const struct lookup *l = t->ended.n > ENDED_MAX(t) / 2 ? &t->lookup[t->ended.oldest] : NULL;

	if (!l)
		return;
	if (l->attempt != NONE)
		__builtin_prefetch(&t->attempt[l->attempt], 1);
	if (l->newer != NONE)
		__builtin_prefetch(&t->lookup[l->newer], 1);
}

void lookups_end(struct lookups *t, uint32_t lookup, enum lookup_state state, uint64_t now_ns)
{
	struct lookup *l = &t->lookup[lookup];

	UNLINK(t, waiting, lookup);
	t->quota[l->quota]--;
	t->attempt_quota[l->quota] -= l->nkept;
	index_del(&t->names, lookups_named(l->name_hash, true), lookup);
	index_add(&t->names, lookups_named(l->name_hash, false), lookup);
	l->state = (uint8_t)state;
	l->ended_ns = now_ns;
	APPEND(t, ended, lookup);
	if (t->ended.n > ENDED_MAX(t))
		lookups_forget(t, t->ended.oldest);
	fetch_oldest(t);
}

static void free_attempts(struct lookups *t, struct lookup *l)
{
	uint32_t next;

	for (uint32_t i = l->attempt; i != NONE; i = next) {
		next = t->attempt[i].next;
		free_attempt(t, i);
	}
	l->attempt = NONE;
}

void lookups_forget(struct lookups *t, uint32_t lookup)
{
	struct lookup *l = &t->lookup[lookup];
	bool waits = l->state == LOOKUP_WAITS;

	if (waits) {
		UNLINK(t, waiting, lookup);
		t->quota[l->quota]--;
		t->attempt_quota[l->quota] -= l->nkept;
	} else {
		UNLINK(t, ended, lookup);
	}
	free_attempts(t, l);
	index_del(&t->names, lookups_named(l->name_hash, waits), lookup);
	l->state = LOOKUP_FREE;
	l->newer = t->free_lookup;
	t->free_lookup = lookup;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

static uint32_t heads_of(uint32_t max)
{
	uint32_t n = 16;

	while (n < max)
		n *= 2;
	return n;
}

int top_open(struct top *t, uint32_t max, size_t size, uint64_t keep_ns)
{
	memset(t, 0, sizeof(*t));
	t->size = size;
	t->max = max;
	t->keep_ns = keep_ns;
	t->mask = heads_of(max) - 1;
	/* calloc of much: from the kernel, not resident until it is used */
	t->items = calloc(max, size);
	t->rank = calloc(max, sizeof(*t->rank));
	t->heads = malloc((t->mask + 1) * sizeof(*t->heads));
	if (!t->items || !t->rank || !t->heads) {
		top_close(t);
		return -ENOMEM;
	}
	top_clear(t);
	return 0;
}

void top_close(struct top *t)
{
	free(t->items);
	free(t->rank);
	free(t->heads);
	t->items = NULL;
	t->rank = NULL;
	t->heads = NULL;
	t->n = t->max = 0;
}

void top_clear(struct top *t)
{
	memset(t->heads, 0xff, (t->mask + 1) * sizeof(*t->heads));
	t->n = 0;
	t->displaced = 0;
	t->floor = 0;
	t->cursor = 0;
}

static struct top_item *item_at(const struct top *t, uint32_t i)
{
	return top_at(t, i);
}

static uint32_t find(const struct top *t, uint64_t hash, const void *key)
{
	uint32_t i = t->heads[hash & t->mask];

	while (i != NOBODY && (item_at(t, i)->hash != hash || !t->same(item_at(t, i), key)))
		i = item_at(t, i)->next;
	return i;
}

static void unlink_item(struct top *t, uint32_t i)
{
	uint32_t *at = &t->heads[item_at(t, i)->hash & t->mask];

	while (*at != i)
		at = &item_at(t, *at)->next;
	*at = item_at(t, i)->next;
}

static uint32_t least(const struct top *t)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < t->n; i++)
		if (t->rank[i] < t->rank[best])
			best = i;
	return best;
}

/* As least, in few steps when most are equal: each value of the floor takes one walk over all. */
static uint32_t next_least(struct top *t)
{
	while (t->cursor < t->n && t->rank[t->cursor] > t->floor)
		t->cursor++;
	if (t->cursor == t->n) {
		t->cursor = least(t);
		t->floor = t->rank[t->cursor];
	}
	return t->cursor;
}

/* A place for something new, its rank that of what was there. NOBODY: none. */
static uint32_t make_place(struct top *t, uint64_t now_ns)
{
	uint32_t i;

	if (t->n < t->max) {
		t->rank[t->n] = 0;
		return t->n++;
	}
	if (!t->max)
		return NOBODY;
	i = t->keep_ns ? least(t) : next_least(t);
	if (t->keep_ns && (now_ns < t->rank[i] || now_ns - t->rank[i] < t->keep_ns))
		return NOBODY;
	t->leaves(t->arg, item_at(t, i));
	unlink_item(t, i);
	t->displaced++;
	return i;
}

static uint32_t begin(struct top *t, uint64_t hash, uint64_t now_ns)
{
	uint32_t i = make_place(t, now_ns), *head = &t->heads[hash & t->mask];
	struct top_item *item;

	if (i == NOBODY)
		return i;
	item = item_at(t, i);
	memset(item, 0, t->size);
	item->hash = hash;
	item->error = t->keep_ns ? 0 : t->rank[i];
	item->next = *head;
	*head = i;
	return i;
}

void *top_count(struct top *t, uint64_t hash, const void *key, uint64_t now_ns, bool *ret_new)
{
	uint32_t i = find(t, hash, key);

	*ret_new = i == NOBODY;
	if (i == NOBODY)
		i = begin(t, hash, now_ns);
	if (i == NOBODY)
		return NULL;
	t->rank[i] = t->keep_ns ? now_ns : t->rank[i] + 1;
	return item_at(t, i);
}

uint64_t top_error(const struct top *t)
{
	return t->displaced && t->n ? t->rank[least(t)] : 0;
}

static void insert(const void **list, uint32_t n, const void *item, int (*before)(const void *, const void *))
{
	while (n && before(item, list[n - 1]) < 0) {
		list[n] = list[n - 1];
		n--;
	}
	list[n] = item;
}

uint32_t top_sort(const struct top *t, const void **ret, uint32_t max, int (*before)(const void *, const void *))
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n && max; i++) {
		if (n == max && before(top_at(t, i), ret[n - 1]) >= 0)
			continue;
		n -= n == max;
		insert(ret, n++, top_at(t, i), before);
	}
	return n;
}

uint64_t top_memory(uint32_t max, size_t size)
{
	return max * (size + sizeof(uint64_t)) + heads_of(max) * sizeof(uint32_t);
}

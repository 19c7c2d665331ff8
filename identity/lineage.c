/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/lineage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *bucket_of(const struct lineage *l, uint32_t tgid)
{
	return &l->buckets[tgid * 0x9e3779b1u >> 16 & (LINEAGE_MAX - 1)];
}

int lineage_open(struct lineage *l)
{
	memset(l, 0, sizeof(*l));
	l->table = calloc(LINEAGE_MAX, sizeof(*l->table));
	l->buckets = calloc(LINEAGE_MAX, sizeof(*l->buckets));
	if (l->table && l->buckets)
		return 0;
	lineage_close(l);
	return -ENOMEM;
}

void lineage_close(struct lineage *l)
{
	free(l->table);
	free(l->buckets);
	memset(l, 0, sizeof(*l));
}

struct process *lineage_find(const struct lineage *l, uint32_t tgid)
{
	for (uint32_t n = *bucket_of(l, tgid); n; n = l->table[n - 1].next)
		if (l->table[n - 1].tgid == tgid)
			return &l->table[n - 1];
	return NULL;
}

static void chain_take(struct lineage *l, const struct process *p)
{
	uint32_t number = (uint32_t)(p - l->table) + 1, *at = bucket_of(l, p->tgid);

	while (*at != number)
		at = &l->table[*at - 1].next;
	*at = p->next;
}

/* A place that nobody needs: the process in it ended, and longest ago. */
static struct process *oldest_ended(struct lineage *l)
{
	struct process *p;

	while (l->first_ended) {
		p = &l->table[l->first_ended - 1];
		l->first_ended = p->after;
		if (!l->first_ended)
			l->last_ended = 0;
		p->after = 0;
		if (p->ended) { /* else its number was used again: it lives in the same place */
			chain_take(l, p);
			return p;
		}
	}
	return NULL;
}

struct process *lineage_add(struct lineage *l, uint32_t tgid)
{
	struct process *p = lineage_find(l, tgid);
	uint32_t after = 0, *bucket;

	if (p) {
		after = p->after;
		chain_take(l, p);
	} else if (l->used < LINEAGE_MAX) {
		p = &l->table[l->used++];
	} else {
		p = oldest_ended(l);
	}
	if (!p) {
		l->refused++;
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	p->tgid = tgid;
	p->after = after;
	bucket = bucket_of(l, tgid);
	p->next = *bucket;
	*bucket = (uint32_t)(p - l->table) + 1;
	return p;
}

/* Already in the list when its number was used again after it had ended: then once is enough. */
static bool listed(const struct lineage *l, const struct process *p)
{
	return p->after || l->last_ended == (uint32_t)(p - l->table) + 1;
}

void lineage_ended(struct lineage *l, uint32_t tgid)
{
	struct process *p = lineage_find(l, tgid);

	if (!p || p->ended)
		return;
	p->ended = true;
	if (listed(l, p))
		return;
	if (l->last_ended)
		l->table[l->last_ended - 1].after = (uint32_t)(p - l->table) + 1;
	else
		l->first_ended = (uint32_t)(p - l->table) + 1;
	l->last_ended = (uint32_t)(p - l->table) + 1;
}

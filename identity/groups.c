/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIVING, REMOVED };

static uint32_t number_of(const struct groups *g, const struct group *group)
{
	return (uint32_t)(group - g->table) + 1;
}

static uint32_t *bucket_of(const struct groups *g, uint32_t hierarchy, uint64_t id)
{
	uint64_t h = (id ^ (uint64_t)hierarchy << 56) * 0x9e3779b97f4a7c15ull;

	return &g->buckets[h >> 32 & (g->nbuckets - 1)];
}

/* ---- the two lists, oldest first ---- */

static void list_take(struct groups *g, struct group *group)
{
	unsigned list = group->removed ? REMOVED : LIVING;

	if (group->older)
		g->table[group->older - 1].newer = group->newer;
	else
		g->oldest[list] = group->newer;
	if (group->newer)
		g->table[group->newer - 1].older = group->older;
	else
		g->newest[list] = group->older;
}

static void list_append(struct groups *g, struct group *group)
{
	unsigned list = group->removed ? REMOVED : LIVING;

	group->older = g->newest[list];
	group->newer = 0;
	if (group->older)
		g->table[group->older - 1].newer = number_of(g, group);
	else
		g->oldest[list] = number_of(g, group);
	g->newest[list] = number_of(g, group);
}

/* ---- places ---- */

static void chain_take(struct groups *g, const struct group *group)
{
	uint32_t *at = bucket_of(g, group->hierarchy, group->id), number = number_of(g, group);

	while (*at != number)
		at = &g->table[*at - 1].next;
	*at = group->next;
}

/* Takes a group out; its place is free and keeps its generation. */
static struct group *place_empty(struct groups *g, struct group *group)
{
	uint32_t generation = group->generation;

	chain_take(g, group);
	list_take(g, group);
	*(group->removed ? &g->removed : &g->living) -= 1;
	g->forget(group, g->arg);
	memset(group, 0, sizeof(*group));
	group->generation = generation + 1;
	return group;
}

/* The longest dead, then the living one that nobody has asked for longest. NULL: there is none. */
static struct group *next_to_go(struct groups *g)
{
	uint32_t number = g->oldest[REMOVED] ? g->oldest[REMOVED] : g->oldest[LIVING];

	return number ? &g->table[number - 1] : NULL;
}

static struct group *evict(struct groups *g, struct group *group)
{
	*(group->removed ? &g->evicted_removed : &g->evicted) += 1;
	return place_empty(g, group);
}

static struct group *place_find(struct groups *g)
{
	struct group *place;

	if (g->free) {
		place = &g->table[g->free - 1];
		g->free = place->next;
		place->next = 0;
		return place;
	}
	return g->used < g->max ? &g->table[g->used++] : evict(g, next_to_go(g));
}

bool groups_evict_other(struct groups *g, const struct group *keep)
{
	struct group *group = next_to_go(g);

	if (!group || group == keep)
		return false;
	evict(g, group)->next = g->free;
	g->free = number_of(g, group);
	return true;
}

static struct group *lookup(const struct groups *g, uint32_t hierarchy, uint64_t id)
{
	for (uint32_t n = *bucket_of(g, hierarchy, id); n; n = g->table[n - 1].next) {
		struct group *group = &g->table[n - 1];

		if (group->id == id && group->hierarchy == hierarchy)
			return group;
	}
	return NULL;
}

/* ---- */

int groups_open(struct groups *g, uint32_t max, void (*forget)(struct group *group, void *arg), void *arg)
{
	memset(g, 0, sizeof(*g));
	g->max = max < 16 ? 16 : max;
	g->forget = forget;
	g->arg = arg;
	for (g->nbuckets = 16; g->nbuckets < g->max;)
		g->nbuckets *= 2;
	g->table = calloc(g->max, sizeof(*g->table));
	g->buckets = calloc(g->nbuckets, sizeof(*g->buckets));
	if (g->table && g->buckets)
		return 0;
	groups_close(g);
	return -ENOMEM;
}

void groups_close(struct groups *g)
{
	for (uint32_t i = 0; g->table && i < g->used; i++)
		if (g->table[i].used)
			g->forget(&g->table[i], g->arg);
	free(g->table);
	free(g->buckets);
	memset(g, 0, sizeof(*g));
}

struct group *groups_find(struct groups *g, uint32_t hierarchy, uint64_t id)
{
	struct group *group = lookup(g, hierarchy, id);

	if (group && !group->removed && g->newest[LIVING] != number_of(g, group)) {
		list_take(g, group);
		list_append(g, group);
	}
	return group;
}

struct group *groups_add(struct groups *g, uint32_t hierarchy, uint64_t id)
{
	struct group *group = lookup(g, hierarchy, id);
	uint32_t *bucket;

	group = group ? place_empty(g, group) : place_find(g);
	group->used = true;
	g->living++;
	group->id = id;
	group->hierarchy = hierarchy;
	bucket = bucket_of(g, hierarchy, id);
	group->next = *bucket;
	*bucket = number_of(g, group);
	list_append(g, group);
	return group;
}

void groups_remove(struct groups *g, struct group *group)
{
	if (group->removed)
		return;
	list_take(g, group);
	group->removed = true;
	g->living--;
	g->removed++;
	list_append(g, group);
}

struct group_ref groups_ref(const struct groups *g, const struct group *group)
{
	if (!group)
		return (struct group_ref){ 0, 0 };
	return (struct group_ref){ number_of(g, group), group->generation };
}

struct group *groups_at(const struct groups *g, struct group_ref ref)
{
	struct group *group = ref.index ? &g->table[ref.index - 1] : NULL;

	return group && group->used && group->generation == ref.generation ? group : NULL;
}

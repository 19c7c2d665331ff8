/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most frequent of more things than there is memory for.
 *
 * Without keep_ns it is the space-saving algorithm (Metwally, Agrawal, El Abbadi 2005): when all places are taken, a new
 * thing takes the place of the least frequent one, and with it its count as an error. With n places and N things counted,
 * rank - error <= the true count <= rank, no error is above N / n, and whatever came more often than N / n times has a
 * place. Nothing is estimated before the places are all taken: then all errors are 0.
 *
 * With keep_ns a place becomes free only when its thing did not come for so long; until then what is new finds no
 * place. That is for series of metrics, which must not come and go.
 */
#ifndef CORRELATE_DNS_TOP_H
#define CORRELATE_DNS_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins each item; the caller's structure follows. */
struct top_item {
	uint64_t hash;
	uint64_t error; /* how many may have come before it had its place */
	uint32_t next;
	uint32_t pad;
};

struct top {
	char *items;
	size_t size; /* of one, with its struct top_item */
	uint32_t max, n, mask;
	uint32_t *heads;
	uint64_t *rank; /* how often it came, or with keep_ns when it came last */
	uint64_t floor; /* no rank is below: without keep_ns they only rise */
	uint32_t cursor; /* all before it are above the floor */
	uint64_t keep_ns;
	uint64_t displaced; /* things that lost their place */
	bool (*same)(const void *item, const void *key);
	/* Called before a place is given to another. */
	void (*leaves)(void *arg, const void *item);
	void *arg;
};

/* `max` items of `size` bytes. The callbacks are set by the caller. 0 or -ENOMEM. */
int top_open(struct top *t, uint32_t max, size_t size, uint64_t keep_ns);
void top_close(struct top *t);
void top_clear(struct top *t);

/*
 * It came once more. Its item, of which all behind struct top_item is zero if *ret_new: the caller puts the key there.
 * NULL: there is no place.
 */
void *top_count(struct top *t, uint64_t hash, const void *key, uint64_t now_ns, bool *ret_new);

static inline void *top_at(const struct top *t, uint32_t i)
{
	return t->items + i * t->size;
}

/* How often it came at most: without keep_ns. */
static inline uint64_t top_rank(const struct top *t, const void *item)
{
	return t->rank[(size_t)((const char *)item - t->items) / t->size];
}

/* The largest error of all, and so of what has no place: without keep_ns. */
uint64_t top_error(const struct top *t);

/* Items in the order of `before`, at most `max`; returns how many. */
uint32_t top_sort(const struct top *t, const void **ret, uint32_t max, int (*before)(const void *, const void *));

/* What it takes, in bytes. */
uint64_t top_memory(uint32_t max, size_t size);

#endif

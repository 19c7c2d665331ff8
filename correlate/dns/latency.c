/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/latency.h"

const uint64_t latency_bounds_ns[LATENCY_BOUNDS] = {
	250000,	   500000,    1000000,	  2500000,    5000000,	  10000000,   25000000,
	50000000, 100000000, 250000000, 500000000, 1000000000, 5000000000,
};

static unsigned bucket_of(uint64_t ns)
{
	unsigned octave, bucket;

	if (ns < 1u << LATENCY_MIN_SHIFT)
		return 0;
	octave = 63 - (unsigned)__builtin_clzll(ns);
	bucket = 1 + (octave - LATENCY_MIN_SHIFT) * 16 + (unsigned)(ns >> (octave - 4) & 15);
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t bucket_ns(unsigned bucket)
{
	unsigned octave;

	if (!bucket)
		return 1u << (LATENCY_MIN_SHIFT - 1);
	octave = (bucket - 1) / 16 + LATENCY_MIN_SHIFT;
	return (1ull << octave) + ((bucket - 1) % 16 * 2 + 1) * (1ull << (octave - 5));
}

void latency_add(struct latency *l, uint64_t ns)
{
	unsigned bound = 0;
	uint32_t *bucket = &l->bucket[bucket_of(ns)];

	while (bound < LATENCY_BOUNDS && ns > latency_bounds_ns[bound])
		bound++;
	l->bound[bound]++;
	*bucket += *bucket < UINT32_MAX;
	l->n++;
	l->sum_ns += ns;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

void latency_merge(struct latency *l, const struct latency *from)
{
	for (unsigned i = 0; i <= LATENCY_BOUNDS; i++)
		l->bound[i] += from->bound[i];
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		uint64_t sum = (uint64_t)l->bucket[i] + from->bucket[i];

		l->bucket[i] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
	}
	l->n += from->n;
	l->sum_ns += from->sum_ns;
	if (from->max_ns > l->max_ns)
		l->max_ns = from->max_ns;
}

uint64_t latency_percentile(const struct latency *l, unsigned per_mille)
{
	uint64_t total = 0, seen = 0, rank;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		total += l->bucket[i];
	rank = (total * per_mille + 999) / 1000;
	for (unsigned i = 0; total && i < LATENCY_BUCKETS; i++) {
		seen += l->bucket[i];
		if (seen >= rank && seen) /* of the last bucket, and of a single one, the longest is known */
			return bucket_ns(i) < l->max_ns && i != LATENCY_BUCKETS - 1 ? bucket_ns(i) : l->max_ns;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of times: 16 buckets to each power of two, so that a percentile read from it is wrong by at most
 * LATENCY_ERROR_PERCENT, and beside it the exact counts of a few round bounds, as Prometheus wants them.
 */
#ifndef CORRELATE_DNS_LATENCY_H
#define CORRELATE_DNS_LATENCY_H

#include <stdint.h>

/* A bucket is 1/16 of its lower bound wide, and its middle is told: 1/32. */
#define LATENCY_ERROR_PERCENT 3.2

#define LATENCY_MIN_SHIFT 10 /* below 1,024 ns all is one bucket */
#define LATENCY_OCTAVES 28   /* up to 2^38 ns, 275 s; what is longer is told as the longest */
#define LATENCY_BUCKETS (LATENCY_OCTAVES * 16 + 1)

#define LATENCY_BOUNDS 13
extern const uint64_t latency_bounds_ns[LATENCY_BOUNDS];

struct latency {
	uint64_t n, sum_ns, max_ns;
	uint64_t bound[LATENCY_BOUNDS + 1]; /* not more than that bound and more than the one before; last: more than all */
	uint32_t bucket[LATENCY_BUCKETS];   /* stay at their maximum */
};

void latency_add(struct latency *l, uint64_t ns);

/* All of `from` too. */
void latency_merge(struct latency *l, const struct latency *from);

/* The smallest time that `per_mille` of all do not exceed, within the error; 0: none was added. */
uint64_t latency_percentile(const struct latency *l, unsigned per_mille);

#endif

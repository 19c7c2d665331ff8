/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* What to add to a time of one clock to get the other's. Changes at a step or a suspend. */
static inline int64_t clock_offset_ns(clockid_t to, clockid_t from)
{
	uint64_t before = clock_ns(from), there = clock_ns(to), after = clock_ns(from);

	return (int64_t)(there - (before + (after - before) / 2));
}

#endif

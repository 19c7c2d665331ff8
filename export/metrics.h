/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text, in the two forms that Prometheus reads: OpenMetrics 1.0, and the text format
 * 0.0.4 for whoever does not ask for the first.
 *
 *	metrics_begin(&m, &out, metrics_negotiate(accept));
 *	metrics_family(&m, "tapio_events", METRICS_COUNTER, NULL, "events read from the rings");
 *	metrics_u64(&m, 42, "sensor", "process", NULL);
 *	metrics_family(&m, "tapio_cpu_seconds", METRICS_COUNTER, "seconds", "CPU time of the agent");
 *	metrics_ns(&m, 1500000000, NULL);
 *	err = metrics_end(&m);
 *
 * Names are written without the suffix that the type asks for: _total, _info, _bucket, ... are added. Numbers
 * are exact. Label values may be any bytes: they are escaped and made valid UTF-8.
 *
 * Nothing is allocated but the buffer, up to its maximum. A mistake of the caller (a sample before a
 * family, a name that the format does not allow, a family begun twice) leaves out what is wrong, and
 * metrics_end tells of the first one; tests call it with everything that the agent publishes.
 */
#ifndef EXPORT_METRICS_H
#define EXPORT_METRICS_H

#include <stdint.h>
#include "base/buf.h"

#define METRICS_FAMILIES_MAX 128
#define METRICS_LABELS_MAX 8

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };
enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_INFO, METRICS_HISTOGRAM };

struct metrics {
	struct buf *out;
	enum metrics_format format;
	enum metrics_type type;  /* of the current family */
	const char *families[METRICS_FAMILIES_MAX]; /* begun so far, the current one last */
	unsigned nfamilies;
	const char *misuse; /* what the caller did wrong first, NULL: nothing */
};

/* What a client that sends this Accept header is to get; NULL: it sent none. */
enum metrics_format metrics_negotiate(const char *accept);
const char *metrics_content_type(enum metrics_format format);

void metrics_begin(struct metrics *m, struct buf *out, enum metrics_format format);

/*
 * Begins a family; its samples follow. `name` must stay valid until metrics_end. `unit` in full
 * ("seconds", "bytes"; NULL: none) must also be the end of the name.
 */
void metrics_family(struct metrics *m, const char *name, enum metrics_type type, const char *unit,
		    const char *help);

/*
 * One sample of the current family: a value, then label names and values in pairs, then NULL. A label
 * with the value NULL or "" is left out, which is the same to a reader. An info's value is 1.
 */
void metrics_u64(struct metrics *m, uint64_t value, ...) __attribute__((sentinel));
void metrics_s64(struct metrics *m, int64_t value, ...) __attribute__((sentinel)); /* gauges only */
void metrics_ns(struct metrics *m, uint64_t ns, ...) __attribute__((sentinel));    /* as seconds */

/* Times: `n` bounds, and n + 1 counts: of what is not more than its bound and more than the one before; of all else. */
struct metrics_times {
	const uint64_t *bounds_ns, *counts;
	unsigned n;
	uint64_t sum_ns;
};

/* All samples of one histogram: its buckets, which Prometheus wants cumulative, its sum and count. In seconds. */
void metrics_histogram(struct metrics *m, const struct metrics_times *times, ...) __attribute__((sentinel));

/*
 * When the counter with these labels began at 0, in nanoseconds of CLOCK_REALTIME; after its sample.
 * The text format has no place for it.
 */
void metrics_created(struct metrics *m, uint64_t wall_ns, ...) __attribute__((sentinel));

/*
 * Ends the page. 0, -ENOBUFS if the buffer was too small for it: it is not to be sent then, or
 * -EINVAL after a mistake of the caller, which m->misuse tells.
 */
int metrics_end(struct metrics *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes records out of all rings, oldest first, and decides when to sleep.
 *
 * Wake-ups are what an agent pays for (docs/FIGURES.md), so they are not per record. While records
 * come, the reader polls every READER_POLL_MS and is woken early only when a ring passes its
 * watermark. When none came for READER_QUIET_MS it declares itself asleep and blocks: the next
 * record wakes it at once. One look in between catches the record whose producer had read the
 * mark just before it was set.
 */
#ifndef COLLECT_READER_H
#define COLLECT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/transport.h"

#define READER_POLL_MS 20
#define READER_QUIET_MS 1000
#define READER_HELD_MS 2 /* until a held record is given again, unless the owner knows better */

/*
 * Records are merged by time over all rings. A record is committed a little after its time stamp
 * was taken, so the youngest ones wait for the next turn; less long once a queue is a quarter full, or a
 * wake-up at the watermark would find nothing that may be taken.
 */
#define READER_WINDOW_NS 2000000ull
#define READER_WINDOW_BEHIND_NS 100000ull

/*
 * Called for each record; ts_boot_ns is its time on the boot clock. Non-zero stops the drain;
 * -EAGAIN: and the record was not taken, but is to come again, before any other.
 */
typedef int record_fn(void *arg, const void *data, size_t size, uint64_t ts_boot_ns);

struct reader {
	struct transport *transport;
	void *scratch;
	uint64_t last_record_ns; /* CLOCK_MONOTONIC */
	bool asleep;             /* as the producers were told */
	bool looked;             /* once more since then */
	bool held;               /* the last drain ended at a record that is to come again */
	struct queue *held_in;   /* whose head that record is */
};

int reader_open(struct reader *r, struct transport *t);
void reader_close(struct reader *r);

/*
 * Gives what is there to fn. `all`: also the youngest. Returns the number of records taken, or what fn
 * returned if that was negative and not -EAGAIN.
 */
long reader_drain(struct reader *r, bool all, record_fn *fn, void *arg);

/* How long to wait for transport->epoll_fd before the next drain, in ms; -1: until it is readable. */
int reader_timeout(struct reader *r);

/* The epoll descriptor became readable. */
void reader_woken(struct reader *r);

/* Records that only the kernel's perf buffers counted as lost. */
uint64_t reader_perf_lost(const struct reader *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

int reader_open(struct reader *r, struct transport *t)
{
	memset(r, 0, sizeof(*r));
	r->transport = t;
	r->scratch = aligned_alloc(64, QUEUE_SCRATCH);
	r->last_record_ns = clock_ns(CLOCK_MONOTONIC);
	return r->scratch ? 0 : -ENOMEM;
}

void reader_close(struct reader *r)
{
	free(r->scratch);
	r->scratch = NULL;
}

/* A record that was given already comes before all: who held it knows it by that. */
static struct queue *held(struct reader *r, int64_t mono_to_boot, uint64_t *ret_ts_ns)
{
	struct queue *q = r->held ? r->held_in : NULL;
	uint16_t flags;

	r->held = false;
	if (!q || !queue_peek(q, ret_ts_ns, &flags))
		return NULL;
	if (flags & TAPIO_F_MONOTONIC)
		*ret_ts_ns += (uint64_t)mono_to_boot;
	return q;
}

/* The queue whose head is the oldest record before `until`, NULL if there is none. */
static struct queue *oldest(struct transport *t, uint64_t until, int64_t mono_to_boot, uint64_t *ret_ts_ns)
{
	struct queue *found = NULL;
	uint64_t best = until;

	for (unsigned i = 0; i < t->nqueues; i++) {
		uint64_t ts;
		uint16_t flags;

		if (!queue_peek(&t->queues[i], &ts, &flags))
			continue;
		if (flags & TAPIO_F_MONOTONIC)
			ts += (uint64_t)mono_to_boot;
		if (ts < best) {
			best = ts;
			found = &t->queues[i];
		}
	}
	*ret_ts_ns = best;
	return found;
}

/* Room is handed back in steps, not per record: the producer's cache line is shared. */
#define RELEASE_EVERY 64

static void release_all(struct transport *t)
{
	for (unsigned i = 0; i < t->nqueues; i++)
		queue_release(&t->queues[i]);
}

/* A queue that fills quickly leaves no time to wait for stragglers. */
static uint64_t window_ns(const struct transport *t)
{
	for (unsigned i = 0; i < t->nqueues; i++)
		if (queue_fill(&t->queues[i]) > t->queues[i].data_bytes / 4)
			return READER_WINDOW_BEHIND_NS;
	return READER_WINDOW_NS;
}

long reader_drain(struct reader *r, bool all, record_fn *fn, void *arg)
{
	struct transport *t = r->transport;
	int64_t mono_to_boot = clock_offset_ns(CLOCK_BOOTTIME, CLOCK_MONOTONIC);
	uint64_t until = all ? UINT64_MAX : clock_ns(CLOCK_BOOTTIME) - window_ns(t), ts;
	struct queue *q;
	long n = 0;
	int err = 0;

	while (!err && ((q = held(r, mono_to_boot, &ts)) || (q = oldest(t, until, mono_to_boot, &ts)))) {
		uint64_t position = q->position;
		struct piece piece = queue_take(q, r->scratch);

		err = fn(arg, piece.data, piece.size, ts);
		if (err == -EAGAIN) {
			q->position = position;
			r->held = true;
			r->held_in = q;
			break;
		}
		if (++n % RELEASE_EVERY == 0)
			release_all(t);
	}
	release_all(t);
	if (n) {
		r->last_record_ns = clock_ns(CLOCK_MONOTONIC);
		/* A watermark that was passed while we were already here woke nobody: its mark goes too. */
		if (!r->asleep)
			transport_set_awake(t);
	}
	return err < 0 && !r->held ? err : n;
}

static bool any_waiting(const struct transport *t)
{
	for (unsigned i = 0; i < t->nqueues; i++)
		if (queue_fill(&t->queues[i]))
			return true;
	return false;
}

int reader_timeout(struct reader *r)
{
	uint64_t quiet_ms = (clock_ns(CLOCK_MONOTONIC) - r->last_record_ns) / NS_PER_MS;

	if (r->held)
		return READER_HELD_MS;
	if (any_waiting(r->transport) || quiet_ms < READER_QUIET_MS) {
		if (r->asleep) {
			transport_set_awake(r->transport);
			r->asleep = false;
		}
		return READER_POLL_MS;
	}
	if (!r->asleep) {
		if (transport_set_asleep(r->transport, true))
			return READER_POLL_MS;
		r->asleep = true;
		r->looked = false;
		return READER_POLL_MS;
	}
	if (!r->looked) {
		r->looked = true;
		return READER_QUIET_MS;
	}
	return -1;
}

void reader_woken(struct reader *r)
{
	struct epoll_event events[16];

	/* Edge-triggered: taking them is what acknowledges them. */
	while (epoll_wait(r->transport->epoll_fd, events, 16, 0) == 16)
		;
	transport_set_awake(r->transport);
	r->asleep = false;
	r->last_record_ns = clock_ns(CLOCK_MONOTONIC);
}

uint64_t reader_perf_lost(const struct reader *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->transport->nqueues; i++)
		if (!r->transport->queues[i].bell)
			sum += r->transport->queues[i].perf_lost;
	return sum;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of BPF ring buffers and of perf buffers, one record at a time.
 *
 * Both are FIFOs of records that begin with struct tapio_event. queue_peek says whether there is
 * a record and when it happened; queue_take gives it; queue_release hands the room of what was
 * taken back to the kernel, so it is called once per batch. What comes out is hostile input: only
 * its size is known to be true.
 */
#ifndef COLLECT_RING_H
#define COLLECT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
	int fd;          /* of the ring map or perf event; becomes readable at a wake-up. Owned if perf */
	bool perf;
	bool bell;       /* carries no records, only wakes */
	uint8_t ring;    /* enum tapio_ring */
	unsigned cpu;    /* perf only */
	void *pages;     /* the consumer's page, or perf's page and its data */
	void *produced;  /* the producer's page and the data, mapped twice in a row (not perf) */
	size_t pages_bytes;
	void *data;
	size_t data_bytes; /* a power of two */
	uint64_t position; /* what was taken */
	uint64_t released; /* what the kernel knows of that */
	uint64_t perf_lost; /* records that the kernel said it dropped (perf only) */
};

struct piece {
	const void *data; /* aligned to 8 bytes; valid until the next take, or release */
	size_t size;
};

/* A ring buffer map. 0 or a negative errno. The map stays the caller's. */
int queue_open_ring(struct queue *q, int map_fd, uint8_t ring);

/*
 * A perf buffer of `bytes` (a power of two of pages) on one CPU, entered into the perf event
 * array at index `cpu`. Wakes its reader at half of it; a bell with each.
 */
int queue_open_perf(struct queue *q, int map_fd, uint8_t ring, unsigned cpu, size_t bytes, bool bell);

void queue_close(struct queue *q);

/* True, and the time stamp of the next record as the producer wrote it, if there is one. */
bool queue_peek(struct queue *q, uint64_t *ret_ts_ns, uint16_t *ret_flags);

/*
 * The record that queue_peek announced. `scratch` (QUEUE_SCRATCH bytes, aligned to 8) serves
 * records that do not lie in one piece.
 */
#define QUEUE_SCRATCH 65536
struct piece queue_take(struct queue *q, void *scratch);

void queue_release(struct queue *q);

/* Bytes that wait to be taken. */
size_t queue_fill(const struct queue *q);

#endif

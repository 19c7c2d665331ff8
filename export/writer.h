/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the thread behind a queue puts lines: a file, a pipe, and what is to come. May block.
 */
#ifndef EXPORT_WRITER_H
#define EXPORT_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct writer {
	/*
	 * Writes n bytes, whole lines. 0, or a negative errno; *ret_written is set in both cases: how
	 * many bytes, whole lines again, are there to stay. The rest is given once more or dropped,
	 * and what was left behind of a line must not spoil the next one. -ECANCELED: the queue is
	 * being closed and the deadline has passed.
	 */
	int (*write)(struct writer *writer, const char *data, size_t n, size_t *ret_written);
	/* Frees it. Flushes nothing. */
	void (*close)(struct writer *writer);

	/* Set by the queue. */
	int stop_fd;          /* becomes readable when the queue is being closed */
	uint64_t deadline_ns; /* then: until when to go on, CLOCK_MONOTONIC; 0 before. Atomic */
};

/*
 * Blocks until fd is likely to take something, or until the deadline of a queue that is being
 * closed. 0, -ECANCELED, or a negative errno.
 */
int writer_wait(const struct writer *writer, int fd);

/* The length of the whole lines at the start of n bytes. */
size_t writer_lines(const char *data, size_t n);

#endif

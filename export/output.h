/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffered output to a descriptor, for sinks that write to a terminal, a file or a pipe.
 *
 * The descriptor is borrowed and never closed. It may block. SIGPIPE is the program's to ignore.
 */
#ifndef EXPORT_OUTPUT_H
#define EXPORT_OUTPUT_H

#include "base/buf.h"

/* A sink writes by itself from this many bytes on; below, it waits for flush. */
#define OUTPUT_FULL_BYTES 65536u

/*
 * What one buffer may hold: OUTPUT_FULL_BYTES and the largest event. The tail of a record is
 * 32 KiB, a byte of it becomes 6 at most, and a hostile record may name it in each of its fields.
 */
#define OUTPUT_MAX_BYTES (4u << 20)

struct output {
	struct buf buf; /* not yet written */
	int fd;
};

/* 0 or -ENOMEM. */
int output_init(struct output *o, int fd);

/*
 * Writes what is buffered. 0, or a negative errno: -EPIPE when the reader left; -EINTR when a
 * signal came first: nothing is lost, the next call continues where this one stopped, and the
 * caller looks in between whether it is to stop.
 */
int output_flush(struct output *o);

/*
 * To be called after each event was added: flushes a full buffer. Errors as output_flush, and
 * -ENOBUFS if the event was refused, which takes megabytes left over by interrupted writes.
 */
int output_added(struct output *o);

/*
 * Frees the buffer after writing what the reader takes without making us wait long: after a
 * signal the reader may be the one that hangs.
 */
void output_close(struct output *o);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of the agent's socket (stream.h), for `tapio trace --attach` and `tapio status`.
 * Plain blocking code: nothing else happens in these programs.
 */
#ifndef EXPORT_ATTACH_H
#define EXPORT_ATTACH_H

#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define ATTACH_DEFAULT_PATH "/run/tapio/tapio.sock"

/*
 * Connects to the agent at `path` and sends the line, which has no newline. A descriptor, or a
 * negative errno and in `why` what failed and what to do.
 */
int attach_open(const char *path, const char *line, char *why, size_t size);

enum attach_end {
	ATTACH_ENDED,       /* the agent closed: it was asked for no more, or it stopped */
	ATTACH_STOPPED,     /* stop_fd became readable */
	ATTACH_TIME,        /* the time is over */
	ATTACH_READER_LEFT, /* nobody reads out_fd any more */
};

struct attach_options {
	int out_fd;
	int stop_fd;      /* ends it when it becomes readable: an eventfd that a signal handler writes; -1: none */
	uint64_t time_ns; /* 0: no limit */
};

/*
 * Copies what comes to out_fd until one of the ends above. 0, or a negative errno: -EREMOTEIO when the
 * agent answered with an error, which is in `why` as it came; else reading or writing failed. A
 * reader of out_fd that is slow is waited for, and neither that wait nor a signal holds up the end.
 */
int attach_copy(int fd, const struct attach_options *options, enum attach_end *ret_end, char *why, size_t size);

/* Reads the whole answer, at most what `ret` may hold, for at most timeout_ms. Errors as attach_copy. */
int attach_read(int fd, unsigned timeout_ms, struct buf *ret, char *why, size_t size);

#endif

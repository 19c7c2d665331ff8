/* SPDX-License-Identifier: Apache-2.0 */
#include "export/writer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"

/* Milliseconds to wait at most, rounded up; -1: for ever. -ECANCELED is another negative number. */
static int wait_ms(const struct writer *writer)
{
	uint64_t deadline = __atomic_load_n(&writer->deadline_ns, __ATOMIC_ACQUIRE), now;

	if (!deadline)
		return -1;
	now = clock_ns(CLOCK_MONOTONIC);
	return now < deadline ? (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS) : -ECANCELED;
}

int writer_wait(const struct writer *writer, int fd)
{
	struct pollfd pfds[2] = { { .fd = fd, .events = POLLOUT },
				  { .fd = writer->stop_fd, .events = POLLIN } };
	int ms, n;

	for (;;) {
		ms = wait_ms(writer);
		if (ms == -ECANCELED)
			return ms;
		/* once told to stop, stop_fd stays readable: the deadline is what is left to wait for */
		n = poll(pfds, ms < 0 ? 2 : 1, ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && (pfds[0].revents & POLLNVAL))
			return -EBADF;
		if (n > 0 && pfds[0].revents)
			return 0; /* of errors, write tells which */
	}
}

size_t writer_lines(const char *data, size_t n)
{
	const char *last = memrchr(data, '\n', n);

	return last ? (size_t)(last - data) + 1 : 0;
}

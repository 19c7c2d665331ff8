/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_READ_H
#define BASE_READ_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

/* Reads up to `max` bytes, or to the end. Their number, or a negative errno. */
static inline ssize_t read_up_to(int fd, char *data, size_t max)
{
	size_t length = 0;

	while (length < max) {
		ssize_t n = read(fd, data + length, max - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

#endif

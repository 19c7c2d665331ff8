/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a configuration: read whole, never waited for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/read.h"
#include "cli/config.h"

static int fail(const char *name, int err, const char *what, char *why, size_t size)
{
	snprintf(why, size, "%s: %s", name, what);
	return err;
}

/* A FIFO or a device could keep the agent waiting, at a reload with all its sinks. */
static int open_regular(const char *path, char *why, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return fail(path, err, strerror(-err), why, size);
	}
	if (S_ISREG(st.st_mode))
		return fd;
	close(fd);
	if (S_ISDIR(st.st_mode))
		return fail(path, -EISDIR, "a directory: a file is wanted", why, size);
	return fail(path, -EINVAL, "not a regular file: a file is wanted, or - for standard input", why, size);
}

int config_read(const char *path, struct config *ret, char *why, size_t size)
{
	bool standard_input = !strcmp(path, "-");
	const char *name = standard_input ? "standard input" : path;
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 1);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (!text)
		return fail(name, -ENOMEM, "out of memory", why, size);
	if (!standard_input) {
		fd = open_regular(path, why, size);
		if (fd < 0)
			return fd;
	}
	n = read_up_to(standard_input ? STDIN_FILENO : fd, text, CONFIG_FILE_MAX + 1);
	if (n < 0)
		return fail(name, (int)n, strerror((int)-n), why, size);
	return config_parse(name, text, (size_t)n, ret, why, size);
}

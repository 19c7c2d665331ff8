/* SPDX-License-Identifier: Apache-2.0 */
#include "export/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/output.h"

#define MOVED_CHECK_NS NS_PER_S

enum { SUFFIX_MAX = 12 };

struct file {
	struct writer writer;
	char *path;
	char *from, *to; /* room for PATH.N */
	size_t name_max;
	uint64_t max_bytes;
	unsigned keep;
	int fd; /* -1: to be opened again */
	dev_t dev;
	ino_t ino;
	uint64_t size;
	uint64_t checked_ns;
	bool torn; /* its last line lacks its end */
};

/* ---- opening ---- */

#define EVENT_BEGINS "{\"time\":\""

/*
 * How much of the file to keep: all but half an event at its end, which somebody who was killed has
 * left, and which is lost like those that he did not come to write. What is not an event stays.
 */
static off_t file_whole(int fd, off_t size)
{
	off_t from = size > OUTPUT_MAX_BYTES ? size - OUTPUT_MAX_BYTES : 0;
	_cleanup_free_ char *tail = malloc(OUTPUT_MAX_BYTES);
	ssize_t n = tail ? pread(fd, tail, OUTPUT_MAX_BYTES, from) : 0;
	const char *newline = n > 0 ? memrchr(tail, '\n', (size_t)n) : NULL;
	off_t start = newline ? newline + 1 - tail : 0;
	size_t length = n > start ? (size_t)(n - start) : 0;
	bool event = length >= strlen(EVENT_BEGINS) && !memcmp(tail + start, EVENT_BEGINS, strlen(EVENT_BEGINS));

	return event && from + n == size ? from + start : size;
}

static int file_cut(int fd, off_t *size)
{
	off_t whole = file_whole(fd, *size);

	if (whole < *size && ftruncate(fd, whole))
		return -errno;
	*size = whole;
	return 0;
}

/* 0, or why this is not a file to write to. */
static int file_adopt(struct file *f, int fd)
{
	char last = '\n';
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) /* some file systems have no locks */
		return -EBUSY;
	if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600))
		return -errno;
	if (st.st_size && pread(fd, &last, 1, st.st_size - 1) < 0)
		return -errno;
	err = last == '\n' ? 0 : file_cut(fd, &st.st_size);
	if (err)
		return err;
	if (st.st_size && pread(fd, &last, 1, st.st_size - 1) < 0)
		return -errno;
	f->torn = st.st_size && last != '\n';
	f->size = (uint64_t)st.st_size;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return 0;
}

static void file_forget(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static int file_open(struct file *f)
{
	/* non-blocking for a FIFO, which is refused but must be opened to be seen */
	_cleanup_close_ int fd = open(f->path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
						       O_NOCTTY | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = file_adopt(f, fd);
	if (err)
		return err;
	file_forget(f);
	f->fd = fd;
	f->checked_ns = clock_ns(CLOCK_MONOTONIC);
	fd = -1;
	return 0;
}

static bool file_moved(const struct file *f)
{
	struct stat st;

	if (fstatat(AT_FDCWD, f->path, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT;
	return st.st_dev != f->dev || st.st_ino != f->ino;
}

/* Makes fd and size true: somebody may have deleted, moved or truncated the file. */
static int file_ready(struct file *f)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct stat st;

	if (f->fd < 0)
		return file_open(f);
	if (fstat(f->fd, &st))
		return -errno;
	f->size = (uint64_t)st.st_size;
	f->torn = f->torn && f->size;
	if (st.st_nlink && now - f->checked_ns < MOVED_CHECK_NS)
		return 0;
	f->checked_ns = now;
	if (!st.st_nlink || file_moved(f))
		file_forget(f);
	return f->fd < 0 ? file_open(f) : 0;
}

/* ---- rotation ---- */

static const char *name_of(const struct file *f, unsigned i, char *buf)
{
	if (!i)
		return f->path;
	snprintf(buf, f->name_max, "%s.%u", f->path, i);
	return buf;
}

static int file_rotate(struct file *f)
{
	if (file_moved(f)) { /* somebody else has rotated it */
		file_forget(f);
		return file_open(f);
	}
	if (!f->keep && unlink(f->path))
		return -errno;
	for (unsigned i = f->keep; i; i--)
		if (rename(name_of(f, i - 1, f->from), name_of(f, i, f->to)) && errno != ENOENT)
			return -errno;
	file_forget(f);
	return file_open(f);
}

/* ---- writing ---- */

/* Appends whole lines; what is left of a line when that fails is taken back. */
static int file_append(struct file *f, const char *data, size_t n, size_t *ret_written)
{
	size_t done = 0, lines;
	int err = 0;
	ssize_t got;

	while (done < n && !err) {
		got = write(f->fd, data + done, n - done);
		if (got > 0)
			done += (size_t)got;
		else if (!got || errno != EINTR)
			err = got ? -errno : -EIO;
	}
	lines = err ? writer_lines(data, done) : n;
	if (done > lines && ftruncate(f->fd, (off_t)(f->size + lines))) {
		f->torn = true;
		f->size += done - lines;
	}
	f->size += lines;
	*ret_written = lines;
	return err;
}

/* How much of the data this file still takes; 0: it is full. */
static size_t file_room(const struct file *f, const char *data, size_t n)
{
	uint64_t used = f->size + f->torn, room = f->max_bytes > used ? f->max_bytes - used : 0;
	const char *end;

	if (!f->max_bytes || room >= n)
		return n;
	n = writer_lines(data, room);
	if (n || used)
		return n;
	end = rawmemchr(data, '\n'); /* a line for which an empty file is too small */
	return (size_t)(end - data) + 1;
}

static int file_mend(struct file *f)
{
	size_t ignored;
	int err;

	if (!f->torn)
		return 0;
	err = file_append(f, "\n", 1, &ignored);
	f->torn = err != 0;
	return err;
}

static int file_write(struct writer *writer, const char *data, size_t n, size_t *ret_written)
{
	struct file *f = (struct file *)writer;
	size_t done = 0, room, put = 0;
	int err = file_ready(f);

	while (!err && done < n) {
		room = file_room(f, data + done, n - done);
		put = 0;
		err = room ? file_mend(f) : file_rotate(f);
		if (room && !err)
			err = file_append(f, data + done, room, &put);
		done += put;
	}
	*ret_written = done;
	return err;
}

static void file_close(struct writer *writer)
{
	struct file *f = (struct file *)writer;

	if (!f)
		return;
	file_forget(f);
	free(f->path);
	free(f->from);
	free(f->to);
	free(f);
}

/* ---- setting up ---- */

static int make_directory(const char *path, char *why, size_t size)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int err;

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	err = mkdir(dir, 0700) ? -errno : 0;
	if (!err || err == -EEXIST)
		return 0;
	snprintf(why, size, "%s: its directory %s cannot be made: %s", path, dir,
		 err == -ENOENT ? "the parent is missing; create it" : strerror(-err));
	return err;
}

static const char *reason(int err)
{
	switch (err) {
	case -ELOOP:
		return "a symbolic link, which is not followed; name the file itself";
	case -EINVAL:
	case -EISDIR:
	case -ENXIO:
		return "not a regular file; name another one";
	case -EBUSY:
		return "another process writes to it; stop it or name another file";
	default:
		return strerror(-err);
	}
}

static struct file *file_new(const struct file_options *opts)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->writer = (struct writer){ .write = file_write, .close = file_close, .stop_fd = -1 };
	f->fd = -1;
	f->max_bytes = opts->max_bytes;
	f->keep = opts->keep < FILE_KEEP_MAX ? opts->keep : FILE_KEEP_MAX;
	f->name_max = strlen(opts->path) + SUFFIX_MAX;
	f->path = strdup(opts->path);
	f->from = malloc(f->name_max);
	f->to = malloc(f->name_max);
	if (f->path && f->from && f->to)
		return f;
	file_close(&f->writer);
	return NULL;
}

int file_writer_open(const struct file_options *opts, char *why, size_t size, struct writer **ret)
{
	struct file *f;
	int err = make_directory(opts->path, why, size);

	if (err)
		return err;
	f = file_new(opts);
	err = f ? file_open(f) : -ENOMEM;
	if (err) {
		snprintf(why, size, "%s: cannot be written to: %s", opts->path, reason(err));
		file_close(f ? &f->writer : NULL);
		return err;
	}
	*ret = &f->writer;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer to a file of our own, rotated by size: PATH, PATH.1 (younger) … PATH.keep (oldest).
 *
 * - Mode 0600, also if it was there with another one. What is no regular file, a symbolic link
 *   included, is refused, and so is a file that another process holds locked (flock): two writers
 *   would spoil each other's lines. A directory that is missing is made, mode 0700; its parent
 *   has to be there.
 * - It is appended to. No file passes max_bytes, except by a single line that is longer. Files
 *   hold whole lines: what a full disk leaves of a line is taken back, and so is half an event that
 *   a former run left when it was killed. If that fails, or if it is nothing of ours, the next line
 *   begins on a line of its own.
 * - With keep 0 a full file is deleted and begun anew: what it held is gone, and nothing counts it.
 *   Files above PATH.keep, of a time when keep was larger, are left alone.
 * - A file that was deleted, moved or replaced is noticed within a second, by the next write, and
 *   opened anew; one that was truncated is followed. No rename needs more than write permission on
 *   the directory, but that it needs: without, the file fills up and then refuses (-EACCES).
 * - fsync is never called: a crash of the machine (not of Tapio) loses what the kernel had not
 *   written back yet, some 30 s of it.
 */
#ifndef EXPORT_FILE_H
#define EXPORT_FILE_H

#include "export/writer.h"

#define FILE_KEEP_MAX 1000

struct file_options {
	const char *path;   /* absolute, or the working directory must stay */
	uint64_t max_bytes; /* of one file; 0: no limit */
	unsigned keep;      /* up to FILE_KEEP_MAX */
};

/*
 * 0 and *ret, or a negative errno and in `why` one line for people that names the path. Options are
 * copied.
 */
int file_writer_open(const struct file_options *opts, char *why, size_t size, struct writer **ret);

#endif

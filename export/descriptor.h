/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer to a descriptor that somebody gave us: stdout, which is a pipe, a terminal, a socket or
 * a file.
 *
 * The descriptor is borrowed: its flags, which other processes share, are not changed. Pipes and
 * terminals are opened once more, without blocking, where /proc allows that; elsewhere as much is
 * written as they take without blocking. So closing does not hang on a reader that hangs. Lines
 * go into a pipe in whole pieces of at most PIPE_BUF bytes, so that none is cut when we leave;
 * one that is longer than that can be. A file is appended to as it is: it is not rotated and not
 * rolled back (export/file.h does both).
 */
#ifndef EXPORT_DESCRIPTOR_H
#define EXPORT_DESCRIPTOR_H

#include "export/writer.h"

/* NULL: no memory. */
struct writer *descriptor_writer_open(int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracepoints by name: their ids and where their fields lie. Uses the mounted tracefs, or a
 * private one that nobody else sees.
 */
#ifndef COLLECT_TRACEFS_H
#define COLLECT_TRACEFS_H

#include <stddef.h>

/* A descriptor of tracefs' root, kept open until the process ends; negative errno if not to be had. */
int tracefs_dir(void);

/* Why the last tracefs_dir failed, for people. */
const char *tracefs_why(void);

/* What this process had to do with it so far: which privileges it needs follows from that. */
enum tracefs_use { TRACEFS_NOT_ASKED, TRACEFS_MOUNTED, TRACEFS_NOT_MOUNTED };
enum tracefs_use tracefs_use(void);

/* The id of "sched/sched_process_exec" for perf_event_open; negative errno, -ENOENT if unknown. */
int tracepoint_id(const char *name);

/* The text of a tracepoint's `format` file, NUL-terminated. 0 or a negative errno. */
int tracepoint_format(const char *name, char *buf, size_t size);

/* Offset and size in bytes of a field in a `format` text; -ENOENT if it has none of that name. */
int format_field(const char *format, const char *field, int *ret_size);

/*
 * Runs a classic tracepoint program's perf event: opens one for the tracepoint on an online CPU
 * (it serves all). A descriptor or a negative errno.
 */
int tracepoint_perf_open(const char *name);

#endif

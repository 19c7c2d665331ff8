/* SPDX-License-Identifier: Apache-2.0 */
/* What `tapio trace` was asked for, with programs of its own or from the agent that runs. */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include "cli/watch.h"

struct trace {
	struct run_options run;
	struct watch_options options;
	uint64_t named_events;
	uint64_t count, time_ns;
	bool table, wide, no_color;
	const char *attach; /* the agent's socket; NULL: load programs of our own */
	struct watch watch;
};

/*
 * Copies what the agent sends for this request to stdout, until stop_fd becomes readable. The status to
 * exit with.
 */
int trace_attached(const struct trace *t, int stop_fd);

#endif

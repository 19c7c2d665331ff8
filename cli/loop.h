/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the commands that watch in the foreground, `tapio trace`, `dns` and `top`: signals, time, the end. */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/watch.h"

struct loop_options {
	uint64_t time_ns;  /* ends after so long; 0: when a signal comes */
	uint64_t every_ns; /* how often `every` is called; 0: never */
	int (*every)(void *arg); /* 0, or a negative errno that ends the loop */
	int key_fd;              /* calls `key` when it is readable; -1: none */
	bool (*key)(void *arg);  /* false ends the loop */
	void *arg;
};

/*
 * Starts the sensors for `tapio COMMAND`: checks of the host, signals, announcement. STATUS_OK, and watch_close is the
 * caller's; else what to exit with, after a message.
 */
int loop_open(struct watch *w, const struct watch_options *options, const char *command);

/* SIGINT, SIGTERM and SIGALRM make this readable, and end the loop. 0 or a negative errno. */
int loop_catch_signals(void);
int loop_stop_fd(void);

/* Until a signal, the time, pipeline.limit or a sink ends it. 0, or a negative errno: -EPIPE if stdout was closed. */
int loop_run(struct watch *w, const struct loop_options *options);

/* Afterwards: detaches the programs, and gives the sinks what is still in the rings and the exact losses. */
void loop_finish(struct watch *w, const char *command);

/* "N events, M lost, K refused [...]" to stderr. */
void loop_sums(const struct watch *w);

#endif

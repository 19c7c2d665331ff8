/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's Unix socket: its status, and events as they happen, for root and for the user that the
 * agent runs as. Event contents leave the agent by its sinks and by this socket only, never by HTTP.
 *
 * A client sends one line (stream_request.h) within 5 s. `status` is answered with one line of JSON;
 * `events` with events until the client leaves or has as many as it asked for. What the agent cannot
 * do is answered with a line "error: WHAT: WHY". Then the agent closes.
 *
 * A client that reads too slowly delays nobody: when more than STREAM_BACKLOG_MAX bytes wait for it,
 * further events are dropped and counted until half of that is free again; then it gets a tapio.lost
 * line per sensor with the cause sink_full (or what the agent itself had lost meanwhile) and how many.
 *
 * All functions are called on the thread of the event loop. The process ignores SIGPIPE.
 */
#ifndef EXPORT_STREAM_H
#define EXPORT_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "event/sink.h"

#define STREAM_CLIENTS_MAX 16
#define STREAM_BACKLOG_MAX (1u << 20) /* bytes that wait for one client */
#define STREAM_STATUS_MAX (1u << 20)  /* bytes of a status */
#define STREAM_TIMEOUT_MS 5000        /* for a client's line to arrive, for a last answer to leave */

struct event_base;
struct stream_server;

struct stream_options {
	const char *path;
	/* Appends the status as one JSON object without a newline. 0, or a negative errno for an error line. */
	int (*status)(void *arg, struct buf *out);
	void *arg;
	unsigned timeout_ms;      /* 0: STREAM_TIMEOUT_MS */
	size_t backlog_max_bytes; /* 0: STREAM_BACKLOG_MAX */
};

struct stream_stats {
	unsigned clients;   /* connected now */
	unsigned attached;  /* of them, those that get events */
	uint64_t accepted;  /* connections */
	uint64_t refused;   /* connections above STREAM_CLIENTS_MAX */
	uint64_t denied;    /* connections of other users */
	uint64_t errors;    /* lines that were answered with an error */
	uint64_t timeouts;  /* connections that were closed because the client was too slow */
	uint64_t accept_failures;
};

/* NULL, and in `why` what failed and what to do. */
struct stream_server *stream_open(struct event_base *base, const struct stream_options *options, char *why,
				  size_t size);

/*
 * The sink that feeds the clients; part of the server, and of no use after stream_close. Its own
 * close does nothing. write and flush never fail; without clients they cost a comparison. Its
 * statistics count an event once per client that it was for.
 */
struct event_sink *stream_sink(struct stream_server *server);

void stream_stats(const struct stream_server *server, struct stream_stats *ret);

/* Closes all connections at once and removes the socket's file if it is still ours. */
void stream_close(struct stream_server *server);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 server for pages that are made when they are asked for: GET and HEAD, no request
 * bodies, no TLS. It is for the loopback interface or a network that is trusted; what has to cross
 * another one goes through a proxy or mesh that adds TLS and asks who is there.
 *
 * Everything is bounded: connections, the size of a request (http_request.h), the time that a client
 * may take to send one and to take the response, the bytes that wait to be sent. A client that is
 * slow or hostile costs its own connection and nothing else: when all places are taken, the one that
 * has waited longest for its request gives way to the newcomer.
 *
 * Built on libevent's bufferevents and not on its evhttp, which in 2.1.12 has no limit for the number
 * of connections, none for the time of a whole request (one byte per second goes on for ever), spins
 * when descriptors run out, and links the resolver.
 *
 * All functions are called on the thread of the event loop. The process ignores SIGPIPE.
 */
#ifndef EXPORT_HTTP_H
#define EXPORT_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "export/http_request.h"

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_RESPONSE_MAX (1u << 20) /* bytes of one page */
#define HTTP_PENDING_MAX (8u << 20)  /* bytes of all responses that wait to be sent */
#define HTTP_TIMEOUT_MS 5000         /* for a request to arrive, a response to leave, an idle connection */

struct event_base;
struct http_server;

struct http_handler {
	const char *path;         /* "/metrics"; exactly this; NULL ends a table */
	const char *content_type; /* unless `respond` chooses another */
	/*
	 * Appends the page to `out` and returns the status, 200 or another from 200 to 599. Quick: the
	 * event loop waits for it. If `out` refuses, the client gets 500 instead. *content_type may be
	 * changed to another static string.
	 */
	int (*respond)(void *arg, const struct http_request *request, struct buf *out,
		       const char **content_type);
	void *arg;
};

struct http_options {
	const char *address;                 /* "127.0.0.1:9477", "[::1]:0": http_address_parse; NULL: none */
	const struct http_handler *handlers; /* borrowed until http_close */
	unsigned timeout_ms;                 /* 0: HTTP_TIMEOUT_MS */
	size_t response_max_bytes;           /* 0: HTTP_RESPONSE_MAX */
};

struct http_stats {
	uint64_t responses[6]; /* by the first digit of the status */
	uint64_t accepted;     /* connections */
	uint64_t refused;      /* connections that were closed because there were too many */
	uint64_t timeouts;     /* connections that were closed because the client was too slow */
	uint64_t accept_failures; /* times that no connection could be taken for want of descriptors or memory */
	unsigned connections;  /* open now */
};

/*
 * Reads a numeric address with a port, IPv6 in brackets: "0.0.0.0:9477", "[::]:9477" (that is all
 * addresses, IPv4 too). 0, or -EINVAL and in `why` what is wrong.
 */
int http_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_length, char *why,
		       size_t size);

/* NULL, and in `why` what failed and what to do. */
struct http_server *http_open(struct event_base *base, const struct http_options *options, char *why,
			      size_t size);

/* Where it listens, with the port that the kernel chose if 0 was asked for: "127.0.0.1:40123"; "" if nowhere. */
const char *http_address(const struct http_server *server);

/* Serves a connected, non-blocking stream socket and owns it: what the listening socket gives, or a test. */
void http_serve(struct http_server *server, int fd);

void http_stats(const struct http_server *server, struct http_stats *ret);

/* Closes all connections at once. */
void http_close(struct http_server *server);

#endif

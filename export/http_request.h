/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.x request, read byte by byte: no memory but its own, no I/O, and the same
 * result however the bytes are cut into pieces. Each byte is looked at once, so that a client that
 * sends them one by one costs no more than another.
 *
 * Strict where leniency lets two readers disagree (RFC 9112): a CR without LF, white space before
 * a colon, folded lines, control characters, a second Content-Length or Host, any Transfer-Encoding
 * are errors. A request has no body. A line may end in a bare LF, as people type it.
 */
#ifndef EXPORT_HTTP_REQUEST_H
#define EXPORT_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_METHOD_MAX 16   /* bytes */
#define HTTP_URI_MAX 2048    /* bytes, as sent */
#define HTTP_HEADERS_MAX 8192 /* bytes of all header lines together, their ends included */
#define HTTP_ACCEPT_MAX 1024 /* bytes of Accept that are looked at */

struct http_request {
	bool head;         /* HEAD, not GET: the body is not sent */
	bool last;         /* the client wants no other request on this connection */
	const char *path;  /* percent-decoded, begins with a slash; without the query */
	const char *query; /* as sent, without the question mark; "" if there is none */
	const char *accept; /* all Accept headers joined; NULL if there is none */
};

struct http_parser {
	struct http_request request; /* its strings lie below */
	int part;
	bool old;        /* HTTP/1.0 */
	bool has_length, has_host, has_body, has_coding;
	bool after_cr;
	size_t headers_size;
	size_t length; /* of the line so far */
	char line[HTTP_HEADERS_MAX];
	char uri[HTTP_URI_MAX + 2]; /* path NUL query NUL */
	char accept[HTTP_ACCEPT_MAX];
};

/* For the first request, and for each after one that was complete. */
void http_parser_reset(struct http_parser *p);

/*
 * Takes up to n bytes, and says in *ret_used how many. 0: the head is not complete; all bytes were
 * taken. 200: it is, in p->request, until the next reset. Else the status to refuse it with, 400 or
 * above: what follows on this connection has no meaning then, and p->request only tells `head`.
 */
int http_parser_feed(struct http_parser *p, const char *data, size_t n, size_t *ret_used);

/* Whether a request has begun. */
bool http_parser_begun(const struct http_parser *p);

#endif

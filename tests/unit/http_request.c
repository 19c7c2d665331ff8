/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http_request.h"

#include <string.h>
#include "base/cleanup.h"
#include "tests/test.h"

static struct http_parser p;

/* The result for bytes that come in pieces of that size, and how many were used. */
static int feed(const char *data, size_t n, size_t piece, size_t *ret_used)
{
	size_t used, at = 0, length;
	int status = 0;

	http_parser_reset(&p);
	while (at < n && !status) {
		length = n - at < piece ? n - at : piece;
		status = http_parser_feed(&p, data + at, length, &used);
		at += used;
		if (!status && used != length)
			return -1;
	}
	*ret_used = at;
	return status;
}

struct good {
	const char *bytes;
	const char *path, *query, *accept;
	bool head, last;
};

static const struct good good[] = {
	{ "GET / HTTP/1.1\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\n\n", "/", "", NULL, false, false },
	{ "\r\n\nGET / HTTP/1.1\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.0\r\n\r\n", "/", "", NULL, false, true },
	{ "GET / HTTP/1.9\r\n\r\n", "/", "", NULL, false, false },
	{ "HEAD /metrics?a=b&c=%00 HTTP/1.1\r\nHost: x\r\n\r\n", "/metrics", "a=b&c=%00", NULL, true, false },
	{ "GET /%6detric%73 HTTP/1.1\r\n\r\n", "/metrics", "", NULL, false, false },
	{ "GET /%2e%2E/%25%0a HTTP/1.1\r\n\r\n", "/../%\n", "", NULL, false, false },
	{ "GET http://host:1/metrics?x HTTP/1.1\r\n\r\n", "/metrics", "x", NULL, false, false },
	{ "GET HTTP://[::1] HTTP/1.1\r\n\r\n", "/", "", NULL, false, false },
	{ "GET http://a?b HTTP/1.1\r\n\r\n", "/", "b", NULL, false, false },
	{ "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\r\nContent-Length: 000 \r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\r\nconnection:\tKeep-Alive , CLOSE\r\n\r\n", "/", "", NULL, false, true },
	{ "GET / HTTP/1.1\r\nConnection: closed, not-close\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\r\nConnection:\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\r\nConnection: , ,,\r\n\r\n", "/", "", NULL, false, false },
	{ "GET / HTTP/1.1\r\nACCEPT:  a/b \t\r\nAccept: c\r\n\r\n", "/", "", "a/b,c", false, false },
	{ "GET / HTTP/1.1\r\nAccept:\r\n\r\n", "/", "", "", false, false },
	{ "GET / HTTP/1.1\r\nX: \xff\xfe: ,\"\r\n\r\n", "/", "", NULL, false, false },
};

static const struct {
	int status;
	const char *bytes;
	size_t length; /* 0: a string */
} bad[] = {
	{ 400, "GET\r\n", 0 },
	{ 400, "GET /\r\n", 0 },
	{ 400, " GET / HTTP/1.1\r\n", 0 },
	{ 400, "GET  / HTTP/1.1\r\n", 0 },
	{ 400, "GET /  HTTP/1.1\r\n", 0 },
	{ 400, "GET / HTTP/1.1 \r\n", 0 },
	{ 400, "GET / a HTTP/1.1\r\n", 0 },
	{ 400, "GET / http/1.1\r\n", 0 },
	{ 400, "GET / HTTP/1.1x\r\n", 0 },
	{ 400, "GET / HTTP/11.1\r\n", 0 },
	{ 400, "GET metrics HTTP/1.1\r\n", 0 },
	{ 400, "GET * HTTP/1.1\r\n", 0 },
	{ 400, "GET http:// HTTP/1.1\r\n", 0 },
	{ 400, "GET http:///x HTTP/1.1\r\n", 0 },
	{ 400, "GET https://a/x HTTP/1.1\r\n", 0 },
	{ 400, "GET /% HTTP/1.1\r\n", 0 },
	{ 400, "GET /%4 HTTP/1.1\r\n", 0 },
	{ 400, "GET /%4x HTTP/1.1\r\n", 0 },
	{ 400, "GET /%00 HTTP/1.1\r\n", 0 },
	{ 400, "G\xc3", 0 },
	{ 400, "GET /\x7f", 0 },
	{ 400, "GET /\t", 0 },
	{ 400, "G(T / HTTP/1.1\r\n", 0 },
	{ 400, "\0", 1 },
	{ 400, "GET /\0", 6 },
	{ 400, "GET / HTTP/1.1\r\nA: b\0", 21 },
	{ 400, "\x16", 0 }, /* how TLS begins */
	{ 400, "GETGETGETGETGETGET", 0 },
	{ 400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\rX", 0 },
	{ 400, "GET / HTTP/1.1\r\r", 0 },
	{ 400, "GET / HTTP/1.1\r\nA\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nA : b\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n: b\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n A: b\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n", 0 }, /* folded */
	{ 400, "GET / HTTP/1.1\r\nA: b\r\x0b", 0 },
	{ 400, "GET / HTTP/1.1\r\nA: \x1b", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length: +1\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length: 0x1\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length:\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: \r\n\r\n", 0 },
	{ 405, "POST / HTTP/1.1\r\n", 0 },
	{ 405, "get / HTTP/1.1\r\n", 0 },
	{ 405, "OPTIONS * HTTP/1.1\r\n", 0 },
	{ 413, "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 0 },
	{ 413, "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999999999999\r\n\r\n", 0 },
	{ 505, "GET / HTTP/2.0\r\n", 0 },
	{ 505, "PRI * HTTP/2.0\r\n", 0 },
};

static void check_good(const struct good *g, size_t piece)
{
	size_t n = strlen(g->bytes), used;
	int status = feed(g->bytes, n, piece, &used);

	CHECK(status == 200 && used == n, "%s in pieces of %zu: %d after %zu bytes", g->bytes, piece, status, used);
	if (status != 200)
		return;
	CHECK(!strcmp(p.request.path, g->path), "%s: path %s", g->bytes, p.request.path);
	CHECK(!strcmp(p.request.query, g->query), "%s: query %s", g->bytes, p.request.query);
	CHECK(p.request.accept ? g->accept && !strcmp(p.request.accept, g->accept) : !g->accept, "%s: accept %s",
	      g->bytes, p.request.accept);
	CHECK(p.request.head == g->head && p.request.last == g->last, "%s: head %d last %d", g->bytes,
	      p.request.head, p.request.last);
}

/* The same whatever the pieces; and what is cut off anywhere is not a request. */
TEST(unit, http_request_good)
{
	size_t used;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		for (size_t piece = 1; piece <= 32; piece++)
			check_good(&good[i], piece);
		for (size_t n = 0; n < strlen(good[i].bytes); n++)
			CHECK(!feed(good[i].bytes, n, 3, &used), "%s: %zu bytes are enough", good[i].bytes, n);
	}
}

TEST(unit, http_request_bad)
{
	size_t used, n;
	int status;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		n = bad[i].length ? bad[i].length : strlen(bad[i].bytes);
		for (size_t piece = 1; piece <= 32; piece++) {
			status = feed(bad[i].bytes, n, piece, &used);
			CHECK(status == bad[i].status, "%zu, %s: %d", i, bad[i].bytes, status);
			CHECK(used == n, "%zu, %s: refused at byte %zu of %zu", i, bad[i].bytes, used, n);
		}
	}
}

static size_t put(char *to, const char *before, char c, size_t n, const char *after)
{
	size_t at = strlen(before);

	memcpy(to, before, at);
	memset(to + at, c, n);
	memcpy(to + at + n, after, strlen(after));
	return at + n + strlen(after);
}

static int limit(const char *before, char c, size_t n, const char *after)
{
	static char bytes[65536];
	size_t used;

	return feed(bytes, put(bytes, before, c, n, after), 1000, &used);
}

TEST(unit, http_request_limits)
{
	static const char line[] = "GET / HTTP/1.1\r\n";
	size_t fits = HTTP_HEADERS_MAX - strlen("A:\r\n\r\n");
	int status;

	status = limit("GET /", 'a', HTTP_URI_MAX - 1, " HTTP/1.1\r\n\r\n");
	CHECK(status == 200, "a URI of the largest size: %d", status);
	CHECK(strlen(p.request.path) == HTTP_URI_MAX, "path of %zu bytes", strlen(p.request.path));
	status = limit("GET /", 'a', HTTP_URI_MAX, " HTTP/1.1\r\n\r\n");
	CHECK(status == 414, "a URI of one byte more: %d", status);
	status = limit("GET /", 'a', 60000, "");
	CHECK(status == 414, "a URI without an end: %d", status);
	status = limit("GET http://h?", 'a', HTTP_URI_MAX - 9, " HTTP/1.1\r\n\r\n");
	CHECK(status == 200 && strlen(p.request.query) == HTTP_URI_MAX - 9, "a query of the largest size: %d", status);
	status = limit("GET / HTTP/1.1\r\nA:", 'a', fits, "\r\n\r\n");
	CHECK(status == 200, "headers of the largest size: %d", status);
	status = limit("GET / HTTP/1.1\r\nA:", 'a', fits + 1, "\r\n\r\n");
	CHECK(status == 431, "headers of one byte more: %d", status);
	status = limit(line, 'a', 60000, "");
	CHECK(status == 431, "a header without an end: %d", status);
	status = limit("GET / HTTP/1.1\r\nAccept:", 'a', HTTP_ACCEPT_MAX, "\r\nAccept: b\r\n\r\n");
	CHECK(status == 200 && !strcmp(p.request.accept, "b"), "a long Accept: %d, %s", status, p.request.accept);
	status = limit("GET / HTTP/1.1\r\nAccept:", 'a', HTTP_ACCEPT_MAX - 2, "\r\nAccept: b\r\n\r\n");
	CHECK(status == 200 && strlen(p.request.accept) == HTTP_ACCEPT_MAX - 2, "an Accept that just fits: %d", status);
}

/* What comes behind a request is not touched, and is the next one. */
TEST(unit, http_request_pipelined)
{
	static const char two[] = "HEAD /a HTTP/1.1\r\nAccept: x\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
	size_t used, first = (size_t)(strstr(two, "GET /b") - two);
	int status;

	status = feed(two, sizeof(two) - 1, sizeof(two) - 1, &used);
	CHECK(status == 200 && used == first && !strcmp(p.request.path, "/a"), "%d after %zu bytes", status, used);
	CHECK(http_parser_begun(&p), "a complete request has not begun");
	http_parser_reset(&p);
	CHECK(!http_parser_begun(&p), "begun before the first byte");
	status = http_parser_feed(&p, two + first, sizeof(two) - 1 - first, &used);
	CHECK(status == 200 && !strcmp(p.request.path, "/b") && !p.request.head && !p.request.accept,
	      "the second: %d, %s", status, p.request.path);
}

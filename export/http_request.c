/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http_request.h"

#include <string.h>
#include <strings.h>
#include "export/percent.h"

enum { PART_REQUEST_LINE, PART_HEADERS };

enum { OK = 200, BAD = 400, NO_METHOD = 405, TOO_LARGE = 413, LONG_URI = 414, LONG_HEADERS = 431, OTHER_VERSION = 505 };

static const char blanks[] = " \t";

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((s[i] | 0x20) - 'a' + 0u >= 26 && s[i] - '0' + 0u >= 10 &&
		    (!s[i] || !strchr("!#$%&'*+-.^_`|~", s[i])))
			return false;
	return n != 0;
}

static bool word_is(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && !strncasecmp(s, word, n);
}

/* ---- the request line ---- */

/* "/path?query", or "http://host/path?query" as to a proxy. */
static int take_uri(struct http_parser *p, const char *uri, size_t n)
{
	static const char scheme[] = "http://";
	char *query;
	size_t skip;

	if (n > HTTP_URI_MAX)
		return LONG_URI;
	if (n >= sizeof(scheme) && !strncasecmp(uri, scheme, sizeof(scheme) - 1)) {
		uri += sizeof(scheme) - 1;
		n -= sizeof(scheme) - 1;
		for (skip = 0; skip < n && uri[skip] != '/' && uri[skip] != '?'; skip++)
			;
		if (!skip)
			return BAD;
		uri += skip;
		n -= skip;
		p->uri[0] = '/';
		skip = !n || *uri != '/';
	} else {
		if (*uri != '/')
			return BAD;
		skip = 0;
	}
	memcpy(p->uri + skip, uri, n);
	p->uri[n + skip] = '\0';
	query = strchr(p->uri, '?');
	if (query)
		*query++ = '\0';
	p->request.query = query ? query : "";
	p->request.path = p->uri;
	return percent_decode(p->uri) ? OK : BAD;
}

static int take_version(struct http_parser *p, const char *s, size_t n)
{
	if (n != 8 || memcmp(s, "HTTP/", 5) || s[6] != '.' || s[5] - '0' + 0u > 9 || s[7] - '0' + 0u > 9)
		return BAD;
	if (s[5] != '1')
		return OTHER_VERSION;
	p->old = s[7] == '0';
	p->request.last = p->old;
	return OK;
}

static int take_request_line(struct http_parser *p)
{
	const char *uri = memchr(p->line, ' ', p->length), *version, *end = p->line + p->length;
	size_t method = uri ? (size_t)(uri - p->line) : 0;
	int status;

	if (!method || !is_token(p->line, method))
		return BAD;
	p->request.head = method == 4 && !memcmp(p->line, "HEAD", 4);
	uri++;
	version = memchr(uri, ' ', (size_t)(end - uri));
	if (!version || version == uri)
		return BAD;
	status = take_version(p, version + 1, (size_t)(end - version - 1));
	if (status != OK)
		return status;
	if (!p->request.head && (method != 3 || memcmp(p->line, "GET", 3)))
		return NO_METHOD;
	return take_uri(p, uri, (size_t)(version - uri));
}

/* ---- headers ---- */

static int take_length(struct http_parser *p, const char *value, size_t n)
{
	if (p->has_length || !n)
		return BAD;
	p->has_length = true;
	for (size_t i = 0; i < n; i++) {
		if (value[i] - '0' + 0u > 9)
			return BAD;
		p->has_body = p->has_body || value[i] != '0';
	}
	return OK;
}

/* A list of words with commas between them. */
static void take_connection(struct http_parser *p, const char *value, size_t n)
{
	size_t length;

	for (; n; value += length, n -= length) {
		length = strspn(value, " \t,");
		value += length < n ? length : n;
		n -= length < n ? length : n;
		for (length = 0; length < n && value[length] != ',' && !strchr(blanks, value[length]); length++)
			;
		if (word_is(value, length, "close"))
			p->request.last = true;
	}
}

/* What has no room is not looked at: the client then gets the default. */
static void take_accept(struct http_parser *p, const char *value, size_t n)
{
	size_t have = p->request.accept ? strlen(p->accept) : 0;

	p->request.accept = p->accept;
	if (have + 1 + n >= sizeof(p->accept))
		return;
	if (have)
		p->accept[have++] = ',';
	memcpy(p->accept + have, value, n);
	p->accept[have + n] = '\0';
}

static int take_header(struct http_parser *p)
{
	const char *colon = memchr(p->line, ':', p->length), *value;
	size_t name = colon ? (size_t)(colon - p->line) : 0, n;

	if (!is_token(p->line, name))
		return BAD;
	value = colon + 1;
	n = p->length - name - 1;
	for (; n && strchr(blanks, *value); n--)
		value++;
	for (; n && strchr(blanks, value[n - 1]); n--)
		;
	if (word_is(p->line, name, "content-length"))
		return take_length(p, value, n);
	if (word_is(p->line, name, "host")) {
		if (p->has_host)
			return BAD;
		p->has_host = true;
	} else if (word_is(p->line, name, "transfer-encoding")) {
		p->has_coding = true;
	} else if (word_is(p->line, name, "connection")) {
		take_connection(p, value, n);
	} else if (word_is(p->line, name, "accept")) {
		take_accept(p, value, n);
	}
	return OK;
}

static int take_end(const struct http_parser *p)
{
	if (p->has_coding)
		return BAD;
	return p->has_body ? TOO_LARGE : OK;
}

/* ---- bytes ---- */

void http_parser_reset(struct http_parser *p)
{
	p->request = (struct http_request){ .query = "" };
	p->part = PART_REQUEST_LINE;
	p->old = p->has_length = p->has_host = p->has_body = p->has_coding = p->after_cr = false;
	p->headers_size = p->length = 0;
	p->accept[0] = '\0';
}

bool http_parser_begun(const struct http_parser *p)
{
	return p->part != PART_REQUEST_LINE || p->length;
}

/* 0 to go on. */
static int take_line(struct http_parser *p)
{
	int status;

	p->line[p->length] = '\0'; /* the limits leave room for it */
	if (p->part == PART_REQUEST_LINE) {
		if (!p->length) /* an empty line before a request is to be ignored, said RFC 2616 */
			return p->headers_size++ < 8 ? 0 : BAD;
		status = take_request_line(p);
		p->part = PART_HEADERS;
		p->headers_size = 0;
	} else if (!p->length) {
		return take_end(p);
	} else {
		status = take_header(p);
	}
	p->length = 0;
	return status == OK ? 0 : status;
}

/* Refuses as early as it can be known, so that what speaks another protocol is told at once. */
static int take_request_byte(struct http_parser *p, char c)
{
	if ((unsigned char)c < ' ' || (unsigned char)c >= 0x7f)
		return BAD;
	if (p->length > HTTP_METHOD_MAX && !memchr(p->line, ' ', HTTP_METHOD_MAX + 1))
		return BAD;
	if (p->length == HTTP_METHOD_MAX + HTTP_URI_MAX + sizeof("  HTTP/1.1") - 1)
		return LONG_URI;
	p->line[p->length++] = c;
	return 0;
}

static int take_header_byte(struct http_parser *p, char c)
{
	if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
		return BAD;
	p->line[p->length++] = c; /* there is room: a line is no longer than all headers */
	return 0;
}

static int take_byte(struct http_parser *p, char c)
{
	if (p->part == PART_HEADERS && ++p->headers_size > HTTP_HEADERS_MAX)
		return LONG_HEADERS;
	if (c == '\n') {
		p->after_cr = false;
		return take_line(p);
	}
	if (p->after_cr)
		return BAD;
	if (c == '\r') {
		p->after_cr = true;
		return 0;
	}
	return p->part == PART_HEADERS ? take_header_byte(p, c) : take_request_byte(p, c);
}

int http_parser_feed(struct http_parser *p, const char *data, size_t n, size_t *ret_used)
{
	int status = 0;
	size_t i = 0;

	while (i < n && !status)
		status = take_byte(p, data[i++]);
	*ret_used = i;
	return status;
}

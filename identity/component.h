/* SPDX-License-Identifier: Apache-2.0 */
/* The names between the slashes of a cgroup path: borrowed, not NUL-terminated, any byte but '/'. */
#ifndef IDENTITY_COMPONENT_H
#define IDENTITY_COMPONENT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "event/view.h"

/* Takes the first name off *rest; slashes that stand together count as one. False at the end. */
static inline bool component_next(struct bytes *rest, struct bytes *ret)
{
	const char *end;

	while (rest->length && *rest->data == '/') {
		rest->data++;
		rest->length--;
	}
	if (!rest->length)
		return false;
	end = memchr(rest->data, '/', rest->length);
	*ret = (struct bytes){ rest->data, end ? (size_t)(end - rest->data) : rest->length };
	rest->data += ret->length;
	rest->length -= ret->length;
	return true;
}

static inline bool bytes_are(struct bytes b, const char *text)
{
	return b.length == strlen(text) && !memcmp(b.data, text, b.length);
}

/* Takes a prefix, or a suffix, off *b if it is there and something else is too. */
static inline bool bytes_skip(struct bytes *b, const char *prefix)
{
	size_t n = strlen(prefix);

	if (b->length <= n || memcmp(b->data, prefix, n))
		return false;
	*b = (struct bytes){ b->data + n, b->length - n };
	return true;
}

static inline bool bytes_chop(struct bytes *b, const char *suffix)
{
	size_t n = strlen(suffix);

	if (b->length <= n || memcmp(b->data + b->length - n, suffix, n))
		return false;
	b->length -= n;
	return true;
}

/* From `start` to what stands just before `end`. */
static inline struct bytes bytes_between(const char *start, const char *end)
{
	return (struct bytes){ start, (size_t)(end - start) };
}

static inline bool byte_in(char c, const char *set)
{
	return c && strchr(set, c);
}

#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdef"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static inline bool bytes_only(struct bytes b, const char *set)
{
	for (size_t i = 0; i < b.length; i++)
		if (!byte_in(b.data[i], set))
			return false;
	return true;
}

#endif

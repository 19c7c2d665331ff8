/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	b->data = NULL;
	b->length = b->capacity = 0;
	b->refused = false;
}

bool buf_grow(struct buf *b, size_t n)
{
	size_t want = b->length + n, capacity = b->capacity ? b->capacity : 256;
	char *data;

	if (want < n || want > b->max)
		goto refuse;
	while (capacity < want)
		capacity *= 2;
	if (capacity > b->max)
		capacity = b->max;
	data = realloc(b->data, capacity);
	if (!data)
		goto refuse;
	b->data = data;
	b->capacity = capacity;
	return true;
refuse:
	b->refused = true;
	return false;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->capacity - b->length;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? b->data + b->length : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->refused = true;
		return;
	}
	if ((size_t)n >= room) {
		if (!buf_room(b, (size_t)n + 1))
			return;
		va_start(ap, fmt);
		n = vsnprintf(b->data + b->length, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->length += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
	if (!buf_room(b, 1))
		return "";
	b->data[b->length] = '\0';
	return b->data;
}

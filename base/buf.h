/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer with a maximum.
 *
 * It grows up to `max` bytes and then refuses: what does not fit is left out whole, `refused` is
 * set and stays set until buf_reset. So a caller appends freely and asks once at the end.
 * Zero-initialised except for max it is valid; buf_free makes it so again. Not NUL-terminated
 * until buf_cstr.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t max;
	bool refused;
};

#define BUF_INIT(max_bytes) { .max = (max_bytes) }

void buf_free(struct buf *b);

static inline void buf_reset(struct buf *b)
{
	b->length = 0;
	b->refused = false;
}

/* Makes room for n more bytes. False, with refused set, when that would pass max or memory is out. */
bool buf_grow(struct buf *b, size_t n);

/*
 * A pointer to at least n writable bytes at the end, NULL if refused. The caller writes there
 * and adds what it wrote to b->length.
 */
static inline char *buf_room(struct buf *b, size_t n)
{
	if (b->capacity - b->length < n && !buf_grow(b, n))
		return NULL;
	return b->data + b->length;
}

static inline void buf_add(struct buf *b, const void *data, size_t n)
{
	char *p = buf_room(b, n);

	if (p) {
		memcpy(p, data, n);
		b->length += n;
	}
}

static inline void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The contents as a C string: valid until the next change; "" if there is no memory for it. */
const char *buf_cstr(struct buf *b);

#define _cleanup_buf_ __attribute__((cleanup(buf_free)))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saying no: writes the reason to `why` (cut at `size` bytes, NUL included) and returns `err`, a negative
 * errno, so that `return refuse(...)` is all that a check needs.
 */
#ifndef BASE_REFUSE_H
#define BASE_REFUSE_H

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static inline int refuse(int err, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, strictly: what the Unicode standard calls well-formed, and nothing else. */
#ifndef EXPORT_UTF8_H
#define EXPORT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The code point at the start of n bytes (n > 0): returns its length, 1 to 4, or 0 if no
 * well-formed sequence starts there (overlong forms, surrogates, beyond U+10FFFF, cut short).
 */
static inline unsigned utf8_decode(const char *s, size_t n, uint32_t *ret_cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	unsigned length;
	uint32_t cp;

	if (u[0] < 0x80) {
		*ret_cp = u[0];
		return 1;
	}
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	length = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (n < length)
		return 0;
	cp = u[0] & (0x7fu >> length);
	for (unsigned i = 1; i < length; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (u[i] & 0x3f);
	}
	if (cp < least[length] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret_cp = cp;
	return length;
}

/*
 * Whether a terminal may see it: no control characters, and nothing that is invisible or changes
 * the direction of the text around it.
 */
static inline bool utf8_printable(uint32_t cp)
{
	if (cp < 0x7f)
		return cp >= 0x20;
	if (cp < 0xa0 || cp == 0xad || cp == 0x61c || cp == 0x180e || cp == 0xfeff)
		return false;
	if (cp >= 0x200b && cp <= 0x200f)
		return false;
	if (cp >= 0x2028 && cp <= 0x202e)
		return false;
	if (cp >= 0x2060 && cp <= 0x206f)
		return false;
	return !(cp >= 0xfff9 && cp <= 0xfffb) && !(cp >= 0xe0000 && cp <= 0xe0fff);
}

/* Columns that a terminal gives it, near enough: East Asian scripts and pictographs are wide. */
static inline unsigned utf8_columns(uint32_t cp)
{
	if (cp < 0x300)
		return 1;
	if (cp < 0x370)
		return 0; /* combining marks */
	if (cp < 0x1100)
		return 1;
	if (cp <= 0x115f || (cp >= 0x2e80 && cp <= 0xa4cf) || (cp >= 0xac00 && cp <= 0xd7a3))
		return 2;
	if ((cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0xfe30 && cp <= 0xfe6f))
		return 2;
	if ((cp >= 0xff00 && cp <= 0xff60) || (cp >= 0xffe0 && cp <= 0xffe6))
		return 2;
	return (cp >= 0x1f300 && cp <= 0x1faff) || (cp >= 0x20000 && cp <= 0x3fffd) ? 2 : 1;
}

#endif

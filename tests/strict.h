/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges of output: UTF-8 by the table of the Unicode standard (3-7), JSON by the grammar of
 * RFC 8259. Written apart from what they judge, and stricter than most parsers: duplicate keys,
 * raw control characters and escapes of half a surrogate pair are refused.
 */
#ifndef TESTS_STRICT_H
#define TESTS_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Length of the well-formed sequence at s, 0 if there is none. */
static inline size_t strict_utf8_char(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high, length;
	} rows[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].first_low || s[0] > rows[i].first_high)
			continue;
		if (n < rows[i].length)
			return 0;
		if (rows[i].length > 1 && (s[1] < rows[i].second_low || s[1] > rows[i].second_high))
			return 0;
		for (size_t k = 2; k < rows[i].length; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return rows[i].length;
	}
	return 0;
}

static inline bool strict_utf8(const char *s, size_t n)
{
	size_t length;

	for (; n; s += length, n -= length) {
		length = strict_utf8_char((const unsigned char *)s, n);
		if (!length)
			return false;
	}
	return true;
}

/* The code point of a well-formed sequence. */
static inline uint32_t strict_code_point(const char *s, size_t length)
{
	const unsigned char *u = (const unsigned char *)s;

	if (length == 1)
		return u[0];
	if (length == 2)
		return (u[0] - 0xc0u) * 64 + (u[1] - 0x80u);
	if (length == 3)
		return (u[0] - 0xe0u) * 4096 + (u[1] - 0x80u) * 64 + (u[2] - 0x80u);
	return (u[0] - 0xf0u) * 262144 + (u[1] - 0x80u) * 4096 + (u[2] - 0x80u) * 64 + (u[3] - 0x80u);
}

/*
 * What may steer a terminal or hide in it: control characters, those that turn the direction of
 * text, line separators, and those without any width of their own that text does not need.
 */
static inline bool strict_harmless(uint32_t cp)
{
	static const struct {
		uint32_t low, high;
	} bad[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x61c, 0x61c },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xe0001, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cp >= bad[i].low && cp <= bad[i].high)
			return false;
	return true;
}

static inline bool strict_harmless_text(const char *s, size_t n)
{
	size_t length;

	for (; n; s += length, n -= length) {
		length = strict_utf8_char((const unsigned char *)s, n);
		if (!length || !strict_harmless(strict_code_point(s, length)))
			return false;
	}
	return true;
}

/* Takes colours away; false if there is any other escape sequence, or a colour is left on. */
static inline bool strict_strip_colours(char *s)
{
	char *to = s;
	bool on = false;

	while (*s) {
		if (*s != '\x1b') {
			*to++ = *s++;
			continue;
		}
		if (*++s != '[')
			return false;
		on = *++s != '0';
		s += strspn(s, "0123456789;");
		if (*s++ != 'm')
			return false;
	}
	*to = '\0';
	return !on;
}

struct strict_json {
	const char *at, *end;
	unsigned depth;
};

static inline bool strict_json_value(struct strict_json *j);

static inline bool strict_json_is(struct strict_json *j, char c)
{
	if (j->at == j->end || *j->at != c)
		return false;
	j->at++;
	return true;
}

static inline void strict_json_space(struct strict_json *j)
{
	while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at)
		j->at++;
}

static inline bool strict_json_hex4(struct strict_json *j, unsigned *ret)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *found;

	*ret = 0;
	for (unsigned i = 0; i < 4; i++, j->at++) {
		found = j->at < j->end && *j->at ? strchr(hex, *j->at) : NULL;
		if (!found)
			return false;
		*ret = *ret * 16 + (unsigned)(found - hex < 16 ? found - hex : found - hex - 6);
	}
	return true;
}

static inline bool strict_json_escape(struct strict_json *j)
{
	unsigned high, low;

	if (j->at == j->end)
		return false;
	if (*j->at++ != 'u')
		return j->at[-1] && strchr("\"\\/bfnrt", j->at[-1]);
	if (!strict_json_hex4(j, &high) || (high >= 0xdc00 && high <= 0xdfff))
		return false;
	if (high < 0xd800 || high > 0xdbff)
		return true;
	return strict_json_is(j, '\\') && strict_json_is(j, 'u') && strict_json_hex4(j, &low) &&
	       low >= 0xdc00 && low <= 0xdfff;
}

static inline bool strict_json_string(struct strict_json *j)
{
	size_t length;

	if (!strict_json_is(j, '"'))
		return false;
	while (j->at < j->end && *j->at != '"') {
		if (*j->at == '\\') {
			j->at++;
			if (!strict_json_escape(j))
				return false;
			continue;
		}
		length = strict_utf8_char((const unsigned char *)j->at, (size_t)(j->end - j->at));
		if (!length || (unsigned char)*j->at < 0x20)
			return false;
		j->at += length;
	}
	return strict_json_is(j, '"');
}

static inline bool strict_json_digits(struct strict_json *j)
{
	const char *start = j->at;

	while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
		j->at++;
	return j->at > start;
}

static inline bool strict_json_number(struct strict_json *j)
{
	strict_json_is(j, '-');
	if (!strict_json_is(j, '0') && !strict_json_digits(j))
		return false;
	if (strict_json_is(j, '.') && !strict_json_digits(j))
		return false;
	if (!strict_json_is(j, 'e') && !strict_json_is(j, 'E'))
		return true;
	if (!strict_json_is(j, '+'))
		strict_json_is(j, '-');
	return strict_json_digits(j);
}

static inline bool strict_json_word(struct strict_json *j, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n))
		return false;
	j->at += n;
	return true;
}

static inline bool strict_json_object(struct strict_json *j)
{
	struct {
		const char *at;
		size_t length;
	} keys[128];
	unsigned n = 0;

	strict_json_space(j);
	if (strict_json_is(j, '}'))
		return true;
	do {
		strict_json_space(j);
		keys[n].at = j->at;
		if (!strict_json_string(j))
			return false;
		keys[n].length = (size_t)(j->at - keys[n].at);
		for (unsigned i = 0; i < n; i++)
			if (keys[i].length == keys[n].length &&
			    !memcmp(keys[i].at, keys[n].at, keys[n].length))
				return false;
		if (++n == 128)
			return false;
		strict_json_space(j);
		if (!strict_json_is(j, ':') || !strict_json_value(j))
			return false;
		strict_json_space(j);
	} while (strict_json_is(j, ','));
	return strict_json_is(j, '}');
}

static inline bool strict_json_array(struct strict_json *j)
{
	strict_json_space(j);
	if (strict_json_is(j, ']'))
		return true;
	do {
		if (!strict_json_value(j))
			return false;
		strict_json_space(j);
	} while (strict_json_is(j, ','));
	return strict_json_is(j, ']');
}

static inline bool strict_json_value(struct strict_json *j)
{
	bool ok;

	strict_json_space(j);
	if (j->at == j->end || j->depth > 32)
		return false;
	j->depth++;
	if (*j->at == '"')
		ok = strict_json_string(j);
	else if (*j->at == '{' || *j->at == '[')
		ok = *j->at++ == '{' ? strict_json_object(j) : strict_json_array(j);
	else if (*j->at == '-' || (*j->at >= '0' && *j->at <= '9'))
		ok = strict_json_number(j);
	else
		ok = strict_json_word(j, "true") || strict_json_word(j, "false") ||
		     strict_json_word(j, "null");
	j->depth--;
	return ok;
}

/* One JSON text, and nothing behind it but white space. */
static inline bool strict_json(const char *s, size_t n)
{
	struct strict_json j = { s, s + n, 0 };

	if (!strict_json_value(&j))
		return false;
	strict_json_space(&j);
	return j.at == j.end;
}

/* One object on one line that ends in its only newline, without raw control characters. */
static inline bool strict_json_line(const char *s, size_t n)
{
	return n > 2 && s[0] == '{' && s[n - 1] == '\n' && strict_harmless_text(s, n - 1) &&
	       strict_json(s, n);
}

#endif

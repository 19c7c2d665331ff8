/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/test.h"

TEST(unit, buf_grows_and_keeps)
{
	_cleanup_buf_ struct buf b = BUF_INIT(100000);
	char expected[32];

	for (unsigned i = 0; i < 3000; i++)
		buf_printf(&b, "%05u", i);
	CHECK(b.length == 15000 && !b.refused, "%zu bytes, refused %d", b.length, b.refused);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(expected, sizeof(expected), "%05u", i);
		CHECK(!memcmp(b.data + (size_t)i * 5, expected, 5), "entry %u changed", i);
	}
	CHECK(b.capacity <= b.max, "capacity %zu passed max", b.capacity);
}

TEST(unit, buf_refuses_past_max)
{
	_cleanup_buf_ struct buf b = BUF_INIT(10);

	buf_add(&b, "0123456789", 10);
	CHECK(!b.refused && b.length == 10, "refused what fits exactly");
	buf_addc(&b, 'x');
	CHECK(b.refused, "refused not set at %zu bytes", b.length);
	CHECK(b.length == 10 && !memcmp(b.data, "0123456789", 10), "the contents changed");
	buf_reset(&b);
	CHECK(!b.refused && !b.length, "still refusing after reset");
	buf_adds(&b, "abc");
	buf_add(&b, "12345678", 8);
	CHECK(b.refused && b.length == 3, "a part of what does not fit was added");
	buf_addc(&b, 'd');
	CHECK(b.refused && b.length == 4, "refused must stay, and what fits be added");
}

TEST(unit, buf_refuses_absurd_sizes)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1000);

	buf_adds(&b, "abc");
	CHECK(!buf_room(&b, SIZE_MAX) && b.refused, "room for SIZE_MAX");
	buf_reset(&b);
	buf_adds(&b, "abc");
	CHECK(!buf_room(&b, SIZE_MAX - 2) && b.refused, "room for a sum that wraps to 0");
	CHECK(b.length == 3 && !memcmp(b.data, "abc", 3), "the contents changed");
}

TEST(unit, buf_printf_at_the_edge)
{
	char *content = malloc(300);

	memset(content, 'a', 299);
	content[299] = '\0';
	for (size_t n = 0; n < 299; n++) {
		_cleanup_buf_ struct buf b = BUF_INIT(600);

		buf_printf(&b, "%s", content + 299 - n);
		buf_printf(&b, "%s|", content + 299 - n);
		CHECK(!b.refused && b.length == 2 * n + 1 && b.data[2 * n] == '|', "%zu: %zu bytes", n,
		      b.length);
		buf_printf(&b, "%s|", content + 299 - n);
		CHECK(b.data[b.length - 1] == '|', "%zu: the last byte is another", n);
		buf_reset(&b);
		memset(b.data, '#', b.capacity);
		buf_printf(&b, "%s|", content + 299 - (b.capacity - 1) % 299); /* leaves no room for the NUL */
		CHECK(b.data[b.length - 1] == '|', "%zu: the last byte is another", b.capacity);
	}
	struct buf small = BUF_INIT(8);

	buf_printf(&small, "%s", "12345678");
	CHECK(small.refused && !small.length, "a NUL has no room: %zu bytes", small.length);
	buf_free(&small);
	free(content);
}

TEST(unit, buf_cstr_ends_in_nul)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4);

	CHECK(!strcmp(buf_cstr(&b), ""), "empty");
	buf_adds(&b, "abc");
	CHECK(!strcmp(buf_cstr(&b), "abc"), "%s", buf_cstr(&b));
	buf_adds(&b, "d");
	CHECK(!strcmp(buf_cstr(&b), "") && b.refused, "no room for the NUL");
	buf_free(&b);
	CHECK(!b.data && !b.capacity && !b.length && b.max == 4, "free leaves it usable");
	buf_free(&b);
	buf_free(NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each compression, whole, damaged, cut off and too large. */
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/decompress.h"
#include "tests/test.h"

enum { PLAIN = 3 << 20, ROOM = PLAIN + 65536 };

/* Words and noise: compresses, but not to nothing. */
static unsigned char *make_plain(void)
{
	unsigned char *p = malloc(PLAIN);
	unsigned state = 1;

	REQUIRE(p, "no memory");
	for (size_t i = 0; i < PLAIN; i++) {
		state = state * 1103515245 + 12345;
		p[i] = i % 7 ? (unsigned char)(i / 64) : (unsigned char)(state >> 16);
	}
	return p;
}

static size_t to_gzip(const unsigned char *p, unsigned char *out)
{
	z_stream z = { .next_in = (unsigned char *)p, .avail_in = PLAIN, .next_out = out, .avail_out = ROOM };

	deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return z.total_out;
}

static size_t to_xz(const unsigned char *p, unsigned char *out)
{
	size_t n = 0;

	REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, p, PLAIN, out, &n, ROOM) == LZMA_OK, "xz");
	return n;
}

static size_t to_lzma(const unsigned char *p, unsigned char *out)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 0);
	REQUIRE(lzma_alone_encoder(&s, &options) == LZMA_OK, "lzma encoder");
	s.next_in = p, s.avail_in = PLAIN, s.next_out = out, s.avail_out = ROOM;
	REQUIRE(lzma_code(&s, LZMA_FINISH) == LZMA_STREAM_END, "lzma");
	lzma_end(&s);
	return ROOM - s.avail_out;
}

static size_t to_zstd(const unsigned char *p, unsigned char *out)
{
	return ZSTD_compress(out, ROOM, p, PLAIN, 1);
}

static size_t lz4_rest(unsigned char *out, size_t n)
{
	size_t at = 0;

	for (n -= 15; n >= 255; n -= 255)
		out[at++] = 255;
	out[at++] = (unsigned char)n;
	return at;
}

/* One block of the kernel's framing: literals, a copy of what is 64 bytes back, literals. */
static size_t to_lz4(const unsigned char *p, unsigned char *out)
{
	static const unsigned char magic[] = { 0x02, 0x21, 0x4c, 0x18 };
	size_t at = 8, size, head = 1000, copy = 0;

	memcpy(out, magic, 4);
	while (head + copy < PLAIN && p[head + copy] == p[head + copy - 64] && copy < 500)
		copy++;
	copy = copy < 4 + 15 ? 0 : copy;
	out[at++] = (unsigned char)(0xf0 | (copy ? 15 : 0));
	at += lz4_rest(out + at, copy ? head : PLAIN);
	memcpy(out + at, p, copy ? head : PLAIN);
	at += copy ? head : PLAIN;
	if (copy) {
		out[at++] = 64, out[at++] = 0;
		at += lz4_rest(out + at, copy - 4);
		out[at++] = 0xf0;
		at += lz4_rest(out + at, PLAIN - head - copy);
		memcpy(out + at, p + head + copy, PLAIN - head - copy);
		at += PLAIN - head - copy;
	}
	size = at - 8;
	out[4] = (unsigned char)size, out[5] = (unsigned char)(size >> 8), out[6] = (unsigned char)(size >> 16), out[7] = 0;
	return at;
}

static const struct {
	const char *name;
	size_t (*make)(const unsigned char *p, unsigned char *out);
} kinds[] = { { "gzip", to_gzip }, { "xz", to_xz }, { "lzma", to_lzma }, { "zstd", to_zstd }, { "lz4", to_lz4 } };

static void check_whole(const char *name, const unsigned char *packed, size_t n, const unsigned char *plain)
{
	void *out = NULL;
	size_t size = 0;
	int err = decompress(packed, n, ROOM + (8 << 20), &out, &size);

	CHECK(!err && size == PLAIN && !memcmp(out, plain, PLAIN), "%s: error %d, %zu bytes of %d", name, err, size, PLAIN);
	free(err ? NULL : out);
}

TEST(unit, decompress_each_kind)
{
	unsigned char *plain = make_plain(), *packed = malloc(ROOM * 2);

	REQUIRE(packed, "no memory");
	memset(plain + 1000, 'x', 2000); /* something for lz4 to copy */
	memset(plain + 936, 'x', 64);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t n = kinds[i].make(plain, packed), size = 0;
		void *out = NULL;
		int err;

		CHECK(compression_of(packed, n) && !strcmp(compression_of(packed, n), kinds[i].name), "%s: taken for %s",
		      kinds[i].name, compression_of(packed, n));
		check_whole(kinds[i].name, packed, n, plain);
		if (strcmp(kinds[i].name, "lz4")) { /* whose frames have no end */
			memcpy(packed + n, "trailing bytes", 14);
			check_whole(kinds[i].name, packed, n + 14, plain);
		}
		err = decompress(packed, n, PLAIN - 1, &out, &size);
		CHECK(err == -EFBIG, "%s: more than allowed: %d", kinds[i].name, err);
		err = decompress(packed, n - n / 3, ROOM + (8 << 20), &out, &size);
		CHECK(err == -EBADMSG, "%s: cut off: %d", kinds[i].name, err);
		err = decompress(packed, 6, ROOM, &out, &size);
		CHECK(err < 0, "%s: six bytes: %d", kinds[i].name, err);
	}
	CHECK(decompress(plain, 4, ROOM, NULL, NULL) == -ENOMSG, "what is not compressed");
	free(plain);
	free(packed);
}

/* After the last block, kernels have the size of the whole. */
TEST(unit, decompress_lz4_with_its_size)
{
	static const unsigned char packed[] = { 0x02, 0x21, 0x4c, 0x18, 4, 0, 0, 0, 0x30, 'a', 'b', 'c', 0, 0, 0x40, 0 };
	static const unsigned char liar[] = { 0x02, 0x21, 0x4c, 0x18, 6, 0, 0, 0, 0x11, 'a', 9, 0, 0x10, 'x' };
	void *out = NULL;
	size_t size = 0;

	CHECK(!decompress(packed, sizeof(packed), 64 << 20, &out, &size) && size == 3 && !memcmp(out, "abc", 3), "%zu bytes",
	      size);
	free(out);
	CHECK(decompress(liar, sizeof(liar), 64 << 20, &out, &size) == -EBADMSG, "a copy from before the start");
}

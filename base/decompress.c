/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decompress.h"

#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"

/* What an xz decoder may take: a kernel's dictionary has 128 MiB at most. */
#define XZ_MEMORY_MAX (256u << 20)

/* lz4 -l cuts its input into blocks of this size. */
#define LZ4_BLOCK (8u << 20)

struct out {
	unsigned char *data;
	size_t length, capacity, max;
};

/* Makes room for `n` more bytes, or for many more. */
static int grow(struct out *out, size_t n)
{
	size_t wanted = out->capacity ? out->capacity : 1 << 20;
	unsigned char *data;

	if (n > out->max - out->length)
		return -EFBIG;
	while (wanted - out->length < n)
		wanted *= 2;
	if (wanted > out->max)
		wanted = out->max;
	data = realloc(out->data, wanted);
	if (!data)
		return -ENOMEM;
	out->data = data;
	out->capacity = wanted;
	return 0;
}

static size_t room(const struct out *out)
{
	size_t n = out->capacity - out->length;

	return n > UINT32_MAX ? UINT32_MAX : n;
}

static int decode_gzip(const unsigned char *in, size_t size, struct out *out)
{
	z_stream z = { .next_in = (unsigned char *)in, .avail_in = (uInt)size };
	int rc = inflateInit2(&z, 15 + 16), err = 0;

	if (rc != Z_OK)
		return -ENOMEM;
	while (!err && rc == Z_OK) {
		if (!room(out))
			err = grow(out, 1);
		if (err)
			break;
		z.next_out = out->data + out->length;
		z.avail_out = (uInt)room(out);
		rc = inflate(&z, Z_NO_FLUSH);
		out->length = (size_t)(z.next_out - out->data);
	}
	inflateEnd(&z);
	return err ? err : rc == Z_STREAM_END ? 0 : rc == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int decode_lzma(const unsigned char *in, size_t size, struct out *out)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret rc = lzma_auto_decoder(&s, XZ_MEMORY_MAX, 0);
	int err = 0;

	s.next_in = in;
	s.avail_in = size;
	while (!err && rc == LZMA_OK) {
		if (!room(out))
			err = grow(out, 1);
		if (err)
			break;
		s.next_out = out->data + out->length;
		s.avail_out = room(out);
		rc = lzma_code(&s, LZMA_FINISH);
		out->length = (size_t)(s.next_out - out->data);
	}
	lzma_end(&s);
	return err ? err : rc == LZMA_STREAM_END ? 0 : rc == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int decode_zstd(const unsigned char *in, size_t size, struct out *out)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	ZSTD_inBuffer from = { in, size, 0 };
	size_t rc = 1;
	int err = ctx ? 0 : -ENOMEM;

	while (!err && rc) {
		ZSTD_outBuffer to;

		if (!room(out))
			err = grow(out, 1);
		if (err)
			break;
		to = (ZSTD_outBuffer){ out->data + out->length, room(out), 0 };
		rc = ZSTD_decompressStream(ctx, &to, &from);
		out->length += to.pos;
		if (ZSTD_isError(rc) || (rc && from.pos == from.size && to.pos < to.size))
			err = -EBADMSG;
	}
	ZSTD_freeDCtx(ctx);
	return err;
}

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The rest of a length of which a nibble said 15. False if the input ends in it. */
static bool lz4_length(const unsigned char **p, const unsigned char *end, size_t *length)
{
	unsigned char byte = 255;

	while (byte == 255 && *p < end) {
		byte = *(*p)++;
		*length += byte;
	}
	return byte != 255;
}

/* One block: literals and copies of what was already decoded of it. */
static int lz4_block(const unsigned char *p, const unsigned char *end, struct out *out)
{
	size_t start = out->length, limit = start + LZ4_BLOCK;

	while (p < end) {
		unsigned char token = *p++;
		size_t literals = token >> 4, match = token & 15, distance;

		if (literals == 15 && !lz4_length(&p, end, &literals))
			return -EBADMSG;
		if (literals > (size_t)(end - p) || literals > limit - out->length)
			return -EBADMSG;
		memcpy(out->data + out->length, p, literals);
		out->length += literals;
		p += literals;
		if (p == end)
			return 0;
		if (end - p < 2)
			return -EBADMSG;
		distance = p[0] | (size_t)p[1] << 8;
		p += 2;
		if (match == 15 && !lz4_length(&p, end, &match))
			return -EBADMSG;
		match += 4;
		if (!distance || distance > out->length - start || match > limit - out->length)
			return -EBADMSG;
		for (size_t i = 0; i < match; i++, out->length++)
			out->data[out->length] = out->data[out->length - distance];
	}
	return -EBADMSG; /* the last sequence has no copy */
}

/* Blocks with their sizes, until the input ends or what follows can be none. */
static int decode_lz4(const unsigned char *in, size_t size, struct out *out)
{
	const unsigned char *p = in + 4, *end = in + size;
	int err = 0;

	while (!err && end - p >= 4) {
		size_t n = le32(p);

		/* An image is followed by its decompressed size, which is no block's. */
		if (n > (size_t)(end - p) - 4)
			return end - p == 4 && out->length ? 0 : -EBADMSG;
		p += 4;
		if (out->capacity - out->length < LZ4_BLOCK)
			err = grow(out, LZ4_BLOCK);
		if (!err)
			err = lz4_block(p, p + n, out);
		p += n;
	}
	return err ? err : out->length ? 0 : -EBADMSG;
}

static const struct {
	const char *name;
	unsigned char magic[6];
	size_t n;
	int (*decode)(const unsigned char *in, size_t size, struct out *out);
} kinds[] = {
	{ "gzip", { 0x1f, 0x8b }, 2, decode_gzip },
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, decode_lzma },
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, decode_zstd },
	{ "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, decode_lz4 },
	{ "lzma", { 0x5d, 0, 0 }, 3, decode_lzma },
};

static int kind_of(const void *data, size_t size)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (size >= kinds[i].n && !memcmp(data, kinds[i].magic, kinds[i].n))
			return (int)i;
	return -ENOMSG;
}

const char *compression_of(const void *data, size_t size)
{
	int kind = kind_of(data, size);

	return kind < 0 ? NULL : kinds[kind].name;
}

int decompress(const void *data, size_t size, size_t max, void **ret, size_t *ret_size)
{
	struct out out = { .max = max };
	int kind = kind_of(data, size), err;

	if (kind < 0)
		return kind;
	err = size > UINT32_MAX ? -EFBIG : kinds[kind].decode(data, size, &out);
	if (err) {
		free(out.data);
		return err;
	}
	*ret = out.data;
	*ret_size = out.length;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompresses what lies in memory: gzip, xz, lzma, zstd, and lz4 in the frames that kernels come in.
 * The input is hostile.
 */
#ifndef BASE_DECOMPRESS_H
#define BASE_DECOMPRESS_H

#include <stddef.h>

/* "xz", … by the first bytes; NULL if they are none of these. */
const char *compression_of(const void *data, size_t size);

/*
 * The first stream; what follows is ignored, because kernel images carry something there. 0, and memory that
 * the caller frees; -ENOMSG if the data is not compressed, -EFBIG if it would be more than `max` bytes,
 * -EBADMSG if it is damaged or ends early, -ENOMEM.
 */
int decompress(const void *data, size_t size, size_t max, void **ret, size_t *ret_size);

#endif

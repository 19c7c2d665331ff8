/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF objects that are embedded in this binary. */
#ifndef COLLECT_IMAGE_H
#define COLLECT_IMAGE_H

#include <stddef.h>

struct image {
	const char *name; /* "process", "process_abi" */
	const void *data;
	size_t size;
};

/* NULL if there is none of that name. */
const struct image *image_find(const char *name);

/* All of them: from *ret_first up to the returned end. */
const struct image *images(const struct image **ret_first);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/image.h"

#include <string.h>

extern const struct image __start_tapio_images[], __stop_tapio_images[];

const struct image *images(const struct image **ret_first)
{
	*ret_first = __start_tapio_images;
	return __stop_tapio_images;
}

const struct image *image_find(const char *name)
{
	for (const struct image *i = __start_tapio_images; i < __stop_tapio_images; i++)
		if (!strcmp(i->name, name))
			return i;
	return NULL;
}

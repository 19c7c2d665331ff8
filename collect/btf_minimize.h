/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel's types, cut to what Tapio's programs and its forecast ask for: some KiB instead of MiB. */
#ifndef COLLECT_BTF_MINIMIZE_H
#define COLLECT_BTF_MINIMIZE_H

#include "collect/btf_source.h"

/*
 * BTF, which names the kernel's release if the source does. It was verified: every relocation and every tier
 * comes out as with the whole. 0, with memory that the caller frees; -ENODATA if a sensor's programs need something
 * that this kernel has not, named in `why`; or another negative errno.
 */
int btf_minimize(const struct btf_source *whole, void **ret, size_t *ret_size, char *why, size_t size);

/* The same without looking whether it is good for anything. 0, -ENOMEM, -EINVAL, -E2BIG. */
int btf_cut(const struct btf_source *whole, void **ret, size_t *ret_size);

#endif

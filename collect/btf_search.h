/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the types of the running kernel come from: the kernel itself, a file that was given, or one of those
 * that are looked for where the kernel has none. What describes another kernel is refused where that shows:
 * by the release that an image or a minimal file names, by the kernel's own BTF, by its functions' names.
 */
#ifndef COLLECT_BTF_SEARCH_H
#define COLLECT_BTF_SEARCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "collect/btf_source.h"

struct btf_choice {
	char path[PATH_MAX]; /* what libbpf can read; "": it finds the kernel's own by itself */
	int fd;              /* that path refers to, -1: a file */
};

/*
 * `given`: a file, NULL: the kernel's own or what the search finds. 0, and in `why` where from; or a negative
 * errno, and why not. The choice lives as long as it is used: btf_drop.
 */
int btf_choose(const char *given, struct btf_choice *ret, char *why, size_t size);
void btf_drop(struct btf_choice *c);

/* The i-th file that is looked for, NULL past the last. */
const char *btf_search_path(unsigned i, const char *release, const char *machine, char path[PATH_MAX]);

/*
 * Whether two kernels' types give all embedded programs the same. 0; -ESTALE with what differs in `why`; or
 * another negative errno.
 */
int btf_compare(const struct types *a, const struct types *b, char *why, size_t size);

/* Per cent of the functions that the types describe and the running kernel has not; -errno if it cannot be told. */
int btf_foreign_functions(const struct types *t);
#define BTF_FOREIGN_MAX 5 /* its own: those of initialisation that were freed, below 1 % */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of a kernel, out of whatever file has them: BTF, a vmlinux, a bootable image (bzImage, arm64
 * Image, EFI zboot), each of them also compressed.
 */
#ifndef COLLECT_BTF_SOURCE_H
#define COLLECT_BTF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "collect/types.h"

#define BTF_FILE_MAX (2ul << 30)
#define BTF_IMAGE_MAX (512ul << 20) /* a kernel, decompressed */

struct btf_source {
	struct types types; /* indexed */
	char release[128];  /* "6.12.9-cloud-amd64" as the file says, "" if it does not */
	char form[64];      /* "BTF", "bzImage, zstd", … */
	const char *machine; /* "x86_64", "arm64", NULL if the types do not tell */
	bool own;           /* it is in the kernel, which then has it at run time too */
	bool bare;          /* the file is BTF and nothing else */
	bool minimal;       /* made by `tapio btf minimize` */
};

/* The running kernel's own. */
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* 0, or a negative errno with the reason in `why`, without the path. */
int btf_load(const char *path, struct btf_source *ret, char *why, size_t size);
void btf_unload(struct btf_source *s);

/* As btf_load, of a file's contents. */
int btf_load_data(const void *data, size_t bytes, struct btf_source *ret, char *why, size_t size);

/* Whether libbpf 1.1.2 reads this file of BTF as it is: 1 or 0; a negative errno with the reason if it is none. */
int btf_is_plain(const char *path, char *why, size_t size);

/* In minimal BTF, before the release: the name of a declaration that nothing refers to. */
#define BTF_RELEASE_MARK "tapio_release="

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of a little-endian 64-bit ELF file that lies in memory. Hostile input. */
#ifndef COLLECT_ELF_H
#define COLLECT_ELF_H

#include <elf.h>
#include <stddef.h>

struct elf_part {
	const void *data; /* inside the file */
	size_t size;
	unsigned index, link;
	const char *name;
};

/* The section of that index: 0; -ENOENT past the last; -EINVAL if this is no ELF file, or it reaches outside. */
int elf_section_at(const void *file, size_t size, unsigned index, struct elf_part *ret);

/* The section of that name, as above; -ENOENT if there is none. */
int elf_section(const void *file, size_t size, const char *name, struct elf_part *ret);

#endif

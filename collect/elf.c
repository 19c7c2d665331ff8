/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/elf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static int header_of(const void *file, size_t size, Elf64_Ehdr *ret)
{
	if (size < sizeof(*ret))
		return -EINVAL;
	memcpy(ret, file, sizeof(*ret));
	if (memcmp(ret->e_ident, ELFMAG, SELFMAG) || ret->e_ident[EI_CLASS] != ELFCLASS64 ||
	    ret->e_ident[EI_DATA] != ELFDATA2LSB || ret->e_shentsize != sizeof(Elf64_Shdr))
		return -EINVAL;
	if (ret->e_shoff > size || (size - ret->e_shoff) / sizeof(Elf64_Shdr) < ret->e_shnum)
		return -EINVAL;
	return 0;
}

static int section_header(const void *file, const Elf64_Ehdr *h, unsigned index, Elf64_Shdr *ret)
{
	if (index >= h->e_shnum)
		return -ENOENT;
	memcpy(ret, (const char *)file + h->e_shoff + index * sizeof(*ret), sizeof(*ret));
	return 0;
}

/* A name that does not end is none. */
static const char *name_at(const void *file, size_t size, const Elf64_Ehdr *h, uint32_t offset)
{
	const char *strings = file;
	Elf64_Shdr s;

	if (section_header(file, h, h->e_shstrndx, &s) || s.sh_offset > size || s.sh_size > size - s.sh_offset ||
	    offset >= s.sh_size)
		return "";
	strings += s.sh_offset + offset;
	return memchr(strings, 0, s.sh_size - offset) ? strings : "";
}

int elf_section_at(const void *file, size_t size, unsigned index, struct elf_part *ret)
{
	Elf64_Ehdr h;
	Elf64_Shdr s;
	int err = header_of(file, size, &h);

	if (!err)
		err = section_header(file, &h, index, &s);
	if (err)
		return err;
	if (s.sh_type == SHT_NOBITS)
		s.sh_offset = s.sh_size = 0;
	if (s.sh_offset > size || s.sh_size > size - s.sh_offset)
		return -EINVAL;
	*ret = (struct elf_part){ .data = (const char *)file + s.sh_offset, .size = s.sh_size, .index = index,
				  .link = s.sh_link, .name = name_at(file, size, &h, s.sh_name) };
	return 0;
}

int elf_section(const void *file, size_t size, const char *name, struct elf_part *ret)
{
	struct elf_part part;
	int err = 0;

	for (unsigned i = 1; !err; i++) {
		err = elf_section_at(file, size, i, &part);
		if (!err && !strcmp(part.name, name)) {
			*ret = part;
			return 0;
		}
		/* One that reaches outside the file says nothing of the others. */
		if (err == -EINVAL && i < UINT16_MAX && !elf_section_at(file, size, 0, &part))
			err = 0;
	}
	return err;
}

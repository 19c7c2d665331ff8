/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/program.h"

#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>

#include "collect/elf.h"

/* Of .BTF.ext; offsets count from its end. */
struct ext_header {
	__u16 magic;
	__u8 version, flags;
	__u32 hdr_len;
	__u32 func_off, func_len;
	__u32 line_off, line_len;
	__u32 core_off, core_len;
};

/* Per section, before its records. */
struct ext_section {
	__u32 name_off;
	__u32 count;
};

static int add_program(struct object *o, const Elf64_Sym *symbol, const char *name)
{
	struct elf_part part;
	struct program *p;

	if (o->nprograms == PROGRAMS_MAX)
		return -E2BIG;
	if (elf_section_at(o->image->data, o->image->size, symbol->st_shndx, &part) ||
	    symbol->st_value > part.size || symbol->st_size > part.size - symbol->st_value || symbol->st_value % 8)
		return -EINVAL;
	p = &o->programs[o->nprograms++];
	*p = (struct program){ .name = name, .section = part.name, .index = part.index,
			       .insns = (const void *)((const char *)part.data + symbol->st_value),
			       .count = (unsigned)(symbol->st_size / sizeof(struct bpf_insn)),
			       .first = (unsigned)(symbol->st_value / sizeof(struct bpf_insn)) };
	return 0;
}

static int read_programs(struct object *o)
{
	const void *file = o->image->data;
	size_t size = o->image->size;
	struct elf_part symbols, names;
	int err = elf_section(file, size, ".symtab", &symbols);

	if (!err)
		err = elf_section_at(file, size, symbols.link, &names);
	for (size_t at = 0; !err && at + sizeof(Elf64_Sym) <= symbols.size; at += sizeof(Elf64_Sym)) {
		Elf64_Sym s;

		memcpy(&s, (const char *)symbols.data + at, sizeof(s));
		if (ELF64_ST_TYPE(s.st_info) != STT_FUNC)
			continue;
		if (s.st_name >= names.size || !memchr((const char *)names.data + s.st_name, 0, names.size - s.st_name))
			return -EINVAL;
		err = add_program(o, &s, (const char *)names.data + s.st_name);
	}
	return err;
}

static int add_record(struct object *o, const char *section, const void *data)
{
	struct core_record *r = &o->records[o->nrecords];
	unsigned insn;

	memcpy(&r->relo, data, sizeof(r->relo));
	if (r->relo.type_id >= o->types.count || r->relo.access_str_off >= o->types.string_bytes)
		return -EINVAL;
	insn = r->relo.insn_off / (unsigned)sizeof(struct bpf_insn);
	for (unsigned i = 0; i < o->nprograms; i++) {
		const struct program *p = &o->programs[i];

		if (strcmp(p->section, section) || insn < p->first || insn - p->first >= p->count)
			continue;
		r->program = i;
		r->insn = insn - p->first;
		o->nrecords++;
		return 0;
	}
	return -EINVAL;
}

/* The records of all sections, one section after the other. */
static int read_sections(struct object *o, const char *p, size_t left)
{
	struct ext_section s;
	__u32 bytes;
	int err = 0;

	if (left < sizeof(bytes))
		return 0;
	memcpy(&bytes, p, sizeof(bytes));
	p += sizeof(bytes);
	left -= sizeof(bytes);
	if (bytes < sizeof(struct bpf_core_relo))
		return -EINVAL;
	o->records = calloc(left / bytes + 1, sizeof(*o->records));
	if (!o->records)
		return -ENOMEM;
	while (!err && left >= sizeof(s)) {
		memcpy(&s, p, sizeof(s));
		p += sizeof(s);
		left -= sizeof(s);
		if (s.name_off >= o->types.string_bytes || s.count > left / bytes)
			return -EINVAL;
		for (unsigned i = 0; !err && i < s.count; i++, p += bytes, left -= bytes)
			err = add_record(o, types_name(&o->types, s.name_off), p);
	}
	return err;
}

static int read_records(struct object *o)
{
	struct ext_header h = {};
	struct elf_part ext;
	int err = elf_section(o->image->data, o->image->size, ".BTF.ext", &ext);

	if (err == -ENOENT)
		return 0;
	if (err)
		return err;
	memcpy(&h, ext.data, ext.size < sizeof(h) ? ext.size : sizeof(h));
	if (h.magic != BTF_MAGIC || h.hdr_len < sizeof(h) || h.hdr_len > ext.size)
		return h.hdr_len == offsetof(struct ext_header, core_off) ? 0 : -EINVAL;
	if ((uint64_t)h.core_off + h.core_len > ext.size - h.hdr_len)
		return -EINVAL;
	return read_sections(o, (const char *)ext.data + h.hdr_len + h.core_off, h.core_len);
}

int object_open(const struct image *image, struct object *ret)
{
	struct object o = { .image = image };
	struct elf_part btf;
	char why[64];
	int err = elf_section(image->data, image->size, ".BTF", &btf);

	if (!err)
		err = types_read(btf.data, btf.size, &o.types, why, sizeof(why));
	if (!err)
		err = read_programs(&o);
	if (!err)
		err = read_records(&o);
	if (err) {
		object_close(&o);
		return err == -ENOENT ? -EINVAL : err;
	}
	*ret = o;
	return 0;
}

void object_close(struct object *o)
{
	types_free(&o->types);
	free(o->records);
	memset(o, 0, sizeof(*o));
}

int object_program(const struct object *o, const char *name)
{
	for (unsigned i = 0; i < o->nprograms; i++)
		if (!strcmp(o->programs[i].name, name))
			return (int)i;
	return -ENOENT;
}

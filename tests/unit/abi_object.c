/* SPDX-License-Identifier: Apache-2.0 */
/* Of the abi checker, what reads object files: libbpf, and libelf for what libbpf does not tell. */
#include "tests/unit/abi_check.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* .BTF.ext: a header, and in it where the CO-RE relocations are; see the kernel's btf.rst. */
static void check_btf_ext(struct abi_report *report, const char *object, const Elf_Data *data)
{
	struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t hdr_len;
		uint32_t func_info_off, func_info_len;
		uint32_t line_info_off, line_info_len;
		uint32_t core_relo_off, core_relo_len;
	} h;
	uint32_t record[2]; /* of each section: name, number of relocations */
	size_t at, end, rec_size;
	unsigned relocations = 0;

	if (data->d_size < sizeof(h))
		return;
	memcpy(&h, data->d_buf, sizeof(h));
	if (h.hdr_len < sizeof(h) || !h.core_relo_len)
		return;
	at = (size_t)h.hdr_len + h.core_relo_off;
	end = at + h.core_relo_len;
	if (end > data->d_size || h.core_relo_len < sizeof(uint32_t)) {
		abi_violation(report, ABI_CORE, object, ".BTF.ext: malformed");
		return;
	}
	memcpy(record, (const char *)data->d_buf + at, sizeof(uint32_t));
	rec_size = record[0];
	for (at += sizeof(uint32_t); at + sizeof(record) <= end; at += record[1] * rec_size) {
		memcpy(record, (const char *)data->d_buf + at, sizeof(record));
		relocations += record[1];
		at += sizeof(record);
	}
	if (relocations)
		abi_violation(report, ABI_CORE, object, "%u CO-RE relocations", relocations);
}

/* Compiled code refers to functions and to foreign variables through relocations alone. */
static void check_relocation(struct abi_report *report, Elf *elf, const GElf_Rel *rel,
			     const GElf_Sym *sym, const char *symbol)
{
	Elf_Scn *scn = elf_getscn(elf, sym->st_shndx);
	bool call = GELF_R_TYPE(rel->r_info) == R_BPF_64_32;
	GElf_Shdr sh;

	if (sym->st_shndx == SHN_UNDEF && call)
		abi_violation(report, ABI_KFUNC, symbol, "function of the kernel");
	else if (sym->st_shndx == SHN_UNDEF)
		abi_violation(report, ABI_EXTERN, symbol, "variable of the kernel");
	else if (!call && scn && gelf_getshdr(scn, &sh) && sh.sh_flags & SHF_EXECINSTR)
		abi_violation(report, ABI_CALLBACK, *symbol ? symbol : "callback",
			  "its address is taken");
}

static void check_relocations(struct abi_report *report, Elf *elf, Elf_Scn *scn,
			      const GElf_Shdr *sh)
{
	Elf_Scn *target = elf_getscn(elf, sh->sh_info), *table = elf_getscn(elf, sh->sh_link);
	Elf_Data *data = elf_getdata(scn, NULL);
	Elf_Data *symbols = table ? elf_getdata(table, NULL) : NULL;
	GElf_Shdr target_sh, table_sh;
	GElf_Rel rel;
	GElf_Sym sym;

	if (!target || !data || !symbols || !gelf_getshdr(target, &target_sh) ||
	    !(target_sh.sh_flags & SHF_EXECINSTR) || !gelf_getshdr(table, &table_sh))
		return;
	for (int i = 0; gelf_getrel(data, i, &rel); i++) {
		const char *symbol;

		if (!gelf_getsym(symbols, (int)GELF_R_SYM(rel.r_info), &sym))
			continue;
		symbol = elf_strptr(elf, table_sh.sh_link, sym.st_name);
		check_relocation(report, elf, &rel, &sym, symbol ? symbol : "");
	}
}

static bool is_data(const char *section)
{
	return !strncmp(section, ".data", 5) || !strncmp(section, ".rodata", 7) ||
	       !strncmp(section, ".bss", 4);
}

static void check_section(struct abi_report *report, const char *object, Elf *elf, Elf_Scn *scn,
			  size_t names)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	const char *section;
	GElf_Shdr sh;

	if (!gelf_getshdr(scn, &sh) || !sh.sh_size)
		return;
	section = elf_strptr(elf, names, sh.sh_name);
	if (!section)
		return;
	if (sh.sh_type == SHT_REL)
		check_relocations(report, elf, scn, &sh);
	else if (!strcmp(section, ".BTF.ext") && data)
		check_btf_ext(report, object, data);
	else if (!strcmp(section, ".text"))
		abi_violation(report, ABI_BPF_CALL, object, "has functions that are not inlined");
	else if (is_data(section) && sh.sh_flags & SHF_ALLOC)
		abi_violation(report, ABI_GLOBAL_DATA, object, "section %s", section);
}

static int check_with_libbpf(struct abi_report *report, const char *name, const void *data,
			     size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct bpf_object *obj = bpf_object__open_mem(data, size, &opts);
	struct bpf_program *prog;
	struct bpf_map *map;

	if (!obj)
		return -errno;
	bpf_object__for_each_program(prog, obj) {
		abi_check_program(report, bpf_program__name(prog), bpf_program__type(prog),
				  bpf_program__insns(prog), bpf_program__insn_cnt(prog));
		abi_check_program_type(report, bpf_program__name(prog),
				       bpf_program__section_name(prog), bpf_program__type(prog),
				       bpf_program__expected_attach_type(prog));
	}
	bpf_object__for_each_map(map, obj) {
		struct bpf_map *inner = bpf_map__inner_map(map);

		if (bpf_map__is_internal(map)) {
			abi_violation(report, ABI_GLOBAL_DATA, bpf_map__name(map), "global data");
			continue;
		}
		abi_check_map(report, bpf_map__name(map), bpf_map__type(map),
			      bpf_map__map_flags(map));
		if (inner)
			abi_check_map(report, bpf_map__name(inner), bpf_map__type(inner),
				      bpf_map__map_flags(inner));
	}
	bpf_object__close(obj);
	return 0;
}

int abi_check_object(struct abi_report *report, const char *name, const void *data, size_t size)
{
	Elf_Scn *scn = NULL;
	size_t names;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)data, size);
	if (!elf || elf_getshdrstrndx(elf, &names)) {
		elf_end(elf);
		return -EINVAL;
	}
	while ((scn = elf_nextscn(elf, scn)))
		check_section(report, name, elf, scn, names);
	elf_end(elf);
	return check_with_libbpf(report, name, data, size);
}

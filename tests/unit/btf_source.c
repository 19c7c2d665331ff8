/* SPDX-License-Identifier: Apache-2.0 */
/* BTF out of each form that kernels come in. */
#include <bpf/btf.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "collect/btf_source.h"
#include "tests/test.h"

struct made {
	unsigned char data[65536];
	size_t size;
};

/* As small as a kernel's BTF can be; `x86` or arm64. */
static struct made make_btf(bool x86)
{
	struct btf *b = btf__new_empty();
	struct made m = {};
	const void *raw;
	__u32 size;

	btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	btf__add_struct(b, "task_struct", 8);
	btf__add_field(b, "pid", 1, 0, 0);
	btf__add_struct(b, x86 ? "pt_regs" : "user_pt_regs", 8);
	btf__add_field(b, x86 ? "orig_ax" : "pc", 1, 0, 0);
	raw = btf__raw_data(b, &size);
	memcpy(m.data, raw, size);
	m.size = size;
	btf__free(b);
	return m;
}

static struct made make_elf(const struct made *btf, unsigned machine)
{
	static const char names[] = "\0.BTF\0.rodata\0.shstrtab", banner[] = "Linux version %s (gcc)\0Linux version 6.1.2-x (a@b)";
	Elf64_Ehdr h = { .e_ident = ELFMAG, .e_type = ET_EXEC, .e_machine = (Elf64_Half)machine, .e_shnum = 4,
			 .e_shstrndx = 3, .e_shentsize = sizeof(Elf64_Shdr) };
	Elf64_Shdr s[4] = {};
	struct made m = {};
	size_t at = sizeof(h);

	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	s[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = btf->size };
	memcpy(m.data + at, btf->data, btf->size);
	at += btf->size;
	s[2] = (Elf64_Shdr){ .sh_name = 6, .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = sizeof(banner) };
	memcpy(m.data + at, banner, sizeof(banner));
	at += sizeof(banner);
	s[3] = (Elf64_Shdr){ .sh_name = 14, .sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = sizeof(names) };
	memcpy(m.data + at, names, sizeof(names));
	at = (at + sizeof(names) + 7) & ~7ul;
	h.e_shoff = at;
	memcpy(m.data + at, s, sizeof(s));
	memcpy(m.data, &h, sizeof(h));
	m.size = at + sizeof(s);
	return m;
}

static struct made pack(const struct made *from)
{
	struct made m = {};

	m.size = ZSTD_compress(m.data, sizeof(m.data), from->data, from->size, 3);
	return m;
}

static void put32(unsigned char *p, size_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(value >> 8 * i);
}

static struct made make_bzimage(const struct made *payload)
{
	struct made m = {};
	size_t start = (2 + 1) * 512 + 64;

	m.data[0x1f1] = 2;
	memcpy(m.data + 0x202, "HdrS", 4);
	put32(m.data + 0x20e, 0x300 - 0x200);
	strcpy((char *)m.data + 0x300, "6.1.2-y (root@x) #1 SMP");
	put32(m.data + 0x248, 64);
	put32(m.data + 0x24c, payload->size);
	memcpy(m.data + start, payload->data, payload->size);
	m.size = start + payload->size;
	return m;
}

static struct made make_zboot(const struct made *payload)
{
	struct made m = {};

	memcpy(m.data, "MZ\0\0zimg", 8);
	put32(m.data + 8, 128);
	put32(m.data + 12, payload->size);
	memcpy(m.data + 24, "zstd", 4);
	memcpy(m.data + 128, payload->data, payload->size);
	m.size = 128 + payload->size;
	return m;
}

/* Flat; with the magic of BTF where none is. */
static struct made make_image(const struct made *btf)
{
	struct made m = {};

	memcpy(m.data, "MZ", 2);
	memcpy(m.data + 56, "ARM\x64", 4);
	memcpy(m.data + 1000, "\x9f\xeb\x01\x00\x18\x00\x00\x00", 8);
	strcpy((char *)m.data + 2000, "Linux version 6.1.2-z (a@b)");
	memcpy(m.data + 4097, btf->data, btf->size);
	memcpy(m.data + 4097 + btf->size + 100, "\x9f\xeb\x01", 3);
	m.size = 4097 + btf->size + 103;
	return m;
}

static void check_form(const struct made *m, const char *form, const char *release, const char *machine, bool own)
{
	struct btf_source s;
	char why[256] = "";
	int err = btf_load_data(m->data, m->size, &s, why, sizeof(why));

	CHECK(!err, "%s: %s", form, why);
	if (err)
		return;
	CHECK(!strcmp(s.form, form) && !strcmp(s.release, release) && s.own == own && s.machine &&
		      !strcmp(s.machine, machine) && types_find(&s.types, "task_struct", BTF_KIND_STRUCT),
	      "%s: '%s', release '%s', machine %s, own %d", form, s.form, s.release, s.machine, s.own);
	btf_unload(&s);
}

TEST(unit, btf_source_forms)
{
	struct made btf = make_btf(true), arm = make_btf(false), elf = make_elf(&btf, EM_X86_64), packed = pack(&elf), m;

	check_form(&btf, "BTF", "", "x86_64", false);
	m = pack(&btf);
	check_form(&m, "zstd, BTF", "", "x86_64", false);
	check_form(&elf, "vmlinux", "6.1.2-x", "x86_64", true);
	m = make_bzimage(&packed);
	check_form(&m, "bzImage, zstd, vmlinux", "6.1.2-y", "x86_64", true);
	m = make_image(&arm);
	check_form(&m, "arm64 Image", "6.1.2-z", "arm64", true);
	packed = pack(&m);
	check_form(&packed, "zstd, arm64 Image", "6.1.2-z", "arm64", true);
	m = make_zboot(&packed);
	check_form(&m, "EFI zboot, zstd, arm64 Image", "6.1.2-z", "arm64", true);
}

static void refused(const char *what, const struct made *m, int expected)
{
	struct btf_source s;
	char why[256] = "";
	int err = btf_load_data(m->data, m->size, &s, why, sizeof(why));

	CHECK(err == expected && why[0], "%s: %d '%s', expected %d", what, err, why, expected);
	if (!err)
		btf_unload(&s);
}

TEST(unit, btf_source_refusals)
{
	struct made btf = make_btf(true), elf = make_elf(&btf, EM_X86_64), packed = pack(&elf), m = {}, other;

	refused("nothing", &m, -ENOMSG);
	strcpy((char *)m.data, "CONFIG_BPF=y\n"), m.size = 13;
	refused("text", &m, -ENOMSG);
	other = pack(&m);
	refused("compressed text", &other, -ENOMSG);
	other = make_elf(&btf, EM_BPF);
	refused("a BPF object", &other, -ENOMSG);
	memcpy(elf.data + elf.size - 3 * sizeof(Elf64_Shdr), "\6", 1); /* another name for .BTF */
	refused("a kernel without BTF", &elf, -ENODATA);
	m = make_bzimage(&packed);
	m.size -= 20;
	refused("a bzImage that is cut off", &m, -EBADMSG);
	m = make_bzimage(&packed);
	memset(m.data + (2 + 1) * 512 + 64 + 100, 0x55, 50);
	refused("a damaged one", &m, -EBADMSG);
	m = make_image(&btf);
	memset(m.data + 4097, 0, 24);
	refused("an Image without BTF", &m, -ENODATA);
	m = btf;
	memcpy(memmem(m.data, m.size, "task_struct", 11), "tusk", 4);
	refused("BTF of something else", &m, -ENODATA);
	m = pack(&btf);
	for (int i = 0; i < 5; i++)
		m = pack(&m);
	refused("compressed over and over", &m, -ENOMSG);
}

TEST(unit, btf_source_files)
{
	struct btf_source s;
	char why[256] = "";

	CHECK(btf_load("/", &s, why, sizeof(why)) == -EISDIR, "a folder: %s", why);
	CHECK(btf_load("/dev/zero", &s, why, sizeof(why)) == -EINVAL, "a device: %s", why);
	CHECK(btf_load("/nonexistent", &s, why, sizeof(why)) == -ENOENT, "nothing: %s", why);
}

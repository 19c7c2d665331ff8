/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/btf_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/decompress.h"
#include "base/refuse.h"
#include "collect/elf.h"

#define LAYERS_MAX 4 /* an archive of an image of a compressed kernel */
#define BANNER "Linux version "

struct bytes {
	const unsigned char *data;
	size_t size;
};

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool has(struct bytes b, size_t at, const char *magic, size_t n)
{
	return b.size >= n && at <= b.size - n && !memcmp(b.data + at, magic, n);
}

static void add_form(struct btf_source *s, const char *form)
{
	size_t n = strlen(s->form);

	snprintf(s->form + n, sizeof(s->form) - n, "%s%s", n ? ", " : "", form);
}

/* A word, as far as it is printable. */
static void keep_release(struct btf_source *s, const unsigned char *text, size_t n)
{
	size_t length = 0;

	while (length < n && length < sizeof(s->release) - 1 && text[length] > ' ' && text[length] < 127)
		length++;
	memcpy(s->release, text, length);
	s->release[length] = '\0';
}

/* "Linux version 6.1.0-9-amd64 (…": the first one with a number behind it. */
static void find_banner(struct btf_source *s, struct bytes b)
{
	while (!s->release[0]) {
		const unsigned char *at = memmem(b.data, b.size, BANNER, strlen(BANNER));
		size_t rest;

		if (!at)
			return;
		at += strlen(BANNER);
		rest = (size_t)(b.data + b.size - at);
		if (rest && *at >= '1' && *at <= '9')
			keep_release(s, at, rest);
		b = (struct bytes){ at, rest };
	}
}

/* ---- where the types are ---- */

/* A flat image has no sections: the largest of what looks like BTF. */
static int scan_image(struct bytes b, struct btf_source *s, char *why, size_t size)
{
	static const unsigned char magic[3] = { BTF_MAGIC & 0xff, BTF_MAGIC >> 8, BTF_VERSION };
	const unsigned char *end = b.data + b.size;
	char ignored[128];

	for (const unsigned char *at = b.data; (at = memmem(at, (size_t)(end - at), magic, sizeof(magic))); at++) {
		struct types types;
		struct btf_header h;

		if ((size_t)(end - at) < sizeof(h))
			break;
		memcpy(&h, at, sizeof(h));
		if (h.type_len < sizeof(struct btf_type) || h.type_off % 4 || h.hdr_len % 4 || h.hdr_len > 4096 ||
		    types_read(at, (size_t)(end - at), &types, ignored, sizeof(ignored)))
			continue;
		if (types.count > s->types.count) {
			types_free(&s->types);
			s->types = types;
		} else {
			types_free(&types);
		}
	}
	return s->types.count ? 0 : refuse(-ENODATA, why, size, "there is no BTF in this kernel: it was built without");
}

static int read_elf(struct bytes b, struct btf_source *s, char *why, size_t size)
{
	struct elf_part part;
	Elf64_Ehdr h = {};
	int err;

	memcpy(&h, b.data, b.size < sizeof(h) ? b.size : sizeof(h));
	if (h.e_type == ET_REL || (h.e_machine != EM_X86_64 && h.e_machine != EM_AARCH64))
		return refuse(-ENOMSG, why, size, "an ELF file, but no kernel of x86_64 or arm64");
	err = elf_section(b.data, b.size, ".BTF", &part);
	if (err == -ENOENT)
		return refuse(-ENODATA, why, size, "there is no BTF in this kernel: it has no section .BTF");
	if (err)
		return refuse(err, why, size, "this ELF file is damaged, or not of a 64-bit little-endian machine");
	err = types_read(part.data, part.size, &s->types, why, size);
	if (!err && !elf_section(b.data, b.size, ".rodata", &part))
		find_banner(s, (struct bytes){ part.data, part.size });
	return err;
}

/* linux/Documentation/arch/x86/boot.rst */
static int open_bzimage(struct bytes b, struct btf_source *s, struct bytes *ret, char *why, size_t size)
{
	unsigned setup = b.size > 0x250 ? b.data[0x1f1] : 0;
	size_t start = ((setup ? setup : 4) + 1) * 512ul, payload, length, release;

	if (b.size <= 0x250)
		return refuse(-EBADMSG, why, size, "this bzImage is cut off");
	payload = start + le32(b.data + 0x248);
	length = le32(b.data + 0x24c);
	if (payload > b.size || length > b.size - payload)
		return refuse(-EBADMSG, why, size, "this bzImage is cut off");
	release = 0x200 + (b.data[0x20e] | (size_t)b.data[0x20f] << 8);
	if (release > 0x200 && release < b.size)
		keep_release(s, b.data + release, b.size - release);
	*ret = (struct bytes){ b.data + payload, length };
	return 0;
}

/* linux/drivers/firmware/efi/libstub/zboot-header.S */
static int open_zboot(struct bytes b, struct bytes *ret, char *why, size_t size)
{
	size_t payload, length;

	if (b.size < 32)
		return refuse(-EBADMSG, why, size, "this EFI image is cut off");
	payload = le32(b.data + 8);
	length = le32(b.data + 12);
	if (payload > b.size || length > b.size - payload)
		return refuse(-EBADMSG, why, size, "this EFI image is cut off");
	*ret = (struct bytes){ b.data + payload, length };
	return 0;
}

/* ---- layer by layer ---- */

static int look(struct bytes b, unsigned layers, struct btf_source *s, char *why, size_t size);

static int unpack(struct bytes b, unsigned layers, struct btf_source *s, char *why, size_t size)
{
	const char *how = compression_of(b.data, b.size);
	_cleanup_free_ void *data = NULL;
	size_t bytes = 0;
	int err;

	add_form(s, how);
	err = decompress(b.data, b.size, BTF_IMAGE_MAX, &data, &bytes);
	if (err == -EFBIG)
		return refuse(err, why, size, "decompressed (%s) it has more than %lu MiB", how, BTF_IMAGE_MAX >> 20);
	if (err)
		return refuse(err, why, size, "decompressing it (%s): %s", how,
			      err == -EBADMSG ? "the data is damaged" : strerror(-err));
	return look((struct bytes){ data, bytes }, layers + 1, s, why, size);
}

static int look(struct bytes b, unsigned layers, struct btf_source *s, char *why, size_t size)
{
	static const char btf[] = { (char)(BTF_MAGIC & 0xff), (char)(BTF_MAGIC >> 8) };
	static const char swapped[] = { (char)(BTF_MAGIC >> 8), (char)(BTF_MAGIC & 0xff) };
	struct bytes inner = {};
	int err;

	if (has(b, 0, btf, 2) || has(b, 0, swapped, 2)) {
		s->bare = !layers;
		add_form(s, "BTF");
		return types_read(b.data, b.size, &s->types, why, size);
	}
	if (has(b, 0, ELFMAG, SELFMAG)) {
		s->own = true;
		add_form(s, "vmlinux");
		return read_elf(b, s, why, size);
	}
	if (layers < LAYERS_MAX && has(b, 0x202, "HdrS", 4)) {
		add_form(s, "bzImage");
		err = open_bzimage(b, s, &inner, why, size);
		return err ? err : look(inner, layers + 1, s, why, size);
	}
	if (layers < LAYERS_MAX && has(b, 0, "MZ", 2) && has(b, 4, "zimg", 4)) {
		add_form(s, "EFI zboot");
		err = open_zboot(b, &inner, why, size);
		return err ? err : look(inner, layers + 1, s, why, size);
	}
	if (layers < LAYERS_MAX && compression_of(b.data, b.size))
		return unpack(b, layers, s, why, size);
	if (!has(b, 56, "ARM\x64", 4))
		return refuse(-ENOMSG, why, size,
			      "neither BTF nor a kernel: known are BTF, vmlinux, bzImage, arm64 Image and EFI zboot, plain or compressed");
	s->own = true;
	add_form(s, "arm64 Image");
	find_banner(s, b);
	return scan_image(b, s, why, size);
}

/* ---- what they are of ---- */

static bool has_member(const struct types *t, uint32_t id, const char *name)
{
	const struct btf_type *type = types_at(t, id);

	for (unsigned i = 0; id && i < btf_vlen(type); i++) {
		const struct btf_member *m = &btf_members(type)[i];
		const char *its_name = types_name(t, m->name_off);

		if (!strcmp(its_name, name))
			return true;
	}
	return false;
}

static const char *machine_of(const struct types *t)
{
	if (has_member(t, types_find(t, "pt_regs", BTF_KIND_STRUCT), "orig_ax"))
		return "x86_64";
	if (types_find(t, "user_pt_regs", BTF_KIND_STRUCT))
		return "arm64";
	return NULL;
}

static void find_mark(struct btf_source *s)
{
	const struct types *t = &s->types;

	for (uint32_t id = t->count - 1; id && t->count - id < 4; id--)
		if (btf_is_fwd(types_at(t, id)) &&
		    !strncmp(type_name(t, id), BTF_RELEASE_MARK, strlen(BTF_RELEASE_MARK))) {
			const char *release = type_name(t, id) + strlen(BTF_RELEASE_MARK);

			s->minimal = true;
			keep_release(s, (const unsigned char *)release, strlen(release));
		}
}

int btf_load_data(const void *data, size_t bytes, struct btf_source *ret, char *why, size_t size)
{
	struct btf_source s = {};
	int err = look((struct bytes){ data, bytes }, 0, &s, why, size);

	if (!err && types_index(&s.types))
		err = refuse(-ENOMEM, why, size, "%s", strerror(ENOMEM));
	if (!err && !types_find(&s.types, "task_struct", BTF_KIND_STRUCT))
		err = refuse(-ENODATA, why, size, "%s that describes no task_struct: not a kernel's", s.form);
	if (err) {
		btf_unload(&s);
		return err;
	}
	s.machine = machine_of(&s.types);
	find_mark(&s);
	*ret = s;
	return 0;
}

/* The size that sysfs tells is true; what grows or shrinks meanwhile is read as far as it was told. */
static int read_file(int fd, size_t size, void **ret, size_t *ret_size)
{
	size_t got = 0;
	char *data = malloc(size + 1);

	if (!data)
		return -ENOMEM;
	while (got < size) {
		ssize_t n = read(fd, data + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(data);
			return -errno;
		}
		if (!n)
			break;
		got += (size_t)n;
	}
	*ret = data;
	*ret_size = got;
	return 0;
}

/* Of a vmlinux with debugging information a few MiB are wanted out of hundreds. */
#define MAP_FROM (128ul << 20)

static int load_mapped(int fd, size_t bytes, struct btf_source *ret, char *why, size_t size)
{
	void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	int err;

	if (data == MAP_FAILED)
		return refuse(-errno, why, size, "%s", strerror(errno));
	err = btf_load_data(data, bytes, ret, why, size);
	munmap(data, bytes);
	return err;
}

int btf_is_plain(const char *path, char *why, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ void *data = NULL;
	size_t bytes = 0;
	char reason[128];
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st))
		return refuse(-errno, why, size, "%s: %s", path, strerror(errno));
	rc = (uint64_t)st.st_size > TYPES_BYTES_MAX ? -EFBIG : read_file(fd, (size_t)st.st_size, &data, &bytes);
	if (rc)
		return refuse(rc, why, size, "%s: %s", path, strerror(-rc));
	rc = types_all_known(data, bytes, reason, sizeof(reason));
	return rc < 0 ? refuse(rc, why, size, "%s: %s", path, reason) : rc;
}

static void set_running(struct btf_source *s)
{
	struct utsname u;

	s->own = true;
	if (!uname(&u))
		keep_release(s, (const unsigned char *)u.release, strlen(u.release));
}

int btf_load(const char *path, struct btf_source *ret, char *why, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ void *data = NULL;
	size_t bytes = 0;
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return refuse(-errno, why, size, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, why, size, "%s",
			      S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a file");
	if ((uint64_t)st.st_size > BTF_FILE_MAX)
		return refuse(-EFBIG, why, size, "more than %lu MiB", BTF_FILE_MAX >> 20);
	if ((uint64_t)st.st_size > MAP_FROM)
		return load_mapped(fd, (size_t)st.st_size, ret, why, size);
	err = read_file(fd, (size_t)st.st_size, &data, &bytes);
	if (err)
		return refuse(err, why, size, "%s", strerror(-err));
	err = btf_load_data(data, bytes, ret, why, size);
	if (!err && !strcmp(path, KERNEL_BTF))
		set_running(ret);
	return err;
}

void btf_unload(struct btf_source *s)
{
	types_free(&s->types);
	memset(s, 0, sizeof(*s));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect/relocate.c against libbpf: every instruction that a relocation touches comes out the same. On the
 * types of the running kernel, and of the files that TAPIO_TEST_KERNELS names (separated by colons: kernel
 * images, of any architecture), with the embedded objects or those in the folder TAPIO_TEST_OBJECTS.
 */
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/bpflog.h"
#include "collect/btf_source.h"
#include "collect/feature.h"
#include "collect/reach.h"
#include "collect/relocate.h"
#include "tests/test.h"

#define OBJECTS_MAX 64

struct compared {
	unsigned objects, relocations, absent, broken;
};

static const struct image *objects[OBJECTS_MAX];
static unsigned nobjects;

static const struct image *read_object(const char *folder, const char *name)
{
	struct image *image = calloc(1, sizeof(*image));
	_cleanup_fclose_ FILE *f = NULL;
	char path[512];
	char *data = malloc(1 << 20);

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	REQUIRE(f && image && data, "%s: %s", path, strerror(errno));
	*image = (struct image){ .name = strdup(name), .data = data, .size = fread(data, 1, 1 << 20, f) };
	return image;
}

static void find_objects(void)
{
	const char *folder = getenv("TAPIO_TEST_OBJECTS");
	const struct image *first, *end = images(&first);
	DIR *dir = folder ? opendir(folder) : NULL;

	REQUIRE(!folder || dir, "TAPIO_TEST_OBJECTS: %s: %s", folder, strerror(errno));
	for (const struct image *i = first; !dir && i < end && nobjects < OBJECTS_MAX; i++)
		objects[nobjects++] = i;
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (strstr(e->d_name, ".bpf.o") && nobjects < OBJECTS_MAX)
			objects[nobjects++] = read_object(folder, e->d_name);
	if (dir)
		closedir(dir);
	REQUIRE(nobjects, "no objects in %s", folder ? folder : "this binary");
}

/* Where libbpf finds the types: a file without a name. */
static int types_file(const struct types *t, char path[64])
{
	int fd = memfd_create("btf", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && write(fd, t->blob, t->blob_bytes) == (ssize_t)t->blob_bytes, "memfd: %s", strerror(errno));
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void compare_insn(const struct relocation *r, const struct core_record *record, const struct bpf_insn *theirs,
			 const char *where)
{
	const struct bpf_insn *ours = &r->insns[record->program][record->insn];
	const struct program *program = &r->object->programs[record->program];
	char text[256];
	bool wide = ours->code == (BPF_LD | BPF_IMM | BPF_DW);

	theirs += record->insn;
	record_describe(r->object, record, text, sizeof(text));
	CHECK(!memcmp(ours, theirs, wide ? 16 : 8),
	      "%s: object %s, program %s, instruction %u, %s (kind %u): code %#x off %d imm %d, libbpf has %#x %d %d",
	      where, r->object->image->name, program->name, record->insn, text, record->relo.kind, ours->code, ours->off,
	      ours->imm, theirs->code, theirs->off, theirs->imm);
}

static void compare_all(const struct relocation *r, const struct bpf_object *theirs, const char *where,
			struct compared *sums)
{
	for (unsigned i = 0; i < r->object->nrecords; i++) {
		const struct core_record *record = &r->object->records[i];
		const struct program *program = &r->object->programs[record->program];
		struct bpf_program *prog = bpf_object__find_program_by_name(theirs, program->name);

		if (!prog) /* a function: it has become a part of those that call it */
			continue;
		REQUIRE(bpf_program__insns(prog) && bpf_program__insn_cnt(prog) >= program->count,
			"%s: %s: libbpf keeps no instructions", where, program->name);
		compare_insn(r, record, bpf_program__insns(prog), where);
		sums->relocations++;
		sums->absent += r->results[i].state == RELO_ABSENT;
	}
}

/* libbpf relocates all programs before it loads the first: what becomes of that does not matter here. */
static void compare_object(const struct image *image, const struct types *target, const char *path, const char *where,
			   struct compared *sums)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = path, .object_name = "compared");
	struct relocation r;
	struct object o;
	struct bpf_object *theirs;
	char why[256];
	int err;

	if (object_open(image, &o))
		return;
	REQUIRE(!o.nrecords || !relocate(&o, target, ~0ull >> (64 - o.nprograms), &r), "relocate: no memory");
	if (!o.nrecords) {
		object_close(&o);
		return;
	}
	theirs = bpf_object__open_mem(image->data, image->size, &opts);
	REQUIRE(theirs, "object %s: %s", image->name, strerror(errno));
	bpflog_begin();
	err = bpf_object__load(theirs);
	bpflog_reason(err, why, sizeof(why));
	if (r.broken) {
		CHECK(err && strstr(why, "relo #"), "%s: object %s: a relocation of %s is broken, libbpf says '%s'", where,
		      image->name, r.broken, err ? why : "loaded");
		sums->broken++;
	} else if (!strstr(why, "extern ")) { /* without a kernel function that it names, libbpf does not get to relocating */
		compare_all(&r, theirs, where, sums);
	}
	sums->objects++;
	bpf_object__close(theirs);
	relocation_free(&r);
	object_close(&o);
}

static void compare_kernel(const char *file, struct compared *sums)
{
	struct btf_source source;
	char why[256], path[64];
	int err = btf_load(file, &source, why, sizeof(why)), fd;

	CHECK(!err, "%s: %s", file, why);
	if (err)
		return;
	CHECK(types_are_plain(&source.types), "%s: %u unknown, %u mended, cut %d: of kernels all is known", file,
	      source.types.unknown, source.types.mended, source.types.cut);
	fd = types_file(&source.types, path);
	for (unsigned i = 0; i < nobjects; i++)
		compare_object(objects[i], &source.types, path, source.release[0] ? source.release : file, sums);
	close(fd);
	btf_unload(&source);
}

TEST(live, relocations_are_libbpfs)
{
	char *kernels = getenv("TAPIO_TEST_KERNELS");
	struct compared sums = {};
	unsigned n = 1;

	test_allow_seconds(600);
	bpflog_init();
	if (!feature(FEATURE_BTF)->have)
		SKIP("no BTF: %s", feature(FEATURE_BTF)->why);
	find_objects();
	compare_kernel("/sys/kernel/btf/vmlinux", &sums);
	for (char *file = kernels ? strtok(kernels, ":") : NULL; file; file = strtok(NULL, ":"), n++)
		compare_kernel(file, &sums);
	CHECK(sums.absent && sums.relocations > 100 * n, "%u relocations, %u of them of what is not there",
	      sums.relocations, sums.absent);
	printf("    %u kernels, %u objects, %u relocations, %u absent, %u objects broken\n", n, sums.objects,
	       sums.relocations, sums.absent, sums.broken);
}

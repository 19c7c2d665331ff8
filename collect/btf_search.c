/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/btf_search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/refuse.h"
#include "collect/forecast.h"

/* Ours first: made for this. Then where distributions put a vmlinux, then the kernel that was booted. */
static const char *const patterns[] = {
	"/usr/share/tapio/btf/%m/%r.btf",
	"/usr/share/tapio/btf/%m/%r.btf.zst",
	"/boot/vmlinux-%r",
	"/lib/modules/%r/vmlinux-%r",
	"/lib/modules/%r/build/vmlinux",
	"/usr/lib/modules/%r/kernel/vmlinux",
	"/usr/lib/debug/boot/vmlinux-%r",
	"/usr/lib/debug/boot/vmlinux-%r.debug",
	"/usr/lib/debug/lib/modules/%r/vmlinux",
	"/boot/vmlinuz-%r",
	"/lib/modules/%r/vmlinuz",
};

const char *btf_search_path(unsigned i, const char *release, const char *machine, char path[PATH_MAX])
{
	size_t n = 0;

	if (i >= COUNT_OF(patterns))
		return NULL;
	for (const char *p = patterns[i]; *p && n < PATH_MAX - 1; p++) {
		const char *word = p[0] == '%' && p[1] == 'r' ? release : p[0] == '%' && p[1] == 'm' ? machine : NULL;

		if (word) {
			n += (size_t)snprintf(path + n, PATH_MAX - n, "%s", word);
			p++;
		} else {
			path[n++] = *p;
		}
	}
	path[n < PATH_MAX ? n : PATH_MAX - 1] = '\0';
	return path;
}

/* ---- is it this kernel's? ---- */

static bool same_result(const struct core_record *record, const struct relo_result *a, const struct relo_result *b)
{
	if (a->state != b->state)
		return false;
	return a->state != RELO_FOUND || record->relo.kind == BPF_CORE_TYPE_ID_TARGET || a->value == b->value;
}

static int compare_object(const struct object *o, const struct types *a, const struct types *b, char *why, size_t size)
{
	uint64_t all = o->nprograms ? ~0ull >> (64 - o->nprograms) : 0;
	struct relocation ra = {}, rb = {};
	int err = relocate(o, a, all, &ra);

	if (!err)
		err = relocate(o, b, all, &rb);
	for (unsigned i = 0; !err && i < o->nrecords; i++) {
		char what[160];

		if (same_result(&o->records[i], &ra.results[i], &rb.results[i]))
			continue;
		record_describe(o, &o->records[i], what, sizeof(what));
		err = refuse(-ESTALE, why, size, "%s is not the same", what);
	}
	if (ra.object)
		relocation_free(&ra);
	if (rb.object)
		relocation_free(&rb);
	return err;
}

int btf_compare(const struct types *a, const struct types *b, char *why, size_t size)
{
	const struct image *images[CORE_OBJECTS_MAX];
	unsigned n = core_objects(images);
	int err = 0;

	for (unsigned i = 0; !err && i < n; i++) {
		struct object o;

		err = object_open(images[i], &o);
		if (err)
			return err;
		err = compare_object(&o, a, b, why, size);
		object_close(&o);
	}
	return err;
}

int btf_foreign_functions(const struct types *t)
{
	_cleanup_free_ bool *seen = calloc(t->count, sizeof(*seen));
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	unsigned functions = 0, missing = 0;
	char line[1024], name[512], type;

	if (!seen || !f)
		return seen ? -errno : -ENOMEM;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*x %c %511s", &type, name) != 2 || !strchr("tTwW", type))
			continue;
		name[strcspn(name, ".")] = '\0'; /* what a compiler made of it: .isra.0 */
		seen[types_find(t, name, BTF_KIND_FUNC)] = true;
	}
	for (uint32_t id = 1; id < t->count; id++) {
		functions += btf_is_func(types_at(t, id));
		missing += btf_is_func(types_at(t, id)) && !seen[id];
	}
	/* Of a minimal file none are left, and where symbols are hidden none are seen. */
	return functions < 1000 || missing == functions ? -ENODATA : (int)(missing * 100 / functions);
}

static int check_own(const struct btf_source *s, char *why, size_t size)
{
	struct btf_source own;
	char differs[192];
	int err = btf_load(KERNEL_BTF, &own, differs, sizeof(differs));

	if (err)
		return 0; /* nothing to compare with */
	err = btf_compare(&own.types, &s->types, differs, sizeof(differs));
	btf_unload(&own);
	if (err == -ESTALE)
		return refuse(err, why, size, "describes another kernel: %s in " KERNEL_BTF, differs);
	return err ? refuse(err, why, size, "%s", strerror(-err)) : 0;
}

static int check_kernel(const struct btf_source *s, const struct utsname *u, char *why, size_t size)
{
	const char *machine = !strcmp(u->machine, "aarch64") ? "arm64" : u->machine;
	int foreign;

	if (s->machine && strcmp(s->machine, machine))
		return refuse(-ESTALE, why, size, "of an %s kernel: this machine is %s", s->machine, machine);
	if (s->release[0] && strcmp(s->release, u->release))
		return refuse(-ESTALE, why, size, "of Linux %s: this is %s", s->release, u->release);
	if (access(KERNEL_BTF, R_OK) == 0)
		return check_own(s, why, size);
	foreign = s->release[0] ? 0 : btf_foreign_functions(&s->types);
	if (foreign > BTF_FOREIGN_MAX)
		return refuse(-ESTALE, why, size,
			      "describes another kernel: this one has not %d %% of the functions that are in it", foreign);
	return 0;
}

/* ---- for libbpf ---- */

/* Types in a file without a name, where libbpf could not read what they came in. */
static int into_memory(const struct types *t, struct btf_choice *ret)
{
	size_t done = 0;

	ret->fd = memfd_create("tapio_btf", MFD_CLOEXEC);
	if (ret->fd < 0)
		return -errno;
	while (done < t->blob_bytes) {
		ssize_t n = write(ret->fd, (const char *)t->blob + done, t->blob_bytes - done);

		if (n <= 0) {
			int err = n ? -errno : -EIO;

			btf_drop(ret);
			return err;
		}
		done += (size_t)n;
	}
	snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", ret->fd);
	return 0;
}

static void say_where(const char *path, const struct btf_source *s, char *why, size_t size)
{
	const struct types *t = &s->types;

	if (types_are_plain(t))
		snprintf(why, size, "%s%s", path, s->minimal ? " (minimal)" : "");
	else
		snprintf(why, size, "%s, without %u types of unknown kinds%s", path, t->unknown,
			 t->cut ? " and what follows" : "");
}

static int take(const char *path, const struct utsname *u, struct btf_choice *ret, char *why, size_t size)
{
	struct btf_source s;
	char reason[160];
	int err = btf_load(path, &s, reason, sizeof(reason));

	if (err)
		return refuse(err, why, size, "%s: %s", path, reason);
	err = check_kernel(&s, u, reason, sizeof(reason));
	if (err)
		refuse(err, why, size, "%s: %s", path, reason);
	else if (s.bare && types_are_plain(&s.types))
		snprintf(ret->path, sizeof(ret->path), "%s", path);
	else
		err = into_memory(&s.types, ret);
	if (!err)
		say_where(path, &s, why, size);
	btf_unload(&s);
	return err;
}

/* The kernel's own, which libbpf reads by itself unless it has kinds that libbpf does not know. */
static int take_own(const struct utsname *u, struct btf_choice *ret, char *why, size_t size)
{
	int plain = btf_is_plain(KERNEL_BTF, why, size);

	if (plain < 0)
		return plain;
	if (!plain)
		return take(KERNEL_BTF, u, ret, why, size);
	snprintf(why, size, KERNEL_BTF);
	return 0;
}

static int search(const struct utsname *u, struct btf_choice *ret, char *why, size_t size)
{
	const char *machine = !strcmp(u->machine, "aarch64") ? "arm64" : u->machine;
	char path[PATH_MAX], reason[256];
	bool refused = false;

	for (unsigned i = 0; btf_search_path(i, u->release, machine, path); i++) {
		if (access(path, F_OK))
			continue;
		if (!take(path, u, ret, reason, sizeof(reason))) {
			snprintf(why, size, "%s", reason);
			return 0;
		}
		/* The first that was there and did not do is told. */
		if (!refused)
			snprintf(why, size, "%s", reason);
		refused = true;
	}
	return -ENOENT;
}

int btf_choose(const char *given, struct btf_choice *ret, char *why, size_t size)
{
	struct utsname u;
	int err;

	ret->path[0] = '\0';
	ret->fd = -1;
	if (uname(&u))
		return refuse(-errno, why, size, "uname: %s", strerror(errno));
	if (given)
		return take(given, &u, ret, why, size);
	err = take_own(&u, ret, why, size);
	return err ? search(&u, ret, why, size) : 0;
}

void btf_drop(struct btf_choice *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->path[0] = '\0';
}

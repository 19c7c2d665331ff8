/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes records of every event in the table, for fuzzers to start from: seeds FOLDER. A new event
 * needs no edit here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "tests/record.h"

static union record r;

/* What strings look like in each variant of a record; NULs included. */
static const struct variant {
	const char *name;
	char byte; /* of the numbers */
	const char *text;
	size_t length;
} variants[] = {
	{ "empty", '\0', "", 0 },
	{ "ones", '\xff', "", 0 },
	{ "plain", '\1', "name\0bin\0usr\0", 13 },
	{ "shell", '\2', "it's\0a b\0$x\0\0\"\\\"", 16 },
	{ "utf8", '\0', "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\0\xc2\x9b\xe2\x80\xa8\0\xef\xbb\xbf", 19 },
	{ "hostile", '\1', "\x1b[31m\n\0\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\0\xe2\x80\xae\xf0\x9f", 23 },
	{ "root", '\0', "\0", 1 },
};

static void fill(const struct event_desc *desc, const struct variant *v)
{
	record_begin(&r, desc->type);
	r.ev.number = (__u64)(v - variants);
	r.ev.ts_ns = 1772368496123456789ull;
	r.ev.cpu = (__u16)(60 + 10 * (v - variants));
	r.ev.cgroup_id = (__u64)v->length;
	if (v->length)
		memcpy(r.ev.comm, v->text, v->length < 16 ? v->length : 16);
	for (unsigned i = 0; i < desc->nfields; i++) {
		const struct event_field *f = &desc->fields[i];

		if (f->kind == KIND_STR || f->kind == KIND_STRV || f->kind == KIND_PATH)
			record_tail(&r, r.bytes + f->offset, v->text, v->length);
		else
			memset(r.bytes + f->offset, v->byte, f->size);
		if (f->kind == KIND_PATH) /* flags */
			memset(r.bytes + f->offset + offsetof(struct tapio_path, flags), v->byte, 1);
	}
}

static int save(const char *folder, const char *event, const char *variant)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s-%s", folder, event, variant);
	f = fopen(path, "we");
	if (!f || fwrite(&r, 1, r.ev.size, f) != r.ev.size || fflush(f)) {
		fprintf(stderr, "seeds: %s: %s\n", path, strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds FOLDER\n");
		return 2;
	}
	for (unsigned type = 1; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		for (unsigned i = 0; desc && i < COUNT_OF(variants); i++) {
			fill(desc, &variants[i]);
			if (save(argv[1], desc->name, variants[i].name))
				return 1;
		}
	}
	return 0;
}

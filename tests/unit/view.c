/* SPDX-License-Identifier: Apache-2.0 */
#include "event/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tests/record.h"
#include "tests/test.h"

static union record r;

static int check_size(size_t size)
{
	const struct event_desc *desc = NULL;
	int err = event_check(&r, size, &desc);

	CHECK((err == 0) == (desc != NULL), "result %d and desc %p", err, (const void *)desc);
	CHECK(err || desc->type == r.ev.type, "desc of another type");
	return err;
}

TEST(unit, check_sizes)
{
	for (unsigned type = 1; type < TAPIO_EV_MAX; type++) {
		record_begin(&r, type);
		unsigned fixed = r.ev.size;

		for (size_t size = 0; size < fixed; size++)
			CHECK(check_size(size) == -EBADMSG, "type %u in %zu bytes", type, size);
		CHECK(!check_size(fixed), "type %u: refused at its size", type);
		CHECK(!check_size(fixed + 8), "type %u: a perf buffer pads records", type);
		CHECK(!check_size(TAPIO_RECORD_MAX), "type %u: largest", type);
		CHECK(check_size(TAPIO_RECORD_MAX + 1) == -EBADMSG, "type %u: too large", type);
		r.ev.size = fixed - 1;
		CHECK(check_size(fixed) == -EBADMSG, "type %u: calls itself too small", type);
		r.ev.size = fixed + 1;
		CHECK(check_size(fixed) == -EBADMSG, "type %u: calls itself too large", type);
		r.ev.size = 0;
		CHECK(check_size(fixed) == -EBADMSG, "type %u: calls itself empty", type);
		r.ev.size = UINT32_MAX;
		CHECK(check_size(fixed) == -EBADMSG, "type %u: calls itself endless", type);
	}
}

TEST(unit, check_types)
{
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.type = 0;
	CHECK(check_size(r.ev.size) == -ENOENT, "type 0");
	r.ev.type = TAPIO_EV_MAX;
	CHECK(check_size(r.ev.size) == -ENOENT, "type of a later version");
	r.ev.type = UINT16_MAX;
	CHECK(check_size(r.ev.size) == -ENOENT, "type 65535");
}

/* Puts a reference into a field and says what must come of it. */
static void check_ref(const struct event_field *f, unsigned offset, unsigned length, bool good)
{
	struct tapio_str ref = { (__u16)offset, (__u16)length };
	int err;

	memcpy(r.bytes + f->offset, &ref, sizeof(ref));
	err = check_size(r.ev.size);
	CHECK(err == (good ? 0 : -EBADMSG), "%s: {%u, %u} in %u bytes: %d", f->name, offset, length,
	      r.ev.size, err);
	memset(r.bytes + f->offset, 0, sizeof(ref));
}

TEST(unit, check_references)
{
	unsigned seen = 0;

	for (unsigned type = 1; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_of_record(type);

		for (unsigned i = 0; i < desc->nfields; i++) {
			const struct event_field *f = &desc->fields[i];

			if (f->kind != KIND_STR && f->kind != KIND_STRV && f->kind != KIND_PATH)
				continue;
			seen++;
			record_begin(&r, type);
			r.ev.size += 100;
			check_ref(f, desc->size, 100, true);
			check_ref(f, desc->size + 99u, 1, true);
			check_ref(f, 0, 0, true);
			check_ref(f, 65535, 0, true); /* length 0: unknown, whatever the offset */
			check_ref(f, desc->size - 1u, 1, false); /* the fixed part */
			check_ref(f, 0, 1, false);
			check_ref(f, desc->size, 101, false);
			check_ref(f, desc->size + 100u, 1, false);
			check_ref(f, desc->size + 1u, 100, false);
			check_ref(f, 65535, 65535, false); /* a sum that wraps in 16 bits */
			check_ref(f, 65000, 700, false);
			check_ref(f, desc->size, 65535, false);
		}
	}
	CHECK(seen >= 5, "only %u fields with a reference", seen);
}

TEST(unit, check_lets_references_overlap)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	RECORD_TAIL(&r, &r.exec.args, "a\0b");
	memcpy(&r.exec.filename, &r.exec.args, sizeof(r.exec.filename));
	memcpy(&r.exec.exe, &r.exec.args, sizeof(r.exec.filename));
	view = record_view(&r);
	CHECK(view.desc, "refused: two fields may name the same bytes");
}

/* `size` bytes behind which nothing may be read: one byte too many is a crash. */
static char *bytes_at_the_end(size_t size)
{
	const size_t page = 65536;
	static char *map;

	if (!map)
		map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(map != MAP_FAILED && !mprotect(map + page, page, PROT_NONE), "mmap: %s", strerror(errno));
	return map + page - size;
}

TEST(unit, check_reads_nothing_behind_short_records)
{
	const struct event_desc *desc;

	for (size_t size = 0; size < sizeof(struct tapio_event); size += 8) {
		char *record = bytes_at_the_end(size);

		memset(record, 0, size);
		CHECK(event_check(record, size, &desc) == -EBADMSG, "%zu bytes", size);
	}
}

TEST(unit, check_references_against_the_size_in_the_record)
{
	record_begin(&r, TAPIO_EV_PROCESS_EXEC_FAILED);
	RECORD_TAIL(&r, &r.exec_failed.filename, "12345678");
	CHECK(!check_size(r.ev.size), "refused");
	r.ev.size -= 4;
	CHECK(check_size(r.ev.size + 4) == -EBADMSG, "a reference behind the record's own end");
}

static void read_all_fields(const struct event_view *view)
{
	static char path[EVENT_PATH_BUF];
	struct bytes s;
	unsigned long sum = 0;
	size_t pos, n;

	for (unsigned i = 0; i < view->desc->nfields; i++) {
		const struct event_field *f = &view->desc->fields[i];

		sum += event_has(view, f, event_ncommon + i);
		if (f->kind == KIND_STR || f->kind == KIND_STRV || f->kind == KIND_PATH) {
			s = event_str(view, f);
			for (n = 0; n < s.length; n++)
				sum += (unsigned char)s.data[n];
			for (pos = 0; event_strv_next(view, f, &pos, &s);)
				sum += s.length;
			n = f->kind == KIND_PATH ? event_path(view, f, path) : 0;
			CHECK(n <= sizeof(path), "%s: path of %zu bytes", f->name, n);
		} else if (f->kind != KIND_NONE) {
			sum += (unsigned long)event_number(view, f);
		}
	}
	__asm__ volatile("" : : "r"(sum));
}

TEST(unit, checked_records_are_read_within_bounds)
{
	unsigned accepted = 0;

	bytes_at_the_end(0);
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		const struct event_desc *desc = event_desc_of_record(1 + (unsigned)rand() % (TAPIO_EV_MAX - 1));
		unsigned tail = (unsigned)rand() % 9 * 8, size = desc->size + tail;
		union record *end = (union record *)bytes_at_the_end(size);
		struct event_view view = { .ev = &end->ev };

		for (unsigned k = 0; k < size; k++)
			((char *)end)[k] = rand() % 3 ? (char)rand() : '\0';
		end->ev.type = desc->type;
		end->ev.size = size;
		for (unsigned k = 0; k < desc->nfields; k++) {
			const struct event_field *f = &desc->fields[k];
			struct tapio_str ref = { (__u16)(desc->size + (unsigned)rand() % (tail + 1)),
						 (__u16)((unsigned)rand() % (tail + 2)) };

			if (f->kind == KIND_STR || f->kind == KIND_STRV || f->kind == KIND_PATH)
				memcpy((char *)end + f->offset, &ref, sizeof(ref));
		}
		if (event_check(end, size, &view.desc))
			continue;
		accepted++;
		read_all_fields(&view);
	}
	CHECK(accepted > 20000, "only %u records passed the check", accepted);
}

/* ---- paths ---- */

static const struct event_field *field_of(const struct event_view *view, const char *name)
{
	return &view->desc->fields[(unsigned)event_field_index(view->desc, name) - event_ncommon];
}

static void check_path(const char *names, size_t n, unsigned flags, const char *expected)
{
	static char path[EVENT_PATH_BUF + 1];
	struct event_view view;
	size_t length;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.exe, names, n);
	r.exec.exe.flags = (__u16)flags;
	memset(path, '#', sizeof(path));
	view = record_view(&r);
	REQUIRE(view.desc, "%s: refused", expected);
	length = event_path(&view, field_of(&view, "process.executable.path"), path);
	CHECK(length == strlen(expected) && !memcmp(path, expected, length), "'%.*s' instead of '%s'",
	      (int)length, path, expected);
	CHECK(path[length] == '#', "written past the end");
}

#define CHECK_PATH(names, flags, expected) check_path(names, sizeof(names) - 1, flags, expected)

TEST(unit, path_is_put_together)
{
	CHECK_PATH("cat\0bin\0usr\0", 0, "/usr/bin/cat");
	CHECK_PATH("cat\0bin\0usr", 0, "/usr/bin/cat"); /* the last NUL may be missing */
	CHECK_PATH("init\0", 0, "/init");
	CHECK_PATH("\0", 0, "/");
	CHECK_PATH("", 0, "");
	CHECK_PATH("", TAPIO_PATH_DELETED | TAPIO_PATH_TRUNCATED, "");
	CHECK_PATH("x\0tmp\0", TAPIO_PATH_DELETED, "/tmp/x (deleted)");
	CHECK_PATH("file\0deep\0", TAPIO_PATH_TRUNCATED, "\xe2\x80\xa6/deep/file");
	CHECK_PATH("file\0deep\0", TAPIO_PATH_TRUNCATED | TAPIO_PATH_DELETED,
		   "\xe2\x80\xa6/deep/file (deleted)");
	CHECK_PATH("a\nb\0\xff\0", 0, "/\xff/a\nb"); /* bytes are the sinks' business */
}

TEST(unit, path_deep_and_long)
{
	static char names[TAPIO_PATH_MAX], expected[TAPIO_PATH_MAX + 1];
	size_t n = sizeof(names);

	for (size_t i = 0; i < n; i += 2) {
		memcpy(names + i, "d", 2);
		memcpy(expected + i, "/d", 2);
	}
	check_path(names, n, 0, expected); /* 2048 names */
	memset(names, 'n', n - 1);
	names[n - 1] = '\0';
	memset(expected, 'n', n);
	expected[0] = '/';
	check_path(names, n, 0, expected); /* one name */
}

TEST(unit, path_of_a_hostile_record_is_bounded)
{
	static char names[30000], path[EVENT_PATH_BUF + 1];
	struct event_view view;
	size_t length;

	memset(names, 'n', sizeof(names));
	for (unsigned step = 1; step < sizeof(names); step = step * 3 + 1) {
		for (size_t i = step; i < sizeof(names); i += step)
			names[i] = '\0';
		record_begin(&r, TAPIO_EV_PROCESS_EXEC);
		record_tail(&r, &r.exec.exe, names, sizeof(names));
		r.exec.exe.flags = UINT16_MAX;
		view = record_view(&r);
		path[EVENT_PATH_BUF] = '#';
		length = event_path(&view, field_of(&view, "process.executable.path"), path);
		CHECK(length == EVENT_PATH_BUF && path[EVENT_PATH_BUF] == '#', "%zu bytes", length);
		memset(names, 'n', sizeof(names));
	}
}

/* ---- lists, numbers, presence ---- */

static void check_strv(const char *data, size_t n, unsigned count, const char *joined)
{
	struct event_view view;
	char got[256] = "";
	struct bytes s;
	unsigned i = 0;
	size_t pos = 0;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.args, data, n);
	view = record_view(&r);
	while (event_strv_next(&view, field_of(&view, "process.command_args"), &pos, &s)) {
		strncat(got, s.data, s.length);
		strcat(got, "|");
		i++;
	}
	CHECK(i == count && !strcmp(got, joined), "%u strings '%s' instead of %u '%s'", i, got, count, joined);
}

TEST(unit, strv_is_split)
{
	check_strv("ls\0-l\0", 6, 2, "ls|-l|");
	check_strv("ls\0-l", 5, 2, "ls|-l|");
	check_strv("ls\0\0-l\0", 7, 3, "ls||-l|");
	check_strv("\0", 1, 1, "|");
	check_strv("\0\0", 2, 2, "||");
	check_strv("a", 1, 1, "a|");
	check_strv("", 0, 0, "");
}

TEST(unit, numbers_are_read_by_kind)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	r.exit.code = -5;
	r.exit.signal.value = UINT32_MAX;
	r.exit.ran_ns = UINT64_MAX;
	r.bytes[offsetof(struct tapio_process_exit, core_dumped)] = 2;
	memset(r.exit.pad, 0xff, sizeof(r.exit.pad));
	view = record_view(&r);
	CHECK(event_number(&view, field_of(&view, "process.exit.code")) == -5, "s32");
	CHECK(event_number(&view, field_of(&view, "process.exit.signal")) == UINT32_MAX, "u32 is unsigned");
	CHECK((uint64_t)event_number(&view, field_of(&view, "process.run_time")) == UINT64_MAX, "u64");
	CHECK(event_number(&view, field_of(&view, "process.exit.core_dumped")) == 2, "bool takes one byte");
}

/* Fields of no event yet: each width, with bytes behind it that must not be read. */
TEST(unit, numbers_of_each_width)
{
	static const struct {
		uint8_t kind, size;
		int64_t value;
	} rows[] = {
		{ KIND_U8, 1, 0xf1 },
		{ KIND_U16, 2, 0xf2f1 },
		{ KIND_U32, 4, 0xf4f3f2f1 },
		{ KIND_U64, 8, (int64_t)0xf8f7f6f5f4f3f2f1ull },
		{ KIND_S32, 4, (int32_t)0xf4f3f2f1 },
		{ KIND_ERRNO, 4, (int32_t)0xf4f3f2f1 },
		{ KIND_COMM, 16, 1 },
	};
	struct event_view view = { .ev = &r.ev };

	for (unsigned i = 0; i < 24; i++)
		r.bytes[80 + i] = (char)(0xf1 + i);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_field f = { .offset = 80, .size = rows[i].size, .kind = rows[i].kind };

		CHECK(event_number(&view, &f) == rows[i].value, "kind %u: %llx", rows[i].kind,
		      (unsigned long long)event_number(&view, &f));
	}
}

TEST(unit, presence)
{
	struct event_field f = { .offset = 80, .size = 4, .kind = KIND_S32 };
	struct event_absent absent = { .mask = 1ull << 63 };
	struct event_view view = { .ev = &r.ev };
	static const struct {
		int32_t value;
		uint8_t flags;
		bool has;
	} rows[] = {
		{ 0, 0, true },		    { 0, OMIT_ZERO, false },	  { 1, OMIT_ZERO, true },
		{ -1, OMIT_ZERO, true },    { -1, OMIT_NEGATIVE, false }, { INT32_MIN, OMIT_NEGATIVE, false },
		{ 0, OMIT_NEGATIVE, true }, { -1, OMIT_ONES, false },	  { 0, OMIT_ONES, true },
		{ 0, OMIT_FALSE, false },   { 1, OMIT_FALSE, true },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(r.bytes + 80, &rows[i].value, 4);
		f.flags = rows[i].flags;
		view.absent = NULL;
		CHECK(event_has(&view, &f, 63) == rows[i].has, "row %u", i);
		view.absent = &absent;
		CHECK(!event_has(&view, &f, 63), "row %u: absent, and still there", i);
		CHECK(event_has(&view, &f, 62) == rows[i].has, "row %u: absent for another's bit", i);
	}
	f.kind = KIND_NONE;
	CHECK(!event_has(&view, &f, 0), "padding");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* BTF that is damaged, hostile, or of the future. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/types.h"
#include "tests/test.h"

/* Written by hand: libbpf refuses to make most of it. */
struct maker {
	unsigned char types[4096], strings[512], layouts[256];
	__u32 ntypes, nstrings, nlayouts;
};

static __u32 str(struct maker *m, const char *s)
{
	__u32 at = m->nstrings;

	memcpy(m->strings + at, s, strlen(s) + 1);
	m->nstrings += (__u32)strlen(s) + 1;
	return at;
}

static void put(struct maker *m, __u32 value)
{
	memcpy(m->types + m->ntypes, &value, 4);
	m->ntypes += 4;
}

static void type(struct maker *m, __u32 name, __u32 kind, __u32 vlen, __u32 rest)
{
	put(m, name);
	put(m, kind << 24 | vlen);
	put(m, rest);
}

static void integer(struct maker *m, const char *name, __u32 bytes)
{
	type(m, str(m, name), BTF_KIND_INT, 0, bytes);
	put(m, bytes * 8);
}

static void begin(struct maker *m)
{
	memset(m, 0, sizeof(*m));
	m->nstrings = 1;
}

/* With layouts, the header is the long one. */
static size_t finish(const struct maker *m, unsigned char *out)
{
	__u32 header = m->nlayouts ? 32 : 24;
	__u32 h[8] = { 0x1eb9f, header, 0, m->ntypes, m->ntypes, m->nstrings, m->ntypes + m->nstrings, m->nlayouts };

	memcpy(out, h, header);
	memcpy(out + header, m->types, m->ntypes);
	memcpy(out + header + m->ntypes, m->strings, m->nstrings);
	memcpy(out + header + m->ntypes + m->nstrings, m->layouts, m->nlayouts);
	return header + m->ntypes + m->nstrings + m->nlayouts;
}

static struct types read_made(const struct maker *m)
{
	unsigned char raw[8192];
	size_t size = finish(m, raw);
	char why[128] = "";
	struct types t;
	int err = types_read(raw, size, &t, why, sizeof(why));

	REQUIRE(!err, "types_read: %s", why);
	return t;
}

/* Whatever came in, libbpf takes what came of it. */
static void check_libbpf_takes(const struct types *t)
{
	struct btf *b = btf__new(t->blob, (__u32)t->blob_bytes);

	CHECK(b, "libbpf refuses it: %s", strerror(errno));
	CHECK(!b || btf__type_cnt(b) == t->count, "libbpf sees %u types of %u", b ? btf__type_cnt(b) : 0, t->count);
	btf__free(b);
}

TEST(unit, types_plain)
{
	struct maker m;
	struct types t;

	begin(&m);
	integer(&m, "int", 4);
	type(&m, str(&m, "pid_t"), BTF_KIND_TYPEDEF, 0, 1);
	type(&m, 0, BTF_KIND_ARRAY, 0, 0);
	put(&m, 2), put(&m, 1), put(&m, 5);
	t = read_made(&m);
	CHECK(types_are_plain(&t), "mended %u, unknown %u, cut %d", t.mended, t.unknown, t.cut);
	CHECK(t.count == 4 && types_size(&t, 3) == 20 && types_strip(&t, 2) == 1, "%u types", t.count);
	CHECK(!types_index(&t) && types_find(&t, "pid_t", BTF_KIND_TYPEDEF) == 2 && !types_find(&t, "pid", BTF_KIND_TYPEDEF),
	      "pid_t is not found");
	check_libbpf_takes(&t);
	types_free(&t);
}

/* 222edc843c15 (7.1): a kind that is unknown here is passed over, and the ids stay. */
TEST(unit, types_future_kind_with_layout)
{
	struct maker m;
	struct types t;

	begin(&m);
	integer(&m, "int", 4);
	type(&m, str(&m, "novelty"), 21, 2, 1);
	put(&m, 7), put(&m, 8), put(&m, 9);
	type(&m, str(&m, "task_struct"), BTF_KIND_STRUCT, 1, 8);
	put(&m, str(&m, "pid")), put(&m, 2), put(&m, 0); /* of the novel kind */
	m.nlayouts = 22 * 4;
	m.layouts[21 * 4] = 4;     /* bytes behind the head */
	m.layouts[21 * 4 + 1] = 4; /* and of each element */
	t = read_made(&m);
	CHECK(t.unknown == 1 && !t.cut && t.count == 4, "unknown %u, cut %d, %u types", t.unknown, t.cut, t.count);
	CHECK(!types_index(&t) && types_find(&t, "task_struct", BTF_KIND_STRUCT) == 3, "what follows is lost");
	CHECK(btf_is_void(types_at(&t, types_strip(&t, 2))), "the unknown is something");
	check_libbpf_takes(&t);
	types_free(&t);
}

TEST(unit, types_future_kind_without_layout)
{
	struct maker m;
	struct types t;

	begin(&m);
	integer(&m, "int", 4);
	type(&m, str(&m, "const_to_what_is_lost"), BTF_KIND_CONST, 0, 3);
	type(&m, str(&m, "novelty"), 25, 0, 1);
	type(&m, str(&m, "lost"), BTF_KIND_CONST, 0, 1);
	t = read_made(&m);
	CHECK(t.cut && t.count == 3 && t.mended == 1, "cut %d, %u types, mended %u", t.cut, t.count, t.mended);
	CHECK(btf_is_void(types_at(&t, types_strip(&t, 2))), "a reference to nothing leads somewhere");
	check_libbpf_takes(&t);
	types_free(&t);
}

/* The layout of the future allows more members than libbpf can count. */
TEST(unit, types_too_many_members)
{
	enum { MEMBERS = 70000 };
	size_t size = 24 + 12 + MEMBERS * 8 + 1;
	unsigned char *raw = calloc(1, size);
	__u32 h[9] = { 0x1eb9f, 24, 0, 12 + MEMBERS * 8, 12 + MEMBERS * 8, 1, 0, BTF_KIND_ENUM << 24 | MEMBERS, 4 };
	struct types t;
	char why[128];

	REQUIRE(raw, "no memory");
	memcpy(raw, h, sizeof(h));
	REQUIRE(!types_read(raw, size, &t, why, sizeof(why)), "%s", why);
	CHECK(t.count == 2 && btf_vlen(types_at(&t, 1)) == 65535 && t.mended, "%u members", btf_vlen(types_at(&t, 1)));
	check_libbpf_takes(&t);
	types_free(&t);
	free(raw);
}

/* Circles of typedefs: libbpf would go round for ever. */
TEST(unit, types_circles_are_opened)
{
	struct maker m;
	struct types t;

	begin(&m);
	type(&m, 0, BTF_KIND_CONST, 0, 2);
	type(&m, str(&m, "a"), BTF_KIND_TYPEDEF, 0, 3);
	type(&m, str(&m, "b"), BTF_KIND_TYPEDEF, 0, 1);
	type(&m, 0, BTF_KIND_ARRAY, 0, 0);
	put(&m, 4), put(&m, 1), put(&m, 2); /* of itself */
	type(&m, str(&m, "self"), BTF_KIND_TYPEDEF, 0, 5);
	t = read_made(&m);
	CHECK(t.mended == 2, "%u mended", t.mended);
	for (__u32 id = 1; id < t.count; id++)
		CHECK(!types_strip(&t, id) || id == 4, "type %u leads to %u", id, types_strip(&t, id));
	CHECK(types_size(&t, 4) == -E2BIG, "an array of itself has %lld bytes", (long long)types_size(&t, 4));
	check_libbpf_takes(&t);
	types_free(&t);
}

TEST(unit, types_long_chain_is_cut)
{
	struct maker m;
	struct types t;

	begin(&m);
	for (__u32 i = 0; i < 200; i++)
		type(&m, 0, BTF_KIND_CONST, 0, i + 2);
	integer(&m, "int", 4);
	t = read_made(&m);
	CHECK(types_strip(&t, 190) == 201 && t.mended, "a short chain was cut");
	check_libbpf_takes(&t);
	types_free(&t);
}

TEST(unit, types_names_out_of_range)
{
	struct maker m;
	struct types t;

	begin(&m);
	type(&m, 0x7fffffff, BTF_KIND_STRUCT, 1, 4);
	put(&m, 0x10000), put(&m, 0x20000), put(&m, 0);
	type(&m, 1, BTF_KIND_FWD, 0, 0);
	memcpy(m.strings + m.nstrings, "unended", 7);
	m.nstrings += 7;
	t = read_made(&m);
	CHECK(!*type_name(&t, 1) && !btf_members(types_at(&t, 1))->type, "nothing became something");
	CHECK(!*type_name(&t, 2), "a string that does not end was read: '%s'", type_name(&t, 2));
	check_libbpf_takes(&t);
	types_free(&t);
}

static void refused(const char *what, const void *raw, size_t size)
{
	struct types t;
	char why[128] = "";
	int err = types_read(raw, size, &t, why, sizeof(why));

	CHECK(err < 0 && why[0], "%s: error %d '%s'", what, err, why);
	if (!err)
		types_free(&t);
}

TEST(unit, types_that_are_none)
{
	__u32 h[7] = { 0x1eb9f, 24, 0, 0, 0, 1, 0 };

	refused("nothing", "", 0);
	refused("a header without strings", h, 24);
	h[0] = 0x1eb9e;
	refused("another magic", h, 28);
	h[0] = 0x19feb;
	refused("the other byte order", h, 28);
	h[0] = 0x2eb9f;
	refused("another version", h, 28);
	h[0] = 0x1eb9f, h[1] = 23;
	refused("a short header", h, 28);
	h[1] = 1 << 30;
	refused("a header longer than all", h, 28);
	h[1] = 24, h[3] = 0xfffffff0, h[2] = 0x20;
	refused("types that wrap around", h, 28);
	h[2] = h[3] = 0, h[5] = 0;
	refused("no strings", h, 28);
	h[5] = 1, h[6] = 'x';
	refused("strings that begin with one", h, 28);
}

TEST(unit, types_all_known_agrees)
{
	unsigned char raw[8192];
	struct maker m;
	char why[128];

	begin(&m);
	integer(&m, "int", 4);
	type(&m, str(&m, "s"), BTF_KIND_STRUCT, 1, 4);
	put(&m, 0), put(&m, 1), put(&m, 0);
	CHECK(types_all_known(raw, finish(&m, raw), why, sizeof(why)) == 1, "a plain one");
	type(&m, 0, 22, 0, 0);
	CHECK(!types_all_known(raw, finish(&m, raw), why, sizeof(why)), "an unknown kind");
	CHECK(types_all_known(raw, 10, why, sizeof(why)) < 0, "no BTF");
}

TEST(unit, names_without_flavours)
{
	static const struct {
		const char *name;
		size_t length;
	} names[] = {
		{ "task_struct", 11 }, { "task_struct___2", 11 }, { "a___b___c", 5 }, { "a____b", 6 }, { "___b", 4 },
		{ "a___", 4 },	       { "", 0 },		  { "a___b", 1 },     { "____a___b", 5 },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		CHECK(name_essential(names[i].name) == names[i].length, "%s: %zu", names[i].name, name_essential(names[i].name));
	CHECK(names_agree("a___x", "a___y") && names_agree("a", "a___y") && !names_agree("a", "b") && !names_agree("a", "ab"),
	      "names");
}

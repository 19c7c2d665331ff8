/* SPDX-License-Identifier: Apache-2.0 */
#include "export/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "export/output.h"
#include "export/utf8.h"
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

static union record r;
static struct buf out = BUF_INIT(8 << 20);

static const char *render(const struct event_view *view)
{
	const char *line;

	REQUIRE(view->desc, "the test's record was refused");
	buf_reset(&out);
	json_event(&out, view);
	REQUIRE(!out.refused, "json_event refused");
	CHECK(strict_json_line(out.data, out.length), "not a strict line: %.*s", (int)out.length, out.data);
	line = buf_cstr(&out);
	CHECK(strlen(line) == out.length, "a raw NUL");
	return line;
}

static void check_line(const struct event_view *view, const char *expected)
{
	const char *line = render(view);

	CHECK(!strcmp(line, expected), "\n     got %s    want %s", line, expected);
}

/* ---- whole lines ---- */

TEST(unit, json_exec)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	r.ev.cgroup_id = 48213;
	r.exec.start.ns = 5000000000000;
	r.exec.parent_start.ns = 1;
	r.exec.cap_effective.bits = 1ull << 0 | 1ull << 12 | 1ull << 40 | 1ull << 41 | 1ull << 63;
	r.exec.parent_pid = 1;
	r.exec.vpid = 7;
	r.exec.uid = 1000;
	r.exec.gid = 100;
	r.exec.egid = 4294967295;
	r.exec.pid_ns = 4026531836;
	r.exec.args_count = 4;
	r.exec.args_size = 20;
	r.exec.args_truncated = true;
	RECORD_TAIL(&r, &r.exec.exe, "python3.11\0bin\0usr\0");
	RECORD_TAIL(&r, &r.exec.cwd, "\0");
	RECORD_TAIL(&r, &r.exec.filename, "./x.py");
	RECORD_TAIL(&r, &r.exec.args, "python3\0x.py\0\0a \"quoted\" \\ word");
	view = record_view(&r);
	check_line(&view,
		   "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.exec\","
		   "\"process.pid\":4242,\"process.tid\":4242,\"process.executable.name\":\"init-test\","
		   "\"cgroup.id\":48213,\"process.parent_pid\":1,"
		   "\"process.executable.path\":\"/usr/bin/python3.11\","
		   "\"process.command_args\":[\"python3\",\"x.py\",\"\",\"a \\\"quoted\\\" \\\\ word\"],"
		   "\"process.args_count\":4,\"process.args.size\":20,\"process.args.truncated\":true,"
		   "\"process.exec.filename\":\"./x.py\",\"process.working_directory\":\"/\","
		   "\"process.creation.time\":\"2026-03-01T12:34:56.123456789Z\","
		   "\"process.parent.creation.time\":\"2026-03-01T11:11:36.123456790Z\",\"process.vpid\":7,"
		   "\"process.user.id\":0,\"process.real_user.id\":1000,\"process.group.id\":4294967295,"
		   "\"process.real_group.id\":100,"
		   "\"process.linux.capabilities.effective\":[\"CAP_CHOWN\",\"CAP_NET_ADMIN\","
		   "\"CAP_CHECKPOINT_RESTORE\",\"CAP_41\",\"CAP_63\"],"
		   "\"process.linux.capabilities.permitted\":[],"
		   "\"process.linux.namespace.pid\":4026531836}\n");
}

TEST(unit, json_absent)
{
	struct event_absent absent = { .json = "[\"process.user.id\",\"process.parent_pid\"]" };
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.fork.parent_pid = 1;
	r.fork.vpid = 2;
	view = record_view(&r);
	absent.mask = 1ull << event_field_index(view.desc, "process.parent_pid");
	absent.mask |= 1ull << event_field_index(view.desc, "process.tid");
	view.absent = &absent;
	check_line(&view, "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.fork\","
			  "\"process.pid\":4242,\"process.executable.name\":\"init-test\",\"process.vpid\":2,"
			  "\"tapio.absent\":[\"process.user.id\",\"process.parent_pid\"]}\n");
	absent = (struct event_absent){ 0 };
	check_line(&view, "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.fork\","
			  "\"process.pid\":4242,\"process.tid\":4242,"
			  "\"process.executable.name\":\"init-test\",\"process.parent_pid\":1,"
			  "\"process.vpid\":2}\n");
}

TEST(unit, json_exit)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	memcpy(r.ev.comm, "sixteen bytes ok", 16); /* no NUL */
	r.exit.code = -1;
	r.exit.signal.value = 11;
	r.bytes[offsetof(struct tapio_process_exit, core_dumped)] = 0x40; /* any but 0 is true */
	r.exit.ran_ns = UINT64_MAX;
	r.exit.start.ns = 1; /* follows the name */
	view = record_view(&r);
	check_line(&view, "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.exit\","
			  "\"process.pid\":4242,\"process.tid\":4242,"
			  "\"process.executable.name\":\"sixteen bytes ok\",\"process.exit.signal\":11,"
			  "\"process.exit.core_dumped\":true,\"process.run_time\":18446744073709551615,"
			  "\"process.cpu.user_time\":0,\"process.cpu.system_time\":0,"
			  "\"process.creation.time\":\"2026-03-01T11:11:36.123456790Z\"}\n");
	r.exit.start.ns = 0;
	memcpy(r.ev.comm, "ab\0garbage", 10);
	r.bytes[offsetof(struct tapio_process_exit, core_dumped)] = 0;
	r.exit.code = 0;
	r.exit.signal.value = 0;
	check_line(&view, "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.exit\","
			  "\"process.pid\":4242,\"process.tid\":4242,"
			  "\"process.executable.name\":\"ab\",\"process.exit.code\":0,"
			  "\"process.run_time\":18446744073709551615,"
			  "\"process.cpu.user_time\":0,\"process.cpu.system_time\":0}\n");
}

static void check_exec_failed(int error, const char *expected)
{
	char want[300];
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC_FAILED);
	r.exec_failed.error.value = error;
	view = record_view(&r);
	snprintf(want, sizeof(want),
		 "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"process.exec_failed\","
		 "\"process.pid\":4242,\"process.tid\":4242,\"process.executable.name\":\"init-test\","
		 "\"process.exec.errno\":%d,\"error.type\":\"%s\"}\n",
		 error, expected);
	check_line(&view, want);
}

TEST(unit, json_errno)
{
	check_exec_failed(2, "ENOENT");
	check_exec_failed(13, "EACCES");
	check_exec_failed(40, "ELOOP");
	check_exec_failed(524, "524"); /* the kernel's own, without a symbol */
	check_exec_failed(0, "0");
	check_exec_failed(-2147483647 - 1, "-2147483648");
	check_exec_failed(2147483647, "2147483647");
}

static void check_lost(unsigned sensor, unsigned cause, const char *expected)
{
	char want[300];
	struct event_view view;

	record_begin(&r, TAPIO_EV_LOST);
	r.lost.sensor.value = sensor;
	r.lost.cause.value = cause;
	r.lost.interval_ns = 1000000000;
	view = record_view(&r);
	snprintf(want, sizeof(want),
		 "{\"time\":\"2026-03-01T12:34:56.123456789Z\",\"event\":\"tapio.lost\",%s,"
		 "\"tapio.lost.count\":0,\"tapio.lost.interval\":1000000000}\n",
		 expected);
	check_line(&view, want);
}

TEST(unit, json_lost)
{
	check_lost(1, 0, "\"tapio.lost.sensor\":\"process\",\"tapio.lost.cause\":\"ring_full\"");
	check_lost(1, 3, "\"tapio.lost.sensor\":\"process\",\"tapio.lost.cause\":\"run_skipped\"");
	check_lost(0, TAPIO_CAUSE_SINK_FAILED, "\"tapio.lost.cause\":\"sink_failed\""); /* of a sink: of no sensor */
	check_lost(999, 4294967295, "\"tapio.lost.sensor\":\"999\",\"tapio.lost.cause\":\"4294967295\"");
}

/* ---- numbers and times ---- */

static void check_number(uint64_t v)
{
	struct event_view view;
	const char *line;
	char want[80];

	record_begin(&r, TAPIO_EV_LOST);
	r.lost.count = v;
	r.lost.interval_ns = (uint32_t)v;
	view = record_view(&r);
	line = render(&view);
	snprintf(want, sizeof(want), "\"tapio.lost.count\":%" PRIu64 ",\"tapio.lost.interval\":%" PRIu32 "}\n",
		 v, (uint32_t)v);
	CHECK(strstr(line, want), "%s not in %s", want, line);
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.tgid = (uint32_t)v; /* the way for 32 bits */
	view = record_view(&r);
	line = render(&view);
	snprintf(want, sizeof(want), "\"process.pid\":%" PRIu32 ",", (uint32_t)v);
	CHECK(strstr(line, want), "%s not in %s", want, line);
}

TEST(unit, json_numbers)
{
	for (uint64_t v = 0; v < 12000; v++)
		check_number(v);
	for (uint64_t power = 1; power <= 10000000000000000000ull / 10; power *= 10)
		for (uint64_t factor = 1; factor <= 10; factor++)
			for (int d = -1; d <= 1; d++)
				check_number(power * factor + (uint64_t)d);
	for (unsigned bit = 0; bit < 64; bit++)
		check_number((1ull << bit) - 1);
	check_number(UINT64_MAX);
	srand(1);
	for (unsigned i = 0; i < 100000; i++)
		check_number(((uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand()) >> rand() % 64);
}

static void check_time(uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct event_view view;
	char want[80], date[32];
	const char *line;
	struct tm tm;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.fork.start.ns = 12345;
	view = record_view(&r);
	view.wall_ns = ns;
	view.boot_to_wall_ns = (int64_t)(ns - 12345);
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	line = render(&view);
	snprintf(want, sizeof(want), "{\"time\":\"%s.%09uZ\",", date, (unsigned)(ns % 1000000000));
	CHECK(!strncmp(line, want, strlen(want)), "%s is not the start of %s", want, line);
	snprintf(want, sizeof(want), "\"process.creation.time\":\"%s.%09uZ\"}", date,
		 (unsigned)(ns % 1000000000));
	CHECK(strstr(line, want), "%s not in %s", want, line);
}

TEST(unit, json_times)
{
	uint64_t day = 86400ull * 1000000000, leap = 1709164800ull * 1000000000; /* 2024-02-29 */

	check_time(0);
	check_time(999999999);
	check_time(1000000000);
	check_time(UINT64_MAX);
	for (uint64_t d = 0; d < 1500; d++) { /* the last and the first nanosecond of days */
		check_time(leap + d * day);
		check_time(leap + d * day - 1);
	}
	for (uint64_t s = 0; s < 200; s++) /* more seconds than are cached, forth and back */
		check_time(leap + s * 997 * 1000000000 + s);
	for (uint64_t s = 200; s; s--)
		check_time(leap + s * 997 * 1000000000 + s);
	srand(2);
	for (unsigned i = 0; i < 50000; i++)
		check_time((uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand());
}

/* ---- strings ---- */

/* What a string must become, said slowly. */
static void reference_string(struct buf *b, const char *s, size_t n)
{
	size_t length;
	uint32_t cp;

	buf_addc(b, '"');
	for (; n; s += length, n -= length) {
		length = strict_utf8_char((const unsigned char *)s, n);
		if (!length) {
			buf_adds(b, "\xef\xbf\xbd");
			length = 1;
			continue;
		}
		cp = strict_code_point(s, length);
		if (cp == '\n' || cp == '\r' || cp == '\t')
			buf_printf(b, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
		else if (!utf8_printable(cp) && cp < 0x10000)
			buf_printf(b, "\\u%04x", cp);
		else if (!utf8_printable(cp))
			buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + (cp & 0x3ff));
		else if (cp == '"' || cp == '\\')
			buf_printf(b, "\\%c", (char)cp);
		else
			buf_add(b, s, length);
	}
	buf_addc(b, '"');
}

/* The bytes as each kind of string, against the slow way. */
static void check_string(const char *s, size_t n)
{
	static struct buf want = BUF_INIT(4 << 20);
	struct event_view view;
	struct bytes part;
	size_t pos = 0;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.args, s, n);
	memcpy(&r.exec.filename, &r.exec.args, sizeof(r.exec.filename));
	memset(r.ev.comm, 0, sizeof(r.ev.comm));
	memcpy(r.ev.comm, s, n < sizeof(r.ev.comm) ? n : sizeof(r.ev.comm));
	view = record_view(&r);
	render(&view);
	buf_reset(&want);
	if (n) {
		buf_adds(&want, ",\"process.command_args\":[");
		while (event_strv_next(&view, &view.desc->fields[2], &pos, &part)) {
			buf_adds(&want, want.data[want.length - 1] == '[' ? "" : ",");
			reference_string(&want, part.data, part.length);
		}
		buf_adds(&want, "],");
		CHECK(memmem(out.data, out.length, want.data, want.length), "%s not in %s", buf_cstr(&want),
		      out.data);
		buf_reset(&want);
		buf_adds(&want, ",\"process.exec.filename\":");
		reference_string(&want, s, n);
		CHECK(memmem(out.data, out.length, want.data, want.length), "%s not in %s", buf_cstr(&want),
		      out.data);
	}
	buf_reset(&want);
	if (r.ev.comm[0]) {
		buf_adds(&want, ",\"process.executable.name\":");
		reference_string(&want, r.ev.comm, strnlen(r.ev.comm, sizeof(r.ev.comm)));
	}
	CHECK(memmem(out.data, out.length, want.data, want.length), "%s not in %s", buf_cstr(&want), out.data);
}

TEST(unit, json_args_row)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	view = record_view(&r);
	CHECK(view.desc->fields[2].kind == KIND_STRV, "check_string names the wrong row");
}

TEST(unit, json_each_byte_at_each_place)
{
	char s[40];

	for (unsigned length = 0; length <= 20; length++)
		for (unsigned at = 0; at < length; at++)
			for (unsigned byte = 0; byte < 256; byte++) {
				memset(s, 'x', sizeof(s));
				s[at] = (char)byte;
				check_string(s, length);
			}
}

TEST(unit, json_pairs_of_bytes)
{
	static const char around[] = { 'a', '\xc3', '\xe2', '\xf0', '"', '\0' };

	for (unsigned pair = 0; pair < 65536; pair++) {
		char s[4] = { around[pair % 6], (char)(pair >> 8), (char)pair, around[pair % 5] };

		check_string(s, 4);
	}
}

/* Each 21-bit number in the shape of UTF-8, surrogates and what lies above U+10FFFF included. */
TEST(unit, json_each_code_point)
{
	char s[3000];
	size_t n = 0;

	for (uint32_t cp = 0; cp < 0x140000; cp++) {
		if (cp < 0x80) {
			s[n++] = (char)cp;
		} else if (cp < 0x800) {
			s[n++] = (char)(0xc0 | cp >> 6);
			s[n++] = (char)(0x80 | (cp & 0x3f));
		} else if (cp < 0x10000) {
			s[n++] = (char)(0xe0 | cp >> 12);
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
			s[n++] = (char)(0x80 | (cp & 0x3f));
		} else {
			s[n++] = (char)(0xf0 | cp >> 18);
			s[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
			s[n++] = (char)(0x80 | (cp & 0x3f));
		}
		if (n > sizeof(s) - 8) {
			check_string(s, n);
			n = 0;
		}
	}
	check_string(s, n);
}

TEST(unit, json_hostile_strings)
{
	static const char *const strings[] = {
		"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff\xfe",
		"\xc3", "\xe2\x80", "\xf0\x9f\x98", "\xe2\x28\xa1", "\xf0\x9f\x98\x80", "\xc2\x9b" "31m",
		"\x1b]0;title\x07", "\xe2\x80\xae" "txt.exe", "\xef\xbb\xbf" "bom", "\\u0000", "</script>",
		"a\xcc\x81", "\x7f",
	};

	for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		for (unsigned lead = 0; lead < 9; lead++) {
			char s[64] = "--------";

			strcpy(s + lead, strings[i]);
			check_string(s, strlen(s));
			strcat(s, "tail");
			check_string(s, strlen(s));
		}
}

TEST(unit, json_random_strings)
{
	static const unsigned char likely[] = "ab \"\\\n\x7f\x80\xa8\xae\xbf\xc2\xe2\xed\xef\xf0\xf4\xff";
	char s[200];

	srand(3);
	for (unsigned i = 0; i < 100000; i++) {
		size_t n = (size_t)rand() % sizeof(s);

		for (size_t k = 0; k < n; k++)
			s[k] = rand() % 4 ? (char)likely[(size_t)rand() % sizeof(likely)] : (char)rand();
		check_string(s, n);
	}
}

TEST(unit, json_path_is_event_path)
{
	struct buf want = BUF_INIT(1 << 20);
	static char path[EVENT_PATH_BUF];
	struct event_view view;
	char names[100];
	size_t length;

	srand(4);
	for (unsigned i = 0; i < 50000; i++) {
		size_t n = 1 + (size_t)rand() % sizeof(names);

		for (size_t k = 0; k < n; k++)
			names[k] = rand() % 5 ? (char)('a' + rand() % 26) : rand() % 8 ? '\0' : '\xc3';
		record_begin(&r, TAPIO_EV_PROCESS_EXEC);
		record_tail(&r, &r.exec.exe, names, n);
		r.exec.exe.flags = (__u16)(rand() % 4);
		view = record_view(&r);
		render(&view);
		length = event_path(&view, &view.desc->fields[1], path);
		buf_reset(&want);
		buf_adds(&want, ",\"process.executable.path\":");
		reference_string(&want, path, length);
		CHECK(memmem(out.data, out.length, want.data, want.length), "%s not in %s", buf_cstr(&want),
		      out.data);
	}
	buf_free(&want);
}

/* json_event has ways of its own around event_has: both must say the same. */
TEST(unit, json_has_what_event_has)
{
	struct event_absent absent;
	struct event_view view;
	char key[64];

	srand(5);
	for (unsigned i = 0; i < 20000; i++) {
		record_begin(&r, 1 + (unsigned)rand() % (TAPIO_EV_MAX - 1));
		for (unsigned k = sizeof(r.ev); k < r.ev.size; k++)
			r.bytes[k] = rand() % 3 ? '\0' : rand() % 2 ? '\xff' : '\1';
		r.ev.cgroup_id = (unsigned)rand() % 2;
		r.ev.comm[0] = rand() % 2 ? 'c' : '\0';
		view = record_view(&r);
		if (!view.desc)
			continue;
		absent = (struct event_absent){ .mask = rand() % 2 ? 0 : (uint64_t)rand() << 31 ^ (uint64_t)rand() };
		view.absent = rand() % 3 ? &absent : NULL;
		render(&view);
		for (unsigned k = 0; k < event_ncommon + view.desc->nfields; k++) {
			const struct event_field *f = k < event_ncommon ? &event_common[k] :
									  &view.desc->fields[k - event_ncommon];
			bool has = event_has(&view, f, k);

			/* Events that are about no process may have fields of the same names. */
			if (!f->name || (k < event_ncommon && !view.desc->sensor))
				continue;
			snprintf(key, sizeof(key), ",\"%s\":", f->name);
			CHECK(!memmem(out.data, out.length, key, strlen(key)) == !has, "%s of %s: has %d in %s",
			      f->name, view.desc->name, has, out.data);
		}
	}
}

TEST(unit, json_largest_record)
{
	static char tail[TAPIO_RECORD_MAX];
	struct event_view view;

	memset(tail, 1, sizeof(tail)); /* each byte becomes six */
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.args, tail, TAPIO_RECORD_MAX - r.ev.size);
	memcpy(&r.exec.filename, &r.exec.args, sizeof(r.exec.filename));
	memcpy(&r.exec.exe, &r.exec.args, sizeof(r.exec.filename));
	memcpy(&r.exec.cwd, &r.exec.args, sizeof(r.exec.filename));
	r.exec.cap_effective.bits = r.exec.cap_permitted.bits = ~1ull;
	memset(r.ev.comm, 1, sizeof(r.ev.comm));
	view = record_view(&r);
	render(&view);
	CHECK(out.length > 24u * 30000 && out.length < OUTPUT_MAX_BYTES, "%zu bytes", out.length);
}

TEST(unit, json_refuses_whole_events)
{
	struct buf small = BUF_INIT(3000);
	struct event_view view;
	size_t before;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	view = record_view(&r);
	for (before = 0; !small.refused && before < 3000;) {
		before = small.length;
		json_event(&small, &view);
	}
	CHECK(small.refused && small.length == before && before > 0, "%zu bytes, %zu before", small.length,
	      before);
	CHECK(small.data[before - 1] == '\n', "a part of an event was kept");
	buf_free(&small);
}

TEST(unit, json_string_quotes)
{
	struct buf b = BUF_INIT(1000);

	json_quote(&b, "a\"b\n", 4);
	json_quote(&b, "", 0);
	CHECK(!strcmp(buf_cstr(&b), "\"a\\\"b\\n\"\"\""), "%s", buf_cstr(&b));
	buf_free(&b);
}

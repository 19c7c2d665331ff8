/* SPDX-License-Identifier: Apache-2.0 */
#include "export/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

static union record r;
static struct buf out = BUF_INIT(8 << 20);
static struct text_options opts = { .utc = true };

static const char *render(const struct event_view *view)
{
	REQUIRE(view->desc, "the test's record was refused");
	buf_reset(&out);
	text_event(&out, view, &opts);
	REQUIRE(!out.refused && out.length, "text_event refused");
	return buf_cstr(&out);
}

static void check_line(const struct event_view *view, const char *expected)
{
	const char *line = render(view);

	CHECK(!strcmp(line, expected), "\n     got %s    want %s", line, expected);
}

/* One line, and nothing on it that a terminal could take for a command. */
static void check_harmless(void)
{
	CHECK(out.data[out.length - 1] == '\n' && strict_harmless_text(out.data, out.length - 1),
	      "not harmless: %.*s", (int)out.length, out.data);
}

/* ---- whole lines ---- */

TEST(unit, text_columns)
{
	struct event_view view;

	buf_reset(&out);
	text_header(&out, &opts);
	CHECK(!strcmp(buf_cstr(&out), "TIME         EVENT                   PID    PPID COMM            DETAILS\n"),
	      "%s", buf_cstr(&out));
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.fork.parent_pid = 4194304;
	view = record_view(&r);
	check_line(&view, "12:34:56.123 process.fork           4242 4194304 init-test\n");
	r.ev.tgid = 4194303;
	memcpy(r.ev.comm, "fifteen bytes..", 16);
	r.fork.parent_pid = 0;
	check_line(&view, "12:34:56.123 process.fork        4194303       - fifteen bytes..\n");
	memset(r.ev.comm, 0, sizeof(r.ev.comm));
	check_line(&view, "12:34:56.123 process.fork        4194303       - -\n");
}

TEST(unit, text_absent_fields)
{
	struct event_absent absent = { .mask = ~0ull };
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	r.exit.parent_pid = 1;
	view = record_view(&r);
	view.absent = &absent;
	check_line(&view, "12:34:56.123 process.exit              -       - -\n");
}

static void check_exec(const char *exe, size_t exe_length, const char *args, size_t args_length,
		       const char *expected)
{
	static char want[8192];
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.exe, exe, exe_length);
	record_tail(&r, &r.exec.args, args, args_length);
	view = record_view(&r);
	snprintf(want, sizeof(want), "12:34:56.123 process.exec           4242       - init-test       %s%suid=0\n",
		 expected, *expected ? " " : "");
	check_line(&view, want);
}

#define CHECK_EXEC(exe, args, expected) check_exec(exe, sizeof(exe) - 1, args, sizeof(args) - 1, expected)

TEST(unit, text_command)
{
	CHECK_EXEC("ls\0bin\0usr\0", "ls\0-l\0", "/usr/bin/ls -l");
	CHECK_EXEC("ls\0bin\0usr\0", "/bin/ls\0", "/usr/bin/ls");
	CHECK_EXEC("ls\0bin\0usr\0", "lsattr\0", "[/usr/bin/ls] lsattr");
	CHECK_EXEC("lsattr\0bin\0usr\0", "ls\0", "[/usr/bin/lsattr] ls");
	CHECK_EXEC("python3.11\0bin\0usr\0", "python3\0x.py\0", "[/usr/bin/python3.11] python3 x.py");
	CHECK_EXEC("bash\0bin\0usr\0", "-bash\0", "[/usr/bin/bash] -bash");
	CHECK_EXEC("x\0tmp\0", "[kworker/0:1]\0", "[/tmp/x] '[kworker/0:1]'");
	CHECK_EXEC("x\0tmp\0", "\0", "[/tmp/x] ''");
	CHECK_EXEC("my prog\0opt\0", "my prog\0\0a b", "'/opt/my prog' '' 'a b'");
	CHECK_EXEC("x\0tmp\0", "", "/tmp/x");
	CHECK_EXEC("", "ls\0-l\0", "ls -l");
	CHECK_EXEC("", "", "");
}

TEST(unit, text_quotes_like_a_shell)
{
	CHECK_EXEC("", "plain\0a=b\0x,y\0-.:/@%+_\0", "plain a=b x,y -.:/@%+_");
	CHECK_EXEC("", "$HOME\0a;b\0*\0~\0#\0a\\b\0\"\0", "'$HOME' 'a;b' '*' '~' '#' 'a\\b' '\"'");
	CHECK_EXEC("", "it's\0", "$'it\\'s'");
	CHECK_EXEC("", "a\nb\0\t\0\x1b[31m\0\\\x01\0", "$'a\\nb' $'\\t' $'\\x1b[31m' $'\\\\\\x01'");
	CHECK_EXEC("", "\xff\0\xe2\x80\xae" "txt\0\xc2\x9b\0\xf3\xa0\x81\x81\0",
		   "$'\\xff' $'\\u202etxt' $'\\u009b' $'\\U000e0041'");
	CHECK_EXEC("", "\xc3\xa4\0\xf0\x9f\x98\x80\0", "\xc3\xa4 \xf0\x9f\x98\x80");
}

TEST(unit, text_exec_details)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	r.exec.args_truncated = true;
	r.exec.uid = 1000;
	r.exec.exe.flags = TAPIO_PATH_DELETED;
	RECORD_TAIL(&r, &r.exec.args, "x\0");
	RECORD_TAIL(&r, &r.exec.exe, "x\0tmp\0");
	RECORD_TAIL(&r, &r.exec.cwd, "\0");
	view = record_view(&r);
	check_line(&view, "12:34:56.123 process.exec           4242       - init-test       "
			  "['/tmp/x (deleted)'] x truncated cwd=/ uid=1000\n");
}

TEST(unit, text_exec_failed)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC_FAILED);
	r.exec_failed.error.value = 2;
	RECORD_TAIL(&r, &r.exec_failed.filename, "/usr/local/bin/a b");
	view = record_view(&r);
	check_line(&view, "12:34:56.123 process.exec_failed    4242       - init-test       "
			  "'/usr/local/bin/a b' ENOENT\n");
	r.exec_failed.error.value = 524;
	check_line(&view, "12:34:56.123 process.exec_failed    4242       - init-test       "
			  "'/usr/local/bin/a b' 524\n");
}

static void check_exit(const char *expected)
{
	struct event_view view = record_view(&r);
	char want[300];

	snprintf(want, sizeof(want), "12:34:56.123 process.exit           4242       1 init-test       %s\n",
		 expected);
	check_line(&view, want);
}

TEST(unit, text_exit)
{
	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	r.exit.parent_pid = 1;
	check_exit("code=0 ran=0 user=0 sys=0");
	r.exit.code = -1;
	r.exit.signal.value = 11;
	r.exit.core_dumped = true;
	r.exit.ran_ns = 1234567;
	r.exit.peak_rss_bytes = 12909876;
	check_exit("signal=SIGSEGV core ran=1.2ms user=0 sys=0 rss=12.3M");
	r.exit.signal.value = 31;
	check_exit("signal=SIGSYS core ran=1.2ms user=0 sys=0 rss=12.3M");
	r.exit.signal.value = 34;
	check_exit("signal=34 core ran=1.2ms user=0 sys=0 rss=12.3M");
	r.exit.signal.value = 4294967295;
	check_exit("signal=4294967295 core ran=1.2ms user=0 sys=0 rss=12.3M");
}

TEST(unit, text_units)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} times[] = {
		{ 1, "1ns" }, { 999, "999ns" }, { 1000, "1.0us" }, { 999999, "999.9us" }, { 1000000, "1.0ms" },
		{ 999999999, "999.9ms" }, { 1000000000, "1.0s" }, { 59999999999, "59.9s" },
		{ 60000000000, "1m00s" }, { 3599999999999, "59m59s" }, { 3600000000000, "1h00m" },
		{ 86399999999999, "23h59m" }, { 86400000000000, "1d00h" }, { UINT64_MAX, "213503d23h" },
	};
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 1, "1B" }, { 1023, "1023B" }, { 1024, "1.0K" }, { 1048575, "1023.9K" }, { 1048576, "1.0M" },
		{ 1610612736, "1.5G" }, { UINT64_MAX, "15.9E" }, { 1ull << 50, "1.0P" },
	};
	char want[100];

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	r.exit.parent_pid = 1;
	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		r.exit.ran_ns = times[i].ns;
		snprintf(want, sizeof(want), "code=0 ran=%s user=0 sys=0", times[i].text);
		check_exit(want);
	}
	r.exit.ran_ns = 0;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		r.exit.peak_rss_bytes = sizes[i].bytes;
		snprintf(want, sizeof(want), "code=0 ran=0 user=0 sys=0 rss=%s", sizes[i].text);
		check_exit(want);
	}
}

TEST(unit, text_lost)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_LOST);
	r.lost.sensor.value = 1;
	r.lost.cause.value = 3;
	r.lost.count = 17;
	r.lost.interval_ns = 1000000000;
	view = record_view(&r);
	check_line(&view, "12:34:56.123 tapio.lost                -       - -               "
			  "sensor=process cause=run_skipped count=17 interval=1.0s\n");
	r.lost.sensor.value = 77;
	r.lost.cause.value = 78;
	check_line(&view, "12:34:56.123 tapio.lost                -       - -               "
			  "sensor=77 cause=78 count=17 interval=1.0s\n");
	r.lost.sensor.value = 0;
	r.lost.cause.value = TAPIO_CAUSE_SINK_FULL;
	check_line(&view, "12:34:56.123 tapio.lost                -       - -               "
			  "cause=sink_full count=17 interval=1.0s\n");
}

TEST(unit, text_local_time)
{
	struct event_view view;

	setenv("TZ", "AAA-05:30", 1);
	tzset();
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	view = record_view(&r);
	CHECK(!strncmp(render(&view), "12:34:56.123 ", 13), "UTC was asked for: %s", out.data);
	opts.utc = false;
	CHECK(!strncmp(render(&view), "18:04:56.123 ", 13), "%s", out.data);
	view.wall_ns += 20 * 3600 * 1000000000ull;
	CHECK(!strncmp(render(&view), "14:04:56.123 ", 13), "%s", out.data);
	/* clocks go forward at 02:00 of that day, which is 01:00 UTC */
	setenv("TZ", "WET0WEST,M3.5.0/1,M10.5.0", 1);
	tzset();
	view.wall_ns = 1774745999999000000ull;
	CHECK(!strncmp(render(&view), "00:59:59.999 ", 13), "%s", out.data);
	view.wall_ns += 1000000;
	CHECK(!strncmp(render(&view), "02:00:00.000 ", 13), "%s", out.data);
	view.wall_ns -= 1000000;
	CHECK(!strncmp(render(&view), "00:59:59.999 ", 13), "back again: %s", out.data);
}

/* ---- what reaches the terminal ---- */

/* The bytes in all places where strings are shown. */
static void check_string(const char *s, size_t n)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	memset(r.ev.comm, 0, sizeof(r.ev.comm));
	memcpy(r.ev.comm, s, n < sizeof(r.ev.comm) ? n : sizeof(r.ev.comm));
	record_tail(&r, &r.exec.exe, s, n);
	record_tail(&r, &r.exec.cwd, s, n);
	record_tail(&r, &r.exec.args, s, n);
	view = record_view(&r);
	render(&view);
	check_harmless();
	record_begin(&r, TAPIO_EV_PROCESS_EXEC_FAILED);
	record_tail(&r, &r.exec_failed.filename, s, n);
	view = record_view(&r);
	render(&view);
	check_harmless();
}

TEST(unit, text_each_byte)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char s[3] = { 'a', (char)byte, 'b' };

		check_string(s, 3);
		check_string(s + 1, 1);
		check_string(s + 1, 2);
		check_string(s, 2);
	}
}

TEST(unit, text_each_code_point)
{
	char s[4];

	for (uint32_t cp = 0x80; cp < 0x110000; cp += cp < 0x30000 || cp >= 0xe0000 ? 1 : 37) {
		size_t n = 0;

		if (cp < 0x800) {
			s[n++] = (char)(0xc0 | cp >> 6);
		} else if (cp < 0x10000) {
			s[n++] = (char)(0xe0 | cp >> 12);
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		} else {
			s[n++] = (char)(0xf0 | cp >> 18);
			s[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		}
		s[n++] = (char)(0x80 | (cp & 0x3f));
		check_string(s, n);
		if (cp == 0x1000)
			test_allow_seconds(120);
	}
}

TEST(unit, text_random_bytes)
{
	char s[100];

	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = (size_t)rand() % sizeof(s);

		for (size_t k = 0; k < n; k++)
			s[k] = (char)rand();
		check_string(s, n);
	}
}

/* ---- width and colour ---- */

/* Columns of a line of one-column characters. */
static unsigned columns_of(const char *s, size_t n)
{
	unsigned columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += ((unsigned char)s[i] & 0xc0) != 0x80;
	return columns;
}

static void long_record(const char *arg)
{
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	record_tail(&r, &r.exec.args, arg, strlen(arg));
}

TEST(unit, text_is_cut_at_the_width)
{
	static const char *const args[] = {
		"some-argument-that-is-longer-than-any-terminal-is-wide-and-has-no-end-in-sight-for-a-long-time",
		"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc",
		"\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	};
	static char full[1000];
	struct event_view view;
	size_t full_length;

	for (unsigned i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		long_record(args[i]);
		view = record_view(&r);
		opts.width = 0;
		snprintf(full, sizeof(full), "%s", render(&view));
		full_length = strlen(full) - 1;
		for (opts.width = 1; opts.width < 250; opts.width++) {
			size_t n = strlen(render(&view)) - 1;
			unsigned columns = columns_of(out.data, n), all = columns_of(full, full_length);

			check_harmless();
			if (all <= opts.width) {
				CHECK(n == full_length && !memcmp(out.data, full, n), "%u: cut: %s", opts.width,
				      out.data);
				continue;
			}
			CHECK(columns <= opts.width && columns + 10 > opts.width, "%u: %u columns: %s", opts.width,
			      columns, out.data);
			CHECK(n > 2 && !memcmp(out.data + n - 3, "\xe2\x80\xa6", 3) &&
				      !memcmp(out.data, full, n - 3),
			      "%u: %s", opts.width, out.data);
		}
	}
}

TEST(unit, text_wide_characters_take_two_columns)
{
	struct event_view view;
	unsigned wide = 0;

	long_record("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
	view = record_view(&r);
	opts.width = 75; /* details begin behind column 65 */
	render(&view);
	for (size_t i = 0; i < out.length; i++)
		wide += out.data[i] == '\xe6';
	CHECK(wide == 4, "%u wide characters in ten columns, less one for the dots: %s", wide, out.data);
	check_harmless();
}

TEST(unit, text_colours_change_nothing_but_the_colour)
{
	static char coloured[4000];
	struct event_view view;

	srand(2);
	for (unsigned i = 0; i < 3000; i++) {
		record_begin(&r, 1 + i % (TAPIO_EV_MAX - 1));
		for (unsigned k = sizeof(r.ev); k < r.ev.size; k++)
			r.bytes[k] = rand() % 3 ? '\0' : (char)rand();
		if (r.ev.type == TAPIO_EV_PROCESS_EXEC)
			long_record("ls\x1b[31m");
		view = record_view(&r);
		if (!view.desc)
			continue;
		opts.width = (unsigned)rand() % 150;
		opts.colour = true;
		snprintf(coloured, sizeof(coloured), "%s", render(&view));
		CHECK(strchr(coloured, '\x1b'), "no colour: %s", coloured);
		CHECK(strict_strip_colours(coloured), "a strange or open escape sequence: %s", out.data);
		opts.colour = false;
		CHECK(!strcmp(render(&view), coloured), "\n     got %s    want %s", coloured, out.data);
	}
}

static bool is_red(const struct event_view *view)
{
	opts.colour = true;
	return strstr(render(view), "\x1b[1;31m");
}

TEST(unit, text_failures_are_red)
{
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	view = record_view(&r);
	CHECK(!is_red(&view), "exit 0: %s", out.data);
	r.exit.code = 1;
	CHECK(is_red(&view), "exit 1: %s", out.data);
	r.exit.code = -1;
	CHECK(!is_red(&view), "no code: %s", out.data);
	r.exit.signal.value = 9;
	CHECK(is_red(&view), "signal: %s", out.data);
	record_begin(&r, TAPIO_EV_PROCESS_EXEC_FAILED);
	r.exec_failed.error.value = 13;
	view = record_view(&r);
	CHECK(is_red(&view), "exec failed: %s", out.data);
	record_begin(&r, TAPIO_EV_LOST);
	r.lost.count = 1;
	view = record_view(&r);
	CHECK(is_red(&view), "lost: %s", out.data);
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	view = record_view(&r);
	CHECK(!is_red(&view), "exec: %s", out.data);
}

TEST(unit, text_refuses_whole_events)
{
	struct buf small = BUF_INIT(500);
	struct event_view view;
	size_t before = 0;

	long_record("ls");
	view = record_view(&r);
	while (!small.refused) {
		before = small.length;
		text_event(&small, &view, &opts);
	}
	CHECK(small.length == before && before && small.data[before - 1] == '\n', "%zu bytes, %zu before",
	      small.length, before);
	buf_free(&small);
}

TEST(unit, text_sink_writes_the_headings_once)
{
	struct event_sink *sink;
	struct event_view view;
	static char got[10000];
	ssize_t n;
	int fds[2];

	REQUIRE(!pipe2(fds, O_CLOEXEC | O_NONBLOCK), "pipe: %s", strerror(errno));
	sink = text_sink_open(fds[1], &opts);
	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	view = record_view(&r);
	CHECK(!sink->flush(sink), "flush");
	n = read(fds[0], got, sizeof(got) - 1);
	CHECK(n > 4 && !strncmp(got, "TIME", 4), "nothing to see while nothing happens");
	CHECK(!sink->write(sink, &view) && !sink->write(sink, &view) && !sink->flush(sink), "write");
	memset(got, 0, sizeof(got));
	n = read(fds[0], got, sizeof(got) - 1);
	CHECK(n > 0 && !strncmp(got, "12:34:56", 8) && !strstr(got, "TIME"), "%s", got);
	sink->close(sink);
	CHECK(read(fds[0], got, sizeof(got)) < 0 && errno == EAGAIN, "more after close");
}

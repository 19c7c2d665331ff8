/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status.h"

#include <errno.h>
#include <stdio.h>
#include "tests/strict.h"
#include "tests/test.h"

static struct buf out = BUF_INIT(1 << 20);
static char why[256];

static int print(const char *json)
{
	buf_reset(&out);
	return status_print(&out, json, strlen(json), why, sizeof(why));
}

TEST(unit, status_is_readable)
{
	static const char json[] =
		"{\"schema\":\"tapio.status/1\",\"pid\":42,\"uptime_ns\":93784000000000,\"level\":\"full\","
		"\"sensors\":[{\"name\":\"process\",\"tier\":\"tp_btf\",\"events\":18446744},"
		"{\"name\":\"dns\",\"tier\":null,\"why_not\":\"no hook\"}],"
		"\"lost\":{\"ring_full\":0,\"no_slot\":3},"
		"\"sinks\":[{\"name\":\"stdout\",\"queue_bytes\":1536,\"dropped\":{\"queue_full\":1,\"failed\":0}}],"
		"\"memory\":{\"rss_bytes\":16777216,\"nested\":{\"cpu_ns\":1500000,\"ok\":true}},"
		"\"list\":[1,\"two\",2.5,[]],\"empty\":[],\"none\":{}}";
	static const char wanted[] = "schema  tapio.status/1\n"
				     "pid     42\n"
				     "uptime  1d 2h\n"
				     "level   full\n"
				     "sensors:\n"
				     "  name     tier    events    why not\n"
				     "  process  tp_btf  18446744\n"
				     "  dns      -                 no hook\n"
				     "lost:\n"
				     "  ring full  0\n"
				     "  no slot    3\n"
				     "sinks:\n"
				     "  name    queue    dropped\n"
				     "  stdout  1.5 KiB  queue full=1 failed=0\n"
				     "memory:\n"
				     "  rss  16.0 MiB\n"
				     "  nested:\n"
				     "    cpu  1.5 ms\n"
				     "    ok   yes\n"
				     "list    1, two, 2.5,\n"
				     "empty\n"
				     "none\n";

	CHECK(!print(json), "%s", why);
	CHECK(!strcmp(buf_cstr(&out), wanted), "%s", buf_cstr(&out));
}

TEST(unit, status_units)
{
	static const char *const rows[][2] = {
		{ "{\"a_bytes\":0}", "a  0 B\n" },
		{ "{\"process.exec_failed\":2}", "process.exec_failed  2\n" },
		{ "{\"a_bytes\":1023}", "a  1023 B\n" },
		{ "{\"a_bytes\":-2048}", "a  -2.0 KiB\n" },
		{ "{\"a_bytes\":9223372036854775807}", "a  8192.0 PiB\n" },
		{ "{\"a_ns\":1}", "a  0.0 ms\n" },
		{ "{\"a_ns\":59900000000}", "a  59.9 s\n" },
		{ "{\"a_ns\":61000000000}", "a  1m 1s\n" },
		{ "{\"a_ns\":7260000000000}", "a  2h 1m\n" },
		{ "{\"a_ns\":null}", "a  -\n" },
		{ "{\"_bytes\":5,\"\":1}", " bytes  5\n        1\n" },
		{ "{\"a_b\":false}", "a b  no\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(!print(rows[i][0]), "%s: %s", rows[i][0], why);
		CHECK(!strcmp(buf_cstr(&out), rows[i][1]), "%s: %s", rows[i][0], buf_cstr(&out));
	}
}

/* Whatever an agent, or what listens in its place, says. */
TEST(unit, status_hostile)
{
	static const char *const refused[] = { "", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{} {}", "{\"a\":\"\xff\"}", "null" };
	static char deep[4096];
	char *at = deep;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		why[0] = '\0';
		CHECK(print(refused[i]) == -EINVAL && strstr(why, "not a JSON object"), "%s: %s", refused[i], why);
	}
	CHECK(!print("{\"a\\u001b[31m\":\"\\u202e\\u0000\\n\",\"t\":[{\"\\u001b\":\"\\u001b\"}]}"), "%s", why);
	for (char *line = out.data, *end; line < out.data + out.length; line = end + 1) {
		end = memchr(line, '\n', (size_t)(out.data + out.length - line));
		REQUIRE(end && strict_harmless_text(line, (size_t)(end - line)), "%.*s", (int)out.length, out.data);
	}
	for (unsigned i = 0; i < 300; i++)
		at += sprintf(at, "{\"a\":[");
	for (unsigned i = 0; i < 300; i++)
		at += sprintf(at, "]}");
	CHECK(!print(deep) && out.length < 10000, "%zu bytes", out.length);
	out.max = 64;
	buf_free(&out);
	CHECK(print("{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}") == -EINVAL &&
		      strstr(why, "too large"), "%s", why);
	out.max = 1 << 20;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli/cli.h"
#include "event/table.h"
#include "tests/strict.h"
#include "tests/test.h"

static char out[1 << 20];

/* Runs the command with these words; what it wrote to descriptor fd is in `out`. */
static int run(int fd, const char *const *words)
{
	char *argv[8] = { (char *)"schema" };
	int argc = 1, file = memfd_create("out", 0), saved, status;
	ssize_t n;

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	fflush(stdout);
	saved = dup(fd);
	REQUIRE(file >= 0 && saved >= 0 && dup2(file, fd) == fd, "memfd: %s", strerror(errno));
	status = cmd_schema(argc, argv);
	fflush(stdout);
	dup2(saved, fd);
	close(saved);
	n = pread(file, out, sizeof(out) - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(file);
	return status;
}

#define RUN(fd, ...) run(fd, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static bool holds(const char *before, const char *name, const char *after)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s%s", before, name, after);
	return strstr(out, text);
}

TEST(unit, schema_names_every_event_and_field)
{
	static const struct {
		const char *format, *event, *event_end, *field, *field_end;
	} rows[] = {
		{ "text", "\n", "", "\n  ", " " },
		{ "markdown", "\n## ", "\n", "\n| `", "` | " },
		{ "json-schema", "\"event\": { \"const\": \"", "\" }", "\"", "\": { " },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(!RUN(1, "-o", rows[i].format), "-o %s", rows[i].format);
		CHECK(strstr(out, "1.2"), "no version");
		for (unsigned type = 1; type < TAPIO_EV_MAX; type++) {
			const struct event_desc *desc = event_desc_by_type(type);

			if (!desc)
				continue;
			CHECK(holds(rows[i].event, desc->name, rows[i].event_end), "%s: no %s", rows[i].format, desc->name);
			for (unsigned k = 0; k < desc->nfields; k++)
				CHECK(!desc->fields[k].name ||
					      holds(rows[i].field, desc->fields[k].name, rows[i].field_end),
				      "%s: %s: no %s", rows[i].format, desc->name, desc->fields[k].name);
		}
		for (unsigned k = 0; k < event_ncommon; k++)
			CHECK(holds(rows[i].field, event_common[k].name, rows[i].field_end), "%s: no %s",
			      rows[i].format, event_common[k].name);
		for (unsigned k = 0; k < event_nidentity; k++)
			CHECK(holds(rows[i].field, event_identity_fields[k].name, rows[i].field_end), "%s: no %s",
			      rows[i].format, event_identity_fields[k].name);
		CHECK(strict_utf8(out, strlen(out)) && out[strlen(out) - 1] == '\n', "%s", rows[i].format);
	}
}

TEST(unit, schema_json_is_json)
{
	CHECK(!RUN(1, "-o", "json-schema") && strict_json(out, strlen(out)), "%s", out);
	CHECK(!RUN(1, "--output=json-schema", "tapio.lost") && strict_json(out, strlen(out)), "%s", out);
	CHECK(!strstr(out, "process.exec"), "only one event was named");
	CHECK(strstr(out, "\"required\": [\"time\", \"event\", \"tapio.lost.cause\", "
			  "\"tapio.lost.count\", \"tapio.lost.interval\"]"),
	      "%s", out);
}

TEST(unit, schema_of_some_events)
{
	CHECK(!RUN(1, "process.fork", "process.exec") && strstr(out, "\nprocess.exec\n") &&
		      strstr(out, "\nprocess.fork ") && !strstr(out, "\nprocess.exit\n"),
	      "%s", out);
}

TEST(unit, schema_is_the_same_each_time)
{
	static char first[sizeof(out)];

	CHECK(!RUN(1, "-o", "markdown"), "first");
	strcpy(first, out);
	CHECK(!RUN(1, "-o", "markdown") && !strcmp(first, out), "two runs differ");
}

TEST(unit, schema_refuses_wrong_usage)
{
	CHECK(RUN(2, "-o", "yaml") == 2 && strstr(out, "yaml: ") && strstr(out, "json-schema"), "%s", out);
	CHECK(RUN(2, "-o") == 2 && strstr(out, "-o: "), "%s", out);
	CHECK(RUN(2, "--colour") == 2 && strstr(out, "--colour: ") && strstr(out, "--help"), "%s", out);
	CHECK(RUN(2, "-x") == 2 && strstr(out, "-x: "), "%s", out);
	CHECK(RUN(2, "process.exec", "process.boom") == 2 && strstr(out, "process.boom: "), "%s", out);
	CHECK(!strstr(out, "process.exec: "), "%s", out);
	CHECK(RUN(2, "-o", "config-markdown", "process.exec") == 2 && strstr(out, "process.exec: "), "%s", out);
	CHECK(!RUN(1, "--help") && strstr(out, "usage: tapio schema"), "%s", out);
}

TEST(unit, schema_tells_that_it_could_not_write)
{
	fflush(stdout);
	REQUIRE(freopen("/dev/full", "w", stdout), "/dev/full: %s", strerror(errno));
	CHECK(RUN(2) == 1 && strstr(out, "No space left"), "%s", out);
	REQUIRE(freopen("/dev/full", "w", stdout), "/dev/full: %s", strerror(errno));
	CHECK(RUN(2, "tapio.lost") == 1 && strstr(out, "No space left"), "less than a buffer: %s", out);
}

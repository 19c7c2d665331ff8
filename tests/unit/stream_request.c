/* SPDX-License-Identifier: Apache-2.0 */
#include "export/stream_request.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "event/identity.h"
#include "tests/record.h"
#include "tests/test.h"

static struct stream_request request;

static int parse(const char *line, char *why, size_t size)
{
	memset(&request, 0xa5, sizeof(request));
	return stream_request_parse(&request, line, strlen(line), why, size);
}

TEST(unit, stream_request_good)
{
	char why[256] = "";
	int err;

	err = parse("status", why, sizeof(why));
	CHECK(!err && request.status, "%s", why);
	err = parse("events", why, sizeof(why));
	CHECK(!err && !request.status && !request.table && !request.count && !request.events && !request.nvalues[STREAM_POD],
	      "%s", why);
	err = parse("events  format=table color=1 utc=1 width=120 count=18446744073709551615 ", why, sizeof(why));
	CHECK(!err && request.table && request.text.colour && request.text.utc && request.text.width == 120 &&
		      request.count == UINT64_MAX, "%s", why);
	err = parse("events event=process.exec event=process.exit", why, sizeof(why));
	CHECK(!err && request.events == (1 << TAPIO_EV_PROCESS_EXEC | 1 << TAPIO_EV_PROCESS_EXIT), "%s", why);
	err = parse("events event=process.*", why, sizeof(why));
	CHECK(!err && request.events == (1 << TAPIO_EV_PROCESS_EXEC | 1 << TAPIO_EV_PROCESS_EXEC_FAILED |
					 1 << TAPIO_EV_PROCESS_EXIT | 1 << TAPIO_EV_PROCESS_FORK),
	      "%s %llx", why, (unsigned long long)request.events);
	err = parse("events unit=a%20b%25c%3d%C3%a4 unit=x=y", why, sizeof(why));
	CHECK(!err && request.nvalues[STREAM_UNIT] == 2 && !strcmp(request.values[STREAM_UNIT][0], "a b%c=\xc3\xa4") &&
		      !strcmp(request.values[STREAM_UNIT][1], "x=y"), "%s", why);
}

TEST(unit, stream_request_bad)
{
	static const char *const rows[][2] = {
		{ "", "neither status nor events" },
		{ "Status", "neither status nor events" },
		{ " events", "neither status nor events" },
		{ "GET / HTTP/1.1", "neither status nor events" },
		{ "status now", "status takes nothing" },
		{ "events format", "not of the form" },
		{ "events format=xml", "the formats are" },
		{ "events color=yes", "wanted is 0 or 1" },
		{ "events width=-1", "wanted is a number" },
		{ "events width=100001", "wanted is a number" },
		{ "events count=1x", "wanted is a number" },
		{ "events event=process", "no such event" },
		{ "events event=process.nothing", "no such event" },
		{ "events event=.*", "no such event" },
		{ "events event=", "no such event" },
		{ "events pod=name", "NAMESPACE/NAME" },
		{ "events pod=/name", "NAMESPACE/NAME" },
		{ "events pod=ns/", "NAMESPACE/NAME" },
		{ "events unit=", "empty value" },
		{ "events unit=a%2", "percent sign" },
		{ "events unit=a%zz", "percent sign" },
		{ "events unit=%00", "percent sign" },
		{ "events colour=1", "no such key" },
		{ "events unit=a\tb", "control character" },
	};
	char why[256], line[STREAM_LINE_MAX + 2];
	size_t n;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		why[0] = '\0';
		CHECK(parse(rows[i][0], why, sizeof(why)) == -EINVAL, "%s: taken", rows[i][0]);
		CHECK(strstr(why, rows[i][1]), "%s: %s", rows[i][0], why);
	}
	CHECK(stream_request_parse(&request, "status\0", 7, why, sizeof(why)) == -EINVAL, "a NUL is taken");
	n = (size_t)sprintf(line, "events");
	for (unsigned i = 0; i < STREAM_VALUES_MAX; i++)
		n += (size_t)sprintf(line + n, " unit=u%u", i);
	CHECK(!parse(line, why, sizeof(why)) && request.nvalues[STREAM_UNIT] == STREAM_VALUES_MAX, "%s", why);
	strcpy(line + n, " unit=more");
	CHECK(parse(line, why, sizeof(why)) == -EINVAL && strstr(why, "more than 32"), "%s", why);
	memset(line, ' ', sizeof(line));
	memcpy(line, "events", 6);
	CHECK(!stream_request_parse(&request, line, STREAM_LINE_MAX, why, sizeof(why)), "the longest line: %s", why);
	CHECK(stream_request_parse(&request, line, STREAM_LINE_MAX + 1, why, sizeof(why)) == -EINVAL, "a longer one");
}

TEST(unit, stream_request_what_is_added_is_read)
{
	static const char value[] = "a b%c\td\x7f=\xff";
	_cleanup_buf_ struct buf line = BUF_INIT(4096);
	char why[256] = "";

	buf_adds(&line, "events");
	stream_request_add(&line, "unit", value);
	stream_request_add(&line, "namespace", "plain");
	CHECK(!strcmp(buf_cstr(&line), "events unit=a%20b%25c%09d%7f=\xff namespace=plain"), "%s", buf_cstr(&line));
	CHECK(!parse(buf_cstr(&line), why, sizeof(why)), "%s", why);
	CHECK(!strcmp(request.values[STREAM_UNIT][0], value), "%s", request.values[STREAM_UNIT][0]);
}

static const struct event_identity web = {
	.container_id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	.container_name = "k8s_web",
	.pod_namespace = "shop",
	.pod_name = "web-1",
	.pod_container = "nginx",
};
static const struct event_identity ssh = { .unit = "ssh.service", .user_unit = "term.service" };
static const struct event_identity half = { .pod_namespace = "shop" };

TEST(unit, stream_request_matching)
{
	static const struct {
		const char *line;
		bool web, ssh, half, nobody;
	} rows[] = {
		{ "events", true, true, true, true },
		{ "events event=process.exit", false, false, false, false },
		{ "events event=process.exit event=process.fork", true, true, true, true },
		{ "events namespace=shop", true, false, true, false },
		{ "events namespace=sho namespace=shopp", false, false, false, false },
		{ "events pod=shop/web-1", true, false, false, false },
		{ "events pod=shop/web-12", false, false, false, false },
		{ "events pod=shop/web", false, false, false, false },
		{ "events pod=hop/web-1", false, false, false, false },
		{ "events container=0123456789ab", true, false, false, false },
		{ "events container=0123456789a", false, false, false, false },
		{ "events container=123456789abc", false, false, false, false },
		{ "events container=nginx", true, false, false, false },
		{ "events container=k8s_web", true, false, false, false },
		{ "events unit=ssh.service", false, true, false, false },
		{ "events unit=term.service", false, true, false, false },
		{ "events unit=ssh", false, false, false, false },
		{ "events unit=ssh.service namespace=shop", false, false, false, false },
		{ "events namespace=shop container=nginx", true, false, false, false },
		{ "events namespace=shop namespace=other event=process.fork", true, false, true, false },
	};
	static const struct event_identity *const whos[] = { &web, &ssh, &half, NULL };
	static union record fork_record, lost_record;
	struct event_view view, lost;
	char why[256] = "";

	record_begin(&fork_record, TAPIO_EV_PROCESS_FORK);
	record_begin(&lost_record, TAPIO_EV_LOST);
	view = record_view(&fork_record);
	lost = record_view(&lost_record);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const bool wanted[] = { rows[i].web, rows[i].ssh, rows[i].half, rows[i].nobody };

		REQUIRE(!parse(rows[i].line, why, sizeof(why)), "%s: %s", rows[i].line, why);
		for (size_t k = 0; k < COUNT_OF(whos); k++) {
			view.who = whos[k];
			CHECK(stream_request_matches(&request, &view) == wanted[k], "%s: identity %zu", rows[i].line, k);
		}
		CHECK(stream_request_matches(&request, &lost), "%s: keeps a loss back", rows[i].line);
	}
}

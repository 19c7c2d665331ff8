/* SPDX-License-Identifier: Apache-2.0 */
#include "export/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "tests/openmetrics.h"
#include "tests/test.h"

static void add_page(struct metrics *m)
{
	static const uint64_t bounds[] = { 500000, 1000000000 }, counts[] = { 3, 0, 4 };
	static const struct metrics_times times = { bounds, counts, 2, 9000000001 };

	metrics_family(m, "tapio_events", METRICS_COUNTER, NULL, "events \"read\"\nfrom C:\\rings");
	metrics_u64(m, UINT64_MAX, "sensor", "process", "kind", NULL, NULL);
	metrics_created(m, 1772368496123456789ull, "sensor", "process", NULL);
	metrics_u64(m, 0, "sensor", "a\\b\"c\nd\xff\xc3\xa4", NULL);
	metrics_family(m, "tapio_cpu_seconds", METRICS_COUNTER, "seconds", "CPU time");
	metrics_ns(m, 1500000000, NULL);
	metrics_family(m, "tapio_offset_bytes", METRICS_GAUGE, "bytes", "may be negative");
	metrics_s64(m, INT64_MIN, NULL);
	metrics_family(m, "tapio_build", METRICS_INFO, NULL, "what runs");
	metrics_u64(m, 1, "version", "0.1.0", NULL);
	metrics_family(m, "tapio_wait_seconds", METRICS_HISTOGRAM, "seconds", "how long");
	metrics_histogram(m, &times, "server", "\"", NULL);
	metrics_histogram(m, &(struct metrics_times){ bounds, counts + 1, 1, 0 }, "server", NULL, NULL);
}

#define HISTOGRAM \
	"tapio_wait_seconds_bucket{server=\"\\\"\",le=\"0.0005\"} 3\n" \
	"tapio_wait_seconds_bucket{server=\"\\\"\",le=\"1.0\"} 3\n" \
	"tapio_wait_seconds_bucket{server=\"\\\"\",le=\"+Inf\"} 7\n" \
	"tapio_wait_seconds_sum{server=\"\\\"\"} 9.000000001\n" \
	"tapio_wait_seconds_count{server=\"\\\"\"} 7\n" \
	"tapio_wait_seconds_bucket{le=\"0.0005\"} 0\n" \
	"tapio_wait_seconds_bucket{le=\"+Inf\"} 4\n" \
	"tapio_wait_seconds_sum 0\n" \
	"tapio_wait_seconds_count 4\n"

static const char open_page[] =
	"# TYPE tapio_events counter\n"
	"# HELP tapio_events events \\\"read\\\"\\nfrom C:\\\\rings\n"
	"tapio_events_total{sensor=\"process\"} 18446744073709551615\n"
	"tapio_events_created{sensor=\"process\"} 1772368496.123456789\n"
	"tapio_events_total{sensor=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\xc3\xa4\"} 0\n"
	"# TYPE tapio_cpu_seconds counter\n"
	"# UNIT tapio_cpu_seconds seconds\n"
	"# HELP tapio_cpu_seconds CPU time\n"
	"tapio_cpu_seconds_total 1.5\n"
	"# TYPE tapio_offset_bytes gauge\n"
	"# UNIT tapio_offset_bytes bytes\n"
	"# HELP tapio_offset_bytes may be negative\n"
	"tapio_offset_bytes -9223372036854775808\n"
	"# TYPE tapio_build info\n"
	"# HELP tapio_build what runs\n"
	"tapio_build_info{version=\"0.1.0\"} 1\n"
	"# TYPE tapio_wait_seconds histogram\n"
	"# UNIT tapio_wait_seconds seconds\n"
	"# HELP tapio_wait_seconds how long\n"
	HISTOGRAM
	"# EOF\n";

static const char text_page[] =
	"# TYPE tapio_events_total counter\n"
	"# HELP tapio_events_total events \"read\"\\nfrom C:\\\\rings\n"
	"tapio_events_total{sensor=\"process\"} 18446744073709551615\n"
	"tapio_events_total{sensor=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\xc3\xa4\"} 0\n"
	"# TYPE tapio_cpu_seconds_total counter\n"
	"# HELP tapio_cpu_seconds_total CPU time\n"
	"tapio_cpu_seconds_total 1.5\n"
	"# TYPE tapio_offset_bytes gauge\n"
	"# HELP tapio_offset_bytes may be negative\n"
	"tapio_offset_bytes -9223372036854775808\n"
	"# TYPE tapio_build_info gauge\n"
	"# HELP tapio_build_info what runs\n"
	"tapio_build_info{version=\"0.1.0\"} 1\n"
	"# TYPE tapio_wait_seconds histogram\n"
	"# HELP tapio_wait_seconds how long\n"
	HISTOGRAM;

TEST(unit, metrics_in_both_formats)
{
	static const char *const wanted[] = { [METRICS_TEXT] = text_page, [METRICS_OPENMETRICS] = open_page };
	_cleanup_buf_ struct buf out = BUF_INIT(65536);
	struct metrics m;
	const char *fault;
	unsigned line = 0;
	int err;

	for (unsigned format = METRICS_TEXT; format <= METRICS_OPENMETRICS; format++) {
		buf_reset(&out);
		metrics_begin(&m, &out, format);
		add_page(&m);
		err = metrics_end(&m);
		CHECK(!err && !m.misuse, "metrics_end: %d, %s", err, m.misuse);
		CHECK(!strcmp(buf_cstr(&out), wanted[format]), "format %u:\n%s", format, buf_cstr(&out));
	}
	fault = openmetrics_fault(out.data, out.length, &line);
	CHECK(!fault, "line %u: %s", line, fault);
}

/* The judge itself must be able to say no. */
TEST(unit, metrics_judge)
{
	static const struct {
		const char *find, *replace, *fault;
	} broken[] = {
		{ "# EOF\n", "", "no # EOF" },
		{ "# EOF\n", "# EOF\n\n", "something after # EOF" },
		{ "\xc3\xa4", "\xa4\xc3", "a label's value: no quotes, not escaped, or not UTF-8" },
		{ "process\"} 1844", "process} 1844", "a label's value: no quotes, not escaped, or not UTF-8" },
		{ "events_total{sensor=\"p", "events{sensor=\"p", "a suffix that its type does not have" },
		{ "seconds_total 1", "bytes_total 1", "a sample outside its family" },
		{ "cpu_seconds_total 1.5\n", "cpu_seconds_total 1.5\ntapio_cpu_seconds_total 1.5\n",
		  "a sample for the second time" },
		{ "# UNIT tapio_cpu_seconds seconds", "# UNIT tapio_cpu_seconds econds", "UNIT is not the name's end" },
		{ "# TYPE tapio_cpu_seconds c", "# TYPE tapio_events c", "a family for the second time" },
		{ "total 1.5\n", "total -1.5\n", "below 0" },
		{ "total 1.5\n", "total one\n", "not a number" },
		{ "tapio_cpu_seconds_total 1.5\n", "", NULL }, /* a family without samples is one */
		{ "\"} 1\n", "\"} 2\n", "an info that is not 1" },
		{ "# HELP tapio_build what", "#HELP tapio_build what", "a sample outside its family" },
		{ "\\\"read", "\"read", "HELP: not escaped, or not UTF-8" },
		{ "version=\"0.1.0\"", "version=\"0.1.0\",version=\"\"", "a label for the second time" },
		{ "le=\"1.0\"} 3", "le=\"1.0\"} 2", "buckets that do not rise, or a bound that is no floating point number" },
		{ "le=\"1.0\"", "le=\"1\"", "buckets that do not rise, or a bound that is no floating point number" },
		{ "le=\"+Inf\"} 7", "le=\"2.0\"} 7", "no bucket +Inf, or le beside a bucket" },
		{ "le=\"+Inf\"} 7", "le=\"+Inf\"} 8", "a count that is not the last bucket's" },
		{ "wait_seconds_sum{", "wait_seconds{", "a suffix that its type does not have" },
	};
	const char *at, *fault;
	unsigned line = 0;

	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT(65536);

		at = strstr(open_page, broken[i].find);
		REQUIRE(at, "%s is not there", broken[i].find);
		buf_add(&text, open_page, (size_t)(at - open_page));
		buf_adds(&text, broken[i].replace);
		buf_adds(&text, at + strlen(broken[i].find));
		fault = openmetrics_fault(text.data, text.length, &line);
		CHECK(fault ? broken[i].fault && !strcmp(fault, broken[i].fault) : !broken[i].fault, "%s: line %u: %s", broken[i].find, line, fault);
	}
}

TEST(unit, metrics_seconds_are_exact)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0" }, { 1, "0.000000001" }, { 1000000000, "1" }, { 10000000000, "10" }, { 1010000000, "1.01" },
		{ UINT64_MAX, "18446744073.709551615" },
	};
	char line[80];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(4096);
		struct metrics m;

		metrics_begin(&m, &out, METRICS_TEXT);
		metrics_family(&m, "x_seconds", METRICS_GAUGE, "seconds", "x");
		buf_reset(&out);
		metrics_ns(&m, rows[i].ns, NULL);
		snprintf(line, sizeof(line), "x_seconds %s\n", rows[i].text);
		CHECK(!strcmp(buf_cstr(&out), line), "%s", buf_cstr(&out));
	}
}

static void no_family(struct metrics *m)
{
	metrics_u64(m, 1, NULL);
}

static void twice(struct metrics *m)
{
	metrics_family(m, "fine", METRICS_GAUGE, NULL, "x");
}

static void bad_family(struct metrics *m)
{
	metrics_family(m, "9a", METRICS_GAUGE, NULL, "x");
}

static void suffixed(struct metrics *m)
{
	metrics_family(m, "events_total", METRICS_COUNTER, NULL, "x");
}

static void wrong_unit(struct metrics *m)
{
	metrics_family(m, "size", METRICS_GAUGE, "bytes", "x");
}

static void glued_unit(struct metrics *m)
{
	metrics_family(m, "kilobytes", METRICS_GAUGE, "bytes", "x");
}

static void no_help(struct metrics *m)
{
	metrics_family(m, "size", METRICS_GAUGE, NULL, "");
}

static void bad_label(struct metrics *m)
{
	metrics_u64(m, 1, "a-b", "c", NULL);
}

static void own_label(struct metrics *m)
{
	metrics_u64(m, 1, "__name__", "c", NULL);
}

static void same_label(struct metrics *m)
{
	metrics_u64(m, 1, "a", "b", "a", "c", NULL);
}

static void not_seconds(struct metrics *m)
{
	metrics_ns(m, 1, NULL);
}

static void created_gauge(struct metrics *m)
{
	metrics_created(m, 1, NULL);
}

static void negative_counter(struct metrics *m)
{
	metrics_family(m, "events", METRICS_COUNTER, NULL, "x");
	buf_reset(m->out);
	metrics_s64(m, -1, NULL);
}

static void info_of_two(struct metrics *m)
{
	metrics_family(m, "build", METRICS_INFO, NULL, "x");
	buf_reset(m->out);
	metrics_u64(m, 2, NULL);
}

TEST(unit, metrics_tells_misuse)
{
	static const struct {
		void (*wrong)(struct metrics *m);
		const char *what;
	} rows[] = {
		{ no_family, "before the first" }, { twice, "twice" }, { bad_family, "a family's name is not" },
		{ suffixed, "belongs to samples" }, { wrong_unit, "unit" }, { glued_unit, "unit" },
		{ no_help, "no help" }, { bad_label, "a label's name" }, { own_label, "a label's name" },
		{ same_label, "a label twice" }, { not_seconds, "in seconds" },
		{ created_gauge, "not a counter" }, { negative_counter, "not a gauge" },
		{ info_of_two, "other than 1" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(4096);
		struct metrics m;

		metrics_begin(&m, &out, METRICS_TEXT);
		if (rows[i].wrong != no_family)
			metrics_family(&m, "fine", METRICS_GAUGE, NULL, "x");
		buf_reset(&out);
		rows[i].wrong(&m);
		CHECK(!out.length, "row %zu: written all the same: %s", i, buf_cstr(&out));
		CHECK(metrics_end(&m) == -EINVAL, "row %zu: not told", i);
		CHECK(m.misuse && strstr(m.misuse, rows[i].what), "row %zu: %s", i, m.misuse);
	}
}

TEST(unit, metrics_that_do_not_fit)
{
	size_t whole = sizeof(open_page) - 1;

	for (size_t max = 1; max <= whole + 1; max++) {
		_cleanup_buf_ struct buf out = BUF_INIT(max);
		struct metrics m;
		int err;

		metrics_begin(&m, &out, METRICS_OPENMETRICS);
		add_page(&m);
		err = metrics_end(&m);
		CHECK(err == (max < whole ? -ENOBUFS : 0), "%zu of %zu bytes: %d", max, whole, err);
	}
}

TEST(unit, metrics_negotiation)
{
	static const struct {
		const char *accept;
		enum metrics_format format;
	} rows[] = {
		{ NULL, METRICS_TEXT },
		{ "", METRICS_TEXT },
		{ "*/*", METRICS_TEXT },
		{ "text/html, application/xhtml+xml, */*;q=0.8", METRICS_TEXT },
		{ "application/openmetrics-text", METRICS_OPENMETRICS },
		{ "Application/OpenMetrics-Text; Version=1.0.0 ; charset=utf-8", METRICS_OPENMETRICS },
		/* Prometheus 2.42 */
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", METRICS_OPENMETRICS },
		/* Prometheus 3.0 */
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
		  "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;"
		  "q=0.3,*/*;q=0.2", METRICS_OPENMETRICS },
		{ "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4", METRICS_TEXT },
		{ "text/plain, application/openmetrics-text;q=0", METRICS_TEXT },
		{ "application/openmetrics-text;version=2.0.0", METRICS_TEXT },
		{ "application/openmetrics-text;q=0", METRICS_TEXT },
		{ "application/openmetrics-text;q=x", METRICS_TEXT },
		{ "application/openmetrics-text;q=9", METRICS_TEXT },
		{ "application/openmetrics-text;q=", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.0001", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.001", METRICS_OPENMETRICS },
		{ "application/openmetrics-textual", METRICS_TEXT },
		{ ",,;;,;q=1,application/openmetrics-text;;,", METRICS_OPENMETRICS },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK(metrics_negotiate(rows[i].accept) == rows[i].format, "%s", rows[i].accept);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A page of metrics of every kind, for a Prometheus to scrape. Prints its address first. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "export/http.h"
#include "export/metrics.h"

static int page(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	static const uint64_t bounds[] = { 500000, 1000000000 }, counts[] = { 3, 0, 4 };
	static const struct metrics_times times = { bounds, counts, 2, 9500000000 };
	enum metrics_format format = metrics_negotiate(request->accept);
	unsigned long *scrapes = arg;
	struct metrics m;

	*scrapes += format == METRICS_OPENMETRICS;
	*content_type = metrics_content_type(format);
	metrics_begin(&m, out, format);
	metrics_family(&m, "test_scrapes", METRICS_COUNTER, NULL, "times that this page was read as OpenMetrics");
	metrics_u64(&m, *scrapes, NULL);
	metrics_family(&m, "test_large", METRICS_GAUGE, NULL, "2^53 - 1, the largest that Prometheus holds exactly");
	metrics_u64(&m, (1ull << 53) - 1, NULL);
	metrics_family(&m, "test_cpu_seconds", METRICS_COUNTER, "seconds", "a time with all its digits");
	metrics_ns(&m, 1234567890123456ull, NULL);
	metrics_created(&m, 1772368496123456789ull, NULL);
	metrics_family(&m, "test_offset_bytes", METRICS_GAUGE, "bytes", "below zero");
	metrics_s64(&m, -42, NULL);
	metrics_family(&m, "test_labels", METRICS_GAUGE, NULL, "\"quotes\", back\\slashes and\nnew lines");
	metrics_u64(&m, 1, "value", "plain", NULL);
	metrics_u64(&m, 2, "value", "quote\" back\\slash new\nline \xc3\xa4", NULL);
	metrics_u64(&m, 3, "value", "not UTF-8: \xff", NULL);
	metrics_u64(&m, 4, "value", "", NULL);
	metrics_family(&m, "test_build", METRICS_INFO, NULL, "what this is");
	metrics_u64(&m, 1, "version", "1.2.3", NULL);
	metrics_family(&m, "test_wait_seconds", METRICS_HISTOGRAM, "seconds", "how long");
	metrics_histogram(&m, &times, "of", "one", NULL);
	return metrics_end(&m) ? 500 : 200;
}

int main(void)
{
	static unsigned long scrapes;
	static const struct http_handler handlers[] = { { "/metrics", "text/plain", page, &scrapes }, { NULL, NULL, NULL, NULL } };
	const struct http_options options = { .address = "127.0.0.1:0", .handlers = handlers };
	struct event_base *base = event_base_new();
	struct http_server *server;
	char why[256];

	signal(SIGPIPE, SIG_IGN);
	server = http_open(base, &options, why, sizeof(why));
	if (!server) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	printf("%s\n", http_address(server));
	fflush(stdout);
	event_base_dispatch(base);
	return 1;
}

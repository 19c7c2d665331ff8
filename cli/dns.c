/* SPDX-License-Identifier: Apache-2.0 */
/* tapio dns: what the lookups of a while come to. */
#include "cli/dns.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/filters.h"

#define PERIOD_NS (10 * NS_PER_S)
#define CLIENTS 512
#define SERVERS 64
#define NAMES 1024

/* At the end, what waited so long already counts as unanswered: of a dead server nothing would be told otherwise. */
#define GIVEN_UP_NS (NS_PER_S)
#define GRACE_NS (300 * NS_PER_MS) /* what correlate/dns adds to the timeout */

static const char help[] =
	"usage: tapio dns [OPTION]...\n\n"
	"Watches the DNS lookups of this machine for a while and prints what they come to: answers, latency,\n"
	"servers, who asks most, which names, what failed, and what search domains (ndots) waste. Ctrl-C ends\n"
	"it early. What a lookup is: docs/DNS.md. Live: tapio top dns.\n\n"
	"  -t, --time SECONDS       watch for SECONDS (or 500ms, 2m, 1h); 10\n"
	"      --by process|pod|unit  who is told apart: programs, pods (else containers, units) or units\n"
	"  -n, --rows ROWS          ROWS of each table at most; 10\n"
	"  -o, --output table|json  choose the format\n"
	FILTER_HELP
	"      --wide               do not cut lines at the terminal's width\n"
	"      --no-color           no colours (as does the variable NO_COLOR)\n"
	RUN_OPTIONS_HELP;

enum { OPT_BY = OPT_LAST, OPT_WIDE, OPT_NO_COLOR };

/* ---- arguments ---- */

static int take_by(struct dns_view *v, const char *name)
{
	static const char *const names[] = { [DNS_BY_PROCESS] = "process", [DNS_BY_POD] = "pod", [DNS_BY_UNIT] = "unit" };

	for (unsigned i = 0; i < COUNT_OF(names); i++)
		if (!strcmp(name, names[i])) {
			v->by = (enum dns_summary_by)i;
			return STATUS_OK;
		}
	return usage_error(v->command, "--by %s: wanted is process, pod or unit", name);
}

static int take_time(const struct dns_view *v, int opt, const char *text, uint64_t *ret)
{
	if (parse_duration(text, ret) || *ret < NS_PER_MS)
		return usage_error(v->command, "-%c %s: not a time above 0, as in 10, 500ms, 2m", opt, text);
	return STATUS_OK;
}

static int take_rows(struct dns_view *v, const char *text)
{
	uint64_t rows;

	if (parse_u64(text, DNS_ROWS_MAX, &rows) || !rows)
		return usage_error(v->command, "-n %s: wanted is a number of rows from 1 to %d", text, DNS_ROWS_MAX);
	v->rows = (unsigned)rows;
	return STATUS_OK;
}

static int take_option(struct dns_view *v, int opt, char *arg)
{
	int status = filter_option(v->command, &v->run.collect, &v->options.selector, opt, arg);

	if (status >= 0)
		return status;
	switch (opt) {
	case 't':
		return take_time(v, opt, arg, &v->time_ns);
	case 'i':
		return take_time(v, opt, arg, &v->interval_ns);
	case 'n':
		return take_rows(v, arg);
	case 'o':
		v->json = !strcmp(arg, "json");
		if (!v->json && strcmp(arg, "table"))
			return usage_error(v->command, "-o %s: the formats are table and json", arg);
		return STATUS_OK;
	case OPT_BY:
		return take_by(v, arg);
	case OPT_WIDE:
		v->wide = true;
		return STATUS_OK;
	case OPT_NO_COLOR:
		v->no_color = true;
		return STATUS_OK;
	default:
		return run_option(&v->run, opt, arg);
	}
}

int dns_view_parse(struct dns_view *v, int argc, char **argv, const char *text)
{
	static const struct option options[] = {
		{ "time", required_argument, NULL, 't' },
		{ "by", required_argument, NULL, OPT_BY },
		{ "rows", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ "wide", no_argument, NULL, OPT_WIDE },
		{ "no-color", no_argument, NULL, OPT_NO_COLOR },
		FILTER_LONG_OPTIONS,
		RUN_LONG_OPTIONS,
		{ "interval", required_argument, NULL, 'i' }, /* top only: the first one */
		{ 0 },
	};
	bool top = !strcmp(v->command, "top");
	struct option taken[COUNT_OF(options)];
	int opt, status;

	memcpy(taken, options, sizeof(taken));
	if (!top)
		taken[COUNT_OF(options) - 2] = (struct option){ 0 };
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, top ? ":o:n:t:i:vh" FILTER_SHORT_OPTIONS : ":o:n:t:vh" FILTER_SHORT_OPTIONS,
				  taken, NULL)) != -1) {
		if (opt == 'h') {
			fputs(text, stdout);
			return STATUS_OK;
		}
		if (opt == '?' || opt == ':')
			return usage_error(v->command, "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
		status = take_option(v, opt, optarg);
		if (status)
			return status;
	}
	if (top && (argc - optind != 1 || strcmp(argv[optind], "dns")))
		return usage_error(v->command, "of what? 'tapio top dns' is what there is");
	if (!top && optind < argc)
		return usage_error(v->command, "%s: no argument is expected", argv[optind]);
	return -1;
}

/* ---- at work ---- */

int dns_view_open(struct dns_view *v)
{
	const struct dns_summary_options options = { .by = v->by, .clients = CLIENTS, .servers = SERVERS, .names = NAMES };
	int status;

	v->run.collect.events = EVENT_BIT(TAPIO_EV_DNS_LOOKUP) | EVENT_BIT(TAPIO_EV_DNS_TIMEOUT) |
				EVENT_BIT(TAPIO_EV_DNS_ERROR);
	v->options.collect = v->run.collect;
	v->options.collect.identity = true;
	status = loop_open(&v->watch, &v->options, v->command);
	if (status)
		return status;
	v->summary = dns_summary_open(&options);
	if (!v->summary || output_init(&v->out, STDOUT_FILENO)) {
		log_error("%s: starting: %s", v->command, strerror(ENOMEM));
		if (v->summary)
			v->summary->sink.close(&v->summary->sink);
		watch_close(&v->watch);
		return STATUS_FAILED;
	}
	pipeline_add_sink(&v->watch.pipeline, &v->summary->sink);
	v->began_ns = clock_ns(CLOCK_MONOTONIC);
	return STATUS_OK;
}

void dns_view_close(struct dns_view *v)
{
	watch_close(&v->watch);
	filter_close(&v->options.collect.filter);
	output_close(&v->out);
}

void dns_view_size(const struct dns_view *v, unsigned *ret_width, unsigned *ret_height)
{
	struct winsize size;

	*ret_width = *ret_height = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	*ret_width = v->wide ? 0 : size.ws_col;
	*ret_height = size.ws_row;
}

void dns_view_add(struct dns_view *v, unsigned rows, unsigned width)
{
	struct dns_page page = { .view = v, .summary = v->summary, .rows = rows, .width = width,
				 .period_ns = clock_ns(CLOCK_MONOTONIC) - v->began_ns,
				 .colour = !v->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") };
	struct buf causes = BUF_INIT(4096);
	struct dns_stats stats;
	uint64_t refused;

	watch_sums(&v->watch, &page.lost, &refused, &causes);
	buf_free(&causes);
	dns_stats(v->watch.dns, &stats);
	page.waiting = stats.waiting;
	if (v->json)
		dns_page_json(&page, &v->out.buf);
	else
		dns_page_text(&page, &v->out.buf);
}

int dns_view_end(struct dns_view *v, int err, unsigned rows)
{
	uint64_t timeout = v->options.dns_timeout_ns ? v->options.dns_timeout_ns : DNS_TIMEOUT_NS;
	unsigned width, height;

	loop_finish(&v->watch, v->command);
	pipeline_advance(&v->watch.pipeline, clock_ns(CLOCK_BOOTTIME) + timeout + GRACE_NS - GIVEN_UP_NS);
	if (!err && rows) {
		dns_view_size(v, &width, &height);
		dns_view_add(v, rows, width);
		err = output_flush(&v->out);
	}
	if (err && err != -EPIPE && err != -EINTR)
		log_error("%s: writing to stdout: %s", v->command, strerror(-err));
	loop_sums(&v->watch);
	return err && err != -EPIPE ? STATUS_FAILED : STATUS_OK;
}

int cmd_dns(int argc, char **argv)
{
	static struct dns_view v; /* large, and one per process */
	struct loop_options loop = { .key_fd = -1 };
	int status;

	v = (struct dns_view){ .command = "dns", .time_ns = PERIOD_NS, .rows = DNS_ROWS_DEFAULT };
	v.run.collect.transport = transport_defaults;
	status = dns_view_parse(&v, argc, argv, help);
	if (status < 0)
		status = dns_view_open(&v);
	else
		return status;
	if (status)
		return status;
	loop.time_ns = v.time_ns;
	status = dns_view_end(&v, loop_run(&v.watch, &loop), v.rows);
	dns_view_close(&v);
	return status;
}

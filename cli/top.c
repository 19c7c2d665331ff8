/* SPDX-License-Identifier: Apache-2.0 */
/* tapio top dns: the summary of lookups, live. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/dns.h"
#include "cli/filters.h"

#define CLEAR "\x1b[H\x1b[2J"
#define HOME "\x1b[H"
#define CLEAR_BELOW "\x1b[J"
#define CLEAR_RIGHT "\x1b[K"

#define FIXED_LINES 20 /* of a page, beside the rows of its tables */
#define TABLES 5

static const char help[] =
	"usage: tapio top [OPTION]... dns\n\n"
	"What 'tapio dns' prints, live: on a terminal one page since the start, drawn again every second; r\n"
	"begins anew, q or Ctrl-C ends it. Elsewhere one table, or line of JSON, for each interval.\n\n"
	"  -i, --interval SECONDS   draw every SECONDS (or 500ms, 2m); 1\n"
	"  -t, --time SECONDS       end after SECONDS (or 500ms, 2m, 1h)\n"
	"      --by process|pod|unit  who is told apart: programs, pods (else containers, units) or units\n"
	"  -n, --rows ROWS          ROWS of each table at most; as many as fit, or 10\n"
	"  -o, --output table|json  choose the format\n"
	FILTER_HELP
	"      --wide               do not cut lines at the terminal's width\n"
	"      --no-color           no colours (as does the variable NO_COLOR)\n"
	RUN_OPTIONS_HELP;

/* How stdin was before keys were read one by one; `changed`: it is to be put back. */
static struct termios before;
static bool changed;

static void read_keys_alone(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before))
		return;
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	changed = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void restore_keys(void)
{
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void begin_anew(struct dns_view *v)
{
	dns_summary_clear(v->summary);
	v->began_ns = clock_ns(CLOCK_MONOTONIC);
	v->recent = v->recent_ns = 0;
}

/* An interrupted write leaves something in the buffer: the next one goes on with it. */
static int flush(struct dns_view *v)
{
	int err = output_flush(&v->out);

	return err == -EINTR ? 0 : err;
}

/* The page that fits, each line's rest wiped, so that nothing flickers. */
static void fit(struct buf *out, size_t from, unsigned height)
{
	struct buf page = BUF_INIT(OUTPUT_MAX_BYTES);
	const char *at = out->data + from, *end = out->data + out->length;
	unsigned lines = 0;

	buf_adds(&page, HOME);
	while (at < end && lines + 1 < height) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = newline ? (size_t)(newline - at) : (size_t)(end - at);

		buf_add(&page, at, n);
		buf_adds(&page, CLEAR_RIGHT "\n");
		at += n + (newline != NULL);
		lines++;
	}
	buf_adds(&page, CLEAR_BELOW);
	out->length = from;
	buf_add(out, page.data, page.length);
	buf_free(&page);
}

static unsigned rows_that_fit(unsigned height)
{
	return height > FIXED_LINES + 2 * TABLES ? (height - FIXED_LINES) / TABLES : 2;
}

static int draw(void *arg)
{
	struct dns_view *v = arg;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), lookups = dns_tally_lookups(&v->summary->total);
	static uint64_t drawn_ns;
	size_t from = v->out.buf.length;
	unsigned width, height;

	dns_view_size(v, &width, &height);
	v->recent_ns = drawn_ns > v->began_ns ? now - drawn_ns : 0;
	dns_view_add(v, v->rows ? v->rows : rows_that_fit(height), width);
	fit(&v->out.buf, from, height ? height : 24);
	v->recent = lookups;
	drawn_ns = now;
	return flush(v);
}

/* Not on a terminal: what came since the last time. */
static int print(void *arg)
{
	struct dns_view *v = arg;
	unsigned width, height;

	dns_view_size(v, &width, &height);
	dns_view_add(v, v->rows ? v->rows : DNS_ROWS_DEFAULT, width);
	if (!v->json)
		buf_addc(&v->out.buf, '\n');
	begin_anew(v);
	return flush(v);
}

static bool on_key(void *arg)
{
	char key = 'q'; /* the terminal has gone */

	if (read(STDIN_FILENO, &key, 1) < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (key == 'r') {
		begin_anew(arg);
		draw(arg);
	}
	return key != 'q' && key != 'Q';
}

int cmd_top(int argc, char **argv)
{
	static struct dns_view v; /* large, and one per process */
	struct loop_options loop = { .key_fd = -1, .every = print, .key = on_key, .arg = &v };
	int status, err;
	bool live;

	v = (struct dns_view){ .command = "top", .interval_ns = NS_PER_S };
	v.run.collect.transport = transport_defaults;
	status = dns_view_parse(&v, argc, argv, help);
	if (status >= 0)
		return status;
	status = dns_view_open(&v);
	if (status)
		return status;
	live = isatty(STDOUT_FILENO) && !v.json;
	loop.time_ns = v.time_ns;
	loop.every_ns = v.interval_ns;
	if (live) {
		loop.every = draw;
		loop.key_fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1;
		read_keys_alone();
		buf_adds(&v.out.buf, CLEAR);
		draw(&v);
	}
	err = loop_run(&v.watch, &loop);
	restore_keys();
	/* On a terminal the last page stays where it is; elsewhere a part of an interval is one. */
	status = dns_view_end(&v, err, live ? 0 : v.rows ? v.rows : DNS_ROWS_DEFAULT);
	dns_view_close(&v);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as a page for people. Names and addresses come from the wire: all text goes through export/line.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/dns.h"
#include "export/line.h"
#include "export/text.h"

#define HEADING 11 /* columns of what a line is about */
#define WHO 30     /* of "shop/cart-0"; what went wrong must be within 80 columns */

/* ---- pieces of lines ---- */

static struct line begin(const struct dns_page *p, struct buf *out)
{
	return line_begin(out, p->width, p->colour);
}

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_ascii(line, text);
}

/* A number of which there should be none: loud if there are any. */
static void add_trouble(struct line *line, uint64_t n, const char *what)
{
	if (!n)
		return;
	line_style(line, STYLE_FAILURE);
	add(line, "%" PRIu64 " %s", n, what);
	line_style(line, STYLE_RESET);
	line_ascii(line, "  ");
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static struct line heading(const struct dns_page *p, struct buf *out, const char *name)
{
	struct line line = begin(p, out);

	line_style(&line, STYLE_BOLD);
	line_ascii(&line, name);
	line_style(&line, STYLE_RESET);
	line_pad(&line, HEADING);
	return line;
}

/* Right-aligned: ends at *column after moving it by `width`. */
static void right(struct line *line, unsigned *column, unsigned width, const char *text)
{
	unsigned n = (unsigned)strlen(text);

	line_ascii(line, " ");
	*column += width;
	line_pad(line, *column > n ? *column - n : 0);
	line_ascii(line, text);
}

static void right_number(struct line *line, unsigned *column, unsigned width, uint64_t n, bool trouble)
{
	char text[24];

	snprintf(text, sizeof(text), n ? "%" PRIu64 : "-", n);
	line_style(line, trouble && n ? STYLE_FAILURE : "");
	right(line, column, width, text);
	line_style(line, trouble && n ? STYLE_RESET : "");
}

static void right_time(struct line *line, unsigned *column, unsigned width, uint64_t ns, bool known)
{
	char text[24] = "-";

	if (known)
		text_ns(text, sizeof(text), ns);
	right(line, column, width, text);
}

/* Any text, cut with a "~" at `width` columns at most. */
static void left(struct line *line, unsigned *column, unsigned width, const char *text)
{
	char cut[128];
	size_t n = strlen(text);

	*column += width;
	if (n >= width) {
		snprintf(cut, sizeof(cut), "%.*s~", (int)(width - 2 < sizeof(cut) - 2 ? width - 2 : sizeof(cut) - 2), text);
		text = cut;
		n = strlen(cut);
	}
	line_text(line, text, n, "");
	line_pad(line, *column);
}

/* ---- totals ---- */

static void page_head(const struct dns_page *p, struct buf *out)
{
	uint64_t lookups = dns_tally_lookups(&p->summary->total);
	double seconds = (double)p->period_ns / 1e9;
	struct line line = heading(p, out, "DNS");
	struct utsname u;
	char period[24];

	uname(&u);
	text_ns(period, sizeof(period), p->period_ns);
	add(&line, "%" PRIu64 " lookups in %s, %.1f/s", lookups, period, seconds > 0 ? (double)lookups / seconds : 0);
	if (p->view->recent_ns)
		add(&line, ", now %.1f/s", (double)(lookups - p->view->recent) * 1e9 / (double)p->view->recent_ns);
	line_ascii(&line, ", on ");
	line_text(&line, u.nodename, strlen(u.nodename), "");
	if (p->summary->served)
		add(&line, "; %" PRIu64 " of them for clients elsewhere", p->summary->served);
	line_end(&line);
}

static void page_answers(const struct dns_page *p, struct buf *out)
{
	static const char *const names[DNS_OUTCOMES] = { "found", "no data", "NXDOMAIN", "SERVFAIL", "other codes", "unanswered" };
	const struct dns_tally *t = &p->summary->total;
	struct line line = heading(p, out, "Answers");

	for (unsigned i = 0; i < DNS_OUTCOMES; i++) {
		bool bad = i == DNS_SERVFAIL || i == DNS_FAILED || i == DNS_UNANSWERED;

		if (!t->outcome[i])
			continue;
		line_style(&line, bad ? STYLE_FAILURE : "");
		add(&line, "%s %" PRIu64 " (%.1f%%)", names[i], t->outcome[i],
		    percent(t->outcome[i], dns_tally_lookups(t)));
		line_style(&line, bad ? STYLE_RESET : "");
		line_ascii(&line, "  ");
	}
	line_end(&line);
}

static void page_latency(const struct dns_page *p, struct buf *out)
{
	static const struct {
		const char *name;
		unsigned per_mille;
	} points[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "p99.9", 999 } };
	const struct latency *l = &p->summary->latency;
	struct line line = heading(p, out, "Latency");
	char text[24];

	for (unsigned i = 0; i < 4; i++) {
		text_ns(text, sizeof(text), latency_percentile(l, points[i].per_mille));
		add(&line, "%s %s  ", points[i].name, text);
	}
	text_ns(text, sizeof(text), l->max_ns);
	add(&line, "max %s  (percentiles +-%.1f%%)", text, LATENCY_ERROR_PERCENT);
	line_end(&line);
}

static void page_types(const struct dns_page *p, struct buf *out)
{
	struct line line = heading(p, out, "Types");

	for (unsigned i = 0; i < DNS_TYPES; i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < DNS_RCODES; k++)
			sum += p->summary->answers[i][k];
		if (sum)
			add(&line, "%s %" PRIu64 "  ", dns_type_labels[i], sum);
	}
	line_end(&line);
}

static void page_trouble(const struct dns_page *p, struct buf *out)
{
	const struct dns_tally *t = &p->summary->total;
	struct line line = heading(p, out, "Trouble");
	unsigned before = line.columns;

	add_trouble(&line, t->outcome[DNS_UNANSWERED], "unanswered");
	if (t->doubtful)
		add(&line, "(%" PRIu64 " of them in doubt)  ", t->doubtful);
	add_trouble(&line, t->retries, t->retries == 1 ? "retry" : "retries");
	add_trouble(&line, t->failovers, t->failovers == 1 ? "failover" : "failovers");
	add_trouble(&line, t->lost_twins, "lost of a pair A/AAAA (a race in connection tracking?)");
	for (unsigned i = 0; i < DNS_REASONS; i++)
		if (dns_reason_name(i))
			add_trouble(&line, p->summary->errors[i], dns_reason_name(i));
	if (line.columns == before)
		line_ascii(&line, "none  ");
	if (p->waiting)
		add(&line, "%u waiting for an answer  ", p->waiting);
	add_trouble(&line, p->lost, "records lost: counts may be too low, and what is in doubt was perhaps answered");
	line_end(&line);
}

static void page_search(const struct dns_page *p, struct buf *out)
{
	uint64_t wasted = p->summary->total.wasted, all = dns_tally_lookups(&p->summary->total);
	struct line line;

	if (!wasted)
		return;
	line = heading(p, out, "Search");
	add(&line, "%" PRIu64 " questions (%.1f%%) were for names with a search domain, and in vain", wasted, percent(wasted, all));
	line_end(&line);
}

/* ---- tables ---- */

struct column {
	const char *name;
	unsigned width;
};

/* An empty line, and the headings: the first `nleft` of them stand left, and `last` behind all. */
static void table_head(const struct dns_page *p, struct buf *out, const struct column *columns, unsigned n, unsigned nleft,
		       const char *last)
{
	unsigned column = 0;
	struct line line;

	buf_addc(out, '\n');
	line = begin(p, out);
	line_style(&line, STYLE_BOLD);
	for (unsigned i = 0; i < n; i++)
		if (i < nleft)
			left(&line, &column, columns[i].width, columns[i].name);
		else
			right(&line, &column, columns[i].width, columns[i].name);
	line_ascii(&line, last);
	line_end(&line);
}

/* What counts may lack where things had to give way to others. */
static void table_error(const struct dns_page *p, struct buf *out, const struct top *t, const char *what)
{
	struct line line;

	if (!t->displaced)
		return;
	line = begin(p, out);
	line_style(&line, STYLE_DIM);
	add(&line, "more than %u %s: a count may be too low by up to %" PRIu64 ", and what is missing came no more often",
	    t->max, what, top_error(t));
	line_end(&line);
}

static void servers_row(const struct dns_page *p, struct buf *out, const char *name, const struct dns_tally *t,
			const struct latency *l)
{
	struct line line = begin(p, out);
	unsigned column = 0;

	left(&line, &column, 29, name);
	right_number(&line, &column, 8, dns_tally_lookups(t), false);
	right_number(&line, &column, 10, t->outcome[DNS_UNANSWERED], true);
	right_number(&line, &column, 9, t->outcome[DNS_SERVFAIL], true);
	right_number(&line, &column, 7, t->outcome[DNS_FAILED], true);
	right_time(&line, &column, 8, latency_percentile(l, 500), l->n);
	right_time(&line, &column, 8, latency_percentile(l, 990), l->n);
	right_time(&line, &column, 8, l->max_ns, l->n);
	right_number(&line, &column, 9, t->outcome[DNS_NXDOMAIN], false);
	line_end(&line);
}

static void page_servers(const struct dns_page *p, struct buf *out)
{
	static const struct column columns[] = { { "SERVER", 29 }, { "LOOKUPS", 8 }, { "NO ANSWER", 10 }, { "SERVFAIL", 9 },
						 { "OTHER", 7 }, { "P50", 8 }, { "P99", 8 }, { "MAX", 8 }, { "NXDOMAIN", 9 } };
	const void *rows[DNS_ROWS_MAX];
	uint32_t n = dns_top_servers(p, rows);
	char name[EVENT_ADDRESS_BUF + 16];

	if (!n)
		return;
	table_head(p, out, columns, 9, 1, "");
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_server *s = rows[i];
		size_t length = event_address_text(&s->address, name);

		snprintf(name + length, sizeof(name) - length, s->port == 53 ? "" : "#%u", s->port);
		servers_row(p, out, name, &s->tally, &s->latency);
	}
	if (p->summary->servers.displaced)
		servers_row(p, out, "(others)", &p->summary->other_servers.tally, &p->summary->other_servers.latency);
	table_error(p, out, &p->summary->servers, "servers");
}

static void clients_row(const struct dns_page *p, struct buf *out, const char *comm, const char *who,
			const struct dns_tally *t, const struct latency *l)
{
	struct line line = begin(p, out);
	unsigned column = 0;

	if (p->view->by == DNS_BY_PROCESS)
		left(&line, &column, 16, *comm ? comm : "-");
	left(&line, &column, WHO, who);
	right_number(&line, &column, 8, dns_tally_lookups(t), false);
	right_number(&line, &column, 10, t->outcome[DNS_UNANSWERED], true);
	right_number(&line, &column, 7, t->outcome[DNS_SERVFAIL] + t->outcome[DNS_FAILED], true);
	right_number(&line, &column, 8, t->wasted, false);
	right_time(&line, &column, 8, latency_percentile(l, 500), l->n);
	right_time(&line, &column, 8, latency_percentile(l, 990), l->n);
	right_number(&line, &column, 9, t->outcome[DNS_NXDOMAIN], false);
	line_end(&line);
}

static void page_clients(const struct dns_page *p, struct buf *out)
{
	static const struct column columns[] = { { "PROGRAM", 16 }, { "WHO", WHO }, { "LOOKUPS", 8 }, { "NO ANSWER", 10 }, { "FAILED", 7 },
						 { "WASTED", 8 }, { "P50", 8 }, { "P99", 8 }, { "NXDOMAIN", 9 } };
	const void *rows[DNS_ROWS_MAX];
	uint32_t n = dns_top_clients(p, rows);
	bool comm = p->view->by == DNS_BY_PROCESS;

	if (!n)
		return;
	table_head(p, out, columns + !comm, 9 - !comm, 1 + comm, "");
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_client *c = rows[i];
		char who[DNS_PARTY_TEXT];

		dns_party_text(&c->party, who, sizeof(who));
		clients_row(p, out, c->party.comm, who, &c->tally, &c->latency);
	}
	if (p->summary->clients.displaced)
		clients_row(p, out, "", "(others)", &p->summary->other_clients.tally, &p->summary->other_clients.latency);
	table_error(p, out, &p->summary->clients, "clients");
}

static void wasters_row(const struct dns_page *p, struct buf *out, const struct dns_client *c)
{
	char who[DNS_PARTY_TEXT], advice[DNS_TEXT_KEPT + 128];
	struct line line = begin(p, out);
	unsigned column = 0;

	dns_party_text(&c->party, who, sizeof(who));
	if (p->view->by == DNS_BY_PROCESS)
		left(&line, &column, 16, c->party.comm);
	left(&line, &column, WHO, who);
	right_number(&line, &column, 8, c->tally.wasted, false);
	add(&line, " %5.1f%%  ", percent(c->tally.wasted, dns_tally_lookups(&c->tally)));
	line_text(&line, c->found, strlen(c->found), "");
	if (c->tried[0]) {
		line_ascii(&line, " after ");
		line_text(&line, c->tried, strlen(c->tried), "");
	}
	line_end(&line);
	line = begin(p, out);
	dns_advice(c, advice, sizeof(advice));
	line_ascii(&line, "  -> ");
	line_text(&line, advice, strlen(advice), "");
	line_end(&line);
}

static void page_wasters(const struct dns_page *p, struct buf *out)
{
	static const struct column columns[] = { { "PROGRAM", 16 }, { "WHO", WHO }, { "WASTED", 8 }, { "OF ALL", 7 } };
	const void *rows[DNS_ROWS_MAX];
	uint32_t n = dns_top_wasters(p, rows);
	bool comm = p->view->by == DNS_BY_PROCESS;

	if (!n)
		return;
	table_head(p, out, columns + !comm, 4 - !comm, 1 + comm, "  FOUND, AFTER WHAT");
	for (uint32_t i = 0; i < n; i++)
		wasters_row(p, out, rows[i]);
}

static void names_table(const struct dns_page *p, struct buf *out, const struct top *table, const char *last,
			const char *what, const void **rows, uint32_t n)
{
	const struct column columns[] = { { "LOOKUPS", 8 }, { "NO ANSWER", 10 }, { "FAILED", 7 }, { "NXDOMAIN", 9 },
					  { "MEAN", 8 } };

	if (!n)
		return;
	table_head(p, out, columns, 5, 0, last);
	for (uint32_t i = 0; i < n; i++) {
		const struct dns_asked *a = rows[i];
		uint64_t answered = dns_tally_lookups(&a->tally) - a->tally.outcome[DNS_UNANSWERED];
		struct line line = begin(p, out);
		unsigned column = 0;

		right_number(&line, &column, 8, dns_tally_lookups(&a->tally), false);
		right_number(&line, &column, 10, a->tally.outcome[DNS_UNANSWERED], true);
		right_number(&line, &column, 7, a->tally.outcome[DNS_SERVFAIL] + a->tally.outcome[DNS_FAILED], true);
		right_number(&line, &column, 9, a->tally.outcome[DNS_NXDOMAIN], false);
		right_time(&line, &column, 8, answered ? a->sum_ns / answered : 0, answered);
		line_ascii(&line, "  ");
		line_text(&line, a->name, strlen(a->name), "");
		line_ascii(&line, "  by ");
		line_text(&line, a->client, strnlen(a->client, sizeof(a->client)), "");
		line_end(&line);
	}
	table_error(p, out, table, what);
}

void dns_page_text(const struct dns_page *p, struct buf *out)
{
	const void *rows[DNS_ROWS_MAX];
	uint32_t n;

	page_head(p, out);
	if (dns_tally_lookups(&p->summary->total)) {
		page_answers(p, out);
		page_latency(p, out);
		page_types(p, out);
	}
	page_trouble(p, out);
	page_search(p, out);
	page_servers(p, out);
	page_clients(p, out);
	page_wasters(p, out);
	n = dns_top_failing(p, rows);
	names_table(p, out, &p->summary->failing, "  NAME THAT FAILED", "failing names", rows, n);
	n = dns_top_names(p, rows);
	names_table(p, out, &p->summary->names, "  NAME", "names", rows, n);
}

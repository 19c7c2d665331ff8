/* SPDX-License-Identifier: Apache-2.0 */
/* `tapio dns` and `tapio top dns`: what lookups come to, after a while and live. */
#ifndef CLI_DNS_H
#define CLI_DNS_H

#include "base/buf.h"
#include "cli/loop.h"
#include "correlate/dns/summary.h"
#include "export/output.h"

#define DNS_ROWS_DEFAULT 10
#define DNS_ROWS_MAX 100

struct dns_view {
	const char *command; /* "dns", "top" */
	struct run_options run;
	struct watch_options options;
	struct watch watch;
	struct dns_summary *summary; /* the pipeline's */
	enum dns_summary_by by;
	uint64_t time_ns, interval_ns;
	uint64_t began_ns;  /* what the summary is of; monotonic */
	uint64_t recent_ns; /* since `recent`, 0: not told */
	uint64_t recent;    /* lookups when the last page was made */
	unsigned rows;
	bool json, wide, no_color;
	struct output out; /* stdout */
};

/* What a page shows, however it is told. */
struct dns_page {
	const struct dns_view *view;
	const struct dns_summary *summary;
	uint64_t period_ns;
	uint64_t lost;    /* records: what is told is too low */
	unsigned waiting; /* questions without an answer so far */
	unsigned rows, width; /* width 0: no limit */
	bool colour;
};

/* ---- dns.c ---- */

/*
 * Reads the options of `tapio dns` and, with v->command "top", those of `tapio top dns`. -1 to go on, else the status to
 * exit with.
 */
int dns_view_parse(struct dns_view *v, int argc, char **argv, const char *help);

/* Starts the sensor and gives it the summary. STATUS_OK, and dns_view_close is the caller's; else what to exit with. */
int dns_view_open(struct dns_view *v);
void dns_view_close(struct dns_view *v);

/* Appends the page, as it is now, to v->out: a table of `rows` rows each at most, or JSON. */
void dns_view_add(struct dns_view *v, unsigned rows, unsigned width);

/* After loop_run: what is still on its way, the last page, and the sums. `err` is what loop_run returned. The exit status. */
int dns_view_end(struct dns_view *v, int err, unsigned rows);

/* Columns and lines of the terminal that stdout is; 0: it is none. */
void dns_view_size(const struct dns_view *v, unsigned *ret_width, unsigned *ret_height);

/* ---- dns_page.c, dns_json.c: appended to out ---- */

void dns_page_text(const struct dns_page *page, struct buf *out);
void dns_page_json(const struct dns_page *page, struct buf *out);

/* ---- dns_rows.c: which rows, and what both say of them ---- */

uint32_t dns_top_clients(const struct dns_page *p, const void **ret);
uint32_t dns_top_wasters(const struct dns_page *p, const void **ret); /* clients, of whom something was wasted */
uint32_t dns_top_servers(const struct dns_page *p, const void **ret);
uint32_t dns_top_names(const struct dns_page *p, const void **ret);
uint32_t dns_top_failing(const struct dns_page *p, const void **ret);

/* "shop/cart-0", "nginx.service", "10.1.2.3", "-": without the program. */
#define DNS_PARTY_TEXT 384
void dns_party_text(const struct dns_party *party, char *ret, size_t size);

/* What would have saved the questions that were wasted: as far as it is known. */
void dns_advice(const struct dns_client *c, char *ret, size_t size);

#endif

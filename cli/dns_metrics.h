/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of DNS, from a summary of all lookups since the start. Labels are types and codes of fixed lists, pods and units
 * (those that came lately, at most dns_metrics_options.clients), and addresses of servers likewise. Never a name that was
 * looked up, nor the address of a client.
 */
#ifndef CLI_DNS_METRICS_H
#define CLI_DNS_METRICS_H

#include "correlate/dns/summary.h"
#include "export/metrics.h"

extern const struct dns_summary_options dns_metrics_options;

void dns_metrics(struct metrics *m, const struct dns_summary *s, const struct dns_stats *stats);

#endif
